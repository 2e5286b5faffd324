//! Taking a message: to the accounts it is for, and into the queue for everybody else.

use bytes::Bytes;

use super::Delivery;
use super::entry::{self, Failure};
use super::envelope::{Addressee, Envelope, Notify};
use super::error::{Error, Refusal};
use super::prepare::Prepared;
use super::report::About;
use super::trace::Trace;
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
    ///
    /// # Errors
    /// As [`Delivery::prepare`]; nothing of it is kept then, except after `store::Error::Unknown`, when
    /// nobody knows.
    pub async fn accept(&self, incoming: Incoming) -> Result<Receipt, Error> {
        let sender = incoming.envelope.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let prepared = self.prepare(incoming).await?;
        let size = prepared.body().len();
        let delivery = self.clone();
        let receipt = self.inner.store.write_async(move |tx| delivery.place(tx, &prepared)).await?;
        let taken = receipt.verdicts.iter().filter(|verdict| verdict.is_ok()).count();
        let refused = receipt.verdicts.len().saturating_sub(taken);
        tracing::info!(id = receipt.id, sender, size, taken, refused, "message accepted");
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.inner.metrics.messages(metrics::Message::accepted, count(taken));
        self.inner.metrics.messages(metrics::Message::refused, count(refused));
        Ok(receipt)
    }

    /// Takes a message over as part of the caller's transaction. Nothing of it is kept unless that commits.
    pub fn place(&self, tx: &mut Tx<'_>, prepared: &Prepared) -> Result<Receipt, store::Error> {
        let inner = &self.inner;
        let delivered = inner.deliver(tx, prepared.copies.iter())?;
        for (entry, body) in &prepared.entries {
            entry::insert(tx, entry, body)?;
        }
        if !prepared.entries.is_empty() {
            inner.wake_after(tx);
        }
        inner.place_answers(tx, &prepared.answers, &delivered)?;
        let incoming = &prepared.incoming;
        let verdict = |(recipient, copy): (&Recipient, &Option<usize>)| match (recipient.place, copy) {
            (Place::Remote, _) => Ok(()),
            (_, Some(copy)) => delivered.get(*copy).copied().unwrap_or(Err(Refusal::NoSuchUser)),
            (_, None) => Err(Refusal::NoSuchUser),
        };
        let verdicts = incoming.recipients.iter().zip(&prepared.copy_of).map(verdict).collect();
        let receipt = Receipt { id: prepared.id.clone(), verdicts };
        let report = match incoming.answers {
            Answers::Each => false,
            Answers::One => receipt.accepted(),
            Answers::None => true,
        };
        if report {
            self.report_refused(tx, prepared, &receipt)?;
        }
        Ok(receipt)
    }

    fn report_refused(
        &self,
        tx: &mut Tx<'_>,
        prepared: &Prepared,
        receipt: &Receipt,
    ) -> Result<(), store::Error> {
        let incoming = &prepared.incoming;
        let failed: Vec<(&Addressee, Failure)> = incoming
            .recipients
            .iter()
            .zip(&receipt.verdicts)
            .filter_map(|(to, verdict)| Some((&to.addressee, refused(verdict.err()?))))
            .filter(|(to, _)| to.wants(Notify::FAILURE))
            .collect();
        let about = About {
            envelope: &incoming.envelope,
            arrived: prepared.now,
            retry_until: None,
            original: &incoming.body,
        };
        let recipients: Vec<_> = failed.iter().map(|(to, failure)| (*to, failure)).collect();
        self.inner.report(tx, &about, &recipients)
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
