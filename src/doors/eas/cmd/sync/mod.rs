//! Sync: the client's changes in, the server's out, and waiting for them. MS-ASCMD §2.2.1.21.
//!
//! A request is read to a [`request::Asked`], with what a short form leaves out filled in from the
//! device's last one. Each collection then has its commands applied (`apply`), in the same transaction
//! in which their outcomes are kept for a repeated request; then a snapshot gives the changes to tell
//! (`answer`), and the state they lead to is stored before they are sent. If no collection has anything
//! to say and the client waits, the request is parked on the notifier (`park`).

mod answer;
mod apply;
mod drafts;
mod objects;
mod park;
mod plans;
mod remember;
mod request;

use std::sync::Arc;

use wbxml::{Element, airsync};

use crate::doors::eas::reply::{Failure, Reply};
use crate::doors::eas::session::Session;
pub(in crate::doors::eas) use remember::Requests;

use answer::Told;
use apply::Trash;
use park::Woken;
use request::{Asked, Problem};

/// What a request asks, or why it cannot be served.
pub(in crate::doors::eas) type Request = Result<Asked, Problem>;

/// Reads a request: nothing of its document is needed any more while it waits.
pub(in crate::doors::eas) fn read(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Request, Failure> {
    Asked::read(session, request)
}

/// Handles Sync.
pub(in crate::doors::eas) async fn run(session: &Session, request: Request) -> Result<Reply, Failure> {
    let asked = match request {
        Ok(asked) => asked,
        Err(problem) => return Ok(Reply::Document(problem.told())),
    };
    remember::keep(session, &asked);
    let (mut applied, mut trash) = (Vec::with_capacity(asked.collections.len()), Trash::default());
    for collection in &asked.collections {
        applied.push(apply::run(session, collection, &mut trash).await?);
    }
    let waits = asked.wait.map(|wait| (wait, park::watch(session, &applied)));
    let asked = Arc::new(asked);
    let (told, applied) = answer::run(session, &asked, applied).await?;
    let (Some((wait, watch)), true) = (waits, told.is_quiet()) else {
        remember::answered(session, &told);
        return Ok(told.into_reply());
    };
    match park::until_changed(session, applied, watch, wait).await? {
        (_, Woken::InVain) => Ok(Reply::Empty),
        (_, Woken::ByTree) => Ok(Reply::Document(Problem::FoldersChanged.told())),
        (applied, Woken::ByItems) => {
            let (told, _) = answer::run(session, &asked, applied).await?;
            remember::answered(session, &told);
            Ok(told.into_reply())
        }
    }
}

impl Problem {
    /// A Sync answer with nothing but a status, and a limit where one was not kept.
    fn told(self) -> Element<'static> {
        let answer = Element::new(airsync::SYNC).with_number(airsync::STATUS, self.status());
        match self.limit() {
            Some(limit) => answer.with_number(airsync::LIMIT, limit),
            None => answer,
        }
    }
}

impl Told {
    /// An empty answer where no collection has anything to say. MS-ASCMD §2.2.1.21.2.
    fn into_reply(self) -> Reply {
        if self.is_quiet() {
            return Reply::Empty;
        }
        let collections = Element::new(airsync::COLLECTIONS).with_all(self.collections);
        Reply::Document(Element::new(airsync::SYNC).with(collections))
    }
}

#[cfg(test)]
mod tests;
