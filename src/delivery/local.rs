//! Recipients of this server: who they are, and the way into their Inbox.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::address::{Address, Domain};
use super::error::{Error, Refusal};
use super::invite::{Hindered, Meeting, OVERTAKEN_MAX};
use super::item::Parsed;
use super::place::Place;
use super::trace;
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::directory;
use crate::mailbox::{self, Acting, Flags, FolderId, NewItem, Origin, OwnerId, Role};
use crate::metrics;
use crate::scheduling::Notice;
use crate::store::{self, Read, StagedBody, Tx};

/// Inboxes remembered; one that is not costs a look at the account's folders.
const INBOXES_MAX: usize = 100_000;

impl Delivery {
    /// Where mail to `address` goes.
    pub fn locate(&self, address: &Address) -> Result<Place, Error> {
        Ok(locate(&self.inner.store.read()?, address)?)
    }

    /// Whether a mailbox has room for a message of `size` octets, as far as that can be known beforehand;
    /// what is elsewhere counts as having room.
    pub fn has_room(&self, place: Place, size: usize) -> Result<bool, Error> {
        let Place::Account { account, .. } = place else { return Ok(true) };
        let owner = self.inner.mailbox.view(Acting::System).and_then(|view| view.owner(OwnerId(account)));
        match owner {
            Ok(owner) => {
                let size = u64::try_from(size).unwrap_or(u64::MAX).max(1);
                Ok(owner.quota.is_none_or(|quota| owner.bytes.saturating_add(size) <= quota))
            }
            Err(mailbox::Error::Store(error)) => Err(error.into()),
            // Delivery finds out what is the matter.
            Err(_) => Ok(true),
        }
    }

    /// The mailbox meant by `<Postmaster>`, in the primary domain. RFC 5321 §4.5.1.
    pub fn postmaster(&self) -> Result<Option<Address>, Error> {
        let primary = directory::primary_domain(&self.inner.store.read()?).map_err(Error::from)?;
        Ok(primary.and_then(|domain| format!("postmaster@{}", domain.name).parse().ok()))
    }

    /// Whether an account may send with `address` as its own.
    pub fn may_send_as(&self, account: u64, address: &Address) -> Result<bool, Error> {
        let read = self.inner.store.read()?;
        Ok(directory::may_send_as(&read, directory::AccountId(account), &address.to_string())?)
    }
}

/// Where mail to `address` goes, as `read` has it.
pub(super) fn locate(read: &impl Read, address: &Address) -> Result<Place, store::Error> {
    let Domain::Name(domain) = address.domain() else { return Ok(Place::Remote) };
    if let Some(found) = directory::resolve(read, &address.to_string()).map_err(only_store)? {
        return Ok(Place::Account { account: found.account.id.0, domain: found.account.domain.0 });
    }
    let ours = directory::is_local_domain(read, domain).map_err(only_store)?;
    Ok(if ours { Place::Nowhere } else { Place::Remote })
}

/// Looking somebody up can fail only because of the store.
fn only_store(error: directory::Error) -> store::Error {
    match error {
        directory::Error::Store(error) => error,
        other => store::Error::Io(other.to_string()),
    }
}

/// A message on its way into one Inbox, ready to be put there.
#[derive(Clone)]
pub(super) struct LocalCopy {
    /// Whose Inbox, or why it has none to be put into.
    inbox: Result<FolderId, Refusal>,
    /// The account's id in the directory.
    pub(super) account: u64,
    item: NewItem,
    /// What it does to the account's calendar.
    pub(super) meeting: Option<Meeting>,
}

impl LocalCopy {
    /// Has the copy refused when it comes to its turn.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.inbox = Err(refusal);
    }
}

/// Copies of one message: one for each account, however many of its addresses are named.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) list: Vec<LocalCopy>,
    /// For each recipient, which of the copies is its.
    pub(super) of: Vec<Option<usize>>,
}

/// Why a transaction that delivers did not come about.
#[derive(Debug)]
pub(super) struct Undelivered {
    /// The copy at which it failed, by its place.
    pub(super) copy: Option<usize>,
    pub(super) error: store::Error,
    /// A calendar has changed since it was worked out what the message does to it.
    pub(super) overtaken: bool,
}

impl From<store::Error> for Undelivered {
    fn from(error: store::Error) -> Self {
        Self { copy: None, error, overtaken: false }
    }
}

impl Hindered {
    /// As what ends the transaction.
    pub(super) fn at(self, copy: Option<usize>) -> Undelivered {
        match self {
            Self::Overtaken => {
                let error = store::Error::Io("a calendar has changed meanwhile".to_owned());
                Undelivered { copy, error, overtaken: true }
            }
            // A damaged calendar stands for the mailbox that it is in.
            Self::Store(error) => Undelivered { copy, error, overtaken: false },
        }
    }
}

impl Copies {
    /// Works out anew what the message does to calendars; after the last `tries` it is mail only.
    pub(super) fn renew(&mut self, inner: &Inner, tries: usize) -> Result<(), store::Error> {
        for meeting in self.list.iter_mut().filter_map(|copy| copy.meeting.as_mut()) {
            if tries > OVERTAKEN_MAX { meeting.give_up() } else { inner.renew(meeting)? }
        }
        Ok(())
    }
}

impl Undelivered {
    /// The copy that cannot be delivered because its mailbox is damaged; the others can, without it.
    pub(super) fn damaged_copy(&self) -> Option<usize> {
        self.copy.filter(|_| matches!(self.error, store::Error::Damaged(_)))
    }
}

/// What the copies of one message have in common.
pub(super) struct Original<'m> {
    pub(super) parsed: &'m Parsed<'m>,
    pub(super) sender: Option<&'m Address>,
    pub(super) now: Millis,
    /// The scheduling message in it.
    pub(super) notice: Option<Arc<Notice>>,
}

impl Inner {
    /// The copy of a message for one account: its own trace in front of the common body.
    pub(super) fn local_copy(
        &self,
        original: &Original<'_>,
        account: u64,
        to: &Address,
        received: &str,
        body: StagedBody,
    ) -> Result<LocalCopy, store::Error> {
        let prefix = Bytes::from(trace::delivered(original.sender, to, received));
        let item = original.parsed.item(body, prefix, original.now, Flags::NONE);
        let meeting =
            original.notice.as_ref().map(|notice| self.meeting(account, notice, false)).transpose()?;
        Ok(LocalCopy { inbox: self.inbox(account)?, account, item, meeting })
    }

    /// One copy for each account among the recipients; `body` stages the body for a domain, `received` is
    /// the line for a recipient.
    pub(super) fn copies<'r>(
        &self,
        original: &Original<'_>,
        recipients: impl Iterator<Item = (&'r Address, Place)>,
        received: impl Fn(&Address) -> String,
        mut body: impl FnMut(u64) -> Result<StagedBody, store::Error>,
    ) -> Result<Copies, store::Error> {
        let mut copies = Copies::default();
        let mut of_account: HashMap<u64, usize> = HashMap::new();
        for (to, place) in recipients {
            let Place::Account { account, domain } = place else {
                copies.of.push(None);
                continue;
            };
            if let Some(known) = of_account.get(&account) {
                copies.of.push(Some(*known));
                continue;
            }
            let copy = self.local_copy(original, account, to, &received(to), body(domain)?)?;
            of_account.insert(account, copies.list.len());
            copies.of.push(Some(copies.list.len()));
            copies.list.push(copy);
        }
        Ok(copies)
    }

    /// Puts copies into their Inboxes, each or not at all. An error undoes the whole transaction.
    pub(super) fn deliver<'c>(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        copies: impl Iterator<Item = &'c LocalCopy>,
    ) -> Result<Vec<Result<(), Refusal>>, Undelivered> {
        let mut delivered = 0;
        let verdicts = self.mailbox.within(tx, Acting::System, Origin::OTHER, |mail| {
            copies
                .enumerate()
                .map(|(n, copy)| {
                    let inbox = match copy.inbox {
                        Ok(inbox) => inbox,
                        Err(refusal) => return Ok(Err(refusal)),
                    };
                    let put = mail.granted(inbox).and_then(|inbox| mail.append(&inbox, copy.item.clone()));
                    match put {
                        Ok(_) => {
                            if let Some(meeting) = &copy.meeting {
                                self.apply(mail, meeting).map_err(|why| why.at(Some(n)))?;
                            }
                            delivered += 1;
                            Ok(Ok(()))
                        }
                        Err(mailbox::Error::Store(error)) => {
                            Err(Undelivered { copy: Some(n), error, overtaken: false })
                        }
                        Err(mailbox::Error::OverQuota) => Ok(Err(Refusal::OverQuota)),
                        Err(mailbox::Error::Missing) => {
                            self.inboxes.forget(copy.account);
                            Ok(Err(Refusal::NoSuchUser))
                        }
                        Err(_) => Ok(Err(Refusal::Forbidden)),
                    }
                })
                .collect::<Result<Vec<_>, Undelivered>>()
        })?;
        let metrics = self.metrics.clone();
        tx.after_commit(move || metrics.messages(metrics::Message::delivered, delivered));
        Ok(verdicts)
    }

    /// An account's Inbox, which stays the same as long as the account lives.
    fn inbox(&self, account: u64) -> Result<Result<FolderId, Refusal>, store::Error> {
        if let Some(known) = self.inboxes.known(account) {
            return Ok(Ok(known));
        }
        let view = self.mailbox.view(Acting::System);
        match view.and_then(|view| view.by_role(OwnerId(account), Role::Inbox)) {
            Ok(folder) => {
                self.inboxes.remember(account, folder.id);
                Ok(Ok(folder.id))
            }
            Err(mailbox::Error::Store(store::Error::Damaged(what))) => {
                tracing::error!(account, what, "a mailbox cannot be used");
                Ok(Err(Refusal::Unavailable))
            }
            Err(mailbox::Error::Store(error)) => Err(error),
            Err(_) => Ok(Err(Refusal::NoSuchUser)),
        }
    }
}

/// Where accounts' Inboxes are.
#[derive(Default)]
pub(super) struct Inboxes(Mutex<HashMap<u64, FolderId>>);

impl Inboxes {
    fn known(&self, account: u64) -> Option<FolderId> {
        self.0.lock().get(&account).copied()
    }

    fn remember(&self, account: u64, inbox: FolderId) {
        let mut known = self.0.lock();
        if known.len() >= INBOXES_MAX {
            known.clear();
        }
        known.insert(account, inbox);
    }

    fn forget(&self, account: u64) {
        self.0.lock().remove(&account);
    }
}
