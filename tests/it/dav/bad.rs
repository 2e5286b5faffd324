//! What hostile input costs and changes: bounded time, and nothing.

use std::time::Duration;

use folkmoot::clock::instant;

use super::{BOB, ann, event, sound, user};
use crate::dav_client::xml;

/// The time within which each of these is answered, in a build that is not optimised.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn bombs_in_xml_are_refused_at_once() {
    let (_server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY l \"lol\"><!ENTITY m \"&l;&l;&l;&l;&l;&l;&l;&l;\">]>\
                  <D:propfind xmlns:D=\"DAV:\"><D:prop><D:x>&m;</D:x></D:prop></D:propfind>";
    let outside = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\
                   <D:propfind xmlns:D=\"DAV:\"><D:prop><D:x>&x;</D:x></D:prop></D:propfind>";
    let deep = format!("{}{}", "<D:a xmlns:D=\"DAV:\">".repeat(50_000), "</D:a>".repeat(50_000));
    let wide = xml("D:propfind", &format!("<D:prop>{}</D:prop>", "<D:a/>".repeat(200_000)));
    let names: String = (0..2_000).map(|n| format!("<D:p{n}/>")).collect();
    let names = xml("D:propfind", &format!("<D:prop>{names}</D:prop>"));
    for (body, status) in [(laughs, 403), (outside, 403), (&deep, 413), (&wide, 413), (&names, 413)] {
        let began = instant();
        let answer = ann.ask("PROPFIND", &calendar, &[("depth", "1")], body).await.is(status);
        assert!(!answer.body.contains("root:"), "{}", answer.body);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
    let large = xml("D:propfind", &"x".repeat(5 << 20));
    ann.ask("PROPFIND", &calendar, &[("depth", "1")], &large).await.is(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn recurrence_bombs_cost_bounded_time() {
    let (server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    let rules = [
        "RRULE:FREQ=SECONDLY",
        "RRULE:FREQ=SECONDLY;COUNT=2147483647",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "RRULE:FREQ=MINUTELY;BYSECOND=0,1,2,3,4,5,6,7,8,9;BYHOUR=1,2,3,4,5,6;UNTIL=99991231T235959Z",
        "RRULE:FREQ=YEARLY;BYYEARDAY=366;BYDAY=MO;BYHOUR=3",
    ];
    for (n, rule) in rules.into_iter().enumerate() {
        let began = instant();
        let text = event(&n.to_string(), &format!("DTSTART:19700101T000000Z\r\n{rule}"));
        let answer = ann.put(&format!("{calendar}{n}"), &text).await;
        assert!(matches!(answer.status, 201 | 403), "{rule}: {}", answer.body);
        assert!(began.elapsed() < PATIENCE, "{rule}: {:?}", began.elapsed());
    }
    let range = "<C:time-range start=\"20270104T000000Z\" end=\"20270111T000000Z\"/>";
    for data in ["", "<C:expand start=\"20270104T000000Z\" end=\"20370111T000000Z\"/>"] {
        let began = instant();
        let inner = format!(
            "<D:prop><C:calendar-data>{data}</C:calendar-data></D:prop><C:filter>\
             <C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">{range}</C:comp-filter>\
             </C:comp-filter></C:filter>"
        );
        let answer = ann.report(&calendar, "C:calendar-query", &inner).await;
        assert!(matches!(answer.status, 207 | 403), "{}", answer.body);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
    let began = instant();
    ann.report(&calendar, "C:free-busy-query", range).await.is(200);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_lead_elsewhere_lead_nowhere() {
    let (server, ann) = ann().await;
    let bob = user(&server, BOB).await;
    bob.put(&bob.path("calendars", "calendar/1.ics"), &event("1", "DTSTART:20270101T100000Z")).await.is(201);
    let foreign = bob.path("calendars", "calendar/1.ics");
    for method in ["GET", "DELETE", "PROPFIND", "PUT", "MOVE", "COPY", "PROPPATCH", "MKCOL"] {
        let body = match method {
            "PUT" => event("2", "DTSTART:20270101T100000Z"),
            "PROPPATCH" => xml("D:propertyupdate", "<D:set><D:prop><D:x/></D:prop></D:set>"),
            _ => String::new(),
        };
        let own = ann.path("calendars", "calendar/x.ics");
        let answer = ann.ask(method, &foreign, &[("depth", "0"), ("destination", &own)], &body).await;
        assert!(matches!(answer.status, 403..=409), "{method}: {}", answer.status);
    }
    let own = ann.path("calendars", "calendar/a.ics");
    ann.put(&own, &event("a", "DTSTART:20270101T100000Z")).await.is(201);
    let there = bob.path("calendars", "calendar/stolen.ics");
    let answer = ann.ask("COPY", &own, &[("destination", &there)], "").await;
    assert!(matches!(answer.status, 403..=409), "{}", answer.status);
    for odd in ["%2e%2e/", "..%2f", "%00", "a%2fb", "%ff"] {
        let answer = ann.get(&ann.path("calendars", &format!("calendar/{odd}"))).await;
        assert!(matches!(answer.status, 400 | 404), "{odd}: {}", answer.status);
    }
    assert_eq!(bob.sync(&bob.path("calendars", "calendar/"), "").await.0.hrefs().len(), 1);
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_properties_have_a_bound() {
    let (server, ann) = ann().await;
    let path = ann.path("calendars", "calendar/1.ics");
    ann.put(&path, &event("1", "DTSTART:20270101T100000Z")).await.is(201);
    let set = |text: &str| {
        xml(
            "D:propertyupdate",
            &format!("<D:set><D:prop><X:a xmlns:X=\"urn:x\">{text}</X:a></D:prop></D:set>"),
        )
    };
    let answer = ann.ask("PROPPATCH", &path, &[], &set(&"x".repeat(1 << 20))).await.is(207);
    assert!(answer.body.contains("507"), "{}", answer.body);
    ann.ask("PROPPATCH", &path, &[], &set("y")).await.is(207);
    let own = xml("D:propertyupdate", "<D:set><D:prop><X:span xmlns:X=\"urn:x\">1</X:span></D:prop></D:set>");
    ann.ask("PROPPATCH", &path, &[], &own).await.is(207);
    sound(&server);
}
