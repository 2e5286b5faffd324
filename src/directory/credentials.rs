//! What lets somebody log in to an account: its password and its app passwords.

use std::ops::ControlFlow;

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::account::{self, AccountId};
use super::password::PreparedPassword;
use super::{Error, Services};
use crate::clock::{Millis, NoEntropy, random};
use crate::store::keys::{Key, Table};
use crate::store::{Order, Read, Tx, record};

const VERSION: u8 = 1;

/// Most app passwords of one account.
const APP_PASSWORDS_MAX: usize = 64;
/// Longest label in bytes.
const LABEL_MAX: usize = 128;
/// Letters and digits that are not taken for one another in any font.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Characters of an app password: 31^24 is 118 bits, so a plain MAC is enough to store it.
const APP_PASSWORD_LEN: usize = 24;

/// The password of an account, and a number that changes with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Credentials {
    /// Raised whenever the password changes: what was remembered about an older one is void.
    pub(super) generation: u64,
    /// When the password was set.
    pub(super) changed: Millis,
    /// `None` when nobody can log in with one.
    pub(super) password: Option<PreparedPassword>,
}

/// A password made by the server for one program or device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppPassword {
    /// Its number.
    pub id: u64,
    /// What it is for, in the user's words.
    pub label: String,
    /// When it was made.
    pub created: Millis,
    /// Where it may be used; never where [`super::Service::takes_app_passwords`] says no.
    pub services: Services,
}

#[derive(Serialize, Deserialize)]
struct AppPasswordRow {
    public: AppPassword,
    salt: [u8; 16],
    mac: [u8; 32],
}

/// Sets an account's password, made by [`super::Directory::prepare_password`] outside of the transaction.
/// Whoever was logged in with the old one is out.
pub fn set_password(
    tx: &mut Tx<'_>,
    now: Millis,
    id: AccountId,
    password: Option<&PreparedPassword>,
) -> Result<(), Error> {
    let old = credentials(tx, id)?.ok_or(Error::Missing)?;
    let generation = old.generation.saturating_add(1);
    put(tx, id, &Credentials { generation, changed: now, password: password.cloned() });
    Ok(())
}

/// Makes an app password and returns it with what is told of it later. The password itself, in groups
/// for reading, is shown now or never.
///
/// # Errors
/// [`Error::Missing`] without such an account, [`Error::Invalid`] for a bad label, [`Error::TooMany`].
pub fn add_app_password(
    tx: &mut Tx<'_>,
    now: Millis,
    id: AccountId,
    label: &str,
    services: Services,
) -> Result<(AppPassword, String), Error> {
    account::account(tx, id)?.ok_or(Error::Missing)?;
    if label.is_empty() || label.len() > LABEL_MAX || label.chars().any(char::is_control) {
        return Err(Error::Invalid("a label has 1 to 128 bytes and no control characters"));
    }
    if rows(tx, id)?.len() >= APP_PASSWORDS_MAX {
        return Err(Error::TooMany("app passwords"));
    }
    let secret = generate()?;
    let salt: [u8; 16] = random()?;
    let public = AppPassword { id: tx.new_id()?, label: label.into(), created: now, services };
    let mac = mac(&salt, &secret).as_ref().try_into().unwrap_or_default();
    let row = AppPasswordRow { public: public.clone(), salt, mac };
    tx.put(app_key(id, public.id), record::encode(VERSION, &row));
    Ok((public, grouped(&secret)))
}

/// An account's app passwords, without the secrets.
pub fn app_passwords(read: &impl Read, id: AccountId) -> Result<Vec<AppPassword>, Error> {
    Ok(rows(read, id)?.into_iter().map(|row| row.public).collect())
}

/// Takes an app password away; it lets nobody in from the commit on.
pub fn revoke_app_password(tx: &mut Tx<'_>, id: AccountId, app_password: u64) -> Result<(), Error> {
    let key = app_key(id, app_password);
    tx.get(&key)?.ok_or(Error::Missing)?;
    tx.delete(key);
    Ok(())
}

/// The credentials of a new account.
pub(super) fn insert(tx: &mut Tx<'_>, now: Millis, id: AccountId, password: Option<&PreparedPassword>) {
    put(tx, id, &Credentials { generation: 1, changed: now, password: password.cloned() });
}

/// An account's credentials.
pub(super) fn credentials(read: &impl Read, id: AccountId) -> Result<Option<Credentials>, Error> {
    let row = read.get(&key(id))?;
    Ok(row.map(|row| record::decode_v(VERSION, &row)).transpose()?)
}

/// Replaces the stored form of an unchanged password, unless it has changed meanwhile.
pub(super) fn rehash(
    tx: &mut Tx<'_>,
    id: AccountId,
    old: &Credentials,
    new: PreparedPassword,
) -> Result<(), Error> {
    if credentials(tx, id)?.as_ref() == Some(old) {
        put(tx, id, &Credentials { password: Some(new), ..old.clone() });
    }
    Ok(())
}

/// The form in which an app password is checked, if `text` has the shape of one: people type the groups
/// with or without hyphens, and keyboards begin with a capital.
pub(super) fn app_secret(text: &str) -> Option<String> {
    let plain: String =
        text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    let fits = plain.len() == APP_PASSWORD_LEN && plain.bytes().all(|b| ALPHABET.contains(&b));
    fits.then_some(plain)
}

/// The app password that `secret` is.
pub(super) fn find_app_password(
    read: &impl Read,
    id: AccountId,
    secret: &str,
) -> Result<Option<AppPassword>, Error> {
    let key = |row: &AppPasswordRow| hmac::Key::new(hmac::HMAC_SHA256, &row.salt);
    let mut rows = rows(read, id)?.into_iter();
    let found = rows.find(|row| hmac::verify(&key(row), secret.as_bytes(), &row.mac).is_ok());
    Ok(found.map(|row| row.public))
}

/// The app password with this number, if it was not revoked.
pub(super) fn app_password(
    read: &impl Read,
    id: AccountId,
    number: u64,
) -> Result<Option<AppPassword>, Error> {
    match read.get(&app_key(id, number))? {
        Some(row) => Ok(Some(record::decode_v::<AppPasswordRow>(VERSION, &row)?.public)),
        None => Ok(None),
    }
}

fn rows(read: &impl Read, id: AccountId) -> Result<Vec<AppPasswordRow>, Error> {
    let mut rows = Vec::new();
    let mut damaged = None;
    read.scan(&Key::of(Table::AppPassword).u64(id.0).range(), Order::Forward, &mut |_, row| {
        match record::decode_v(VERSION, row) {
            Ok(row) => rows.push(row),
            Err(e) => damaged = Some(e),
        }
        if damaged.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    damaged.map_or(Ok(rows), |e| Err(e.into()))
}

fn put(tx: &mut Tx<'_>, id: AccountId, credentials: &Credentials) {
    tx.put(key(id), record::encode(VERSION, credentials));
}

/// Every character equally likely: bytes that would favour the first ones are thrown away.
fn generate() -> Result<String, NoEntropy> {
    let fair = u8::MAX - u8::MAX % 31;
    let mut secret = String::with_capacity(APP_PASSWORD_LEN);
    while secret.len() < APP_PASSWORD_LEN {
        let bytes: [u8; 32] = random()?;
        let left = APP_PASSWORD_LEN - secret.len();
        let fair = bytes.into_iter().filter(|b| *b < fair);
        let chars = fair.filter_map(|b| ALPHABET.get(usize::from(b % 31)));
        secret.extend(chars.take(left).map(|b| char::from(*b)));
    }
    Ok(secret)
}

fn grouped(secret: &str) -> String {
    let mut text = String::with_capacity(secret.len() + secret.len() / 6);
    for (i, c) in secret.chars().enumerate() {
        if i > 0 && i % 6 == 0 {
            text.push('-');
        }
        text.push(c);
    }
    text
}

fn mac(salt: &[u8], secret: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret.as_bytes())
}

fn key(id: AccountId) -> Vec<u8> {
    Key::of(Table::Credentials).u64(id.0).done()
}

fn app_key(account: AccountId, id: u64) -> Vec<u8> {
    Key::of(Table::AppPassword).u64(account.0).u64(id).done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets() {
        let mut seen = std::collections::HashSet::new();
        let mut letters = std::collections::HashSet::new();
        for _ in 0..200 {
            let secret = generate().unwrap();
            assert_eq!(secret.len(), APP_PASSWORD_LEN);
            let shown = grouped(&secret);
            assert_eq!(shown.len(), APP_PASSWORD_LEN + 3);
            assert_eq!(app_secret(&shown).unwrap(), secret);
            assert_eq!(app_secret(&secret.to_uppercase()).unwrap(), secret);
            letters.extend(secret.chars());
            assert!(seen.insert(secret));
        }
        assert_eq!(letters.len(), ALPHABET.len());
    }

    #[test]
    fn other_shapes_are_not_looked_up() {
        for text in [
            "",
            "password",
            "abcdef-ghjkmn-pqrstu-vwxyz",
            "abcdef-ghjkmn-pqrstu-vwxyz0",
            "abcdef-ghjkmn-pqrstu-vwxyz2-3",
            "äbcdef-ghjkmn-pqrstu-vwxyz2",
        ] {
            assert_eq!(app_secret(text), None, "{text}");
        }
    }
}
