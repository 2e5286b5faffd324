//! PROPPATCH, all or nothing. RFC 4918 §9.2.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use caldav::dav::{Href, Multistatus, Name, Patch, Property, Proppatch, Status};

use crate::doors::dav::conn::Asked;
use crate::doors::dav::dead;
use crate::doors::dav::node::{Collection, Home, Node};
use crate::doors::dav::props::{self, Live};
use crate::doors::dav::reply::{self, Failure};
use crate::mailbox::{self, Edit, FolderId, Granted, Knew, MailTx, Role};
use crate::objects::{self, DISPLAY_NAME};

/// A property of a folder or an item, as it is to be kept.
pub(in crate::doors::dav) type Change = (String, Option<Vec<u8>>);

pub(in crate::doors::dav) fn run(asked: &Asked) -> Result<Response<Body>, Failure> {
    let request = Proppatch::parse(&asked.body, &asked.limits())?;
    let view = asked.session.view()?;
    let node = asked.node(&view)?;
    if matches!(node, Node::Vacant(..) | Node::Nowhere) {
        return Err(Failure::MISSING);
    }
    asked.check(&view, &node)?;
    let href = match &node {
        Node::Collection(at) => at.href.clone(),
        Node::Item(at, item) => at.member(item),
        _ => Href::new(asked.target.segments.iter().map(String::as_str), true),
    };
    let changes: Vec<Result<Change, ()>> = request.patches.iter().map(|patch| change(&node, patch)).collect();
    let mut out = Multistatus::new();
    let mut response = out.response(&href);
    let names: Vec<&Name> = request.patches.iter().map(Patch::name).collect();
    if changes.iter().any(Result::is_err) {
        for (name, change) in names.into_iter().zip(&changes) {
            props::refuse(&mut response, name, change.is_err());
        }
    } else {
        let changes: Vec<Change> = changes.into_iter().flatten().collect();
        let done = match &node {
            Node::Collection(at) => set_on_folder(asked, at, changes),
            Node::Item(at, item) => set_on_item(asked, at, item.uid, changes),
            _ => Err(Failure::FORBIDDEN),
        };
        match done {
            Ok(()) => names.into_iter().for_each(|name| response.done(name)),
            // Too much of it: RFC 4918 §9.2.1.
            Err(Failure::Mailbox(mailbox::Error::Invalid(_))) => {
                names.into_iter().for_each(|n| response.refused(n, Status::INSUFFICIENT_STORAGE, None));
            }
            Err(e) => return Err(e),
        }
    }
    response.end();
    Ok(reply::body(StatusCode::MULTI_STATUS, reply::XML, out.finish().into()))
}

/// What one patch makes of a node; `Err` when it cannot be.
fn change(node: &Node, patch: &Patch) -> Result<Change, ()> {
    let name = patch.name();
    let home = match node {
        Node::Collection(at) => Some(at.home),
        Node::Item(..) => None,
        _ => return Err(()),
    };
    match (props::live(name), home) {
        (Some(Live::Protected), _) => Err(()),
        (Some(Live::Kept(kept)), Some(home)) if fits(home, name) => match patch {
            Patch::Set(property) => Ok((kept.to_owned(), value(property)?)),
            Patch::Remove(_) => Ok((kept.to_owned(), None)),
        },
        // What is live elsewhere is here as any other.
        _ => Ok((
            dead::key(name),
            match patch {
                Patch::Set(property) => Some(property.fragment.xml().as_bytes().to_vec()),
                Patch::Remove(_) => None,
            },
        )),
    }
}

/// Whether a property that can be set has its meaning in a home.
fn fits(home: Home, name: &Name) -> bool {
    match name.local() {
        "calendar-description" | "calendar-timezone" | "schedule-calendar-transp" => home == Home::Calendars,
        "addressbook-description" => home == Home::Contacts,
        _ => true,
    }
}

/// How the value of a live property is kept; `Err` for one that it cannot have.
pub(in crate::doors::dav) fn value(property: &Property) -> Result<Option<Vec<u8>>, ()> {
    let name = property.name();
    let text = property.value.text();
    match name.local() {
        "schedule-calendar-transp" if name.is_caldav("schedule-calendar-transp") => {
            let transparent = property.value.child(&Name::caldav("transparent")).is_some();
            Ok(transparent.then(|| b"transparent".to_vec()))
        }
        "calendar-timezone" if name.is_caldav("calendar-timezone") => {
            let object = caldav::Object::parse(text.trim_start().as_bytes()).map_err(|_| ())?;
            let zone = object.calendar().and_then(|calendar| calendar.component("VTIMEZONE"));
            zone.ok_or(())?;
            Ok(Some(text.into_bytes()))
        }
        _ => Ok(Some(text.into_bytes())),
    }
}

fn set_on_folder(asked: &Asked, at: &Collection, changes: Vec<Change>) -> Result<(), Failure> {
    let id = at.id();
    let write = asked.session.write(move |tx| {
        let folder = tx.granted(id)?;
        Ok(set(tx, &folder, changes)?)
    });
    write.map_err(|e| reply::of_objects(e, at.is_card()))
}

/// Sets properties of a folder. A name that folders can have becomes its name, so that other clients see it.
pub(in crate::doors::dav) fn set<'g>(
    tx: &mut MailTx<'_, 'g>,
    folder: &Granted<'g>,
    mut changes: Vec<Change>,
) -> Result<(), mailbox::Error> {
    if let Some((_, title)) = changes.iter_mut().rev().find(|(name, _)| name == DISPLAY_NAME)
        && let Some(wanted) = title.as_ref().and_then(|title| String::from_utf8(title.clone()).ok())
    {
        let (parent, role) = tx.folder(folder).map(|folder| (folder.parent, folder.role))?;
        if role == Role::None && tx.rename_folder(folder, parent, &wanted).is_ok() {
            *title = None;
        }
    }
    tx.set_folder_properties(folder, &changes)
}

fn set_on_item(
    asked: &Asked,
    at: &Collection,
    uid: mailbox::Uid,
    properties: Vec<Change>,
) -> Result<(), Failure> {
    let id: FolderId = at.id();
    let write = asked.session.write(move |tx| {
        let folder = tx.granted(id)?;
        tx.edit(&folder, uid, &Edit { properties, ..Edit::default() }, Knew::default())?;
        Ok::<_, objects::Error>(())
    });
    write.map_err(|e| reply::of_objects(e, at.is_card()))
}
