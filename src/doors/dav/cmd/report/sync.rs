//! sync-collection: what changed since a token, read from the folder's change log. RFC 6578.
//!
//! What it costs grows with what changed, not with the collection.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use caldav::dav::{Depth, Precondition, Status, SyncCollection};

use crate::doors::dav::conn::{Answer, Asked};
use crate::doors::dav::listing::{Listing, Task};
use crate::doors::dav::node::Collection;
use crate::doors::dav::props::{modseq_of, token};
use crate::doors::dav::reply::Failure;
use crate::mailbox::{LogRow, Modseq, Uid, View};

/// What the log says of a folder since a modseq.
#[derive(Default)]
struct Changes {
    /// By the modseq of the row that tells of it.
    rows: BTreeMap<Modseq, Change>,
    /// Up to where the rows were looked at.
    until: Modseq,
    truncated: bool,
}

#[derive(Clone, Copy)]
enum Change {
    Is(Uid),
    Gone(Uid),
}

pub(super) fn run(
    asked: &Asked,
    view: &View,
    at: &Arc<Collection>,
    request: SyncCollection,
) -> Result<Answer, Failure> {
    at.check_read()?;
    // RFC 6578 §3.3: collections here have no collections in them that are synchronised with them.
    let level = request.level.map_or_else(|| asked.depth(Depth::One), Ok)?;
    if level == Depth::Infinity {
        return Err(Precondition::PropfindFiniteDepth.into());
    }
    let mut listing = Listing::new(&asked.session, request.wanted, asked.prefer().minimal)?;
    let folder = at.folder();
    let since = match &request.token {
        None => Modseq(0),
        Some(text) => {
            let known = modseq_of(text, listing.epoch(), folder);
            Modseq(known.ok_or(Failure::Precondition(Precondition::ValidSyncToken))?)
        }
    };
    let limit = request.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let changes = changes(view, at, since, limit)?;
    for change in changes.rows.values() {
        match change {
            Change::Is(uid) => listing.push(Task::Item(at.clone(), *uid)),
            Change::Gone(uid) => {
                if let Some(name) = view.gone_dav_name(folder, *uid)? {
                    listing.push(Task::Status(at.href.member(&name, false), Status::NOT_FOUND, None));
                }
            }
        }
    }
    if changes.truncated {
        // RFC 6578 §3.6
        let why = Precondition::NumberOfMatchesWithinLimits;
        listing.push(Task::Status(at.href.clone(), Status::INSUFFICIENT_STORAGE, Some(why)));
    }
    listing.set_token(token(listing.epoch(), folder, changes.until.0));
    Ok(Answer::Listing(Box::new(listing)))
}

/// Reads the log. A name that one item left and another one took is told once, as what is there now: the one
/// that left has a row before.
fn changes(view: &View, at: &Collection, since: Modseq, limit: usize) -> Result<Changes, Failure> {
    let folder = at.folder();
    let mut found = Changes { until: folder.highest.max(since), ..Changes::default() };
    let mut last: BTreeMap<Uid, Modseq> = BTreeMap::new();
    let mut reached = since;
    view.log(folder, since, &mut |modseq, row| {
        let (uid, change) = match row {
            LogRow::Birth { uid } | LogRow::Change { uid } | LogRow::Redated { uid } => {
                (uid, Change::Is(uid))
            }
            // It came and went since: the client never heard of it.
            LogRow::Tombstone { born, .. } if born > since => {
                reached = modseq;
                return ControlFlow::Continue(());
            }
            LogRow::Tombstone { uid, .. } => (uid, Change::Gone(uid)),
        };
        if found.rows.len() >= limit && !last.contains_key(&uid) {
            (found.truncated, found.until) = (true, reached);
            return ControlFlow::Break(());
        }
        if let Some(before) = last.insert(uid, modseq) {
            found.rows.remove(&before);
        }
        found.rows.insert(modseq, change);
        reached = modseq;
        ControlFlow::Continue(())
    })?;
    names_taken_again(view, at, &mut found)?;
    Ok(found)
}

/// Leaves out that an item is gone whose name another one has now: the client is told of that one.
fn names_taken_again(view: &View, at: &Collection, found: &mut Changes) -> Result<(), Failure> {
    let mut again = HashSet::new();
    for (modseq, change) in &found.rows {
        if let Change::Gone(uid) = change
            && let Some(name) = view.gone_dav_name(at.folder(), *uid)?
            && view.by_dav_name(at.folder(), &name)?.is_some()
        {
            again.insert(*modseq);
        }
    }
    found.rows.retain(|modseq, _| !again.contains(modseq));
    Ok(())
}
