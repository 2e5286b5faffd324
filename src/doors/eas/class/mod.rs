//! The classes of items that are not mail: contacts, tasks, notes and events.
//!
//! What is stored is a vCard or an iCalendar object, byte for byte. Each class has one function that shows
//! an object as the elements of ApplicationData ([`show`]), and one that takes a client's change over into
//! the object ([`apply`]), where what the client does not know stays as it was. Neither knows of the store.

mod agree;
mod body;
mod calendar;
mod contacts;
mod ical;
mod notes;
mod out;
#[cfg(test)]
mod sample;
mod supported;
mod tasks;

use std::fmt;

use bytes::Bytes;
use caldav::{Invalid, Object, TooLarge};
use wbxml::{BadValue, Element, Tag, Version};

pub(super) use agree::agrees;
pub(super) use body::Sent;
pub(super) use calendar::{Invitation, invitation, sequence, set_reply_time};
pub(super) use out::Out;
pub(super) use supported::Supported;

use super::ids::FileReference;
use super::session::Session;
use crate::directory::Account;
use crate::mailbox::{FolderId, Item, Kind, Uid};

/// 6: the client sent what cannot be stored. MS-ASCMD §2.2.3.177.17.
pub(super) const CONVERSION: u16 = 6;

/// Who asks, and how.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// The protocol version of the request.
    pub(super) version: Version,
    /// Who is logged in.
    pub(super) account: &'a Account,
    /// The time, in seconds since 1970.
    pub(super) now: i64,
}

impl<'a> Asker<'a> {
    /// Who asks in a session.
    pub(super) fn of(session: &'a Session) -> Self {
        let now = session.eas.mailbox.clock().now_secs();
        Self { version: session.version, account: &session.login.account, now }
    }
}

/// What a client changes of an item.
#[derive(Clone, Copy)]
pub(super) struct Change<'c> {
    /// ApplicationData. `None` in a Delete, which is of one instance then.
    pub(super) data: Option<&'c Element<'c>>,
    /// InstanceId: the change is of this instance of a series. MS-ASAIRS §2.2.2.25.
    pub(super) instance: Option<&'c str>,
    /// Which properties stay when they are left out.
    pub(super) supported: &'c Supported,
    /// The protocol version of the request.
    pub(super) version: Version,
    /// 128 random bits, for the identity of what is new.
    pub(super) unique: u128,
}

impl Change<'_> {
    /// A property in ApplicationData.
    pub(super) fn element(&self, tag: Tag) -> Option<&Element<'_>> {
        self.data?.child(tag)
    }

    /// What the client says of a property; `Leave` where it does not say it and it is to stay.
    pub(super) fn said(&self, tag: Tag) -> Said<'_> {
        match self.element(tag) {
            Some(element) => Said::Is(element),
            None if !tag.is_in(self.version) || self.supported.keeps(tag) => Said::Leave,
            None => Said::Gone,
        }
    }
}

/// What a client says of a property.
#[derive(Clone, Copy)]
pub(super) enum Said<'e> {
    /// Nothing: it stays as it is.
    Leave,
    /// It is left out, which takes it away. MS-ASCMD §2.2.3.24.
    Gone,
    /// This; an empty element takes it away as well.
    Is(&'e Element<'e>),
}

/// A change that cannot be made, with the status of the item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused(pub(super) u16);

impl From<BadValue> for Refused {
    fn from(_: BadValue) -> Self {
        Self(CONVERSION)
    }
}

impl From<Invalid> for Refused {
    fn from(_: Invalid) -> Self {
        Self(CONVERSION)
    }
}

impl From<TooLarge> for Refused {
    fn from(_: TooLarge) -> Self {
        Self(CONVERSION)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with status {}", self.0)
    }
}

/// The name of a class on the wire. MS-ASCMD §2.2.3.27.
pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Mail | Kind::Files => "Email",
        Kind::Calendar | Kind::Journal => "Calendar",
        Kind::Contacts => "Contacts",
        Kind::Tasks => "Tasks",
        Kind::Notes => "Notes",
    }
}

/// What a client leaves out and means nothing by: from 16.0 on all of an event. MS-ASCMD §2.2.3.179.
pub(super) fn supported(kind: Kind, version: Version, said: &Supported) -> Supported {
    match kind {
        Kind::Calendar if version >= Version::V16_0 => Supported::Ghosts,
        _ => said.clone(),
    }
}

/// The UID that a client gives to a new item itself, where a class has that.
pub(super) fn own_uid(kind: Kind, data: &Element<'_>) -> Option<String> {
    match kind {
        Kind::Calendar => calendar::own_uid(data),
        _ => None,
    }
}

/// Adds what a class shows of an object. False when the object is none of the class: a folder may hold
/// what other doors have put there, and this one passes over it.
pub(super) fn show(
    kind: Kind,
    object: &Object,
    asker: Asker<'_>,
    place: (FolderId, Uid),
    out: &mut Out<'_>,
) -> bool {
    match kind {
        Kind::Contacts => contacts::show(object, out),
        Kind::Tasks => tasks::show(object, out),
        Kind::Notes => notes::show(object, out),
        Kind::Calendar => calendar::show(object, asker, place, out),
        _ => false,
    }
}

/// Adds what stands in for an object that cannot be read any more, so that the client has the item when
/// more is to be said of it.
pub(super) fn stand_in(kind: Kind, item: &Item, out: &mut Out<'_>) {
    match kind {
        Kind::Contacts => contacts::stand_in(out),
        Kind::Tasks => tasks::stand_in(out),
        Kind::Notes => notes::stand_in(item, out),
        Kind::Calendar => calendar::stand_in(item, out),
        _ => {}
    }
}

/// The object as it is after a client's change; without a `current` one, a new object.
pub(super) fn apply(
    kind: Kind,
    current: Option<&Object>,
    change: &Change<'_>,
    asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    // Only events have instances that are changed alone.
    if kind != Kind::Calendar && change.instance.is_some() {
        return Err(Refused(CONVERSION));
    }
    match kind {
        Kind::Contacts => contacts::apply(current, change, asker),
        Kind::Tasks => tasks::apply(current, change, asker),
        Kind::Notes => notes::apply(current, change, asker),
        Kind::Calendar => calendar::apply(current, change, asker),
        _ => Err(Refused(CONVERSION)),
    }
}

/// The file that a FileReference names within an object: its media type and its octets.
pub(super) fn file(kind: Kind, object: &Object, named: &FileReference) -> Option<(String, Bytes)> {
    match kind {
        Kind::Calendar => calendar::file(object, named),
        _ => None,
    }
}

/// What a client is told of what its change added, as the item is now: attachments, for one.
/// MS-ASCMD §2.2.3.154.
pub(super) fn answer(
    kind: Kind,
    object: &Object,
    data: &Element<'_>,
    asker: Asker<'_>,
    place: (FolderId, Uid),
) -> Option<Element<'static>> {
    match kind {
        Kind::Calendar => calendar::answer(object, data, asker, place),
        _ => None,
    }
}
