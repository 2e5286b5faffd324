//! Accounts and their addresses.

use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::credentials;
use super::device;
use super::domain::{self, Domain, DomainId};
use super::password::PreparedPassword;
use super::{Error, Services, gal, recipient};
use crate::clock::Millis;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{self, Order, Read, Tx, prefix_end, record};

pub(super) const VERSION: u8 = 1;

/// Most aliases of one account.
const ALIASES_MAX: usize = 100;
/// Longest display name or part of a profile, in bytes.
const TEXT_MAX: usize = 256;

/// An account's name in the store. Never used again: an account made anew under an old address has a
/// new one and sees nothing of its predecessor. Also the id of the owner of its folders.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AccountId(pub u64);

/// What an account stands for. New kinds are added at the end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// A person.
    #[default]
    User,
    /// A room that can be booked.
    Room,
    /// A thing that can be booked.
    Equipment,
}

/// What the address list says about an account (MS-ASCMD, the namespace GAL).
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Profile {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub title: Option<String>,
    pub company: Option<String>,
    pub office: Option<String>,
    pub phone: Option<String>,
    pub home_phone: Option<String>,
    pub mobile_phone: Option<String>,
}

/// An account, without its secrets. `None` inherits from the domain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its name in the store.
    pub id: AccountId,
    /// Its domain.
    pub domain: DomainId,
    /// Its primary address.
    pub address: Address,
    /// Its other addresses, also such in other domains of this server.
    pub aliases: Vec<Address>,
    /// When it was made.
    pub created: Millis,
    /// The name shown to people.
    pub display_name: String,
    /// What it stands for.
    pub kind: Kind,
    /// False when nobody may log in to it.
    pub enabled: bool,
    /// Most bytes in its mailbox.
    pub quota_bytes: Option<u64>,
    /// The services it may use.
    pub services: Option<Services>,
    /// Whether it stands in the address list.
    pub listed: Option<bool>,
    /// What the address list says about it.
    pub profile: Profile,
}

impl Account {
    /// Most bytes in its mailbox: its own limit or its domain's.
    pub fn quota_bytes(&self, domain: &Domain) -> Option<u64> {
        self.quota_bytes.or(domain.quota_bytes)
    }

    /// True when it may use `service`, by its own setting or its domain's.
    pub fn may_use(&self, service: super::Service, domain: &Domain) -> bool {
        self.services.or(domain.services).unwrap_or(Services::USUAL).has(service)
    }

    /// True when it stands in the address list.
    pub fn is_listed(&self, domain: &Domain) -> bool {
        self.enabled && self.listed.or(domain.listed).unwrap_or(true)
    }

    /// All its addresses, the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.address).chain(&self.aliases)
    }
}

/// What is needed to make an account.
#[derive(Clone, Default, Debug)]
pub struct NewAccount {
    /// The primary address; without an `@` it is completed with the primary domain.
    pub address: String,
    /// The name shown to people; when empty, the local part.
    pub display_name: String,
    /// Further addresses.
    pub aliases: Vec<String>,
    /// What it stands for.
    pub kind: Kind,
    /// Most bytes in its mailbox.
    pub quota_bytes: Option<u64>,
    /// The password; without one nobody can log in.
    pub password: Option<PreparedPassword>,
    /// What the address list says about it.
    pub profile: Profile,
}

/// What [`delete_account`] removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemovedAccount {
    /// The account as it was.
    pub account: Account,
    /// How many app passwords it had.
    pub app_passwords: usize,
    /// How many settings it had.
    pub settings: usize,
}

/// Makes an account.
///
/// # Errors
/// [`Error::Invalid`] for a bad address or name, [`Error::Missing`] when a domain is not ours,
/// [`Error::Exists`] when an address is taken.
pub fn insert_account(tx: &mut Tx<'_>, now: Millis, new: &NewAccount) -> Result<Account, Error> {
    let address = recipient::complete(tx, &new.address)?;
    let domain = domain::domain_by_name(tx, address.domain())?.ok_or(Error::Missing)?;
    let name =
        if new.display_name.is_empty() { address.local().to_owned() } else { new.display_name.clone() };
    let account = Account {
        id: AccountId(tx.new_id()?),
        domain: domain.id,
        address,
        aliases: Vec::new(),
        created: now,
        display_name: name,
        kind: new.kind,
        enabled: true,
        quota_bytes: new.quota_bytes,
        services: None,
        listed: None,
        profile: new.profile.clone(),
    };
    check_texts(&account)?;
    claim(tx, &account.address, account.id)?;
    tx.put(member_key(account.domain, account.id), Vec::new());
    put(tx, None, &account);
    credentials::insert(tx, now, account.id, new.password.as_ref());
    match new.aliases.as_slice() {
        [] => Ok(account),
        aliases => {
            for alias in aliases {
                add_alias(tx, account.id, alias)?;
            }
            self::account(tx, account.id)?.ok_or(Error::Missing)
        }
    }
}

/// The account `id`.
pub fn account(read: &impl Read, id: AccountId) -> Result<Option<Account>, Error> {
    let row = read.get(&key(id))?;
    Ok(row.map(|row| record::decode_v(VERSION, &row)).transpose()?)
}

/// Who holds exactly this address, as primary one or alias.
pub fn account_by_address(read: &impl Read, address: &Address) -> Result<Option<Account>, Error> {
    holder(read, &address.folded_local(), address.domain())
}

/// Accounts of a domain in the order they were made, from the one after `after`.
pub fn accounts(
    read: &impl Read,
    domain: DomainId,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<Account>, Error> {
    let mut all = Vec::new();
    for id in account_ids(read, domain, after, limit)? {
        all.extend(account(read, id)?);
    }
    Ok(all)
}

/// Stores what was changed in an account; its id, domain, addresses and creation stay.
///
/// # Errors
/// [`Error::Missing`], or [`Error::Invalid`] for a bad name.
pub fn update_account(tx: &mut Tx<'_>, changed: &Account) -> Result<Account, Error> {
    let stored = account(tx, changed.id)?.ok_or(Error::Missing)?;
    let account = Account {
        domain: stored.domain,
        address: stored.address.clone(),
        aliases: stored.aliases.clone(),
        created: stored.created,
        ..changed.clone()
    };
    check_texts(&account)?;
    put(tx, Some(&stored), &account);
    Ok(account)
}

/// Gives an account one more address, in any domain of this server.
///
/// # Errors
/// [`Error::Invalid`] for a bad address, [`Error::Missing`] when there is no such account or the domain is
/// not ours, [`Error::Exists`] when it is taken, [`Error::TooMany`].
pub fn add_alias(tx: &mut Tx<'_>, id: AccountId, alias: &str) -> Result<(), Error> {
    let stored = account(tx, id)?.ok_or(Error::Missing)?;
    let alias = recipient::complete(tx, alias)?;
    domain::domain_by_name(tx, alias.domain())?.ok_or(Error::Missing)?;
    if stored.aliases.len() >= ALIASES_MAX {
        return Err(Error::TooMany("aliases"));
    }
    claim(tx, &alias, id)?;
    let mut changed = stored.clone();
    changed.aliases.push(alias);
    put(tx, Some(&stored), &changed);
    Ok(())
}

/// Takes an alias away. The primary address cannot be.
///
/// # Errors
/// [`Error::Missing`] when the account has no such alias.
pub fn remove_alias(tx: &mut Tx<'_>, id: AccountId, alias: &str) -> Result<(), Error> {
    let alias = recipient::complete(tx, alias)?;
    drop_alias(tx, id, &alias.folded_local(), alias.domain())
}

/// Gives an account another primary address in its domain, which may be one of its aliases. The old one
/// becomes an alias if `keep_old`, and is free otherwise.
///
/// # Errors
/// As [`add_alias`]; [`Error::Invalid`] for an address in another domain.
pub fn set_address(tx: &mut Tx<'_>, id: AccountId, address: &str, keep_old: bool) -> Result<Account, Error> {
    let stored = account(tx, id)?.ok_or(Error::Missing)?;
    let address = recipient::complete(tx, address)?;
    if address.domain() != stored.address.domain() {
        return Err(Error::Invalid("an account stays in its domain"));
    }
    let folded = address.folded();
    let mut changed = stored.clone();
    changed.aliases.retain(|alias| alias.folded() != folded);
    if stored.addresses().all(|own| own.folded() != folded) {
        claim(tx, &address, id)?;
    }
    if stored.address.folded() != folded {
        if !keep_old {
            tx.delete(address_key(&stored.address.folded_local(), stored.address.domain()));
        } else if changed.aliases.len() >= ALIASES_MAX {
            return Err(Error::TooMany("aliases"));
        } else {
            changed.aliases.push(stored.address.clone());
        }
    }
    changed.address = address;
    put(tx, Some(&stored), &changed);
    Ok(changed)
}

/// Removes all the directory knows of an account. Its mailbox is the caller's to remove, in the same
/// transaction.
pub fn delete_account(tx: &mut Tx<'_>, id: AccountId) -> Result<RemovedAccount, Error> {
    let account = account(tx, id)?.ok_or(Error::Missing)?;
    for address in account.addresses() {
        tx.delete(address_key(&address.folded_local(), address.domain()));
    }
    if let Some(domain) = domain::domain(tx, account.domain)?
        && domain.postmaster == Some(id)
    {
        domain::put(tx, &Domain { postmaster: None, ..domain });
    }
    gal::replace_words(tx, Some(&account), None);
    tx.delete(Key::of(Table::Credentials).u64(id.0).done());
    let app_passwords = delete_rows(tx, Key::of(Table::AppPassword).u64(id.0))?;
    let settings = delete_rows(tx, Key::of(Table::Setting).u64(id.0))?;
    delete_rows(tx, Key::of(Table::Subscription).u64(id.0))?;
    device::forget_all(tx, id)?;
    tx.delete(member_key(account.domain, id));
    tx.delete(key(id));
    Ok(RemovedAccount { account, app_passwords, settings })
}

/// True while there is such an account.
pub(super) fn exists(read: &impl Read, id: AccountId) -> Result<bool, store::Error> {
    Ok(read.get(&key(id))?.is_some())
}

/// The ids of a domain's accounts, from the one after `after`.
pub(super) fn account_ids(
    read: &impl Read,
    domain: DomainId,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<AccountId>, Error> {
    let mut ids = Vec::new();
    if limit == 0 {
        return Ok(ids);
    }
    let all = Key::of(Table::AccountOfDomain).u64(domain.0);
    let start = match after {
        Some(after) => Bound::Excluded(all.clone().u64(after.0).done()),
        None => Bound::Included(all.clone().done()),
    };
    read.scan(&(start, prefix_end(&all.done())), Order::Forward, &mut |key, _| {
        let mut parts = Parts::of(key);
        parts.u64();
        ids.extend(parts.u64().map(AccountId));
        if ids.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(ids)
}

/// The folded local parts of a domain's addresses and who holds them, aliases of foreign accounts included.
pub(super) fn addresses_of_domain(
    read: &impl Read,
    domain: &str,
    limit: usize,
) -> Result<Vec<(String, AccountId)>, Error> {
    let mut found = Vec::new();
    let mut damaged = None;
    let range = Key::of(Table::Address).text(domain).range();
    read.scan(&range, Order::Forward, &mut |key, row| {
        if found.len() >= limit {
            return ControlFlow::Break(());
        }
        let mut parts = Parts::of(key);
        parts.text();
        match record::decode_v(VERSION, row) {
            Ok(id) => found.push((String::from_utf8_lossy(parts.rest()).into_owned(), AccountId(id))),
            Err(e) => damaged = Some(e),
        }
        if damaged.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    damaged.map_or(Ok(found), |e| Err(e.into()))
}

/// Who holds the address with this folded local part.
pub(super) fn holder(read: &impl Read, folded_local: &str, domain: &str) -> Result<Option<Account>, Error> {
    match read.get(&address_key(folded_local, domain))? {
        Some(row) => account(read, AccountId(record::decode_v(VERSION, &row)?)),
        None => Ok(None),
    }
}

/// Takes the alias with this folded local part away from its holder.
pub(super) fn drop_alias(
    tx: &mut Tx<'_>,
    id: AccountId,
    folded_local: &str,
    domain: &str,
) -> Result<(), Error> {
    let stored = account(tx, id)?.ok_or(Error::Missing)?;
    let mut changed = stored.clone();
    changed.aliases.retain(|a| a.domain() != domain || a.folded_local() != folded_local);
    if changed.aliases.len() == stored.aliases.len() {
        return Err(Error::Missing);
    }
    tx.delete(address_key(folded_local, domain));
    put(tx, Some(&stored), &changed);
    Ok(())
}

fn claim(tx: &mut Tx<'_>, address: &Address, id: AccountId) -> Result<(), Error> {
    let key = address_key(&address.folded_local(), address.domain());
    if tx.get(&key)?.is_some() {
        return Err(Error::Exists);
    }
    tx.put(key, record::encode(VERSION, &id.0));
    Ok(())
}

fn put(tx: &mut Tx<'_>, before: Option<&Account>, account: &Account) {
    gal::replace_words(tx, before, Some(account));
    tx.put(key(account.id), record::encode(VERSION, account));
}

/// These stand in headers, in answers and on pages: bounded, and without line ends and other controls.
fn check_texts(account: &Account) -> Result<(), Error> {
    let p = &account.profile;
    let parts = [
        &p.first_name,
        &p.last_name,
        &p.title,
        &p.company,
        &p.office,
        &p.phone,
        &p.home_phone,
        &p.mobile_phone,
    ];
    for text in parts.into_iter().flatten().chain([&account.display_name]) {
        if text.len() > TEXT_MAX {
            return Err(Error::Invalid("a name is longer than 256 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::Invalid("a name contains a control character"));
        }
    }
    Ok(())
}

fn delete_rows(tx: &mut Tx<'_>, of: Key) -> Result<usize, Error> {
    let mut keys = Vec::new();
    tx.scan(&of.range(), Order::Forward, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    let count = keys.len();
    keys.into_iter().for_each(|key| tx.delete(key));
    Ok(count)
}

fn key(id: AccountId) -> Vec<u8> {
    Key::of(Table::Account).u64(id.0).done()
}

fn member_key(domain: DomainId, id: AccountId) -> Vec<u8> {
    Key::of(Table::AccountOfDomain).u64(domain.0).u64(id.0).done()
}

fn address_key(folded_local: &str, domain: &str) -> Vec<u8> {
    Key::of(Table::Address).text(domain).raw(folded_local.as_bytes()).done()
}
