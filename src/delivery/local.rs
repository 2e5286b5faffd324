//! The accounts of this server, as delivery needs them.

use std::pin::Pin;

use bytes::Bytes;

use super::address::Mailbox;
use super::error::{Error, Refusal};
use super::{Delivery, Inner};
use crate::clock::Millis;
use crate::store::{self, Read, Tx};

/// An answer that takes time.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who lives here, and how their mail is put down.
pub trait Accounts: Send + Sync {
    /// Whose address `mailbox` is.
    fn resolve(&self, read: &dyn Read, mailbox: &Mailbox) -> Result<Resolution, store::Error>;
    /// Puts a message into the Inbox of an account.
    fn deliver(&self, tx: &mut Tx<'_>, copy: Copy<'_>) -> Result<Result<(), Refusal>, store::Error>;
    /// Checks a password.
    fn authenticate(&self, credentials: Credentials) -> Pending<'_, Result<Login, Error>>;
    /// Whether `account` may send with `sender` as its address.
    fn may_send_as(&self, account: &Account, sender: &Mailbox) -> Result<bool, Error>;
}

/// Whose an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// An account's.
    Account(u64),
    /// Nobody's, in a domain of this server.
    NoSuchUser,
    /// Another server's.
    Remote,
}

/// A message for one account.
pub struct Copy<'m> {
    /// The account.
    pub account: u64,
    /// What stands in front of the body: the trace.
    pub prefix: Vec<u8>,
    /// The message, shared by all its copies.
    pub body: &'m Bytes,
    /// When it came.
    pub now: Millis,
}

/// A user's name and password.
pub struct Credentials {
    /// The name, with or without domain.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Who was authenticated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The account.
    pub id: u64,
    /// Its primary address.
    pub address: String,
}

/// What came of checking a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Login {
    /// It is right.
    Account(Account),
    /// Name or password is wrong.
    Wrong,
    /// There were too many failures; it was not even looked at.
    Later,
}

impl Delivery {
    /// Whose address `mailbox` is.
    pub fn resolve(&self, mailbox: &Mailbox) -> Result<Resolution, Error> {
        Ok(self.inner.accounts.resolve(&self.inner.store.read()?, mailbox)?)
    }

    /// Checks a password.
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Login, Error> {
        self.inner.accounts.authenticate(credentials).await
    }

    /// Whether `account` may send with `sender` as its address.
    pub fn may_send_as(&self, account: &Account, sender: &Mailbox) -> Result<bool, Error> {
        self.inner.accounts.may_send_as(account, sender)
    }

    /// The mailbox meant by `<Postmaster>`. RFC 5321 §4.5.1.
    pub fn postmaster(&self) -> Mailbox {
        self.inner.postmaster()
    }
}

impl Inner {
    fn postmaster(&self) -> Mailbox {
        let set = self.settings.postmaster.parse();
        let own = || format!("postmaster@{}", self.host_name).parse();
        set.or_else(|_| own()).unwrap_or_else(|_| Mailbox::local_postmaster())
    }
}
