//! When a component of a meeting is, and its single instances.

use std::collections::BTreeSet;

use crate::recur::local_of;
use crate::{Bounds, Component, ContentLine, DateTime, Invalid, Moment, Object, Rule, Series, Zone, Zones};

/// When something is: what an attendee's answer is about. RFC 6638 §3.2.8.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct When {
    start: Option<i64>,
    end: Option<i64>,
    whole_days: bool,
    /// The zone matters to what recurs.
    tzid: Option<String>,
    rules: BTreeSet<String>,
    dates: BTreeSet<String>,
}

impl When {
    pub(super) fn of(part: &Component, zones: &Zones) -> Self {
        let utc = Zone::utc();
        let moment = |name: &str| part.line(name).and_then(|line| line.moment().ok());
        let start = moment("DTSTART");
        let instant = |moment: &Moment| zones.instant(moment, &utc);
        let whole_days = matches!(start, Some(Moment::Day(_)));
        let duration = part.line("DURATION").and_then(|line| line.duration().ok());
        let end = moment("DTEND").or_else(|| moment("DUE")).as_ref().map(instant).or_else(|| {
            let start = start.as_ref().map(instant)?;
            let length = match duration {
                Some(duration) => i64::from(duration.days) * 86_400 + duration.seconds,
                None if whole_days => 86_400,
                None => 0,
            };
            Some(start.saturating_add(length))
        });
        let rules = ["RRULE", "EXRULE"].into_iter().flat_map(|name| {
            part.lines_named(name).map(move |line| {
                let rule = line.value().parse::<Rule>();
                format!("{name}:{}", rule.map_or_else(|_| line.value().to_owned(), |rule| rule.to_string()))
            })
        });
        let rules: BTreeSet<String> = rules.collect();
        let dates: BTreeSet<String> = part.lines_named("RDATE").map(|line| line.value().to_owned()).collect();
        let recurs = !rules.is_empty() || !dates.is_empty();
        let tzid = match &start {
            Some(Moment::At(time)) if recurs => {
                let zone = time.tzid().and_then(|tzid| zones.find(tzid));
                zone.map(|zone| zone.name().to_owned()).or_else(|| time.tzid().map(str::to_owned))
            }
            _ => None,
        };
        Self { start: start.as_ref().map(instant), end, whole_days, tzid, rules, dates }
    }

    /// Which properties differ, by name.
    pub(super) fn differs(&self, other: &Self) -> BTreeSet<String> {
        let start = (self.start, self.whole_days, &self.tzid) != (other.start, other.whole_days, &other.tzid);
        let differing = [
            ("DTSTART", start),
            ("DTEND", self.end != other.end),
            ("RRULE", self.rules != other.rules),
            ("RDATE", self.dates != other.dates),
        ];
        differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
    }
}

/// The instants of EXDATE.
pub(super) fn excluded(part: &Component, zones: &Zones) -> BTreeSet<i64> {
    let utc = Zone::utc();
    let moments = part.lines_named("EXDATE").filter_map(|line| line.moments().ok()).flatten();
    moments.map(|moment| zones.instant(&moment, &utc)).collect()
}

/// The moment of an instance in the form that the master's DTSTART has.
pub(super) fn moment_like(start: &Moment, id: i64, zones: &Zones) -> Moment {
    match start {
        Moment::Day(_) => Moment::Day(local_of(id).date),
        Moment::At(DateTime::Zoned { tzid, .. }) => {
            let zone = zones.find(tzid).unwrap_or_else(Zone::utc);
            Moment::At(DateTime::Zoned { local: zone.local(id), tzid: tzid.clone() })
        }
        Moment::At(DateTime::Floating(_)) => Moment::At(DateTime::Floating(local_of(id))),
        Moment::At(DateTime::Utc(_)) => Moment::At(DateTime::Utc(local_of(id))),
    }
}

/// The instance of a series at `id` as a component of its own: the master with the times of that instance.
pub(super) fn occurrence(master: &Component, id: i64, zones: &Zones) -> Result<Component, Invalid> {
    let start_line = master.line("DTSTART").ok_or(Invalid("a component has a start"))?;
    let start = start_line.moment()?;
    let shift = id.saturating_sub(zones.instant(&start, &Zone::utc()));
    let mut part = master.clone();
    part.retain_lines(|line| !["RRULE", "RDATE", "EXDATE", "EXRULE"].iter().any(|name| line.is(name)));
    let at = moment_like(&start, id, zones);
    part.replace(at.line("DTSTART")?);
    for name in ["DTEND", "DUE"] {
        if let Some(end) = master.line(name) {
            let end = end.moment()?;
            let moved = zones.instant(&end, &Zone::utc()).saturating_add(shift);
            part.replace(moment_like(&end, moved, zones).line(name)?);
        }
    }
    part.push(at.line("RECURRENCE-ID")?);
    Ok(part)
}

/// Whether a series has an instance at `id`, also one that was moved elsewhere.
pub(super) fn has_instance(object: &Object, id: i64) -> bool {
    let Some(calendar) = object.calendar() else { return false };
    let mut series = Series::all(calendar).into_iter().flatten();
    series.any(|series| {
        // Seen without the instances that differ, each is where the rules put it.
        let all = series.expand(id..id.saturating_add(1), &Zone::utc(), &Bounds::default());
        all.instances.iter().any(|instance| instance.start == id)
    })
}

/// An EXDATE for the instance at `id`, in the form of the master's DTSTART.
pub(super) fn exdate(master: &Component, id: i64, zones: &Zones) -> Result<ContentLine, Invalid> {
    let start = master.line("DTSTART").ok_or(Invalid("a component has a start"))?.moment()?;
    moment_like(&start, id, zones).line("EXDATE")
}

/// A property that holds an instant in UTC.
pub(super) fn stamp_line(name: &str, at: i64) -> Result<ContentLine, Invalid> {
    ContentLine::new(name, DateTime::Utc(local_of(at)).to_string())
}

/// Whether all of an object ended before an instant.
pub(super) fn ended_before(object: &Object, at: i64) -> bool {
    let Some(calendar) = object.calendar() else { return false };
    let mut series = Series::all(calendar).into_iter().peekable();
    series.peek().is_some()
        && series.all(|series| {
            let span = series.ok().and_then(|series| series.span(&Zone::utc(), &Bounds::default()));
            span.is_some_and(|span| span.end.is_some_and(|end| end < at))
        })
}
