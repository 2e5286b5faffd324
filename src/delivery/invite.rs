//! Scheduling in delivery: mails of a plan on their way into the queue, and what an arriving invitation or
//! answer does to the calendar of the one who gets it. RFC 6047.
//!
//! What a message does is worked out before its transaction, from a snapshot. In that it is put down beside
//! the message's copy if the calendar is as it was; else it is worked out again.

use std::sync::Arc;

use bytes::Bytes;

use super::address::Address;
use super::entry::{self, Destination, Entry};
use super::envelope::{Addressee, Envelope, Notify};
use super::error::Error;
use super::prepare::RECIPIENTS_MAX;
use super::trace::{self, Trace};
use super::{Delivery, Inner};
use crate::clock;
use crate::directory::{self, AccountId};
use crate::mailbox::{self, Acting, FolderId, Knew, MailTx, Modseq};
use crate::message::build::message_id;
use crate::message::date::Date;
use crate::objects::{self, Expected, Limits, NewObject, Prepared, Target};
use crate::scheduling::{self, Arrived, Mail, Notice, Refused};
use crate::store::{self, StagedBody, Tx};

/// How often it is worked out again what a message does to a calendar that changes meanwhile.
pub(super) const OVERTAKEN_MAX: usize = 20;

/// Mails that are ready for the queue.
#[derive(Clone, Default)]
pub struct Outbound {
    entries: Vec<(Entry, StagedBody)>,
}

impl Outbound {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What a message does to one account's calendar.
#[derive(Clone)]
pub(super) struct Meeting {
    account: u64,
    notice: Arc<Notice>,
    /// It is the account's own answer, which its client mails itself.
    own: bool,
    ready: Option<Ready>,
}

/// What is put down.
#[derive(Clone)]
struct Ready {
    put: Option<Put>,
    outbound: Outbound,
}

#[derive(Clone)]
struct Put {
    folder: FolderId,
    target: Target,
    expected: Expected,
    unchanged: Option<Modseq>,
    object: NewObject,
}

/// Why what a message does to a calendar was not put down.
pub(super) enum Hindered {
    /// The calendar has changed meanwhile.
    Overtaken,
    /// The store's.
    Store(store::Error),
}

impl From<store::Error> for Hindered {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Delivery {
    /// Makes the mails of a plan ready for the queue; `domain` is that of the account whose they are. Nothing
    /// is kept of them unless [`Delivery::post`] commits.
    ///
    /// # Errors
    /// The store's.
    pub fn outbound(&self, domain: u64, mails: &[Mail]) -> Result<Outbound, Error> {
        Ok(self.inner.outbound(domain, mails)?)
    }

    /// Puts mails into the queue as part of a transaction, that of the object that they are about.
    ///
    /// # Errors
    /// The store's.
    pub fn post(&self, tx: &mut Tx<'_>, outbound: &Outbound) -> Result<(), store::Error> {
        self.inner.post(tx, outbound)
    }
}

impl Inner {
    fn outbound(&self, domain: u64, mails: &[Mail]) -> Result<Outbound, store::Error> {
        let mut outbound = Outbound::default();
        for mail in mails {
            self.queue_up(domain, mail, &mut outbound)?;
        }
        Ok(outbound)
    }

    /// One mail, for each destination.
    fn queue_up(&self, domain: u64, mail: &Mail, outbound: &mut Outbound) -> Result<(), store::Error> {
        let Ok(sender) = mail.from.address.parse::<Address>() else { return Ok(()) };
        let now = self.clock.now();
        let unique = clock::random().map_err(|e| store::Error::Io(e.to_string()))?;
        let unique = u128::from_be_bytes(unique);
        let date = Date { unix: now.div_euclid(1000), offset_minutes: 0 };
        let body = Bytes::from(mail.write(date, &message_id(unique, &self.config.hostname), unique));
        let staged = self.store.stage_body(&self.store.body_key(domain), &body)?;
        let mut groups: Vec<(Destination, Vec<Addressee>)> = Vec::new();
        for to in mail.to.iter().filter_map(|to| to.address.parse::<Address>().ok()) {
            let destination = self.routes.destination(&to);
            let mut addressee = Addressee::new(to);
            if mail.automatic {
                addressee.notify = Some(Notify::NEVER);
            }
            let group =
                groups.iter_mut().find(|(at, group)| *at == destination && group.len() < RECIPIENTS_MAX);
            match group {
                Some((_, group)) => group.push(addressee),
                None => groups.push((destination, vec![addressee])),
            }
        }
        for (destination, to) in groups {
            let id = self.message_name(now);
            let only = if let [only] = to.as_slice() { Some(only.address.clone()) } else { None };
            let received = trace::received(&Trace::default(), &self.config.hostname, &id, only.as_ref(), now);
            let smtputf8 = !sender.is_ascii() || to.iter().any(|to| !to.address.is_ascii());
            let envelope = Envelope { sender: Some(sender.clone()), smtputf8, ..Envelope::default() };
            let mut entry = Entry::new(envelope, to, destination, now);
            entry.describe(received.into_bytes(), &staged, &body);
            tracing::info!(id, %sender, method = %mail.method, "a scheduling mail");
            outbound.entries.push((entry, staged.clone()));
        }
        Ok(())
    }

    pub(super) fn post(self: &Arc<Self>, tx: &mut Tx<'_>, outbound: &Outbound) -> Result<(), store::Error> {
        for (entry, body) in &outbound.entries {
            entry::insert(tx, entry, body)?;
        }
        if !outbound.is_empty() {
            self.wake_after(tx);
        }
        Ok(())
    }

    /// What a message does to the calendar of an account. Mail is not kept from anybody because that cannot
    /// be told.
    pub(super) fn meeting(
        &self,
        account: u64,
        notice: &Arc<Notice>,
        own: bool,
    ) -> Result<Meeting, store::Error> {
        let mut meeting = Meeting { account, notice: notice.clone(), own, ready: None };
        self.renew(&mut meeting)?;
        Ok(meeting)
    }

    /// Works out anew what a message does.
    pub(super) fn renew(&self, meeting: &mut Meeting) -> Result<(), store::Error> {
        meeting.ready = match self.arrived(meeting) {
            Ok(ready) => ready,
            Err(Refused::Mailbox(mailbox::Error::Store(error)))
                if !matches!(error, store::Error::Damaged(_)) =>
            {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(account = meeting.account, uid = meeting.notice.uid, %error, "a scheduling message is mail only");
                None
            }
        };
        Ok(())
    }

    fn arrived(&self, meeting: &Meeting) -> Result<Option<Ready>, Refused> {
        let view = self.mailbox.view(Acting::System)?;
        let account = directory::account(view.reader(), AccountId(meeting.account))?;
        let Some(account) = account.filter(|account| account.enabled) else { return Ok(None) };
        let now = self.clock.now_secs();
        let arrived = if meeting.own {
            scheduling::own_answer(&view, &account, &meeting.notice, now)?
        } else {
            scheduling::arrive(&view, &self.objects, &account, &meeting.notice, now)?
        };
        let Some(Arrived { put, mails }) = arrived else { return Ok(None) };
        let put = match put {
            None => None,
            Some(put) => match Prepared::of(put.kind, put.bytes, &Limits::default()) {
                Ok(prepared) => Some(Put {
                    folder: put.folder,
                    target: put.target,
                    expected: put.expected,
                    unchanged: put.unchanged,
                    object: prepared.stage(&self.store, account.domain.0).map_err(mailbox::Error::from)?,
                }),
                Err(why) => {
                    tracing::info!(account = meeting.account, uid = meeting.notice.uid, %why, "a scheduling message is mail only");
                    return Ok(None);
                }
            },
        };
        let outbound = self.outbound(account.domain.0, &mails).map_err(mailbox::Error::from)?;
        Ok(Some(Ready { put, outbound }))
    }

    /// Puts down what a message does.
    pub(super) fn apply<'g>(
        self: &Arc<Self>,
        mail: &mut MailTx<'_, 'g>,
        meeting: &Meeting,
    ) -> Result<(), Hindered> {
        let Some(ready) = &meeting.ready else { return Ok(()) };
        if let Some(put) = &ready.put
            && !self.put(mail, put, meeting.account)?
        {
            return Ok(());
        }
        Ok(self.post(mail.store(), &ready.outbound)?)
    }

    /// Puts an object into its calendar; false when that takes none, which keeps no mail from anybody.
    fn put<'g>(&self, mail: &mut MailTx<'_, 'g>, put: &Put, account: u64) -> Result<bool, Hindered> {
        let placed = (|| {
            let folder = mail.granted(put.folder)?;
            if put.unchanged.is_some_and(|was| !mail.highest(&folder).is_ok_and(|is| is == was)) {
                return Err(objects::Error::Changed);
            }
            objects::put(mail, &folder, &put.target, put.expected, &put.object, Knew::default())
        })();
        match placed {
            Ok(_) => Ok(true),
            Err(objects::Error::Changed | objects::Error::UidTaken(_)) => Err(Hindered::Overtaken),
            Err(objects::Error::Mailbox(mailbox::Error::Missing)) => Err(Hindered::Overtaken),
            Err(objects::Error::Mailbox(mailbox::Error::Store(error))) => Err(error.into()),
            Err(error) => {
                tracing::warn!(account, %error, "a meeting does not get into the calendar");
                Ok(false)
            }
        }
    }
}

impl Meeting {
    /// Leaves the calendar alone: it changes too fast.
    pub(super) fn give_up(&mut self) {
        tracing::error!(
            account = self.account,
            uid = self.notice.uid,
            "a calendar changes too fast for a scheduling message"
        );
        self.ready = None;
    }
}
