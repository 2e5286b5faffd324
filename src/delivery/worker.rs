//! The queue's worker: it finds what is due, keeps within the bounds, and sleeps in between.
//!
//! Mail for one destination is sent by at most a few runners, each over one connection for many
//! messages. When a destination cannot be reached, all that was due for it waits together; when it takes
//! a message again, what had failed for that reason is tried at once.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempted, Session};
use super::entry::{self, Destination, QueueId};
use super::work::Offered;
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::store;

/// How long messages being sent may take once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the worker waits when it cannot read the queue.
const UNREADABLE_WAIT: Duration = Duration::from_secs(30);
/// How long a runner may go on while another destination waits for its place.
const TURN: Duration = Duration::from_secs(30);
/// The worker looks at the schedule during one part of so many of its time, however much is due.
const LOOKING_SHARE: u32 = 10;
/// Most messages made due in one transaction.
const DUE_AT_ONCE: usize = 100;

impl Delivery {
    /// Sends what is due until `end` is ready, then lets what is being sent finish.
    pub async fn run(&self, end: impl Future<Output = ()>) {
        let inner = &self.inner;
        let stop = CancellationToken::new();
        let _stop_whatever_happens = stop.clone().drop_guard();
        let mut end = pin!(end);
        if let Err(error) = inner.clone().blocking(Inner::remember_failing).await {
            tracing::error!(%error, "cannot read the queue");
        }
        let mut runners = JoinSet::new();
        let mut rested = Instant::now();
        let mut look = Some(rested);
        while !stop.is_cancelled() {
            let began = Instant::now();
            if look.is_some_and(|at| at <= began) && rested <= began {
                look = match inner.clone().blocking(Inner::gather).await {
                    Ok(next) => next.map(|at| began + millis(at.saturating_sub(inner.clock.now()))),
                    Err(error) => {
                        tracing::error!(%error, "cannot read the queue");
                        Some(began + UNREADABLE_WAIT)
                    }
                };
                rested = Instant::now() + began.elapsed().saturating_mul(LOOKING_SHARE.saturating_sub(1));
            }
            if !inner.store.failed() {
                inner.start_runners(&mut runners, &stop);
            }
            tokio::select! {
                () = &mut end => stop.cancel(),
                () = inner.work.notify.notified() => look = Some(began),
                Some(_) = runners.join_next() => look = Some(began),
                () = sleep_until(look.unwrap_or(began).max(rested)), if look.is_some() => {}
            }
        }
        let rest = async { while runners.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, rest).await.is_err() {
            tracing::warn!("messages being sent were cut off; they will be sent again");
        }
    }
}

impl Inner {
    /// Runs what reads much of the store where it does not hold up the sockets.
    pub(super) async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, store::Error> {
        spawn_blocking(move || work(&self)).await.unwrap_or(Err(store::Error::Stopped))
    }

    /// Destinations that failed before the server was started can be revived too.
    fn remember_failing(self: &Arc<Self>) -> Result<(), store::Error> {
        let mut failing = HashSet::new();
        entry::visit_unreached(&self.store.read()?, |destination, _| {
            failing.insert(destination);
        })?;
        self.work.remember_failing(failing);
        Ok(())
    }

    /// Takes due messages from the schedule, no more for one destination than it can be at work with for a
    /// while, and gives the time of the next that is not yet due.
    fn gather(self: &Arc<Self>) -> Result<Option<Millis>, store::Error> {
        let reader = self.store.read()?;
        let now = self.clock.now();
        let mut unnamed = Vec::new();
        let mut next = None;
        entry::visit_schedule(&reader, |at, id, destination| {
            if at > now {
                next = Some(at);
                return ControlFlow::Break(());
            }
            match destination {
                Some(destination) => match self.work.offer(id, destination) {
                    Offered::Noted => ControlFlow::Continue(()),
                    Offered::Full => ControlFlow::Break(()),
                },
                None => {
                    unnamed.push(id);
                    ControlFlow::Continue(())
                }
            }
        })?;
        for id in unnamed.into_iter().filter(|id| !self.work.has(*id)) {
            match entry::load(&reader, id) {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    if self.work.offer(id, entry.destination) == Offered::Full {
                        break;
                    }
                }
                Err(error) => {
                    // Left alone, so that somebody can look at it.
                    tracing::error!(%error, "cannot read a queued message");
                    self.work.set_aside(id);
                }
            }
        }
        Ok(next)
    }

    fn start_runners(self: &Arc<Self>, runners: &mut JoinSet<()>, stop: &CancellationToken) {
        let most = count(self.config.outbound_connections);
        for destination in self.work.start(count(self.config.outbound_per_destination), most) {
            runners.spawn(run(Running { inner: self.clone(), destination }, stop.clone()));
        }
    }

    /// Releases what waits for a destination because it could not be reached: it takes mail again.
    pub(super) async fn learn_it_works(self: &Arc<Self>, destination: &Destination) {
        if !self.work.revived(destination) {
            return;
        }
        let named = destination.clone();
        let waiting =
            self.clone().blocking(move |inner| entry::unreached(&inner.store.read()?, &named)).await;
        let made = match waiting {
            Ok(waiting) if waiting.is_empty() => return,
            Ok(waiting) => {
                tracing::info!(%destination, messages = waiting.len(), "reachable again; trying what waits for it");
                self.make_due(waiting).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            tracing::error!(%destination, %error, "waiting messages are not released early");
        }
    }

    /// Makes messages due now, those that are still there; gives their number.
    pub(super) async fn make_due(&self, ids: Vec<QueueId>) -> Result<usize, store::Error> {
        let now = self.clock.now();
        let mut made = 0_usize;
        for some in ids.chunks(DUE_AT_ONCE) {
            let some = some.to_vec();
            let there = self.store.shrink_async(move |tx| {
                let mut there = 0_usize;
                for id in some {
                    if let Some(mut entry) = entry::load(tx, id)? {
                        let due = entry.due.min(now);
                        entry::reschedule(tx, &mut entry, due);
                        there = there.saturating_add(1);
                    }
                }
                Ok::<_, store::Error>(there)
            });
            made = made.saturating_add(there.await?);
            self.work.wake();
        }
        Ok(made)
    }
}

/// A runner's place among the others, given back when it ends, however it ends.
struct Running {
    inner: Arc<Inner>,
    destination: Destination,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.work.ended(&self.destination);
        self.inner.work.wake();
    }
}

/// A message being tried, which can be taken again when this ends, however it ends.
struct Taken<'r> {
    running: &'r Running,
    id: QueueId,
    keep: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Running { inner, destination } = self.running;
        inner.work.release(destination, self.id, self.keep);
    }
}

async fn run(running: Running, stop: CancellationToken) {
    let Running { inner, destination } = &running;
    let mut session = Session::default();
    let began = Instant::now();
    let turn_is_over = || began.elapsed() >= TURN && inner.work.is_crowded();
    // Without a store nothing could be noted, and all that is sent would be sent again.
    while !stop.is_cancelled() && !inner.store.failed() && !turn_is_over() {
        let Some(id) = inner.work.take_next(destination) else { break };
        let mut taken = Taken { running: &running, id, keep: false };
        match inner.attempt(id, &mut session).await {
            Attempted::Settled => {}
            Attempted::Unreachable(failure) => {
                drop(taken);
                if inner.work.unreachable(destination) {
                    let rest = inner.work.take_rest(destination);
                    inner.defer(&rest, &failure).await;
                    inner.work.forget(&rest);
                }
                break;
            }
            // It may have gone out, and that cannot be noted: never again in this process.
            Attempted::Unknown => taken.keep = true,
        }
    }
    // Nobody waits while it says goodbye.
    drop(running);
    session.close().await;
}

/// At least one.
fn count(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX).max(1)
}

/// Until the next look; one a day is made in any case.
fn millis(wait: Millis) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0).clamp(1, 86_400_000))
}
