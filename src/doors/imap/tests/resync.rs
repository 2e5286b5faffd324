//! CONDSTORE and QRESYNC: what a client hears that was here before. RFC 7162.

use super::*;
use crate::mailbox::Uid;

const MAIL: &[u8] = b"Subject: x\r\n\r\nx\r\n";

struct Left {
    house: House,
    validity: u32,
    modseq: u64,
}

impl Left {
    /// Six messages that a client knows, of which then 2 and 5 went, 3 was flagged and a seventh came.
    async fn house() -> Self {
        let house = House::new().await;
        for _ in 0..6 {
            house.deliver(MAIL).await;
        }
        let (validity, modseq) = (house.inbox().uid_validity, house.inbox().highest.0);
        let mut other = house.in_inbox().await;
        other.say("STORE 2,5 +FLAGS.SILENT (\\Deleted)").await;
        other.say("EXPUNGE").await;
        other.say("UID STORE 3 +FLAGS.SILENT (\\Flagged)").await;
        house.deliver(MAIL).await;
        Self { house, validity, modseq }
    }

    async fn client(&self) -> Client {
        let mut client = self.house.alice().await;
        let enabled = client.say("ENABLE QRESYNC").await;
        assert_eq!(enabled, "* ENABLED QRESYNC\r\na2 OK enabled\r\n");
        client
    }

    fn flagged(&self) -> u64 {
        self.house.view().item(&self.house.inbox(), Uid(3)).unwrap().unwrap().modseq.0
    }
}

/// What SELECT says after the usual.
fn news(answer: &str) -> &str {
    answer.split_once("the mailbox itself\r\n").map_or(answer, |(_, news)| news)
}

#[tokio::test]
async fn select_tells_what_happened() {
    let left = Left::house().await;
    let (validity, modseq, head) = (left.validity, left.modseq, left.house.inbox().highest.0);
    let mut client = left.client().await;
    let all = client.say(&format!("SELECT INBOX (QRESYNC ({validity} {modseq}))")).await;
    let flagged = left.flagged();
    assert_eq!(
        news(&all),
        format!(
            "* VANISHED (EARLIER) 2,5\r\n* 2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ ({flagged}))\r\n\
             * 5 FETCH (UID 7 FLAGS () MODSEQ ({head}))\r\na3 OK [READ-WRITE] selected\r\n"
        )
    );
    let some = client.say(&format!("SELECT INBOX (QRESYNC ({validity} {modseq} 1:3 (1:2 1:2)))")).await;
    assert_eq!(
        news(&some),
        format!(
            "* VANISHED (EARLIER) 2\r\n* 2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ ({flagged}))\r\n\
             a4 OK [READ-WRITE] selected\r\n"
        )
    );
    let now = client.say(&format!("SELECT INBOX (QRESYNC ({validity} {head}))")).await;
    assert_eq!(news(&now), "a5 OK [READ-WRITE] selected\r\n");
    // Another mailbox than the client knows: it starts again by itself.
    let other = client.say(&format!("SELECT INBOX (QRESYNC ({} {modseq}))", validity + 1)).await;
    assert_eq!(news(&other), "a6 OK [READ-WRITE] selected\r\n");
    // A state that has not been yet.
    let future = client.say(&format!("SELECT INBOX (QRESYNC ({validity} 9223372036854775807))")).await;
    let told = news(&future);
    assert!(told.starts_with("* VANISHED (EARLIER) 2,5\r\n* 1 FETCH (UID 1 "), "{told}");
    assert_eq!(told.matches(" FETCH (").count(), 5);
}

#[tokio::test]
async fn tombstones_that_are_gone_are_no_wrong_answer() {
    let left = Left::house().await;
    left.house.services.clock.advance(400 * 24 * 3600 * 1_000);
    let now = left.house.services.clock.now();
    let mailbox = &left.house.services.mailbox;
    let view = mailbox.view(Acting::System).unwrap();
    let old = crate::mailbox::old_tombstones(view.reader(), None, now, 1_000).unwrap().found;
    assert!(!old.is_empty());
    mailbox.shrink(Acting::System, Origin::OTHER, move |tx| tx.purge_tombstones(&old, now)).await.unwrap();
    let mut client = left.client().await;
    let all = client.say(&format!("SELECT INBOX (QRESYNC ({} {} 1:6))", left.validity, left.modseq)).await;
    assert!(news(&all).starts_with("* VANISHED (EARLIER) 2,5\r\n* 2 FETCH (UID 3 "), "{all}");
}

#[tokio::test]
async fn vanished_instead_of_expunge() {
    let left = Left::house().await;
    let mut client = left.client().await;
    client.say("SELECT INBOX").await;
    let mut other = left.house.in_inbox().await;
    other.say("STORE 1,3,4 +FLAGS.SILENT (\\Deleted)").await;
    other.say("EXPUNGE").await;
    assert_eq!(client.say("NOOP").await, "* VANISHED 1,4,6\r\na4 OK done\r\n");
    client.say("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    let expunged = client.say("EXPUNGE").await;
    let head = left.house.inbox().highest.0;
    assert_eq!(expunged, format!("* VANISHED 3\r\na6 OK [HIGHESTMODSEQ {head}] EXPUNGE done\r\n"));
    let moved = client.say("MOVE 1 Trash").await;
    assert!(moved.contains("] moved\r\n* VANISHED 7\r\na7 OK [HIGHESTMODSEQ "), "{moved}");
}

#[tokio::test]
async fn uid_fetch_tells_what_vanished() {
    let left = Left::house().await;
    let mut client = left.client().await;
    client.say("SELECT INBOX").await;
    assert_eq!(
        client.say(&format!("UID FETCH 1:4 (FLAGS) (CHANGEDSINCE {} VANISHED)", left.modseq)).await,
        format!(
            "* VANISHED (EARLIER) 2\r\n* 2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ ({}))\r\na4 OK FETCH done\r\n",
            left.flagged()
        )
    );
    assert!(client.say("FETCH 1:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)").await.starts_with("a5 BAD "));
    let mut plain = left.house.in_inbox().await;
    assert_eq!(
        plain.say("UID FETCH 1:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)").await,
        "a3 BAD enable QRESYNC first\r\n"
    );
    assert_eq!(plain.say("SELECT INBOX (QRESYNC (1 1))").await, "a4 BAD enable QRESYNC first\r\n");
}
