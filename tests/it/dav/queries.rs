//! Queries by time, text and component.

use super::{ann, event, sound};

const WEEK: &str = "<C:time-range start=\"20270104T000000Z\" end=\"20270111T000000Z\"/>";

fn names(answer: &crate::dav_client::Answer) -> Vec<&str> {
    let mut names: Vec<&str> =
        answer.hrefs().into_iter().filter_map(|href| href.rsplit('/').next()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_finds_what_its_filter_says() {
    let (server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    for (name, lines) in [
        ("in", "DTSTART:20270105T100000Z\r\nDURATION:PT1H\r\nSUMMARY:Lunch with Zoë"),
        ("before", "DTSTART:20270103T230000Z\r\nDURATION:PT1H\r\nSUMMARY:Dinner"),
        ("over", "DTSTART:20270103T230000Z\r\nDURATION:PT1H1S"),
        ("after", "DTSTART:20270111T000000Z\r\nDURATION:PT1H"),
        ("weekly", "DTSTART:20200101T100000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY"),
        ("ended", "DTSTART:20200101T100000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;COUNT=9"),
        ("day", "DTSTART;VALUE=DATE:20270110"),
        (
            "alarm",
            "DTSTART:20270201T100000Z\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-P28D\r\nEND:VALARM",
        ),
    ] {
        ann.put(&format!("{calendar}{name}"), &event(name, lines)).await.is(201);
    }
    let query = async |inner: &str| {
        let inner = format!(
            "<D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">{inner}</C:comp-filter></C:filter>"
        );
        ann.report(&calendar, "C:calendar-query", &inner).await.is(207)
    };
    let events = |inner: &str| format!("<C:comp-filter name=\"VEVENT\">{inner}</C:comp-filter>");
    assert_eq!(names(&query(&events(WEEK)).await), ["day", "in", "over", "weekly"]);
    assert_eq!(query("").await.hrefs().len(), 8);
    let text = |text: &str| {
        events(&format!(
            "<C:prop-filter name=\"SUMMARY\"><C:text-match>{text}</C:text-match></C:prop-filter>"
        ))
    };
    assert_eq!(names(&query(&text("lunch")).await), ["in"]);
    assert_eq!(names(&query(&text("nothing")).await), [""; 0]);
    let without = "<C:prop-filter name=\"SUMMARY\"><C:is-not-defined/></C:prop-filter>";
    assert_eq!(names(&query(&events(&format!("{WEEK}{without}"))).await), ["day", "over", "weekly"]);
    let alarms = format!("<C:comp-filter name=\"VALARM\">{WEEK}</C:comp-filter>");
    assert_eq!(names(&query(&events(&alarms)).await), ["alarm"]);
    assert_eq!(names(&query("<C:comp-filter name=\"VTODO\"/>").await), [""; 0]);

    let expand = "<D:prop><C:calendar-data><C:expand start=\"20270104T000000Z\" end=\"20270118T000000Z\"/>\
                  </C:calendar-data></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
                  <C:comp-filter name=\"VEVENT\"><C:prop-filter name=\"RRULE\"/></C:comp-filter>\
                  </C:comp-filter></C:filter>";
    let answer = ann.report(&calendar, "C:calendar-query", expand).await.is(207);
    assert_eq!(answer.body.matches("BEGIN:VEVENT").count(), 2, "{}", answer.body);
    assert!(!answer.body.contains("RRULE") && answer.body.contains("RECURRENCE-ID"), "{}", answer.body);

    let hrefs = format!(
        "<D:prop><D:getetag/><C:calendar-data/></D:prop><D:href>{calendar}in</D:href><D:href>{calendar}gone</D:href>\
         <D:href>/dav/calendars/bob@example.test/calendar/in</D:href><D:href>../odd</D:href>"
    );
    let answer = ann.report(&calendar, "C:calendar-multiget", &hrefs).await.is(207);
    assert_eq!((answer.body.matches("404 Not Found").count(), answer.body.matches("Zoë").count()), (2, 1));
    assert!(answer.body.contains("400 Bad Request"), "{}", answer.body);

    let busy = ann.report(&calendar, "C:free-busy-query", WEEK).await.is(200);
    for period in ["20270105T100000Z/20270105T110000Z", "20270106T100000Z/20270106T110000Z"] {
        assert!(busy.body.replace("\r\n ", "").contains(period), "{}", busy.body);
    }
    let unknown = ann.report(&calendar, "D:version-tree", "").await;
    unknown.refused(403, "supported-report");
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_floating_is_by_the_zone_of_the_question() {
    let (_server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    ann.put(&format!("{calendar}f"), &event("f", "DTSTART:20270104T003000\r\nDURATION:PT10M")).await.is(201);
    let query = async |zone: &str| {
        let inner = format!(
            "<D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
             <C:comp-filter name=\"VEVENT\">{WEEK}</C:comp-filter></C:comp-filter></C:filter>{zone}"
        );
        ann.report(&calendar, "C:calendar-query", &inner).await.is(207).hrefs().len()
    };
    assert_eq!(query("").await, 1);
    assert_eq!(query("<C:timezone-id>Europe/Berlin</C:timezone-id>").await, 0);
}

/// An answer larger than one piece is whole all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_whole() {
    let (_server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    let long = "x".repeat(60_000);
    for n in 0..20 {
        let lines = format!("DTSTART:20270101T100000Z\r\nDESCRIPTION:{n} {long}");
        ann.put(&format!("{calendar}{n}"), &event(&n.to_string(), &lines)).await.is(201);
    }
    let answer = ann.propfind(&calendar, "1", "<D:getetag/><C:calendar-data/>").await.is(207);
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert_eq!((answer.hrefs().len(), answer.body.matches("END:VCALENDAR").count()), (21, 20));
    assert!(answer.body.ends_with("</D:multistatus>"));
}
