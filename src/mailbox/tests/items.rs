//! Items: added, edited, replaced, moved, copied; counters, quota, modseqs, indexes, conversations.

use std::sync::Arc;

use super::*;
use crate::mailbox::item::KEYWORDS_MAX;
use crate::store::faulty::{Fault, Faulty};
use crate::store::{Memory, Store};

async fn edit(home: &Home, folder: FolderId, uid: Uid, edit: Edit) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.edit(&at, uid, &edit, Knew(None))
    })
    .await
}

async fn append(home: &Home, folder: FolderId, item: NewItem) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let to = tx.granted(folder)?;
        tx.append(&to, item)
    })
    .await
}

async fn move_to(home: &Home, from: FolderId, uid: Uid, to: FolderId) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let (from, to) = (tx.granted(from)?, tx.granted(to)?);
        tx.move_to(&from, uid, &to)
    })
    .await
}

async fn copy(home: &Home, from: FolderId, uid: Uid, to: FolderId) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let (from, to) = (tx.granted(from)?, tx.granted(to)?);
        tx.copy(&from, uid, &to)
    })
    .await
}

async fn expunge(home: &Home, folder: FolderId, uid: Uid) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.expunge(&at, uid)
    })
    .await
}

async fn replace(
    home: &Home,
    folder: FolderId,
    uid: Uid,
    text: &str,
    date: Option<i64>,
) -> Result<Placed, Error> {
    let NewItem { body, prefix, record, .. } = home.item(text, 0);
    let new = NewContent { body, prefix, record, filter_date: date };
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.replace(&at, uid, new, Knew(None))
    })
    .await
}

fn text(home: &Home, folder: FolderId, uid: Uid) -> String {
    let view = home.view();
    let item = home.get(folder, uid).unwrap();
    let message = home.mailbox.message(&view, &home.folder(folder), &item).unwrap();
    String::from_utf8(message.to_vec()).unwrap()
}

fn counts(home: &Home, folder: FolderId) -> (u64, u64, u64) {
    let folder = home.folder(folder);
    (folder.items, folder.unseen, folder.bytes)
}

/// `Return-Path: <>` and its line end, which every test item begins with.
const PREFIX: u64 = 17;

#[tokio::test]
async fn an_item_is_counted_logged_and_readable() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let first = home.add(inbox, "one", 5).await;
    assert_eq!((first.uid, first.folder, first.changed), (Uid(1), inbox, true));
    let seen = NewItem {
        flags: Flags::SEEN,
        keywords: vec!["b".into(), "a".into(), "b".into()],
        ..home.item("second", 6)
    };
    let second = append(&home, inbox, seen).await.unwrap();
    assert_eq!(second.uid, Uid(2));
    assert!(second.modseq > first.modseq && second.content != first.content);

    assert_eq!(counts(&home, inbox), (2, 1, 2 * PREFIX + 3 + 6));
    assert_eq!((home.counters().items, home.counters().bytes), (2, 2 * PREFIX + 9));
    assert_eq!((home.folder(inbox).highest, home.folder(inbox).uid_next), (second.modseq, 3));
    assert_eq!(
        home.log(inbox),
        [(first.modseq, LogRow::Birth { uid: Uid(1) }), (second.modseq, LogRow::Birth { uid: Uid(2) })]
    );
    let item = home.get(inbox, Uid(2)).unwrap();
    assert_eq!(item.keywords, ["a", "b"]);
    assert_eq!((item.born, item.modseq, item.content_modseq), (second.modseq, second.modseq, second.modseq));
    assert_eq!(text(&home, inbox, Uid(2)), "Return-Path: <>\r\nsecond");
    assert_eq!(home.view().record(&home.folder(inbox), Uid(1)).unwrap().unwrap().record(), b"record");
    home.check();
}

#[tokio::test]
async fn modseqs_are_the_owners_and_uids_the_folders() {
    let home = Home::new().await;
    let (inbox, trash) = (home.role(Role::Inbox).id, home.role(Role::Trash).id);
    let a = home.add(inbox, "a", 1).await;
    let b = home.add(trash, "b", 1).await;
    let c = home.add(inbox, "c", 1).await;
    assert!(a.modseq < b.modseq && b.modseq < c.modseq);
    assert_eq!((a.uid, b.uid, c.uid), (Uid(1), Uid(1), Uid(2)));
    assert_eq!(home.counters().modseq, c.modseq);
    assert_eq!(home.folder(trash).highest, b.modseq);
    // One row of the owner's log for each item, wherever its latest change was.
    edit(&home, inbox, a.uid, Edit { set: Flags::FLAGGED, ..Edit::default() }).await.unwrap();
    expunge(&home, inbox, c.uid).await.unwrap();
    assert_eq!(home.keys(Table::OwnerLog).len(), 3);
    home.check();
}

#[tokio::test]
async fn an_edit_without_a_difference_logs_and_writes_nothing() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let property = Edit {
        set: Flags::FLAGGED,
        add_keywords: vec!["k".into()],
        properties: vec![("p".into(), Some(b"1".to_vec()))],
        ..Edit::default()
    };
    let uid = home.add(inbox, "a", 1).await.uid;
    let first = edit(&home, inbox, uid, property.clone()).await.unwrap();
    assert!(first.changed);
    let before = (home.folder(inbox), home.counters(), home.log(inbox));
    let nothing = [
        Edit::default(),
        property,
        Edit { clear: Flags::SEEN.and(Flags::DRAFT), ..Edit::default() },
        Edit { remove_keywords: vec!["x".into()], ..Edit::default() },
        Edit { properties: vec![("q".into(), None)], ..Edit::default() },
    ];
    for change in nothing {
        let done = edit(&home, inbox, uid, change.clone()).await.unwrap();
        assert_eq!((done.changed, done.modseq), (false, first.modseq), "{change:?}");
    }
    assert_eq!((home.folder(inbox), home.counters(), home.log(inbox)), before);
    home.check();
}

#[tokio::test]
async fn an_edit_moves_the_row_of_the_latest_change_and_keeps_the_birth() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let born = home.add(inbox, "a", 1).await;
    let mut last = born.modseq;
    for (set, clear) in
        [(Flags::SEEN, Flags::NONE), (Flags::FLAGGED, Flags::SEEN), (Flags::SEEN, Flags::FLAGGED)]
    {
        let done = edit(&home, inbox, born.uid, Edit { set, clear, ..Edit::default() }).await.unwrap();
        assert!(done.modseq > last);
        last = done.modseq;
        assert_eq!(
            home.log(inbox),
            [(born.modseq, LogRow::Birth { uid: born.uid }), (last, LogRow::Change { uid: born.uid })]
        );
        assert_eq!(counts(&home, inbox).1, u64::from(!set.has(Flags::SEEN)));
    }
    let item = home.get(inbox, born.uid).unwrap();
    assert_eq!((item.content_modseq, item.flags_modseq, item.modseq), (born.modseq, last, last));
    let keyword = Edit { add_keywords: vec!["z".into(), "a".into()], ..Edit::default() };
    edit(&home, inbox, born.uid, keyword).await.unwrap();
    let less = Edit { remove_keywords: vec!["z".into()], ..Edit::default() };
    edit(&home, inbox, born.uid, less).await.unwrap();
    assert_eq!(home.get(inbox, born.uid).unwrap().keywords, ["a"]);
    home.check();
}

#[tokio::test]
async fn properties_are_kept_by_name() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "a", 1).await.uid;
    let set = |name: &str, value: Option<&[u8]>| Edit {
        properties: vec![(name.into(), value.map(<[u8]>::to_vec))],
        ..Edit::default()
    };
    for change in [set("b", Some(b"1")), set("a", Some(b"2")), set("b", Some(b"3"))] {
        assert!(edit(&home, inbox, uid, change).await.unwrap().changed);
    }
    let item = home.get(inbox, uid).unwrap();
    assert_eq!(item.properties, [("a".to_owned(), b"2".to_vec()), ("b".to_owned(), b"3".to_vec())]);
    assert_eq!((item.property("b"), item.property("c")), (Some(b"3".as_slice()), None));
    edit(&home, inbox, uid, set("a", None)).await.unwrap();
    assert_eq!(home.get(inbox, uid).unwrap().properties.len(), 1);
}

#[tokio::test]
async fn keywords_are_limited_in_number() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "a", 1).await.uid;
    let many: Vec<String> = (0..KEYWORDS_MAX).map(|n| n.to_string()).collect();
    edit(&home, inbox, uid, Edit { add_keywords: many, ..Edit::default() }).await.unwrap();
    let more = Edit { add_keywords: vec!["more".into()], ..Edit::default() };
    assert!(matches!(edit(&home, inbox, uid, more).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_new_content_keeps_the_ids_and_changes_sizes_and_dates() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let born = home.add(inbox, "before", 100).await;
    let done = replace(&home, inbox, born.uid, "after that", Some(200)).await.unwrap();
    assert_eq!((done.uid, done.content), (born.uid, born.content));
    let item = home.get(inbox, born.uid).unwrap();
    assert_eq!((item.content_modseq, item.flags_modseq), (done.modseq, born.modseq));
    assert_eq!((item.filter_date, item.former_dates.as_slice()), (200, [(done.modseq, 100)].as_slice()));
    assert_eq!((item.internal_date, item.size), (100, PREFIX + 10));
    assert_eq!(counts(&home, inbox), (1, 1, PREFIX + 10));
    assert_eq!(text(&home, inbox, born.uid), "Return-Path: <>\r\nafter that");
    home.check();
    // The same content again is a change all the same: the client sent it.
    assert!(replace(&home, inbox, born.uid, "after that", None).await.unwrap().modseq > done.modseq);
    assert_eq!(text(&home, inbox, born.uid), "Return-Path: <>\r\nafter that");
    home.check();
}

#[tokio::test]
async fn former_dates_are_limited_and_who_is_older_starts_again() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "x", 0).await.uid;
    for n in 1..=40 {
        replace(&home, inbox, uid, &n.to_string(), Some(n)).await.unwrap();
        home.check();
    }
    let item = home.get(inbox, uid).unwrap();
    assert_eq!(item.former_dates.len(), 32);
    assert!(home.folder(inbox).purged > item.born && home.folder(inbox).purged < item.former_dates[0].0);
}

#[tokio::test]
async fn what_goes_over_the_quota_is_refused_and_leaves_nothing() {
    let home = Home::new().await;
    let (inbox, trash) = (home.role(Role::Inbox).id, home.role(Role::Trash).id);
    let owner = home.owner;
    home.as_system(move |tx| tx.set_quota(owner, Some(2 * PREFIX + 10))).await.unwrap();
    let first = home.add(inbox, "12345", 1).await;
    let before = (home.folder(inbox), home.counters(), home.log(inbox));
    assert!(matches!(append(&home, inbox, home.item("123456", 1)).await, Err(Error::OverQuota)));
    assert!(matches!(replace(&home, inbox, first.uid, &"x".repeat(99), None).await, Err(Error::OverQuota)));
    assert_eq!((home.folder(inbox), home.counters(), home.log(inbox)), before);

    // Exactly full; what does not grow goes on.
    home.add(inbox, "54321", 1).await;
    assert!(matches!(copy(&home, inbox, first.uid, trash).await, Err(Error::OverQuota)));
    replace(&home, inbox, first.uid, "abcde", None).await.unwrap();
    replace(&home, inbox, first.uid, "abc", None).await.unwrap();
    let moved = move_to(&home, inbox, first.uid, trash).await.unwrap();
    expunge(&home, trash, moved.uid).await.unwrap();
    home.add(inbox, "12345", 1).await;
    home.check();
}

/// A caller may take a refusal and go on with its transaction: nothing of the refused part is in it.
#[tokio::test]
async fn a_refused_change_leaves_nothing_in_its_transaction() {
    let home = Home::new().await;
    let (inbox, calendar) = (home.role(Role::Inbox).id, home.role(Role::Calendar).id);
    let event = |name: &str| NewItem {
        dav_name: Some(name.into()),
        ical_uid: Some("u@x".into()),
        ..home.item(name, 1)
    };
    append(&home, calendar, event("a.ics")).await.unwrap();
    let elsewhere = append(&home, inbox, event("b.ics")).await.unwrap();
    let before = (home.folder(calendar), home.folder(inbox), home.counters());
    let (same_name, same_uid) = (event("a.ics"), event("c.ics"));
    let refused = home.act(Origin::OTHER, move |tx| {
        let (inbox, calendar) = (tx.granted(inbox)?, tx.granted(calendar)?);
        Ok([
            tx.append(&calendar, NewItem { ical_uid: None, ..same_name }),
            tx.append(&calendar, same_uid),
            tx.move_to(&inbox, elsewhere.uid, &calendar),
            tx.copy(&inbox, elsewhere.uid, &calendar),
        ]
        .map(|outcome| matches!(outcome, Err(Error::Exists))))
    });
    assert_eq!(refused.await.unwrap(), [true; 4]);
    assert_eq!((home.folder(calendar), home.folder(inbox), home.counters()), before);
    assert!(home.get(inbox, elsewhere.uid).is_some());
    home.check();
}

#[tokio::test]
async fn dav_names_and_icalendar_uids_lead_to_their_items() {
    let home = Home::new().await;
    let (calendar, tasks) = (home.role(Role::Calendar).id, home.role(Role::Tasks).id);
    let event = NewItem { dav_name: Some("A.ics".into()), ical_uid: Some("u@x".into()), ..home.item("e", 1) };
    let uid = append(&home, calendar, event.clone()).await.unwrap().uid;
    let named = |folder, name: &str| home.view().by_dav_name(&home.folder(folder), name).unwrap();
    let found = || home.view().by_ical_uid(home.owner, "u@x").unwrap();
    assert_eq!(named(calendar, "A.ics"), Some(uid));
    assert_eq!((named(calendar, "a.ics"), named(tasks, "A.ics")), (None, None), "names are case-sensitive");
    assert_eq!(found(), [(calendar, uid)]);

    let moved = move_to(&home, calendar, uid, tasks).await.unwrap();
    assert_eq!((named(calendar, "A.ics"), named(tasks, "A.ics")), (None, Some(moved.uid)));
    assert_eq!(found(), [(tasks, moved.uid)]);
    // The name is taken where it goes: the item goes without it.
    let again = append(&home, calendar, NewItem { ical_uid: Some("v@x".into()), ..event }).await.unwrap();
    let back = move_to(&home, tasks, moved.uid, calendar).await.unwrap();
    assert_eq!(named(calendar, "A.ics"), Some(again.uid));
    assert_eq!(home.get(calendar, back.uid).unwrap().dav_name, None);
    expunge(&home, calendar, again.uid).await.unwrap();
    assert_eq!(named(calendar, "A.ics"), None);
    home.check();
    expunge(&home, calendar, back.uid).await.unwrap();
    assert!(found().is_empty());
    assert_eq!((home.keys(Table::DavName).len(), home.keys(Table::IcalUid).len()), (0, 0));
    home.check();
}

#[tokio::test]
async fn several_messages_may_be_about_one_event() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let invitation = || NewItem { ical_uid: Some("u@x".into()), ..home.item("invitation", 1) };
    let a = append(&home, inbox, invitation()).await.unwrap();
    let b = append(&home, inbox, invitation()).await.unwrap();
    assert_eq!(home.view().by_ical_uid(home.owner, "u@x").unwrap(), [(inbox, a.uid), (inbox, b.uid)]);
    expunge(&home, inbox, a.uid).await.unwrap();
    assert_eq!(home.view().by_ical_uid(home.owner, "u@x").unwrap(), [(inbox, b.uid)]);
    assert!(home.view_of(99).by_ical_uid(home.owner, "u@x").unwrap().is_empty());
    home.check();
}

#[tokio::test]
async fn a_moved_item_keeps_its_content_and_conversation_and_leaves_word() {
    let home = Home::new().await;
    let (inbox, trash) = (home.role(Role::Inbox).id, home.role(Role::Trash).id);
    let flags = Flags::SEEN.and(Flags::DELETED).and(Flags::FLAGGED);
    let new = NewItem { flags, keywords: vec!["k".into()], ..home.item("text", 5) };
    let born = append(&home, inbox, new).await.unwrap();
    let was = home.get(inbox, born.uid).unwrap();
    let moved = move_to(&home, inbox, born.uid, trash).await.unwrap();
    let is = home.get(trash, moved.uid).unwrap();
    assert_eq!((is.content, is.thread, is.body, is.size), (was.content, was.thread, was.body, was.size));
    assert_eq!((is.internal_date, is.filter_date, &is.keywords), (5, 5, &was.keywords));
    assert_eq!(is.flags, Flags::SEEN.and(Flags::FLAGGED), "deleted it is no more");
    assert_eq!(text(&home, trash, moved.uid), "Return-Path: <>\r\ntext");
    assert!(home.get(inbox, born.uid).is_none());

    let [(at, LogRow::Tombstone { uid, born: came, moved_to, .. })] = &home.log(inbox)[..] else {
        panic!("{:?}", home.log(inbox))
    };
    assert_eq!((*uid, *came, *moved_to), (born.uid, born.modseq, Some((trash, moved.uid))));
    assert_eq!(home.view().moved_to(inbox, *at).unwrap(), Some((trash, moved.uid)));
    assert_eq!((counts(&home, inbox).0, counts(&home, trash).0, home.counters().items), (0, 1, 1));
    assert_eq!(home.keys(Table::BodyReference).len(), 1);
    let nowhere = move_to(&home, trash, moved.uid, trash).await;
    assert!(matches!(nowhere, Err(Error::Invalid(_))));
    assert!(matches!(move_to(&home, inbox, born.uid, trash).await, Err(Error::Missing)));
    home.check();
}

#[tokio::test]
async fn a_move_to_another_owner_is_counted_there() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    home.as_system(|tx| tx.create_owner(OwnerId(8), Some(PREFIX + 4))).await.unwrap();
    let theirs = home.view_of(8).by_role(OwnerId(8), Role::Inbox).unwrap().id;
    let (small, large) = (home.add(inbox, "1234", 1).await, home.add(inbox, "12345", 1).await);
    let moved = |uid| {
        home.as_system(move |tx| {
            let (from, to) = (tx.granted(inbox)?, tx.granted(theirs)?);
            tx.move_to(&from, uid, &to)
        })
    };
    assert!(matches!(moved(large.uid).await, Err(Error::OverQuota)));
    moved(small.uid).await.unwrap();
    assert_eq!(home.view().owner(OwnerId(8)).unwrap().bytes, PREFIX + 4);
    assert_eq!(home.counters().bytes, PREFIX + 5);
    home.check();
}

#[tokio::test]
async fn a_copy_shares_content_and_body_and_outlives_the_original() {
    let home = Home::new().await;
    let (inbox, junk) = (home.role(Role::Inbox).id, home.role(Role::Junk).id);
    let owner = home.owner;
    let original = home.add(inbox, "shared", 1).await;
    let copied = copy(&home, inbox, original.uid, junk).await.unwrap();
    let twin = copy(&home, inbox, original.uid, inbox).await.unwrap();
    assert_eq!((copied.content, twin.content), (original.content, original.content));
    assert_eq!(home.get(junk, copied.uid).unwrap().thread, home.get(inbox, original.uid).unwrap().thread);
    assert_eq!((home.keys(Table::Body).len(), home.keys(Table::BodyReference).len()), (1, 3));

    let mut collector = crate::store::Collector::new(
        home.mailbox.store().clone(),
        crate::store::Graces { dying: -i64::MAX, orphan: i64::MAX },
    );
    for (folder, uid) in [(inbox, original.uid), (inbox, twin.uid)] {
        expunge(&home, folder, uid).await.unwrap();
    }
    home.as_system(move |tx| tx.purge_expunged(owner, i64::MAX, 100)).await.unwrap();
    collector.step(100).unwrap();
    collector.step(100).unwrap();
    assert_eq!(text(&home, junk, copied.uid), "Return-Path: <>\r\nshared");
    expunge(&home, junk, copied.uid).await.unwrap();
    home.as_system(move |tx| tx.purge_expunged(owner, i64::MAX, 100)).await.unwrap();
    collector.step(100).unwrap();
    collector.step(100).unwrap();
    assert!(home.keys(Table::Body).is_empty());
    home.check();
}

#[tokio::test]
async fn uids_are_never_used_again() {
    let home = Home::new().await;
    let (inbox, trash) = (home.role(Role::Inbox).id, home.role(Role::Trash).id);
    let mut used = std::collections::BTreeSet::new();
    let mut last = home.add(inbox, "x", 1).await;
    for _ in 0..5 {
        assert!(used.insert(last.uid));
        let there = move_to(&home, inbox, last.uid, trash).await.unwrap();
        last = move_to(&home, trash, there.uid, inbox).await.unwrap();
        let more = home.add(inbox, "y", 1).await;
        assert!(used.insert(more.uid));
        expunge(&home, inbox, more.uid).await.unwrap();
    }
    home.check();
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deliveries_to_one_inbox_at_once_never_collide() {
    const TASKS: usize = 16;
    const EACH: usize = 25;
    let home = Arc::new(Home::new().await);
    let inbox = home.role(Role::Inbox).id;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let home = home.clone();
            tokio::spawn(async move {
                let mut placed = Vec::new();
                for n in 0..EACH {
                    placed.push(home.add(inbox, &format!("{task} {n}"), 1).await);
                }
                placed
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        let placed = task.await.unwrap();
        assert!(placed.is_sorted_by_key(|p| (p.uid, p.modseq)));
        all.extend(placed);
    }
    all.sort_by_key(|p| p.uid);
    let uids: Vec<u32> = all.iter().map(|p| p.uid.0).collect();
    assert_eq!(uids, (1..=u32::try_from(TASKS * EACH).unwrap()).collect::<Vec<_>>());
    assert!(all.is_sorted_by(|a, b| a.modseq < b.modseq), "modseqs follow the UIDs");
    assert_eq!(home.folder(inbox).items, (TASKS * EACH) as u64);
    home.check();
}

#[tokio::test]
async fn waiters_are_told_once_it_is_durable() {
    let engine = Arc::new(Faulty::over(Arc::new(Memory::default())));
    let store = Store::over(engine.clone(), Box::new(|| true)).unwrap();
    let home = Home::over(Mailbox::new(store, Clock::set(1_800_000_000_000))).await;
    let inbox = home.role(Role::Inbox).id;
    let watch = home.mailbox.notifier().watch([Place::Folder(inbox)]);
    let told = async || tokio::time::timeout(std::time::Duration::from_millis(50), watch.changed()).await;
    home.add(inbox, "x", 1).await;
    assert_eq!(told().await.unwrap().into_iter().collect::<Vec<_>>(), [Place::Folder(inbox)]);
    assert!(told().await.is_err(), "once");

    // Nothing is told of what was refused, by us or by the engine.
    let failed = home.act(Origin::OTHER, {
        let item = home.item("y", 1);
        move |tx| {
            let to = tx.granted(inbox)?;
            tx.append(&to, item)?;
            Err::<(), _>(Error::Denied)
        }
    });
    assert!(failed.await.is_err());
    engine.plan([Fault::Refused(crate::store::Error::Full)]);
    assert!(append(&home, inbox, home.item("z", 1)).await.is_err());
    assert!(told().await.is_err());
    assert_eq!(home.folder(inbox).items, 1);

    // One that does not care about this folder is not woken.
    let trash = home.role(Role::Trash).id;
    let other = home.mailbox.notifier().watch([Place::Folder(trash), Place::Tree(home.owner)]);
    home.add(inbox, "a", 1).await;
    assert!(tokio::time::timeout(std::time::Duration::from_millis(20), other.changed()).await.is_err());
    home.make(FolderId::TOP, "new").await.unwrap();
    assert_eq!(other.changed().await.len(), 1);
}

/// When the outcome of a commit is not known, nobody is told either: a client asks again later.
#[tokio::test]
async fn nobody_is_told_of_what_may_not_have_happened() {
    let engine = Arc::new(Faulty::over(Arc::new(Memory::default())));
    let store = Store::over(engine.clone(), Box::new(|| true)).unwrap();
    let home = Home::over(Mailbox::new(store, Clock::set(1_800_000_000_000))).await;
    let inbox = home.role(Role::Inbox).id;
    let watch = home.mailbox.notifier().watch([Place::Folder(inbox)]);
    engine.plan([Fault::Applied(crate::store::Error::Unknown("the disk".into()))]);
    assert!(append(&home, inbox, home.item("z", 1)).await.is_err());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), watch.changed()).await.is_err());
}

/// The right of one change is echoed to nobody who made it knowing the one before.
#[tokio::test]
async fn a_device_is_not_told_of_its_own_change_when_it_knew_the_one_before() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let device = Origin(5);
    let born = home.add(inbox, "a", 1).await;
    let flag = |flags, knew| {
        home.act(device, move |tx| {
            let at = tx.granted(inbox)?;
            tx.edit(&at, born.uid, &Edit { set: flags, ..Edit::default() }, knew)
        })
    };
    flag(Flags::SEEN, Knew(None)).await.unwrap();
    assert_eq!(home.get(inbox, born.uid).unwrap().silent_for, Origin::OTHER, "it may not know the item");
    let at = home.get(inbox, born.uid).unwrap().modseq;
    flag(Flags::FLAGGED, Knew(Some(Modseq(at.0 - 1)))).await.unwrap();
    assert_eq!(home.get(inbox, born.uid).unwrap().silent_for, Origin::OTHER, "a change it had not seen");
    let at = home.get(inbox, born.uid).unwrap().modseq;
    flag(Flags::ANSWERED, Knew(Some(at))).await.unwrap();
    assert_eq!(home.get(inbox, born.uid).unwrap().silent_for, device);
    edit(&home, inbox, born.uid, Edit { clear: Flags::SEEN, ..Edit::default() }).await.unwrap();
    assert_eq!(home.get(inbox, born.uid).unwrap().silent_for, Origin::OTHER, "somebody else's change");
    home.check();
}
