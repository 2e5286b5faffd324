//! Values of properties by type. RFC 5545 §3.3; RFC 6350 §4.

use std::fmt;
use std::str::FromStr;

use crate::{ContentLine, Date, DateTime, Invalid};

/// A day or a point in time: what DTSTART, EXDATE and RECURRENCE-ID hold. RFC 5545 §3.3.4, §3.3.5.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Moment {
    /// A whole day, wherever that is.
    Day(Date),
    /// A point in time.
    At(DateTime),
}

/// A stretch of time. RFC 5545 §3.3.6.
///
/// Days are days of the calendar, which a change of offset makes longer or shorter; seconds are exact.
/// Both have the same sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Duration {
    /// Whole days; a week is seven.
    pub days: i32,
    /// What comes on top, in seconds.
    pub seconds: i64,
}

/// A period: from a point in time to another, or for a while. RFC 5545 §3.3.9.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Period {
    /// With its start and its end.
    Until(DateTime, DateTime),
    /// With its start and how long it is.
    For(DateTime, Duration),
}

impl Moment {
    /// Its day.
    pub fn date(&self) -> Date {
        match self {
            Self::Day(date) => *date,
            Self::At(time) => time.local().date,
        }
    }

    /// A property that holds it, with VALUE and TZID as they must be.
    ///
    /// # Errors
    /// As [`ContentLine::new`].
    pub fn line(&self, name: &str) -> Result<ContentLine, Invalid> {
        let line = ContentLine::new(name, self.to_string())?;
        match self {
            Self::Day(_) => line.with("VALUE", "DATE"),
            Self::At(DateTime::Zoned { tzid, .. }) => line.with("TZID", tzid),
            Self::At(_) => Ok(line),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::At(time) => time.fmt(f),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days < 0 || self.seconds < 0 {
            f.write_str("-")?;
        }
        let (days, seconds) = (self.days.unsigned_abs(), self.seconds.unsigned_abs());
        if days > 0 && days.is_multiple_of(7) && seconds == 0 {
            return write!(f, "P{}W", days / 7);
        }
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if days > 0 && seconds == 0 {
            return Ok(());
        }
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        f.write_str("T")?;
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        // An hour and a second have a minute between them in the grammar.
        if minutes > 0 || (hours > 0 && seconds > 0) {
            write!(f, "{minutes}M")?;
        }
        if seconds > 0 || (hours == 0 && minutes == 0) {
            write!(f, "{seconds}S")?;
        }
        Ok(())
    }
}

impl FromStr for Duration {
    type Err = Invalid;

    /// Reads `P15DT5H0M20S`, `-PT15M` or `P7W`; also weeks with days, and units in any order.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        const BAD: Invalid = Invalid("no duration");
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let rest = rest.strip_prefix('P').ok_or(BAD)?;
        let (mut days, mut seconds, mut timed, mut parts) = (0_i64, 0_i64, false, 0);
        let mut number: Option<i64> = None;
        for c in rest.chars() {
            if let Some(digit) = c.to_digit(10) {
                let grown = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit.into()));
                number = Some(grown.filter(|n| *n <= i64::from(i32::MAX)).ok_or(BAD)?);
                continue;
            }
            if c == 'T' && !timed && number.is_none() {
                timed = true;
                continue;
            }
            let n = number.take().ok_or(BAD)?;
            parts += 1;
            match (c, timed) {
                ('W', false) => days = days.saturating_add(n * 7),
                ('D', false) => days = days.saturating_add(n),
                ('H', true) => seconds = seconds.saturating_add(n * 3600),
                ('M', true) => seconds = seconds.saturating_add(n * 60),
                ('S', true) => seconds = seconds.saturating_add(n),
                _ => return Err(BAD),
            }
        }
        if number.is_some() || parts == 0 {
            return Err(BAD);
        }
        let days = i32::try_from(days).map_err(|_| BAD)?;
        // i32::MIN is not reached, since `days` is not negative.
        Ok(Self { days: days * sign, seconds: seconds * i64::from(sign) })
    }
}

impl Period {
    /// Its start.
    pub fn start(&self) -> &DateTime {
        match self {
            Self::Until(start, _) | Self::For(start, _) => start,
        }
    }

    fn parse(text: &str, tzid: Option<&str>) -> Result<Self, Invalid> {
        let (start, end) = text.split_once('/').ok_or(Invalid("a period has a start and an end"))?;
        let start = date_time(start, tzid)?;
        match end.starts_with(['P', '+', '-']) {
            true => Ok(Self::For(start, end.parse()?)),
            false => Ok(Self::Until(start, date_time(end, tzid)?)),
        }
    }
}

/// Readers of the value by its type. A list is one with commas.
impl ContentLine {
    /// A value of type TEXT as it is meant. RFC 5545 §3.3.11.
    pub fn to_text(&self) -> String {
        unescape(self.value())
    }

    /// A list of TEXT. RFC 5545 §3.1.1.
    pub fn texts(&self) -> Vec<String> {
        split(self.value(), ',').map(unescape).collect()
    }

    /// The fields of a structured value such as N, ADR or GEO, each a list of TEXT. RFC 6350 §6.2.2.
    pub fn fields(&self) -> Vec<Vec<String>> {
        split(self.value(), ';').map(|field| split(field, ',').map(unescape).collect()).collect()
    }

    /// DATE or DATE-TIME with TZID. A time in UTC is one whatever its TZID says, as others write both.
    ///
    /// # Errors
    /// [`Invalid`] for a value of another form.
    pub fn moment(&self) -> Result<Moment, Invalid> {
        moment(self.value(), self.parameter("TZID"))
    }

    /// A list of DATE or DATE-TIME.
    ///
    /// # Errors
    /// [`Invalid`] when one of the values has another form.
    pub fn moments(&self) -> Result<Vec<Moment>, Invalid> {
        let tzid = self.parameter("TZID");
        self.value().split(',').map(|value| moment(value, tzid)).collect()
    }

    /// A list of PERIOD.
    ///
    /// # Errors
    /// [`Invalid`] when one of the values has another form.
    pub fn periods(&self) -> Result<Vec<Period>, Invalid> {
        let tzid = self.parameter("TZID");
        self.value().split(',').map(|value| Period::parse(value, tzid)).collect()
    }

    /// DURATION.
    ///
    /// # Errors
    /// [`Invalid`] for a value of another form.
    pub fn duration(&self) -> Result<Duration, Invalid> {
        self.value().trim().parse()
    }

    /// INTEGER. RFC 5545 §3.3.8.
    ///
    /// # Errors
    /// [`Invalid`] for a value of another form, or out of range.
    pub fn integer(&self) -> Result<i32, Invalid> {
        self.value().trim().parse().map_err(|_| Invalid("no integer"))
    }

    /// UTC-OFFSET in seconds, to the east positive. RFC 5545 §3.3.14.
    ///
    /// # Errors
    /// [`Invalid`] for a value of another form.
    pub fn utc_offset(&self) -> Result<i32, Invalid> {
        const BAD: Invalid = Invalid("no offset from UTC");
        let value = self.value().trim();
        let (sign, digits) = match value.split_at_checked(1) {
            Some(("+", digits)) => (1, digits),
            Some(("-", digits)) => (-1, digits),
            _ => return Err(BAD),
        };
        let whole = if digits.len() == 4 { format!("{digits}00") } else { digits.to_owned() };
        let time: crate::Time = whole.parse().map_err(|_| BAD)?;
        Ok(sign * (i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second())))
    }

    /// CAL-ADDRESS without its `mailto:`, in lower case for comparison. RFC 5545 §3.3.3.
    pub fn cal_address(&self) -> String {
        let value = self.value().trim().to_lowercase();
        value.strip_prefix("mailto:").map(str::to_owned).unwrap_or(value)
    }

    /// GEO: latitude and longitude in degrees. RFC 5545 §3.8.1.6.
    ///
    /// # Errors
    /// [`Invalid`] for a value of another form, or one that is nowhere on earth.
    pub fn geo(&self) -> Result<(f64, f64), Invalid> {
        const BAD: Invalid = Invalid("no place on earth");
        let (latitude, longitude) = self.value().split_once(';').ok_or(BAD)?;
        let degrees =
            |text: &str, most: f64| text.trim().parse().ok().filter(|n: &f64| n.abs() <= most).ok_or(BAD);
        Ok((degrees(latitude, 90.0)?, degrees(longitude, 180.0)?))
    }
}

/// TEXT as it is written. RFC 5545 §3.3.11.
pub(crate) fn escape(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => value.extend(['\\', c]),
            '\n' => value.push_str("\\n"),
            c => value.push(c),
        }
    }
    value
}

fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(c @ ('\\' | ';' | ',' | ':' | '"')) => text.push(c),
                // No escape of the standard: both stay.
                Some(c) => text.extend(['\\', c]),
                None => text.push('\\'),
            },
            c => text.push(c),
        }
    }
    text
}

/// Splits at a character that no backslash stands before.
pub(crate) fn split(value: &str, at: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    value.split(move |c| {
        let hit = c == at && !escaped;
        escaped = c == '\\' && !escaped;
        hit
    })
}

fn moment(value: &str, tzid: Option<&str>) -> Result<Moment, Invalid> {
    let value = value.trim();
    match value.contains('T') {
        true => date_time(value, tzid).map(Moment::At),
        false => value.parse().map(Moment::Day),
    }
}

fn date_time(value: &str, tzid: Option<&str>) -> Result<DateTime, Invalid> {
    DateTime::parse(value, tzid.filter(|_| !value.ends_with('Z')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> ContentLine {
        ContentLine::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn text_is_read_as_it_is_meant() {
        assert_eq!(line("X:a\\, b\\;c\\nd\\\\n\\x\\").to_text(), "a, b;c\nd\\n\\x\\");
        assert_eq!(line("X:a\\,b,c").texts(), ["a,b", "c"]);
        assert_eq!(line("X:a\\\\,c").texts(), ["a\\", "c"]);
        let name = line("N:Public;John;Quinlan,Paul\\;x;;");
        assert_eq!(name.fields().len(), 5);
        assert_eq!(name.fields()[2], ["Quinlan", "Paul;x"]);
    }

    #[test]
    fn durations_of_the_standard() {
        for (text, days, seconds) in [
            ("P15DT5H0M20S", 15, 18_020),
            ("P7W", 49, 0),
            ("-PT15M", 0, -900),
            ("PT0S", 0, 0),
            ("-P1D", -1, 0),
        ] {
            let duration = Duration { days, seconds };
            assert_eq!(text.parse(), Ok(duration), "{text}");
            assert_eq!(duration.to_string(), text);
        }
        assert_eq!("+P1WT1H".parse(), Ok(Duration { days: 7, seconds: 3600 }));
        for bad in
            ["", "P", "PT", "P1", "P1H", "PT1D", "1D", "P99999999999D", "P2147483647W", "PTT1S", "--P1D"]
        {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn periods_offsets_and_places() {
        let periods = line("RDATE;VALUE=PERIOD:19970101T180000Z/19970102T070000Z,19970101T180000Z/PT5H30M");
        let periods = periods.periods().unwrap();
        assert!(matches!(&periods[0], Period::Until(_, end) if end.to_string() == "19970102T070000Z"));
        assert!(matches!(&periods[1], Period::For(_, length) if length.seconds == 19_800));
        assert_eq!(line("TZOFFSETTO:-0500").utc_offset(), Ok(-18_000));
        assert_eq!(line("TZOFFSETTO:+013045").utc_offset(), Ok(5445));
        for bad in ["0500", "", "+05", "+2500", "é0500", "+05000"] {
            assert!(line(&format!("TZOFFSETTO:{bad}")).utc_offset().is_err(), "{bad}");
        }
        assert_eq!(line("GEO:37.386013;-122.082932").geo(), Ok((37.386_013, -122.082_932)));
        assert!(line("GEO:NaN;0").geo().is_err());
        assert_eq!(line("ATTENDEE:MAILTO:Jane@Example.ORG").cal_address(), "jane@example.org");
        assert_eq!(line("SEQUENCE:-3").integer(), Ok(-3));
    }

    #[test]
    fn moments_of_every_form() {
        let exdates = line("EXDATE;TZID=Europe/Berlin:20261124T100000,20261125T100000").moments().unwrap();
        assert_eq!(exdates.len(), 2);
        assert_eq!(exdates[0].line("EXDATE").unwrap(), line("EXDATE;TZID=Europe/Berlin:20261124T100000"));
        let day = line("DTSTART;VALUE=DATE:20261124").moment().unwrap();
        assert_eq!(day.line("DTSTART").unwrap(), line("DTSTART;VALUE=DATE:20261124"));
        let utc = line("DTSTART;TZID=Europe/Berlin:20261124T100000Z").moment().unwrap();
        assert!(matches!(utc, Moment::At(DateTime::Utc(_))));
        assert!(line("EXDATE:20261124T100000,x").moments().is_err());
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(text in "[^\\r]{0,40}") {
            prop_assert_eq!(split(&escape(&text), ',').count(), 1);
            prop_assert_eq!(unescape(&escape(&text)), text);
        }

        #[test]
        fn a_duration_reads_back(days in 0..100_000_i32, seconds in 0..10_000_000_i64, sign in prop_oneof![Just(1), Just(-1)]) {
            let duration = Duration { days: days * sign, seconds: seconds * i64::from(sign) };
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn nothing_makes_a_reader_panic(text in "\\PC{0,30}") {
            let line = line(&format!("X:{text}"));
            let _ = (line.moments(), line.periods(), line.duration(), line.utc_offset(), line.geo(), line.fields());
        }
    }
}
