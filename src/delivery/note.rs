//! What comes of an attempt: applied to the entry, told to the sender, put into the schedule.
//!
//! All of it is worked out before the transaction, reports included, so that this only writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Inner;
use super::attempt::{Attempted, Settled, all_failed};
use super::bounce::{Action, Excerpt};
use super::client::Outcomes;
use super::entry::{self, Entry, Failure, QueueId, Status};
use super::envelope::Notify;
use super::local::Undelivered;
use super::report::Ready;
use super::schedule;
use crate::clock::Millis;
use crate::config;
use crate::metrics;
use crate::store::{self, BodyId, Tx};

/// How often, and after how long each time, a note that the store refuses is tried again.
const NOTE_WAITS: [u64; 5] = [1, 5, 15, 30, 60];
/// Most messages put off in one transaction.
const DEFERRED_AT_ONCE: usize = 50;

/// What an attempt found out.
pub(super) struct Findings {
    settled: Settled,
    /// The message, for reports; empty when it is damaged.
    message: Excerpt,
    /// No server could be asked.
    unreached: bool,
    /// Recipients that another server took, and whether it sees to the reports on them. RFC 3461 §5.2.
    relayed: Vec<usize>,
    reports: bool,
}

impl Findings {
    pub(super) fn new(settled: Settled, message: Excerpt) -> Self {
        Self { settled, message, unreached: false, relayed: Vec::new(), reports: false }
    }

    /// A server was asked for these.
    pub(super) fn sent(&mut self, remote: &[usize], outcomes: Outcomes, reports: bool) {
        let taken = remote.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        self.relayed = taken.map(|(n, _)| *n).collect();
        self.reports = reports;
        self.settled.extend(remote.iter().copied().zip(outcomes));
    }

    /// No server could be asked for these.
    pub(super) fn unreached(&mut self, remote: &[usize], failure: &Failure) {
        self.unreached = !failure.permanent;
        self.settled.extend(all_failed(remote, failure));
    }

    /// Whether the destination took something.
    pub(super) fn works(&self) -> bool {
        !self.relayed.is_empty()
    }
}

/// Why a transaction cannot come about as it is, but can otherwise.
pub(super) enum Hindrance {
    /// This copy's mailbox is damaged.
    Damaged(usize),
    /// A calendar has changed since it was worked out what the message does to it.
    Overtaken,
}

/// An entry as it is after an attempt.
struct Plan {
    entry: Entry,
    /// When it is tried again; `None` removes it.
    next: Option<Millis>,
    unreached: bool,
    relayed: usize,
    /// Recipients whose sender is to be told of their success, as far as he wants: those who have the
    /// message, and those whose server has.
    delivered: Vec<usize>,
    passed_on: Vec<usize>,
    /// Recipients whose sender is to be told that they have failed.
    failed: Vec<usize>,
    /// Recipients whose sender is to be told that they are late.
    late: Vec<usize>,
}

impl Plan {
    fn of(entry: &Entry, found: &Findings, now: Millis, config: &config::Smtp) -> Self {
        let mut entry = entry.clone();
        entry.attempts = entry.attempts.saturating_add(1);
        let next = schedule::after(&entry, now, config);
        let (id, attempt) = (entry.id, entry.attempts);
        let (mut failed, mut delivered, mut passed_on) = (Vec::new(), Vec::new(), Vec::new());
        for (n, outcome) in &found.settled {
            let Some(recipient) = entry.recipients.get_mut(*n) else { continue };
            let to = &recipient.addressee.address;
            match outcome {
                Ok(()) => {
                    tracing::info!(%id, %to, "delivered");
                    (recipient.status, recipient.last) = (Status::Done, None);
                    match found.relayed.contains(n) {
                        false => recipient.status = Status::Delivered,
                        true if !found.reports => passed_on.push(*n),
                        true => {}
                    }
                }
                Err(failure) => {
                    let over = failure.permanent || next.at.is_none();
                    tracing::info!(%id, %to, %failure, attempt, over, "not delivered");
                    if over {
                        recipient.status = Status::Failed;
                        failed.push(*n);
                    }
                    recipient.last = Some(failure.clone());
                }
            }
        }
        for (n, recipient) in entry.recipients.iter_mut().enumerate() {
            if recipient.status == Status::Delivered {
                recipient.status = Status::Done;
                delivered.push(n);
            }
        }
        let wants = |n: &usize| entry.recipients.get(*n).is_some_and(|r| r.addressee.wants(Notify::SUCCESS));
        delivered.retain(wants);
        passed_on.retain(wants);
        let pending = entry.pending();
        let waits = !pending.is_empty();
        let warns = waits && next.warn && !entry.warned;
        entry.warned |= warns;
        Self {
            next: next.at.filter(|_| waits),
            unreached: found.unreached,
            relayed: found.relayed.len(),
            delivered,
            passed_on,
            failed,
            late: if warns { pending } else { Vec::new() },
            entry,
        }
    }

    /// Whether somebody may have to be told of it.
    fn has_news(&self) -> bool {
        [&self.delivered, &self.passed_on, &self.failed, &self.late].iter().any(|told| !told.is_empty())
    }

    /// Puts the entry into the state planned; false when somebody deleted it meanwhile.
    fn apply(&self, inner: &Arc<Inner>, tx: &mut Tx<'_>) -> Result<bool, store::Error> {
        let Some(there) = entry::load(tx, self.entry.id)? else { return Ok(false) };
        // It may have been made due by hand.
        let mut entry = Entry { due: there.due, ..self.entry.clone() };
        match self.next {
            Some(at) => {
                entry::reschedule(tx, &mut entry, at);
                entry::set_unreached(tx, &entry, self.unreached)?;
                inner.wake_after(tx);
            }
            None => entry::remove(tx, &entry)?,
        }
        Ok(true)
    }

    fn count(&self, metrics: &metrics::Metrics) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        metrics.messages(metrics::Message::relayed, count(self.relayed));
        metrics.messages(metrics::Message::deferred, count(self.entry.pending().len()));
        metrics.messages(metrics::Message::bounced, count(self.failed.len()));
    }
}

impl Inner {
    /// Notes what was found; while the store has no room, again and again.
    pub(super) async fn note(self: &Arc<Self>, entry: &Entry, found: Findings) -> Attempted {
        let plan = Arc::new(Plan::of(entry, &found, self.clock.now(), &self.config));
        let reports = if plan.has_news() {
            let (plan, message) = (plan.clone(), found.message);
            self.clone().blocking(move |inner| Ok(inner.tell(&plan, &message))).await
        } else {
            Ok(Vec::new())
        };
        let mut reports = Arc::new(match reports {
            Ok(reports) => reports,
            Err(error) => {
                tracing::error!(id = %entry.id, %error, "the outcome of an attempt is not noted");
                return Attempted::Unknown;
            }
        });
        loop {
            let (inner, planned, these) = (self.clone(), plan.clone(), reports.clone());
            let noted = self.insist(entry.id, move || {
                let (inner, plan, reports) = (inner.clone(), planned.clone(), these.clone());
                let store = inner.store.clone();
                store.shrink_async(move |tx| {
                    let there = plan.apply(&inner, tx)?;
                    if there {
                        inner.place_reports(tx, &reports)?;
                    }
                    Ok::<_, Undelivered>(there)
                })
            });
            match noted.await {
                None => return Attempted::Unknown,
                Some(Ok(there)) => {
                    if there {
                        plan.count(&self.metrics);
                    }
                    return Attempted::Settled;
                }
                Some(Err(Hindrance::Overtaken)) => return Attempted::Unknown,
                Some(Err(Hindrance::Damaged(damaged))) => {
                    tracing::error!(id = %entry.id, "a report cannot be delivered and is dropped");
                    let rest = reports.iter().enumerate().filter(|(n, _)| *n != damaged);
                    reports = Arc::new(rest.map(|(_, report)| report.clone()).collect());
                }
            }
        }
    }

    /// What the sender is told of it, as far as he wants to know. Blocks.
    fn tell(self: &Arc<Self>, plan: &Plan, message: &Excerpt) -> Vec<Ready> {
        let entry = &plan.entry;
        let until = schedule::end(entry, &self.config);
        let success = Failure::none();
        let mut reports = Vec::new();
        for (recipients, what, action) in [
            (&plan.delivered, Notify::SUCCESS, Action::Delivered),
            (&plan.passed_on, Notify::SUCCESS, Action::Relayed),
            (&plan.failed, Notify::FAILURE, Action::Failed),
            (&plan.late, Notify::DELAY, Action::Delayed { until }),
        ] {
            let recipients: Vec<_> = recipients
                .iter()
                .filter_map(|n| entry.recipients.get(*n))
                .filter(|recipient| recipient.addressee.wants(what))
                .map(|recipient| (&recipient.addressee, recipient.last.as_ref().unwrap_or(&success)))
                .collect();
            reports.extend(self.reports(&entry.envelope, entry.created, action, &recipients, message));
        }
        reports
    }

    /// Notes a failure that is everybody's, without having tried: these messages are for a destination that
    /// was just found out of reach.
    pub(super) async fn defer(self: &Arc<Self>, ids: &[QueueId], failure: &Failure) {
        for some in ids.chunks(DEFERRED_AT_ONCE) {
            let (inner, some, failure) = (self.clone(), Arc::new(some.to_vec()), Arc::new(failure.clone()));
            let left = {
                let (inner, failure) = (inner.clone(), failure.clone());
                self.insist(some.first().copied().unwrap_or(QueueId(0)), move || {
                    let (inner, some, failure) = (inner.clone(), some.clone(), failure.clone());
                    let store = inner.store.clone();
                    store.shrink_async(move |tx| inner.defer_in(tx, &some, &failure))
                })
            };
            let Some(Ok(left)) = left.await else { return };
            for id in left {
                let (reading, of) = (inner.clone(), failure.clone());
                let entry = reading.blocking(move |inner| inner.excerpt(id)).await;
                match entry {
                    Ok(Some((entry, message))) => {
                        let mut found = Findings::new(Vec::new(), message);
                        found.unreached(&entry.pending(), &of);
                        self.note(&entry, found).await;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::error!(%id, %error, "cannot read a queued message"),
                }
            }
        }
    }

    /// Puts off all of which nobody is told, and gives the others.
    fn defer_in(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        ids: &[QueueId],
        failure: &Failure,
    ) -> Result<Vec<QueueId>, Undelivered> {
        let mut left = Vec::new();
        let now = self.clock.now();
        for id in ids {
            let Some(entry) = entry::load(tx, *id)? else { continue };
            let mut found = Findings::new(Vec::new(), Excerpt::default());
            found.unreached(&entry.pending(), failure);
            let plan = Plan::of(&entry, &found, now, &self.config);
            if plan.has_news() {
                left.push(*id);
                continue;
            }
            plan.apply(self, tx)?;
            plan.count(&self.metrics);
        }
        Ok(left)
    }

    /// An entry with as much of its message as a report needs. Blocks.
    fn excerpt(&self, id: QueueId) -> Result<Option<(Entry, Excerpt)>, store::Error> {
        let reader = self.store.read()?;
        let Some(entry) = entry::load(&reader, id)? else { return Ok(None) };
        let message = match reader.body_range(&BodyId(entry.body), 0..Excerpt::READ) {
            Ok(front) => Excerpt::of(&front),
            Err(store::Error::Damaged(_)) => Excerpt::default(),
            Err(error) => return Err(error),
        };
        Ok(Some((entry, message)))
    }

    /// Runs a transaction until the store takes it; while it has no room, again and again. `None` when that
    /// came to no end; what stands in the way when it can be got round.
    pub(super) async fn insist<T, F>(&self, id: QueueId, run: impl Fn() -> F) -> Option<Result<T, Hindrance>>
    where
        F: Future<Output = Result<T, Undelivered>>,
    {
        for wait in NOTE_WAITS {
            let undelivered = match run().await {
                Ok(done) => return Some(Ok(done)),
                Err(undelivered) => undelivered,
            };
            if let Some(copy) = undelivered.damaged_copy() {
                return Some(Err(Hindrance::Damaged(copy)));
            }
            if undelivered.overtaken {
                return Some(Err(Hindrance::Overtaken));
            }
            let error = undelivered.error;
            if matches!(error, store::Error::Unknown(_) | store::Error::Stopped) {
                tracing::error!(%id, %error, "the outcome of an attempt is not noted");
                return None;
            }
            tracing::error!(%id, %error, "the outcome of an attempt is not noted yet");
            sleep(Duration::from_secs(wait)).await;
        }
        None
    }
}
