//! Calendars put together at random from what is hard: nothing panics, and everything ends.

use proptest::prelude::*;

use super::*;
use crate::{Busy, FreeBusy, Object, TimeZoneBlob, Zone};

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(values).prop_map(str::to_owned)
}

fn time() -> impl Strategy<Value = String> {
    one_of(&[
        ":00000101T000000",
        ":99991231T235960Z",
        ":20261101T013000Z",
        ";TZID=America/New_York:20260308T023000",
        ";TZID=Mine:20261101T013000",
        ";TZID=Nowhere:20261101T013000",
        ";VALUE=DATE:20240229",
        ";VALUE=DATE:99991231",
        ":20261101T013000",
    ])
}

fn rule() -> impl Strategy<Value = String> {
    let frequency = one_of(&["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let part = one_of(&[
        ";INTERVAL=4294967295",
        ";INTERVAL=7",
        ";COUNT=0",
        ";COUNT=4294967295",
        ";COUNT=5",
        ";UNTIL=99991231",
        ";UNTIL=00000101T000000Z",
        ";BYSECOND=60",
        ";BYMINUTE=0,59",
        ";BYHOUR=2,23",
        ";BYDAY=-53SU,MO",
        ";BYMONTHDAY=-31,30",
        ";BYYEARDAY=366,-366",
        ";BYWEEKNO=53,-53",
        ";BYMONTH=2",
        ";BYSETPOS=-366,366,1",
        ";WKST=SU",
        ";SKIP=FORWARD",
        ";SKIP=BACKWARD",
    ]);
    (frequency, prop::collection::vec(part, 0..4))
        .prop_map(|(frequency, parts)| format!(":FREQ={frequency}{}", parts.concat()))
}

fn line() -> impl Strategy<Value = String> {
    let named = |names| (one_of(names), time()).prop_map(|(name, time)| name + &time);
    prop_oneof![
        3 => named(&["DTSTART", "DTEND", "RDATE", "EXDATE", "RECURRENCE-ID", "RECURRENCE-ID;RANGE=THISANDFUTURE"]),
        2 => (one_of(&["RRULE", "RRULE", "EXRULE"]), rule()).prop_map(|(name, rule)| name + &rule),
        1 => one_of(&["DURATION:P2147483647D", "DURATION:-PT1S", "DURATION:PT2147483647H", "DURATION:P1D", "STATUS:TENTATIVE",
            "RDATE;VALUE=PERIOD:99991231T000000Z/P2147483647D", "TZOFFSETTO:+2359", "TZOFFSETFROM:-2359"]),
    ]
}

fn calendar() -> impl Strategy<Value = String> {
    let component = |name: &'static str, more: &'static str| {
        (time(), prop::collection::vec(line(), 0..5), "[12]").prop_map(move |(start, lines, uid)| {
            let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
            format!("BEGIN:{name}\nUID:{uid}\nDTSTART{start}\n{more}{lines}END:{name}\n")
        })
    };
    let offsets = "TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n";
    let zone = (component("STANDARD", offsets), component("DAYLIGHT", offsets))
        .prop_map(|(a, b)| format!("BEGIN:VTIMEZONE\nTZID:Mine\n{a}{b}END:VTIMEZONE\n"));
    let event = prop::collection::vec(prop_oneof![component("VEVENT", ""), component("VTODO", "")], 1..4);
    (zone, event)
        .prop_map(|(zone, events)| format!("BEGIN:VCALENDAR\n{zone}{}END:VCALENDAR\n", events.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_panics(
        text in calendar(),
        range in prop_oneof![
            Just(i64::MIN..i64::MAX),
            Just(-100_000_000_000..-62_000_000_000_i64),
            Just(253_402_200_000..253_402_400_000_i64),
            Just(1_770_000_000..1_800_000_000_i64),
            (any::<i64>(), any::<i64>()).prop_map(|(a, b)| a..b),
        ],
        floating in one_of(&["UTC", "Pacific/Apia"]),
    ) {
        let object = Object::parse(text.as_bytes()).unwrap();
        let calendar = object.calendar().unwrap();
        let floating = Zone::iana(&floating).unwrap();
        let bounds = Bounds { instances: 50, steps: 3_000 };
        for series in Series::all(calendar).into_iter().flatten() {
            let all = series.expand(range.clone(), &floating, &bounds);
            prop_assert!(all.instances.len() <= 50);
            prop_assert!(all.instances.is_sorted_by_key(|instance| instance.start));
            for instance in &all.instances {
                prop_assert!(instance.start <= instance.end);
                prop_assert!(instance.start < range.end && instance.end >= range.start);
            }
            series.span(&floating, &bounds);
        }
        let mut free = FreeBusy::default();
        free.add(calendar, &[], &range, &floating, &bounds);
        free.settle();
        prop_assert!(free.periods.iter().all(|period| period.kind == Busy::Busy || period.kind == Busy::Tentative));
        if let Some(zone) = calendar.component("VTIMEZONE").and_then(Zone::defined_by) {
            for instant in [i64::MIN, range.start, 0, 1_783_000_000, range.end, i64::MAX] {
                zone.local(instant);
                TimeZoneBlob::of(&zone, instant.clamp(-60_000_000_000, 250_000_000_000));
            }
        }
    }
}
