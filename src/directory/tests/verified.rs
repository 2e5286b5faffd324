//! The check of the directory finds what is planted by hand.

use super::*;
use crate::store::keys::{Key, Table};
use crate::store::record;

/// A directory with something of everything.
fn furnished() -> (World, Account) {
    let world = World::new();
    let alice = world.account("alice@example.org");
    world.account("bob@example.net");
    let id = alice.id;
    world
        .write(move |tx| {
            add_alias(tx, id, "alias@example.net")?;
            set_setting(tx, id, "colour", &"blue")?;
            add_app_password(tx, START, id, "phone", Services::USUAL)?;
            let domain = domain_by_name(tx, "example.org")?.ok_or(Error::Missing)?;
            update_domain(tx, &Domain { postmaster: Some(id), ..domain })?;
            set_primary_domain(tx, domain_by_name(tx, "example.net")?.ok_or(Error::Missing)?.id)
        })
        .unwrap();
    assert_eq!(verify(&world.read()).unwrap(), [""; 0]);
    let alice = world.directory.account(id).unwrap().unwrap();
    (world, alice)
}

/// Changes rows by hand and expects exactly these words.
fn planted(expected: &[&str], damage: impl FnOnce(&mut Tx<'_>, &Account) + Send + 'static) {
    let (world, alice) = furnished();
    let who = alice.clone();
    world
        .write(move |tx| {
            damage(tx, &who);
            Ok(())
        })
        .unwrap();
    let found = verify(&world.read()).unwrap();
    let expected: Vec<String> = expected
        .iter()
        .map(|e| e.replace("ALICE", &alice.id.0.to_string()).replace("ORG", &alice.domain.0.to_string()))
        .collect();
    assert_eq!(found, expected);
}

fn address_row(local: &str, domain: &str) -> Vec<u8> {
    Key::of(Table::Address).text(domain).raw(local.as_bytes()).done()
}

fn row(table: Table, account: &Account) -> Vec<u8> {
    Key::of(table).u64(account.id.0).done()
}

#[test]
fn addresses_that_lead_elsewhere_are_found() {
    planted(&["account alice@example.org: alice@example.org does not lead to it"], |tx, _| {
        tx.delete(address_row("alice", "example.org"));
    });
    planted(&["account alice@example.org: alias@example.net does not lead to it"], |tx, _| {
        tx.delete(address_row("alias", "example.net"));
    });
    planted(&["address carol@example.org leads to no account that has it"], |tx, alice| {
        tx.put(address_row("carol", "example.org"), record::encode(1, &alice.id.0));
    });
    planted(&["address carol@example.org leads to no account that has it"], |tx, _| {
        tx.put(address_row("carol", "example.org"), record::encode(1, &999_u64));
    });
    planted(&["address carol@example.org leads to no account that has it"], |tx, _| {
        tx.put(address_row("carol", "example.org"), vec![9]);
    });
}

#[test]
fn accounts_and_what_is_left_of_them_are_found() {
    planted(&["account alice@example.org: it is not listed in its domain"], |tx, alice| {
        tx.delete(Key::of(Table::AccountOfDomain).u64(alice.domain.0).u64(alice.id.0).done());
    });
    planted(&["domain ORG lists account 999, which is not in it"], |tx, alice| {
        tx.put(Key::of(Table::AccountOfDomain).u64(alice.domain.0).u64(999).done(), Vec::new());
    });
    planted(&["account 999 is not there, but has rows in Device"], |tx, _| {
        tx.put(Key::of(Table::Device).u64(999).text("PHONE").done(), Vec::new());
    });
    planted(
        &[
            "domain example.org: its postmaster is none of its accounts",
            "domain ORG lists account ALICE, which is not in it",
            "address alias@example.net leads to no account that has it",
            "address alice@example.org leads to no account that has it",
            "account ALICE is not there, but has rows in Credentials",
            "account ALICE is not there, but has rows in AppPassword",
            "account ALICE is not there, but has rows in Setting",
            "account ALICE is not there, but stands in the address list",
        ],
        |tx, alice| tx.delete(row(Table::Account, alice)),
    );
}

#[test]
fn damaged_accounts_are_told_not_answered_as_errors() {
    let (world, alice) = furnished();
    let key = row(Table::Account, &alice);
    world
        .write(move |tx| {
            tx.put(key, vec![1, 2]);
            Ok(())
        })
        .unwrap();
    let found = verify(&world.read()).unwrap();
    assert!(found[0].starts_with(&format!("account {}: ", alice.id.0)), "{found:?}");
}

#[test]
fn domains_and_their_names_are_held_against_each_other() {
    planted(&["domain example.org: its name does not lead to it"], |tx, _| {
        tx.delete(Key::of(Table::DomainName).raw(b"example.org").done());
    });
    planted(&["domain name \"example.com\" leads to no such domain"], |tx, alice| {
        tx.put(Key::of(Table::DomainName).raw(b"example.com").done(), record::encode(1, &alice.domain));
    });
    planted(
        &[
            "domain name \"example.org\" leads to no such domain",
            "account alice@example.org: its domain is not there",
        ],
        |tx, alice| tx.delete(Key::of(Table::Domain).u64(alice.domain.0).done()),
    );
}
