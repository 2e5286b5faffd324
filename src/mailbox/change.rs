//! What a change of items says, and where an item is after it.

use bytes::Bytes;

use super::ids::{FolderId, Modseq, Uid};
use super::item::{Flags, Item, ThreadKeys};
use crate::clock::Millis;
use crate::policy::Rights;
use crate::store::StagedBody;

/// An item about to be added.
#[derive(Clone)]
pub struct NewItem {
    /// Its body, staged in the store.
    pub body: StagedBody,
    /// Lines that stand before the body for this item alone.
    pub prefix: Bytes,
    /// Its pre-parsed record.
    pub record: Bytes,
    /// When it arrived.
    pub internal_date: Millis,
    /// Where it stands for time filters, if not where it arrived.
    pub filter_date: Option<Millis>,
    /// Its flags.
    pub flags: Flags,
    /// Its other keywords.
    pub keywords: Vec<String>,
    /// What its conversation is found by.
    pub thread: ThreadKeys,
    /// Its name for DAV clients.
    pub dav_name: Option<String>,
    /// Its iCalendar UID.
    pub ical_uid: Option<String>,
    /// Properties that doors keep with it.
    pub properties: Vec<(String, Vec<u8>)>,
}

/// A new content for an item.
#[derive(Clone)]
pub struct NewContent {
    /// Its body, staged in the store.
    pub body: StagedBody,
    /// Lines that stand before the body.
    pub prefix: Bytes,
    /// Its pre-parsed record.
    pub record: Bytes,
    /// Where it stands for time filters now, if that changed.
    pub filter_date: Option<Millis>,
    /// Properties to set with it, or with `None` to remove.
    pub properties: Vec<(String, Option<Vec<u8>>)>,
}

/// A change of flags, keywords and properties; what is not named stays.
#[derive(Clone, Default, Debug)]
pub struct Edit {
    /// Flags to set.
    pub set: Flags,
    /// Flags to clear.
    pub clear: Flags,
    /// Keywords to add.
    pub add_keywords: Vec<String>,
    /// Keywords to remove.
    pub remove_keywords: Vec<String>,
    /// Properties to set, or with `None` to remove.
    pub properties: Vec<(String, Option<Vec<u8>>)>,
}

/// Up to where the client knew the folder, if it keeps a copy of it: its own change is not echoed
/// only when it knew the item's previous one.
#[derive(Clone, Copy, Default, Debug)]
pub struct Knew(pub Option<Modseq>);

/// Where an item is after a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The folder.
    pub folder: FolderId,
    /// The item.
    pub uid: Uid,
    /// Its latest change, or its tombstone.
    pub modseq: Modseq,
    /// The identity of its content.
    pub content: u64,
    /// False when it was like that before and nothing was logged.
    pub changed: bool,
}

/// The right needed for the difference between two states of an item.
pub(super) fn needed(was: &Item, is: &Item) -> Rights {
    let differ = Flags(was.flags.0 ^ is.flags.0);
    let mut rights = Rights::NONE;
    if differ.has(Flags::SEEN) {
        rights = rights.and(Rights::SEEN);
    }
    if differ.has(Flags::DELETED) {
        rights = rights.and(Rights::DELETE_ITEM);
    }
    let others = differ.without(Flags::SEEN.and(Flags::DELETED)) != Flags::NONE;
    if others || was.keywords != is.keywords || was.properties != is.properties {
        rights = rights.and(Rights::WRITE);
    }
    rights
}
