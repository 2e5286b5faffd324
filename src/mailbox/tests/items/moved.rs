//! Items moved and copied.

use super::*;

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
    assert!(*at > was.modseq);
    let lately = home.view().lately_moved(&home.folder(inbox), &[born.uid].into()).unwrap();
    assert_eq!(lately, [(born.uid, (trash, moved.uid))].into());
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
