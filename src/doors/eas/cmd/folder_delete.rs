//! FolderDelete: a folder with all in it and below it. MS-ASCMD §2.2.1.4.

use wbxml::{Element, folderhierarchy};

use super::super::hierarchy::{Done, digest_of};
use super::super::ids::folder_id;
use super::super::reply::{Failure, Reply, folder_delete_status};
use super::super::session::Session;
use super::super::state::{self, collection_row};
use super::folder_sync::{ATTEMPTS, Tree, failed, origin};
use crate::clock::random;
use crate::mailbox::sync::SyncKey;
use crate::mailbox::{Error, FolderId, Role};

/// Handles FolderDelete.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let refused = |status| Ok(failed(folderhierarchy::FOLDER_DELETE, status));
    let text = |tag| request.and_then(|r| r.text_of(tag)).filter(|text| !text.is_empty());
    let (Some(key), Some(server_id)) = (text(folderhierarchy::SYNC_KEY), text(folderhierarchy::SERVER_ID))
    else {
        return refused(10);
    };
    if key == "0" {
        return refused(9);
    }
    let digest = digest_of(&["FolderDelete", server_id]);
    for _ in 0..ATTEMPTS {
        let Some(tree) = Tree::read(session, key).await? else { return refused(9) };
        if let Some((key, _)) = tree.state.repeated(digest) {
            return Ok(done(key));
        }
        let Some(folder) = folder_id(server_id) else { return refused(4) };
        match tree.role(folder) {
            None => return refused(4),
            Some(Role::None) => {}
            Some(_) => return refused(3),
        }
        match delete(session, tree, folder, digest, u64::from_be_bytes(random()?)).await {
            Ok(Some(key)) => return Ok(done(key)),
            Ok(None) => {}
            Err(e) => return refused(folder_delete_status(&e)),
        }
    }
    refused(6)
}

async fn delete(
    session: &Session,
    tree: Tree,
    folder: FolderId,
    digest: u64,
    nonce: u64,
) -> Result<Option<SyncKey>, Error> {
    let collection = collection_row(session, folder);
    let (acting, device) = origin(session);
    let write = session.eas.mailbox.shrink(acting, device, move |tx| {
        if !tree.stands(tx)? {
            return Ok(None);
        }
        let granted = tx.granted(folder)?;
        tx.delete_folder(&granted)?;
        let mut state = tree.state;
        let key = state.changed(nonce, Err(folder), Done { command: digest, made: None });
        tx.store().put(tree.row, state::row(&state));
        tx.store().delete(collection);
        Ok(Some(key))
    });
    write.await
}

fn done(key: SyncKey) -> Reply {
    Reply::Document(
        Element::new(folderhierarchy::FOLDER_DELETE)
            .with_number(folderhierarchy::STATUS, 1)
            .with_text(folderhierarchy::SYNC_KEY, key.to_string()),
    )
}
