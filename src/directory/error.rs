//! What can go wrong in the directory, in words no protocol owns.

use std::fmt;
use std::time::Duration;

use crate::clock::NoEntropy;
use crate::store;

/// An error of the directory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// No such domain, account, alias or app password.
    Missing,
    /// The name or address is taken.
    Exists,
    /// The domain still has accounts or aliases.
    InUse,
    /// A value is not allowed; says why.
    Invalid(&'static str),
    /// An account has as many of these as it may have.
    TooMany(&'static str),
    /// The system has no entropy.
    NoEntropy,
    /// The store failed.
    Store(store::Error),
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Self {
        Self::Store(e)
    }
}

impl From<NoEntropy> for Error {
    fn from(_: NoEntropy) -> Self {
        Self::NoEntropy
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such domain, account or address"),
            Self::Exists => f.write_str("the name is taken"),
            Self::InUse => f.write_str("the domain still has accounts or aliases"),
            Self::Invalid(why) => f.write_str(why),
            Self::TooMany(what) => write!(f, "too many {what}"),
            Self::NoEntropy => NoEntropy.fmt(f),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Why a login failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AuthError {
    /// The user or the password is wrong. Never says which.
    Refused,
    /// The password is right, but the account is disabled or may not use this service.
    Denied,
    /// Too many failures for this account or from this address; says nothing about either.
    TooMany {
        /// How long until an attempt is looked at again, in whole seconds.
        retry_after: Duration,
    },
    /// Too many logins are under way; nothing was counted against the caller.
    Busy,
    /// The directory could not be read: try later.
    Unavailable(Error),
}

impl From<Error> for AuthError {
    fn from(e: Error) -> Self {
        Self::Unavailable(e)
    }
}

impl From<store::Error> for AuthError {
    fn from(e: store::Error) -> Self {
        Self::Unavailable(Error::Store(e))
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("wrong user name or password"),
            Self::Denied => f.write_str("the account may not use this service"),
            Self::TooMany { retry_after } => {
                write!(f, "too many failed logins; try again in {} seconds", retry_after.as_secs())
            }
            Self::Busy => f.write_str("too many logins at once; try again"),
            Self::Unavailable(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for AuthError {}
