//! An engine in memory, for tests: durable for as long as the process lives.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::Error;
use super::engine::{Change, Engine, KeyRange, Order, Snapshot, Space, Visit};

type Map = BTreeMap<Vec<u8>, Bytes>;

#[derive(Clone, Default)]
struct Maps {
    rows: Arc<Map>,
    bodies: Arc<Map>,
}

impl Maps {
    fn map(&self, space: Space) -> &Arc<Map> {
        match space {
            Space::Rows => &self.rows,
            Space::Bodies => &self.bodies,
        }
    }

    fn map_mut(&mut self, space: Space) -> &mut Arc<Map> {
        match space {
            Space::Rows => &mut self.rows,
            Space::Bodies => &mut self.bodies,
        }
    }
}

/// Two ordered maps behind a lock; a snapshot shares them until the next commit copies.
#[derive(Default)]
pub struct Memory {
    maps: RwLock<Maps>,
}

impl Engine for Memory {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        Ok(Box::new(self.maps.read().clone()))
    }

    fn commit(&self, batch: Vec<Change>) -> Result<(), Error> {
        let mut maps = self.maps.write();
        for change in batch {
            let map = Arc::make_mut(maps.map_mut(change.space));
            match change.value {
                Some(value) => map.insert(change.key, value),
                None => map.remove(&change.key),
            };
        }
        Ok(())
    }
}

impl Snapshot for Maps {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.map(space).get(key).cloned())
    }

    fn scan(&self, space: Space, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error> {
        if super::overlay::is_empty(range) {
            return Ok(());
        }
        let mut rows = self.map(space).range(range.clone());
        loop {
            let row = match order {
                Order::Forward => rows.next(),
                Order::Backward => rows.next_back(),
            };
            let Some((key, value)) = row else { return Ok(()) };
            if visit(key, value).is_break() {
                return Ok(());
            }
        }
    }
}
