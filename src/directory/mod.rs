//! Who is who: domains, accounts, their addresses, passwords and settings.
//!
//! What changes the directory is a function over a transaction, so that one transaction can span it and
//! the mailboxes; [`Directory`] wraps those that are wanted alone, and holds what a process remembers
//! about logins. Nothing else is cached: each question reads the store's present state.

mod account;
mod address;
mod authenticate;
mod credentials;
pub mod device;
mod domain;
mod error;
mod gal;
mod limiter;
mod out_of_office;
mod password;
mod plain;
mod recipient;
mod remembered;
mod scram;
mod service;
mod setting;
mod subscription;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ring::hmac;
use tokio::sync::Semaphore;

pub use account::{
    Account, AccountId, Kind, NewAccount, Profile, RemovedAccount, account, account_by_address, accounts,
    add_alias, delete_account, insert_account, remove_alias, set_address, update_account,
};
pub use address::{Address, domain_for_display, fold_domain, fold_local};
pub use authenticate::{AuthLimits, HASHES_MAX, Login, ScramOffer};
pub use credentials::{AppPassword, add_app_password, app_passwords, revoke_app_password, set_password};
pub use domain::{
    Domain, DomainId, delete_domain, domain, domain_by_name, domains, insert_domain, primary_domain,
    set_primary_domain, update_domain,
};
pub use error::{AuthError, Error};
pub use gal::{GalEntry, search_gal};
pub use limiter::{Allowance, FailureLimits};
pub use out_of_office::{OUT_OF_OFFICE_TEXT_MAX, OutOfOffice, OutOfOfficeMessage, OutOfOfficeState};
pub use password::{
    Hasher, PASSWORD_MAX, PASSWORD_MEMORY, PASSWORD_PASSES, Password, PasswordCost, PreparedPassword,
    SCRAM_ITERATIONS,
};
pub use plain::{PlainError, PlainLogin};
pub use recipient::{Recipient, is_local_domain, may_send_as, resolve};
pub use service::{Service, Services};
pub use setting::{delete_setting, set_setting, setting, setting_names};
pub use subscription::{Subscription, subscribe, subscription, subscriptions};
pub use verify::verify;

use crate::clock::{Clock, random};
use crate::store::{Store, Tx};

/// The directory of this server. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    limits: AuthLimits,
    hasher: Hasher,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    limiter: limiter::Limiter,
    remembered: remembered::Remembered,
    flights: remembered::Flights,
    key: hmac::Key,
}

impl Directory {
    /// A directory over `store`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for impossible costs of passwords, [`Error::NoEntropy`].
    pub fn new(store: Store, clock: Clock, limits: AuthLimits) -> Result<Self, Error> {
        let age = i64::try_from(limits.remembered_for.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                clock,
                limits,
                hasher: Hasher::new(limits.cost)?,
                places: limits.places(),
                waiting: AtomicUsize::new(0),
                limiter: limiter::Limiter::new(limits.failures),
                remembered: remembered::Remembered::new(limits.remembered, age),
                flights: remembered::Flights::default(),
                key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            }),
        })
    }

    /// Hashes a password, to be stored by [`insert_account`] or [`set_password`] in a transaction, which must
    /// not wait for it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a password that is not allowed.
    pub async fn prepare_password(&self, password: &str) -> Result<PreparedPassword, Error> {
        let password = Password::parse(password)?;
        match self.hashing(move |inner| inner.hasher.prepare(&password)).await {
            Ok(prepared) => prepared,
            Err(AuthError::Unavailable(e)) => Err(e),
            Err(_) => Err(Error::TooMany("passwords to hash at once")),
        }
    }

    /// Sets an account's password.
    pub async fn set_password(&self, id: AccountId, password: &str) -> Result<(), Error> {
        let prepared = self.prepare_password(password).await?;
        self.write(move |tx, now| set_password(tx, now, id, Some(&prepared))).await
    }

    /// Makes a domain.
    pub async fn insert_domain(&self, name: &str) -> Result<Domain, Error> {
        let name = name.to_owned();
        self.write(move |tx, now| insert_domain(tx, now, &name)).await
    }

    /// Makes an account, with `password` unless `new` brings a prepared one.
    pub async fn insert_account(
        &self,
        mut new: NewAccount,
        password: Option<&str>,
    ) -> Result<Account, Error> {
        if let Some(password) = password {
            new.password = Some(self.prepare_password(password).await?);
        }
        self.write(move |tx, now| insert_account(tx, now, &new)).await
    }

    /// Makes an app password and returns what is shown of it once.
    pub async fn add_app_password(
        &self,
        id: AccountId,
        label: &str,
        services: Services,
    ) -> Result<(AppPassword, String), Error> {
        let label = label.to_owned();
        self.write(move |tx, now| add_app_password(tx, now, id, &label, services)).await
    }

    /// Takes an app password away.
    pub async fn revoke_app_password(&self, id: AccountId, app_password: u64) -> Result<(), Error> {
        self.write(move |tx, _| revoke_app_password(tx, id, app_password)).await
    }

    /// Stores a setting of an account.
    pub async fn set_setting<T: serde::Serialize + Send + 'static>(
        &self,
        id: AccountId,
        name: &str,
        value: T,
    ) -> Result<(), Error> {
        let name = name.to_owned();
        self.write(move |tx, _| set_setting(tx, id, &name, &value)).await
    }

    /// A setting of an account.
    pub fn setting<T: serde::de::DeserializeOwned>(
        &self,
        id: AccountId,
        name: &str,
    ) -> Result<Option<T>, Error> {
        setting(&self.inner.store.read()?, id, name)
    }

    /// All domains.
    pub fn domains(&self) -> Result<Vec<Domain>, Error> {
        domains(&self.inner.store.read()?)
    }

    /// The domain with this name.
    pub fn domain_by_name(&self, name: &str) -> Result<Option<Domain>, Error> {
        domain_by_name(&self.inner.store.read()?, name)
    }

    /// The account with this id.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        account(&self.inner.store.read()?, id)
    }

    /// Whose an address is, see [`resolve`].
    pub fn resolve(&self, address: &str) -> Result<Option<Recipient>, Error> {
        resolve(&self.inner.store.read()?, address)
    }

    /// True when mail for this domain is delivered here.
    pub fn is_local_domain(&self, name: &str) -> Result<bool, Error> {
        is_local_domain(&self.inner.store.read()?, name)
    }

    /// True when the account may write mail as `address`, see [`may_send_as`].
    pub fn may_send_as(&self, id: AccountId, address: &str) -> Result<bool, Error> {
        may_send_as(&self.inner.store.read()?, id, address)
    }

    /// Searches the address list, see [`search_gal`].
    pub fn search_gal(
        &self,
        domains: &[DomainId],
        query: &str,
        limit: usize,
    ) -> Result<Vec<GalEntry>, Error> {
        search_gal(&self.inner.store.read()?, domains, query, limit)
    }

    /// How often argon2 has run, for the metrics.
    pub fn hashes_run(&self) -> u64 {
        self.inner.hasher.runs()
    }

    async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>, crate::clock::Millis) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let now = self.inner.clock.now();
        self.inner.store.write_async(move |tx| f(tx, now)).await
    }
}
