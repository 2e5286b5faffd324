//! APPEND, alone and of several messages at once.

use super::*;

const MAIL: &str = "Subject: x\r\n\r\nx\r\n";

impl House {
    /// `APPENDUID` for the Inbox.
    fn appended(&self, uids: &str) -> String {
        format!("OK [APPENDUID {} {uids}] APPEND done\r\n", self.inbox().uid_validity)
    }
}

#[tokio::test]
async fn one_message() {
    let house = House::new().await;
    let mut client = house.alice().await;
    client.send(b"b APPEND INBOX (\\Seen Work) \"17-Jul-1996 02:44:25 -0700\" {17}\r\n").await;
    assert_eq!(client.line().await, "+ OK\r\n");
    client.send(format!("{MAIL}\r\n").as_bytes()).await;
    assert_eq!(client.line().await, format!("b {}", house.appended("1")));
    client.say("EXAMINE INBOX").await;
    assert_eq!(
        client.say("FETCH 1 (FLAGS INTERNALDATE ENVELOPE BODY.PEEK[])").await,
        format!(
            "* 1 FETCH (FLAGS (\\Seen Work) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" \
             ENVELOPE (NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY[] {{17}}\r\n{MAIL})\r\n\
             a3 OK FETCH done\r\n"
        )
    );
}

#[tokio::test]
async fn the_selected_mailbox_says_so() {
    let house = House::new().await;
    let mut client = house.in_inbox().await;
    client.send(format!("b APPEND INBOX {{17+}}\r\n{MAIL}\r\n").as_bytes()).await;
    assert_eq!(client.until("b ").await, format!("* 1 EXISTS\r\nb {}", house.appended("1")));
    // The name as a literal, the message unasked, and the next command behind it.
    client.send(format!("c APPEND {{5+}}\r\nInbox () ~{{17+}}\r\n{MAIL}\r\nd NOOP\r\n").as_bytes()).await;
    assert_eq!(client.until("d ").await, format!("* 2 EXISTS\r\nc {}d OK done\r\n", house.appended("2")));
}

#[tokio::test]
async fn several_are_all_or_none() {
    let house = House::new().await;
    let mut client = house.alice().await;
    client.send(b"b APPEND INBOX (\\Seen) {17}\r\n").await;
    assert_eq!(client.line().await, "+ OK\r\n");
    client.send(format!("{MAIL} {{17}}\r\n").as_bytes()).await;
    assert_eq!(client.line().await, "+ OK\r\n");
    client.send(format!("{MAIL} (\\Flagged) {{17+}}\r\n{MAIL}\r\n").as_bytes()).await;
    assert_eq!(client.line().await, format!("b {}", house.appended("1:3")));
    // What follows the second is no message: none is kept, and the rest is passed over.
    client
        .send(
            format!(
                "c APPEND INBOX {{17+}}\r\n{MAIL} {{17+}}\r\n{MAIL} nonsense {{3+}}\r\nabc\r\nd NOOP\r\n"
            )
            .as_bytes(),
        )
        .await;
    let answer = client.until("d ").await;
    assert!(answer.starts_with("c BAD ") && answer.ends_with("\r\nd OK done\r\n"), "{answer}");
    // A message of no length is how a client gives up.
    client.send(format!("e APPEND INBOX {{17+}}\r\n{MAIL} {{0+}}\r\n\r\nf NOOP\r\n").as_bytes()).await;
    let answer = client.until("f ").await;
    assert_eq!(answer, "e NO [CANNOT] the message is empty\r\nf OK done\r\n");
    assert_eq!(house.inbox().items, 3);
}

#[tokio::test]
async fn what_is_refused_is_not_asked_for() {
    let house = House::with(|config| config.smtp.max_message = 1_000).await;
    let mut client = house.alice().await;
    assert_eq!(
        client.say("APPEND Nowhere {17}").await,
        "a2 NO [TRYCREATE] no such mailbox; create it first\r\n"
    );
    assert_eq!(
        client.say("APPEND Calendar {17}").await,
        "a3 NO [TRYCREATE] no such mailbox; create it first\r\n"
    );
    assert_eq!(client.say("APPEND INBOX {1001}").await, "a4 NO [TOOBIG] the message is too large\r\n");
    assert_eq!(client.say("APPEND INBOX (\\Recent) {17}").await, "a5 BAD no client can set that flag\r\n");
    assert_eq!(client.say("APPEND INBOX").await, "a6 BAD expected a message as a literal\r\n");
    assert_eq!(client.say("APPEND INBOX UTF8 (~{17}").await, "a7 BAD enable UTF8=ACCEPT first\r\n");
    // Unasked, it is passed over.
    client.send(format!("b APPEND Nowhere {{17+}}\r\n{MAIL}\r\nc NOOP\r\n").as_bytes()).await;
    assert_eq!(
        client.until("c ").await,
        "b NO [TRYCREATE] no such mailbox; create it first\r\nc OK done\r\n"
    );
    assert!(client.say("ENABLE UTF8=ACCEPT").await.contains("ENABLED"));
    client.send(format!("d APPEND INBOX UTF8 (~{{17+}}\r\n{MAIL})\r\n").as_bytes()).await;
    assert_eq!(client.line().await, format!("d {}", house.appended("1")));
    client.send(b"e APPEND INBOX {4294967296+}\r\n").await;
    assert_eq!(client.rest().await, "* BYE that is more than may be sent unasked\r\n");
    assert_eq!(house.inbox().items, 1);
}

#[tokio::test]
async fn before_a_login_nothing_is_taken() {
    let house = House::new().await;
    let mut client = house.client().await;
    assert_eq!(client.say("APPEND INBOX {100000}").await, "a1 NO [TOOBIG] the literal is too large\r\n");
    client.send(b"b APPEND INBOX {100000+}\r\n").await;
    assert!(client.rest().await.starts_with("* BYE "));
}

#[tokio::test]
async fn too_many_and_over_quota() {
    let house = House::new().await;
    let owner = house.alice;
    let mut client = house.alice().await;
    let mut all = format!("b APPEND INBOX {{17+}}\r\n{MAIL}");
    for _ in 0..300 {
        all.push_str(&format!(" {{17+}}\r\n{MAIL}"));
    }
    client.send(format!("{all}\r\nc NOOP\r\n").as_bytes()).await;
    assert_eq!(client.until("c ").await, "b NO [LIMIT] too many messages at once\r\nc OK done\r\n");
    let quota =
        house.services.mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.set_quota(owner, Some(40)));
    quota.await.unwrap();
    client
        .send(format!("d APPEND INBOX {{17+}}\r\n{MAIL} {{17+}}\r\n{MAIL} {{17+}}\r\n{MAIL}\r\n").as_bytes())
        .await;
    assert_eq!(client.line().await, "d NO [OVERQUOTA] the quota would be exceeded\r\n");
    assert_eq!(house.inbox().items, 0);
}

#[tokio::test]
async fn large_messages_come_whole() {
    let house = House::new().await;
    let mut client = house.alice().await;
    let large = [MAIL.as_bytes(), &b"0123456789abcd\r\n".repeat(200_000)].concat();
    client.send(format!("b APPEND INBOX {{{}}}\r\n", large.len()).as_bytes()).await;
    assert_eq!(client.line().await, "+ OK\r\n");
    client.send(&large).await;
    client.send(b"\r\n").await;
    assert_eq!(client.line().await, format!("b {}", house.appended("1")));
    let item = house.view().item(&house.inbox(), crate::mailbox::Uid(1)).unwrap().unwrap();
    let whole = house.services.mailbox.message(&house.view(), &house.inbox(), &item).unwrap();
    assert_eq!(whole, large);
    assert_eq!(house.imap.room.free(), super::super::room::ROOM);
}
