//! The queue's worker: it finds what is due, keeps within the bounds, and sleeps in between.
//!
//! Mail for one destination is sent by at most a few runners, each over one connection for many
//! messages. When a destination cannot be reached, all that was due for it waits together; when one that
//! had failed takes a message, all that waits for it is tried at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempted, Session};
use super::entry::{self, Destination, QueueId};
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::store;

/// Most messages taken from the schedule at once.
const READY_MAX: usize = 1_000;
/// How long messages being sent may take once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the worker waits when it cannot read the queue.
const UNREADABLE_WAIT: Duration = Duration::from_secs(30);

/// What is being worked on.
#[derive(Default)]
pub(super) struct Work {
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Default)]
struct State {
    /// Due messages by destination.
    ready: HashMap<Destination, VecDeque<QueueId>>,
    /// All that are due or being tried: what the schedule has and the worker need not take again.
    taken: HashSet<QueueId>,
    /// Runners by destination.
    runners: HashMap<Destination, usize>,
    /// Destinations whose latest attempt failed.
    failing: HashSet<Destination>,
}

impl Work {
    /// Has the worker look at the schedule.
    pub(super) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Remembers that a destination fails.
    pub(super) fn failed(&self, destination: &Destination) {
        self.state.lock().failing.insert(destination.clone());
    }

    /// Remembers that a destination works; true when it did not before.
    pub(super) fn revived(&self, destination: &Destination) -> bool {
        self.state.lock().failing.remove(destination)
    }

    /// Whether nothing is being sent.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.taken.is_empty() && state.runners.values().all(|count| *count == 0)
    }

    fn take_next(&self, destination: &Destination) -> Option<QueueId> {
        self.state.lock().ready.get_mut(destination)?.pop_front()
    }

    fn take_rest(&self, destination: &Destination) -> VecDeque<QueueId> {
        self.state.lock().ready.remove(destination).unwrap_or_default()
    }

    fn release(&self, id: QueueId) {
        self.state.lock().taken.remove(&id);
    }
}

impl Delivery {
    /// Sends what is due until `end` is ready, then lets what is being sent finish.
    pub async fn run(&self, end: impl Future<Output = ()>) {
        let inner = &self.inner;
        let stop = CancellationToken::new();
        let _stop_whatever_happens = stop.clone().drop_guard();
        let mut end = pin!(end);
        if let Err(error) = inner.remember_failing() {
            tracing::error!(%error, "cannot read the queue");
        }
        let mut runners = JoinSet::new();
        while !stop.is_cancelled() {
            let due = match inner.gather() {
                Ok(next) => next.map(|at| millis(at.saturating_sub(inner.clock.now()))),
                Err(error) => {
                    tracing::error!(%error, "cannot read the queue");
                    Some(UNREADABLE_WAIT)
                }
            };
            if !inner.store.failed() {
                inner.start_runners(&mut runners, &stop);
            }
            tokio::select! {
                () = &mut end => stop.cancel(),
                () = inner.work.notify.notified() => {}
                () = sleep(due.unwrap_or_default()), if due.is_some() => {}
                Some(_) = runners.join_next() => {}
            }
        }
        let rest = async { while runners.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, rest).await.is_err() {
            tracing::warn!("messages being sent were cut off; they will be sent again");
        }
    }
}

impl Inner {
    /// Destinations that failed before the server was started can be revived too.
    fn remember_failing(&self) -> Result<(), store::Error> {
        let mut failing = HashSet::new();
        entry::visit(&self.store.read()?, |entry| {
            if entry.attempts > 0 {
                failing.insert(entry.destination);
            }
        })?;
        self.work.state.lock().failing.extend(failing);
        Ok(())
    }

    /// Takes due messages from the schedule and gives the time of the next that is not yet due.
    fn gather(&self) -> Result<Option<Millis>, store::Error> {
        let reader = self.store.read()?;
        let now = self.clock.now();
        let mut due = Vec::new();
        let mut next = None;
        {
            let state = self.work.state.lock();
            let room = READY_MAX.saturating_sub(state.taken.len());
            entry::visit_schedule(&reader, |at, id| {
                if at > now {
                    next = Some(at);
                    return ControlFlow::Break(());
                }
                if due.len() >= room {
                    return ControlFlow::Break(());
                }
                if !state.taken.contains(&id) {
                    due.push(id);
                }
                ControlFlow::Continue(())
            })?;
        }
        for id in due {
            let entry = entry::load(&reader, id);
            let mut state = self.work.state.lock();
            match entry {
                Ok(Some(entry)) => {
                    state.taken.insert(id);
                    state.ready.entry(entry.destination).or_default().push_back(id);
                }
                Ok(None) => {}
                Err(error) => {
                    // Left alone, so that somebody can look at it.
                    tracing::error!(%error, "cannot read a queued message");
                    state.taken.insert(id);
                }
            }
        }
        Ok(next)
    }

    fn start_runners(self: &Arc<Self>, runners: &mut JoinSet<()>, stop: &CancellationToken) {
        let mut state = self.work.state.lock();
        state.ready.retain(|_, queue| !queue.is_empty());
        let State { ready, runners: running, .. } = &mut *state;
        let mut total: usize = running.values().sum();
        for (destination, queue) in ready.iter() {
            let most = count(self.config.outbound_per_destination).min(queue.len());
            let now = running.entry(destination.clone()).or_default();
            while *now < most && total < count(self.config.outbound_connections) {
                (*now, total) = (now.saturating_add(1), total.saturating_add(1));
                runners.spawn(run(
                    Running { inner: self.clone(), destination: destination.clone() },
                    stop.clone(),
                ));
            }
        }
        running.retain(|_, count| *count > 0);
    }
}

/// A runner's place among the others, given back when it ends, however it ends.
struct Running {
    inner: Arc<Inner>,
    destination: Destination,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.inner.work.state.lock();
        if let Some(count) = state.runners.get_mut(&self.destination) {
            *count = count.saturating_sub(1);
        }
    }
}

/// A message being tried, which can be taken again when this ends, however it ends.
struct Taken<'i>(&'i Inner, QueueId);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.work.release(self.1);
    }
}

async fn run(running: Running, stop: CancellationToken) {
    let Running { inner, destination } = &running;
    let mut session = Session::default();
    // Without a store nothing could be noted, and all that is sent would be sent again.
    while !stop.is_cancelled() && !inner.store.failed() {
        let Some(id) = inner.work.take_next(destination) else { break };
        let taken = Taken(inner, id);
        match inner.attempt(id, &mut session).await {
            Attempted::Settled => {}
            Attempted::Unreachable(failure) => {
                drop(taken);
                for id in inner.work.take_rest(destination) {
                    let _taken = Taken(inner, id);
                    inner.defer(id, &failure).await;
                }
                break;
            }
            // It may have gone out, and that cannot be noted: never again in this process.
            Attempted::Unknown => std::mem::forget(taken),
        }
    }
    session.close().await;
}

/// At least one.
fn count(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX).max(1)
}

fn millis(wait: Millis) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1))
}
