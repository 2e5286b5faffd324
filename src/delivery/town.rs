//! example.test and who lives there, for tests: passwords are the local part backwards.

use std::ops::ControlFlow;

use crate::clock::Clock;
use crate::directory::{AccountId, AuthLimits, Directory, NewAccount, PasswordCost};
use crate::mailbox::{self, Acting, Mailbox, Origin, OwnerId, Role, Uid};
use crate::store::Store;

/// The local parts; accounts are counted from 1 in this order. `full` has a mailbox without room.
pub(crate) const NAMES: [&str; 4] = ["anna", "berta", "full", "postmaster"];

pub(crate) struct Town {
    pub(crate) mailbox: Mailbox,
    pub(crate) directory: Directory,
    accounts: Vec<AccountId>,
}

impl Town {
    /// The town in `store`, built where it does not stand yet.
    pub(crate) async fn new(store: Store, clock: Clock) -> Self {
        let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1, scram_iterations: 4096 };
        let limits = AuthLimits { cost, ..AuthLimits::default() };
        let directory = Directory::new(store.clone(), clock.clone(), limits).unwrap();
        let mailbox = Mailbox::new(store, clock);
        let mut town = Self { mailbox, directory, accounts: Vec::new() };
        let is_new = town.directory.insert_domain("example.test").await.is_ok();
        for name in NAMES {
            let address = format!("{name}@example.test");
            if is_new {
                town.build(name, &address).await;
            }
            town.accounts.push(town.directory.resolve(&address).unwrap().unwrap().account.id);
        }
        town
    }

    async fn build(&self, name: &str, address: &str) {
        let password: String = name.chars().rev().collect();
        let new = NewAccount { address: address.into(), ..NewAccount::default() };
        let account = self.directory.insert_account(new, Some(&password)).await.unwrap();
        let quota = (name == "full").then_some(1);
        let made = self
            .mailbox
            .write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(OwnerId(account.id.0), quota));
        made.await.unwrap();
    }

    /// The messages in the Inbox of account `n`, oldest first.
    pub(crate) fn mail_of(&self, n: usize) -> Vec<String> {
        let view = self.mailbox.view(Acting::System).unwrap();
        let inbox = view.by_role(OwnerId(self.accounts[n - 1].0), Role::Inbox).unwrap();
        let mut items = Vec::new();
        view.items(&inbox, Uid(0), &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        })
        .unwrap();
        let text = |item| {
            let message = self.mailbox.message(&view, &inbox, &item).unwrap();
            assert_eq!(message.len() as u64, item.size);
            String::from_utf8_lossy(&message).into_owned()
        };
        items.into_iter().map(text).collect()
    }

    /// Everything the mailboxes count and refer to is as it should be.
    pub(crate) fn check(&self) {
        let view = self.mailbox.view(Acting::System).unwrap();
        let differences = mailbox::verify(view.reader()).unwrap();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}
