//! One attempt to deliver one queued message, and what is noted of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::Inner;
use super::client::{Connection, Outcomes, Outgoing};
use super::entry::{self, Destination, Entry, Failure, QueueId, Status};
use super::envelope::Notify;
use super::error::Refusal;
use super::item::Parsed;
use super::local::{LocalCopy, Original, locate};
use super::place::{Place, refused};
use super::report::About;
use super::schedule;
use crate::metrics;
use crate::store::{self, BodyId, INLINE_MAX, Tx};

/// How often, and after how long each time, a note that the store refuses is tried again.
const NOTE_WAITS: [u64; 5] = [1, 5, 15, 30, 60];

/// How long a message that cannot be read is left alone.
const UNREADABLE_WAIT: Duration = Duration::from_secs(30);

/// How an attempt ended.
pub(super) enum Attempted {
    /// Noted, whatever came of it.
    Settled,
    /// Noted; no server of the destination could be reached.
    Unreachable(Failure),
    /// It could not be noted.
    Unknown,
}

/// A runner's connection, kept from message to message.
#[derive(Default)]
pub(super) struct Session {
    connection: Option<Connection>,
    sent: u32,
}

impl Session {
    pub(super) async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}

/// What an attempt found out, before it is noted.
struct Findings {
    /// Recipients by place, and what became of them.
    settled: Vec<(usize, Result<(), Failure>)>,
    /// Recipients that live in this server by now, and what they are to get.
    local: Vec<(usize, LocalCopy)>,
    /// The message, for reports and local copies; empty when it is damaged.
    body: Bytes,
}

impl Inner {
    /// Tries the message `id` once, if it is still there.
    pub(super) async fn attempt(self: &Arc<Self>, id: QueueId, session: &mut Session) -> Attempted {
        let (entry, body) = match self.open(id).await {
            Ok(Some(found)) => found,
            Ok(None) => return Attempted::Settled,
            Err(error) => return unreadable(id, &error).await,
        };
        let mut findings = Findings { settled: Vec::new(), local: Vec::new(), body: Bytes::new() };
        let body = match body {
            Ok(body) => body,
            Err(failure) => {
                findings.settled = all_failed(&entry.pending(), &failure);
                return self.note(id, findings).await;
            }
        };
        findings.body = body;
        let remote = match self.sort_out(&entry, &mut findings).await {
            Ok(remote) => remote,
            Err(error) => return unreadable(id, &error).await,
        };
        let mut unreachable = None;
        if !remote.is_empty() {
            match self.transmit(&entry, &remote, &findings.body, session).await {
                Ok(outcomes) => findings.settled.extend(remote.into_iter().zip(outcomes)),
                Err(failure) => {
                    findings.settled.extend(all_failed(&remote, &failure));
                    unreachable = Some(failure);
                }
            }
        }
        match (self.note(id, findings).await, unreachable) {
            (Attempted::Settled, Some(failure)) if !failure.permanent => Attempted::Unreachable(failure),
            (attempted, _) => attempted,
        }
    }

    /// Notes the failure of an attempt that was not even begun.
    pub(super) async fn defer(self: &Arc<Self>, id: QueueId, failure: &Failure) -> Attempted {
        match self.open(id).await {
            Ok(Some((entry, body))) => {
                let settled = all_failed(&entry.pending(), failure);
                let body = body.unwrap_or_default();
                self.note(id, Findings { settled, local: Vec::new(), body }).await
            }
            Ok(None) => Attempted::Settled,
            Err(error) => unreadable(id, &error).await,
        }
    }

    /// The entry and its body; a damaged body is a failure for good.
    async fn open(self: &Arc<Self>, id: QueueId) -> Result<Option<Opened>, store::Error> {
        let reader = self.store.read()?;
        let Some(entry) = entry::load(&reader, id)? else { return Ok(None) };
        let body = BodyId(entry.body);
        let read = if entry.size <= u64::try_from(INLINE_MAX).unwrap_or(u64::MAX) {
            reader.body(&body)
        } else {
            let read = tokio::task::spawn_blocking(move || reader.body(&body)).await;
            read.unwrap_or(Err(store::Error::Stopped))
        };
        let body = match read {
            Ok(body) => Ok(body),
            Err(store::Error::Damaged(what)) => {
                tracing::error!(%id, what, "a queued message is damaged");
                Err(Failure::permanent(3, 0, "the message was damaged in the queue"))
            }
            Err(error) => return Err(error),
        };
        Ok(Some((entry, body)))
    }

    /// The pending recipients that are elsewhere; the domain of others may be ours by now.
    async fn sort_out(
        self: &Arc<Self>,
        entry: &Entry,
        findings: &mut Findings,
    ) -> Result<Vec<usize>, store::Error> {
        let mut remote = Vec::new();
        for n in entry.pending() {
            let Some(recipient) = entry.recipients.get(n) else { continue };
            let to = recipient.addressee.address.clone();
            match locate(&self.store.read()?, &to)? {
                Place::Remote => remote.push(n),
                Place::Nowhere => findings.settled.push((n, Err(refused(Refusal::NoSuchUser)))),
                Place::Account { account, domain } => {
                    let (inner, body, entry) = (self.clone(), findings.body.clone(), entry.clone());
                    let copy = tokio::task::spawn_blocking(move || {
                        let staged = inner.store.stage_body(&inner.store.body_key(domain), &body)?;
                        let (sender, now) = (entry.envelope.sender.as_ref(), inner.clock.now());
                        let original = Original { parsed: &Parsed::of(&body), sender, now };
                        let received = String::from_utf8_lossy(&entry.prefix);
                        inner.local_copy(&original, account, &to, &received, staged)
                    });
                    findings.local.push((n, copy.await.unwrap_or(Err(store::Error::Stopped))?));
                }
            }
        }
        Ok(remote)
    }

    /// Sends the message to the recipients `remote`. An error means that no server could be reached.
    async fn transmit(
        &self,
        entry: &Entry,
        remote: &[usize],
        body: &Bytes,
        session: &mut Session,
    ) -> Result<Outcomes, Failure> {
        let address = |n: &usize| entry.recipients.get(*n).map(|r| r.addressee.address.to_string());
        let outgoing = Outgoing {
            sender: entry.envelope.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
            recipients: remote.iter().filter_map(address).collect(),
            parts: [entry.prefix.as_slice(), body.as_ref()],
            smtputf8: entry.envelope.smtputf8,
            eight_bit: entry.eight_bit,
        };
        if let Some(mut connection) = session.connection.take() {
            match connection.send(&outgoing).await {
                Ok(outcomes) => {
                    self.keep(connection, session).await;
                    return Ok(outcomes);
                }
                // An idle connection may have been closed meanwhile; that is no failure of the server.
                Err(_) if !connection.may_have_it() => {}
                Err(failure) => return Ok(vec![Err(failure); remote.len()]),
            }
        }
        let mut connection = self.connect(&entry.destination).await?;
        session.sent = 0;
        let outcomes = connection.send(&outgoing).await;
        self.keep(connection, session).await;
        Ok(outcomes.unwrap_or_else(|failure| vec![Err(failure); remote.len()]))
    }

    async fn keep(&self, connection: Connection, session: &mut Session) {
        session.sent = session.sent.saturating_add(1);
        if connection.reusable() && session.sent < self.config.outbound_per_connection {
            session.connection = Some(connection);
        } else if connection.reusable() {
            connection.close().await;
        }
    }

    /// Connects to the first server of the destination that answers well. RFC 5321 §5.1.
    async fn connect(&self, destination: &Destination) -> Result<Connection, Failure> {
        let mut found = None;
        for target in self.routes.targets(destination).await? {
            match Connection::open(&target, &self.config.hostname, &self.connectors, &self.timeouts).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => {
                    tracing::info!(%destination, %failure, "a server cannot be used");
                    // One that may be better tomorrow keeps the message alive.
                    if found.as_ref().is_none_or(|found: &Failure| found.permanent) {
                        found = Some(failure);
                    }
                }
            }
        }
        Err(found.unwrap_or_else(|| Failure::temporary(4, 4, format!("{destination} has no server"))))
    }

    /// Notes what was found; while the store has no room, again and again.
    async fn note(self: &Arc<Self>, id: QueueId, findings: Findings) -> Attempted {
        let findings = Arc::new(findings);
        for wait in NOTE_WAITS {
            let (inner, findings) = (self.clone(), findings.clone());
            let noted = self.store.shrink_async(move |tx| inner.note_in(tx, id, &findings)).await;
            match noted {
                Ok(noted) => {
                    self.learn(noted).await;
                    return Attempted::Settled;
                }
                Err(error @ (store::Error::Unknown(_) | store::Error::Stopped)) => {
                    tracing::error!(%id, %error, "the outcome of an attempt is not noted");
                    return Attempted::Unknown;
                }
                Err(error) => {
                    tracing::error!(%id, %error, "the outcome of an attempt is not noted yet");
                    sleep(Duration::from_secs(wait)).await;
                }
            }
        }
        Attempted::Unknown
    }

    /// Remembers how the destination fares, and releases what waits for it when it fares better.
    async fn learn(&self, noted: Option<Noted>) {
        let Some(noted) = noted else { return };
        noted.count(&self.metrics);
        let destination = &noted.destination;
        if noted.done > 0 {
            if self.work.revived(destination)
                && let Err(error) = self.revive(destination).await
            {
                tracing::error!(%destination, %error, "waiting messages are not released early");
            }
        } else if noted.any_temporary {
            self.work.failed(destination);
        }
    }

    /// Makes all that waits for `destination` due.
    async fn revive(&self, destination: &Destination) -> Result<(), store::Error> {
        let mut waiting = Vec::new();
        let now = self.clock.now();
        entry::visit(&self.store.read()?, |entry| {
            if entry.destination == *destination && entry.due > now {
                waiting.push(entry.id);
            }
        })?;
        if !waiting.is_empty() {
            tracing::info!(%destination, messages = waiting.len(), "reachable again; trying what waits for it");
            self.make_due(waiting).await?;
        }
        Ok(())
    }

    /// Makes messages due now, those that are still there; gives their number.
    pub(super) async fn make_due(&self, ids: Vec<QueueId>) -> Result<usize, store::Error> {
        let now = self.clock.now();
        let made = self.store.shrink_async(move |tx| {
            let mut made = 0_usize;
            for id in ids {
                if let Some(mut entry) = entry::load(tx, id)? {
                    entry::update(tx, &mut entry, now);
                    made = made.saturating_add(1);
                }
            }
            Ok::<_, store::Error>(made)
        });
        let made = made.await?;
        self.work.wake();
        Ok(made)
    }

    /// Applies findings to the entry, as it is now: `None` when somebody deleted it meanwhile.
    fn note_in(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        id: QueueId,
        findings: &Findings,
    ) -> Result<Option<Noted>, store::Error> {
        let Some(mut entry) = entry::load(tx, id)? else { return Ok(None) };
        let now = self.clock.now();
        let mut settled = findings.settled.clone();
        let delivered = self.deliver(tx, findings.local.iter().map(|(_, copy)| copy))?;
        let delivered = delivered.into_iter().map(|verdict| verdict.map_err(passing));
        settled.extend(findings.local.iter().map(|(n, _)| *n).zip(delivered));
        entry.attempts = entry.attempts.saturating_add(1);
        let next = schedule::after(entry.attempts, &self.config);
        let mut noted = Noted::of(&entry.destination);
        let mut newly_failed = Vec::new();
        for (n, outcome) in settled {
            let Some(recipient) = entry.recipients.get_mut(n) else { continue };
            let to = &recipient.addressee.address;
            match outcome {
                Ok(()) => {
                    tracing::info!(%id, %to, "delivered");
                    noted.done = noted.done.saturating_add(1);
                    recipient.status = Status::Done;
                    recipient.last = None;
                }
                Err(failure) => {
                    let over = failure.permanent || next.after.is_none();
                    tracing::info!(%id, %to, %failure, attempt = entry.attempts, over, "not delivered");
                    noted.any_temporary |= !failure.permanent;
                    if over {
                        recipient.status = Status::Failed;
                        newly_failed.push(n);
                    } else {
                        noted.deferred = noted.deferred.saturating_add(1);
                    }
                    recipient.last = Some(failure);
                }
            }
        }
        noted.failed = newly_failed.len();
        self.tell(tx, &entry, &newly_failed, Notify::FAILURE, findings)?;
        let pending = entry.pending();
        match next.after {
            Some(after) if !pending.is_empty() => {
                if next.warn && !entry.warned {
                    entry.warned = true;
                    self.tell(tx, &entry, &pending, Notify::DELAY, findings)?;
                }
                entry::update(tx, &mut entry, now.saturating_add(after));
                self.wake_after(tx);
            }
            _ => entry::remove(tx, &entry)?,
        }
        Ok(Some(noted))
    }

    /// Tells the sender of these recipients, as far as he wants to know.
    fn tell(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        entry: &Entry,
        recipients: &[usize],
        what: Notify,
        findings: &Findings,
    ) -> Result<(), store::Error> {
        let recipients: Vec<_> = recipients
            .iter()
            .filter_map(|n| entry.recipients.get(*n))
            .filter(|recipient| recipient.addressee.wants(what))
            .filter_map(|recipient| Some((&recipient.addressee, recipient.last.as_ref()?)))
            .collect();
        let about = About {
            envelope: &entry.envelope,
            arrived: entry.created,
            retry_until: (what == Notify::DELAY).then(|| schedule::end(entry, &self.config)),
            original: &findings.body,
        };
        self.report(tx, &about, &recipients)
    }
}

/// An entry with its body, or why that cannot be had.
type Opened = (Entry, Result<Bytes, Failure>);

/// The store cannot be read, which is no attempt: the message stays due, and is left alone for a while.
async fn unreadable(id: QueueId, error: &store::Error) -> Attempted {
    tracing::error!(%id, %error, "cannot read a queued message");
    sleep(UNREADABLE_WAIT).await;
    Attempted::Settled
}

fn all_failed(recipients: &[usize], failure: &Failure) -> Vec<(usize, Result<(), Failure>)> {
    recipients.iter().map(|n| (*n, Err(failure.clone()))).collect()
}

/// A local refusal of a queued message: a full mailbox may have room tomorrow.
fn passing(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::OverQuota => Failure::temporary(2, 2, refusal.to_string()),
        _ => refused(refusal),
    }
}

/// What an attempt says about its destination.
struct Noted {
    destination: Destination,
    done: usize,
    deferred: usize,
    failed: usize,
    any_temporary: bool,
}

impl Noted {
    fn of(destination: &Destination) -> Self {
        Self { destination: destination.clone(), done: 0, deferred: 0, failed: 0, any_temporary: false }
    }

    fn count(&self, metrics: &metrics::Metrics) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        metrics.messages(metrics::Message::relayed, count(self.done));
        metrics.messages(metrics::Message::deferred, count(self.deferred));
        metrics.messages(metrics::Message::bounced, count(self.failed));
    }
}
