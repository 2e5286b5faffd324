//! The TimeZone structure of ActiveSync, 172 octets. MS-ASDTYPE §2.7.6.

use super::shape::{Yearly, year_start};
use super::windows::{iana_of_windows, usual_zones, windows_of_iana};
use crate::recur::{ByDay, Frequency, Rule, Wall, Weekday, day_number, days_in_month, local_of};
use crate::{Component, ContentLine, Invalid, Zone};

/// Octets of the structure.
pub const TIME_ZONE_SIZE: usize = 172;

/// Most minutes that an offset may be.
const BIAS_MAX: i32 = 24 * 60;

const DAY: i64 = 86_400;

/// A zone as ActiveSync tells it: two offsets, and when one takes the place of the other.
///
/// `parse` and `write` know the octets; base64 is around them on the wire.
///
/// ```
/// use caldav::{TimeZoneBlob, Zone};
///
/// let berlin = Zone::iana("Europe/Berlin").unwrap();
/// let blob = TimeZoneBlob::of(&berlin, 1_795_516_200);
/// let read = TimeZoneBlob::parse(&blob.write())?;
/// assert_eq!(read, blob);
/// assert_eq!((read.bias, read.daylight_bias, read.standard_name.as_str()), (-60, -60, "W. Europe Standard Time"));
/// assert_eq!(read.find(2026, Some("Europe/Vienna")).unwrap().name(), "Europe/Vienna");
/// # Ok::<(), caldav::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeZoneBlob {
    /// Minutes to add to local time for UTC, apart from the two below.
    pub bias: i32,
    /// A name, by custom the one that Windows has for the zone.
    pub standard_name: String,
    /// When standard time begins; `None` where there is nothing else.
    pub standard_date: Option<Switch>,
    /// Minutes to add in standard time.
    pub standard_bias: i32,
    /// A name.
    pub daylight_name: String,
    /// When daylight saving time begins; both are there or none.
    pub daylight_date: Option<Switch>,
    /// Minutes to add in daylight saving time.
    pub daylight_bias: i32,
}

/// When the clocks are changed, by what they show before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Switch {
    /// In which month, 1 to 12.
    pub month: u8,
    /// On which day.
    pub day: SwitchDay,
    /// Hour, minute and second.
    pub time: (u8, u8, u8),
    /// Milliseconds.
    pub milliseconds: u16,
}

/// The two forms of a day in the structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SwitchDay {
    /// Every year on the nth such weekday of the month, 1 to 5; 5 is the last.
    Yearly(u8, Weekday),
    /// In one year (1601 to 9999) only, on a day of the month. The weekday is not looked at.
    Once(u16, u8),
}

impl TimeZoneBlob {
    /// Reads the structure.
    ///
    /// # Errors
    /// [`Invalid`] for another size, and for dates and offsets that are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let bytes: &[u8; TIME_ZONE_SIZE] =
            bytes.try_into().map_err(|_| Invalid("a time zone structure has 172 octets"))?;
        let blob = Self {
            bias: long(bytes, 0),
            standard_name: name(bytes, 4),
            standard_date: Switch::parse(bytes, 68)?,
            standard_bias: long(bytes, 84),
            daylight_name: name(bytes, 88),
            daylight_date: Switch::parse(bytes, 152)?,
            daylight_bias: long(bytes, 168),
        };
        let each = [blob.bias, blob.standard_bias, blob.daylight_bias];
        // No sum of two overflows once each is small.
        let small = |n: i32| (-BIAS_MAX..=BIAS_MAX).contains(&n);
        if !each.into_iter().all(small)
            || !small(blob.bias + blob.standard_bias)
            || !small(blob.bias + blob.daylight_bias)
        {
            return Err(Invalid("no place on earth has this offset"));
        }
        if blob.standard_date.is_some() != blob.daylight_date.is_some() {
            return Err(Invalid("a zone changes its clocks both ways or not at all"));
        }
        Ok(blob)
    }

    /// The octets. Names are cut to 31 UTF-16 units.
    pub fn write(&self) -> [u8; TIME_ZONE_SIZE] {
        let mut out = Vec::with_capacity(TIME_ZONE_SIZE);
        let mut half = |name: &str, date: Option<Switch>, bias: i32| {
            let units: Vec<u16> = name.encode_utf16().take(31).collect();
            (0..32).for_each(|n| out.extend(units.get(n).copied().unwrap_or(0).to_le_bytes()));
            let date = date.map_or([0; 8], Switch::words);
            date.into_iter().for_each(|word| out.extend(word.to_le_bytes()));
            out.extend(bias.to_le_bytes());
        };
        half(&self.standard_name, self.standard_date, self.standard_bias);
        half(&self.daylight_name, self.daylight_date, self.daylight_bias);
        let mut bytes = [0; TIME_ZONE_SIZE];
        let (bias, rest) = bytes.split_at_mut(4);
        bias.copy_from_slice(&self.bias.to_le_bytes());
        // Two halves of 84 octets each.
        rest.iter_mut().zip(out).for_each(|(to, from)| *to = from);
        bytes
    }

    /// A zone in the year of an instant.
    ///
    /// What the structure cannot say, more than two changes or a single one, is left out: then it has the
    /// offset of the instant.
    pub fn of(zone: &Zone, instant: i64) -> Self {
        let year = i32::from(local_of(zone.wall(instant)).date.year());
        let iana = zone.identify(i16::try_from(year).unwrap_or(2026));
        let windows = iana.as_deref().and_then(windows_of_iana);
        let name = windows.or(iana.as_deref()).unwrap_or(zone.name());
        let fixed = Self {
            bias: -zone.offset_at(instant) / 60,
            standard_name: name.to_owned(),
            standard_date: None,
            standard_bias: 0,
            daylight_name: name.replace("Standard Time", "Daylight Time"),
            daylight_date: None,
            daylight_bias: 0,
        };
        let changes = zone.changes(year_start(year), year_start(year + 1));
        let [a, b] = changes.as_slice() else { return fixed };
        let (daylight, standard) = if a.after > a.before { (a, b) } else { (b, a) };
        if daylight.after <= daylight.before
            || daylight.before != standard.after
            || daylight.after != standard.before
        {
            return fixed;
        }
        let yearly = Switch::yearly(zone, daylight.wall, year).zip(Switch::yearly(zone, standard.wall, year));
        // One that comes every year would hold in the years without the other.
        let once = || (Switch::once(daylight.wall), Switch::once(standard.wall));
        let (daylight_date, standard_date) = yearly.unwrap_or_else(once);
        Self {
            bias: -standard.after / 60,
            daylight_bias: (standard.after - daylight.after) / 60,
            standard_date: Some(standard_date),
            daylight_date: Some(daylight_date),
            ..fixed
        }
    }

    /// The IANA zone that does the same in a year: the hint (a TZID) if it does, the one that the name
    /// speaks of, or one of those that Windows knows.
    pub fn find(&self, year: i32, hint: Option<&str>) -> Option<Zone> {
        let defined = Zone::defined_by(&self.definition("X").ok()?)?;
        let year = i16::try_from(year).ok().filter(|year| (1601..=9000).contains(year))?;
        let hint = hint.and_then(Zone::named);
        let named = iana_of_windows(&self.standard_name).unwrap_or(&self.standard_name);
        let candidates =
            hint.into_iter().chain(Zone::named(named)).chain(usual_zones().filter_map(Zone::iana));
        candidates.into_iter().find(|zone| zone.agrees(&defined, year))
    }

    /// The zone as a VTIMEZONE, for one that has no name.
    ///
    /// # Errors
    /// [`Invalid`] for a TZID with control characters.
    pub fn definition(&self, tzid: &str) -> Result<Component, Invalid> {
        let standard = -(self.bias + self.standard_bias) * 60;
        let mut zone = Component::new("VTIMEZONE")?;
        zone.push(ContentLine::new("TZID", tzid)?);
        let (Some(to_standard), Some(to_daylight)) = (self.standard_date, self.daylight_date) else {
            zone.push_component(observance("STANDARD", None, standard, standard)?);
            return Ok(zone);
        };
        let daylight = -(self.bias + self.daylight_bias) * 60;
        zone.push_component(observance("STANDARD", Some(to_standard), daylight, standard)?);
        zone.push_component(observance("DAYLIGHT", Some(to_daylight), standard, daylight)?);
        Ok(zone)
    }
}

impl Switch {
    /// `None` when the month is zero: there is no change.
    fn parse(bytes: &[u8; TIME_ZONE_SIZE], at: usize) -> Result<Option<Self>, Invalid> {
        const BAD: Invalid = Invalid("no date of a change of clocks");
        let word = |n: usize| word(bytes, at + 2 * n);
        let byte = |n: usize| u8::try_from(word(n)).map_err(|_| BAD);
        let (year, month, weekday, day) = (word(0), byte(1)?, word(2), byte(3)?);
        if month == 0 {
            return Ok(None);
        }
        let time = (byte(4)?, byte(5)?, byte(6)?);
        let milliseconds = word(7);
        if month > 12 || time.0 > 23 || time.1 > 59 || time.2 > 59 || milliseconds > 999 || weekday > 6 {
            return Err(BAD);
        }
        let day = match year {
            0 if (1..=5).contains(&day) => SwitchDay::Yearly(day, from_sunday(weekday).ok_or(BAD)?),
            1601..=9999 if day >= 1 && day <= days_in_month(year.into(), month) => SwitchDay::Once(year, day),
            _ => return Err(BAD),
        };
        Ok(Some(Self { month, day, time, milliseconds }))
    }

    fn words(self) -> [u16; 8] {
        let (year, weekday, day) = match self.day {
            SwitchDay::Yearly(nth, weekday) => (0, to_sunday(weekday), nth),
            SwitchDay::Once(year, day) => {
                let weekday = Weekday::of_day(day_number(year.into(), self.month, day));
                (year, to_sunday(weekday), day)
            }
        };
        let (hour, minute, second) = self.time;
        let clock = [hour, minute, second].map(u16::from);
        [year, self.month.into(), weekday, day.into(), clock[0], clock[1], clock[2], self.milliseconds]
    }

    /// A change as a rule, if the years after follow that.
    fn yearly(zone: &Zone, wall: Wall, year: i32) -> Option<Self> {
        let near = zone.changes(year_start(year), year_start(year + 4));
        let same = near.iter().find(|change| change.wall == wall)?;
        let alike = near.iter().filter(|change| (change.before, change.after) == (same.before, same.after));
        let alike: Vec<Wall> = alike.map(|change| change.wall).collect();
        let rule = Yearly::of(&alike).filter(|_| alike.len() >= 3)?;
        let nth = if rule.nth < 0 { 5 } else { rule.nth.unsigned_abs() };
        Some(Self { day: SwitchDay::Yearly(nth, rule.weekday), ..Self::once(wall) })
    }

    fn once(wall: Wall) -> Self {
        let local = local_of(wall);
        Self {
            month: local.date.month(),
            day: SwitchDay::Once(local.date.year(), local.date.day()),
            time: (local.time.hour(), local.time.minute(), local.time.second()),
            milliseconds: 0,
        }
    }
}

fn observance(name: &str, switch: Option<Switch>, from: i32, to: i32) -> Result<Component, Invalid> {
    let mut observance = Component::new(name)?;
    let (start, rule) = onset(switch);
    observance.push(ContentLine::new("DTSTART", local_of(start).to_string())?);
    observance.push(ContentLine::new("TZOFFSETFROM", super::definition::offset(from))?);
    observance.push(ContentLine::new("TZOFFSETTO", super::definition::offset(to))?);
    if let Some(rule) = rule {
        observance.push(ContentLine::new("RRULE", rule.to_string())?);
    }
    Ok(observance)
}

/// The first onset, by the clocks before it, and the rule of the others.
fn onset(switch: Option<Switch>) -> (Wall, Option<Rule>) {
    // As Outlook begins its zones.
    const FIRST: i32 = 1601;
    let Some(switch) = switch else { return (year_start(FIRST), None) };
    let (hour, minute, second) = switch.time;
    let time = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    // 23:59:59.999, which is written for midnight, stays on its day: VTIMEZONE has no milliseconds.
    let month = switch.month;
    match switch.day {
        SwitchDay::Once(year, day) => (i64::from(day_number(year.into(), month, day)) * DAY + time, None),
        SwitchDay::Yearly(nth, weekday) => {
            let mut rule = Rule::every(Frequency::Yearly);
            rule.by_month = vec![month];
            let first = day_number(FIRST, month, 1);
            let length = i32::from(days_in_month(FIRST, month));
            let into = (weekday.index() - Weekday::of_day(first).index()).rem_euclid(7);
            let day = match nth {
                5 => first + into + (length - 1 - into) / 7 * 7,
                nth => first + into + (i32::from(nth) - 1) * 7,
            };
            let nth = if nth == 5 { -1 } else { i16::from(nth) };
            rule.by_day = vec![ByDay { nth: Some(nth), weekday }];
            (i64::from(day) * DAY + time, Some(rule))
        }
    }
}

fn long(bytes: &[u8; TIME_ZONE_SIZE], at: usize) -> i32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| i32::from_le_bytes(*four))
}

fn word(bytes: &[u8; TIME_ZONE_SIZE], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two))
}

fn name(bytes: &[u8; TIME_ZONE_SIZE], at: usize) -> String {
    let units = (0..32).map(|n| word(bytes, at + 2 * n)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn from_sunday(n: u16) -> Option<Weekday> {
    Weekday::ALL.get((usize::from(n) + 6) % 7).copied()
}

fn to_sunday(weekday: Weekday) -> u16 {
    u16::try_from((weekday.index() + 1) % 7).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUMMER_2026: i64 = 1_783_000_000;

    fn blob(name: &str, instant: i64) -> TimeZoneBlob {
        TimeZoneBlob::of(&Zone::iana(name).unwrap(), instant)
    }

    /// Pacific time as it is in many documents of ActiveSync, without names.
    #[test]
    fn octets_are_where_they_belong() {
        let mut bytes = [0_u8; TIME_ZONE_SIZE];
        bytes[..4].copy_from_slice(&480_i32.to_le_bytes());
        bytes[4] = b'P';
        for (at, words) in [(68, [0_u16, 11, 0, 1, 2, 0, 0, 0]), (152, [0, 3, 0, 2, 2, 0, 0, 0])] {
            for (n, word) in words.into_iter().enumerate() {
                bytes[at + 2 * n..at + 2 * n + 2].copy_from_slice(&word.to_le_bytes());
            }
        }
        bytes[168..].copy_from_slice(&(-60_i32).to_le_bytes());
        let read = TimeZoneBlob::parse(&bytes).unwrap();
        assert_eq!((read.bias, read.daylight_bias, read.standard_name.as_str()), (480, -60, "P"));
        assert_eq!(read.daylight_date.unwrap().day, SwitchDay::Yearly(2, Weekday::Sunday));
        assert_eq!(read.write(), bytes);
        assert_eq!(read.find(2026, None).unwrap().name(), "America/Los_Angeles");
        assert_eq!(read.find(2026, Some("America/Tijuana")).unwrap().name(), "America/Tijuana");
        assert_eq!(read.find(2026, Some("Europe/Berlin")).unwrap().name(), "America/Los_Angeles");
        let mine = blob("America/Los_Angeles", SUMMER_2026);
        assert_eq!(
            (mine.bias, mine.standard_date, mine.daylight_date),
            (480, read.standard_date, read.daylight_date)
        );
    }

    #[test]
    fn what_is_no_structure_is_an_error() {
        let good = blob("Europe/Berlin", SUMMER_2026).write();
        assert!(TimeZoneBlob::parse(&good).is_ok());
        for size in [0, 171, 173] {
            let mut bytes = good.to_vec();
            bytes.resize(size, 0);
            assert!(TimeZoneBlob::parse(&bytes).is_err(), "{size}");
        }
        // Word of StandardDate, and a value that it cannot have.
        for (word, value) in [
            (0, 1600_u16),
            (0, 2026),
            (1, 13),
            (1, 0),
            (2, 7),
            (3, 0),
            (3, 6),
            (4, 24),
            (5, 60),
            (6, 60),
            (7, 1000),
            (3, 256),
        ] {
            let mut bytes = good;
            // The last Sunday is no day of the month when there is a year.
            bytes[74..76].copy_from_slice(&if word == 0 { 32_u16 } else { 5 }.to_le_bytes());
            bytes[68 + 2 * word..70 + 2 * word].copy_from_slice(&value.to_le_bytes());
            assert!(TimeZoneBlob::parse(&bytes).is_err(), "{word} {value}");
        }
        for (at, bias) in [(0, 1_000_000), (0, i32::MIN), (84, i32::MAX), (168, -1441), (0, 1440), (0, -1440)]
        {
            let mut bytes = good;
            bytes[84..88].copy_from_slice(&60_i32.to_le_bytes());
            bytes[at..at + 4].copy_from_slice(&i32::to_le_bytes(bias));
            assert!(TimeZoneBlob::parse(&bytes).is_err(), "{at} {bias}");
        }
    }

    #[test]
    fn zones_that_are_not_so_simple() {
        let india = blob("Asia/Kolkata", SUMMER_2026);
        assert_eq!((india.bias, india.standard_date), (-330, None));
        assert_eq!(india.find(2026, None).unwrap().name(), "Asia/Kolkata");
        assert_eq!(blob("UTC", SUMMER_2026).find(2026, Some("UTC")).unwrap().name(), "UTC");
        // By the moon: only for its year.
        let morocco = blob("Africa/Casablanca", 1_690_000_000);
        assert!(matches!(morocco.standard_date.unwrap().day, SwitchDay::Once(2023, _)));
        assert_eq!(morocco.find(2023, None).unwrap().name(), "Africa/Casablanca");
        assert_eq!(TimeZoneBlob::parse(&morocco.write()).unwrap(), morocco);
        // It changed in the first hour of the year after.
        let sao_tome = blob("Africa/Sao_Tome", 1_500_000_000);
        assert_eq!((sao_tome.bias, sao_tome.standard_date), (0, None));
        assert_eq!(sao_tome.find(2017, Some("Africa/Sao_Tome")).unwrap().name(), "Africa/Sao_Tome");
        // Half an hour of summer, and the south.
        let lord_howe = blob("Australia/Lord_Howe", SUMMER_2026);
        assert_eq!((lord_howe.bias, lord_howe.daylight_bias), (-630, -30));
        assert_eq!(lord_howe.find(2026, None).unwrap().name(), "Australia/Lord_Howe");
        // Nobody's rules: a definition of its own.
        let odd = TimeZoneBlob { bias: 17, ..blob("Europe/Berlin", SUMMER_2026) };
        assert!(odd.find(2026, Some("Europe/Berlin")).is_none());
        let own = Zone::defined_by(&odd.definition("odd").unwrap()).unwrap();
        assert_eq!(own.offset_at(SUMMER_2026), (60 - 17) * 60);
    }

    proptest! {
        #[test]
        fn every_zone_comes_back(name in prop::sample::select(usual_zones().collect::<Vec<_>>()), year in 2015..2035_i32) {
            let zone = Zone::iana(name).unwrap();
            let instant = year_start(year) + 180 * 86_400;
            let blob = TimeZoneBlob::of(&zone, instant);
            prop_assert_eq!(&TimeZoneBlob::parse(&blob.write()).unwrap(), &blob);
            // A year with one change, or more than two, cannot be told.
            if blob.standard_date.is_some() || zone.changes(year_start(year), year_start(year + 1)).is_empty() {
                let own = Zone::defined_by(&blob.definition("own").unwrap()).unwrap();
                prop_assert!(zone.agrees(&own, i16::try_from(year).unwrap()), "{:?}", blob);
                prop_assert!(blob.find(year, Some(name)).is_some_and(|found| found.name() == zone.name()));
            }
        }

        #[test]
        fn no_octets_make_it_panic(bytes in prop::collection::vec(any::<u8>(), TIME_ZONE_SIZE), small in any::<bool>()) {
            // Small words are nearer to what is valid.
            let bytes: Vec<u8> = bytes.iter().enumerate().map(|(n, b)| if small { b % 6 * u8::from(n % 2 == 0) } else { *b }).collect();
            if let Ok(blob) = TimeZoneBlob::parse(&bytes) {
                prop_assert_eq!(&TimeZoneBlob::parse(&blob.write()).unwrap(), &blob);
                let own = Zone::defined_by(&blob.definition("own").unwrap()).unwrap();
                own.offset_at(SUMMER_2026);
                blob.find(2026, Some("Europe/Berlin"));
            }
        }
    }
}
