//! The default engine: fjall, an LSM tree in safe Rust.
//!
//! Two keyspaces share one journal, so that a batch over both is atomic and costs one fdatasync:
//! `rows`, and `bodies`, whose values stand apart from the keys so that compaction does not rewrite
//! them. A batch is synced before it becomes visible, hence nobody ever reads what a power cut could
//! take back.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::fjall::{
    Database, Error as FjallError, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, LsmError,
    OwnedWriteBatch, PersistMode, Readable,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::engine::{Change, Engine, KeyRange, Order, Snapshot, Space, Visit};
use super::open::refused;
use super::{Error, StoreOptions, journal, overlay};

/// How long a reopening waits for readers of the old instance; those that stay longer are waited for by
/// trying again.
const READERS_LEAVE: Duration = Duration::from_millis(100);
/// Between two looks at whether they are gone.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Smaller values stay beside their keys.
const SEPARATION_THRESHOLD: u32 = 1024;
/// Most bytes of journal before the keyspaces that hold it up are flushed.
const JOURNAL_BYTES: u64 = 256 << 20;
/// Threads that flush and compact. A flush asks each of them for a compaction; the first of them puts
/// such a request back at once, and so spins for as long as all the others compact. With two threads
/// that is a core lost during every compaction (measured: a third of the server's CPU under delivery).
const WORKERS: usize = 4;
/// A keyspace has an active write buffer and a few that wait to be flushed.
const BUFFERS: u64 = 4;

/// fjall over one folder, which it uses alone.
pub(super) struct Fjall {
    path: PathBuf,
    cache_bytes: u64,
    write_buffer_bytes: u64,
    open: RwLock<Option<Arc<Open>>>,
    trouble: Mutex<Option<Trouble>>,
}

/// An open database.
struct Open {
    rows: Keyspace,
    bodies: Keyspace,
    db: Database,
}

/// Why the last commit failed.
enum Trouble {
    /// The disk was full. The probe is one change of the batch: if it is there after reopening, then
    /// the batch was written and its fsync failed.
    NoSpace(Option<Change>),
    /// A background flush or compaction failed earlier; nothing of the batch was written.
    Background,
    /// Anything else, above all an fsync that failed.
    Final,
}

impl Fjall {
    /// Opens or creates the database in `path`. The caller has made sure that no other process uses it.
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Self, Error> {
        let engine = Self {
            path: path.to_owned(),
            cache_bytes: options.cache_bytes,
            write_buffer_bytes: options.write_buffer_bytes,
            open: RwLock::new(None),
            trouble: Mutex::new(None),
        };
        let open = engine.open_database()?;
        *engine.open.write() = Some(open);
        Ok(engine)
    }

    fn open_database(&self) -> Result<Arc<Open>, Error> {
        journal::mend(&self.path)?;
        let opening = || -> Result<Open, FjallError> {
            let db = Database::builder(&self.path)
                .cache_size(self.cache_bytes)
                .max_journaling_size(JOURNAL_BYTES)
                .worker_threads(WORKERS)
                .open()?;
            // The size of write buffers is set when a keyspace is made; fjall keeps it with it.
            let buffer = (self.write_buffer_bytes / (2 * BUFFERS)).max(1 << 20);
            let rows = db.keyspace("rows", || KeyspaceCreateOptions::default().max_memtable_size(buffer))?;
            let bodies = db.keyspace("bodies", || {
                let apart = KvSeparationOptions::default().separation_threshold(SEPARATION_THRESHOLD);
                KeyspaceCreateOptions::default().max_memtable_size(buffer).with_kv_separation(Some(apart))
            })?;
            Ok(Open { rows, bodies, db })
        };
        // A damaged folder can make the library panic; that must be a message, not a crash.
        match catch_unwind(AssertUnwindSafe(opening)) {
            Ok(Ok(open)) => Ok(Arc::new(open)),
            Ok(Err(e)) => Err(unusable(&self.path, &e)),
            Err(_) => Err(Error::Unusable(format!("{} is damaged", self.path.display()))),
        }
    }

    /// Moves everything from the write buffers to tables.
    #[cfg(test)]
    pub(super) fn flush(&self) -> Result<(), Error> {
        let open = self.current()?;
        for keyspace in [&open.rows, &open.bodies] {
            keyspace.rotate_memtable_and_wait().map_err(|e| read_error(&e))?;
        }
        Ok(())
    }

    fn current(&self) -> Result<Arc<Open>, Error> {
        self.open.read().clone().ok_or(Error::Stopped)
    }

    /// Closes the database and opens it again, once nobody reads from it. While somebody does, others may
    /// begin to: the place is locked only when all are gone.
    fn reopen(&self) -> Result<Arc<Open>, Error> {
        let mut waited = Duration::ZERO;
        loop {
            if !self.is_read() {
                let mut place = self.open.write();
                // Whoever reads has taken it through the lock.
                if place.as_ref().is_none_or(|open| Arc::strong_count(open) == 1) {
                    drop(place.take());
                    let open = self.open_database()?;
                    *place = Some(open.clone());
                    return Ok(open);
                }
            }
            if waited >= READERS_LEAVE {
                return Err(Error::Full);
            }
            std::thread::sleep(LOOK_AGAIN);
            waited += LOOK_AGAIN;
        }
    }

    fn is_read(&self) -> bool {
        self.open.read().as_ref().is_some_and(|open| Arc::strong_count(open) > 1)
    }
}

impl Engine for Fjall {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        let open = self.current()?;
        Ok(Box::new(View { snapshot: open.db.snapshot(), open }))
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), Error> {
        let open = self.current()?;
        let probe = probe(&changes);
        let mut batch = OwnedWriteBatch::with_capacity(open.db.clone(), changes.len())
            .durability(Some(PersistMode::SyncData));
        for change in changes {
            let keyspace = open.keyspace(change.space);
            match change.value {
                Some(value) => batch.insert(keyspace, change.key, value),
                None => batch.remove(keyspace, change.key),
            }
        }
        batch.commit().map_err(|e| {
            let (trouble, error) = match &e {
                FjallError::Poisoned => (Trouble::Background, Error::Stopped),
                FjallError::Io(io) if is_full(io) => (Trouble::NoSpace(probe), Error::Unknown(e.to_string())),
                _ => (Trouble::Final, Error::Unknown(e.to_string())),
            };
            *self.trouble.lock() = Some(trouble);
            error
        })
    }

    fn recover(&self, was_full: bool) -> Result<(), Error> {
        let mut trouble = self.trouble.lock();
        let probe = match &*trouble {
            Some(Trouble::NoSpace(Some(probe))) => Some(probe.clone()),
            Some(Trouble::Background) if was_full => None,
            _ => return Err(Error::Stopped),
        };
        let open = self.reopen()?;
        if let Some(probe) = probe
            && open.reflects(&probe)?
        {
            return Err(Error::Stopped);
        }
        *trouble = None;
        Ok(())
    }
}

impl Open {
    fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Rows => &self.rows,
            Space::Bodies => &self.bodies,
        }
    }

    /// True when `change` is what the database holds.
    fn reflects(&self, change: &Change) -> Result<bool, Error> {
        let found =
            self.db.snapshot().get(self.keyspace(change.space), &change.key).map_err(|e| read_error(&e))?;
        Ok(found.map(Bytes::from) == change.value)
    }
}

/// A change that tells whether its batch was written. It may by chance be no change at all; then the
/// store stays down where it could have gone on, which is the safe side.
fn probe(changes: &[Change]) -> Option<Change> {
    changes.iter().find(|c| c.value.is_some()).or_else(|| changes.first()).cloned()
}

fn is_full(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// A snapshot; fields drop in this order.
struct View {
    snapshot: ::fjall::Snapshot,
    open: Arc<Open>,
}

impl Snapshot for View {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.snapshot.get(self.open.keyspace(space), key).map_err(|e| read_error(&e))?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, space: Space, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error> {
        if overlay::is_empty(range) {
            return Ok(());
        }
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = overlay::borrowed(range);
        let mut rows = self.snapshot.range::<&[u8], _>(self.open.keyspace(space), bounds);
        loop {
            let row = match order {
                Order::Forward => rows.next(),
                Order::Backward => rows.next_back(),
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.into_inner().map_err(|e| read_error(&e))?;
            if visit(&key, &Bytes::from(value)).is_break() {
                return Ok(());
            }
        }
    }
}

fn read_error(e: &FjallError) -> Error {
    match e {
        FjallError::Io(io) | FjallError::Storage(LsmError::Io(io)) => Error::Io(io.to_string()),
        FjallError::Storage(damage) => Error::Damaged(damage.to_string()),
        other => Error::Io(other.to_string()),
    }
}

fn unusable(path: &Path, e: &FjallError) -> Error {
    let shown = path.display();
    match e {
        FjallError::Locked => Error::Held(format!("{shown} is in use by another process")),
        FjallError::InvalidVersion(_) => {
            Error::Unusable(format!("{shown} was written by another version of the engine: {e}"))
        }
        FjallError::Io(io) | FjallError::Storage(LsmError::Io(io)) => refused(path, io),
        other => Error::Unusable(format!("{shown} cannot be opened: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recovery from a full disk waits for readers, and nobody waits for it.
    #[test]
    fn readers_are_not_kept_waiting_by_a_reopening_that_waits_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(Fjall::open(&folder.path().join("fjall"), &StoreOptions::default()).unwrap());
        let put = |value: &'static [u8]| {
            let change = Change { space: Space::Rows, key: vec![7], value: Some(Bytes::from_static(value)) };
            engine.commit(vec![change])
        };
        put(b"before").unwrap();
        let reader = engine.snapshot().unwrap();
        *engine.trouble.lock() = Some(Trouble::Background);
        let recovering = std::thread::spawn({
            let engine = engine.clone();
            move || engine.recover(true)
        });
        let began = crate::clock::instant();
        let mut longest = Duration::ZERO;
        while !recovering.is_finished() {
            let asked = crate::clock::instant();
            assert!(engine.snapshot().unwrap().get(Space::Rows, &[7]).unwrap().is_some());
            longest = longest.max(asked.elapsed());
        }
        assert!(matches!(recovering.join().unwrap(), Err(Error::Full)), "somebody reads");
        assert!(
            began.elapsed() < Duration::from_secs(2) && longest < Duration::from_millis(90),
            "{longest:?}"
        );
        assert_eq!(reader.get(Space::Rows, &[7]).unwrap().as_deref(), Some(b"before".as_slice()));
        drop(reader);
        engine.recover(true).unwrap();
        put(b"after").unwrap();
        assert_eq!(
            engine.snapshot().unwrap().get(Space::Rows, &[7]).unwrap().as_deref(),
            Some(b"after".as_slice())
        );
    }
}
