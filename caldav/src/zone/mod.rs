//! Time zones: what a TZID stands for, and what its clocks show. RFC 5545 §3.2.19, §3.6.5; RFC 7809.

mod blob;
mod definition;
mod observance;
mod shape;
mod windows;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::recur::{Wall, local_of, wall_of, wall_of_day};
use crate::{Component, DateTime, LocalDateTime, Moment};
pub use blob::{Switch, SwitchDay, TIME_ZONE_SIZE, TimeZoneBlob};
use observance::Observances;
pub use windows::{iana_of_windows, windows_of_iana};

/// The zones of the world, of the release of the library.
static WORLD: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Zones that one object may define; more are left out.
const ZONES_MAX: usize = 200;

/// A time zone. Cheap to clone.
///
/// Instants are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone)]
pub struct Zone(Arc<Kind>);

enum Kind {
    /// Of the IANA database.
    Iana(String, TimeZone),
    /// As an object defines it.
    Own(String, Observances),
}

/// The zones that the TZIDs of an object stand for.
///
/// ```
/// use caldav::{Component, Zones};
///
/// let zones = Zones::of(&Component::new("VCALENDAR")?);
/// let zone = zones.find("/mozilla.org/20050126_1/Europe/Berlin").unwrap();
/// assert_eq!(zone.offset_at(1_795_516_200), 3600);
/// assert_eq!(zones.find("Pacific Standard Time").unwrap().name(), "America/Los_Angeles");
/// # Ok::<(), caldav::Invalid>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct Zones(HashMap<String, Zone>);

impl Zones {
    /// Reads the VTIMEZONEs of a VCALENDAR. One that is broken counts as missing.
    pub fn of(calendar: &Component) -> Self {
        let defined = calendar.components().filter(|component| component.is("VTIMEZONE")).take(ZONES_MAX);
        let named = defined.filter_map(|component| {
            let zone = Zone::defined_by(component)?;
            Some((zone.name().to_owned(), zone))
        });
        Self(named.collect())
    }

    /// The zone that a TZID stands for: as the object defines it, or else by a name that the world knows.
    pub fn find(&self, tzid: &str) -> Option<Zone> {
        self.0.get(tzid).cloned().or_else(|| Zone::named(tzid))
    }

    /// The instant of a moment. A day, a floating time and one of an unknown zone are by `floating`.
    pub fn instant(&self, moment: &Moment, floating: &Zone) -> i64 {
        match moment {
            Moment::Day(date) => floating.instant_of(wall_of_day(*date)),
            Moment::At(DateTime::Utc(local)) => wall_of(*local),
            Moment::At(DateTime::Floating(local)) => floating.instant(*local),
            Moment::At(DateTime::Zoned { local, tzid }) => {
                self.find(tzid).as_ref().unwrap_or(floating).instant(*local)
            }
        }
    }
}

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(Arc::new(Kind::Iana("UTC".to_owned(), TimeZone::UTC)))
    }

    /// A zone of the IANA database; case does not count.
    pub fn iana(name: &str) -> Option<Self> {
        let zone = WORLD.get(name).ok()?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Some(Self(Arc::new(Kind::Iana(name, zone))))
    }

    /// A zone by its IANA name, also with a prefix as in `/example.org/2026/Europe/Berlin`, or by the name
    /// that Windows has for it.
    pub fn named(tzid: &str) -> Option<Self> {
        let tzid = tzid.trim();
        if tzid.len() > 255 {
            return None;
        }
        if let Some(found) = Self::iana(tzid) {
            return Some(found);
        }
        if let Some(found) = iana_of_windows(tzid).and_then(Self::iana) {
            return Some(found);
        }
        // The longest names have three parts: America/Argentina/Salta.
        let ends = tzid.match_indices('/').rev().take(3).map(|(at, _)| at);
        let mut ends: Vec<&str> = ends.filter_map(|at| tzid.get(at + 1..)).collect();
        ends.reverse();
        ends.into_iter().find_map(Self::iana)
    }

    /// The zone that a VTIMEZONE defines; `None` when it is broken, or beyond all measure. RFC 5545 §3.6.5.
    pub fn defined_by(component: &Component) -> Option<Self> {
        let name = component.line("TZID")?.value().to_owned();
        Some(Self(Arc::new(Kind::Own(name, Observances::of(component)?))))
    }

    /// Its name: the IANA name, or the TZID of its definition.
    pub fn name(&self) -> &str {
        match &*self.0 {
            Kind::Iana(name, _) | Kind::Own(name, _) => name,
        }
    }

    /// The offset from UTC at an instant, in seconds, to the east positive.
    pub fn offset_at(&self, instant: i64) -> i32 {
        match &*self.0 {
            Kind::Iana(_, zone) => {
                let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
                let instant = instant.clamp(*range.start(), *range.end());
                Timestamp::from_second(instant).map_or(0, |instant| zone.to_offset(instant).seconds())
            }
            Kind::Own(_, observances) => observances.offset_at(instant),
        }
    }

    /// What the clocks show at an instant.
    pub fn local(&self, instant: i64) -> LocalDateTime {
        local_of(self.wall(instant))
    }

    /// The instant at which the clocks show a time. RFC 5545 §3.3.5: the first of two; and one that is
    /// left out counts by the offset before the gap.
    pub fn instant(&self, local: LocalDateTime) -> i64 {
        self.instant_of(wall_of(local))
    }

    /// An IANA zone that agrees with this one throughout a year: itself, the one its name speaks of, or
    /// one that Windows knows.
    pub fn identify(&self, year: i16) -> Option<String> {
        if let Kind::Iana(name, _) = &*self.0 {
            return Some(name.clone());
        }
        let named = Self::named(self.name()).into_iter();
        let mut candidates = named.chain(windows::usual_zones().filter_map(Self::iana));
        candidates.find(|zone| zone.agrees(self, year)).map(|zone| zone.name().to_owned())
    }

    /// True when both show the same at every quarter of an hour of a year, in UTC.
    pub(crate) fn agrees(&self, other: &Self, year: i16) -> bool {
        let (first, end) = (shape::year_start(year.into()), shape::year_start(i32::from(year) + 1));
        // Days first: most zones differ on the first of them.
        let same = |instant: i64| self.offset_at(instant) == other.offset_at(instant);
        let changes = |day: i64| self.offset_at(day) != self.offset_at(day + 86_400);
        let mut days = (first..end).step_by(86_400);
        days.clone().all(same) && days.all(|day| !changes(day) || (0..96).all(|n| same(day + n * 900)))
    }

    pub(crate) fn wall(&self, instant: i64) -> Wall {
        instant.saturating_add(self.offset_at(instant).into())
    }

    pub(crate) fn instant_of(&self, wall: Wall) -> i64 {
        let before = wall.saturating_sub(self.offset_at(wall.saturating_sub(86_400)).into());
        if self.wall(before) == wall {
            return before;
        }
        let after = wall.saturating_sub(self.offset_at(wall.saturating_add(86_400)).into());
        // In a gap neither is right, and the offset before it counts.
        if self.wall(after) == wall { after } else { before }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Object;

    fn local(text: &str) -> LocalDateTime {
        text.parse().unwrap()
    }

    /// The example of RFC 5545 §3.6.5, with the rules of the time, and a TZID that says nothing.
    pub(crate) const NEW_YORK: &str = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Mine\nBEGIN:STANDARD\n\
        DTSTART:20071104T020000\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11\nTZOFFSETFROM:-0400\n\
        TZOFFSETTO:-0500\nTZNAME:EST\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:20070311T020000\n\
        RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nTZNAME:EDT\n\
        END:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR\n";

    fn own(text: &str) -> Option<Zone> {
        let object = Object::parse(text.as_bytes()).unwrap();
        Zone::defined_by(object.calendar().unwrap().component("VTIMEZONE").unwrap())
    }

    /// RFC 5545 §3.3.5 has these times.
    #[test]
    fn gaps_and_folds() {
        for zone in [Zone::iana("America/New_York").unwrap(), own(NEW_YORK).unwrap()] {
            assert_eq!(zone.instant(local("20071104T013000")), zone.instant(local("20071104T003000")) + 3600);
            assert_eq!(zone.instant(local("20071104T013000")) + 4 * 3600, 1_194_154_200 + 4 * 3600);
            assert_eq!(zone.instant(local("20070311T023000")), zone.instant(local("20070311T033000")));
            assert_eq!(zone.local(zone.instant(local("20070311T023000"))), local("20070311T033000"));
        }
    }

    #[test]
    fn a_definition_counts_as_it_is_written() {
        let zone = own(NEW_YORK).unwrap();
        assert_eq!(zone.identify(2026).as_deref(), Some("America/New_York"));
        // Before the first onset: by what that comes from.
        assert_eq!(zone.offset_at(0), -5 * 3600);
        let odd = own(&NEW_YORK.replace("-0400", "-0330")).unwrap();
        assert_eq!(odd.offset_at(1_782_000_000), -12_600);
        assert_eq!(odd.identify(2026), None);
        // Not for ever.
        let until = own(&NEW_YORK.replace("BYMONTH=3", "BYMONTH=3;UNTIL=20100314T070000Z")).unwrap();
        let summer = |year: &str| {
            until.instant(local(&format!("{year}0701T000000")))
                - wall_of(local(&format!("{year}0701T000000")))
        };
        assert_eq!((summer("2010"), summer("2011")), (4 * 3600, 5 * 3600));
        assert_eq!(until.offset_at(4_000_000_000), -5 * 3600);
    }

    #[test]
    fn what_is_broken_or_too_much_falls_back_to_the_name() {
        for (from, to) in [
            ("TZOFFSETTO:-0500", "TZOFFSETTO:five"),
            ("DTSTART:20071104T020000", "DTSTART:noon"),
            ("FREQ=YEARLY;BYDAY=1SU", "FREQ=SECONDLY;BYDAY=1SU"),
            ("FREQ=YEARLY;BYDAY=1SU", "FREQ=SOMETIMES"),
        ] {
            assert!(own(&NEW_YORK.replace(from, to)).is_none(), "{to}");
        }
        let many =
            "BEGIN:STANDARD\nDTSTART:20071104T020000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0000\nEND:STANDARD\n";
        let many = NEW_YORK.replace("BEGIN:DAYLIGHT", &format!("{}BEGIN:DAYLIGHT", many.repeat(10_000)));
        assert!(own(&many).is_none());
        let broken = NEW_YORK.replace("TZID:Mine", "TZID:Europe/Berlin").replace("TZOFFSETTO", "X");
        let object = Object::parse(broken.as_bytes()).unwrap();
        let zones = Zones::of(object.calendar().unwrap());
        assert_eq!(zones.find("Europe/Berlin").unwrap().offset_at(0), 3600);
        assert!(zones.find("Nowhere").is_none() && zones.find("").is_none());
        assert_eq!(Zone::named("/x/y/America/Argentina/Salta").unwrap().name(), "America/Argentina/Salta");
    }

    /// A rule whose day never comes was looked for year by year, for every question anew.
    #[test]
    fn rules_without_days_cost_nothing() {
        let never = "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nRRULE:FREQ=YEARLY;BYYEARDAY=366;INTERVAL=3\n";
        assert!(own(&NEW_YORK.replace("TZNAME:EST", never)).is_none());
        let never = "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\n".repeat(9);
        let zone = own(&NEW_YORK.replace("TZNAME:EST\n", &never)).unwrap();
        for day in 0..3000 {
            zone.offset_at(4_000_000_000 + day * 8_640_000);
        }
        assert_eq!(zone.identify(2026).as_deref(), Some("America/New_York"));
    }

    proptest! {
        #[test]
        fn a_definition_agrees_with_the_database(instant in 1_200_000_000..4_000_000_000_i64) {
            let (own, iana) = (own(NEW_YORK).unwrap(), Zone::iana("America/New_York").unwrap());
            prop_assert_eq!(own.offset_at(instant), iana.offset_at(instant));
            let wall = iana.wall(instant);
            prop_assert_eq!(own.instant_of(wall), iana.instant_of(wall));
        }

        #[test]
        fn an_instant_comes_back(instant in -2_000_000_000..10_000_000_000_i64, name in prop::sample::select(vec!["Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu", "UTC"])) {
            let zone = Zone::iana(name).unwrap();
            let again = zone.instant(zone.local(instant));
            // The first of two.
            prop_assert!(again == instant || (again < instant && zone.local(again) == zone.local(instant)));
            let jiff = match &*zone.0 { Kind::Iana(_, zone) => zone.clone(), Kind::Own(..) => unreachable!() };
            let time = jiff.to_datetime(Timestamp::from_second(instant).unwrap());
            prop_assert_eq!(again, jiff.to_timestamp(time).unwrap().as_second());
        }
    }
}
