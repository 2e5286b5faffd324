//! Answers of every kind, and of those who may not give them.

use super::*;
use crate::doors::eas::sample::{Sample, document};
use crate::policy::Grant;

const INVITATION: &str = "From: bob@other.test\r\nTo: anna@example.test\r\nSubject: Invitation: Tea\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n\
    BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:tea\r\n\
    DTSTAMP:20270101T000000Z\r\nDTSTART:20270301T100000Z\r\nDTEND:20270301T110000Z\r\nRRULE:FREQ=DAILY;COUNT=3\r\n\
    SUMMARY:Tea\r\nORGANIZER:mailto:bob@other.test\r\n\
    ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:anna@example.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// Anna, with an invitation that nothing was done about yet.
async fn invited() -> (Sample, String, String) {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox).id;
    let uid = sample.deliver(inbox, INVITATION.as_bytes()).await.uid;
    (sample, inbox.0.to_string(), server_id(inbox, uid))
}

fn request(folder: &str, id: &str, answer: u8) -> Element<'static> {
    Element::new(tags::REQUEST)
        .with_number(tags::USER_RESPONSE, i128::from(answer))
        .with_text(tags::COLLECTION_ID, folder.to_owned())
        .with_text(tags::REQUEST_ID, id.to_owned())
}

/// The status of one answer.
async fn respond(session: &Session, request: Element<'static>) -> u16 {
    let body = Element::new(tags::MEETING_RESPONSE).with(request);
    let answer = document(run(session, Some(&body)).await.unwrap());
    answer.child(tags::RESULT).unwrap().parse_of(tags::STATUS).unwrap().unwrap()
}

/// The only event there is.
fn event(sample: &Sample) -> Option<String> {
    let (view, folder) = (sample.view(), sample.folder(Role::Calendar));
    let place =
        view.by_ical_uid(folder.owner, "tea").unwrap().into_iter().find(|(of, _)| *of == folder.id)?;
    let object = objects::read(&view, &folder, place.1).unwrap();
    Some(String::from_utf8(object.bytes.to_vec()).unwrap().replace("\r\n ", ""))
}

fn queued(sample: &Sample) -> usize {
    sample.eas.delivery.queued().unwrap().len()
}

fn with_reply(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(tags::SEND_RESPONSE).with_all(children)
}

#[tokio::test]
async fn a_tentative_answer_and_another_time() {
    let (sample, folder, id) = invited().await;
    let session = sample.session(Version::V16_1);
    let asked = request(&folder, &id, 2).with(with_reply([]));
    assert_eq!(respond(&session, asked.clone()).await, 1);
    assert!(event(&sample).unwrap().contains("PARTSTAT=TENTATIVE"));
    assert_eq!(queued(&sample), 1);
    // The answer got lost: the same once more, of the invitation where it is now.
    assert_eq!(respond(&session, asked).await, 1);
    assert_eq!(queued(&sample), 1, "nobody is told twice");

    let times = [
        Element::leaf(tags::PROPOSED_START_TIME, "20270301T150000Z"),
        Element::leaf(tags::PROPOSED_END_TIME, "20270301T160000Z"),
    ];
    let asked = request(&folder, &id, 2).with(with_reply(times));
    assert_eq!(respond(&session, asked).await, 1);
    assert_eq!(queued(&sample), 2, "a time is proposed");
    assert!(event(&sample).unwrap().contains("DTSTART:20270301T100000Z"), "and changes nothing here");
    let backwards = [
        Element::leaf(tags::PROPOSED_START_TIME, "20270301T160000Z"),
        Element::leaf(tags::PROPOSED_END_TIME, "20270301T150000Z"),
    ];
    assert_eq!(respond(&session, request(&folder, &id, 2).with(with_reply(backwards))).await, 2);
    assert_eq!(queued(&sample), 2);
}

#[tokio::test]
async fn one_instance_is_declined_and_the_series_accepted() {
    let (sample, folder, id) = invited().await;
    let session = sample.session(Version::V16_1);
    assert_eq!(respond(&session, request(&folder, &id, 1).with(with_reply([]))).await, 1);
    let instance = request(&folder, &id, 3)
        .with_text(tags::INSTANCE_ID, "2027-03-02T10:00:00.000Z")
        .with(with_reply([]));
    assert_eq!(respond(&session, instance).await, 1);
    assert_eq!(queued(&sample), 2);
    let event = event(&sample).unwrap();
    assert!(event.contains("PARTSTAT=ACCEPTED"), "{event}");
    assert!(event.contains("20270302T100000Z") && event.contains("PARTSTAT=DECLINED"), "{event}");
    let none = request(&folder, &id, 3).with_text(tags::INSTANCE_ID, "2027-03-09T10:00:00.000Z");
    assert_eq!(respond(&session, none).await, 2, "there is no such instance");
}

/// Before 16.0 the client mails its answer itself.
#[tokio::test]
async fn nothing_is_sent_for_those_who_send_themselves() {
    let (sample, folder, id) = invited().await;
    let session = sample.session(Version::V14_1);
    assert_eq!(respond(&session, request(&folder, &id, 1)).await, 1);
    assert!(event(&sample).unwrap().contains("PARTSTAT=ACCEPTED"));
    assert_eq!(queued(&sample), 0);
}

#[tokio::test]
async fn whoever_may_only_look_answers_for_nobody() {
    let (sample, folder, id) = invited().await;
    let carol = sample.other("carol@example.test").await;
    let shared = [sample.folder(Role::Inbox).id, sample.folder(Role::Calendar).id];
    let grantee = carol.account.id.0;
    sample
        .act(move |tx| {
            for id in shared {
                let folder = tx.granted(id)?;
                let allow = Rights::LOOKUP.and(Rights::READ);
                tx.set_grant(&folder, Grant { grantee, allow, deny: Rights::NONE })?;
            }
            Ok(())
        })
        .await;
    let session = carol.session(Version::V16_1);
    for answer in [1, 2, 3] {
        let asked = request(&folder, &id, answer).with(with_reply([]));
        assert_eq!(respond(&session, asked).await, 3, "{answer}");
    }
    assert_eq!((queued(&sample), event(&sample)), (0, None));
}

#[tokio::test]
async fn what_is_no_invitation_is_not_answered() {
    let (sample, folder, _) = invited().await;
    let session = sample.session(Version::V16_1);
    let inbox = sample.folder(Role::Inbox).id;
    let mail = sample.deliver(inbox, b"Subject: x\r\n\r\ny\r\n").await;
    for id in [server_id(inbox, mail.uid), server_id(inbox, Uid(99)), "x".to_owned(), String::new()] {
        assert_eq!(respond(&session, request(&folder, &id, 1)).await, 2, "{id}");
    }
    for answer in [0, 4, 200] {
        assert_eq!(respond(&session, request(&folder, &server_id(inbox, Uid(1)), answer)).await, 2);
    }
}
