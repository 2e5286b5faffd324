//! STORE, COPY, MOVE and EXPUNGE, and what other sessions hear of them.

use super::*;
use crate::mailbox::{Kind, NewFolder};

const MAIL: &[u8] = b"Subject: x\r\n\r\nx\r\n";

impl House {
    async fn make(&self, name: &'static str) -> FolderId {
        let owner = self.alice;
        self.act(move |tx| {
            tx.create_folder(owner, &NewFolder { parent: FolderId::TOP, name, kind: Kind::Mail })
        })
        .await
    }

    fn validity(&self, folder: FolderId) -> u32 {
        self.view().readable(folder).unwrap().uid_validity
    }

    fn highest(&self) -> u64 {
        self.inbox().highest.0
    }
}

#[tokio::test]
async fn store_sets_clears_and_replaces() {
    let house = House::new().await;
    house.deliver(MAIL).await;
    house.deliver(MAIL).await;
    let mut client = house.in_inbox().await;
    assert_eq!(
        client.say("STORE 1 +FLAGS (\\Seen Work)").await,
        "* 1 FETCH (UID 1 FLAGS (\\Seen Work))\r\na3 OK STORE done\r\n"
    );
    // Case does not count, and what is so already is answered all the same.
    assert_eq!(
        client.say("STORE 1 +FLAGS (work $junk)").await,
        "* 1 FETCH (UID 1 FLAGS (\\Seen $Junk Work))\r\na4 OK STORE done\r\n"
    );
    assert_eq!(
        client.say("UID STORE 1 +FLAGS WORK").await,
        "* 1 FETCH (UID 1 FLAGS (\\Seen $Junk Work))\r\na5 OK STORE done\r\n"
    );
    assert_eq!(
        client.say("STORE 1:* FLAGS (\\Flagged)").await,
        "* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\na6 OK STORE done\r\n"
    );
    assert_eq!(client.say("STORE 1 -FLAGS.SILENT \\flagged").await, "a7 OK STORE done\r\n");
    assert_eq!(client.say("NOOP").await, "a8 OK done\r\n");
    assert_eq!(client.say("FETCH 1 FLAGS").await, "* 1 FETCH (FLAGS ())\r\na9 OK FETCH done\r\n");
    assert_eq!(client.say("STORE 1 +FLAGS (\\Recent)").await, "a10 BAD no client can set that flag\r\n");
    // Messages that are not there.
    assert_eq!(client.say("UID STORE 77 +FLAGS (\\Seen)").await, "a11 OK STORE done\r\n");
    assert_eq!(client.say("STORE 77 +FLAGS (\\Seen)").await, "a12 OK STORE done\r\n");
    let many: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    let answer = client.say(&format!("STORE 1 +FLAGS ({})", many.join(" "))).await;
    assert_eq!(answer, "a13 NO [LIMIT] there are too many keywords\r\n");
    assert!(client.say("EXAMINE INBOX").await.contains("[READ-ONLY]"));
    let refused = "NO [CANNOT] the mailbox is open for reading only\r\n";
    assert_eq!(client.say("STORE 1 FLAGS (\\Seen)").await, format!("a15 {refused}"));
    assert_eq!(client.say("EXPUNGE").await, format!("a16 {refused}"));
    assert_eq!(client.say("MOVE 1 Trash").await, format!("a17 {refused}"));
}

#[tokio::test]
async fn words_that_imap_cannot_show_stay() {
    let house = House::new().await;
    let placed = house.deliver(MAIL).await;
    let inbox = house.inbox().id;
    house
        .act(move |tx| {
            let at = tx.granted(inbox)?;
            let edit = crate::mailbox::Edit {
                add_keywords: vec!["two words".into(), "one".into()],
                ..Default::default()
            };
            tx.edit(&at, placed.uid, &edit, crate::mailbox::Knew(None))
        })
        .await;
    let mut client = house.in_inbox().await;
    assert_eq!(
        client.say("STORE 1 FLAGS (other)").await,
        "* 1 FETCH (UID 1 FLAGS (other))\r\na3 OK STORE done\r\n"
    );
    let item = house.view().item(&house.inbox(), placed.uid).unwrap().unwrap();
    assert_eq!(item.keywords, ["other", "two words"]);
}

#[tokio::test]
async fn reading_marks_as_seen_where_it_may() {
    let house = House::new().await;
    house.deliver(MAIL).await;
    let mut reader = house.at_inbox().await;
    assert_eq!(
        reader.say("FETCH 1 BODY[TEXT]").await,
        "* 1 FETCH (BODY[TEXT] {3}\r\nx\r\n)\r\na3 OK FETCH done\r\n"
    );
    let mut client = house.in_inbox().await;
    assert_eq!(
        client.say("FETCH 1 BODY.PEEK[TEXT]").await,
        "* 1 FETCH (BODY[TEXT] {3}\r\nx\r\n)\r\na3 OK FETCH done\r\n"
    );
    assert_eq!(
        client.say("FETCH 1 BODY[TEXT]").await,
        "* 1 FETCH (BODY[TEXT] {3}\r\nx\r\n)\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\na4 OK FETCH done\r\n"
    );
    assert_eq!(
        client.say("FETCH 1 BODY[TEXT]").await,
        "* 1 FETCH (BODY[TEXT] {3}\r\nx\r\n)\r\na5 OK FETCH done\r\n"
    );
    assert_eq!(reader.say("NOOP").await, "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\na4 OK done\r\n");
}

/// Three sessions: one changes, one is in the middle of commands by number, one is idle.
#[tokio::test]
async fn what_others_hear() {
    let house = House::new().await;
    for _ in 0..5 {
        house.deliver(MAIL).await;
    }
    let (mut one, mut two, mut three) =
        (house.in_inbox().await, house.in_inbox().await, house.in_inbox().await);
    three.send(b"i IDLE\r\n").await;
    assert_eq!(three.line().await, "+ idling\r\n");
    one.say("STORE 2,4 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(three.line().await, "* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\n");
    assert_eq!(three.line().await, "* 4 FETCH (UID 4 FLAGS (\\Deleted))\r\n");
    assert_eq!(one.say("EXPUNGE").await, "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\na4 OK EXPUNGE done\r\n");
    assert_eq!(three.line().await, "* 4 EXPUNGE\r\n");
    assert_eq!(three.line().await, "* 2 EXPUNGE\r\n");
    // The second still counts five; what is gone cannot be changed, and is not told yet.
    assert_eq!(
        two.say("STORE 1:5 +FLAGS (\\Flagged)").await,
        "* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n* 3 FETCH (UID 3 FLAGS (\\Flagged))\r\n\
         * 5 FETCH (UID 5 FLAGS (\\Flagged))\r\n\
         a3 NO [EXPUNGEISSUED] some of the messages are not there any more\r\n"
    );
    assert_eq!(
        two.say("COPY 1:5 Trash").await,
        "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\na4 NO [EXPUNGEISSUED] some of the messages are not there any more\r\n"
    );
    assert_eq!(two.say("NOOP").await, "a5 OK done\r\n");
    // Silent, yet somebody else's change that was not told before is told with it.
    one.say("NOOP").await;
    two.say("STORE 1 +FLAGS.SILENT (\\Answered)").await;
    assert_eq!(
        one.say("STORE 1 +FLAGS.SILENT (\\Seen)").await,
        "* 1 FETCH (UID 1 FLAGS (\\Answered \\Flagged \\Seen))\r\na6 OK STORE done\r\n"
    );
}

#[tokio::test]
async fn copy_and_move_say_where_it_went() {
    let house = House::new().await;
    let work = house.make("Work").await;
    for _ in 0..4 {
        house.deliver(MAIL).await;
    }
    let validity = house.validity(work);
    let mut client = house.in_inbox().await;
    client.say("STORE 2 +FLAGS.SILENT (\\Flagged word)").await;
    assert_eq!(
        client.say("COPY 2:3 Work").await,
        format!("a4 OK [COPYUID {validity} 2:3 1:2] COPY done\r\n")
    );
    assert_eq!(
        client.say("MOVE 1,4 Work").await,
        format!(
            "* OK [COPYUID {validity} 1,4 3:4] moved\r\n* 4 EXPUNGE\r\n* 1 EXPUNGE\r\na5 OK MOVE done\r\n"
        )
    );
    assert_eq!(client.say("COPY 1 Nowhere").await, "a6 NO [TRYCREATE] no such mailbox; create it first\r\n");
    assert_eq!(client.say("MOVE 1 Nowhere").await, "a7 NO [TRYCREATE] no such mailbox; create it first\r\n");
    assert!(client.say("MOVE 1 INBOX").await.starts_with("a8 NO [CANNOT] "));
    assert_eq!(client.say("UID COPY 77 Work").await, "a9 OK there is no such message\r\n");
    assert_eq!(client.say("UID MOVE 77 Work").await, "a10 OK MOVE done\r\n");
    assert!(client.say("SELECT Work").await.contains("* 4 EXISTS\r\n"));
    assert_eq!(
        client.say("FETCH 1 (FLAGS)").await,
        "* 1 FETCH (FLAGS (\\Flagged word))\r\na12 OK FETCH done\r\n"
    );
}

#[tokio::test]
async fn a_copy_is_whole_or_not_at_all() {
    let house = House::with(|_| {}).await;
    let work = house.make("Work").await;
    let inbox = house.inbox().id;
    let owner = house.alice;
    // More than one transaction takes, the quota reached in the second.
    for _ in 0..600 {
        house.deliver(MAIL).await;
    }
    let bytes = house.view().owner(owner).unwrap().bytes;
    let each = bytes / 600;
    let act = house
        .services
        .mailbox
        .write(Acting::System, Origin::OTHER, move |tx| tx.set_quota(owner, Some(bytes + each * 550)));
    act.await.unwrap();
    let mut client = house.in_inbox().await;
    assert_eq!(client.say("COPY 1:* Work").await, "a3 NO [OVERQUOTA] the quota would be exceeded\r\n");
    let view = house.view();
    assert_eq!(view.readable(work).unwrap().items, 0);
    assert_eq!(view.readable(inbox).unwrap().items, 600);
}

#[tokio::test]
async fn expunge_takes_what_is_marked_and_known() {
    let house = House::new().await;
    for _ in 0..4 {
        house.deliver(MAIL).await;
    }
    let mut client = house.in_inbox().await;
    client.say("STORE 1:3 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(client.say("UID EXPUNGE 2:4").await, "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\na4 OK EXPUNGE done\r\n");
    let mut other = house.in_inbox().await;
    assert_eq!(client.say("UNSELECT").await, "a5 OK closed\r\n");
    assert_eq!(other.say("NOOP").await, "a3 OK done\r\n");
    assert!(client.say("SELECT INBOX").await.contains("* 2 EXISTS\r\n"));
    // CLOSE says nothing of it; others hear.
    assert_eq!(client.say("CLOSE").await, "a7 OK closed\r\n");
    assert_eq!(other.say("NOOP").await, "* 1 EXPUNGE\r\na4 OK done\r\n");
    assert!(client.say("EXAMINE INBOX").await.contains("* 1 EXISTS\r\n"));
}

#[tokio::test]
async fn conditional_stores() {
    let house = House::new().await;
    house.deliver(MAIL).await;
    house.deliver(MAIL).await;
    let before = house.highest();
    let mut one = house.in_inbox().await;
    let mut two = house.in_inbox().await;
    two.say("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    let first = house.highest();
    let answer = one.say(&format!("STORE 1:2 (UNCHANGEDSINCE {before}) +FLAGS.SILENT (\\Flagged)")).await;
    let second = house.highest();
    assert_eq!(
        answer,
        format!(
            "* 2 FETCH (UID 2 MODSEQ ({second}))\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ({first}))\r\n\
             a3 OK [MODIFIED 1] some messages changed meanwhile\r\n"
        )
    );
    // From now on modseqs come with everything.
    assert_eq!(
        one.say(&format!("UID STORE 1 (UNCHANGEDSINCE {first}) -FLAGS (\\Seen)")).await,
        format!("* 1 FETCH (UID 1 FLAGS () MODSEQ ({}))\r\na4 OK STORE done\r\n", house.highest())
    );
    assert_eq!(
        one.say("UID STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)").await,
        "a5 OK [MODIFIED 1:2] some messages changed meanwhile\r\n"
    );
}

/// Many messages, changed in several transactions, without an echo.
#[tokio::test]
async fn large_sets() {
    let house = House::new().await;
    for _ in 0..1_200 {
        house.deliver(MAIL).await;
    }
    let mut client = house.in_inbox().await;
    assert_eq!(client.say("STORE 1:* +FLAGS.SILENT (\\Deleted)").await, "a3 OK STORE done\r\n");
    assert_eq!(client.say("NOOP").await, "a4 OK done\r\n");
    let moved = client.say("MOVE 1:600 Trash").await;
    assert_eq!(moved.matches(" EXPUNGE\r\n").count(), 600);
    assert!(moved.contains(" 1:600 1:600] moved\r\n"), "{}", moved.get(..200).unwrap_or_default());
    assert_eq!(client.say("EXPUNGE").await.matches(" EXPUNGE\r\n").count(), 600);
    assert_eq!(house.inbox().items, 0);
}
