//! PUT. RFC 4918 §9.7; RFC 4791 §5.3.2; RFC 6352 §6.3.2.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use caldav::dav::Privilege;

use crate::doors::dav::conditions::field;
use crate::doors::dav::conn::Asked;
use crate::doors::dav::data::MEDIA_TYPE;
use crate::doors::dav::node::{Collection, Home, Node, Parent};
use crate::doors::dav::reply::{self, Failure, needs};
use crate::doors::dav::{props, schedule, tree};
use crate::mailbox::{Item, Knew, View};
use crate::objects::{self, Expected, Limits, Prepared, Refused, Target};
use crate::policy::Rights;

/// How often a change is computed again when another came between.
const TRIES: usize = 5;

/// Longest media type that is kept with a file.
const MEDIA_TYPE_MAX: usize = 255;

pub(in crate::doors::dav) fn run(asked: &Asked) -> Result<Response<Body>, Failure> {
    // RFC 9110 §14.5: a part is not taken for the whole.
    if asked.headers.contains_key(header::CONTENT_RANGE) {
        return Err(Failure::Status(StatusCode::BAD_REQUEST));
    }
    for _ in 0..TRIES {
        let view = asked.session.view()?;
        let node = asked.node(&view)?;
        asked.check(&view, &node)?;
        let (at, was, name) = match node {
            Node::Item(at, item) => {
                let name = crate::doors::dav::node::name_of(&item);
                (at, Some(*item), name)
            }
            Node::Vacant(Parent::Collection(at), name) => (at, None, name),
            Node::Vacant(Parent::Home(Home::Files), name) => {
                let root = tree::make_files_root(&asked.session)?;
                (Arc::new(root), None, name)
            }
            Node::Vacant(Parent::Home(_), _) => return Err(Failure::FORBIDDEN),
            Node::Nowhere => return Err(Failure::CONFLICT),
            other => return Ok(reply::not_allowed(&props::methods(&other).join(", "))),
        };
        if asked.target.is_collection {
            return Err(Failure::CONFLICT);
        }
        check_media_type(&at, field(&asked.headers, "content-type"))?;
        match store_object(asked, &view, &at, was.as_ref(), name) {
            Err(Stored::Again) => {}
            Err(Stored::Failed(e)) => return Err(e),
            Ok(etag) => {
                let status = if was.is_some() { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
                let mut response = reply::empty(status);
                let headers = response.headers_mut();
                if let Some(Ok(etag)) = etag.as_deref().map(HeaderValue::from_str) {
                    headers.insert(header::ETAG, etag);
                }
                if let Some(Ok(tag)) = schedule_tag(asked)?.as_deref().map(HeaderValue::from_str) {
                    headers.insert("schedule-tag", tag);
                }
                return Ok(response);
            }
        }
    }
    Err(Failure::Later)
}

/// Why an object was not stored.
enum Stored {
    /// Something came between.
    Again,
    Failed(Failure),
}

impl From<Failure> for Stored {
    fn from(e: Failure) -> Self {
        Self::Failed(e)
    }
}

/// The Schedule-Tag of what was put. RFC 6638 §8.2.
fn schedule_tag(asked: &Asked) -> Result<Option<String>, Failure> {
    let view = asked.session.view()?;
    match asked.node(&view)? {
        Node::Item(at, item) => schedule::tag(&asked.session, &view, &at, &item),
        _ => Ok(None),
    }
}

/// Stores what a client sent as an item, with the mails that it comes to, and gives its entity tag: none where
/// something else is stored than was sent (RFC 4791 §5.3.4).
fn store_object(
    asked: &Asked,
    view: &View,
    at: &Collection,
    was: Option<&Item>,
    name: String,
) -> Result<Option<String>, Stored> {
    let needed = if was.is_some() { Rights::INSERT.and(Rights::WRITE) } else { Rights::INSERT };
    if !at.may(needed) {
        let privilege = if was.is_some() { Privilege::WriteContent } else { Privilege::Bind };
        return Err(needs(&at.href, privilege).into());
    }
    let is_card = at.is_card();
    let refused = |e: Refused| Failure::Refused(e, is_card);
    schedule::check_tag(asked, view, at, was)?;
    let prepare = |bytes| Prepared::of(at.folder().kind, bytes, &Limits::default()).map_err(refused);
    let mut prepared = prepare(asked.body.clone())?;
    prepared.check_folder(at.folder()).map_err(refused)?;
    check_uid(view, at, was, &prepared.entry().uid)?;
    let scheduled = schedule::scheduled(&asked.session, view, at, was, Some(&asked.body), false)?;
    let as_sent = scheduled.bytes.is_none();
    if let Some(bytes) = scheduled.bytes {
        prepared = prepare(bytes)?;
    }
    let services = asked.session.services();
    let domain = domain_of(asked, at)?;
    let mut new = prepared.stage(&services.store, domain).map_err(Failure::from)?;
    if at.home == Home::Files {
        let media_type = field(&asked.headers, "content-type").filter(|kind| kind.len() <= MEDIA_TYPE_MAX);
        new.properties.push((MEDIA_TYPE.to_owned(), media_type.map(|kind| kind.as_bytes().to_vec())));
    }
    let etag = as_sent.then(|| new.etag());
    let (delivery, outbound) = (services.delivery.clone(), scheduled.outbound);
    let (target, expected) = match was {
        Some(item) => (Target::Of(item.uid), Expected::Unchanged(item.content_modseq)),
        None => (Target::New { name: Some(name) }, Expected::Absent),
    };
    let id = at.id();
    let written = asked.session.write(move |tx| {
        let folder = tx.granted(id)?;
        objects::put(tx, &folder, &target, expected, &new, Knew::default())?;
        Ok(delivery.post(tx.store(), &outbound)?)
    });
    match written {
        Ok(()) => Ok(etag),
        Err(objects::Error::Changed | objects::Error::UidTaken(_)) => Err(Stored::Again),
        Err(e) => Err(reply::of_objects(e, is_card).into()),
    }
}

/// In whose domain bodies of a folder's items are kept.
pub(in crate::doors::dav) fn domain_of(asked: &Asked, at: &Collection) -> Result<u64, Failure> {
    let owner = crate::doors::dav::node::owner_of(&asked.session, at.folder())?;
    Ok(owner.ok_or(Failure::MISSING)?.domain.0)
}

/// No other object of the folder may have the UID, nor may the object get another one. RFC 4791 §5.3.2.1.
fn check_uid(view: &View, at: &Collection, was: Option<&Item>, uid: &str) -> Result<(), Failure> {
    if uid.is_empty() {
        return Ok(());
    }
    let other = objects::by_uid(view, at.folder(), uid)?;
    match (other, was) {
        (Some(other), was) if was.is_none_or(|was| was.uid != other.uid) => {
            Err(reply::uid_conflict(Some(at.member(&other)), at.is_card()))
        }
        (None, Some(was)) if was.ical_uid.is_some() => {
            Err(reply::uid_conflict(Some(at.member(was)), at.is_card()))
        }
        _ => Ok(()),
    }
}

/// A media type that names something else is refused; one that names nothing is not believed. RFC 4791 §5.3.2.1.
fn check_media_type(at: &Collection, media_type: Option<&str>) -> Result<(), Failure> {
    let Some(media_type) = media_type else { return Ok(()) };
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known: &[&str] = match at.home {
        Home::Calendars => &["text/calendar"],
        Home::Contacts => &["text/vcard", "text/x-vcard", "text/directory"],
        Home::Files => return Ok(()),
    };
    let vague = ["", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"];
    if known.contains(&kind.as_str()) || vague.contains(&kind.as_str()) {
        Ok(())
    } else {
        Err(Failure::Refused(Refused::SupportedData, at.is_card()))
    }
}
