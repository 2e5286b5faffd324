use std::fmt::Write;
use std::ops::Range;

use proptest::prelude::*;

use crate::dav::{CalendarData, Report, Wanted, XmlLimits};
use crate::recur::local_of;
use crate::{Bounds, Object, Series, Zone};

/// The time zone and the events of RFC 4791 appendix B, shortened.
const RECURRING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:US/Eastern\r\nBEGIN:DAYLIGHT\r\n\
    DTSTART:20000404T020000\r\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\n\
    END:DAYLIGHT\r\nBEGIN:STANDARD\r\nDTSTART:20001026T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n\
    TZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\n\
    DTSTAMP:20060206T001121Z\r\nDTSTART;TZID=US/Eastern:20060102T120000\r\nDURATION:PT1H\r\n\
    RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:Event #2\r\nUID:2\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\n\
    DTSTART;TZID=US/Eastern:20060104T140000\r\nDURATION:PT1H\r\nRECURRENCE-ID;TZID=US/Eastern:20060104T120000\r\n\
    SUMMARY:Event #2 bis\r\nUID:2\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn object(text: &str) -> (Object, Option<Series>) {
    let object = Object::parse(text.as_bytes()).unwrap();
    let series = Series::all(object.calendar().unwrap()).into_iter().find_map(Result::ok);
    (object, series)
}

fn query(filter: &str, data: &str) -> crate::dav::CalendarQuery {
    let xml = format!(
        "<C:calendar-query xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns='DAV:'><prop><C:calendar-data>{data}\
         </C:calendar-data></prop><C:filter><C:comp-filter name='VCALENDAR'>{filter}</C:comp-filter></C:filter>\
         </C:calendar-query>"
    );
    match Report::parse(xml.as_bytes(), &XmlLimits::default()) {
        Ok(Report::CalendarQuery(query)) => query,
        other => panic!("{other:?}"),
    }
}

fn matches_by(text: &str, filter: &str, zone: &Zone) -> bool {
    let (object, series) = object(text);
    query(filter, "").filter.matches(&object, series.as_ref(), zone, &Bounds::default())
}

fn matches(text: &str, filter: &str) -> bool {
    matches_by(text, filter, &Zone::utc())
}

fn data(data: &str) -> CalendarData {
    match query("", data).wanted {
        Wanted::These(properties) => properties.calendar_data.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn rendered(text: &str, wanted: &str) -> String {
    let (object, series) = object(text);
    let rendered = data(wanted).render(&object, series.as_ref(), &Zone::utc(), &Bounds::default());
    String::from_utf8(rendered.unwrap()).unwrap().replace("\r\n", "\n")
}

fn calendar(component: &str, body: &str) -> String {
    format!("BEGIN:VCALENDAR\nBEGIN:{component}\nUID:1\n{body}\nEND:{component}\nEND:VCALENDAR\n")
}

fn during(component: &str, start: &str, end: &str) -> String {
    let attribute = |name, value: &str| match value {
        "" => String::new(),
        value => format!(" {name}='{value}'"),
    };
    let (start, end) = (attribute("start", start), attribute("end", end));
    format!("<C:comp-filter name='{component}'><C:time-range{start}{end}/></C:comp-filter>")
}

/// RFC 4791 §9.9, the table for VEVENT and VJOURNAL; the range is that day from 10 to 12.
#[test]
fn events_in_a_range() {
    for (body, found) in [
        ("DTSTART:20260101T110000Z", true),
        ("DTSTART:20260101T100000Z", true),
        ("DTSTART:20260101T120000Z", false),
        ("DTSTART:20260101T090000Z\nDTEND:20260101T100000Z", false),
        ("DTSTART:20260101T090000Z\nDTEND:20260101T100001Z", true),
        ("DTSTART:20260101T090000Z\nDURATION:PT4H", true),
        ("DTSTART:20260101T100000Z\nDURATION:PT0S", true),
        ("DTSTART;VALUE=DATE:20260101", true),
        ("DTSTART;VALUE=DATE:20260102", false),
        ("DTSTART;VALUE=DATE:20251231\nDTEND;VALUE=DATE:20260101", false),
        ("DTSTART:20250101T110000Z\nRRULE:FREQ=YEARLY", true),
        ("DTSTART:20250101T110000Z\nRRULE:FREQ=YEARLY\nEXDATE:20260101T110000Z", false),
        ("DTSTART:nonsense", false),
        ("SUMMARY:x", false),
    ] {
        let range = during("VEVENT", "20260101T100000Z", "20260101T120000Z");
        assert_eq!(matches(&calendar("VEVENT", body), &range), found, "{body}");
        if !body.contains("DURATION") && !body.contains("DTEND") {
            let range = range.replace("VEVENT", "VJOURNAL");
            assert_eq!(matches(&calendar("VJOURNAL", body), &range), found, "{body}");
        }
    }
    let floating = calendar("VEVENT", "DTSTART:20260101T110000");
    let range = during("VEVENT", "20260101T095900Z", "20260101T100100Z");
    assert!(matches_by(&floating, &range, &Zone::iana("Europe/Berlin").unwrap()));
    assert!(!matches(&floating, &range));
    assert!(matches(&floating, &during("VEVENT", "20260101T095900Z", "")));
    assert!(!matches(&floating, &during("VEVENT", "", "20260101T100100Z")));
    assert!(!matches(&floating, &during("VTODO", "", "20270101T100100Z")));
}

/// RFC 4791 §9.9, the tables for VTODO and VFREEBUSY.
#[test]
fn todos_and_busy_times_in_a_range() {
    for (body, found) in [
        ("SUMMARY:no time at all", true),
        ("DUE:20260101T100000Z", false),
        ("DUE:20260101T100001Z", true),
        ("DUE:20260101T120000Z", true),
        ("DUE:20260101T120001Z", false),
        ("DTSTART:20260101T090000Z\nDUE:20260101T100000Z", false),
        ("DTSTART:20260101T090000Z\nDUE:20260101T110000Z", true),
        ("DTSTART:20260101T090000Z\nDURATION:PT1H", true),
        ("DTSTART:20260101T090000Z\nDURATION:PT59M", false),
        ("DTSTART:20260101T120000Z\nDURATION:PT1H", false),
        ("DTSTART:20260101T100000Z", true),
        ("DTSTART:20260101T120000Z", false),
        ("COMPLETED:20260101T100000Z", true),
        ("COMPLETED:20260101T120000Z", true),
        ("COMPLETED:20260101T090000Z", false),
        ("CREATED:20260101T090000Z", true),
        ("CREATED:20260101T120000Z", false),
        ("CREATED:20260101T090000Z\nCOMPLETED:20260101T130000Z", true),
        ("CREATED:20260101T080000Z\nCOMPLETED:20260101T090000Z", false),
        ("DTSTART:20251230T110000Z\nRRULE:FREQ=DAILY;COUNT=3", true),
        ("DTSTART:20251230T110000Z\nRRULE:FREQ=DAILY;COUNT=2", false),
    ] {
        let range = during("VTODO", "20260101T100000Z", "20260101T120000Z");
        assert_eq!(matches(&calendar("VTODO", body), &range), found, "{body}");
    }
    for (body, found) in [
        ("DTSTART:20260101T090000Z\nDTEND:20260101T100000Z", true),
        ("DTSTART:20260101T120000Z\nDTEND:20260101T130000Z", false),
        ("FREEBUSY:20260101T080000Z/PT1H,20260101T113000Z/20260101T114000Z", true),
        ("FREEBUSY:20260101T080000Z/PT1H", false),
        ("SUMMARY:x", false),
    ] {
        let range = during("VFREEBUSY", "20260101T100000Z", "20260101T120000Z");
        assert_eq!(matches(&calendar("VFREEBUSY", body), &range), found, "{body}");
    }
}

/// The query of RFC 4791 §7.8.5, among others.
#[test]
fn alarms_in_a_range() {
    let event = |times: &str, alarm: &str| {
        calendar("VEVENT", &format!("{times}\nBEGIN:VALARM\nACTION:AUDIO\n{alarm}\nEND:VALARM"))
    };
    let daily = "DTSTART:20250101T103000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY";
    for (times, alarm, found) in [
        ("DTSTART:20260101T110000Z", "TRIGGER:-PT30M", true),
        ("DTSTART:20260101T110000Z", "TRIGGER:-PT2H", false),
        ("DTSTART:20260103T110000Z", "TRIGGER:-P2D", true),
        ("DTSTART:20260101T080000Z\nDURATION:PT3H", "TRIGGER;RELATED=END:-PT30M", true),
        ("DTSTART:20260101T080000Z\nDURATION:PT3H", "TRIGGER:-PT30M", false),
        ("DTSTART:20300101T080000Z", "TRIGGER;VALUE=DATE-TIME:20260101T103000Z", true),
        ("DTSTART:20260101T110000Z", "TRIGGER;VALUE=DATE-TIME:20260102T103000Z", false),
        ("DTSTART:20260101T090000Z", "TRIGGER:PT0S\nREPEAT:2\nDURATION:PT40M", true),
        ("DTSTART:20260101T090000Z", "TRIGGER:PT0S\nREPEAT:1\nDURATION:PT40M", false),
        (daily, "TRIGGER:PT0S", true),
        (daily, "TRIGGER:PT2H", false),
        ("SUMMARY:x", "TRIGGER:PT0S", false),
        ("DTSTART:20260101T110000Z", "SUMMARY:x", false),
    ] {
        let range = during("VALARM", "20260101T100000Z", "20260101T120000Z");
        let filter = format!("<C:comp-filter name='VEVENT'>{range}</C:comp-filter>");
        assert_eq!(matches(&event(times, alarm), &filter), found, "{times} {alarm}");
    }
}

#[test]
fn overrides_count_for_themselves() {
    let text = |summary: &str, start: &str, end: &str| {
        let range = format!("<C:time-range start='{start}' end='{end}'/>");
        let summary =
            format!("<C:prop-filter name='SUMMARY'><C:text-match>{summary}</C:text-match></C:prop-filter>");
        format!("<C:comp-filter name='VEVENT'>{range}{summary}</C:comp-filter>")
    };
    // The moved instance was from 17:00Z, and is from 19:00Z.
    assert!(matches(RECURRING, &text("bis", "20060104T190000Z", "20060104T193000Z")));
    assert!(!matches(RECURRING, &text("bis", "20060104T170000Z", "20060104T173000Z")));
    assert!(!matches(RECURRING, &text("bis", "20060103T170000Z", "20060103T173000Z")));
    assert!(matches(RECURRING, &text("event #2", "20060103T170000Z", "20060103T173000Z")));
    assert!(!matches(RECURRING, &during("VEVENT", "20060104T170000Z", "20060104T180000Z")));
}

#[test]
fn properties_and_parameters() {
    for (filter, found) in [
        (
            "<C:prop-filter name='UID'><C:text-match collation='i;octet'>2</C:text-match></C:prop-filter>",
            true,
        ),
        (
            "<C:prop-filter name='SUMMARY'><C:text-match collation='i;octet'>event</C:text-match></C:prop-filter>",
            false,
        ),
        (
            "<C:prop-filter name='SUMMARY'><C:text-match negate-condition='yes'>bis</C:text-match></C:prop-filter>",
            true,
        ),
        ("<C:prop-filter name='LOCATION'><C:is-not-defined/></C:prop-filter>", true),
        ("<C:prop-filter name='LOCATION'/>", false),
        ("<C:prop-filter name='attendee'/>", true),
        (
            "<C:prop-filter name='ATTENDEE'><C:param-filter name='PARTSTAT'><C:text-match>ACCEPTED</C:text-match></C:param-filter></C:prop-filter>",
            true,
        ),
        (
            "<C:prop-filter name='ATTENDEE'><C:param-filter name='PARTSTAT'><C:is-not-defined/></C:param-filter></C:prop-filter>",
            false,
        ),
        ("<C:prop-filter name='ATTENDEE'><C:param-filter name='RSVP'/></C:prop-filter>", false),
        (
            "<C:prop-filter name='ATTENDEE'><C:text-match>mailto:b@x</C:text-match><C:param-filter name='PARTSTAT'/></C:prop-filter>",
            false,
        ),
        (
            "<C:prop-filter name='DTSTAMP'><C:time-range start='20060206T000000Z' end='20060207T000000Z'/></C:prop-filter>",
            true,
        ),
        ("<C:prop-filter name='DTSTAMP'><C:time-range start='20060207T000000Z'/></C:prop-filter>", false),
        ("<C:prop-filter name='UID'><C:time-range start='20060207T000000Z'/></C:prop-filter>", false),
        ("<C:comp-filter name='VALARM'><C:is-not-defined/></C:comp-filter>", true),
        ("<C:comp-filter name='VALARM'/>", false),
    ] {
        let filter = format!("<C:comp-filter name='VEVENT'>{filter}</C:comp-filter>");
        assert_eq!(matches(RECURRING, &filter), found, "{filter}");
    }
    assert!(matches(RECURRING, "<C:comp-filter name='VTODO'><C:is-not-defined/></C:comp-filter>"));
    assert!(!matches(RECURRING, "<C:comp-filter name='VEVENT'><C:is-not-defined/></C:comp-filter>"));
    assert!(!matches(RECURRING, "<C:comp-filter name='VTODO'/>"));
    assert!(matches(RECURRING, "") && matches(RECURRING, "<C:prop-filter name='VERSION'/>"));
    assert!(matches(
        RECURRING,
        "<C:comp-filter name='VTIMEZONE'><C:comp-filter name='DAYLIGHT'/></C:comp-filter>"
    ));
}

/// RFC 4791 §7.8.3.
#[test]
fn expansion_of_the_standard() {
    let text = rendered(RECURRING, "<C:expand start='20060103T000000Z' end='20060105T000000Z'/>");
    assert_eq!(
        text,
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nDTSTAMP:20060206T001121Z\nDTSTART:20060103T170000Z\nDURATION:PT1H\n\
         SUMMARY:Event #2\nUID:2\nRECURRENCE-ID:20060103T170000Z\nEND:VEVENT\nBEGIN:VEVENT\nDTSTART:20060104T190000Z\n\
         DURATION:PT1H\nSUMMARY:Event #2 bis\nUID:2\nATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\n\
         RECURRENCE-ID:20060104T170000Z\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let days = calendar(
        "VEVENT",
        "DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260103\nRRULE:FREQ=WEEKLY;COUNT=3",
    );
    let text = rendered(&days, "<C:expand start='20260109T000000Z' end='20260116T000000Z'/>");
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 2);
    assert!(
        text.contains(
            "DTSTART;VALUE=DATE:20260108\nDTEND;VALUE=DATE:20260110\nRECURRENCE-ID;VALUE=DATE:20260108\n"
        ),
        "{text}"
    );
    let single = calendar(
        "VEVENT",
        "DTSTART;TZID=Europe/Berlin:20260101T120000\nDTEND;TZID=Europe/Berlin:20260101T130000",
    );
    let text = rendered(&single, "<C:expand start='20260101T000000Z' end='20260116T000000Z'/>");
    assert!(text.contains("DTSTART:20260101T110000Z\nDTEND:20260101T120000Z\nEND:VEVENT"), "{text}");
    let due = calendar("VTODO", "DUE;TZID=Europe/Berlin:20260101T120000\nRRULE:FREQ=DAILY;COUNT=2");
    let text = rendered(&due, "<C:expand start='20260101T000000Z' end='20260116T000000Z'/>");
    assert!(text.contains("DUE:20260102T110000Z\nRECURRENCE-ID:20260102T110000Z\n"), "{text}");
}

/// RFC 4791 §7.8.2.
#[test]
fn limited_recurrences() {
    let limited =
        |start, end| rendered(RECURRING, &format!("<C:limit-recurrence-set start='{start}' end='{end}'/>"));
    let all = RECURRING.replace("\r\n", "\n");
    assert_eq!(limited("20060104T190000Z", "20060105T000000Z"), all);
    // It would have been there.
    assert_eq!(limited("20060104T170000Z", "20060104T173000Z"), all);
    let without = limited("20060106T000000Z", "20060107T000000Z");
    assert!(!without.contains("RECURRENCE-ID") && without.contains("RRULE"), "{without}");
    let busy = calendar(
        "VFREEBUSY",
        "FREEBUSY:20260101T080000Z/PT1H,20260102T113000Z/PT1H\nFREEBUSY:20260101T080000Z/PT1H",
    );
    let text = rendered(&busy, "<C:limit-freebusy-set start='20260102T000000Z' end='20260103T000000Z'/>");
    assert!(text.contains("UID:1\nFREEBUSY:20260102T113000Z/PT1H\nEND"), "{text}");
}

/// RFC 4791 §7.8.1.
#[test]
fn parts_of_objects() {
    let wanted = "<C:comp name='VCALENDAR'><C:prop name='VERSION'/><C:comp name='VEVENT'><C:prop name='SUMMARY'/>\
        <C:prop name='UID' novalue='yes'/></C:comp></C:comp>";
    assert_eq!(
        rendered(RECURRING, wanted),
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nSUMMARY:Event #2\nUID:\nEND:VEVENT\nBEGIN:VEVENT\n\
         SUMMARY:Event #2 bis\nUID:\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let whole = "<C:comp name='VCALENDAR'><C:allprop/><C:comp name='VEVENT'><C:allprop/><C:allcomp/></C:comp></C:comp>";
    let text = rendered(RECURRING, whole);
    assert!(!text.contains("VTIMEZONE") && text.contains("RRULE") && text.contains("VERSION"));
    assert!(data("").is_as_stored());
    assert_eq!(rendered(RECURRING, ""), RECURRING.replace("\r\n", "\n"));
}

/// What never ends, and what is dense, takes bounded time.
#[test]
fn bombs_cost_little() {
    let bombs = [
        "DTSTART:19700101T000000Z\nRRULE:FREQ=SECONDLY",
        "DTSTART:19700101T000000Z\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "DTSTART:00010101T000000Z\nRRULE:FREQ=MINUTELY;COUNT=2147483647",
        "DTSTART:19700101T000000Z\nDURATION:P10000W\nRRULE:FREQ=SECONDLY",
    ];
    let began = std::time::Duration::from_secs(20);
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for bomb in bombs {
            let alarm = "BEGIN:VALARM\nTRIGGER:-P9999D\nREPEAT:2147483647\nDURATION:PT1S\nEND:VALARM";
            let text = calendar("VEVENT", &format!("{bomb}\n{alarm}"));
            for (start, end) in
                [("", "20990101T000000Z"), ("20250101T000000Z", ""), ("20250101T000000Z", "20260101T000000Z")]
            {
                let alarms =
                    format!("<C:comp-filter name='VEVENT'>{}</C:comp-filter>", during("VALARM", start, end));
                matches(&text, &during("VEVENT", start, end));
                matches(&text, &alarms);
            }
            let (object, series) = object(&text);
            let expand = data("<C:expand start='20250101T000000Z' end='20260101T000000Z'/>");
            let _ = expand.render(&object, series.as_ref(), &Zone::utc(), &Bounds::default());
        }
        send.send(()).unwrap();
    });
    receive.recv_timeout(began).unwrap();
}

/// A naive reading of the table for VTODO, by RFC 4791 §9.9.
fn todo_reference(start: Option<i64>, duration: Option<i64>, due: Option<i64>, range: &Range<i64>) -> bool {
    let (s, e) = (range.start, range.end);
    match (start, duration, due) {
        (Some(start), Some(length), _) => s <= start + length && (e > start || e >= start + length),
        (Some(start), None, Some(due)) => (s < due || s <= start) && (e > start || e >= due),
        (Some(start), None, None) => s <= start && e > start,
        (None, _, Some(due)) => s < due && e >= due,
        (None, _, None) => true,
    }
}

fn utc(at: i64) -> String {
    format!("{}Z", local_of(at))
}

proptest! {
    #[test]
    fn todos_are_as_the_table_has_them(start in prop::option::of(0..20_i64), duration in prop::option::of(0..8_i64), due in prop::option::of(0..20_i64), from in 0..20_i64, length in 1..9_i64) {
        // RFC 5545 §3.6.2: not both.
        let due = due.filter(|due| duration.is_none() && start.is_none_or(|start| *due > start));
        let duration = duration.filter(|_| start.is_some());
        let mut body = String::from("SUMMARY:x");
        let base = 1_767_225_600;
        if let Some(start) = start {
            write!(body, "\nDTSTART:{}", utc(base + start)).unwrap();
        }
        if let Some(length) = duration {
            write!(body, "\nDURATION:PT{length}S").unwrap();
        }
        if let Some(due) = due {
            write!(body, "\nDUE:{}", utc(base + due)).unwrap();
        }
        let range = from..from + length;
        let filter = during("VTODO", &utc(base + range.start), &utc(base + range.end));
        prop_assert_eq!(matches(&calendar("VTODO", &body), &filter), todo_reference(start, duration, due, &range));
    }

    /// An object matches a range when its expansion there has something in it.
    #[test]
    fn matching_and_expansion_agree(day in 1..28_u8, hour in 0..24_u8, minutes in 0..2000_u16, rule in 0..4_usize, from in 0..1000_i64, hours in 1..50_i64) {
        let rule = ["", "\nRRULE:FREQ=DAILY;INTERVAL=3;COUNT=5", "\nRRULE:FREQ=WEEKLY;BYDAY=MO,TH", "\nRDATE;TZID=Europe/Berlin:20260105T103000,20260201T000000"][rule];
        let body = format!("DTSTART;TZID=Europe/Berlin:202601{day:02}T{hour:02}0000\nDURATION:PT{minutes}M{rule}");
        let text = calendar("VEVENT", &body);
        let (start, end) = (1_767_225_600 + from * 3600, 1_767_225_600 + (from + hours) * 3600);
        let filter = during("VEVENT", &utc(start), &utc(end));
        let expanded = rendered(&text, &format!("<C:expand start='{}' end='{}'/>", utc(start), utc(end)));
        prop_assert_eq!(matches(&text, &filter), expanded.contains("BEGIN:VEVENT"), "{}", expanded);
        // Each of the instances stands by itself, in UTC.
        prop_assert!(!expanded.contains("TZID") && !expanded.contains("RRULE") && !expanded.contains("RDATE"));
    }
}

mod cards {
    use super::*;

    const CARD: &str = "BEGIN:VCARD\nVERSION:3.0\nFN:Zoë Müller\nN:Müller;Zoë;;;\nitem1.EMAIL;TYPE=HOME:Zoe@X.org\n\
        EMAIL;TYPE=WORK:z@y.org\nNICKNAME:me\\,you\nEND:VCARD\n";

    fn matches(test: &str, filters: &str) -> bool {
        let xml = format!(
            "<R:addressbook-query xmlns:R='urn:ietf:params:xml:ns:carddav'><R:filter{test}>{filters}</R:filter>\
             </R:addressbook-query>"
        );
        match Report::parse(xml.as_bytes(), &XmlLimits::default()) {
            Ok(Report::AddressbookQuery(query)) => {
                query.filter.matches(&Object::parse(CARD.as_bytes()).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn filters_on_cards() {
        let text = |name: &str, how: &str, text: &str| {
            format!("<R:prop-filter name='{name}'><R:text-match {how}>{text}</R:text-match></R:prop-filter>")
        };
        for (filter, found) in [
            (text("FN", "", "mu\u{308}LL"), true),
            (text("FN", "collation='i;ascii-casemap'", "MÜLL"), false),
            (text("FN", "match-type='starts-with'", "zoë"), true),
            (text("FN", "match-type='ends-with'", "zoë"), false),
            (text("EMAIL", "match-type='equals'", "zoe@x.org"), true),
            (text("EMAIL", "match-type='equals' collation='i;octet'", "zoe@x.org"), false),
            (text("EMAIL", "negate-condition='yes'", "x.org"), true),
            (text("item1.EMAIL", "", "y.org"), false),
            (text("ITEM1.email", "", "x.org"), true),
            (text("NICKNAME", "", "me,you"), true),
            ("<R:prop-filter name='TEL'><R:is-not-defined/></R:prop-filter>".into(), true),
            ("<R:prop-filter name='FN'><R:is-not-defined/></R:prop-filter>".into(), false),
            ("<R:prop-filter name='TEL'/>".into(), false),
            (String::new(), true),
            ("<R:prop-filter name='EMAIL' test='allof'><R:text-match>z@y</R:text-match><R:param-filter name='TYPE'>\
              <R:text-match>work</R:text-match></R:param-filter></R:prop-filter>".into(), true),
            ("<R:prop-filter name='EMAIL' test='allof'><R:text-match>z@y</R:text-match><R:param-filter name='TYPE'>\
              <R:text-match>home</R:text-match></R:param-filter></R:prop-filter>".into(), false),
            ("<R:prop-filter name='EMAIL'><R:text-match>nobody</R:text-match><R:param-filter name='PREF'>\
              <R:is-not-defined/></R:param-filter></R:prop-filter>".into(), true),
        ] {
            assert_eq!(matches("", &filter), found, "{filter}");
        }
        let both = text("FN", "", "zoë") + &text("FN", "", "nobody");
        assert!(matches("", &both) && matches(" test='anyof'", &both) && !matches(" test='allof'", &both));
    }

    #[test]
    fn cards_as_they_are_wanted() {
        let rendered = |data: &str| {
            let xml = format!(
                "<R:addressbook-multiget xmlns:R='urn:ietf:params:xml:ns:carddav' xmlns='DAV:'><prop>{data}</prop>\
                 <href>/a</href></R:addressbook-multiget>"
            );
            let Ok(Report::AddressbookMultiget(get)) = Report::parse(xml.as_bytes(), &XmlLimits::default())
            else {
                panic!("{data}")
            };
            let data = get.wanted.properties().unwrap().address_data.clone().unwrap();
            String::from_utf8(data.render(&Object::parse(CARD.as_bytes()).unwrap())).unwrap()
        };
        assert_eq!(rendered("<R:address-data/>"), CARD);
        assert_eq!(
            rendered(
                "<R:address-data><R:prop name='FN'/><R:prop name='EMAIL' novalue='yes'/></R:address-data>"
            ),
            "BEGIN:VCARD\nVERSION:3.0\nFN:Zoë Müller\nitem1.EMAIL;TYPE=HOME:\nEMAIL;TYPE=WORK:\nEND:VCARD\n"
        );
        let four = rendered("<R:address-data content-type='text/vcard' version='4.0'/>");
        assert!(four.contains("VERSION:4.0\n") && four.contains("item1.EMAIL;TYPE=HOME:"), "{four}");
    }
}
