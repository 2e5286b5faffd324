//! ItemOperations: items and attachments fetched, folders emptied, conversations moved. MS-ASCMD
//! §2.2.1.10.

mod conversation;
mod empty;
mod fetch;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use wbxml::{Element, Version, itemoperations as tags};

use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use crate::mailbox::Error;
use crate::store;

/// Most operations of a request; more are Status 11. MS-ASCMD §3.1.5.10.
const OPERATIONS_MAX: usize = 100;
/// Most octets of items and attachments in one answer; what comes after is Status 11.
const ANSWER_MAX: usize = 64 << 20;

/// Statuses. MS-ASCMD §2.2.3.177.8.
const OK: u16 = 1;
const PROTOCOL: u16 = 2;
const DENIED: u16 = 5;
const NOT_FOUND: u16 = 6;
const BAD_RANGE: u16 = 8;
const UNKNOWN_STORE: u16 = 9;
const TOO_LARGE: u16 = 11;
const IO: u16 = 12;
const CONVERSION: u16 = 14;
const BAD_ATTACHMENT: u16 = 15;
const PARTIAL: u16 = 17;

/// Handles ItemOperations. Every operation has a status of its own.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let request = request.filter(|r| r.tag() == tags::ITEM_OPERATIONS).ok_or(Status::InvalidXml)?;
    let operations = request.children();
    if operations.len() > OPERATIONS_MAX {
        return Ok(Reply::Document(answer(TOO_LARGE)));
    }
    let mut response = Element::new(tags::RESPONSE);
    let mut room = Room { left: ANSWER_MAX, parts: session.query.accept_multipart.then(Vec::new) };
    for operation in operations {
        response.push(match operation.tag() {
            tags::FETCH => fetch::run(session, operation, &mut room).await?,
            tags::EMPTY_FOLDER_CONTENTS => empty::run(session, operation).await?,
            tags::MOVE if session.at_least(Version::V14_0) => conversation::run(session, operation).await?,
            _ => return Ok(Reply::Document(answer(PROTOCOL))),
        });
    }
    let answer = if response.is_empty() { answer(PROTOCOL) } else { answer(OK).with(response) };
    Ok(match room.parts {
        Some(parts) => Reply::Multipart(answer, parts),
        None => Reply::Document(answer),
    })
}

fn answer(status: u16) -> Element<'static> {
    Element::new(tags::ITEM_OPERATIONS).with_number(tags::STATUS, status)
}

/// What an answer may still hold.
struct Room {
    left: usize,
    /// Parts of a multipart answer, if the client takes one.
    parts: Option<Vec<Bytes>>,
}

impl Room {
    /// Takes note of what was put into the answer.
    fn took<T>(&mut self, (what, octets): (T, usize)) -> T {
        self.left = self.left.saturating_sub(octets);
        what
    }
}

/// The status of an operation that fails alone; a store that fails, fails everything.
fn status(e: Error) -> Result<u16, Failure> {
    match e {
        Error::Missing => Ok(NOT_FOUND),
        Error::Denied => Ok(DENIED),
        // One damaged body must not hide the others.
        Error::Store(store::Error::Damaged(why)) => {
            tracing::error!(why, "an item cannot be fetched");
            Ok(IO)
        }
        Error::Exists | Error::Invalid(_) | Error::OverQuota | Error::Stale => Ok(CONVERSION),
        Error::Store(_) => Err(e.into()),
    }
}
