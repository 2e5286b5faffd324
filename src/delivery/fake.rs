//! Accounts in a table, for tests: passwords are the local part backwards.

use std::sync::Arc;

use parking_lot::Mutex;

use super::local::{Account, Accounts, Copy, Credentials, Login, Pending, Resolution};
use super::{Domain, Error, Mailbox, Refusal};
use crate::store::{self, Read, Tx};

/// The names at example.test; their account is their place, counted from 1.
pub(crate) const NAMES: [&str; 4] = ["anna", "berta", "full", "postmaster"];

/// A message that was delivered: the account and all its octets.
pub(crate) type Delivered = (u64, String);

#[derive(Default)]
pub(crate) struct FakeAccounts {
    delivered: Arc<Mutex<Vec<Delivered>>>,
    /// Domains that count as ours besides example.test; nobody lives there.
    pub(crate) error: Mutex<Option<store::Error>>,
}

impl FakeAccounts {
    /// What was delivered so far.
    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        self.delivered.lock().clone()
    }
}

impl Accounts for FakeAccounts {
    fn resolve(&self, _: &dyn Read, mailbox: &Mailbox) -> Result<Resolution, store::Error> {
        if *mailbox.domain() != Domain::Name("example.test".into()) {
            return Ok(Resolution::Remote);
        }
        let local = mailbox.local().to_lowercase();
        Ok(match NAMES.iter().position(|name| *name == local.trim_end_matches("+alias")) {
            Some(n) => Resolution::Account(n as u64 + 1),
            None => Resolution::NoSuchUser,
        })
    }

    fn deliver(&self, tx: &mut Tx<'_>, copy: Copy<'_>) -> Result<Result<(), Refusal>, store::Error> {
        if let Some(error) = self.error.lock().clone() {
            return Err(error);
        }
        if copy.account == 3 {
            return Ok(Err(Refusal::OverQuota));
        }
        let message = [copy.prefix.as_slice(), copy.body].concat();
        let (delivered, account) = (self.delivered.clone(), copy.account);
        tx.after_commit(move || {
            delivered.lock().push((account, String::from_utf8_lossy(&message).into_owned()));
        });
        Ok(Ok(()))
    }

    fn authenticate(&self, credentials: Credentials) -> Pending<'_, Result<Login, Error>> {
        let local = credentials.user.trim_end_matches("@example.test").to_owned();
        let password: String = local.chars().rev().collect();
        let known = NAMES.iter().position(|name| *name == local);
        Box::pin(std::future::ready(Ok(match known {
            _ if local == "flood" => Login::Later,
            Some(n) if password == credentials.password => {
                Login::Account(Account { id: n as u64 + 1, address: format!("{local}@example.test") })
            }
            _ => Login::Wrong,
        })))
    }

    fn may_send_as(&self, account: &Account, sender: &Mailbox) -> Result<bool, Error> {
        Ok(sender.to_string() == account.address)
    }
}
