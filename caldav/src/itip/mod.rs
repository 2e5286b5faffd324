//! Scheduling: who is told what when a meeting changes, and what becomes of what others tell. RFC 5546;
//! RFC 6638 §3.2, §4.
//!
//! All of it is decided from what is passed in: the stored object, the edit or the message, one's own
//! addresses and the time. Whoever calls stores the object that comes back and sends the messages in one go.
//!
//! - [`change`]: the owner of a calendar changed an object, as its organizer or as an attendee.
//! - [`respond()`]: the owner answers an invitation.
//! - [`receive()`]: a scheduling message arrived.
//!
//! Own addresses are in lower case, without `mailto:`, as [`crate::ContentLine::cal_address`] gives them.
//! Times are seconds since 1970-01-01T00:00:00Z.

mod attendee;
#[cfg(test)]
mod histories;
mod meeting;
mod message;
mod organizer;
mod receive;
mod respond;
mod room;
#[cfg(test)]
mod tests;
mod timing;
mod word;

use std::fmt;

use crate::{Component, Invalid, Moment, Object, Parameter};

pub use receive::{Arrival, Ignored, LAST_REPLY, receive};
pub use respond::{Answer, respond};
pub use room::conflicts;
pub use word::{Method, PartStat};

/// What a change comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What is to be stored; `None` when nothing is stored any more.
    pub object: Option<Object>,
    /// What is to be sent, at most one to each recipient.
    pub messages: Vec<Outgoing>,
    /// Properties of an attendee's edit that were put back, since they are the organizer's, by name.
    pub undone: Vec<String>,
}

/// A scheduling message that is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// What it asks or tells.
    pub method: Method,
    /// Whose it is: the organizer's address, or the attendee's.
    pub from: String,
    /// Whom it is for.
    pub to: Vec<String>,
    /// The message, with METHOD.
    pub object: Object,
    /// What differs from what the recipients knew, by property names; empty for what is new to them.
    pub changed: Vec<String>,
}

/// Who changes an object, and how.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The addresses of whoever owns the calendar.
    pub own: &'a [&'a str],
    /// When.
    pub now: i64,
    /// An attendee who deletes an event tells nobody: `Schedule-Reply: F` of RFC 6638 §8.1.
    pub quiet: bool,
}

/// Why a change is not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The components have different organizers. RFC 6638 §3.2.4.2.
    SameOrganizer,
    /// An organizer must not hand the event to somebody else. RFC 6638 §3.2.4.3.
    OrganizerChange,
    /// There is no instance like that.
    NoSuchInstance,
    /// Whoever answers is not invited.
    NotInvited,
    /// The object cannot be understood.
    Invalid(Invalid),
}

/// What somebody is in a meeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It is nobody's meeting, or that of others.
    None,
    /// It is one's own.
    Organizer,
    /// One is invited.
    Attendee,
}

impl Part {
    /// What the owner of `own` addresses is in an object. RFC 6638 §3.1.
    pub fn of(object: &Object, own: &[&str]) -> Self {
        let Some(calendar) = object.calendar() else { return Self::None };
        let parts = || calendar.components().filter(|component| meeting::is_part(component));
        let organizer = parts().find_map(meeting::organizer);
        match organizer {
            Some(organizer) if own.contains(&organizer.as_str()) => Self::Organizer,
            Some(_) if parts().any(|part| meeting::own_line(part, own).is_some()) => Self::Attendee,
            _ => Self::None,
        }
    }
}

/// Decides about a change that the owner of a calendar made: from `old` to `new`, where one may be missing.
///
/// # Errors
/// [`Refusal`] when it must not be.
pub fn change(old: Option<&Object>, new: Option<&Object>, by: &Change<'_>) -> Result<Outcome, Refusal> {
    let part = |object: Option<&Object>| object.map_or(Part::None, |object| Part::of(object, by.own));
    match (part(old), part(new)) {
        (Part::Attendee, _) => attendee::change(old, new, by),
        (Part::None, Part::Attendee) => attendee::change(None, new, by),
        (Part::None, Part::None) => Ok(Outcome::quiet(new.cloned())),
        _ => organizer::change(old, new, by),
    }
}

/// Notes in an object what became of the messages to others: SCHEDULE-STATUS, by address. RFC 6638 §7.3.
///
/// # Errors
/// [`Invalid`] for a status with control characters.
pub fn set_status(object: &mut Object, statuses: &[(String, &str)]) -> Result<(), Invalid> {
    let parts = object.calendar_mut().into_iter().flat_map(Component::components_mut);
    for line in parts.filter(|part| meeting::is_part(part)).flat_map(Component::lines_mut) {
        if !line.is("ATTENDEE") && !line.is("ORGANIZER") {
            continue;
        }
        let address = line.cal_address();
        if let Some((_, status)) = statuses.iter().find(|(to, _)| *to == address) {
            line.set_parameter(Parameter::new("SCHEDULE-STATUS", [*status])?);
        }
    }
    Ok(())
}

/// The answers that the owner of some addresses gives in a REPLY: about which instance, and what.
pub fn answers(reply: &Object, own: &[&str]) -> Vec<(Option<Moment>, PartStat)> {
    let parts = reply.calendar().into_iter().flat_map(Component::components).filter(|c| meeting::is_part(c));
    let answers = parts.filter_map(|part| {
        let with = meeting::answer(meeting::own_line(part, own)?);
        let instance = part.line("RECURRENCE-ID").map(crate::ContentLine::moment).transpose().ok()?;
        Some((instance, with))
    });
    answers.collect()
}

/// Whether there is a method's word in the object of a message. RFC 5546 §1.4.
pub fn method_of(object: &Object) -> Option<Method> {
    let line = object.calendar().and_then(|calendar| calendar.line("METHOD"))?;
    line.value().trim().parse().ok()
}

impl Outcome {
    fn quiet(object: Option<Object>) -> Self {
        Self { object, messages: Vec::new(), undone: Vec::new() }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameOrganizer => f.write_str("the components have different organizers"),
            Self::OrganizerChange => f.write_str("an event cannot be given another organizer"),
            Self::NoSuchInstance => f.write_str("there is no such instance"),
            Self::NotInvited => f.write_str("whoever answers is not invited"),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

/// The calendar of an object.
fn calendar(object: &Object) -> Result<&Component, Refusal> {
    object.calendar().ok_or(Refusal::Invalid(Invalid("there is no VCALENDAR")))
}
