//! Answering an invitation. RFC 5546 §3.2.3, §3.2.7.

use super::attendee::{Answers, agent_is_ours, reply, set_answer};
use super::meeting::{Meeting, answer, is_cancelled, own_line, parts_mut};
use super::message::{build, replied};
use super::timing::{has_instance, moment_like, occurrence};
use super::{Change, Method, Outcome, Outgoing, PartStat, Refusal};
use crate::{Component, ContentLine, Invalid, Moment, Object, Zone, Zones};

/// An answer to an invitation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Yes, no or perhaps.
    pub with: PartStat,
    /// The instance that it is about, as its RECURRENCE-ID or the instant that it stands for; `None` for all.
    pub instance: Option<Moment>,
    /// A word to the organizer.
    pub comment: Option<String>,
    /// Another start and end that are proposed instead.
    pub proposed: Option<(i64, i64)>,
}

/// Answers an invitation: the object with the answer, and the REPLY or, with a proposal, the COUNTER. The
/// same answer again changes and sends nothing. With [`Change::quiet`] nothing is sent.
///
/// # Errors
/// [`Refusal::NotInvited`], [`Refusal::NoSuchInstance`].
pub fn respond(current: &Object, to: &Answer, by: &Change<'_>) -> Result<Outcome, Refusal> {
    let meeting = Meeting::of(current)?;
    let mut object = current.clone();
    let mut answers = Answers::new();
    let wanted = match &to.instance {
        Some(instance) => {
            let id = meeting.zones.instant(instance, &Zone::utc());
            add_instance(current, &meeting, id, &mut object)?;
            vec![Some(id)]
        }
        None => all_of(&meeting, by.own, &to.with),
    };
    let mut invited = false;
    let mut changed = to.comment.is_some() || to.proposed.is_some();
    for (id, part) in parts_mut(&mut object, &meeting.zones) {
        if !wanted.contains(&id) || own_line(part, by.own).is_none() {
            continue;
        }
        invited = true;
        changed |= set_answer(part, by.own, &to.with)?;
        answers.insert(id, (part.clone(), to.with.clone(), to.comment.clone()));
    }
    if !invited {
        return Err(Refusal::NotInvited);
    }
    if !changed {
        return Ok(Outcome::quiet(Some(current.clone())));
    }
    answers.retain(|_, (part, ..)| agent_is_ours(part) && !is_cancelled(part));
    let messages = match to.proposed {
        _ if by.quiet => Vec::new(),
        Some(proposed) => counter(&object, &meeting.zones, &answers, proposed, by)?,
        None => reply(&object, answers, by)?,
    };
    Ok(Outcome { object: Some(object), messages, undone: Vec::new() })
}

/// The components that an answer to all is about: the master, and those instances that have no answer of
/// their own or the same one, which the organizer may not have heard.
fn all_of(meeting: &Meeting<'_>, own: &[&str], with: &PartStat) -> Vec<Option<i64>> {
    let master = meeting.master.and_then(|master| own_line(master, own)).map(answer);
    let parts = meeting.parts().filter(|(id, part)| {
        let mine = own_line(part, own).map(answer);
        id.is_none()
            || master.is_none()
            || mine == master
            || mine == Some(PartStat::NeedsAction)
            || mine.as_ref() == Some(with)
    });
    parts.map(|(id, _)| id).collect()
}

/// Gives an instance a component of its own, if it has none.
fn add_instance(
    current: &Object,
    meeting: &Meeting<'_>,
    id: i64,
    object: &mut Object,
) -> Result<(), Refusal> {
    if meeting.overrides.contains_key(&id) {
        return Ok(());
    }
    let master = meeting.master.filter(|_| has_instance(current, id)).ok_or(Refusal::NoSuchInstance)?;
    let part = occurrence(master, id, &meeting.zones)?;
    object.calendar_mut().into_iter().for_each(|calendar| calendar.push_component(part.clone()));
    Ok(())
}

/// A COUNTER: the component as it is, with the proposed times.
fn counter(
    source: &Object,
    zones: &Zones,
    answers: &Answers,
    (start, end): (i64, i64),
    by: &Change<'_>,
) -> Result<Vec<Outgoing>, Invalid> {
    let Some((part, with, comment)) = answers.values().next() else { return Ok(Vec::new()) };
    let Some((to, from)) = part.line("ORGANIZER").zip(own_line(part, by.own)) else { return Ok(Vec::new()) };
    let (to, from) = (vec![to.cal_address()], from.cal_address());
    let mut proposal = replied(part, by.own, with, comment.as_deref(), by.now)?;
    proposal.remove("REQUEST-STATUS");
    proposal.remove("DURATION");
    let like = part.line("DTSTART").and_then(|line| line.moment().ok());
    for (name, at) in [("DTSTART", start), ("DTEND", end.max(start))] {
        proposal.replace(proposed(like.as_ref(), at, zones).line(name)?);
    }
    for name in ["RRULE", "RDATE", "EXDATE"] {
        part.lines_named(name).for_each(|line: &ContentLine| proposal.push(line.clone()));
    }
    let parts: Vec<Component> = vec![proposal];
    let object = build(Method::Counter, source, parts)?;
    let changed = vec!["DTSTART".to_owned(), "DTEND".to_owned()];
    Ok(vec![Outgoing { method: Method::Counter, from, to, object, changed }])
}

fn proposed(like: Option<&Moment>, at: i64, zones: &Zones) -> Moment {
    let utc = Moment::At(crate::DateTime::Utc(crate::recur::local_of(at)));
    match like {
        // A proposal with a time of day is none for a whole day.
        Some(day @ Moment::Day(_)) if at.rem_euclid(86_400) == 0 => moment_like(day, at, zones),
        Some(time @ Moment::At(_)) => moment_like(time, at, zones),
        _ => utc,
    }
}
