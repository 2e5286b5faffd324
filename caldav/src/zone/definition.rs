//! A zone written as a VTIMEZONE. RFC 5545 §3.6.5.

use std::collections::BTreeMap;

use super::shape::{Change, Yearly, year_start};
use crate::recur::{ByDay, Frequency, Rule, local_of};
use crate::{Component, ContentLine, DateTime, Invalid, Zone};

/// Years beyond the first in which a rule is looked for. Changes that are known for years ahead, one by
/// one, as those by the moon are, lie within.
const HORIZON: i32 = 40;

/// Years that are written one by one, at most.
const YEARS_MAX: i32 = 200;

impl Zone {
    /// Defines the zone for a year and those after it: up to `last`, or for good as far as is known.
    ///
    /// # Errors
    /// [`Invalid`] for a TZID with control characters, and for years out of 1 to 9900 or in no order.
    ///
    /// ```
    /// use caldav::Zone;
    ///
    /// let zone = Zone::iana("Europe/Berlin").unwrap();
    /// assert_eq!(
    ///     zone.definition("Europe/Berlin", 2026, None)?.to_string().replace("\r\n", "\n"),
    ///     "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:20251026T030000\nTZOFFSETFROM:+0200\n\
    ///      TZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\n\
    ///      DTSTART:20260329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
    ///      RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n",
    /// );
    /// # Ok::<(), caldav::Invalid>(())
    /// ```
    pub fn definition(&self, tzid: &str, first: i32, last: Option<i32>) -> Result<Component, Invalid> {
        let horizon = last.unwrap_or(first.saturating_add(HORIZON));
        if !(1..=9900).contains(&first) || !(first..=first.saturating_add(YEARS_MAX)).contains(&horizon) {
            return Err(Invalid("no years that a zone can be defined for"));
        }
        let mut zone = Component::new("VTIMEZONE")?;
        zone.push(ContentLine::new("TZID", tzid)?);
        // What holds at the beginning came with a change before it, of the last year or long ago.
        let begin = year_start(first) - 86_400;
        let mut changes = self.changes(year_start(first - 1), year_start(horizon + 1));
        if let Some(n) = changes.iter().rposition(|change| change.wall < begin) {
            changes.drain(..n);
        } else {
            let offset = self.offset_at(begin);
            changes.insert(0, Change { wall: year_start(first - 1), before: offset, after: offset });
        }
        let mut groups: BTreeMap<(i32, i32), Vec<Change>> = BTreeMap::new();
        for change in &changes {
            groups.entry((change.before, change.after)).or_default().push(*change);
        }
        let mut written = Vec::new();
        for group in groups.values() {
            for run in runs(group) {
                let ends = run.last().map_or(horizon, |change| change.year());
                let open = last.is_none() && ends >= horizon;
                written.push((run.first().map_or(0, |change| change.wall), observance(run, open)?));
            }
        }
        written.sort_by_key(|(wall, _)| *wall);
        written.into_iter().for_each(|(_, observance)| zone.push_component(observance));
        Ok(zone)
    }
}

/// Splits changes into those that follow one rule year by year, and single ones.
fn runs(group: &[Change]) -> Vec<&[Change]> {
    let mut runs = Vec::new();
    let mut rest = group;
    while !rest.is_empty() {
        let year = rest.first().map_or(0, |change| change.year());
        let follows = |length: &usize| {
            let walls: Vec<i64> = rest.iter().take(*length).map(|change| change.wall).collect();
            let yearly = rest.iter().take(*length).zip(year..).all(|(change, year)| change.year() == year);
            yearly && Yearly::of(&walls).is_some()
        };
        let length = (1..=rest.len()).take_while(follows).last().unwrap_or(1);
        // Two may follow a rule by chance.
        let (run, after) = rest.split_at(if length > 2 { length } else { 1 });
        runs.push(run);
        rest = after;
    }
    runs
}

fn observance(run: &[Change], open: bool) -> Result<Component, Invalid> {
    let Some(first) = run.first() else { return Err(Invalid("an observance has an onset")) };
    let mut observance = Component::new(if first.after > first.before { "DAYLIGHT" } else { "STANDARD" })?;
    observance.push(ContentLine::new("DTSTART", local_of(first.wall).to_string())?);
    observance.push(ContentLine::new("TZOFFSETFROM", offset(first.before))?);
    observance.push(ContentLine::new("TZOFFSETTO", offset(first.after))?);
    let walls: Vec<i64> = run.iter().map(|change| change.wall).collect();
    if let (Some(yearly), true) = (Yearly::of(&walls), run.len() > 2) {
        let mut rule = Rule::every(Frequency::Yearly);
        rule.by_month = vec![yearly.month];
        rule.by_day = vec![ByDay { nth: Some(yearly.nth.into()), weekday: yearly.weekday }];
        if let (Some(last), false) = (run.last(), open) {
            let until = DateTime::Utc(local_of(last.wall - i64::from(last.before)));
            rule.end = crate::RuleEnd::Until(crate::Moment::At(until));
        }
        observance.push(ContentLine::new("RRULE", rule.to_string())?);
    }
    Ok(observance)
}

pub(super) fn offset(seconds: i32) -> String {
    let (sign, seconds) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0 => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// What is written says what the zone does, in all of its years, and ever after.
        #[test]
        fn a_definition_is_the_zone(
            name in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Africa/Casablanca",
                "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Gaza",
                "Europe/Dublin", "UTC", "Asia/Pyongyang", "Antarctica/Troll"]),
            first in 1950..2060_i32,
            years in prop::option::of(0..30_i32),
            share in prop::collection::vec(0..1_000_000_i64, 50),
        ) {
            let zone = Zone::iana(name).unwrap();
            let definition = zone.definition("X", first, years.map(|years| first + years)).unwrap();
            let own = Zone::defined_by(&definition).unwrap();
            let (from, to) = (year_start(first), year_start(first + years.unwrap_or(HORIZON) + 1));
            for share in share {
                let instant = from + (to - from - 86_400) / 1_000_000 * share;
                prop_assert_eq!(own.offset_at(instant), zone.offset_at(instant), "{} {}", instant, definition);
            }
        }
    }

    #[test]
    fn years_that_are_none_are_refused() {
        let zone = Zone::utc();
        for (first, last) in [(0, None), (2026, Some(2025)), (2026, Some(9999)), (i32::MAX, None)] {
            assert!(zone.definition("X", first, last).is_err());
        }
        assert!(zone.definition("X\nY", 2026, None).is_err());
    }
}
