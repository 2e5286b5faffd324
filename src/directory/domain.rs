//! Domains: what makes an address one of ours.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::account::{self, AccountId, RemovedAccount};
use super::address::fold_domain;
use super::{Error, Services};
use crate::clock::Millis;
use crate::store::keys::{self, Key, Parts, Table, system};
use crate::store::{Order, Read, Tx, record};

pub(super) const VERSION: u8 = 1;

/// Most accounts and aliases that a forced deletion takes along in its one transaction.
const FORCED_MAX: usize = 1000;

/// A domain's name in the store. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DomainId(pub u64);

/// A domain, and what its accounts inherit from it. `None` inherits from the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Domain {
    /// Its name in the store.
    pub id: DomainId,
    /// Its name in lower case and A-labels (RFC 5891 §4.4).
    pub name: String,
    /// When it was made.
    pub created: Millis,
    /// Most bytes in a mailbox.
    pub quota_bytes: Option<u64>,
    /// The services its accounts may use.
    pub services: Option<Services>,
    /// Whether its accounts stand in the address list.
    pub listed: Option<bool>,
    /// Who gets the mail for `postmaster` (RFC 5321 §4.5.1); `None` is the first account.
    pub postmaster: Option<AccountId>,
}

/// Makes a domain.
///
/// # Errors
/// [`Error::Invalid`] for a bad name, [`Error::Exists`] for one that is taken.
pub fn insert_domain(tx: &mut Tx<'_>, now: Millis, name: &str) -> Result<Domain, Error> {
    let name = fold_domain(name)?;
    if domain_by_name(tx, &name)?.is_some() {
        return Err(Error::Exists);
    }
    let domain = Domain {
        id: DomainId(tx.new_id()?),
        name,
        created: now,
        quota_bytes: None,
        services: None,
        listed: None,
        postmaster: None,
    };
    put(tx, &domain);
    tx.put(name_key(&domain.name), record::encode(VERSION, &domain.id));
    Ok(domain)
}

/// The domain `id`.
pub fn domain(read: &impl Read, id: DomainId) -> Result<Option<Domain>, Error> {
    let row = read.get(&key(id))?;
    Ok(row.map(|row| record::decode_v(VERSION, &row)).transpose()?)
}

/// The domain named `name`, in whatever spelling; a malformed name is nobody's.
pub fn domain_by_name(read: &impl Read, name: &str) -> Result<Option<Domain>, Error> {
    let Ok(name) = fold_domain(name) else { return Ok(None) };
    match read.get(&name_key(&name))? {
        Some(row) => domain(read, record::decode_v(VERSION, &row)?),
        None => Ok(None),
    }
}

/// All domains in the order they were made.
pub fn domains(read: &impl Read) -> Result<Vec<Domain>, Error> {
    let mut all = Vec::new();
    let mut damaged = None;
    read.scan(&Key::of(Table::Domain).range(), Order::Forward, &mut |_, row| {
        match record::decode_v(VERSION, row) {
            Ok(domain) => all.push(domain),
            Err(e) => damaged = Some(e),
        }
        if damaged.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    damaged.map_or(Ok(all), |e| Err(e.into()))
}

/// Stores what was changed in a domain; its id, name and creation stay.
///
/// # Errors
/// [`Error::Missing`], or [`Error::Invalid`] when the postmaster is not one of the domain's accounts.
pub fn update_domain(tx: &mut Tx<'_>, changed: &Domain) -> Result<(), Error> {
    let stored = domain(tx, changed.id)?.ok_or(Error::Missing)?;
    if let Some(id) = changed.postmaster
        && account::account(tx, id)?.is_none_or(|a| a.domain != stored.id)
    {
        return Err(Error::Invalid("the postmaster is not an account of the domain"));
    }
    put(tx, &Domain { name: stored.name, created: stored.created, ..changed.clone() });
    Ok(())
}

/// Deletes a domain. With `force` its accounts, and other domains' aliases in it, go with it; the
/// accounts are returned so that the caller can remove their mailboxes in the same transaction.
///
/// # Errors
/// [`Error::Missing`]; [`Error::InUse`] when there are accounts or aliases and no `force`;
/// [`Error::TooMany`] when there are so many that they must be deleted one by one before.
pub fn delete_domain(tx: &mut Tx<'_>, id: DomainId, force: bool) -> Result<Vec<RemovedAccount>, Error> {
    let domain = domain(tx, id)?.ok_or(Error::Missing)?;
    let accounts = account::account_ids(tx, id, None, FORCED_MAX + 1)?;
    let addresses = account::addresses_of_domain(tx, &domain.name, FORCED_MAX + 1)?;
    if !force && (!accounts.is_empty() || !addresses.is_empty()) {
        return Err(Error::InUse);
    }
    if accounts.len().max(addresses.len()) > FORCED_MAX {
        return Err(Error::TooMany("accounts and aliases in the domain"));
    }
    let mut removed = Vec::with_capacity(accounts.len());
    for account in accounts {
        removed.push(account::delete_account(tx, account)?);
    }
    for (local, holder) in account::addresses_of_domain(tx, &domain.name, FORCED_MAX)? {
        account::drop_alias(tx, holder, &local, &domain.name)?;
    }
    if stored_primary(tx)? == Some(id) {
        tx.delete(keys::system_row(system::PRIMARY_DOMAIN));
    }
    tx.delete(name_key(&domain.name));
    tx.delete(key(id));
    Ok(removed)
}

/// The domain that completes a bare user name: the one that was set, else the first.
pub fn primary_domain(read: &impl Read) -> Result<Option<Domain>, Error> {
    if let Some(id) = stored_primary(read)?
        && let Some(domain) = domain(read, id)?
    {
        return Ok(Some(domain));
    }
    let mut first = None;
    read.scan(&Key::of(Table::Domain).range(), Order::Forward, &mut |key, _| {
        first = Parts::of(key).u64().map(DomainId);
        ControlFlow::Break(())
    })?;
    first.map_or(Ok(None), |id| domain(read, id))
}

/// Makes `id` the domain that completes bare user names.
pub fn set_primary_domain(tx: &mut Tx<'_>, id: DomainId) -> Result<(), Error> {
    domain(tx, id)?.ok_or(Error::Missing)?;
    tx.put(keys::system_row(system::PRIMARY_DOMAIN), record::encode(VERSION, &id));
    Ok(())
}

/// Stores a changed domain.
pub(super) fn put(tx: &mut Tx<'_>, domain: &Domain) {
    tx.put(key(domain.id), record::encode(VERSION, domain));
}

fn stored_primary(read: &impl Read) -> Result<Option<DomainId>, Error> {
    let row = read.get(&keys::system_row(system::PRIMARY_DOMAIN))?;
    Ok(row.map(|row| record::decode_v(VERSION, &row)).transpose()?)
}

fn key(id: DomainId) -> Vec<u8> {
    Key::of(Table::Domain).u64(id.0).done()
}

fn name_key(folded: &str) -> Vec<u8> {
    Key::of(Table::DomainName).raw(folded.as_bytes()).done()
}
