//! MeetingResponse: answers to invitations. MS-ASCMD §2.2.1.11.
//!
//! The answer is noted in the event and told to the organizer in one transaction, in which the invitation goes
//! to the deleted items. A client that repeats its request, since the answer got lost, finds the invitation
//! where it went and the answer as it is: nothing is told twice. An event that is declined as a whole leaves
//! the calendar; the invitation is still there for those who think better of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use caldav::itip::{Method, Part, PartStat};
use caldav::{DateTime, Moment, Object, Zone};
use wbxml::{Element, Version, meetingresponse as tags, search};

use super::super::class::{self, Sent};
use super::super::ids::{folder_id, item_id, of_long_id, server_id};
use super::super::render::parse_time;
use super::super::reply::{Failure, Reply, Status};
use super::super::scheduled::{account_of, mails_itself};
use super::super::session::Session;
use crate::delivery::Outbound;
use crate::mailbox::{Error, Folder, FolderId, Item, Kind, Knew, MailTx, Origin, OwnerId, Role, Uid, View};
use crate::message::MailRecord;
use crate::objects::{self, Expected, Limits, NewObject, Prepared, Target};
use crate::policy::Rights;
use crate::scheduling::{self, Answer, Notice, Refused};

/// Most answers of a request.
const REQUESTS_MAX: usize = 100;
/// How often an answer is worked out again for an event that changes meanwhile.
const OVERTAKEN_MAX: usize = 20;
/// Longest word to the organizer, in characters.
const COMMENT_MAX: usize = 10_000;

/// Statuses. MS-ASCMD §2.2.3.177.9.
const OK: u16 = 1;
const INVALID_REQUEST: u16 = 2;
const MAILBOX: u16 = 3;
const SERVER: u16 = 4;

/// Handles MeetingResponse. Each answer stands alone.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let request = request.filter(|r| r.tag() == tags::MEETING_RESPONSE).ok_or(Status::InvalidXml)?;
    let asked: Vec<_> = request.children_of(tags::REQUEST).take(REQUESTS_MAX + 1).collect();
    if asked.is_empty() || asked.len() > REQUESTS_MAX {
        return Err(Status::InvalidXml.into());
    }
    let mut results = Vec::with_capacity(asked.len());
    for element in asked {
        let outcome = match Asked::read(session, element) {
            Ok(asked) => answer(session, asked).await?,
            Err(status) => Err(status),
        };
        let mut result = Element::new(tags::RESULT);
        if let Some(id) = element.text_of(tags::REQUEST_ID) {
            result.push(Element::leaf(tags::REQUEST_ID, id.to_owned()));
        }
        result.push(Element::number(tags::STATUS, outcome.as_ref().map_or_else(|status| *status, |_| OK)));
        if let Ok(Some((folder, uid))) = outcome {
            result.push(Element::leaf(tags::CALENDAR_ID, server_id(folder, uid)));
        }
        results.push(result);
    }
    Ok(Reply::Document(Element::new(tags::MEETING_RESPONSE).with_all(results)))
}

/// One answer as it was asked for.
#[derive(Clone)]
struct Asked {
    folder: FolderId,
    uid: Uid,
    answer: Answer,
    /// The client tells the organizer itself, or nobody does.
    quiet: bool,
}

impl Asked {
    fn read(session: &Session, element: &Element<'_>) -> Result<Self, u16> {
        let with = match element.parse_of::<u8>(tags::USER_RESPONSE) {
            Ok(Some(1)) => PartStat::Accepted,
            Ok(Some(2)) => PartStat::Tentative,
            Ok(Some(3)) => PartStat::Declined,
            _ => return Err(INVALID_REQUEST),
        };
        let (folder, uid) = place(element).ok_or(INVALID_REQUEST)?;
        let at = |element: &Element<'_>, tag| match element.text_of(tag).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match parse_time(text) {
                Some(millis) => Ok(Some(millis.div_euclid(1000))),
                None => Err(Status::InvalidDateTime.code()),
            },
        };
        let instance = at(element, tags::INSTANCE_ID)?.filter(|_| session.version >= Version::V14_1);
        let instance = instance.map(|at| Moment::At(DateTime::Utc(Zone::utc().local(at))));
        let mut answer = Answer { with, instance, comment: None, proposed: None };
        let send = element.child(tags::SEND_RESPONSE).filter(|_| !mails_itself(session.version));
        if let Some(send) = send {
            let body = Sent::read(Some(send)).map_err(|refused| refused.0)?;
            let text = body.map(|body| body.text.trim().chars().take(COMMENT_MAX).collect::<String>());
            answer.comment = text.filter(|text| !text.is_empty());
            let from = at(send, tags::PROPOSED_START_TIME)?;
            let to = at(send, tags::PROPOSED_END_TIME)?;
            answer.proposed = match (from, to) {
                (Some(from), Some(to)) if from <= to => Some((from, to)),
                (None, None) => None,
                _ => return Err(INVALID_REQUEST),
            };
        }
        Ok(Self { folder, uid, answer, quiet: send.is_none() })
    }

    /// Whether the event goes.
    fn removes(&self) -> bool {
        let Answer { with, instance, proposed, .. } = &self.answer;
        *with == PartStat::Declined && instance.is_none() && proposed.is_none()
    }
}

/// Which item is answered: a mail, or an event.
fn place(element: &Element<'_>) -> Option<(FolderId, Uid)> {
    if let Some(long) = element.text_of(search::LONG_ID) {
        return of_long_id(long);
    }
    let folder = folder_id(element.text_of(tags::COLLECTION_ID)?)?;
    item_id(element.text_of(tags::REQUEST_ID)?).filter(|(of, _)| *of == folder)
}

/// Where the event is, if it stays in the calendar, or a status.
type Outcome = Result<Option<(FolderId, Uid)>, u16>;

/// What an answer comes to.
struct Plan {
    calendar: FolderId,
    /// The event as it is stored.
    stored: Option<Uid>,
    /// What it becomes; `None` when it goes.
    put: Option<(Target, Expected, Box<NewObject>)>,
    expected: Expected,
    outbound: Outbound,
    /// An invitation, and where it goes.
    mail: Option<(FolderId, Uid, FolderId)>,
}

async fn answer(session: &Session, asked: Asked) -> Result<Outcome, Failure> {
    for _ in 0..OVERTAKEN_MAX {
        let (of, what) = (session.clone(), asked.clone());
        let planned = session.eas.blocking(move || plan(&of, &what)).await?;
        let plan = match planned {
            Ok(plan) => plan,
            Err(status) => return Ok(Err(status)),
        };
        let (eas, acting) = (session.eas.clone(), session.acting());
        let written = session.eas.mailbox.store().write_async(move |tx| {
            eas.delivery.post(tx, &plan.outbound)?;
            // It is news to every client, the one that answered among them.
            eas.mailbox.within(tx, acting, Origin::OTHER, |mail| plan.put_down(mail))
        });
        match written.await {
            Ok(place) => return Ok(Ok(place)),
            Err(Error::Stale) => {}
            Err(Error::Missing | Error::Denied | Error::OverQuota | Error::Invalid(_) | Error::Exists) => {
                return Ok(Err(MAILBOX));
            }
            Err(e @ Error::Store(_)) => return Err(e.into()),
        }
    }
    Ok(Err(SERVER))
}

impl Plan {
    fn put_down(&self, tx: &mut MailTx<'_, '_>) -> Result<Option<(FolderId, Uid)>, Error> {
        let at = tx.granted(self.calendar)?;
        // Who answers speaks for the owner, also where no event is changed by it.
        if !at.rights().has(Rights::INSERT.and(Rights::WRITE)) {
            return Err(Error::Denied);
        }
        let place = match (&self.put, self.stored) {
            (Some((target, expected, object)), _) => {
                let placed =
                    objects::put(tx, &at, target, *expected, object, Knew(None)).map_err(overtaken)?;
                Some((self.calendar, placed.uid))
            }
            (None, Some(uid)) => {
                objects::remove(tx, &at, uid, self.expected).map_err(overtaken)?;
                None
            }
            (None, None) => None,
        };
        if let Some((folder, uid, trash)) = self.mail {
            let (from, to) = (tx.granted(folder)?, tx.granted(trash)?);
            match tx.move_to(&from, uid, &to) {
                Ok(_) | Err(Error::Missing | Error::Denied) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(place)
    }
}

/// What came in between lets it be worked out again.
fn overtaken(e: objects::Error) -> Error {
    match e {
        objects::Error::Changed | objects::Error::UidTaken(_) => Error::Stale,
        objects::Error::UidDiffers => Error::Invalid("the event has another UID"),
        objects::Error::Mailbox(Error::Missing) => Error::Stale,
        objects::Error::Mailbox(e) => e,
    }
}

/// Works out an answer from a snapshot.
fn plan(session: &Session, asked: &Asked) -> Result<Result<Plan, u16>, Failure> {
    let eas = &session.eas;
    let view = eas.mailbox.view(session.acting())?;
    let Some((folder, item)) = find(&view, asked)? else { return Ok(Err(INVALID_REQUEST)) };
    let Some(account) = account_of(&view, folder.owner)? else { return Ok(Err(INVALID_REQUEST)) };
    let invited = match folder.kind {
        Kind::Mail => by_mail(session, &view, &folder, &item)?,
        Kind::Calendar if session.version >= Version::V14_1 => by_event(&view, folder.clone(), &item)?,
        _ => None,
    };
    let Some(Meeting { calendar, stored, current }) = invited else { return Ok(Err(INVALID_REQUEST)) };
    if scheduling::part(&account, &current) != Part::Attendee {
        return Ok(Err(INVALID_REQUEST));
    }
    let now = eas.mailbox.clock().now_secs();
    let planned = match scheduling::respond(&view, &account, &current, &asked.answer, asked.quiet, now) {
        Ok(planned) => planned,
        Err(Refused::Mailbox(Error::Store(e))) => return Err(e.into()),
        Err(refused) => {
            tracing::info!(%refused, "an answer to an invitation is refused");
            return Ok(Err(INVALID_REQUEST));
        }
    };
    let outbound = eas.delivery.outbound(account.domain.0, &planned.mails)?;
    let expected = stored.as_ref().map_or(Expected::Absent, |item| Expected::Unchanged(item.content_modseq));
    let mut put = None;
    if let Some(mut object) = planned.object.filter(|_| !asked.removes()) {
        if object != current {
            class::set_reply_time(&mut object, now);
        }
        let bytes = Bytes::from(object.write());
        let Ok(prepared) = Prepared::of(calendar.kind, bytes, &Limits::default()) else {
            return Ok(Err(MAILBOX));
        };
        let target = stored.as_ref().map_or(Target::New { name: None }, |item| Target::Of(item.uid));
        let object = prepared.stage(eas.mailbox.store(), account.domain.0)?;
        put = Some((target, expected, Box::new(object)));
    }
    let mail = match folder.kind == Kind::Mail && folder.role != Role::Trash {
        true => trash(&view, folder.owner)?.map(|trash| (folder.id, item.uid, trash)),
        false => None,
    };
    let stored = stored.map(|item| item.uid);
    Ok(Ok(Plan { calendar: calendar.id, stored, put, expected, outbound, mail }))
}

/// The item that is answered, also where it went lately.
fn find(view: &View, asked: &Asked) -> Result<Option<(Folder, Item)>, Failure> {
    let readable = |id| match view.readable(id) {
        Ok(folder) => Ok(Some(folder)),
        Err(Error::Missing | Error::Denied) => Ok(None),
        Err(e) => Err(Failure::from(e)),
    };
    let Some(folder) = readable(asked.folder)? else { return Ok(None) };
    if let Some(item) = view.item(&folder, asked.uid)? {
        return Ok(Some((folder, item)));
    }
    let went = view.lately_moved(&folder, &BTreeSet::from([asked.uid]))?;
    let Some((folder, uid)) = went.get(&asked.uid) else { return Ok(None) };
    let Some(folder) = readable(*folder)? else { return Ok(None) };
    let item = view.item(&folder, *uid)?;
    Ok(item.map(|item| (folder, item)))
}

/// A meeting that the account is invited to.
struct Meeting {
    calendar: Folder,
    stored: Option<Item>,
    current: Object,
}

/// The meeting of an invitation: as the calendar has it, or else as the mail does.
fn by_mail(session: &Session, view: &View, folder: &Folder, item: &Item) -> Result<Option<Meeting>, Failure> {
    let Some(row) = view.record(folder, item.uid)? else { return Ok(None) };
    let Ok(record) = MailRecord::decode(row.record()) else { return Ok(None) };
    if record.calendar.as_ref().is_none_or(|part| part.method.is_none()) {
        return Ok(None);
    }
    let octets = session.eas.mailbox.message(view, folder, item)?;
    let notice = Notice::of(&octets, &record, None).filter(|notice| notice.method == Method::Request);
    let Some(Notice { mut object, uid, .. }) = notice else { return Ok(None) };
    for (calendar, uid) in view.by_ical_uid(folder.owner, &uid)? {
        let calendar = match view.readable(calendar) {
            Ok(calendar) => calendar,
            Err(Error::Missing | Error::Denied) => continue,
            Err(e) => return Err(e.into()),
        };
        if calendar.kind == Kind::Calendar
            && let Some(item) = view.item(&calendar, uid)?
        {
            return by_event(view, calendar, &item);
        }
    }
    let Some(calendar) = by_role(view, folder.owner, Role::Calendar)? else { return Ok(None) };
    let Some(inner) = object.calendar_mut() else { return Ok(None) };
    inner.remove("METHOD");
    Ok(Some(Meeting { calendar, stored: None, current: object }))
}

/// The meeting of an event.
fn by_event(view: &View, calendar: Folder, item: &Item) -> Result<Option<Meeting>, Failure> {
    let object = objects::read(view, &calendar, item.uid)?;
    let Ok(current) = Object::parse(&object.bytes) else { return Ok(None) };
    Ok(Some(Meeting { calendar, stored: Some(item.clone()), current }))
}

fn trash(view: &View, owner: OwnerId) -> Result<Option<FolderId>, Failure> {
    Ok(by_role(view, owner, Role::Trash)?.map(|folder| folder.id))
}

fn by_role(view: &View, owner: OwnerId, role: Role) -> Result<Option<Folder>, Failure> {
    match view.by_role(owner, role) {
        Ok(folder) => Ok(Some(folder)),
        Err(Error::Missing) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests;
