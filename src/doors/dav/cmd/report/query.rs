//! calendar-query and addressbook-query. RFC 4791 §7.8; RFC 6352 §8.6.

use std::ops::ControlFlow;
use std::sync::Arc;

use caldav::Zone;
use caldav::dav::{AddressbookQuery, CalendarQuery, ComponentFilter, Depth, TimeRange};

use crate::doors::dav::conn::{Answer, Asked};
use crate::doors::dav::data::{self, Filter};
use crate::doors::dav::listing::{Listing, Task};
use crate::doors::dav::node::Collection;
use crate::doors::dav::reply::Failure;
use crate::mailbox::{Folder, Uid, View};

pub(super) fn calendar(
    asked: &Asked,
    view: &View,
    at: &Arc<Collection>,
    query: CalendarQuery,
    depth: Depth,
) -> Result<Answer, Failure> {
    let zone = query.zone.unwrap_or_else(|| data::zone_of(at.folder()));
    let uids = match event_range(&query.filter) {
        Some(range) => asked.session.services().objects.in_range(view, at.folder(), &range, &zone)?,
        None => all(view, at.folder())?,
    };
    let mut listing = Listing::new(&asked.session, query.wanted, asked.prefer().minimal)?;
    if depth != Depth::Zero {
        uids.into_iter().for_each(|uid| listing.push(Task::Item(at.clone(), uid)));
    }
    let limit = query.limit.map(|limit| (usize::try_from(limit).unwrap_or(usize::MAX), at.href.clone()));
    let listing = if is_decided(&query.filter) && limit.is_none() {
        listing
    } else {
        listing.filter(Filter::Calendar(Box::new(query.filter), Zone::clone(&zone)), limit)
    };
    Ok(Answer::Listing(Box::new(listing)))
}

pub(super) fn cards(
    asked: &Asked,
    view: &View,
    at: &Arc<Collection>,
    query: AddressbookQuery,
    depth: Depth,
) -> Result<Answer, Failure> {
    let mut listing = Listing::new(&asked.session, query.wanted, asked.prefer().minimal)?;
    if depth != Depth::Zero {
        all(view, at.folder())?.into_iter().for_each(|uid| listing.push(Task::Item(at.clone(), uid)));
    }
    let limit = query.limit.map(|limit| (usize::try_from(limit).unwrap_or(usize::MAX), at.href.clone()));
    Ok(Answer::Listing(Box::new(listing.filter(Filter::Card(Box::new(query.filter)), limit))))
}

fn all(view: &View, folder: &Folder) -> Result<Vec<Uid>, Failure> {
    let mut uids = Vec::new();
    view.items(folder, Uid(0), &mut |item| {
        uids.push(item.uid);
        ControlFlow::Continue(())
    })?;
    Ok(uids)
}

/// The range that an event must overlap to match.
fn event_range(filter: &ComponentFilter) -> Option<std::ops::Range<i64>> {
    let events = filter.components.iter().find(|inner| inner.name == "VEVENT" && !inner.not_defined)?;
    let TimeRange { start, end } = events.time_range?;
    Some(start.unwrap_or(i64::MIN)..end.unwrap_or(i64::MAX))
}

/// Whether what was found is the answer already: the filter asks for any object, or for events by their time
/// alone.
fn is_decided(filter: &ComponentFilter) -> bool {
    let plain = |filter: &ComponentFilter| !filter.not_defined && filter.properties.is_empty();
    plain(filter)
        && filter.time_range.is_none()
        && match filter.components.as_slice() {
            [] => true,
            [events] => {
                events.name == "VEVENT"
                    && plain(events)
                    && events.time_range.is_some()
                    && events.components.is_empty()
            }
            _ => false,
        }
}
