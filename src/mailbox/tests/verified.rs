//! The check finds every kind of difference. Each is planted by hand in a mailbox that was sound.

use super::*;
use crate::mailbox::tx::item_referrer;
use crate::store::{BodyId, Referrer, Tx};

/// A mailbox with something of everything.
async fn furnished() -> (Home, FolderId) {
    let home = Home::new().await;
    let folder = home.make(FolderId::TOP, "furnished").await.unwrap();
    for n in 0..3 {
        let item = NewItem {
            dav_name: Some(format!("{n}")),
            ical_uid: Some(format!("{n}@x")),
            thread: ThreadKeys { message_id: Some(n), ..ThreadKeys::default() },
            ..home.item(&n.to_string(), 1)
        };
        home.act(Origin::OTHER, move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, item)
        })
        .await
        .unwrap();
    }
    home.grant(folder, 20, Rights::ALL, Rights::NONE).await;
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.edit(&at, Uid(1), &Edit { set: Flags::SEEN, ..Edit::default() }, Knew(None))?;
        tx.expunge(&at, Uid(3))
    })
    .await
    .unwrap();
    home.check();
    (home, folder)
}

/// Damages the rows and expects a difference whose words contain `expected`.
async fn planted(
    what: &str,
    expected: &str,
    damage: impl FnOnce(&mut Tx<'_>, OwnerId, FolderId) + Send + 'static,
) {
    let (home, folder) = furnished().await;
    let owner = home.owner;
    home.mailbox
        .store()
        .write_async::<(), Error, _>(move |tx| {
            damage(tx, owner, folder);
            Ok(())
        })
        .await
        .unwrap();
    let differences = verify(home.view().reader()).unwrap();
    let found = differences.iter().any(|d| d.to_string().contains(expected));
    assert!(found, "{what}: expected {expected:?}, got {differences:#?}");
}

fn change_folder(tx: &mut Tx<'_>, id: FolderId, change: impl FnOnce(&mut Folder)) {
    let mut folder = rows::raw_folder(tx, id).unwrap().unwrap();
    change(&mut folder);
    tx.put(rows::folder_key(id), rows::row(&folder));
}

fn change_owner(tx: &mut Tx<'_>, id: OwnerId, change: impl FnOnce(&mut Owner)) {
    let mut owner = rows::owner(tx, id).unwrap().unwrap();
    change(&mut owner);
    tx.put(rows::owner_key(id), rows::row(&owner));
}

fn change_item(tx: &mut Tx<'_>, folder: FolderId, change: impl FnOnce(&mut Item)) {
    let mut item = rows::item(tx, folder, Uid(2)).unwrap().unwrap();
    change(&mut item);
    tx.put(rows::item_key(folder, Uid(2)), rows::row(&item));
}

#[tokio::test]
async fn wrong_counters_are_found() {
    planted("items", "items is stored as 7", |tx, _, f| change_folder(tx, f, |f| f.items = 7)).await;
    planted("unseen", "unseen is stored as 7", |tx, _, f| change_folder(tx, f, |f| f.unseen = 7)).await;
    planted("bytes", "bytes is stored as 7", |tx, _, f| change_folder(tx, f, |f| f.bytes = 7)).await;
    planted("owner", "owner 7: items is stored as 9", |tx, o, _| change_owner(tx, o, |o| o.items = 9)).await;
    planted("owner", "owner 7: bytes is stored as 9", |tx, o, _| change_owner(tx, o, |o| o.bytes = 9)).await;
    planted("owner", "expunged bytes is stored as 0", |tx, o, _| {
        change_owner(tx, o, |o| o.expunged_bytes = 0)
    })
    .await;
    planted("modseq", "is ahead of its owner", |tx, o, _| change_owner(tx, o, |o| o.modseq = Modseq(11)))
        .await;
    planted("tree", "the latest change of the tree", |tx, o, _| change_owner(tx, o, |o| o.tree = Modseq(1)))
        .await;
    planted("UIDVALIDITY", "UIDVALIDITY of folder", |tx, o, _| change_owner(tx, o, |o| o.uid_validity = 1))
        .await;
    planted("UIDNEXT", "not below the folder's next", |tx, _, f| change_folder(tx, f, |f| f.uid_next = 2))
        .await;
    planted("highest", "above the highest modseq", |tx, _, f| {
        change_folder(tx, f, |f| f.highest = Modseq(1))
    })
    .await;
}

#[tokio::test]
async fn rows_that_are_missing_or_too_many_are_found() {
    planted("item", "it is not there, but has a record", |tx, _, f| tx.delete(rows::item_key(f, Uid(2))))
        .await;
    planted("record", "its record is missing", |tx, _, f| tx.delete(rows::record_key(f, Uid(2)))).await;
    planted("damaged record", "its record is damaged", |tx, _, f| {
        tx.put(rows::record_key(f, Uid(2)), vec![1, 0, 0, 9, 9]);
    })
    .await;
    planted("stray record", "it is not there, but has a record", |tx, _, f| {
        tx.put(rows::record_key(f, Uid(9)), vec![1; 5])
    })
    .await;
    planted("birth", "is missing: Birth", |tx, _, f| {
        let born = rows::item(tx, f, Uid(2)).unwrap().unwrap().born;
        tx.delete(rows::log_key(f, born));
    })
    .await;
    planted("change", "is missing: Change", |tx, _, f| {
        let at = rows::item(tx, f, Uid(1)).unwrap().unwrap().modseq;
        tx.delete(rows::log_key(f, at));
    })
    .await;
    planted("stray log row", "belongs to no item", |tx, _, f| {
        tx.put(rows::log_key(f, Modseq(3)), rows::row(&LogRow::Change { uid: Uid(1) }));
    })
    .await;
    planted("tombstone of a live item", "lives and has a tombstone", |tx, _, f| {
        let row = LogRow::Tombstone {
            uid: Uid(1),
            born: Modseq(1),
            born_by: Origin::OTHER,
            filter_date: 0,
            former_dates: Vec::new(),
            silent_for: Origin::OTHER,
            moved_to: None,
            at: 0,
        };
        tx.put(rows::log_key(f, Modseq(3)), rows::row(&row));
    })
    .await;
    planted("owner log", "stands in one log only", |tx, o, f| {
        let at = rows::item(tx, f, Uid(2)).unwrap().unwrap().modseq;
        tx.delete(rows::owner_log_key(o, at));
    })
    .await;
    planted("damaged log row", "is damaged: damaged data", |tx, _, f| {
        tx.put(rows::log_key(f, Modseq(3)), vec![9])
    })
    .await;
}

#[tokio::test]
async fn indexes_that_do_not_fit_are_found() {
    planted("date", "index by date", |tx, _, f| change_item(tx, f, |item| item.filter_date = 99)).await;
    planted("DAV name", "index by DAV name", |tx, _, f| tx.delete(rows::dav_key(f, "1"))).await;
    planted("stray DAV name", "index by DAV name", |tx, _, f| {
        tx.put(rows::dav_key(f, "other"), rows::uid_value(Uid(1)));
    })
    .await;
    planted("DAV name of another", "index by DAV name", |tx, _, f| {
        tx.put(rows::dav_key(f, "1"), rows::uid_value(Uid(1)));
    })
    .await;
    planted("iCalendar UID", "index by iCalendar UID", |tx, o, f| {
        tx.delete(rows::ical_key(o, "1@x", f, Uid(2)));
    })
    .await;
    planted("stray iCalendar UID", "index by iCalendar UID", |tx, o, f| {
        tx.put(rows::ical_key(o, "9@x", f, Uid(2)), Vec::new());
    })
    .await;
    planted("name", "its name index and its row disagree", |tx, o, _| {
        tx.delete(rows::name_key(o, FolderId::TOP, "furnished"));
    })
    .await;
    planted("stray name", "its name index and its row disagree", |tx, o, _| {
        tx.put(rows::name_key(o, FolderId::TOP, "x"), 999_u64.to_be_bytes().to_vec());
    })
    .await;
    planted("another name", "its name leads elsewhere", |tx, _, f| {
        change_folder(tx, f, |f| f.name = "Inbox".into());
    })
    .await;
    planted("grant", "its grant to 20", |tx, _, f| tx.delete(rows::grant_key(20, f))).await;
    planted("stray grant", "its grant to 21", |tx, _, f| tx.put(rows::grant_key(21, f), Vec::new())).await;
}

#[tokio::test]
async fn folders_and_owners_that_are_not_there_are_found() {
    planted("owner", "folders without an owner", |tx, o, _| tx.delete(rows::owner_key(o))).await;
    planted("folder", "it is not there, but has rows in Item", |tx, _, f| tx.delete(rows::folder_key(f)))
        .await;
    planted("parent", "the folder above it is not there", |tx, _, f| {
        change_folder(tx, f, |f| f.parent = FolderId(999));
    })
    .await;
    planted("owner's rows", "owner 77: it is not there, but has rows in Thread", |tx, _, _| {
        tx.put(rows::thread_key(OwnerId(77), 1), rows::row(&(1_u64, 1_i64)));
    })
    .await;
    planted("damaged folder", "folder", |tx, _, f| tx.put(rows::folder_key(f), vec![1, 2, 3])).await;
    planted("damaged owner", "owner 7", |tx, o, _| tx.put(rows::owner_key(o), vec![1])).await;
    planted("damaged item", "item", |tx, _, f| tx.put(rows::item_key(f, Uid(2)), vec![1])).await;
}

#[tokio::test]
async fn bodies_not_referred_to_and_kept_for_nobody_are_found() {
    planted("reference", "does not refer to its body", |tx, _, f| {
        let item = rows::item(tx, f, Uid(2)).unwrap().unwrap();
        tx.release_body(BodyId(item.body), item_referrer(f, Uid(2))).unwrap();
    })
    .await;
    planted("reference of an expunged item", "does not refer to its body", |tx, o, f| {
        let range = Key::of(Table::Expunged).range();
        let mut body = None;
        tx.scan(&range, Order::Forward, &mut |_, value| {
            body = Some(BodyId(rows::read::<Expunged>(value).unwrap().item.body));
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
        let referrer = Referrer::Expunged { owner: o.0, folder: f.0, uid: 3 };
        tx.release_body(body.unwrap(), referrer).unwrap();
    })
    .await;
    planted("kept for nobody", "is kept for it, which it does not have", |tx, _, f| {
        let item = rows::item(tx, f, Uid(2)).unwrap().unwrap();
        tx.refer_to_body(BodyId(item.body), item_referrer(f, Uid(99))).unwrap();
    })
    .await;
    planted("kept for no expunged item", "is kept for it, which it does not have", |tx, o, f| {
        let item = rows::item(tx, f, Uid(2)).unwrap().unwrap();
        let nobody = Referrer::Expunged { owner: o.0, folder: f.0, uid: 99 };
        tx.refer_to_body(BodyId(item.body), nobody).unwrap();
    })
    .await;
    planted("damaged expunged item", "a damaged row", |tx, o, f| {
        let key = Key::of(Table::Expunged).u64(o.0).time(5).u64(f.0).u32(9).done();
        tx.put(key, vec![1]);
    })
    .await;
}
