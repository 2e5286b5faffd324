//! Domains and accounts: made, changed and deleted.

use super::*;

#[test]
fn domains_are_found_in_any_spelling() {
    let world = World::new();
    let made = world.write(|tx| insert_domain(tx, START, "Bücher.Example")).unwrap();
    assert_eq!(made.name, "xn--bcher-kva.example");
    for name in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE"] {
        assert_eq!(domain_by_name(&world.read(), name).unwrap(), Some(made.clone()), "{name}");
        assert!(world.directory.is_local_domain(name).unwrap());
        let name = name.to_owned();
        assert_err!(world.write(move |tx| insert_domain(tx, START, &name)), Error::Exists);
    }
    for name in ["", "example", "example.com", "sub.example.org", "example.org.", "example.org\0"] {
        assert!(!world.directory.is_local_domain(name).unwrap(), "{name}");
    }
    let names: Vec<_> = world.directory.domains().unwrap().into_iter().map(|d| d.name).collect();
    assert_eq!(names, ["example.org", "example.net", "xn--bcher-kva.example"]);
    assert_err!(world.write(|tx| insert_domain(tx, START, "not a name")), Error::Invalid(_));
}

#[test]
fn a_domain_keeps_its_name_and_gets_only_its_own_postmaster() {
    let world = World::new();
    let domain = world.domain("example.org");
    let (bob, eve) = (world.account("bob@example.org"), world.account("eve@example.net"));
    let changed =
        Domain { name: "evil.example".into(), quota_bytes: Some(7), postmaster: Some(bob.id), ..domain };
    world.write(move |tx| update_domain(tx, &changed)).unwrap();
    let stored = world.domain("example.org");
    assert_eq!((stored.name.as_str(), stored.quota_bytes), ("example.org", Some(7)));
    assert_eq!(bob.quota_bytes(&stored), Some(7));
    let foreign = Domain { postmaster: Some(eve.id), ..stored };
    assert_err!(world.write(move |tx| update_domain(tx, &foreign)), Error::Invalid(_));
    // Deleted, it is nobody's postmaster any more.
    world.write(move |tx| delete_account(tx, bob.id)).unwrap();
    assert_eq!(world.domain("example.org").postmaster, None);
}

#[test]
fn an_account_is_found_under_all_its_addresses() {
    let world = World::new();
    let new = NewAccount {
        address: "Bob.Smith@Example.ORG".into(),
        aliases: vec!["bob@example.org".into(), "sales@example.net".into()],
        ..NewAccount::default()
    };
    let bob = world.account_with(new, "x");
    assert_eq!(bob.address.to_string(), "Bob.Smith@example.org");
    assert_eq!(bob.display_name, "Bob.Smith");
    assert_eq!(bob.domain, world.domain("example.org").id);
    for address in
        ["bob.smith@example.org", "BOB@example.org", "sales@EXAMPLE.net", "\"bob\"@example.org", "bob"]
    {
        let found = world.directory.resolve(address).unwrap().unwrap();
        assert_eq!(found.account, bob, "{address}");
    }
    for address in [
        "sales@example.org",
        "bob@example.net",
        "bob.smith@example.com",
        "",
        "@",
        "\"\"@example.org",
        "bob@[127.0.0.1]",
    ] {
        assert_eq!(world.directory.resolve(address).unwrap(), None, "{address}");
    }
    assert_eq!(accounts(&world.read(), world.domain("example.org").id, None, 10).unwrap(), [bob]);
    assert_eq!(accounts(&world.read(), world.domain("example.net").id, None, 10).unwrap(), []);
}

#[test]
fn addresses_are_unique_in_every_spelling_and_nothing_of_a_refused_account_stays() {
    let world = World::new();
    world.account_with(
        NewAccount {
            address: "bob@example.org".into(),
            aliases: vec!["jürgen@example.org".into()],
            ..NewAccount::default()
        },
        "x",
    );
    let before = world.keys();
    for (address, alias) in [
        ("BOB@example.org", None),
        ("ju\u{308}rgen@example.org", None),
        ("carol@example.org", Some("JÜRGEN@example.org")),
        ("carol@example.org", Some("CAROL@example.org")),
    ] {
        let aliases = alias.iter().map(ToString::to_string).collect();
        let new = NewAccount { address: address.into(), aliases, ..NewAccount::default() };
        assert_err!(world.write(move |tx| insert_account(tx, START, &new)), Error::Exists);
    }
    for address in
        ["carol@example.com", "carol@", "ca rol@example.org", "\"\"@example.org", "carol\n@example.org"]
    {
        let new = NewAccount { address: address.into(), ..NewAccount::default() };
        assert_err!(
            world.write(move |tx| insert_account(tx, START, &new)),
            Error::Missing | Error::Invalid(_)
        );
    }
    let new = NewAccount {
        address: "carol@example.org".into(),
        display_name: "a\r\nBcc: x".into(),
        ..NewAccount::default()
    };
    assert_err!(world.write(move |tx| insert_account(tx, START, &new)), Error::Invalid(_));
    assert_eq!(world.keys(), before);
}

#[test]
fn updates_do_not_move_an_account() {
    let world = World::new();
    let bob = world.account("bob@example.org");
    let eve = world.account("eve@example.net");
    let changed = Account {
        display_name: "Robert".into(),
        enabled: false,
        quota_bytes: Some(9),
        domain: eve.domain,
        address: eve.address.clone(),
        aliases: vec![eve.address],
        ..bob.clone()
    };
    let stored = world.write(move |tx| update_account(tx, &changed)).unwrap();
    assert_eq!(world.directory.account(bob.id).unwrap(), Some(stored.clone()));
    assert_eq!(
        stored,
        Account { display_name: "Robert".into(), enabled: false, quota_bytes: Some(9), ..bob.clone() }
    );
    let unknown = Account { id: AccountId(999), ..bob.clone() };
    assert_err!(world.write(move |tx| update_account(tx, &unknown)), Error::Missing);
    let long = Account { profile: Profile { title: Some("x".repeat(300)), ..Profile::default() }, ..bob };
    assert_err!(world.write(move |tx| update_account(tx, &long)), Error::Invalid(_));
}

#[test]
fn aliases_come_and_go() {
    let world = World::new();
    let id = world.account("bob@example.org").id;
    world.write(move |tx| add_alias(tx, id, "Robert@example.net")).unwrap();
    assert_err!(world.write(move |tx| add_alias(tx, id, "robert@example.net")), Error::Exists);
    assert_err!(world.write(move |tx| add_alias(tx, id, "bob@example.org")), Error::Exists);
    assert_err!(world.write(move |tx| add_alias(tx, id, "bob@example.com")), Error::Missing);
    assert_err!(world.write(move |tx| remove_alias(tx, id, "bob@example.org")), Error::Missing);
    world.write(move |tx| remove_alias(tx, id, "ROBERT@example.net")).unwrap();
    assert_err!(world.write(move |tx| remove_alias(tx, id, "robert@example.net")), Error::Missing);
    assert_eq!(world.directory.resolve("robert@example.net").unwrap(), None);
    for n in 0..100 {
        world.write(move |tx| add_alias(tx, id, &format!("bob{n}@example.org"))).unwrap();
    }
    assert_err!(world.write(move |tx| add_alias(tx, id, "one-more@example.org")), Error::TooMany(_));
}

#[test]
fn the_primary_address_can_change() {
    let world = World::new();
    let id = world.account("bob@example.org").id;
    world.write(move |tx| add_alias(tx, id, "robert@example.org")).unwrap();
    world.account("eve@example.org");

    let bob = world.write(move |tx| set_address(tx, id, "Robert@example.org", true)).unwrap();
    assert_eq!(bob.address.to_string(), "Robert@example.org");
    assert_eq!(bob.aliases.iter().map(ToString::to_string).collect::<Vec<_>>(), ["bob@example.org"]);
    let bob = world.write(move |tx| set_address(tx, id, "new@example.org", false)).unwrap();
    assert_eq!(bob.aliases.len(), 1);
    assert_eq!(world.directory.resolve("robert@example.org").unwrap(), None);
    assert_eq!(world.directory.resolve("new@example.org").unwrap().unwrap().account, bob);
    assert_eq!(world.directory.resolve("bob@example.org").unwrap().unwrap().account, bob);
    // Only the spelling.
    let bob = world.write(move |tx| set_address(tx, id, "New@example.org", false)).unwrap();
    assert_eq!(world.directory.resolve("new@example.org").unwrap().unwrap().account, bob);
    assert_eq!(bob.aliases.len(), 1);
    assert_err!(world.write(move |tx| set_address(tx, id, "eve@example.org", true)), Error::Exists);
    assert_err!(world.write(move |tx| set_address(tx, id, "bob@example.net", true)), Error::Invalid(_));
}

#[test]
fn deleting_leaves_nothing_and_the_id_is_not_used_again() {
    let world = World::new();
    let empty = world.keys();
    let new = || NewAccount {
        address: "bob@example.org".into(),
        aliases: vec!["robert@example.net".into()],
        display_name: "Bob Smith".into(),
        ..NewAccount::default()
    };
    let first = world.account_with(new(), "x");
    let id = first.id;
    world.write(move |tx| add_app_password(tx, START, id, "phone", Services::ALL)).unwrap();
    world.write(move |tx| set_setting(tx, id, "signature", &"Bob".to_owned())).unwrap();
    let removed = world.write(move |tx| delete_account(tx, id)).unwrap();
    assert_eq!((removed.account.id, removed.app_passwords, removed.settings), (id, 1, 1));
    assert_eq!(world.keys(), empty);
    assert_err!(world.write(move |tx| delete_account(tx, id)), Error::Missing);
    assert_err!(world.write(move |tx| set_setting(tx, id, "signature", &1)), Error::Missing);
    assert_err!(world.write(move |tx| set_password(tx, START, id, None)), Error::Missing);
    assert_err!(world.write(move |tx| add_app_password(tx, START, id, "x", Services::ALL)), Error::Missing);

    let second = world.account_with(new(), "y");
    assert!(second.id > first.id);
    assert_eq!(world.directory.setting::<String>(second.id, "signature").unwrap(), None);
    assert_eq!(app_passwords(&world.read(), second.id).unwrap(), []);
}

#[test]
fn a_domain_in_use_is_not_deleted_unless_forced() {
    let world = World::new();
    let (org, net) = (world.domain("example.org"), world.domain("example.net"));
    let before: Vec<_> = world.keys().into_iter().filter(|k| k.ends_with(&net.id.0.to_be_bytes())).collect();
    assert!(!before.is_empty());
    let bob = world.account("bob@example.org");
    let eve = world.account("eve@example.net");
    let (bob_id, eve_id) = (bob.id, eve.id);
    world.write(move |tx| add_alias(tx, bob_id, "bob@example.net")).unwrap();
    world.write(move |tx| add_alias(tx, eve_id, "eve@example.org")).unwrap();
    world.write(move |tx| set_primary_domain(tx, org.id)).unwrap();

    assert_err!(world.write(move |tx| delete_domain(tx, org.id, false)), Error::InUse);
    let removed = world.write(move |tx| delete_domain(tx, org.id, true)).unwrap();
    assert_eq!(removed.into_iter().map(|r| r.account.id).collect::<Vec<_>>(), [bob.id]);
    assert!(!world.directory.is_local_domain("example.org").unwrap());
    assert_eq!(world.directory.account(eve_id).unwrap().unwrap(), eve, "its alias went with the domain");
    assert_eq!(world.directory.resolve("eve@example.org").unwrap(), None);
    assert_eq!(world.directory.resolve("bob@example.net").unwrap(), None);
    assert_eq!(primary_domain(&world.read()).unwrap().unwrap().id, net.id);
    assert_err!(world.write(move |tx| delete_domain(tx, org.id, true)), Error::Missing);

    // An alias alone keeps a domain from being deleted, too.
    world.write(move |tx| delete_account(tx, eve_id)).unwrap();
    world.write(move |tx| delete_domain(tx, net.id, false)).unwrap();
    assert!(world.directory.domains().unwrap().is_empty());
    let again = world.write(|tx| insert_domain(tx, START, "example.org")).unwrap();
    assert!(again.id > net.id && again.id != org.id);
    assert_eq!(accounts(&world.read(), again.id, None, 10).unwrap(), []);
}

#[test]
fn pages_of_accounts() {
    let world = World::new();
    let domain = world.domain("example.org").id;
    let ids: Vec<_> = (0..7).map(|n| world.account(&format!("u{n}@example.org")).id).collect();
    let page = |after, limit| {
        accounts(&world.read(), domain, after, limit).unwrap().into_iter().map(|a| a.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 3), ids[..3]);
    assert_eq!(page(Some(ids[2]), 3), ids[3..6]);
    assert_eq!(page(Some(ids[5]), 3), ids[6..]);
    assert!(page(Some(ids[6]), 3).is_empty() && page(None, 0).is_empty());
}

#[test]
fn a_damaged_record_is_an_error_and_not_a_missing_account() {
    let world = World::new();
    let id = world.account("bob@example.org").id;
    let key = keys::Key::of(keys::Table::Account).u64(id.0).done();
    world
        .store
        .write(move |tx| {
            tx.put(key, vec![1, 2, 3]);
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_err!(world.directory.account(id), Error::Store(store::Error::Damaged(_)));
    assert_err!(world.directory.resolve("bob@example.org"), Error::Store(store::Error::Damaged(_)));
}
