//! The engine sled, behind the cargo feature of that name.
//!
//! What sled lacks is made up for here:
//! - *Durability.* Its `flush` ends in `sync_file_range`, which does not make a write survive a power
//!   cut. We sync its file, and the files it keeps large pages in, before a commit is acknowledged.
//! - *Snapshots.* It has none. While snapshots live, a commit first keeps the values it is about to
//!   replace, and a snapshot reads those before it reads sled. Readers wait while a commit is applied
//!   and synced, so nobody reads what a power cut could take back; they never wait for one another, and
//!   a writer never waits for a snapshot to end.
//!
//! Keys of both spaces stand in one tree, behind a byte for the space: a batch over one tree is atomic.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::sled::{Batch, Db};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::engine::{Change, Engine, KeyRange, Order, Snapshot, Space, Visit};
use super::open::sync_folder;
use super::overlay::{self, Map, Overlay};
use super::{Error, StoreOptions};

/// Rows that a scan takes at once; between them commits may run.
const CHUNK_ROWS: usize = 256;

/// sled over one folder, which it uses alone.
pub(super) struct Sled {
    shared: Arc<Shared>,
    disk: Mutex<Disk>,
}

struct Shared {
    db: Db,
    history: RwLock<History>,
}

/// The values that commits have replaced and that a living snapshot still sees.
#[derive(Default)]
struct History {
    /// The number of the next commit.
    next: u64,
    /// Living snapshots by the number of the first commit they do not see.
    living: BTreeMap<u64, usize>,
    /// What each commit replaced, the oldest first.
    replaced: VecDeque<(u64, Overlay)>,
}

/// sled's files, as far as we sync them.
struct Disk {
    data: File,
    blobs: PathBuf,
    synced: HashSet<OsString>,
}

impl Sled {
    /// Opens or creates the database in `path`.
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Self, Error> {
        let unusable = |why: &dyn std::fmt::Display| Error::Unusable(format!("{}: {why}", path.display()));
        let config = ::sled::Config::new()
            .path(path)
            .cache_capacity(options.cache_bytes)
            // A commit flushes by itself.
            .flush_every_ms(None);
        // A damaged folder can make the library panic; that must be a message, not a crash.
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| unusable(&"the database is damaged"))?
            .map_err(|e| unusable(&e))?;
        let data = File::options().read(true).write(true).open(path.join("db")).map_err(|e| unusable(&e))?;
        let mut disk = Disk { data, blobs: path.join("blobs"), synced: HashSet::new() };
        disk.sync().and_then(|()| sync_folder(path)).map_err(|e| unusable(&e))?;
        let shared = Shared { db, history: RwLock::default() };
        Ok(Self { shared: Arc::new(shared), disk: Mutex::new(disk) })
    }
}

impl Disk {
    /// Makes what sled has written durable.
    fn sync(&mut self) -> std::io::Result<()> {
        self.data.sync_data()?;
        let mut fresh = false;
        let mut present = HashSet::new();
        for entry in std::fs::read_dir(&self.blobs)?.flatten() {
            let name = entry.file_name();
            if !self.synced.contains(&name) {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_all()?,
                    // sled has removed it again.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(e) => return Err(e),
                }
                fresh = true;
            }
            present.insert(name);
        }
        self.synced = present;
        if fresh { sync_folder(&self.blobs) } else { Ok(()) }
    }
}

impl Engine for Sled {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        let mut history = self.shared.history.write();
        let at = history.next;
        let living = history.living.entry(at).or_default();
        *living = living.saturating_add(1);
        Ok(Box::new(View { at, shared: self.shared.clone() }))
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), Error> {
        let mut history = self.shared.history.write();
        if !history.living.is_empty() {
            let mut replaced = Overlay::default();
            for change in &changes {
                let old = self.shared.get(change.space, &change.key)?;
                replaced.set(change.space, change.key.clone(), old);
            }
            let number = history.next;
            history.replaced.push_back((number, replaced));
        }
        history.next = history.next.saturating_add(1);
        let mut batch = Batch::default();
        for change in changes {
            let key = placed(change.space, &change.key);
            match change.value {
                Some(value) => batch.insert(key, &*value),
                None => batch.remove(key),
            }
        }
        let unknown = |e: &dyn std::fmt::Display| Error::Unknown(e.to_string());
        self.shared.db.apply_batch(batch).map_err(|e| unknown(&e))?;
        self.shared.db.flush().map_err(|e| unknown(&e))?;
        self.disk.lock().sync().map_err(|e| unknown(&e))
    }
}

/// Everything before commit number `at`.
struct View {
    at: u64,
    shared: Arc<Shared>,
}

impl Drop for View {
    fn drop(&mut self) {
        let mut history = self.shared.history.write();
        if let Some(living) = history.living.get_mut(&self.at) {
            *living = living.saturating_sub(1);
            if *living == 0 {
                history.living.remove(&self.at);
            }
        }
        let oldest = history.living.first_key_value().map_or(u64::MAX, |(at, _)| *at);
        while history.replaced.pop_front_if(|(number, _)| *number < oldest).is_some() {}
    }
}

impl History {
    /// What the commits from number `at` on have replaced, the oldest first.
    fn since(&self, at: u64) -> impl DoubleEndedIterator<Item = &Overlay> {
        self.replaced.iter().filter(move |(number, _)| *number >= at).map(|(_, overlay)| overlay)
    }
}

impl Snapshot for View {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let history = self.shared.history.read();
        if let Some(old) = history.since(self.at).find_map(|replaced| replaced.get(space, key)) {
            return Ok(old.clone());
        }
        self.shared.get(space, key)
    }

    fn scan(&self, space: Space, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut range = range.clone();
        while !overlay::is_empty(&range) {
            let rows = self.chunk(space, &range, order)?;
            for (key, value) in &rows {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
            match rows.into_iter().last() {
                Some((key, _)) if order == Order::Forward => range.0 = Bound::Excluded(key),
                Some((key, _)) => range.1 = Bound::Excluded(key),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

impl View {
    /// The next rows of a scan.
    fn chunk(&self, space: Space, range: &KeyRange, order: Order) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
        let history = self.shared.history.read();
        let mut replaced = Map::new();
        // The oldest value is what this snapshot sees, so it is laid on last.
        for overlay in history.since(self.at).rev() {
            let rows = overlay.map(space).range::<[u8], _>(overlay::borrowed(range));
            replaced.extend(rows.map(|(key, old)| (key.clone(), old.clone())));
        }
        let mut rows = Vec::new();
        overlay::scan(&*self.shared, (&replaced, &Map::new()), space, range, order, &mut |key, value| {
            rows.push((key.to_vec(), value.clone()));
            if rows.len() < CHUNK_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(rows)
    }
}

/// What sled holds now.
impl Snapshot for Shared {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.db.get(placed(space, key)).map_err(|e| read_error(&e))?;
        Ok(value.map(|v| Bytes::copy_from_slice(&v)))
    }

    fn scan(&self, space: Space, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error> {
        let place = |bound: &Bound<Vec<u8>>| bound.as_ref().map(|key| placed(space, key));
        let start = match place(&range.0) {
            Bound::Unbounded => Bound::Included(vec![prefix(space)]),
            start => start,
        };
        let end = match place(&range.1) {
            Bound::Unbounded => Bound::Excluded(vec![prefix(space).saturating_add(1)]),
            end => end,
        };
        let mut rows = self.db.range((start, end));
        loop {
            let row = match order {
                Order::Forward => rows.next(),
                Order::Backward => rows.next_back(),
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.map_err(|e| read_error(&e))?;
            let key = key.get(1..).unwrap_or_default();
            if visit(key, &Bytes::copy_from_slice(&value)).is_break() {
                return Ok(());
            }
        }
    }
}

fn prefix(space: Space) -> u8 {
    match space {
        Space::Rows => 0,
        Space::Bodies => 1,
    }
}

fn placed(space: Space, key: &[u8]) -> Vec<u8> {
    let mut placed = Vec::with_capacity(key.len().saturating_add(1));
    placed.push(prefix(space));
    placed.extend_from_slice(key);
    placed
}

fn read_error(e: &::sled::Error) -> Error {
    match e {
        ::sled::Error::Corruption { .. } => Error::Damaged(e.to_string()),
        other => Error::Io(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(n: u8, length: usize) -> Vec<Change> {
        let value = (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ n);
        vec![Change { space: Space::Rows, key: vec![n], value: Some(value.collect()) }]
    }

    #[test]
    fn no_commit_is_acknowledged_without_our_own_sync() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Sled::open(folder.path(), &StoreOptions::default()).unwrap();
        engine.commit(put(1, 100)).unwrap();
        // A file that cannot be synced.
        let data = std::mem::replace(&mut engine.disk.lock().data, File::open("/dev/null").unwrap());
        assert!(matches!(engine.commit(put(2, 100)), Err(Error::Unknown(_))));
        engine.disk.lock().data = data;
        engine.commit(put(3, 100)).unwrap();
    }

    #[test]
    fn large_pages_are_synced_once() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Sled::open(folder.path(), &StoreOptions::default()).unwrap();
        engine.commit(put(1, 2_000_000)).unwrap();
        let synced = engine.disk.lock().synced.clone();
        let present: HashSet<_> =
            std::fs::read_dir(folder.path().join("blobs")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!synced.is_empty(), "the value is not in a file of its own");
        assert!(present.is_subset(&synced));
    }

    #[test]
    fn what_nobody_sees_any_more_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Sled::open(folder.path(), &StoreOptions::default()).unwrap();
        let kept = || engine.shared.history.read().replaced.len();
        engine.commit(put(1, 1)).unwrap();
        assert_eq!(kept(), 0);
        let first = engine.snapshot().unwrap();
        engine.commit(put(1, 2)).unwrap();
        let second = engine.snapshot().unwrap();
        engine.commit(put(1, 3)).unwrap();
        assert_eq!(kept(), 2);
        drop(first);
        assert_eq!(kept(), 1);
        assert_eq!(second.get(Space::Rows, &[1]).unwrap().unwrap().len(), 2);
        drop(second);
        assert_eq!(kept(), 0);
    }
}
