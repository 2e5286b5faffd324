//! What an account has set for itself, by name: its out-of-office message, its signature.
//!
//! Values are JSON, so that a type can gain fields (with `#[serde(default)]`) without a new format.

use std::ops::ControlFlow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use super::account::{self, AccountId};
use crate::store::keys::{Key, Parts, Table};
use crate::store::{self, Order, Read, Tx, record};

const VERSION: u8 = 1;

/// Longest value in bytes of JSON.
const VALUE_MAX: usize = 256 << 10;
/// Longest name in bytes.
const NAME_MAX: usize = 64;

/// The setting `name` of an account, if it has one.
pub fn setting<T: DeserializeOwned>(
    read: &impl Read,
    account: AccountId,
    name: &str,
) -> Result<Option<T>, Error> {
    let Some(row) = read.get(&key(account, name)?)? else { return Ok(None) };
    let json: String = record::decode_v(VERSION, &row)?;
    serde_json::from_str(&json).map(Some).map_err(|e| {
        store::Error::Damaged(format!("the setting {name} of account {}: {e}", account.0)).into()
    })
}

/// Sets `name`.
///
/// # Errors
/// [`Error::Missing`] without such an account, [`Error::Invalid`] for a bad name or a value that is too
/// large.
pub fn set_setting<T: Serialize>(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &str,
    value: &T,
) -> Result<(), Error> {
    let key = key(account, name)?;
    account::account(tx, account)?.ok_or(Error::Missing)?;
    let json = serde_json::to_string(value).map_err(|_| Error::Invalid("the setting cannot be written"))?;
    if json.len() > VALUE_MAX {
        return Err(Error::Invalid("the setting is too large"));
    }
    tx.put(key, record::encode(VERSION, &json));
    Ok(())
}

/// Removes a setting; an absent one is no error.
pub fn delete_setting(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<(), Error> {
    tx.delete(key(account, name)?);
    Ok(())
}

/// The names of an account's settings.
pub fn setting_names(read: &impl Read, account: AccountId) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    read.scan(&Key::of(Table::Setting).u64(account.0).range(), Order::Forward, &mut |key, _| {
        let mut parts = Parts::of(key);
        parts.u64();
        names.push(String::from_utf8_lossy(parts.rest()).into_owned());
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

fn key(account: AccountId, name: &str) -> Result<Vec<u8>, Error> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(allowed) {
        return Err(Error::Invalid("not a setting's name"));
    }
    Ok(Key::of(Table::Setting).u64(account.0).raw(name.as_bytes()).done())
}
