//! An event as a phone sees it.

use caldav::{Component, ContentLine, Zones};
use wbxml::{Element, Version, airsyncbase, calendar};

use super::super::out::{Out, clean};
use super::super::{Asker, ical};
use super::times::{Times, blob, compact_element};
use super::{exceptions, facts, files, people, place, recurrence};
use crate::mailbox::{FolderId, Uid};

/// Shows an event with its recurrence and its exceptions; `false` for one that has no time.
pub(super) fn event(
    calendar: &Component,
    event: &Component,
    (asker, place): (Asker<'_>, (FolderId, Uid)),
    out: &mut Out<'_>,
) -> bool {
    let zones = Zones::of(calendar);
    let Some(times) = Times::of(event, &zones) else { return false };
    if asker.version < Version::V16_0 || !times.whole_days() {
        out.add(Element::leaf(calendar::TIMEZONE, blob(&times.form, Some(calendar), times.start)));
    }
    out.text(calendar::UID, event.line("UID").map_or("", ContentLine::value));
    out.add_all(people::organizer(event, asker));
    out.add_all(fields(event, &times, &zones, asker));
    out.add(Element::boolean(calendar::RESPONSE_REQUESTED, people::response_requested(event, asker)));
    let disallowed = facts::is_set(event, facts::DISALLOW_COUNTER);
    out.add(Element::boolean(calendar::DISALLOW_NEW_TIME_PROPOSAL, disallowed));
    ical::show_body(event, out);
    out.add(Element::number(airsyncbase::NATIVE_BODY_TYPE, if ical::html(event).is_some() { 2 } else { 1 }));
    if asker.version >= Version::V16_0 {
        out.add_all(files::show(event, place));
    }
    if let Some(rule) = recurrence::of(event, &times) {
        out.add(recurrence::show(&rule, &recurrence::EVENT, asker.version));
        let series = exceptions::Series { calendar, master: event, times: &times, zones: &zones };
        out.add_all(exceptions::show(&series, (asker, place), out));
    }
    true
}

/// The properties that a series and an instance of it both have.
pub(super) fn fields(
    event: &Component,
    times: &Times,
    zones: &Zones,
    asker: Asker<'_>,
) -> Vec<Element<'static>> {
    let version = asker.version;
    let mut all = vec![
        Element::boolean(calendar::ALL_DAY_EVENT, times.whole_days()),
        compact_element(calendar::START_TIME, times.start),
        compact_element(calendar::END_TIME, times.end),
        compact_element(calendar::DT_STAMP, stamp(event, zones).unwrap_or(times.start)),
    ];
    let subject = event.line("SUMMARY").map(|line| clean(&line.to_text())).unwrap_or_default();
    if !subject.is_empty() {
        all.push(Element::leaf(calendar::SUBJECT, subject));
    }
    all.extend(place::show(event, version, calendar::LOCATION));
    let names = ical::categories(event);
    if !names.is_empty() {
        let names = names.iter().take(super::super::ical::CATEGORIES_MAX);
        let names = names.map(|name| Element::leaf(calendar::CATEGORY, clean(name)));
        all.push(Element::new(calendar::CATEGORIES).with_all(names));
    }
    all.push(Element::number(calendar::BUSY_STATUS, facts::busy_status(event, asker)));
    all.push(Element::number(calendar::SENSITIVITY, facts::sensitivity(event)));
    if let Some(minutes) = facts::reminder(event, times, zones) {
        all.push(Element::number(calendar::REMINDER, minutes));
    }
    all.push(Element::number(calendar::MEETING_STATUS, people::meeting_status(event, asker)));
    all.extend(people::show_attendees(event, asker));
    all.push(Element::number(calendar::RESPONSE_TYPE, people::response_type(event, asker)));
    all.extend(facts::reply_time(event).map(|at| compact_element(calendar::APPOINTMENT_REPLY_TIME, at)));
    for (tag, name) in [
        (calendar::ONLINE_MEETING_CONF_LINK, facts::CONF_LINK),
        (calendar::ONLINE_MEETING_EXTERNAL_LINK, facts::EXTERNAL_LINK),
    ] {
        all.extend(facts::link(event, name).map(|link| Element::leaf(tag, clean(&link))));
    }
    all.retain(|element| element.tag().is_in(version));
    all
}

/// When the event was last changed by whoever it is of.
pub(super) fn stamp(event: &Component, zones: &Zones) -> Option<i64> {
    let line = ["DTSTAMP", "LAST-MODIFIED", "CREATED"].into_iter().find_map(|name| event.line(name))?;
    Some(zones.instant(&line.moment().ok()?, &caldav::Zone::utc()))
}
