//! Reading one object, and finding it by its names.

use std::fmt::Write as _;

use bytes::Bytes;

use super::entry::Entry;
use crate::mailbox::{Error, Folder, Item, Uid, View};
use crate::store::BodyId;

/// An object as it is stored.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its item.
    pub item: Item,
    /// What is kept beside it; `None` if that is damaged.
    pub entry: Option<Entry>,
    /// Its bytes, as they came.
    pub bytes: Bytes,
}

impl Object {
    /// Its entity tag, quoted. RFC 9110 §8.8.3.
    pub fn etag(&self) -> String {
        etag(&self.item)
    }
}

/// The strong entity tag of an item's content, quoted: the same for the same bytes. RFC 9110 §8.8.3.
pub fn etag(item: &Item) -> String {
    etag_of(&item.body)
}

pub(super) fn etag_of(body: &[u8; 32]) -> String {
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for octet in body.iter().take(16) {
        // Writing to a string does not fail.
        let _ = write!(tag, "{octet:02x}");
    }
    tag.push('"');
    tag
}

/// An object of a folder that may be read.
///
/// # Errors
/// `Missing` if there is none.
pub fn read(view: &View, folder: &Folder, uid: Uid) -> Result<Object, Error> {
    let item = view.item(folder, uid)?.ok_or(Error::Missing)?;
    let bytes = view.reader().body(&BodyId(item.body))?;
    let entry = view.record(folder, uid)?.as_ref().and_then(Entry::of);
    Ok(Object { item, entry, bytes })
}

/// The object with a DAV name.
///
/// # Errors
/// The store's.
pub fn by_name(view: &View, folder: &Folder, name: &str) -> Result<Option<Item>, Error> {
    match view.by_dav_name(folder, name)? {
        Some(uid) => view.item(folder, uid),
        None => Ok(None),
    }
}

/// The object with an iCalendar or vCard UID.
///
/// # Errors
/// The store's.
pub fn by_uid(view: &View, folder: &Folder, ical_uid: &str) -> Result<Option<Item>, Error> {
    match view.by_ical_uid_in(folder, ical_uid)? {
        Some(uid) => view.item(folder, uid),
        None => Ok(None),
    }
}
