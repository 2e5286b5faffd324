//! A scheduling message that arrived. RFC 5546 §2.1.5, §3.2; RFC 6638 §4.
//!
//! A message that is older than what is known changes nothing, nor does one that came before, nor one from
//! somebody whose word does not count: attendees speak for themselves, the organizer for the meeting.

use super::attendee::{is_personal, leave_out, personal};
use super::meeting::{
    Meeting, answer, attendee, attendees, is_cancelled, is_part, own_line, parts_mut, sequence, set_sequence,
    set_stamp, stamp, version,
};
use super::message::{is_private, strip};
use super::timing::{When, excluded, has_instance, occurrence};
use super::{Method, Outgoing, Part, PartStat, method_of, organizer};
use crate::{Component, ContentLine, Invalid, Object, Parameter, Zones};

/// The parameter of an attendee that holds which of the answers was the last: its SEQUENCE and DTSTAMP. RFC 5546
/// §2.1.5 has them kept. Only organizers' objects have it; it is never sent.
pub const LAST_REPLY: &str = "X-FOLKMOOT-REPLY";

/// What an arriving message comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The object is to be stored.
    Store(Box<Object>),
    /// Nothing changes, but something is sent.
    Send(Vec<Outgoing>),
    /// Nothing changes.
    Ignored(Ignored),
}

/// Why a message changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ignored {
    /// It is broken, or no scheduling message.
    NotUnderstood,
    /// Whoever sent it has no say in it.
    Stranger,
    /// It is one's own.
    Own,
    /// A later one was here before, or the same one.
    Old,
    /// There is no such event, or no such instance.
    Unknown,
    /// It is for people to read: PUBLISH, COUNTER without an answer, DECLINECOUNTER.
    ForReading,
}

/// Decides what a scheduling message does to the `current` object with its UID. `senders` are the addresses
/// that the message comes from, in lower case.
pub fn receive(
    current: Option<&Object>,
    message: &Object,
    own: &[&str],
    senders: &[&str],
    now: i64,
) -> Arrival {
    let decided = decide(current, message, own, senders, now);
    decided.unwrap_or(Arrival::Ignored(Ignored::NotUnderstood))
}

fn decide(
    current: Option<&Object>,
    message: &Object,
    own: &[&str],
    senders: &[&str],
    now: i64,
) -> Result<Arrival, Invalid> {
    let Some(method) = method_of(message) else { return Ok(Arrival::Ignored(Ignored::NotUnderstood)) };
    let incoming = Meeting::of(message)?;
    if incoming.parts().next().is_none() {
        return Ok(Arrival::Ignored(Ignored::NotUnderstood));
    }
    if method.is_of_organizer()
        && let Some(why) = organizers_say(current, message, &incoming, own, senders, method)
    {
        return Ok(Arrival::Ignored(why));
    }
    match (method, current) {
        (Method::Request, current) => request(current, message, &incoming, own),
        (Method::Add, Some(current)) => add(current, &incoming),
        (Method::Cancel, Some(current)) => cancel(current, &incoming),
        (Method::Reply | Method::Counter, Some(current)) => reply(current, &incoming, own, senders, method),
        (Method::Refresh, Some(current)) => refresh(current, &incoming, own, senders, now),
        (Method::Publish | Method::DeclineCounter, _) => Ok(Arrival::Ignored(Ignored::ForReading)),
        (_, None) => Ok(Arrival::Ignored(Ignored::Unknown)),
    }
}

/// Whether the sender may speak for the organizer; why not.
///
/// What is new may come from anybody, as invitations are forwarded; it is no more than an invitation. What
/// changes or calls off a known meeting must come from its organizer, or from whom the organizer's line
/// names as SENT-BY in what is stored.
fn organizers_say(
    current: Option<&Object>,
    message: &Object,
    incoming: &Meeting<'_>,
    own: &[&str],
    senders: &[&str],
    method: Method,
) -> Option<Ignored> {
    let organizers = incoming.organizers();
    let Some(organizer) = organizers.first().filter(|_| organizers.len() == 1) else {
        return Some(Ignored::NotUnderstood);
    };
    if own.contains(&organizer.as_str()) || Part::of(message, own) == Part::Organizer {
        return Some(Ignored::Own);
    }
    let Some(current) = current else {
        return (method != Method::Request).then_some(Ignored::Unknown);
    };
    let known = Meeting::of(current).ok()?;
    let line = known.parts().find_map(|(_, part)| part.line("ORGANIZER"))?;
    let sent_by = line.parameter("SENT-BY").map(|by| by.to_lowercase());
    let sent_by = sent_by.as_deref().map(|by| by.strip_prefix("mailto:").unwrap_or(by));
    let speaks = |sender: &str| sender == organizer || Some(sender) == sent_by;
    let is_known = known.organizers().contains(organizer);
    (!is_known || !senders.iter().any(|sender| speaks(sender))).then_some(Ignored::Stranger)
}

/// An invitation, or a newer version of one. RFC 5546 §3.2.2.
fn request(
    current: Option<&Object>,
    message: &Object,
    incoming: &Meeting<'_>,
    own: &[&str],
) -> Result<Arrival, Invalid> {
    let Some(current) = current else {
        let mut object = accepted(message);
        let zones = incoming.zones.clone();
        for (_, part) in parts_mut(&mut object, &zones) {
            clean(part, own)?;
        }
        return Ok(Arrival::Store(Box::new(object)));
    };
    let known = Meeting::of(current)?;
    let mut parts: Vec<Component> = Vec::new();
    let mut changed = false;
    let newer = incoming.master.filter(|new| known.master.is_none_or(|old| is_newer(new, old)));
    match (newer, known.master) {
        (Some(new), old) => {
            parts.push(merged(old, new, &known.zones, &incoming.zones, own)?);
            changed = true;
        }
        (None, Some(old)) => parts.push(old.clone()),
        (None, None) => {}
    }
    for (id, new) in &incoming.overrides {
        let old = match (known.overrides.get(id), known.master) {
            (Some(old), _) => Some((*old).clone()),
            (None, Some(master)) if newer.is_none() => {
                let is_out = excluded(master, &known.zones).contains(id);
                // What called the instance off had a SEQUENCE of its own; its DTSTAMP is the master's.
                if is_out && stamp(new) <= stamp(master) {
                    continue;
                }
                let known = is_out || has_instance(current, *id);
                Some(occurrence(master, *id, &incoming.zones)?).filter(|_| known && !is_out)
            }
            _ => None,
        };
        // What came with a newer master is newer than what stood beside the older one.
        if old.as_ref().is_some_and(|old| newer.is_none() && !is_newer(new, old)) {
            parts.extend(known.overrides.get(id).map(|old| (*old).clone()));
            continue;
        }
        parts.push(merged(old.as_ref(), new, &known.zones, &incoming.zones, own)?);
        changed = true;
    }
    for (id, old) in known.overrides.iter().filter(|(id, _)| !incoming.overrides.contains_key(id)) {
        // SEQUENCE tells nothing between different components; DTSTAMP does.
        let Some(new) = newer.filter(|new| stamp(old) <= stamp(new)) else {
            parts.push((*old).clone());
            continue;
        };
        let of_own = |master| is_own_answer(old, master, new, *id, &known.zones, &incoming.zones, own);
        if known.master.is_some_and(of_own) {
            let fresh = occurrence(new, *id, &incoming.zones)?;
            parts.push(merged(Some(old), &fresh, &known.zones, &incoming.zones, own)?);
        }
    }
    if !changed {
        return Ok(Arrival::Ignored(Ignored::Old));
    }
    let mut object =
        if newer.is_some() || known.master.is_none() { accepted(message) } else { current.clone() };
    take_parts(&mut object, parts, message, current);
    Ok(Arrival::Store(Box::new(object)))
}

/// Whether an instance differs from its series only by one's own answer.
fn is_own_answer(
    part: &Component,
    master: &Component,
    new: &Component,
    id: i64,
    zones: &Zones,
    new_zones: &Zones,
    own: &[&str],
) -> bool {
    let Ok(plain) = occurrence(master, id, zones) else { return false };
    When::of(master, zones) == When::of(new, new_zones)
        && When::of(part, zones) == When::of(&plain, zones)
        && !excluded(new, new_zones).contains(&id)
        && own_line(part, own).map(answer) != own_line(master, own).map(answer)
}

/// Puts components in the place of those that an object has, with the zones of both objects.
fn take_parts(object: &mut Object, parts: Vec<Component>, message: &Object, current: &Object) {
    let Some(calendar) = object.calendar_mut() else { return };
    calendar.retain_components(|component| !is_part(component));
    let zones = [message, current].into_iter().filter_map(Object::calendar);
    for zone in zones.flat_map(Component::components).filter(|c| c.is("VTIMEZONE")) {
        let name = zone.line("TZID").map(ContentLine::value);
        let known = calendar
            .components()
            .any(|c| c.is("VTIMEZONE") && c.line("TZID").map(ContentLine::value) == name);
        if !known {
            calendar.push_component(zone.clone());
        }
    }
    parts.into_iter().for_each(|part| calendar.push_component(part));
}

fn is_newer(new: &Component, old: &Component) -> bool {
    // A higher SEQUENCE counts whatever the times of the messages are.
    version(new) > version(old)
}

/// The stored form of a message. RFC 4791 §4.1: no METHOD.
fn accepted(message: &Object) -> Object {
    let mut object = message.clone();
    if let Some(calendar) = object.calendar_mut() {
        calendar.remove("METHOD");
    }
    object
}

/// Takes from an organizer's component what is not theirs to set, and makes sure that one can answer.
fn clean(part: &mut Component, own: &[&str]) -> Result<(), Invalid> {
    part.retain_components(|component| !component.is("VALARM"));
    part.retain_lines(|line| !is_private(line.name()));
    part.lines_mut().filter(|line| line.is("ATTENDEE") || line.is("ORGANIZER")).for_each(strip);
    // Whoever got a forwarded invitation may answer it, too. RFC 5546 §3.2.2.6.
    if own_line(part, own).is_none()
        && let Some(own) = own.first()
    {
        let line = ContentLine::new("ATTENDEE", format!("mailto:{own}"))?;
        let line = line.with("PARTSTAT", PartStat::NeedsAction.as_str())?.with("RSVP", "TRUE")?;
        part.push(line);
    }
    Ok(())
}

/// A newer version of a component with what is one's own in the stored one.
fn merged(
    old: Option<&Component>,
    new: &Component,
    old_zones: &Zones,
    new_zones: &Zones,
    own: &[&str],
) -> Result<Component, Invalid> {
    let mut part = new.clone();
    clean(&mut part, own)?;
    let Some(old) = old else { return Ok(part) };
    part.retain_lines(|line| !is_personal(line.name()) || line.is("COMMENT"));
    let mine = personal(old)?;
    mine.lines().filter(|line| !line.is("COMMENT")).for_each(|line| part.push(line.clone()));
    mine.components().for_each(|alarm| part.push_component(alarm.clone()));
    // An answer stands as long as the time does for which it was given.
    let answered = own_line(old, own).map(answer).filter(|answer| *answer != PartStat::NeedsAction);
    let same = When::of(old, old_zones) == When::of(new, new_zones);
    if let Some(answered) = answered.filter(|_| same && !is_cancelled(old)) {
        super::attendee::set_answer(&mut part, own, &answered)?;
    }
    if stamp(old) > stamp(new) {
        // Calling off an instance may have overtaken this; its dates stay.
        old.lines_named("EXDATE").for_each(|line| part.push(line.clone()));
        set_stamp(&mut part, stamp(old))?;
    }
    Ok(part)
}

/// More instances of a series. RFC 5546 §3.2.4.
fn add(current: &Object, incoming: &Meeting<'_>) -> Result<Arrival, Invalid> {
    let known = Meeting::of(current)?;
    let Some((master, new)) = known.master.zip(incoming.master) else {
        return Ok(Arrival::Ignored(Ignored::Unknown));
    };
    if sequence(new) < sequence(master) {
        return Ok(Arrival::Ignored(Ignored::Old));
    }
    let Some(start) = new.line("DTSTART") else { return Ok(Arrival::Ignored(Ignored::NotUnderstood)) };
    let moment = start.moment()?;
    let id = incoming.zones.instant(&moment, &crate::Zone::utc());
    if known.overrides.contains_key(&id) || has_instance(current, id) {
        return Ok(Arrival::Ignored(Ignored::Old));
    }
    let mut part = new.clone();
    part.retain_components(|component| !component.is("VALARM"));
    let like = master.line("DTSTART").map(ContentLine::moment).transpose()?;
    let at = like.map_or(moment, |like| super::timing::moment_like(&like, id, &known.zones));
    part.replace(at.line("RECURRENCE-ID")?);
    let mut object = current.clone();
    for (found, part) in parts_mut(&mut object, &known.zones) {
        if found.is_none() {
            part.push(at.line("RDATE")?);
            set_sequence(part, sequence(new))?;
        }
    }
    object.calendar_mut().into_iter().for_each(|calendar| calendar.push_component(part.clone()));
    Ok(Arrival::Store(Box::new(object)))
}

/// A meeting is off, or some of its instances. RFC 5546 §3.2.5.
fn cancel(current: &Object, incoming: &Meeting<'_>) -> Result<Arrival, Invalid> {
    let known = Meeting::of(current)?;
    let mut object = current.clone();
    let mut ignored = Ignored::Unknown;
    let mut changed = false;
    for (id, off) in incoming.parts() {
        let Some(id) = id else {
            for (_, part) in parts_mut(&mut object, &known.zones) {
                if is_cancelled(part) || version(off) < version(part) {
                    ignored = Ignored::Old;
                    continue;
                }
                part.set(ContentLine::new("STATUS", "CANCELLED")?);
                set_sequence(part, sequence(off))?;
                set_stamp(part, stamp(off))?;
                changed = true;
            }
            continue;
        };
        let Some(known_part) = known.overrides.get(&id).copied().or(known.master) else { continue };
        let is_out = known.master.is_some_and(|master| excluded(master, &known.zones).contains(&id));
        if is_out || version(off) < version(known_part) {
            ignored = Ignored::Old;
            continue;
        }
        if known.master.is_none() {
            for (_, part) in parts_mut(&mut object, &known.zones).filter(|(found, _)| *found == Some(id)) {
                changed |= !is_cancelled(part);
                part.set(ContentLine::new("STATUS", "CANCELLED")?);
                set_sequence(part, sequence(off))?;
                set_stamp(part, stamp(off))?;
            }
            continue;
        }
        if !known.overrides.contains_key(&id) && !has_instance(current, id) {
            continue;
        }
        leave_out(&mut object, id, &known.zones)?;
        // What is older than this must not bring the instance back.
        for (_, master) in parts_mut(&mut object, &known.zones).filter(|(found, _)| found.is_none()) {
            let latest = stamp(master).max(stamp(off));
            set_stamp(master, latest)?;
        }
        changed = true;
    }
    Ok(if changed { Arrival::Store(Box::new(object)) } else { Arrival::Ignored(ignored) })
}

/// An attendee's answer, by the attendee. RFC 5546 §3.2.3, §3.2.7.
fn reply(
    current: &Object,
    incoming: &Meeting<'_>,
    own: &[&str],
    senders: &[&str],
    method: Method,
) -> Result<Arrival, Invalid> {
    if Part::of(current, own) != Part::Organizer {
        return Ok(Arrival::Ignored(Ignored::Stranger));
    }
    let known = Meeting::of(current)?;
    let mut object = current.clone();
    let mut ignored = Ignored::Unknown;
    let mut changed = false;
    for (id, theirs) in incoming.parts() {
        let Some(line) = attendees(theirs).find(|line| speaks_for(line, senders)) else {
            ignored = Ignored::Stranger;
            continue;
        };
        let Some(with) = said(line, method) else {
            ignored = Ignored::ForReading;
            continue;
        };
        let address = line.cal_address();
        match answered(current, &known, &mut object, id, theirs, &address, &with)? {
            Ok(()) => changed = true,
            Err(why) => ignored = why,
        }
    }
    Ok(if changed { Arrival::Store(Box::new(object)) } else { Arrival::Ignored(ignored) })
}

/// The answer that an attendee's line gives; none in a COUNTER that does not say.
fn said(line: &ContentLine, method: Method) -> Option<PartStat> {
    let with = answer(line);
    (method == Method::Reply || with != PartStat::NeedsAction).then_some(with)
}

/// Whether somebody who sent a message may answer for an attendee. RFC 5545 §3.2.18.
fn speaks_for(line: &ContentLine, senders: &[&str]) -> bool {
    senders.contains(&line.cal_address().as_str())
}

/// Puts an answer into an object; why not.
fn answered(
    current: &Object,
    known: &Meeting<'_>,
    object: &mut Object,
    id: Option<i64>,
    theirs: &Component,
    address: &str,
    with: &PartStat,
) -> Result<Result<(), Ignored>, Invalid> {
    let part = match (known.part(id), known.master, id) {
        (Some(part), _, _) => part.clone(),
        (None, Some(master), Some(id)) if has_instance(current, id) => occurrence(master, id, &known.zones)?,
        _ => return Ok(Err(Ignored::Unknown)),
    };
    let Some(line) = attendee(&part, address) else { return Ok(Err(Ignored::Stranger)) };
    let this = (sequence(theirs), stamp(theirs));
    let last = line.parameter(LAST_REPLY).and_then(read_version);
    if this.0 < sequence(&part)
        || last.is_some_and(|last| this < last || (this == last && answer(line) == *with))
    {
        return Ok(Err(Ignored::Old));
    }
    let is_new = known.part(id).is_none();
    if is_new && answer(line) == *with {
        return Ok(Err(Ignored::Old));
    }
    if is_new {
        object.calendar_mut().into_iter().for_each(|calendar| calendar.push_component(part.clone()));
    }
    let version = format!("{}/{}", this.0, this.1);
    let wanted = parts_mut(object, &known.zones).filter(|(found, _)| *found == id);
    for line in wanted.flat_map(|(_, part)| part.lines_mut()) {
        if line.is("ATTENDEE") && line.cal_address() == address {
            line.set_parameter(Parameter::new("PARTSTAT", [with.as_str()])?);
            line.set_parameter(Parameter::new("SCHEDULE-STATUS", ["2.0"])?);
            line.set_parameter(Parameter::new(LAST_REPLY, [version.as_str()])?);
        }
    }
    Ok(Ok(()))
}

fn read_version(text: &str) -> Option<(i32, i64)> {
    let (sequence, stamp) = text.split_once('/')?;
    Some((sequence.parse().ok()?, stamp.parse().ok()?))
}

/// An attendee asks for the latest version. RFC 5546 §3.2.6.
fn refresh(
    current: &Object,
    incoming: &Meeting<'_>,
    own: &[&str],
    senders: &[&str],
    now: i64,
) -> Result<Arrival, Invalid> {
    if Part::of(current, own) != Part::Organizer {
        return Ok(Arrival::Ignored(Ignored::Stranger));
    }
    let known = Meeting::of(current)?.attendees();
    let mut lines = incoming.parts().flat_map(|(_, part)| attendees(part));
    let asks = lines.find(|line| speaks_for(line, senders)).map(ContentLine::cal_address);
    match asks.filter(|asks| known.contains(asks)) {
        Some(attendee) => Ok(Arrival::Send(organizer::refresh(current, &attendee, own, now)?)),
        None => Ok(Arrival::Ignored(Ignored::Stranger)),
    }
}
