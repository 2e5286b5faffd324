//! Ordered keys, atomic durable batches and bodies. Knows bytes, not mail.
//!
//! Readers take a snapshot ([`Store::read`]). Writers hand a closure to the committer
//! ([`Store::write`]), which runs it over the current view, commits it together with others and
//! answers when it is durable. `keys` documents every key.

mod committer;
mod engine;
mod error;
pub mod keys;
mod memory;
pub mod record;
mod tx;

use std::sync::Arc;

pub use engine::{Change, Engine, KeyRange, Order, Snapshot, Space, Visit, prefix_end, prefixed};
pub use error::Error;
pub use memory::Memory;
pub use tx::{AfterCommit, Read, Reader, Tx};

use committer::{Committer, HasRoom, Job, Verdict};

/// The shared store. Cheap to clone; the last clone stops the committer.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    committer: Committer,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.committer.stop();
    }
}

impl Store {
    /// A store over an engine that is already open.
    pub fn over(engine: Arc<dyn Engine>, has_room: HasRoom) -> Result<Self, Error> {
        let committer = Committer::start(engine.clone(), has_room)?;
        Ok(Self { inner: Arc::new(Inner { engine, committer }) })
    }

    /// A store in memory, for tests.
    pub fn in_memory() -> Result<Self, Error> {
        Self::over(Arc::new(Memory::default()), Box::new(|| true))
    }

    /// A snapshot to read from.
    pub fn read(&self) -> Result<Reader, Error> {
        Ok(Reader(self.inner.engine.snapshot()?))
    }

    /// Runs `f` as one transaction and blocks until it is durable. When `f` fails, nothing of it is
    /// kept. Must not be called from an async task or from within a transaction.
    pub fn write<T, E>(&self, f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.submit(true, f, move |outcome| {
            // The caller waits below; it can only be gone with its whole thread.
            let _ = answer.send(outcome);
        });
        answered.recv().unwrap_or_else(|_| Err(Error::Stopped.into()))
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
        async move { answered.await.unwrap_or_else(|_| Err(Error::Stopped.into())) }
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
                Ok(tx) => f(tx),
                Err(e) => Err(e.into()),
            };
            Verdict {
                keep: result.is_ok(),
                tell: Box::new(move |commit| {
                    answer(match commit {
                        Ok(()) => result,
                        Err(e) => result.and(Err(e.into())),
                    });
                }),
            }
        });
        self.inner.committer.submit(Job { grows, run });
    }

    /// True once a commit has failed with unknown outcome: the process should be restarted, since the
    /// page cache cannot be trusted any more.
    pub fn failed(&self) -> bool {
        self.inner.committer.failed()
    }

    /// Finishes the queued transactions and takes no more.
    pub fn stop(&self) {
        self.inner.committer.stop();
    }
}
