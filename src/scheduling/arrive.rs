//! What an arriving scheduling message does to an account's calendar. RFC 6638 §4.

use std::ops::Range;

use bytes::Bytes;
use caldav::itip::{self, Answer, Arrival, Change, Method, PartStat};
use caldav::{Bounds, Object, Series, Zone};

use super::busy::busy_of;
use super::{Mail, Notice, Refused, mail_of, own_addresses};
use crate::directory::{Account, Kind as AccountKind};
use crate::mailbox::{self, Folder, FolderId, Kind, Modseq, OwnerId, Role, View};
use crate::objects::{self, Expected, Objects, Target};

/// How far from the first instance of a meeting on a room looks for conflicts, in seconds: two years.
const LOOK_AHEAD: i64 = 2 * 366 * 86_400;

/// What a message does to a calendar, as of a view.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The calendar, and what is put there.
    pub put: Option<Put>,
    /// What is sent because of it.
    pub mails: Vec<Mail>,
}

/// An object that is put into a calendar if nothing came between.
#[derive(Clone, Debug)]
pub struct Put {
    /// The calendar.
    pub folder: FolderId,
    /// Its kind.
    pub kind: Kind,
    /// What is put there.
    pub bytes: Bytes,
    /// As what.
    pub target: Target,
    /// What must hold.
    pub expected: Expected,
    /// What the calendar's latest change must be: a room that takes a meeting must not have taken another
    /// one meanwhile.
    pub unchanged: Option<Modseq>,
}

/// A meeting in an account's calendars.
struct Found {
    folder: Folder,
    target: Target,
    expected: Expected,
    object: Option<Object>,
}

/// What a message that arrived at `now` (seconds since 1970) does; `None` when nothing.
///
/// # Errors
/// The store's; a message that cannot be used is no error.
pub fn arrive(
    view: &View,
    objects: &Objects,
    account: &Account,
    notice: &Notice,
    now: i64,
) -> Result<Option<Arrived>, Refused> {
    let Some(found) = find(view, account, notice)? else { return Ok(None) };
    let own = own_addresses(account);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let senders: Vec<&str> = notice.senders.iter().map(String::as_str).collect();
    match itip::receive(found.object.as_ref(), &notice.object, &own, &senders, now) {
        Arrival::Ignored(why) => {
            tracing::info!(account = account.id.0, uid = notice.uid, method = %notice.method, ?why, "a scheduling message changes nothing");
            Ok(None)
        }
        Arrival::Send(messages) => {
            let mut mails = Vec::new();
            for message in messages {
                mails.extend(mail_of(view, account, message)?.0);
            }
            mails.iter_mut().for_each(|mail| mail.automatic = true);
            Ok(Some(Arrived { put: None, mails }))
        }
        Arrival::Store(object) if is_bookable(account) && notice.method == Method::Request => {
            let unchanged = found.folder.highest;
            let (object, mails) = book(view, objects, account, *object, notice, &own, now)?;
            let mut put = found.put(&object);
            put.unchanged = Some(unchanged);
            Ok(Some(Arrived { put: Some(put), mails }))
        }
        Arrival::Store(object) => Ok(Some(Arrived { put: Some(found.put(&object)), mails: Vec::new() })),
    }
}

/// What an answer that an account's client mails itself does to the account's own calendar: it is noted
/// there, so that the server does not send it once more. `None` when it changes nothing.
///
/// # Errors
/// The store's.
pub fn own_answer(
    view: &View,
    account: &Account,
    notice: &Notice,
    now: i64,
) -> Result<Option<Arrived>, Refused> {
    if !super::is_answer(notice.method) {
        return Ok(None);
    }
    let Some(found) = find(view, account, notice)? else { return Ok(None) };
    let Some(mut object) = found.object.clone() else { return Ok(None) };
    let own = own_addresses(account);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let by = Change { own: &own, now, quiet: true };
    for (instance, with) in itip::answers(&notice.object, &own) {
        let answer = Answer { with, instance, comment: None, proposed: None };
        // One that does not fit is the organizer's to look at.
        if let Ok(outcome) = itip::respond(&object, &answer, &by) {
            object = outcome.object.unwrap_or(object);
        }
    }
    if found.object.as_ref() == Some(&object) {
        return Ok(None);
    }
    Ok(Some(Arrived { put: Some(found.put(&object)), mails: Vec::new() }))
}

/// Whether an account answers by itself.
fn is_bookable(account: &Account) -> bool {
    matches!(account.kind, AccountKind::Room | AccountKind::Equipment)
}

/// Takes a meeting, or declines it where it would meet another one.
fn book(
    view: &View,
    objects: &Objects,
    account: &Account,
    object: Object,
    notice: &Notice,
    own: &[&str],
    now: i64,
) -> Result<(Object, Vec<Mail>), Refused> {
    let utc = Zone::utc();
    let from = begins(&object).unwrap_or(now).max(now).saturating_sub(86_400);
    let range: Range<i64> = from..from.saturating_add(LOOK_AHEAD);
    let busy = busy_of(view, objects, account, &range, &utc, Some(&notice.uid))?;
    let met = itip::conflicts(&object, &range, &busy, &utc);
    let with = if met.is_empty() { PartStat::Accepted } else { PartStat::Declined };
    let comment = (!met.is_empty()).then(|| "It is taken at that time.".to_owned());
    let answer = Answer { with, instance: None, comment, proposed: None };
    let by = Change { own, now, quiet: false };
    let outcome = itip::respond(&object, &answer, &by)?;
    let mut mails = Vec::new();
    for message in outcome.messages {
        mails.extend(mail_of(view, account, message)?.0);
    }
    mails.iter_mut().for_each(|mail| mail.automatic = true);
    Ok((outcome.object.unwrap_or(object), mails))
}

/// When the first instance of a meeting begins.
fn begins(object: &Object) -> Option<i64> {
    let series = Series::all(object.calendar()?).into_iter().flatten();
    series.filter_map(|series| series.span(&Zone::utc(), &Bounds::default())).map(|span| span.start).min()
}

/// The meeting that a message is about, or where a new one goes.
fn find(view: &View, account: &Account, notice: &Notice) -> Result<Option<Found>, Refused> {
    let owner = OwnerId(account.id.0);
    let to_do = notice.object.calendar().is_some_and(|calendar| calendar.component("VTODO").is_some());
    let kind = if to_do { Kind::Tasks } else { Kind::Calendar };
    for (folder, uid) in view.by_ical_uid(owner, &notice.uid)? {
        let folder = view.folder(folder)?.folder;
        if folder.kind != kind {
            continue;
        }
        let stored = match objects::read(view, &folder, uid) {
            Ok(stored) => stored,
            Err(error) if error.is_damage() => continue,
            Err(error) => return Err(error.into()),
        };
        let object =
            Object::parse(&stored.bytes).map_err(|_| mailbox::Error::Invalid("the object is too large"))?;
        let expected = Expected::Unchanged(stored.item.content_modseq);
        return Ok(Some(Found { folder, target: Target::Of(uid), expected, object: Some(object) }));
    }
    let role = if to_do { Role::Tasks } else { Role::Calendar };
    match view.by_role(owner, role) {
        Ok(folder) => {
            let target = Target::New { name: None };
            Ok(Some(Found { folder, target, expected: Expected::Absent, object: None }))
        }
        Err(mailbox::Error::Missing) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Found {
    fn put(&self, object: &Object) -> Put {
        Put {
            folder: self.folder.id,
            kind: self.folder.kind,
            bytes: Bytes::from(object.write()),
            target: self.target.clone(),
            expected: self.expected,
            unchanged: None,
        }
    }
}
