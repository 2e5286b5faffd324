//! Checks that the queue's rows, its schedule and its references to bodies say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::entry::{self, QueueId};
use crate::clock::Millis;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{Error, Order, Read};

/// The kind of a reference to a body from the queue, see `store::Referrer`.
const QUEUE: u8 = 2;

/// What in the queue does not fit together, in words.
pub fn verify(from: &impl Read) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let (mut due, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    let mut destinations = BTreeMap::new();
    for id in ids(from)? {
        match entry::load(from, id) {
            Ok(Some(entry)) => {
                due.insert((entry.due, id));
                bodies.insert((entry.body, id));
                destinations.insert(id, entry.destination);
            }
            Ok(None) => {}
            Err(error) => found.push(format!("queued message {id}: {error}")),
        }
    }
    let scheduled = scheduled(from)?;
    let referring = referring(from)?;
    let mut differs = |id: &QueueId, what: &str| found.push(format!("queued message {id}: {what}"));
    due.difference(&scheduled).for_each(|(_, id)| differs(id, "not in the schedule"));
    scheduled.difference(&due).for_each(|(_, id)| differs(id, "in the schedule for nothing"));
    bodies.difference(&referring).for_each(|(_, id)| differs(id, "does not hold its body"));
    referring.difference(&bodies).for_each(|(_, id)| differs(id, "a body is held for nothing"));
    entry::visit_unreached(from, |destination, id| {
        if destinations.get(&id) != Some(&destination) {
            found.push(format!("queued message {id}: noted for {destination} for nothing"));
        }
    })?;
    Ok(found)
}

fn ids(from: &impl Read) -> Result<Vec<QueueId>, Error> {
    let mut ids = Vec::new();
    from.scan(&Key::of(Table::Queue).range(), Order::Forward, &mut |key, _| {
        ids.extend(Parts::of(key).u64().map(QueueId));
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

fn scheduled(from: &impl Read) -> Result<BTreeSet<(Millis, QueueId)>, Error> {
    let mut rows = BTreeSet::new();
    entry::visit_schedule(from, |due, id, _| {
        rows.insert((due, id));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn referring(from: &impl Read) -> Result<BTreeSet<([u8; 32], QueueId)>, Error> {
    let mut rows = BTreeSet::new();
    from.scan(&Key::of(Table::BodyReference).range(), Order::Forward, &mut |key, _| {
        let mut parts = Parts::of(key);
        if let (Some(body), Some(QUEUE), Some(id)) = (parts.bytes(), parts.u8(), parts.u64()) {
            rows.insert((body, QueueId(id)));
        }
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}
