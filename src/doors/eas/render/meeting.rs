//! Scheduling messages: mails that are invitations and answers. MS-ASEMAIL §2.2.2.48.

use caldav::Object;

use crate::doors::eas::class::{self, Asker, Invitation};
use crate::doors::eas::session::Session;
use crate::mailbox::{Error, Folder, Item, OwnerId, View};
use crate::message::MailRecord;
use crate::objects;
use crate::scheduling::Notice;

/// ContentClass of a scheduling message. MS-ASEMAIL §2.2.2.20.
pub(super) const CONTENT_CLASS: &str = "urn:content-classes:calendarmessage";

/// What a message is as a scheduling message; `None` for one that is none, or that cannot be understood: it
/// is shown as the mail that it is. Only those that have a calendar with a method in them are opened.
pub(super) fn of(
    session: &Session,
    view: &View,
    (folder, item): (&Folder, &Item),
    record: &MailRecord<'_>,
) -> Result<Option<Invitation>, Error> {
    if record.calendar.as_ref().is_none_or(|part| part.method.is_none()) {
        return Ok(None);
    }
    let octets = session.eas.mailbox.message(view, folder, item)?;
    let Some(notice) = Notice::of(&octets, record, None) else { return Ok(None) };
    let known = known(view, folder.owner, &notice.uid);
    Ok(class::invitation(&notice.object, notice.method, Asker::of(session), known))
}

/// The SEQUENCE that the owner's calendars have of a meeting.
fn known(view: &View, owner: OwnerId, uid: &str) -> Option<i32> {
    let (folder, item) = view.by_ical_uid(owner, uid).ok()?.into_iter().next()?;
    let folder = view.readable(folder).ok()?;
    let object = objects::read(view, &folder, item).ok()?;
    class::sequence(&Object::parse(&object.bytes).ok()?)
}
