//! FolderCreate. MS-ASCMD §2.2.1.3.

use wbxml::{Element, folderhierarchy};

use super::super::hierarchy::{Done, Shown, digest_of};
use super::super::ids::parent_id;
use super::super::reply::{Failure, Reply, Status, folder_change_status};
use super::super::request::Version;
use super::super::session::Session;
use super::super::state;
use super::folder_sync::{ATTEMPTS, Tree, failed, kind_of, made_type, origin};
use crate::clock::random;
use crate::mailbox::sync::SyncKey;
use crate::mailbox::{Error, FOLDERS_MAX, FolderId, Kind, NewFolder};

/// A folder that the device wants.
#[derive(Clone)]
struct Wanted {
    parent: FolderId,
    name: String,
    kind: Kind,
    digest: u64,
}

/// Handles FolderCreate.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let refused = |status| Ok(failed(folderhierarchy::FOLDER_CREATE, status));
    let Some((key, wanted)) = request.and_then(|r| parse(r, session.version)) else { return refused(10) };
    // A device that has no folders yet cannot know where to make one.
    if key == "0" {
        return refused(9);
    }
    for _ in 0..ATTEMPTS {
        let Some(tree) = Tree::read(session, &key).await? else { return refused(9) };
        if let Some((key, Done { made: Some(made), .. })) = tree.state.repeated(wanted.digest) {
            return Ok(made_answer(key, made));
        }
        if tree.roles.len() >= FOLDERS_MAX && session.at_least(Version::V14_0) {
            return Err(Status::TooManyFolders.into());
        }
        match create(session, tree, wanted.clone(), u64::from_be_bytes(random()?)).await {
            Ok(Some((key, made))) => return Ok(made_answer(key, made)),
            Ok(None) => {}
            Err(e) => return refused(folder_change_status(&e)),
        }
    }
    refused(6)
}

fn parse(request: &Element<'_>, version: Version) -> Option<(String, Wanted)> {
    let text = |tag| request.text_of(tag).filter(|text| !text.is_empty());
    let key = text(folderhierarchy::SYNC_KEY)?;
    let parent = text(folderhierarchy::PARENT_ID)?;
    let name = text(folderhierarchy::DISPLAY_NAME)?.trim();
    let folder_type: u8 = request.parse_of(folderhierarchy::TYPE).ok()??;
    let wanted = Wanted {
        parent: parent_id(parent).unwrap_or(FolderId(u64::MAX)),
        name: name.to_owned(),
        kind: kind_of(folder_type, version)?,
        digest: digest_of(&["FolderCreate", parent, name, &folder_type.to_string()]),
    };
    Some((key.to_owned(), wanted))
}

/// Makes the folder and advances the key in one transaction. `None` when another request of the device
/// got in between.
async fn create(
    session: &Session,
    tree: Tree,
    wanted: Wanted,
    nonce: u64,
) -> Result<Option<(SyncKey, FolderId)>, Error> {
    let owner = session.owner();
    let (acting, device) = origin(session);
    let write = session.eas.mailbox.write(acting, device, move |tx| {
        if !tree.stands(tx)? {
            return Ok(None);
        }
        let new = NewFolder { parent: wanted.parent, name: &wanted.name, kind: wanted.kind };
        let id = tx.create_folder(owner, &new)?;
        let made = Shown { id, parent: wanted.parent, name: wanted.name, kind: made_type(wanted.kind) };
        let mut state = tree.state;
        let key = state.changed(nonce, Ok(made.had()), Done { command: wanted.digest, made: Some(id) });
        tx.store().put(tree.row, state::row(&state));
        Ok(Some((key, id)))
    });
    write.await
}

fn made_answer(key: SyncKey, made: FolderId) -> Reply {
    Reply::Document(
        Element::new(folderhierarchy::FOLDER_CREATE)
            .with_number(folderhierarchy::STATUS, 1)
            .with_text(folderhierarchy::SYNC_KEY, key.to_string())
            .with_text(folderhierarchy::SERVER_ID, made.0.to_string()),
    )
}
