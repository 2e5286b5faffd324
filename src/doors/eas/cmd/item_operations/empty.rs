//! EmptyFolderContents: all items of a mail folder, and the folders in it, removed. They can be recovered
//! for a while. MS-ASCMD §2.2.3.58.

use std::ops::ControlFlow;

use wbxml::{Element, airsync, itemoperations as tags};

use super::{DENIED, NOT_FOUND, OK, PROTOCOL, status};
use crate::doors::eas::ids::folder_id;
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::mailbox::{Error, FolderId, Kind, Origin, Uid};

/// Items removed by one transaction.
const CHUNK: usize = 500;

/// Handles one EmptyFolderContents.
pub(super) async fn run(session: &Session, operation: &Element<'_>) -> Result<Element<'static>, Failure> {
    let named = operation.text_of(airsync::COLLECTION_ID);
    let sub_folders = match operation.child(tags::OPTIONS).map(|o| o.flag_of(tags::DELETE_SUB_FOLDERS)) {
        None | Some(Ok(None)) => Ok(false),
        Some(Ok(Some(flag))) => Ok(flag),
        Some(Err(_)) => Err(PROTOCOL),
    };
    let outcome = match (named.map(folder_id), sub_folders) {
        (None, _) => PROTOCOL,
        (_, Err(status)) => status,
        (Some(None), _) => NOT_FOUND,
        (Some(Some(folder)), Ok(sub_folders)) => match empty(session, folder, sub_folders).await {
            Ok(()) => OK,
            // A folder that must stay.
            Err(Error::Invalid(_)) => DENIED,
            Err(e) => status(e)?,
        },
    };
    let id = named.map(|id| Element::leaf(airsync::COLLECTION_ID, id.to_owned()));
    Ok(Element::new(tags::EMPTY_FOLDER_CONTENTS).with_number(tags::STATUS, outcome).with_all(id))
}

async fn empty(session: &Session, id: FolderId, sub_folders: bool) -> Result<(), Error> {
    let mailbox = &session.eas.mailbox;
    let view = mailbox.view(session.acting())?;
    let folder = view.readable(id)?;
    if folder.kind != Kind::Mail {
        return Err(Error::Invalid("only mail folders are emptied"));
    }
    // What arrives meanwhile stays.
    let end = folder.uid_next;
    let mut next = Uid(0);
    loop {
        let mut uids = Vec::new();
        mailbox.view(session.acting())?.items(&folder, next, &mut |item| {
            if item.uid.0 >= end || uids.len() == CHUNK {
                return ControlFlow::Break(());
            }
            uids.push(item.uid);
            ControlFlow::Continue(())
        })?;
        let Some(last) = uids.last().copied() else { break };
        next = Uid(last.0.saturating_add(1));
        // The device that asked is told of each deletion as well: it may not have removed its copies.
        let removed = mailbox.shrink(session.acting(), Origin::OTHER, move |tx| {
            let from = tx.granted(id)?;
            for uid in uids {
                match tx.expunge(&from, uid) {
                    Ok(_) | Err(Error::Missing) => {}
                    Err(e) => return Err(e),
                }
            }
            Ok::<_, Error>(())
        });
        removed.await?;
    }
    if !sub_folders {
        return Ok(());
    }
    let below: Vec<FolderId> = view
        .folders(folder.owner)?
        .into_iter()
        .map(|seen| seen.folder)
        .filter(|below| below.parent == id)
        .map(|below| below.id)
        .collect();
    let deleted = mailbox.shrink(session.acting(), Origin::OTHER, move |tx| {
        for id in below {
            match tx.granted(id) {
                Ok(folder) => tx.delete_folder(&folder)?,
                Err(Error::Missing) => {}
                Err(e) => return Err(e),
            }
        }
        Ok::<_, Error>(())
    });
    deleted.await
}
