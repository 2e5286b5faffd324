//! Items as ActiveSync shows them.

mod email;
mod wishes;

pub(super) use email::{CATEGORIES_PROPERTY, FLAG_PROPERTY, Renderer};
pub use wishes::{Wishes, cut_off, email_cut_off};
