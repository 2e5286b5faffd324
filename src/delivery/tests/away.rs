//! Answers for those who are away.

use super::*;
use crate::directory::{AccountId, OutOfOffice, OutOfOfficeMessage, OutOfOfficeState, set_setting};
use crate::mailbox::{Acting, Flags, Origin, OwnerId, Role};
use crate::message::{body, parse};

const DAY: i64 = 86_400_000;
/// A message from one person to another.
const PLAIN: &str = "From: Bob <bob@other.test>\r\nTo: Anna <anna@example.test>\r\nSubject: Gr\u{fc}\u{df}e\r\n\
    Message-ID: <m2@other.test>\r\nReferences: <m1@other.test>\r\n\r\nAre you there?\r\n";

fn says(text: &str) -> OutOfOfficeMessage {
    OutOfOfficeMessage { enabled: true, text: text.into(), is_html: false }
}

/// Anna is away and says something else to each audience.
fn away() -> OutOfOffice {
    let mut away = OutOfOffice {
        internal: says("to colleagues"),
        external_known: says("to those she knows"),
        external_unknown: says("to str\u{e4}ngers"),
        ..OutOfOffice::default()
    };
    away.set_state(OutOfOfficeState::On, 1);
    away
}

impl World {
    fn account(&self, name: &str) -> AccountId {
        self.town.directory.resolve(&format!("{name}@example.test")).unwrap().unwrap().account.id
    }

    async fn leaves(&self, name: &str, setting: OutOfOffice) {
        let account = self.account(name);
        let set = self.store.write_async(move |tx| set_setting(tx, account, OutOfOffice::SETTING, &setting));
        set.await.unwrap();
    }

    /// The texts that wait for other servers.
    fn answers(&self) -> Vec<String> {
        let text = |entry: &Entry| self.delivery.queued_text(entry, 100_000).unwrap();
        self.queue().iter().map(|entry| String::from_utf8(text(entry)).unwrap()).collect()
    }

    async fn forget(&self) {
        for entry in self.queue() {
            self.delivery.delete_queued(entry.id).await.unwrap();
        }
    }
}

/// A world where nothing leaves the queue.
async fn quiet() -> World {
    let sink = Sink::start(Script { mail: Some("451 4.3.2 tomorrow"), ..script() }).await;
    fresh(routed(&sink)).await
}

#[tokio::test]
async fn one_answer_for_each_sender() {
    let world = quiet().await;
    world.leaves("anna", away()).await;
    world.send("bob@other.test", &["anna@example.test"], PLAIN).await;
    let [entry] = &world.queue()[..] else { panic!("{:?}", world.queue()) };
    assert_eq!(entry.envelope.sender, None);
    assert_eq!(entry.recipients[0].addressee.address.to_string(), "bob@other.test");
    assert_eq!(entry.recipients[0].addressee.notify, Some(Notify::NEVER));
    let [answer] = &world.answers()[..] else { panic!("not one") };
    assert!(answer.is_ascii() && answer.starts_with("Received: by mail.example.test"), "{answer}");
    let message = parse(answer.as_bytes());
    for (name, value) in [
        ("From", "\"anna\" <anna@example.test>"),
        ("To", "<bob@other.test>"),
        ("Subject", "Automatic reply: Gr\u{fc}\u{df}e"),
        ("Auto-Submitted", "auto-replied"),
        ("In-Reply-To", "<m2@other.test>"),
        ("References", "<m1@other.test> <m2@other.test>"),
    ] {
        assert_eq!(message.header(name).as_deref().map(str::trim), Some(value), "{answer}");
    }
    assert_eq!(body::text(&message).trim(), "to str\u{e4}ngers");
    // Not again, however the address is written; others are answered.
    world.send("Bob@other.test", &["anna@example.test"], PLAIN).await;
    assert_eq!(world.queue().len(), 1);
    world.send("carl@other.test", &["anna@example.test"], PLAIN).await;
    assert_eq!(world.queue().len(), 2);
    assert_eq!(world.mail_of(1).len(), 3, "all of them were delivered");
    world.forget().await;
    // A week later, or when she has left anew, he is told again.
    world.clock.advance(7 * DAY - 1);
    world.send("bob@other.test", &["anna@example.test"], PLAIN).await;
    assert_eq!(world.queue().len(), 0);
    world.clock.advance(1);
    world.send("bob@other.test", &["anna@example.test"], PLAIN).await;
    assert_eq!(world.queue().len(), 1);
    let mut anew = away();
    anew.since = world.clock.now();
    world.leaves("anna", anew).await;
    world.send("bob@other.test", &["anna@example.test"], PLAIN).await;
    assert_eq!(world.left(), 2);
}

#[tokio::test]
async fn what_is_not_answered() {
    let world = quiet().await;
    world.leaves("anna", away()).await;
    let with = |field: &str| format!("{field}\r\n{PLAIN}");
    for field in [
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: auto-replied (vacation)",
        "Precedence: bulk",
        "PRECEDENCE: List",
        "Precedence: junk",
        "List-Id: <list.other.test>",
        "List-Unsubscribe: <mailto:x@other.test>",
        "X-Auto-Response-Suppress: DR, OOF",
        "X-Auto-Response-Suppress: All",
        "X-Spam-Flag: YES",
        "Content-Type: multipart/report; boundary=x",
    ] {
        world.send("bob@other.test", &["anna@example.test"], &with(field)).await;
        assert_eq!(world.queue().len(), 0, "{field}");
    }
    for sender in [
        "",
        "MAILER-DAEMON@other.test",
        "owner-list@other.test",
        "list-owner@other.test",
        "list-request@other.test",
        "bounces+anna=example.test@other.test",
        "noreply@other.test",
        "anna+shop@example.test",
        "nobody.here@example.test",
    ] {
        world.send(sender, &["anna@example.test"], PLAIN).await;
        assert_eq!(world.queue().len(), 0, "{sender}");
    }
    assert!(world.mail_of(1).iter().all(|mail| !mail.contains("Automatic reply")));
    // She is not named: a blind copy, or a list that does not say so.
    let blind = PLAIN.replace("anna@", "berta@");
    world.send("bob@other.test", &["anna@example.test", "berta@example.test"], &blind).await;
    // Others' mail, and mail that nobody gets.
    world.send("bob@other.test", &["berta@example.test"], PLAIN).await;
    world.leaves("full", away()).await;
    let full = PLAIN.replace("anna@", "full@");
    world.send("bob@other.test", &["full@example.test", "berta@example.test"], &full).await;
    assert!(world.answers().iter().all(|text| !text.contains("Automatic reply")), "{:?}", world.answers());
    world.forget().await;
    // "no" and the like are people's.
    world.send("bob@other.test", &["anna@example.test"], &with("Auto-Submitted: no")).await;
    assert_eq!(world.left(), 1);
}

#[tokio::test]
async fn only_while_she_is_away_and_to_whom_she_wants() {
    let world = quiet().await;
    let now = world.clock.now();
    let mut setting = away();
    setting.state = OutOfOfficeState::Between { start: now + 10, end: now + 20 };
    setting.external_unknown.enabled = false;
    world.leaves("anna", setting.clone()).await;
    let known = async |of: &str| world.send(of, &["anna@example.test"], PLAIN).await;
    let wrote = world.incoming("anna@example.test", &["dora@other.test"], "To: Dora@other.test\r\n\r\n");
    let item = {
        let store = &world.store;
        let staged = store.stage_body(&store.body_key(1), &wrote.body).unwrap();
        Parsed::of(&wrote.body).item(staged, Bytes::new(), now, Flags::SEEN)
    };
    let owner = OwnerId(world.account("anna").0);
    let sent = world.town.mailbox.view(Acting::System).unwrap().by_role(owner, Role::Sent).unwrap().id;
    let kept = world.town.mailbox.write(Acting::System, Origin::OTHER, move |tx| {
        let at = tx.granted(sent)?;
        tx.append(&at, item)
    });
    kept.await.unwrap();
    for (later, answers) in [(0, 0), (10, 1), (9, 0), (1, 0)] {
        world.clock.advance(later);
        known("dora@other.test").await;
        known("bob@other.test").await;
        assert_eq!(world.queue().len(), answers, "after {later} more");
        assert!(world.answers().iter().all(|text| text.contains("to those she knows")));
        world.forget().await;
    }
    setting.set_state(OutOfOfficeState::On, now);
    setting.external_unknown = says(" ");
    world.leaves("anna", setting).await;
    known("bob@other.test").await;
    assert_eq!(world.left(), 0, "there is nothing to say");
}

#[tokio::test]
async fn a_colleague_is_answered_in_the_inbox_and_once_for_two_who_are_away() {
    let world = quiet().await;
    let mut setting = away();
    setting.internal = OutOfOfficeMessage { enabled: true, text: "<b>Back</b> soon".into(), is_html: true };
    world.leaves("anna", setting.clone()).await;
    world.leaves("postmaster", setting).await;
    let text = "To: anna@example.test, postmaster+x@example.test, anna+y@example.test\r\n\r\n";
    let to = ["anna@example.test", "postmaster+x@example.test", "anna+y@example.test"];
    world.send("berta@example.test", &to, text).await;
    world.until("both have answered", |w| w.mail_of(2).len() == 2).await;
    let mail = world.mail_of(2);
    let message = parse(mail[0].as_bytes());
    assert!(mail[0].starts_with("Return-Path: <>\r\nDelivered-To: berta@example.test\r\n"));
    assert_eq!(message.header("Subject").as_deref(), Some("Automatic reply"));
    assert_eq!((message.header("In-Reply-To"), message.header("References")), (None, None));
    assert_eq!(body::text(&message).trim(), "Back soon");
    assert!(body::html(&message).contains("<b>Back</b> soon") && mail[0].contains("multipart/alternative"));
    // She is away as well: nobody answers an answer.
    world.leaves("berta", away()).await;
    world.send("anna@example.test", &["berta@example.test"], "To: berta@example.test\r\n\r\n").await;
    world.until("she has answered", |w| w.mail_of(1).len() == 2 && w.queue().is_empty()).await;
    assert_eq!((world.mail_of(2).len(), world.left()), (3, 0));
}
