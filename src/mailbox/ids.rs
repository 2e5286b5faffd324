//! The names of things. Ids are never used again, not even by a re-created account.

use serde::{Deserialize, Serialize};

/// An account, or the public tree of a domain: whoever owns folders.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct OwnerId(pub u64);

/// A folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FolderId(pub u64);

impl FolderId {
    /// The parent of a folder at the top of its owner's tree.
    pub const TOP: Self = Self(0);
}

/// An item's number in its folder; with the folder it is the residence id (the ActiveSync ServerId).
/// A moved item gets a new one. RFC 9051 §2.3.1.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Uid(pub u32);

/// A point in an owner's history of changes. RFC 7162 §3.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Modseq(pub u64);

/// The client a change came from: an ActiveSync device's id in the store, or [`Origin::OTHER`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Origin(pub u64);

impl Origin {
    /// A client that keeps no state which an echo could disturb.
    pub const OTHER: Self = Self(0);

    /// True for a device's own change.
    pub fn is(self, device: Self) -> bool {
        device != Self::OTHER && self == device
    }
}

/// Who acts, always apart from whose folder it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Acting {
    /// The server itself: delivery, collection, administration. May do everything.
    System,
    /// An account, with the groups it is in.
    Account {
        /// The account.
        id: u64,
        /// The groups it is in, directly or through others.
        groups: Vec<u64>,
    },
}

impl Acting {
    /// An account that is in no group.
    pub fn account(id: u64) -> Self {
        Self::Account { id, groups: Vec::new() }
    }
}
