//! Synchronisation keys: how a client names its state, and how a lost answer is made good.
//!
//! A key is a number that grows and a nonce. The state under key N stays until the client uses a key
//! N+1, so an answer that got lost can be asked for again: the commands in the repeated request are
//! recognised by their digests and not applied twice, and the answer is worked out afresh from N's
//! state under another candidate key. MS-ASCMD §3.1.5.9.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::State;
use crate::clock::Millis;
use crate::mailbox::ids::{Modseq, Uid};

/// Candidates kept for one key: a client that repeats itself more often starts again.
const CANDIDATES_MAX: usize = 4;
/// A client that begins twice within this time attaches to its first beginning.
const ATTACH_WITHIN: Millis = 60_000;

/// A key other than 0, at most 64 characters (MS-ASCMD §2.2.3.181.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncKey {
    /// How many keys the client was given, this one included.
    pub number: u64,
    /// What cannot be guessed or given twice.
    pub nonce: u64,
}

impl fmt::Display for SyncKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.number, self.nonce)
    }
}

impl FromStr for SyncKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, nonce) = text.split_once('.').ok_or(())?;
        if nonce.len() != 16 || nonce.starts_with('+') || number.starts_with('+') {
            return Err(());
        }
        Ok(Self {
            number: number.parse().map_err(|_| ())?,
            nonce: u64::from_str_radix(nonce, 16).map_err(|_| ())?,
        })
    }
}

/// What became of one of the client's commands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Given {
    /// A digest of the command as it came.
    pub digest: u64,
    /// Its outcome in the protocol's own number.
    pub status: u16,
    /// The item it made, changed or removed, and the change that was.
    pub done: Option<(Uid, Modseq)>,
}

/// The state a client has if it received one of the answers to its latest key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The nonce of the key in that answer.
    pub nonce: u64,
    /// The state behind it.
    pub state: State,
}

/// A device's state of one folder, as it is stored. Its size is bounded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Collection {
    /// The key the client is known to have.
    pub key: SyncKey,
    /// What it has under that key.
    pub state: State,
    /// When it began.
    pub begun: Millis,
    /// The store's epoch then.
    pub epoch: u64,
    /// The folder's UIDVALIDITY: another one is another folder.
    pub uid_validity: u32,
    /// What its commands under this key came to, should it repeat them.
    pub given: Vec<Given>,
    /// The answers given under this key.
    pub candidates: Vec<Candidate>,
    /// The options of its latest request, in the door's own form.
    pub options: Vec<u8>,
}

impl Collection {
    /// A client that begins with key 0 now.
    pub fn begin(nonce: u64, state: State, now: Millis, epoch: u64, uid_validity: u32) -> Self {
        Self {
            key: SyncKey { number: 1, nonce },
            state,
            begun: now,
            epoch,
            uid_validity,
            given: Vec::new(),
            candidates: Vec::new(),
            options: Vec::new(),
        }
    }

    /// Whether another beginning at `now` is the same one over again, whose answer may even be on its
    /// way still: nothing came of the first but pages.
    pub fn attaches(&self, now: Millis) -> bool {
        self.key.number == 1 && self.given.is_empty() && (0..ATTACH_WITHIN).contains(&(now - self.begun))
    }

    /// Takes the client at its word that it has `key`. False when it never was given that key or has
    /// used a later one: it must begin again.
    #[must_use]
    pub fn accept(&mut self, key: SyncKey) -> bool {
        if key == self.key {
            return true;
        }
        let next = self.key.number.checked_add(1) == Some(key.number);
        let found = self.candidates.iter().position(|c| next && c.nonce == key.nonce);
        let Some(index) = found else { return false };
        self.state = self.candidates.swap_remove(index).state;
        self.key = key;
        self.candidates.clear();
        self.given.clear();
        true
    }

    /// The key of the latest answer, or the one the client is known to have.
    pub fn latest(&self) -> SyncKey {
        let answered = |c: &Candidate| SyncKey { number: self.key.number.saturating_add(1), nonce: c.nonce };
        self.candidates.last().map_or(self.key, answered)
    }

    /// The client, if it has `key`, is in `state` just as well: nothing of what came since is for it.
    pub fn rest(&mut self, key: SyncKey, state: State) {
        if key == self.key {
            self.state = state;
        } else if let Some(candidate) = self.candidates.iter_mut().find(|c| c.nonce == key.nonce) {
            candidate.state = state;
        }
    }

    /// Whether the client uses its key again, after an answer that may have got lost.
    pub fn is_repeated(&self) -> bool {
        !self.given.is_empty() || !self.candidates.is_empty()
    }

    /// Records an answer under `nonce` after which the client is in `state`, and gives its key.
    pub fn answer(&mut self, nonce: u64, state: State) -> SyncKey {
        if self.candidates.len() >= CANDIDATES_MAX {
            self.candidates.remove(0);
        }
        self.candidates.push(Candidate { nonce, state });
        SyncKey { number: self.key.number.saturating_add(1), nonce }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection {
        Collection::begin(7, State::new(Modseq(5)), 1_000, 1, 9)
    }

    #[test]
    fn keys_read_back() {
        let key = SyncKey { number: 12, nonce: 0xab };
        assert_eq!(key.to_string(), "12.00000000000000ab");
        assert_eq!(key.to_string().parse(), Ok(key));
        for bad in ["", "0", "1", "1.", "1.+0000000000000ab", "+1.00000000000000ab", "x.00000000000000ab"] {
            assert_eq!(bad.parse::<SyncKey>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn a_key_stays_until_a_later_one_is_used() {
        let mut c = collection();
        let first = c.answer(1, State::new(Modseq(6)));
        let second = c.answer(2, State::new(Modseq(7)));
        assert!(c.accept(SyncKey { number: 1, nonce: 7 }));
        assert!(c.accept(first));
        assert_eq!(c.state.cursor, Modseq(6));
        assert!(!c.accept(second), "the other answer's key is void once one was used");
        assert!(!c.accept(SyncKey { number: 1, nonce: 7 }));
        assert!(c.candidates.is_empty());
    }

    #[test]
    fn what_is_not_for_the_client_changes_no_key() {
        let mut c = collection();
        let (before, next) = (c.key, c.answer(1, State::new(Modseq(6))));
        c.rest(next, State::new(Modseq(9)));
        c.rest(before, State::new(Modseq(8)));
        assert!(c.accept(before));
        assert_eq!(c.state.cursor, Modseq(8));
        assert!(c.accept(next));
        assert_eq!(c.state.cursor, Modseq(9));
    }

    #[test]
    fn only_so_many_answers_to_one_key_are_remembered() {
        let mut c = collection();
        let first = c.answer(0, State::new(Modseq(6)));
        for nonce in 1..=4 {
            c.answer(nonce, State::new(Modseq(6)));
        }
        assert_eq!(c.candidates.len(), 4);
        assert!(!c.accept(first));
    }
}
