//! Reports about principals. RFC 3744 §9; RFC 3253 §3.8.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use caldav::dav::{
    ExpandProperty, Href, Multistatus, Name, PrincipalMatch, PrincipalPropertySearch, PropertyResponse,
    Status, Target, principal_search_property_set,
};

use crate::directory::GalEntry;
use crate::doors::dav::conn::{Answer, Asked};
use crate::doors::dav::listing::{Listing, Task};
use crate::doors::dav::node::{self, Home, Node};
use crate::doors::dav::props::Props;
use crate::doors::dav::reply::{self, Failure};
use crate::mailbox::View;

/// Most accounts that one search finds.
const FOUND_MAX: usize = 100;
/// Resources that one expansion shows at most.
const EXPANDED_MAX: usize = 1_000;
/// How deep properties are expanded.
const DEPTH_MAX: usize = 4;

/// What principals can be searched by. RFC 3744 §9.5.
pub(super) fn search_property_set() -> Response<Body> {
    let properties = [
        (Name::dav("displayname"), "The name of the account"),
        (Name::caldav("calendar-user-address-set"), "The e-mail address of the account"),
    ];
    reply::body(StatusCode::OK, reply::XML, principal_search_property_set(&properties).into())
}

/// DAV:principal-property-search: a look into the address list, which finds by the beginnings of words.
/// RFC 3744 §9.4.
pub(super) fn search(asked: &Asked, search: PrincipalPropertySearch) -> Result<Answer, Failure> {
    let session = &asked.session;
    let mut listing = Listing::new(session, search.wanted.clone(), asked.prefer().minimal)?;
    let directory = &session.services().directory;
    let domains = [session.account().domain];
    let mut found: Option<Vec<GalEntry>> = None;
    for one in &search.searches {
        let text = one.text.strip_prefix("mailto:").unwrap_or(&one.text);
        let entries = directory.search_gal(&domains, text, FOUND_MAX)?;
        found = Some(match (found, search.test) {
            (None, _) => entries,
            (Some(mut so_far), caldav::dav::Test::AllOf) => {
                so_far.retain(|entry| entries.contains(entry));
                so_far
            }
            (Some(mut so_far), caldav::dav::Test::AnyOf) => {
                so_far.extend(entries);
                so_far
            }
        });
    }
    let mut seen = Vec::new();
    for entry in found.into_iter().flatten().take(FOUND_MAX) {
        if seen.contains(&entry.account) {
            continue;
        }
        seen.push(entry.account);
        if let Some(account) = directory.account(entry.account)? {
            listing.push(Task::Node(node::principal_href(&account), Node::Principal(Box::new(account))));
        }
    }
    Ok(Answer::Listing(Box::new(listing)))
}

/// DAV:principal-match: the user, or what the user owns. RFC 3744 §9.3.
pub(super) fn find(
    asked: &Asked,
    view: &View,
    node: &Node,
    request: PrincipalMatch,
) -> Result<Answer, Failure> {
    let session = &asked.session;
    let mut listing = Listing::new(session, request.wanted, asked.prefer().minimal)?;
    let me = session.account();
    match (&request.property, node) {
        (None, Node::Root | Node::Principals) => {
            listing.push(Task::Node(node::principal_href(me), Node::Principal(Box::new(me.clone()))));
        }
        (Some(property), Node::Home(home)) if property.is_dav("owner") && *home != Home::Files => {
            for at in node::collections(session, view, *home)? {
                if at.folder().owner == session.owner() {
                    listing.push(Task::Node(at.href.clone(), Node::Collection(at.into())));
                }
            }
        }
        _ => {}
    }
    Ok(Answer::Listing(Box::new(listing)))
}

/// DAV:expand-property. RFC 3253 §3.8.
pub(super) fn expand(
    asked: &Asked,
    view: &View,
    node: &Node,
    properties: &[ExpandProperty],
) -> Result<Response<Body>, Failure> {
    let props = Props {
        session: &asked.session,
        view,
        epoch: asked.session.services().store.epoch()?,
        calendar_data: None,
        address_data: None,
    };
    let href = Href::new(asked.target.segments.iter().map(String::as_str), asked.target.is_collection);
    let mut expansion = Expansion { props, left: EXPANDED_MAX };
    let mut out = Multistatus::new();
    expansion.resource(&href, node, properties, 0, &mut out)?;
    Ok(reply::body(StatusCode::MULTI_STATUS, reply::XML, out.finish().into()))
}

struct Expansion<'p> {
    props: Props<'p>,
    left: usize,
}

impl Expansion<'_> {
    fn resource(
        &mut self,
        href: &Href,
        node: &Node,
        properties: &[ExpandProperty],
        depth: usize,
        out: &mut Multistatus,
    ) -> Result<(), Failure> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(()) };
        self.left = left;
        let mut response = out.response(href);
        for property in properties {
            if property.properties.is_empty() || depth >= DEPTH_MAX {
                if !self.props.one(node, &property.name, &mut response)? {
                    response.missing(&property.name);
                }
                continue;
            }
            match self.hrefs(node, &property.name)? {
                Some(hrefs) => self.nested(&hrefs, property, depth, &mut response)?,
                None => response.missing(&property.name),
            }
        }
        response.end();
        Ok(())
    }

    fn nested(
        &mut self,
        hrefs: &[Target],
        property: &ExpandProperty,
        depth: usize,
        response: &mut PropertyResponse<'_>,
    ) -> Result<(), Failure> {
        let mut failed = Ok(());
        response.nested(&property.name, |out| {
            for target in hrefs {
                let href = Href::new(target.segments.iter().map(String::as_str), target.is_collection);
                failed = match node::resolve(self.props.session, self.props.view, target) {
                    Ok(Node::Vacant(..) | Node::Nowhere) => {
                        out.status(&href, Status::NOT_FOUND, None);
                        Ok(())
                    }
                    Ok(node) => self.resource(&href, &node, &property.properties, depth + 1, out),
                    Err(e) => Err(e),
                };
                if failed.is_err() {
                    return;
                }
            }
        });
        failed
    }

    /// The resources of this server that a property names; `None` when there is no such property.
    fn hrefs(&self, node: &Node, name: &Name) -> Result<Option<Vec<Target>>, Failure> {
        let mut scratch = Multistatus::new();
        let mut response = scratch.response(&Href::new([""], false));
        let found = self.props.one(node, name, &mut response)?;
        response.end();
        if !found {
            return Ok(None);
        }
        let text = scratch.finish();
        let document = caldav::dav::Document::parse(&text, &caldav::dav::XmlLimits::default());
        let document = document.map_err(|_| Failure::Bug)?;
        let value = document
            .root()
            .child(&Name::dav("response"))
            .and_then(|response| response.child(&Name::dav("propstat")))
            .and_then(|propstat| propstat.child(&Name::dav("prop")))
            .and_then(|prop| prop.child(name));
        let hrefs = value.into_iter().flat_map(caldav::dav::Element::children);
        Ok(Some(hrefs.filter_map(|href| Target::parse(&href.text())).collect()))
    }
}
