//! The committer: one thread that runs transactions one after another over its current view, makes a
//! group of them durable with one commit, and only then has anyone told.
//!
//! Writers meanwhile queue up, so the more there are the larger the groups get: sixteen writers share
//! one fsync. A transaction sees what those before it in its group wrote.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::Error;
use super::engine::Engine;
use super::tx::{AfterCommit, Overlay, Tx, changes};

/// Most bytes of new values in one group, so that large bodies do not delay others' flags.
const GROUP_BYTES: usize = 4 << 20;
/// Most transactions in one group.
const GROUP_TRANSACTIONS: usize = 512;

/// Answers the caller, with the error of the commit if there was one.
pub(super) type Tell = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A transaction's outcome before it is durable.
pub(super) struct Verdict {
    /// Whether its changes are kept.
    pub(super) keep: bool,
    /// How its caller is answered.
    pub(super) tell: Tell,
}

/// A transaction's closure, given a transaction or the reason why there is none.
pub(super) type Run = Box<dyn FnOnce(Result<&mut Tx<'_>, Error>) -> Verdict + Send>;

/// A transaction waiting for the committer.
pub(super) struct Job {
    /// Refused while the store is full, where freeing space is not.
    pub(super) grows: bool,
    pub(super) run: Run,
}

/// Whether there is room for more data; asked once for each group.
pub(super) type HasRoom = Box<dyn Fn() -> bool + Send>;

/// The committer's queue and thread.
pub(super) struct Committer {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    failed: Arc<AtomicBool>,
}

impl Committer {
    /// Starts the committer's thread over `engine`.
    pub(super) fn start(engine: Arc<dyn Engine>, has_room: HasRoom) -> Result<Self, Error> {
        let (jobs, queue) = channel();
        let failed = Arc::new(AtomicBool::new(false));
        let worker = Worker { engine, has_room, failed: failed.clone() };
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || worker.serve(&queue))
            .map_err(|e| Error::Unusable(e.to_string()))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)), failed })
    }

    /// Queues a transaction; its verdict's `tell` is called in any case.
    pub(super) fn submit(&self, job: Job) {
        let refused = match self.jobs.lock().as_ref() {
            Some(jobs) => jobs.send(job).err().map(|e| e.0),
            None => Some(job),
        };
        if let Some(job) = refused {
            ((job.run)(Err(Error::Stopped)).tell)(Err(Error::Stopped));
        }
    }

    /// True once a commit has failed: the process should be restarted.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Lets the queued transactions finish and ends the thread.
    pub(super) fn stop(&self) {
        drop(self.jobs.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the committer was already reported by its own hook.
            let _ = thread.join();
        }
    }
}

struct Worker {
    engine: Arc<dyn Engine>,
    has_room: HasRoom,
    failed: Arc<AtomicBool>,
}

/// The transactions of one group that are waiting for durability.
#[derive(Default)]
struct Group {
    overlay: Overlay,
    bytes: usize,
    after: Vec<AfterCommit>,
    tells: Vec<Tell>,
}

impl Worker {
    fn serve(&self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let base = match self.base() {
                Ok(base) => base,
                Err(e) => {
                    refuse(first, e);
                    continue;
                }
            };
            let full = !(self.has_room)();
            let mut group = Group::default();
            let mut next = Some(first);
            let mut count = 0;
            while let Some(job) = next.take() {
                if job.grows && full {
                    refuse(job, Error::Full);
                } else {
                    run(job, &*base, &mut group);
                }
                count += 1;
                if count < GROUP_TRANSACTIONS && group.bytes < GROUP_BYTES {
                    next = queue.try_recv().ok();
                }
            }
            self.finish(group);
        }
    }

    fn base(&self) -> Result<Box<dyn super::engine::Snapshot>, Error> {
        if self.failed.load(Ordering::Acquire) { Err(Error::Stopped) } else { self.engine.snapshot() }
    }

    /// Durable first, heard of second.
    fn finish(&self, group: Group) {
        let outcome =
            if group.overlay.is_empty() { Ok(()) } else { self.engine.commit(changes(group.overlay)) };
        match &outcome {
            Ok(()) => group.after.into_iter().for_each(|f| f()),
            Err(Error::Full) => {}
            Err(e) => {
                tracing::error!(error = %e, "a commit failed; the store takes no more writes");
                self.failed.store(true, Ordering::Release);
            }
        }
        for tell in group.tells {
            tell(outcome.clone());
        }
    }
}

fn refuse(job: Job, e: Error) {
    ((job.run)(Err(e.clone())).tell)(Err(e));
}

fn run(job: Job, base: &dyn super::engine::Snapshot, group: &mut Group) {
    let mut tx = Tx::new(base, &group.overlay);
    // A bug in one transaction must not end the committer for all; its caller sees the channel close.
    let Ok(verdict) = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(&mut tx)))) else {
        tracing::error!("a transaction panicked; nothing of it is kept");
        return;
    };
    if !verdict.keep {
        // Nothing of it waits for durability, yet what it read may: it is answered with its group.
        group.tells.push(verdict.tell);
        return;
    }
    let (own, bytes, after) = tx.into_parts();
    group.overlay.extend(own);
    group.bytes = group.bytes.saturating_add(bytes);
    group.after.extend(after);
    group.tells.push(verdict.tell);
}
