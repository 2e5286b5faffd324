//! After a restore nothing is given out again, not even when the same backup is restored twice.

use super::*;

/// What a folder gives out next.
async fn next(home: &Home, folder: FolderId) -> (u32, Uid, Modseq, u64) {
    let uid_validity = home.folder(folder).uid_validity;
    let placed = home.add(folder, "next", 1).await;
    (uid_validity, placed.uid, placed.modseq, placed.content)
}

#[tokio::test]
async fn what_was_given_out_since_the_backup_is_not_given_out_again() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let deleted = home.make(FolderId::TOP, "deleted").await.unwrap();
    home.add(deleted, "x", 1).await;
    home.act(Origin::OTHER, move |tx| {
        let folder = tx.granted(deleted)?;
        tx.delete_folder(&folder)
    })
    .await
    .unwrap();
    home.add(inbox, "kept", 1).await;
    let backup = copy_of(home.mailbox.store());
    let mut last = next(&home, inbox).await;
    let mut epoch = home.mailbox.store().epoch().unwrap();
    assert_eq!(epoch, 1);
    for _ in 0..3 {
        home.mailbox.clock().advance(60_000);
        let home = home.with_rows(backup.clone());
        let done = home.mailbox.restored().unwrap();
        assert_eq!((done.owners, done.folders, done.damaged), (1, STANDARD.len() + 1, 0));
        home.check();
        assert_eq!(home.folder(inbox).items, 1);
        let now = next(&home, inbox).await;
        assert!(now.0 > last.0 && now.2 > last.2 && now.3 > last.3, "{now:?} after {last:?}");
        last = now;
        // An item that was of the backup only comes under another UID than any since.
        assert!(now.1.0 > 1 << 20);
        assert!(done.epoch > epoch);
        epoch = done.epoch;
        home.check();
    }
}

#[tokio::test]
async fn a_damaged_folder_does_not_keep_the_others_from_beginning_anew() {
    let home = Home::new().await;
    let (inbox, trash) = (home.role(Role::Inbox).id, home.role(Role::Trash).id);
    let before = home.folder(inbox);
    home.as_system(move |tx| {
        tx.store().put(rows::folder_key(trash), vec![1, 99]);
        Ok(())
    })
    .await
    .unwrap();
    let done = home.mailbox.restored().unwrap();
    assert_eq!((done.folders, done.damaged), (STANDARD.len() - 1, 1));
    assert!(home.folder(inbox).uid_validity > before.uid_validity);
}
