//! Scheduling through CalDAV: who invites, who answers, when others are busy.

use std::time::Duration;

use super::{BOB, ann, event, user};
use crate::dav_client::Dav;

/// Waits until Bob's calendar has something that `wanted` says yes to.
async fn until(dav: &Dav, wanted: impl Fn(&str) -> bool) -> (String, String) {
    let calendar = dav.path("calendars", "calendar/");
    for _ in 0..600 {
        let answer = dav.propfind(&calendar, "1", "<C:calendar-data/>").await.is(207);
        for href in answer.hrefs().into_iter().skip(1) {
            let got = dav.get(href).await;
            let text = got.body.replace("\r\n ", "");
            if wanted(&text) {
                return (href.to_owned(), text);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_is_invited_answered_and_cancelled_between_two_users() {
    let (server, ann) = ann().await;
    let bob = user(&server, BOB).await;
    let path = ann.path("calendars", "calendar/m.ics");
    let meeting = event(
        "m@example.test",
        "DTSTART:20270105T100000Z\r\nDTEND:20270105T110000Z\r\nSUMMARY:Plans\r\n\
         ORGANIZER:mailto:ann@example.test\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.test\r\n\
         ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@example.test",
    );
    let put = ann.put(&path, &meeting).await.is(201);
    let tag = put.field("schedule-tag").expect("a meeting has a tag").to_owned();
    let (href, invitation) = until(&bob, |text| text.contains("m@example.test")).await;
    assert!(invitation.contains("SUMMARY:Plans"), "{invitation}");

    // Bob may not move it.
    let moved = invitation.replace("DTSTART:20270105T100000Z", "DTSTART:20270105T090000Z");
    assert_ne!(moved, invitation);
    bob.put(&href, &moved).await.refused(403, "allowed-attendee-scheduling-object-change");
    let accepted = invitation.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    assert_ne!(accepted, invitation);
    bob.put(&href, &accepted).await.is(204);
    let answered = |text: &str| text.lines().any(|line| line.contains("bob@") && line.contains("=ACCEPTED"));
    until(&ann, answered).await;
    // An answer leaves the tag as it is.
    let got = ann.get(&path).await.is(200);
    assert_eq!(got.field("schedule-tag"), Some(tag.as_str()));
    ann.ask("DELETE", &path, &[("if-schedule-tag-match", "\"x\"")], "").await.is(412);
    // Schedule-Reply is for attendees: an organizer's guests are told.
    let fields = [("if-schedule-tag-match", tag.as_str()), ("schedule-reply", "F")];
    ann.ask("DELETE", &path, &fields, "").await.is(204);
    until(&bob, |text| text.contains("STATUS:CANCELLED")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_tells_when_others_are_busy_and_not_why() {
    let (server, ann) = ann().await;
    let bob = user(&server, BOB).await;
    let lines = "DTSTART:20270105T100000Z\r\nDURATION:PT1H\r\nSUMMARY:Secret";
    bob.put(&bob.path("calendars", "calendar/1.ics"), &event("1", lines)).await.is(201);
    let request = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY\r\n\
                   UID:fb\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20270105T000000Z\r\nDTEND:20270106T000000Z\r\n\
                   ORGANIZER:mailto:ann@example.test\r\nATTENDEE:mailto:bob@example.test\r\n\
                   ATTENDEE:mailto:nobody@elsewhere.example\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n";
    let outbox = ann.path("calendars", "outbox/");
    let answer = ann.ask("POST", &outbox, &[("content-type", "text/calendar")], request).await.is(200);
    assert!(answer.body.contains("20270105T100000Z/20270105T110000Z"), "{}", answer.body);
    assert!(answer.body.contains("2.0;Success") && answer.body.contains("3.7"), "{}", answer.body);
    assert!(!answer.body.contains("Secret"), "{}", answer.body);
    let forged = request.replace("ORGANIZER:mailto:ann", "ORGANIZER:mailto:bob");
    ann.ask("POST", &outbox, &[], &forged).await.refused(403, "valid-organizer");
    ann.ask("POST", &outbox, &[], "x").await.refused(403, "valid-calendar-data");
    ann.ask("POST", &ann.path("calendars", "calendar/"), &[], request).await.is(405);
}
