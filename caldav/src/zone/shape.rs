//! The changes of a zone's clocks as rules: what VTIMEZONE and ActiveSync want to be told.

use crate::Zone;
use crate::recur::{Wall, Weekday, days_in_month, local_of, year_month_day};

/// Changes that are looked at, at most.
const CHANGES_MAX: usize = 4_000;

const DAY: i64 = 86_400;

/// One change of offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    /// What the clocks show when it comes, by the offset before. RFC 5545 §3.6.5 tells onsets so.
    pub(super) wall: Wall,
    pub(super) before: i32,
    pub(super) after: i32,
}

/// A day that comes once a year: the nth weekday of a month, -1 for the last, and a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Yearly {
    pub(super) month: u8,
    pub(super) weekday: Weekday,
    pub(super) nth: i8,
    pub(super) second_of_day: i64,
}

impl Change {
    pub(super) fn year(self) -> i32 {
        year_month_day(day(self.wall)).0
    }
}

impl Yearly {
    /// What the day of a change may be: the nth of its weekday, and perhaps the last.
    fn candidates(wall: Wall) -> Vec<Self> {
        let (year, month, date) = year_month_day(day(wall));
        let weekday = Weekday::of_day(day(wall));
        let second_of_day = wall.rem_euclid(DAY);
        let one = |nth| Self { month, weekday, nth, second_of_day };
        let last = date + 7 > days_in_month(year, month);
        let nth = i8::try_from((date - 1) / 7 + 1).unwrap_or(1);
        let mut all = if last { vec![one(-1)] } else { Vec::new() };
        // The fifth one is not there in every month, so it can only be the last.
        if nth < 5 {
            all.push(one(nth));
        }
        all
    }

    /// The rule that all of these follow; the last weekday of a month rather than the fourth.
    pub(super) fn of(walls: &[Wall]) -> Option<Self> {
        let (first, rest) = walls.split_first()?;
        let fits = |rule: &Self| rest.iter().all(|wall| Self::candidates(*wall).contains(rule));
        Self::candidates(*first).into_iter().find(fits)
    }
}

impl Zone {
    /// The changes between two instants.
    pub(super) fn changes(&self, from: i64, to: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut at = from;
        let mut before = self.offset_at(from);
        while at < to && changes.len() < CHANGES_MAX {
            let next = at.saturating_add(DAY).min(to);
            if self.offset_at(next) == before {
                at = next;
                continue;
            }
            // The first second of the other offset lies after `low`.
            let (mut low, mut high) = (at, next);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                match self.offset_at(middle) == before {
                    true => low = middle,
                    false => high = middle,
                }
            }
            let after = self.offset_at(high);
            changes.push(Change { wall: high.saturating_add(before.into()), before, after });
            (at, before) = (high, after);
        }
        changes
    }
}

/// The instant at which a year begins in UTC.
pub(super) fn year_start(year: i32) -> i64 {
    i64::from(crate::recur::first_of_year(year)) * DAY
}

fn day(wall: Wall) -> i32 {
    let date = local_of(wall).date;
    crate::recur::day_number(date.year().into(), date.month(), date.day())
}
