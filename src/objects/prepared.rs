//! An object on its way into a folder: read, checked, and what is kept beside it computed.

use std::fmt;

use bytes::Bytes;
use caldav::{Bounds, Component, Object, Series, TooLarge};

use super::entry::{Entry, Kept, Spot};
use super::folder::components;
use super::put::NewObject;
use crate::mailbox::{Folder, Kind};
use crate::store::{self, Store};

/// What an object may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most octets.
    pub bytes: usize,
    /// Most ATTENDEEs of one component.
    pub attendees: usize,
    /// What finding the end of a series may take.
    pub bounds: Bounds,
}

impl Default for Limits {
    /// What pictures in cards and attachments in events need, and the largest meetings.
    fn default() -> Self {
        Self { bytes: 10 << 20, attendees: 2_000, bounds: Bounds::default() }
    }
}

/// Why an object is not stored; each is a precondition of RFC 4791 §5.3.2.1 or RFC 6352 §6.3.2.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// `supported-calendar-data`, `supported-address-data`: not of a form that the folder keeps.
    SupportedData,
    /// `valid-calendar-data`, `valid-address-data`: not of the grammar; says why.
    ValidData(&'static str),
    /// `valid-calendar-object-resource`: more than one object, or not one that can be stored; says why.
    ValidObject(&'static str),
    /// `supported-calendar-component`: the folder does not hold these.
    SupportedComponent,
    /// `max-resource-size`: more octets than this.
    TooLarge(usize),
    /// `max-attendees-per-instance`: more of them than this.
    Attendees(usize),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SupportedData => f.write_str("the folder keeps no such data"),
            Self::ValidData(why) | Self::ValidObject(why) => f.write_str(why),
            Self::SupportedComponent => f.write_str("the folder does not hold such components"),
            Self::TooLarge(most) => write!(f, "the object has more than {most} octets"),
            Self::Attendees(most) => write!(f, "there are more than {most} attendees"),
        }
    }
}

impl std::error::Error for Refused {}

/// An object that may be stored in folders of one kind.
#[derive(Clone, Debug)]
pub struct Prepared {
    kind: Kind,
    bytes: Bytes,
    entry: Entry,
}

impl Prepared {
    /// Reads and checks an object for a folder of `kind`. Takes time that grows with the object, so never within
    /// a transaction.
    ///
    /// # Errors
    /// [`Refused`] names the precondition that it breaks.
    pub fn of(kind: Kind, bytes: Bytes, limits: &Limits) -> Result<Self, Refused> {
        if bytes.len() > limits.bytes {
            return Err(Refused::TooLarge(limits.bytes));
        }
        let entry = match kind {
            Kind::Files => Entry::empty(Kept::File, String::new()),
            Kind::Contacts => card(&parse(&bytes, limits)?)?,
            Kind::Calendar | Kind::Tasks | Kind::Notes | Kind::Journal => {
                calendar(&parse(&bytes, limits)?, limits)?
            }
            Kind::Mail => return Err(Refused::SupportedData),
        };
        let holds = match kind {
            Kind::Tasks => entry.kept == Kept::ToDo,
            Kind::Notes | Kind::Journal => entry.kept == Kept::Journal,
            _ => true,
        };
        if !holds {
            return Err(Refused::SupportedComponent);
        }
        Ok(Self { kind, bytes, entry })
    }

    /// Whether a folder of the kind holds such components.
    ///
    /// # Errors
    /// [`Refused::SupportedComponent`] when it does not.
    pub fn check_folder(&self, folder: &Folder) -> Result<(), Refused> {
        match self.entry.kept {
            Kept::Card | Kept::File => Ok(()),
            kept if components(folder).has(kept) => Ok(()),
            _ => Err(Refused::SupportedComponent),
        }
    }

    /// What will be kept beside it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Stages its body for a domain, so that a transaction can put it. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn stage(&self, store: &Store, domain: u64) -> Result<NewObject, store::Error> {
        let body = store.stage_body(&store.body_key(domain), &self.bytes)?;
        Ok(NewObject {
            span: Spot::of(&self.entry, &body.id().0).encode(),
            body,
            record: self.entry.encode().into(),
            filter_date: self.entry.filter_date(self.kind == Kind::Calendar),
            arrived: store.clock().now(),
            uid: Some(self.entry.uid.clone()).filter(|uid| !uid.is_empty()),
            ending: self.entry.kept.ending(),
            properties: Vec::new(),
        })
    }
}

fn parse(bytes: &[u8], limits: &Limits) -> Result<Object, Refused> {
    let within = caldav::Limits { bytes: limits.bytes, ..caldav::Limits::default() };
    let object = Object::parse_within(bytes, &within).map_err(|e| match e {
        TooLarge::Bytes => Refused::TooLarge(limits.bytes),
        TooLarge::Line => Refused::ValidData("a line is too long"),
        TooLarge::Lines => Refused::ValidData("there are too many lines"),
        TooLarge::Properties => Refused::ValidData("a component has too many properties"),
        TooLarge::Depth => Refused::ValidData("components are nested too deeply"),
    })?;
    if std::str::from_utf8(bytes).is_err() {
        return Err(Refused::ValidData("it is not UTF-8"));
    }
    Ok(object)
}

/// What stands alone in an object.
fn sole<'o>(object: &'o Object, name: &str) -> Result<&'o Component, Refused> {
    let mut components = object.components();
    let Some(first) = components.next() else { return Err(Refused::ValidData("it has no components")) };
    if !first.is(name) {
        return Err(Refused::SupportedData);
    }
    if components.next().is_some() {
        return Err(Refused::ValidObject("there is more than one object"));
    }
    if !object.is_whole() {
        return Err(Refused::ValidData("there is something that is none of the grammar"));
    }
    Ok(first)
}

fn calendar(object: &Object, limits: &Limits) -> Result<Entry, Refused> {
    let calendar = sole(object, "VCALENDAR")?;
    if calendar.line("VERSION").is_some_and(|version| version.value().trim() != "2.0") {
        return Err(Refused::SupportedData);
    }
    if calendar.line("METHOD").is_some() {
        return Err(Refused::ValidObject("what is stored has no METHOD"));
    }
    let members: Vec<&Component> = calendar.components().filter(|c| !c.is("VTIMEZONE")).collect();
    let Some(first) = members.first() else {
        return Err(Refused::ValidObject("there is nothing in it"));
    };
    let kept = Kept::of_calendar(first.name()).ok_or(Refused::SupportedComponent)?;
    let uid = first.line("UID").map(|line| line.value().trim().to_owned()).unwrap_or_default();
    if uid.is_empty() {
        return Err(Refused::ValidObject("a component has no UID"));
    }
    let mut ids: Vec<Option<&str>> = Vec::with_capacity(members.len());
    for member in &members {
        if !member.is(kept.name()) {
            return Err(Refused::ValidObject("there is more than one kind of component"));
        }
        if member.line("UID").is_none_or(|line| line.value().trim() != uid) {
            return Err(Refused::ValidObject("there is more than one UID"));
        }
        if member.lines_named("ATTENDEE").take(limits.attendees + 1).count() > limits.attendees {
            return Err(Refused::Attendees(limits.attendees));
        }
        ids.push(member.line("RECURRENCE-ID").map(caldav::ContentLine::value));
    }
    ids.sort_unstable();
    if ids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(Refused::ValidObject("an instance is there twice"));
    }
    let series = series(calendar, &members, kept)?;
    Ok(Entry::of_calendar(kept, uid, &members, series.as_ref(), &limits.bounds))
}

/// The series that the components are; none for a to-do or journal entry without a time.
fn series(calendar: &Component, members: &[&Component], kept: Kept) -> Result<Option<Series>, Refused> {
    let timeless = |c: &&Component| {
        !["DTSTART", "DUE", "RRULE", "RDATE", "RECURRENCE-ID"].iter().any(|name| c.line(name).is_some())
    };
    if kept != Kept::Event && members.iter().any(timeless) {
        return Ok(None);
    }
    match Series::all(calendar).pop() {
        Some(Ok(series)) => Ok(Some(series)),
        Some(Err(_)) => Err(Refused::ValidData("its times or rules cannot be understood")),
        None => Ok(None),
    }
}

fn card(object: &Object) -> Result<Entry, Refused> {
    let card = sole(object, "VCARD")?;
    let version = card.line("VERSION").map(|line| line.value().trim().to_owned()).unwrap_or_default();
    if version != "3.0" && version != "4.0" {
        return Err(Refused::SupportedData);
    }
    let uid = card.line("UID").map(|line| line.value().trim().to_owned()).unwrap_or_default();
    if uid.is_empty() {
        return Err(Refused::ValidData("a card has a UID"));
    }
    if card.line("FN").is_none() && card.line("N").is_none() {
        return Err(Refused::ValidData("a card has a name"));
    }
    Ok(Entry::of_card(uid, card))
}
