//! Scheduling: what a change of a meeting comes to, the Schedule-Tag, and free and busy time of others.
//! RFC 6638.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use caldav::dav::{Href, Precondition, Recipient, schedule_response};
use caldav::itip::Part;
use caldav::{Component, ContentLine, Object, Zone};
use ring::digest::{SHA256, digest};

use super::conditions::field;
use super::conn::Asked;
use super::node::{self, Collection, Home};
use super::reply::{self, Failure};
use super::session::Session;
use crate::delivery::Outbound;
use crate::directory::Account;
use crate::mailbox::{Acting, FolderId, Item, Kind, Uid, View};
use crate::objects;
use crate::scheduling::{self, Plan, Refused, plan};
use crate::store::BodyId;

/// Addresses that one request asks about.
const RECIPIENTS_MAX: usize = 200;

/// Longest range that is asked about: three years.
const RANGE_MAX: i64 = 3 * 366 * 86_400;

/// What is stored and sent instead of what a client asked for.
pub(super) struct Scheduled {
    /// What is to be stored, where that is something else than was sent.
    pub(super) bytes: Option<Bytes>,
    /// What goes out with it.
    pub(super) outbound: Outbound,
}

/// Plans a change in a calendar: what is stored, what was sent; one of them is missing when it is made or
/// removed. `quiet` is Schedule-Reply: F. RFC 6638 §3.2, §8.1.
pub(super) fn scheduled(
    session: &Session,
    view: &View,
    at: &Collection,
    was: Option<&Item>,
    new: Option<&Bytes>,
    quiet: bool,
) -> Result<Scheduled, Failure> {
    let nothing = || Scheduled { bytes: None, outbound: Outbound::default() };
    if at.home != Home::Calendars || at.folder().kind != Kind::Calendar {
        return Ok(nothing());
    }
    let Some(account) = node::owner_of(session, at.folder())? else { return Ok(nothing()) };
    let parsed = |bytes: &[u8]| Object::parse(bytes).map_err(|_| Failure::Bug);
    let old = match was {
        Some(item) => Some(parsed(&view.reader().body(&BodyId(item.body))?)?),
        None => None,
    };
    let new = new.map(|bytes| parsed(bytes)).transpose()?;
    let place: Option<(FolderId, Uid)> = was.map(|item| (at.id(), item.uid));
    // An organizer's guests are told whatever the client says of replies.
    let is_attendee = |old| scheduling::part(&account, old) == Part::Attendee;
    let quiet = quiet && old.as_ref().is_some_and(is_attendee);
    let asked = scheduling::Asked { quiet, strict: true };
    let now = session.services().clock.now_secs();
    let planned = plan(view, &account, old.as_ref(), new.as_ref(), place, asked, now);
    let planned: Plan = planned.map_err(|e| refused(session, view, e))?;
    let outbound = session.services().delivery.outbound(account.domain.0, &planned.mails);
    let outbound = outbound.map_err(|e| {
        tracing::error!(error = %e, "scheduling mails cannot be queued");
        Failure::Later
    })?;
    let bytes = if planned.differs { planned.bytes() } else { None };
    Ok(Scheduled { bytes, outbound })
}

/// RFC 6638 §3.2.4.
fn refused(session: &Session, view: &View, e: Refused) -> Failure {
    match e {
        Refused::NotUnique(folder, uid) => {
            let other = node::collections(session, view, Home::Calendars).unwrap_or_default();
            let at = other.into_iter().find(|at| at.id() == folder);
            let href = at.and_then(|at| Some(at.member(&view.item(at.folder(), uid).ok()??)));
            Precondition::UniqueSchedulingObjectResource(href).into()
        }
        Refused::SameOrganizer => Precondition::SameOrganizerInAllComponents.into(),
        Refused::OrganizerChange => Precondition::AllowedOrganizerSchedulingObjectChange.into(),
        Refused::AttendeeChange | Refused::NoSuchInstance => {
            Precondition::AllowedAttendeeSchedulingObjectChange.into()
        }
        Refused::Invalid(_) => Precondition::ValidCalendarData.into(),
        Refused::Mailbox(e) => Failure::Mailbox(e),
    }
}

/// The Schedule-Tag of a meeting, quoted: it stays when nothing changes but what other attendees answered. `None`
/// for what is no meeting. RFC 6638 §3.2.10.
pub(super) fn tag(
    session: &Session,
    view: &View,
    at: &Collection,
    item: &Item,
) -> Result<Option<String>, Failure> {
    if at.home != Home::Calendars {
        return Ok(None);
    }
    let entry = view.record(at.folder(), item.uid)?.as_ref().and_then(objects::Entry::of);
    if entry.is_none_or(|entry| entry.organizer.is_none()) {
        return Ok(None);
    }
    let Some(account) = node::owner_of(session, at.folder())? else { return Ok(None) };
    let parsed = session.services().objects.parsed(view, item)?;
    Ok(parsed.object.calendar().map(|calendar| tag_of(calendar, &scheduling::own_addresses(&account))))
}

fn tag_of(calendar: &Component, own: &[String]) -> String {
    let mut calendar = calendar.clone();
    for component in calendar.components_mut() {
        component.retain_lines(|line| !line.is("DTSTAMP") && !line.is("LAST-MODIFIED"));
        for line in component.lines_mut().filter(|line| line.is("ATTENDEE")) {
            line.remove_parameter("SCHEDULE-STATUS");
            if !own.contains(&line.cal_address()) {
                let names: Vec<String> = line.parameters().iter().map(|p| p.name().to_owned()).collect();
                let answers = |name: &&String| {
                    let name = name.to_ascii_uppercase();
                    name == "PARTSTAT" || name == "RSVP" || name.starts_with("X-")
                };
                names.iter().filter(answers).for_each(|name| line.remove_parameter(name));
            }
        }
    }
    let mut tag = String::from("\"");
    for octet in digest(&SHA256, calendar.to_string().as_bytes()).as_ref().iter().take(12) {
        // Writing to a string does not fail.
        let _ = write!(tag, "{octet:02x}");
    }
    tag.push('"');
    tag
}

/// If-Schedule-Tag-Match. RFC 6638 §8.3.
pub(super) fn check_tag(
    asked: &Asked,
    view: &View,
    at: &Collection,
    was: Option<&Item>,
) -> Result<(), Failure> {
    let Some(wanted) = field(&asked.headers, "if-schedule-tag-match") else { return Ok(()) };
    let is = match was {
        Some(item) => tag(&asked.session, view, at, item)?,
        None => None,
    };
    if is.as_deref() == Some(wanted) { Ok(()) } else { Err(Failure::Status(StatusCode::PRECONDITION_FAILED)) }
}

/// POST to the outbox: when others are busy. RFC 6638 §5.
pub(super) fn post(asked: &Asked) -> Result<Response<Body>, Failure> {
    const INVALID: Failure = Failure::Precondition(Precondition::ValidSchedulingMessage);
    let object = Object::parse(&asked.body).map_err(|_| Failure::from(Precondition::ValidCalendarData))?;
    let calendar = object.calendar().filter(|_| object.is_whole());
    let calendar = calendar.ok_or(Failure::Precondition(Precondition::ValidCalendarData))?;
    let method = calendar.line("METHOD").map(|line| line.value().trim().to_ascii_uppercase());
    let request = calendar.component("VFREEBUSY").filter(|_| method.as_deref() == Some("REQUEST"));
    let request = request.ok_or(INVALID)?;
    let organizer = request.line("ORGANIZER").ok_or(INVALID)?;
    if !asked.session.is_me(&organizer.cal_address()) {
        return Err(Precondition::OrganizerAllowed.into());
    }
    let range = instant(request, "DTSTART").ok_or(INVALID)?..instant(request, "DTEND").ok_or(INVALID)?;
    if range.is_empty() || range.end.saturating_sub(range.start) > RANGE_MAX {
        return Err(INVALID);
    }
    let attendees: Vec<&ContentLine> = request.lines_named("ATTENDEE").take(RECIPIENTS_MAX + 1).collect();
    if attendees.is_empty() || attendees.len() > RECIPIENTS_MAX {
        return Err(INVALID);
    }
    let mut answers = Vec::new();
    for attendee in attendees {
        answers.push((attendee.value().to_owned(), busy(asked, request, attendee, &range)?));
    }
    let recipients = answers.iter().map(|(address, data)| Recipient {
        address,
        request_status: if data.is_some() { "2.0;Success" } else { "3.7;Invalid calendar user" },
        data: data.as_deref(),
        error: None,
    });
    Ok(reply::body(StatusCode::OK, reply::XML, schedule_response(recipients).into()))
}

fn instant(component: &Component, name: &str) -> Option<i64> {
    let moment = component.line(name)?.moment().ok()?;
    Some(caldav::Zones::default().instant(&moment, &Zone::utc()))
}

/// The answer about one attendee; `None` for whom nothing may be said of, or who is not known.
fn busy(
    asked: &Asked,
    request: &Component,
    attendee: &ContentLine,
    range: &std::ops::Range<i64>,
) -> Result<Option<String>, Failure> {
    let services = asked.session.services();
    let found = services.directory.resolve(&attendee.cal_address())?;
    let Some(account): Option<Account> = found.map(|found| found.account) else { return Ok(None) };
    // What is told is when, never what.
    let view = services.mailbox.view(Acting::System)?;
    let asking = asked.session.account();
    let found = scheduling::free_busy(&view, &services.objects, asking, &account, range, &Zone::utc());
    let found = found.map_err(|e| match e {
        Refused::Mailbox(e) => Failure::Mailbox(e),
        _ => Failure::Bug,
    })?;
    let Some(mut busy) = found else { return Ok(None) };
    busy.settle();
    let uid = request.line("UID").map(|line| line.value().to_owned()).unwrap_or_default();
    let made = answer(&busy, &uid, services.clock.now_secs(), range, request, attendee);
    Ok(Some(made.map_err(|_| Failure::Bug)?))
}

fn answer(
    busy: &caldav::FreeBusy,
    uid: &str,
    now: i64,
    range: &std::ops::Range<i64>,
    request: &Component,
    attendee: &ContentLine,
) -> Result<String, caldav::Invalid> {
    let mut calendar = Component::new("VCALENDAR")?;
    calendar.push(ContentLine::new("VERSION", "2.0")?);
    calendar.push(ContentLine::new("PRODID", "-//Folkmoot//Folkmoot//EN")?);
    calendar.push(ContentLine::new("METHOD", "REPLY")?);
    let mut part = busy.component(uid, now, range)?;
    request.line("ORGANIZER").into_iter().for_each(|line| part.push(line.clone()));
    part.push(attendee.clone());
    calendar.push_component(part);
    Ok(calendar.to_string())
}

/// Where the user's scheduling goes through. RFC 6638 §2.1, §2.2.
pub(super) fn box_href(session: &Session, name: &str) -> Href {
    node::home_href(session, Home::Calendars).member(name, true)
}
