//! What is done to a message before its transaction, so that the committer's thread need not: parsing,
//! staging its body, writing its trace.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::address::Address;
use super::entry::{Destination, Entry};
use super::envelope::{Addressee, Envelope};
use super::error::Error;
use super::invite::Meeting;
use super::item::Parsed;
use super::local::{Copies, Original};
use super::place::{Answers, Incoming, Place, Recipient};
use super::responder::Answer;
use super::trace;
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::directory::{self, AccountId};
use crate::message::{self, Address as HeaderAddress, join_address, parse_addresses};
use crate::scheduling::Notice;
use crate::store::{self, INLINE_MAX, StagedBody};

/// Most recipients of one entry of the queue, so that its row stays small; RFC 5321 §4.5.3.1.8 has every
/// server take as many.
pub(super) const RECIPIENTS_MAX: usize = 100;

/// A message that is ready to be placed.
pub struct Prepared {
    pub(super) id: String,
    pub(super) incoming: Incoming,
    /// What goes into mailboxes.
    pub(super) copies: Copies,
    /// What it says of its sender's own calendar.
    pub(super) own: Option<Meeting>,
    /// What goes to other servers.
    pub(super) entries: Vec<(Entry, StagedBody)>,
    /// An entry of the queue, without its recipients, for those that turn out to be refused when nobody can
    /// be told any more, and for reports of success; `None` when there can be no such.
    pub(super) leftover: Option<(Entry, StagedBody)>,
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
    /// [`Error::Loop`], [`Error::FromNotYours`], [`Error::BadFrom`], and the store's.
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
        self.check_from(&incoming)?;
        let (staged, utf8_header) = (HashMap::new(), None);
        let mut preparing = Preparing { inner: self, incoming: &incoming, id: &id, now, staged, utf8_header };
        let notice =
            Notice::of(&body, parsed.record(), incoming.envelope.sender.as_ref().map(ToString::to_string));
        let notice = notice.map(Arc::new);
        let copies = preparing.copies(&parsed, notice.clone())?;
        let entries = preparing.entries()?;
        let leftover = preparing.leftover()?;
        let own = match (incoming.submitter, &notice) {
            (Some(submitter), Some(notice)) => Some(self.meeting(submitter.account, notice, true)?),
            _ => None,
        };
        Ok(Prepared { id, copies, own, entries, leftover, incoming, answers: Vec::new() })
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

    /// Nobody writes in another's name: what people see of a sender is its From, of which there must be one
    /// with an address. It is looked for in the whole header, beyond what the record has of it. RFC 5322
    /// §3.6.2, RFC 6409 §6.1, §8.
    fn check_from(&self, incoming: &Incoming) -> Result<(), Error> {
        let Some(submitter) = incoming.submitter else { return Ok(()) };
        let values = trace::values(&incoming.body, b"from");
        let [value] = values.as_slice() else { return Err(Error::BadFrom) };
        let (addresses, cut) = parse_addresses(value);
        let mut named = false;
        let read = self.store.read()?;
        for from in &addresses {
            let HeaderAddress::Mailbox { local, domain, .. } = from else { continue };
            let address = join_address(local, domain);
            if !directory::may_send_as(&read, AccountId(submitter.account), &address)? {
                return Err(Error::FromNotYours);
            }
            named = true;
        }
        if named && !cut { Ok(()) } else { Err(Error::BadFrom) }
    }
}

struct Preparing<'a> {
    inner: &'a Arc<Inner>,
    incoming: &'a Incoming,
    id: &'a str,
    now: Millis,
    /// The body as it was staged, by domain.
    staged: HashMap<u64, StagedBody>,
    /// Whether a header of the message has octets above 127, once that was looked at.
    utf8_header: Option<bool>,
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
    fn copies(&mut self, parsed: &Parsed<'_>, notice: Option<Arc<Notice>>) -> Result<Copies, store::Error> {
        let Self { inner, incoming, id, now, .. } = *self;
        let original = Original { parsed, sender: incoming.envelope.sender.as_ref(), now, notice };
        let recipients = incoming.recipients.iter().map(|r| (&r.addressee.address, r.place));
        let received =
            |to: &Address| trace::received(&incoming.trace, &inner.config.hostname, id, Some(to), now);
        inner.copies(&original, recipients, received, |domain| self.stage(domain))
    }

    /// What would wait in the queue for recipients that are refused in the end.
    fn leftover(&mut self) -> Result<Option<(Entry, StagedBody)>, store::Error> {
        let Incoming { envelope, recipients, answers, submitter, body, .. } = self.incoming;
        let told = match answers {
            Answers::Each => true,
            Answers::One => recipients.len() == 1,
            Answers::None => false,
        };
        let may_be_needed = |recipient: &Recipient| {
            recipient.wants_success_from_here() || !told && recipient.place != Place::Remote
        };
        if !recipients.iter().any(may_be_needed) {
            return Ok(None);
        }
        let domain = recipients.iter().find_map(|recipient| match recipient.place {
            Place::Account { domain, .. } => Some(domain),
            _ => None,
        });
        let domain = domain.or(submitter.map(|submitter| submitter.domain)).unwrap_or(0);
        let staged = self.stage(domain)?;
        let mut entry = Entry::new(envelope.clone(), Vec::new(), Destination::Smarthost, self.now);
        entry.describe(self.received(None).into_bytes(), &staged, body);
        Ok(Some((entry, staged)))
    }

    /// Whether the message can travel to these only where SMTPUTF8 is spoken: what its client says for a
    /// domain in U-labels alone is not needed once that stands in A-labels. RFC 6531 §3.4, §3.6.
    fn needs_utf8(&mut self, to: &[Addressee]) -> bool {
        let Envelope { smtputf8, sender, .. } = &self.incoming.envelope;
        let addresses = sender.iter().chain(to.iter().map(|to| &to.address));
        *smtputf8 && (addresses.into_iter().any(|address| !address.is_ascii()) || self.has_utf8_header())
    }

    fn has_utf8_header(&mut self) -> bool {
        let body = &self.incoming.body;
        *self.utf8_header.get_or_insert_with(|| {
            let in_a_header = || {
                let parsed = message::parse(body);
                parsed.parts().iter().any(|part| !parsed.header_bytes(part).is_ascii())
            };
            !body.is_ascii() && in_a_header()
        })
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
            let smtputf8 = self.needs_utf8(&addressees);
            let envelope = Envelope { smtputf8, ..self.incoming.envelope.clone() };
            let mut entry = Entry::new(envelope, addressees, destination, self.now);
            entry.describe(prefix, &body, &self.incoming.body);
            entries.push((entry, body));
        }
        Ok(entries)
    }
}
