//! Outcomes of logins that need not be hashed again, and logins under way that wait for one another.
//!
//! Basic authentication sends the password with each request, and a program whose password was changed
//! sends the old one for weeks. Neither should cost an argon2 each time. What is kept is a MAC of the
//! password under a key of this process, never the password, and it names the account it is for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::account::AccountId;
use crate::clock::Millis;

/// The MAC of who tried which password.
pub(super) type Attempt = [u8; 32];

/// What a password was found to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The account's password, while its credentials are of this generation.
    Password { account: AccountId, generation: u64 },
    /// An app password of the account, until it is revoked.
    App { account: AccountId, id: u64 },
    /// Nothing, while this account (if any) has credentials of this generation.
    Wrong { of: Option<(AccountId, u64)> },
}

/// Outcomes, bounded in number and age. Right and wrong ones apart, so that guesses push out guesses only.
pub(super) struct Remembered {
    right: Mutex<Aged>,
    wrong: Mutex<Aged>,
}

impl Remembered {
    pub(super) fn new(most: usize, age: Millis) -> Self {
        Self { right: Mutex::new(Aged::new(most, age)), wrong: Mutex::new(Aged::new(most, age)) }
    }

    pub(super) fn get(&self, attempt: &Attempt, now: Millis) -> Option<Outcome> {
        // Not one expression: the two locks are never held together.
        let right = self.right.lock().get(attempt, now);
        right.or_else(|| self.wrong.lock().get(attempt, now))
    }

    pub(super) fn insert(&self, attempt: Attempt, outcome: Outcome, now: Millis) {
        if matches!(outcome, Outcome::Wrong { .. }) {
            self.wrong.lock().insert(attempt, outcome, now);
        } else {
            self.wrong.lock().remove(&attempt);
            self.right.lock().insert(attempt, outcome, now);
        }
    }

    pub(super) fn remove(&self, attempt: &Attempt) {
        self.right.lock().remove(attempt);
        self.wrong.lock().remove(attempt);
    }
}

/// A map that forgets: what was inserted first goes first.
struct Aged {
    most: usize,
    age: Millis,
    entries: HashMap<Attempt, (Outcome, Millis)>,
    // With the time of insertion, which tells an entry from a later one of the same name.
    order: VecDeque<(Attempt, Millis)>,
}

impl Aged {
    fn new(most: usize, age: Millis) -> Self {
        Self { most, age, entries: HashMap::new(), order: VecDeque::new() }
    }

    fn get(&self, attempt: &Attempt, now: Millis) -> Option<Outcome> {
        let (outcome, since) = self.entries.get(attempt)?;
        // Also when the clock was set back before it.
        (0..self.age).contains(&now.saturating_sub(*since)).then_some(*outcome)
    }

    fn insert(&mut self, attempt: Attempt, outcome: Outcome, now: Millis) {
        if self.most == 0 {
            return;
        }
        self.entries.insert(attempt, (outcome, now));
        self.order.push_back((attempt, now));
        while self.order.len() > self.most {
            let Some((oldest, since)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|(_, at)| *at == since) {
                self.entries.remove(&oldest);
            }
        }
    }

    fn remove(&mut self, attempt: &Attempt) {
        self.entries.remove(attempt);
    }
}

/// Attempts under way: of several equal ones the first is hashed and the others wait for its outcome.
#[derive(Clone, Default)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<Attempt, Arc<tokio::sync::Mutex<()>>>>>,
}

/// The turn of one attempt. The next equal one goes on when it is dropped.
pub(super) struct Flight {
    flights: Flights,
    attempt: Attempt,
    turn: Arc<tokio::sync::Mutex<()>>,
    guard: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Flights {
    /// Waits until no equal attempt is under way.
    pub(super) async fn enter(&self, attempt: Attempt) -> Flight {
        let turn = self.under_way.lock().entry(attempt).or_default().clone();
        // Made before waiting, so that a caller who gives up leaves nothing behind.
        let mut flight = Flight { flights: self.clone(), attempt, turn, guard: None };
        flight.guard = Some(flight.turn.clone().lock_owned().await);
        flight
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.guard = None;
        let mut under_way = self.flights.under_way.lock();
        // The map's and this one: nobody waits. New ones come only through the map, which is locked.
        if Arc::strong_count(&self.turn) <= 2 {
            under_way.remove(&self.attempt);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const RIGHT: Outcome = Outcome::Password { account: AccountId(1), generation: 1 };
    const WRONG: Outcome = Outcome::Wrong { of: None };

    fn attempt(n: u32) -> Attempt {
        let mut attempt = [0; 32];
        attempt[..4].copy_from_slice(&n.to_be_bytes());
        attempt
    }

    #[test]
    fn outcomes_are_forgotten_with_time() {
        let remembered = Remembered::new(10, 1000);
        remembered.insert(attempt(1), RIGHT, 5000);
        assert_eq!(remembered.get(&attempt(1), 5999), Some(RIGHT));
        assert_eq!(remembered.get(&attempt(1), 6000), None);
        assert_eq!(remembered.get(&attempt(1), 4999), None, "the clock was set back");
        assert_eq!(remembered.get(&attempt(2), 5000), None);
        remembered.remove(&attempt(1));
        assert_eq!(remembered.get(&attempt(1), 5000), None);
    }

    #[test]
    fn number_is_bounded_and_guesses_push_out_guesses() {
        let remembered = Remembered::new(10, 1000);
        remembered.insert(attempt(0), RIGHT, 0);
        for n in 1..100 {
            remembered.insert(attempt(n), WRONG, 0);
        }
        assert_eq!(remembered.get(&attempt(0), 0), Some(RIGHT));
        assert_eq!(remembered.get(&attempt(89), 0), None);
        assert_eq!(remembered.get(&attempt(90), 0), Some(WRONG));
        assert_eq!(remembered.wrong.lock().entries.len(), 10);
        for n in 0..100 {
            remembered.insert(attempt(0), RIGHT, n);
        }
        assert_eq!(remembered.get(&attempt(0), 99), Some(RIGHT));
        assert!(remembered.right.lock().order.len() <= 10);
        let none = Remembered::new(0, 1000);
        none.insert(attempt(0), RIGHT, 0);
        assert_eq!(none.get(&attempt(0), 0), None);
    }

    #[test]
    fn a_right_outcome_replaces_a_wrong_one() {
        let remembered = Remembered::new(10, 1000);
        remembered.insert(attempt(0), WRONG, 0);
        remembered.insert(attempt(0), RIGHT, 0);
        assert_eq!(remembered.get(&attempt(0), 0), Some(RIGHT));
    }

    #[tokio::test]
    async fn equal_attempts_take_turns_and_leave_nothing() {
        let flights = Flights::default();
        let first = flights.enter(attempt(1)).await;
        let other = flights.enter(attempt(2)).await;
        let waiting = flights.enter(attempt(1));
        tokio::pin!(waiting);
        assert!((&mut waiting).now_or_never().is_none());
        {
            // One that gives up.
            let given_up = flights.enter(attempt(1));
            tokio::pin!(given_up);
            assert!((&mut given_up).now_or_never().is_none());
        }
        drop(first);
        assert_eq!(flights.under_way.lock().len(), 2);
        let second = waiting.await;
        drop((second, other));
        assert!(flights.under_way.lock().is_empty());
    }
}
