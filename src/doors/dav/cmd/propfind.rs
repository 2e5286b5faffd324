//! PROPFIND. RFC 4918 §9.1.

use std::ops::ControlFlow;
use std::sync::Arc;

use caldav::dav::{Depth, Href, Precondition, Propfind};

use crate::doors::dav::conn::{Answer, Asked};
use crate::doors::dav::listing::{Listing, Task};
use crate::doors::dav::node::{self, Collection, Home, INBOX, Node, OUTBOX, ROOT};
use crate::doors::dav::reply::Failure;
use crate::doors::dav::schedule;
use crate::mailbox::{Uid, View};
use crate::policy::Rights;

pub(in crate::doors::dav) fn run(asked: &Asked) -> Result<Answer, Failure> {
    let depth = asked.depth(Depth::Infinity)?;
    let request = Propfind::parse(&asked.body, &asked.limits())?;
    let view = asked.session.view()?;
    let node = asked.node(&view)?;
    let href = match &node {
        Node::Vacant(..) | Node::Nowhere => return Err(Failure::MISSING),
        Node::Collection(at) => at.href.clone(),
        Node::Item(at, item) => at.member(item),
        _ => Href::new(asked.target.segments.iter().map(String::as_str), true),
    };
    if depth == Depth::Infinity && !matches!(node, Node::Item(..)) {
        return Err(Precondition::PropfindFiniteDepth.into());
    }
    let prefer = asked.prefer();
    let mut listing = Listing::new(&asked.session, request.wanted, prefer.minimal)?;
    if !(prefer.no_root && depth == Depth::One) {
        listing.push(Task::Node(href, node.clone()));
    }
    if depth == Depth::One {
        members(asked, &view, &node, &mut listing)?;
    }
    Ok(Answer::Listing(Box::new(listing)))
}

/// What is right below.
fn members(asked: &Asked, view: &View, node: &Node, listing: &mut Listing) -> Result<(), Failure> {
    let session = &asked.session;
    let collection = |at: Collection| Task::Node(at.href.clone(), Node::Collection(Arc::new(at)));
    match node {
        Node::Root => {
            listing.push(Task::Node(Href::new([ROOT, "principals"], true), Node::Principals));
            for home in Home::ALL {
                listing.push(Task::Node(node::home_href(session, home), Node::Home(home)));
            }
        }
        Node::Principals => {
            let me = session.account();
            listing.push(Task::Node(node::principal_href(me), Node::Principal(Box::new(me.clone()))));
        }
        Node::Home(home) => {
            if *home == Home::Calendars {
                listing.push(Task::Node(schedule::box_href(session, INBOX), Node::Inbox));
                listing.push(Task::Node(schedule::box_href(session, OUTBOX), Node::Outbox));
            }
            node::collections(session, view, *home)?.into_iter().for_each(|at| listing.push(collection(at)));
        }
        Node::Collection(at) => {
            node::below(session, view, at)?.into_iter().for_each(|at| listing.push(collection(at)));
            if at.may(Rights::READ) {
                view.items(at.folder(), Uid(0), &mut |item| {
                    listing.push(Task::Item(at.clone(), item.uid));
                    ControlFlow::Continue(())
                })?;
            }
        }
        Node::Principal(_)
        | Node::Inbox
        | Node::Outbox
        | Node::Item(..)
        | Node::Vacant(..)
        | Node::Nowhere => {}
    }
    Ok(())
}
