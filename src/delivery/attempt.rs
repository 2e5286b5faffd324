//! One attempt to deliver one queued message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::Inner;
use super::bounce::Excerpt;
use super::client::{Connection, Outcomes, Outgoing};
use super::entry::{self, Destination, Entry, Failure, QueueId, Status};
use super::error::Refusal;
use super::item::Parsed;
use super::local::{Copies, Original, Undelivered, locate};
use super::note::{Findings, Hindrance};
use super::place::{Place, refused};
use crate::scheduling::Notice;
use crate::store::{self, BodyId};

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

/// What an attempt begins with.
struct Loaded {
    entry: Entry,
    body: Bytes,
    /// Recipients by place that are elsewhere.
    remote: Vec<usize>,
    /// Those that live in this server by now.
    local: Vec<usize>,
    /// What these are to get.
    copies: Copies,
    /// Those that need not be tried.
    settled: Settled,
}

/// Recipients by place, and what became of them.
pub(super) type Settled = Vec<(usize, Result<(), Failure>)>;

impl Inner {
    /// Tries the message `id` once, if it is still there and due.
    pub(super) async fn attempt(self: &Arc<Self>, id: QueueId, session: &mut Session) -> Attempted {
        let loaded = match self.clone().blocking(move |inner| inner.load(id)).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return Attempted::Settled,
            Err(error) => return unreadable(id, &error).await,
        };
        let Loaded { entry, body, remote, local, copies, mut settled } = loaded;
        let entry = Arc::new(entry);
        // First of all, since what comes of it cannot be known before, and is noted at once.
        if !local.is_empty() {
            match self.deliver_waiting(&entry, &local, copies).await {
                Some(verdicts) => settled.extend(verdicts),
                None => return Attempted::Unknown,
            }
        }
        let mut findings = Findings::new(settled, Excerpt::of(&body));
        let mut unreachable = None;
        if !remote.is_empty() {
            match self.transmit(&entry, &remote, body, session).await {
                Ok((outcomes, reports)) => findings.sent(&remote, outcomes, reports),
                Err(failure) => {
                    findings.unreached(&remote, &failure);
                    unreachable = Some(failure);
                }
            }
        }
        let works = findings.works();
        let attempted = self.note(&entry, findings).await;
        if works && matches!(attempted, Attempted::Settled) {
            self.learn_it_works(&entry.destination).await;
        }
        match (attempted, unreachable) {
            (Attempted::Settled, Some(failure)) if !failure.permanent => Attempted::Unreachable(failure),
            (attempted, _) => attempted,
        }
    }

    /// Reads the entry and its body and finds its recipients, whose domain may be ours by now. Blocks. A
    /// damaged body is a failure for good.
    fn load(self: &Arc<Self>, id: QueueId) -> Result<Option<Loaded>, store::Error> {
        let reader = self.store.read()?;
        let Some(entry) = entry::load(&reader, id)? else { return Ok(None) };
        // The schedule it was taken from may have been older than its latest attempt.
        if entry.due > self.clock.now() {
            return Ok(None);
        }
        let mut loaded = Loaded {
            body: Bytes::new(),
            remote: Vec::new(),
            local: Vec::new(),
            copies: Copies::default(),
            settled: Vec::new(),
            entry,
        };
        match reader.body(&BodyId(loaded.entry.body)) {
            Ok(body) => loaded.body = body,
            Err(store::Error::Damaged(what)) => {
                tracing::error!(%id, what, "a queued message is damaged");
                let failure = Failure::permanent(3, 0, "the message was damaged in the queue");
                loaded.settled = all_failed(&loaded.entry.pending(), &failure);
                return Ok(Some(loaded));
            }
            Err(error) => return Err(error),
        }
        let mut here = Vec::new();
        for n in loaded.entry.pending() {
            let Some(recipient) = loaded.entry.recipients.get(n) else { continue };
            let to = &recipient.addressee.address;
            match locate(&reader, to)? {
                Place::Remote => loaded.remote.push(n),
                Place::Nowhere => loaded.settled.push((n, Err(refused(Refusal::NoSuchUser)))),
                place @ Place::Account { .. } => {
                    loaded.local.push(n);
                    here.push((to, place));
                }
            }
        }
        if !here.is_empty() {
            let (entry, body) = (&loaded.entry, &loaded.body);
            let (sender, now) = (entry.envelope.sender.as_ref(), self.clock.now());
            let parsed = Parsed::of(body);
            let notice = Notice::of(body, parsed.record(), sender.map(ToString::to_string)).map(Arc::new);
            let original = Original { parsed: &parsed, sender, now, notice };
            let received = |_: &_| String::from_utf8_lossy(&entry.prefix).into_owned();
            let staged = |domain| self.store.stage_body(&self.store.body_key(domain), body);
            loaded.copies = self.copies(&original, here.into_iter(), received, staged)?;
        }
        Ok(Some(loaded))
    }

    /// Delivers to the recipients `local`, with a note of it in the same transaction. `None` when nobody
    /// knows whether that came about.
    async fn deliver_waiting(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        local: &[usize],
        copies: Copies,
    ) -> Option<Settled> {
        let id = entry.id;
        let mut copies = Arc::new(copies);
        let local: Arc<[usize]> = local.into();
        let mut tries = 0;
        loop {
            let (inner, local, these) = (self.clone(), local.clone(), copies.clone());
            let delivered = self.insist(id, move || {
                let (inner, local, these) = (inner.clone(), local.clone(), these.clone());
                let store = inner.store.clone();
                store.shrink_async(move |tx| {
                    let Some(mut entry) = entry::load(tx, id)? else { return Ok(Vec::new()) };
                    let verdicts = inner.deliver(tx, these.list.iter())?;
                    let mut settled = Vec::with_capacity(local.len());
                    for (n, copy) in local.iter().zip(&these.of) {
                        let verdict = copy.and_then(|copy| verdicts.get(copy).copied());
                        let verdict = verdict.unwrap_or(Err(Refusal::NoSuchUser));
                        if let (Ok(()), Some(recipient)) = (verdict, entry.recipients.get_mut(*n)) {
                            (recipient.status, recipient.last) = (Status::Delivered, None);
                        }
                        settled.push((*n, verdict.map_err(passing)));
                    }
                    entry::replace(tx, &entry);
                    Ok::<_, Undelivered>(settled)
                })
            });
            match delivered.await? {
                Ok(settled) => return Some(settled),
                Err(hindrance) => {
                    let mut rest = Copies { list: copies.list.clone(), of: copies.of.clone() };
                    match hindrance {
                        Hindrance::Damaged(copy) => rest.list.get_mut(copy)?.refuse(Refusal::Unavailable),
                        Hindrance::Overtaken => {
                            tries += 1;
                            rest.renew(self, tries).ok()?;
                        }
                    }
                    copies = Arc::new(rest);
                }
            }
        }
    }

    /// Sends the message to the recipients `remote`; gives what became of them, and whether the server sees
    /// to the reports on them. An error means that no server could be reached.
    async fn transmit(
        &self,
        entry: &Entry,
        remote: &[usize],
        body: Bytes,
        session: &mut Session,
    ) -> Result<(Outcomes, bool), Failure> {
        let recipients = remote.iter().filter_map(|n| entry.recipients.get(*n));
        let outgoing = Outgoing {
            envelope: &entry.envelope,
            recipients: recipients.map(|recipient| &recipient.addressee).collect(),
            prefix: &entry.prefix,
            body,
            eight_bit: entry.eight_bit,
        };
        if let Some(mut connection) = session.connection.take() {
            match connection.send(&outgoing).await {
                Ok(outcomes) => {
                    let reports = connection.sees_to_reports();
                    self.keep(connection, session).await;
                    return Ok((outcomes, reports));
                }
                // An idle connection may have been closed meanwhile; that is no failure of the server.
                Err(_) if !connection.may_have_it() => {}
                Err(failure) => return Ok((vec![Err(failure); remote.len()], false)),
            }
        }
        let mut connection = self.connect(&entry.destination).await?;
        session.sent = 0;
        let outcomes = connection.send(&outgoing).await;
        let reports = connection.sees_to_reports();
        self.keep(connection, session).await;
        Ok((outcomes.unwrap_or_else(|failure| vec![Err(failure); remote.len()]), reports))
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
}

/// The store cannot be read, which is no attempt: the message stays due, and is left alone for a while.
async fn unreadable(id: QueueId, error: &store::Error) -> Attempted {
    tracing::error!(%id, %error, "cannot read a queued message");
    sleep(UNREADABLE_WAIT).await;
    Attempted::Settled
}

pub(super) fn all_failed(recipients: &[usize], failure: &Failure) -> Settled {
    recipients.iter().map(|n| (*n, Err(failure.clone()))).collect()
}

/// A local refusal of a queued message: a full mailbox may have room tomorrow, a damaged one be repaired.
fn passing(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::OverQuota => Failure::temporary(2, 2, refusal.to_string()),
        Refusal::Unavailable => Failure::temporary(2, 0, refusal.to_string()),
        _ => refused(refusal),
    }
}
