//! Items added: counters, logs, UIDs, quota, names; many at once.

use std::sync::Arc;

use super::*;

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
    // The name is taken where it goes: the item gets another one.
    let again = append(&home, calendar, NewItem { ical_uid: Some("v@x".into()), ..event }).await.unwrap();
    let back = move_to(&home, tasks, moved.uid, calendar).await.unwrap();
    assert_eq!(named(calendar, "A.ics"), Some(again.uid));
    let other = home.get(calendar, back.uid).unwrap().dav_name.unwrap();
    assert!(other != "A.ics" && other.ends_with(".ics"), "{other}");
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
    // Over it, too, when it was lowered since.
    home.as_system(move |tx| tx.set_quota(owner, Some(1))).await.unwrap();
    replace(&home, inbox, first.uid, "cba", None).await.unwrap();
    replace(&home, inbox, first.uid, "a", None).await.unwrap();
    assert!(matches!(replace(&home, inbox, first.uid, "abc", None).await, Err(Error::OverQuota)));
    home.as_system(move |tx| tx.set_quota(owner, Some(2 * PREFIX + 10))).await.unwrap();
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
