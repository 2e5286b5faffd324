//! What can be asked, and what is answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::directory::Kind;

/// A command of an administrator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Makes a domain.
    DomainAdd {
        /// Its name.
        name: String,
    },
    /// Lists the domains.
    DomainList {},
    /// Deletes a domain.
    DomainDelete {
        /// Its name.
        name: String,
        /// Its accounts go with it.
        force: bool,
    },
    /// Makes an account with its standard folders.
    AccountAdd {
        /// Its address; a bare name is completed with the primary domain.
        address: String,
        /// The name shown to people; absent, the part before the `@`.
        name: Option<String>,
        /// Its password; absent, one is made and answered.
        password: Option<Secret>,
        /// What it stands for; absent, a person.
        #[serde(default)]
        kind: Kind,
    },
    /// Lists the accounts.
    AccountList {
        /// Only those of this domain.
        domain: Option<String>,
    },
    /// Sets an account's password.
    AccountSetPassword {
        /// One of its addresses.
        address: String,
        /// The password; absent, one is made and answered.
        password: Option<Secret>,
    },
    /// Tells how much room an account's mailbox has and takes, or changes how much it has.
    AccountQuota {
        /// One of its addresses.
        address: String,
        /// Absent, nothing is changed.
        change: Option<QuotaChange>,
    },
    /// Deletes an account: nobody can log in to it or send to it any more.
    AccountDelete {
        /// One of its addresses.
        address: String,
    },
    /// Gives an account one more address.
    AliasAdd {
        /// One of its addresses.
        account: String,
        /// The further one, in any domain of this server.
        alias: String,
    },
    /// Lists an account's further addresses.
    AliasList {
        /// One of its addresses.
        account: String,
    },
    /// Takes a further address away.
    AliasDelete {
        /// One of its addresses.
        account: String,
        /// The further one.
        alias: String,
    },
    /// Makes a password for one program, which is answered.
    AppPasswordAdd {
        /// One of the account's addresses.
        account: String,
        /// What it is for, in people's words.
        label: String,
        /// The services it is for, by their names; none is all of those where programs log in.
        services: Vec<String>,
    },
    /// Lists an account's app passwords, without the secrets.
    AppPasswordList {
        /// One of its addresses.
        account: String,
    },
    /// Takes an app password away: it lets nobody in any more.
    AppPasswordDelete {
        /// One of the account's addresses.
        account: String,
        /// Its id, as listed.
        id: u64,
    },
    /// Lists the devices that synchronise.
    DeviceList {
        /// Only those of this account.
        account: Option<String>,
    },
    /// Has a device wiped when it next comes; until then, and since, it gets nothing else.
    DeviceWipe {
        /// The account it belongs to.
        account: String,
        /// Its id, as listed.
        device: String,
        /// Only the account and its data are to be removed from it.
        account_only: bool,
    },
    /// Takes a wipe back that the device has not acknowledged.
    DeviceCancelWipe {
        /// The account it belongs to.
        account: String,
        /// Its id, as listed.
        device: String,
    },
    /// Refuses a device.
    DeviceBlock {
        /// The account it belongs to.
        account: String,
        /// Its id, as listed.
        device: String,
    },
    /// Tells the password that unlocks a device, which it has sent for this.
    DeviceRecoveryPassword {
        /// The account it belongs to.
        account: String,
        /// Its id, as listed.
        device: String,
    },
    /// Lets a device in again that was wiped or blocked.
    DeviceAllow {
        /// The account it belongs to.
        account: String,
        /// Its id, as listed.
        device: String,
    },
    /// Forgets a device and what is kept for it; it may come back as a new one.
    DeviceForget {
        /// The account it belongs to.
        account: String,
        /// Its id, as listed.
        device: String,
    },
    /// Lists the messages that wait to be sent.
    QueueList {},
    /// Shows one of them.
    QueueShow {
        /// Its id.
        id: String,
    },
    /// Has messages tried now, whatever their schedule.
    QueueRetry {
        /// One's id; absent, all are meant.
        id: Option<String>,
    },
    /// Removes a message that waits, without telling its sender.
    QueueDelete {
        /// Its id.
        id: String,
    },
    /// Computes everything derived again from the items, reads and hashes every body.
    Verify {},
}

/// How much room a mailbox is to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaChange {
    /// As much as there is.
    Lift,
    /// So many bytes.
    Bytes(u64),
}

/// What a command came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It was done.
    Done {
        /// What was done, for people.
        text: String,
    },
    /// It was done, and a password was made, which is shown this once.
    Password {
        /// Whose password.
        address: String,
        /// The password.
        password: Secret,
    },
    /// The password that unlocks a device.
    RecoveryPassword {
        /// Which device.
        device: String,
        /// The password.
        password: Secret,
    },
    /// An account's further addresses.
    Aliases {
        /// In the order they were added.
        aliases: Vec<String>,
    },
    /// An account's app passwords.
    AppPasswords {
        /// Oldest first.
        app_passwords: Vec<AppPasswordLine>,
    },
    /// The domains.
    Domains {
        /// By name.
        domains: Vec<DomainLine>,
    },
    /// The accounts.
    Accounts {
        /// By domain, oldest first.
        accounts: Vec<AccountLine>,
    },
    /// How much room a mailbox has and takes.
    Quota {
        /// Whose mailbox.
        quota: QuotaLine,
    },
    /// The devices.
    Devices {
        /// By account and id.
        devices: Vec<DeviceLine>,
    },
    /// The messages that wait.
    Queue {
        /// Oldest first.
        messages: Vec<QueueLine>,
    },
    /// One message that waits.
    QueuedMessage {
        /// The message.
        message: QueueLine,
        /// Its header, as far as it is not too long.
        header: String,
    },
    /// What a verification found.
    Verified {
        /// Bodies of messages that were read and hashed.
        bodies: u64,
        /// Their bytes.
        body_bytes: u64,
        /// How many problems there are; 0 is a sound store.
        found: u64,
        /// The first of them, in words.
        problems: Vec<String>,
    },
    /// It was not done.
    Refused {
        /// Why not.
        why: String,
        /// What to do about it; may be empty.
        hint: String,
    },
}

/// A domain in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DomainLine {
    /// Its name.
    pub name: String,
    /// How many accounts it has.
    pub accounts: u64,
    /// Completes bare user names.
    pub primary: bool,
}

/// An account in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountLine {
    /// Its primary address.
    pub address: String,
    /// The name shown to people.
    pub name: String,
    /// Its other addresses.
    pub aliases: Vec<String>,
    /// False when nobody may log in to it.
    pub enabled: bool,
}

/// The room of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QuotaLine {
    /// The account's primary address.
    pub address: String,
    /// Bytes of what counts.
    pub used: u64,
    /// How many items those are.
    pub items: u64,
    /// Most bytes, if limited.
    pub quota: Option<u64>,
    /// Bytes of what was expunged and can be recovered; they do not count.
    pub expunged: u64,
}

/// An app password in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppPasswordLine {
    /// Its id.
    pub id: u64,
    /// What it is for, in people's words.
    pub label: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The services it is for, by their names.
    pub services: Vec<String>,
}

/// A device in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceLine {
    /// The account it belongs to.
    pub account: String,
    /// As it calls itself.
    pub id: String,
    /// What it says it is.
    pub device_type: String,
    /// The model it names.
    pub model: Option<String>,
    /// The program it names.
    pub user_agent: String,
    /// The ActiveSync version it spoke last.
    pub version: String,
    /// When it first came, RFC 3339.
    pub first_seen: String,
    /// When it last came, a few minutes more or less, RFC 3339.
    pub last_seen: String,
    /// It has applied a policy.
    pub provisioned: bool,
    /// It is refused.
    pub blocked: bool,
    /// It has sent a password that unlocks it.
    pub recovery_password: bool,
    /// The wipe that was asked for.
    pub wipe: Option<WipeLine>,
}

/// A wipe in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WipeLine {
    /// Only the account and its data.
    pub account_only: bool,
    /// `requested`, `sent`, `acknowledged` or `failed`.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// A queued message in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueLine {
    /// Its id.
    pub id: String,
    /// Whom it is from; empty for the null sender.
    pub sender: String,
    /// Whom it is for.
    pub recipients: Vec<QueuedRecipientLine>,
    /// Where it goes.
    pub destination: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was taken over, RFC 3339.
    pub created: String,
    /// When it is tried next, RFC 3339.
    pub next_attempt: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// A recipient of a queued message in a listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueuedRecipientLine {
    /// The address.
    pub address: String,
    /// `pending`, `done` or `failed`.
    pub status: String,
    /// What went wrong the last time.
    pub last_failure: Option<String>,
}

/// A password on its way; never shown in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password, to hash it or to show it to who asked for it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_the_wire_and_hide_their_secrets() {
        let command = Command::AccountSetPassword {
            address: "alice@example.test".into(),
            password: Some(Secret::new("correct horse")),
        };
        let line = serde_json::to_string(&command).unwrap();
        assert_eq!(
            line,
            r#"{"command":"account-set-password","address":"alice@example.test","password":"correct horse"}"#
        );
        assert_eq!(serde_json::from_str::<Command>(&line).unwrap(), command);
        assert!(!format!("{command:?}").contains("horse"));
        assert!(serde_json::from_str::<Command>(r#"{"command":"domain-list","all":true}"#).is_err());
    }
}
