//! Ordered keys, atomic durable batches and bodies. Knows bytes, not mail.
//!
//! Readers take a snapshot ([`Store::read`]). Writers hand a closure to the committer
//! ([`Store::write`]), which runs it over the current view, commits it together with others and
//! answers when it is durable. `keys` documents every key.

mod body;
mod collect;
mod committer;
mod engine;
mod error;
pub mod failpoint;
#[cfg(any(test, feature = "failpoints"))]
pub mod faulty;
mod files;
mod fjall;
mod journal;
pub mod keys;
mod lost;
mod memory;
mod migrate;
mod open;
mod overlay;
pub mod record;
#[cfg(feature = "sled")]
mod sled;
mod sweep;
mod system;
#[cfg(test)]
mod tests;
mod tx;
mod verify;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

pub use body::{BodyId, BodyKey, INLINE_MAX, Referrer, StagedBody, is_lost, references, refers};
pub use collect::{Collected, Collector, Graces};
pub use committer::{CommitWatch, HasRoom};
pub use engine::{Change, Engine, KeyRange, Order, Snapshot, Space, Visit, prefix_end, prefixed};
pub use error::Error;
pub use memory::Memory;
pub use migrate::SCHEMA;
pub use open::{EngineKind, StoreOptions, probe};
pub use sweep::{Cursor, Swept, sweep};
pub use tx::{AfterCommit, Read, Reader, Tx};
pub use verify::{Depth, Report};

use crate::clock::Clock;
use body::Bodies;
use committer::{Committer, Job, Verdict};
use files::Files;
use open::FolderLock;
use tx::Surroundings;

/// The shared store. Cheap to clone; the last clone stops the committer.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Fields drop in this order: the folder is unlocked when the engine is closed.
struct Inner {
    committer: Committer,
    engine: Arc<dyn Engine>,
    bodies: Arc<Bodies>,
    room: Arc<Mutex<HasRoom>>,
    clock: Clock,
    _lock: Option<FolderLock>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.committer.stop();
    }
}

impl Store {
    /// A store over an engine that is already open; large bodies are kept in memory.
    pub fn over(engine: Arc<dyn Engine>, has_room: HasRoom) -> Result<Self, Error> {
        Self::assemble(engine, Files::in_memory(), has_room, 0, &Clock::system(), None)
    }

    /// A store in memory, for tests.
    pub fn in_memory() -> Result<Self, Error> {
        Self::over(Arc::new(Memory::default()), Box::new(|| true))
    }

    /// As [`Store::in_memory`], with a clock of the test's own.
    pub fn in_memory_at(clock: &Clock) -> Result<Self, Error> {
        Self::over_at(Arc::new(Memory::default()), clock)
    }

    /// A store over an engine that is already open, with a clock of the test's own.
    pub fn over_at(engine: Arc<dyn Engine>, clock: &Clock) -> Result<Self, Error> {
        Self::assemble(engine, Files::in_memory(), Box::new(|| true), 0, clock, None)
    }

    fn assemble(
        engine: Arc<dyn Engine>,
        files: Files,
        has_room: HasRoom,
        node: u16,
        clock: &Clock,
        lock: Option<FolderLock>,
    ) -> Result<Self, Error> {
        let secret = system::prepare(&*engine)?;
        let bodies = Arc::new(Bodies::new(&secret, files));
        let room = Arc::new(Mutex::new(has_room));
        let around = Surroundings { node, bodies: bodies.clone() };
        let committer = Committer::start(engine.clone(), room.clone(), around)?;
        let inner = Inner { committer, engine, bodies, room, clock: clock.clone(), _lock: lock };
        let store = Self { inner: Arc::new(inner) };
        migrate::bring_up(&store)?;
        Ok(store)
    }

    /// A snapshot to read from.
    pub fn read(&self) -> Result<Reader, Error> {
        Ok(Reader { snapshot: self.inner.engine.snapshot()?, bodies: self.inner.bodies.clone() })
    }

    /// Runs `f` as one transaction and blocks until it is durable. When `f` fails, nothing of it is
    /// kept. Must not be called from an async task; within a transaction it is refused.
    pub fn write<T, E>(&self, f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_with(true, f)
    }

    fn write_with<T, E>(
        &self,
        grows: bool,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if self.inner.committer.is_this_thread() {
            tracing::error!("a transaction waits for another, which would never end");
            return Err(Error::Panicked.into());
        }
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.submit(grows, f, move |outcome| {
            // The caller waits below; it can only be gone with its whole thread.
            let _ = answer.send(outcome);
        });
        answered.recv().unwrap_or_else(|_| Err(unanswered().into()))
    }

    /// Runs `f` as one transaction; the future is ready when it is durable. Once called it runs to its
    /// end, whether or not the future is polled.
    pub fn write_async<T, E, F>(&self, f: F) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_async_with(true, f)
    }

    /// As [`Store::write_async`], for a change that frees space: it is not refused while the store is full.
    pub fn shrink_async<T, E, F>(&self, f: F) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_async_with(false, f)
    }

    fn write_async_with<T, E, F>(
        &self,
        grows: bool,
        f: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.submit(grows, f, move |outcome| {
            // A client that went away does not undo its transaction.
            let _ = answer.send(outcome);
        });
        async move { answered.await.unwrap_or_else(|_| Err(unanswered().into())) }
    }

    fn submit<T, E>(
        &self,
        grows: bool,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        answer: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let run = Box::new(move |tx: Result<&mut Tx<'_>, Error>| {
            let result = match tx {
                // A bug in one transaction must not end the committer for all.
                Ok(tx) => {
                    catch_unwind(AssertUnwindSafe(|| f(tx))).unwrap_or_else(|_| Err(Error::Panicked.into()))
                }
                Err(e) => Err(e.into()),
            };
            Verdict {
                keep: result.is_ok(),
                // A refusal, too, may rest on what others of the group wrote: when that was not kept, it
                // says nothing.
                tell: Box::new(move |commit| answer(commit.map_err(E::from).and(result))),
            }
        });
        self.inner.committer.submit(Job { grows, run });
    }

    /// As [`Store::write`], for a change that frees space: it is not refused while the store is full.
    pub fn shrink<T, E>(&self, f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_with(false, f)
    }

    /// True once a commit has failed with unknown outcome and without hope: the process should be
    /// restarted, since the page cache cannot be trusted any more.
    pub fn failed(&self) -> bool {
        *self.inner.committer.failed().borrow()
    }

    /// Ready when the store has failed, see [`Store::failed`]. Pending for ever when it is stopped first.
    pub fn wait_failed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut failed = self.inner.committer.failed();
        async move {
            if failed.wait_for(|failed| *failed).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Has every further commit told to `watch`, on the committer's thread: it must not wait. The first
    /// call counts.
    pub fn watch_commits(&self, watch: CommitWatch) {
        self.inner.committer.watch(watch);
    }

    /// The clock this store was opened with.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    fn bodies(&self) -> &Arc<Bodies> {
        &self.inner.bodies
    }

    /// Whether there is room for more data.
    fn has_room(&self) -> bool {
        (self.inner.room.lock())()
    }

    /// Takes no more writes, after a failure outside of a commit that makes the disk untrustworthy.
    fn fail(&self, why: &Error) {
        self.inner.committer.fail(why);
    }

    /// Finishes the queued transactions and takes no more.
    pub fn stop(&self) {
        self.inner.committer.stop();
    }
}

/// The committer ended without a word; the transaction may have been in its hands.
fn unanswered() -> Error {
    Error::Unknown("the committer has ended".into())
}
