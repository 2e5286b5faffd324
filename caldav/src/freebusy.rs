//! Free and busy time. RFC 5545 §3.6.4; RFC 4791 §7.10.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::recur::local_of;
use crate::{
    Bounds, Component, ContentLine, DateTime, Invalid, Moment, PartStat, Period, Series, Zone, Zones,
};

/// How somebody is busy; the greater one covers the lesser. RFC 5545 §3.2.9.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Busy {
    /// Perhaps.
    Tentative,
    /// Yes.
    Busy,
    /// Away.
    Unavailable,
}

/// A time of being busy, from its first second to the one after its last, since 1970-01-01T00:00:00Z.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BusyPeriod {
    /// When.
    pub time: Range<i64>,
    /// How.
    pub kind: Busy,
}

/// What somebody's calendars say about a range of time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FreeBusy {
    /// What was found; in order and apart from each other after [`FreeBusy::settle`].
    pub periods: Vec<BusyPeriod>,
    /// There may be more.
    pub truncated: bool,
}

impl Busy {
    /// The value of FBTYPE.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tentative => "BUSY-TENTATIVE",
            Self::Busy => "BUSY",
            Self::Unavailable => "BUSY-UNAVAILABLE",
        }
    }

    /// How an event makes its owner busy, who is one of the `own` addresses (in lower case, without
    /// `mailto:`); `None` for free.
    ///
    /// TRANSP counts before X-MICROSOFT-CDO-BUSYSTATUS, which clients that do not know it leave as it was.
    pub fn of(event: &Component, own: &[&str]) -> Option<Self> {
        let value = |name| event.line(name).map(|line| line.value().trim().to_ascii_uppercase());
        let status = value("STATUS");
        let transparency = value("TRANSP");
        if status.as_deref() == Some("CANCELLED") || transparency.as_deref() == Some("TRANSPARENT") {
            return None;
        }
        let mine = event.lines_named("ATTENDEE").find(|line| own.contains(&line.cal_address().as_str()));
        let answer = mine
            .map(|line| line.parameter("PARTSTAT").and_then(|word| word.parse().ok()).unwrap_or_default());
        match answer {
            Some(PartStat::Declined | PartStat::Delegated) => return None,
            Some(PartStat::NeedsAction | PartStat::Tentative | PartStat::Other(_)) => {
                return Some(Self::Tentative);
            }
            _ => {}
        }
        match value("X-MICROSOFT-CDO-BUSYSTATUS").as_deref() {
            Some("FREE" | "WORKINGELSEWHERE") if transparency.is_none() => None,
            Some("TENTATIVE") => Some(Self::Tentative),
            Some("OOF") => Some(Self::Unavailable),
            _ if status.as_deref() == Some("TENTATIVE") => Some(Self::Tentative),
            _ => Some(Self::Busy),
        }
    }
}

impl FreeBusy {
    /// Adds what the events of a VCALENDAR, and the VFREEBUSY in it, say about a range. Events that cannot
    /// be understood say nothing.
    pub fn add(
        &mut self,
        calendar: &Component,
        own: &[&str],
        range: &Range<i64>,
        floating: &Zone,
        bounds: &Bounds,
    ) {
        let events = Series::all(calendar).into_iter().flatten().filter(|series| series.kind() == "VEVENT");
        let kinds: Vec<_> = calendar.components().map(|component| Busy::of(component, own)).collect();
        for series in events {
            let all = series.expand(range.clone(), floating, bounds);
            self.truncated |= all.truncated;
            for instance in all.instances {
                if let Some(kind) = kinds.get(instance.component).copied().flatten() {
                    self.push(instance.start..instance.end, kind, range);
                }
            }
        }
        let zones = Zones::of(calendar);
        for line in
            calendar.components().filter(|c| c.is("VFREEBUSY")).flat_map(|c| c.lines_named("FREEBUSY"))
        {
            let kind = match line.parameter("FBTYPE").map(str::to_ascii_uppercase).as_deref() {
                Some("FREE") => continue,
                Some("BUSY-TENTATIVE") => Busy::Tentative,
                Some("BUSY-UNAVAILABLE") => Busy::Unavailable,
                _ => Busy::Busy,
            };
            for period in line.periods().unwrap_or_default() {
                self.push(time_of(&period, &zones, floating), kind, range);
            }
        }
    }

    /// Puts the periods in order: the strongest where they overlap, and one where they touch.
    pub fn settle(&mut self) {
        // How many of each kind begin or end at an instant.
        let mut turns: BTreeMap<i64, [i64; 3]> = BTreeMap::new();
        for period in &self.periods {
            let kind = period.kind as usize;
            for (at, change) in [(period.time.start, 1), (period.time.end, -1)] {
                if let Some(count) = turns.entry(at).or_default().get_mut(kind) {
                    *count += change;
                }
            }
        }
        let mut open = [0_i64; 3];
        let mut settled: Vec<BusyPeriod> = Vec::new();
        let mut current: Option<(i64, Busy)> = None;
        for (at, changes) in turns {
            open.iter_mut().zip(changes).for_each(|(open, change)| *open += change);
            let kinds = [Busy::Tentative, Busy::Busy, Busy::Unavailable];
            let strongest =
                kinds.into_iter().zip(open).filter(|(_, open)| *open > 0).map(|(kind, _)| kind).max();
            if strongest == current.map(|(_, kind)| kind) {
                continue;
            }
            if let Some((start, kind)) = current {
                settled.push(BusyPeriod { time: start..at, kind });
            }
            current = strongest.map(|kind| (at, kind));
        }
        self.periods = settled;
    }

    /// A VFREEBUSY that says it, made at `stamp`. Whoever it is for adds ORGANIZER and ATTENDEE.
    ///
    /// # Errors
    /// [`Invalid`] for a UID with control characters.
    pub fn component(&self, uid: &str, stamp: i64, range: &Range<i64>) -> Result<Component, Invalid> {
        let utc = |instant| DateTime::Utc(local_of(instant)).to_string();
        let mut component = Component::new("VFREEBUSY")?;
        component.push(ContentLine::new("UID", uid)?);
        component.push(ContentLine::new("DTSTAMP", utc(stamp))?);
        component.push(ContentLine::new("DTSTART", utc(range.start))?);
        component.push(ContentLine::new("DTEND", utc(range.end))?);
        for kind in [Busy::Busy, Busy::Tentative, Busy::Unavailable] {
            let periods = self.periods.iter().filter(|period| period.kind == kind);
            let periods: Vec<String> =
                periods.map(|p| format!("{}/{}", utc(p.time.start), utc(p.time.end))).collect();
            if !periods.is_empty() {
                let line = ContentLine::new("FREEBUSY", periods.join(","))?;
                component.push(line.with("FBTYPE", kind.as_str())?);
            }
        }
        Ok(component)
    }

    /// Adds what of a period is within the range.
    fn push(&mut self, time: Range<i64>, kind: Busy, range: &Range<i64>) {
        let time = time.start.max(range.start)..time.end.min(range.end);
        if time.start < time.end {
            self.periods.push(BusyPeriod { time, kind });
        }
    }
}

pub(crate) fn time_of(period: &Period, zones: &Zones, floating: &Zone) -> Range<i64> {
    let at = |time: &DateTime| zones.instant(&Moment::At(time.clone()), floating);
    match period {
        Period::Until(start, end) => at(start)..at(end),
        Period::For(start, length) => {
            let start = at(start);
            let days = i64::from(length.days) * 86_400;
            start..start.saturating_add(days).saturating_add(length.seconds)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Object;

    fn free_busy(events: &[&str], own: &[&str]) -> String {
        let events: String = events
            .iter()
            .enumerate()
            .map(|(n, lines)| format!("BEGIN:VEVENT\nUID:{n}\n{lines}END:VEVENT\n"))
            .collect();
        let text = format!(
            "BEGIN:VCALENDAR\n{events}BEGIN:VFREEBUSY\nFREEBUSY;FBTYPE=FREE:20261124T000000Z/P1D\n\
             FREEBUSY:20261124T220000Z/PT1H\nEND:VFREEBUSY\nEND:VCALENDAR\n"
        );
        let object = Object::parse(text.as_bytes()).unwrap();
        let day = 1_795_478_400..1_795_564_800;
        let mut found = FreeBusy::default();
        found.add(object.calendar().unwrap(), own, &day, &Zone::utc(), &Bounds::default());
        found.settle();
        let component = found.component("u", 0, &day).unwrap();
        assert_eq!(component.line("DTSTART").unwrap().value(), "20261124T000000Z");
        let lines = component.lines_named("FREEBUSY");
        lines.map(|line| format!("{} {}\n", line.parameter("FBTYPE").unwrap(), line.value())).collect()
    }

    #[test]
    fn events_make_busy_as_they_say() {
        let event = |hour: u8, more: &str| format!("DTSTART:20261124T{hour:02}0000Z\nDURATION:PT1H\n{more}");
        let events = [
            event(1, "RRULE:FREQ=HOURLY;INTERVAL=2;COUNT=2\n"),
            event(5, "TRANSP:TRANSPARENT\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY\n"),
            event(6, "STATUS:CANCELLED\n"),
            event(7, "STATUS:TENTATIVE\n"),
            event(8, "X-MICROSOFT-CDO-BUSYSTATUS:OOF\nSTATUS:TENTATIVE\n"),
            event(9, "X-MICROSOFT-CDO-BUSYSTATUS:FREE\n"),
            event(10, "ATTENDEE;PARTSTAT=DECLINED:mailto:Me@x\n"),
            event(11, "ATTENDEE:mailto:me@x\n"),
            event(12, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:me@x\nATTENDEE;PARTSTAT=DECLINED:mailto:you@x\n"),
            "DTSTART;VALUE=DATE:20261125\n".to_owned(),
            "DTSTART:broken\n".to_owned(),
        ];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        assert_eq!(
            free_busy(&events, &["me@x"]),
            "BUSY 20261124T010000Z/20261124T020000Z,20261124T030000Z/20261124T040000Z,\
             20261124T120000Z/20261124T130000Z,20261124T220000Z/20261124T230000Z\n\
             BUSY-TENTATIVE 20261124T070000Z/20261124T080000Z,20261124T110000Z/20261124T120000Z\n\
             BUSY-UNAVAILABLE 20261124T080000Z/20261124T090000Z\n"
        );
    }

    fn periods() -> impl Strategy<Value = Vec<BusyPeriod>> {
        let kind = prop::sample::select(vec![Busy::Tentative, Busy::Busy, Busy::Unavailable]);
        let one = (0..50_i64, 1..10_i64, kind)
            .prop_map(|(start, length, kind)| BusyPeriod { time: start..start + length, kind });
        prop::collection::vec(one, 0..20)
    }

    proptest! {
        #[test]
        fn what_is_settled_says_the_same(periods in periods()) {
            let mut settled = FreeBusy { periods: periods.clone(), truncated: false };
            settled.settle();
            let at = |periods: &[BusyPeriod], n: i64| periods.iter().filter(|p| p.time.contains(&n)).map(|p| p.kind).max();
            for n in 0..60 {
                prop_assert_eq!(at(&settled.periods, n), at(&periods, n));
            }
            for pair in settled.periods.windows(2) {
                prop_assert!(pair[0].time.end < pair[1].time.start || (pair[0].time.end == pair[1].time.start && pair[0].kind != pair[1].kind));
            }
        }
    }
}
