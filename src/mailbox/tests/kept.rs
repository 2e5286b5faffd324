//! What is kept for a while: expunged items, tombstones, deleted folders, conversations; removed owners.

use super::*;
use crate::mailbox::sync::{Round, State};
use crate::store::{Collector, Cursor, Graces, Swept};

const DAY: i64 = 86_400_000;

async fn expunge(home: &Home, folder: FolderId, uid: Uid) -> Placed {
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.expunge(&at, uid)
    })
    .await
    .unwrap()
}

fn kept(home: &Home) -> Vec<ExpungedId> {
    expunged(home.view().reader(), home.owner, 100).unwrap()
}

async fn recover(home: &Home, id: ExpungedId, to: FolderId) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let to = tx.granted(to)?;
        tx.recover(id, &to)
    })
    .await
}

#[tokio::test]
async fn an_expunged_item_can_be_recovered() {
    let home = Home::new().await;
    let (inbox, junk) = (home.role(Role::Inbox).id, home.role(Role::Junk).id);
    let flags = Flags::SEEN.and(Flags::FLAGGED).and(Flags::DELETED);
    let new = NewItem { flags, dav_name: Some("n".into()), ..home.item("text", 5) };
    let born = home
        .act(Origin(3), move |tx| {
            let to = tx.granted(inbox)?;
            tx.append(&to, new)
        })
        .await
        .unwrap();
    // A change of its date, which leaves rows in the log of the folder it was in.
    let NewItem { body, prefix, record, .. } = home.item("text 2", 0);
    let content = NewContent { body, prefix, record, filter_date: Some(9), properties: Vec::new() };
    home.act(Origin(3), move |tx| {
        let at = tx.granted(inbox)?;
        tx.replace(&at, born.uid, content, Knew(None))
    })
    .await
    .unwrap();
    let was = home.get(inbox, born.uid).unwrap();
    let gone = expunge(&home, inbox, born.uid).await;
    assert!(gone.modseq > was.modseq);
    assert_eq!(home.counters().expunged_bytes, was.size);
    assert_eq!((home.counters().bytes, home.folder(inbox).items), (0, 0));
    let ids = kept(&home);
    assert_eq!(ids, [ExpungedId { owner: home.owner, at: home.now(), folder: inbox, uid: born.uid }]);
    home.check();

    let back = recover(&home, ids[0], junk).await.unwrap();
    let is = home.get(junk, back.uid).unwrap();
    assert_eq!((is.content, is.thread, is.size, is.filter_date), (was.content, was.thread, was.size, 9));
    assert_eq!(is.flags, Flags::SEEN.and(Flags::FLAGGED));
    assert_eq!(is.dav_name.as_deref(), Some("n"));
    assert_eq!((is.born_by, is.silent_for), (Origin::OTHER, Origin::OTHER), "new to every client");
    assert_eq!((home.counters().expunged_bytes, home.counters().bytes), (0, was.size));
    let message = home.mailbox.message(&home.view(), &home.folder(junk), &is).unwrap();
    assert_eq!(message, "Return-Path: <>\r\ntext 2");
    assert!(kept(&home).is_empty());
    assert!(matches!(recover(&home, ids[0], junk).await, Err(Error::Missing)));
    home.check();
}

#[tokio::test]
async fn only_the_owner_recovers_and_only_within_the_quota() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let placed = home.add(inbox, "secret", 1).await;
    expunge(&home, inbox, placed.uid).await;
    let id = kept(&home)[0];
    let shared = home.make(FolderId::TOP, "shared").await.unwrap();
    home.grant(shared, 20, Rights::ALL, Rights::NONE).await;
    let stolen = home.as_account(20, move |tx| {
        let to = tx.granted(shared)?;
        tx.recover(id, &to)
    });
    assert!(matches!(stolen.await, Err(Error::Missing)));

    let owner = home.owner;
    home.as_system(move |tx| tx.set_quota(owner, Some(5))).await.unwrap();
    assert!(matches!(recover(&home, id, inbox).await, Err(Error::OverQuota)));
    home.as_system(move |tx| tx.set_quota(owner, None)).await.unwrap();
    recover(&home, id, inbox).await.unwrap();
    home.check();
}

#[tokio::test]
async fn an_event_comes_back_only_where_its_uid_is_free() {
    let home = Home::new().await;
    let calendar = home.role(Role::Calendar).id;
    let event =
        || NewItem { dav_name: Some("a.ics".into()), ical_uid: Some("u@x".into()), ..home.item("event", 1) };
    let add = async || {
        let item = event();
        home.act(Origin::OTHER, move |tx| {
            let to = tx.granted(calendar)?;
            tx.append(&to, item)
        })
        .await
        .unwrap()
    };
    let first = add().await;
    expunge(&home, calendar, first.uid).await;
    let second = add().await;
    let id = kept(&home)[0];
    assert!(matches!(recover(&home, id, calendar).await, Err(Error::Exists)));
    home.mailbox.clock().advance(1);
    expunge(&home, calendar, second.uid).await;
    recover(&home, id, calendar).await.unwrap();
    home.check();
}

#[tokio::test]
async fn expunged_items_go_for_good_after_their_time_oldest_first() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let owner = home.owner;
    for n in 0..6 {
        let placed = home.add(inbox, &format!("{n}"), 1).await;
        expunge(&home, inbox, placed.uid).await;
        home.mailbox.clock().advance(DAY);
    }
    let start = home.now() - 6 * DAY;
    let purge = |before, most| home.as_system(move |tx| tx.purge_expunged(owner, before, most));
    assert!(!purge(start, 10).await.unwrap(), "none is older");
    assert_eq!(kept(&home).len(), 6);
    assert!(purge(start + 4 * DAY, 3).await.unwrap(), "one more is due");
    assert!(!purge(start + 4 * DAY, 3).await.unwrap());
    assert_eq!(kept(&home).iter().map(|id| id.at).collect::<Vec<_>>(), [start + 4 * DAY, start + 5 * DAY]);
    home.check();
    assert!(!purge(i64::MAX, 3).await.unwrap());
    assert_eq!((home.counters().expunged_bytes, home.keys(Table::BodyReference).len()), (0, 0));
    home.check();
    let mut collector = Collector::new(home.mailbox.store().clone(), Graces { dying: 0, orphan: DAY });
    assert_eq!(collector.step(100).unwrap().marked, 6);
    assert_eq!(collector.step(100).unwrap().removed, 6);
}

/// Nobody fills the disk by adding and removing.
#[tokio::test]
async fn what_can_be_recovered_takes_no_more_room_than_the_quota() {
    let home = Home::new().await;
    let (inbox, owner) = (home.role(Role::Inbox).id, home.owner);
    let text = "x".repeat(83);
    let quota = 5 * 100;
    home.as_system(move |tx| tx.set_quota(owner, Some(quota))).await.unwrap();
    for n in 0..20 {
        let placed = home.add(inbox, &text, n).await;
        expunge(&home, inbox, placed.uid).await;
        home.mailbox.clock().advance(1_000);
        assert!(home.counters().expunged_bytes <= quota);
    }
    let uids: Vec<_> = kept(&home).iter().map(|id| id.uid.0).collect();
    assert_eq!(uids, [16, 17, 18, 19, 20], "the latest");
    home.check();

    // Deleted folders count, and go with the next round.
    for name in ["a", "b"] {
        let folder = home.make(FolderId::TOP, name).await.unwrap();
        for n in 0..4 {
            home.add(folder, &text, n).await;
        }
        home.act(Origin::OTHER, move |tx| {
            let folder = tx.granted(folder)?;
            tx.delete_folder(&folder)
        })
        .await
        .unwrap();
        home.mailbox.clock().advance(1_000);
    }
    let now = home.now() - DAY;
    let due = deleted_folders(home.view().reader(), None, now, 100).unwrap().found;
    assert_eq!(due.len(), 2);
    for folder in due {
        while home.as_system(move |tx| tx.purge_folder(folder, now, 1)).await.unwrap() {}
    }
    assert!(home.counters().expunged_bytes <= quota);
    assert!(deleted_folders(home.view().reader(), None, now, 100).unwrap().found.is_empty());
    home.check();
}

/// All that is due, found in looks of `most` rows each.
fn all<T>(most: usize, look: impl Fn(Option<&Cursor>, usize) -> Result<Swept<T>, Error>) -> Vec<T> {
    let mut found = Vec::new();
    let mut at: Option<Cursor> = None;
    for _ in 0..1000 {
        let due = look(at.as_ref(), most).unwrap();
        found.extend(due.found);
        at = due.next;
        if at.is_none() {
            return found;
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn owners_with_old_expunged_items_are_found_in_steps() {
    let home = Home::new().await;
    for owner in 100..110 {
        home.as_system(move |tx| tx.create_owner(OwnerId(owner), None)).await.unwrap();
        let inbox = home.view_of(owner).by_role(OwnerId(owner), Role::Inbox).unwrap().id;
        if owner % 2 == 0 {
            home.mailbox.clock().advance(DAY);
        }
        for n in 0..3 {
            let item = home.item(&format!("{owner} {n}"), 1);
            let gone = home.as_system(move |tx| {
                let at = tx.granted(inbox)?;
                let placed = tx.append(&at, item)?;
                tx.expunge(&at, placed.uid)
            });
            gone.await.unwrap();
        }
    }
    let view = home.view();
    let start = home.now() - 5 * DAY;
    for most in [1, 2, 3, 100] {
        let found = |before| all(most, |at, most| owners_to_purge(view.reader(), at, before, most));
        assert_eq!(found(i64::MAX), (100..110).map(OwnerId).collect::<Vec<_>>());
        assert_eq!(found(start + 2 * DAY), [OwnerId(100), OwnerId(101)], "the others are younger");
        assert!(found(start).is_empty());
    }
}

async fn purge_tombstones(home: &Home, before: i64, most: usize) -> usize {
    let view = home.view();
    let due = all(most, |at, most| old_tombstones(view.reader(), at, before, most));
    let count = due.len();
    home.as_system(move |tx| tx.purge_tombstones(&due, before)).await.unwrap();
    count
}

#[tokio::test]
async fn who_is_older_than_a_forgotten_tombstone_starts_again() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let mut items = Vec::new();
    for n in 0..4 {
        items.push(home.add(inbox, &n.to_string(), 1).await);
    }
    let run = |state: &State| {
        let (view, folder) = (home.view(), home.folder(inbox));
        Round { device: Origin(5), wanted: i64::MIN, window: 100 }.run(&view.synced(&folder), state)
    };
    let begun = run(&State::new(home.folder(inbox).highest)).unwrap().state;
    let first = expunge(&home, inbox, items[0].uid).await;
    let between = run(&begun).unwrap().state;
    home.mailbox.clock().advance(100 * DAY);
    let second = expunge(&home, inbox, items[1].uid).await;
    let last = run(&between).unwrap().state;

    assert_eq!(purge_tombstones(&home, home.now() - 90 * DAY, 3).await, 1);
    assert_eq!(home.folder(inbox).purged, first.modseq);
    assert!(matches!(run(&begun), Err(Error::Stale)));
    assert_eq!(run(&between).unwrap().steps.len(), 1, "the younger one is still told");
    home.check();

    assert_eq!(purge_tombstones(&home, i64::MAX, 1).await, 1);
    assert_eq!(home.folder(inbox).purged, second.modseq);
    assert!(matches!(run(&between), Err(Error::Stale)));
    assert!(run(&last).unwrap().steps.is_empty());
    let logged: Vec<_> = home.log(inbox).into_iter().map(|(_, row)| row).collect();
    assert_eq!(logged, [LogRow::Birth { uid: items[2].uid }, LogRow::Birth { uid: items[3].uid }]);
    home.check();
}

/// What was found in a snapshot is looked at again.
#[tokio::test]
async fn only_old_tombstones_are_forgotten_whatever_was_found() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let born = home.add(inbox, "a", 1).await;
    let other = home.add(inbox, "b", 1).await;
    let gone = expunge(&home, inbox, other.uid).await;
    let due: Vec<_> = [born.modseq, gone.modseq, Modseq(999)]
        .map(|at| Tombstone { folder: inbox, at })
        .into_iter()
        .chain([Tombstone { folder: FolderId(999), at: Modseq(1) }])
        .collect();
    let now = home.now();
    home.as_system(move |tx| tx.purge_tombstones(&due, now)).await.unwrap();
    assert_eq!(home.log(inbox).len(), 2);
    assert_eq!(home.folder(inbox).purged, Modseq(0));
    home.check();
}

async fn full_folder(home: &Home) -> FolderId {
    let folder = home.make(FolderId::TOP, "full").await.unwrap();
    for n in 0..10_u32 {
        let item = NewItem {
            dav_name: Some(format!("{n}.ics")),
            ical_uid: Some(format!("{n}@x")),
            flags: if n % 2 == 0 { Flags::SEEN } else { Flags::NONE },
            ..home.item(&n.to_string(), i64::from(n))
        };
        home.act(Origin::OTHER, move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, item)
        })
        .await
        .unwrap();
    }
    home.grant(folder, 20, Rights::LOOKUP.and(Rights::READ).and(Rights::SEEN), Rights::NONE).await;
    home.as_account(20, move |tx| {
        let at = tx.granted(folder)?;
        tx.edit(&at, Uid(1), &Edit { set: Flags::SEEN, ..Edit::default() }, Knew(None))
    })
    .await
    .unwrap();
    expunge(home, folder, Uid(3)).await;
    let date = home.item("redated", 0);
    let content = NewContent {
        body: date.body,
        prefix: date.prefix,
        record: date.record,
        filter_date: Some(77),
        properties: Vec::new(),
    };
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.replace(&at, Uid(5), content, Knew(None))
    })
    .await
    .unwrap();
    folder
}

const OF_FOLDERS: [Table; 10] = [
    Table::Item,
    Table::Record,
    Table::ChangeLog,
    Table::OwnerLog,
    Table::FilterDate,
    Table::DavName,
    Table::IcalUid,
    Table::SeenOverlay,
    Table::Grant,
    Table::BodyReference,
];

#[tokio::test]
async fn a_deleted_folder_is_purged_in_steps_that_each_leave_all_consistent() {
    let home = Home::new().await;
    let owner = home.owner;
    let folder = full_folder(&home).await;
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.delete_folder(&at)
    })
    .await
    .unwrap();
    let view = home.view();
    assert!(all(1, |at, most| deleted_folders(view.reader(), at, home.now(), most)).is_empty());
    let purge = |before| home.as_system(move |tx| tx.purge_folder(folder, before, 3));
    assert!(!purge(home.now()).await.unwrap());
    assert_eq!(home.keys(Table::Item).len(), 9, "it is not old enough");

    home.mailbox.clock().advance(DAY);
    let before = home.now();
    assert_eq!(all(2, |at, most| deleted_folders(view.reader(), at, before, most)), [folder]);
    let mut steps = 1;
    while purge(before).await.unwrap() {
        steps += 1;
        home.check();
    }
    assert!((4..10).contains(&steps), "{steps}");
    home.check();
    home.as_system(move |tx| tx.purge_expunged(owner, i64::MAX, 10)).await.unwrap();
    for table in OF_FOLDERS {
        assert!(home.keys(table).is_empty(), "{table:?}");
    }
    assert_eq!(home.counters().expunged_bytes, 0);
    home.check();
    assert!(!purge(before).await.unwrap(), "once more does nothing");
}

#[tokio::test]
async fn a_live_folder_is_never_purged() {
    let home = Home::new().await;
    let folder = full_folder(&home).await;
    assert!(!home.as_system(move |tx| tx.purge_folder(folder, i64::MAX, 100)).await.unwrap());
    assert_eq!(home.folder(folder).items, 9);
}

/// Deleting and purging may even be one transaction.
#[tokio::test]
async fn a_folder_is_purged_in_the_transaction_that_deletes_it() {
    let home = Home::new().await;
    let folder = full_folder(&home).await;
    let done = home.as_system(move |tx| {
        let at = tx.granted(folder)?;
        tx.delete_folder(&at)?;
        tx.purge_folder(folder, i64::MAX, 100)
    });
    assert!(!done.await.unwrap());
    assert!(home.keys(Table::Item).is_empty());
    home.check();
}

#[tokio::test]
async fn conversations_out_of_use_are_forgotten() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let add = async |id: u64, references: Vec<u64>| {
        let thread = ThreadKeys { message_id: Some(id), references, ..ThreadKeys::default() };
        let item = NewItem { thread, ..home.item("m", 1) };
        let placed = home.act(Origin::OTHER, move |tx| {
            let to = tx.granted(inbox)?;
            tx.append(&to, item)
        });
        home.get(inbox, placed.await.unwrap().uid).unwrap().thread
    };
    let old = add(1, vec![]).await;
    add(2, vec![]).await;
    home.mailbox.clock().advance(100 * DAY);
    assert_eq!(add(3, vec![1]).await, old);
    let before = home.now() - 50 * DAY;
    let view = home.view();
    let due = all(1, |at, most| old_threads(view.reader(), at, before, most));
    assert_eq!(due.len(), 1, "an old one that a reply has used counts as used");
    home.as_system(move |tx| tx.purge_threads(&due, before)).await.unwrap();
    assert_eq!(add(4, vec![1]).await, old);
    assert_ne!(add(5, vec![2]).await, old);
    home.check();
}

#[tokio::test]
async fn a_removed_owner_is_gone_at_once_and_all_it_had_in_steps() {
    let home = Home::new().await;
    let owner = home.owner;
    full_folder(&home).await;
    home.make(FolderId::TOP, "empty").await.unwrap();
    let inbox = home.role(Role::Inbox).id;
    home.add(inbox, "mail", 1).await;
    // Somebody else's folder is shared with it.
    home.as_system(|tx| tx.create_owner(OwnerId(20), None)).await.unwrap();
    let theirs = home.view_of(20).by_role(OwnerId(20), Role::Inbox).unwrap().id;
    let item = home.item("theirs", 1);
    home.as_account(20, move |tx| {
        let at = tx.granted(theirs)?;
        tx.append(&at, item)?;
        let allow = Rights::LOOKUP.and(Rights::READ).and(Rights::SEEN);
        tx.set_grant(&at, Grant { grantee: owner.0, allow, deny: Rights::NONE })
    })
    .await
    .unwrap();
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(theirs)?;
        tx.edit(&at, Uid(1), &Edit { set: Flags::SEEN, ..Edit::default() }, Knew(None))
    })
    .await
    .unwrap();

    let purge = || home.as_system(move |tx| tx.purge_owner(owner, 3));
    assert!(!purge().await.unwrap(), "it was not removed");
    assert_eq!(home.folder(inbox).items, 1);
    home.as_system(move |tx| tx.remove_owner(owner)).await.unwrap();
    assert!(home.view().folders(owner).unwrap().is_empty());
    let late = home.as_system(move |tx| tx.granted(inbox).map(drop));
    assert!(matches!(late.await, Err(Error::Missing)), "a delivery that comes too late");
    assert_eq!(removed_owners(home.view().reader(), 10).unwrap(), [owner]);
    home.check();

    let mut steps = 1;
    while purge().await.unwrap() {
        steps += 1;
        home.check();
    }
    assert!(steps > 3, "{steps}");
    assert!(removed_owners(home.view().reader(), 10).unwrap().is_empty());
    assert!(matches!(home.view().owner(owner), Err(Error::Missing)));
    let left: Vec<_> = [
        Table::FolderName,
        Table::TreeLog,
        Table::OwnerLog,
        Table::Thread,
        Table::Expunged,
        Table::RemovedOwner,
        Table::Owner,
    ]
    .into_iter()
    .flat_map(|table| home.keys(table))
    .filter(|key| key[1..9] == owner.0.to_be_bytes())
    .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!((home.keys(Table::Item).len(), home.keys(Table::Grant).len()), (1, 0));
    let left = seen_by_nobody(home.view().reader(), None, 10).unwrap().found;
    assert_eq!((left.len(), home.keys(Table::SeenOverlay).len()), (1, 1));
    home.as_system(move |tx| tx.purge_leftovers(&left)).await.unwrap();
    assert!(home.keys(Table::SeenOverlay).is_empty());
    assert!(home.folder(theirs).grants.is_empty());
    home.check();
}
