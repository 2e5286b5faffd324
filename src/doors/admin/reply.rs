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
    /// The device has sent no password that unlocks it.
    NoRecoveryPassword,
    /// The account has no such alias.
    NoAlias,
    /// An alias is somebody's address already.
    AliasTaken(String),
    /// An alias is in a domain that is not of this server.
    ForeignAlias(String),
    /// The account has no such app password.
    NoAppPassword,
    /// There is no such service that programs log in to.
    NoService,
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

impl Failure {
    /// Why an account did not get `alias`; the account was found.
    pub(super) fn of_alias(alias: &str, e: directory::Error) -> Self {
        match e {
            directory::Error::Exists => Self::AliasTaken(alias.to_owned()),
            directory::Error::Missing => Self::ForeignAlias(alias.to_owned()),
            e => e.into(),
        }
    }
}

/// A refusal of a command about `subject`, such as a domain's name.
pub(super) fn refusal(subject: &str, failure: &Failure) -> Answer {
    let (why, hint) = match failure {
        Failure::Directory(e) => directory_refusal(subject, e),
        Failure::Mailbox(e) => (format!("{subject}: {e}"), "folkmoot verify".into()),
        Failure::NoDevice => {
            (format!("{subject} has no such device"), format!("folkmoot device list {subject}"))
        }
        Failure::NoRecoveryPassword => (
            "the device has sent no recovery password".into(),
            "set eas.policy.password_recovery_enabled; devices that have one send it then".into(),
        ),
        Failure::NoAlias => {
            (format!("{subject} has no such alias"), format!("folkmoot account alias list {subject}"))
        }
        Failure::AliasTaken(alias) => {
            (format!("{alias} is somebody's address already"), "folkmoot account list".into())
        }
        Failure::ForeignAlias(alias) => {
            let domain = alias.rsplit_once('@').map_or(alias.as_str(), |(_, domain)| domain);
            (format!("{alias} is in no domain of this server"), format!("folkmoot domain add {domain}"))
        }
        Failure::NoAppPassword => (
            format!("{subject} has no such app password"),
            format!("folkmoot account app-password list {subject}"),
        ),
        Failure::NoService => (
            "programs log in to no such service".into(),
            "--service eas, imap, smtp, dav, pop3 or managesieve, or none for all".into(),
        ),
        Failure::NotQueued => (format!("{subject} is not in the queue"), "folkmoot queue list".into()),
        Failure::Store(store::Error::Full) => {
            ("the disk is full".into(), "make room, or lower store.free_space_min".into())
        }
        Failure::Store(e) => (e.to_string(), "see the server's log".into()),
    };
    Answer::Refused { why, hint }
}

fn directory_refusal(subject: &str, e: &directory::Error) -> (String, String) {
    use directory::Error as E;
    let is_address = subject.contains('@');
    match e {
        E::Missing => {
            let domain = subject.rsplit_once('@').map_or(subject, |(_, domain)| domain);
            let list = if is_address { "account list" } else { "domain list; folkmoot account list" };
            (format!("{subject} is not known"), format!("folkmoot {list}; folkmoot domain add {domain}"))
        }
        E::Exists if is_address => (
            format!("{subject} exists already"),
            format!("folkmoot account list; folkmoot account set-password {subject}"),
        ),
        E::Exists => (format!("{subject} exists already"), "folkmoot domain list".into()),
        E::InUse => (
            format!("{subject} still has accounts or aliases"),
            format!("folkmoot domain delete --force {subject} deletes them with it"),
        ),
        E::TooMany(what) => (
            format!("{subject}: too many {what}"),
            "delete some of them first, or wait a moment if they come and go by themselves".into(),
        ),
        E::Invalid(why) => (format!("{subject}: {why}"), "folkmoot --help shows what is wanted".into()),
        e => (format!("{subject}: {e}"), "see the server's log".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_type_next() {
        use directory::Error as D;
        for (subject, failure, told) in [
            ("al@new.org", D::Missing.into(), "folkmoot domain add new.org"),
            ("new.org", D::Missing.into(), "folkmoot domain add new.org"),
            ("al@example.org", D::Exists.into(), "set-password al@example.org"),
            ("example.org", D::Exists.into(), "folkmoot domain list"),
            ("example.org", D::InUse.into(), "domain delete --force example.org"),
            ("al@example.org", D::TooMany("aliases").into(), "delete some"),
            ("al", D::Invalid("an empty password").into(), "--help"),
            ("al", Failure::Mailbox(mailbox::Error::Missing), "folkmoot verify"),
            ("al", Failure::NoDevice, "folkmoot device list al"),
            ("al", Failure::of_alias("a@b.org", D::Missing), "folkmoot domain add b.org"),
            ("al", Failure::Store(store::Error::Full), "make room"),
        ] {
            let Answer::Refused { why, hint } = refusal(subject, &failure) else { panic!("{failure:?}") };
            assert!(!why.is_empty() && hint.contains(told), "{failure:?}: {hint}");
        }
    }
}
