//! Objects by their names. RFC 4791 §7.9; RFC 6352 §8.7.

use std::collections::HashMap;
use std::sync::Arc;

use caldav::dav::{Href, Multiget, Status, Target};

use crate::doors::dav::conn::{Answer, Asked};
use crate::doors::dav::listing::{Listing, Task};
use crate::doors::dav::node::{self, Collection, Home, Node};
use crate::doors::dav::reply::Failure;
use crate::mailbox::View;

pub(super) fn run(asked: &Asked, view: &View, home: Home, request: Multiget) -> Result<Answer, Failure> {
    let mut listing = Listing::new(&asked.session, request.wanted, asked.prefer().minimal)?;
    // Most requests name many items of one folder.
    let mut known: HashMap<Vec<String>, Option<Arc<Collection>>> = HashMap::new();
    for href in request.hrefs {
        let Some(target) = Target::parse(&href) else {
            listing.push(Task::Status(Href::uri(href), Status::BAD_REQUEST, None));
            continue;
        };
        let own = Href::new(target.segments.iter().map(String::as_str), target.is_collection);
        let Some((name, above)) = target.segments.split_last() else {
            listing.push(Task::Status(own, Status::NOT_FOUND, None));
            continue;
        };
        let at = match known.get(above) {
            Some(at) => at.clone(),
            None => {
                let at = folder(asked, view, home, above)?;
                known.insert(above.to_vec(), at.clone());
                at
            }
        };
        listing.push(match at {
            Some(at) if at.check_read().is_err() => Task::Status(own, Status::FORBIDDEN, None),
            Some(at) => Task::Named(at, name.clone(), own),
            None => Task::Status(own, Status::NOT_FOUND, None),
        });
    }
    Ok(Answer::Listing(Box::new(listing)))
}

fn folder(
    asked: &Asked,
    view: &View,
    home: Home,
    segments: &[String],
) -> Result<Option<Arc<Collection>>, Failure> {
    let target = Target { authority: None, segments: segments.to_vec(), is_collection: true };
    Ok(match node::resolve(&asked.session, view, &target)? {
        Node::Collection(at) if at.home == home => Some(at),
        _ => None,
    })
}
