//! Random events, there and back in every version.

use caldav::{Bounds, Series, Zone};
use proptest::prelude::*;

use super::*;

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
