//! GET and HEAD. RFC 9110 §9.3.1; RFC 6352 §8.7.

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use caldav::dav::http_date;

use crate::doors::dav::conn::Asked;
use crate::doors::dav::node::Node;
use crate::doors::dav::reply::{self, Failure};
use crate::doors::dav::{conditions, data, props, schedule};
use crate::objects;

pub(in crate::doors::dav) fn run(asked: &Asked, with_body: bool) -> Result<Response<Body>, Failure> {
    let view = asked.session.view()?;
    let node = asked.node(&view)?;
    let (at, item) = match &node {
        Node::Item(at, item) => (at, item),
        Node::Vacant(..) | Node::Nowhere => return Err(Failure::MISSING),
        other => return Ok(reply::not_allowed(&props::methods(other).join(", "))),
    };
    at.check_read()?;
    let mut response = if conditions::has_it(&asked.headers, &node)? {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let (media_type, bytes) = data::got(&view, at, item, conditions::field(&asked.headers, "accept"))?;
        let length = bytes.len();
        let mut response = reply::body(StatusCode::OK, &media_type, bytes);
        if !with_body {
            *response.body_mut() = Body::empty();
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&objects::etag(item)) {
        headers.insert(header::ETAG, tag);
    }
    if let Ok(date) = HeaderValue::from_str(&http_date(data::modified(item))) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    if let Some(tag) = schedule::tag(&asked.session, &view, at, item)?
        && let Ok(tag) = HeaderValue::from_str(&tag)
    {
        headers.insert("schedule-tag", tag);
    }
    if at.is_card() {
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
    }
    Ok(response)
}
