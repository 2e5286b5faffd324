//! What a request that waits is answered for: the questions that a Sync or a FolderSync would answer.

use super::cmd::folder_sync;
use super::render::cut_off;
use super::reply::Failure;
use super::session::Session;
use crate::mailbox::sync::{Collection, State, would_tell};
use crate::mailbox::{Error, FolderId, View};

/// What a device would be told of a folder.
pub(super) enum News {
    /// A Sync would tell it something.
    Something,
    /// Nothing: the state that it may go on with, under the same key.
    Nothing(State),
    /// It is no folder that the account may read.
    Missing,
}

/// Whether a Sync would tell the device, whose state of the folder is that of `row`, anything. Only mail
/// within its filter counts.
pub(super) fn of_folder(
    session: &Session,
    view: &View,
    id: FolderId,
    row: &Collection,
    filter: u8,
) -> Result<News, Failure> {
    let folder = match view.readable(id) {
        Ok(folder) => folder,
        Err(Error::Missing | Error::Denied) => return Ok(News::Missing),
        Err(e) => return Err(e.into()),
    };
    // It must begin again, and is told so.
    if row.uid_validity != folder.uid_validity || row.epoch != session.eas.mailbox.store().epoch()? {
        return Ok(News::Something);
    }
    let wanted = cut_off(&folder, filter, session.eas.mailbox.clock().now());
    match would_tell(&view.synced(&folder), session.device, wanted, &row.state) {
        Ok(Some(state)) => Ok(News::Nothing(state)),
        Ok(None) | Err(Error::Stale) => Ok(News::Something),
        Err(e) => Err(e.into()),
    }
}

/// Whether a FolderSync would tell the device anything.
pub(super) fn of_tree(session: &Session, view: &View) -> Result<bool, Failure> {
    folder_sync::would_tell(session, view)
}
