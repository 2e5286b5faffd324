//! What can go wrong with a message, in words no protocol owns.

use std::fmt;

use crate::{directory, store};

/// Why a message was not accepted at all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// It went through too many servers.
    Loop,
    /// Its From is not an address of the one who sends it.
    FromNotYours,
    /// One who must say so does not say in one From field who wrote it.
    BadFrom,
    /// The store failed.
    Store(store::Error),
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Self {
        Self::Store(e)
    }
}

impl From<directory::Error> for Error {
    fn from(e: directory::Error) -> Self {
        match e {
            directory::Error::Store(e) => Self::Store(e),
            other => Self::Store(store::Error::Io(other.to_string())),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loop => f.write_str("the message goes in circles"),
            Self::FromNotYours => f.write_str("the From address is not the sender's"),
            Self::BadFrom => f.write_str("the message has no From field with an address, or several"),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Why one recipient does not get a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// There is nobody of that name, or no longer.
    NoSuchUser,
    /// The mailbox is full.
    OverQuota,
    /// The mailbox takes no mail.
    Forbidden,
    /// The mailbox cannot be used before somebody has repaired it.
    Unavailable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchUser => "no such user",
            Self::OverQuota => "the mailbox is full",
            Self::Forbidden => "the mailbox takes no mail",
            Self::Unavailable => "the mailbox cannot be used just now",
        })
    }
}
