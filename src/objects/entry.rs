//! The record kept beside an item: what a listing and a search for a range of time need of an object.

use caldav::{Bounds, Component, Series, Zone};
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::mailbox::Record;
use crate::store::record::{decode_v, encode};

/// The filter date of what has no end: the year 10000. `Millis::MAX` is taken by the index itself.
pub const FOREVER: Millis = 253_402_300_800_000;

/// The version of the record.
const VERSION: u8 = 1;

/// Most octets of a text that is kept in a record.
const TEXT_MAX: usize = 512;

/// Most addresses of a card that are kept in a record.
const ADDRESSES_MAX: usize = 32;

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Kept {
    /// A VEVENT.
    Event,
    /// A VTODO.
    ToDo,
    /// A VJOURNAL.
    Journal,
    /// A VCARD.
    Card,
    /// A file of any content.
    File,
}

impl Kept {
    /// The component's name; empty for a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "VEVENT",
            Self::ToDo => "VTODO",
            Self::Journal => "VJOURNAL",
            Self::Card => "VCARD",
            Self::File => "",
        }
    }

    /// The component called `name`, of those that a calendar keeps.
    pub fn of_calendar(name: &str) -> Option<Self> {
        [Self::Event, Self::ToDo, Self::Journal]
            .into_iter()
            .find(|kept| kept.name().eq_ignore_ascii_case(name))
    }

    /// How the names of its resources end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Card => ".vcf",
            Self::File => "",
            _ => ".ics",
        }
    }
}

/// How the times of an object depend on the zone of who looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Floating {
    /// Not at all.
    No,
    /// All of them are local times, or days.
    All,
    /// Some do: only the object itself tells.
    Some,
}

/// What is kept of an object beside its item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub kept: Kept,
    /// Its UID, whole.
    pub uid: String,
    /// SUMMARY, or FN of a card; cut to 512 octets.
    pub summary: String,
    /// The calendar address of the ORGANIZER.
    pub organizer: Option<String>,
    /// Whether it has ATTENDEEs.
    pub attendees: bool,
    /// When its first instance begins, in seconds since 1970; local times and days as if of UTC.
    pub start: Option<i64>,
    /// When its last instance ends at the latest, likewise; `None` also for what has no end.
    pub end: Option<i64>,
    /// Whether its times depend on who looks.
    pub floating: Floating,
    /// Whether it has or may have instances beyond the first.
    pub recurs: bool,
    /// Whether it is a to-do that is completed or cancelled.
    pub done: bool,
    /// The e-mail addresses of a card, at most 32.
    pub addresses: Vec<String>,
}

impl Entry {
    /// An entry that says no more than what it is of.
    pub(super) fn empty(kept: Kept, uid: String) -> Self {
        Self {
            kept,
            uid,
            summary: String::new(),
            organizer: None,
            attendees: false,
            start: None,
            end: None,
            floating: Floating::No,
            recurs: false,
            done: false,
            addresses: Vec::new(),
        }
    }

    /// What is kept of the components of one UID; `series` is none for a to-do or journal entry without a
    /// time.
    pub(super) fn of_calendar(
        kept: Kept,
        uid: String,
        members: &[&Component],
        series: Option<&Series>,
        bounds: &Bounds,
    ) -> Self {
        let master = members.iter().find(|c| c.line("RECURRENCE-ID").is_none()).or_else(|| members.first());
        let mut entry = Self::empty(kept, uid);
        let summary = master.and_then(|c| c.line("SUMMARY")).map(caldav::ContentLine::to_text);
        entry.summary = cut(summary.unwrap_or_default());
        entry.organizer = master.and_then(|c| c.line("ORGANIZER")).map(|line| cut(line.cal_address()));
        entry.attendees = members.iter().any(|c| c.line("ATTENDEE").is_some());
        entry.done = kept == Kept::ToDo && master.is_some_and(|c| is_done(c));
        let Some(series) = series else { return entry };
        entry.recurs = series.recurs();
        let Some(span) = series.span(&Zone::utc(), bounds) else { return entry };
        (entry.start, entry.end) = (Some(span.start), span.end);
        entry.floating = match Zone::iana("Etc/GMT-12").and_then(|far| series.span(&far, bounds)) {
            Some(far) if far == span => Floating::No,
            Some(far)
                if far.start == span.start.saturating_sub(FAR)
                    && far.end == span.end.map(|end| end.saturating_sub(FAR)) =>
            {
                Floating::All
            }
            _ => Floating::Some,
        };
        entry
    }

    /// What is kept of a card.
    pub(super) fn of_card(uid: String, card: &Component) -> Self {
        let mut entry = Self::empty(Kept::Card, uid);
        entry.summary = cut(card.line("FN").map(caldav::ContentLine::to_text).unwrap_or_default());
        let addresses = card.lines_named("EMAIL").map(|line| cut(line.to_text().trim().to_owned()));
        entry.addresses = addresses.filter(|address| !address.is_empty()).take(ADDRESSES_MAX).collect();
        entry
    }

    /// Where it stands for time filters; `None` stands for its arrival.
    pub fn filter_date(&self, in_calendar: bool) -> Option<Millis> {
        match self.kept {
            Kept::Event if self.start.is_some() => {
                Some(self.end.map_or(FOREVER, |end| end.saturating_mul(1000)).min(FOREVER))
            }
            Kept::Event => Some(FOREVER),
            // A phone's filter of a calendar does not concern what is no event.
            Kept::ToDo | Kept::Journal if in_calendar => Some(FOREVER),
            // What is to be done has no end; a phone may filter what is done.
            Kept::ToDo => Some(if self.done { 0 } else { FOREVER }),
            _ => None,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(VERSION, self)
    }

    /// The entry in an item's record; `None` if it is damaged or of something else.
    pub fn of(record: &Record) -> Option<Self> {
        decode_v(VERSION, record.record()).ok()
    }
}

/// Whether nothing is left to be done of a to-do. RFC 5545 §3.8.1.11, §3.8.2.1.
fn is_done(to_do: &Component) -> bool {
    match to_do.line("STATUS").map(|line| line.value().trim().to_ascii_uppercase()).as_deref() {
        Some("COMPLETED" | "CANCELLED") => true,
        Some(_) => false,
        None => to_do.line("COMPLETED").is_some(),
    }
}

/// How far ahead of UTC Etc/GMT-12 is, in seconds.
const FAR: i64 = 12 * 3600;

/// What stands in the index of filter dates: enough to answer a search for a range without a look at anything
/// else, but for what recurs; and for that the name of its body, by which its parsed form is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    /// Begins at that second, and ends at the filter date.
    Exact(i64),
    /// Likewise, in the zone of who looks.
    Floating(i64),
    /// Begins at that second or up to a day before; its body tells the rest.
    Look(i64, [u8; 16]),
    /// It is no event.
    Other,
}

impl Spot {
    pub(super) fn of(entry: &Entry, body: &[u8; 32]) -> Self {
        match (entry.kept, entry.start) {
            (Kept::Event, Some(start)) => match entry.floating {
                _ if entry.recurs => Self::Look(start, key_of(body)),
                Floating::No => Self::Exact(start),
                Floating::All => Self::Floating(start),
                Floating::Some => Self::Look(start, key_of(body)),
            },
            _ => Self::Other,
        }
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let (tag, start, key) = match self {
            Self::Exact(start) => (1_u8, start, None),
            Self::Floating(start) => (2, start, None),
            Self::Look(start, key) => (3, start, Some(key)),
            Self::Other => return vec![4],
        };
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&start.to_be_bytes());
        bytes.extend(key.into_iter().flatten());
        bytes
    }

    /// What an index row says; what is not known is none of ours.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let read = || {
            let (tag, rest) = bytes.split_first()?;
            let (start, rest) = rest.split_first_chunk::<8>()?;
            let start = i64::from_be_bytes(*start);
            match tag {
                1 => Some(Self::Exact(start)),
                2 => Some(Self::Floating(start)),
                3 => Some(Self::Look(start, rest.try_into().ok()?)),
                _ => None,
            }
        };
        read().unwrap_or(Self::Other)
    }
}

/// By what the parsed form of a body is kept.
pub(super) fn key_of(body: &[u8; 32]) -> [u8; 16] {
    // The first half of an array of 32 is an array of 16.
    body.first_chunk::<16>().copied().unwrap_or_default()
}

/// Cuts a text to what a record may hold of it, at the end of a character.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_index_is_read_back() {
        for spot in [Spot::Exact(-5), Spot::Floating(7), Spot::Look(i64::MAX, [9; 16]), Spot::Other] {
            assert_eq!(Spot::decode(&spot.encode()), spot);
        }
        for odd in [&b""[..], b"\x01", b"\x03\0\0\0\0\0\0\0\x01\x02", b"\x09\0\0\0\0\0\0\0\0"] {
            assert_eq!(Spot::decode(odd), Spot::Other);
        }
    }
}
