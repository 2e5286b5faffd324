//! Events. MS-ASCAL §2.2.2; RFC 5545 §3.6.1.
//!
//! What is stored is one iCalendar object: a VEVENT, and the instances of it that differ. [`show()`] writes the
//! elements for it, [`apply()`] takes a client's change over, property by property: where a property says what
//! the client was shown, and where the client does not know it, its line stays as it is.
//!
//! An instance that differs is shown by what differs from the series, and an element that an Exception leaves
//! out is the series' own. In iCalendar it is a whole event, so it follows the series in all that it has in
//! common with it.

mod apply;
mod exceptions;
mod facts;
mod files;
mod invitation;
mod people;
mod place;
mod recurrence;
mod show;
#[cfg(test)]
mod tests;
mod times;

use caldav::Object;
use wbxml::{Element, airsync, airsyncbase, calendar};

use super::out::Out;
use super::{Asker, Change, Refused, ical};
use crate::mailbox::{FolderId, Item, Uid};
pub(in crate::doors::eas) use facts::set_reply_time;
pub(super) use files::read as file;
pub(in crate::doors::eas) use invitation::{Shown as Invitation, sequence, show as invitation};

/// The component of an event.
const EVENT: &str = "VEVENT";
/// The client's instance, or the item itself, is not there. MS-ASCMD §2.2.3.177.17.
const NOT_FOUND: u16 = 8;
/// Most exceptions of a series. MS-ASCAL §2.2.2.22 has 1,000.
const EXCEPTIONS_MAX: usize = 1_000;

/// Shows an event.
pub(super) fn show(object: &Object, asker: Asker<'_>, place: (FolderId, Uid), out: &mut Out<'_>) -> bool {
    let Some(calendar) = object.calendar() else { return false };
    let Some(event) = ical::master(object, EVENT) else { return false };
    show::event(calendar, event, (asker, place), out)
}

/// What stands in for an event that cannot be read.
pub(super) fn stand_in(item: &Item, out: &mut Out<'_>) {
    let at = item.internal_date.div_euclid(1000);
    if out.version() < wbxml::Version::V16_0 {
        out.text(calendar::TIMEZONE, &times::blob(&times::Form::Utc, None, at));
    }
    out.add(Element::boolean(calendar::ALL_DAY_EVENT, false));
    out.add(times::compact_element(calendar::DT_STAMP, at));
    out.add(times::compact_element(calendar::START_TIME, at));
    out.add(times::compact_element(calendar::END_TIME, at));
    out.text(calendar::SUBJECT, "(damaged event)");
    out.body(
        "This event cannot be shown: it is damaged on the server, or cannot be read at the moment.",
        None,
    );
    out.text(calendar::UID, item.ical_uid.as_deref().unwrap_or_default());
    out.add(Element::number(calendar::MEETING_STATUS, 0));
    out.add(Element::number(calendar::BUSY_STATUS, 0));
    out.add(Element::number(calendar::SENSITIVITY, 0));
}

/// Takes a client's change over.
pub(super) fn apply(
    current: Option<&Object>,
    change: &Change<'_>,
    asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    apply::event(current, change, asker)
}

/// The UID that a client gives to a new event; ClientUid from 16.0 on. MS-ASCAL §2.2.2.13, §2.2.2.46.
pub(super) fn own_uid(data: &Element<'_>) -> Option<String> {
    let uid = [calendar::UID, calendar::CLIENT_UID].into_iter().find_map(|tag| data.text_of(tag));
    uid.map(|uid| uid.trim().to_owned()).filter(|uid| !uid.is_empty())
}

/// What a client is told of attachments that it added.
pub(super) fn answer(
    object: &Object,
    data: &Element<'_>,
    _asker: Asker<'_>,
    place: (FolderId, Uid),
) -> Option<Element<'static>> {
    data.child(airsyncbase::ATTACHMENTS)?;
    let events = object.calendar()?.components().filter(|component| component.is(EVENT));
    let files = events.filter_map(|event| files::answer(event, data, place)).next()?;
    Some(Element::new(airsync::APPLICATION_DATA).with(files))
}
