//! When a task begins and is due. A phone says each date twice, in UTC and by its own clock, and not in
//! which zone that is. MS-ASTASK §2.2.2.12, §2.2.2.26, §2.2.2.31, §2.2.2.32.

use caldav::{Component, DateTime, LocalDateTime, Moment, Parameter, Time, Zone, Zones};
use wbxml::{Element, Tag, tasks};

use super::super::{CONVERSION, Change, Refused, Said};
use crate::doors::eas::render::{dashed, parse_time};

/// The properties, each with its element in UTC and the one by the phone's clock.
pub(super) const DATES: [(&str, Tag, Tag); 2] =
    [("DTSTART", tasks::UTC_START_DATE, tasks::START_DATE), ("DUE", tasks::UTC_DUE_DATE, tasks::DUE_DATE)];

/// Where the time in UTC is kept of a date that does not tell it itself.
const UTC: &str = "X-FOLKMOOT-UTC";
/// No clock is further from UTC, in seconds: one beyond belongs to another date.
const OFFSET_MAX: i64 = 14 * 3600;

/// A date as a phone says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pair {
    /// In UTC.
    pub(super) utc: LocalDateTime,
    /// By the phone's clock.
    pub(super) local: LocalDateTime,
}

impl Pair {
    /// The date that a property holds.
    pub(super) fn of(task: &Component, name: &str, zones: &Zones) -> Option<Self> {
        let line = task.line(name)?;
        let moment = line.moment().ok()?;
        let kept = line.parameter(UTC).and_then(|utc| utc.strip_suffix('Z')?.parse().ok());
        Some(Self::with(&moment, kept, zones))
    }

    fn with(moment: &Moment, kept: Option<LocalDateTime>, zones: &Zones) -> Self {
        let local = local_of(moment);
        let near = |utc: &LocalDateTime| (seconds(*utc) - seconds(local)).abs() <= OFFSET_MAX;
        let utc = match moment {
            Moment::At(DateTime::Zoned { tzid, .. }) => zones.find(tzid).map(|zone| zone.instant(local)),
            _ => None,
        };
        let utc = utc.map(|instant| Zone::utc().local(instant)).or(kept.filter(near));
        Self { utc: utc.unwrap_or(local), local }
    }
}

pub(super) fn local_of(moment: &Moment) -> LocalDateTime {
    match moment {
        Moment::Day(date) => LocalDateTime { date: *date, time: Time::MIDNIGHT },
        Moment::At(time) => time.local(),
    }
}

/// Seconds since 1970, as if of UTC.
pub(super) fn seconds(time: LocalDateTime) -> i64 {
    Zone::utc().instant(time)
}

/// `2026-11-24T12:00:00.000Z`, from what clocks show.
pub(super) fn dashed_of(time: LocalDateTime) -> String {
    dashed(seconds(time).saturating_mul(1_000))
}

/// What clocks show in an element with a date.
pub(super) fn sent(element: &Element<'_>) -> Result<LocalDateTime, Refused> {
    let millis = element.text().and_then(parse_time).ok_or(Refused(CONVERSION))?;
    let time = Zone::utc().local(millis.div_euclid(1_000));
    // Beyond the years that a date may have, another one comes out.
    if seconds(time) == millis.div_euclid(1_000) { Ok(time) } else { Err(Refused(CONVERSION)) }
}

/// Takes over both dates.
pub(super) fn apply(task: &mut Component, zones: &Zones, change: &Change<'_>) -> Result<(), Refused> {
    for (name, utc, local) in DATES {
        let had = Pair::of(task, name, zones);
        let pair = match (said(change, utc)?, said(change, local)?) {
            (None, None) => continue,
            (None | Some(None), None | Some(None)) => None,
            // One alone stands for both.
            (Some(Some(utc)), Some(Some(local))) => Some(Pair { utc, local }),
            (Some(Some(one)), _) | (_, Some(Some(one))) => Some(Pair { utc: one, local: one }),
        };
        if pair == had {
            continue;
        }
        match pair {
            None => drop(task.remove(name)),
            Some(pair) => set(task, name, pair, zones)?,
        }
    }
    Ok(())
}

type SaidDate = Option<Option<LocalDateTime>>;

fn said(change: &Change<'_>, tag: Tag) -> Result<SaidDate, Refused> {
    match change.said(tag) {
        Said::Leave => Ok(None),
        Said::Gone => Ok(Some(None)),
        Said::Is(element) if element.is_empty() => Ok(Some(None)),
        Said::Is(element) => Ok(Some(Some(sent(element)?))),
    }
}

/// Puts a date into a property: in the zone that it has, if that is the phone's; else as a day, where the
/// phone means one, or a time that is the same on every clock.
pub(super) fn set(task: &mut Component, name: &str, pair: Pair, zones: &Zones) -> Result<(), Refused> {
    let zoned = match task.line(name).and_then(|line| line.moment().ok()) {
        Some(Moment::At(DateTime::Zoned { tzid, .. })) => {
            let moment = Moment::At(DateTime::Zoned { local: pair.local, tzid });
            Some(moment).filter(|moment| Pair::with(moment, None, zones) == pair)
        }
        _ => None,
    };
    let moment = zoned.unwrap_or_else(|| match pair.local.time == Time::MIDNIGHT {
        true => Moment::Day(pair.local.date),
        false if pair.utc == pair.local => Moment::At(DateTime::Utc(pair.utc)),
        false => Moment::At(DateTime::Floating(pair.local)),
    });
    put(task, name, &moment, pair, zones)
}

fn put(task: &mut Component, name: &str, moment: &Moment, pair: Pair, zones: &Zones) -> Result<(), Refused> {
    let mut line = moment.line(name)?;
    if Pair::with(moment, None, zones) != pair {
        line.push(Parameter::new(UTC, [format!("{}Z", pair.utc).as_str()])?);
    }
    task.replace(line);
    Ok(())
}

/// Both dates are days, or both are times. RFC 5545 §3.8.2.3.
pub(super) fn agree(task: &mut Component) -> Result<(), Refused> {
    let moment = |task: &Component, name: &str| task.line(name).and_then(|line| line.moment().ok());
    let both = (moment(task, "DTSTART"), moment(task, "DUE"));
    let name = match both {
        (Some(Moment::Day(_)), Some(Moment::At(_))) => "DTSTART",
        (Some(Moment::At(_)), Some(Moment::Day(_))) => "DUE",
        _ => return Ok(()),
    };
    let (zones, none) = (Zones::default(), Pair::of(task, name, &Zones::default()));
    let Some(pair) = none else { return Ok(()) };
    put(task, name, &Moment::At(DateTime::Floating(pair.local)), pair, &zones)
}
