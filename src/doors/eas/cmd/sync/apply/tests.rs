use wbxml::Version;

use super::super::request::Sticky;
use super::*;
use crate::doors::eas::class::Supported;
use crate::doors::eas::sample::Sample;
use crate::mailbox::{Kind as FolderKind, NewFolder};

fn asked(folder: FolderId, key: &str) -> Collection {
    Collection {
        id: folder.0.to_string(),
        key: key.to_owned(),
        sticky: Sticky { window: 100, get_changes: None, deletes_as_moves: true },
        wishes: None,
        supported: Supported::All,
        commands: Vec::new(),
        is_wrong: false,
    }
}

/// A folder of the account's own.
async fn made(sample: &Sample) -> Folder {
    let owner = OwnerId(sample.account.id.0);
    let new = NewFolder { parent: FolderId::TOP, name: "Mine", kind: FolderKind::Mail };
    let id = sample.act(move |tx| tx.create_folder(owner, &new)).await;
    sample.view().readable(id).unwrap()
}

async fn begun(session: &Session, folder: Folder) -> Box<Ready> {
    match begin(session, &asked(folder.id, "0"), folder).await.unwrap() {
        Applied::Begun(ready) => ready,
        _ => panic!("not begun"),
    }
}

/// A folder that goes between the look and the transaction is told as one that is gone.
#[tokio::test]
async fn folders_that_go_meanwhile() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V16_1);
    let (folder, other) = (made(&sample).await, sample.folder(Role::Inbox));
    let (ready, kept) = (begun(&session, folder.clone()).await, begun(&session, other.clone()).await);
    let id = folder.id;
    sample
        .act(move |tx| {
            let folder = tx.granted(id)?;
            tx.delete_folder(&folder)
        })
        .await;
    let applied = apply(&session, &asked(id, "1"), *ready, &folder, None).await.unwrap();
    assert!(matches!(applied, Applied::Failed(FOLDERS_CHANGED)));
    let applied = begin(&session, &asked(id, "0"), folder).await.unwrap();
    assert!(matches!(applied, Applied::Failed(FOLDERS_CHANGED)));
    // The one that deleted items would go to: nothing is done, and the client tries again.
    let applied = apply(&session, &asked(other.id, "1"), *kept, &other, Some(id)).await.unwrap();
    assert!(matches!(applied, Applied::Failed(super::super::answer::RETRY)));
}

#[tokio::test]
async fn a_beginning_attaches_to_one_of_the_same_folder() {
    let sample = Sample::new().await;
    let session = sample.session(Version::V16_1);
    let folder = sample.folder(Role::Inbox);
    let first = begun(&session, folder.clone()).await.row;
    assert_eq!(begun(&session, folder.clone()).await.row.key, first.key);
    let mut other = first.clone();
    other.uid_validity += 1;
    let (key, row) = (collection_row(&session, folder.id), state::row(&other));
    let put = sample.eas.mailbox.store().write_async(move |tx| {
        tx.put(key, row);
        Ok::<_, crate::store::Error>(())
    });
    put.await.unwrap();
    let anew = begun(&session, folder.clone()).await.row;
    assert_ne!(anew.key, first.key);
    assert_eq!(anew.uid_validity, folder.uid_validity);
}
