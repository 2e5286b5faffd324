//! A meeting between two phones: invited, accepted, moved in one instance, and declined.

use std::time::Duration;

use folkmoot::net::Listener;
use wbxml::{Element, airsync, airsyncbase, calendar, meetingresponse as response};

use crate::phone::{Ask, Phone};
use crate::support::TestServer;

/// Types of folders. MS-ASCMD §2.2.3.186.3.
const INBOX: u8 = 2;
const CALENDAR: u8 = 8;

async fn phone(server: &TestServer, name: &str) -> Phone {
    let (user, password) = (format!("{name}@example.test"), format!("password of {name}"));
    server.account(&user, &password).await;
    let mut phone = Phone::new(server.address(Listener::Http), &user, &password, &format!("D{name}"));
    phone.provision().await;
    phone.folder_sync().await;
    for kind in [INBOX, CALENDAR] {
        let id = phone.folder(kind);
        assert!(phone.sync_all(&id, &Ask::default()).await);
    }
    phone
}

/// Synchronises a folder until an item fits; gives its id.
async fn until(phone: &mut Phone, kind: u8, fits: impl Fn(&[(&str, &str)]) -> bool) -> String {
    let id = phone.folder(kind);
    for _ in 0..200 {
        assert!(phone.sync_all(&id, &Ask::default()).await);
        for (item, fields) in &phone.collection(&id).items {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            if fits(&fields) {
                return item.clone();
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come: {:?}", phone.collection(&id).items);
}

fn has(fields: &[(&str, &str)], name: &str, value: &str) -> bool {
    fields.contains(&(name, value))
}

fn meeting(subject: &str) -> Element<'static> {
    let attendee = Element::new(calendar::ATTENDEE)
        .with_text(calendar::EMAIL, "bob@example.test")
        .with_text(calendar::NAME, "Bob")
        .with_number(calendar::ATTENDEE_TYPE, 1);
    Element::new(airsync::APPLICATION_DATA)
        .with_text(calendar::SUBJECT, subject.to_owned())
        .with_text(calendar::START_TIME, "20991201T090000Z")
        .with_text(calendar::END_TIME, "20991201T100000Z")
        .with_text(calendar::CLIENT_UID, format!("uid of {subject}"))
        .with_number(calendar::MEETING_STATUS, 1)
        .with(Element::new(calendar::ATTENDEES).with(attendee))
        .with(
            Element::new(calendar::RECURRENCE)
                .with_number(calendar::TYPE, 0)
                .with_number(calendar::INTERVAL, 1)
                .with_number(calendar::OCCURRENCES, 5),
        )
}

/// Answers an invitation; gives the status and the CalendarId.
async fn answer(phone: &Phone, item: &str, folder: &str, with: u8) -> (String, Option<String>) {
    let asked = Element::new(response::REQUEST)
        .with_number(response::USER_RESPONSE, with)
        .with_text(response::COLLECTION_ID, folder.to_owned())
        .with_text(response::REQUEST_ID, item.to_owned())
        .with_empty(response::SEND_RESPONSE);
    let asked = Element::new(response::MEETING_RESPONSE).with(asked);
    let told = phone.post("MeetingResponse", &asked).await.unwrap();
    let result = told.child(response::RESULT).unwrap();
    assert_eq!(result.text_of(response::REQUEST_ID), Some(item));
    let text = |tag| result.text_of(tag).map(str::to_owned);
    (text(response::STATUS).unwrap(), text(response::CALENDAR_ID))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_between_two_phones() {
    let server = TestServer::start().await;
    let mut ann = phone(&server, "ann").await;
    let mut bob = phone(&server, "bob").await;
    let (ann_calendar, bob_inbox, bob_calendar) =
        (ann.folder(CALENDAR), bob.folder(INBOX), bob.folder(CALENDAR));

    // Invited.
    let add = Element::new(airsync::ADD).with_text(airsync::CLIENT_ID, "c1").with(meeting("Tea"));
    let added = ann.sync(&ann_calendar, &Ask { commands: vec![add], ..Ask::default() }).await;
    let [(event, 1)] = &added.responses[..] else { panic!("{added:?}") };
    let event = event.clone();
    // The phone's own copy of what it added, as it would have kept it.
    ann.collection(&ann_calendar).items.insert(event.clone(), Default::default());
    let request = |fields: &[(&str, &str)]| has(fields, "Email:MessageClass", "IPM.Schedule.Meeting.Request");
    let mail = until(&mut bob, INBOX, request).await;
    let tentative = until(&mut bob, CALENDAR, |fields| has(fields, "Calendar:ResponseType", "5")).await;

    // Accepted, and asked once more, as a phone does whose answer got lost.
    for _ in 0..2 {
        let (status, id) = answer(&bob, &mail, &bob_inbox, 1).await;
        assert_eq!((status.as_str(), id.as_deref()), ("1", Some(tentative.as_str())));
    }
    until(&mut bob, CALENDAR, |fields| has(fields, "Calendar:ResponseType", "3")).await;
    assert!(bob.sync_all(&bob_inbox, &Ask::default()).await);
    assert!(!bob.collection(&bob_inbox).items.contains_key(&mail), "the invitation is answered");
    let accepted =
        |fields: &[(&str, &str)]| has(fields, "Email:MessageClass", "IPM.Schedule.Meeting.Resp.Pos");
    until(&mut ann, INBOX, accepted).await;

    // The answer is in her calendar, too: she changes what she knows.
    assert!(ann.sync_all(&ann_calendar, &Ask::default()).await);
    // A reply that went out twice would be here by now, after this mail that was sent later.
    let change = Element::new(airsync::CHANGE)
        .with_text(airsync::SERVER_ID, event.clone())
        .with_text(airsyncbase::INSTANCE_ID, "20991203T090000Z")
        .with(
            Element::new(airsync::APPLICATION_DATA)
                .with_text(calendar::START_TIME, "20991203T140000Z")
                .with_text(calendar::END_TIME, "20991203T150000Z"),
        );
    let changed = ann.sync(&ann_calendar, &Ask { commands: vec![change], ..Ask::default() }).await;
    assert!(changed.responses.iter().all(|(_, status)| *status == 1), "{changed:?}");
    let moved = until(&mut bob, INBOX, request).await;
    let ann_inbox = ann.folder(INBOX);
    assert!(ann.sync_all(&ann_inbox, &Ask::default()).await);
    let replies = ann.collection(&ann_inbox).items.values();
    let replies = replies.filter(|fields| fields["Email:MessageClass"] == "IPM.Schedule.Meeting.Resp.Pos");
    assert_eq!(replies.count(), 1);

    // Declined as a whole: it leaves the calendar.
    let (status, id) = answer(&bob, &moved, &bob_inbox, 3).await;
    assert_eq!((status.as_str(), id), ("1", None));
    let declined =
        |fields: &[(&str, &str)]| has(fields, "Email:MessageClass", "IPM.Schedule.Meeting.Resp.Neg");
    until(&mut ann, INBOX, declined).await;
    assert!(bob.sync_all(&bob_calendar, &Ask::default()).await);
    assert!(bob.collection(&bob_calendar).items.is_empty());

    // What is no invitation is none.
    let (status, id) = answer(&ann, &event, &ann_calendar, 1).await;
    assert_eq!((status.as_str(), id), ("2", None), "one's own meeting");
    let (status, _) = answer(&bob, "7:999", "7", 1).await;
    assert_eq!(status, "2");
    assert!(server.running.shutdown().await);
}
