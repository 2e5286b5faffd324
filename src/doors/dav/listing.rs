//! Answers about many resources: rendered piece by piece, each when the client has taken the one before. Between
//! two pieces neither a thread nor a snapshot is held.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use caldav::dav::{Href, Multistatus, Precondition, Properties, Status, Wanted};

use super::data::Filter;
use super::node::{Collection, Node};
use super::props::Props;
use super::reply::{self, Failure};
use super::session::{Dav, Session};
use crate::mailbox::Uid;
use crate::objects;

/// A piece has at least so many octets, and no more beyond than one resource takes.
const PIECE: usize = 256 << 10;
/// Resources looked at for one piece, whether they match or not.
const PIECE_TASKS: usize = 2_000;

/// A resource to be told of.
pub(super) enum Task {
    /// What a node is.
    Node(Href, Node),
    /// An item, if it is still there.
    Item(Arc<Collection>, Uid),
    /// The item of a name, as a client asked for it.
    Named(Arc<Collection>, String, Href),
    /// A resource as a whole.
    Status(Href, Status, Option<Precondition>),
}

/// A multistatus on its way.
pub(super) struct Listing {
    session: Session,
    epoch: u64,
    wanted: Wanted,
    minimal: bool,
    tasks: VecDeque<Task>,
    /// What items must be like.
    filter: Option<Filter>,
    /// How many items that match are enough, and what is told when there are more.
    limit: Option<(usize, Href)>,
    /// The sync token at the end.
    token: Option<String>,
    out: Option<Multistatus>,
}

impl Listing {
    pub(super) fn new(session: &Session, wanted: Wanted, minimal: bool) -> Result<Self, Failure> {
        Ok(Self {
            session: session.clone(),
            epoch: session.services().store.epoch()?,
            wanted,
            minimal,
            tasks: VecDeque::new(),
            filter: None,
            limit: None,
            token: None,
            out: Some(Multistatus::new()),
        })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn push(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    pub(super) fn filter(mut self, filter: Filter, limit: Option<(usize, Href)>) -> Self {
        (self.filter, self.limit) = (Some(filter), limit);
        self
    }

    pub(super) fn set_token(&mut self, token: String) {
        self.token = Some(token);
    }

    /// Renders the next piece; `None` after the last one. Blocks.
    fn step(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(mut out) = self.out.take() else { return Ok(None) };
        let view = self.session.view()?;
        let given = match &self.wanted {
            Wanted::All(given) | Wanted::These(given) => given.clone(),
            Wanted::Names => Properties::default(),
        };
        let session = self.session.clone();
        let props = Props {
            session: &session,
            view: &view,
            epoch: self.epoch,
            calendar_data: given.calendar_data.as_ref(),
            address_data: given.address_data.as_ref(),
        };
        let mut left = PIECE_TASKS;
        while let Some(task) = self.tasks.pop_front() {
            self.render(&props, task, &mut out)?;
            left -= 1;
            if out.pending() >= PIECE || left == 0 {
                let piece = out.take();
                self.out = Some(out);
                return Ok(Some(piece.into()));
            }
        }
        if let Some(token) = &self.token {
            out.sync_token(token);
        }
        Ok(Some(out.finish().into()))
    }

    fn render(&mut self, props: &Props<'_>, task: Task, out: &mut Multistatus) -> Result<(), Failure> {
        let (at, item, href) = match task {
            Task::Status(href, status, error) => {
                out.status(&href, status, error.as_ref());
                return Ok(());
            }
            Task::Node(href, node) => {
                let mut response = out.response(&href);
                props.write(&node, &self.wanted, self.minimal, &mut response)?;
                response.end();
                return Ok(());
            }
            Task::Item(at, uid) => {
                let Some(item) = props.view.item(at.folder(), uid)? else { return Ok(()) };
                let href = at.member(&item);
                (at, item, href)
            }
            Task::Named(at, name, href) => match objects::by_name(props.view, at.folder(), &name)? {
                Some(item) => (at, item, href),
                None => {
                    out.status(&href, Status::NOT_FOUND, None);
                    return Ok(());
                }
            },
        };
        if let Some(filter) = &self.filter {
            match filter.matches(props, &item) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(e) => return damaged(&e, &href, out).then_some(()).ok_or(e),
            }
        }
        if let Some((left, collection)) = &mut self.limit {
            if *left == 0 {
                // RFC 6352 §8.6.2; RFC 6578 §3.6.
                let why = Precondition::NumberOfMatchesWithinLimits;
                out.status(collection, Status::INSUFFICIENT_STORAGE, Some(&why));
                self.tasks.clear();
                return Ok(());
            }
            *left -= 1;
        }
        let node = Node::Item(at, Box::new(item));
        let mut response = out.response(&href);
        let written = props.write(&node, &self.wanted, self.minimal, &mut response);
        response.end();
        match written {
            // What was written of it before stands; the rest is missing.
            Err(failure) if is_damage(&failure) => {
                tracing::error!(href = href.as_str(), ?failure, "a damaged object");
                Ok(())
            }
            written => written,
        }
    }
}

fn is_damage(failure: &Failure) -> bool {
    matches!(failure, Failure::Mailbox(e) if e.is_damage())
}

/// Tells of an item that cannot be read; it must not stop the others. False for any other failure.
fn damaged(failure: &Failure, href: &Href, out: &mut Multistatus) -> bool {
    if !is_damage(failure) {
        return false;
    }
    tracing::error!(href = href.as_str(), ?failure, "a damaged object");
    out.status(href, Status::INTERNAL_SERVER_ERROR, None);
    true
}

/// Sends a listing.
pub(super) async fn send(dav: &Arc<Dav>, listing: Listing) -> Result<Response<Body>, Failure> {
    let (first, listing) = next(dav, listing).await?;
    let first = first.unwrap_or_default();
    let mut response = reply::empty(StatusCode::MULTI_STATUS);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply::XML));
    if listing.out.is_none() {
        *response.body_mut() = Body::from(first);
        return Ok(response);
    }
    let begin = (dav.clone(), Some(first), Some(listing));
    let pieces = futures::stream::unfold(begin, |(dav, first, listing)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (dav, None, listing)));
        }
        match next(&dav, listing?).await {
            Ok((piece, listing)) => piece.map(|piece| (Ok(piece), (dav, None, Some(listing)))),
            // The client sees that the answer is not whole.
            Err(failure) => Some((Err(std::io::Error::other(format!("{failure:?}"))), (dav, None, None))),
        }
    });
    *response.body_mut() = Body::from_stream(pieces);
    Ok(response)
}

async fn next(dav: &Arc<Dav>, mut listing: Listing) -> Result<(Option<Bytes>, Listing), Failure> {
    dav.blocking(move || Ok((listing.step()?, listing))).await
}
