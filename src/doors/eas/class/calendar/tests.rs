//! Events there and back, element by element.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caldav::{Bounds, Object, Series, TimeZoneBlob, Zone};
use proptest::prelude::*;
use wbxml::{Element, Tag, Version, airsync, airsyncbase as base, calendar as cal};

use super::super::{Asker, Change, Out, Refused, Supported};
use crate::directory::{Account, AccountId, Address, DomainId, Kind, Profile};
use crate::doors::eas::render::{BodyPreference, Wishes};
use crate::mailbox::{FolderId, Uid};

const NOW: i64 = 1_795_521_600;
const VERSIONS: [Version; 5] =
    [Version::V12_1, Version::V14_0, Version::V14_1, Version::V16_0, Version::V16_1];
const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Pacific/Auckland",
    "UTC",
];

fn account() -> Account {
    Account {
        id: AccountId(1),
        domain: DomainId(1),
        address: Address::parse("anna@example.test").unwrap(),
        aliases: vec![Address::parse("a.berg@example.test").unwrap()],
        created: 0,
        display_name: "Anna Berg".to_owned(),
        kind: Kind::User,
        enabled: true,
        quota_bytes: None,
        services: None,
        listed: None,
        profile: Profile::default(),
    }
}

struct Phone {
    account: Account,
    version: Version,
}

impl Phone {
    fn new(version: Version) -> Self {
        Self { account: account(), version }
    }

    fn asker(&self) -> Asker<'_> {
        Asker { version: self.version, account: &self.account, now: NOW }
    }

    fn supported(&self) -> Supported {
        if self.version >= Version::V16_0 { Supported::Ghosts } else { Supported::All }
    }

    fn apply(&self, current: Option<&Object>, data: &Element<'_>) -> Result<Object, Refused> {
        let supported = self.supported();
        let change = Change {
            data: Some(data),
            instance: None,
            supported: &supported,
            unique: 7,
            version: self.version,
        };
        let octets = super::apply(current, &change, self.asker())?;
        Ok(Object::parse(&octets).unwrap())
    }

    fn instance(&self, current: &Object, id: &str, data: Option<&Element<'_>>) -> Result<Object, Refused> {
        let supported = self.supported();
        let change =
            Change { data, instance: Some(id), supported: &supported, unique: 7, version: self.version };
        Ok(Object::parse(&super::apply(Some(current), &change, self.asker())?).unwrap())
    }

    fn show(&self, object: &Object) -> Element<'static> {
        let kind = BodyPreference { kind: 1, truncation: None, all_or_none: false, preview: None };
        let wishes = Wishes { bodies: vec![kind], ..Wishes::default() };
        let mut out = Out::new(airsync::APPLICATION_DATA, self.version, &wishes, None);
        assert!(super::show(object, self.asker(), (FolderId(5), Uid(9)), &mut out));
        let shown = out.into_element();
        for element in shown.descendants() {
            assert!(element.tag().is_in(self.version), "{:?}", element.tag());
        }
        shown
    }
}

fn object(lines: &str) -> Object {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\n{lines}END:VEVENT\nEND:VCALENDAR\n");
    Object::parse(text.as_bytes()).unwrap()
}

fn text(object: &Object) -> String {
    String::from_utf8(object.write()).unwrap().replace("\r\n", "\n")
}

fn data(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(airsync::APPLICATION_DATA).with_all(children)
}

fn leaf(tag: Tag, text: impl Into<String>) -> Element<'static> {
    Element::leaf(tag, text.into())
}

fn compact(at: i64) -> String {
    super::times::compact(at)
}

fn blob(zone: &str, at: i64) -> String {
    STANDARD.encode(TimeZoneBlob::of(&Zone::iana(zone).unwrap(), at).write())
}

/// An event as a phone makes it.
#[derive(Clone, Debug)]
struct Event {
    zone: &'static str,
    start: i64,
    length: i64,
    whole_days: bool,
    subject: Option<String>,
    location: Option<String>,
    body: Option<String>,
    categories: Vec<String>,
    busy: u8,
    sensitivity: u8,
    reminder: Option<u32>,
    attendees: Vec<(String, u8, u8)>,
    disallow: bool,
    rule: Option<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    kind: u8,
    interval: u32,
    end: u8,
    /// Instances that are left out, or else moved, with their numbers.
    exceptions: Vec<(u8, Option<i64>)>,
}

impl Event {
    /// The days of an event of whole days: it begins at midnight in its zone.
    fn times(&self, version: Version) -> (i64, i64) {
        if !self.whole_days {
            return (self.start, self.start + self.length);
        }
        let first = self.start.div_euclid(86_400) * 86_400;
        let last = first + (1 + self.length / 86_400) * 86_400;
        if version >= Version::V16_0 {
            return (first, last);
        }
        let zone = Zone::iana(self.zone).unwrap();
        let midnight = |day: i64| zone.instant(Zone::utc().local(day));
        (midnight(first), midnight(last))
    }

    fn elements(&self, version: Version) -> Vec<Element<'static>> {
        let (start, end) = self.times(version);
        let mut all = vec![
            Element::boolean(cal::ALL_DAY_EVENT, self.whole_days),
            leaf(cal::START_TIME, compact(start)),
            leaf(cal::END_TIME, compact(end)),
            Element::number(cal::BUSY_STATUS, self.busy),
            Element::number(cal::SENSITIVITY, self.sensitivity),
            Element::number(cal::MEETING_STATUS, u8::from(!self.attendees.is_empty())),
            Element::boolean(cal::DISALLOW_NEW_TIME_PROPOSAL, self.disallow),
            Element::boolean(cal::RESPONSE_REQUESTED, !self.attendees.is_empty()),
        ];
        if version < Version::V16_0 || !self.whole_days {
            all.push(leaf(cal::TIMEZONE, blob(self.zone, start)));
        }
        all.push(if version < Version::V16_0 { leaf(cal::UID, "u-1") } else { leaf(cal::CLIENT_UID, "u-1") });
        all.extend(self.subject.clone().map(|subject| leaf(cal::SUBJECT, subject)));
        all.extend(self.location.clone().map(|place| {
            match version < Version::V16_0 {
                true => leaf(cal::LOCATION, place),
                false => Element::new(base::LOCATION)
                    .with_text(base::DISPLAY_NAME, place)
                    .with_text(base::STREET, "Way, 1; left")
                    .with_text(base::LATITUDE, "51.5")
                    .with_text(base::LONGITUDE, "-0.1"),
            }
        }));
        all.extend(
            self.body
                .clone()
                .map(|body| Element::new(base::BODY).with_number(base::TYPE, 1).with_text(base::DATA, body)),
        );
        if !self.categories.is_empty() {
            let names = self.categories.iter().map(|name| leaf(cal::CATEGORY, name));
            all.push(Element::new(cal::CATEGORIES).with_all(names));
        }
        all.extend(self.reminder.map(|minutes| Element::number(cal::REMINDER, minutes)));
        if !self.attendees.is_empty() {
            all.push(Element::new(cal::ATTENDEES).with_all(self.attendees.iter().map(
                |(name, kind, status)| {
                    let status = if version < Version::V16_0 { *status } else { 5 };
                    Element::new(cal::ATTENDEE)
                        .with_text(cal::EMAIL, format!("{name}@x.test"))
                        .with_text(cal::NAME, name.clone())
                        .with_number(cal::ATTENDEE_STATUS, status)
                        .with_number(cal::ATTENDEE_TYPE, *kind)
                },
            )));
        }
        if let Some(rule) = &self.rule {
            all.push(self.recurrence(rule, version));
        }
        all.retain(|element| element.tag().is_in(version));
        all
    }

    /// The days by the zone of the event.
    fn recurrence(&self, rule: &Rule, version: Version) -> Element<'static> {
        let (start, _) = self.times(version);
        let zone = match self.whole_days && version >= Version::V16_0 {
            true => Zone::utc(),
            false => Zone::iana(self.zone).unwrap(),
        };
        let local = zone.local(start);
        let day_number = Zone::utc().instant(local).div_euclid(86_400);
        let weekday = 1_u8 << (day_number + 4).rem_euclid(7);
        let mut element = Element::new(cal::RECURRENCE)
            .with_number(cal::TYPE, rule.kind)
            .with_number(cal::INTERVAL, rule.interval);
        let mut add = |tag, n: u8| element.push(Element::number(tag, n));
        let week = (local.date.day() - 1) / 7 + 1;
        match rule.kind {
            1 => add(cal::DAY_OF_WEEK, weekday | 0x20),
            2 => add(cal::DAY_OF_MONTH, local.date.day()),
            3 | 6 => {
                add(cal::DAY_OF_WEEK, weekday);
                add(cal::WEEK_OF_MONTH, week);
            }
            5 => add(cal::DAY_OF_MONTH, local.date.day()),
            _ => {}
        }
        if rule.kind >= 5 {
            add(cal::MONTH_OF_YEAR, local.date.month());
        }
        match rule.end {
            0 => {}
            1 => element.push(Element::number(cal::OCCURRENCES, 10)),
            _ => element.push(leaf(cal::UNTIL, compact(start + 400 * 86_400))),
        }
        if matches!(rule.kind, 2 | 3 | 5 | 6) && version >= Version::V14_0 {
            element.push(Element::number(cal::CALENDAR_TYPE, 0));
        }
        element
    }
}

fn words() -> impl Strategy<Value = String> {
    "[a-zäß€;,:\"\\\\^' ]{0,20}[a-z😀]"
}

fn rules() -> impl Strategy<Value = Rule> {
    let kinds = prop::sample::select(vec![0_u8, 1, 2, 3, 5, 6]);
    let exceptions = prop::collection::vec((1_u8..6, prop::option::of(-5_i64..20)), 0..4);
    (kinds, 1_u32..4, 0_u8..3, exceptions).prop_map(|(kind, interval, end, exceptions)| Rule {
        kind,
        interval,
        end,
        exceptions,
    })
}

prop_compose! {
    fn events()(
        zone in prop::sample::select(ZONES.to_vec()),
        start in 5_300_000_i64..6_500_000,
        length in 0_i64..900,
        whole_days in any::<bool>(),
        texts in (prop::option::of(words()), prop::option::of(words()), prop::option::of("[a-z\n ]{0,20}[a-z]")),
        categories in prop::collection::btree_set("[a-z;,\\\\]{0,8}[a-z]", 0..4),
        numbers in (0_u8..4, 0_u8..4, prop::option::of(0_u32..20_000)),
        attendees in prop::collection::btree_map("[a-z]{1,8}", (1_u8..4, prop::sample::select(vec![2_u8, 3, 4, 5])), 0..4),
        disallow in any::<bool>(),
        rule in prop::option::of(rules()),
    ) -> Event {
        Event {
            zone,
            start: start * 300,
            length: length * 300,
            whole_days,
            subject: texts.0,
            location: texts.1,
            body: texts.2,
            categories: categories.into_iter().collect(),
            busy: numbers.0,
            sensitivity: numbers.1,
            reminder: numbers.2,
            attendees: attendees.into_iter().map(|(name, (kind, status))| (name, kind, status)).collect(),
            disallow,
            rule,
        }
    }
}

/// The instances of an object.
fn starts(object: &Object) -> Vec<i64> {
    let series = Series::all(object.calendar().unwrap()).remove(0).unwrap();
    let bounds = Bounds { instances: 12, ..Bounds::default() };
    let found = series.expand(0..i64::MAX, &Zone::utc(), &bounds);
    found.instances.into_iter().map(|instance| instance.start).collect()
}

/// Whether what was sent is what is told, but for what only the server says.
fn assert_told(sent: &[Element<'_>], told: &Element<'_>, event: &Event, version: Version) {
    let old_days = event.whole_days && version < Version::V16_0;
    for element in sent {
        let tag = element.tag();
        let is_time = matches!(tag, cal::START_TIME | cal::END_TIME);
        if matches!(tag, cal::TIMEZONE | cal::CLIENT_UID | cal::DT_STAMP) || (old_days && is_time) {
            continue;
        }
        let found = told.child(tag).unwrap_or_else(|| panic!("{} is lost", tag.name()));
        match tag {
            base::BODY => {
                let text = found.text_of(base::DATA).unwrap().replace("\r\n", "\n");
                assert_eq!(Some(text.trim_end()), element.text_of(base::DATA).map(str::trim_end));
            }
            cal::RECURRENCE => {
                for part in element.children() {
                    if part.tag() == cal::UNTIL && event.whole_days {
                        continue;
                    }
                    // Some weekdays of every week and of every day are the same.
                    assert_eq!(found.text_of(part.tag()), part.text(), "{}", part.tag().name());
                }
            }
            _ => assert_eq!(found, element, "{}", tag.name()),
        }
    }
    if old_days {
        let (start, end) = event.times(Version::V16_0);
        assert_eq!(told.text_of(cal::START_TIME), Some(compact(start).as_str()));
        assert_eq!(told.text_of(cal::END_TIME), Some(compact(end).as_str()));
    }
    for element in told.children() {
        let tag = element.tag();
        let servers = [
            cal::TIMEZONE,
            cal::DT_STAMP,
            cal::UID,
            cal::ORGANIZER_EMAIL,
            cal::ORGANIZER_NAME,
            cal::RESPONSE_TYPE,
            base::NATIVE_BODY_TYPE,
        ];
        let empty_body = tag == base::BODY && element.text_of(base::DATA).unwrap_or_default().is_empty();
        let known = servers.contains(&tag) || empty_body || sent.iter().any(|sent| sent.tag() == tag);
        assert!(known, "{} is told of, and was not sent", tag.name());
    }
}

const RICH: &str = "UID:u\nDTSTAMP:20261101T000000Z\nX-ODD;P=1:  kept\nDTSTART;TZID=Europe/Berlin;X-P=2:20261124T100000\n\
    DURATION:PT1H30M\nSUMMARY;LANGUAGE=de:Tee\nATTENDEE;X-NUM=7;CN=Bo;RSVP=TRUE;PARTSTAT=ACCEPTED;SCHEDULE-STATUS=1.2:mailto:bo@x.test\n\
    ORGANIZER;CN=Anna;SENT-BY=\"mailto:s@x\":mailto:Anna@example.test\nRRULE:FREQ=WEEKLY;COUNT=5\n\
    BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-P1D\nX-Q:1\nEND:VALARM\nBEGIN:VALARM\nUID:al\nACTION:DISPLAY\nTRIGGER:-PT15M\nX-Q:2\n\
    END:VALARM\n";

#[test]
fn what_the_phone_does_not_know_survives() {
    for version in VERSIONS {
        let phone = Phone::new(version);
        let stored = object(RICH);
        let told = phone.show(&stored);
        assert_eq!(told.text_of(cal::START_TIME), Some("20261124T090000Z"));
        assert_eq!(told.text_of(cal::END_TIME), Some("20261124T103000Z"));
        assert_eq!(told.text_of(cal::REMINDER), Some("15"));
        assert_eq!(told.text_of(cal::ORGANIZER_EMAIL), Some("Anna@example.test"));
        assert_eq!(told.text_of(cal::MEETING_STATUS), Some("1"));
        let mut elements = told.into_children();
        for element in &mut elements {
            match element.tag() {
                cal::SUBJECT => *element = leaf(cal::SUBJECT, "Kaffee"),
                cal::REMINDER => *element = Element::number(cal::REMINDER, 30),
                _ => {}
            }
        }
        let after = text(&phone.apply(Some(&stored), &data(elements)).unwrap());
        let now = "20261124T120000Z";
        let expected = text(&stored)
            .replace("LANGUAGE=de:Tee", "LANGUAGE=de:Kaffee")
            .replace("TRIGGER:-PT15M", "TRIGGER:-PT30M")
            .replace("DTSTAMP:20261101T000000Z", &format!("DTSTAMP:{now}"))
            .replace("COUNT=5\n", &format!("COUNT=5\nLAST-MODIFIED:{now}\n"));
        assert_eq!(after, expected, "{version:?}");
    }
}

/// An answer of a phone became a new meeting, and everybody was told of it.
#[test]
fn a_guest_changes_nothing_of_a_meeting_but_what_is_his() {
    let meeting = RICH
        .replace("mailto:Anna@example.test", "mailto:chef@x.test")
        .replace("RRULE", "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:a.berg@example.test\nRRULE");
    for version in VERSIONS {
        let phone = Phone::new(version);
        let stored = object(&meeting);
        let told = phone.show(&stored);
        assert_eq!(told.text_of(cal::MEETING_STATUS), Some("3"));
        if version >= Version::V14_0 {
            assert_eq!(told.text_of(cal::RESPONSE_TYPE), Some("5"));
            assert_eq!(told.text_of(cal::RESPONSE_REQUESTED), Some("1"));
        }
        // An open invitation is shown as tentative.
        assert_eq!(told.text_of(cal::BUSY_STATUS), Some("1"));
        let mut sent = told.into_children();
        sent.retain(|element| {
            !matches!(
                element.tag(),
                cal::SUBJECT
                    | cal::START_TIME
                    | cal::ATTENDEES
                    | cal::ORGANIZER_EMAIL
                    | cal::RECURRENCE
                    | cal::REMINDER
            )
        });
        let attendee =
            Element::new(cal::ATTENDEE).with_text(cal::EMAIL, "new@x.test").with_text(cal::NAME, "New");
        sent.extend([
            leaf(cal::SUBJECT, "mine now"),
            leaf(cal::START_TIME, "20261124T080000Z"),
            leaf(cal::ORGANIZER_EMAIL, "anna@example.test"),
            Element::new(cal::ATTENDEES).with(attendee),
            Element::number(cal::REMINDER, 5),
        ]);
        let after = text(&phone.apply(Some(&stored), &data(sent)).unwrap());
        let expected = text(&stored)
            .replace("TRIGGER:-PT15M", "TRIGGER:-PT5M")
            .replace("COUNT=5\n", "COUNT=5\nLAST-MODIFIED:20261124T120000Z\n");
        assert_eq!(after, expected, "{version:?}");
    }
}

#[test]
fn what_a_guest_says_of_himself_counts_before_16() {
    let meeting = "UID:u\nDTSTAMP:20261101T000000Z\nDTSTART:20261124T100000Z\nORGANIZER:mailto:chef@x.test\n\
        ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:anna@example.test\nATTENDEE:mailto:bo@x.test\n";
    for (version, counts) in [(Version::V14_1, true), (Version::V16_1, false)] {
        let phone = Phone::new(version);
        let stored = object(meeting);
        let people = [("anna@example.test", 3), ("bo@x.test", 4)].map(|(email, status)| {
            Element::new(cal::ATTENDEE)
                .with_text(cal::EMAIL, email)
                .with_text(cal::NAME, "x")
                .with_number(cal::ATTENDEE_STATUS, status)
        });
        let mut sent = phone.show(&stored).into_children();
        sent.retain(|element| element.tag() != cal::ATTENDEES);
        sent.push(Element::new(cal::ATTENDEES).with_all(people));
        let after = text(&phone.apply(Some(&stored), &data(sent)).unwrap());
        assert_eq!(after.contains("PARTSTAT=ACCEPTED:mailto:anna"), counts, "{after}");
        assert!(after.contains("ATTENDEE:mailto:bo@x.test\n") && after.contains("DTSTAMP:20261101T000000Z"));
    }
}

#[test]
fn whole_days_before_and_from_16() {
    let stored = object("UID:u\nDTSTART;VALUE=DATE:20261225\nSUMMARY:x\n");
    let old = Phone::new(Version::V14_1).show(&stored);
    assert_eq!(old.text_of(cal::START_TIME), Some("20261225T000000Z"));
    assert_eq!(old.text_of(cal::END_TIME), Some("20261226T000000Z"));
    assert_eq!(old.text_of(cal::TIMEZONE), Some(blob("UTC", NOW).as_str()));
    let new = Phone::new(Version::V16_1).show(&stored);
    assert_eq!(new.text_of(cal::ALL_DAY_EVENT), Some("1"));
    assert!(!new.has(cal::TIMEZONE));
    let made = |version, zone: Option<&str>, start: &str, end: &str| {
        let mut elements = vec![
            Element::boolean(cal::ALL_DAY_EVENT, true),
            leaf(cal::START_TIME, start),
            leaf(cal::END_TIME, end),
        ];
        elements.extend(zone.map(|zone| leaf(cal::TIMEZONE, blob(zone, NOW))));
        let made = text(&Phone::new(version).apply(None, &data(elements)).unwrap());
        let line = |name: &str| made.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(!made.contains("VTIMEZONE"));
        (line("DTSTART"), line("DTEND"))
    };
    let days =
        |first: &str, last: &str| (format!("DTSTART;VALUE=DATE:{first}"), format!("DTEND;VALUE=DATE:{last}"));
    let christmas = days("20261225", "20261226");
    assert_eq!(
        made(Version::V12_1, Some("Europe/Berlin"), "20261224T230000Z", "20261225T230000Z"),
        christmas
    );
    assert_eq!(
        made(Version::V14_1, Some("America/New_York"), "20261225T050000Z", "20261226T050000Z"),
        christmas
    );
    // As some phones have it: UTC in spite of the zone, and an hour beside it.
    assert_eq!(
        made(Version::V14_1, Some("America/New_York"), "20261225T000000Z", "20261226T000000Z"),
        christmas
    );
    assert_eq!(
        made(Version::V14_1, Some("Europe/Berlin"), "20261224T220000Z", "20261225T220000Z"),
        christmas
    );
    for day in ["20261225T000000Z", "20261225", "2026-12-25T00:00:00.000Z"] {
        assert_eq!(made(Version::V16_0, None, day, "20261226T000000Z"), christmas, "{day}");
    }
    // No time at all is a day.
    assert_eq!(made(Version::V16_1, None, "20261225T000000Z", "20261225T000000Z"), christmas);
}

#[test]
fn the_zone_of_the_phone_is_found_or_defined() {
    let made = |zone: String| {
        let elements = [
            leaf(cal::TIMEZONE, zone),
            leaf(cal::START_TIME, "20260724T100000Z"),
            leaf(cal::END_TIME, "20260724T110000Z"),
        ];
        Phone::new(Version::V14_1).apply(None, &data(elements)).map(|object| text(&object))
    };
    assert!(
        made(blob("Europe/Berlin", NOW)).unwrap().contains("DTSTART;TZID=Europe/Berlin:20260724T120000\n")
    );
    assert!(made(blob("UTC", NOW)).unwrap().contains("DTSTART:20260724T100000Z\n"));
    let mut odd = TimeZoneBlob::of(&Zone::iana("Europe/Berlin").unwrap(), NOW);
    odd.bias = 17;
    let defined = made(STANDARD.encode(odd.write())).unwrap();
    let own = Object::parse(defined.as_bytes()).unwrap();
    let told = Phone::new(Version::V14_1).show(&own);
    assert_eq!(told.text_of(cal::START_TIME), Some("20260724T100000Z"));
    assert!(defined.contains("BEGIN:VTIMEZONE\nTZID:X-ActiveSync 17 "));
    let octets = TimeZoneBlob::of(&Zone::iana("Europe/Berlin").unwrap(), NOW).write();
    for bad in ["x".to_owned(), STANDARD.encode(&octets[..171]), STANDARD.encode([255_u8; 172])] {
        assert_eq!(made(bad).unwrap_err(), Refused(6));
    }
    // Another zone of the phone's, for an event that it did not move.
    let stored = object("UID:u\nDTSTART;TZID=America/New_York:20260724T060000\nSUMMARY:x\n");
    let told = Phone::new(Version::V14_1).show(&stored);
    let mut elements = told.into_children();
    elements.retain(|element| element.tag() != cal::TIMEZONE);
    let again = Phone::new(Version::V14_1).apply(Some(&stored), &data(elements)).unwrap();
    assert_eq!(text(&again), text(&stored));
}

#[test]
fn bad_times_are_refused() {
    for (start, end) in [
        ("20261124T100000Z", "20261124T090000Z"),
        ("16000101T000000Z", "16000102T000000Z"),
        ("99991231T000000Z", "99991231T010000Z"),
        ("20261324T100000Z", "20261324T110000Z"),
        ("noon", "20261324T110000Z"),
    ] {
        for version in VERSIONS {
            let elements = [leaf(cal::START_TIME, start), leaf(cal::END_TIME, end)];
            assert_eq!(Phone::new(version).apply(None, &data(elements)).unwrap_err(), Refused(6), "{start}");
        }
    }
    let elements = [leaf(cal::SUBJECT, "now")];
    let made = text(&Phone::new(Version::V14_1).apply(None, &data(elements)).unwrap());
    assert!(made.contains("DTSTART:20261124T120000Z\nDTEND:20261124T123000Z\n"), "{made}");
}

#[test]
fn an_instance_that_is_none_of_the_series_is_not_found() {
    let phone = Phone::new(Version::V16_1);
    let stored = object(RICH);
    for id in ["20261124T100000Z", "20261222T100000Z", "20271124T090000Z"] {
        assert_eq!(phone.instance(&stored, id, None).unwrap_err(), Refused(8), "{id}");
    }
    let once = phone.instance(&stored, "20261201T090000Z", None).unwrap();
    assert!(text(&once).contains("EXDATE;TZID=Europe/Berlin:20261201T100000\n"));
    assert_eq!(phone.instance(&once, "20261201T090000Z", None).unwrap_err(), Refused(8), "twice");
    // Before 16.0 what is no instance is passed over, and the rest is taken.
    let old = Phone::new(Version::V14_1);
    let mut told = old.show(&stored).into_children();
    let exception = |at: &str| {
        Element::new(cal::EXCEPTION)
            .with_text(cal::EXCEPTION_START_TIME, at.to_owned())
            .with_flag(cal::DELETED, true)
    };
    let both = [exception("20261201T090000Z"), exception("20261202T090000Z")];
    told.push(Element::new(cal::EXCEPTIONS).with_all(both));
    let after = text(&old.apply(Some(&stored), &data(told)).unwrap());
    assert_eq!(after.matches("EXDATE").count(), 1);
}

#[test]
fn another_pattern_has_other_instances() {
    for version in VERSIONS {
        let phone = Phone::new(version);
        let moved = "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;TZID=Europe/Berlin:20261201T100000\n\
            DTSTART;TZID=Europe/Berlin:20261201T150000\nSUMMARY:moved\nEND:VEVENT\n";
        let whole = text(&object(&RICH.replace("RRULE", "EXDATE;TZID=Europe/Berlin:20261208T100000\nRRULE")));
        let whole = whole.replace("END:VCALENDAR", &format!("{moved}END:VCALENDAR"));
        let stored = Object::parse(whole.as_bytes()).unwrap();
        let told = phone.show(&stored);
        assert_eq!(told.child(cal::EXCEPTIONS).unwrap().children().len(), 2);
        let mut sent = told.into_children();
        sent.retain(|element| !matches!(element.tag(), cal::EXCEPTIONS | cal::RECURRENCE));
        let mut same = sent.clone();
        let rule = |interval: u8| {
            Element::new(cal::RECURRENCE)
                .with_number(cal::TYPE, 1)
                .with_number(cal::INTERVAL, interval)
                .with_number(cal::DAY_OF_WEEK, 4)
                .with_number(cal::OCCURRENCES, 5)
        };
        same.push(rule(1));
        assert_eq!(text(&phone.apply(Some(&stored), &data(same)).unwrap()), text(&stored), "{version:?}");
        let mut other = sent.clone();
        other.push(rule(2));
        let after = phone.apply(Some(&stored), &data(other)).unwrap();
        assert!(!text(&after).contains("RECURRENCE-ID") && !text(&after).contains("EXDATE"));
        assert!(!phone.show(&after).has(cal::EXCEPTIONS));
        // An empty one makes a single event of it.
        sent.push(Element::new(cal::RECURRENCE));
        let after = phone.apply(Some(&stored), &data(sent)).unwrap();
        assert!(!text(&after).contains("RRULE") && !phone.show(&after).has(cal::RECURRENCE));
    }
}

#[test]
fn a_rule_that_cannot_be_said_stays() {
    for version in VERSIONS {
        let phone = Phone::new(version);
        let stored = object(&RICH.replace("FREQ=WEEKLY;COUNT=5", "FREQ=YEARLY;BYWEEKNO=20"));
        let told = phone.show(&stored);
        assert!(!told.has(cal::RECURRENCE));
        assert_eq!(text(&phone.apply(Some(&stored), &told).unwrap()), text(&stored));
    }
}

#[test]
fn files_are_added_shown_read_and_removed() {
    let phone = Phone::new(Version::V16_1);
    let octets = b"\x00\xffpdf".to_vec();
    let added = Element::new(base::ADD)
        .with_text(base::CLIENT_ID, "c1")
        .with_text(base::DISPLAY_NAME, "a \"b\".pdf")
        .with_text(base::CONTENT_TYPE, "application/pdf")
        .with_number(base::METHOD, 1)
        .with_opaque(base::CONTENT, octets.clone());
    let sent = data([Element::new(base::ATTACHMENTS).with(added)]);
    let stored = phone.apply(Some(&object(RICH)), &sent).unwrap();
    let place = (FolderId(5), Uid(9));
    let told = super::answer(&stored, &sent, phone.asker(), place).unwrap();
    let told = told.at(&[base::ATTACHMENTS, base::ATTACHMENT]).unwrap().clone();
    assert_eq!(told.text_of(base::CLIENT_ID), Some("c1"));
    let shown = phone.show(&stored);
    let file = shown.at(&[base::ATTACHMENTS, base::ATTACHMENT]).unwrap();
    assert_eq!(file.text_of(base::FILE_REFERENCE), told.text_of(base::FILE_REFERENCE));
    assert_eq!(file.text_of(base::DISPLAY_NAME), Some("a \"b\".pdf"));
    assert_eq!(file.text_of(base::ESTIMATED_DATA_SIZE), Some("5"));
    assert!(!Phone::new(Version::V14_1).show(&stored).has(base::ATTACHMENTS));
    let reference = file.text_of(base::FILE_REFERENCE).unwrap().to_owned();
    let named = crate::doors::eas::ids::FileReference::parse(&reference).unwrap();
    let (kind, read) = super::file(&stored, &named).unwrap();
    assert_eq!((kind.as_str(), &read[..]), ("application/pdf", &octets[..]));
    let removed = Element::new(base::DELETE).with_text(base::FILE_REFERENCE, reference);
    let after = phone.apply(Some(&stored), &data([Element::new(base::ATTACHMENTS).with(removed)])).unwrap();
    assert!(!text(&after).contains("ATTACH"));
    let big = Element::new(base::ADD).with_opaque(base::CONTENT, vec![0; (5 << 20) + 1]);
    let big = data([Element::new(base::ATTACHMENTS).with(big)]);
    assert_eq!(phone.apply(Some(&stored), &big).unwrap_err(), Refused(6));
}

#[test]
fn a_place_of_another_client_has_no_old_details() {
    let phone = Phone::new(Version::V16_1);
    let place = Element::new(base::LOCATION)
        .with_text(base::DISPLAY_NAME, "Café, left")
        .with_text(base::CITY, "Köln")
        .with_text(base::LATITUDE, "50.9")
        .with_text(base::LONGITUDE, "6.9");
    let stored = phone.apply(Some(&object(RICH)), &data([place.clone()])).unwrap();
    assert_eq!(phone.show(&stored).child(base::LOCATION), Some(&place));
    assert_eq!(Phone::new(Version::V14_1).show(&stored).text_of(cal::LOCATION), Some("Café, left"));
    let moved =
        Object::parse(text(&stored).replace("\nLOCATION:Café\\, left", "\nLOCATION:Bar").as_bytes()).unwrap();
    let told = phone.show(&moved);
    let told = told.child(base::LOCATION).unwrap();
    assert_eq!((told.text_of(base::DISPLAY_NAME), told.has(base::CITY)), (Some("Bar"), false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn an_event_comes_back_as_it_was_sent(event in events(), other in events(), version in prop::sample::select(VERSIONS.to_vec())) {
        let phone = Phone::new(version);
        let sent = event.elements(version);
        let object = phone.apply(None, &data(sent.clone())).unwrap();
        prop_assert!(object.is_whole());
        let told = phone.show(&object);
        assert_told(&sent, &told, &event, version);
        // Who sends what he has changes nothing, and who says it as he did at first neither.
        for same in [&told, &data(sent.clone())] {
            let again = phone.apply(Some(&object), same).unwrap();
            prop_assert_eq!(text(&again), text(&object));
        }
        // Other versions see the same event.
        for version in VERSIONS {
            let other = Phone::new(version);
            let again = other.apply(Some(&object), &other.show(&object)).unwrap();
            prop_assert_eq!(text(&again), text(&object), "{:?}", version);
        }
        // It becomes another.
        let sent: Vec<_> = other.elements(version).into_iter().filter(|e| !matches!(e.tag(), cal::CLIENT_UID)).collect();
        let changed = phone.apply(Some(&object), &data(sent.clone())).unwrap();
        let mut expected = phone.show(&changed);
        if version >= Version::V16_0 {
            // What was left out stays.
            let kept: Vec<_> = expected.children().iter().filter(|e| sent.iter().any(|s| s.tag() == e.tag())).cloned().collect();
            expected = data(kept);
        }
        // What people said is theirs: only what differs from what was shown counts. From 16.0 on they stay when
        // they are left out, and it stays a meeting.
        let meeting = |element: &Element<'_>| {
            let tag = element.tag();
            tag == cal::ATTENDEES
                || (version >= Version::V16_0 && matches!(tag, cal::MEETING_STATUS | cal::RESPONSE_REQUESTED))
        };
        let people = |elements: Vec<Element<'static>>| {
            elements.into_iter().filter(|e| !meeting(e)).collect::<Vec<_>>()
        };
        if version >= Version::V16_0 || other.body.is_some() || event.body.is_none() {
            let told = data(people(expected.into_children()));
            assert_told(&people(sent), &told, &other, version);
        }
    }

    #[test]
    fn exceptions_come_back(event in events(), version in prop::sample::select(VERSIONS.to_vec())) {
        let phone = Phone::new(version);
        let new = version >= Version::V16_0;
        let sent = event.elements(version);
        let object = phone.apply(None, &data(sent.clone())).unwrap();
        let Some(rule) = &event.rule else { return Ok(()) };
        let instances = starts(&object);
        let (start, end) = event.times(if event.whole_days { Version::V16_0 } else { version });
        let length = end - start;
        let mut wanted = std::collections::BTreeMap::new();
        for (n, change) in &rule.exceptions {
            if let Some(at) = instances.get(usize::from(*n)) {
                wanted.insert(*at, *change);
            }
        }
        let fields = |at: i64, hours: i64| {
            let at = if event.whole_days { at + hours * 86_400 } else { at + hours * 3_600 };
            vec![leaf(cal::START_TIME, compact(at)), leaf(cal::END_TIME, compact(at + length.max(86_400 * i64::from(event.whole_days)))), leaf(cal::SUBJECT, "moved")]
        };
        let changed = if new {
            let mut changed = object;
            for (at, change) in &wanted {
                let data = change.map(|hours| data(fields(*at, hours)));
                changed = phone.instance(&changed, &compact(*at), data.as_ref()).unwrap();
            }
            changed
        } else {
            let utc = blob("UTC", event.start);
            let all = wanted.iter().map(|(at, change)| {
                let key = Element::new(cal::EXCEPTION).with_text(cal::EXCEPTION_START_TIME, compact(*at));
                match change {
                    None => key.with_flag(cal::DELETED, true),
                    Some(hours) => key.with_all(fields(*at, *hours)),
                }
            });
            let told = phone.show(&object);
            let mut sent: Vec<_> = told.into_children();
            // As it was told: of whole days, in UTC.
            if event.whole_days { prop_assert!(sent.iter().any(|e| e.text() == Some(&utc))); }
            sent.push(Element::new(cal::EXCEPTIONS).with_all(all));
            phone.apply(Some(&object), &data(sent)).unwrap()
        };
        let told = phone.show(&changed);
        let shown = told.child(cal::EXCEPTIONS).map(Element::children).unwrap_or_default();
        prop_assert_eq!(shown.len(), wanted.len());
        let key = if new { base::INSTANCE_ID } else { cal::EXCEPTION_START_TIME };
        for (exception, (at, change)) in shown.iter().zip(&wanted) {
            let at_text = compact(*at);
            prop_assert_eq!(exception.text_of(key), Some(at_text.as_str()));
            match change {
                None => prop_assert_eq!(exception.text_of(cal::DELETED), Some("1")),
                Some(hours) => {
                    for field in fields(*at, *hours) {
                        prop_assert_eq!(exception.child(field.tag()), Some(&field));
                    }
                    // The rest is the series'.
                    for tag in [cal::LOCATION, base::LOCATION, cal::ATTENDEES, cal::CATEGORIES, cal::REMINDER, base::BODY] {
                        prop_assert!(!exception.has(tag), "{}", tag.name());
                    }
                }
            }
        }
        // Calendars that read it find the same instances.
        let left = wanted.values().filter(|change| change.is_none()).count();
        prop_assert!(starts(&changed).len() + left >= instances.len().min(12) - left);
        let again = phone.apply(Some(&changed), &told).unwrap();
        prop_assert_eq!(text(&again), text(&changed));
        // A change of the series beside them is one of theirs.
        let mut elements = told.into_children();
        elements.retain(|e| e.tag() != cal::SENSITIVITY && (new || e.tag() != cal::EXCEPTIONS));
        elements.push(Element::number(cal::SENSITIVITY, (event.sensitivity + 1) % 4));
        let secret = phone.apply(Some(&changed), &data(elements)).unwrap();
        let told = phone.show(&secret);
        let now = told.child(cal::EXCEPTIONS).map(Element::children).unwrap_or_default();
        prop_assert_eq!(now.len(), wanted.len());
        prop_assert!(now.iter().all(|exception| !exception.has(cal::SENSITIVITY)));
    }

    #[test]
    fn nothing_makes_it_panic(
        version in prop::sample::select(VERSIONS.to_vec()),
        values in prop::collection::vec((any::<u8>(), "[0-9TZ:.@;a\\-]{0,17}"), 0..12),
        event in events(),
    ) {
        let phone = Phone::new(version);
        let stored = phone.apply(None, &data(event.elements(version))).unwrap();
        let tags: Vec<Tag> = Tag::all().filter(|tag| tag.page() == cal::SUBJECT.page()).collect();
        let mut elements: Vec<_> = event.elements(version);
        for (n, value) in &values {
            let tag = tags[usize::from(*n) % tags.len()];
            elements.retain(|element| element.tag() != tag);
            elements.push(if n % 5 == 0 { Element::new(tag).with_text(cal::EMAIL, value.clone()) } else { leaf(tag, value.clone()) });
        }
        for object in [phone.apply(None, &data(elements.clone())), phone.apply(Some(&stored), &data(elements))].into_iter().flatten() {
            phone.show(&object);
        }
    }
}
