//! Dates of RFC 5322 §3.3: read leniently, written strictly.

use serde::{Deserialize, Serialize};

/// A point in time and the zone it was written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix: i64,
    /// Minutes east of Greenwich.
    pub offset_minutes: i16,
}

/// Reads a Date field's value: day names, comments, missing seconds, two-digit years (RFC 5322
/// §4.3), zone names and ISO 8601 forms are all taken. `None` if no date can be made out.
pub fn parse(value: &[u8]) -> Option<Date> {
    // No date worth reading is longer, and comments may be.
    let text = String::from_utf8_lossy(value.get(..MAX_BYTES).unwrap_or(value));
    let words = words(&text);
    let mut found = Found::default();
    for word in &words {
        found.take(word);
    }
    found.date()
}

/// Writes `Tue, 1 Jul 2003 10:52:37 +0200`. Years outside 0..=9999 are clamped.
pub fn format(date: Date) -> String {
    let offset = i64::from(date.offset_minutes).clamp(-MAX_OFFSET, MAX_OFFSET);
    let local = (date.unix.clamp(FIRST_SECOND, LAST_SECOND) + offset * 60).clamp(FIRST_SECOND, LAST_SECOND);
    let days = local.div_euclid(86_400);
    let second = local.rem_euclid(86_400);
    let (year, month, day) = civil_from_days(days);
    let weekday = WEEKDAYS.get(usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0)).unwrap_or(&"Thu");
    let month = MONTHS.get(usize::try_from(month - 1).unwrap_or(0)).unwrap_or(&"Jan");
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    let (zone_hour, zone_minute) = (offset.abs() / 60, offset.abs() % 60);
    format!(
        "{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{zone_hour:02}{zone_minute:02}"
    )
}

const MAX_BYTES: usize = 256;
/// Minutes; the widest zone RFC 5322 can write.
const MAX_OFFSET: i64 = 99 * 60 + 59;
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// RFC 5322 §4.3. Military letters are all read as `-0000`, as it says.
const ZONES: [(&str, i16); 20] = [
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
];

/// Words outside comments, split at white space, commas and before a zone stuck to the time.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    let mut in_time = false;
    for ch in text.chars() {
        match ch {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ',' | ' ' | '\t' | '\r' | '\n' => {
                in_time = false;
                words.push(String::new());
            }
            // "2003-07-01T10:52:37Z": the date ends at T.
            'T' | 't' if words.last().is_some_and(|word| is_iso_date(word)) => words.push(String::new()),
            '+' | '-' | 'Z' | 'z' if in_time => {
                in_time = false;
                words.push(ch.to_string());
            }
            _ => {
                in_time |= ch == ':';
                if let Some(word) = words.last_mut() {
                    word.push(ch);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_iso_date(word: &str) -> bool {
    word.len() == 10 && word.bytes().filter(|byte| *byte == b'-').count() == 2
}

/// What has been recognised so far.
#[derive(Default)]
struct Found {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    second: Option<i64>,
    offset: Option<i16>,
}

impl Found {
    fn take(&mut self, word: &str) {
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        if word.starts_with(['+', '-']) && self.second.is_some() {
            self.offset = self.offset.or_else(|| numeric_zone(word));
        } else if word.contains(':') {
            self.second = self.second.or_else(|| clock_time(word));
        } else if digits && self.day.is_none() && word.len() <= 2 {
            self.day = word.parse().ok();
        } else if digits && self.year.is_none() && self.day.is_some() && word.len() <= 4 {
            self.year = word.parse().ok().map(|year| full_year(year, word.len()));
        } else if let (true, Some(month)) = (self.month.is_none(), month(word)) {
            self.month = Some(month);
        } else if word.contains(['-', '/']) && self.day.is_none() {
            self.dashed(word);
        } else if let (None, Some(_)) = (self.offset, self.second) {
            self.offset = ZONES.iter().find(|zone| zone.0.eq_ignore_ascii_case(word)).map(|zone| zone.1);
        }
    }

    /// `2003-07-01`, `1-Jul-2003`, `1/Jul/2003`.
    fn dashed(&mut self, word: &str) {
        let pieces: Vec<&str> = word.split(['-', '/']).collect();
        let [first, middle, last] = pieces.as_slice() else { return };
        let (year, day) = if first.len() == 4 { (first, last) } else { (last, first) };
        self.day = day.parse().ok();
        self.month = month(middle).or_else(|| middle.parse().ok());
        self.year = year.parse().ok().map(|number| full_year(number, year.len()));
    }

    fn date(&self) -> Option<Date> {
        let (day, month, year) = (self.day?, self.month?, self.year?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
            return None;
        }
        let offset_minutes = self.offset.unwrap_or(0);
        let seconds = days_from_civil(year, month, day) * 86_400 + self.second.unwrap_or(0);
        Some(Date { unix: seconds - i64::from(offset_minutes) * 60, offset_minutes })
    }
}

/// RFC 5322 §4.3: two digits below 50 are 20xx, others and three digits count from 1900.
fn full_year(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (..=2, ..50) => year + 2000,
        (..=3, _) => year + 1900,
        _ => year,
    }
}

fn month(word: &str) -> Option<i64> {
    let start = word.get(..3)?;
    let position = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(start))?;
    i64::try_from(position + 1).ok()
}

fn clock_time(word: &str) -> Option<i64> {
    let mut numbers = word.split(':').map(|number| {
        let whole = number.split('.').next().unwrap_or(number);
        if whole.len() <= 2 { whole.parse::<i64>().ok() } else { None }
    });
    let hour = numbers.next()??;
    let minute = numbers.next()??;
    let second = numbers.next().unwrap_or(Some(0))?;
    // 60 is a leap second.
    let fits = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    fits.then_some(hour * 3_600 + minute * 60 + second)
}

/// `+0200`, `+02:00`; `+2` and `+02` are hours.
fn numeric_zone(word: &str) -> Option<i16> {
    let negative = word.starts_with('-');
    let digits = word.get(1..)?.replace(':', "");
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i16 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() <= 2 { (number, 0) } else { (number / 100, number % 100) };
    let offset = hours * 60 + minutes;
    Some(if negative { -offset } else { offset })
}

/// Days since 1970-01-01 of a proleptic Gregorian date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> Option<(i64, i16)> {
        parse(text.as_bytes()).map(|date| (date.unix, date.offset_minutes))
    }

    #[test]
    fn reads_the_forms_in_the_wild() {
        let want = Some((1_057_049_557, 120));
        assert_eq!(unix("Tue, 1 Jul 2003 10:52:37 +0200"), want);
        assert_eq!(unix("Tue, 01 Jul 2003 10:52:37 +0200 (CEST)"), want);
        assert_eq!(unix("1 Jul 03 10:52:37 +0200"), want);
        assert_eq!(unix("Tue,1 Jul 2003 10:52:37+0200"), want);
        assert_eq!(unix("Tuesday, 1 July 2003 10:52:37 CEST"), want);
        assert_eq!(unix("Tue Jul  1 10:52:37 2003 +0200"), want);
        assert_eq!(unix("1-Jul-2003 10:52:37 +0200"), want);
        assert_eq!(unix("2003-07-01T10:52:37+0200"), want);
        assert_eq!(unix("2003-07-01T08:52:37.123Z"), Some((1_057_049_557, 0)));
        assert_eq!(unix("2003-07-01T10:52:37+02:00"), want);
        assert_eq!(unix("Tue, 1 Jul 2003 (a (nested) comment) 10:52:37 +0200"), want);
        assert_eq!(unix("1 Jul 103 10:52:37 +0200"), want);
        assert_eq!(unix("Tue, 1 Jul 2003 10:52 GMT"), Some((1_057_056_720, 0)));
        assert_eq!(unix("Tue, 1 Jul 2003 10:52:00 -0330"), Some((1_057_069_320, -210)));
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in
            ["", "yesterday", "32 Jul 2003 10:52:37", "1 Foo 2003", "1 Jul", ":::::", "(((((", "+0200"]
        {
            assert_eq!(unix(text), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let text = "Tue, 1 Jul 2003 10:52:37 +0200";
        assert_eq!(parse(text.as_bytes()).map(format).as_deref(), Some(text));
        assert_eq!(format(Date { unix: 0, offset_minutes: 0 }), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(
            format(Date { unix: 1_709_164_800, offset_minutes: -210 }),
            "Wed, 28 Feb 2024 20:30:00 -0330"
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn formatting_round_trips(unix in -60_000_000_000_i64..250_000_000_000, offset in -720_i16..=840) {
            let date = Date { unix, offset_minutes: offset };
            proptest::prop_assert_eq!(parse(format(date).as_bytes()), Some(date));
        }

        #[test]
        fn any_number_can_be_formatted(unix: i64, offset_minutes: i16) {
            let text = format(Date { unix, offset_minutes });
            proptest::prop_assert!(text.len() >= 30);
        }
    }
}
