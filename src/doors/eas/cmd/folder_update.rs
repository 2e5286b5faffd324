//! FolderUpdate: a new name, or another place. MS-ASCMD §2.2.1.6.

use wbxml::{Element, folderhierarchy};

use super::super::hierarchy::{Done, Had, Shown, digest_of};
use super::super::ids::{folder_id, parent_id};
use super::super::reply::{Failure, Reply, folder_change_status};
use super::super::session::Session;
use super::super::state;
use super::folder_sync::{ATTEMPTS, Tree, failed, origin};
use crate::clock::random;
use crate::mailbox::sync::SyncKey;
use crate::mailbox::{Error, FolderId, Role};

#[derive(Clone)]
struct Wanted {
    folder: FolderId,
    parent: FolderId,
    name: String,
    digest: u64,
}

/// Handles FolderUpdate.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let refused = |status| Ok(failed(folderhierarchy::FOLDER_UPDATE, status));
    let Some((key, wanted)) = request.and_then(parse) else { return refused(10) };
    if key == "0" {
        return refused(9);
    }
    for _ in 0..ATTEMPTS {
        let Some(tree) = Tree::read(session, &key).await? else { return refused(9) };
        if let Some((key, _)) = tree.state.repeated(wanted.digest) {
            return Ok(done(key));
        }
        match tree.role(wanted.folder) {
            None => return refused(4),
            Some(Role::None) => {}
            Some(_) => return refused(2),
        }
        match update(session, tree, wanted.clone(), u64::from_be_bytes(random()?)).await {
            Ok(Some(key)) => return Ok(done(key)),
            Ok(None) => {}
            Err(e) => return refused(folder_change_status(&e)),
        }
    }
    refused(6)
}

fn parse(request: &Element<'_>) -> Option<(String, Wanted)> {
    let text = |tag| request.text_of(tag).filter(|text| !text.is_empty());
    let key = text(folderhierarchy::SYNC_KEY)?;
    let folder = text(folderhierarchy::SERVER_ID)?;
    let parent = text(folderhierarchy::PARENT_ID)?;
    let name = text(folderhierarchy::DISPLAY_NAME)?.trim();
    let wanted = Wanted {
        folder: folder_id(folder).unwrap_or(FolderId::TOP),
        parent: parent_id(parent).unwrap_or(FolderId(u64::MAX)),
        name: name.to_owned(),
        digest: digest_of(&["FolderUpdate", folder, parent, name]),
    };
    Some((key.to_owned(), wanted))
}

async fn update(session: &Session, tree: Tree, wanted: Wanted, nonce: u64) -> Result<Option<SyncKey>, Error> {
    let had = updated(&tree, &wanted);
    let (acting, device) = origin(session);
    let write = session.eas.mailbox.write(acting, device, move |tx| {
        if !tree.stands(tx)? {
            return Ok(None);
        }
        let folder = tx.granted(wanted.folder)?;
        tx.rename_folder(&folder, wanted.parent, &wanted.name)?;
        let mut state = tree.state;
        let key = state.changed(nonce, had, Done { command: wanted.digest, made: None });
        tx.store().put(tree.row, state::row(&state));
        Ok(Some(key))
    });
    write.await
}

/// The folder as the device has it afterwards; one that it cannot be shown it does not have.
fn updated(tree: &Tree, wanted: &Wanted) -> Result<Had, FolderId> {
    let before = tree.folders.iter().find(|shown| shown.id == wanted.folder).ok_or(wanted.folder)?;
    Ok(Shown { parent: wanted.parent, name: wanted.name.clone(), ..before.clone() }.had())
}

fn done(key: SyncKey) -> Reply {
    Reply::Document(
        Element::new(folderhierarchy::FOLDER_UPDATE)
            .with_number(folderhierarchy::STATUS, 1)
            .with_text(folderhierarchy::SYNC_KEY, key.to_string()),
    )
}
