//! DELETE. RFC 4918 §9.6.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use caldav::dav::{Depth, Precondition, Privilege, schedule_reply};

use crate::delivery::Outbound;
use crate::doors::dav::conditions::field;
use crate::doors::dav::conn::Asked;
use crate::doors::dav::node::{Collection, Node};
use crate::doors::dav::reply::{self, Failure, needs};
use crate::doors::dav::{props, schedule};
use crate::mailbox::{Item, Role};
use crate::objects::{self, Expected};
use crate::policy::Rights;

/// How often a removal is tried again when a change came between.
const TRIES: usize = 5;

pub(in crate::doors::dav) fn run(asked: &Asked) -> Result<Response<Body>, Failure> {
    for _ in 0..TRIES {
        let view = asked.session.view()?;
        let node = asked.node(&view)?;
        asked.check(&view, &node)?;
        match &node {
            Node::Vacant(..) | Node::Nowhere => return Err(Failure::MISSING),
            Node::Item(at, item) => {
                schedule::check_tag(asked, &view, at, Some(item))?;
                // RFC 6638 §8.1
                let quiet = !schedule_reply(field(&asked.headers, "schedule-reply"));
                let planned = schedule::scheduled(&asked.session, &view, at, Some(item), None, quiet)?;
                match remove_object(asked, at, item, planned.outbound) {
                    Err(objects::Error::Changed) => continue,
                    removed => removed.map_err(|e| reply::of_objects(e, at.is_card()))?,
                }
            }
            Node::Collection(at) => {
                // RFC 4918 §9.6.1
                if asked.depth(Depth::Infinity)? != Depth::Infinity {
                    return Err(Failure::Status(StatusCode::BAD_REQUEST));
                }
                remove_folder(asked, at)?;
            }
            other => return Ok(reply::not_allowed(&props::methods(other).join(", "))),
        }
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    Err(Failure::Later)
}

/// Removes an item that is as it was seen, and sends what that comes to.
fn remove_object(
    asked: &Asked,
    at: &Collection,
    item: &Item,
    outbound: Outbound,
) -> Result<(), objects::Error> {
    let (id, uid, since) = (at.id(), item.uid, item.content_modseq);
    let delivery = asked.session.services().delivery.clone();
    asked.session.write(move |tx| {
        let folder = tx.granted(id)?;
        objects::remove(tx, &folder, uid, Expected::Unchanged(since))?;
        Ok(delivery.post(tx.store(), &outbound)?)
    })
}

fn remove_folder(asked: &Asked, at: &Collection) -> Result<(), Failure> {
    match at.folder().role {
        Role::None => {}
        // RFC 6638 §4.2: where invitations go.
        Role::Calendar => return Err(Precondition::DefaultCalendarNeeded.into()),
        _ => return Err(Failure::FORBIDDEN),
    }
    if !at.may(Rights::DELETE_FOLDER) {
        return Err(needs(&at.href, Privilege::Unbind));
    }
    let id = at.id();
    let write = asked.session.write(move |tx| {
        let folder = tx.granted(id)?;
        Ok(tx.delete_folder(&folder)?)
    });
    write.map_err(|e| reply::of_objects(e, at.is_card()))
}
