//! One damaged row must not stop its folder, and can be got rid of.

use super::*;
use crate::mailbox::sync::{Round, State, Step};
use crate::store::{Collector, Depth, Graces};

/// Three items with everything an item can have; the second is unreadable.
async fn damaged() -> (Home, FolderId) {
    let home = Home::new().await;
    let folder = home.make(FolderId::TOP, "damaged").await.unwrap();
    for n in 0..3 {
        let item = NewItem {
            dav_name: Some(format!("{n}")),
            ical_uid: Some(format!("{n}@x")),
            ..home.item(&format!("text {n}"), n)
        };
        home.act(Origin::OTHER, move |tx| {
            let to = tx.granted(folder)?;
            let placed = tx.append(&to, item)?;
            tx.edit(&to, placed.uid, &Edit { set: Flags::SEEN, ..Edit::default() }, Knew(None))
        })
        .await
        .unwrap();
    }
    plant(&home, rows::item_key(folder, Uid(2))).await;
    (home, folder)
}

async fn plant(home: &Home, key: Vec<u8>) {
    home.as_system(move |tx| {
        tx.store().put(key, vec![1, 99]);
        Ok(())
    })
    .await
    .unwrap();
}

fn steps(home: &Home, folder: FolderId, state: &State) -> (Vec<Step>, State) {
    let view = home.view();
    let folder = view.readable(folder).unwrap();
    let round = Round { device: Origin(5), wanted: i64::MIN, window: 100 };
    let told = round.run(&view.synced(&folder), state).unwrap();
    (told.steps, told.state)
}

/// Nothing of the item is left, all counters fit, and its body goes with the next look.
fn check_gone(home: &Home, bodies: usize) {
    home.check();
    let graces = Graces { dying: -i64::MAX, orphan: i64::MAX };
    let mut collector = Collector::new(home.mailbox.store().clone(), graces);
    assert!(collector.step(100).unwrap().marked > 0);
    collector.step(100).unwrap();
    home.check();
    assert_eq!((home.keys(Table::Body).len(), home.keys(Table::LostReference).len()), (bodies, 0));
    assert!(home.mailbox.store().verify(Depth::Bodies).unwrap().is_sound());
}

#[tokio::test]
async fn a_folder_with_a_damaged_item_is_synchronised_but_for_that() {
    let (home, folder) = damaged().await;
    let (told, state) = steps(&home, folder, &State::new(Modseq(0)));
    assert!(told.contains(&Step::Add(Uid(1))) && told.contains(&Step::Add(Uid(3))), "{told:?}");
    assert_eq!(home.get(folder, Uid(2)), None);
    home.add(folder, "later", 9).await;
    assert_eq!(steps(&home, folder, &state).0, [Step::Add(Uid(4))]);
}

#[tokio::test]
async fn a_damaged_row_of_the_log_is_passed_over() {
    let (home, folder) = damaged().await;
    let (_, state) = steps(&home, folder, &State::new(Modseq(0)));
    let lost = home.add(folder, "lost in the log", 9).await;
    plant(&home, rows::log_key(folder, lost.modseq)).await;
    let later = home.add(folder, "later", 9).await;
    assert_eq!(steps(&home, folder, &state).0, [Step::Add(later.uid)]);
    let differences = verify(home.view().reader()).unwrap();
    let named = format!("log row {} is damaged", lost.modseq.0);
    assert!(differences.iter().any(|d| d.to_string().contains(&named)), "{differences:#?}");
}

#[tokio::test]
async fn a_damaged_item_can_be_expunged_and_every_client_is_told() {
    let (home, folder) = damaged().await;
    let (_, state) = steps(&home, folder, &State::new(Modseq(0)));
    let gone = home.act(Origin::OTHER, move |tx| {
        let from = tx.granted(folder)?;
        tx.expunge(&from, Uid(2))
    });
    assert!(gone.await.unwrap().changed);
    assert_eq!(home.folder(folder).items, 2);
    assert_eq!(steps(&home, folder, &state).0, [Step::Delete(Uid(2))]);
    check_gone(&home, 2);
}

#[tokio::test]
async fn a_deletion_that_moves_drops_a_damaged_item() {
    let (home, folder) = damaged().await;
    let trash = home.role(Role::Trash).id;
    let removed = home.act(Origin(5), move |tx| {
        let (from, to) = (tx.granted(folder)?, tx.granted(trash)?);
        assert!(tx.move_to(&from, Uid(2), &to).is_err(), "what cannot be read is not moved");
        tx.remove_to(&from, Uid(2), &to)
    });
    removed.await.unwrap();
    assert_eq!((home.folder(folder).items, home.folder(trash).items), (2, 0));
    check_gone(&home, 2);
}

#[tokio::test]
async fn a_deleted_folder_is_purged_with_its_damaged_item() {
    let (home, folder) = damaged().await;
    home.act(Origin::OTHER, move |tx| {
        let folder = tx.granted(folder)?;
        tx.delete_folder(&folder)
    })
    .await
    .unwrap();
    while home.as_system(move |tx| tx.purge_folder(folder, i64::MAX, 100)).await.unwrap() {}
    assert_eq!(home.counters().expunged_bytes, 0);
    check_gone(&home, 0);
}

#[tokio::test]
async fn a_damaged_expunged_item_is_purged_with_all_it_held() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    for n in 0..2 {
        let placed = home.add(inbox, &format!("text {n}"), 1).await;
        home.act(Origin::OTHER, move |tx| {
            let from = tx.granted(inbox)?;
            tx.expunge(&from, placed.uid)
        })
        .await
        .unwrap();
        home.mailbox.clock().advance(1_000);
    }
    let first = expunged(home.view().reader(), home.owner, 1).unwrap()[0];
    plant(&home, first.key()).await;
    let owner = home.owner;
    home.as_system(move |tx| tx.purge_expunged(owner, first.at + 1, 10)).await.unwrap();
    assert_eq!(expunged(home.view().reader(), home.owner, 9).unwrap().len(), 1);
    check_gone(&home, 1);
}
