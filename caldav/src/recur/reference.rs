//! A second opinion on rules: every day, or every second, is looked at and asked.

use jiff::civil::{self, Weekday as JiffDay};
use proptest::prelude::*;

use super::*;
use crate::{Object, Zone};

fn weekday(day: Weekday) -> JiffDay {
    JiffDay::from_monday_one_offset(i8::try_from(day.index() + 1).unwrap()).unwrap()
}

/// The number of the week by RFC 5545: the first has four days or more in its year.
fn week(date: civil::Date, start: JiffDay) -> (i32, i32) {
    let begin = |year: i16| {
        let fourth = civil::date(year, 1, 4);
        let back = i64::from(start.until(fourth.weekday()));
        fourth - jiff::Span::new().days(back)
    };
    let mut year = date.year();
    if date < begin(year) {
        year -= 1;
    } else if date >= begin(year + 1) {
        year += 1;
    }
    let weeks = |a: civil::Date, b: civil::Date| (b - a).get_days() / 7;
    (weeks(begin(year), date) + 1, weeks(begin(year), begin(year + 1)))
}

fn any_of(list: &[i16], n: i32, of: i32) -> bool {
    list.is_empty()
        || list.iter().any(|x| if *x > 0 { i32::from(*x) == n } else { of + 1 + i32::from(*x) == n })
}

fn day_fits(rule: &Rule, date: civil::Date, start: civil::Date) -> bool {
    use Frequency::{Monthly, Weekly, Yearly};
    let mut rule = rule.clone();
    let no_day = rule.by_day.is_empty() && rule.by_month_day.is_empty() && rule.by_year_day.is_empty();
    let own_day = ByDay {
        nth: None,
        weekday: Weekday::ALL[usize::try_from(start.weekday().to_monday_zero_offset()).unwrap()],
    };
    match rule.frequency {
        Weekly if rule.by_day.is_empty() => rule.by_day.push(own_day),
        Yearly if no_day && !rule.by_week_no.is_empty() => rule.by_day.push(own_day),
        Monthly if rule.by_day.is_empty() && rule.by_month_day.is_empty() => {
            rule.by_month_day.push(start.day().into());
        }
        Yearly if no_day => {
            rule.by_month_day.push(start.day().into());
            if rule.by_month.is_empty() {
                rule.by_month.push(u8::try_from(start.month()).unwrap());
            }
        }
        _ => {}
    }
    let in_month = !(rule.frequency == Yearly && rule.by_month.is_empty());
    let (n, of) = match in_month {
        true => (i32::from(date.day()), i32::from(date.days_in_month())),
        false => (i32::from(date.day_of_year()), i32::from(date.days_in_year())),
    };
    let numbered = rule.frequency == Monthly || (rule.frequency == Yearly && rule.by_week_no.is_empty());
    let by_day = |by: &ByDay| {
        let nth = match by.nth {
            Some(nth) if numbered && nth > 0 => i32::from(nth) == (n + 6) / 7,
            Some(nth) if numbered => -i32::from(nth) == (of - n + 7) / 7,
            _ => true,
        };
        nth && weekday(by.weekday) == date.weekday()
    };
    let (week, weeks) = week(date, weekday(rule.week_start));
    (rule.by_month.is_empty() || rule.by_month.iter().any(|m| i32::from(*m) == i32::from(date.month())))
        && any_of(&rule.by_month_day, date.day().into(), date.days_in_month().into())
        && any_of(&rule.by_year_day, date.day_of_year().into(), date.days_in_year().into())
        && any_of(&rule.by_week_no, week, weeks)
        && (rule.by_day.is_empty() || rule.by_day.iter().any(by_day))
}

fn second_fits(rule: &Rule, second: i64, start: i64) -> bool {
    let fits = |list: &[u8], fixed: bool, value: i64, own: i64| match list.is_empty() {
        true => !fixed || value == own,
        false => list.iter().any(|n| i64::from(*n) == value),
    };
    let freq = rule.frequency;
    fits(&rule.by_second, freq > Frequency::Secondly, second % 60, start % 60)
        && fits(&rule.by_minute, freq > Frequency::Minutely, second / 60 % 60, start / 60 % 60)
        && fits(&rule.by_hour, freq > Frequency::Hourly, second / 3600, start / 3600)
}

/// Which period a wall is in, counted from the one with `start`.
fn period(rule: &Rule, wall: i64, start: i64) -> i64 {
    let date = |wall: i64| civil::date(1970, 1, 1) + jiff::Span::new().days(wall.div_euclid(86_400));
    let (day, first) = (date(wall), date(start));
    match rule.frequency {
        Frequency::Secondly => wall - start,
        Frequency::Minutely => wall / 60 - start / 60,
        Frequency::Hourly => wall / 3600 - start / 3600,
        Frequency::Daily => wall / 86_400 - start / 86_400,
        Frequency::Weekly => {
            let begin = |date: civil::Date| {
                date - jiff::Span::new().days(i64::from(weekday(rule.week_start).until(date.weekday())))
            };
            i64::from((begin(day) - begin(first)).get_days() / 7)
        }
        Frequency::Monthly => {
            (i64::from(day.year()) - i64::from(first.year())) * 12 + i64::from(day.month())
                - i64::from(first.month())
        }
        Frequency::Yearly => i64::from(day.year()) - i64::from(first.year()),
    }
}

/// Every instance from `start` to `end`, by looking at all there is.
fn reference(rule: &Rule, start: i64, end: i64) -> Vec<i64> {
    let start_day = start.div_euclid(86_400);
    let date = |day: i64| civil::date(1970, 1, 1) + jiff::Span::new().days(day);
    let seconds: Vec<i64> = (0..86_400).filter(|s| second_fits(rule, *s, start.rem_euclid(86_400))).collect();
    let mut groups: std::collections::BTreeMap<i64, Vec<i64>> = std::collections::BTreeMap::new();
    // A period may have begun before DTSTART, and goes on after the end.
    for day in start_day - 366..=end.div_euclid(86_400) + 366 {
        if rule.frequency < Frequency::Weekly && !(start_day..=end.div_euclid(86_400)).contains(&day) {
            continue;
        }
        if !day_fits(rule, date(day), date(start_day)) {
            continue;
        }
        for second in &seconds {
            let wall = day * 86_400 + second;
            let n = period(rule, wall, start);
            if n >= 0 && n % i64::from(rule.interval) == 0 {
                groups.entry(n).or_default().push(wall);
            }
        }
    }
    let mut all = vec![start];
    for group in groups.values() {
        let of = i32::try_from(group.len()).unwrap();
        let chosen =
            group.iter().zip(1..).filter(|(_, n)| any_of(&rule.by_set_pos, *n, of)).map(|(wall, _)| *wall);
        all.extend(chosen.filter(|wall| *wall > start));
    }
    if let RuleEnd::Count(count) = rule.end {
        all.truncate(usize::try_from(count).unwrap());
    }
    all.retain(|wall| *wall < end);
    all
}

fn sometimes<T: std::fmt::Debug + Clone + Ord + 'static>(
    value: impl Strategy<Value = T> + 'static,
    chance: f64,
) -> impl Strategy<Value = Vec<T>> {
    prop::option::weighted(chance, prop::collection::vec(value, 1..4)).prop_map(|list| {
        let mut list = list.unwrap_or_default();
        list.sort();
        list.dedup();
        list
    })
}

fn signed(most: i16) -> impl Strategy<Value = i16> {
    (1..=most, any::<bool>()).prop_map(|(n, negative)| if negative { -n } else { n })
}

fn rules(frequencies: &'static [Frequency]) -> impl Strategy<Value = Rule> {
    let by_day = (prop::option::weighted(0.4, signed(5)), prop::sample::select(&Weekday::ALL[..]))
        .prop_map(|(nth, weekday)| ByDay { nth, weekday });
    let days = (
        sometimes(by_day, 0.4),
        sometimes(signed(31), 0.3),
        sometimes(signed(366), 0.1),
        sometimes(signed(53), 0.15),
        sometimes(1..=12_u8, 0.3),
    );
    let times = (sometimes(0..24_u8, 0.2), sometimes(0..60_u8, 0.2), sometimes(0..60_u8, 0.2));
    let end = prop_oneof![2 => Just(RuleEnd::Never), 1 => (1..60_u32).prop_map(RuleEnd::Count)];
    let rest = (1..5_u32, end, sometimes(signed(4), 0.2), prop::sample::select(&Weekday::ALL[..]));
    (prop::sample::select(frequencies), days, times, rest).prop_map(|(frequency, days, times, rest)| Rule {
        interval: rest.0,
        end: rest.1,
        by_set_pos: rest.2,
        week_start: rest.3,
        by_day: days.0,
        by_month_day: days.1,
        by_year_day: days.2,
        by_week_no: if frequency == Frequency::Yearly { days.3 } else { Vec::new() },
        by_month: days.4,
        by_hour: times.0,
        by_minute: times.1,
        by_second: times.2,
        ..Rule::every(frequency)
    })
}

const DAYS: &[Frequency] = &[Frequency::Daily, Frequency::Weekly, Frequency::Monthly, Frequency::Yearly];
const TIMES: &[Frequency] = &[Frequency::Secondly, Frequency::Minutely, Frequency::Hourly];

fn walked(rule: &Rule, start: i64, from: i64, end: i64) -> Vec<i64> {
    let mut budget = Budget::new(100_000_000);
    let mut walk = Walk::new(rule, start, end - 1, from, &mut budget);
    let mut all = Vec::new();
    while let Some(wall) = walk.next(&mut budget) {
        all.push(wall);
    }
    assert!(!budget.exhausted);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn days_and_longer(rule in rules(DAYS), start in 0..2_000_000_000_i64, skip in 0..2000_i64, length in 1..1500_i64) {
        let from = start + skip * 86_400;
        let end = from + length * 86_400;
        let mut expected = reference(&rule, start, end);
        expected.retain(|wall| *wall >= from);
        prop_assert_eq!(walked(&rule, start, from, end), expected, "{}", rule);
    }

    #[test]
    fn in_a_zone(rule in rules(DAYS), start in 1_000_000_000..1_700_000_000_i64, skip in 0..1000_i64, zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])) {
        let jiff = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
        let (from, end) = (start + skip * 86_400, start + (skip + 300) * 86_400);
        let instant = |wall: i64| {
            let time = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(wall).unwrap());
            jiff.to_timestamp(time).unwrap().as_second()
        };
        let mut expected: Vec<i64> = reference(&rule, start, end + 200_000).into_iter().map(instant).collect();
        expected.retain(|at| (from..end).contains(at));
        expected.sort_unstable();
        expected.dedup();
        let text = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID={zone}:{}\nRRULE:{rule}\nEND:VEVENT\nEND:VCALENDAR\n",
            crate::DateTime::Floating(local_of(start)),
        );
        let object = Object::parse(text.as_bytes()).unwrap();
        let series = Series::all(object.calendar().unwrap()).remove(0).unwrap();
        let all = series.expand(from..end, &Zone::utc(), &Bounds::default());
        prop_assert!(!all.truncated);
        let got: Vec<i64> = all.instances.iter().map(|instance| instance.start).collect();
        prop_assert_eq!(got, expected, "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn less_than_a_day(rule in rules(TIMES), start in 0..2_000_000_000_i64, skip in 0..100_i64, length in 1..6_i64) {
        // Years of seconds are too many to look at.
        let rule = Rule { by_month: Vec::new(), by_year_day: Vec::new(), ..rule };
        let from = start + skip * 3600;
        let end = from + length * 3600;
        let mut expected = reference(&rule, start, end);
        expected.retain(|wall| *wall >= from);
        prop_assert_eq!(walked(&rule, start, from, end), expected, "{}", rule);
    }
}
