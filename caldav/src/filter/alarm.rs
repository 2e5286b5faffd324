//! When alarms ring. RFC 5545 §3.6.6; RFC 4791 §9.9, the table for VALARM.

use std::ops::Range;

use super::calendar::Question;
use crate::{Bounds, Component, Duration};

/// Repetitions of one alarm that are looked at.
const REPETITIONS_MAX: i64 = 1000;

/// Instances of the component around an alarm that are looked at.
const INSTANCES_MAX: usize = 2000;

impl Question<'_> {
    /// Whether an alarm rings within a range, for whichever instance of the component around it; `path` ends
    /// with the number of that component and the alarm's own.
    pub(super) fn alarm_is_during(
        &self,
        alarm: &Component,
        outer: &Component,
        path: &[usize],
        range: &Range<i64>,
    ) -> bool {
        let Some(trigger) = alarm.line("TRIGGER") else { return false };
        let repeats = repetitions(alarm);
        let rings = |at: i64| rings_within(at, repeats, range);
        if trigger.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("DATE-TIME")) {
            return self.instant(trigger).is_some_and(rings);
        }
        let (Ok(offset), Some(series)) = (trigger.duration(), self.series) else { return false };
        let (&[number, _], true) = (path, outer.is(series.kind())) else { return false };
        let by_end = trigger.parameter("RELATED").is_some_and(|word| word.eq_ignore_ascii_case("END"));
        // Instances that are so far from the range that none of its rings is in it are not looked for; a day
        // more, for days that are longer than others.
        let offset = seconds(offset);
        let total = repeats.map_or(0, |(count, apart)| count.saturating_mul(apart));
        let from = range.start.saturating_sub(offset).saturating_sub(total).saturating_sub(86_400);
        let to = range.end.saturating_sub(offset).saturating_add(86_400);
        let few = Bounds { instances: INSTANCES_MAX.min(self.bounds.instances), ..*self.bounds };
        let all = series.gather(from..to, self.floating, &few).instances;
        all.iter().filter(|instance| instance.component == number).any(|instance| {
            let anchor = if by_end { instance.end } else { instance.start };
            rings(anchor.saturating_add(offset))
        })
    }
}

/// REPEAT and DURATION: how often it rings again, and how far apart in seconds.
fn repetitions(alarm: &Component) -> Option<(i64, i64)> {
    let count = alarm.line("REPEAT")?.integer().ok().filter(|count| *count > 0)?;
    let apart = seconds(alarm.line("DURATION")?.duration().ok()?);
    (apart > 0).then(|| (i64::from(count).min(REPETITIONS_MAX), apart))
}

/// Whether one of the rings is within the range, without walking along them.
fn rings_within(first: i64, repeats: Option<(i64, i64)>, range: &Range<i64>) -> bool {
    let Some((count, apart)) = repeats else { return range.contains(&first) };
    if first >= range.start {
        return first < range.end;
    }
    // The first ring that is not before the range.
    let gap = i128::from(range.start) - i128::from(first);
    let skipped = (gap + i128::from(apart) - 1) / i128::from(apart);
    skipped <= i128::from(count) && i128::from(first) + skipped * i128::from(apart) < i128::from(range.end)
}

fn seconds(duration: Duration) -> i64 {
    i64::from(duration.days).saturating_mul(86_400).saturating_add(duration.seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rings_are_found_as_by_walking(first in -50..50_i64, count in 1..9_i64, apart in 1..9_i64, start in -60..60_i64, length in 1..20_i64) {
            let range = start..start + length;
            let walked = (0..=count).any(|n| range.contains(&(first + n * apart)));
            prop_assert_eq!(rings_within(first, Some((count, apart)), &range), walked);
        }
    }
}
