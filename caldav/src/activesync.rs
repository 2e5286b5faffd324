//! The Recurrence element of ActiveSync, and RRULE. MS-ASCAL §2.2.2.37.

use crate::recur::wall_of;
use crate::{
    ByDay, DateTime, Frequency, Invalid, LocalDateTime, Moment, Rule, RuleEnd, Skip, Time, Weekday, Zone,
};

/// Each day of a week in [`AsRecurrence::day_of_week`].
const EVERY_DAY: u8 = 127;

/// Days of the shortest month.
const SHORTEST: u8 = 28;

/// The greatest Interval. MS-ASCAL §2.2.2.25.
const INTERVAL_MAX: u32 = 999;

/// A Recurrence element with its numbers as they are on the wire, `None` for what is not there.
///
/// ```
/// use caldav::{AsRecurrence, Moment, Zone};
///
/// let start = Moment::Day("20261127".parse()?);
/// let last_friday = AsRecurrence::of(&"FREQ=MONTHLY;BYDAY=-1FR".parse()?, &start, &Zone::utc())?;
/// assert_eq!((last_friday.kind, last_friday.week_of_month, last_friday.day_of_week), (3, Some(5), Some(32)));
/// assert_eq!(last_friday.rule(true)?.to_string(), "FREQ=MONTHLY;BYDAY=-1FR");
/// assert!(AsRecurrence::of(&"FREQ=YEARLY;BYWEEKNO=20".parse()?, &start, &Zone::utc()).is_err());
/// # Ok::<(), caldav::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AsRecurrence {
    /// Type: 0 daily, 1 weekly, 2 monthly, 3 monthly on the nth day, 5 yearly, 6 yearly on the nth day.
    pub kind: u8,
    /// Interval, 1 to 999. Zero counts as one, which is what it has meant to newer servers.
    pub interval: Option<u32>,
    /// DayOfWeek: 1 for Sunday, 2 for Monday, to 64 for Saturday, added up.
    pub day_of_week: Option<u8>,
    /// DayOfMonth, 1 to 31.
    pub day_of_month: Option<u8>,
    /// WeekOfMonth, 1 to 5; 5 is the last.
    pub week_of_month: Option<u8>,
    /// MonthOfYear, 1 to 12.
    pub month_of_year: Option<u8>,
    /// Occurrences.
    pub occurrences: Option<u32>,
    /// Until, in UTC.
    pub until: Option<LocalDateTime>,
    /// FirstDayOfWeek: 0 for Sunday, to 6.
    pub first_day_of_week: Option<u8>,
    /// CalendarType; 0 (unsaid), 1, 2 and 9 to 12 are Gregorian. Answers have it with months and years,
    /// from 14.0 on. MS-ASCAL §2.2.2.10.
    pub calendar_type: Option<u8>,
    /// IsLeapMonth; 0 in the Gregorian calendar.
    pub is_leap_month: Option<u8>,
}

impl AsRecurrence {
    /// The rule that it stands for, in an event of whole days or of times.
    ///
    /// # Errors
    /// [`Invalid`] for numbers that are out of range or do not belong together, and other calendars.
    pub fn rule(&self, whole_days: bool) -> Result<Rule, Invalid> {
        // Some are Gregorian in other languages. MS-ASCAL §2.2.2.10.
        let gregorian = matches!(self.calendar_type.unwrap_or(0), 0..=2 | 9..=12);
        if !gregorian || self.is_leap_month.unwrap_or(0) != 0 {
            return Err(Invalid("only the Gregorian calendar is known"));
        }
        let mut rule = Rule::every(Frequency::Daily);
        rule.interval = match self.interval.unwrap_or(1) {
            0 => 1,
            interval @ 1..=INTERVAL_MAX => interval,
            _ => return Err(Invalid("Interval is at most 999")),
        };
        self.pattern(&mut rule)?;
        rule.end = match (self.occurrences, self.until) {
            (None, None) => RuleEnd::Never,
            (Some(count @ 1..=65_535), None) => RuleEnd::Count(count),
            (None, Some(until)) if whole_days => RuleEnd::Until(Moment::Day(until.date)),
            (None, Some(until)) => RuleEnd::Until(Moment::At(DateTime::Utc(until))),
            (Some(_), _) => return Err(Invalid("Occurrences is out of range, or stands beside Until")),
        };
        if let Some(day) = self.first_day_of_week {
            rule.week_start = from_sunday(day).ok_or(Invalid("no first day of the week"))?;
        }
        Ok(rule)
    }

    /// The element that stands for a rule of something that begins at `start`, floating times being those
    /// of `zone`.
    ///
    /// # Errors
    /// [`Invalid`] for a rule that ActiveSync cannot express; says why.
    pub fn of(rule: &Rule, start: &Moment, zone: &Zone) -> Result<Self, Invalid> {
        if !at_the_time_of(rule, start) {
            return Err(Invalid("ActiveSync has one time of day for a series"));
        }
        if rule.skip != Skip::Omit || !rule.by_year_day.is_empty() || !rule.by_week_no.is_empty() {
            return Err(Invalid("ActiveSync knows neither SKIP, nor days nor weeks of the year"));
        }
        if rule.interval > INTERVAL_MAX {
            return Err(Invalid("Interval is at most 999"));
        }
        let mut element = Self { interval: Some(rule.interval), ..Self::default() };
        match rule.frequency {
            Frequency::Daily => element.daily(rule)?,
            Frequency::Weekly => element.weekly(rule, start)?,
            Frequency::Monthly => element.monthly(rule, start)?,
            Frequency::Yearly => element.yearly(rule, start)?,
            _ => return Err(Invalid("ActiveSync has nothing more often than daily")),
        }
        match &rule.end {
            RuleEnd::Never => {}
            RuleEnd::Count(count @ 1..=65_535) => element.occurrences = Some(*count),
            RuleEnd::Count(_) => return Err(Invalid("so many instances are too many")),
            RuleEnd::Until(until) => element.until = Some(until_of(until, start, zone)),
        }
        Ok(element)
    }

    fn pattern(&self, rule: &mut Rule) -> Result<(), Invalid> {
        let days = self.day_of_week.map(weekdays).transpose()?;
        match (self.kind, days) {
            (0, None) => {}
            (0, Some(_)) if rule.interval != 1 => {
                return Err(Invalid("some weekdays, but not of every day"));
            }
            (0 | 1, Some(days)) => {
                rule.frequency = Frequency::Weekly;
                rule.by_day = plain(&days);
            }
            (2, _) => {
                rule.frequency = Frequency::Monthly;
                self.day(rule, SHORTEST)?;
            }
            (3, Some(days)) => {
                rule.frequency = Frequency::Monthly;
                self.nth(rule, &days)?;
            }
            (5, _) => {
                rule.frequency = Frequency::Yearly;
                rule.by_month = self.month()?;
                let month = self.month_of_year.unwrap_or(1);
                // 2001 was no leap year.
                self.day(rule, crate::recur::days_in_month(2001, month))?;
            }
            (6, Some(days)) => {
                rule.frequency = Frequency::Yearly;
                rule.by_month = self.month()?;
                self.nth(rule, &days)?;
            }
            (1 | 3 | 6, None) => return Err(Invalid("DayOfWeek is missing")),
            _ => return Err(Invalid("no type of recurrence")),
        }
        Ok(())
    }

    fn month(&self) -> Result<Vec<u8>, Invalid> {
        match self.month_of_year {
            Some(month @ 1..=12) => Ok(vec![month]),
            _ => Err(Invalid("no month of the year")),
        }
    }

    /// The day of a month that has at least `shortest` days: where there are fewer it is the last one, as
    /// Exchange has it.
    fn day(&self, rule: &mut Rule, shortest: u8) -> Result<(), Invalid> {
        let Some(day @ 1..=31) = self.day_of_month else { return Err(Invalid("no day of the month")) };
        if day <= shortest {
            rule.by_month_day = vec![day.into()];
        } else {
            rule.by_month_day = (shortest..=day).map(i16::from).collect();
            rule.by_set_pos = vec![-1];
        }
        Ok(())
    }

    fn nth(&self, rule: &mut Rule, days: &[Weekday]) -> Result<(), Invalid> {
        let nth = match self.week_of_month {
            Some(5) => -1,
            Some(week @ 1..=4) => i16::from(week),
            _ => return Err(Invalid("no week of the month")),
        };
        match days {
            [weekday] => rule.by_day = vec![ByDay { nth: Some(nth), weekday: *weekday }],
            days if days.len() == 7 => rule.by_month_day = vec![nth],
            days => {
                rule.by_day = plain(days);
                rule.by_set_pos = vec![nth];
            }
        }
        Ok(())
    }

    fn daily(&mut self, rule: &Rule) -> Result<(), Invalid> {
        if !rule.by_month.is_empty() || !rule.by_month_day.is_empty() || !rule.by_set_pos.is_empty() {
            return Err(Invalid("ActiveSync has every day or every few, not some of them"));
        }
        if !rule.by_day.is_empty() {
            if rule.interval != 1 {
                return Err(Invalid("ActiveSync has no weekdays of every few days"));
            }
            self.kind = 1;
            self.day_of_week = Some(mask(&rule.by_day));
            self.first_day_of_week = Some(to_sunday(rule.week_start));
        }
        Ok(())
    }

    fn weekly(&mut self, rule: &Rule, start: &Moment) -> Result<(), Invalid> {
        if !rule.by_month.is_empty() || !rule.by_month_day.is_empty() || !rule.by_set_pos.is_empty() {
            return Err(Invalid("ActiveSync has whole weeks only"));
        }
        self.kind = 1;
        self.day_of_week = Some(match rule.by_day.is_empty() {
            true => bit(weekday_of(start)),
            false => mask(&rule.by_day),
        });
        self.first_day_of_week = Some(to_sunday(rule.week_start));
        Ok(())
    }

    fn monthly(&mut self, rule: &Rule, start: &Moment) -> Result<(), Invalid> {
        if !rule.by_month.is_empty() {
            return Err(Invalid("ActiveSync has every month or every few, not some of them"));
        }
        self.day_of(rule, start, 2, 3)
    }

    fn yearly(&mut self, rule: &Rule, start: &Moment) -> Result<(), Invalid> {
        self.month_of_year = Some(match rule.by_month.as_slice() {
            [month] => *month,
            [] if rule.by_day.is_empty() && rule.by_month_day.is_empty() => start.date().month(),
            _ => return Err(Invalid("ActiveSync has one month of a year")),
        });
        self.day_of(rule, start, 5, 6)
    }

    /// A day of a month: by its number, or the nth of some weekdays.
    fn day_of(&mut self, rule: &Rule, start: &Moment, by_number: u8, by_weekday: u8) -> Result<(), Invalid> {
        let nth = |nth: i16| match nth {
            -1 => Ok(5),
            1..=4 => Ok(u8::try_from(nth).unwrap_or(1)),
            _ => Err(Invalid("ActiveSync counts to the fourth, and has the last")),
        };
        self.kind = by_weekday;
        self.calendar_type = Some(0);
        let by_days = rule.by_day.as_slice();
        match (rule.by_month_day.as_slice(), by_days, rule.by_set_pos.as_slice()) {
            ([], [], [] | [1 | -1]) => {
                self.kind = by_number;
                self.day_of_month = Some(start.date().day());
            }
            ([-1], [], [] | [1 | -1]) => {
                self.day_of_week = Some(EVERY_DAY);
                self.week_of_month = Some(5);
            }
            ([day @ 1..=31], [], [] | [1 | -1]) => {
                self.kind = by_number;
                self.day_of_month = u8::try_from(*day).ok();
            }
            (days @ [first, .., last], [], [-1])
                if (SHORTEST.into()..=31).contains(first)
                    && days.windows(2).all(|pair| matches!(pair, [a, b] if a + 1 == *b)) =>
            {
                self.kind = by_number;
                self.day_of_month = u8::try_from(*last).ok().filter(|day| *day <= 31);
            }
            ([], [ByDay { nth: Some(n), weekday }], [] | [1 | -1]) => {
                self.day_of_week = Some(bit(*weekday));
                self.week_of_month = Some(nth(*n)?);
            }
            ([], days, [n]) if days.iter().all(|day| day.nth.is_none()) => {
                self.day_of_week = Some(mask(days));
                self.week_of_month = Some(nth(*n)?);
            }
            _ => return Err(Invalid("ActiveSync has one day of a month")),
        }
        Ok(())
    }
}

/// True when all instances are at the time of the first.
fn at_the_time_of(rule: &Rule, start: &Moment) -> bool {
    let time = match start {
        Moment::Day(_) => Time::MIDNIGHT,
        Moment::At(time) => time.local().time,
    };
    let own = |list: &[u8], own: u8| list.is_empty() || list == [own];
    own(&rule.by_hour, time.hour())
        && own(&rule.by_minute, time.minute())
        && own(&rule.by_second, time.second())
}

/// UNTIL in UTC; for a day its last second, but of whole days the day itself.
fn until_of(until: &Moment, start: &Moment, zone: &Zone) -> LocalDateTime {
    match (until, start) {
        (Moment::At(DateTime::Utc(utc)), _) => *utc,
        (until, Moment::Day(_)) => LocalDateTime { date: until.date(), time: Time::MIDNIGHT },
        (Moment::At(time), _) => crate::recur::local_of(zone.instant(time.local())),
        (Moment::Day(date), _) => {
            let end = wall_of(LocalDateTime { date: *date, time: Time::MIDNIGHT }) + 86_399;
            crate::recur::local_of(zone.instant(crate::recur::local_of(end)))
        }
    }
}

fn weekday_of(start: &Moment) -> Weekday {
    let date = start.date();
    Weekday::of_day(crate::recur::day_number(date.year().into(), date.month(), date.day()))
}

fn plain(days: &[Weekday]) -> Vec<ByDay> {
    days.iter().map(|weekday| ByDay { nth: None, weekday: *weekday }).collect()
}

/// The weekdays of a sum, Monday first.
fn weekdays(mask: u8) -> Result<Vec<Weekday>, Invalid> {
    if mask == 0 || mask > EVERY_DAY {
        return Err(Invalid("no days of the week"));
    }
    Ok(Weekday::ALL.into_iter().filter(|day| mask & bit(*day) != 0).collect())
}

fn mask(days: &[ByDay]) -> u8 {
    days.iter().fold(0, |mask, day| mask | bit(day.weekday))
}

fn bit(day: Weekday) -> u8 {
    1 << to_sunday(day)
}

fn to_sunday(day: Weekday) -> u8 {
    u8::try_from((day.index() + 1) % 7).unwrap_or(0)
}

fn from_sunday(n: u8) -> Option<Weekday> {
    Weekday::ALL.into_iter().find(|day| to_sunday(*day) == n)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn monday() -> Moment {
        Moment::At(DateTime::Floating("20261123T100000".parse().unwrap()))
    }

    fn of(rule: &str) -> Result<AsRecurrence, Invalid> {
        AsRecurrence::of(&rule.parse().unwrap(), &monday(), &Zone::iana("Europe/Berlin").unwrap())
    }

    #[test]
    fn rules_become_what_they_mean() {
        for (rule, again) in [
            ("FREQ=DAILY;INTERVAL=3;COUNT=5", "FREQ=DAILY;COUNT=5;INTERVAL=3"),
            ("FREQ=DAILY;BYDAY=MO,TU", "FREQ=WEEKLY;BYDAY=MO,TU"),
            ("FREQ=WEEKLY;WKST=SU", "FREQ=WEEKLY;BYDAY=MO;WKST=SU"),
            ("FREQ=WEEKLY;BYDAY=MO;BYHOUR=10;BYMINUTE=0", "FREQ=WEEKLY;BYDAY=MO"),
            ("FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=23"),
            ("FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=-1"),
            ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2", "FREQ=MONTHLY;BYDAY=2MO"),
            (
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            ),
            (
                "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
                "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
            ),
            ("FREQ=MONTHLY;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1"),
            ("FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31", "FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=1"),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=YEARLY;BYMONTHDAY=28,29;BYMONTH=2;BYSETPOS=-1"),
            ("FREQ=YEARLY", "FREQ=YEARLY;BYMONTHDAY=23;BYMONTH=11"),
            ("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"),
            ("FREQ=DAILY;UNTIL=20261201", "FREQ=DAILY;UNTIL=20261201T225959Z"),
            ("FREQ=DAILY;UNTIL=20261201T120000", "FREQ=DAILY;UNTIL=20261201T110000Z"),
        ] {
            assert_eq!(of(rule).unwrap().rule(false).unwrap().to_string(), again, "{rule}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        for rule in [
            "FREQ=HOURLY",
            "FREQ=DAILY;BYHOUR=10,12",
            "FREQ=DAILY;BYMONTH=1",
            "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
            "FREQ=DAILY;INTERVAL=1000",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=70000",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=1",
            "FREQ=MONTHLY;BYDAY=MO",
            "FREQ=MONTHLY;BYDAY=5MO",
            "FREQ=MONTHLY;BYDAY=-2MO",
            "FREQ=MONTHLY;BYDAY=1MO,3MO",
            "FREQ=MONTHLY;BYMONTHDAY=1,15",
            "FREQ=MONTHLY;BYMONTHDAY=-2",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "FREQ=YEARLY;BYMONTH=1,2",
            "FREQ=YEARLY;BYDAY=20MO",
            "FREQ=YEARLY;BYYEARDAY=1",
            "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD",
        ] {
            assert!(of(rule).is_err(), "{rule}");
        }
        let good = AsRecurrence {
            kind: 6,
            day_of_week: Some(1),
            week_of_month: Some(5),
            month_of_year: Some(3),
            ..AsRecurrence::default()
        };
        assert!(good.rule(true).is_ok());
        for bad in [
            AsRecurrence { kind: 4, ..good.clone() },
            AsRecurrence { interval: Some(1000), ..good.clone() },
            AsRecurrence { day_of_week: Some(128), ..good.clone() },
            AsRecurrence { day_of_week: Some(0), ..good.clone() },
            AsRecurrence { day_of_week: None, ..good.clone() },
            AsRecurrence { week_of_month: Some(6), ..good.clone() },
            AsRecurrence { month_of_year: Some(13), ..good.clone() },
            AsRecurrence { occurrences: Some(1 << 31), ..good.clone() },
            AsRecurrence { first_day_of_week: Some(7), ..good.clone() },
            AsRecurrence { calendar_type: Some(8), ..good.clone() },
            AsRecurrence { is_leap_month: Some(1), ..good },
            AsRecurrence { kind: 2, day_of_month: Some(32), ..AsRecurrence::default() },
            AsRecurrence { kind: 0, day_of_week: Some(2), interval: Some(2), ..AsRecurrence::default() },
        ] {
            assert!(bad.rule(true).is_err(), "{bad:?}");
        }
    }

    fn elements() -> impl Strategy<Value = AsRecurrence> {
        let until = (1..28_u8).prop_map(|day| format!("202612{day:02}T090000").parse().ok());
        let end = prop_oneof![
            Just((None, None)),
            (1..999_u32).prop_map(|n| (Some(n), None)),
            until.prop_map(|u| (None, u))
        ];
        let numbers = (1..=127_u8, 1..=31_u8, 1..=5_u8, 1..=12_u8, 0..7_u8);
        (prop::sample::select(vec![0_u8, 1, 2, 3, 5, 6]), 1..=999_u32, numbers, end).prop_map(
            |(kind, interval, n, end)| {
                let only = |kinds: &[u8], value: u8| kinds.contains(&kind).then_some(value);
                AsRecurrence {
                    kind,
                    interval: Some(interval),
                    day_of_week: only(&[1, 3, 6], n.0),
                    day_of_month: only(&[2, 5], n.1),
                    week_of_month: only(&[3, 6], n.2),
                    month_of_year: only(&[5, 6], n.3),
                    first_day_of_week: only(&[1], n.4),
                    calendar_type: only(&[2, 3, 5, 6], 0),
                    occurrences: end.0,
                    until: end.1,
                    ..AsRecurrence::default()
                }
            },
        )
    }

    proptest! {
        #[test]
        fn an_element_comes_back(element in elements()) {
            let rule = element.rule(false).unwrap();
            let again = AsRecurrence::of(&rule.to_string().parse().unwrap(), &monday(), &Zone::utc()).unwrap();
            // The nth of all days is that day of the month.
            if element.day_of_week == Some(EVERY_DAY) && element.week_of_month.is_some_and(|week| week < 5) {
                prop_assert_eq!(again.day_of_month, element.week_of_month);
            } else {
                prop_assert_eq!(again, element);
            }
        }

        #[test]
        fn numbers_of_any_size_are_taken_or_refused(kind in 0..8_u8, n in any::<[Option<u8>; 7]>(), interval in any::<Option<u32>>(), occurrences in any::<Option<u32>>()) {
            let element = AsRecurrence {
                kind, interval, occurrences, day_of_week: n[0], day_of_month: n[1], week_of_month: n[2],
                month_of_year: n[3], first_day_of_week: n[4], calendar_type: n[5], is_leap_month: n[6], until: None,
            };
            if let Ok(rule) = element.rule(true) {
                prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
            }
        }
    }
}
