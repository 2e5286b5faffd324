//! The committer: one thread that runs transactions one after another over its current view, makes a
//! group of them durable with one commit, and only then has anyone told.
//!
//! Writers meanwhile queue up, so the more there are the larger the groups get: sixteen writers share
//! one fsync. A transaction sees what those before it in its group wrote.
//!
//! After a commit with unknown outcome the committer takes no more writes. When the disk was full it
//! asks the engine to recover once there is room again; otherwise the store has failed for good, and
//! the process should be restarted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Error;
use super::engine::{Engine, Snapshot};
use super::failpoint::fail_point;
use super::overlay::Overlay;
use super::tx::{AfterCommit, Surroundings, Tx};
use crate::clock;

/// Most bytes of new values in one group, so that large bodies do not delay others' flags.
const GROUP_BYTES: usize = 4 << 20;
/// Most transactions in one group.
const GROUP_TRANSACTIONS: usize = 512;
/// Least time between two attempts to recover the engine.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);

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
pub type HasRoom = Box<dyn FnMut() -> bool + Send>;

/// Told of each durable commit: how many transactions shared it, and how long the engine took.
pub type CommitWatch = Box<dyn Fn(usize, Duration) + Send + Sync>;

/// The committer's queue and thread.
pub(super) struct Committer {
    watch: Arc<OnceLock<CommitWatch>>,
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    id: ThreadId,
    failing: Failing,
}

/// True once the store has failed for good.
type Failing = Arc<watch::Sender<bool>>;

impl Committer {
    /// Starts the committer's thread over `engine`.
    pub(super) fn start(
        engine: Arc<dyn Engine>,
        room: Arc<Mutex<HasRoom>>,
        around: Surroundings,
    ) -> Result<Self, Error> {
        let (jobs, queue) = channel();
        let failing = Failing::new(watch::Sender::new(false));
        let watch = Arc::<OnceLock<CommitWatch>>::default();
        let worker = Worker {
            engine,
            room,
            around,
            watch: watch.clone(),
            health: Health::Well,
            failing: failing.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || {
                let failing = worker.failing.clone();
                // Whoever waits is told by the end of the queue; nobody must go on waiting for ever.
                if catch_unwind(AssertUnwindSafe(|| worker.serve(&queue))).is_err() {
                    fail(&failing, &Error::Unknown("the engine panicked".into()));
                }
            })
            .map_err(|e| Error::Unusable(e.to_string()))?;
        let id = thread.thread().id();
        Ok(Self { watch, jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)), id, failing })
    }

    /// Queues a transaction; its verdict's `tell` is called in any case.
    pub(super) fn submit(&self, job: Job) {
        let refused = match self.jobs.lock().as_ref() {
            Some(jobs) => jobs.send(job).err().map(|e| e.0),
            None => Some(job),
        };
        if let Some(job) = refused {
            refuse(job, &Error::Stopped);
        }
    }

    /// Becomes true once the store has failed for good: the process should be restarted.
    pub(super) fn failed(&self) -> watch::Receiver<bool> {
        self.failing.subscribe()
    }

    /// Has every further commit told to `watch`; the first call counts.
    pub(super) fn watch(&self, watch: CommitWatch) {
        // A second watcher would be a slip of the caller, not worth an end.
        let _ = self.watch.set(watch);
    }

    /// Takes no more writes.
    pub(super) fn fail(&self, why: &Error) {
        fail(&self.failing, why);
    }

    /// True in a transaction and in what follows one, where waiting for another would never end.
    pub(super) fn is_this_thread(&self) -> bool {
        std::thread::current().id() == self.id
    }

    /// Lets the queued transactions finish and ends the thread.
    pub(super) fn stop(&self) {
        drop(self.jobs.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && !self.is_this_thread()
        {
            // A panic of the committer was already reported by its own hook.
            let _ = thread.join();
        }
    }
}

fn fail(failing: &Failing, why: &Error) {
    tracing::error!(error = %why, "the store takes no more writes; the process should be restarted");
    failing.send_replace(true);
}

/// Whether the engine takes commits.
enum Health {
    Well,
    /// A commit failed, perhaps for want of space; it may be possible to go on.
    Suspended {
        was_full: bool,
        next_attempt: Instant,
    },
}

struct Worker {
    engine: Arc<dyn Engine>,
    room: Arc<Mutex<HasRoom>>,
    around: Surroundings,
    watch: Arc<OnceLock<CommitWatch>>,
    health: Health,
    failing: Failing,
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
    fn serve(mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let room = self.has_room();
            match self.base(room) {
                Ok(base) => {
                    let group = self.gather(first, queue, room, &*base);
                    // Nothing of this group reads any more; the engine may drop what it kept for it.
                    drop(base);
                    self.finish(group);
                }
                Err(e) => refuse(first, &e),
            }
        }
    }

    fn has_room(&self) -> bool {
        (self.room.lock())()
    }

    /// Runs `first` and what is queued behind it, as far as one group goes.
    fn gather(&self, first: Job, queue: &Receiver<Job>, room: bool, base: &dyn Snapshot) -> Group {
        let mut group = Group::default();
        let mut next = Some(first);
        let mut count = 0;
        while let Some(job) = next.take() {
            if job.grows && !room {
                refuse(job, &Error::Full);
            } else {
                run(job, base, &self.around, &mut group);
            }
            count += 1;
            if count < GROUP_TRANSACTIONS && group.bytes < GROUP_BYTES {
                next = queue.try_recv().ok();
            }
        }
        group
    }

    /// The view the next group runs over.
    fn base(&mut self, room: bool) -> Result<Box<dyn Snapshot>, Error> {
        if *self.failing.borrow() {
            return Err(Error::Stopped);
        }
        match self.health {
            Health::Well => {}
            Health::Suspended { was_full, next_attempt } => self.try_recover(room, was_full, next_attempt)?,
        }
        self.engine.snapshot()
    }

    fn try_recover(&mut self, room: bool, was_full: bool, next_attempt: Instant) -> Result<(), Error> {
        if !room || clock::instant() < next_attempt {
            return Err(Error::Full);
        }
        match self.engine.recover(was_full) {
            Ok(()) => {
                tracing::info!("the store takes writes again");
                self.health = Health::Well;
                Ok(())
            }
            Err(Error::Full) => {
                self.suspend(was_full);
                Err(Error::Full)
            }
            Err(e) => {
                fail(&self.failing, &e);
                Err(Error::Stopped)
            }
        }
    }

    fn suspend(&mut self, was_full: bool) {
        self.health = Health::Suspended { was_full, next_attempt: clock::instant() + RECOVERY_PAUSE };
    }

    /// Durable first, heard of second.
    fn finish(&mut self, group: Group) {
        let outcome = match group.overlay.is_empty() {
            true => Ok(()),
            false => self.watched(group.overlay, group.tells.len()),
        };
        if outcome.is_ok() {
            group.after.into_iter().for_each(guarded);
        }
        for tell in group.tells {
            let outcome = outcome.clone();
            guarded(move || tell(outcome));
        }
    }

    fn watched(&mut self, overlay: Overlay, transactions: usize) -> Result<(), Error> {
        let began = clock::instant();
        let outcome = self.commit(overlay);
        if let (Ok(()), Some(watch)) = (&outcome, self.watch.get()) {
            guarded(|| watch(transactions, began.elapsed()));
        }
        outcome
    }

    fn commit(&mut self, overlay: Overlay) -> Result<(), Error> {
        let outcome = before_commit().and_then(|()| self.engine.commit(overlay.into_changes()));
        fail_point!("after-commit-before-tell");
        match &outcome {
            Ok(()) | Err(Error::Full) => {}
            Err(e) => {
                tracing::error!(error = %e, "a commit failed");
                let was_full = !self.has_room();
                self.suspend(was_full);
                // Without shortage of space there is nothing to wait for: it recovers now or never.
                if let Err(Error::Stopped) = self.recover_now(was_full) {
                    fail(&self.failing, e);
                }
            }
        }
        outcome
    }

    /// After a failed commit: `Stopped` when the engine will never recover.
    fn recover_now(&mut self, was_full: bool) -> Result<(), Error> {
        if was_full {
            return Err(Error::Full);
        }
        match self.engine.recover(false) {
            Ok(()) => {
                self.health = Health::Well;
                Ok(())
            }
            Err(Error::Full) => Err(Error::Full),
            Err(_) => Err(Error::Stopped),
        }
    }
}

fn before_commit() -> Result<(), Error> {
    fail_point!("before-commit", fails);
    Ok(())
}

fn refuse(job: Job, e: &Error) {
    guarded(|| ((job.run)(Err(e.clone())).tell)(Err(e.clone())));
}

/// Runs a caller's code: a bug in it must not end the committer for all.
fn guarded(f: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(f)).is_err() {
        tracing::error!("what follows a transaction panicked");
    }
}

fn run(job: Job, base: &dyn Snapshot, around: &Surroundings, group: &mut Group) {
    fail_point!("before-run");
    let mut tx = Tx::new(base, &group.overlay, around);
    // The closure's own panics are answered in its verdict; this is for those of its error type.
    let Ok(verdict) = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(&mut tx)))) else {
        tracing::error!("a transaction panicked; nothing of it is kept");
        return;
    };
    fail_point!("after-run");
    if !verdict.keep {
        // Nothing of it waits for durability, yet what it read may: it is answered with its group.
        group.tells.push(verdict.tell);
        return;
    }
    let Some((own, bytes, after)) = tx.into_parts() else {
        guarded(|| (verdict.tell)(Err(Error::Panicked)));
        return;
    };
    group.overlay.absorb(own);
    group.bytes = group.bytes.saturating_add(bytes);
    group.after.extend(after);
    group.tells.push(verdict.tell);
}
