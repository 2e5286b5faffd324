//! Taking a message: to the accounts it is for, and into the queue for everybody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{self, Destination, Failure, QueuedRecipient};
use super::envelope::{Addressee, Envelope, Notify};
use super::error::{Error, Refusal};
use super::invite::OVERTAKEN_MAX;
use super::local::Undelivered;
use super::prepare::{Prepared, RECIPIENTS_MAX};
use super::trace::Trace;
use super::{Delivery, Inner};
use crate::mailbox::{Acting, Origin};
use crate::metrics;
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
    /// Whose message it is, when that was proved: it may then go to other servers, its From must be an
    /// address of this account, and it gets the fields that a new message must have.
    pub submitter: Option<Submitter>,
    /// How the client learns of refusals.
    pub answers: Answers,
    /// The message, RFC 5322.
    pub body: Bytes,
}

/// An account that sends, by its ids in the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submitter {
    /// The account.
    pub account: u64,
    /// Its domain.
    pub domain: u64,
}

/// A recipient and where it was found to be, by [`Delivery::locate`].
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
    Account {
        /// The account's id in the directory.
        account: u64,
        /// Its domain's.
        domain: u64,
    },
    /// In another one.
    Remote,
    /// Nowhere: nobody's, in a domain of this server.
    Nowhere,
}

/// How a client learns that a recipient was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answers {
    /// It is told for each recipient (LMTP).
    Each,
    /// There is one answer for all (SMTP): it is told when all are refused, else those refused wait in the
    /// queue, whose attempts may succeed or end with a report.
    One,
    /// It cannot be told any more: those refused wait in the queue likewise.
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
    ///
    /// # Errors
    /// As [`Delivery::prepare`]; nothing of it is kept then, except after `store::Error::Unknown`, when
    /// nobody knows.
    pub async fn accept(&self, incoming: Incoming) -> Result<Receipt, Error> {
        let sender = incoming.envelope.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let prepared = self.prepare(incoming).await?;
        let size = prepared.body().len();
        let receipt = self.commit(prepared).await?;
        let taken = receipt.verdicts.iter().filter(|verdict| verdict.is_ok()).count();
        let refused = receipt.verdicts.len().saturating_sub(taken);
        tracing::info!(id = receipt.id, sender, size, taken, refused, "message accepted");
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.inner.metrics.messages(metrics::Message::accepted, count(taken));
        self.inner.metrics.messages(metrics::Message::refused, count(refused));
        Ok(receipt)
    }

    /// Places a message. A mailbox that turns out to be damaged is left out, so that the others get it.
    async fn commit(&self, prepared: Prepared) -> Result<Receipt, store::Error> {
        let mut prepared = Arc::new(prepared);
        let mut tries = 0;
        loop {
            let (inner, this) = (self.inner.clone(), prepared.clone());
            let placed = self.inner.store.write_async(move |tx| inner.place(tx, &this)).await;
            let undelivered = match placed {
                Ok(receipt) => return Ok(receipt),
                Err(undelivered) => undelivered,
            };
            if undelivered.overtaken {
                tries += 1;
                // The transaction is over, so nobody else holds it.
                let Some(prepared) = Arc::get_mut(&mut prepared) else { return Err(undelivered.error) };
                self.inner.renew_all(prepared, tries)?;
                continue;
            }
            let damaged = undelivered.damaged_copy();
            // The transaction is over, so nobody else holds it.
            let copy = damaged.and_then(|n| Arc::get_mut(&mut prepared)?.copies.list.get_mut(n));
            let Some(copy) = copy else { return Err(undelivered.error) };
            tracing::error!(error = %undelivered.error, "a mailbox cannot be used");
            copy.refuse(Refusal::Unavailable);
        }
    }

    /// Takes a message over as part of the caller's transaction. Nothing of it is kept unless that commits.
    pub fn place(&self, tx: &mut Tx<'_>, prepared: &Prepared) -> Result<Receipt, store::Error> {
        self.inner.place(tx, prepared).map_err(|undelivered| undelivered.error)
    }
}

impl Inner {
    /// Works out anew what a message does to calendars.
    fn renew_all(&self, prepared: &mut Prepared, tries: usize) -> Result<(), store::Error> {
        prepared.copies.renew(self, tries)?;
        match &mut prepared.own {
            Some(own) if tries > OVERTAKEN_MAX => own.give_up(),
            Some(own) => self.renew(own)?,
            None => {}
        }
        Ok(())
    }

    fn place(self: &Arc<Self>, tx: &mut Tx<'_>, prepared: &Prepared) -> Result<Receipt, Undelivered> {
        let delivered = self.deliver(tx, prepared.copies.list.iter())?;
        if let Some(own) = &prepared.own {
            self.mailbox.within(tx, Acting::System, Origin::OTHER, |mail| {
                self.apply(mail, own).map_err(|why| why.at(None))
            })?;
        }
        for (entry, body) in &prepared.entries {
            entry::insert(tx, entry, body)?;
        }
        if !prepared.entries.is_empty() {
            self.wake_after(tx);
        }
        self.place_answers(tx, &prepared.answers, &delivered)?;
        let incoming = &prepared.incoming;
        let verdict = |(recipient, copy): (&Recipient, &Option<usize>)| match (recipient.place, copy) {
            (Place::Remote, _) => Ok(()),
            (_, Some(copy)) => delivered.get(*copy).copied().unwrap_or(Err(Refusal::NoSuchUser)),
            (_, None) => Err(Refusal::NoSuchUser),
        };
        let verdicts = incoming.recipients.iter().zip(&prepared.copies.of).map(verdict).collect();
        let receipt = Receipt { id: prepared.id.clone(), verdicts };
        self.queue_rest(tx, prepared, &receipt)?;
        Ok(receipt)
    }

    /// What remains to be done when the door has answered. Whom nobody was told of gets the message from the
    /// queue, or its sender gets it back from there: a mailbox that was full just now may have room soon. Who
    /// has it already, and whose sender wants to know, stands there for the report.
    fn queue_rest(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        prepared: &Prepared,
        receipt: &Receipt,
    ) -> Result<(), store::Error> {
        let Some((leftover, body)) = &prepared.leftover else { return Ok(()) };
        let told = match prepared.incoming.answers {
            Answers::Each => true,
            Answers::One => !receipt.accepted(),
            Answers::None => false,
        };
        let rest = |(to, verdict): (&Recipient, &Result<(), Refusal>)| {
            let addressee = to.addressee.clone();
            match verdict {
                Ok(()) => to.wants_success_from_here().then(|| QueuedRecipient::delivered(addressee)),
                Err(_) => (!told).then(|| QueuedRecipient::new(addressee)),
            }
        };
        // By domain, since one of them may move to another server before it gets the message.
        let mut by_domain: BTreeMap<_, Vec<QueuedRecipient>> = BTreeMap::new();
        for recipient in prepared.incoming.recipients.iter().zip(&receipt.verdicts).filter_map(rest) {
            by_domain.entry(recipient.addressee.address.domain().clone()).or_default().push(recipient);
        }
        for (domain, recipients) in &by_domain {
            for some in recipients.chunks(RECIPIENTS_MAX) {
                let destination = Destination::Domain(domain.clone());
                entry::insert(tx, &leftover.for_others(some.to_vec(), destination), body)?;
            }
        }
        if !by_domain.is_empty() {
            self.wake_after(tx);
        }
        Ok(())
    }
}

impl Recipient {
    /// Whether this server is to report that the recipient has the message. RFC 3461 §4.1.
    pub(super) fn wants_success_from_here(&self) -> bool {
        matches!(self.place, Place::Account { .. }) && self.addressee.wants(Notify::SUCCESS)
    }
}

/// A refusal as the failure of a report.
pub(super) fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::NoSuchUser => Failure::permanent(1, 1, refusal.to_string()),
        Refusal::OverQuota => Failure::permanent(2, 2, refusal.to_string()),
        Refusal::Forbidden => Failure::permanent(7, 1, refusal.to_string()),
        Refusal::Unavailable => Failure::permanent(2, 0, refusal.to_string()),
    }
}
