//! The grammar of the command line.

use std::io::{BufRead, Read};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use folkmoot::directory::Kind;
use folkmoot::doors::admin::{Command, QuotaChange, Secret};

use super::exit::{self, Failed};

/// A groupware and Exchange ActiveSync server.
///
/// Without a command it serves. Commands work whether the server of the data folder runs or not.
#[derive(Parser, Debug)]
#[command(name = "folkmoot", version, disable_help_subcommand = true)]
pub(super) struct Args {
    /// Settings in TOML; see `folkmoot config defaults` [default: none, all defaults]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// The data folder, before the one in the settings [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) data: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) action: Option<Action>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Action {
    /// Run the server until Ctrl-C or SIGTERM
    Serve,
    /// Domains
    Domain {
        #[command(subcommand)]
        action: DomainAction,
    },
    /// Accounts
    Account {
        #[command(subcommand)]
        action: AccountAction,
    },
    /// Phones and other devices that synchronise
    Device {
        #[command(subcommand)]
        action: DeviceAction,
    },
    /// Messages that wait to be sent to other servers
    Queue {
        #[command(subcommand)]
        action: QueueAction,
    },
    /// Check the stored data: recompute what is derived, read and hash every message
    Verify {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check settings, ports, certificate and data folder: would a server start?
    Check,
    /// Say that the data folder was copied back from a backup, before the server starts: every client
    /// synchronises anew
    Restored,
    /// Settings
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum ConfigAction {
    /// Print all settings with their defaults and what they mean
    Defaults,
}

#[derive(Subcommand, Debug)]
pub(super) enum DomainAction {
    /// Add a domain
    Add {
        /// Its name, such as example.org
        name: String,
    },
    /// List the domains
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a domain
    Delete {
        /// Its name
        name: String,
        /// Delete its accounts with it
        #[arg(long)]
        force: bool,
    },
}

impl DomainAction {
    pub(super) fn asked(&self) -> Command {
        match self {
            Self::Add { name } => Command::DomainAdd { name: name.clone() },
            Self::List { .. } => Command::DomainList {},
            Self::Delete { name, force } => Command::DomainDelete { name: name.clone(), force: *force },
        }
    }

    pub(super) fn json(&self) -> bool {
        matches!(self, Self::List { json: true })
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum AccountAction {
    /// Add an account; its password is made and printed unless it is given
    Add {
        /// Its address, such as alice@example.org
        address: String,
        /// The name shown to people
        #[arg(long)]
        name: Option<String>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        /// It is a room: it takes or declines meetings by itself
        #[arg(long)]
        room: bool,
        /// It is equipment, which does likewise
        #[arg(long, conflicts_with = "room")]
        equipment: bool,
    },
    /// List the accounts
    List {
        /// Only those of this domain
        domain: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set an account's password; it is made and printed unless it is given
    SetPassword {
        /// One of the account's addresses
        address: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show how much room an account's mailbox has and takes, or change it
    Quota {
        /// One of the account's addresses
        address: String,
        /// The room it is to have: bytes, or with K, M, G or T behind them; or none for no limit
        #[arg(value_parser = quota)]
        quota: Option<QuotaChange>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an account
    Delete {
        /// One of its addresses
        address: String,
    },
    /// Further addresses of an account
    Alias {
        #[command(subcommand)]
        action: AliasAction,
    },
    /// Passwords for single programs, which can be taken away one by one
    AppPassword {
        #[command(subcommand)]
        action: AppPasswordAction,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum AliasAction {
    /// Give an account one more address
    Add {
        /// One of the account's addresses
        account: String,
        /// The further address, in any domain of this server
        alias: String,
    },
    /// List an account's further addresses
    List {
        /// One of the account's addresses
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a further address away
    Delete {
        /// One of the account's addresses
        account: String,
        /// The further address
        alias: String,
    },
}

impl AliasAction {
    fn asked(&self) -> Command {
        match self {
            Self::Add { account, alias } => {
                Command::AliasAdd { account: account.clone(), alias: alias.clone() }
            }
            Self::List { account, .. } => Command::AliasList { account: account.clone() },
            Self::Delete { account, alias } => {
                Command::AliasDelete { account: account.clone(), alias: alias.clone() }
            }
        }
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum AppPasswordAction {
    /// Make a password for one program; it is printed this once
    Add {
        /// One of the account's addresses
        account: String,
        /// What it is for, such as "my phone"
        label: String,
        /// Only for these services: eas, imap, smtp, dav, pop3, managesieve [default: all of them]
        #[arg(long = "service", value_name = "SERVICE", value_delimiter = ',')]
        services: Vec<String>,
    },
    /// List an account's app passwords
    List {
        /// One of the account's addresses
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an app password away
    Delete {
        /// One of the account's addresses
        account: String,
        /// Its id, as listed
        id: u64,
    },
}

impl AppPasswordAction {
    fn asked(&self) -> Command {
        match self {
            Self::Add { account, label, services } => Command::AppPasswordAdd {
                account: account.clone(),
                label: label.clone(),
                services: services.clone(),
            },
            Self::List { account, .. } => Command::AppPasswordList { account: account.clone() },
            Self::Delete { account, id } => Command::AppPasswordDelete { account: account.clone(), id: *id },
        }
    }
}

impl AccountAction {
    pub(super) fn asked(&self) -> Result<Command, Failed> {
        Ok(match self {
            Self::Add { address, name, password_stdin, room, equipment } => Command::AccountAdd {
                address: address.clone(),
                name: name.clone(),
                password: password(*password_stdin)?,
                kind: match (room, equipment) {
                    (true, _) => Kind::Room,
                    (_, true) => Kind::Equipment,
                    _ => Kind::User,
                },
            },
            Self::List { domain, .. } => Command::AccountList { domain: domain.clone() },
            Self::SetPassword { address, password_stdin } => {
                Command::AccountSetPassword { address: address.clone(), password: password(*password_stdin)? }
            }
            Self::Quota { address, quota, .. } => {
                Command::AccountQuota { address: address.clone(), change: *quota }
            }
            Self::Delete { address } => Command::AccountDelete { address: address.clone() },
            Self::Alias { action } => action.asked(),
            Self::AppPassword { action } => action.asked(),
        })
    }

    pub(super) fn json(&self) -> bool {
        matches!(
            self,
            Self::List { json: true, .. }
                | Self::Quota { json: true, .. }
                | Self::Alias { action: AliasAction::List { json: true, .. } }
                | Self::AppPassword { action: AppPasswordAction::List { json: true, .. } }
        )
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum DeviceAction {
    /// List the devices
    List {
        /// Only those of this account
        account: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Wipe a device when it next comes
    Wipe {
        /// The account it belongs to
        account: String,
        /// Its id, as listed
        device: String,
        /// Remove only the account and its data (devices that speak 16.1)
        #[arg(long)]
        account_only: bool,
        /// Take the wipe back, if the device has not come since
        #[arg(long, conflicts_with = "account_only")]
        cancel: bool,
    },
    /// Refuse a device until it is allowed again
    Block {
        /// The account it belongs to
        account: String,
        /// Its id, as listed
        device: String,
    },
    /// Show the password that unlocks a device whose owner forgot his own
    RecoveryPassword {
        /// The account it belongs to
        account: String,
        /// Its id, as listed
        device: String,
    },
    /// Let a device in again that was wiped or blocked
    Allow {
        /// The account it belongs to
        account: String,
        /// Its id, as listed
        device: String,
    },
    /// Forget a device and what is kept for it; it may come back as a new one
    Forget {
        /// The account it belongs to
        account: String,
        /// Its id, as listed
        device: String,
    },
}

impl DeviceAction {
    pub(super) fn asked(&self) -> Command {
        match self {
            Self::List { account, .. } => Command::DeviceList { account: account.clone() },
            Self::Wipe { account, device, cancel: true, .. } => {
                Command::DeviceCancelWipe { account: account.clone(), device: device.clone() }
            }
            Self::Block { account, device } => {
                Command::DeviceBlock { account: account.clone(), device: device.clone() }
            }
            Self::RecoveryPassword { account, device } => {
                Command::DeviceRecoveryPassword { account: account.clone(), device: device.clone() }
            }
            Self::Wipe { account, device, account_only, .. } => Command::DeviceWipe {
                account: account.clone(),
                device: device.clone(),
                account_only: *account_only,
            },
            Self::Allow { account, device } => {
                Command::DeviceAllow { account: account.clone(), device: device.clone() }
            }
            Self::Forget { account, device } => {
                Command::DeviceForget { account: account.clone(), device: device.clone() }
            }
        }
    }

    pub(super) fn json(&self) -> bool {
        matches!(self, Self::List { json: true, .. })
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum QueueAction {
    /// List the messages
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a message: its recipients, what went wrong, its header
    Show {
        /// Its id, as listed
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a message now, or all of them
    Retry {
        /// Its id, as listed
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All messages
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Delete a message without telling its sender
    Delete {
        /// Its id, as listed
        id: String,
    },
}

impl QueueAction {
    pub(super) fn asked(&self) -> Command {
        match self {
            Self::List { .. } => Command::QueueList {},
            Self::Show { id, .. } => Command::QueueShow { id: id.clone() },
            Self::Retry { id, .. } => Command::QueueRetry { id: id.clone() },
            Self::Delete { id } => Command::QueueDelete { id: id.clone() },
        }
    }

    pub(super) fn json(&self) -> bool {
        matches!(self, Self::List { json: true } | Self::Show { json: true, .. })
    }
}

/// `none`, or a size such as `512M`.
fn quota(text: &str) -> Result<QuotaChange, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(QuotaChange::Lift);
    }
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1_u64 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err("a size is bytes, or with K, M, G or T behind them".to_owned()),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    // The store counts in numbers that may be negative.
    let bytes = bytes.filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.map(QuotaChange::Bytes).ok_or_else(|| "that is no size, such as 512M, or none".to_owned())
}

/// The first line of standard input, if it is wanted.
fn password(from_stdin: bool) -> Result<Option<Secret>, Failed> {
    const LONGEST: u64 = 4096;
    if !from_stdin {
        return Ok(None);
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_line(&mut line)
        .map_err(|e| Failed::new(exit::FAILED, format!("the password cannot be read: {e}")))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(Failed::new(
            exit::FAILED,
            "there is no password on standard input\nTry: printf '%s\\n' PASSWORD | folkmoot account \
             set-password ADDRESS --password-stdin",
        ));
    }
    Ok(Some(Secret::new(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas() {
        assert_eq!(quota("none"), Ok(QuotaChange::Lift));
        assert_eq!(quota("0"), Ok(QuotaChange::Bytes(0)));
        assert_eq!(quota("512m"), Ok(QuotaChange::Bytes(512 << 20)));
        assert_eq!(quota("2T"), Ok(QuotaChange::Bytes(2 << 40)));
        for bad in ["", "M", "-1", "1.5G", "9999999999T", "1GB", "18446744073709551615"] {
            assert!(quota(bad).is_err(), "{bad}");
        }
    }
}
