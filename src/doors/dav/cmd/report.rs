//! REPORT. RFC 3253 §3.6.

mod free_busy;
mod multiget;
mod principals;
mod query;
mod sync;

use std::sync::Arc;

use caldav::dav::{Depth, Precondition, Report};

use crate::doors::dav::conn::{Answer, Asked};
use crate::doors::dav::node::{Collection, Home, Node};
use crate::doors::dav::reply::Failure;

pub(in crate::doors::dav) fn run(asked: &Asked) -> Result<Answer, Failure> {
    let report = Report::parse(&asked.body, &asked.limits())?;
    let view = asked.session.view()?;
    let node = asked.node(&view)?;
    if matches!(node, Node::Vacant(..) | Node::Nowhere) {
        return Err(Failure::MISSING);
    }
    match report {
        Report::CalendarQuery(query) => {
            let at = collection(&node, Home::Calendars)?;
            query::calendar(asked, &view, &at, query, asked.depth(Depth::Zero)?)
        }
        Report::AddressbookQuery(query) => {
            let at = collection(&node, Home::Contacts)?;
            query::cards(asked, &view, &at, query, asked.depth(Depth::Zero)?)
        }
        Report::CalendarMultiget(multiget) => multiget::run(asked, &view, Home::Calendars, multiget),
        Report::AddressbookMultiget(multiget) => multiget::run(asked, &view, Home::Contacts, multiget),
        Report::FreeBusyQuery(range) => {
            let at = collection(&node, Home::Calendars)?;
            free_busy::run(asked, &view, &at, &range).map(Answer::Whole)
        }
        Report::SyncCollection(request) => match &node {
            Node::Collection(at) => sync::run(asked, &view, at, request),
            _ => Err(Precondition::SupportedReport.into()),
        },
        Report::ExpandProperty(properties) => {
            principals::expand(asked, &view, &node, &properties).map(Answer::Whole)
        }
        Report::PrincipalPropertySearch(search) => principals::search(asked, search),
        Report::PrincipalSearchPropertySet => Ok(Answer::Whole(principals::search_property_set())),
        Report::PrincipalMatch(request) => principals::find(asked, &view, &node, request),
        _ => Err(Precondition::SupportedReport.into()),
    }
}

/// The collection of a home that a report is about.
fn collection(node: &Node, home: Home) -> Result<Arc<Collection>, Failure> {
    match node {
        Node::Collection(at) if at.home == home => {
            at.check_read()?;
            Ok(at.clone())
        }
        _ => Err(Precondition::SupportedReport.into()),
    }
}
