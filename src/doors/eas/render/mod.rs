//! Items as ActiveSync shows them.

mod address;
mod attachment;
mod body;
mod conversation;
mod email;
mod flag;
#[cfg(test)]
mod tests;
mod time;
mod wishes;

pub(super) use attachment::Attached;
pub(super) use conversation::{conversation_id, thread_of};
pub(super) use email::{CATEGORIES_PROPERTY, Renderer};
pub(super) use flag::{FLAG_PROPERTY, VERB_PROPERTY, Verb};
pub(super) use time::{dashed, parse as parse_time};
pub(super) use wishes::{Wishes, cut_off, email_cut_off};
