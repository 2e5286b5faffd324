//! An invitation in a mail: the MeetingRequest element. MS-ASEMAIL §2.2.2.48.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caldav::itip::{Method, PartStat};
use caldav::{Component, ContentLine, Object, Zone, Zones};
use wbxml::{Element, Version, calendar, email, email2, meetingresponse};

use super::super::out::clean;
use super::super::{Asker, ical};
use super::times::{Times, blob};
use super::{EVENT, facts, people, place, recurrence};
use crate::doors::eas::render::dashed;

/// InstanceType: an event, a series, an instance of one, and one that differs. MS-ASEMAIL §2.2.2.39.
const SINGLE: u8 = 0;
const SERIES: u8 = 1;
const DIFFERING: u8 = 3;

/// MeetingMessageType: unspecified, the first request, a later one, and one that another overtook.
/// MS-ASEMAIL §2.2.2.47.
const UNSPECIFIED: u8 = 0;
const FIRST: u8 = 1;
const UPDATE: u8 = 2;
const OUTDATED: u8 = 4;

/// The class of an id that Outlook gives. MS-ASEMAIL §2.2.2.37.
const CLASS_ID: [u8; 16] = [4, 0, 0, 0, 0x82, 0, 0xE0, 0, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 8];
/// What stands before a UID in an id that another program gave.
const VCAL_UID: [u8; 12] = *b"vCal-Uid\x01\0\0\0";

/// A scheduling message as a client sees it.
pub(in crate::doors::eas) struct Shown {
    /// MessageClass. MS-ASEMAIL §2.2.2.49.
    pub(in crate::doors::eas) class: &'static str,
    /// MeetingRequest, for what asks the client something or calls a meeting off.
    pub(in crate::doors::eas) request: Option<Element<'static>>,
}

/// Shows a scheduling message. `known` is the SEQUENCE that the account's calendar has of the meeting.
pub(in crate::doors::eas) fn show(
    object: &Object,
    method: Method,
    asker: Asker<'_>,
    known: Option<i32>,
) -> Option<Shown> {
    let event = ical::master(object, EVENT)?;
    let class = match method {
        Method::Request => "IPM.Schedule.Meeting.Request",
        Method::Cancel => "IPM.Schedule.Meeting.Canceled",
        Method::Counter => "IPM.Schedule.Meeting.Resp.Tent",
        Method::Reply => {
            let said = event.lines_named("ATTENDEE").next().map(people::part_stat);
            match said.unwrap_or_default() {
                PartStat::Accepted => "IPM.Schedule.Meeting.Resp.Pos",
                PartStat::Declined => "IPM.Schedule.Meeting.Resp.Neg",
                _ => "IPM.Schedule.Meeting.Resp.Tent",
            }
        }
        _ => return None,
    };
    let asks = match method {
        Method::Request | Method::Cancel => true,
        // A proposal is shown from 16.1 on.
        Method::Counter => asker.version >= Version::V16_1,
        _ => false,
    };
    let calendar = object.calendar().filter(|_| asks);
    let request = calendar.and_then(|calendar| request(calendar, event, method, asker, known));
    Some(Shown { class, request })
}

/// SEQUENCE of an event.
pub(in crate::doors::eas) fn sequence(object: &Object) -> Option<i32> {
    let event = ical::master(object, EVENT)?;
    Some(event.line("SEQUENCE").and_then(|line| line.integer().ok()).unwrap_or(0))
}

fn request(
    calendar: &Component,
    event: &Component,
    method: Method,
    asker: Asker<'_>,
    known: Option<i32>,
) -> Option<Element<'static>> {
    let version = asker.version;
    let zones = Zones::of(calendar);
    let times = Times::of(event, &zones)?;
    let instance = event.line("RECURRENCE-ID").and_then(|line| line.moment().ok());
    let instance = instance.map(|moment| zones.instant(&moment, &Zone::utc()));
    let rule = recurrence::of(event, &times).filter(|_| instance.is_none());
    let mut all = vec![
        Element::boolean(email::ALL_DAY_EVENT, times.whole_days()),
        time(email::START_TIME, times.start),
        time(email::DT_STAMP, super::show::stamp(event, &zones).unwrap_or(times.start)),
        time(email::END_TIME, times.end),
    ];
    let kind = match (instance, &rule) {
        (Some(_), _) => DIFFERING,
        (None, Some(_)) => SERIES,
        (None, None) => SINGLE,
    };
    all.push(Element::number(email::INSTANCE_TYPE, kind));
    all.extend(place::show(event, version, email::LOCATION));
    all.extend(organizer(event).map(|organizer| Element::leaf(email::ORGANIZER, organizer)));
    all.extend(instance.map(|at| time(email::RECURRENCE_ID, at)));
    // In seconds. MS-ASEMAIL §2.2.2.63.
    let reminder = facts::reminder(event, &times, &zones);
    all.extend(reminder.map(|minutes| Element::number(email::REMINDER, minutes * 60)));
    all.push(Element::boolean(email::RESPONSE_REQUESTED, people::response_requested(event, asker)));
    if let Some(rule) = &rule {
        let rule = recurrence::show(rule, &recurrence::MAIL, version);
        all.push(Element::new(email::RECURRENCES).with(rule));
    }
    all.push(Element::number(email::SENSITIVITY, facts::sensitivity(event)));
    all.push(Element::number(email::BUSY_STATUS, facts::busy_status(event, asker)));
    all.push(Element::leaf(email::TIME_ZONE, blob(&times.form, Some(calendar), times.start)));
    let uid = event.line("UID").map_or("", ContentLine::value).trim();
    let day = instance.map(|at| times.form.zone().local(at).date);
    all.push(Element::leaf(email::GLOBAL_OBJ_ID, STANDARD.encode(global_object_id(uid, day))));
    if version >= Version::V16_0 {
        all.push(Element::leaf(calendar::UID, clean(uid)));
    }
    let disallowed = facts::is_set(event, facts::DISALLOW_COUNTER);
    all.push(Element::boolean(email::DISALLOW_NEW_TIME_PROPOSAL, disallowed));
    let own = event.line("SEQUENCE").and_then(|line| line.integer().ok()).unwrap_or(0);
    let kind = match method {
        Method::Request if known.is_some_and(|known| known > own) => OUTDATED,
        Method::Request if own > 0 => UPDATE,
        Method::Request => FIRST,
        _ => UNSPECIFIED,
    };
    all.push(Element::number(email2::MEETING_MESSAGE_TYPE, kind));
    if method == Method::Counter {
        // What is proposed are the message's own times.
        all.push(super::times::compact_element(meetingresponse::PROPOSED_START_TIME, times.start));
        all.push(super::times::compact_element(meetingresponse::PROPOSED_END_TIME, times.end));
    }
    all.retain(|element| element.tag().is_in(version));
    Some(Element::new(email::MEETING_REQUEST).with_all(all))
}

fn time(tag: wbxml::Tag, at: i64) -> Element<'static> {
    Element::leaf(tag, dashed(at.saturating_mul(1000)))
}

/// The organizer as an address in a mail.
fn organizer(event: &Component) -> Option<String> {
    let line = event.line("ORGANIZER")?;
    let address = clean(people::address(line)?);
    Some(match people::name(line) {
        Some(name) => format!("\"{}\" <{address}>", clean(name).replace(['"', '\\'], "")),
        None => address,
    })
}

/// GlobalObjId: the id that Outlook gave, which is its UID in hexadecimal, or another one's UID within one.
/// Of an instance it has the day. MS-ASEMAIL §2.2.2.37.
fn global_object_id(uid: &str, day: Option<caldav::Date>) -> Vec<u8> {
    let day = day.map_or([0; 4], |day| {
        let [high, low] = day.year().to_be_bytes();
        [high, low, day.month(), day.day()]
    });
    if let Some(mut own) = of_outlook(uid) {
        if let Some(place) = own.get_mut(16..20) {
            place.copy_from_slice(&day);
        }
        return own;
    }
    let mut data = VCAL_UID.to_vec();
    data.extend(uid.bytes());
    data.push(0);
    let mut id = CLASS_ID.to_vec();
    id.extend(day);
    id.extend([0; 16]);
    id.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    id.extend(data);
    id
}

/// The octets of a UID that is an id of Outlook's.
fn of_outlook(uid: &str) -> Option<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !uid.len().is_multiple_of(2) || uid.len() < 80 || !uid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let octets: Option<Vec<u8>> = uid.as_bytes().chunks_exact(2).map(digits).collect();
    octets.filter(|octets| octets.starts_with(&CLASS_ID))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_kinds() {
        let uid = "{81412D3C-2A24-4E9D-B20E-11F7BBE92799}";
        let id = global_object_id(uid, None);
        assert_eq!(id.len(), 40 + 13 + uid.len());
        assert_eq!(id.get(36..40), Some(&51_u32.to_le_bytes()[..]));
        assert_eq!(id.get(40..52), Some(&b"vCal-Uid\x01\0\0\0"[..]));
        assert_eq!(id.get(52..id.len() - 1), Some(uid.as_bytes()));
        let outlook =
            "040000008200E00074C5B7101A82E008000000000000000000000000000000000000000004000000DEADBEEF";
        let day = "20261124".parse().unwrap();
        let id = global_object_id(outlook, Some(day));
        assert_eq!(id.get(16..20), Some(&[7, 234, 11, 24][..]));
        assert_eq!(id.len(), outlook.len() / 2);
        let zeroed = global_object_id(outlook, None);
        let hex: String = zeroed.iter().map(|octet| format!("{octet:02X}")).collect();
        assert_eq!(hex, outlook);
    }
}
