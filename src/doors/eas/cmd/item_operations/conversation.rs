//! Move: a whole conversation into one folder. MS-ASCMD §2.2.3.117.1.
//!
//! What is in Drafts, Sent, Trash and Junk stays there. MoveAlways, which asks for the same with what is
//! yet to come, is taken for the messages that are there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use wbxml::{Element, itemoperations as tags};

use super::{NOT_FOUND, OK, PARTIAL, PROTOCOL, status};
use crate::doors::eas::ids::folder_id;
use crate::doors::eas::render::thread_of;
use crate::doors::eas::reply::{Failure, Status};
use crate::doors::eas::session::Session;
use crate::mailbox::{Acting, Error, FolderId, Kind, Mailbox, Origin, OwnerId, Role, Uid};

/// Most items looked at.
const LOOKED_AT_MAX: usize = 500_000;
/// Most items moved.
const MOVED_MAX: usize = 2_000;
/// Items moved by one transaction.
const CHUNK: usize = 200;

/// Handles one Move.
pub(super) async fn run(session: &Session, operation: &Element<'_>) -> Result<Element<'static>, Failure> {
    let id = operation.bytes_of(tags::CONVERSATION_ID);
    let to = operation.text_of(tags::DST_FLD_ID);
    let outcome = match (id, to) {
        (Some(id), Some(to)) => move_all(session, thread_of(session.owner(), id), folder_id(to)).await?,
        _ => PROTOCOL,
    };
    let id = id.map(|id| Element::opaque(tags::CONVERSATION_ID, id.to_vec()));
    Ok(Element::new(tags::MOVE).with_number(tags::STATUS, outcome).with_all(id))
}

async fn move_all(session: &Session, thread: Option<u64>, to: Option<FolderId>) -> Result<u16, Failure> {
    let mailbox = &session.eas.mailbox;
    let Some(thread) = thread else { return Ok(NOT_FOUND) };
    let destination = to.map(|to| mailbox.view(session.acting()).and_then(|view| view.folder(to)));
    let to = match destination {
        Some(Ok(seen)) if seen.folder.kind == Kind::Mail => seen.folder.id,
        None | Some(Ok(_) | Err(Error::Missing)) => return Ok(Status::InvalidDestinationFolder.code()),
        Some(Err(e)) => return Err(e.into()),
    };
    let found = {
        let (mailbox, acting, owner) = (mailbox.clone(), session.acting(), session.owner());
        session.eas.blocking(move || Ok(find(&mailbox, acting, owner, thread, to)?)).await?
    };
    if found.items.is_empty() {
        return Ok(if found.all { NOT_FOUND } else { PARTIAL });
    }
    for (from, uids) in found.items {
        for uids in uids.chunks(CHUNK) {
            let uids = uids.to_vec();
            // Nobody is told the new ids: every device sees them arrive.
            let moved = mailbox.write(session.acting(), Origin::OTHER, move |tx| {
                let (from, to) = (tx.granted(from)?, tx.granted(to)?);
                for uid in uids {
                    match tx.move_to(&from, uid, &to) {
                        Ok(_) | Err(Error::Missing) => {}
                        Err(e) => return Err(e),
                    }
                }
                Ok::<_, Error>(())
            });
            if let Err(e) = moved.await {
                return status(e);
            }
        }
    }
    Ok(if found.all { OK } else { PARTIAL })
}

struct Found {
    items: BTreeMap<FolderId, Vec<Uid>>,
    /// Whether everything was looked at.
    all: bool,
}

fn find(
    mailbox: &Mailbox,
    acting: Acting,
    owner: OwnerId,
    thread: u64,
    to: FolderId,
) -> Result<Found, Error> {
    let view = mailbox.view(acting)?;
    let mut found = Found { items: BTreeMap::new(), all: true };
    let (mut looked_at, mut count) = (0, 0);
    for folder in view.folders(owner)?.into_iter().map(|seen| seen.folder) {
        let stays = matches!(folder.role, Role::Drafts | Role::Sent | Role::Trash | Role::Junk);
        if folder.kind != Kind::Mail || stays || folder.id == to {
            continue;
        }
        let mut uids = Vec::new();
        view.items(&folder, Uid(0), &mut |item| {
            looked_at += 1;
            if item.thread == thread {
                uids.push(item.uid);
                count += 1;
            }
            found.all = looked_at < LOOKED_AT_MAX && count < MOVED_MAX;
            if found.all { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if !uids.is_empty() {
            found.items.insert(folder.id, uids);
        }
        if !found.all {
            break;
        }
    }
    Ok(found)
}
