//! Recipients of this server: who they are, and the way into their Inbox.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;

use super::address::{Address, Domain};
use super::error::{Error, Refusal};
use super::item::Parsed;
use super::place::Place;
use super::trace;
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::directory;
use crate::mailbox::{self, Acting, Flags, FolderId, NewItem, Origin, OwnerId, Role};
use crate::metrics;
use crate::store::{self, Read, StagedBody, Tx};

/// Inboxes remembered; one that is not costs a look at the account's folders.
const INBOXES_MAX: usize = 100_000;

impl Delivery {
    /// Where mail to `address` goes.
    pub fn locate(&self, address: &Address) -> Result<Place, Error> {
        Ok(locate(&self.inner.store.read()?, address)?)
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
    /// Whose Inbox; `None` when the account has none any more.
    inbox: Option<FolderId>,
    /// The account's id in the directory.
    pub(super) account: u64,
    item: NewItem,
}

/// What the copies of one message have in common.
pub(super) struct Original<'m> {
    pub(super) parsed: &'m Parsed<'m>,
    pub(super) sender: Option<&'m Address>,
    pub(super) now: Millis,
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
        Ok(LocalCopy { inbox: self.inbox(account)?, account, item })
    }

    /// Puts copies into their Inboxes, each or not at all.
    pub(super) fn deliver<'c>(
        &self,
        tx: &mut Tx<'_>,
        copies: impl Iterator<Item = &'c LocalCopy>,
    ) -> Result<Vec<Result<(), Refusal>>, store::Error> {
        let mut delivered = 0;
        let verdicts = self.mailbox.within(tx, Acting::System, Origin::OTHER, |mail| {
            copies
                .map(|copy| {
                    let Some(inbox) = copy.inbox else { return Ok(Err(Refusal::NoSuchUser)) };
                    let put = mail.granted(inbox).and_then(|inbox| mail.append(&inbox, copy.item.clone()));
                    match put {
                        Ok(_) => {
                            delivered += 1;
                            Ok(Ok(()))
                        }
                        Err(mailbox::Error::Store(error)) => Err(error),
                        Err(mailbox::Error::OverQuota) => Ok(Err(Refusal::OverQuota)),
                        Err(mailbox::Error::Missing) => {
                            self.inboxes.forget(copy.account);
                            Ok(Err(Refusal::NoSuchUser))
                        }
                        Err(_) => Ok(Err(Refusal::Forbidden)),
                    }
                })
                .collect::<Result<Vec<_>, store::Error>>()
        })?;
        let metrics = self.metrics.clone();
        tx.after_commit(move || metrics.messages(metrics::Message::delivered, delivered));
        Ok(verdicts)
    }

    /// An account's Inbox, which stays the same as long as the account lives.
    fn inbox(&self, account: u64) -> Result<Option<FolderId>, store::Error> {
        if let Some(known) = self.inboxes.known(account) {
            return Ok(Some(known));
        }
        let view = self.mailbox.view(Acting::System);
        match view.and_then(|view| view.by_role(OwnerId(account), Role::Inbox)) {
            Ok(folder) => {
                self.inboxes.remember(account, folder.id);
                Ok(Some(folder.id))
            }
            Err(mailbox::Error::Store(error)) => Err(error),
            Err(_) => Ok(None),
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
