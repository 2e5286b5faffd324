//! Writing objects within a transaction, under an expectation of what is there.

use std::fmt;

use bytes::Bytes;

use crate::clock::Millis;
use crate::mailbox::{
    self, Flags, Granted, Item, Knew, MailTx, Modseq, NewContent, NewItem, Placed, SPAN, ThreadKeys, Uid,
};
use crate::store::{self, StagedBody};

/// The property of an item with when its content was last replaced, in milliseconds since 1970 as text.
pub const MODIFIED: &str = "modified";

/// An object whose body is staged, ready to be put.
#[derive(Clone)]
pub struct NewObject {
    pub(super) body: StagedBody,
    pub(super) record: Bytes,
    pub(super) span: Vec<u8>,
    pub(super) filter_date: Option<Millis>,
    pub(super) arrived: Millis,
    pub(super) uid: Option<String>,
    pub(super) ending: &'static str,
    /// Properties of the item to set with it, or with `None` to remove.
    pub properties: Vec<(String, Option<Vec<u8>>)>,
}

impl NewObject {
    /// The id of its body in the store, as [`Item::body`] will have it.
    pub fn body_id(&self) -> [u8; 32] {
        self.body.id().0
    }

    /// What its entity tag will be, quoted.
    pub fn etag(&self) -> String {
        super::read::etag_of(&self.body.id().0)
    }
}

/// What an object is put as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A new item, under this DAV name or one of its own.
    New {
        /// The last segment of its URL.
        name: Option<String>,
    },
    /// The new content of this item.
    Of(Uid),
}

/// What must hold for a change to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Nothing.
    Any,
    /// There is no such item.
    Absent,
    /// The item's content did not change since this modseq.
    Unchanged(Modseq),
}

/// Why an object was not put or removed.
#[derive(Clone, Debug)]
pub enum Error {
    /// Something else came between: whoever computed this begins again.
    Changed,
    /// Another item of the folder has its UID. RFC 4791 §5.3.2.1, `no-uid-conflict`.
    UidTaken(Uid),
    /// The item has another UID. RFC 4791 §5.3.2.1, `no-uid-conflict`.
    UidDiffers,
    /// The folder store's.
    Mailbox(mailbox::Error),
}

impl From<mailbox::Error> for Error {
    fn from(e: mailbox::Error) -> Self {
        Self::Mailbox(e)
    }
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Self {
        Self::Mailbox(e.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("the item was changed meanwhile"),
            Self::UidTaken(_) => f.write_str("another item has the UID"),
            Self::UidDiffers => f.write_str("the item has another UID"),
            Self::Mailbox(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Puts an object into a folder. One that is as it was before is not written again.
///
/// # Errors
/// [`Error::Changed`] when what is expected does not hold, or the DAV name of a new one is taken.
pub fn put<'g>(
    tx: &mut MailTx<'_, 'g>,
    at: &Granted<'g>,
    target: &Target,
    expected: Expected,
    new: &NewObject,
    knew: Knew,
) -> Result<Placed, Error> {
    match target {
        Target::New { name } => {
            if matches!(expected, Expected::Unchanged(_)) {
                return Err(Error::Changed);
            }
            add(tx, at, name.clone(), new)
        }
        Target::Of(uid) => {
            let item = expect(tx, at, *uid, expected)?;
            if item.ical_uid.is_some() && item.ical_uid != new.uid {
                return Err(Error::UidDiffers);
            }
            replace(tx, at, &item, new, knew)
        }
    }
}

/// Removes an object; it can be recovered for a while. There is no other way: the folder of deleted items
/// holds mail.
///
/// # Errors
/// [`Error::Changed`] when what is expected does not hold.
pub fn remove<'g>(
    tx: &mut MailTx<'_, 'g>,
    at: &Granted<'g>,
    uid: Uid,
    expected: Expected,
) -> Result<Placed, Error> {
    match expect(tx, at, uid, expected) {
        // One that cannot be read is removed as it is.
        Err(Error::Mailbox(e)) if e.is_damage() && expected == Expected::Any => {}
        item => drop(item?),
    }
    Ok(tx.expunge(at, uid)?)
}

fn expect<'g>(tx: &MailTx<'_, 'g>, at: &Granted<'g>, uid: Uid, expected: Expected) -> Result<Item, Error> {
    let item = tx.item(at, uid)?;
    match expected {
        Expected::Any => Ok(item),
        Expected::Unchanged(since) if item.content_modseq == since => Ok(item),
        Expected::Unchanged(_) | Expected::Absent => Err(Error::Changed),
    }
}

fn add<'g>(
    tx: &mut MailTx<'_, 'g>,
    at: &Granted<'g>,
    name: Option<String>,
    new: &NewObject,
) -> Result<Placed, Error> {
    if let Some(uid) = &new.uid
        && let Some(other) = tx.by_ical_uid(at, uid)?
    {
        return Err(Error::UidTaken(other));
    }
    let name = match name {
        Some(name) if tx.by_dav_name(at, &name)?.is_some() => return Err(Error::Changed),
        Some(name) => name,
        None => format!("{:016x}{}", tx.store().new_id()?, new.ending),
    };
    let mut properties: Vec<(String, Vec<u8>)> =
        new.properties.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    properties.push((SPAN.to_owned(), new.span.clone()));
    properties.sort_unstable();
    let item = NewItem {
        body: new.body.clone(),
        prefix: Bytes::new(),
        record: new.record.clone(),
        internal_date: new.arrived,
        filter_date: new.filter_date,
        flags: Flags::NONE,
        keywords: Vec::new(),
        thread: ThreadKeys::default(),
        dav_name: Some(name),
        ical_uid: new.uid.clone(),
        properties,
    };
    Ok(tx.append(at, item)?)
}

fn replace<'g>(
    tx: &mut MailTx<'_, 'g>,
    at: &Granted<'g>,
    item: &Item,
    new: &NewObject,
    knew: Knew,
) -> Result<Placed, Error> {
    let same = |(name, value): &(String, Option<Vec<u8>>)| item.property(name) == value.as_deref();
    if item.body == new.body.id().0 && new.properties.iter().all(same) {
        return Ok(Placed {
            folder: at.id(),
            uid: item.uid,
            modseq: item.modseq,
            content: item.content,
            changed: false,
        });
    }
    let mut properties = new.properties.clone();
    properties.push((MODIFIED.to_owned(), Some(new.arrived.to_string().into_bytes())));
    properties.push((SPAN.to_owned(), Some(new.span.clone())));
    let content = NewContent {
        body: new.body.clone(),
        prefix: Bytes::new(),
        record: new.record.clone(),
        filter_date: new.filter_date,
        properties,
    };
    Ok(tx.replace(at, item.uid, content, knew)?)
}
