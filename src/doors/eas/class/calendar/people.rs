//! Who takes part: the organizer, the attendees, and what each of them said. MS-ASCAL §2.2.2.3 to §2.2.2.6,
//! §2.2.2.28, §2.2.2.35, §2.2.2.40.

use caldav::{Component, ContentLine, Parameter, PartStat};
use wbxml::{Element, Tag, Version, calendar};

use super::super::ical::text_of;
use super::super::out::clean;
use super::super::{Asker, CONVERSION, Refused};

/// Most attendees of an event.
const ATTENDEES_MAX: usize = 2_000;
/// Longest address, in octets. RFC 5321 §4.5.3.1.
const ADDRESS_MAX: usize = 320;

/// MeetingStatus. MS-ASCAL §2.2.2.28.
const NO_MEETING: u8 = 0;
const OF_MINE: u8 = 1;
const OF_ANOTHER: u8 = 3;
const CANCELLED: u8 = 4;

/// The address of an ORGANIZER or ATTENDEE, as it was typed. One that is no `mailto:` may have it in EMAIL
/// (RFC 7986 §6.2).
pub(in crate::doors::eas) fn address(line: &ContentLine) -> Option<&str> {
    let value = line.value().trim();
    let mailto = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let address = match mailto {
        Some(_) => value.get(7..),
        None => line.parameter("EMAIL").or(Some(value)),
    };
    address.map(str::trim).filter(|address| address.contains('@'))
}

/// The name of an ORGANIZER or ATTENDEE.
pub(in crate::doors::eas) fn name(line: &ContentLine) -> Option<&str> {
    line.parameter("CN").map(str::trim).filter(|name| !name.is_empty())
}

/// What an address is compared by.
fn folded(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Whether an address is one of the account's.
pub(in crate::doors::eas) fn is_own(address: &str, asker: Asker<'_>) -> bool {
    let address = folded(address);
    asker.account.addresses().any(|own| own.folded() == address)
}

/// Whether somebody else has called a meeting: then its data are theirs. RFC 6638 §3.2.2.
pub(in crate::doors::eas) fn is_guest(event: &Component, asker: Asker<'_>) -> bool {
    event.line("ORGANIZER").and_then(address).is_some_and(|organizer| !is_own(organizer, asker))
}

/// The account's own ATTENDEE.
pub(super) fn own_attendee<'c>(event: &'c Component, asker: Asker<'_>) -> Option<&'c ContentLine> {
    event.lines_named("ATTENDEE").find(|line| address(line).is_some_and(|address| is_own(address, asker)))
}

/// The attendees but the organizer.
fn attendees<'c>(event: &'c Component, asker: Asker<'c>) -> impl Iterator<Item = (&'c ContentLine, &'c str)> {
    let organizer = event.line("ORGANIZER").and_then(address).map(folded);
    event.lines_named("ATTENDEE").filter_map(move |line| {
        let address = address(line)?;
        let organizes = match &organizer {
            Some(organizer) => folded(address) == *organizer,
            None => is_own(address, asker),
        };
        (!organizes).then_some((line, address))
    })
}

/// OrganizerEmail and OrganizerName: who called the meeting, or whose event it is. There is always one, as
/// Android wants it.
pub(super) fn organizer(event: &Component, asker: Asker<'_>) -> [Element<'static>; 2] {
    let organizer = event.line("ORGANIZER").and_then(|line| Some((address(line)?, name(line))));
    let own = asker.account.address.to_string();
    let (email, name) = match organizer {
        Some((email, name)) => (email, name.unwrap_or(email)),
        None => (own.as_str(), asker.account.display_name.as_str()),
    };
    let name = if name.trim().is_empty() { email } else { name };
    [
        Element::leaf(calendar::ORGANIZER_NAME, clean(name)),
        Element::leaf(calendar::ORGANIZER_EMAIL, clean(email)),
    ]
}

/// The Attendees element, if there are any.
pub(super) fn show_attendees(event: &Component, asker: Asker<'_>) -> Option<Element<'static>> {
    let mut all = attendees(event, asker).take(ATTENDEES_MAX).peekable();
    all.peek()?;
    Some(Element::new(calendar::ATTENDEES).with_all(all.map(|(line, address)| {
        Element::new(calendar::ATTENDEE)
            .with_text(calendar::EMAIL, clean(address))
            .with_text(calendar::NAME, clean(name(line).unwrap_or(address)))
            .with_number(calendar::ATTENDEE_STATUS, attendee_status(line))
            .with_number(calendar::ATTENDEE_TYPE, attendee_type(line))
    })))
}

/// AttendeeStatus. MS-ASCAL §2.2.2.5.
fn attendee_status(line: &ContentLine) -> u8 {
    match part_stat(line) {
        PartStat::Tentative => 2,
        PartStat::Accepted => 3,
        PartStat::Declined => 4,
        PartStat::NeedsAction => 5,
        _ => 0,
    }
}

pub(in crate::doors::eas) fn part_stat(line: &ContentLine) -> PartStat {
    line.parameter("PARTSTAT").and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// AttendeeType. MS-ASCAL §2.2.2.6.
fn attendee_type(line: &ContentLine) -> u8 {
    let is = |name, word: &str| line.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    match () {
        () if is("CUTYPE", "RESOURCE") || is("CUTYPE", "ROOM") => 3,
        () if is("ROLE", "OPT-PARTICIPANT") || is("ROLE", "NON-PARTICIPANT") => 2,
        () => 1,
    }
}

/// MeetingStatus.
pub(super) fn meeting_status(event: &Component, asker: Asker<'_>) -> u8 {
    let base = match () {
        () if is_guest(event, asker) => OF_ANOTHER,
        () if attendees(event, asker).next().is_some() => OF_MINE,
        () => NO_MEETING,
    };
    let cancelled =
        event.line("STATUS").is_some_and(|line| line.value().trim().eq_ignore_ascii_case("CANCELLED"));
    match (cancelled, base) {
        (false, base) => base,
        // A status for cancelled appointments of one's own there is none.
        (true, NO_MEETING) => OF_MINE | CANCELLED,
        (true, base) => base | CANCELLED,
    }
}

/// Whether a MeetingStatus says that the meeting was called off, or is somebody else's.
pub(super) fn is_cancelled(status: u8) -> bool {
    status & CANCELLED != 0
}

/// Whether a MeetingStatus says that the meeting is somebody else's.
pub(super) fn is_of_another(status: u8) -> bool {
    matches!(status, 3 | 7 | 11 | 15)
}

/// ResponseType: what the account itself said. MS-ASCAL §2.2.2.40.
pub(super) fn response_type(event: &Component, asker: Asker<'_>) -> u8 {
    if !is_guest(event, asker) {
        return u8::from(attendees(event, asker).next().is_some());
    }
    match own_attendee(event, asker).map(part_stat) {
        Some(PartStat::Tentative) => 2,
        Some(PartStat::Accepted) => 3,
        Some(PartStat::Declined) => 4,
        Some(_) => 5,
        None => 0,
    }
}

/// ResponseRequested: whether the organizer wants an answer. MS-ASCAL §2.2.2.39.
pub(super) fn response_requested(event: &Component, asker: Asker<'_>) -> bool {
    match is_guest(event, asker) {
        true => own_attendee(event, asker).is_some_and(wants_answer),
        false => attendees(event, asker).any(|(line, _)| wants_answer(line)),
    }
}

fn wants_answer(line: &ContentLine) -> bool {
    line.parameter("RSVP").is_some_and(|value| value.eq_ignore_ascii_case("TRUE"))
}

/// Takes over whether answers are wanted.
pub(super) fn set_response_requested(
    event: &mut Component,
    wanted: bool,
    asker: Asker<'_>,
) -> Result<(), Refused> {
    if response_requested(event, asker) == wanted {
        return Ok(());
    }
    let rsvp = Parameter::new("RSVP", [if wanted { "TRUE" } else { "FALSE" }])?;
    for line in event.lines_mut().filter(|line| line.is("ATTENDEE")) {
        line.set_parameter(rsvp.clone());
    }
    Ok(())
}

/// An attendee as a client sends it.
struct Sent {
    address: String,
    name: String,
    status: Option<u8>,
    kind: u8,
}

impl Sent {
    fn read(element: &Element<'_>) -> Result<Option<Self>, Refused> {
        let text = |tag| element.child(tag).map(text_of).transpose().map(Option::unwrap_or_default);
        let address = text(calendar::EMAIL)?.trim().to_owned();
        let unfit = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>');
        if address.len() > ADDRESS_MAX || address.contains(unfit) {
            return Err(Refused(CONVERSION));
        }
        // Phones keep people without an address in the list; nobody can be told of them.
        if !address.contains('@') {
            return Ok(None);
        }
        let number = |tag: Tag| -> Result<Option<u8>, Refused> {
            match element.text_of(tag).map(str::trim) {
                None | Some("") => Ok(None),
                Some(_) => Ok(element.parse_of(tag)?),
            }
        };
        Ok(Some(Self {
            address,
            name: text(calendar::NAME)?.replace('\n', " ").trim().to_owned(),
            status: number(calendar::ATTENDEE_STATUS)?,
            kind: number(calendar::ATTENDEE_TYPE)?.unwrap_or(1),
        }))
    }

    /// PARTSTAT that its status stands for; `None` for one that says nothing.
    fn part_stat(&self) -> Option<PartStat> {
        match self.status {
            Some(2) => Some(PartStat::Tentative),
            Some(3) => Some(PartStat::Accepted),
            Some(4) => Some(PartStat::Declined),
            _ => None,
        }
    }

    fn line(&self, rsvp: bool) -> Result<ContentLine, Refused> {
        let mut line = ContentLine::new("ATTENDEE", format!("mailto:{}", self.address))?;
        if !self.name.is_empty() && self.name != self.address {
            line = line.with("CN", &self.name)?;
        }
        for (name, value) in kind_parameters(self.kind) {
            line = line.with(name, value)?;
        }
        let part_stat = self.part_stat().unwrap_or_default();
        line = line.with("PARTSTAT", part_stat.as_str())?;
        Ok(line.with("RSVP", if rsvp { "TRUE" } else { "FALSE" })?)
    }
}

fn kind_parameters(kind: u8) -> &'static [(&'static str, &'static str)] {
    match kind {
        2 => &[("ROLE", "OPT-PARTICIPANT")],
        3 => &[("ROLE", "REQ-PARTICIPANT"), ("CUTYPE", "RESOURCE")],
        _ => &[("ROLE", "REQ-PARTICIPANT")],
    }
}

/// Takes over the attendees of an event of the account's own, or of one that is new.
///
/// Who stays keeps the parameters that the client does not know. Whoever organizes is none of them.
pub(super) fn set_attendees(
    event: &mut Component,
    element: Option<&Element<'_>>,
    rsvp: bool,
    asker: Asker<'_>,
) -> Result<(), Refused> {
    let organizer = event.line("ORGANIZER").and_then(address).map(folded);
    let mut sent: Vec<Sent> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let all = element.into_iter().flat_map(|list| list.children_of(calendar::ATTENDEE));
    for (n, one) in all.enumerate() {
        if n >= ATTENDEES_MAX {
            return Err(Refused(CONVERSION));
        }
        let Some(one) = Sent::read(one)? else { continue };
        let organizes = match &organizer {
            Some(organizer) => folded(&one.address) == *organizer,
            None => is_own(&one.address, asker),
        };
        if !organizes && seen.insert(folded(&one.address)) {
            sent.push(one);
        }
    }
    let is_organizer = |line: &ContentLine| {
        address(line).is_none_or(|address| match &organizer {
            Some(organizer) => folded(address) == *organizer,
            None => is_own(address, asker),
        })
    };
    event.retain_lines(|line| {
        !line.is("ATTENDEE") || is_organizer(line) || address(line).is_some_and(|a| seen.contains(&folded(a)))
    });
    let mut by_address: std::collections::HashMap<String, &Sent> =
        sent.iter().map(|one| (folded(&one.address), one)).collect();
    for line in event.lines_mut().filter(|line| line.is("ATTENDEE")) {
        let Some(one) = address(line).map(folded).and_then(|a| by_address.remove(&a)) else { continue };
        change_attendee(line, one, asker.version)?;
    }
    for one in sent.iter().filter(|one| by_address.contains_key(&folded(&one.address))) {
        event.push(one.line(rsvp)?);
    }
    Ok(())
}

fn change_attendee(line: &mut ContentLine, one: &Sent, version: Version) -> Result<(), Refused> {
    let address = address(line).unwrap_or_default().to_owned();
    if !one.name.is_empty() && one.name != name(line).unwrap_or(&address) {
        line.set_parameter(Parameter::new("CN", [one.name.as_str()])?);
    }
    if one.kind != attendee_type(line) {
        line.remove_parameter("CUTYPE");
        for (name, value) in kind_parameters(one.kind) {
            line.set_parameter(Parameter::new(name, [*value])?);
        }
    }
    set_part_stat(line, one, version)
}

/// Takes over what somebody said, which from 16.0 on clients do not send. MS-ASCAL §2.2.2.5.
fn set_part_stat(line: &mut ContentLine, one: &Sent, version: Version) -> Result<(), Refused> {
    if version < Version::V16_0
        && let Some(said) = one.part_stat()
        && one.status != Some(attendee_status(line))
    {
        line.set_parameter(Parameter::new("PARTSTAT", [said.as_str()])?);
    }
    Ok(())
}

/// Makes the account the organizer of an event that has attendees and no organizer.
pub(super) fn organize(event: &mut Component, asker: Asker<'_>) -> Result<(), Refused> {
    if event.line("ORGANIZER").is_some() || attendees(event, asker).next().is_none() {
        return Ok(());
    }
    event.push(organizer_line(&asker.account.address.to_string(), &asker.account.display_name)?);
    Ok(())
}

/// An ORGANIZER.
pub(super) fn organizer_line(address: &str, name: &str) -> Result<ContentLine, Refused> {
    let line = ContentLine::new("ORGANIZER", format!("mailto:{address}"))?;
    let name = name.replace(['\r', '\n'], " ");
    Ok(if name.trim().is_empty() { line } else { line.with("CN", name.trim())? })
}

/// Takes over what a guest says of himself by the list of attendees: all of it that is his to say.
/// RFC 6638 §3.2.2.1.
pub(super) fn set_own_answer(
    event: &mut Component,
    element: &Element<'_>,
    asker: Asker<'_>,
) -> Result<(), Refused> {
    for one in element.children_of(calendar::ATTENDEE).take(ATTENDEES_MAX) {
        let Some(one) = Sent::read(one)?.filter(|one| is_own(&one.address, asker)) else { continue };
        let own =
            |line: &&mut ContentLine| line.is("ATTENDEE") && address(line).is_some_and(|a| is_own(a, asker));
        if let Some(line) = event.lines_mut().find(own) {
            set_part_stat(line, &one, asker.version)?;
        }
    }
    Ok(())
}
