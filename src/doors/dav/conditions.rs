//! Conditions in a request's header. RFC 9110 §13; RFC 4918 §10.4.

use axum::http::{HeaderMap, StatusCode, header};
use caldav::dav::{ETags, If, IfState, Target};

use super::node::{self, Node};
use super::reply::Failure;
use super::session::Session;
use crate::mailbox::View;
use crate::objects;

/// The text of a header's field; `None` when there is none or it is no text.
pub(super) fn field<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The values of a list that may stand in several fields.
pub(super) fn fields(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn tags(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<ETags>, Failure> {
    let Some(value) = fields(headers, name.as_str()) else { return Ok(None) };
    ETags::parse(&value).map(Some).ok_or(Failure::Status(StatusCode::BAD_REQUEST))
}

/// The entity tag of what is there, without its quotes. Collections have none, but they are there.
fn tag_of(node: &Node) -> Option<String> {
    match node {
        Node::Item(_, item) => Some(objects::etag(item).trim_matches('"').to_owned()),
        Node::Vacant(..) | Node::Nowhere => None,
        _ => Some(String::new()),
    }
}

/// Whether the conditions of a request that changes something hold. RFC 9110 §13.2.2.
pub(super) fn check(
    session: &Session,
    view: &View,
    headers: &HeaderMap,
    target: &Target,
    node: &Node,
) -> Result<(), Failure> {
    const FAILED: Failure = Failure::Status(StatusCode::PRECONDITION_FAILED);
    let tag = tag_of(node);
    if let Some(wanted) = tags(headers, header::IF_MATCH)?
        && !wanted.matches(tag.as_deref())
    {
        return Err(FAILED);
    }
    if let Some(unwanted) = tags(headers, header::IF_NONE_MATCH)?
        && unwanted.matches_weakly(tag.as_deref())
    {
        return Err(FAILED);
    }
    let Some(value) = fields(headers, "if") else { return Ok(()) };
    let condition = If::parse(&value).ok_or(Failure::Status(StatusCode::BAD_REQUEST))?;
    let mut failed = None;
    let holds = condition.holds(|resource, state| {
        let IfState::ETag(wanted) = state else {
            // Nothing is ever locked here.
            return false;
        };
        let other = match resource {
            Some(resource) if resource.segments != target.segments => {
                match node::resolve(session, view, resource) {
                    Ok(node) => tag_of(&node),
                    Err(e) => {
                        failed = Some(e);
                        None
                    }
                }
            }
            _ => tag.clone(),
        };
        !wanted.weak && other.is_some_and(|tag| tag == wanted.tag)
    });
    match failed {
        Some(e) => Err(e),
        None if holds => Ok(()),
        None => Err(FAILED),
    }
}

/// Whether a client that has some versions of an item has this one. RFC 9110 §13.1.2.
pub(super) fn has_it(headers: &HeaderMap, node: &Node) -> Result<bool, Failure> {
    let unwanted = tags(headers, header::IF_NONE_MATCH)?;
    Ok(unwanted.is_some_and(|tags| tags.matches_weakly(tag_of(node).as_deref())))
}
