//! Whose an address is.

use super::Error;
use super::account::{self, Account, AccountId};
use super::address::{Address, fold_local};
use super::domain::{self, Domain};
use crate::store::Read;

/// Who gets the mail for an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// The account.
    pub account: Account,
    /// What stood behind the `+` of `user+detail@domain` (RFC 5233), as it was typed.
    pub detail: Option<String>,
}

/// Whose `address` is: a primary address, an alias, one of these with a `+detail`, or `postmaster`, which
/// every domain has (RFC 5321 §4.5.1) and which may stand alone for the primary domain's.
/// `None` for all others, malformed ones included.
pub fn resolve(read: &impl Read, address: &str) -> Result<Option<Recipient>, Error> {
    let Some(address) = read_address(read, address)? else { return Ok(None) };
    if let Some(found) = exact_or_detail(read, &address)? {
        return Ok(Some(found));
    }
    let Some(domain) = domain::domain_by_name(read, address.domain())? else { return Ok(None) };
    let (name, detail) = split_detail(address.local());
    if fold_local(name) != "postmaster" {
        return Ok(None);
    }
    let account = postmaster(read, &domain)?;
    Ok(account.map(|account| Recipient { account, detail: detail.map(Into::into) }))
}

/// True when mail for this domain is delivered here.
pub fn is_local_domain(read: &impl Read, name: &str) -> Result<bool, Error> {
    Ok(domain::domain_by_name(read, name)?.is_some())
}

/// True when `account` may write mail as `address`: one of its own addresses, with or without `+detail`.
pub fn may_send_as(read: &impl Read, account: AccountId, address: &str) -> Result<bool, Error> {
    let Ok(address) = Address::parse(address) else { return Ok(false) };
    Ok(exact_or_detail(read, &address)?.is_some_and(|found| found.account.id == account))
}

/// Reads an address that may lack its domain: then the primary one is meant.
///
/// # Errors
/// [`Error::Invalid`] for a bad address, [`Error::Missing`] when there is no domain to complete it with.
pub(super) fn complete(read: &impl Read, text: &str) -> Result<Address, Error> {
    // The `@` of a bare quoted local part is inside its quotes.
    if text.contains('@') && !text.ends_with('"') {
        return Address::parse(text);
    }
    let primary = domain::primary_domain(read)?.ok_or(Error::Missing)?;
    Address::of_parts(text, &primary.name)
}

/// As [`complete`]; `None` for what is nobody's address.
fn read_address(read: &impl Read, text: &str) -> Result<Option<Address>, Error> {
    match complete(read, text) {
        Ok(address) => Ok(Some(address)),
        Err(Error::Invalid(_) | Error::Missing) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The whole local part first: an address may itself contain a `+`.
fn exact_or_detail(read: &impl Read, address: &Address) -> Result<Option<Recipient>, Error> {
    if let Some(account) = account::account_by_address(read, address)? {
        return Ok(Some(Recipient { account, detail: None }));
    }
    let (name, Some(detail)) = split_detail(address.local()) else { return Ok(None) };
    let account = account::account_by_address(read, &address.with_local(name))?;
    Ok(account.map(|account| Recipient { account, detail: Some(detail.into()) }))
}

fn split_detail(local: &str) -> (&str, Option<&str>) {
    match local.split_once('+') {
        Some((name, detail)) if !name.is_empty() => (name, Some(detail)),
        _ => (local, None),
    }
}

/// The configured postmaster, else the domain's first account that is enabled, else its first.
fn postmaster(read: &impl Read, domain: &Domain) -> Result<Option<Account>, Error> {
    if let Some(id) = domain.postmaster
        && let Some(account) = account::account(read, id)?
    {
        return Ok(Some(account));
    }
    // Looking further than a page for an enabled one is not worth a scan for each message.
    let first = account::accounts(read, domain.id, None, 20)?;
    let enabled = first.iter().position(|a| a.enabled).unwrap_or(0);
    Ok(first.into_iter().nth(enabled))
}
