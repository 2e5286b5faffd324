//! The definition of a zone in an object. RFC 5545 §3.6.5.

use std::sync::{Mutex, PoisonError};

use crate::recur::{Budget, Frequency, Rule, RuleEnd, Walk, Wall, wall_of};
use crate::{Component, Moment};

/// Observances of one zone; a zone with more is refused.
const OBSERVANCES_MAX: usize = 500;
/// Onsets of one zone that are written one by one.
const ONSETS_MAX: usize = 5_000;
/// Rules of one zone; each is asked for every change of offset.
const RULES_MAX: usize = 100;
/// Steps for one look at one rule: a year takes ten.
const STEPS: u64 = 5_000;
/// A little more than a year: how far from an instant an onset is looked for first.
const NEAR: i64 = 400 * 86_400;

/// The observances of a VTIMEZONE with what was last asked of them.
pub(super) struct Observances {
    all: Vec<Observance>,
    /// What holds before the first onset.
    before: i32,
    known: Mutex<Vec<Known>>,
}

/// STANDARD or DAYLIGHT: from each of its onsets on, the offset is `to`.
struct Observance {
    from: i32,
    to: i32,
    start: Wall,
    /// Instants of DTSTART and RDATE, sorted.
    onsets: Vec<i64>,
    /// With UNTIL as an instant.
    rules: Vec<(Rule, i64)>,
}

/// An offset that holds from one instant to before another.
#[derive(Clone, Copy)]
struct Known {
    from: i64,
    to: i64,
    offset: i32,
}

impl Observances {
    /// `None` for a definition that is broken, or has rules as no zone has them.
    pub(super) fn of(zone: &Component) -> Option<Self> {
        let mut all: Vec<Observance> = Vec::new();
        let (mut onsets, mut rules) = (0, 0);
        for component in zone.components().filter(|c| c.is("STANDARD") || c.is("DAYLIGHT")) {
            let observance = Observance::of(component)?;
            onsets += observance.onsets.len();
            rules += observance.rules.len();
            if all.len() == OBSERVANCES_MAX || onsets > ONSETS_MAX || rules > RULES_MAX {
                return None;
            }
            all.push(observance);
        }
        let first = all.iter().min_by_key(|observance| observance.onsets.first())?;
        let before = first.from;
        Some(Self { all, before, known: Mutex::default() })
    }

    pub(super) fn offset_at(&self, instant: i64) -> i32 {
        // A list of offsets: nothing that a panic could leave half done.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hit) = known.iter().find(|known| (known.from..known.to).contains(&instant)) {
            return hit.offset;
        }
        let last =
            self.all.iter().filter_map(|o| Some((o.last_onset(instant)?, o.to))).max_by_key(|(at, _)| *at);
        let (from, offset) = last.unwrap_or((i64::MIN, self.before));
        let next = self.all.iter().filter_map(|o| o.next_onset(instant)).min();
        let to = next.unwrap_or_else(|| instant.saturating_add(NEAR));
        if known.len() >= 8 {
            known.remove(0);
        }
        known.push(Known { from, to, offset });
        offset
    }
}

impl Observance {
    fn of(component: &Component) -> Option<Self> {
        let offset = |name| component.line(name)?.utc_offset().ok();
        let (from, to) = (offset("TZOFFSETFROM")?, offset("TZOFFSETTO")?);
        let wall = |moment: &Moment| match moment {
            Moment::At(time) => Some(wall_of(time.local())),
            Moment::Day(_) => None,
        };
        let start = wall(&component.line("DTSTART")?.moment().ok()?)?;
        let mut onsets = vec![start - i64::from(from)];
        for line in component.lines_named("RDATE") {
            if line.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("PERIOD")) {
                return None;
            }
            for moment in line.moments().ok()?.iter().take(ONSETS_MAX + 1) {
                onsets.push(wall(moment)? - i64::from(from));
            }
        }
        let mut rules = Vec::new();
        for line in component.lines_named("RRULE").take(10) {
            let rule: Rule = line.value().parse().ok()?;
            if is_excessive(&rule) {
                return None;
            }
            let until = match &rule.end {
                RuleEnd::Never => i64::MAX,
                RuleEnd::Until(Moment::Day(day)) => {
                    crate::recur::wall_of_day(*day) + 86_399 - i64::from(from)
                }
                RuleEnd::Until(Moment::At(crate::DateTime::Utc(utc))) => wall_of(*utc),
                RuleEnd::Until(Moment::At(time)) => wall_of(time.local()) - i64::from(from),
                RuleEnd::Count(_) => {
                    onsets.extend(counted(&rule, start)?.iter().map(|wall| wall - i64::from(from)));
                    continue;
                }
            };
            // One that never has an onset after DTSTART would be looked for in vain each time.
            let mut budget = Budget::new(STEPS);
            let mut walk = Walk::new(&rule, start, i64::MAX, start, &mut budget);
            if walk.next(&mut budget).and_then(|_| walk.next(&mut budget)).is_some() {
                rules.push((rule, until));
            }
        }
        onsets.sort_unstable();
        Some(Self { from, to, start, onsets, rules })
    }

    fn last_onset(&self, instant: i64) -> Option<i64> {
        let single = self.onsets.partition_point(|onset| *onset <= instant).checked_sub(1);
        let single = single.and_then(|n| self.onsets.get(n).copied());
        let ruled = self.rules.iter().filter_map(|(rule, until)| self.last_by(rule, instant.min(*until)));
        ruled.chain(single).max()
    }

    fn last_by(&self, rule: &Rule, instant: i64) -> Option<i64> {
        let to = instant.saturating_add(self.from.into());
        if to < self.start {
            return None;
        }
        let mut back = NEAR;
        let mut budget = Budget::new(STEPS);
        loop {
            let from = to.saturating_sub(back);
            let mut walk = Walk::new(rule, self.start, to, from, &mut budget);
            let mut last = None;
            while let Some(wall) = walk.next(&mut budget) {
                last = Some(wall);
            }
            // A rule that has had no onset for hundreds of years has none.
            if last.is_some() || from <= self.start || budget.exhausted {
                return last.map(|wall| wall - i64::from(self.from));
            }
            back = back.saturating_mul(4);
        }
    }

    /// The next onset, if there is one within [`NEAR`].
    fn next_onset(&self, instant: i64) -> Option<i64> {
        let single = self.onsets.get(self.onsets.partition_point(|onset| *onset <= instant)).copied();
        let ruled = self.rules.iter().filter_map(|(rule, until)| {
            let from = instant.saturating_add(i64::from(self.from) + 1);
            let to = instant.saturating_add(NEAR).min(*until).saturating_add(self.from.into());
            let mut budget = Budget::new(STEPS);
            let next = Walk::new(rule, self.start, to, from, &mut budget).next(&mut budget)?;
            Some(next - i64::from(self.from))
        });
        ruled.chain(single).min()
    }
}

/// Rules that say more than some days of a month and one time of day belong to no zone.
fn is_excessive(rule: &Rule) -> bool {
    rule.frequency < Frequency::Monthly
        || !rule.by_week_no.is_empty()
        || !rule.by_year_day.is_empty()
        || rule.by_hour.len() > 1
        || rule.by_minute.len() > 1
        || rule.by_second.len() > 1
}

fn counted(rule: &Rule, start: Wall) -> Option<Vec<Wall>> {
    let mut budget = Budget::new(STEPS);
    let mut walk = Walk::new(rule, start, i64::MAX, start, &mut budget);
    let mut walls = Vec::new();
    while let Some(wall) = walk.next(&mut budget) {
        walls.push(wall);
    }
    (!budget.exhausted).then_some(walls)
}
