//! What is done to a message before its transaction, so that the committer's thread need not: parsing,
//! staging its body, writing its trace.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::address::Address;
use super::entry::{Destination, Entry};
use super::error::Error;
use super::item::Parsed;
use super::local::{LocalCopy, Original};
use super::place::{Incoming, Place};
use super::responder::Answer;
use super::trace;
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::directory::{self, AccountId};
use crate::message::{Address as HeaderAddress, join_address};
use crate::store::{self, INLINE_MAX, StagedBody};

/// Most recipients of one entry of the queue, so that its row stays small; RFC 5321 §4.5.3.1.8 has every
/// server take as many.
const RECIPIENTS_MAX: usize = 100;

/// A message that is ready to be placed.
pub struct Prepared {
    pub(super) id: String,
    pub(super) incoming: Incoming,
    pub(super) now: Millis,
    /// One for each account, however many of its addresses are named.
    pub(super) copies: Vec<LocalCopy>,
    /// For each recipient, which of the copies is its.
    pub(super) copy_of: Vec<Option<usize>>,
    /// What goes to other servers.
    pub(super) entries: Vec<(Entry, StagedBody)>,
    /// What those who are away say to it.
    pub(super) answers: Vec<Answer>,
}

impl Prepared {
    /// The message's name in our logs and trace.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The message as it will be stored, without trace.
    pub fn body(&self) -> &Bytes {
        &self.incoming.body
    }
}

impl Delivery {
    /// Prepares a message. Nothing is kept of it unless [`Delivery::place`] commits.
    ///
    /// # Errors
    /// [`Error::Loop`], [`Error::FromNotYours`], and the store's.
    pub async fn prepare(&self, incoming: Incoming) -> Result<Prepared, Error> {
        if trace::hops(&incoming.body) >= usize::try_from(self.inner.config.max_hops).unwrap_or(usize::MAX) {
            return Err(Error::Loop);
        }
        let mut prepared = if incoming.body.len() <= INLINE_MAX {
            self.inner.prepare(incoming)?
        } else {
            // Staging a large body waits for the disk.
            let inner = self.inner.clone();
            let prepared = tokio::task::spawn_blocking(move || inner.prepare(incoming)).await;
            prepared.unwrap_or(Err(Error::Store(store::Error::Stopped)))?
        };
        prepared.answers = self.answers(&prepared).await;
        Ok(prepared)
    }
}

impl Inner {
    fn prepare(self: &Arc<Self>, mut incoming: Incoming) -> Result<Prepared, Error> {
        let now = self.clock.now();
        let id = self.message_name(now);
        if incoming.submitter.is_some() {
            incoming.body = self.completed(incoming.body, &id, now);
        }
        let body = incoming.body.clone();
        let parsed = Parsed::of(&body);
        self.check_from(&incoming, &parsed)?;
        let mut preparing =
            Preparing { inner: self, incoming: &incoming, id: &id, now, staged: HashMap::new() };
        let (copies, copy_of) = preparing.copies(&parsed)?;
        let entries = preparing.entries()?;
        Ok(Prepared { id, now, copies, copy_of, entries, incoming, answers: Vec::new() })
    }

    /// Gives a user's message the fields that it must have and lacks. RFC 6409 §8.2, §8.3.
    fn completed(&self, body: Bytes, id: &str, now: Millis) -> Bytes {
        let mut missing = String::new();
        if !trace::has_field(&body, b"date:") {
            missing.push_str(&format!("Date: {}\r\n", trace::date(now)));
        }
        if !trace::has_field(&body, b"message-id:") {
            missing.push_str(&format!("Message-ID: <{id}@{}>\r\n", self.config.hostname));
        }
        if missing.is_empty() { body } else { [missing.as_bytes(), &body].concat().into() }
    }

    /// Nobody writes in another's name: what people see of a sender is its From. RFC 6409 §6.1.
    fn check_from(&self, incoming: &Incoming, parsed: &Parsed<'_>) -> Result<(), Error> {
        let Some(submitter) = incoming.submitter else { return Ok(()) };
        let read = self.store.read()?;
        for from in &parsed.record().envelope.from {
            let HeaderAddress::Mailbox { local, domain, .. } = from else { continue };
            let address = join_address(local, domain);
            if !directory::may_send_as(&read, AccountId(submitter.account), &address)? {
                return Err(Error::FromNotYours);
            }
        }
        Ok(())
    }
}

struct Preparing<'a> {
    inner: &'a Arc<Inner>,
    incoming: &'a Incoming,
    id: &'a str,
    now: Millis,
    /// The body as it was staged, by domain.
    staged: HashMap<u64, StagedBody>,
}

impl Preparing<'_> {
    fn stage(&mut self, domain: u64) -> Result<StagedBody, store::Error> {
        if let Some(staged) = self.staged.get(&domain) {
            return Ok(staged.clone());
        }
        let store = &self.inner.store;
        let staged = store.stage_body(&store.body_key(domain), &self.incoming.body)?;
        self.staged.insert(domain, staged.clone());
        Ok(staged)
    }

    fn received(&self, to: Option<&Address>) -> String {
        trace::received(&self.incoming.trace, &self.inner.config.hostname, self.id, to, self.now)
    }

    /// One copy for each account.
    fn copies(&mut self, parsed: &Parsed<'_>) -> Result<(Vec<LocalCopy>, Vec<Option<usize>>), store::Error> {
        let original = Original { parsed, sender: self.incoming.envelope.sender.as_ref(), now: self.now };
        let mut copies = Vec::new();
        let mut of_account: HashMap<u64, usize> = HashMap::new();
        let mut copy_of = Vec::with_capacity(self.incoming.recipients.len());
        for recipient in &self.incoming.recipients {
            let Place::Account { account, domain } = recipient.place else {
                copy_of.push(None);
                continue;
            };
            if let Some(known) = of_account.get(&account) {
                copy_of.push(Some(*known));
                continue;
            }
            let to = &recipient.addressee.address;
            let (received, body) = (self.received(Some(to)), self.stage(domain)?);
            of_account.insert(account, copies.len());
            copy_of.push(Some(copies.len()));
            copies.push(self.inner.local_copy(&original, account, to, &received, body)?);
        }
        Ok((copies, copy_of))
    }

    /// One entry for each destination and [`RECIPIENTS_MAX`] recipients, all with the same body.
    fn entries(&mut self) -> Result<Vec<(Entry, StagedBody)>, store::Error> {
        let mut groups: Vec<(Destination, Vec<usize>)> = Vec::new();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        let remote = self.incoming.recipients.iter().enumerate().filter(|(_, r)| r.place == Place::Remote);
        for (n, recipient) in remote {
            let destination = self.inner.routes.destination(&recipient.addressee.address);
            let place = *places.entry(destination.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, group)) if group.len() < RECIPIENTS_MAX => group.push(n),
                _ => {
                    places.insert(destination.clone(), groups.len());
                    groups.push((destination, vec![n]));
                }
            }
        }
        let mut entries = Vec::with_capacity(groups.len());
        for (destination, group) in groups {
            let addressees: Vec<_> = group
                .iter()
                .filter_map(|n| self.incoming.recipients.get(*n))
                .map(|recipient| recipient.addressee.clone())
                .collect();
            let only = match addressees.as_slice() {
                [only] => Some(&only.address),
                _ => None,
            };
            let prefix = self.received(only).into_bytes();
            let body = self.stage(self.incoming.submitter.map_or(0, |submitter| submitter.domain))?;
            let envelope = self.incoming.envelope.clone();
            let mut entry = Entry::new(envelope, addressees, destination, self.now);
            entry.describe(prefix, &body, &self.incoming.body);
            entries.push((entry, body));
        }
        Ok(entries)
    }
}
