//! One transaction: reads over the committer's current view, and the changes laid over it.

use std::sync::Arc;

use bytes::Bytes;

use super::Error;
use super::body::Bodies;
use super::engine::{KeyRange, Order, Snapshot, Space, Visit};
use super::keys;
use super::overlay::{self, Overlay};
use super::record;

/// What can be asked of the store's state: of a snapshot, or of a transaction under way.
pub trait Read {
    /// The value of `key` in the rows.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get_in(Space::Rows, key)
    }
    /// Visits the rows of `range` in `order` until `visit` breaks.
    fn scan(&self, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.scan_in(Space::Rows, range, order, visit)
    }
    /// The value of `key` in `space`.
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error>;
    /// Visits the rows of `range` of `space` in `order` until `visit` breaks.
    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error>;
}

impl Read for dyn Snapshot {
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Snapshot::get(self, space, key)
    }
    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        Snapshot::scan(self, space, range, order, visit)
    }
}

/// A snapshot of the store that a request reads from.
pub struct Reader {
    pub(super) snapshot: Box<dyn Snapshot>,
    pub(super) bodies: Arc<Bodies>,
}

impl Read for Reader {
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.snapshot.get(space, key)
    }
    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        self.snapshot.scan(space, range, order, visit)
    }
}

/// Something to do once the transaction is durable and before its caller is answered.
pub type AfterCommit = Box<dyn FnOnce() + Send>;

/// What a transaction knows of its store.
pub(super) struct Surroundings {
    /// This node's number, the top 16 bits of every id it makes.
    pub(super) node: u16,
    pub(super) bodies: Arc<Bodies>,
}

/// A transaction: the committer runs it over its current view. What it reads includes what the
/// transactions before it in the same group wrote. Nothing of it is kept when its closure fails.
pub struct Tx<'g> {
    base: &'g dyn Snapshot,
    group: &'g Overlay,
    around: &'g Surroundings,
    own: Overlay,
    bytes: usize,
    after: Vec<AfterCommit>,
    /// A key was written that no engine takes, or a row that nobody would read.
    misused: bool,
}

/// Longest key, in bytes.
pub(super) const KEY_MAX: usize = 1024;

impl<'g> Tx<'g> {
    pub(super) fn new(base: &'g dyn Snapshot, group: &'g Overlay, around: &'g Surroundings) -> Self {
        Self { base, group, around, own: Overlay::default(), bytes: 0, after: Vec::new(), misused: false }
    }

    /// Sets a row. The key has 1 to 1,024 bytes, the value [`record::MAX_BYTES`] at most; with any other the
    /// transaction ends as after a panic.
    pub fn put(&mut self, key: Vec<u8>, value: impl Into<Bytes>) {
        self.put_in(Space::Rows, key, value);
    }

    /// Removes a row; an absent one is no error.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.delete_in(Space::Rows, key);
    }

    /// Sets a row of `space`.
    pub fn put_in(&mut self, space: Space, key: Vec<u8>, value: impl Into<Bytes>) {
        self.set(space, key, Some(value.into()));
    }

    /// Removes a row of `space`; an absent one is no error.
    pub fn delete_in(&mut self, space: Space, key: Vec<u8>) {
        self.set(space, key, None);
    }

    fn set(&mut self, space: Space, key: Vec<u8>, value: Option<Bytes>) {
        if key.is_empty() || key.len() > KEY_MAX {
            tracing::error!(length = key.len(), "a transaction wrote a key of this length");
            self.misused = true;
            return;
        }
        let length = value.as_ref().map_or(0, Bytes::len);
        if length > record::MAX_BYTES {
            tracing::error!(length, table = key.first(), "a transaction wrote a row of this length");
            self.misused = true;
            return;
        }
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(length);
        self.own.set(space, key, value);
    }

    /// Runs `f` when this transaction is durable, before its caller is answered. It runs on the
    /// committer's thread: it may wake others, but neither block nor write.
    pub fn after_commit(&mut self, f: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(f));
    }

    /// An id that no other call on any node of this store ever returns: the node's number above, a
    /// counter of 48 bits below. The counter is kept with the transaction; a restore skips ahead.
    pub fn new_id(&mut self) -> Result<u64, Error> {
        let row = keys::next_id_row(self.around.node);
        let next = match self.get(&row)? {
            Some(value) => keys::number(&value)
                .filter(|n| *n < 1 << keys::ID_COUNTER_BITS)
                .ok_or_else(|| Error::Damaged("the id counter".into()))?,
            None => 1,
        };
        self.put(row, next.saturating_add(1).to_be_bytes().to_vec());
        Ok(u64::from(self.around.node) << keys::ID_COUNTER_BITS | next)
    }

    pub(super) fn bodies(&self) -> &'g Arc<Bodies> {
        &self.around.bodies
    }

    /// Its changes, their size and what follows; `None` after a misuse.
    pub(super) fn into_parts(self) -> Option<(Overlay, usize, Vec<AfterCommit>)> {
        (!self.misused).then_some((self.own, self.bytes, self.after))
    }
}

impl Read for Tx<'_> {
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.own.get(space, key).or_else(|| self.group.get(space, key)) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(space, key),
        }
    }

    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        if overlay::is_empty(range) {
            return Ok(());
        }
        let layers = (self.own.map(space), self.group.map(space));
        overlay::scan(self.base, layers, space, range, order, visit)
    }
}
