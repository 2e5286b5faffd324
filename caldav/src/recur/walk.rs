//! The instances of a rule, in local time. RFC 5545 §3.3.10.
//!
//! A rule is walked period by period: a year, a month, and so on, `interval` of them apart. What lies
//! before the window is jumped over; only COUNT must know how much that was, by arithmetic where every
//! period has the same number of instances.

use super::days::{days_in_month, days_in_year, first_of_month, first_of_year, year_month_day};
use super::rule::{Frequency, Rule, RuleEnd, Skip, Weekday};

/// Seconds since 1970-01-01T00:00:00 by the clocks on the wall; days alone are multiples of [`DAY`].
pub(crate) type Wall = i64;

pub(crate) const DAY: i64 = 86_400;

/// After 9999-12-31 nothing can be written.
pub(crate) const LAST_WALL: Wall = 253_402_300_799;

/// What may still be spent on walking. When it is used up, an answer is known to be incomplete.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    /// Something was left out for want of it.
    pub(crate) exhausted: bool,
}

impl Budget {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: steps, exhausted: false }
    }

    /// False when there is nothing left.
    pub(crate) fn spend(&mut self, steps: u64) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                self.exhausted = true;
            }
        }
        !self.exhausted
    }
}

/// A rule on its way, from DTSTART on. DTSTART itself is the first instance, whether the rule has it or not.
pub(crate) struct Walk<'r> {
    rule: &'r Rule,
    start: Wall,
    /// Instances after this are none.
    until: Wall,
    /// Those that may still come, when there is a COUNT.
    left: Option<u64>,
    /// The number of the next period.
    period: i64,
    /// What is to be given out of the current period, last first.
    ready: Vec<Wall>,
    last: Option<Wall>,
    /// Times of day, or what of them lies within the period, sorted.
    times: Vec<i64>,
    /// The year, month and day of `start`.
    civil: (i32, u8, u8),
    /// DTSTART is an instance even when the rule does not have it.
    start_counts: bool,
    start_in_rule: bool,
}

impl<'r> Walk<'r> {
    /// Instances from `from` on, none later than `until`, which is UNTIL in local time or the window's end.
    pub(crate) fn new(rule: &'r Rule, start: Wall, until: Wall, from: Wall, budget: &mut Budget) -> Self {
        let left = match rule.end {
            RuleEnd::Count(count) => Some(u64::from(count)),
            RuleEnd::Never | RuleEnd::Until(_) => None,
        };
        let civil = year_month_day(day_of(start));
        let mut walk = Self {
            rule,
            start,
            until: until.min(LAST_WALL),
            left,
            period: 0,
            ready: Vec::new(),
            last: None,
            times: times(rule, start),
            civil,
            start_counts: true,
            start_in_rule: true,
        };
        walk.seek(from, budget);
        walk
    }

    /// The walk of an EXRULE, which leaves DTSTART in unless the rule has it.
    pub(crate) fn without_start(mut self) -> Self {
        self.start_counts = false;
        if !self.start_in_rule {
            self.ready.retain(|wall| *wall != self.start);
        }
        self
    }

    /// The next instance; `None` at the end, or when the budget is.
    pub(crate) fn next(&mut self, budget: &mut Budget) -> Option<Wall> {
        loop {
            if self.left == Some(0) {
                return None;
            }
            if let Some(wall) = self.ready.pop() {
                if wall > self.until {
                    return None;
                }
                if self.last.is_some_and(|last| wall <= last) {
                    continue;
                }
                self.last = Some(wall);
                self.left = self.left.map(|left| left - 1);
                return budget.spend(1).then_some(wall);
            }
            if !self.fill(budget) {
                return None;
            }
        }
    }

    /// Goes to the first instance that is not before `from`.
    fn seek(&mut self, from: Wall, budget: &mut Budget) {
        let period = self.period_of(from).saturating_sub(1).max(0);
        if self.left.is_some() {
            if period > 1 {
                self.count_to(period, budget);
            }
        } else {
            self.period = period;
        }
        // What is left before it is at most two periods, or all of a COUNT that has to be counted.
        loop {
            match self.ready.last() {
                Some(wall) if *wall >= from => return,
                Some(_) => {
                    if self.next(budget).is_none() {
                        return;
                    }
                }
                None => {
                    if self.left == Some(0) || !self.fill(budget) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes off COUNT what comes before a period, when each has the same number of instances.
    fn count_to(&mut self, period: i64, budget: &mut Budget) {
        let Some(each) = self.constant_yield() else { return };
        if !self.fill(budget) {
            return;
        }
        let first = self.ready.len() as u64;
        let between = self.period.abs_diff(period);
        let before = first.saturating_add(between.saturating_mul(each));
        self.left = self.left.map(|left| left.saturating_sub(before));
        self.ready.clear();
        self.period = period;
    }

    /// How many instances each period has, when that is always the same.
    fn constant_yield(&self) -> Option<u64> {
        let rule = self.rule;
        let days = rule.by_month.is_empty()
            && rule.by_year_day.is_empty()
            && rule.by_week_no.is_empty()
            && rule.skip == Skip::Omit;
        let no_days = days && rule.by_month_day.is_empty();
        let in_period = match rule.frequency {
            Frequency::Secondly => {
                let free = rule.by_second.is_empty() && rule.by_minute.is_empty() && rule.by_hour.is_empty();
                (no_days && free && rule.by_day.is_empty()).then_some(1)
            }
            Frequency::Minutely => {
                let free = rule.by_minute.is_empty() && rule.by_hour.is_empty();
                (no_days && free && rule.by_day.is_empty()).then_some(1)
            }
            Frequency::Hourly => (no_days && rule.by_hour.is_empty() && rule.by_day.is_empty()).then_some(1),
            Frequency::Daily => (no_days && rule.by_day.is_empty()).then_some(1),
            Frequency::Weekly => {
                let weekdays: std::collections::BTreeSet<_> = rule.by_day.iter().map(|d| d.weekday).collect();
                no_days.then_some(weekdays.len().max(1))
            }
            Frequency::Monthly => {
                let always = |days: &[i16]| {
                    days.iter().all(|d| (1..=28).contains(d)) || days.iter().all(|d| (-28..=-1).contains(d))
                };
                let known = match rule.by_month_day.as_slice() {
                    [] => self.civil.2 <= 28,
                    days => always(days),
                };
                (days && rule.by_day.is_empty() && known).then_some(rule.by_month_day.len().max(1))
            }
            Frequency::Yearly => {
                let leap = (self.civil.1, self.civil.2) == (2, 29);
                (no_days && rule.by_day.is_empty() && !leap).then_some(1)
            }
        }?;
        let all = in_period as u64 * self.times.len() as u64;
        if rule.by_set_pos.is_empty() {
            return Some(all);
        }
        Some(positions(&rule.by_set_pos, usize::try_from(all).ok()?).len() as u64)
    }

    /// Makes the instances of the next period that has any; false at the end.
    fn fill(&mut self, budget: &mut Budget) -> bool {
        loop {
            let Some(begin) = self.period_start(self.period) else { return false };
            // FORWARD may move a day before it, never after.
            if begin > self.until || !budget.spend(self.cost()) {
                return false;
            }
            let first = self.period == 0;
            if let Some(next) = self.skipped_to(begin) {
                self.period = self.period_of_start(next).max(self.period + 1);
            } else {
                let bases = self.bases(begin);
                self.period += 1;
                if !budget.spend((bases.len() * self.selected(bases.len())) as u64) {
                    return false;
                }
                self.select(&bases);
            }
            if first {
                self.start_in_rule = self.ready.last() == Some(&self.start);
                if !self.start_in_rule && self.start_counts {
                    self.ready.push(self.start);
                }
            }
            if !self.ready.is_empty() {
                return true;
            }
        }
    }

    /// Instances of a period for each of its days, at most.
    fn selected(&self, bases: usize) -> usize {
        match self.rule.by_set_pos.len() {
            0 => self.times.len(),
            positions => positions.div_ceil(bases.max(1)),
        }
    }

    fn select(&mut self, bases: &[i64]) {
        let each = self.times.len();
        let at = |n: usize| Some(bases.get(n / each.max(1))? + self.times.get(n % each.max(1))?);
        let total = bases.len().saturating_mul(each);
        let mut ready: Vec<Wall> = if self.rule.by_set_pos.is_empty() {
            (0..total).filter_map(at).collect()
        } else {
            positions(&self.rule.by_set_pos, total).into_iter().filter_map(at).collect()
        };
        ready.retain(|wall| *wall >= self.start);
        ready.reverse();
        self.ready = ready;
    }

    /// What finding the days of a period takes: about one step for every ten days that are asked.
    fn cost(&self) -> u64 {
        match self.rule.frequency {
            Frequency::Yearly if self.asks_every_day() => 40,
            Frequency::Yearly => 8,
            Frequency::Monthly => 4,
            _ => 1,
        }
    }

    /// True for a rule by days or weeks of the year, or by weekdays of it.
    fn asks_every_day(&self) -> bool {
        let rule = self.rule;
        !rule.by_year_day.is_empty()
            || !rule.by_week_no.is_empty()
            || (!rule.by_day.is_empty() && rule.by_month.is_empty())
    }

    /// The length of a period in seconds, or else in months.
    fn unit(&self) -> Result<i64, i64> {
        let interval = i64::from(self.rule.interval);
        match self.rule.frequency {
            Frequency::Secondly => Ok(interval),
            Frequency::Minutely => Ok(interval * 60),
            Frequency::Hourly => Ok(interval * 3600),
            Frequency::Daily => Ok(interval * DAY),
            Frequency::Weekly => Ok(interval * 7 * DAY),
            Frequency::Monthly => Err(interval),
            Frequency::Yearly => Err(interval * 12),
        }
    }

    /// Where the period with DTSTART begins, for those that are counted in seconds.
    fn first_period(&self) -> Wall {
        match self.rule.frequency {
            Frequency::Secondly => self.start,
            Frequency::Minutely => self.start - self.start.rem_euclid(60),
            Frequency::Hourly => self.start - self.start.rem_euclid(3600),
            Frequency::Weekly => {
                let day = day_of(self.start);
                let into = Weekday::of_day(day).index() - self.rule.week_start.index();
                i64::from(day - into.rem_euclid(7)) * DAY
            }
            Frequency::Daily | Frequency::Monthly | Frequency::Yearly => {
                self.start - self.start.rem_euclid(DAY)
            }
        }
    }

    fn first_month(&self) -> i64 {
        let (year, month, _) = self.civil;
        match self.rule.frequency {
            Frequency::Yearly => i64::from(year) * 12,
            _ => i64::from(year) * 12 + i64::from(month) - 1,
        }
    }

    fn period_start(&self, period: i64) -> Option<Wall> {
        match self.unit() {
            Ok(seconds) => self.first_period().checked_add(period.checked_mul(seconds)?),
            Err(months) => {
                let month = self.first_month().checked_add(period.checked_mul(months)?)?;
                let year = i32::try_from(month.div_euclid(12)).ok().filter(|year| *year <= 9999)?;
                let month = u8::try_from(month.rem_euclid(12) + 1).ok()?;
                Some(i64::from(first_of_month(year, month)) * DAY)
            }
        }
    }

    /// The number of the last period that begins at or before `wall`.
    fn period_of(&self, wall: Wall) -> i64 {
        match self.unit() {
            Ok(seconds) => wall.saturating_sub(self.first_period()).div_euclid(seconds),
            Err(months) => {
                let (year, month, _) = year_month_day(day_of(wall.clamp(-LAST_WALL, LAST_WALL)));
                let month = i64::from(year) * 12 + i64::from(month) - 1;
                (month - self.first_month()).div_euclid(months)
            }
        }
    }

    /// The number of the first period that begins at or after `wall`.
    fn period_of_start(&self, wall: Wall) -> i64 {
        let period = self.period_of(wall);
        if self.period_start(period).is_some_and(|begin| begin < wall) { period + 1 } else { period }
    }

    /// For a period of a day or less that the rule leaves out: where to look next.
    fn skipped_to(&self, begin: Wall) -> Option<Wall> {
        let rule = self.rule;
        if rule.frequency >= Frequency::Weekly {
            return None;
        }
        let day = day_of(begin);
        let (year, month, _) = year_month_day(day);
        if !rule.by_month.is_empty() && !rule.by_month.contains(&month) {
            return Some(
                i64::from(first_of_month(year, month) + i32::from(days_in_month(year, month))) * DAY,
            );
        }
        if !self.day_fits(day) {
            return Some(i64::from(day + 1) * DAY);
        }
        let second = begin.rem_euclid(DAY);
        let misses =
            |list: &[u8], value: i64| !list.is_empty() && !list.iter().any(|n| i64::from(*n) == value);
        if rule.frequency <= Frequency::Hourly && misses(&rule.by_hour, second / 3600) {
            return Some(begin - begin.rem_euclid(3600) + 3600);
        }
        if rule.frequency <= Frequency::Minutely && misses(&rule.by_minute, second / 60 % 60) {
            return Some(begin - begin.rem_euclid(60) + 60);
        }
        if rule.frequency == Frequency::Secondly && misses(&rule.by_second, second % 60) {
            return Some(begin + 1);
        }
        None
    }

    /// What the times are added to: days, or the hour, minute or second itself.
    fn bases(&self, begin: Wall) -> Vec<i64> {
        let day = day_of(begin);
        let days = match self.rule.frequency {
            Frequency::Secondly | Frequency::Minutely | Frequency::Hourly => return vec![begin],
            Frequency::Daily => return vec![i64::from(day) * DAY],
            Frequency::Weekly => (day..day + 7).filter(|day| self.weekly_fits(*day)).collect(),
            Frequency::Monthly => {
                let (year, month, _) = year_month_day(day);
                match self.rule.by_month.is_empty() || self.rule.by_month.contains(&month) {
                    true => self.days_of_month(year, month),
                    false => Vec::new(),
                }
            }
            Frequency::Yearly => self.days_of_year(year_month_day(day).0),
        };
        days.into_iter().map(|day| i64::from(day) * DAY).collect()
    }

    fn weekly_fits(&self, day: i32) -> bool {
        let weekday = Weekday::of_day(day);
        let own = self.rule.by_day.is_empty() && weekday == Weekday::of_day(day_of(self.start));
        (own || !self.rule.by_day.is_empty()) && self.day_fits(day)
    }

    fn days_of_year(&self, year: i32) -> Vec<i32> {
        let rule = self.rule;
        let weekly = !rule.by_week_no.is_empty();
        if !self.asks_every_day() {
            let own = [self.civil.1];
            let all: Vec<u8> = (1..=12).collect();
            let months = match (rule.by_month.is_empty(), rule.by_month_day.is_empty()) {
                (false, _) => rule.by_month.as_slice(),
                (true, true) => &own,
                (true, false) => &all,
            };
            let mut days: Vec<i32> =
                months.iter().flat_map(|month| self.days_of_month(year, *month)).collect();
            days.sort_unstable();
            days.dedup();
            return days;
        }
        let first = first_of_year(year);
        let end = first + i32::from(days_in_year(year));
        // A week without days in it is the weekday of DTSTART in it.
        let own =
            weekly && rule.by_day.is_empty() && rule.by_month_day.is_empty() && rule.by_year_day.is_empty();
        let own = own.then(|| Weekday::of_day(day_of(self.start)));
        let mut days: Vec<i32> = (first..end)
            .filter(|day| own.is_none_or(|weekday| Weekday::of_day(*day) == weekday))
            .filter(|day| self.day_fits(*day))
            .collect();
        if rule.skip != Skip::Omit && end - first == 365 {
            let fits = |day: i32| !days.contains(&day) || rule.skip == Skip::Forward;
            let moved = if rule.skip == Skip::Backward { end - 1 } else { end };
            if rule.by_year_day.contains(&366) && fits(moved) {
                days.push(moved);
            }
        }
        days
    }

    /// The days of a month by BYMONTHDAY, BYDAY, or else the day of DTSTART. RFC 7529 §4.1 has SKIP.
    fn days_of_month(&self, year: i32, month: u8) -> Vec<i32> {
        let rule = self.rule;
        let (first, length) = (first_of_month(year, month), i32::from(days_in_month(year, month)));
        if rule.by_month_day.is_empty() && !rule.by_day.is_empty() {
            return (first..first + length).filter(|day| self.day_fits(*day)).collect();
        }
        let own = [i16::from(self.civil.2)];
        let wanted = if rule.by_month_day.is_empty() { &own } else { rule.by_month_day.as_slice() };
        let place = |n: &i16| {
            let n = i32::from(*n);
            let day = if n > 0 { n } else { length + 1 + n };
            match (day, rule.skip) {
                (day, _) if (1..=length).contains(&day) => Some(first + day - 1),
                (_, Skip::Omit) => None,
                (day, Skip::Backward) => Some(if day < 1 { first - 1 } else { first + length - 1 }),
                (day, Skip::Forward) => Some(if day < 1 { first } else { first + length }),
            }
        };
        let mut days: Vec<i32> = wanted.iter().filter_map(place).collect();
        // BYMONTHDAY has been seen to; a day that was moved need not be one of it.
        days.retain(|day| self.fits(*day, (year, month), true));
        days.sort_unstable();
        days.dedup();
        days
    }

    fn day_fits(&self, day: i32) -> bool {
        let (year, month, _) = year_month_day(day);
        self.fits(day, (year, month), false)
    }

    /// Whether the parts of the rule that concern days let one pass, as one of `year` and `month`.
    fn fits(&self, day: i32, (year, month): (i32, u8), placed: bool) -> bool {
        let rule = self.rule;
        if !rule.by_month.is_empty() && !rule.by_month.contains(&month) {
            return false;
        }
        let (first, length) = (first_of_month(year, month), i32::from(days_in_month(year, month)));
        if !placed && !rule.by_month_day.is_empty() && !has(&rule.by_month_day, day - first, length) {
            return false;
        }
        let (new_year, year_length) = (first_of_year(year), i32::from(days_in_year(year)));
        if !rule.by_year_day.is_empty() && !has(&rule.by_year_day, day - new_year, year_length) {
            return false;
        }
        if !rule.by_week_no.is_empty() {
            let (week, weeks) = week_of(day, rule.week_start);
            if !has(&rule.by_week_no, week - 1, weeks) {
                return false;
            }
        }
        if rule.by_day.is_empty() {
            return true;
        }
        // Where a numbered weekday is counted.
        let within = match rule.frequency {
            Frequency::Monthly => Some((first, length)),
            Frequency::Yearly if !rule.by_week_no.is_empty() => None,
            Frequency::Yearly if !rule.by_month.is_empty() => Some((first, length)),
            Frequency::Yearly => Some((new_year, year_length)),
            _ => None,
        };
        let weekday = Weekday::of_day(day);
        rule.by_day.iter().filter(|by| by.weekday == weekday).any(|by| match (by.nth, within) {
            (Some(nth), Some((begin, length))) if nth > 0 => {
                (day - begin) / 7 + 1 == i32::from(nth) && length > 0
            }
            (Some(nth), Some((begin, length))) => (begin + length - 1 - day) / 7 + 1 == -i32::from(nth),
            (Some(_), None) | (None, _) => true,
        })
    }
}

/// True when a list has the item at `index` of `length`, counted from 1 or from the end.
fn has(list: &[i16], index: i32, length: i32) -> bool {
    list.iter().any(|n| i32::from(*n) == index + 1 || i32::from(*n) == index - length)
}

/// The week that a day is in, of the year that has most of it, and how many weeks that has.
fn week_of(day: i32, week_start: Weekday) -> (i32, i32) {
    let into = (Weekday::of_day(day).index() - week_start.index()).rem_euclid(7);
    let middle = day - into + 3;
    let (year, _, _) = year_month_day(middle);
    let first = first_of_year(year);
    let week = (middle - first) / 7 + 1;
    let last = i32::from(days_in_year(year)) - 1 - (middle - first);
    (week, week + last / 7)
}

/// The places in a set of `total` that BYSETPOS names, sorted.
fn positions(by_set_pos: &[i16], total: usize) -> Vec<usize> {
    let place = |n: &i16| {
        let far = usize::from(n.unsigned_abs());
        let place = if *n > 0 { far.checked_sub(1) } else { total.checked_sub(far) };
        place.filter(|place| *place < total)
    };
    let mut places: Vec<usize> = by_set_pos.iter().filter_map(place).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The times within a period: what is not said is as in DTSTART.
fn times(rule: &Rule, start: Wall) -> Vec<i64> {
    let second_of_day = start.rem_euclid(DAY);
    let or = |list: &[u8], own: i64| -> Vec<i64> {
        match list.is_empty() {
            true => vec![own],
            // There is no leap second in local time as we count it.
            false => list.iter().filter(|n| **n < 60).map(|n| i64::from(*n)).collect(),
        }
    };
    let seconds = match rule.frequency {
        Frequency::Secondly => vec![0],
        _ => or(&rule.by_second, second_of_day % 60),
    };
    let minutes = match rule.frequency {
        Frequency::Secondly | Frequency::Minutely => vec![0],
        _ => or(&rule.by_minute, second_of_day / 60 % 60),
    };
    let hours = match rule.frequency {
        Frequency::Secondly | Frequency::Minutely | Frequency::Hourly => vec![0],
        _ => or(&rule.by_hour, second_of_day / 3600),
    };
    let mut times = Vec::with_capacity(hours.len() * minutes.len() * seconds.len());
    for hour in &hours {
        for minute in &minutes {
            times.extend(seconds.iter().map(|second| hour * 3600 + minute * 60 + second));
        }
    }
    times
}

/// Days since 1970-01-01.
pub(crate) fn day_of(wall: Wall) -> i32 {
    // Walls are of the years 0 to 9999, or held within.
    i32::try_from(wall.div_euclid(DAY)).unwrap_or(i32::MAX / 2)
}
