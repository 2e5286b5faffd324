//! How many failed logins are borne.
//!
//! Each attempt takes a token beforehand, so that a thousand at once are not looked at before the first
//! has failed; success gives it back. The tokens come from:
//!
//! - the bucket of the **peer's address** (of its /64 in IPv6): one guesser against many users;
//! - the bucket of the **account**, or of the name when there is no such account: many guessers against
//!   one user;
//! - instead of both, when the account has logged in from this address before, a bucket of **this account
//!   at this address**.
//!
//! So a guesser elsewhere can use up the account's bucket and keep the user from logging in from a *new*
//! address for a while, but not from one that is known; nor can a neighbour behind the same router do
//! so by using up the address. Success fills the known pair's bucket only. If it filled the account's,
//! the user's phone, which logs in every few minutes, would give a guesser fresh tokens each time; if it
//! filled the address's, a guesser with an account of his own could. For the same reason a password that
//! is merely remembered to be right fills nothing: a phone sends it with each request.
//!
//! What is known is kept in memory. After a restart a user under attack is let in again from an address
//! once an attempt of his own is the one that finds a token.
//!
//! A bucket is one number, the time at which it will be full (the generic cell rate algorithm): taking a
//! token moves it on by the time that a token takes to come back. A full bucket need not be kept.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use super::account::AccountId;
use crate::clock::Millis;

/// Addresses that are remembered of one account, the latest ones.
const KNOWN_ADDRESSES: usize = 16;

/// How many failures in a row are borne, and how fast they are forgiven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Failures in a row.
    pub burst: u32,
    /// Until one is forgiven.
    pub refill: Duration,
}

/// Limits on failed logins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailureLimits {
    /// For one account, from addresses it has not logged in from.
    pub account: Allowance,
    /// For one address (in IPv6 one /64), at accounts that have not logged in from it.
    pub address: Allowance,
    /// For one account from one address that it has logged in from.
    pub known: Allowance,
    /// How long an address stays known without a login.
    pub known_for: Duration,
    /// Most buckets of each sort, and most accounts with known addresses.
    pub tracked: usize,
}

impl Default for FailureLimits {
    fn default() -> Self {
        Self {
            account: Allowance { burst: 10, refill: Duration::from_secs(60) },
            address: Allowance { burst: 20, refill: Duration::from_secs(30) },
            known: Allowance { burst: 20, refill: Duration::from_secs(30) },
            known_for: Duration::from_secs(30 * 86_400),
            tracked: 65_536,
        }
    }
}

/// Whom an attempt is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Target {
    Account(AccountId),
    /// The digest of a name that nobody has.
    Nobody([u8; 16]),
}

/// The tokens an attempt took. Not given back, they stay taken: also when the caller gave up waiting.
#[must_use]
#[derive(Debug)]
pub(super) struct Charge {
    target: Target,
    network: Option<Network>,
    known: bool,
}

pub(super) struct Limiter {
    limits: FailureLimits,
    state: Mutex<State>,
}

/// An IPv4 address or the /64 of an IPv6 one, as a number.
type Network = u128;

struct State {
    addresses: Buckets<Network>,
    // Apart from each other: names that an attacker invents must not push out those of accounts.
    accounts: Buckets<AccountId>,
    nobodies: Buckets<[u8; 16]>,
    pairs: Buckets<(AccountId, Network)>,
    known: HashMap<AccountId, Vec<(Network, Millis)>>,
}

impl Limiter {
    pub(super) fn new(limits: FailureLimits) -> Self {
        let state = State {
            addresses: Buckets::new(limits.address, limits.tracked),
            accounts: Buckets::new(limits.account, limits.tracked),
            nobodies: Buckets::new(limits.account, limits.tracked),
            pairs: Buckets::new(limits.known, limits.tracked),
            known: HashMap::new(),
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// Takes the tokens of one attempt, or says how long there will be none.
    pub(super) fn admit(&self, target: Target, peer: IpAddr, now: Millis) -> Result<Charge, Duration> {
        let network = network(peer);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if let Target::Account(account) = target
            && let Some(network) = network
            && state.knows(account, network, now, self.limits.known_for)
        {
            let pair = (account, network);
            state.pairs.check(&pair, now)?;
            state.pairs.take(pair, now);
            return Ok(Charge { target, network: Some(network), known: true });
        }
        // Both are asked before either is charged.
        match target {
            Target::Account(account) => state.accounts.check(&account, now)?,
            Target::Nobody(name) => state.nobodies.check(&name, now)?,
        }
        if let Some(network) = network {
            state.addresses.check(&network, now)?;
            state.addresses.take(network, now);
        }
        match target {
            Target::Account(account) => state.accounts.take(account, now),
            Target::Nobody(name) => state.nobodies.take(name, now),
        }
        Ok(Charge { target, network, known: false })
    }

    /// Gives an attempt's tokens back: it told its sender nothing new.
    pub(super) fn refund(&self, charge: Charge, now: Millis) {
        let mut state = self.state.lock();
        match (charge.target, charge.network) {
            (Target::Account(account), Some(network)) if charge.known => {
                state.pairs.give_back((account, network), now);
            }
            (target, _) => {
                if let Some(network) = charge.network {
                    state.addresses.give_back(network, now);
                }
                match target {
                    Target::Account(account) => state.accounts.give_back(account, now),
                    Target::Nobody(name) => state.nobodies.give_back(name, now),
                }
            }
        }
    }

    /// As [`Limiter::refund`] after a successful login: the address is known from now on. With `fresh` the
    /// password was compared, not remembered.
    pub(super) fn succeeded(&self, charge: Charge, fresh: bool, now: Millis) {
        if let (Target::Account(account), Some(network)) = (charge.target, charge.network) {
            let mut state = self.state.lock();
            state.remember(account, network, now, self.limits.tracked);
            if fresh {
                // Nothing is left to be given back to a known pair.
                state.pairs.forget(&(account, network));
            }
        }
        self.refund(charge, now);
    }
}

impl State {
    fn knows(&self, account: AccountId, network: Network, now: Millis, known_for: Duration) -> bool {
        let known = self.known.get(&account).and_then(|all| all.iter().find(|(n, _)| *n == network));
        known.is_some_and(|(_, at)| now.saturating_sub(*at) < millis(known_for))
    }

    fn remember(&mut self, account: AccountId, network: Network, now: Millis, most: usize) {
        if self.known.len() >= most && !self.known.contains_key(&account) {
            // Any one will do: more active accounts than this are far beyond what one node serves.
            if let Some(victim) = self.known.keys().next().copied() {
                self.known.remove(&victim);
            }
        }
        let all = self.known.entry(account).or_default();
        all.retain(|(n, _)| *n != network);
        if all.len() >= KNOWN_ADDRESSES {
            // The oldest stands first, since each login moves its address to the end.
            all.remove(0);
        }
        all.push((network, now));
    }
}

/// Buckets of one sort, bounded in number.
struct Buckets<K> {
    token: Millis,
    whole: Millis,
    most: usize,
    full_at: HashMap<K, Millis>,
    by_time: BTreeSet<(Millis, K)>,
}

impl<K: Copy + Eq + Hash + Ord> Buckets<K> {
    fn new(allowance: Allowance, most: usize) -> Self {
        let token = millis(allowance.refill).max(1);
        let whole = token.saturating_mul(i64::from(allowance.burst.max(1)));
        Self { token, whole, most: most.max(1), full_at: HashMap::new(), by_time: BTreeSet::new() }
    }

    /// When the bucket will be full.
    fn full_at(&self, key: &K, now: Millis) -> Millis {
        self.full_at.get(key).copied().unwrap_or(now).clamp(now, self.empty(now))
    }

    /// When a bucket that is empty now will be full.
    fn empty(&self, now: Millis) -> Millis {
        now.saturating_add(self.whole)
    }

    /// How long until there is a token, if there is none.
    fn check(&mut self, key: &K, now: Millis) -> Result<(), Duration> {
        let empty = self.empty(now);
        if self.full_at.get(key).is_some_and(|at| *at > empty) {
            // The clock was set back: from here on it is as empty as it can be, and refills.
            self.set(*key, empty);
        }
        let missing = self.full_at(key, now).saturating_add(self.token).saturating_sub(empty);
        if missing <= 0 {
            return Ok(());
        }
        let seconds = u64::try_from(missing).unwrap_or(0).div_ceil(1000);
        Err(Duration::from_secs(seconds))
    }

    fn take(&mut self, key: K, now: Millis) {
        let at = self.full_at(&key, now).saturating_add(self.token);
        self.set(key, at);
        self.shed(now);
    }

    fn give_back(&mut self, key: K, now: Millis) {
        // What was shed meanwhile is full.
        if self.full_at.contains_key(&key) {
            match self.full_at(&key, now).saturating_sub(self.token) {
                at if at > now => self.set(key, at),
                _ => self.forget(&key),
            }
        }
    }

    fn set(&mut self, key: K, at: Millis) {
        self.forget(&key);
        self.full_at.insert(key, at);
        self.by_time.insert((at, key));
    }

    fn forget(&mut self, key: &K) {
        if let Some(at) = self.full_at.remove(key) {
            self.by_time.remove(&(at, *key));
        }
    }

    /// Drops full buckets, and above the bound those that will be full first: the least is lost with them.
    fn shed(&mut self, now: Millis) {
        while let Some((at, key)) = self.by_time.first().copied()
            && (at <= now || self.full_at.len() > self.most)
        {
            self.forget(&key);
        }
    }
}

/// The network an address is counted by. All who come through a proxy on this machine that does not say for
/// whom it asks share the loopback address: it is counted for no one and never known, else one guesser could
/// use up what is kept for all the others.
fn network(peer: IpAddr) -> Option<Network> {
    match peer.to_canonical() {
        peer if peer.is_loopback() => None,
        IpAddr::V4(v4) => Some(u128::from(v4.to_bits())),
        IpAddr::V6(v6) => Some(v6.to_bits() & !u128::from(u64::MAX)),
    }
}

fn millis(d: Duration) -> Millis {
    Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: Target = Target::Account(AccountId(1));
    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn peer(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0A00_0000 + n))
    }

    fn limits(account: u32, address: u32, known: u32) -> FailureLimits {
        let of = |burst| Allowance { burst, refill: Duration::from_secs(60) };
        FailureLimits {
            account: of(account),
            address: of(address),
            known: of(known),
            known_for: Duration::from_secs(86_400),
            tracked: 100,
        }
    }

    fn fail(limiter: &Limiter, target: Target, peer: IpAddr, now: Millis) -> Result<(), Duration> {
        limiter.admit(target, peer, now).map(|_| ())
    }

    fn succeed(limiter: &Limiter, target: Target, peer: IpAddr, now: Millis) -> Result<(), Duration> {
        limiter.admit(target, peer, now).map(|charge| limiter.succeeded(charge, true, now))
    }

    #[test]
    fn an_account_bears_a_burst_and_then_one_a_minute() {
        let limiter = Limiter::new(limits(3, 100, 100));
        for n in 0..3 {
            fail(&limiter, BOB, peer(n), 0).unwrap();
        }
        assert_eq!(fail(&limiter, BOB, peer(9), 0), Err(Duration::from_secs(60)));
        assert_eq!(fail(&limiter, BOB, peer(9), 59_001), Err(Duration::from_secs(1)));
        fail(&limiter, BOB, peer(9), 60_000).unwrap();
        assert_eq!(fail(&limiter, BOB, peer(9), 60_000), Err(Duration::from_secs(60)));
        // Another account is not concerned.
        fail(&limiter, Target::Account(AccountId(2)), peer(9), 60_000).unwrap();
        // Refused attempts cost nothing: in the end the whole burst is back.
        for n in 0..3 {
            fail(&limiter, BOB, peer(n), 600_000).unwrap();
        }
    }

    #[test]
    fn an_address_is_counted_over_all_names() {
        let limiter = Limiter::new(limits(100, 3, 100));
        for n in 0..3 {
            fail(&limiter, Target::Nobody([n; 16]), HOME, 0).unwrap();
        }
        assert!(fail(&limiter, BOB, HOME, 0).is_err());
        fail(&limiter, BOB, peer(1), 0).unwrap();
    }

    #[test]
    fn ipv6_is_counted_by_network_and_mapped_ipv4_as_ipv4() {
        let limiter = Limiter::new(limits(100, 1, 100));
        fail(&limiter, BOB, "2001:db8::1".parse().unwrap(), 0).unwrap();
        assert!(fail(&limiter, BOB, "2001:db8::ffff:2".parse().unwrap(), 0).is_err());
        fail(&limiter, BOB, "2001:db8:0:1::1".parse().unwrap(), 0).unwrap();
        fail(&limiter, BOB, HOME, 0).unwrap();
        assert!(fail(&limiter, BOB, "::ffff:192.0.2.1".parse().unwrap(), 0).is_err());
    }

    #[test]
    fn strangers_do_not_lock_a_known_address_out() {
        let limiter = Limiter::new(limits(3, 3, 3));
        succeed(&limiter, BOB, HOME, 0).unwrap();
        for n in 0..50 {
            let _ = fail(&limiter, BOB, peer(n), 0);
        }
        assert!(succeed(&limiter, BOB, peer(99), 0).is_err(), "a new address must wait");
        succeed(&limiter, BOB, HOME, 0).unwrap();
        // Nor does a neighbour who uses the address up.
        for n in 0..50 {
            let _ = fail(&limiter, Target::Nobody([n; 16]), HOME, 0);
        }
        assert!(fail(&limiter, Target::Account(AccountId(2)), HOME, 0).is_err());
        succeed(&limiter, BOB, HOME, 0).unwrap();
    }

    #[test]
    fn a_known_address_has_its_own_limit_which_success_fills() {
        let limiter = Limiter::new(limits(3, 3, 2));
        succeed(&limiter, BOB, HOME, 0).unwrap();
        fail(&limiter, BOB, HOME, 0).unwrap();
        succeed(&limiter, BOB, HOME, 0).unwrap();
        fail(&limiter, BOB, HOME, 0).unwrap();
        fail(&limiter, BOB, HOME, 0).unwrap();
        assert!(fail(&limiter, BOB, HOME, 0).is_err());
        // It is not known for ever.
        assert!(fail(&limiter, BOB, HOME, 0).is_err());
        for _ in 0..3 {
            fail(&limiter, BOB, HOME, 86_400_000).unwrap();
        }
    }

    #[test]
    fn a_remembered_password_fills_nothing() {
        let limiter = Limiter::new(limits(3, 3, 2));
        succeed(&limiter, BOB, HOME, 0).unwrap();
        fail(&limiter, BOB, HOME, 0).unwrap();
        for _ in 0..10 {
            let charge = limiter.admit(BOB, HOME, 0).unwrap();
            limiter.succeeded(charge, false, 0);
        }
        fail(&limiter, BOB, HOME, 0).unwrap();
        assert!(fail(&limiter, BOB, HOME, 0).is_err());
    }

    #[test]
    fn success_gives_strangers_nothing() {
        let limiter = Limiter::new(limits(3, 100, 100));
        for n in 0..3 {
            // The user logs in from a known address all the while.
            let _ = succeed(&limiter, BOB, HOME, 0);
            fail(&limiter, BOB, peer(n), 0).unwrap();
        }
        let _ = succeed(&limiter, BOB, HOME, 0);
        assert!(fail(&limiter, BOB, peer(9), 0).is_err());

        // A guesser's own account does not fill the bucket of his address.
        let limiter = Limiter::new(limits(100, 3, 100));
        for _ in 0..3 {
            succeed(&limiter, Target::Account(AccountId(66)), HOME, 0).unwrap();
            fail(&limiter, BOB, HOME, 0).unwrap();
        }
        assert!(fail(&limiter, BOB, HOME, 0).is_err());
    }

    #[test]
    fn many_at_once_are_counted_before_the_first_has_failed() {
        let limiter = Limiter::new(limits(5, 100, 100));
        let charges: Vec<_> = (0..50).filter_map(|n| limiter.admit(BOB, peer(n), 0).ok()).collect();
        assert_eq!(charges.len(), 5);
        for charge in charges {
            limiter.refund(charge, 0);
        }
        assert_eq!(limiter.state.lock().accounts.full_at.len(), 0);
        assert_eq!(limiter.state.lock().addresses.full_at.len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_kept() {
        let limiter = Limiter::new(limits(3, 3, 3));
        for _ in 0..3 {
            fail(&limiter, BOB, HOME, 0).unwrap();
        }
        for n in 0..1000_u32 {
            let name = Target::Nobody(u128::from(n).to_be_bytes());
            let _ = fail(&limiter, name, peer(n), 0);
            let _ = succeed(&limiter, Target::Account(AccountId(1000 + u64::from(n))), peer(n), 0);
        }
        let state = limiter.state.lock();
        assert!(state.addresses.full_at.len() <= 100 && state.nobodies.full_at.len() <= 100);
        assert_eq!(state.addresses.full_at.len(), state.addresses.by_time.len());
        assert!(state.known.len() <= 100);
        drop(state);
        assert!(fail(&limiter, BOB, peer(5000), 0).is_err());
        assert!(fail(&limiter, Target::Nobody([7; 16]), HOME, 0).is_err());
    }

    #[test]
    fn few_addresses_of_an_account_are_remembered() {
        let limiter = Limiter::new(limits(3, 100, 3));
        for n in 0..40 {
            succeed(&limiter, BOB, peer(n), i64::from(n)).unwrap();
        }
        let known = &limiter.state.lock().known[&AccountId(1)];
        assert_eq!(known.len(), KNOWN_ADDRESSES);
        assert_eq!(known.last().unwrap().1, 39);
    }

    #[test]
    fn a_clock_set_back_does_not_lock_out_for_long() {
        let limiter = Limiter::new(limits(2, 100, 100));
        let day = 86_400_000;
        fail(&limiter, BOB, HOME, day).unwrap();
        assert_eq!(fail(&limiter, BOB, peer(1), 0), Err(Duration::from_secs(60)));
        fail(&limiter, BOB, peer(1), 60_000).unwrap();
        assert_eq!(fail(&limiter, BOB, peer(1), 60_000), Err(Duration::from_secs(60)));
    }

    #[test]
    fn loopback_is_limited_by_account_only() {
        let limiter = Limiter::new(limits(2, 1, 100));
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        for n in 0..10 {
            fail(&limiter, Target::Nobody([n; 16]), local, 0).unwrap();
        }
        fail(&limiter, BOB, local, 0).unwrap();
        fail(&limiter, BOB, local, 0).unwrap();
        assert!(fail(&limiter, BOB, local, 0).is_err());
    }

    /// Whoever guesses through it would use up a known pair of everybody's.
    #[test]
    fn loopback_is_never_known() {
        let limiter = Limiter::new(limits(3, 100, 100));
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        for _ in 0..10 {
            succeed(&limiter, BOB, local, 0).unwrap();
        }
        assert!(limiter.state.lock().known.is_empty());
        for _ in 0..3 {
            fail(&limiter, BOB, local, 0).unwrap();
        }
        assert!(fail(&limiter, BOB, local, 0).is_err());
        assert!(limiter.state.lock().pairs.full_at.is_empty());
    }
}
