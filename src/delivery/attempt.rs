//! One attempt to deliver one queued message, and what is noted of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::Inner;
use super::body;
use super::bounce::Report;
use super::client::{Connection, Outcomes, Outgoing};
use super::entry::{self, Destination, Entry, Failure, QueueId, Status};
use super::envelope::Notify;
use super::local::{Copy, Resolution};
use super::place::refused;
use super::schedule;
use super::trace;
use crate::clock::Millis;
use crate::store::{self, Read, Tx};

/// How often, and after how long each time, a note that the store refuses is tried again.
const NOTE_WAITS: [u64; 5] = [1, 5, 15, 30, 60];

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
    sent: usize,
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
    /// Recipients that live in this server by now.
    local: Vec<(usize, u64)>,
    /// The message, for reports and local copies; empty when it is damaged.
    body: Bytes,
}

impl Inner {
    /// Tries the message `id` once, if it is still there.
    pub(super) async fn attempt(self: &Arc<Self>, id: QueueId, session: &mut Session) -> Attempted {
        let (entry, body) = match self.open(id) {
            Ok(Some(found)) => found,
            Ok(None) => return Attempted::Settled,
            Err(error) => {
                tracing::error!(%id, %error, "cannot read a queued message");
                let failure = Failure::temporary(3, 0, "the message cannot be read just now");
                return self.defer(id, &failure).await;
            }
        };
        let mut findings = Findings { settled: Vec::new(), local: Vec::new(), body: Bytes::new() };
        let remote = self.sort_out(&entry, &mut findings);
        let mut unreachable = None;
        match body {
            Err(failure) => findings.settled.extend(remote.into_iter().map(|n| (n, Err(failure.clone())))),
            Ok(body) => {
                findings.body = body;
                if !remote.is_empty() {
                    match self.transmit(&entry, &remote, &findings.body, session).await {
                        Ok(outcomes) => findings.settled.extend(remote.into_iter().zip(outcomes)),
                        Err(failure) => {
                            findings.settled.extend(remote.into_iter().map(|n| (n, Err(failure.clone()))));
                            unreachable = Some(failure);
                        }
                    }
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
        let (entry, body) = match self.open(id) {
            Ok(Some(found)) => found,
            Ok(None) => return Attempted::Settled,
            Err(error) => {
                tracing::error!(%id, %error, "cannot read a queued message");
                return Attempted::Unknown;
            }
        };
        let settled = entry.pending().into_iter().map(|n| (n, Err(failure.clone()))).collect();
        self.note(id, Findings { settled, local: Vec::new(), body: body.unwrap_or_default() }).await
    }

    /// The entry and its body; a damaged body is a failure for good.
    #[expect(clippy::type_complexity, reason = "the three outcomes are read at once")]
    fn open(&self, id: QueueId) -> Result<Option<(Entry, Result<Bytes, Failure>)>, store::Error> {
        let reader = self.store.read()?;
        let Some(entry) = entry::load(&reader, id)? else { return Ok(None) };
        let body = match body::get(&reader, &entry.body) {
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
    fn sort_out(&self, entry: &Entry, findings: &mut Findings) -> Vec<usize> {
        let reader = self.store.read();
        let mut remote = Vec::new();
        for n in entry.pending() {
            let Some(recipient) = entry.recipients.get(n) else { continue };
            let resolved = reader.as_ref().map_err(Clone::clone).and_then(|reader| {
                let reader: &dyn Read = reader;
                self.accounts.resolve(reader, &recipient.addressee.mailbox)
            });
            match resolved {
                Ok(Resolution::Account(account)) => findings.local.push((n, account)),
                Ok(Resolution::NoSuchUser) => {
                    findings.settled.push((n, Err(refused(super::Refusal::NoSuchUser))));
                }
                Ok(Resolution::Remote) | Err(_) => remote.push(n),
            }
        }
        remote
    }

    /// Sends the message to the recipients `remote`. An error means that no server could be reached.
    async fn transmit(
        &self,
        entry: &Entry,
        remote: &[usize],
        body: &Bytes,
        session: &mut Session,
    ) -> Result<Outcomes, Failure> {
        let address = |n: &usize| entry.recipients.get(*n).map(|r| r.addressee.mailbox.to_string());
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
        if connection.reusable() && session.sent < self.settings.messages_per_connection {
            session.connection = Some(connection);
        } else if connection.reusable() {
            connection.close().await;
        }
    }

    /// Connects to the first server of the destination that answers well. RFC 5321 §5.1.
    async fn connect(&self, destination: &Destination) -> Result<Connection, Failure> {
        let mut found = None;
        for target in self.routes.targets(destination).await? {
            match Connection::open(&target, &self.host_name, &self.connectors, &self.timeouts).await {
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
        let Some(Noted { destination, any_done, any_temporary }) = noted else { return };
        if any_done {
            if self.work.revived(&destination)
                && let Err(error) = self.revive(&destination).await
            {
                tracing::error!(%destination, %error, "waiting messages are not released early");
            }
        } else if any_temporary {
            self.work.failed(&destination);
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
                    entry::update(tx, &mut entry, now)?;
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
        for (n, account) in &findings.local {
            settled.push((*n, self.deliver_queued(tx, &entry, *n, *account, &findings.body, now)?));
        }
        entry.attempts = entry.attempts.saturating_add(1);
        let next = schedule::after(entry.attempts, &self.settings);
        let mut noted =
            Noted { destination: entry.destination.clone(), any_done: false, any_temporary: false };
        let mut newly_failed = Vec::new();
        for (n, outcome) in settled {
            let Some(recipient) = entry.recipients.get_mut(n) else { continue };
            let to = &recipient.addressee.mailbox;
            match outcome {
                Ok(()) => {
                    tracing::info!(%id, %to, "delivered");
                    noted.any_done = true;
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
                    }
                    recipient.last = Some(failure);
                }
            }
        }
        self.report(tx, &entry, &newly_failed, Notify::FAILURE, findings)?;
        let pending = entry.pending();
        match next.after {
            Some(after) if !pending.is_empty() => {
                if next.warn && !entry.warned {
                    entry.warned = true;
                    self.report(tx, &entry, &pending, Notify::DELAY, findings)?;
                }
                entry::update(tx, &mut entry, now.saturating_add(after))?;
                let inner = self.clone();
                tx.after_commit(move || inner.work.wake());
            }
            _ => entry::remove(tx, &entry)?,
        }
        Ok(Some(noted))
    }

    /// Delivers to a recipient who lives here by now, in the transaction that settles it.
    fn deliver_queued(
        &self,
        tx: &mut Tx<'_>,
        entry: &Entry,
        n: usize,
        account: u64,
        body: &Bytes,
        now: Millis,
    ) -> Result<Result<(), Failure>, store::Error> {
        let Some(recipient) = entry.recipients.get(n) else { return Ok(Ok(())) };
        let received = String::from_utf8_lossy(&entry.prefix).into_owned();
        let prefix =
            trace::delivered(entry.envelope.sender.as_ref(), &recipient.addressee.mailbox, &received);
        let verdict = self.accounts.deliver(tx, Copy { account, prefix, body, now })?;
        Ok(verdict.map_err(|refusal| Failure {
            permanent: refusal != super::Refusal::OverQuota,
            ..refused(refusal)
        }))
    }

    /// Tells the sender of these recipients, as far as he wants to know.
    fn report(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        entry: &Entry,
        recipients: &[usize],
        what: Notify,
        findings: &Findings,
    ) -> Result<(), store::Error> {
        let about = recipients.iter().filter_map(|n| entry.recipients.get(*n));
        let about: Vec<_> = about
            .filter(|recipient| recipient.addressee.wants(what))
            .filter_map(|recipient| Some((&recipient.addressee, recipient.last.as_ref()?)))
            .collect();
        if about.is_empty() {
            return Ok(());
        }
        let retry_until = (what == Notify::DELAY).then(|| schedule::end(entry, &self.settings));
        let report = Report {
            envelope: &entry.envelope,
            arrived: entry.created,
            retry_until,
            recipients: about,
            original: &findings.body,
        };
        self.send_report(tx, &report)
    }
}

/// What an attempt says about its destination.
struct Noted {
    destination: Destination,
    any_done: bool,
    any_temporary: bool,
}
