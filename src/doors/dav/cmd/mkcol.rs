//! MKCOL, extended MKCOL and MKCALENDAR. RFC 4918 §9.3; RFC 5689; RFC 4791 §5.3.1.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use caldav::dav::{Mkcol, Name, Precondition, Property, Status, mkcol_response};

use crate::doors::dav::cmd::proppatch::{self, Change};
use crate::doors::dav::conditions::field;
use crate::doors::dav::conn::Asked;
use crate::doors::dav::node::{Home, Node, Parent};
use crate::doors::dav::props::{self, Live};
use crate::doors::dav::reply::{self, Failure};
use crate::doors::dav::{dead, tree};
use crate::mailbox::Kind;
use crate::objects::{COMPONENTS, Components, DISPLAY_NAME, SEGMENT};

/// Longest last segment of a folder's URL.
const SEGMENT_MAX: usize = 255;

pub(in crate::doors::dav) fn run(asked: &Asked, is_calendar: bool) -> Result<Response<Body>, Failure> {
    let is_xml = field(&asked.headers, "content-type").is_none_or(|kind| kind.contains("xml"));
    if !asked.body.trim_ascii().is_empty() && !is_xml {
        return Err(Failure::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let request = match is_calendar {
        true => Mkcol::parse_calendar(&asked.body, &asked.limits())?,
        false => Mkcol::parse(&asked.body, &asked.limits())?,
    };
    let view = asked.session.view()?;
    let node = asked.node(&view)?;
    asked.check(&view, &node)?;
    let (parent, name) = match node {
        Node::Vacant(parent, name) => (parent, name),
        Node::Nowhere => return Err(Failure::CONFLICT),
        _ if is_calendar => return Err(Precondition::ResourceMustBeNull.into()),
        other => return Ok(reply::not_allowed(&props::methods(&other).join(", "))),
    };
    if name.len() > SEGMENT_MAX {
        return Err(Failure::FORBIDDEN);
    }
    let wanted = wanted(&request, is_calendar)?;
    let kind = match (&parent, wanted) {
        (Parent::Home(Home::Calendars), Wanted::Calendar) => kind_of(&request)?,
        (Parent::Home(Home::Contacts), Wanted::AddressBook) => Kind::Contacts,
        (Parent::Home(Home::Files), Wanted::Plain) => Kind::Files,
        (Parent::Collection(at), Wanted::Plain) if at.home == Home::Files => Kind::Files,
        (_, Wanted::Calendar) => return Err(Precondition::CalendarCollectionLocationOk.into()),
        (_, Wanted::AddressBook) => return Err(Precondition::AddressbookCollectionLocationOk.into()),
        (_, Wanted::Plain) => return Err(Precondition::ValidResourceType.into()),
    };
    let mut changes = match properties(&request, kind) {
        Ok(changes) => changes,
        Err(refused) => return Ok(told(&request, is_calendar, &refused)),
    };
    let title = changes.iter().rev().find(|(name, _)| name == DISPLAY_NAME).and_then(|(_, t)| t.clone());
    let title = title.and_then(|title| String::from_utf8(title).ok()).filter(|title| !title.is_empty());
    if kind != Kind::Files {
        changes.push((SEGMENT.to_owned(), Some(name.as_bytes().to_vec())));
        if kind == Kind::Calendar {
            let components = components(&request)?.unwrap_or(Components::ALL);
            changes.push((COMPONENTS.to_owned(), Some(components.to_string().into_bytes())));
        }
    }
    let name = if kind == Kind::Files { name } else { title.unwrap_or(name) };
    tree::make(&asked.session, &parent, kind, name, changes)?;
    Ok(reply::empty(StatusCode::CREATED))
}

#[derive(Clone, Copy)]
enum Wanted {
    Plain,
    Calendar,
    AddressBook,
}

/// What is to be made. RFC 5689 §3.3.
fn wanted(request: &Mkcol, is_calendar: bool) -> Result<Wanted, Failure> {
    let Some(types) = request.resource_type() else {
        return Ok(if is_calendar { Wanted::Calendar } else { Wanted::Plain });
    };
    let others: Vec<&Name> = types.into_iter().filter(|name| !name.is_dav("collection")).collect();
    match others.as_slice() {
        [] if !is_calendar => Ok(Wanted::Plain),
        [one] if one.is_caldav("calendar") => Ok(Wanted::Calendar),
        [one] if one.is_carddav("addressbook") && !is_calendar => Ok(Wanted::AddressBook),
        _ => Err(Precondition::ValidResourceType.into()),
    }
}

/// CALDAV:supported-calendar-component-set, where it is given.
fn components(request: &Mkcol) -> Result<Option<Components>, Failure> {
    let name = Name::caldav("supported-calendar-component-set");
    let Some(property) = request.properties.iter().find(|property| *property.name() == name) else {
        return Ok(None);
    };
    let names: Vec<&str> = property.value.children().filter_map(|comp| comp.attribute("name")).collect();
    let components = Components::named(names);
    if components == Components::NONE {
        return Err(Precondition::SupportedCalendarComponent.into());
    }
    Ok(Some(components))
}

/// The kind of folder for a set of components: lists of tasks are folders of their own on phones.
fn kind_of(request: &Mkcol) -> Result<Kind, Failure> {
    let components = components(request)?.unwrap_or(Components::ALL);
    Ok(match (components.events, components.to_dos, components.journals) {
        (false, true, false) => Kind::Tasks,
        (false, false, true) => Kind::Journal,
        _ => Kind::Calendar,
    })
}

/// What is to be kept with the folder; `Err` names what cannot be.
fn properties(request: &Mkcol, kind: Kind) -> Result<Vec<Change>, Vec<Name>> {
    let mut changes = Vec::new();
    let mut refused = Vec::new();
    for property in &request.properties {
        match one(property, kind) {
            Ok(change) => changes.extend(change),
            Err(()) => refused.push(property.name().clone()),
        }
    }
    if refused.is_empty() { Ok(changes) } else { Err(refused) }
}

fn one(property: &Property, kind: Kind) -> Result<Option<Change>, ()> {
    let name = property.name();
    if name.is_dav("resourcetype")
        || (name.is_caldav("supported-calendar-component-set") && kind != Kind::Contacts)
    {
        return Ok(None);
    }
    match props::live(name) {
        Some(Live::Kept(kept)) => Ok(Some((kept.to_owned(), proppatch::value(property)?))),
        Some(Live::Protected) => Err(()),
        None => Ok(Some((dead::key(name), Some(property.fragment.xml().as_bytes().to_vec())))),
    }
}

/// RFC 5689 §3.4; RFC 4791 §5.3.1.2.
fn told(request: &Mkcol, is_calendar: bool, refused: &[Name]) -> Response<Body> {
    let each = request.properties.iter().map(|property| {
        let name = property.name().clone();
        if refused.contains(&name) {
            (name, Status::FORBIDDEN, Some(Precondition::CannotModifyProtectedProperty))
        } else {
            (name, Status::FAILED_DEPENDENCY, None)
        }
    });
    reply::body(StatusCode::FORBIDDEN, reply::XML, mkcol_response(is_calendar, each).into())
}
