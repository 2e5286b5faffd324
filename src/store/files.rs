//! Bodies over 64 KiB: one immutable object each, named by its hash.
//!
//! In a data folder an object is `bodies/ab/cd/abcd…`. It is durable before the batch that refers to it:
//! the object store syncs the file and the folder it stands in, and we sync the folders above, since a
//! folder that another thread has just made may not be durable yet.
//!
//! A *pin* keeps an object from being removed between its staging and the commit that refers to it. While one
//! is removed, whoever stages just that one waits; nobody else does, and least of all the committer, which
//! drops pins.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::{Condvar, Mutex};

use super::Error;
use super::body::BodyId;
use super::failpoint::fail_point;
use super::open::{make_folder, sync_folder};
use crate::clock::Millis;

/// Where large bodies are.
pub(super) struct Files {
    objects: Arc<dyn ObjectStore>,
    /// The folder, when the objects are files.
    root: Option<PathBuf>,
    pins: Arc<Pins>,
}

/// Which objects are held or being removed. The lock is never kept during I/O.
#[derive(Default)]
struct Pins {
    held: Mutex<HashMap<BodyId, Hold>>,
    removed: Condvar,
}

/// Why an object is left alone.
enum Hold {
    /// So many pins.
    Pinned(usize),
    /// It is being removed.
    Removing,
}

/// Keeps one object from being removed.
pub(super) struct Pin {
    id: BodyId,
    pins: Arc<Pins>,
}

impl Pin {
    /// Waits while the object is being removed.
    fn new(pins: &Arc<Pins>, id: BodyId) -> Self {
        let mut held = pins.held.lock();
        loop {
            match held.entry(id).or_insert(Hold::Pinned(0)) {
                Hold::Pinned(count) => {
                    *count = count.saturating_add(1);
                    return Self { id, pins: pins.clone() };
                }
                Hold::Removing => pins.removed.wait(&mut held),
            }
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut held = self.pins.held.lock();
        if let Some(Hold::Pinned(count)) = held.get_mut(&self.id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(&self.id);
            }
        }
    }
}

/// Keeps an object from being pinned while it is removed.
struct Removal<'p> {
    id: BodyId,
    pins: &'p Pins,
}

impl<'p> Removal<'p> {
    /// Nothing when the object is pinned, or somebody else removes it.
    fn begin(pins: &'p Pins, id: BodyId) -> Option<Self> {
        match pins.held.lock().entry(id) {
            Entry::Occupied(_) => None,
            Entry::Vacant(place) => {
                place.insert(Hold::Removing);
                Some(Self { id, pins })
            }
        }
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        self.pins.held.lock().remove(&self.id);
        self.pins.removed.notify_all();
    }
}

impl Files {
    /// Files in `root`, which is made when it is missing.
    pub(super) fn local(root: &Path) -> Result<Self, Error> {
        let unusable = |e: &dyn std::fmt::Display| Error::Unusable(format!("{}: {e}", root.display()));
        make_folder(root).map_err(|e| unusable(&e))?;
        let objects = LocalFileSystem::new_with_prefix(root).map_err(|e| unusable(&e))?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), root: Some(root.to_owned()), pins: Arc::default() })
    }

    /// Objects in memory, for tests.
    pub(super) fn in_memory() -> Self {
        Self { objects: Arc::new(InMemory::new()), root: None, pins: Arc::default() }
    }

    /// Makes `body` durable under `id`. It stays until the pin is dropped, and as long as it is referred
    /// to.
    pub(super) fn put(&self, id: BodyId, body: Bytes) -> Result<Pin, Error> {
        let pin = Pin::new(&self.pins, id);
        fail_point!("body-before-write", fails);
        // One that rotted since it was written is healed by being delivered again.
        if !self.has(&id, &body)? {
            let (objects, path) = (self.objects.clone(), object_path(&id));
            wait(async move { objects.put(&path, body.into()).await })?.map_err(|e| write_error(&e))?;
        }
        self.sync_folders(&id)?;
        fail_point!("body-after-write", fails);
        Ok(pin)
    }

    /// Whether the object is there with this content.
    fn has(&self, id: &BodyId, body: &Bytes) -> Result<bool, Error> {
        if self.length(id)? != Some(body.len()) {
            return Ok(false);
        }
        Ok(self.get(id).is_ok_and(|found| found == *body))
    }

    /// The length of the object, if it is there.
    pub(super) fn length(&self, id: &BodyId) -> Result<Option<usize>, Error> {
        let (objects, path) = (self.objects.clone(), object_path(id));
        match wait(async move { objects.head(&path).await })? {
            Ok(meta) => Ok(usize::try_from(meta.size).ok()),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(Error::Io(e.to_string())),
        }
    }

    /// Makes the names of an object and of its folders durable.
    fn sync_folders(&self, id: &BodyId) -> Result<(), Error> {
        let Some(root) = &self.root else { return Ok(()) };
        let hex = id.to_string();
        let outer = root.join(hex.get(..2).unwrap_or_default());
        let inner = outer.join(hex.get(2..4).unwrap_or_default());
        [inner.as_path(), &outer, root]
            .into_iter()
            .try_for_each(sync_folder)
            .map_err(|e| Error::Unknown(format!("a folder of bodies cannot be synced: {e}")))
    }

    /// The whole object.
    pub(super) fn get(&self, id: &BodyId) -> Result<Bytes, Error> {
        let (objects, path) = (self.objects.clone(), object_path(id));
        let read = async move { objects.get(&path).await?.bytes().await };
        wait(read)?.map_err(|e| read_error(id, &e))
    }

    /// A part of the object, which must lie within it.
    pub(super) fn get_range(&self, id: &BodyId, range: Range<u64>) -> Result<Bytes, Error> {
        let (objects, path) = (self.objects.clone(), object_path(id));
        let read = async move { objects.get_range(&path, range).await };
        wait(read)?.map_err(|e| read_error(id, &e))
    }

    /// Removes the object unless it is pinned or `is_wanted`, which is asked while nobody can pin it.
    /// True when it is gone.
    pub(super) fn remove_unless(
        &self,
        id: &BodyId,
        is_wanted: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let Some(_removal) = Removal::begin(&self.pins, *id) else { return Ok(false) };
        if is_wanted()? {
            return Ok(false);
        }
        let (objects, path) = (self.objects.clone(), object_path(id));
        match wait(async move { objects.delete(&path).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(true),
            Err(e) => Err(Error::Io(e.to_string())),
        }
    }

    /// The objects and the remains of interrupted writes, with the time of their last change, from the inner
    /// folder `at` on: whole folders until there are `most` of them, at most to the end of the outer folder.
    /// Answers where to go on, too. Empty when the objects are not files.
    pub(super) fn list(&self, at: u16, most: usize) -> Result<(Vec<Found>, u16), Error> {
        let [first, second] = at.to_be_bytes();
        let next = u16::from_be_bytes([first.wrapping_add(1), 0]);
        let Some(root) = &self.root else { return Ok((Vec::new(), next)) };
        let mut inner: Vec<(u8, PathBuf)> = entries(&root.join(format!("{first:02x}")))?
            .into_iter()
            .filter_map(|path| Some((u8::from_str_radix(path.file_name()?.to_str()?, 16).ok()?, path)))
            .filter(|(name, _)| *name >= second)
            .collect();
        inner.sort_unstable();
        let mut found = Vec::new();
        for (name, folder) in inner {
            if found.len() >= most {
                return Ok((found, u16::from_be_bytes([first, name])));
            }
            for path in entries(&folder)? {
                // An entry may vanish while we look.
                let Some(modified) = modified(&path) else { continue };
                let id = path.file_name().and_then(|n| n.to_str()).and_then(BodyId::parse);
                found.push(Found { path, id, modified });
            }
        }
        Ok((found, next))
    }
}

/// A file among the bodies.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// `None` for what an interrupted write has left.
    pub(super) id: Option<BodyId>,
    pub(super) modified: Millis,
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    match std::fs::read_dir(folder) {
        Ok(list) => Ok(list.flatten().map(|e| e.path()).collect()),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(e) => Err(Error::Io(format!("{}: {e}", folder.display()))),
    }
}

fn modified(path: &Path) -> Option<Millis> {
    let time = path.metadata().ok()?.modified().ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}

fn object_path(id: &BodyId) -> ObjectPath {
    let hex = id.to_string();
    ObjectPath::from_iter([hex.get(..2).unwrap_or_default(), hex.get(2..4).unwrap_or_default(), &hex])
}

fn write_error(e: &object_store::Error) -> Error {
    let mut source: Option<&dyn std::error::Error> = Some(e);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => return Error::Full,
                // Perhaps of an fsync, after which the page cache cannot be trusted.
                _ if io.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                    return Error::Unknown(e.to_string());
                }
                _ => {}
            }
        }
        source = cause.source();
    }
    Error::Io(e.to_string())
}

fn read_error(id: &BodyId, e: &object_store::Error) -> Error {
    match e {
        object_store::Error::NotFound { .. } => Error::Damaged(format!("body {id} is missing")),
        other => Error::Io(other.to_string()),
    }
}

/// Runs an object store's future to its end on a thread outside of any runtime. Inside of one the
/// future would wait for a free thread of the runtime's blocking pool, which may be full of callers
/// that wait for just this.
fn wait<T: Send>(future: impl Future<Output = T> + Send) -> Result<T, Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Ok(block_on(future));
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("body".into())
            .spawn_scoped(scope, || block_on(future))
            .map_err(|e| Error::Io(e.to_string()))?;
        thread.join().map_err(|_| Error::Io("the object store panicked".into()))
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(out) => return out,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(10);

    /// While one object is removed, pins of others come and go; a stager of just that one waits for the end.
    #[test]
    fn a_removal_keeps_nobody_waiting_but_who_stages_the_same() {
        let files = Files::in_memory();
        let (one, other) = (BodyId([1; 32]), BodyId([2; 32]));
        drop(files.put(one, Bytes::from_static(b"one")).unwrap());
        let pinned = files.put(other, Bytes::from_static(b"other")).unwrap();
        let (go, wait) = channel::<()>();
        let (begun, begins) = channel::<()>();
        let (staged, stages) = channel();
        std::thread::scope(|scope| {
            let files = &files;
            let removal = scope.spawn(move || {
                files.remove_unless(&one, || {
                    begun.send(()).unwrap();
                    wait.recv_timeout(PATIENCE).unwrap();
                    Ok(false)
                })
            });
            begins.recv_timeout(PATIENCE).unwrap();
            assert!(!files.remove_unless(&one, || Ok(false)).unwrap(), "somebody does it already");
            assert!(!files.remove_unless(&other, || Ok(false)).unwrap(), "it is pinned");
            drop(pinned);
            scope.spawn(move || staged.send(files.put(one, Bytes::from_static(b"one")).unwrap()).unwrap());
            assert!(stages.recv_timeout(SOON).is_err(), "it is being removed");
            go.send(()).unwrap();
            assert!(removal.join().unwrap().unwrap());
            let pin = stages.recv_timeout(PATIENCE).unwrap();
            assert_eq!(files.get(&one).unwrap(), "one");
            assert!(!files.remove_unless(&one, || Ok(false)).unwrap());
            drop(pin);
        });
        assert!(files.remove_unless(&one, || Ok(false)).unwrap());
        assert!(files.pins.held.lock().is_empty());
    }

    #[test]
    fn every_object_is_listed_once_whatever_the_size_of_a_look() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::local(folder.path()).unwrap();
        for n in 0..60_u8 {
            let mut id = [n; 32];
            (id[0], id[1]) = (n % 3, n % 5);
            drop(files.put(BodyId(id), Bytes::from_static(b"x")).unwrap());
        }
        for most in [1, 5, 100] {
            let (mut seen, mut at, mut looks) = (Vec::new(), 0, 0);
            loop {
                let (found, next) = files.list(at, most).unwrap();
                assert!(found.len() < most + 4, "one inner folder more at most");
                seen.extend(found.into_iter().map(|found| found.id.unwrap()));
                (at, looks) = (next, looks + 1);
                if at == 0 {
                    break;
                }
            }
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 60, "{looks} looks of {most}");
        }
    }

    #[test]
    fn an_object_that_rotted_is_healed_by_being_staged_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::local(folder.path()).unwrap();
        let id = BodyId([0xAB; 32]);
        drop(files.put(id, Bytes::from_static(b"sound")).unwrap());
        let hex = id.to_string();
        std::fs::write(folder.path().join("ab/ab").join(hex), b"rotte").unwrap();
        assert_eq!(files.get(&id).unwrap(), "rotte");
        drop(files.put(id, Bytes::from_static(b"sound")).unwrap());
        assert_eq!(files.get(&id).unwrap(), "sound");
    }
}
