//! An engine that fails as it is told to, for tests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::Error;
use super::engine::{Change, Engine, Snapshot};

/// How one commit goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It works after all.
    None,
    /// Nothing is applied.
    Refused(Error),
    /// All is applied, then the error is answered.
    Applied(Error),
}

/// Another engine with faults in it.
pub struct Faulty {
    inner: Arc<dyn Engine>,
    faults: Mutex<VecDeque<Fault>>,
    recovery: Mutex<Result<(), Error>>,
    commits: AtomicUsize,
    recoveries: AtomicUsize,
}

impl Faulty {
    /// `inner`, so far without faults, and never recovering.
    pub fn over(inner: Arc<dyn Engine>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            recovery: Mutex::new(Err(Error::Stopped)),
            commits: AtomicUsize::new(0),
            recoveries: AtomicUsize::new(0),
        }
    }

    /// What the next commits do, in order; those after them work.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().extend(faults);
    }

    /// What an attempt to recover answers.
    pub fn set_recovery(&self, outcome: Result<(), Error>) {
        *self.recovery.lock() = outcome;
    }

    /// Commits so far, failed ones included.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::Acquire)
    }

    /// Attempts to recover so far.
    pub fn recoveries(&self) -> usize {
        self.recoveries.load(Ordering::Acquire)
    }
}

impl Engine for Faulty {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: Vec<Change>) -> Result<(), Error> {
        self.commits.fetch_add(1, Ordering::AcqRel);
        let fault = self.faults.lock().pop_front();
        match fault {
            Some(Fault::Refused(e)) => Err(e),
            Some(Fault::Applied(e)) => self.inner.commit(batch).and(Err(e)),
            Some(Fault::None) | None => self.inner.commit(batch),
        }
    }

    fn recover(&self, _was_full: bool) -> Result<(), Error> {
        self.recoveries.fetch_add(1, Ordering::AcqRel);
        self.recovery.lock().clone()
    }
}
