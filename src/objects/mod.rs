//! Calendar and address objects in folders: what may be stored, how it is found, and what is in a range
//! of time.
//!
//! An item of a calendar, task list or journal is one iCalendar object of one UID, the master with its
//! overrides (RFC 4791 §4.1); one of an address book is one vCard (RFC 6352 §5.1); notes are objects with a
//! VJOURNAL. The bytes are kept as they came. [`Prepared`] reads and checks them outside of any transaction and
//! computes the [`Entry`] that is kept beside the item, so that a listing opens no body; [`put()`] then writes it
//! under an expectation of what is there. Whoever merges an edit into an object reads a snapshot, computes,
//! prepares and puts under [`Expected::Unchanged`], and begins again when something else came between.

mod cache;
mod entry;
mod folder;
mod prepared;
mod put;
mod range;
mod read;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

pub use cache::{Parsed, SERIES_CACHE_BYTES};
pub use entry::{Entry, FOREVER, Floating, Kept};
pub use folder::{
    COLOR, COMPONENTS, Components, DESCRIPTION, DISPLAY_NAME, ORDER, SEGMENT, TIME_ZONE, components, create,
};
pub use prepared::{Limits, Prepared, Refused};
pub use put::{Error, Expected, MODIFIED, NewObject, Target, put, remove};
pub use read::{Object, by_name, by_uid, etag, read};
pub use verify::verify;

/// What reads objects again and again: their parsed forms, kept within a bound. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    cache: Arc<cache::Cache>,
}

impl Objects {
    /// Keeps parsed objects of about `bytes` octets of memory together.
    pub fn new(bytes: usize) -> Self {
        Self { cache: Arc::new(cache::Cache::new(bytes)) }
    }
}

impl Default for Objects {
    fn default() -> Self {
        Self::new(SERIES_CACHE_BYTES)
    }
}
