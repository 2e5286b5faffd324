//! Several sessions on one mailbox: what each is told, and when. RFC 9051 §7.5.1.

use super::*;
use crate::mailbox::{Edit, Knew, Uid};

const MAIL: &[u8] = b"Subject: x\r\n\r\nx\r\n";

impl House {
    async fn flag(&self, uid: u32, set: Flags) {
        let folder = self.inbox().id;
        self.act(move |tx| {
            let at = tx.granted(folder)?;
            tx.edit(&at, Uid(uid), &Edit { set, ..Edit::default() }, Knew(None))
        })
        .await;
    }

    async fn expunge(&self, uid: u32) {
        let folder = self.inbox().id;
        self.act(move |tx| {
            let at = tx.granted(folder)?;
            tx.expunge(&at, Uid(uid))
        })
        .await;
    }
}

#[tokio::test]
async fn idle_tells_at_once() {
    let house = House::new().await;
    house.deliver(MAIL).await;
    let mut client = house.at_inbox().await;
    client.send(b"b IDLE\r\n").await;
    assert_eq!(client.line().await, "+ idling\r\n");
    house.deliver(MAIL).await;
    assert_eq!(client.line().await, "* 2 EXISTS\r\n");
    house.flag(1, Flags::SEEN).await;
    assert_eq!(client.line().await, "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n");
    house.expunge(1).await;
    assert_eq!(client.line().await, "* 1 EXPUNGE\r\n");
    house.deliver(MAIL).await;
    assert_eq!(client.line().await, "* 2 EXISTS\r\n");
    client.send(b"done\r\n").await;
    assert_eq!(client.line().await, "b OK IDLE done\r\n");
}

#[tokio::test]
async fn idle_without_a_mailbox_and_with_nonsense() {
    let house = House::new().await;
    let mut client = house.alice().await;
    client.send(b"b IDLE\r\nDONE\r\nc IDLE\r\nNOOP\r\n").await;
    assert_eq!(client.until("c ").await, "+ idling\r\nb OK IDLE done\r\n+ idling\r\nc BAD expected DONE\r\n");
}

#[tokio::test]
async fn numbers_stand_until_they_may_change() {
    let house = House::new().await;
    for _ in 0..4 {
        house.deliver(MAIL).await;
    }
    let mut client = house.at_inbox().await;
    house.expunge(2).await;
    house.expunge(3).await;
    house.deliver(MAIL).await;
    // FETCH and SEARCH by number may tell of new messages, not of expunged ones.
    assert_eq!(
        client.say("FETCH 1:* UID").await,
        "* 1 FETCH (UID 1)\r\n* 4 FETCH (UID 4)\r\n* 5 EXISTS\r\n\
         a3 NO [EXPUNGEISSUED] some of the messages are not there any more\r\n"
    );
    assert_eq!(client.say("SEARCH ALL").await, "* SEARCH 1 4 5\r\na4 OK SEARCH done\r\n");
    assert_eq!(
        client.say("FETCH 4:5 FLAGS").await,
        "* 4 FETCH (FLAGS ())\r\n* 5 FETCH (FLAGS ())\r\na5 OK FETCH done\r\n"
    );
    // The same by UID may.
    assert_eq!(
        client.say("UID FETCH 3:* FLAGS").await,
        "* 4 FETCH (UID 4 FLAGS ())\r\n* 5 FETCH (UID 5 FLAGS ())\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\na6 OK FETCH done\r\n"
    );
    assert_eq!(client.say("SEARCH ALL").await, "* SEARCH 1 2 3\r\na7 OK SEARCH done\r\n");
    assert_eq!(client.say("FETCH 3 UID").await, "* 3 FETCH (UID 5)\r\na8 OK FETCH done\r\n");
    house.expunge(4).await;
    assert_eq!(client.say("NOOP").await, "* 2 EXPUNGE\r\na9 OK done\r\n");
}

#[tokio::test]
async fn born_and_gone_in_between_is_nothing() {
    let house = House::new().await;
    let mut client = house.at_inbox().await;
    house.deliver(MAIL).await;
    house.expunge(1).await;
    assert_eq!(client.say("NOOP").await, "a3 OK done\r\n");
    house.deliver(MAIL).await;
    house.flag(2, Flags::FLAGGED).await;
    assert_eq!(client.say("NOOP").await, "* 1 EXISTS\r\na4 OK done\r\n");
}

#[tokio::test]
async fn modseqs_are_told_to_those_who_asked() {
    let house = House::new().await;
    let first = house.deliver(MAIL).await;
    let second = house.deliver(MAIL).await;
    let mut client = house.at_inbox().await;
    assert_eq!(
        client.say(&format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {})", first.modseq.0)).await,
        format!("* 2 FETCH (FLAGS () MODSEQ ({}))\r\na3 OK FETCH done\r\n", second.modseq.0)
    );
    house.flag(1, Flags::SEEN).await;
    let now = house.inbox().highest.0;
    assert_eq!(
        client.say("NOOP").await,
        format!("* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ({now}))\r\na4 OK done\r\n")
    );
    assert_eq!(
        client.say(&format!("SEARCH MODSEQ {now}")).await,
        format!("* SEARCH 1 (MODSEQ {now})\r\na5 OK SEARCH done\r\n")
    );
}

/// More changes than one look takes are told all the same.
#[tokio::test]
async fn many_changes_are_told_in_pieces() {
    const MANY: u32 = 4_100;
    let house = House::new().await;
    let folder = house.inbox().id;
    let store = house.services.store.clone();
    let body = store.stage_body(&store.body_key(1), &Bytes::from_static(MAIL)).unwrap();
    let record: Bytes = MailRecord::from_message(&message::parse(MAIL)).encode().into();
    house
        .act(move |tx| {
            let to = tx.granted(folder)?;
            for _ in 0..MANY {
                let (body, record) = (body.clone(), record.clone());
                tx.append(
                    &to,
                    NewItem {
                        body,
                        prefix: Bytes::new(),
                        record,
                        internal_date: NOW,
                        filter_date: None,
                        flags: Flags::NONE,
                        keywords: Vec::new(),
                        thread: ThreadKeys::default(),
                        dav_name: None,
                        ical_uid: None,
                        properties: Vec::new(),
                    },
                )?;
            }
            Ok(())
        })
        .await;
    let mut client = house.at_inbox().await;
    house
        .act(move |tx| {
            let at = tx.granted(folder)?;
            for uid in 1..=MANY {
                if uid % 2 == 0 {
                    tx.expunge(&at, Uid(uid))?;
                } else {
                    tx.edit(&at, Uid(uid), &Edit { set: Flags::SEEN, ..Edit::default() }, Knew(None))?;
                }
            }
            Ok(())
        })
        .await;
    let told = client.say("NOOP").await;
    assert_eq!(told.matches(" EXPUNGE\r\n").count(), 2_050);
    assert_eq!(told.matches("FLAGS (\\Seen)").count(), 2_050);
    let all = client.say("FETCH 1:* FLAGS").await;
    assert_eq!(all.matches("FLAGS (\\Seen)").count(), 2_050);
    assert!(all.contains("* 2050 FETCH (FLAGS (\\Seen))\r\n") && all.ends_with("a4 OK FETCH done\r\n"));
    assert!(client.say("UID SEARCH RETURN (MIN MAX COUNT) SEEN").await.contains("MIN 1 MAX 4099 COUNT 2050"));
}

#[tokio::test]
async fn a_deleted_mailbox_ends_the_session() {
    let house = House::new().await;
    let owner = house.alice;
    let id = house
        .act(move |tx| {
            let new = crate::mailbox::NewFolder {
                parent: FolderId::TOP,
                name: "x",
                kind: crate::mailbox::Kind::Mail,
            };
            tx.create_folder(owner, &new)
        })
        .await;
    let mut client = house.alice().await;
    assert!(client.say("SELECT x").await.contains("OK [READ-WRITE]"));
    house
        .act(move |tx| {
            let folder = tx.granted(id)?;
            tx.delete_folder(&folder)
        })
        .await;
    client.send(b"b NOOP\r\n").await;
    assert_eq!(client.rest().await, "* BYE the selected mailbox is gone\r\n");
}
