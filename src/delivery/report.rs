//! Reports on their way to whoever sent what they are about.

use std::sync::Arc;

use bytes::Bytes;

use super::Inner;
use super::address::Address;
use super::bounce::{self, Report};
use super::entry::{self, Entry, Failure};
use super::envelope::{Addressee, Envelope, Notify};
use super::item::Parsed;
use super::local::{Original, locate};
use super::place::Place;
use super::trace::{self, Trace};
use crate::clock::Millis;
use crate::store::{self, Tx};

/// What reports about one message have in common.
pub(super) struct About<'a> {
    /// The message's envelope.
    pub(super) envelope: &'a Envelope,
    /// When it arrived here.
    pub(super) arrived: Millis,
    /// It is late and will be tried until then; `None` when it has failed.
    pub(super) retry_until: Option<Millis>,
    /// The message.
    pub(super) original: &'a [u8],
}

impl Inner {
    /// Tells the sender of a message what happened to these recipients. Nobody is told of a message
    /// without sender, which may be a report itself, or with one who does not exist. RFC 5321 §6.1.
    pub(super) fn report(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        about: &About<'_>,
        recipients: &[(&Addressee, &Failure)],
    ) -> Result<(), store::Error> {
        if recipients.is_empty() {
            return Ok(());
        }
        let Some(sender) = &about.envelope.sender else {
            tracing::info!(recipients = recipients.len(), "a message without sender is not returned");
            return Ok(());
        };
        for some in recipients.chunks(bounce::RECIPIENTS_MAX) {
            let report = Report {
                envelope: about.envelope,
                arrived: about.arrived,
                retry_until: about.retry_until,
                recipients: some.to_vec(),
                original: about.original,
            };
            self.send_report(tx, &report, sender)?;
        }
        Ok(())
    }

    fn send_report(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        report: &Report<'_>,
        sender: &Address,
    ) -> Result<(), store::Error> {
        let now = self.clock.now();
        let (id, host) = (self.message_name(now), &self.config.hostname);
        let body = Bytes::from(bounce::build(report, sender, host, &id, now));
        let received = trace::received(&Trace::default(), host, &id, Some(sender), now);
        match locate(tx, sender)? {
            Place::Account { account, domain } => {
                // No larger than a row, so that this does not wait for the disk.
                let staged = self.store.stage_body(&self.store.body_key(domain), &body)?;
                let original = Original { parsed: &Parsed::of(&body), sender: None, now };
                let copy = self.local_copy(&original, account, sender, &received, staged)?;
                let verdicts = self.deliver(tx, std::iter::once(&copy))?;
                if let Some(refusal) = verdicts.into_iter().find_map(Result::err) {
                    tracing::warn!(%sender, %refusal, "a report cannot be delivered and is dropped");
                }
            }
            Place::Nowhere => tracing::warn!(%sender, "a report has nobody to go to and is dropped"),
            Place::Remote => {
                let staged = self.store.stage_body(&self.store.body_key(0), &body)?;
                let envelope = Envelope { smtputf8: !sender.is_ascii(), ..Envelope::default() };
                let to = Addressee { notify: Some(Notify::NEVER), ..Addressee::new(sender.clone()) };
                let mut entry = Entry::new(envelope, vec![to], self.routes.destination(sender), now);
                entry.describe(received.into_bytes(), &staged, &body);
                entry::insert(tx, &entry, &staged)?;
                self.wake_after(tx);
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
