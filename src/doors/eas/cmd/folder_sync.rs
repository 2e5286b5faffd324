//! FolderSync: what changed in the folder tree. MS-ASCMD §2.2.1.5.

use std::sync::Arc;

use bytes::Bytes;
use wbxml::{Element, Tag, folderhierarchy};

use super::super::hierarchy::{Changes, Hierarchy, Shown};
use super::super::reply::{Failure, Reply};
use super::super::request::Version;
use super::super::session::{Eas, Session};
use super::super::state::{self, collection_row, device_row};
use crate::clock::random;
use crate::mailbox::{Acting, Error, Folder, FolderId, Kind, MailTx, Origin, OwnerId, Role, View};
use crate::store::Read;
use crate::store::keys::Table;

/// How often a request tries again when another one of its device got in between.
pub(super) const ATTEMPTS: usize = 4;

/// Handles FolderSync.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let Some(key) = request.and_then(|r| r.text_of(folderhierarchy::SYNC_KEY)).filter(|k| !k.is_empty())
    else {
        return Ok(failed(folderhierarchy::FOLDER_SYNC, 10));
    };
    for _ in 0..ATTEMPTS {
        let Some(tree) = Tree::read(session, key).await? else {
            return Ok(failed(folderhierarchy::FOLDER_SYNC, 9));
        };
        let changes = tree.state.changes(&tree.folders);
        if changes.count() == 0
            && let Some(same) = tree.state.same_key()
        {
            // A key used for the first time ends the ones before it; else there is nothing to write.
            let state = tree.state.clone();
            if session.is_probe() || !tree.moved() || write(session, tree, state, Vec::new()).await? {
                return Ok(told(&same.to_string(), changes));
            }
            continue;
        }
        let nonce = u64::from_be_bytes(random()?);
        let (mut state, folders) = (tree.state.clone(), tree.folders.clone());
        let key = state.told(nonce, &folders);
        if session.is_probe() || write(session, tree, state, changes.delete.clone()).await? {
            return Ok(told(&key.to_string(), changes));
        }
    }
    Ok(failed(folderhierarchy::FOLDER_SYNC, 6))
}

/// A failure of a command on folders.
pub(super) fn failed(root: Tag, status: u8) -> Reply {
    Reply::Document(Element::new(root).with_number(folderhierarchy::STATUS, status))
}

/// Stores the new state, and drops the device's states of folders that it hears are gone. False when
/// the state is no longer what the answer was made from.
async fn write(
    session: &Session,
    tree: Tree,
    state: Hierarchy,
    gone: Vec<FolderId>,
) -> Result<bool, Failure> {
    let gone: Vec<_> = gone.into_iter().map(|id| collection_row(session, id)).collect();
    let write = session.eas.mailbox.store().shrink_async(move |tx| {
        if tx.get(&tree.row)? != tree.bytes {
            return Ok(false);
        }
        tx.put(tree.row, state::row(&state));
        gone.into_iter().for_each(|row| tx.delete(row));
        Ok::<_, crate::store::Error>(true)
    });
    Ok(write.await?)
}

fn told(key: &str, changes: Changes) -> Reply {
    let count = i128::try_from(changes.count()).unwrap_or(i128::MAX);
    let all = Element::new(folderhierarchy::CHANGES)
        .with_number(folderhierarchy::COUNT, count)
        .with_all(changes.update.into_iter().map(|f| shown(folderhierarchy::UPDATE, f)))
        .with_all(changes.delete.into_iter().map(|id| {
            Element::new(folderhierarchy::DELETE).with_text(folderhierarchy::SERVER_ID, id.0.to_string())
        }))
        .with_all(changes.add.into_iter().map(|f| shown(folderhierarchy::ADD, f)));
    Reply::Document(
        Element::new(folderhierarchy::FOLDER_SYNC)
            .with_number(folderhierarchy::STATUS, 1)
            .with_text(folderhierarchy::SYNC_KEY, key.to_owned())
            .with(all),
    )
}

fn shown(tag: Tag, folder: Shown) -> Element<'static> {
    Element::new(tag)
        .with_text(folderhierarchy::SERVER_ID, folder.id.0.to_string())
        .with_text(folderhierarchy::PARENT_ID, folder.parent.0.to_string())
        .with_text(folderhierarchy::DISPLAY_NAME, folder.name)
        .with_number(folderhierarchy::TYPE, folder.kind)
}

/// The roles of an account's own folders.
type Roles = Vec<(FolderId, Role)>;

/// A device's state of the folder tree, and the tree as it is.
pub(super) struct Tree {
    pub(super) state: Hierarchy,
    pub(super) folders: Vec<Shown>,
    pub(super) roles: Roles,
    /// The state's row, and its bytes when it was read: what is written must still stand on them.
    pub(super) row: Vec<u8>,
    pub(super) bytes: Option<Bytes>,
}

impl Tree {
    /// Reads both. `None` when `key` is none of the device's: it must begin again.
    pub(super) async fn read(session: &Session, key: &str) -> Result<Option<Self>, Failure> {
        let eas = session.eas.clone();
        let (acting, owner, version) = (session.acting(), session.owner(), session.version);
        let row = device_row(Table::HierarchyState, session.login.account.id.0, &session.query.device_id);
        let key = key.to_owned();
        session.eas.blocking(move || Self::read_now(&eas, acting, owner, version, row, &key)).await
    }

    fn read_now(
        eas: &Arc<Eas>,
        acting: Acting,
        owner: OwnerId,
        version: Version,
        row: Vec<u8>,
        key: &str,
    ) -> Result<Option<Self>, Failure> {
        let epoch = eas.mailbox.store().epoch()?;
        let view = eas.mailbox.view(acting)?;
        let bytes = view.reader().get(&row)?;
        let stored = match bytes.as_deref().map(state::decode::<Hierarchy>).transpose() {
            Ok(stored) => stored,
            // The device begins again, and with that the row is whole again.
            Err(e) => {
                tracing::error!(error = %e, "a device's folder state cannot be read");
                None
            }
        };
        let mut state = stored.unwrap_or_else(|| Hierarchy::begin(epoch));
        if !state.accept(key, epoch) {
            return Ok(None);
        }
        let (folders, roles) = folders(&view, owner, version)?;
        Ok(Some(Self { state, folders, roles, row, bytes }))
    }

    /// The role of one of the account's own folders, if there is such a folder.
    pub(super) fn role(&self, id: FolderId) -> Option<Role> {
        self.roles.iter().find(|(folder, _)| *folder == id).map(|(_, role)| *role)
    }

    /// True when the device used a key for the first time, which the row does not say yet.
    fn moved(&self) -> bool {
        self.bytes.as_deref() != Some(&state::row(&self.state))
    }

    /// True while the state is what this was read from, within a transaction.
    pub(super) fn stands(&self, tx: &mut MailTx<'_, '_>) -> Result<bool, Error> {
        Ok(tx.store().get(&self.row)? == self.bytes)
    }
}

/// Whether a FolderSync would tell the device anything, as its latest answer left it. One that never asked
/// has nothing to hear.
pub(in crate::doors::eas) fn would_tell(session: &Session, view: &View) -> Result<bool, Failure> {
    let row = device_row(Table::HierarchyState, session.login.account.id.0, &session.query.device_id);
    let Some(bytes) = view.reader().get(&row)? else { return Ok(false) };
    match state::decode::<Hierarchy>(&bytes) {
        Ok(state) if state.is_of(session.eas.mailbox.store().epoch()?) => {
            let (folders, _) = folders(view, session.owner(), session.version)?;
            Ok(state.would_tell(&folders))
        }
        // It is told to begin again.
        _ => Ok(true),
    }
}

/// The account's own folders of the kinds that a version can synchronise, each after its parent.
fn folders(view: &View, owner: OwnerId, version: Version) -> Result<(Vec<Shown>, Roles), Error> {
    let all: Vec<Folder> = view.folders(owner)?.into_iter().map(|seen| seen.folder).collect();
    let roles = all.iter().map(|folder| (folder.id, folder.role)).collect();
    let fits = |folder: &&Folder| type_of(folder, version).is_some();
    let shown = all.iter().filter(fits).filter_map(|folder| {
        Some(Shown {
            id: folder.id,
            parent: shown_parent(folder, &all, version),
            name: folder.name.clone(),
            kind: type_of(folder, version)?,
        })
    });
    Ok((shown.collect(), roles))
}

/// The nearest folder above that the version can show; a folder cannot hang in the air.
fn shown_parent(folder: &Folder, all: &[Folder], version: Version) -> FolderId {
    let mut parent = folder.parent;
    // As many steps as there are folders: only a loop in damaged data has more.
    for _ in all {
        match all.iter().find(|other| other.id == parent) {
            None => return FolderId::TOP,
            Some(above) if type_of(above, version).is_some() => return parent,
            Some(above) => parent = above.parent,
        }
    }
    FolderId::TOP
}

/// A folder's Type. `None` for what a version cannot synchronise: notes before 14.0 (MS-ASNOTE §2.2.2),
/// journal and files ever. MS-ASCMD §2.2.3.186.3.
fn type_of(folder: &Folder, version: Version) -> Option<u8> {
    Some(match (folder.role, folder.kind) {
        (_, Kind::Journal | Kind::Files) => return None,
        (_, Kind::Notes) if version < Version::V14_0 => return None,
        (Role::Inbox, _) => 2,
        (Role::Drafts, _) => 3,
        (Role::Trash, _) => 4,
        (Role::Sent, _) => 5,
        (Role::Tasks, _) => 7,
        (Role::Calendar, _) => 8,
        (Role::Contacts, _) => 9,
        (Role::Notes, _) => 10,
        (_, Kind::Mail) => 12,
        (_, Kind::Calendar) => 13,
        (_, Kind::Contacts) => 14,
        (_, Kind::Tasks) => 15,
        (_, Kind::Notes) => 17,
    })
}

/// What a folder of a Type that a client may make holds.
pub(super) fn kind_of(folder_type: u8, version: Version) -> Option<Kind> {
    match folder_type {
        1 | 12 => Some(Kind::Mail),
        13 => Some(Kind::Calendar),
        14 => Some(Kind::Contacts),
        15 => Some(Kind::Tasks),
        17 if version >= Version::V14_0 => Some(Kind::Notes),
        _ => None,
    }
}

/// The Type of a folder that somebody made.
pub(super) fn made_type(kind: Kind) -> u8 {
    match kind {
        Kind::Mail | Kind::Journal | Kind::Files => 12,
        Kind::Calendar => 13,
        Kind::Contacts => 14,
        Kind::Tasks => 15,
        Kind::Notes => 17,
    }
}

/// The device as it acts on folders.
pub(super) fn origin(session: &Session) -> (Acting, Origin) {
    (session.acting(), session.device)
}
