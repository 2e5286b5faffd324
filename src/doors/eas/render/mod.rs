//! Items as ActiveSync shows them.

mod address;
mod attachment;
mod body;
mod conversation;
mod email;
mod flag;
mod meeting;
mod renderer;
#[cfg(test)]
mod tests;
mod time;
mod uncut;
mod wishes;

pub(super) use attachment::Attached;
pub(super) use body::text_body;
pub(super) use conversation::{conversation_id, thread_of};
pub(super) use email::Parts;
pub(super) use flag::{
    CATEGORIES_PROPERTY, FLAG_PROPERTY, TooMuch, VERB_PROPERTY, Verb, kept_categories, kept_flag,
};
pub(super) use renderer::Renderer;
pub(super) use time::{dashed, parse as parse_time};
pub(super) use wishes::{BodyPreference, Kept, Wishes, cut_off, has_filter};
