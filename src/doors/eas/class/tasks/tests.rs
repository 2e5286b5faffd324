//! Tasks: every element both ways at every version, and what a phone does not know.

use proptest::prelude::*;
use wbxml::{Element, Version, airsync, tasks};

use super::super::sample::{Class, VERSIONS, body, data, leaf};
use super::super::{CONVERSION, Refused, Supported};
use crate::mailbox::Kind;

fn class(version: Version) -> Class {
    Class::new(Kind::Tasks, version)
}

fn dates(start: (&str, &str), due: (&str, &str)) -> [Element<'static>; 4] {
    [
        leaf(tasks::UTC_START_DATE, start.0),
        leaf(tasks::START_DATE, start.1),
        leaf(tasks::UTC_DUE_DATE, due.0),
        leaf(tasks::DUE_DATE, due.1),
    ]
}

/// Whole days of a phone in Berlin.
fn berlin_days() -> [Element<'static>; 4] {
    dates(
        ("2026-11-23T23:00:00.000Z", "2026-11-24T00:00:00.000Z"),
        ("2026-11-26T23:00:00.000Z", "2026-11-27T00:00:00.000Z"),
    )
}

fn recurrence(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(tasks::RECURRENCE).with_all(children)
}

#[test]
fn every_element_comes_back() {
    for version in VERSIONS {
        let categories = ["Home, garden", "Work"].map(|name| leaf(tasks::CATEGORY, name));
        let sent = data(
            [
                leaf(tasks::SUBJECT, "Water; the, plants"),
                body(1, "One\nTwo"),
                Element::number(tasks::IMPORTANCE, 2),
                Element::number(tasks::SENSITIVITY, 1),
                Element::boolean(tasks::COMPLETE, true),
                leaf(tasks::DATE_COMPLETED, "2026-11-25T10:30:00.000Z"),
                Element::boolean(tasks::REMINDER_SET, true),
                leaf(tasks::REMINDER_TIME, "2026-11-24T07:15:00.000Z"),
                leaf(tasks::ORDINAL_DATE, "2026-11-24T08:00:00.000Z"),
                leaf(tasks::SUB_ORDINAL_DATE, "5555555"),
                Element::new(tasks::CATEGORIES).with_all(categories),
            ]
            .into_iter()
            .chain(berlin_days()),
        );
        let stored = class(version).survives(&sent);
        for line in [
            "DTSTART;VALUE=DATE;X-FOLKMOOT-UTC=20261123T230000Z:20261124",
            "DUE;VALUE=DATE;X-FOLKMOOT-UTC=20261126T230000Z:20261127",
            "PRIORITY:1",
            "STATUS:COMPLETED",
            "COMPLETED:20261125T103000Z",
            "PERCENT-COMPLETE:100",
            "TRIGGER;VALUE=DATE-TIME:20261124T071500Z",
            "CLASS;X-FOLKMOOT-SENSITIVITY=1:PRIVATE",
        ] {
            assert!(stored.contains(&format!("{line}\r\n")), "{line}\n{stored}");
        }
    }
}

/// Every type of rule, with what belongs to it from the version on that has it.
#[test]
fn every_recurrence_comes_back() {
    let number = |tag, n: u8| Element::number(tag, n);
    let start = || leaf(tasks::START, "2026-11-24T00:00:00.000Z");
    let patterns: [Vec<Element<'static>>; 8] = [
        vec![number(tasks::TYPE, 0), number(tasks::INTERVAL, 3), number(tasks::OCCURRENCES, 7)],
        vec![number(tasks::TYPE, 1), number(tasks::INTERVAL, 2), number(tasks::DAY_OF_WEEK, 62)],
        vec![number(tasks::TYPE, 2), number(tasks::INTERVAL, 1), number(tasks::DAY_OF_MONTH, 31)],
        vec![
            number(tasks::TYPE, 3),
            number(tasks::INTERVAL, 1),
            number(tasks::DAY_OF_WEEK, 32),
            number(tasks::WEEK_OF_MONTH, 5),
        ],
        vec![
            number(tasks::TYPE, 5),
            number(tasks::INTERVAL, 1),
            number(tasks::DAY_OF_MONTH, 24),
            number(tasks::MONTH_OF_YEAR, 12),
        ],
        vec![
            number(tasks::TYPE, 6),
            number(tasks::INTERVAL, 1),
            number(tasks::DAY_OF_WEEK, 127),
            number(tasks::WEEK_OF_MONTH, 5),
            number(tasks::MONTH_OF_YEAR, 2),
        ],
        vec![
            number(tasks::TYPE, 0),
            leaf(tasks::UNTIL, "2026-12-24T00:00:00.000Z"),
            number(tasks::INTERVAL, 1),
        ],
        vec![
            number(tasks::TYPE, 2),
            number(tasks::INTERVAL, 1),
            number(tasks::DAY_OF_MONTH, 24),
            number(tasks::REGENERATE, 1),
            number(tasks::DEAD_OCCUR, 1),
        ],
    ];
    for version in VERSIONS {
        for pattern in &patterns {
            let weekly = pattern[0].text() == Some("1");
            let first_day =
                (weekly && version >= Version::V14_1).then(|| number(tasks::FIRST_DAY_OF_WEEK, 1));
            // What is shown beside, whether it was said or not.
            let first_day = first_day.into_iter();
            let rule = recurrence(pattern.iter().cloned().chain([start()]).chain(first_day));
            let sent = data([leaf(tasks::SUBJECT, "s"), rule].into_iter().chain(berlin_days()));
            class(version).survives(&sent);
        }
    }
}

const RICH: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VTIMEZONE\r\nTZID:Own\r\n\
    BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\n\
    END:VTIMEZONE\r\nBEGIN:VTODO\r\nUID:rich\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY;LANGUAGE=en:Write\r\n\
    DTSTART;TZID=Own:20261124T100000\r\nDUE;TZID=Own:20261125T100000\r\nSTATUS:IN-PROCESS\r\n\
    PERCENT-COMPLETE:40\r\nPRIORITY:3\r\nX-ODD:1\r\nATTENDEE:mailto:a@x.test\r\n\
    RRULE:FREQ=YEARLY;BYWEEKNO=20\r\nBEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER;RELATED=END:-PT1H\r\n\
    X-TONE:bell\r\nEND:VALARM\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";

#[test]
fn what_a_phone_does_not_know_survives() {
    for version in VERSIONS {
        let class = class(version);
        let told = class.show(RICH.as_bytes()).unwrap();
        assert_eq!(told.text_of(tasks::UTC_START_DATE), Some("2026-11-24T07:00:00.000Z"));
        assert_eq!(told.text_of(tasks::START_DATE), Some("2026-11-24T10:00:00.000Z"));
        assert_eq!(told.text_of(tasks::REMINDER_TIME), Some("2026-11-25T06:00:00.000Z"));
        assert_eq!(told.text_of(tasks::IMPORTANCE), Some("2"));
        assert!(!told.has(tasks::RECURRENCE), "there is no such rule on a phone");
        assert_eq!(class.apply(Some(RICH.as_bytes()), &told).unwrap(), RICH, "nothing changed");
        let moved = told.into_children().into_iter().map(|element| match element.tag() {
            tasks::SUBJECT => leaf(tasks::SUBJECT, "Read"),
            tasks::UTC_DUE_DATE => leaf(tasks::UTC_DUE_DATE, "2026-11-26T08:30:00.000Z"),
            tasks::DUE_DATE => leaf(tasks::DUE_DATE, "2026-11-26T11:30:00.000Z"),
            tasks::REMINDER_TIME => leaf(tasks::REMINDER_TIME, "2026-11-26T06:00:00.000Z"),
            _ => element,
        });
        let stored = class.apply(Some(RICH.as_bytes()), &data(moved)).unwrap();
        let expected = RICH
            .replace("en:Write", "en:Read")
            .replace("Own:20261125T100000", "Own:20261126T113000")
            .replace("DTSTAMP:20260101T000000Z", "DTSTAMP:20261124T120000Z")
            .replace("TRIGGER;RELATED=END:-PT1H", "TRIGGER;VALUE=DATE-TIME:20261126T060000Z");
        let stored: Vec<&str> = stored.lines().filter(|line| !line.starts_with("LAST-MOD")).collect();
        assert_eq!(stored, expected.lines().collect::<Vec<_>>());
    }
}

#[test]
fn done_and_undone() {
    let class = class(Version::V16_1);
    let with = |complete| data([leaf(tasks::SUBJECT, "s"), Element::boolean(tasks::COMPLETE, complete)]);
    let open = class.apply(None, &with(false)).unwrap();
    assert!(!open.contains("COMPLETED") && !open.contains("STATUS"), "{open}");
    let done = class.apply(Some(open.as_bytes()), &with(true)).unwrap();
    assert!(done.contains("COMPLETED:20261124T120000Z\r\n"), "without a date it is now: {done}");
    let again = class.apply(Some(done.as_bytes()), &with(false)).unwrap();
    assert_eq!(again, open);
    // What is under way stays so.
    let ghosts = Supported::read(Some(&Element::new(airsync::SUPPORTED)));
    let class = Class { supported: ghosts, ..class };
    let stored = class.apply(Some(RICH.as_bytes()), &data([leaf(tasks::SUBJECT, "s")])).unwrap();
    assert!(stored.contains("STATUS:IN-PROCESS") && stored.contains("BYWEEKNO"), "{stored}");
    let stored = class.apply(Some(RICH.as_bytes()), &data([Element::boolean(tasks::REMINDER_SET, false)]));
    assert!(!stored.unwrap().contains("VALARM"));
}

#[test]
fn one_date_stands_for_both_and_days_for_times() {
    let class = class(Version::V14_1);
    let sent = data([
        leaf(tasks::SUBJECT, "s"),
        leaf(tasks::START_DATE, "2026-11-24T00:00:00.000Z"),
        leaf(tasks::UTC_DUE_DATE, "2026-11-25T15:30:00.000Z"),
    ]);
    let stored = class.apply(None, &sent).unwrap();
    assert!(stored.contains("DTSTART:20261124T000000\r\n"), "{stored}");
    assert!(stored.contains("DUE:20261125T153000Z\r\n"), "{stored}");
    let told = class.show(stored.as_bytes()).unwrap();
    assert_eq!(told.text_of(tasks::UTC_START_DATE), Some("2026-11-24T00:00:00.000Z"));
    assert_eq!(told.text_of(tasks::DUE_DATE), Some("2026-11-25T15:30:00.000Z"));
}

/// A series without dates of its own begins with its rule, and one that is due before does so then.
#[test]
fn a_series_begins_somewhere() {
    let class = class(Version::V16_0);
    let rule = |start: &str| {
        recurrence([
            Element::number(tasks::TYPE, 1),
            leaf(tasks::START, start),
            Element::number(tasks::REGENERATE, 1),
        ])
    };
    let stored = class.apply(None, &data([rule("2026-11-24T00:00:00.000Z")])).unwrap();
    assert!(stored.contains("DTSTART;VALUE=DATE:20261124\r\nRRULE:FREQ=WEEKLY;BYDAY=TU\r\n"), "{stored}");
    let due = ["2026-11-20T00:00:00.000Z"; 2];
    let due = [leaf(tasks::UTC_DUE_DATE, due[0]), leaf(tasks::DUE_DATE, due[1])];
    let stored = class.apply(None, &data([rule("2026-11-24T00:00:00.000Z")].into_iter().chain(due))).unwrap();
    assert!(stored.contains("DTSTART;VALUE=DATE:20261120\r\n"), "{stored}");
    // Without the element the series ends to be one.
    let stored = class.apply(Some(stored.as_bytes()), &data([leaf(tasks::SUBJECT, "s")])).unwrap();
    assert!(!stored.contains("RRULE") && !stored.contains("X-FOLKMOOT"), "{stored}");
}

#[test]
fn hostile_values_are_refused() {
    let class = class(Version::V16_1);
    let refused = |element: Element<'static>| {
        assert_eq!(class.apply(None, &data([element.clone()])), Err(Refused(CONVERSION)), "{element}");
    };
    refused(leaf(tasks::UTC_DUE_DATE, "soon"));
    refused(leaf(tasks::UTC_DUE_DATE, "-009999-01-01T00:00:00Z"));
    refused(Element::number(tasks::IMPORTANCE, 3));
    refused(Element::number(tasks::SENSITIVITY, 4));
    refused(leaf(tasks::COMPLETE, "maybe"));
    refused(Element::boolean(tasks::REMINDER_SET, true));
    refused(recurrence([Element::number(tasks::TYPE, 0)]));
    let start = || leaf(tasks::START, "2026-11-24T00:00:00.000Z");
    refused(recurrence([Element::number(tasks::TYPE, 4), start()]));
    refused(recurrence([Element::number(tasks::TYPE, 0), start(), Element::number(tasks::INTERVAL, 1000)]));
    refused(recurrence([Element::number(tasks::TYPE, 0), start(), Element::number(tasks::CALENDAR_TYPE, 8)]));
    refused(recurrence([Element::number(tasks::TYPE, 0), start(), leaf(tasks::OCCURRENCES, "4294967296")]));
    refused(recurrence([start()]));
    refused(
        Element::new(tasks::CATEGORIES).with_all((0..301).map(|n| leaf(tasks::CATEGORY, &n.to_string()))),
    );
    // An event is no task.
    let event = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(class.show(event), None);
    assert_eq!(class.apply(Some(event), &data([leaf(tasks::SUBJECT, "s")])), Err(Refused(CONVERSION)));
}

prop_compose! {
    fn date()(year in 1980..2100_u32, month in 1..13_u32, day in 1..29_u32, minutes in 0..1440_u32, midnight: bool)
        -> (String, i64) {
        let minutes = if midnight { 0 } else { minutes };
        (format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:00.000Z", minutes / 60, minutes % 60), 0)
    }
}

/// The local date with the same in UTC, `offset` minutes to the west.
fn pair(local: &str, offset: i64) -> (String, String) {
    let time = crate::doors::eas::render::parse_time(local).unwrap();
    (crate::doors::eas::render::dashed(time - offset * 60_000), local.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a phone sends of a task comes back to it, in whichever zone it is.
    #[test]
    fn what_is_sent_comes_back(
        subject in "[ -~äß漢]{0,40}", note in "[ -~\\n]{0,60}",
        due in proptest::option::of(date()), reminder in proptest::option::of(date()),
        offset in -48..57_i64, importance in 0..3_u8, sensitivity in 0..4_u8,
        done in proptest::option::of(date()), version in 0..VERSIONS.len(),
    ) {
        let mut sent = vec![
            leaf(tasks::SUBJECT, subject.trim()),
            body(1, note.trim_end()),
            Element::number(tasks::IMPORTANCE, importance),
            Element::number(tasks::SENSITIVITY, sensitivity),
            Element::boolean(tasks::COMPLETE, done.is_some()),
            Element::boolean(tasks::REMINDER_SET, reminder.is_some()),
        ];
        if let Some((due, _)) = due {
            let (utc, local) = pair(&due, offset * 15);
            sent.extend([leaf(tasks::UTC_DUE_DATE, &utc), leaf(tasks::DUE_DATE, &local)]);
        }
        sent.extend(done.map(|(at, _)| leaf(tasks::DATE_COMPLETED, &at)));
        sent.extend(reminder.map(|(at, _)| leaf(tasks::REMINDER_TIME, &at)));
        class(VERSIONS[version]).survives(&data(sent));
    }
}
