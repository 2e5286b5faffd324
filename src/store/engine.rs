//! What an engine must do: point get and ordered scan over a snapshot, and an atomic batch that is
//! durable when the call returns. Nothing else. The conformance suite in `tests` defines it by example.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::Error;

/// Which ordered map a key lives in. The two differ only in how an engine may lay them out on disk:
/// rows are small and often read in order, bodies are up to 64 KiB and read one at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Space {
    /// Everything but message bodies.
    Rows,
    /// Bodies of items, keyed by their content hash.
    Bodies,
}

/// One change of a batch: a new value, or `None` to remove the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The map that is changed.
    pub space: Space,
    /// The key, of 1 to 1,024 bytes.
    pub key: Vec<u8>,
    /// The new value, or `None` to remove the key. Removing an absent key is no error.
    pub value: Option<Bytes>,
}

/// The direction of a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Smallest key first.
    Forward,
    /// Greatest key first.
    Backward,
}

/// A half-open or open interval of keys.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The keys that start with `prefix`.
pub fn prefixed(prefix: &[u8]) -> KeyRange {
    (Bound::Included(prefix.to_vec()), prefix_end(prefix))
}

/// The upper bound of the keys that start with `prefix`.
pub fn prefix_end(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

/// Called for each row of a scan; `Break` ends the scan early.
pub type Visit<'v> = dyn FnMut(&[u8], &Bytes) -> ControlFlow<()> + 'v;

/// A read-only view of everything committed before it was taken, and of nothing later.
pub trait Snapshot: Send {
    /// The value of `key`, if present.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error>;
    /// Visits the rows of `range` in `order` until `visit` breaks.
    fn scan(&self, space: Space, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error>;
}

/// An ordered key-value store with snapshots and durable atomic batches.
pub trait Engine: Send + Sync {
    /// A view of the present state. Cheap: one is taken for every request.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error>;
    /// Applies all of `batch` or nothing, and returns only when it would survive a power cut.
    /// Only one caller commits at a time. After `Full` and `Stopped` nothing of it was applied; after
    /// any other error the outcome is unknown.
    fn commit(&self, batch: Vec<Change>) -> Result<(), Error>;
    /// Called by the committer after a failed commit, once there is room again: makes the engine take
    /// commits again without a restart of the process. `was_full` tells whether the disk was short of
    /// space when the commit failed. `Full` means "ask again later"; any other error means never, as
    /// after a failed fsync, which leaves a page cache that cannot be trusted.
    fn recover(&self, was_full: bool) -> Result<(), Error> {
        let _ = was_full;
        Err(Error::Stopped)
    }
}
