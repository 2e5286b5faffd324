//! The instances of an event, to-do or journal entry. RFC 5545 §3.8.4.4, §3.8.5.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::days::{wall_of, wall_of_day};
use super::rule::{Rule, RuleEnd};
use super::timing::{Form, Length, Timing};
use super::walk::{Budget, DAY, Walk, Wall, day_of};
use crate::{Component, ContentLine, DateTime, Invalid, Moment, Zone, Zones};

/// Rules of one component.
const RULES_MAX: usize = 20;

/// Dates of one component that are written one by one: added ones, and as many left out.
const DATES_MAX: usize = 20_000;

const TOO_MANY_DATES: Invalid = Invalid("there are too many dates of recurrence");

/// A component with everything that has its UID: what recurs, and the instances that differ.
///
/// Instants are seconds since 1970-01-01T00:00:00Z. Whole days and floating times become instants by a
/// zone that the caller passes, that of who looks.
///
/// DTSTART is an instance whether the rules have it or not. Local times that a zone leaves out or has
/// twice are taken as RFC 5545 §3.3.5 has it, and two that are the same instant are one instance.
///
/// ```
/// use caldav::{Bounds, Object, Series, Zone};
///
/// let object = Object::parse(
///     b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20261124T100000\nDURATION:PT1H\n\
///       RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;TZID=Europe/Berlin:20261201T100000\nEND:VEVENT\nEND:VCALENDAR\n",
/// )?;
/// let series = Series::all(object.calendar().unwrap()).remove(0)?;
/// let all = series.expand(0..i64::MAX, &Zone::utc(), &Bounds::default());
/// let starts: Vec<_> = all.instances.iter().map(|instance| instance.local_start.to_string()).collect();
/// assert_eq!(starts, ["20261124T100000", "20261208T100000"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Series {
    uid: String,
    kind: String,
    zones: Zones,
    master: Option<Master>,
    /// Sorted by RECURRENCE-ID.
    overrides: Vec<Override>,
}

/// What an expansion may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Instances in the answer.
    pub instances: usize,
    /// Steps of walking along rules.
    pub steps: u64,
}

/// The instances within a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expansion {
    /// By their starts.
    pub instances: Vec<Instance>,
    /// There may be more, since a bound was reached.
    pub truncated: bool,
}

/// One instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Its first second.
    pub start: i64,
    /// The second after its last; its start when it takes no time.
    pub end: i64,
    /// Its start as its component has it.
    pub local_start: Moment,
    /// Its end in the same form.
    pub local_end: Moment,
    /// Which instance of the series it is; `None` for what does not recur.
    pub recurrence_id: Option<Moment>,
    /// Which of the calendar's components describes it.
    pub component: usize,
}

/// From when to when a series reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// No instance starts before.
    pub start: i64,
    /// No instance ends after; `None` for a series without end, or one whose end takes too long to find.
    pub end: Option<i64>,
}

#[derive(Debug)]
struct Master {
    timing: Timing,
    rules: Vec<Rule>,
    excluding: Vec<Rule>,
    extra: Vec<(Moment, Length)>,
    excluded: Vec<Moment>,
}

#[derive(Debug)]
struct Override {
    id: Moment,
    and_future: bool,
    timing: Timing,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { instances: 10_000, steps: 500_000 }
    }
}

impl Series {
    /// The series of a VCALENDAR in the order in which they first stand there; an error for each that
    /// cannot be understood, which leaves the others alone.
    pub fn all(calendar: &Component) -> Vec<Result<Self, Invalid>> {
        let zones = Zones::of(calendar);
        let mut order: Vec<(String, String)> = Vec::new();
        let mut members: BTreeMap<(String, String), Vec<(usize, &Component)>> = BTreeMap::new();
        for (n, component) in calendar.components().enumerate() {
            if !["VEVENT", "VTODO", "VJOURNAL"].iter().any(|name| component.is(name)) {
                continue;
            }
            let uid = component.line("UID").map_or("", ContentLine::value).to_owned();
            let key = (component.name().to_ascii_uppercase(), uid);
            let found = members.entry(key.clone()).or_default();
            if found.is_empty() {
                order.push(key);
            }
            found.push((n, component));
        }
        order.into_iter().map(|key| Self::of(&zones, members.remove(&key).unwrap_or_default(), key)).collect()
    }

    fn of(
        zones: &Zones,
        members: Vec<(usize, &Component)>,
        (kind, uid): (String, String),
    ) -> Result<Self, Invalid> {
        let mut series = Self { uid, kind, zones: zones.clone(), master: None, overrides: Vec::new() };
        for (n, component) in members {
            match component.line("RECURRENCE-ID") {
                Some(id) => {
                    let range = id.parameter("RANGE");
                    let and_future = range.is_some_and(|r| r.eq_ignore_ascii_case("THISANDFUTURE"));
                    let timing = Timing::of(n, component, zones)?;
                    series.overrides.push(Override { id: id.moment()?, and_future, timing });
                }
                // The first counts; a second one is not allowed.
                None if series.master.is_none() => series.master = Some(Master::of(n, component, zones)?),
                None => {}
            }
        }
        let reference = Zone::utc();
        series.overrides.sort_by_cached_key(|o| zones.instant(&o.id, &reference));
        Ok(series)
    }

    /// The UID that all of it has.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// VEVENT, VTODO or VJOURNAL.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// True when there are or may be instances beyond the first.
    pub fn recurs(&self) -> bool {
        self.master.as_ref().is_some_and(Master::recurs) || !self.overrides.is_empty()
    }

    /// The instances that overlap a range of instants. RFC 4791 §9.9: one that takes no time overlaps when
    /// it starts within.
    ///
    /// What it takes grows with the range and is bounded, however far that is from DTSTART.
    pub fn expand(&self, range: Range<i64>, floating: &Zone, bounds: &Bounds) -> Expansion {
        let mut all = self.gather(range, floating, bounds);
        all.instances.sort_by_key(|instance| (instance.start, instance.end, instance.component));
        all.truncated |= all.instances.len() > bounds.instances;
        all.instances.truncate(bounds.instances);
        all
    }

    /// As [`Series::expand`], in no order and with all overrides, whatever bound the rules reach.
    pub(crate) fn gather(&self, range: Range<i64>, floating: &Zone, bounds: &Bounds) -> Expansion {
        let mut out = Collector { range, bounds, found: Vec::new(), full: false };
        let mut budget = Budget::new(bounds.steps);
        for changed in &self.overrides {
            let timing = &changed.timing;
            out.take(timing.instance(timing.start, timing.length, Some(changed.id.clone()), floating));
        }
        if let Some(master) = &self.master {
            self.expand_master(master, floating, &mut budget, &mut out);
        }
        Expansion { instances: out.found, truncated: budget.exhausted || out.full }
    }

    /// The zones that its object's TZIDs stand for.
    pub(crate) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// From when to when it reaches, for an index of what may overlap a range.
    pub fn span(&self, floating: &Zone, bounds: &Bounds) -> Option<Span> {
        let mut starts = Vec::new();
        let mut ends = Vec::new();
        let mut add = |instance: Instance| {
            starts.push(instance.start);
            ends.push(instance.end);
        };
        for changed in &self.overrides {
            add(changed.timing.instance(changed.timing.start, changed.timing.length, None, floating));
        }
        let mut endless = false;
        if let Some(master) = &self.master {
            let timing = &master.timing;
            add(timing.instance(timing.start, timing.length, None, floating));
            for (moment, length) in &master.extra {
                let wall = timing.form.wall(moment, &self.zones, floating);
                add(timing.instance(wall, *length, None, floating));
            }
            for rule in &master.rules {
                match last_of(rule, timing, bounds) {
                    // A rule's last instance may belong to a later form of the series.
                    Some(last) => {
                        add(timing.instance(last, timing.length, None, floating));
                        for future in self.overrides.iter().filter(|o| o.and_future) {
                            let (shift, length) = self.shift(future, &timing.form, floating);
                            add(timing.instance(last.saturating_add(shift), length, None, floating));
                        }
                    }
                    None => endless = true,
                }
            }
        }
        let start = starts.into_iter().min()?;
        Some(Span { start, end: ends.into_iter().max().filter(|_| !endless) })
    }

    fn expand_master(&self, master: &Master, floating: &Zone, budget: &mut Budget, out: &mut Collector<'_>) {
        let form = &master.timing.form;
        let wall = |moment: &Moment| form.wall(moment, &self.zones, floating);
        let future: Vec<_> = self.overrides.iter().filter(|o| o.and_future).collect();
        let mut future: Vec<(Wall, Wall, Length, usize)> = future
            .into_iter()
            .map(|o| {
                let (shift, length) = self.shift(o, form, floating);
                (wall(&o.id), shift, length, o.timing.component)
            })
            .collect();
        future.sort_by_key(|f| f.0);
        // How far before and after the range an instance may have been before it was moved.
        let lengths = future.iter().map(|f| f.2).chain([master.timing.length]);
        let longest = lengths.map(Length::most).max().unwrap_or(0);
        let moved = future.iter().map(|f| f.1.abs()).max().unwrap_or(0);
        // A day is more than any zone's clocks have been moved at once.
        let from = form.wall_at(out.range.start, floating);
        let from = from.saturating_sub(longest).saturating_sub(moved).saturating_sub(DAY);
        let to = form.wall_at(out.range.end, floating).saturating_add(moved).saturating_add(DAY);

        let mut excluded = Excluded::default();
        for moment in &master.excluded {
            match (moment, form) {
                (Moment::Day(date), Form::Days) => drop(excluded.walls.insert(wall_of_day(*date))),
                (Moment::Day(date), _) => drop(excluded.days.insert(day_of(wall_of_day(*date)))),
                (moment, _) => drop(excluded.walls.insert(wall(moment))),
            }
        }
        excluded.walls.extend(self.overrides.iter().map(|o| wall(&o.id)));
        for rule in &master.excluding {
            let mut walk = Walk::new(rule, master.timing.start, to, from, budget).without_start();
            while let Some(wall) = walk.next(budget) {
                excluded.walls.insert(wall);
            }
        }

        let mut seen: HashSet<i64> = HashSet::new();
        let recurs = master.recurs();
        let mut take = |wall: Wall, own: Length, out: &mut Collector<'_>| {
            if excluded.has(wall) || !seen.insert(form.instant(wall, floating)) {
                return;
            }
            let id = recurs.then(|| form.moment(wall));
            let last = future.partition_point(|f| f.0 <= wall).checked_sub(1);
            let mut instance = match last.and_then(|n| future.get(n)) {
                Some((_, shift, length, component)) => {
                    let start = wall.saturating_add(*shift);
                    Instance { component: *component, ..master.timing.instance(start, *length, id, floating) }
                }
                None => master.timing.instance(wall, own, id, floating),
            };
            instance.end = instance.end.max(instance.start);
            out.take(instance);
        };
        let own = master.timing.length;
        if master.rules.is_empty() {
            take(master.timing.start, own, out);
        }
        // An RDATE with a length of its own says more than a rule that has the same time.
        for (moment, length) in &master.extra {
            take(wall(moment), *length, out);
        }
        for rule in &master.rules {
            let until = Until::of(rule, form);
            let mut walk = Walk::new(rule, master.timing.start, to.min(until.latest()), from, budget);
            let mut count = 0_usize;
            while let Some(wall) = walk.next(budget) {
                if !until.allows(wall, form, floating) {
                    continue;
                }
                let before = out.found.len();
                take(wall, own, out);
                count += out.found.len() - before;
                if count > out.bounds.instances {
                    out.full = true;
                    break;
                }
            }
        }
    }

    /// How far an override for all the future moves them, and how long they are then.
    fn shift(&self, changed: &Override, form: &Form, floating: &Zone) -> (Wall, Length) {
        let timing = &changed.timing;
        let start = match &timing.form {
            Form::Days => timing.start,
            other => form.wall(&other.moment(timing.start), &self.zones, floating),
        };
        (start.saturating_sub(form.wall(&changed.id, &self.zones, floating)), timing.length)
    }
}

#[derive(Default)]
struct Excluded {
    walls: HashSet<Wall>,
    days: HashSet<i32>,
}

impl Excluded {
    fn has(&self, wall: Wall) -> bool {
        self.walls.contains(&wall) || (!self.days.is_empty() && self.days.contains(&day_of(wall)))
    }
}

struct Collector<'b> {
    range: Range<i64>,
    bounds: &'b Bounds,
    found: Vec<Instance>,
    full: bool,
}

impl Collector<'_> {
    /// Keeps an instance that is within the range.
    fn take(&mut self, instance: Instance) {
        let starts = self.range.contains(&instance.start);
        let overlaps = instance.start < self.range.end && instance.end > self.range.start;
        if (instance.start == instance.end && starts) || (instance.start != instance.end && overlaps) {
            self.found.push(instance);
        }
    }
}

/// UNTIL, as it is compared.
enum Until {
    No,
    Day(i32),
    Instant(i64),
    Wall(Wall),
}

impl Until {
    fn of(rule: &Rule, form: &Form) -> Self {
        match (&rule.end, form) {
            (RuleEnd::Never | RuleEnd::Count(_), _) => Self::No,
            (RuleEnd::Until(Moment::Day(day)), _) => Self::Day(day_of(wall_of_day(*day))),
            (RuleEnd::Until(Moment::At(DateTime::Utc(utc))), Form::Zoned(_, Some(_))) => {
                Self::Instant(wall_of(*utc))
            }
            (RuleEnd::Until(Moment::At(time)), Form::Days) => Self::Day(day_of(wall_of(time.local()))),
            (RuleEnd::Until(Moment::At(time)), _) => Self::Wall(wall_of(time.local())),
        }
    }

    /// No wall after this is allowed.
    fn latest(&self) -> Wall {
        match self {
            Self::No => Wall::MAX,
            Self::Day(day) => (i64::from(*day) + 1) * DAY - 1,
            Self::Instant(instant) => instant.saturating_add(2 * DAY),
            Self::Wall(wall) => *wall,
        }
    }

    fn allows(&self, wall: Wall, form: &Form, floating: &Zone) -> bool {
        match self {
            Self::Instant(instant) => form.instant(wall, floating) <= *instant,
            _ => wall <= self.latest(),
        }
    }
}

/// The last instance of a rule, or one after it; `None` when it has no end, or none that is soon found.
fn last_of(rule: &Rule, timing: &Timing, bounds: &Bounds) -> Option<Wall> {
    match rule.end {
        RuleEnd::Never => None,
        RuleEnd::Until(_) => Some(Until::of(rule, &timing.form).latest().max(timing.start)),
        RuleEnd::Count(_) => {
            let mut budget = Budget::new(bounds.steps);
            let mut walk = Walk::new(rule, timing.start, Wall::MAX, timing.start, &mut budget);
            let mut last = timing.start;
            while let Some(wall) = walk.next(&mut budget) {
                last = wall;
            }
            (!budget.exhausted).then_some(last)
        }
    }
}

impl Master {
    fn of(n: usize, component: &Component, zones: &Zones) -> Result<Self, Invalid> {
        let timing = Timing::of(n, component, zones)?;
        if component.lines().filter(|line| line.is("RRULE") || line.is("EXRULE")).count() > RULES_MAX {
            return Err(Invalid("there are too many recurrence rules"));
        }
        let rules = |name| component.lines_named(name).map(|line| line.value().parse::<Rule>());
        let mut extra = Vec::new();
        for line in component.lines_named("RDATE") {
            if line.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("PERIOD")) {
                for period in line.periods()? {
                    extra.push((Moment::At(period.start().clone()), Length::of(&period, zones)));
                }
            } else {
                extra.extend(line.moments()?.into_iter().map(|moment| (moment, timing.length)));
            }
            if extra.len() > DATES_MAX {
                return Err(TOO_MANY_DATES);
            }
        }
        let mut excluded = Vec::new();
        for line in component.lines_named("EXDATE") {
            excluded.extend(line.moments()?);
            if excluded.len() > DATES_MAX {
                return Err(TOO_MANY_DATES);
            }
        }
        let (rules, excluding) =
            (rules("RRULE").collect::<Result<_, _>>()?, rules("EXRULE").collect::<Result<_, _>>()?);
        Ok(Self { timing, rules, excluding, extra, excluded })
    }

    fn recurs(&self) -> bool {
        !self.rules.is_empty() || !self.extra.is_empty()
    }
}
