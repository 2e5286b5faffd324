//! ResolveRecipients: who is meant. MS-ASCMD §2.2.1.15.

use caldav::Zone;
use wbxml::{BadValue, Element, resolverecipients as tags};

use super::super::gal::{self, FOUND_MAX};
use super::super::render::parse_time;
use super::super::reply::{Failure, Reply, Status};
use super::super::request::Version;
use super::super::session::Session;
use crate::clock::Millis;
use crate::directory::{self, GalEntry};
use crate::mailbox::Acting;
use crate::scheduling::{self, Refused};

/// Most recipients of one request. MS-ASCMD §3.1.5.10.
const TO_MAX: usize = 100;
/// Entries told for an ambiguous name when the client sets no limit.
const AMBIGUOUS: usize = 20;
/// Most entries in one answer, over all names.
const ANSWER_MAX: usize = 1_000;
/// Longest span of Availability. MS-ASCMD §2.2.3.16.
const SPAN_MAX: Millis = 42 * 86_400_000;
/// The span when there is no EndTime: a week.
const SPAN: Millis = 7 * 86_400_000;
/// One digit of MergedFreeBusy stands for this long. MS-ASCMD §2.2.3.107.
const SLOT: Millis = 30 * 60_000;
/// The digit for a time of which nothing is known.
const NO_DATA: &str = "4";

/// Statuses. MS-ASCMD §2.2.3.177.12.
const OK: u16 = 1;
const AMBIGUOUS_ALL: u16 = 2;
const AMBIGUOUS_SOME: u16 = 3;
const NOBODY: u16 = 4;
const PROTOCOL: u16 = 5;
/// Certificates: none valid.
const NO_CERTIFICATE: u16 = 7;

/// What the client wants to know of everyone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wanted {
    certificates: bool,
    /// Entries to tell of an ambiguous name.
    ambiguous: usize,
    /// The span asked for.
    availability: Option<HalfHours>,
    picture: bool,
}

/// A span of time in half hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct HalfHours {
    start: Millis,
    count: usize,
}

/// Handles ResolveRecipients.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let failed = |status: u16| Element::new(tags::RESOLVE_RECIPIENTS).with_number(tags::STATUS, status);
    let names: Vec<String> = request
        .into_iter()
        .flat_map(|r| r.children_of(tags::TO))
        .take(TO_MAX.saturating_add(1))
        .map(|to| to.text().unwrap_or_default().to_owned())
        .collect();
    let wanted = request.map(|r| Wanted::read(r.child(tags::OPTIONS), session.version)).transpose();
    let (Ok(Some(wanted)), 1..=TO_MAX, false) =
        (wanted, names.len(), names.iter().any(|name| name.trim().is_empty()))
    else {
        return Ok(Reply::Document(failed(PROTOCOL)));
    };
    let asking = session.clone();
    let answer = session.eas.blocking(move || {
        let mut room = ANSWER_MAX;
        let mut answer = failed(OK);
        for name in names {
            answer.push(resolve(&asking, name, &wanted, &mut room)?);
        }
        Ok(answer)
    });
    Ok(Reply::Document(answer.await?))
}

impl Wanted {
    fn read(options: Option<&Element<'_>>, version: Version) -> Result<Self, BadValue> {
        let Some(options) = options else {
            return Ok(Self {
                certificates: false,
                ambiguous: AMBIGUOUS,
                availability: None,
                picture: false,
            });
        };
        let availability = match options.child(tags::AVAILABILITY) {
            Some(asked) if version >= Version::V14_0 => Some(half_hours(asked)?),
            _ => None,
        };
        let ambiguous: Option<u16> = options.parse_of(tags::MAX_AMBIGUOUS_RECIPIENTS)?;
        Ok(Self {
            certificates: options.parse_of::<u8>(tags::CERTIFICATE_RETRIEVAL)?.is_some_and(|asked| asked > 1),
            ambiguous: ambiguous.map_or(AMBIGUOUS, usize::from).min(FOUND_MAX),
            availability,
            picture: options.has(tags::PICTURE) && version >= Version::V14_1,
        })
    }
}

/// The half hours of a span, rounded up.
fn half_hours(availability: &Element<'_>) -> Result<HalfHours, BadValue> {
    let bad = BadValue { element: tags::AVAILABILITY };
    let time = |tag| {
        let text = availability.text_of(tag).filter(|text| !text.is_empty());
        text.map(|text| parse_time(text).ok_or(bad)).transpose()
    };
    let start = time(tags::START_TIME)?.ok_or(bad)?;
    let end = time(tags::END_TIME)?.unwrap_or(start.saturating_add(SPAN));
    let span = end.saturating_sub(start);
    if !(1..=SPAN_MAX).contains(&span) {
        return Err(bad);
    }
    let count = usize::try_from(span.saturating_add(SLOT - 1) / SLOT).map_err(|_| bad)?;
    Ok(HalfHours { start, count })
}

fn resolve(
    session: &Session,
    name: String,
    wanted: &Wanted,
    room: &mut usize,
) -> Result<Element<'static>, Failure> {
    let found = meant(gal::find(session, &name, FOUND_MAX)?, &name);
    let most = if found.len() > 1 { wanted.ambiguous } else { 1 };
    let told = found.len().min(most).min(*room);
    *room = room.saturating_sub(told);
    let status = match found.len() {
        0 => NOBODY,
        1 if told == 1 => OK,
        all if told == all => AMBIGUOUS_ALL,
        _ => AMBIGUOUS_SOME,
    };
    let count = i128::try_from(found.len()).unwrap_or_default();
    let response = Element::new(tags::RESPONSE)
        .with_text(tags::TO, name)
        .with_number(tags::STATUS, status)
        .with_number(tags::RECIPIENT_COUNT, count);
    let told: Result<Vec<_>, Failure> =
        found.iter().take(told).map(|entry| recipient(session, entry, wanted)).collect();
    Ok(response.with_all(told?))
}

/// Of several entries the one whose whole name or alias was written, if there is just one such.
fn meant(found: Vec<GalEntry>, name: &str) -> Vec<GalEntry> {
    let folded = name.trim().to_lowercase();
    let is_it = |entry: &&GalEntry| {
        entry.display_name.to_lowercase() == folded || entry.address.local().to_lowercase() == folded
    };
    let mut exact = found.iter().filter(is_it);
    match (exact.next(), exact.next()) {
        (Some(entry), None) => vec![entry.clone()],
        _ => found,
    }
}

fn recipient(session: &Session, entry: &GalEntry, wanted: &Wanted) -> Result<Element<'static>, Failure> {
    // 1: from the address list. MS-ASCMD §2.2.3.186.5.
    let mut recipient = Element::new(tags::RECIPIENT)
        .with_number(tags::TYPE, 1)
        .with_text(tags::DISPLAY_NAME, entry.display_name.clone())
        .with_text(tags::EMAIL_ADDRESS, entry.address.to_string());
    if let Some(span) = wanted.availability {
        let merged = availability(session, entry, span)?;
        let availability = Element::new(tags::AVAILABILITY).with_number(tags::STATUS, OK);
        recipient.push(availability.with_text(tags::MERGED_FREE_BUSY, merged));
    }
    if wanted.certificates {
        let none = Element::new(tags::CERTIFICATES).with_number(tags::STATUS, NO_CERTIFICATE);
        recipient.push(none.with_number(tags::CERTIFICATE_COUNT, 0));
    }
    if wanted.picture {
        recipient.push(Element::new(tags::PICTURE).with_number(tags::STATUS, Status::NoPicture.code()));
    }
    Ok(recipient)
}

/// A digit for each half hour. MS-ASCMD §2.2.3.107.
fn availability(session: &Session, entry: &GalEntry, span: HalfHours) -> Result<String, Failure> {
    // 4: no data.
    let unknown = || NO_DATA.repeat(span.count);
    let view = session.eas.mailbox.view(Acting::System)?;
    let found = directory::resolve(view.reader(), &entry.address.to_string());
    let Some(found) = found.map_err(crate::delivery::Error::from)? else { return Ok(unknown()) };
    let start = span.start.div_euclid(1000);
    let step = SLOT / 1000;
    let end = start.saturating_add(i64::try_from(span.count).unwrap_or(0).saturating_mul(step));
    let (asking, objects) = (&session.login.account, session.eas.delivery.objects());
    let busy = scheduling::free_busy(&view, objects, asking, &found.account, &(start..end), &Zone::utc());
    match busy {
        Ok(Some(busy)) => Ok(scheduling::merged(&busy, start, step, span.count)),
        Ok(None) => Ok(unknown()),
        Err(Refused::Mailbox(error)) => Err(error.into()),
        Err(_) => Ok(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: &str, end: &str) -> Result<usize, BadValue> {
        let asked = Element::new(tags::AVAILABILITY).with_text(tags::START_TIME, start.to_owned());
        half_hours(&asked.with_text(tags::END_TIME, end.to_owned())).map(|span| span.count)
    }

    #[test]
    fn spans_are_counted_in_half_hours() {
        assert_eq!(span("2026-11-24T08:00:00.000Z", "2026-11-24T09:00:00.000Z"), Ok(2));
        assert_eq!(span("2026-11-24T08:00:00.000Z", "2026-11-24T09:00:00.001Z"), Ok(3));
        assert_eq!(span("2026-11-24T08:00:00.000Z", "2027-01-05T08:00:00.000Z"), Ok(2_016));
        assert_eq!(span("2026-11-24T08:00:00.000Z", ""), Ok(336));
        for (start, end) in [
            ("2026-11-24T08:00:00.000Z", "2027-01-05T08:30:00.000Z"),
            ("2026-11-24T08:00:00.000Z", "2026-11-24T08:00:00.000Z"),
            ("2026-11-24T08:00:00.000Z", "2026-11-23T08:00:00.000Z"),
            ("", "2026-11-24T08:00:00.000Z"),
            ("0001-01-01T00:00:00.000Z", "9999-12-31T00:00:00.000Z"),
        ] {
            assert!(span(start, end).is_err(), "{start} {end}");
        }
    }
}
