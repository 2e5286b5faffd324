//! Checking the directory as a whole: every row leads where it should, and nothing leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::account::{self, Account, AccountId};
use super::domain::{self, Domain, DomainId};
use super::{Error, primary_domain};
use crate::store::keys::{Key, Parts, Table};
use crate::store::{self, Order, Read, record};

/// What is wrong with the directory, in words. Damage is reported, not answered as an error.
///
/// # Errors
/// [`Error::Store`] when the store cannot be read.
pub fn verify(read: &impl Read) -> Result<Vec<String>, Error> {
    let mut check = Check { read, found: Vec::new() };
    let domains: BTreeMap<DomainId, Domain> = check
        .ids(Table::Domain)?
        .into_iter()
        .filter_map(|id| Some((DomainId(id), check.sound(domain::domain(read, DomainId(id)), "domain", id)?)))
        .collect();
    let accounts: BTreeMap<AccountId, Account> = check
        .ids(Table::Account)?
        .into_iter()
        .filter_map(|id| {
            Some((AccountId(id), check.sound(account::account(read, AccountId(id)), "account", id)?))
        })
        .collect();
    check.domains(&domains, &accounts)?;
    check.accounts(&domains, &accounts)?;
    check.addresses(&accounts)?;
    check.strays(&accounts)?;
    Ok(check.found)
}

struct Check<'r, R> {
    read: &'r R,
    found: Vec<String>,
}

impl<R: Read> Check<'_, R> {
    /// A row that was read, unless it is damaged.
    fn sound<T>(&mut self, row: Result<Option<T>, Error>, what: &str, id: u64) -> Option<T> {
        row.unwrap_or_else(|e| {
            self.found.push(format!("{what} {id}: {e}"));
            None
        })
    }

    /// The first part of every key of a table, each once.
    fn ids(&self, table: Table) -> Result<BTreeSet<u64>, store::Error> {
        let mut ids = BTreeSet::new();
        self.read.scan(&Key::of(table).range(), Order::Forward, &mut |key, _| {
            ids.extend(Parts::of(key).u64());
            ControlFlow::Continue(())
        })?;
        Ok(ids)
    }

    fn domains(
        &mut self,
        domains: &BTreeMap<DomainId, Domain>,
        accounts: &BTreeMap<AccountId, Account>,
    ) -> Result<(), Error> {
        for (id, domain) in domains {
            let named = domain::domain_by_name(self.read, &domain.name);
            let named = self.sound(named, "the name of domain", id.0);
            if named.is_none_or(|named| named.id != *id) {
                self.found.push(format!("domain {}: its name does not lead to it", domain.name));
            }
            if let Some(postmaster) = domain.postmaster
                && accounts.get(&postmaster).is_none_or(|account| account.domain != *id)
            {
                self.found.push(format!("domain {}: its postmaster is none of its accounts", domain.name));
            }
        }
        let mut names = Vec::new();
        self.read.scan(&Key::of(Table::DomainName).range(), Order::Forward, &mut |key, row| {
            let name = String::from_utf8_lossy(Parts::of(key).rest()).into_owned();
            names.push((name, record::decode_v::<DomainId>(super::domain::VERSION, row).ok()));
            ControlFlow::Continue(())
        })?;
        for (name, id) in names {
            if id.and_then(|id| domains.get(&id)).is_none_or(|domain| domain.name != name) {
                self.found.push(format!("domain name {name:?} leads to no such domain"));
            }
        }
        let primary = primary_domain(self.read);
        if self.sound(primary, "the primary domain", 0).is_none() && !domains.is_empty() {
            self.found.push("there is no primary domain".into());
        }
        Ok(())
    }

    fn accounts(
        &mut self,
        domains: &BTreeMap<DomainId, Domain>,
        accounts: &BTreeMap<AccountId, Account>,
    ) -> Result<(), Error> {
        let mut members = BTreeSet::new();
        self.read.scan(&Key::of(Table::AccountOfDomain).range(), Order::Forward, &mut |key, _| {
            let mut parts = Parts::of(key);
            members.extend(parts.u64().and_then(|domain| Some((DomainId(domain), AccountId(parts.u64()?)))));
            ControlFlow::Continue(())
        })?;
        for (id, account) in accounts {
            if !domains.contains_key(&account.domain) {
                self.found.push(format!("account {}: its domain is not there", account.address));
            }
            if !members.remove(&(account.domain, *id)) {
                self.found.push(format!("account {}: it is not listed in its domain", account.address));
            }
            for address in account.addresses() {
                let holder = account::holder(self.read, &address.folded_local(), address.domain());
                let holder = self.sound(holder, "an address of account", id.0);
                if holder.is_none_or(|holder| holder.id != *id) {
                    self.found.push(format!("account {}: {address} does not lead to it", account.address));
                }
            }
        }
        for (domain, account) in members {
            self.found.push(format!("domain {} lists account {}, which is not in it", domain.0, account.0));
        }
        Ok(())
    }

    /// Every address leads to an account that has it.
    fn addresses(&mut self, accounts: &BTreeMap<AccountId, Account>) -> Result<(), Error> {
        let mut rows = Vec::new();
        self.read.scan(&Key::of(Table::Address).range(), Order::Forward, &mut |key, row| {
            let mut parts = Parts::of(key);
            let domain = parts.text().unwrap_or_default().to_owned();
            let local = String::from_utf8_lossy(parts.rest()).into_owned();
            rows.push((local, domain, record::decode_v::<u64>(account::VERSION, row).ok().map(AccountId)));
            ControlFlow::Continue(())
        })?;
        for (local, domain, id) in rows {
            let has = |account: &Account| {
                account.addresses().any(|a| a.domain() == domain && a.folded_local() == local)
            };
            if !id.and_then(|id| accounts.get(&id)).is_some_and(has) {
                self.found.push(format!("address {local}@{domain} leads to no account that has it"));
            }
        }
        Ok(())
    }

    /// Nothing is kept for accounts that are not there.
    fn strays(&mut self, accounts: &BTreeMap<AccountId, Account>) -> Result<(), Error> {
        const OF_ACCOUNTS: [Table; 5] =
            [Table::Credentials, Table::AppPassword, Table::Setting, Table::Subscription, Table::Device];
        for table in OF_ACCOUNTS {
            for id in self.ids(table)? {
                if !accounts.contains_key(&AccountId(id)) {
                    self.found.push(format!("account {id} is not there, but has rows in {table:?}"));
                }
            }
        }
        let mut words = BTreeSet::new();
        self.read.scan(&Key::of(Table::DirectoryWord).range(), Order::Forward, &mut |key, _| {
            words.extend(key.last_chunk().map(|id| AccountId(u64::from_be_bytes(*id))));
            ControlFlow::Continue(())
        })?;
        for id in words.iter().filter(|id| !accounts.contains_key(id)) {
            self.found.push(format!("account {} is not there, but stands in the address list", id.0));
        }
        Ok(())
    }
}
