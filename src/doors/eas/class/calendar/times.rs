//! When an event is, and the zone it is told in. MS-ASCAL §2.2.2.1, §2.2.2.20, §2.2.2.42, §2.2.2.44.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caldav::{
    Component, ContentLine, Date, DateTime, LocalDateTime, Moment, Time, TimeZoneBlob, Zone, Zones,
};
use wbxml::{Element, Tag, Version};

use super::super::{CONVERSION, Refused};
use crate::doors::eas::render::parse_time;

const DAY: i64 = 86_400;
/// Times that can be told: from 1601, where Windows begins to count, to 4500, where Exchange ends.
const EARLIEST: i64 = -11_644_473_600;
const LATEST: i64 = 79_841_548_800;
/// Zones whose structure is remembered.
const REMEMBERED_MAX: usize = 512;

/// When an event is.
#[derive(Clone, Debug)]
pub(super) struct Times {
    /// Its start in seconds since 1970; of whole days, midnight in UTC.
    pub(super) start: i64,
    /// Its end.
    pub(super) end: i64,
    /// How it tells its times.
    pub(super) form: Form,
}

/// How an event tells its times.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// Whole days, wherever that is.
    Days,
    /// No zone at all: shown as if it were UTC.
    Floating,
    /// UTC.
    Utc,
    /// A zone by its TZID.
    Zoned(String, Zone),
}

impl Times {
    /// When a component is. `None` for one without a start that can be read, or beyond all times.
    pub(super) fn of(component: &Component, zones: &Zones) -> Option<Self> {
        let first = component.line("DTSTART")?.moment().ok()?;
        let form = Form::of(&first, zones);
        let utc = Zone::utc();
        let start = zones.instant(&first, &utc);
        let end = component.line("DTEND").and_then(|line| line.moment().ok());
        let duration = component.line("DURATION").and_then(|line| line.duration().ok());
        let end = match (end, duration) {
            (Some(end), _) => zones.instant(&end, &utc),
            (None, Some(length)) => {
                let day = form.after_days(start, length.days.max(0).into());
                day.saturating_add(length.seconds.max(0))
            }
            (None, None) => start,
        };
        let end = match form {
            Form::Days => end.max(start.saturating_add(DAY)),
            _ => end.max(start),
        };
        ((EARLIEST..LATEST).contains(&start) && end < LATEST).then_some(Self { start, end, form })
    }

    pub(super) fn whole_days(&self) -> bool {
        matches!(self.form, Form::Days)
    }
}

impl Form {
    pub(super) fn of(moment: &Moment, zones: &Zones) -> Self {
        match moment {
            Moment::Day(_) => Self::Days,
            Moment::At(DateTime::Utc(_)) => Self::Utc,
            Moment::At(DateTime::Floating(_)) => Self::Floating,
            Moment::At(DateTime::Zoned { tzid, .. }) => match zones.find(tzid) {
                Some(zone) => Self::Zoned(tzid.clone(), zone),
                None => Self::Floating,
            },
        }
    }

    /// The zone whose clocks it is told by.
    pub(super) fn zone(&self) -> Zone {
        match self {
            Self::Zoned(_, zone) => zone.clone(),
            _ => Zone::utc(),
        }
    }

    /// An instant in this form; of days, the one that begins at it in UTC.
    pub(super) fn moment(&self, instant: i64) -> Moment {
        match self {
            Self::Days => Moment::Day(Zone::utc().local(instant).date),
            Self::Floating => Moment::At(DateTime::Floating(Zone::utc().local(instant))),
            Self::Utc => Moment::At(DateTime::Utc(Zone::utc().local(instant))),
            Self::Zoned(tzid, zone) => {
                Moment::At(DateTime::Zoned { local: zone.local(instant), tzid: tzid.clone() })
            }
        }
    }

    /// The instant some days of the calendar later.
    fn after_days(&self, instant: i64, days: i64) -> i64 {
        let then = instant.saturating_add(days.saturating_mul(DAY));
        let zone = self.zone();
        then.saturating_add(i64::from(zone.offset_at(instant)) - i64::from(zone.offset_at(then)))
    }
}

/// `20261124T120000Z`, from seconds since 1970.
pub(super) fn compact(instant: i64) -> String {
    format!("{}Z", Zone::utc().local(instant))
}

/// An element with a time in its compact form. MS-ASDTYPE §2.7.2.
pub(super) fn compact_element(tag: Tag, instant: i64) -> Element<'static> {
    Element::leaf(tag, compact(instant))
}

/// A time as clients write it, in seconds since 1970.
pub(super) fn instant(text: &str) -> Result<i64, Refused> {
    let seconds = parse_time(text).map(|millis| millis.div_euclid(1000));
    seconds.filter(|at| (EARLIEST..LATEST).contains(at)).ok_or(Refused(CONVERSION))
}

/// The instant at which a day begins in UTC.
pub(super) fn day_start(date: Date) -> i64 {
    Zone::utc().instant(LocalDateTime { date, time: Time::MIDNIGHT })
}

/// The day that a time of an event of whole days means.
///
/// From 16.0 on it is written there, and a time behind it says nothing. Before, it is midnight in the zone
/// of the event; some clients take UTC for that, and some an hour too many or too few.
pub(super) fn day(text: &str, zone: &Zone, version: Version) -> Result<Date, Refused> {
    let bad = || Refused(CONVERSION);
    if version >= Version::V16_0 {
        let digits: String = text.trim().chars().filter(|c| *c != '-').take(8).collect();
        let date: Date = digits.parse().map_err(|_| bad())?;
        let begins = day_start(date);
        return Some(date).filter(|_| (EARLIEST..LATEST).contains(&begins)).ok_or_else(bad);
    }
    let at = instant(text)?;
    let local = zone.local(at);
    if local.time == Time::MIDNIGHT {
        return Ok(local.date);
    }
    if at.rem_euclid(DAY) == 0 {
        return Ok(Zone::utc().local(at).date);
    }
    // The midnight that is nearest.
    Ok(zone.local(at.saturating_add(DAY / 2)).date)
}

/// The structure of a zone in the year of an instant, in base64.
///
/// It is computed once for each definition: an initial synchronisation asks for the same again and again.
pub(super) fn blob(form: &Form, calendar: Option<&Component>, at: i64) -> String {
    static KNOWN: LazyLock<Mutex<HashMap<(String, u16), String>>> = LazyLock::new(Mutex::default);
    let zone = form.zone();
    let definition = match form {
        Form::Zoned(tzid, _) => calendar.and_then(|c| definition_of(c, tzid)).map(ToString::to_string),
        _ => None,
    };
    let key = (definition.unwrap_or_else(|| zone.name().to_owned()), zone.local(at).date.year());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(&key) {
        return found.clone();
    }
    drop(known);
    let written = STANDARD.encode(TimeZoneBlob::of(&zone, at).write());
    known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    // A definition of any length comes from outside.
    if key.0.len() <= 16 << 10 {
        known.insert(key, written.clone());
    }
    written
}

/// The VTIMEZONE of a TZID.
fn definition_of<'c>(calendar: &'c Component, tzid: &str) -> Option<&'c Component> {
    let mut zones = calendar.components().filter(|component| component.is("VTIMEZONE"));
    zones.find(|zone| zone.line("TZID").is_some_and(|line| line.value() == tzid))
}

/// A zone that a client names by its structure.
pub(super) struct Named {
    pub(super) form: Form,
    /// A definition that the calendar needs for it.
    pub(super) definition: Option<Component>,
}

/// The zone of a structure at an instant: the `hint` if it does the same then, one of the IANA database,
/// or as a last resort one that the structure defines.
pub(super) fn named(
    element: &Element<'_>,
    at: i64,
    hint: Option<&str>,
    calendar: &Component,
) -> Result<Named, Refused> {
    let octets =
        STANDARD.decode(element.text().unwrap_or_default().trim()).map_err(|_| Refused(CONVERSION))?;
    let blob = TimeZoneBlob::parse(&octets)?;
    let year = Zone::utc().local(at).date.year();
    let is_utc = blob.standard_date.is_none() && blob.bias + blob.standard_bias == 0;
    if is_utc && hint.is_none() {
        return Ok(Named { form: Form::Utc, definition: None });
    }
    let Some(zone) = found(&blob, &octets, year, hint) else {
        let tzid = format!("X-ActiveSync {} {}", blob.bias, hash(&octets));
        let definition = blob.definition(&tzid)?;
        let zone = Zone::defined_by(&definition).ok_or(Refused(CONVERSION))?;
        let definition = Some(definition).filter(|_| definition_of(calendar, &tzid).is_none());
        return Ok(Named { form: Form::Zoned(tzid, zone), definition });
    };
    if zone.name() == "UTC" {
        return Ok(Named { form: Form::Utc, definition: None });
    }
    let tzid = hint.filter(|hint| Zone::named(hint).is_some_and(|z| z.name() == zone.name()));
    let tzid = tzid.unwrap_or(zone.name()).to_owned();
    let defined = definition_of(calendar, &tzid).and_then(Zone::defined_by);
    match defined {
        Some(defined) => Ok(Named { form: Form::Zoned(tzid, defined), definition: None }),
        None => {
            let definition = zone.definition(&tzid, i32::from(year) - 1, None)?;
            Ok(Named { form: Form::Zoned(tzid, zone), definition: Some(definition) })
        }
    }
}

/// Whether a structure that a client sends says the same as one that it was shown, whatever it calls it.
pub(super) fn is_same_zone(sent: &Element<'_>, shown: &str) -> bool {
    let sent = sent.text().unwrap_or_default().trim();
    let read = |text: &str| TimeZoneBlob::parse(&STANDARD.decode(text).ok()?).ok();
    let bare = |blob: TimeZoneBlob| TimeZoneBlob {
        standard_name: String::new(),
        daylight_name: String::new(),
        ..blob
    };
    sent == shown || read(sent).map(bare).is_some_and(|sent| read(shown).map(bare) == Some(sent))
}

/// [`TimeZoneBlob::find`], remembered: clients name the same zone in every event.
fn found(blob: &TimeZoneBlob, octets: &[u8], year: u16, hint: Option<&str>) -> Option<Zone> {
    type Key = (Vec<u8>, u16, Option<String>);
    static KNOWN: LazyLock<Mutex<HashMap<Key, Option<Zone>>>> = LazyLock::new(Mutex::default);
    let hint = hint.filter(|hint| hint.len() <= 255);
    let key = (octets.to_vec(), year, hint.map(str::to_owned));
    if let Some(known) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return known.clone();
    }
    let zone = blob.find(year.into(), hint);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(key, zone.clone());
    zone
}

fn hash(octets: &[u8]) -> String {
    let sum = octets.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}")
}

/// Puts a start and an end in the places of those that are there, where they say something else.
pub(super) fn put(component: &mut Component, zones: &Zones, times: &Times) -> Result<(), Refused> {
    let (start, end) = (times.form.moment(times.start), times.form.moment(times.end));
    let had = Times::of(component, zones);
    let form_stays = had.as_ref().is_some_and(|had| {
        let (old, new) = (had.form.moment(had.start), times.form.moment(had.start));
        old == new && had.whole_days() == times.whole_days()
    });
    if !form_stays || had.as_ref().is_some_and(|had| had.start != times.start) {
        set_moment(component, "DTSTART", &start)?;
    }
    if !form_stays || had.is_none_or(|had| had.end != times.end || had.start != times.start) {
        set_moment(component, "DTEND", &end)?;
        component.remove("DURATION");
    }
    Ok(())
}

/// Sets a moment, where the property does not hold it yet.
pub(super) fn set_moment(component: &mut Component, name: &str, moment: &Moment) -> Result<(), Refused> {
    let had = component.line(name).and_then(|line| ContentLine::moment(line).ok());
    if had.as_ref() != Some(moment) {
        component.set(moment.line(name)?);
    }
    Ok(())
}
