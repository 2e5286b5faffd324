//! Dates and times as values of properties. RFC 5545 §3.3.4, §3.3.5, §3.3.12.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;

/// A day of the Gregorian calendar, of the years 0 to 9999. RFC 5545 §3.3.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A time of day, to the second. RFC 5545 §3.3.12.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
}

/// What a calendar on the wall and a clock beside it show, wherever that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalDateTime {
    /// The day.
    pub date: Date,
    /// The time of day.
    pub time: Time,
}

/// A point in time in one of its three forms. RFC 5545 §3.3.5.
///
/// `Display` is the value of a property; a zone's name stands in its TZID parameter, not there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DateTime {
    /// Form 1: the same on every clock, whatever its zone.
    Floating(LocalDateTime),
    /// Form 2: UTC.
    Utc(LocalDateTime),
    /// Form 3: by the clocks of a zone.
    Zoned {
        /// What they show.
        local: LocalDateTime,
        /// The zone's name in this object: the value of TZID. RFC 5545 §3.2.19.
        tzid: String,
    },
}

impl Date {
    pub(crate) const EPOCH: Self = Self { year: 1970, month: 1, day: 1 };

    /// A day.
    ///
    /// # Errors
    /// [`Invalid`] for one that no calendar has.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, Invalid> {
        if year > 9999 || !(1..=12).contains(&month) || day == 0 || day > days_of(year, month) {
            return Err(Invalid("there is no such day"));
        }
        Ok(Self { year, month, day })
    }

    /// The year, 0 to 9999.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u8 {
        self.day
    }
}

impl Time {
    /// The first second of a day.
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0 };

    /// A time of day; the second 60 is a leap second.
    ///
    /// # Errors
    /// [`Invalid`] for one that no clock shows.
    pub fn new(hour: u8, minute: u8, second: u8) -> Result<Self, Invalid> {
        if hour > 23 || minute > 59 || second > 60 {
            return Err(Invalid("there is no such time of day"));
        }
        Ok(Self { hour, minute, second })
    }

    /// The hour, 0 to 23.
    pub fn hour(self) -> u8 {
        self.hour
    }

    /// The minute, 0 to 59.
    pub fn minute(self) -> u8 {
        self.minute
    }

    /// The second, 0 to 60.
    pub fn second(self) -> u8 {
        self.second
    }
}

impl DateTime {
    /// What the clocks show that it is told by.
    pub fn local(&self) -> LocalDateTime {
        match self {
            Self::Floating(local) | Self::Utc(local) | Self::Zoned { local, .. } => *local,
        }
    }

    /// The value of the TZID parameter that belongs to it.
    pub fn tzid(&self) -> Option<&str> {
        match self {
            Self::Zoned { tzid, .. } => Some(tzid),
            Self::Floating(_) | Self::Utc(_) => None,
        }
    }

    /// A value of type DATE-TIME with the TZID parameter of its property.
    ///
    /// # Errors
    /// [`Invalid`] for a value of another form, and for a UTC value with a TZID, which must not be.
    pub fn parse(value: &str, tzid: Option<&str>) -> Result<Self, Invalid> {
        match (value.strip_suffix('Z'), tzid) {
            (Some(utc), None) => utc.parse().map(Self::Utc),
            (Some(_), Some(_)) => Err(Invalid("a time in UTC has no TZID")),
            (None, Some(tzid)) => Ok(Self::Zoned { local: value.parse()?, tzid: tzid.to_owned() }),
            (None, None) => value.parse().map(Self::Floating),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}{:02}", self.hour, self.minute, self.second)
    }
}

impl fmt::Display for LocalDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date, self.time)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Floating(local) | Self::Zoned { local, .. } => local.fmt(f),
            Self::Utc(local) => write!(f, "{local}Z"),
        }
    }
}

impl FromStr for Date {
    type Err = Invalid;

    /// Reads what `Display` writes: eight digits.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let [a, b, c, d, e, f, g, h] = digits(text).ok_or(Invalid("a date has eight digits"))?;
        let year = [a, b, c, d].into_iter().fold(0, |year, digit| year * 10 + u16::from(digit));
        Self::new(year, e * 10 + f, g * 10 + h)
    }
}

impl FromStr for Time {
    type Err = Invalid;

    /// Reads what `Display` writes: six digits.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let [a, b, c, d, e, f] = digits(text).ok_or(Invalid("a time has six digits"))?;
        Self::new(a * 10 + b, c * 10 + d, e * 10 + f)
    }
}

impl FromStr for LocalDateTime {
    type Err = Invalid;

    /// Reads what `Display` writes: a date, `T` and a time.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (date, time) = text.split_once('T').ok_or(Invalid("a date and a time have a T between them"))?;
        Ok(Self { date: date.parse()?, time: time.parse()? })
    }
}

/// Exactly `N` decimal digits, as numbers.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|b| b - b'0'))
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 5545 §3.3.4 and §3.3.5.
    #[test]
    fn the_forms_of_the_standard() {
        assert_eq!("19970714".parse(), Date::new(1997, 7, 14));
        let local: LocalDateTime = "19980118T230000".parse().unwrap();
        assert_eq!((local.date, local.time), (Date::new(1998, 1, 18).unwrap(), Time::new(23, 0, 0).unwrap()));
        let floating = DateTime::parse("19980118T230000", None).unwrap();
        assert_eq!(floating, DateTime::Floating(local));
        assert_eq!(floating.to_string(), "19980118T230000");
        let utc = DateTime::parse("19980119T070000Z", None).unwrap();
        assert_eq!((utc.to_string().as_str(), utc.tzid()), ("19980119T070000Z", None));
        let zoned = DateTime::parse("19980119T020000", Some("America/New_York")).unwrap();
        assert_eq!((zoned.to_string().as_str(), zoned.tzid()), ("19980119T020000", Some("America/New_York")));
        assert_eq!(zoned.local().time.hour(), 2);
        assert!(DateTime::parse("19980119T020000Z", Some("America/New_York")).is_err());
        let leap = "19970630T235960Z";
        assert_eq!(DateTime::parse(leap, None).unwrap().to_string(), leap);
    }

    #[test]
    fn days_and_times_that_are_none_are_refused() {
        for (year, month, day) in [
            (2026, 0, 1),
            (2026, 13, 1),
            (2026, 1, 0),
            (2026, 4, 31),
            (2026, 2, 29),
            (1900, 2, 29),
            (10_000, 1, 1),
        ] {
            assert!(Date::new(year, month, day).is_err(), "{year}-{month}-{day}");
        }
        for (year, month, day) in [(2024, 2, 29), (2000, 2, 29), (0, 2, 29), (9999, 12, 31)] {
            assert!(Date::new(year, month, day).is_ok(), "{year}-{month}-{day}");
        }
        for (hour, minute, second) in [(24, 0, 0), (0, 60, 0), (0, 0, 61)] {
            assert!(Time::new(hour, minute, second).is_err());
        }
        for bad in ["", "2026", "2026112", "202611244", "2026-11-24", "+0261124", "２０２６1124", "20261124T"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        for bad in
            ["20261124", "T", "20261124T1200", "20261124T120000Z", "20261124t120000", "20261124T12000é"]
        {
            assert!(bad.parse::<LocalDateTime>().is_err(), "{bad}");
        }
        for bad in ["-0800", "19980119T230000-0800", "20261124Z"] {
            assert!(DateTime::parse(bad, None).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(y in 0..10_000_u16, m in 1..13_u8, d in 1..29_u8, s in 0..86_400_u32) {
            let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
            let part = |n: u32| u8::try_from(n).unwrap();
            let date = Date::new(y, m, d).unwrap();
            let time = Time::new(part(hour), part(minute), part(second)).unwrap();
            prop_assert_eq!((date.year(), date.month(), date.day()), (y, m, d));
            prop_assert_eq!((time.minute(), time.second()), (part(minute), part(second)));
            let utc = DateTime::Utc(LocalDateTime { date, time });
            prop_assert_eq!(DateTime::parse(&utc.to_string(), None), Ok(utc));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,20}") {
            let _ = DateTime::parse(&text, None);
            let _ = text.parse::<Date>();
        }
    }
}
