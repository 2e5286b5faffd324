//! Which conversation a message joins.

use super::*;

/// What a conversation is found by.
fn keys(message_id: u64, references: &[u64], subject: Option<u64>, is_reply: bool) -> ThreadKeys {
    ThreadKeys { message_id: Some(message_id), references: references.to_vec(), subject, is_reply }
}

async fn thread(home: &Home, keys: ThreadKeys) -> u64 {
    let inbox = home.role(Role::Inbox).id;
    let item = NewItem { thread: keys, ..home.item("m", 1) };
    let uid = append(home, inbox, item).await.unwrap().uid;
    home.get(inbox, uid).unwrap().thread
}

#[tokio::test]
async fn conversations_are_found_by_references_newest_first() {
    let home = Home::new().await;
    let first = thread(&home, keys(1, &[], None, false)).await;
    assert_eq!(thread(&home, keys(2, &[1], None, true)).await, first);
    assert_eq!(thread(&home, keys(3, &[99, 2], None, false)).await, first);
    let other = thread(&home, keys(10, &[], None, false)).await;
    assert_ne!(other, first);
    assert_eq!(thread(&home, keys(11, &[1, 10], None, true)).await, other);
    assert_eq!(thread(&home, keys(12, &[10, 98], None, true)).await, other, "an unknown one is passed over");
    assert_eq!(thread(&home, keys(1, &[], None, false)).await, first, "the same message again");
    assert_ne!(thread(&home, keys(13, &[97], None, false)).await, first);
}

#[tokio::test]
async fn a_subject_joins_only_replies_and_only_for_a_month() {
    const DAY: i64 = 86_400_000;
    let home = Home::new().await;
    let subject = Some(500);
    let first = thread(&home, keys(1, &[], subject, false)).await;
    let news = thread(&home, keys(2, &[], subject, false)).await;
    assert_ne!(news, first, "the same subject, but no reply");
    assert_eq!(thread(&home, keys(3, &[], subject, true)).await, news, "a reply joins the latest");
    home.mailbox.clock().advance(30 * DAY - 1);
    assert_eq!(thread(&home, keys(4, &[77], subject, true)).await, news);
    home.mailbox.clock().advance(30 * DAY);
    let later = thread(&home, keys(5, &[], subject, true)).await;
    assert_ne!(later, news, "too long ago");
    assert_ne!(thread(&home, keys(6, &[], None, true)).await, later);
    assert_eq!(thread(&home, keys(7, &[3], subject, true)).await, news, "a reference counts however old");
}

#[tokio::test]
async fn conversations_are_an_owners_own() {
    let home = Home::new().await;
    let first = thread(&home, keys(1, &[], None, false)).await;
    home.as_system(|tx| tx.create_owner(OwnerId(8), None)).await.unwrap();
    let theirs = home.view_of(8).by_role(OwnerId(8), Role::Inbox).unwrap();
    let item = NewItem { thread: keys(2, &[1], None, true), ..home.item("m", 1) };
    let placed = home.as_system(move |tx| {
        let to = tx.granted(theirs.id)?;
        tx.append(&to, item)
    });
    let placed = placed.await.unwrap();
    let item = home.view_of(8).item(&home.folder(placed.folder), placed.uid).unwrap().unwrap();
    assert_ne!(item.thread, first);
}
