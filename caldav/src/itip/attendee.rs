//! An attendee's own change: what is theirs is taken over, what is the organizer's stays as it was.
//! RFC 6638 §3.2.2.

use std::collections::{BTreeMap, BTreeSet};

use super::meeting::{Meeting, answer, is_cancelled, is_ours, is_part, own_line, parts_mut, told_differs};
use super::message::{build, replied};
use super::organizer::OVER_FOR;
use super::timing::{When, ended_before, excluded, exdate, has_instance, occurrence};
use super::{Change, Method, Outcome, Outgoing, PartStat, Refusal, calendar};
use crate::{Component, ContentLine, Invalid, Object, Parameter, Zones};

/// What an attendee may set in their copy, besides X- properties and alarms. RFC 6638 §3.2.2.1.
const PERSONAL: [&str; 9] = [
    "TRANSP",
    "CATEGORIES",
    "COLOR",
    "COMMENT",
    "LAST-MODIFIED",
    "COMPLETED",
    "PERCENT-COMPLETE",
    "CREATED",
    "ACKNOWLEDGED",
];

/// The answers that are to be told: what somebody says about all (`None`) or about an instance.
pub(super) type Answers = BTreeMap<Option<i64>, (Component, PartStat, Option<String>)>;

pub(super) fn change(
    old: Option<&Object>,
    new: Option<&Object>,
    by: &Change<'_>,
) -> Result<Outcome, Refusal> {
    match (old, new) {
        (None, None) => Ok(Outcome::quiet(None)),
        (Some(old), None) => delete(old, by),
        (None, Some(new)) => create(new, by),
        (Some(old), Some(new)) => modify(old, new, by),
    }
}

/// Deleting is declining. RFC 6638 §3.2.2.4.
fn delete(old: &Object, by: &Change<'_>) -> Result<Outcome, Refusal> {
    let meeting = Meeting::of(old)?;
    let mut answers = Answers::new();
    for (id, part) in meeting.parts() {
        let mine = own_line(part, by.own).filter(|line| answer(line) != PartStat::Declined);
        if mine.is_some() && !is_cancelled(part) && agent_is_ours(part) {
            answers.insert(id, (part.clone(), PartStat::Declined, None));
        }
    }
    let over = ended_before(old, by.now.saturating_sub(OVER_FOR));
    let messages = if by.quiet || over { Vec::new() } else { reply(old, answers, by)? };
    Ok(Outcome { object: None, messages, undone: Vec::new() })
}

/// An invitation that a client puts there itself, with an answer or without. RFC 6638 §3.2.2.2.
fn create(new: &Object, by: &Change<'_>) -> Result<Outcome, Refusal> {
    calendar(new)?;
    let mut object = new.clone();
    let forced = take_forced(&mut object)?;
    let meeting = Meeting::of(&object)?;
    if meeting.organizers().len() > 1 {
        return Err(Refusal::SameOrganizer);
    }
    let mut answers = Answers::new();
    for (id, part) in meeting.parts() {
        let mine = own_line(part, by.own).map(answer);
        let told = mine.filter(|mine| forced || *mine != PartStat::NeedsAction);
        if let Some(mine) = told.filter(|_| agent_is_ours(part) && !is_cancelled(part)) {
            answers.insert(id, (part.clone(), mine, None));
        }
    }
    let over = ended_before(&object, by.now.saturating_sub(OVER_FOR));
    let messages = if over { Vec::new() } else { reply(&object, answers, by)? };
    Ok(Outcome { object: Some(object), messages, undone: Vec::new() })
}

fn modify(old: &Object, new: &Object, by: &Change<'_>) -> Result<Outcome, Refusal> {
    calendar(new)?;
    let mut sent = new.clone();
    let forced = take_forced(&mut sent)?;
    let (before, after) = (Meeting::of(old)?, Meeting::of(&sent)?);
    let mut edit = Edit { by, undone: BTreeSet::new(), answers: Answers::new() };
    let mut object = old.clone();
    for (id, part) in parts_mut(&mut object, &before.zones) {
        match after.part(id) {
            Some(theirs) => {
                edit.organizers_stays(part, theirs, &before.zones, &after.zones);
                edit.take_personal(id, part, theirs)?;
            }
            None if id.is_none() => drop(edit.undone.insert("DTSTART".to_owned())),
            // That of an instance without its component is looked at below.
            None => {}
        }
    }
    for (id, theirs) in &after.overrides {
        let (Some(master), false) = (before.master, before.overrides.contains_key(id)) else { continue };
        if !has_instance(old, *id) {
            edit.undone.insert("RECURRENCE-ID".to_owned());
            continue;
        }
        let mut part = occurrence(master, *id, &before.zones)?;
        let was = part.clone();
        edit.organizers_stays(&part, theirs, &before.zones, &after.zones);
        edit.take_personal(Some(*id), &mut part, theirs)?;
        if part != was {
            object.calendar_mut().into_iter().for_each(|calendar| calendar.push_component(part.clone()));
        }
    }
    let left = edit.leave_instances(&before, &after, &mut object)?;
    if before.overrides.keys().any(|id| !after.overrides.contains_key(id) && !left.contains(id)) {
        edit.undone.insert("RECURRENCE-ID".to_owned());
    }
    if forced {
        for (id, part) in Meeting::of(&object)?.parts() {
            if let Some(mine) = own_line(part, by.own).map(answer) {
                edit.answers.entry(id).or_insert_with(|| (part.clone(), mine, None));
            }
        }
    }
    edit.answers.retain(|_, (part, ..)| agent_is_ours(part) && !is_cancelled(part));
    let messages = reply(&object, edit.answers, by)?;
    Ok(Outcome { object: Some(object), messages, undone: edit.undone.into_iter().collect() })
}

/// What comes of an attendee's edit.
struct Edit<'e> {
    by: &'e Change<'e>,
    undone: BTreeSet<String>,
    answers: Answers,
}

impl Edit<'_> {
    /// Notes what the edit would have changed of the organizer's.
    fn organizers_stays(&mut self, part: &Component, theirs: &Component, zones: &Zones, new_zones: &Zones) {
        self.undone.extend(When::of(part, zones).differs(&When::of(theirs, new_zones)));
        self.undone.extend(told_differs(part, theirs));
        let organizer = |part: &Component| part.line("ORGANIZER").map(ContentLine::cal_address);
        if organizer(part) != organizer(theirs) {
            self.undone.insert("ORGANIZER".to_owned());
        }
    }

    /// Takes over what is the attendee's own, and notes the answer where it has changed.
    fn take_personal(
        &mut self,
        id: Option<i64>,
        part: &mut Component,
        theirs: &Component,
    ) -> Result<(), Invalid> {
        let comment = theirs.line("COMMENT").filter(|new| part.line("COMMENT") != Some(new));
        let comment = comment.map(ContentLine::to_text);
        let (shown, sent) = (personal(part)?, personal(theirs)?);
        part.merge(&shown, &sent);
        // Who sends replies is the client's to say. RFC 6638 §7.1.
        let agent = theirs.line("ORGANIZER").and_then(|line| line.parameter("SCHEDULE-AGENT"));
        if let Some((agent, line)) = agent.zip(part.lines_mut().find(|line| line.is("ORGANIZER"))) {
            line.set_parameter(Parameter::new("SCHEDULE-AGENT", [agent])?);
        }
        let Some(theirs) = own_line(theirs, self.by.own).map(answer) else { return Ok(()) };
        if set_answer(part, self.by.own, &theirs)? {
            self.answers.insert(id, (part.clone(), theirs, comment));
        }
        Ok(())
    }

    /// An attendee's EXDATE is the decline of that instance; says which ones.
    fn leave_instances(
        &mut self,
        before: &Meeting<'_>,
        after: &Meeting<'_>,
        object: &mut Object,
    ) -> Result<BTreeSet<i64>, Refusal> {
        let Some((old, new)) = before.master.zip(after.master) else { return Ok(BTreeSet::new()) };
        let (was, is) = (excluded(old, &before.zones), excluded(new, &after.zones));
        if was.difference(&is).next().is_some() {
            self.undone.insert("EXDATE".to_owned());
        }
        let left: BTreeSet<i64> = is.difference(&was).copied().collect();
        for id in &left {
            let part = match before.overrides.get(id) {
                Some(part) => (*part).clone(),
                None => occurrence(old, *id, &before.zones)?,
            };
            let declined = own_line(&part, self.by.own).is_none_or(|line| answer(line) == PartStat::Declined);
            if !declined {
                self.answers.insert(Some(*id), (part, PartStat::Declined, None));
            }
            leave_out(object, *id, &before.zones)?;
        }
        Ok(left)
    }
}

/// Takes an instance out of a series.
pub(super) fn leave_out(object: &mut Object, id: i64, zones: &Zones) -> Result<(), Invalid> {
    let Some(calendar) = object.calendar_mut() else { return Ok(()) };
    calendar.retain_components(|part| {
        !is_part(part)
            || !matches!(super::meeting::recurrence_id(part, zones), Ok(Some(found)) if found == id)
    });
    let master = calendar.components_mut().find(|part| is_part(part) && part.line("RECURRENCE-ID").is_none());
    if let Some(master) = master.filter(|master| !excluded(master, zones).contains(&id)) {
        let line = exdate(master, id, zones)?;
        master.push(line);
    }
    Ok(())
}

/// Sets one's own answer; says whether that changed anything.
pub(super) fn set_answer(part: &mut Component, own: &[&str], to: &PartStat) -> Result<bool, Invalid> {
    let mine =
        part.lines_mut().find(|line| line.is("ATTENDEE") && own.contains(&line.cal_address().as_str()));
    match mine {
        Some(line) if answer(line) != *to => {
            line.set_parameter(Parameter::new("PARTSTAT", [to.as_str()])?);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The REPLY with some answers.
pub(super) fn reply(source: &Object, answers: Answers, by: &Change<'_>) -> Result<Vec<Outgoing>, Invalid> {
    let Some((first, ..)) = answers.values().next() else { return Ok(Vec::new()) };
    let Some((to, from)) = first.line("ORGANIZER").zip(own_line(first, by.own)) else {
        return Ok(Vec::new());
    };
    let (to, from) = (vec![to.cal_address()], from.cal_address());
    let parts =
        answers.values().map(|(part, with, comment)| replied(part, by.own, with, comment.as_deref(), by.now));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let object = build(Method::Reply, source, parts)?;
    Ok(vec![Outgoing { method: Method::Reply, from, to, object, changed: Vec::new() }])
}

/// Whether the server sends the replies about a component.
pub(super) fn agent_is_ours(part: &Component) -> bool {
    part.line("ORGANIZER").is_some_and(is_ours)
}

fn take_forced(object: &mut Object) -> Result<bool, Refusal> {
    let zones = Zones::of(calendar(object)?);
    let mut forced = false;
    for (_, part) in parts_mut(object, &zones) {
        for line in part.lines_mut().filter(|line| line.is("ORGANIZER")) {
            forced |= line.parameter("SCHEDULE-FORCE-SEND").is_some();
            line.remove_parameter("SCHEDULE-FORCE-SEND");
        }
    }
    Ok(forced)
}

/// What of a component is an attendee's own.
pub(super) fn personal(part: &Component) -> Result<Component, Invalid> {
    let mut own = Component::new(part.name())?;
    part.lines().filter(|line| is_personal(line.name())).for_each(|line| own.push(line.clone()));
    part.components().filter(|c| c.is("VALARM")).for_each(|alarm| own.push_component(alarm.clone()));
    Ok(own)
}

/// True for properties that are an attendee's own.
pub(super) fn is_personal(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    PERSONAL.contains(&name.as_str()) || super::message::is_private(&name)
}
