//! The directory as its callers see it, over a store in memory.

mod accounts;
mod found;
mod limits;
mod logins;
mod verified;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::password::tests::cheap;
use super::*;
use crate::clock::Millis;
use crate::store::keys;
use crate::store::{self, Order, Read, Reader};

/// 2026-01-01T00:00:00Z.
const START: Millis = 1_767_225_600_000;
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A store with the domains example.org (primary) and example.net.
struct World {
    store: Store,
    clock: Clock,
    directory: Directory,
}

fn limits() -> AuthLimits {
    let of = |burst| Allowance { burst, refill: Duration::from_secs(60) };
    let failures = FailureLimits { account: of(5), address: of(8), known: of(5), ..FailureLimits::default() };
    AuthLimits { cost: cheap(), failures, ..AuthLimits::default() }
}

impl World {
    fn new() -> Self {
        Self::with(limits())
    }

    fn with(limits: AuthLimits) -> Self {
        let store = Store::in_memory().unwrap();
        let clock = Clock::set(START);
        let directory = Directory::new(store.clone(), clock.clone(), limits).unwrap();
        let world = Self { store, clock, directory };
        for name in ["example.org", "example.net"] {
            world.write(move |tx| insert_domain(tx, START, name)).unwrap();
        }
        world
    }

    fn read(&self) -> Reader {
        self.store.read().unwrap()
    }

    fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.store.write(f)
    }

    fn domain(&self, name: &str) -> Domain {
        domain_by_name(&self.read(), name).unwrap().unwrap()
    }

    /// An account whose password is `secret of ADDRESS`.
    fn account(&self, address: &str) -> Account {
        let text = format!("secret of {address}");
        self.account_with(NewAccount { address: address.into(), ..NewAccount::default() }, &text)
    }

    fn account_with(&self, mut new: NewAccount, password: &str) -> Account {
        let password = Password::parse(password).unwrap();
        new.password = Some(self.directory.inner.hasher.prepare(&password).unwrap());
        self.write(move |tx| insert_account(tx, START, &new)).unwrap()
    }

    async fn login(&self, login: &str, password: &str) -> Result<Login, AuthError> {
        self.login_from(login, password, HOME).await
    }

    async fn login_from(&self, login: &str, password: &str, peer: IpAddr) -> Result<Login, AuthError> {
        self.directory.authenticate(login, password.as_bytes(), peer, Service::Imap).await
    }

    /// What `f` costs in runs of argon2, and its result.
    async fn cost<T>(&self, f: impl Future<Output = T>) -> (u64, T) {
        let before = self.directory.hashes_run();
        let result = f.await;
        (self.directory.hashes_run() - before, result)
    }

    /// All keys of the store.
    fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        self.read()
            .scan(&all, Order::Forward, &mut |key, _| {
                keys.push(key.to_vec());
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        keys
    }
}

fn peer(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + n))
}

macro_rules! assert_err {
    ($result:expr, $pattern:pat) => {{
        let result = $result;
        assert!(matches!(result, Err($pattern)), "{result:?}");
    }};
}
use assert_err;
