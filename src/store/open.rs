//! Opening a data folder: exclusive use, the choice of engine, and room on its disk.
//!
//! | Entry | What |
//! |---|---|
//! | `lock` | held while the store is open |
//! | `fjall/` or `sled/` | the engine's files |
//! | `bodies/` | bodies over 64 KiB |

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::committer::HasRoom;
use super::engine::Engine;
use super::files::Files;
use super::fjall::Fjall;
use super::{Error, SCHEMA, Store, migrate};
use crate::clock::{self, Clock};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The engine; a folder keeps the one it was made with.
    pub engine: EngineKind,
    /// Bytes of cached blocks, over all of the store.
    pub cache_bytes: u64,
    /// Bytes of write buffers, over all of the store. Set when the store is made.
    pub write_buffer_bytes: u64,
    /// Writes that grow the store are refused while its disk has fewer bytes free than this.
    pub free_space_watermark: u64,
    /// This node's number, the top 16 bits of every id it makes.
    pub node: u16,
}

impl Default for StoreOptions {
    /// fjall, 128 MiB of cache, 64 MiB of write buffers, stop at 512 MiB free.
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            cache_bytes: 128 << 20,
            write_buffer_bytes: 64 << 20,
            free_space_watermark: 512 << 20,
            node: 0,
        }
    }
}

/// The embedded engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineKind {
    /// The default.
    #[default]
    Fjall,
    /// Only with the cargo feature `sled`.
    Sled,
}

impl EngineKind {
    const ALL: [Self; 2] = [Self::Fjall, Self::Sled];

    fn folder(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Sled => "sled",
        }
    }

    /// Asked before anything is made in a data folder.
    fn must_be_built_in(self) -> Result<(), Error> {
        match self {
            Self::Sled if cfg!(not(feature = "sled")) => Err(Self::not_built_in()),
            _ => Ok(()),
        }
    }

    fn not_built_in() -> Error {
        Error::Unusable("this program was built without the engine sled; see cargo's --features".into())
    }
}

impl Store {
    /// Opens the data folder `path`, which is made when it is missing. Old layouts are brought up to
    /// date. `Error::Unusable` says in words why a folder cannot be used.
    pub fn open(path: &Path, options: &StoreOptions, clock: &Clock) -> Result<Self, Error> {
        options.engine.must_be_built_in()?;
        make_folder(path).map_err(|e| refused(path, &e))?;
        let lock = FolderLock::take(path)?;
        refuse_other_engine(path, options.engine)?;
        let files = Files::local(&path.join("bodies"))?;
        let engine = open_engine(path, options)?;
        sync_folder(path).map_err(|e| refused(path, &e))?;
        let has_room = has_room(path.to_owned(), options.free_space_watermark);
        Self::assemble(engine, files, has_room, options.node, clock, Some(lock))
    }
}

/// Whether [`Store::open`] could open the data folder `path`: the schema its store has, or would get. Opens the
/// engine, which may tidy its files, but changes no row; an older store stays as it is.
///
/// # Errors
/// As [`Store::open`].
pub fn probe(path: &Path, options: &StoreOptions) -> Result<u32, Error> {
    options.engine.must_be_built_in()?;
    if !path.exists() {
        return Ok(SCHEMA);
    }
    let _lock = FolderLock::take(path)?;
    refuse_other_engine(path, options.engine)?;
    if !path.join(options.engine.folder()).exists() {
        // Its first start was interrupted.
        return Ok(SCHEMA);
    }
    let engine = open_engine(path, options)?;
    migrate::known(&*engine.snapshot()?, SCHEMA)
}

fn open_engine(path: &Path, options: &StoreOptions) -> Result<Arc<dyn Engine>, Error> {
    let folder = path.join(options.engine.folder());
    match options.engine {
        EngineKind::Fjall => Ok(Arc::new(Fjall::open(&folder, options)?)),
        #[cfg(feature = "sled")]
        EngineKind::Sled => Ok(Arc::new(super::sled::Sled::open(&folder, options)?)),
        #[cfg(not(feature = "sled"))]
        EngineKind::Sled => Err(EngineKind::not_built_in()),
    }
}

/// A folder made by one engine is not opened with another, which would show it empty.
fn refuse_other_engine(path: &Path, wanted: EngineKind) -> Result<(), Error> {
    let other = EngineKind::ALL.into_iter().find(|e| *e != wanted && path.join(e.folder()).exists());
    other.map_or(Ok(()), |e| {
        let (path, has) = (path.display(), e.folder());
        Err(Error::Unusable(format!("{path} was made with the engine {has}; set it in the configuration")))
    })
}

/// The lock of a data folder; released when it is dropped or the process ends.
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    fn take(path: &Path) -> Result<Self, Error> {
        let path = path.join("lock");
        let refused = |e: &std::io::Error| refused(&path, e);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| refused(&e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Held(format!("{} is held: another process uses this folder", path.display())))
            }
            Err(TryLockError::Error(e)) => Err(refused(&e)),
        }
    }
}

/// An error of the system while a folder is opened: either it passes by itself, or somebody has to act.
pub(super) fn refused(path: &Path, e: &std::io::Error) -> Error {
    use std::io::ErrorKind as K;
    let why = format!("{}: {e}", path.display());
    match e.kind() {
        K::PermissionDenied
        | K::NotADirectory
        | K::IsADirectory
        | K::ReadOnlyFilesystem
        | K::InvalidFilename => Error::Unusable(why),
        _ => Error::Io(why),
    }
}

/// Makes a folder and its parents, for the owner only, and the new entries durable.
pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    // How many of the parents are new is not known; syncing an old one costs nothing.
    path.ancestors().skip(1).take(3).try_for_each(sync_folder)
}

/// Makes the entries of a folder durable. The folder above a relative path's first is the one we are in.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Measures free space, at most once a second.
fn has_room(path: PathBuf, watermark: u64) -> HasRoom {
    let mut measured: Option<(Instant, bool)> = None;
    Box::new(move || {
        let now = clock::instant();
        if let Some((at, room)) = measured
            && now.duration_since(at) < Duration::from_secs(1)
        {
            return room;
        }
        let room = free_space(&path).is_none_or(|free| free >= watermark);
        if measured.is_some_and(|(_, before)| before != room) {
            tracing::warn!(path = %path.display(), room, "free space crossed the watermark");
        }
        measured = Some((now, room));
        room
    })
}

/// Bytes that an unprivileged process may still write beside `path`, if that can be told.
fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
