//! A client's change, taken over into the stored event.

use std::collections::{BTreeMap, BTreeSet};

use caldav::{Component, ContentLine, Object, Zone, Zones};
use wbxml::{Element, Tag, Version, airsyncbase, calendar};

use super::super::ical::{self, text_of};
use super::super::{Asker, CONVERSION, Change, Refused, Said, Supported};
use super::exceptions::{self, Series};
use super::times::{self, Form, Times, day, day_start, instant};
use super::{EVENT, EXCEPTIONS_MAX, NOT_FOUND, facts, files, people, place, recurrence, show};

/// Longest UID that a client may give. MS-ASCAL §2.2.2.46.
const UID_MAX: usize = 300;
/// Half an hour: what an event lasts of which nothing else is said, and to what its start is rounded.
const HALF_HOUR: i64 = 1_800;

/// The object after a change.
pub(super) fn event(
    current: Option<&Object>,
    change: &Change<'_>,
    asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    let mut object = ical::object(current, EVENT, change.unique)?;
    let master = ical::master(&object, EVENT).ok_or(Refused(CONVERSION))?.clone();
    let calendar = object.calendar_mut().ok_or(Refused(CONVERSION))?;
    let at = calendar.components().position(|component| *component == master).ok_or(Refused(CONVERSION))?;
    let edit = Edit { calendar: calendar.clone(), asker, is_new: current.is_none() };
    let result = match change.instance {
        Some(id) => edit.instance(master, id, change)?,
        None => edit.series(master, change)?,
    };
    let Edited { master, overrides, definition } = result;
    if let Some(place) = calendar.components_mut().nth(at) {
        *place = master;
    }
    overrides.put(calendar, at);
    definition.into_iter().for_each(|definition| calendar.push_component(definition));
    Ok(object.write())
}

/// An event while it is changed.
struct Edit<'a> {
    /// The calendar as it was.
    calendar: Component,
    asker: Asker<'a>,
    is_new: bool,
}

/// What comes of it.
struct Edited {
    master: Component,
    overrides: Overrides,
    /// A time zone that is needed.
    definition: Option<Component>,
}

/// What becomes of the instances that differ, by the values of their RECURRENCE-ID.
#[derive(Default)]
struct Overrides {
    put: Vec<Component>,
    gone: BTreeSet<String>,
}

impl Overrides {
    fn put(self, calendar: &mut Component, master: usize) {
        let id = |event: &Component| event.line("RECURRENCE-ID").map(|line| line.value().to_owned());
        let mut n = 0;
        calendar.retain_components(|event| {
            n += 1;
            let gone = event.is(EVENT) && id(event).is_some_and(|id| self.gone.contains(&id));
            n - 1 == master || !gone
        });
        for event in self.put {
            let own = id(&event);
            let known = calendar.components_mut().find(|known| known.is(EVENT) && id(known) == own);
            match known.filter(|_| own.is_some()) {
                Some(known) => *known = event,
                None => calendar.push_component(event),
            }
        }
    }
}

/// A component's new times, and whether the pattern of a series is another one now.
struct Timed {
    times: Times,
    pattern_changed: bool,
    definition: Option<Component>,
}

impl Edit<'_> {
    /// Changes a whole event.
    fn series(&self, mut master: Component, change: &Change<'_>) -> Result<Edited, Refused> {
        let before = master.clone();
        let zones = Zones::of(&self.calendar);
        let guest = !self.is_new && people::is_guest(&master, self.asker);
        if self.is_new {
            self.found(&mut master, change)?;
        }
        let times_before = Times::of(&before, &zones);
        let timed = match (guest, &times_before) {
            (true, Some(times)) => Timed { times: times.clone(), pattern_changed: false, definition: None },
            _ => self.set_times(&mut master, change, &zones)?,
        };
        let Timed { times, mut pattern_changed, definition } = timed;
        if !guest {
            pattern_changed |= self.set_recurrence(&mut master, change, &times)?;
        }
        self.set_fields(&mut master, change, (&times, &zones), guest)?;
        let mut overrides = Overrides::default();
        let was = times_before.as_ref().map(|times| Series {
            calendar: &self.calendar,
            master: &before,
            times,
            zones: &zones,
        });
        if let Some(list) = change.element(calendar::EXCEPTIONS).filter(|_| self.takes_exceptions()) {
            overrides = self.set_exceptions(&mut master, list, (&times, &zones), was.as_ref(), guest)?;
        } else if let Some(was) = was.filter(|was| !was.changed().is_empty() || !was.removed().is_empty()) {
            if pattern_changed {
                // The instances are others now. MS-ASCAL §2.2.2.37.
                master.remove("EXDATE");
                overrides.gone = ids(was.changed().into_values());
            } else if master != before {
                overrides.put = self.follow(&was, &master, (&times, &zones))?;
            }
        }
        if self.is_new || master != before || !overrides.put.is_empty() || !overrides.gone.is_empty() {
            stamp(&mut master, guest, self.asker.now)?;
        }
        Ok(Edited { master, overrides, definition })
    }

    /// From 16.0 on instances are changed one by one; an event may still be made with all of them.
    fn takes_exceptions(&self) -> bool {
        self.asker.version < Version::V16_0 || self.is_new
    }

    /// What an event has from its beginning on: its UID, and who called the meeting.
    fn found(&self, master: &mut Component, change: &Change<'_>) -> Result<(), Refused> {
        let new = self.asker.version >= Version::V16_0;
        let tag = if new { calendar::CLIENT_UID } else { calendar::UID };
        if let Some(uid) = change.element(tag).map(text_of).transpose()? {
            let uid: String = uid.trim().chars().filter(|c| !c.is_control()).collect();
            if uid.len() > UID_MAX {
                return Err(Refused(CONVERSION));
            }
            if !uid.is_empty() {
                master.set(ContentLine::new("UID", uid)?);
            }
        }
        // From 16.0 on it is whoever makes it. Before, a client may copy a meeting of somebody else.
        let status = number::<u8>(change, calendar::MEETING_STATUS)?.unwrap_or_default();
        let email = change.element(calendar::ORGANIZER_EMAIL).map(text_of).transpose()?.unwrap_or_default();
        let email = email.trim();
        let fits = email.contains('@') && !email.contains(|c: char| c.is_whitespace() || c.is_control());
        if !new && people::is_of_another(status) && fits && !people::is_own(email, self.asker) {
            let name = change.element(calendar::ORGANIZER_NAME).map(text_of).transpose()?.unwrap_or_default();
            master.push(people::organizer_line(email, &name)?);
        }
        Ok(())
    }

    /// Takes over when it is.
    fn set_times(&self, event: &mut Component, change: &Change<'_>, zones: &Zones) -> Result<Timed, Refused> {
        let asker = self.asker;
        let had = Times::of(event, zones);
        let text = |tag| change.element(tag).and_then(Element::text).map(str::trim).filter(|t| !t.is_empty());
        let whole_days = match change.element(calendar::ALL_DAY_EVENT) {
            Some(element) => element.flag()?,
            None => had.as_ref().is_some_and(Times::whole_days),
        };
        let zone = change
            .element(calendar::TIMEZONE)
            .filter(|zone| zone.text().is_some_and(|t| !t.trim().is_empty()));
        let reference = match text(calendar::START_TIME) {
            Some(text) if asker.version >= Version::V16_0 && whole_days => {
                day_start(day(text, &Zone::utc(), asker.version)?)
            }
            Some(text) => instant(text)?,
            None => had.as_ref().map_or(asker.now, |had| had.start),
        };
        let (form, definition) = self.form(whole_days, zone, reference, had.as_ref())?;
        let day_zone = self.day_zone(zone, reference, had.as_ref())?;
        let read = |text: &str| match whole_days {
            true => day(text, &day_zone, asker.version).map(day_start),
            false => instant(text),
        };
        let length = had.as_ref().map_or(HALF_HOUR, |had| had.end.saturating_sub(had.start));
        // Days that become hours, and the other way round, keep their beginning.
        let start = match (text(calendar::START_TIME), &had) {
            (Some(text), _) => read(text)?,
            (None, Some(had)) if had.whole_days() == whole_days => had.start,
            (None, Some(had)) => match whole_days {
                true => day_start(had.form.zone().local(had.start).date),
                false => had.start,
            },
            (None, None) => (asker.now.saturating_add(HALF_HOUR / 2)).div_euclid(HALF_HOUR) * HALF_HOUR,
        };
        let end = match text(calendar::END_TIME) {
            Some(text) => read(text)?,
            None => start.saturating_add(length),
        };
        if end < start {
            return Err(Refused(CONVERSION));
        }
        let end = if whole_days { end.max(start.saturating_add(86_400)) } else { end };
        let times = Times { start, end, form };
        let pattern_changed = had.is_some_and(|had| {
            had.start != start
                || had.whole_days() != whole_days
                || had.form.zone().name() != times.form.zone().name()
        });
        times::put(event, zones, &times)?;
        Ok(Timed { times, pattern_changed, definition })
    }

    /// How the times are to be told: as before, if the client names the same zone or none.
    fn form(
        &self,
        whole_days: bool,
        zone: Option<&Element<'_>>,
        at: i64,
        had: Option<&Times>,
    ) -> Result<(Form, Option<Component>), Refused> {
        if whole_days {
            return Ok((Form::Days, None));
        }
        let had = had.filter(|had| !had.whole_days());
        let Some(zone) = zone else { return Ok((had.map_or(Form::Utc, |had| had.form.clone()), None)) };
        if let Some(had) = had
            && times::is_same_zone(zone, &times::blob(&had.form, Some(&self.calendar), had.start))
        {
            return Ok((had.form.clone(), None));
        }
        let hint = had.and_then(|had| match &had.form {
            Form::Zoned(tzid, _) => Some(tzid.as_str()),
            _ => None,
        });
        let named = times::named(zone, at, hint, &self.calendar)?;
        Ok((named.form, named.definition))
    }

    /// The zone whose midnights an event of whole days is told by, before 16.0.
    fn day_zone(&self, zone: Option<&Element<'_>>, at: i64, had: Option<&Times>) -> Result<Zone, Refused> {
        match zone {
            Some(zone) if self.asker.version < Version::V16_0 => {
                Ok(times::named(zone, at, None, &self.calendar)?.form.zone())
            }
            _ => Ok(had.map_or_else(Zone::utc, |had| had.form.zone())),
        }
    }

    fn set_recurrence(
        &self,
        master: &mut Component,
        change: &Change<'_>,
        times: &Times,
    ) -> Result<bool, Refused> {
        match change.said(calendar::RECURRENCE) {
            Said::Leave => Ok(false),
            // What the client was not shown it does not take away.
            Said::Gone => Ok(recurrence::of(master, times).is_some() && recurrence::clear(master)),
            Said::Is(element) => {
                let zone = change
                    .element(calendar::TIMEZONE)
                    .filter(|zone| zone.text().is_some_and(|t| !t.is_empty()));
                let zone = self.day_zone(zone, times.start, None)?;
                recurrence::set(master, element, times, (&zone, self.asker.version))
            }
        }
    }

    /// Takes over everything else. A guest has only what is his own of somebody else's meeting.
    /// RFC 6638 §3.2.2.1.
    fn set_fields(
        &self,
        event: &mut Component,
        change: &Change<'_>,
        (times, zones): (&Times, &Zones),
        guest: bool,
    ) -> Result<(), Refused> {
        let asker = self.asker;
        if guest {
            if let Some(list) = change.element(calendar::ATTENDEES) {
                people::set_own_answer(event, list, asker)?;
            }
        } else {
            self.set_meeting(event, change)?;
        }
        ical::set_categories(event, change, (calendar::CATEGORIES, calendar::CATEGORY))?;
        match change.said(calendar::BUSY_STATUS) {
            Said::Leave => {}
            Said::Gone => facts::set_busy_status(event, 2, asker)?,
            Said::Is(element) => facts::set_busy_status(event, element.parse::<i16>()?, asker)?,
        }
        match change.said(calendar::SENSITIVITY) {
            Said::Leave => {}
            Said::Gone => facts::set_sensitivity(event, 0)?,
            Said::Is(element) => facts::set_sensitivity(event, element.parse::<u8>()?)?,
        }
        match change.said(calendar::REMINDER) {
            Said::Leave => {}
            Said::Is(element) if element.text().is_some_and(|text| !text.trim().is_empty()) => {
                facts::set_reminder(event, Some(element.parse::<u32>()?.into()), times, zones)?;
            }
            Said::Gone | Said::Is(_) => facts::set_reminder(event, None, times, zones)?,
        }
        Ok(())
    }

    /// What only its organizer changes of an event.
    fn set_meeting(&self, event: &mut Component, change: &Change<'_>) -> Result<(), Refused> {
        let asker = self.asker;
        ical::set_text(event, "SUMMARY", change, calendar::SUBJECT)?;
        ical::set_body(event, change)?;
        let old = asker.version < Version::V16_0;
        let tag = if old { calendar::LOCATION } else { airsyncbase::LOCATION };
        match change.said(tag) {
            Said::Leave => {}
            Said::Gone => place::set(event, None, asker.version)?,
            Said::Is(element) => place::set(event, Some(element), asker.version)?,
        }
        if let Some(list) = change.element(airsyncbase::ATTACHMENTS).filter(|_| !old) {
            files::set(event, list)?;
        }
        let status = number::<u8>(change, calendar::MEETING_STATUS)?;
        let wanted = flag(change, calendar::RESPONSE_REQUESTED)?;
        match change.said(calendar::ATTENDEES) {
            Said::Leave => {}
            // Who says that it is a meeting still does not take everybody away.
            Said::Gone if status.is_some_and(|status| status != 0) => {}
            Said::Gone => people::set_attendees(event, None, true, asker)?,
            Said::Is(list) => people::set_attendees(event, Some(list), wanted.unwrap_or(true), asker)?,
        }
        people::organize(event, asker)?;
        if let Some(wanted) = wanted {
            people::set_response_requested(event, wanted, asker)?;
        }
        if let Some(status) = status {
            facts::set_cancelled(event, people::is_cancelled(status))?;
        }
        match change.said(calendar::DISALLOW_NEW_TIME_PROPOSAL) {
            Said::Leave => {}
            Said::Gone => facts::set_flag(event, facts::DISALLOW_COUNTER, false)?,
            Said::Is(element) => facts::set_flag(event, facts::DISALLOW_COUNTER, element.flag()?)?,
        }
        Ok(())
    }

    /// Takes over the whole list of exceptions.
    fn set_exceptions(
        &self,
        master: &mut Component,
        list: &Element<'_>,
        (times, zones): (&Times, &Zones),
        was: Option<&Series<'_>>,
        guest: bool,
    ) -> Result<Overrides, Refused> {
        let mut sent: BTreeMap<i64, &Element<'_>> = BTreeMap::new();
        for (n, exception) in list.children_of(calendar::EXCEPTION).enumerate() {
            if n >= EXCEPTIONS_MAX {
                return Err(Refused(CONVERSION));
            }
            sent.insert(self.key(exception, times)?, exception);
        }
        let known: BTreeMap<i64, &Component> = was.map(Series::changed).unwrap_or_default();
        let removed = was.map(Series::removed).unwrap_or_default();
        let snapshot = master.clone();
        let series = Series { calendar: &self.calendar, master: &snapshot, times, zones };
        // What no instance is at cannot be told apart from what there never was.
        let there = series.has(&sent.keys().copied().collect());
        sent.retain(|at, _| there.contains(at) || known.contains_key(at));
        let gone =
            |exception: &Element<'_>| exception.flag_of(calendar::DELETED).map(|flag| flag == Some(true));
        let (mut wanted, mut overrides) = (BTreeSet::new(), Overrides::default());
        let of_series = show::fields(&snapshot, times, zones, self.asker);
        for (at, exception) in &sent {
            if gone(exception)? {
                wanted.insert(*at);
                continue;
            }
            let old = known.get(at).copied();
            let start = match old {
                Some(event) => event.clone(),
                None => exceptions::derive(&series, *at)?,
            };
            let event = self.exception(start.clone(), (*at, exception), &of_series, &series, guest)?;
            if old.is_none() || event != start {
                overrides.put.push(event);
            }
        }
        let left = known.iter().filter(|(at, _)| wanted.contains(at) || !sent.contains_key(at));
        overrides.gone = ids(left.map(|(_, event)| *event));
        exceptions::set_removed(master, &times.form, (&removed, &wanted))?;
        Ok(overrides)
    }

    /// Which instance an Exception is of.
    fn key(&self, exception: &Element<'_>, times: &Times) -> Result<i64, Refused> {
        let tags = [calendar::EXCEPTION_START_TIME, airsyncbase::INSTANCE_ID];
        let text = tags.into_iter().find_map(|tag| exception.text_of(tag)).ok_or(Refused(CONVERSION))?;
        self.instance_at(text, times)
    }

    fn instance_at(&self, text: &str, times: &Times) -> Result<i64, Refused> {
        match times.whole_days() {
            true => Ok(day_start(day(text, &Zone::utc(), self.asker.version)?)),
            false => instant(text),
        }
    }

    /// An instance as an Exception has it: what that leaves out is the series' own.
    fn exception(
        &self,
        mut event: Component,
        (at, exception): (i64, &Element<'_>),
        of_series: &[Element<'static>],
        series: &Series<'_>,
        guest: bool,
    ) -> Result<Component, Refused> {
        let version = self.asker.version;
        let length = series.times.end.saturating_sub(series.times.start);
        let inherited = of_series.iter().filter_map(|element| match element.tag() {
            calendar::START_TIME => Some(times::compact_element(calendar::START_TIME, at)),
            calendar::END_TIME => Some(times::compact_element(calendar::END_TIME, at.saturating_add(length))),
            tag if exceptions::has(tag, version) => Some(element.clone()),
            _ => None,
        });
        let own = exception.children().iter().filter(|element| exceptions::has(element.tag(), version));
        let mut data = Element::new(calendar::EXCEPTION);
        own.for_each(|element| data.push(element.clone()));
        for element in inherited.filter(|element| !exception.has(element.tag())) {
            data.push(element);
        }
        // What an Exception of this version does not have it says nothing of.
        let supported = Supported::only(exceptions::elements(version));
        let change = Change { data: Some(&data), instance: None, supported: &supported, unique: 0, version };
        let before = event.clone();
        let times = match (guest, Times::of(&event, series.zones)) {
            (true, Some(times)) => times,
            _ => self.set_times(&mut event, &change, series.zones)?.times,
        };
        self.set_fields(&mut event, &change, (&times, series.zones), guest)?;
        if event != before {
            stamp(&mut event, guest, self.asker.now)?;
        }
        Ok(event)
    }

    /// The instances that differ, after a change of what they have in common with their series.
    fn follow(
        &self,
        was: &Series<'_>,
        master: &Component,
        (times, zones): (&Times, &Zones),
    ) -> Result<Vec<Component>, Refused> {
        let before = show::fields(was.master, was.times, was.zones, self.asker);
        let after = show::fields(master, times, zones, self.asker);
        let series = Series { calendar: &self.calendar, master, times, zones };
        let mut put = Vec::new();
        for (at, old) in was.changed() {
            let Some(exception) = exceptions::differing(was, (at, old), &before, self.asker) else {
                continue;
            };
            let guest = people::is_guest(old, self.asker);
            let mut event = self.exception(old.clone(), (at, &exception), &after, &series, guest)?;
            follow_body(&mut event, was.master, master);
            if event != *old {
                put.push(event);
            }
        }
        Ok(put)
    }

    /// Changes or removes one instance of a series. MS-ASAIRS §2.2.2.25.
    fn instance(&self, mut master: Component, id: &str, change: &Change<'_>) -> Result<Edited, Refused> {
        let zones = Zones::of(&self.calendar);
        let times = Times::of(&master, &zones).ok_or(Refused(CONVERSION))?;
        let guest = people::is_guest(&master, self.asker);
        let at = self.instance_at(id, &times)?;
        let snapshot = master.clone();
        let series = Series { calendar: &self.calendar, master: &snapshot, times: &times, zones: &zones };
        let removed = series.removed();
        let known = series.changed().get(&at).copied();
        let there = || series.has(&BTreeSet::from([at])).contains(&at);
        if removed.contains(&at) || master.line("RECURRENCE-ID").is_some() || (known.is_none() && !there()) {
            return Err(Refused(NOT_FOUND));
        }
        let mut overrides = Overrides::default();
        let mut definition = None;
        match change.data {
            None => {
                let wanted = removed.iter().copied().chain([at]).collect();
                exceptions::set_removed(&mut master, &times.form, (&removed, &wanted))?;
                overrides.gone = ids(known);
                stamp(&mut master, guest, self.asker.now)?;
            }
            Some(data) => {
                let kept = data.children().iter().filter(|element| {
                    let tag = element.tag();
                    // AllDayEvent is the series'.
                    tag == calendar::TIMEZONE
                        || (tag != calendar::ALL_DAY_EVENT && exceptions::has(tag, self.asker.version))
                });
                let data = Element::new(data.tag()).with_all(kept.cloned());
                let change = Change { data: Some(&data), supported: &Supported::Ghosts, ..*change };
                let start = match known {
                    Some(event) => event.clone(),
                    None => exceptions::derive(&series, at)?,
                };
                let mut event = start.clone();
                let own = match (guest, Times::of(&event, &zones)) {
                    (true, Some(times)) => times,
                    _ => {
                        let timed = self.set_times(&mut event, &change, &zones)?;
                        definition = timed.definition;
                        timed.times
                    }
                };
                self.set_fields(&mut event, &change, (&own, &zones), guest)?;
                if event != start {
                    stamp(&mut event, guest, self.asker.now)?;
                    overrides.put.push(event);
                }
            }
        }
        Ok(Edited { master, overrides, definition })
    }
}

/// A body that was the series' own follows it.
fn follow_body(event: &mut Component, before: &Component, after: &Component) {
    let body = |event: &Component| (event.line("DESCRIPTION").map(ContentLine::to_text), ical::html(event));
    if body(event) != body(before) || body(before) == body(after) {
        return;
    }
    let is_body = |line: &ContentLine| line.is("DESCRIPTION") || ical::is_html_body(line);
    event.retain_lines(|line| !is_body(line));
    after.lines().filter(|line| is_body(line)).for_each(|line| event.push(line.clone()));
}

/// The values of RECURRENCE-ID.
fn ids<'c>(events: impl IntoIterator<Item = &'c Component>) -> BTreeSet<String> {
    let ids = events.into_iter().filter_map(|event| event.line("RECURRENCE-ID"));
    ids.map(|line| line.value().to_owned()).collect()
}

/// DTSTAMP is of whoever called the meeting: by it, answers and invitations are put in order. RFC 5546 §2.1.5.
fn stamp(event: &mut Component, guest: bool, now: i64) -> Result<(), Refused> {
    if guest {
        event.set(ContentLine::new("LAST-MODIFIED", times::compact(now))?);
        return Ok(());
    }
    ical::stamp(event, now)
}

fn number<T: std::str::FromStr>(change: &Change<'_>, tag: Tag) -> Result<Option<T>, Refused> {
    let element = change.element(tag).filter(|element| element.text().is_some_and(|t| !t.trim().is_empty()));
    Ok(element.map(Element::parse).transpose()?)
}

fn flag(change: &Change<'_>, tag: Tag) -> Result<Option<bool>, Refused> {
    Ok(change.element(tag).map(Element::flag).transpose()?)
}
