//! Who logs in.
//!
//! The order of the steps matters:
//! 1. Equal attempts wait for one another (`Flights`), so that ten connections opened at once cost one
//!    hash and one token.
//! 2. The directory is read: whoever waited sees a password that was changed meanwhile.
//! 3. The attempt is admitted ([`super::limiter`]) before anything is compared, also before remembered
//!    outcomes: they would answer unlimited guesses.
//! 4. A remembered outcome that still holds is the answer, and gives the token back: it tells nothing new.
//! 5. App passwords are compared; they are long enough for a plain MAC.
//! 6. One argon2 runs, whether or not there is such a user, in one of a few places at a time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ring::hmac;

use super::account::{self, Account, AccountId};
use super::credentials::{self, AppPassword, Credentials};
use super::domain::{self, Domain};
use super::limiter::{Charge, FailureLimits, Target};
use super::password::{Password, PasswordCost};
use super::recipient;
use super::remembered::{Attempt, Outcome};
use super::scram::ScramVerifier;
use super::{AuthError, Directory, Error, Inner, Service};
use crate::store::{self, Read};

/// Longest login name that is looked at, in bytes.
const LOGIN_MAX: usize = 320;

/// Most hashes at a time: half of the threads on which a server waits for its disk, so that many logins leave
/// some to those who are logged in.
pub const HASHES_MAX: usize = 32;

/// Limits on logins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthLimits {
    /// What a password hash costs.
    pub cost: PasswordCost,
    /// How many failures are borne.
    pub failures: FailureLimits,
    /// Hashes at a time, at most [`HASHES_MAX`]; 0 is as many as there are processors.
    pub hashes: usize,
    /// Logins that may wait for a hash.
    pub waiting: usize,
    /// Right and as many wrong passwords that are remembered.
    pub remembered: usize,
    /// For how long they are.
    pub remembered_for: Duration,
}

impl Default for AuthLimits {
    fn default() -> Self {
        Self {
            cost: PasswordCost::default(),
            failures: FailureLimits::default(),
            hashes: 0,
            waiting: 256,
            remembered: 20_000,
            remembered_for: Duration::from_secs(900),
        }
    }
}

impl AuthLimits {
    pub(super) fn places(&self) -> Arc<tokio::sync::Semaphore> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let places = if self.hashes == 0 { cores } else { self.hashes };
        Arc::new(tokio::sync::Semaphore::new(places.min(HASHES_MAX)))
    }
}

/// A successful login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The account as it was then.
    pub account: Account,
    /// Its domain as it was then.
    pub domain: Domain,
    /// The app password that was used, if one was.
    pub app_password: Option<AppPassword>,
    /// What it was for.
    pub service: Service,
    generation: u64,
}

/// What a client that begins SCRAM-SHA-256 is told, and what its proof is checked against. It looks the same
/// for users that do not exist.
#[derive(Clone)]
pub struct ScramOffer {
    login: String,
    of: Option<(AccountId, u64)>,
    verifier: ScramVerifier,
}

impl ScramOffer {
    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.verifier.salt
    }

    /// The iteration count.
    pub fn iterations(&self) -> u32 {
        self.verifier.iterations
    }
}

/// Whom a login name means.
#[derive(Clone)]
struct Subject {
    /// The folded address, or what was sent when it is none.
    name: String,
    known: Option<Box<Known>>,
}

#[derive(Clone)]
struct Known {
    account: Account,
    domain: Domain,
    credentials: Credentials,
}

impl Subject {
    fn read(read: &impl Read, login: &str) -> Result<Self, Error> {
        let (login, domain) = windows_name(login);
        let completed = match domain {
            Some(domain) if recipient::is_local_domain(read, domain)? => {
                super::Address::of_parts(login, domain)
            }
            // Devices insist on a domain where there is none to tell, so people write something.
            _ => recipient::complete(read, login),
        };
        let address = match completed {
            Ok(address) => address,
            Err(Error::Store(e)) => return Err(e.into()),
            Err(_) => return Ok(Self { name: login.to_lowercase(), known: None }),
        };
        let name = address.folded();
        let Some(account) = account::account_by_address(read, &address)? else {
            return Ok(Self { name, known: None });
        };
        let (Some(domain), Some(credentials)) =
            (domain::domain(read, account.domain)?, credentials::credentials(read, account.id)?)
        else {
            let what = format!("account {} without its domain or credentials", account.id.0);
            return Err(store::Error::Damaged(what).into());
        };
        Ok(Self { name, known: Some(Box::new(Known { account, domain, credentials })) })
    }

    fn id(&self) -> Option<AccountId> {
        self.known.as_ref().map(|k| k.account.id)
    }

    fn generation(&self) -> Option<(AccountId, u64)> {
        self.known.as_ref().map(|k| (k.account.id, k.credentials.generation))
    }
}

impl Directory {
    /// Checks a login name and password.
    ///
    /// `login` is an address or alias, a bare name in the primary domain, or `DOMAIN\name`.
    /// `password` is as the client sent it, see [`Password::from_wire`]. `peer` is the client's address.
    ///
    /// # Errors
    /// See [`AuthError`]; wrong names and wrong passwords are told apart neither by it nor by time.
    pub async fn authenticate(
        &self,
        login: &str,
        password: &[u8],
        peer: IpAddr,
        service: Service,
    ) -> Result<Login, AuthError> {
        let result = self.authenticate_quietly(login, password, peer, service).await;
        log(login, peer, service, result.as_ref().err());
        result
    }

    async fn authenticate_quietly(
        &self,
        login: &str,
        password: &[u8],
        peer: IpAddr,
        service: Service,
    ) -> Result<Login, AuthError> {
        let login = clipped(login).to_owned();
        let Some(password) = Password::from_wire(password) else {
            let subject = self.subject(login).await?;
            // Nobody's password: counted as any other failure, and not worth a hash.
            let _charge = self.admit(&subject, peer)?;
            return Err(AuthError::Refused);
        };
        let _flight = self
            .inner
            .flights
            .enter(self.inner.attempt(b"flight", login.as_bytes(), service, &password))
            .await;
        let subject = self.subject(login).await?;
        let charge = self.admit(&subject, peer)?;
        let attempt = match subject.id() {
            Some(id) => self.inner.attempt(b"account", &id.0.to_be_bytes(), service, &password),
            None => self.inner.attempt(b"nobody", subject.name.as_bytes(), service, &password),
        };
        match self.decide(&subject, attempt, &password, service).await {
            Ok(Verdict::Right { app_password, fresh }) => {
                self.inner.limiter.succeeded(charge, fresh, self.inner.clock.now());
                let_in(subject, app_password, service)
            }
            Ok(Verdict::Wrong) => Err(AuthError::Refused),
            Ok(Verdict::StillWrong) => {
                self.inner.limiter.refund(charge, self.inner.clock.now());
                Err(AuthError::Refused)
            }
            Err(e) => {
                // Nothing was compared.
                self.inner.limiter.refund(charge, self.inner.clock.now());
                Err(e)
            }
        }
    }

    /// True while nothing has happened that ends a session of `login`: its account exists and may use
    /// the service, and its password is not changed, its app password not revoked.
    pub fn is_current(&self, login: &Login) -> Result<bool, Error> {
        let read = self.inner.store.read()?;
        let id = login.account.id;
        let Some(account) = account::account(&read, id)? else { return Ok(false) };
        let Some(domain) = domain::domain(&read, account.domain)? else { return Ok(false) };
        if !account.enabled || !account.may_use(login.service, &domain) {
            return Ok(false);
        }
        match &login.app_password {
            Some(app) => Ok(credentials::app_password(&read, id, app.id)?.is_some()),
            None => {
                Ok(credentials::credentials(&read, id)?.is_some_and(|c| c.generation == login.generation))
            }
        }
    }

    /// Begins SCRAM-SHA-256 (RFC 5802 §5): the salt and iteration count for the server's first message.
    pub async fn scram_offer(&self, login: &str) -> Result<ScramOffer, AuthError> {
        let login = clipped(login).to_owned();
        let subject = self.subject(login.clone()).await?;
        // Kept in the store: made anew at each start, it would tell who has no salt of his own.
        let secret = self.blocking(|inner| inner.store.secret("directory")).await??;
        let stored = subject.known.as_ref().and_then(|k| k.credentials.password.as_ref()?.scram.clone());
        let verifier = match stored {
            Some(verifier) => verifier,
            None => {
                let iterations = self.inner.hasher.cost().scram_iterations.max(4096);
                ScramVerifier::of_nobody(&secret, &subject.name, iterations)
            }
        };
        Ok(ScramOffer { login, of: subject.generation(), verifier })
    }

    /// Ends SCRAM-SHA-256: checks the ClientProof over the AuthMessage, and gives the ServerSignature for
    /// the server's final message. The caller has checked nonce and channel binding.
    pub async fn scram_finish(
        &self,
        offer: ScramOffer,
        auth_message: &[u8],
        proof: &[u8],
        peer: IpAddr,
        service: Service,
    ) -> Result<(Login, [u8; 32]), AuthError> {
        let name = offer.login.clone();
        let result = self.scram_finish_quietly(offer, auth_message, proof, peer, service).await;
        log(&name, peer, service, result.as_ref().err());
        result
    }

    async fn scram_finish_quietly(
        &self,
        offer: ScramOffer,
        auth_message: &[u8],
        proof: &[u8],
        peer: IpAddr,
        service: Service,
    ) -> Result<(Login, [u8; 32]), AuthError> {
        // As it is now, not as it was at the offer.
        let subject = self.subject(offer.login.clone()).await?;
        let charge = self.admit(&subject, peer)?;
        let same = subject.known.is_some() && subject.generation() == offer.of;
        match offer.verifier.check(auth_message, proof).filter(|_| same) {
            Some(signature) => {
                self.inner.limiter.succeeded(charge, true, self.inner.clock.now());
                Ok((let_in(subject, None, service)?, signature))
            }
            None => Err(AuthError::Refused),
        }
    }

    async fn subject(&self, login: String) -> Result<Subject, AuthError> {
        let found = self.blocking(move |inner| Subject::read(&inner.store.read()?, &login)).await?;
        Ok(found?)
    }

    fn admit(&self, subject: &Subject, peer: IpAddr) -> Result<Charge, AuthError> {
        let target = match subject.id() {
            Some(id) => Target::Account(id),
            None => Target::Nobody(self.inner.name_digest(&subject.name)),
        };
        self.inner
            .limiter
            .admit(target, peer, self.inner.clock.now())
            .map_err(|retry_after| AuthError::TooMany { retry_after })
    }

    /// Whether a password is right: as remembered, or by comparing it.
    async fn decide(
        &self,
        subject: &Subject,
        attempt: Attempt,
        password: &Password,
        service: Service,
    ) -> Result<Verdict, AuthError> {
        let now = self.inner.clock.now();
        if let Some(outcome) = self.inner.remembered.get(&attempt, now) {
            if let Some(verdict) = self.recall(subject, outcome).await? {
                return Ok(verdict);
            }
            self.inner.remembered.remove(&attempt);
        }
        let found = self.check(subject, password, service).await?;
        let (outcome, verdict) = match found {
            Some((outcome, app_password)) => (outcome, Verdict::Right { app_password, fresh: true }),
            None => (Outcome::Wrong { of: subject.generation() }, Verdict::Wrong),
        };
        self.inner.remembered.insert(attempt, outcome, now);
        Ok(verdict)
    }

    /// What a remembered outcome says now; `None` when it no longer holds.
    async fn recall(&self, subject: &Subject, outcome: Outcome) -> Result<Option<Verdict>, AuthError> {
        match outcome {
            Outcome::Wrong { of } => Ok((of == subject.generation()).then_some(Verdict::StillWrong)),
            Outcome::Password { account, generation } => {
                let holds = subject.generation() == Some((account, generation));
                Ok(holds.then_some(Verdict::Right { app_password: None, fresh: false }))
            }
            Outcome::App { account, id } if subject.id() == Some(account) => {
                let app = self
                    .blocking(move |inner| credentials::app_password(&inner.store.read()?, account, id))
                    .await??;
                Ok(app.map(|app| Verdict::Right { app_password: Some(app), fresh: false }))
            }
            Outcome::App { .. } => Ok(None),
        }
    }

    /// Compares the password: with the app passwords, and with the account's by one argon2 in any case.
    async fn check(
        &self,
        subject: &Subject,
        password: &Password,
        service: Service,
    ) -> Result<Option<(Outcome, Option<AppPassword>)>, AuthError> {
        if let (Some(known), Some(secret)) = (&subject.known, app_secret(password, service)) {
            let id = known.account.id;
            let app = self
                .blocking(move |inner| credentials::find_app_password(&inner.store.read()?, id, &secret))
                .await??;
            if let Some(app) = app.filter(|app| app.services.has(service)) {
                return Ok(Some((Outcome::App { account: id, id: app.id }, Some(app))));
            }
        }
        let stored = subject.known.as_ref().and_then(|k| k.credentials.password.clone());
        let (given, hash) = (password.clone(), stored.clone());
        let right = self
            .hashing(move |inner| match hash {
                Some(stored) => inner.hasher.verify(&stored.phc, &given),
                None => {
                    inner.hasher.spend(&given);
                    false
                }
            })
            .await?;
        let (true, Some(known), Some(stored)) = (right, &subject.known, stored) else { return Ok(None) };
        if !self.inner.hasher.is_current(&stored) {
            self.rehash(known, password).await;
        }
        let Credentials { generation, .. } = known.credentials;
        Ok(Some((Outcome::Password { account: known.account.id, generation }, None)))
    }

    /// Stores a right password at the present cost. Failing is no reason to refuse the login.
    async fn rehash(&self, known: &Known, password: &Password) {
        let (id, old, password) = (known.account.id, known.credentials.clone(), password.clone());
        let result = match self.hashing(move |inner| inner.hasher.prepare(&password)).await {
            Ok(Ok(new)) => {
                self.inner.store.write_async(move |tx| credentials::rehash(tx, id, &old, new)).await
            }
            Ok(Err(e)) => Err(e),
            Err(_) => return,
        };
        if let Err(e) = result {
            tracing::warn!(account = id.0, error = %e, "a password hash could not be renewed");
        }
    }

    /// Runs `f`, which hashes, when there is a place for it.
    pub(super) async fn hashing<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let waiting =
            Waiting::enter(&self.inner.waiting, self.inner.limits.waiting).ok_or(AuthError::Busy)?;
        let place = self.inner.places.clone().acquire_owned().await;
        drop(waiting);
        let place = place.map_err(|_| AuthError::Busy)?;
        self.blocking(move |inner| {
            // Held until the hash is done, even if the caller gives up waiting for it.
            let _place = place;
            f(inner)
        })
        .await
    }

    /// Runs `f`, which may block, on the pool for it.
    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || f(&inner)).await;
        // It ends otherwise only by a panic, or when the runtime stops.
        done.map_err(|_| AuthError::Unavailable(Error::Store(store::Error::Stopped)))
    }
}

impl Inner {
    /// The MAC by which an attempt is remembered. What looks like an app password depends on the service;
    /// nothing else does.
    fn attempt(&self, kind: &[u8], who: &[u8], service: Service, password: &Password) -> Attempt {
        let apart = credentials::app_secret(password.as_str()).map_or(0, |_| service as u16);
        let mut context = hmac::Context::with_key(&self.key);
        for part in [kind, who, &apart.to_be_bytes(), password.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        // A tag of HMAC-SHA-256 is 32 bytes.
        context.sign().as_ref().try_into().unwrap_or_default()
    }

    fn name_digest(&self, name: &str) -> [u8; 16] {
        let tag = hmac::sign(&self.key, name.as_bytes());
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// What a password is.
enum Verdict {
    /// Right, by this app password if not by the account's own; `fresh` when it was compared.
    Right { app_password: Option<AppPassword>, fresh: bool },
    /// Wrong, found out by comparing.
    Wrong,
    /// Wrong as before: its sender has learnt nothing.
    StillWrong,
}

/// The password is right; what is left is whether the account may use the service.
fn let_in(subject: Subject, app_password: Option<AppPassword>, service: Service) -> Result<Login, AuthError> {
    let Some(known) = subject.known else { return Err(AuthError::Refused) };
    let Known { account, domain, credentials } = *known;
    if !account.enabled || !account.may_use(service, &domain) {
        return Err(AuthError::Denied);
    }
    Ok(Login { account, domain, app_password, service, generation: credentials.generation })
}

/// One of those that wait for a place to hash.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn enter(count: &'c AtomicUsize, most: usize) -> Option<Self> {
        let this = Self(count);
        (count.fetch_add(1, Ordering::AcqRel) < most).then_some(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn app_secret(password: &Password, service: Service) -> Option<String> {
    if service.takes_app_passwords() { credentials::app_secret(password.as_str()) } else { None }
}

/// `DOMAIN\user`, as devices write it that ask for a domain. An address behind it stands for itself.
fn windows_name(login: &str) -> (&str, Option<&str>) {
    match login.split_once('\\') {
        // A backslash inside quotes belongs to the local part.
        Some((domain, user)) if !domain.starts_with('"') => {
            (user, (!domain.is_empty() && !user.contains('@')).then_some(domain))
        }
        _ => (login, None),
    }
}

fn clipped(login: &str) -> &str {
    login.get(..login.floor_char_boundary(LOGIN_MAX)).unwrap_or_default()
}

/// The name is escaped and cut short: it may be anything.
fn log(login: &str, peer: IpAddr, service: Service, error: Option<&AuthError>) {
    let login = login.get(..login.floor_char_boundary(64)).unwrap_or_default();
    match error {
        None => tracing::debug!(?login, %peer, service = service.name(), "login"),
        Some(AuthError::Unavailable(e)) => {
            tracing::error!(?login, %peer, service = service.name(), error = %e, "a login could not be checked");
        }
        Some(e) => tracing::info!(?login, %peer, service = service.name(), reason = %e, "login refused"),
    }
}
