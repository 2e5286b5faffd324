//! What can go wrong in the store, in words no protocol owns.

use std::fmt;

/// An error of the store. Doors never see it: the mailbox and the directory carry it on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// Free space is below the watermark, or the engine said so: writes are refused cleanly, reads go on.
    Full,
    /// The disk failed in the middle of a commit: the change may or may not be there. Never answered
    /// as if it had failed cleanly.
    Unknown(String),
    /// The store takes no more writes, after an `Unknown` or because it shuts down.
    Stopped,
    /// A bug ended the transaction; nothing of it was kept.
    Panicked,
    /// A stored row or body is damaged: this item alone is unreadable.
    Damaged(String),
    /// The disk or engine refused a read.
    Io(String),
    /// Another process has the data folder.
    Held(String),
    /// The data folder is of another version or engine, or may not be used; that does not pass by itself.
    Unusable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the store is full"),
            Self::Unknown(why) => write!(f, "a commit failed with unknown outcome: {why}"),
            Self::Stopped => f.write_str("the store takes no more writes"),
            Self::Panicked => f.write_str("the transaction ended in a bug; nothing of it was kept"),
            Self::Damaged(what) => write!(f, "damaged data: {what}"),
            Self::Io(why) => write!(f, "the store cannot be read: {why}"),
            Self::Held(why) | Self::Unusable(why) => write!(f, "the data folder cannot be used: {why}"),
        }
    }
}

impl std::error::Error for Error {}
