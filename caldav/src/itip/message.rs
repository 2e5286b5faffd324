//! Scheduling messages: only what the others need to know. RFC 5546 §3; RFC 6638 §3.2.

use std::collections::BTreeSet;

use super::meeting::{answer, own_line, set_stamp};
use super::{Method, PartStat};
use crate::{Component, ContentLine, Invalid, Object, Parameter, Zone};

/// Who wrote the object. RFC 5545 §3.7.3.
const PRODID: &str = "-//Folkmoot//Folkmoot//EN";

/// X- properties that say something about the meeting, not about its owner.
const SHARED: [&str; 4] = [
    "X-ALT-DESC",
    "X-MICROSOFT-CDO-ALLDAYEVENT",
    "X-MICROSOFT-CDO-IMPORTANCE",
    "X-MICROSOFT-DISALLOW-COUNTER",
];

/// What an owner has for themselves.
const PRIVATE: [&str; 6] = ["CATEGORIES", "COLOR", "CREATED", "LAST-MODIFIED", "REQUEST-STATUS", "METHOD"];

/// What a reply repeats of the meeting, so that people and programs find it.
const REPLIED: [&str; 9] =
    ["UID", "RECURRENCE-ID", "DTSTART", "DTEND", "DUE", "DURATION", "SUMMARY", "LOCATION", "SEQUENCE"];

/// A message of some components, with the zones that they need as `source` has them.
pub(super) fn build(method: Method, source: &Object, parts: Vec<Component>) -> Result<Object, Invalid> {
    let mut calendar = Component::new("VCALENDAR")?;
    calendar.push(ContentLine::new("VERSION", "2.0")?);
    calendar.push(ContentLine::new("PRODID", PRODID)?);
    calendar.push(ContentLine::new("CALSCALE", "GREGORIAN")?);
    calendar.push(ContentLine::new("METHOD", method.as_str())?);
    for zone in zones_of(source, &parts)? {
        calendar.push_component(zone);
    }
    parts.into_iter().for_each(|part| calendar.push_component(part));
    Ok(Object::from(calendar))
}

/// A component as others see it: without alarms, private properties and the server's own parameters.
pub(super) fn public(part: &Component, stamp: i64) -> Result<Component, Invalid> {
    let mut public = Component::new(part.name())?;
    for line in part.lines().filter(|line| !is_private(line.name())) {
        let mut line = line.clone();
        if line.is("ATTENDEE") || line.is("ORGANIZER") {
            strip(&mut line);
        }
        public.push(line);
    }
    set_stamp(&mut public, stamp)?;
    Ok(public)
}

/// A component of a REQUEST: whoever has not answered is asked to.
pub(super) fn requested(part: &Component, stamp: i64) -> Result<Component, Invalid> {
    let mut part = public(part, stamp)?;
    for line in part.lines_mut().filter(|line| line.is("ATTENDEE")) {
        if answer(line) == PartStat::NeedsAction && line.parameter("RSVP").is_none() {
            line.push(Parameter::new("RSVP", ["TRUE"])?);
        }
    }
    Ok(part)
}

/// A component of a REPLY with one's own answer. RFC 5546 §3.2.3.
pub(super) fn replied(
    part: &Component,
    own: &[&str],
    with: &PartStat,
    comment: Option<&str>,
    stamp: i64,
) -> Result<Component, Invalid> {
    let mut reply = Component::new(part.name())?;
    for line in part.lines().filter(|line| REPLIED.iter().any(|name| line.is(name))) {
        reply.push(line.clone());
    }
    set_stamp(&mut reply, stamp)?;
    if let Some(organizer) = part.line("ORGANIZER") {
        let mut line = organizer.clone();
        strip(&mut line);
        reply.push(line);
    }
    if let Some(mine) = own_line(part, own) {
        let mut line = mine.clone();
        strip(&mut line);
        line.remove_parameter("RSVP");
        line.set_parameter(Parameter::new("PARTSTAT", [with.as_str()])?);
        reply.push(line);
    }
    if let Some(comment) = comment.filter(|comment| !comment.trim().is_empty()) {
        reply.push(ContentLine::text("COMMENT", comment)?);
    }
    reply.push(ContentLine::new("REQUEST-STATUS", "2.0;Success")?);
    Ok(reply)
}

/// True for what is the owner's alone.
pub(super) fn is_private(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    PRIVATE.contains(&name.as_str()) || (name.starts_with("X-") && !SHARED.contains(&name.as_str()))
}

/// Takes the parameters away that are between a client and its server. RFC 6638 §7.
pub(super) fn strip(line: &mut ContentLine) {
    let private = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.starts_with("SCHEDULE-") || name.starts_with("X-")
    };
    let names: Vec<String> = line.parameters().iter().map(|p| p.name().to_owned()).collect();
    names.iter().filter(|name| private(name)).for_each(|name| line.remove_parameter(name));
}

/// The zones that components name: as they are defined in the source, or by what the world knows.
fn zones_of(source: &Object, parts: &[Component]) -> Result<Vec<Component>, Invalid> {
    let lines = || parts.iter().flat_map(Component::lines);
    let named: BTreeSet<&str> = lines().filter_map(|line| line.parameter("TZID")).collect();
    let mut zones = Vec::new();
    for tzid in named {
        let defined = source.calendar().into_iter().flat_map(Component::components);
        let mut defined = defined.filter(|c| c.is("VTIMEZONE"));
        if let Some(zone) = defined.find(|c| c.line("TZID").is_some_and(|line| line.value() == tzid)) {
            zones.push(zone.clone());
        } else if let Some(zone) = Zone::named(tzid) {
            let years = lines().filter(|line| line.is("DTSTART")).filter_map(|line| line.moment().ok());
            let first = years.map(|moment| i32::from(moment.date().year())).min().unwrap_or(1970);
            zones.extend(zone.definition(tzid, first.clamp(1, 9900), None));
        }
    }
    Ok(zones)
}
