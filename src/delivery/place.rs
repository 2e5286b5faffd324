//! Taking a message: to the accounts it is for, and into the queue for everybody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::address::Mailbox;
use super::body::{self, BodyId};
use super::bounce::{self, Report};
use super::entry::{self, Destination, Entry, Failure, QueuedRecipient, Status};
use super::envelope::{Addressee, Envelope, Notify};
use super::error::{Error, Refusal};
use super::local::{Account, Copy, Resolution};
use super::trace::{self, Trace};
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::store::{self, Tx};

/// A message as a door has it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Sender and what holds for all recipients.
    pub envelope: Envelope,
    /// The recipients.
    pub recipients: Vec<Recipient>,
    /// How it came.
    pub trace: Trace,
    /// Who sends it, when that was proved.
    pub submitter: Option<Account>,
    /// How the client learns of refusals.
    pub answers: Answers,
    /// The message, RFC 5322.
    pub body: Bytes,
}

/// A recipient and where it was found to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// Address and wishes.
    pub addressee: Addressee,
    /// Where it is.
    pub place: Place,
}

/// Where a recipient is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In this server.
    Account(u64),
    /// In another one.
    Remote,
    /// Nowhere: refused as an unknown user.
    Nowhere,
}

/// How a client learns that a recipient was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answers {
    /// It is told for each recipient (LMTP).
    Each,
    /// There is one answer for all (SMTP): it is told when all are refused, else the sender gets a report.
    One,
    /// It cannot be told any more: the sender gets a report.
    None,
}

/// What became of an accepted message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Its name in our logs and trace.
    pub id: String,
    /// For each recipient, in order: taken over, or refused.
    pub verdicts: Vec<Result<(), Refusal>>,
}

impl Receipt {
    /// True when the message was taken over for somebody.
    pub fn accepted(&self) -> bool {
        self.verdicts.iter().any(Result::is_ok)
    }
}

impl Delivery {
    /// Takes a message over: when this returns it is durable in every mailbox and queue it belongs to.
    pub async fn accept(&self, incoming: Incoming) -> Result<Receipt, Error> {
        if trace::hops(&incoming.body) >= self.inner.settings.hops_max {
            return Err(Error::Loop);
        }
        let delivery = self.clone();
        let receipt = self.inner.store.write_async(move |tx| delivery.place(tx, &incoming)).await?;
        tracing::info!(id = receipt.id, recipients = receipt.verdicts.len(), "message accepted");
        Ok(receipt)
    }

    /// Takes a message over as part of the caller's transaction. Nothing of it is kept unless that commits.
    pub fn place(&self, tx: &mut Tx<'_>, incoming: &Incoming) -> Result<Receipt, Error> {
        let now = self.inner.clock.now();
        let count = self.inner.count.fetch_add(1, Ordering::Relaxed);
        let placing = Placing { inner: &self.inner, incoming, now, id: format!("{now:x}-{count:x}") };
        Ok(placing.run(tx)?)
    }

    /// Where an address is, for [`Recipient`]; seen by a transaction.
    pub fn locate(&self, tx: &Tx<'_>, mailbox: &Mailbox) -> Result<Place, Error> {
        Ok(match self.inner.accounts.resolve(tx, mailbox)? {
            Resolution::Account(account) => Place::Account(account),
            Resolution::Remote => Place::Remote,
            Resolution::NoSuchUser => Place::Nowhere,
        })
    }
}

/// One message being placed.
struct Placing<'a> {
    inner: &'a Arc<Inner>,
    incoming: &'a Incoming,
    now: Millis,
    id: String,
}

impl Placing<'_> {
    fn run(self, tx: &mut Tx<'_>) -> Result<Receipt, store::Error> {
        let mut served: HashMap<u64, Result<(), Refusal>> = HashMap::new();
        let mut verdicts = Vec::with_capacity(self.incoming.recipients.len());
        let mut remote = Vec::new();
        for recipient in &self.incoming.recipients {
            verdicts.push(match recipient.place {
                Place::Account(account) => match served.get(&account) {
                    // Two addresses of one account get one copy.
                    Some(verdict) => *verdict,
                    None => {
                        let verdict = self.deliver(tx, account, &recipient.addressee.mailbox)?;
                        served.insert(account, verdict);
                        verdict
                    }
                },
                Place::Remote => {
                    remote.push(&recipient.addressee);
                    Ok(())
                }
                Place::Nowhere => Err(Refusal::NoSuchUser),
            });
        }
        if !remote.is_empty() {
            self.enqueue(tx, &remote)?;
        }
        let receipt = Receipt { id: self.id.clone(), verdicts };
        if self.incoming.answers == Answers::None
            || self.incoming.answers == Answers::One && receipt.accepted()
        {
            self.report(tx, &receipt)?;
        }
        Ok(receipt)
    }

    fn deliver(
        &self,
        tx: &mut Tx<'_>,
        account: u64,
        to: &Mailbox,
    ) -> Result<Result<(), Refusal>, store::Error> {
        let received = self.received(Some(to));
        let prefix = trace::delivered(self.incoming.envelope.sender.as_ref(), to, &received);
        let copy = Copy { account, prefix, body: &self.incoming.body, now: self.now };
        self.inner.accounts.deliver(tx, copy)
    }

    fn received(&self, to: Option<&Mailbox>) -> String {
        trace::received(&self.incoming.trace, &self.inner.host_name, &self.id, to, self.now)
    }

    /// One entry for each destination, all with the same body.
    fn enqueue(&self, tx: &mut Tx<'_>, remote: &[&Addressee]) -> Result<(), store::Error> {
        let mut groups: Vec<(Destination, Vec<&Addressee>)> = Vec::new();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        for addressee in remote {
            let destination = self.inner.routes.destination(&addressee.mailbox);
            let place = *places.entry(destination.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, group)) => group.push(addressee),
                None => groups.push((destination, vec![addressee])),
            }
        }
        let body = &self.incoming.body;
        let id = BodyId::of(body);
        body::put(tx, &id, body)?;
        for (destination, group) in groups {
            let only = match group.as_slice() {
                [only] => Some(&only.mailbox),
                _ => None,
            };
            let prefix = self.received(only).into_bytes();
            let envelope = self.incoming.envelope.clone();
            self.inner
                .enqueue(tx, NewEntry { envelope, group, destination, prefix, body, id, now: self.now })?;
        }
        Ok(())
    }

    /// Tells the sender of the recipients that were refused.
    fn report(&self, tx: &mut Tx<'_>, receipt: &Receipt) -> Result<(), store::Error> {
        let pairs = self.incoming.recipients.iter().zip(&receipt.verdicts);
        let failed: Vec<_> = pairs
            .filter_map(|(to, verdict)| Some((&to.addressee, refused(verdict.err()?))))
            .filter(|(to, _)| to.wants(Notify::FAILURE))
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        let report = Report {
            envelope: &self.incoming.envelope,
            arrived: self.now,
            retry_until: None,
            recipients: failed.iter().map(|(to, failure)| (*to, failure)).collect(),
            original: &self.incoming.body,
        };
        self.inner.send_report(tx, &report)
    }
}

/// A refusal as the failure of a report.
pub(super) fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::NoSuchUser => Failure::permanent(1, 1, refusal.to_string()),
        Refusal::OverQuota => Failure::permanent(2, 2, refusal.to_string()),
        Refusal::Forbidden => Failure::permanent(7, 1, refusal.to_string()),
    }
}

/// What an entry is made of.
struct NewEntry<'m> {
    envelope: Envelope,
    group: Vec<&'m Addressee>,
    destination: Destination,
    prefix: Vec<u8>,
    body: &'m Bytes,
    id: BodyId,
    now: Millis,
}

impl Inner {
    /// Queues a message that is due at once.
    fn enqueue(self: &Arc<Self>, tx: &mut Tx<'_>, new: NewEntry<'_>) -> Result<(), store::Error> {
        let recipient = |to: &&Addressee| QueuedRecipient {
            addressee: (*to).clone(),
            status: Status::Pending,
            last: None,
        };
        let size = new.prefix.len().saturating_add(new.body.len());
        let mut entry = Entry {
            id: entry::QueueId(0),
            envelope: new.envelope,
            recipients: new.group.iter().map(recipient).collect(),
            destination: new.destination,
            eight_bit: !new.body.is_ascii(),
            prefix: new.prefix,
            body: new.id,
            size: u64::try_from(size).unwrap_or(u64::MAX),
            created: new.now,
            due: new.now,
            attempts: 0,
            warned: false,
        };
        entry::insert(tx, &mut entry)?;
        let inner = self.clone();
        tx.after_commit(move || inner.work.wake());
        Ok(())
    }

    /// Sends a report to the sender of the message it is about. Nothing is sent about a message without
    /// sender, which may be a report itself, or with one who does not exist. RFC 5321 §6.1.
    pub(super) fn send_report(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        report: &Report<'_>,
    ) -> Result<(), store::Error> {
        let Some(sender) = &report.envelope.sender else {
            tracing::info!(recipients = report.recipients.len(), "a message without sender is not returned");
            return Ok(());
        };
        let now = self.clock.now();
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let id = format!("{now:x}-{count:x}");
        let body = Bytes::from(bounce::build(report, sender, &self.host_name, &id, now));
        let trace = Trace::default();
        let received = trace::received(&trace, &self.host_name, &id, Some(sender), now);
        match self.accounts.resolve(tx, sender)? {
            Resolution::Account(account) => {
                let prefix = trace::delivered(None, sender, &received);
                let verdict = self.accounts.deliver(tx, Copy { account, prefix, body: &body, now })?;
                if let Err(refusal) = verdict {
                    tracing::warn!(%sender, %refusal, "a report cannot be delivered and is dropped");
                }
                Ok(())
            }
            Resolution::NoSuchUser => {
                tracing::warn!(%sender, "a report has nobody to go to and is dropped");
                Ok(())
            }
            Resolution::Remote => {
                let addressee = Addressee { notify: Some(Notify::NEVER), ..Addressee::new(sender.clone()) };
                let body_id = BodyId::of(&body);
                body::put(tx, &body_id, &body)?;
                self.enqueue(
                    tx,
                    NewEntry {
                        envelope: Envelope { smtputf8: !sender.is_ascii(), ..Envelope::default() },
                        group: vec![&addressee],
                        destination: self.routes.destination(sender),
                        prefix: received.into_bytes(),
                        body: &body,
                        id: body_id,
                        now,
                    },
                )
            }
        }
    }
}
