//! Rights on folders: the letters of RFC 4314 §2.1 and one of our own, allowed or denied.

use serde::{Deserialize, Serialize};

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Rights(u16);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// `l`: the folder is visible.
    pub const LOOKUP: Self = Self(1);
    /// `r`: its items may be read.
    pub const READ: Self = Self(1 << 1);
    /// `s`: the seen state is kept across sessions.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags and properties other than seen and deleted may be changed.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: items may be added or moved in.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: mail may be sent to the folder's address.
    pub const POST: Self = Self(1 << 5);
    /// `k`: folders may be made below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: the folder may be deleted or renamed.
    pub const DELETE_FOLDER: Self = Self(1 << 7);
    /// `t`: items may be marked deleted.
    pub const DELETE_ITEM: Self = Self(1 << 8);
    /// `e`: deleted items may be expunged.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: the rights may be administered.
    pub const ADMIN: Self = Self(1 << 10);
    /// Ours: the seen state is the folder's own, the same for everybody.
    pub const SHARE_SEEN: Self = Self(1 << 11);
    /// Every right: what an owner has.
    pub const ALL: Self = Self((1 << 12) - 1);

    /// The rights in either set.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The rights of this set that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True when every right of `need` is in this set.
    pub const fn has(self, need: Self) -> bool {
        self.0 & need.0 == need.0
    }

    /// True when this set is empty.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// What a folder says about one principal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The account or group, or 0 for everybody with an account.
    pub grantee: u64,
    /// Rights allowed.
    pub allow: Rights,
    /// Rights denied; a denial anywhere wins over an allowance anywhere.
    pub deny: Rights,
}

/// The rights of somebody who is `who` (an account and its groups) in a folder whose chain of grants,
/// the folder's own and those of the folders above it, is `chain`: any deny wins, then any allow, and
/// what nobody set is no.
pub fn effective<'g>(chain: impl IntoIterator<Item = &'g Grant>, who: &[u64]) -> Rights {
    let (allow, deny) = chain
        .into_iter()
        .filter(|grant| grant.grantee == 0 || who.contains(&grant.grantee))
        .fold((Rights::NONE, Rights::NONE), |(allow, deny), grant| {
            (allow.and(grant.allow), deny.and(grant.deny))
        });
    allow.without(deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_deny_wins_over_any_allow() {
        let own = Grant { grantee: 7, allow: Rights::READ.and(Rights::LOOKUP), deny: Rights::NONE };
        let group = Grant { grantee: 9, allow: Rights::NONE, deny: Rights::READ };
        assert_eq!(effective([&own], &[7]), Rights::LOOKUP.and(Rights::READ));
        assert_eq!(effective([&own, &group], &[7, 9]), Rights::LOOKUP);
        assert_eq!(effective([&own, &group], &[8]), Rights::NONE);
    }

    #[test]
    fn everybody_includes_somebody() {
        let all = Grant { grantee: 0, allow: Rights::LOOKUP, deny: Rights::NONE };
        assert!(effective([&all], &[3]).has(Rights::LOOKUP));
    }
}
