//! What a device has of the folder tree: a bounded list, since rights change from outside.
//!
//! Its keys work as those of collections do (`mailbox::sync`): what the device has under key N stays
//! until it uses one of the keys that were given for N, so a lost answer can be asked for again, and a
//! command in a repeated request is recognised by its digest. MS-ASCMD §2.2.3.181.1, §3.1.5.9.

use serde::{Deserialize, Serialize};

use super::state;
use crate::mailbox::FolderId;
use crate::mailbox::sync::SyncKey;

/// Answers remembered for one key; a client that repeats itself more often starts again.
const CANDIDATES_MAX: usize = 4;

/// A folder as a device has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Had {
    pub(super) id: FolderId,
    pub(super) parent: FolderId,
    /// A digest of its name and type.
    pub(super) look: u64,
}

/// A folder as it is now, fit for a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub(super) id: FolderId,
    pub(super) parent: FolderId,
    pub(super) name: String,
    /// MS-ASCMD §2.2.3.186.3.
    pub(super) kind: u8,
}

impl Shown {
    /// The folder as a device has it once it was told.
    pub(super) fn had(&self) -> Had {
        Had { id: self.id, parent: self.parent, look: look(&self.name, self.kind) }
    }
}

/// A command that changed the tree, should the device repeat it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Done {
    /// A digest of the command.
    pub(super) command: u64,
    /// The folder it made.
    pub(super) made: Option<FolderId>,
}

/// What a device has if it received one of the answers to its latest key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Candidate {
    nonce: u64,
    had: Vec<Had>,
    done: Option<Done>,
}

/// A device's state of the folder tree, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Hierarchy {
    /// The key that the device is known to have; number 0 while it only began.
    key: SyncKey,
    /// The folders it has under that key.
    had: Vec<Had>,
    /// The store's epoch when it began.
    epoch: u64,
    candidates: Vec<Candidate>,
}

/// What a device must be told.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Changes {
    /// Each after the folder it stands in.
    pub(super) add: Vec<Shown>,
    pub(super) update: Vec<Shown>,
    /// Each before the folder it stood in.
    pub(super) delete: Vec<FolderId>,
}

impl Changes {
    pub(super) fn count(&self) -> usize {
        self.add.len().saturating_add(self.update.len()).saturating_add(self.delete.len())
    }
}

impl Hierarchy {
    /// A device that begins with key 0.
    pub(super) fn begin(epoch: u64) -> Self {
        Self { key: SyncKey { number: 0, nonce: 0 }, had: Vec::new(), epoch, candidates: Vec::new() }
    }

    /// Takes the device at its word that it has the key `text`; `epoch` is the store's. False when it
    /// was never given that key or has used a later one: it must begin again.
    ///
    /// Key 0 begins again. While nothing came of an earlier beginning, it is the same one over again,
    /// whose answer may be on its way still.
    #[must_use]
    pub(super) fn accept(&mut self, text: &str, epoch: u64) -> bool {
        if text == "0" {
            if self.key.number != 0 || self.epoch != epoch {
                *self = Self::begin(epoch);
            }
            return true;
        }
        let Ok(key) = text.parse::<SyncKey>() else { return false };
        if self.epoch != epoch || key.number == 0 {
            return false;
        }
        if key == self.key {
            return true;
        }
        let next = self.key.number.checked_add(1) == Some(key.number);
        let found = self.candidates.iter().position(|c| next && c.nonce == key.nonce);
        let Some(index) = found else { return false };
        self.had = self.candidates.swap_remove(index).had;
        self.key = key;
        self.candidates.clear();
        true
    }

    /// What turns the folders that the device has into `now`.
    pub(super) fn changes(&self, now: &[Shown]) -> Changes {
        let mut changes = Changes::default();
        for folder in now {
            match self.had.iter().find(|had| had.id == folder.id) {
                None => changes.add.push(folder.clone()),
                Some(had) if *had != folder.had() => changes.update.push(folder.clone()),
                Some(_) => {}
            }
        }
        let gone = self.had.iter().rev().map(|had| had.id);
        changes.delete.extend(gone.filter(|id| now.iter().all(|folder| folder.id != *id)));
        changes
    }

    /// Whether the device began in this epoch of the store; else it begins again.
    pub(super) fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Whether a device that received its latest answer would be told anything of the folders `now`.
    pub(super) fn would_tell(&self, now: &[Shown]) -> bool {
        let had = self.candidates.last().map_or(&self.had, |latest| &latest.had);
        had.len() != now.len() || now.iter().any(|folder| !had.contains(&folder.had()))
    }

    /// The key that the device showed last, if it needs no other: it is told nothing new. A beginning
    /// needs one.
    pub(super) fn same_key(&self) -> Option<SyncKey> {
        (self.key.number != 0).then_some(self.key)
    }

    /// Records an answer under `nonce` after which the device has the folders `now`, and gives its key.
    pub(super) fn told(&mut self, nonce: u64, now: &[Shown]) -> SyncKey {
        self.answer(nonce, now.iter().map(Shown::had).collect(), None)
    }

    /// Records that a command of the device was carried out, and gives the key of the answer. The
    /// device made the change itself, so it has it: `folder` is one as it is now, or `Err` one that is
    /// gone. What others changed is told by the next FolderSync.
    pub(super) fn changed(&mut self, nonce: u64, folder: Result<Had, FolderId>, done: Done) -> SyncKey {
        let mut had = self.had.clone();
        match folder {
            Ok(now) => match had.iter_mut().find(|had| had.id == now.id) {
                Some(before) => *before = now,
                None => had.push(now),
            },
            Err(gone) => had.retain(|had| had.id != gone),
        }
        self.answer(nonce, had, Some(done))
    }

    /// The key and outcome of a command that was carried out under the present key already.
    pub(super) fn repeated(&self, command: u64) -> Option<(SyncKey, Done)> {
        let number = self.key.number.saturating_add(1);
        self.candidates.iter().find_map(|candidate| {
            let done = candidate.done.filter(|done| done.command == command)?;
            Some((SyncKey { number, nonce: candidate.nonce }, done))
        })
    }

    fn answer(&mut self, nonce: u64, had: Vec<Had>, done: Option<Done>) -> SyncKey {
        if self.candidates.len() >= CANDIDATES_MAX {
            self.candidates.remove(0);
        }
        self.candidates.push(Candidate { nonce, had, done });
        SyncKey { number: self.key.number.saturating_add(1), nonce }
    }
}

/// A digest of parts of text.
pub(super) fn digest_of(parts: &[&str]) -> u64 {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    state::digest(&text)
}

fn look(name: &str, kind: u8) -> u64 {
    digest_of(&[name, &kind.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: u64, parent: u64, name: &str) -> Shown {
        Shown { id: FolderId(id), parent: FolderId(parent), name: name.into(), kind: 12 }
    }

    fn begun(folders: &[Shown]) -> (Hierarchy, String) {
        let mut state = Hierarchy::begin(1);
        assert!(state.accept("0", 1));
        let key = state.told(1, folders).to_string();
        (state, key)
    }

    #[test]
    fn everything_then_what_changed() {
        let (mut state, key) = begun(&[folder(1, 0, "Inbox"), folder(2, 0, "Old"), folder(3, 2, "Below")]);
        assert!(state.accept(&key, 1));
        assert_eq!(state.same_key().unwrap().to_string(), key);
        let now = [folder(1, 0, "Inbox"), folder(4, 0, "New"), folder(5, 4, "Below")];
        let changes = state.changes(&now);
        assert_eq!(changes.add, now[1..]);
        assert_eq!(changes.delete, [FolderId(3), FolderId(2)], "what stands below goes first");
        assert!(changes.update.is_empty());
        let key = state.told(2, &now).to_string();
        assert!(state.accept(&key, 1));
        let renamed = [folder(1, 0, "Inbox"), folder(4, 0, "Newer"), folder(5, 0, "Below")];
        assert_eq!(state.changes(&renamed).update, renamed[1..]);
        assert_eq!(state.changes(&renamed).count(), 2);
    }

    #[test]
    fn a_lost_answer_is_asked_for_again() {
        let (mut state, first) = begun(&[folder(1, 0, "Inbox")]);
        assert!(state.accept("0", 1));
        assert!(state.same_key().is_none());
        let second = state.told(2, &[folder(1, 0, "Inbox"), folder(2, 0, "New")]).to_string();
        assert_ne!(first, second);
        assert!(state.accept(&first, 1), "the first answer arrived after all");
        assert_eq!(state.changes(&[folder(1, 0, "Inbox"), folder(2, 0, "New")]).add, [folder(2, 0, "New")]);
        assert!(!state.accept(&second, 1));
        for bad in ["", "1", "2.0000000000000001", "0.0000000000000000", "x"] {
            assert!(!state.accept(bad, 1), "{bad}");
        }
        assert!(!state.accept(&first, 2), "a restored store knows nothing of it");
        assert!(state.accept("0", 2));
        assert!(!state.accept(&first, 2));
    }

    #[test]
    fn own_changes_are_had_and_repeats_recognised() {
        let (mut state, key) = begun(&[folder(1, 0, "Inbox")]);
        assert!(state.accept(&key, 1));
        let made = folder(2, 0, "Mine");
        let done = Done { command: 99, made: Some(FolderId(2)) };
        let next = state.changed(7, Ok(made.had()), done);
        assert!(state.accept(&key, 1), "the answer was lost");
        assert_eq!(state.repeated(99), Some((next, done)));
        assert_eq!(state.repeated(98), None);
        assert!(state.accept(&next.to_string(), 1));
        assert_eq!(state.repeated(99), None);
        assert_eq!(state.changes(&[folder(1, 0, "Inbox"), made.clone()]).count(), 0);
        let gone = state.changed(8, Err(FolderId(2)), Done { command: 1, made: None });
        assert!(state.accept(&gone.to_string(), 1));
        assert_eq!(state.changes(&[folder(1, 0, "Inbox"), made]).add.len(), 1);
    }

    #[test]
    fn what_the_latest_answer_told_is_no_news() {
        let (mut state, key) = begun(&[folder(1, 0, "Inbox")]);
        assert!(!state.would_tell(&[folder(1, 0, "Inbox")]), "the answer is on its way");
        assert!(state.accept(&key, 1));
        let now = [folder(1, 0, "Inbox"), folder(2, 0, "New")];
        for other in [&now[..], &[], &[folder(1, 0, "Renamed")], &[folder(3, 0, "Inbox")]] {
            assert!(state.would_tell(other), "{other:?}");
        }
        state.told(2, &now);
        assert!(!state.would_tell(&now));
        assert!(state.is_of(1) && !state.is_of(2));
    }

    #[test]
    fn only_so_many_answers_are_remembered() {
        let (mut state, first) = begun(&[]);
        for nonce in 2..=5 {
            assert!(state.accept("0", 1));
            state.told(nonce, &[]);
        }
        assert!(!state.accept(&first, 1));
    }
}
