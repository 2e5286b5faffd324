//! Which mailboxes a mail program is to show, as its user chose. RFC 9051 §6.3.7.
//!
//! A choice is about a name, not about a folder: it stays when there is no such mailbox any more, and holds for
//! one that comes to have the name. What a name without a choice means is for the door to say.

use std::ops::ControlFlow;

use super::Error;
use super::account::{self, AccountId};
use crate::store::keys::{Key, Table};
use crate::store::{Order, Read, Tx, record};

const VERSION: u8 = 1;

/// Most choices of one account.
const CHOICES_MAX: usize = 4_000;
/// Longest name in bytes.
const NAME_MAX: usize = 16 << 10;

/// A choice about one mailbox's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// The name as it was typed; case does not count.
    pub name: String,
    /// Whether the mailbox is to be shown, rather than not.
    pub subscribed: bool,
}

/// An account's choices, in the order of the names. One whose row is damaged is none.
pub fn subscriptions(read: &impl Read, account: AccountId) -> Result<Vec<Subscription>, Error> {
    let mut all = Vec::new();
    read.scan(&Key::of(Table::Subscription).u64(account.0).range(), Order::Forward, &mut |_, row| {
        match record::decode_v(VERSION, row) {
            Ok((name, subscribed)) => all.push(Subscription { name, subscribed }),
            Err(e) => tracing::error!(account = account.0, error = %e, "skipped a damaged subscription"),
        }
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// What an account chose about a name.
pub fn subscription(read: &impl Read, account: AccountId, name: &str) -> Result<Option<bool>, Error> {
    let Some(row) = read.get(&key(account, name))? else { return Ok(None) };
    let (_, subscribed): (String, bool) = record::decode_v(VERSION, &row)?;
    Ok(Some(subscribed))
}

/// Makes a choice about a name, or takes it back with `None`.
///
/// # Errors
/// [`Error::Missing`] without such an account, [`Error::Invalid`] for a name that is too long,
/// [`Error::TooMany`].
pub fn subscribe(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
    subscribed: Option<bool>,
) -> Result<(), Error> {
    if !account::exists(tx, account)? {
        return Err(Error::Missing);
    }
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(Error::Invalid("not a mailbox's name"));
    }
    let key = key(account, name);
    let Some(subscribed) = subscribed else {
        tx.delete(key);
        return Ok(());
    };
    if tx.get(&key)?.is_none() && count(tx, account)? >= CHOICES_MAX {
        return Err(Error::TooMany("subscriptions"));
    }
    tx.put(key, record::encode(VERSION, &(name, subscribed)));
    Ok(())
}

fn count(read: &impl Read, account: AccountId) -> Result<usize, Error> {
    let mut count = 0;
    read.scan(&Key::of(Table::Subscription).u64(account.0).range(), Order::Forward, &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

fn key(account: AccountId, name: &str) -> Vec<u8> {
    Key::of(Table::Subscription).u64(account.0).raw(name.to_lowercase().as_bytes()).done()
}
