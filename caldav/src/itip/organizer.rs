//! An organizer's own change. RFC 6638 §3.2.1, §3.2.5 to §3.2.8; RFC 5546 §2.1.4, §3.2.2, §3.2.5.
//!
//! - A change of times makes the attendees' answers void and raises SEQUENCE. Leaving an instance out does
//!   neither for the others: it is told by a CANCEL for that instance alone.
//! - Each attendee is told what has changed in what they see: the whole meeting, or single instances.
//! - DTSTAMP rises with each change that is told, also within a second, so that messages can be ordered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::meeting::{
    self, Meeting, answer, attendees, is_cancelled, is_ours, parts_mut, sequence, set_sequence, set_stamp,
    told_differs,
};
use super::message::{build, public, requested};
use super::receive::LAST_REPLY;
use super::timing::{When, ended_before, excluded, exdate, occurrence};
use super::{Change, Method, Outcome, Outgoing, Part, PartStat, Refusal, calendar};
use crate::{Component, ContentLine, Invalid, Object, Parameter, Zones};

/// Nothing is told of what ended before: an old calendar may be imported without mail to everybody in it.
pub(super) const OVER_FOR: i64 = 31 * 86_400;

pub(super) fn change(
    old: Option<&Object>,
    new: Option<&Object>,
    by: &Change<'_>,
) -> Result<Outcome, Refusal> {
    let old_meeting = old.filter(|old| Part::of(old, by.own) == Part::Organizer);
    let before = old_meeting.map(Meeting::of).transpose()?;
    let mut object = new.cloned();
    if let Some(object) = &mut object {
        calendar(object)?;
        keep_organizer(before.as_ref(), object, by)?;
    }
    let Some(mut object) = object else {
        let Some((old, before)) = old.zip(before) else { return Ok(Outcome::quiet(None)) };
        let stamp = stamp_after(Some(&before), by.now);
        let messages = if ended_before(old, by.now.saturating_sub(OVER_FOR)) {
            Vec::new()
        } else {
            tell(Some((old, &before)), None, by, stamp, &BTreeSet::new())?
        };
        return Ok(Outcome { object: None, messages, undone: Vec::new() });
    };
    let forced = take_forced(&mut object)?;
    if let Some(before) = &before {
        keep_answers(before, &mut object, by)?;
    }
    let stamp = stamp_after(before.as_ref(), by.now);
    let long_over = |object: &Object| ended_before(object, by.now.saturating_sub(OVER_FOR));
    let messages = if long_over(&object) && old.is_none_or(long_over) {
        Vec::new()
    } else {
        let after = Meeting::of(&object)?;
        tell(old.zip(before.as_ref()), Some((&object, &after)), by, stamp, &forced)?
    };
    if !messages.is_empty() {
        let zones = Zones::of(calendar(&object)?);
        for (_, part) in parts_mut(&mut object, &zones) {
            set_stamp(part, stamp)?;
        }
    }
    Ok(Outcome { object: Some(object), messages, undone: Vec::new() })
}

/// The current version of a meeting for one attendee who asks for it. RFC 5546 §3.2.6.
pub(super) fn refresh(
    object: &Object,
    attendee: &str,
    own: &[&str],
    now: i64,
) -> Result<Vec<Outgoing>, Invalid> {
    let meeting = Meeting::of(object)?;
    let seats = Seats::of(&meeting);
    let Some(view) = seats.view(attendee) else { return Ok(Vec::new()) };
    let stamp = meeting.parts().map(|(_, part)| meeting::stamp(part)).max().unwrap_or(now);
    let parts = view.whole(&meeting, stamp)?;
    Ok(vec![Outgoing {
        method: Method::Request,
        from: from(&meeting, own),
        to: vec![attendee.to_owned()],
        object: build(Method::Request, object, parts)?,
        changed: Vec::new(),
    }])
}

fn from(meeting: &Meeting<'_>, own: &[&str]) -> String {
    let organizer = meeting.organizers().into_iter().next();
    organizer.or_else(|| own.first().map(|own| (*own).to_owned())).unwrap_or_default()
}

/// One organizer for all of it, and the same as before. A client that lost the line gets it back.
fn keep_organizer(before: Option<&Meeting<'_>>, object: &mut Object, by: &Change<'_>) -> Result<(), Refusal> {
    let (organizers, invites) = {
        let after = Meeting::of(object)?;
        (after.organizers(), !after.attendees().is_empty())
    };
    if organizers.len() > 1 {
        return Err(Refusal::SameOrganizer);
    }
    let own = |address: &String| by.own.contains(&address.as_str());
    let Some(before) = before else { return Ok(()) };
    match organizers.first() {
        Some(organizer) if !own(organizer) && !before.attendees().iter().all(own) => {
            Err(Refusal::OrganizerChange)
        }
        None if invites => {
            let line = before.parts().find_map(|(_, part)| part.line("ORGANIZER"));
            let Some(line) = line.cloned() else { return Ok(()) };
            let zones = Zones::of(calendar(object)?);
            parts_mut(object, &zones).for_each(|(_, part)| part.push(line.clone()));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whom the client wants to be sent a message in any case. The wish itself is not kept. RFC 6638 §7.2.
fn take_forced(object: &mut Object) -> Result<BTreeSet<String>, Refusal> {
    let zones = Zones::of(calendar(object)?);
    let mut forced = BTreeSet::new();
    for (_, part) in parts_mut(object, &zones) {
        for line in part.lines_mut().filter(|line| line.is("ATTENDEE") || line.is("ORGANIZER")) {
            if line.parameter("SCHEDULE-FORCE-SEND").is_some() {
                forced.insert(line.cal_address());
                line.remove_parameter("SCHEDULE-FORCE-SEND");
            }
        }
    }
    Ok(forced)
}

/// A DTSTAMP that is later than all before.
fn stamp_after(before: Option<&Meeting<'_>>, now: i64) -> i64 {
    let stamps = before.into_iter().flat_map(Meeting::parts).map(|(_, part)| meeting::stamp(part));
    let last = stamps.max().unwrap_or(i64::MIN);
    // A clock that was far ahead once must not bind for ever.
    if last >= now && last < now.saturating_add(86_400) { last.saturating_add(1) } else { now }
}

/// Raises SEQUENCE and resets answers where times have changed; keeps answers where they have not, also
/// those that came in while the client had the object.
fn keep_answers(before: &Meeting<'_>, object: &mut Object, by: &Change<'_>) -> Result<(), Refusal> {
    let zones = Zones::of(calendar(object)?);
    let raised = {
        let after = Meeting::of(object)?;
        let differs = |(old, new): (&Component, &Component)| {
            let times = When::of(old, &before.zones) != When::of(new, &zones);
            let back = excluded(old, &before.zones).difference(&excluded(new, &zones)).next().is_some();
            (times, times || back || is_cancelled(old) != is_cancelled(new))
        };
        let raised = before.master.zip(after.master).map(differs).is_some_and(|(_, raised)| raised);
        raised.then(|| before.master.map_or(0, sequence).saturating_add(1))
    };
    for (id, part) in parts_mut(object, &zones) {
        let Some(old) = counterpart(before, id)? else { continue };
        let times = When::of(&old, &before.zones) != When::of(part, &zones);
        let raises = times || is_cancelled(&old) != is_cancelled(part);
        let least = sequence(&old).saturating_add(i32::from(raises)).max(raised.unwrap_or(0));
        if sequence(part) < least {
            set_sequence(part, least)?;
        }
        carry(&old, part, times, by.own)?;
    }
    Ok(())
}

/// What a component was before: itself, or the instance that it describes as the master has it.
fn counterpart(before: &Meeting<'_>, id: Option<i64>) -> Result<Option<Component>, Invalid> {
    match (before.part(id), before.master, id) {
        (Some(part), _, _) => Ok(Some(part.clone())),
        (None, Some(master), Some(id)) => occurrence(master, id, &before.zones).map(Some),
        _ => Ok(None),
    }
}

/// Carries what is known of attendees over to a new version of a component.
fn carry(old: &Component, part: &mut Component, reset: bool, own: &[&str]) -> Result<(), Invalid> {
    let known: HashMap<String, &ContentLine> =
        attendees(old).map(|line| (line.cal_address(), line)).collect();
    for line in part.lines_mut().filter(|line| line.is("ATTENDEE")) {
        let address = line.cal_address();
        let Some(old) = known.get(&address).filter(|_| !own.contains(&address.as_str())) else { continue };
        if reset {
            if answer(line) != PartStat::NeedsAction {
                line.set_parameter(Parameter::new("PARTSTAT", [PartStat::NeedsAction.as_str()])?);
            }
        } else if answer(line) == PartStat::NeedsAction && answer(old) != PartStat::NeedsAction {
            line.set_parameter(Parameter::new("PARTSTAT", [answer(old).as_str()])?);
        }
        for name in ["SCHEDULE-STATUS", LAST_REPLY] {
            if let Some(value) = old.parameter(name).filter(|_| line.parameter(name).is_none()) {
                line.push(Parameter::new(name, [value])?);
            }
        }
    }
    Ok(())
}

/// Who sits in which component, by address.
struct Seats<'m> {
    master: Option<(HashMap<String, &'m ContentLine>, BTreeSet<i64>)>,
    overrides: BTreeMap<i64, HashMap<String, &'m ContentLine>>,
    /// Instances that are off for everybody.
    off: BTreeSet<i64>,
}

/// What one attendee sees of a meeting. RFC 6638 §3.2.6.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct View {
    master: bool,
    overrides: BTreeSet<i64>,
    /// Instances of the master that are not for this attendee.
    excluded: BTreeSet<i64>,
}

impl<'m> Seats<'m> {
    fn of(meeting: &Meeting<'m>) -> Self {
        let by_address = |part: &'m Component| {
            attendees(part).map(|line| (line.cal_address(), line)).collect::<HashMap<_, _>>()
        };
        let master = meeting.master.filter(|master| !is_cancelled(master));
        let off =
            meeting.overrides.iter().filter(|(_, part)| is_cancelled(part)).map(|(id, _)| *id).collect();
        let on = meeting.overrides.iter().filter(|(_, part)| !is_cancelled(part));
        let all_off = meeting.master.is_some_and(is_cancelled);
        Self {
            master: master.map(|master| (by_address(master), excluded(master, &meeting.zones))),
            overrides: on.filter(|_| !all_off).map(|(id, part)| (*id, by_address(part))).collect(),
            off,
        }
    }

    fn view(&self, attendee: &str) -> Option<View> {
        let master = self.master.as_ref().filter(|(seats, _)| seats.contains_key(attendee));
        let of = |seats: &HashMap<String, &ContentLine>| seats.contains_key(attendee);
        let overrides: BTreeSet<i64> =
            self.overrides.iter().filter(|(_, seats)| of(seats)).map(|(id, _)| *id).collect();
        let mut excluded = BTreeSet::new();
        if let Some((_, dates)) = master {
            excluded.extend(dates.iter().chain(&self.off).copied());
            excluded.extend(self.overrides.iter().filter(|(_, seats)| !of(seats)).map(|(id, _)| *id));
            excluded.retain(|id| !overrides.contains(id));
        }
        let view = View { master: master.is_some(), overrides, excluded };
        (view.master || !view.overrides.is_empty()).then_some(view)
    }

    /// An attendee's line in any component.
    fn line(&self, attendee: &str) -> Option<&'m ContentLine> {
        let master = self.master.as_ref().and_then(|(seats, _)| seats.get(attendee).copied());
        master.or_else(|| self.overrides.values().find_map(|seats| seats.get(attendee).copied()))
    }
}

impl View {
    /// All that an attendee sees, as components of a REQUEST.
    fn whole(&self, meeting: &Meeting<'_>, stamp: i64) -> Result<Vec<Component>, Invalid> {
        let mut parts = Vec::new();
        if let Some(master) = meeting.master.filter(|_| self.master) {
            let mut part = requested(master, stamp)?;
            let known = excluded(master, &meeting.zones);
            for id in self.excluded.difference(&known) {
                part.push(exdate(master, *id, &meeting.zones)?);
            }
            parts.push(part);
        }
        parts.extend(self.some(meeting, &self.overrides, stamp)?);
        Ok(parts)
    }

    fn some(
        &self,
        meeting: &Meeting<'_>,
        ids: &BTreeSet<i64>,
        stamp: i64,
    ) -> Result<Vec<Component>, Invalid> {
        ids.iter().filter_map(|id| meeting.overrides.get(id)).map(|part| requested(part, stamp)).collect()
    }
}

/// What differs between two versions of a meeting, by names of properties.
#[derive(Default)]
struct Differences {
    master: BTreeSet<String>,
    instances: BTreeMap<i64, BTreeSet<String>>,
}

impl Differences {
    fn of(before: &Meeting<'_>, after: &Meeting<'_>) -> Result<Self, Invalid> {
        let differs = |old: &Component, new: &Component| {
            let mut names = When::of(old, &before.zones).differs(&When::of(new, &after.zones));
            names.extend(told_differs(old, new));
            names
        };
        let mut differences = Self::default();
        if let Some((old, new)) = before.master.zip(after.master) {
            differences.master = differs(old, new);
        }
        let ids: BTreeSet<i64> = before.overrides.keys().chain(after.overrides.keys()).copied().collect();
        for id in ids {
            let pair = counterpart(before, Some(id))?.zip(counterpart(after, Some(id))?);
            let names = pair.map(|(old, new)| differs(&old, &new)).unwrap_or_default();
            if !names.is_empty() {
                differences.instances.insert(id, names);
            }
        }
        Ok(differences)
    }
}

/// What an attendee is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Told {
    Whole(View, Vec<String>),
    Instances(BTreeSet<i64>, Vec<String>),
    CancelAll,
    CancelInstances(BTreeSet<i64>),
}

fn tell(
    before: Option<(&Object, &Meeting<'_>)>,
    after: Option<(&Object, &Meeting<'_>)>,
    by: &Change<'_>,
    stamp: i64,
    forced: &BTreeSet<String>,
) -> Result<Vec<Outgoing>, Refusal> {
    let differences = match (before, after) {
        (Some((_, before)), Some((_, after))) => Differences::of(before, after)?,
        _ => Differences::default(),
    };
    let old_seats = before.map(|(_, meeting)| Seats::of(meeting));
    let new_seats = after.map(|(_, meeting)| Seats::of(meeting));
    let everybody = |at: Option<(&Object, &Meeting<'_>)>| at.map(|(_, m)| m.attendees()).unwrap_or_default();
    let mut attendees = everybody(before);
    attendees.extend(everybody(after));
    let mut groups: BTreeMap<Told, Vec<String>> = BTreeMap::new();
    for attendee in attendees.into_iter().filter(|address| !by.own.contains(&address.as_str())) {
        let seat = |seats: &Option<Seats<'_>>| seats.as_ref().and_then(|seats| seats.view(&attendee));
        let line = |seats: &Option<Seats<'_>>| {
            seats.as_ref().and_then(|seats| seats.line(&attendee)).is_none_or(is_ours)
        };
        if !line(&new_seats) || (seat(&new_seats).is_none() && !line(&old_seats)) {
            continue;
        }
        let forced = forced.contains(&attendee);
        for told in told(seat(&old_seats), seat(&new_seats), &differences, forced) {
            groups.entry(told).or_default().push(attendee.clone());
        }
    }
    let mut messages = Vec::new();
    for (told, to) in groups {
        messages.extend(outgoing(told, to, before, after, by, stamp)?);
    }
    // An attendee who is taken out of the series but not out of one of its instances hears both, in order.
    messages.sort_by_key(|message| message.method != Method::Cancel);
    Ok(messages)
}

/// What an attendee is told between two views of a meeting.
fn told(before: Option<View>, after: Option<View>, differ: &Differences, forced: bool) -> Vec<Told> {
    let (before, after) = match (before, after) {
        (None, None) => return Vec::new(),
        (None, Some(after)) => return vec![Told::Whole(after, Vec::new())],
        (Some(before), None) if before.master => return vec![Told::CancelAll],
        (Some(before), None) => return vec![Told::CancelInstances(before.overrides)],
        (Some(before), Some(after)) => (before, after),
    };
    if before.master && !after.master {
        return vec![Told::CancelAll, Told::Whole(after, Vec::new())];
    }
    let is_new =
        |id: &i64| !before.overrides.contains(id) && (!before.master || before.excluded.contains(id));
    let changed: BTreeSet<i64> = after
        .overrides
        .iter()
        .filter(|id| differ.instances.contains_key(id) || is_new(id))
        .copied()
        .collect();
    let removed: BTreeSet<i64> = if after.master {
        after.excluded.difference(&before.excluded).copied().collect()
    } else {
        before.overrides.difference(&after.overrides).copied().collect()
    };
    let back = before.excluded.iter().any(|id| !after.excluded.contains(id) && !after.overrides.contains(id));
    let reverted = before.overrides.iter().any(|id| {
        !after.overrides.contains(id) && !after.excluded.contains(id) && differ.instances.contains_key(id)
    });
    let mut names: BTreeSet<String> =
        changed.iter().filter_map(|id| differ.instances.get(id)).flatten().cloned().collect();
    let mixed = !changed.is_empty() && !removed.is_empty();
    if forced || after.master && (!before.master || !differ.master.is_empty() || back || reverted || mixed) {
        names.extend(differ.master.iter().cloned());
        if back || !removed.is_empty() {
            names.insert("EXDATE".to_owned());
        }
        return vec![Told::Whole(after, names.into_iter().collect())];
    }
    let instances = (!changed.is_empty()).then(|| Told::Instances(changed, names.into_iter().collect()));
    let cancelled = (!removed.is_empty()).then_some(Told::CancelInstances(removed));
    cancelled.into_iter().chain(instances).collect()
}

fn outgoing(
    told: Told,
    to: Vec<String>,
    before: Option<(&Object, &Meeting<'_>)>,
    after: Option<(&Object, &Meeting<'_>)>,
    by: &Change<'_>,
    stamp: i64,
) -> Result<Option<Outgoing>, Refusal> {
    let Some((source, meeting)) = after.or(before) else { return Ok(None) };
    let (method, parts, changed) = match told {
        Told::Whole(view, changed) => (Method::Request, view.whole(meeting, stamp)?, changed),
        Told::Instances(ids, changed) => {
            let view = View { master: false, overrides: ids, excluded: BTreeSet::new() };
            (Method::Request, view.whole(meeting, stamp)?, changed)
        }
        Told::CancelAll => {
            let Some(master) = before.and_then(|(_, before)| before.master) else { return Ok(None) };
            // An attendee who is left out may be invited again at the same SEQUENCE; one meeting that is
            // off is not the same any more.
            let now = after.and_then(|(_, after)| after.master).map(sequence);
            let sequence = now.unwrap_or_else(|| sequence(master).saturating_add(1));
            (Method::Cancel, vec![cancelled(master, sequence, &to, stamp)?], Vec::new())
        }
        Told::CancelInstances(ids) => {
            let mut parts = Vec::new();
            for id in ids {
                let Some(part) =
                    before.map(|(_, before)| counterpart(before, Some(id))).transpose()?.flatten()
                else {
                    continue;
                };
                let now =
                    after.and_then(|(_, after)| after.part(Some(id)).or(after.master)).map_or(0, sequence);
                let sequence = now.max(sequence(&part).saturating_add(1));
                parts.push(cancelled(&part, sequence, &to, stamp)?);
            }
            (Method::Cancel, parts, Vec::new())
        }
    };
    let object =
        build(method, if method == Method::Cancel { before.map_or(source, |b| b.0) } else { source }, parts)?;
    let from = before.map_or(meeting, |b| if method == Method::Cancel { b.1 } else { meeting });
    Ok(Some(Outgoing { method, from: self::from(from, by.own), to, object, changed }))
}

/// A component of a CANCEL, with those whom it is for. RFC 5546 §3.2.5.
fn cancelled(part: &Component, sequence: i32, to: &[String], stamp: i64) -> Result<Component, Invalid> {
    let mut part = public(part, stamp)?;
    part.retain_lines(|line| !line.is("ATTENDEE") || to.contains(&line.cal_address()));
    part.remove("REQUEST-STATUS");
    set_sequence(&mut part, sequence)?;
    part.set(ContentLine::new("STATUS", "CANCELLED")?);
    Ok(part)
}
