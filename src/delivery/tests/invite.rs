//! Meetings: what is planned by a door goes out with the object, and what arrives reaches the calendar with
//! its mail.

use caldav::Object;
use caldav::itip::{self, Answer, PartStat};

use super::*;
use crate::directory::{Account, Kind as AccountKind, NewAccount};
use crate::mailbox::{Acting, Folder, Knew, Origin, OwnerId, Role};
use crate::objects::{self, Expected, Limits, Target};
use crate::scheduling::{self, Asked, Plan};

/// A weekly meeting of Anna's, five times from 2026-12-01T10:00Z.
fn meeting(more: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test\r\nBEGIN:VEVENT\r\nUID:m1\r\nDTSTAMP:20261124T090000Z\r\n\
         DTSTART:20261201T100000Z\r\nDTEND:20261201T110000Z\r\nRRULE:FREQ=WEEKLY;COUNT=5\r\nSUMMARY:Planning\r\n\
         LOCATION:Hall\r\nORGANIZER;CN=Anna:mailto:anna@example.test\r\n\
         ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.test\r\nATTENDEE;CN=Berta:mailto:berta@example.test\r\n\
         ATTENDEE:mailto:bob@other.test\r\nATTENDEE;CUTYPE=ROOM:mailto:room@example.test\r\n{more}END:VEVENT\r\n\
         END:VCALENDAR\r\n"
    )
}

/// The meeting with its second instance an hour later.
fn one_moved() -> String {
    meeting("").replace(
        "END:VCALENDAR\r\n",
        "BEGIN:VEVENT\r\nUID:m1\r\nRECURRENCE-ID:20261208T100000Z\r\nDTSTAMP:20261124T090000Z\r\n\
         DTSTART:20261208T110000Z\r\nDTEND:20261208T120000Z\r\nSUMMARY:Planning\r\nLOCATION:Hall\r\n\
         ORGANIZER;CN=Anna:mailto:anna@example.test\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.test\r\n\
         ATTENDEE;CN=Berta:mailto:berta@example.test\r\nATTENDEE:mailto:bob@other.test\r\n\
         ATTENDEE;CUTYPE=ROOM:mailto:room@example.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    )
}

impl World {
    fn whose(&self, name: &str) -> Account {
        self.town.directory.resolve(&format!("{name}@example.test")).unwrap().unwrap().account
    }

    async fn with_room(self) -> Self {
        let new = NewAccount {
            address: "room@example.test".into(),
            kind: AccountKind::Room,
            ..NewAccount::default()
        };
        let account = self.town.directory.insert_account(new, None).await.unwrap();
        let made = self
            .town
            .mailbox
            .write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(OwnerId(account.id.0), None));
        made.await.unwrap();
        self
    }

    fn stored(&self, name: &str, uid: &str) -> Option<(Folder, objects::Object, Object)> {
        let view = self.town.mailbox.view(Acting::System).unwrap();
        let calendar = view.by_role(OwnerId(self.whose(name).id.0), Role::Calendar).unwrap();
        let uid = view.by_ical_uid_in(&calendar, uid).unwrap()?;
        let stored = objects::read(&view, &calendar, uid).unwrap();
        let object = Object::parse(&stored.bytes).unwrap();
        Some((calendar, stored, object))
    }

    fn text_of(&self, name: &str, uid: &str) -> String {
        let stored = self.stored(name, uid).map(|(_, stored, _)| stored.bytes).unwrap_or_default();
        String::from_utf8(stored.to_vec()).unwrap()
    }

    /// Stores a plan as a door does.
    async fn carry_out(&self, name: &str, uid: &str, plan: Plan) {
        let account = self.whose(name);
        let view = self.town.mailbox.view(Acting::System).unwrap();
        let calendar = view.by_role(OwnerId(account.id.0), Role::Calendar).unwrap();
        let old = self.stored(name, uid);
        let outbound = self.delivery.outbound(account.domain.0, &plan.mails).unwrap();
        let staged = plan.bytes().map(|bytes| {
            let prepared = objects::Prepared::of(calendar.kind, bytes, &Limits::default()).unwrap();
            prepared.stage(&self.store, account.domain.0).unwrap()
        });
        let (mailbox, delivery) = (self.town.mailbox.clone(), self.delivery.clone());
        let acting = Acting::System;
        let written = self.store.write_async(move |tx| {
            mailbox.within(tx, acting, Origin::OTHER, |mail| {
                let at = mail.granted(calendar.id)?;
                match (&staged, old) {
                    (Some(new), Some((_, old, _))) => {
                        let expected = Expected::Unchanged(old.item.content_modseq);
                        objects::put(mail, &at, &Target::Of(old.item.uid), expected, new, Knew::default())
                            .map(drop)
                    }
                    (Some(new), None) => {
                        let target = Target::New { name: None };
                        objects::put(mail, &at, &target, Expected::Absent, new, Knew::default()).map(drop)
                    }
                    (None, Some((_, old, _))) => {
                        objects::remove(mail, &at, old.item.uid, Expected::Any).map(drop)
                    }
                    (None, None) => Ok(()),
                }
            })?;
            delivery.post(tx, &outbound)?;
            Ok::<_, objects::Error>(())
        });
        written.await.unwrap();
    }

    /// Stores an object (or removes it) as a CalDAV client would have it stored; gives how many mails go out.
    async fn stores(&self, name: &str, new: Option<&str>) -> usize {
        let account = self.whose(name);
        let old = self.stored(name, "m1").map(|(.., object)| object);
        let new = new.map(|text| Object::parse(text.as_bytes()).unwrap());
        let view = self.town.mailbox.view(Acting::System).unwrap();
        let now = self.clock.now_secs();
        let plan = scheduling::plan(&view, &account, old.as_ref(), new.as_ref(), None, Asked::default(), now);
        let plan = plan.unwrap();
        let mails = plan.mails.iter().map(|mail| mail.to.len()).sum();
        self.carry_out(name, "m1", plan).await;
        mails
    }

    async fn answers_with(&self, name: &str, answer: &Answer) -> usize {
        let (.., object) = self.stored(name, "m1").unwrap();
        let view = self.town.mailbox.view(Acting::System).unwrap();
        let plan =
            scheduling::respond(&view, &self.whose(name), &object, answer, false, self.clock.now_secs())
                .unwrap();
        let mails = plan.mails.len();
        self.carry_out(name, "m1", plan).await;
        mails
    }

    async fn settled(&self) {
        self.until("the queue is empty", |w| w.queue().is_empty()).await;
    }

    fn mails_of(&self, name: &str) -> Vec<String> {
        let view = self.town.mailbox.view(Acting::System).unwrap();
        let inbox = view.by_role(OwnerId(self.whose(name).id.0), Role::Inbox).unwrap();
        let mut items = Vec::new();
        view.items(&inbox, crate::mailbox::Uid(0), &mut |item| {
            items.push(item);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        let text = |item| {
            String::from_utf8_lossy(&self.town.mailbox.message(&view, &inbox, &item).unwrap()).into_owned()
        };
        items.into_iter().map(text).collect()
    }

    fn answer_of(&self, name: &str, who: &str) -> PartStat {
        let (.., object) = self.stored(name, "m1").unwrap();
        answers(&object, who).remove(0).1
    }
}

fn answers(object: &Object, who: &str) -> Vec<(Option<caldav::Moment>, PartStat)> {
    itip::answers(object, &[who])
}

fn yes() -> Answer {
    Answer { with: PartStat::Accepted, instance: None, comment: None, proposed: None }
}

fn subjects(mails: &[String]) -> Vec<String> {
    mails
        .iter()
        .map(|mail| crate::message::parse(mail.as_bytes()).header("Subject").unwrap().trim().to_owned())
        .collect()
}

/// A mail as another server's user sends it, with the object of one that was taken by the sink.
fn from_bob(taken: &str, change: impl Fn(&str) -> String) -> String {
    let message = crate::message::parse(taken.as_bytes());
    let part = message.parts().iter().position(|part| part.is("text", "calendar")).unwrap();
    let object = String::from_utf8(message.decoded(&message.parts()[part])).unwrap();
    let object = change(&object);
    let method = itip::method_of(&Object::parse(object.as_bytes()).unwrap()).unwrap();
    format!(
        "From: Bob <bob@other.test>\r\nTo: anna@example.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n{object}"
    )
}

#[tokio::test]
async fn a_meeting_with_a_colleague_a_stranger_and_a_room() {
    let sink = Sink::start(script()).await;
    let world = fresh(routed(&sink)).await.with_room().await;
    // Invited, each once, however often the client stores the object.
    assert_eq!(world.stores("anna", Some(&meeting(""))).await, 3);
    assert_eq!(world.stores("anna", Some(&meeting(""))).await, 0);
    let kept = world.text_of("anna", "m1");
    assert_eq!(world.stores("anna", Some(&kept)).await, 0);
    world.settled().await;
    let [taken] = &sink.taken()[..] else { panic!("{:?}", sink.taken()) };
    let invitation = taken.text.clone();
    assert!(invitation.contains("From: \"anna\" <anna@example.test>\r\n"), "{invitation}");
    assert!(invitation.contains("text/calendar; charset=utf-8; method=REQUEST"), "{invitation}");
    assert!(invitation.contains("When: Tuesday, 1 December 2026, 10:00 to 11:00 (UTC)"), "{invitation}");
    assert!(invitation.contains("Where: Hall"), "{invitation}");
    assert_eq!(subjects(&world.mails_of("berta")), ["Invitation: Planning"]);
    assert_eq!(world.answer_of("berta", "berta@example.test"), PartStat::NeedsAction);
    assert!(!world.text_of("berta", "m1").contains("METHOD"));
    // The room has answered by itself.
    assert_eq!(world.answer_of("room", "room@example.test"), PartStat::Accepted);
    assert_eq!(world.answer_of("anna", "room@example.test"), PartStat::Accepted);
    assert_eq!(subjects(&world.mails_of("anna")), ["Accepted: Planning"]);
    // Berta accepts, twice.
    assert_eq!(world.answers_with("berta", &yes()).await, 1);
    assert_eq!(world.answers_with("berta", &yes()).await, 0);
    world.settled().await;
    assert_eq!(world.answer_of("anna", "berta@example.test"), PartStat::Accepted);
    // Bob proposes another time: that is for Anna to read, and he will perhaps come.
    let counter = from_bob(&invitation, |object| {
        object
            .replace("METHOD:REQUEST", "METHOD:COUNTER")
            .replace("ATTENDEE;RSVP=TRUE:mailto:bob", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:bob")
            .replace("DTSTART:20261201T10", "DTSTART:20261201T15")
    });
    world.send("bob@other.test", &["anna@example.test"], &counter).await;
    assert_eq!(world.answer_of("anna", "bob@other.test"), PartStat::Tentative);
    assert!(world.text_of("anna", "m1").contains("DTSTART:20261201T100000Z"));
    // One occurrence is moved: just that is told.
    world.clock.advance(MINUTE);
    assert_eq!(world.stores("anna", Some(&one_moved())).await, 3);
    world.settled().await;
    let told = sink.taken().pop().unwrap().text;
    assert!(told.contains("RECURRENCE-ID:20261208T100000Z") && !told.contains("RRULE"), "{told}");
    assert!(told.contains("Changed: end, start"), "{told}");
    let bertas = world.text_of("berta", "m1");
    assert!(bertas.contains("DTSTART:20261208T110000Z") && bertas.contains("RRULE"), "{bertas}");
    // And one is cancelled, and all of it in the end.
    world.clock.advance(MINUTE);
    let out = meeting("EXDATE:20261208T100000Z\r\n");
    assert_eq!(world.stores("anna", Some(&out)).await, 3);
    world.settled().await;
    assert!(world.text_of("berta", "m1").contains("EXDATE:20261208T100000Z"));
    world.clock.advance(MINUTE);
    assert_eq!(world.stores("anna", None).await, 3);
    world.settled().await;
    assert!(world.text_of("berta", "m1").contains("STATUS:CANCELLED"));
    assert!(world.text_of("room", "m1").contains("STATUS:CANCELLED"));
    assert_eq!(sink.taken().len(), 4);
    assert_eq!(
        subjects(&world.mails_of("berta")),
        ["Invitation: Planning", "Changed: Planning", "Cancelled: Planning", "Cancelled: Planning"]
    );
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn a_room_declines_what_meets_another_meeting() {
    let world = fresh(config()).await.with_room().await;
    let room_only = |uid: &str, hour: u8| {
        let text = meeting("").replace("UID:m1", &format!("UID:{uid}")).replace("T10", &format!("T{hour}"));
        text.replace("T11", &format!("T{}", hour + 1)).replace("ATTENDEE:mailto:bob@other.test\r\n", "")
    };
    let invite = |text: String| {
        let object = text.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST");
        format!(
            "From: anna@example.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/calendar; method=REQUEST\r\n\r\n{object}"
        )
    };
    for (uid, hour) in [("a", 10), ("b", 10), ("c", 12)] {
        world.send("anna@example.test", &["room@example.test"], &invite(room_only(uid, hour))).await;
    }
    let answer = |uid: &str| {
        let (.., object) = world.stored("room", uid).unwrap();
        answers(&object, "room@example.test").remove(0).1
    };
    assert_eq!(answer("a"), PartStat::Accepted);
    assert_eq!(answer("b"), PartStat::Declined);
    assert_eq!(answer("c"), PartStat::Accepted);
    world.settled().await;
    let mut told = subjects(&world.mails_of("anna"));
    told.sort();
    assert_eq!(told, ["Accepted: Planning", "Accepted: Planning", "Declined: Planning"]);
    // The same invitation again is answered no more.
    world.send("anna@example.test", &["room@example.test"], &invite(room_only("a", 10))).await;
    world.settled().await;
    assert_eq!(world.mails_of("anna").len(), 3);
    assert!(world.mails_of("anna").iter().all(|mail| mail.contains("Auto-Submitted: auto-replied")));
}

#[tokio::test]
async fn rooms_that_are_asked_at_once_take_one_meeting() {
    let world = fresh(config()).await.with_room().await;
    let invite = |n: usize| {
        let object = meeting("").replace("UID:m1", &format!("UID:u{n}"));
        let object = object.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST");
        format!(
            "From: anna@example.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/calendar; method=REQUEST\r\n\r\n{object}"
        )
    };
    let mails: Vec<String> = (0..8).map(invite).collect();
    let mut all = tokio::task::JoinSet::new();
    for mail in mails {
        let (delivery, incoming) =
            (world.delivery.clone(), world.incoming("anna@example.test", &["room@example.test"], &mail));
        all.spawn(async move { delivery.accept(incoming).await.unwrap().accepted() });
    }
    while let Some(taken) = all.join_next().await {
        assert!(taken.unwrap());
    }
    let accepted = (0..8).filter(|n| {
        let (.., object) = world.stored("room", &format!("u{n}")).unwrap();
        answers(&object, "room@example.test").remove(0).1 == PartStat::Accepted
    });
    assert_eq!(accepted.count(), 1);
    world.settled().await;
    assert_eq!(world.mails_of("anna").len(), 8);
}

#[tokio::test]
async fn what_comes_from_outside_makes_a_tentative_event_or_none() {
    let world = fresh(config()).await;
    let mail = |from: &str, method: &str, object: &str| {
        let object = object.replace("VERSION:2.0", &format!("VERSION:2.0\r\nMETHOD:{method}"));
        format!(
            "From: {from}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n\
             Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n{object}\r\n--b--\r\n"
        )
    };
    let bobs =
        meeting("").replace("ORGANIZER;CN=Anna:mailto:anna@example.test", "ORGANIZER:mailto:bob@other.test");
    let to = ["berta@example.test"];
    world.send("bob@other.test", &to, &mail("Bob <bob@other.test>", "REQUEST", &bobs)).await;
    assert_eq!(world.answer_of("berta", "berta@example.test"), PartStat::NeedsAction);
    let before = world.text_of("berta", "m1");
    for (from, method, object) in [
        // A stranger's, in a stranger's name and in the organizer's.
        ("eve@other.test", "CANCEL", bobs.clone()),
        ("eve@other.test", "CANCEL", bobs.replace("ORGANIZER:mailto:bob", "ORGANIZER:mailto:eve")),
        (
            "eve@other.test",
            "REQUEST",
            bobs.replace("Planning", "Party").replace("DTSTAMP:20261124", "DTSTAMP:20261125"),
        ),
        ("eve@other.test", "REPLY", bobs.clone()),
        ("bob@other.test", "PUBLISH", bobs.replace("Planning", "Party")),
        // Broken ones.
        ("bob@other.test", "REQUEST", bobs.replace("DTSTART:2026", "DTSTART:never")),
        ("bob@other.test", "REQUEST", bobs.replace("UID:m1\r\n", "")),
        ("bob@other.test", "REQUEST", "VERSION:2.0\r\nBEGIN:VEVENT".to_owned()),
        ("bob@other.test", "REQUEST", "\u{0}\r\n".to_owned()),
    ] {
        let mails = world.mails_of("berta").len();
        let receipt = world.send(from, &to, &mail(from, method, &object)).await;
        assert!(receipt.accepted());
        assert_eq!(world.mails_of("berta").len(), mails + 1, "the mail is there");
        assert_eq!(world.text_of("berta", "m1"), before, "{from} {method}");
    }
    let off = bobs.replace("DTSTAMP:20261124T09", "DTSTAMP:20261124T10");
    world.send("bob@other.test", &to, &mail("bob@other.test", "CANCEL", &off)).await;
    assert!(world.text_of("berta", "m1").contains("STATUS:CANCELLED"));
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn an_answer_that_the_client_mails_itself_is_not_sent_again() {
    let sink = Sink::start(script()).await;
    let world = fresh(routed(&sink)).await;
    let bobs =
        meeting("").replace("ORGANIZER;CN=Anna:mailto:anna@example.test", "ORGANIZER:mailto:bob@other.test");
    let request = format!(
        "From: bob@other.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n{}",
        bobs.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST")
    );
    world.send("bob@other.test", &["berta@example.test"], &request).await;
    let reply = request
        .replace("From: bob@other.test", "From: berta@example.test")
        .replace("method=REQUEST", "method=REPLY")
        .replace("METHOD:REQUEST", "METHOD:REPLY")
        .replace("ATTENDEE;CN=Berta:", "ATTENDEE;PARTSTAT=ACCEPTED:");
    let account = world.whose("berta");
    let submitter = Submitter { account: account.id.0, domain: account.domain.0 };
    let incoming = world.incoming("berta@example.test", &["bob@other.test"], &reply);
    world.delivery.accept(Incoming { submitter: Some(submitter), ..incoming }).await.unwrap();
    assert_eq!(world.answer_of("berta", "berta@example.test"), PartStat::Accepted);
    assert_eq!(world.answers_with("berta", &yes()).await, 0);
    world.settled().await;
    assert_eq!(sink.taken().len(), 1);
}
