//! The one place where errors become an administrator's words, with what to type next.

use super::Answer;
use crate::{directory, mailbox, store};

/// Why a command was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The directory refuses; with what the command was about.
    Directory(directory::Error),
    /// The folder store refuses.
    Mailbox(mailbox::Error),
    /// The account has no such device.
    NoDevice,
    /// There is no such message in the queue.
    NotQueued,
    /// The store failed.
    Store(store::Error),
}

impl From<directory::Error> for Failure {
    fn from(e: directory::Error) -> Self {
        match e {
            directory::Error::Store(e) => Self::Store(e),
            e => Self::Directory(e),
        }
    }
}

impl From<mailbox::Error> for Failure {
    fn from(e: mailbox::Error) -> Self {
        match e {
            mailbox::Error::Store(e) => Self::Store(e),
            e => Self::Mailbox(e),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(e: store::Error) -> Self {
        Self::Store(e)
    }
}

/// A refusal of a command about `subject`, such as a domain's name.
pub(super) fn refusal(subject: &str, failure: &Failure) -> Answer {
    use directory::Error as D;
    let (why, hint) = match failure {
        Failure::Directory(D::Missing) => {
            (format!("{subject} is not known"), "folkmoot domain list; folkmoot account list")
        }
        Failure::Directory(D::Exists) => (format!("{subject} exists already"), ""),
        Failure::Directory(D::InUse) => (
            format!("{subject} still has accounts or aliases"),
            "folkmoot domain delete --force DOMAIN deletes them with it",
        ),
        Failure::Directory(D::TooMany(what)) => (format!("{subject}: too many {what}"), ""),
        Failure::Directory(e) => (format!("{subject}: {e}"), ""),
        Failure::Mailbox(e) => (format!("{subject}: {e}"), ""),
        Failure::NoDevice => (format!("{subject} has no such device"), "folkmoot device list ACCOUNT"),
        Failure::NotQueued => (format!("{subject} is not in the queue"), "folkmoot queue list"),
        Failure::Store(store::Error::Full) => {
            ("the disk is full".into(), "make room, or lower store.free_space_min")
        }
        Failure::Store(e) => (e.to_string(), "see the server's log"),
    };
    Answer::Refused { why, hint: hint.into() }
}
