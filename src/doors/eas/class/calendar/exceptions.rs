//! Instances that differ from their series. MS-ASCAL §2.2.2.21; RFC 5545 §3.8.4.4, §3.8.5.1.

use std::collections::{BTreeMap, BTreeSet};

use caldav::{Bounds, Component, Moment, Zone, Zones};
use wbxml::{Element, Tag, Version, airsyncbase, calendar};

use super::super::out::Out;
use super::super::{Asker, Refused, ical};
use super::show::fields;
use super::times::{Form, Times, compact_element, day_start, set_moment};
use super::{EVENT, EXCEPTIONS_MAX, files};
use crate::mailbox::{FolderId, Uid};

/// Elements of an Exception but its key and its body, with the version from which on they are there.
/// MS-ASCAL §2.2.2.21.
const ELEMENTS: [(Tag, Version); 14] = [
    (calendar::ALL_DAY_EVENT, Version::V12_1),
    (calendar::START_TIME, Version::V12_1),
    (calendar::END_TIME, Version::V12_1),
    (calendar::SUBJECT, Version::V12_1),
    (calendar::LOCATION, Version::V12_1),
    (airsyncbase::LOCATION, Version::V16_0),
    (calendar::CATEGORIES, Version::V12_1),
    (calendar::BUSY_STATUS, Version::V12_1),
    (calendar::SENSITIVITY, Version::V12_1),
    (calendar::REMINDER, Version::V12_1),
    (calendar::MEETING_STATUS, Version::V12_1),
    (calendar::ATTENDEES, Version::V14_0),
    (calendar::RESPONSE_TYPE, Version::V14_0),
    (calendar::APPOINTMENT_REPLY_TIME, Version::V14_0),
];

/// The elements of an Exception but its key and its body.
pub(super) fn elements(version: Version) -> impl Iterator<Item = Tag> {
    ELEMENTS.iter().filter(move |(_, since)| version >= *since).map(|(tag, _)| *tag)
}

/// Whether an Exception has an element.
pub(super) fn has(tag: Tag, version: Version) -> bool {
    elements(version).any(|known| known == tag)
        || tag == airsyncbase::BODY
        || (tag == airsyncbase::ATTACHMENTS && version >= Version::V16_0)
}

/// A series with what is needed to understand it.
pub(super) struct Series<'s> {
    pub(super) calendar: &'s Component,
    pub(super) master: &'s Component,
    pub(super) times: &'s Times,
    pub(super) zones: &'s Zones,
}

impl<'s> Series<'s> {
    /// The instances that differ, by the instants at which they would have been. Those that stand for all
    /// later ones ActiveSync has no word for.
    pub(super) fn changed(&self) -> BTreeMap<i64, &'s Component> {
        let uid = self.master.line("UID").map(caldav::ContentLine::value);
        let events = self.calendar.components().filter(|component| component.is(EVENT));
        let events = events.filter(|event| event.line("UID").map(caldav::ContentLine::value) == uid);
        events.filter_map(|event| Some((self.instant_of(event)?, event))).collect()
    }

    /// The instant at which an instance would have been.
    pub(super) fn instant_of(&self, event: &Component) -> Option<i64> {
        let id = event.line("RECURRENCE-ID").filter(|id| id.parameter("RANGE").is_none())?;
        Some(self.instant(&id.moment().ok()?))
    }

    /// The instants of instances that are left out.
    pub(super) fn removed(&self) -> BTreeSet<i64> {
        let lines = self.master.lines_named("EXDATE").filter_map(|line| line.moments().ok());
        lines.flatten().map(|moment| self.instant(&moment)).collect()
    }

    /// The instant of an instance as the series tells it.
    fn instant(&self, moment: &Moment) -> i64 {
        match (&self.times.form, moment) {
            (Form::Days, moment) => day_start(moment.date()),
            (form, Moment::Day(date)) => {
                let zone = form.zone();
                let time = zone.local(self.times.start).time;
                zone.instant(caldav::LocalDateTime { date: *date, time })
            }
            (_, moment) => self.zones.instant(moment, &Zone::utc()),
        }
    }

    /// The instants of those asked for that the series has, whether they are left out of it or not.
    pub(super) fn has(&self, asked: &BTreeSet<i64>) -> BTreeSet<i64> {
        let (Some(first), Some(last)) = (asked.first(), asked.last()) else { return BTreeSet::new() };
        let mut whole = self.calendar.clone();
        whole.retain_components(|component| !component.is(EVENT));
        let mut master = self.master.clone();
        master.remove("EXDATE");
        whole.push_component(master);
        let Some(Ok(series)) = caldav::Series::all(&whole).into_iter().next() else { return BTreeSet::new() };
        let found = series.expand(*first..last.saturating_add(1), &Zone::utc(), &Bounds::default());
        let starts: BTreeSet<i64> = found.instances.iter().map(|instance| instance.start).collect();
        // What lies beyond the bounds cannot be denied.
        let known = if found.truncated { starts.last().copied().unwrap_or(i64::MIN) } else { i64::MAX };
        asked.iter().copied().filter(|at| starts.contains(at) || *at > known).collect()
    }
}

/// The Exceptions element, if there are any.
pub(super) fn show(
    series: &Series<'_>,
    (asker, place): (Asker<'_>, (FolderId, Uid)),
    out: &Out<'_>,
) -> Option<Element<'static>> {
    let changed = series.changed();
    let mut all: BTreeMap<i64, Element<'static>> = BTreeMap::new();
    for at in series.removed() {
        all.insert(at, key(at, asker.version).with_flag(calendar::DELETED, true));
    }
    let of_series = fields(series.master, series.times, series.zones, asker);
    for (at, event) in changed {
        let Some(mut exception) = differing(series, (at, event), &of_series, asker) else { continue };
        if (text(event), ical::html(event)) != (text(series.master), ical::html(series.master)) {
            exception.push(out.body_of(&text(event), ical::html(event).as_deref()));
        }
        if asker.version >= Version::V16_0 {
            let files = files::show(event, place);
            files.into_iter().for_each(|files| exception.push(files));
        }
        all.insert(at, exception);
    }
    let all: Vec<_> = all.into_values().take(EXCEPTIONS_MAX).collect();
    (!all.is_empty()).then(|| Element::new(calendar::EXCEPTIONS).with_all(all))
}

fn text(event: &Component) -> String {
    event.line("DESCRIPTION").map(caldav::ContentLine::to_text).unwrap_or_default()
}

/// An Exception with its key.
fn key(at: i64, version: Version) -> Element<'static> {
    let tag = match version < Version::V16_0 {
        true => calendar::EXCEPTION_START_TIME,
        false => airsyncbase::INSTANCE_ID,
    };
    Element::new(calendar::EXCEPTION).with(compact_element(tag, at))
}

/// What of an instance differs from its series, without the body.
pub(super) fn differing(
    series: &Series<'_>,
    (at, event): (i64, &Component),
    of_series: &[Element<'static>],
    asker: Asker<'_>,
) -> Option<Element<'static>> {
    let times = Times::of(event, series.zones)?;
    let own = fields(event, &times, series.zones, asker);
    let mut exception = key(at, asker.version);
    let always = [calendar::START_TIME, calendar::END_TIME];
    for element in &own {
        let tag = element.tag();
        if has(tag, asker.version) && (always.contains(&tag) || !of_series.contains(element)) {
            exception.push(element.clone());
        }
    }
    // What only the series has is empty here, where that can be said.
    let mut may_be_empty =
        vec![calendar::SUBJECT, calendar::LOCATION, airsyncbase::LOCATION, calendar::CATEGORIES];
    if asker.version >= Version::V14_1 {
        may_be_empty.push(calendar::REMINDER);
    }
    for element in of_series.iter().filter(|element| may_be_empty.contains(&element.tag())) {
        if !own.iter().any(|own| own.tag() == element.tag()) {
            exception.push(Element::new(element.tag()));
        }
    }
    Some(exception)
}

/// An instance as it comes out of its series.
pub(super) fn derive(series: &Series<'_>, at: i64) -> Result<Component, Refused> {
    let mut event = series.master.clone();
    event.retain_lines(|line| !["RRULE", "RDATE", "EXRULE", "EXDATE", "DURATION"].iter().any(|n| line.is(n)));
    let form = &series.times.form;
    let length = series.times.end.saturating_sub(series.times.start);
    set_moment(&mut event, "DTSTART", &form.moment(at))?;
    set_moment(&mut event, "DTEND", &form.moment(at.saturating_add(length)))?;
    event.replace(form.moment(at).line("RECURRENCE-ID")?);
    Ok(event)
}

/// Makes a series leave out these instances and no others.
pub(super) fn set_removed(
    master: &mut Component,
    form: &Form,
    (had, wanted): (&BTreeSet<i64>, &BTreeSet<i64>),
) -> Result<(), Refused> {
    if had == wanted {
        return Ok(());
    }
    let mut new: Vec<i64> = wanted.difference(had).copied().collect();
    if !had.is_subset(wanted) {
        master.remove("EXDATE");
        new = wanted.iter().copied().collect();
    }
    for at in new {
        master.push(form.moment(at).line("EXDATE")?);
    }
    Ok(())
}
