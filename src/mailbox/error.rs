//! What can go wrong, in words no protocol owns. Each door maps them once, in its `reply.rs`.

use std::fmt;

use crate::store;

/// An error of the shared folder store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// No such folder or item that the caller may see.
    Missing,
    /// The caller sees it, but may not do this.
    Denied,
    /// The name is taken.
    Exists,
    /// The name or the place is not allowed; says why.
    Invalid(&'static str),
    /// The owner's quota would be exceeded.
    OverQuota,
    /// The caller's view is too old or from another history; it must start again.
    Stale,
    /// The store failed.
    Store(store::Error),
}

impl Error {
    /// True when one row or body cannot be read: it concerns that one alone.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Store(store::Error::Damaged(_)))
    }
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Self {
        Self::Store(e)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such folder or item"),
            Self::Denied => f.write_str("not allowed"),
            Self::Exists => f.write_str("the name is taken"),
            Self::Invalid(why) => f.write_str(why),
            Self::OverQuota => f.write_str("over quota"),
            Self::Stale => f.write_str("the client must start again"),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
