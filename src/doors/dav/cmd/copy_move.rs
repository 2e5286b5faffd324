//! COPY and MOVE within the user's homes. RFC 4918 §9.8, §9.9.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use caldav::dav::{Depth, Precondition, Privilege, Target, overwrite};

use crate::doors::dav::conditions::field;
use crate::doors::dav::conn::Asked;
use crate::doors::dav::node::{self, Collection, Home, Node, Parent};
use crate::doors::dav::props;
use crate::doors::dav::reply::{self, Failure, needs};
use crate::doors::dav::tree::{self, Occupant};
use crate::mailbox::{self, Item, View};
use crate::objects::{self, Entry};
use crate::policy::Rights;

pub(in crate::doors::dav) fn run(asked: &Asked, is_move: bool) -> Result<Response<Body>, Failure> {
    let target = destination(asked)?;
    let overwrite = overwrite(field(&asked.headers, "overwrite"));
    let overwrite = overwrite.ok_or(Failure::Status(StatusCode::BAD_REQUEST))?;
    let view = asked.session.view()?;
    let source = asked.node(&view)?;
    asked.check(&view, &source)?;
    if target.segments == asked.target.segments {
        return Err(Failure::FORBIDDEN);
    }
    let (parent, name) = slot(asked, &view, &target)?;
    let occupant = match node::resolve(&asked.session, &view, &target)? {
        Node::Vacant(..) => Occupant::Nothing,
        _ if !overwrite => return Err(Failure::Status(StatusCode::PRECONDITION_FAILED)),
        Node::Item(at, item) => Occupant::Item(at.id(), item.uid),
        Node::Collection(at) => Occupant::Folder(at.id()),
        Node::Nowhere => return Err(Failure::CONFLICT),
        _ => return Err(Failure::FORBIDDEN),
    };
    let created = matches!(occupant, Occupant::Nothing);
    match source {
        Node::Item(from, item) => {
            let to = into(asked, &parent)?;
            check_kind(&view, &from, &item, &to)?;
            from.check_read()?;
            if !to.may(Rights::INSERT) {
                return Err(needs(&to.href, Privilege::Bind));
            }
            let done = tree::item(&asked.session, (from.id(), item.uid), to.id(), name, is_move, occupant);
            done.map_err(|e| conflict(&view, &to, &item, e))?;
        }
        Node::Collection(from) => {
            let inside = target.segments.starts_with(&asked.target.segments);
            check_home(&from, &parent)?;
            if inside {
                return Err(Failure::FORBIDDEN);
            }
            if is_move {
                if from.folder().role != mailbox::Role::None || !from.may(Rights::DELETE_FOLDER) {
                    return Err(Failure::FORBIDDEN);
                }
                tree::move_folder(&asked.session, &from, (&parent, name), occupant)?;
            } else {
                let deep = asked.depth(Depth::Infinity)? == Depth::Infinity;
                tree::copy_folder(&asked.session, &view, &from, (&parent, name), deep, occupant)?;
            }
        }
        Node::Vacant(..) | Node::Nowhere => return Err(Failure::MISSING),
        other => return Ok(reply::not_allowed(&props::methods(&other).join(", "))),
    }
    Ok(reply::empty(if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT }))
}

/// RFC 4918 §10.3: a path of this server.
fn destination(asked: &Asked) -> Result<Target, Failure> {
    let text = field(&asked.headers, "destination").ok_or(Failure::Status(StatusCode::BAD_REQUEST))?;
    let target = Target::parse(text).ok_or(Failure::Status(StatusCode::BAD_REQUEST))?;
    let host = |authority: &str| {
        let name = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        name.map_or(authority, |(name, _)| name).to_ascii_lowercase()
    };
    let ours = field(&asked.headers, "host").map(host);
    match (&target.authority, ours) {
        (Some(theirs), Some(ours)) if host(theirs) != ours => Err(Failure::Status(StatusCode::BAD_GATEWAY)),
        _ => Ok(target),
    }
}

/// Where a path's last segment is.
fn slot(asked: &Asked, view: &View, target: &Target) -> Result<(Parent, String), Failure> {
    let (name, above) = target.segments.split_last().ok_or(Failure::FORBIDDEN)?;
    let above = Target { authority: None, segments: above.to_vec(), is_collection: true };
    let parent = match node::resolve(&asked.session, view, &above)? {
        Node::Collection(at) => Parent::Collection(at),
        Node::Home(home) => Parent::Home(home),
        Node::Root | Node::Principals | Node::Principal(_) | Node::Inbox | Node::Outbox => {
            return Err(Failure::FORBIDDEN);
        }
        Node::Item(..) | Node::Vacant(..) | Node::Nowhere => return Err(Failure::CONFLICT),
    };
    Ok((parent, name.clone()))
}

/// The folder that an item comes into.
fn into(asked: &Asked, parent: &Parent) -> Result<Arc<Collection>, Failure> {
    match parent {
        Parent::Collection(to) => Ok(to.clone()),
        Parent::Home(Home::Files) => Ok(Arc::new(tree::make_files_root(&asked.session)?)),
        Parent::Home(_) => Err(Failure::FORBIDDEN),
    }
}

/// A folder holds what it is for.
fn check_kind(view: &View, from: &Collection, item: &Item, to: &Collection) -> Result<(), Failure> {
    let (is, wanted) = (from.folder().kind, to.folder().kind);
    if from.home != to.home {
        return Err(match to.home {
            Home::Calendars => Precondition::SupportedCalendarData.into(),
            Home::Contacts => Precondition::SupportedAddressData.into(),
            Home::Files => Failure::FORBIDDEN,
        });
    }
    if to.home != Home::Calendars {
        return Ok(());
    }
    let entry = view.record(from.folder(), item.uid)?.as_ref().and_then(Entry::of);
    let held = entry.is_some_and(|entry| objects::components(to.folder()).has(entry.kept));
    // What stands beside an item depends on its folder's kind.
    if held && is == wanted { Ok(()) } else { Err(Precondition::SupportedCalendarComponent.into()) }
}

/// A collection goes where its like is.
fn check_home(from: &Collection, parent: &Parent) -> Result<(), Failure> {
    match parent {
        Parent::Home(home) if *home == from.home => Ok(()),
        Parent::Collection(to) if to.home == Home::Files && from.home == Home::Files => Ok(()),
        _ => Err(match from.home {
            Home::Calendars => Precondition::CalendarCollectionLocation.into(),
            Home::Contacts => Precondition::AddressbookCollectionLocationOk.into(),
            Home::Files => Failure::FORBIDDEN,
        }),
    }
}

/// Why an item could not come: another one there has its UID, most of all.
fn conflict(view: &View, to: &Collection, item: &Item, e: objects::Error) -> Failure {
    let taken = matches!(e, objects::Error::Mailbox(mailbox::Error::Exists));
    if let (true, Some(uid)) = (taken, &item.ical_uid) {
        let other = objects::by_uid(view, to.folder(), uid).ok().flatten();
        return reply::uid_conflict(other.map(|other| to.member(&other)), to.is_card());
    }
    reply::of_objects(e, to.is_card())
}
