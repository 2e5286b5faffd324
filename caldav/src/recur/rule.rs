//! Recurrence rules as they are written. RFC 5545 §3.3.10; RFC 7529 §4.

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::{Date, DateTime, Invalid, LocalDateTime, Moment};

/// How often a rule comes round. RFC 5545 §3.3.10.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Frequency {
    /// Every second.
    Secondly,
    /// Every minute.
    Minutely,
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week, from [`Rule::week_start`].
    Weekly,
    /// Every month.
    Monthly,
    /// Every year.
    Yearly,
}

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "each is its own name")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A weekday of BYDAY: every one, or the nth of the month or year, from its end when negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ByDay {
    /// `None` for every one; never zero.
    pub nth: Option<i16>,
    /// Which day.
    pub weekday: Weekday,
}

/// When a rule ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RuleEnd {
    /// Not at all.
    Never,
    /// After so many instances, of which DTSTART is the first.
    Count(u32),
    /// With the last instance that is not after this.
    Until(Moment),
}

/// What becomes of days that a month does not have. RFC 7529 §4.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Skip {
    /// They are left out.
    #[default]
    Omit,
    /// The last day before.
    Backward,
    /// The first day after.
    Forward,
}

/// A recurrence rule: the value of RRULE or EXRULE.
///
/// Lists are sorted and have each value once. `Display` writes the value of the property.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// FREQ.
    pub frequency: Frequency,
    /// INTERVAL, at least 1.
    pub interval: u32,
    /// COUNT or UNTIL.
    pub end: RuleEnd,
    /// BYSECOND, 0 to 60.
    pub by_second: Vec<u8>,
    /// BYMINUTE, 0 to 59.
    pub by_minute: Vec<u8>,
    /// BYHOUR, 0 to 23.
    pub by_hour: Vec<u8>,
    /// BYDAY.
    pub by_day: Vec<ByDay>,
    /// BYMONTHDAY, ±1 to ±31.
    pub by_month_day: Vec<i16>,
    /// BYYEARDAY, ±1 to ±366.
    pub by_year_day: Vec<i16>,
    /// BYWEEKNO, ±1 to ±53.
    pub by_week_no: Vec<i16>,
    /// BYMONTH, 1 to 12.
    pub by_month: Vec<u8>,
    /// BYSETPOS, ±1 to ±366.
    pub by_set_pos: Vec<i16>,
    /// WKST; Monday unless said.
    pub week_start: Weekday,
    /// SKIP of RFC 7529; a rule that has it is written with RSCALE=GREGORIAN.
    pub skip: Skip,
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// `MO` to `SU`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "MO",
            Self::Tuesday => "TU",
            Self::Wednesday => "WE",
            Self::Thursday => "TH",
            Self::Friday => "FR",
            Self::Saturday => "SA",
            Self::Sunday => "SU",
        }
    }

    /// Days since Monday.
    pub(crate) fn index(self) -> i32 {
        self as i32
    }

    /// The weekday of a day counted from 1970-01-01, a Thursday.
    pub(crate) fn of_day(day: i32) -> Self {
        let index = (i64::from(day) + 3).rem_euclid(7);
        usize::try_from(index).ok().and_then(|n| Self::ALL.get(n).copied()).unwrap_or(Self::Monday)
    }
}

impl Rule {
    /// A rule of each `frequency`, for ever.
    pub fn every(frequency: Frequency) -> Self {
        Self {
            frequency,
            interval: 1,
            end: RuleEnd::Never,
            by_second: Vec::new(),
            by_minute: Vec::new(),
            by_hour: Vec::new(),
            by_day: Vec::new(),
            by_month_day: Vec::new(),
            by_year_day: Vec::new(),
            by_week_no: Vec::new(),
            by_month: Vec::new(),
            by_set_pos: Vec::new(),
            week_start: Weekday::Monday,
            skip: Skip::Omit,
        }
    }

    fn part(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        match name {
            "FREQ" => self.frequency = frequency(value)?,
            // Zero is met, and has always been taken for one.
            "INTERVAL" => self.interval = number::<u32>(value)?.max(1),
            "COUNT" => self.end = RuleEnd::Count(number::<u32>(value)?),
            "UNTIL" => self.end = RuleEnd::Until(until(value)?),
            "BYSECOND" => self.by_second = list(value, 0..=60)?,
            "BYMINUTE" => self.by_minute = list(value, 0..=59)?,
            "BYHOUR" => self.by_hour = list(value, 0..=23)?,
            "BYDAY" => self.by_day = by_day(value)?,
            "BYMONTHDAY" => self.by_month_day = signed(value, 31)?,
            "BYYEARDAY" => self.by_year_day = signed(value, 366)?,
            "BYWEEKNO" => self.by_week_no = signed(value, 53)?,
            "BYMONTH" => self.by_month = list(value, 1..=12)?,
            "BYSETPOS" => self.by_set_pos = signed(value, 366)?,
            "WKST" => self.week_start = weekday(value)?,
            "RSCALE" if value == "GREGORIAN" => {}
            "RSCALE" => return Err(Invalid("only the Gregorian calendar is known")),
            "SKIP" => {
                self.skip = match value {
                    "OMIT" => Skip::Omit,
                    "BACKWARD" => Skip::Backward,
                    "FORWARD" => Skip::Forward,
                    _ => return Err(Invalid("SKIP is OMIT, BACKWARD or FORWARD")),
                }
            }
            name if name.starts_with("X-") => {}
            // To leave a part out would be another series than was meant.
            _ => return Err(Invalid("an unknown part of a recurrence rule")),
        }
        Ok(())
    }
}

impl FromStr for Rule {
    type Err = Invalid;

    /// Reads a value of RRULE; case does not count, and parts may come in any order.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > 8192 {
            return Err(Invalid("the recurrence rule is too long"));
        }
        let text = text.trim().to_ascii_uppercase();
        let mut rule = Self::every(Frequency::Daily);
        let mut seen: Vec<&str> = Vec::new();
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(Invalid("a part of a rule has a value"))?;
            if seen.contains(&name) {
                return Err(Invalid("a part of a recurrence rule stands twice"));
            }
            seen.push(name);
            rule.part(name, value)?;
        }
        if !seen.contains(&"FREQ") {
            return Err(Invalid("a recurrence rule has a FREQ"));
        }
        if seen.contains(&"COUNT") && seen.contains(&"UNTIL") {
            return Err(Invalid("a recurrence rule has COUNT or UNTIL, not both"));
        }
        Ok(rule)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.skip != Skip::Omit {
            f.write_str("RSCALE=GREGORIAN;")?;
        }
        write!(f, "FREQ={}", frequency_name(self.frequency))?;
        match &self.end {
            RuleEnd::Never => {}
            RuleEnd::Count(count) => write!(f, ";COUNT={count}")?,
            RuleEnd::Until(until) => write!(f, ";UNTIL={until}")?,
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        write_list(f, "BYSECOND", &self.by_second)?;
        write_list(f, "BYMINUTE", &self.by_minute)?;
        write_list(f, "BYHOUR", &self.by_hour)?;
        write_list(f, "BYDAY", &self.by_day)?;
        write_list(f, "BYMONTHDAY", &self.by_month_day)?;
        write_list(f, "BYYEARDAY", &self.by_year_day)?;
        write_list(f, "BYWEEKNO", &self.by_week_no)?;
        write_list(f, "BYMONTH", &self.by_month)?;
        write_list(f, "BYSETPOS", &self.by_set_pos)?;
        if self.week_start != Weekday::Monday {
            write!(f, ";WKST={}", self.week_start.as_str())?;
        }
        match self.skip {
            Skip::Omit => Ok(()),
            Skip::Backward => f.write_str(";SKIP=BACKWARD"),
            Skip::Forward => f.write_str(";SKIP=FORWARD"),
        }
    }
}

impl fmt::Display for ByDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nth.map_or(Ok(()), |nth| nth.fmt(f))?;
        f.write_str(self.weekday.as_str())
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, name: &str, values: &[impl fmt::Display]) -> fmt::Result {
    for (n, value) in values.iter().enumerate() {
        if n == 0 {
            write!(f, ";{name}={value}")?;
        } else {
            f.write_char(',')?;
            value.fmt(f)?;
        }
    }
    Ok(())
}

fn frequency(value: &str) -> Result<Frequency, Invalid> {
    use Frequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    let all = [Secondly, Minutely, Hourly, Daily, Weekly, Monthly, Yearly];
    all.into_iter().find(|f| frequency_name(*f) == value).ok_or(Invalid("no frequency of RFC 5545"))
}

fn frequency_name(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Secondly => "SECONDLY",
        Frequency::Minutely => "MINUTELY",
        Frequency::Hourly => "HOURLY",
        Frequency::Daily => "DAILY",
        Frequency::Weekly => "WEEKLY",
        Frequency::Monthly => "MONTHLY",
        Frequency::Yearly => "YEARLY",
    }
}

fn number<N: FromStr>(value: &str) -> Result<N, Invalid> {
    value.parse().map_err(|_| Invalid("a part of a recurrence rule is no number, or out of range"))
}

fn list(value: &str, range: std::ops::RangeInclusive<u8>) -> Result<Vec<u8>, Invalid> {
    let mut values = value.split(',').map(number::<u8>).collect::<Result<Vec<_>, _>>()?;
    if values.iter().any(|n| !range.contains(n)) {
        return Err(Invalid("a part of a recurrence rule is out of range"));
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn signed(value: &str, most: i16) -> Result<Vec<i16>, Invalid> {
    let mut values = value.split(',').map(number::<i16>).collect::<Result<Vec<_>, _>>()?;
    if values.iter().any(|n| *n == 0 || !(-most..=most).contains(n)) {
        return Err(Invalid("a part of a recurrence rule is out of range"));
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn by_day(value: &str) -> Result<Vec<ByDay>, Invalid> {
    let one = |text: &str| {
        let (nth, day) = text.split_at_checked(text.len().saturating_sub(2)).ok_or(Invalid("no weekday"))?;
        let nth = if nth.is_empty() { None } else { Some(number::<i16>(nth)?) };
        if nth.is_some_and(|n| n == 0 || !(-53..=53).contains(&n)) {
            return Err(Invalid("a week of BYDAY is out of range"));
        }
        Ok(ByDay { nth, weekday: weekday(day)? })
    };
    let mut days = value.split(',').map(one).collect::<Result<Vec<_>, _>>()?;
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

fn weekday(value: &str) -> Result<Weekday, Invalid> {
    Weekday::ALL.into_iter().find(|day| day.as_str() == value).ok_or(Invalid("no weekday"))
}

fn until(value: &str) -> Result<Moment, Invalid> {
    if let Ok(date) = value.parse::<Date>() {
        return Ok(Moment::Day(date));
    }
    match value.strip_suffix('Z') {
        Some(utc) => utc.parse::<LocalDateTime>().map(DateTime::Utc).map(Moment::At),
        None => value.parse::<LocalDateTime>().map(DateTime::Floating).map(Moment::At),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in [
            "FREQ=DAILY",
            "FREQ=DAILY;COUNT=10;INTERVAL=2",
            "FREQ=YEARLY;UNTIL=20000131T140000Z;BYDAY=MO,-1SU,20SU;BYMONTH=1",
            "FREQ=WEEKLY;UNTIL=19971007;BYDAY=TU,TH;WKST=SU",
            "FREQ=MONTHLY;BYHOUR=8;BYDAY=MO;BYMONTHDAY=-1,2;BYSETPOS=-1",
            "RSCALE=GREGORIAN;FREQ=YEARLY;BYSECOND=60;BYMINUTE=59;BYYEARDAY=-366;BYWEEKNO=53;SKIP=FORWARD",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string().parse(), Ok(rule.clone()), "{text}");
            let sorted = |text: &str| {
                let mut parts: Vec<_> = text.split(';').map(str::to_owned).collect();
                parts.sort();
                parts
            };
            if !text.contains("-1SU") {
                assert_eq!(sorted(&rule.to_string()), sorted(text));
            }
        }
        let loose: Rule = "interval=0;freq=weekly;byday=mo,MO;x-a=1;".parse().unwrap();
        assert_eq!(loose.to_string(), "FREQ=WEEKLY;BYDAY=MO");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for bad in [
            "",
            "FREQ=FORTNIGHTLY",
            "COUNT=1",
            "FREQ=DAILY;COUNT=-1",
            "FREQ=DAILY;COUNT=1;UNTIL=20260101",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=99999999999",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;BYMONTHDAY=0",
            "FREQ=DAILY;BYMONTHDAY=32",
            "FREQ=DAILY;BYDAY=54MO",
            "FREQ=DAILY;BYDAY=é",
            "FREQ=DAILY;BYDAY=",
            "FREQ=DAILY;BYEASTER=1",
            "FREQ=DAILY;RSCALE=CHINESE",
            "FREQ=DAILY;SKIP=X",
            "FREQ=DAILY;UNTIL=tomorrow",
            "FREQ",
        ] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
    }
}
