//! Dates that may lack their year. RFC 6350 §4.3.1; RFC 2426 §3.1.5.

use std::fmt::Write;

use super::CardVersion;
use crate::{ContentLine, Date};

/// The year that Apple writes for an unknown one, when X-APPLE-OMIT-YEAR does not say another.
const APPLE_NO_YEAR: u16 = 1604;

/// A day such as a birthday. At least a day with its month, or a year, is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CardDate {
    /// The year.
    pub year: Option<u16>,
    /// The month, 1 to 12.
    pub month: Option<u8>,
    /// The day of the month, from 1.
    pub day: Option<u8>,
}

impl CardDate {
    /// A whole date.
    pub fn new(date: Date) -> Self {
        Self { year: Some(date.year()), month: Some(date.month()), day: Some(date.day()) }
    }

    /// The whole date, when all of it is known.
    pub fn date(&self) -> Option<Date> {
        Date::new(self.year?, self.month?, self.day?).ok()
    }

    /// Reads the value of BDAY or ANNIVERSARY, with or without hyphens, whatever time follows it; `None` for
    /// a text, and for a day that no calendar has.
    pub fn of(line: &ContentLine) -> Option<Self> {
        let mut found = Self::parse(line.value())?;
        let omitted = line.parameter("X-APPLE-OMIT-YEAR").and_then(|year| year.trim().parse().ok());
        if found.year.is_some() && found.year == omitted {
            found.year = None;
        }
        Some(found)
    }

    fn parse(text: &str) -> Option<Self> {
        let day = text.trim().split(['T', 't', ' ']).next().unwrap_or_default();
        let number = |text: &str| {
            let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            good.then(|| text.parse::<u16>().ok()).flatten()
        };
        let small = |text: &str| number(text).filter(|_| text.len() == 2).and_then(|n| u8::try_from(n).ok());
        let (year, month, day) = if let Some(day) = day.strip_prefix("---") {
            (None, None, Some(small(day)?))
        } else if let Some(rest) = day.strip_prefix("--") {
            let rest = rest.replace('-', "");
            let (month, day) = rest.split_at_checked(2)?;
            (None, Some(small(month)?), if day.is_empty() { None } else { Some(small(day)?) })
        } else {
            let (year, rest) = day.split_at_checked(4)?;
            match (rest.len(), rest.strip_prefix('-')) {
                (0, _) => (Some(number(year)?), None, None),
                (3, Some(month)) => (Some(number(year)?), Some(small(month)?), None),
                _ => {
                    let rest = rest.replace('-', "");
                    let (month, day) = rest.split_at_checked(2)?;
                    (Some(number(year)?), Some(small(month)?), Some(small(day)?))
                }
            }
        };
        // A leap year, for what has no year of its own.
        let exists = Date::new(year.unwrap_or(2000), month.unwrap_or(1), day.unwrap_or(1)).is_ok();
        exists.then_some(Self { year, month, day })
    }

    /// The value that a version has for it. vCard 3.0 has whole dates only: a missing year is written as
    /// Apple does, with its parameter.
    pub(crate) fn write(&self, version: CardVersion) -> (String, Option<(&'static str, String)>) {
        let mut text = String::new();
        let omitted = (version == CardVersion::V3 && self.year.is_none()).then_some(APPLE_NO_YEAR);
        let hyphen = if version == CardVersion::V3 { "-" } else { "" };
        // Writing to a String does not fail.
        let _ = match self.year.or(omitted) {
            Some(year) => write!(text, "{year:04}"),
            None => write!(text, "--"),
        };
        match (self.month, self.day) {
            (Some(month), Some(day)) => {
                let lead = if self.year.or(omitted).is_some() { hyphen } else { "" };
                let _ = write!(text, "{lead}{month:02}{hyphen}{day:02}");
            }
            (Some(month), None) if self.year.is_some() => {
                let _ = write!(text, "-{month:02}");
            }
            (Some(month), None) => {
                let _ = write!(text, "{month:02}");
            }
            (None, Some(day)) => {
                text = format!("---{day:02}");
            }
            (None, None) => {}
        }
        (text, omitted.map(|year| ("X-APPLE-OMIT-YEAR", year.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Option<u16>, Option<u8>, Option<u8>)> {
        let line = ContentLine::parse(format!("BDAY{text}").as_bytes()).unwrap();
        CardDate::of(&line).map(|date| (date.year, date.month, date.day))
    }

    #[test]
    fn the_forms_of_both_versions() {
        let whole = Some((Some(1985), Some(4), Some(12)));
        for text in [
            ":19850412",
            ":1985-04-12",
            ":19850412T232000Z",
            ":1985-04-12T10:00:00-05:00",
            ";VALUE=date:1985-04-12",
        ] {
            assert_eq!(read(text), whole, "{text}");
        }
        assert_eq!(read(":--0412"), Some((None, Some(4), Some(12))));
        assert_eq!(read(":--04-12"), Some((None, Some(4), Some(12))));
        assert_eq!(read(":---12"), Some((None, None, Some(12))));
        assert_eq!(read(":--04"), Some((None, Some(4), None)));
        assert_eq!(read(":1985-04"), Some((Some(1985), Some(4), None)));
        assert_eq!(read(":1985"), Some((Some(1985), None, None)));
        assert_eq!(read(";X-APPLE-OMIT-YEAR=1604:1604-02-29"), Some((None, Some(2), Some(29))));
        for bad in
            [":", ":circa 1800", ":19850431", ":1985-13-01", ":T102200", ":é", ":--", ":12", ":1985041"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (year, month, day) in [
            (Some(1985), Some(4), Some(12)),
            (None, Some(2), Some(29)),
            (Some(1985), Some(4), None),
            (Some(1985), None, None),
            (None, None, Some(3)),
            (None, Some(3), None),
        ] {
            let date = CardDate { year, month, day };
            for version in [CardVersion::V3, CardVersion::V4] {
                let (value, parameter) = date.write(version);
                let mut line = ContentLine::new("BDAY", value).unwrap();
                if let Some((name, value)) = parameter {
                    line = line.with(name, &value).unwrap();
                }
                if version == CardVersion::V4 || day.is_some() && month.is_some() || year.is_some() {
                    assert_eq!(CardDate::of(&line), Some(date), "{line}");
                }
            }
        }
        let birthday = CardDate { year: None, month: Some(4), day: Some(12) };
        assert_eq!(birthday.write(CardVersion::V3).0, "1604-04-12");
        assert_eq!(birthday.write(CardVersion::V4).0, "--0412");
    }
}
