//! Who is told of a change, and who is not.

use std::sync::Arc;

use super::*;
use crate::store::Memory;
use crate::store::faulty::{Fault, Faulty};

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
