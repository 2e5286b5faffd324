//! Events there and back, element by element.

mod random;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caldav::{Object, TimeZoneBlob, Zone};
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
