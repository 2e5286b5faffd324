//! Reports on their way to whoever sent what they are about.

use std::sync::Arc;

use bytes::Bytes;

use super::Inner;
use super::address::Address;
use super::bounce::{self, Action, Excerpt, Report};
use super::entry::{self, Entry, Failure};
use super::envelope::{Addressee, Envelope, Notify};
use super::item::Parsed;
use super::local::{LocalCopy, Original, Undelivered, locate};
use super::place::Place;
use super::trace::{self, Trace};
use crate::clock::Millis;
use crate::store::{self, StagedBody, Tx};

/// A report that is ready to be placed.
#[derive(Clone)]
pub(super) enum Ready {
    /// For a mailbox of this server.
    Local(Address, Box<LocalCopy>),
    /// For the queue.
    Queue(Box<Entry>, StagedBody),
}

impl Inner {
    /// What the sender of a message is told of these recipients. Nobody is told of a message without
    /// sender, which may be a report itself, or with one who does not exist. RFC 5321 §6.1. Blocks.
    pub(super) fn reports(
        &self,
        envelope: &Envelope,
        arrived: Millis,
        action: Action,
        recipients: &[(&Addressee, &Failure)],
        original: &Excerpt,
    ) -> Vec<Ready> {
        if recipients.is_empty() {
            return Vec::new();
        }
        let Some(sender) = &envelope.sender else {
            tracing::info!(recipients = recipients.len(), "a message without sender is not returned");
            return Vec::new();
        };
        let report = |some: &[(&Addressee, &Failure)]| {
            let report = Report { envelope, arrived, action, recipients: some.to_vec(), original };
            self.report(&report, sender).unwrap_or_else(|error| {
                tracing::error!(%sender, %error, "a report cannot be made and is dropped");
                None
            })
        };
        recipients.chunks(bounce::RECIPIENTS_MAX).filter_map(report).collect()
    }

    fn report(&self, report: &Report<'_>, sender: &Address) -> Result<Option<Ready>, store::Error> {
        let now = self.clock.now();
        let (id, host) = (self.message_name(now), &self.config.hostname);
        let place = locate(&self.store.read()?, sender)?;
        let domain = match place {
            Place::Account { domain, .. } => domain,
            Place::Remote => 0,
            Place::Nowhere => {
                tracing::warn!(%sender, "a report has nobody to go to and is dropped");
                return Ok(None);
            }
        };
        let body = Bytes::from(bounce::build(report, sender, host, &id, now));
        let received = trace::received(&Trace::default(), host, &id, Some(sender), now);
        let staged = self.store.stage_body(&self.store.body_key(domain), &body)?;
        if let Place::Account { account, .. } = place {
            let original = Original { parsed: &Parsed::of(&body), sender: None, now, notice: None };
            let copy = self.local_copy(&original, account, sender, &received, staged)?;
            return Ok(Some(Ready::Local(sender.clone(), Box::new(copy))));
        }
        let envelope = Envelope { smtputf8: !sender.is_ascii(), ..Envelope::default() };
        let to = Addressee { notify: Some(Notify::NEVER), ..Addressee::new(sender.clone()) };
        let mut entry = Entry::new(envelope, vec![to], self.routes.destination(sender), now);
        entry.describe(received.into_bytes(), &staged, &body);
        Ok(Some(Ready::Queue(Box::new(entry), staged)))
    }

    /// Puts reports where they belong. [`Undelivered::copy`] is a report's number here.
    pub(super) fn place_reports(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        reports: &[Ready],
    ) -> Result<(), Undelivered> {
        for (n, report) in reports.iter().enumerate() {
            match report {
                Ready::Local(sender, copy) => {
                    let verdicts = self.deliver(tx, std::iter::once(&**copy));
                    let verdicts =
                        verdicts.map_err(|failed| Undelivered { copy: failed.copy.map(|_| n), ..failed })?;
                    if let Some(refusal) = verdicts.into_iter().find_map(Result::err) {
                        tracing::warn!(%sender, %refusal, "a report cannot be delivered and is dropped");
                    }
                }
                Ready::Queue(entry, staged) => {
                    entry::insert(tx, entry, staged)?;
                    self.wake_after(tx);
                }
            }
        }
        Ok(())
    }

    /// Has the queue's worker look at the schedule once `tx` is durable.
    pub(super) fn wake_after(self: &Arc<Self>, tx: &mut Tx<'_>) {
        let inner = self.clone();
        tx.after_commit(move || inner.work.wake());
    }
}
