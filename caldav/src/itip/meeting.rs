//! A meeting: the components of an object that are scheduled, and what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::timing::stamp_line;
use crate::{Component, ContentLine, Invalid, Object, PartStat, Zone, Zones};

/// Attendees of a component that are looked at.
pub(super) const ATTENDEES_MAX: usize = 5_000;

/// The master and the instances that differ, by the instant of their RECURRENCE-ID.
#[derive(Debug)]
pub(super) struct Meeting<'o> {
    pub(super) zones: Zones,
    pub(super) master: Option<&'o Component>,
    pub(super) overrides: BTreeMap<i64, &'o Component>,
}

impl<'o> Meeting<'o> {
    /// # Errors
    /// [`Invalid`] for a RECURRENCE-ID that is no moment.
    pub(super) fn of(object: &'o Object) -> Result<Self, Invalid> {
        let mut meeting = Self { zones: Zones::default(), master: None, overrides: BTreeMap::new() };
        let Some(calendar) = object.calendar() else { return Ok(meeting) };
        meeting.zones = Zones::of(calendar);
        for part in calendar.components().filter(|component| is_part(component)) {
            match recurrence_id(part, &meeting.zones)? {
                Some(id) => drop(meeting.overrides.insert(id, part)),
                None if meeting.master.is_none() => meeting.master = Some(part),
                None => {}
            }
        }
        Ok(meeting)
    }

    /// All of its components, the master first.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Option<i64>, &'o Component)> {
        let master = self.master.into_iter().map(|master| (None, master));
        master.chain(self.overrides.iter().map(|(id, part)| (Some(*id), *part)))
    }

    /// The component that describes an instance, or all of them.
    pub(super) fn part(&self, id: Option<i64>) -> Option<&'o Component> {
        match id {
            None => self.master,
            Some(id) => self.overrides.get(&id).copied(),
        }
    }

    /// Everybody who is invited to any of it.
    pub(super) fn attendees(&self) -> BTreeSet<String> {
        self.parts().flat_map(|(_, part)| attendees(part)).map(ContentLine::cal_address).collect()
    }

    /// The organizer, who must be the same in all components that have one.
    pub(super) fn organizers(&self) -> BTreeSet<String> {
        self.parts().filter_map(|(_, part)| organizer(part)).collect()
    }
}

/// True for what can be scheduled. RFC 6638 §3.1.
pub(super) fn is_part(component: &Component) -> bool {
    component.is("VEVENT") || component.is("VTODO")
}

/// The instant of RECURRENCE-ID.
pub(super) fn recurrence_id(part: &Component, zones: &Zones) -> Result<Option<i64>, Invalid> {
    let line = part.line("RECURRENCE-ID");
    line.map(|line| Ok(zones.instant(&line.moment()?, &Zone::utc()))).transpose()
}

pub(super) fn organizer(part: &Component) -> Option<String> {
    part.line("ORGANIZER").map(ContentLine::cal_address)
}

pub(super) fn attendees(part: &Component) -> impl Iterator<Item = &ContentLine> {
    part.lines_named("ATTENDEE").take(ATTENDEES_MAX)
}

/// The line of an attendee.
pub(super) fn attendee<'c>(part: &'c Component, address: &str) -> Option<&'c ContentLine> {
    attendees(part).find(|line| line.cal_address() == address)
}

/// One's own line.
pub(super) fn own_line<'c>(part: &'c Component, own: &[&str]) -> Option<&'c ContentLine> {
    attendees(part).find(|line| own.contains(&line.cal_address().as_str()))
}

/// An attendee's answer.
pub(super) fn answer(line: &ContentLine) -> PartStat {
    line.parameter("PARTSTAT").and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// SEQUENCE; 0 where it is missing. RFC 5545 §3.8.7.4.
pub(super) fn sequence(part: &Component) -> i32 {
    part.line("SEQUENCE").and_then(|line| line.integer().ok()).unwrap_or(0)
}

/// DTSTAMP as an instant.
pub(super) fn stamp(part: &Component) -> i64 {
    let line = part.line("DTSTAMP").and_then(|line| line.moment().ok());
    line.map_or(0, |moment| Zones::default().instant(&moment, &Zone::utc()))
}

/// What orders the versions of a component. RFC 5546 §2.1.5.
pub(super) fn version(part: &Component) -> (i32, i64) {
    (sequence(part), stamp(part))
}

pub(super) fn set_sequence(part: &mut Component, sequence: i32) -> Result<(), Invalid> {
    if part.line("SEQUENCE").is_none() && sequence == 0 {
        return Ok(());
    }
    part.replace(ContentLine::new("SEQUENCE", sequence.to_string())?);
    Ok(())
}

pub(super) fn set_stamp(part: &mut Component, at: i64) -> Result<(), Invalid> {
    part.replace(stamp_line("DTSTAMP", at)?);
    Ok(())
}

/// The value of STATUS in upper case.
pub(super) fn is_cancelled(part: &Component) -> bool {
    part.line("STATUS").is_some_and(|line| line.value().trim().eq_ignore_ascii_case("CANCELLED"))
}

/// Who sends messages about a party: the server, unless its line says otherwise. RFC 6638 §7.1.
pub(super) fn is_ours(line: &ContentLine) -> bool {
    line.parameter("SCHEDULE-AGENT").is_none_or(|agent| agent.eq_ignore_ascii_case("SERVER"))
}

/// The components of an object that belong to a meeting, to be changed, with the instants of their
/// RECURRENCE-ID.
pub(super) fn parts_mut<'o>(
    object: &'o mut Object,
    zones: &'o Zones,
) -> impl Iterator<Item = (Option<i64>, &'o mut Component)> {
    let parts = object.calendar_mut().into_iter().flat_map(Component::components_mut);
    parts.filter(|part| is_part(part)).filter_map(|part| {
        let id = recurrence_id(part, zones).ok()?;
        Some((id, part))
    })
}

/// Whether all that a component tells but its times is the same, by names of properties: what differs.
pub(super) fn told_differs(a: &Component, b: &Component) -> BTreeSet<String> {
    let (a, b) = (told(a), told(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

/// What attendees are told, but for times: property names with their values, sorted.
fn told(part: &Component) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in part.lines() {
        let name = line.name().to_ascii_uppercase();
        if TOLD.contains(&name.as_str()) {
            let value = if TEXTS.contains(&name.as_str()) {
                line.to_text().trim_end().to_owned()
            } else {
                line.value().trim().to_owned()
            };
            // What is confirmed is what has no status.
            let usual = name == "STATUS" && value.eq_ignore_ascii_case("CONFIRMED");
            if !value.is_empty() && !usual {
                told.entry(name).or_default().push(value);
            }
        } else if name == "ATTENDEE" {
            let role = line.parameter("ROLE").unwrap_or("REQ-PARTICIPANT").to_ascii_uppercase();
            told.entry(name).or_default().push(format!("{} {role}", line.cal_address()));
        }
    }
    told.values_mut().for_each(|values| values.sort());
    told
}

/// What attendees are told besides times and attendees.
const TOLD: [&str; 14] = [
    "SUMMARY",
    "LOCATION",
    "DESCRIPTION",
    "STATUS",
    "URL",
    "GEO",
    "PRIORITY",
    "CLASS",
    "RESOURCES",
    "ATTACH",
    "CONTACT",
    "CONFERENCE",
    "RELATED-TO",
    "PERCENT-COMPLETE",
];

/// Those of them whose value is TEXT.
const TEXTS: [&str; 6] = ["SUMMARY", "LOCATION", "DESCRIPTION", "CONTACT", "RESOURCES", "CLASS"];
