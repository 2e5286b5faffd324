//! The keeper: one background task that removes for good what has been kept long enough.
//!
//! It works in steps, each of which looks at a bounded number of rows of a snapshot and changes a bounded
//! number of them in one transaction, and it rests after each step for several times as long as that took:
//! deliveries are never behind it for longer than a step. Where a round stands is remembered in memory
//! only; after a start it begins again.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Services;
use crate::clock::{self, Millis};
use crate::config::Store as Ages;
use crate::mailbox::{
    self, Acting, Error, FolderId, MailTx, Mailbox, Origin, OwnerId, ThreadEntry, Tombstone,
};
use crate::net::Shutdown;
use crate::store::keys::{Key, Table};
use crate::store::{Collector, Cursor, Graces, Order, Read, Swept, record, sweep};

/// Rows that one step looks at.
const LOOK: usize = 1_000;
/// Items or rows that one step changes.
const CHANGE: usize = 200;
/// Bodies that one step of the collector looks at.
const BODIES: usize = 256;
/// From the start of the server to the first step.
const START_AFTER: Duration = Duration::from_secs(30);
/// The least rest after a step.
const REST: Duration = Duration::from_millis(25);
/// How much longer than a step the rest after it is.
const RESTS: u32 = 4;
/// The longest rest: a clock that was set is noticed after this.
const REST_MAX: Duration = Duration::from_secs(60);

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// How long a message's place in conversations is found without being used: more than a year.
const THREADS_FOR: Millis = 400 * DAY;
/// How long a device's ClientIds are kept. The door itself looks at no older ones.
const CLIENT_IDS_FOR: Millis = 30 * DAY;

/// Keeps order in a store.
pub struct Keeper {
    mailbox: Mailbox,
    ages: Ages,
    collector: Collector,
    rounds: Vec<Round>,
}

/// What there is to do, over and over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    /// What removed owners had.
    RemovedOwners,
    /// Expunged items past recovery.
    Expunged,
    /// Deleted folders.
    Folders,
    /// Tombstones that no client should need any more.
    Tombstones,
    /// Conversations out of use.
    Threads,
    /// ClientIds of old.
    ClientIds,
    /// Bodies that nothing refers to.
    Bodies,
}

impl Task {
    const ALL: [Self; 7] = [
        Self::RemovedOwners,
        Self::Expunged,
        Self::Folders,
        Self::Tombstones,
        Self::Threads,
        Self::ClientIds,
        Self::Bodies,
    ];

    /// From the end of a round to the next one.
    fn every(self) -> Millis {
        match self {
            Self::Bodies => 10_000,
            Self::RemovedOwners => MINUTE,
            Self::Expunged | Self::Folders => HOUR,
            Self::Tombstones | Self::Threads | Self::ClientIds => DAY,
        }
    }
}

/// Where a task stands.
struct Round {
    task: Task,
    /// When it begins, or has begun.
    due: Millis,
    place: Place,
    /// What it has found and not done.
    work: VecDeque<Work>,
}

/// How far a round has looked.
enum Place {
    Start,
    At(Cursor),
    End,
}

/// One thing to do, in one transaction or several.
#[derive(Debug)]
enum Work {
    RemovedOwner(OwnerId),
    Expunged(OwnerId),
    Folder(FolderId),
    Tombstones(Vec<Tombstone>),
    Threads(Vec<ThreadEntry>),
    ClientIds(Vec<Vec<u8>>),
}

impl Keeper {
    /// A keeper of a server's store, by `[store]`.
    pub fn new(services: &Services) -> Self {
        Self::over(services.mailbox.clone(), services.config.store.clone(), Graces::default())
    }

    fn over(mailbox: Mailbox, ages: Ages, graces: Graces) -> Self {
        let now = mailbox.clock().now();
        let round = |task| Round { task, due: now, place: Place::Start, work: VecDeque::new() };
        Self {
            collector: Collector::new(mailbox.store().clone(), graces),
            rounds: Task::ALL.into_iter().map(round).collect(),
            mailbox,
            ages,
        }
    }

    /// Works until the server is to end, or its store has failed.
    pub async fn run(self, end: Shutdown) {
        self.run_after(START_AFTER, end).await;
    }

    async fn run_after(mut self, mut rest: Duration, end: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = end.begun() => return,
            }
            let stepped = tokio::task::spawn_blocking(move || {
                let began = clock::instant();
                let next = self.step();
                (self, next, began.elapsed())
            });
            let Ok((keeper, next, took)) = stepped.await else {
                tracing::error!("the keeper has stopped; it begins again with the next start");
                return;
            };
            self = keeper;
            if self.mailbox.store().failed() {
                return;
            }
            rest = next.max(took.saturating_mul(RESTS)).clamp(REST, REST_MAX);
        }
    }

    /// Does all there is to do now, without a rest. Blocks.
    pub fn pass(&mut self) {
        // Bodies twice: the other tasks let go of some.
        for tasks in [&Task::ALL[..], &[Task::Bodies]] {
            let now = self.now();
            for round in self.rounds.iter_mut().filter(|round| tasks.contains(&round.task)) {
                round.due = round.due.min(now);
            }
            while self.step().is_zero() {}
        }
    }

    /// One step of what has waited longest; answers for how long there is nothing more to do. Blocks.
    fn step(&mut self) -> Duration {
        let now = self.now();
        for round in &mut self.rounds {
            // A clock that went back must not put everything off.
            round.due = round.due.min(now.saturating_add(round.task.every()));
        }
        let first = self.rounds.iter().enumerate().min_by_key(|(_, round)| round.due);
        let Some((n, _)) = first.filter(|(_, round)| round.due <= now) else { return self.until_due(now) };
        let mut round = self.rounds.remove(n);
        let ended = self.advance(&mut round, now).unwrap_or_else(|error| {
            tracing::error!(task = ?round.task, %error, "the keeper cannot go on with this round");
            true
        });
        // What goes on stands behind all that waits, so that everything has its turn.
        round.due = now;
        if ended {
            round = Round { due: now.saturating_add(round.task.every()), place: Place::Start, ..round };
            round.work.clear();
        }
        self.rounds.push(round);
        self.until_due(now)
    }

    fn until_due(&self, now: Millis) -> Duration {
        let next = self.rounds.iter().map(|round| round.due).min().unwrap_or(now);
        Duration::from_millis(u64::try_from(next.saturating_sub(now)).unwrap_or_default())
    }

    /// Does one thing that was found, or looks for more. True at the end of the round.
    fn advance(&mut self, round: &mut Round, now: Millis) -> Result<bool, Error> {
        if round.task == Task::Bodies {
            let done = self.collector.step(BODIES)?;
            // Without anything found, the scan over all bodies takes its time.
            return Ok(done.marked == 0 && done.removed == 0);
        }
        if let Some(work) = round.work.pop_front() {
            match self.work(&work, now) {
                Ok(true) => round.work.push_front(work),
                Ok(false) => {}
                // One damaged folder must not keep it from all others.
                Err(error) => tracing::error!(?work, %error, "the keeper passes over something"),
            }
        } else {
            let at = match &round.place {
                Place::Start => None,
                Place::At(cursor) => Some(cursor),
                Place::End => return Ok(true),
            };
            let (found, next) = self.look(round.task, at, now)?;
            round.work.extend(found);
            round.place = next.map_or(Place::End, Place::At);
        }
        Ok(false)
    }

    /// Looks at some rows for what is due.
    fn look(
        &self,
        task: Task,
        at: Option<&Cursor>,
        now: Millis,
    ) -> Result<(Vec<Work>, Option<Cursor>), Error> {
        let reader = self.mailbox.store().read()?;
        let before = self.before(task, now);
        Ok(match task {
            Task::RemovedOwners => {
                let owners = mailbox::removed_owners(&reader, LOOK)?;
                (owners.into_iter().map(Work::RemovedOwner).collect(), None)
            }
            Task::Expunged => each(mailbox::owners_to_purge(&reader, at, before, LOOK)?, Work::Expunged),
            Task::Folders => each(mailbox::deleted_folders(&reader, at, before, LOOK)?, Work::Folder),
            Task::Tombstones => some(mailbox::old_tombstones(&reader, at, before, LOOK)?, Work::Tombstones),
            Task::Threads => some(mailbox::old_threads(&reader, at, before, LOOK)?, Work::Threads),
            Task::ClientIds => {
                let old = sweep(&reader, Table::SentClientId, at, LOOK, |key, value| {
                    is_older(value, before).then(|| key.to_vec())
                });
                some(old?, Work::ClientIds)
            }
            Task::Bodies => (Vec::new(), None),
        })
    }

    /// What is older than this is removed.
    fn before(&self, task: Task, now: Millis) -> Millis {
        let age = match task {
            Task::Expunged | Task::Folders => Millis::from(self.ages.keep_expunged) * DAY,
            Task::Tombstones => Millis::from(self.ages.keep_tombstones) * DAY,
            Task::Threads => THREADS_FOR,
            Task::ClientIds => CLIENT_IDS_FOR,
            Task::RemovedOwners | Task::Bodies => 0,
        };
        now.saturating_sub(age)
    }

    /// Does a part of something in one transaction, which looks again. True when more of it is left.
    fn work(&self, work: &Work, now: Millis) -> Result<bool, Error> {
        let before = |task| self.before(task, now);
        match work {
            Work::RemovedOwner(owner) => self.purge_owner(*owner),
            Work::Expunged(owner) => {
                let (owner, before) = (*owner, before(Task::Expunged));
                self.change(move |tx| tx.purge_expunged(owner, before, CHANGE))
            }
            Work::Folder(folder) => {
                let (folder, before) = (*folder, before(Task::Folders));
                self.change(move |tx| tx.purge_folder(folder, before, CHANGE))
            }
            Work::Tombstones(due) => {
                let (due, before) = (due.clone(), before(Task::Tombstones));
                self.change(move |tx| tx.purge_tombstones(&due, before).map(|()| false))
            }
            Work::Threads(due) => {
                let (due, before) = (due.clone(), before(Task::Threads));
                self.change(move |tx| tx.purge_threads(&due, before).map(|()| false))
            }
            Work::ClientIds(due) => {
                let (due, before) = (due.clone(), before(Task::ClientIds));
                self.change(move |tx| {
                    for key in due {
                        if tx.store().get(&key)?.is_some_and(|value| is_older(&value, before)) {
                            tx.store().delete(key);
                        }
                    }
                    Ok(false)
                })
            }
        }
    }

    /// What an account's devices had goes first: the owner is the last to tell that there is more.
    fn purge_owner(&self, owner: OwnerId) -> Result<bool, Error> {
        self.change(move |tx| {
            for table in OF_DEVICES {
                let mut keys = Vec::new();
                tx.store().scan(&Key::of(table).u64(owner.0).range(), Order::Forward, &mut |key, _| {
                    keys.push(key.to_vec());
                    if keys.len() < CHANGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
                let left = keys.len() == CHANGE;
                keys.into_iter().for_each(|key| tx.store().delete(key));
                if left {
                    return Ok(true);
                }
            }
            tx.purge_owner(owner, CHANGE)
        })
    }

    /// One transaction of the server's own, which goes on while the disk is full.
    fn change<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mailbox = self.mailbox.clone();
        self.mailbox.store().shrink(move |tx| mailbox.within(tx, Acting::System, Origin::OTHER, f))
    }

    fn now(&self) -> Millis {
        self.mailbox.clock().now()
    }
}

/// What is kept for each device of an account.
const OF_DEVICES: [Table; 5] = [
    Table::Device,
    Table::CollectionState,
    Table::HierarchyState,
    Table::RememberedPing,
    Table::SentClientId,
];

/// Each thing found is work of its own.
fn each<T>(swept: Swept<T>, work: fn(T) -> Work) -> (Vec<Work>, Option<Cursor>) {
    (swept.found.into_iter().map(work).collect(), swept.next)
}

/// What was found is done in transactions of [`CHANGE`] each.
fn some<T: Clone>(swept: Swept<T>, work: fn(Vec<T>) -> Work) -> (Vec<Work>, Option<Cursor>) {
    (swept.found.chunks(CHANGE).map(|some| work(some.to_vec())).collect(), swept.next)
}

fn is_older(value: &[u8], before: Millis) -> bool {
    record::leading_time(value).is_none_or(|at| at < before)
}
