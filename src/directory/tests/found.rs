//! Recipients, the address list and settings.

use proptest::prelude::*;

use super::*;

fn resolved(world: &World, address: &str) -> Option<(AccountId, Option<String>)> {
    world.directory.resolve(address).unwrap().map(|r| (r.account.id, r.detail))
}

#[test]
fn details_behind_a_plus() {
    let world = World::new();
    let bob = world.account("bob@example.org").id;
    assert_eq!(resolved(&world, "Bob+News@example.org"), Some((bob, Some("News".into()))));
    assert_eq!(resolved(&world, "bob+a+b@example.org"), Some((bob, Some("a+b".into()))));
    assert_eq!(resolved(&world, "bob+@example.org"), Some((bob, Some(String::new()))));
    assert_eq!(resolved(&world, "+bob@example.org"), None);
    assert_eq!(resolved(&world, "eve+x@example.org"), None);
    let exact = world.account("bob+shop@example.org").id;
    assert_eq!(resolved(&world, "bob+shop@example.org"), Some((exact, None)));
    assert_eq!(resolved(&world, "bob+shopping@example.org"), Some((bob, Some("shopping".into()))));
}

#[test]
fn every_domain_has_a_postmaster() {
    let world = World::new();
    assert_eq!(resolved(&world, "postmaster@example.org"), None, "nobody is there to read it");
    let first = world.account("first@example.org");
    let second = world.account("second@example.org");
    let other = world.account("other@example.net");
    for address in ["postmaster@example.org", "POSTMASTER@example.org", "Postmaster", "postmaster"] {
        assert_eq!(resolved(&world, address), Some((first.id, None)), "{address}");
    }
    assert_eq!(resolved(&world, "postmaster+x@example.org"), Some((first.id, Some("x".into()))));
    assert_eq!(resolved(&world, "postmaster@example.net"), Some((other.id, None)));
    assert_eq!(resolved(&world, "postmaster@example.com"), None);

    let disabled = Account { enabled: false, ..first.clone() };
    world.write(move |tx| update_account(tx, &disabled)).unwrap();
    assert_eq!(resolved(&world, "postmaster"), Some((second.id, None)));
    let domain = Domain { postmaster: Some(first.id), ..world.domain("example.org") };
    world.write(move |tx| update_domain(tx, &domain)).unwrap();
    assert_eq!(resolved(&world, "postmaster"), Some((first.id, None)), "as it was set");
    let own = world.account("postmaster@example.org").id;
    assert_eq!(resolved(&world, "postmaster"), Some((own, None)));
    // Being the postmaster by default is no right to write as such.
    assert!(!world.directory.may_send_as(other.id, "postmaster@example.net").unwrap());
}

#[test]
fn bare_names_are_in_the_primary_domain() {
    let world = World::new();
    let org = world.account("bob@example.org").id;
    let net = world.account("bob@example.net").id;
    assert_eq!(resolved(&world, "bob"), Some((org, None)));
    let domain = world.domain("example.net").id;
    world.write(move |tx| set_primary_domain(tx, domain)).unwrap();
    assert_eq!(resolved(&world, "bob"), Some((net, None)));
    assert_eq!(resolved(&world, "\"bob\""), Some((net, None)));
    assert_err!(world.write(|tx| set_primary_domain(tx, DomainId(999))), Error::Missing);

    let empty = Store::in_memory().unwrap();
    assert_eq!(resolve(&empty.read().unwrap(), "postmaster").unwrap(), None);
}

#[test]
fn senders() {
    let world = World::new();
    let bob = world.account("bob@example.org").id;
    let eve = world.account("eve@example.org").id;
    world.write(move |tx| add_alias(tx, bob, "sales@example.net")).unwrap();
    for own in ["bob@example.org", "BOB@Example.org", "sales@example.net", "bob+list@example.org"] {
        assert!(world.directory.may_send_as(bob, own).unwrap(), "{own}");
        assert!(!world.directory.may_send_as(eve, own).unwrap(), "{own}");
    }
    for foreign in [
        "eve@example.org",
        "bob@example.net",
        "bob@example.com",
        "bob",
        "",
        "@example.org",
        "bob@example.org ",
    ] {
        assert!(!world.directory.may_send_as(bob, foreign).unwrap(), "{foreign}");
    }
}

fn named(address: &str, display_name: &str) -> NewAccount {
    NewAccount { address: address.into(), display_name: display_name.into(), ..NewAccount::default() }
}

fn found(world: &World, domain: &str, query: &str, limit: usize) -> Vec<String> {
    let domains = [world.domain(domain).id];
    let entries = world.directory.search_gal(&domains, query, limit).unwrap();
    entries.into_iter().map(|e| e.display_name).collect()
}

#[test]
fn the_address_list_is_searched_by_beginnings_of_words() {
    let world = World::new();
    let mut mueller = named("jm@example.org", "Jürgen Müller");
    mueller.aliases = vec!["sales.team@example.org".into(), "export@example.net".into()];
    mueller.profile.title = Some("Head".into());
    let mueller = world.account_with(mueller, "x").id;
    world.account_with(named("juergen.smith@example.org", "Smith, J."), "x");
    world.account_with(named("ada@example.net", "Jürgen Ada"), "x");

    let all = ["Jürgen Müller", "Smith, J."];
    for (query, want) in [
        ("j", &all[..]),
        ("JÜR", &all[..1]),
        ("jurgen", &all[..1]),
        ("mull jur", &all[..1]),
        ("Müller, Jürgen", &all[..1]),
        ("team", &all[..1]),
        ("sales.t", &all[..1]),
        ("export", &all[..1]),
        ("juergen smith", &all[1..]),
        ("ürgen", &[]),
        ("head", &[]),
        ("jurgen smith", &[]),
        ("ada", &[]),
        ("example", &[]),
        ("", &[]),
        ("  ,.", &[]),
        ("jm@example.org", &all[..1]),
        ("JM@ex", &all[..1]),
        ("jm@", &all[..1]),
        ("jm@example.net", &[]),
        ("j@example.org", &[]),
        ("@example.org", &[]),
        ("*", &[]),
        ("*)(uid=*", &[]),
        ("%", &[]),
        ("\0", &[]),
    ] {
        assert_eq!(found(&world, "example.org", query, 10), want, "{query:?}");
    }
    assert_eq!(found(&world, "example.net", "j", 10), ["Jürgen Ada"]);
    assert_eq!(found(&world, "example.org", "j", 1).len(), 1);
    assert_eq!(found(&world, "example.org", "j", 0).len(), 0);
    let both = [world.domain("example.org").id, world.domain("example.net").id];
    assert_eq!(world.directory.search_gal(&both, "j", 10).unwrap().len(), 3);
    assert_eq!(world.directory.search_gal(&both, "j", 2).unwrap().len(), 2);
    assert_eq!(world.directory.search_gal(&[DomainId(999)], "j", 10).unwrap(), []);
    let entry = &world.directory.search_gal(&both, "team", 10).unwrap()[0];
    assert_eq!((entry.account, entry.address.to_string()), (mueller, "jm@example.org".into()));
    assert_eq!(entry.profile.title.as_deref(), Some("Head"));
}

#[test]
fn the_address_list_follows_changes() {
    let world = World::new();
    let bob = world.account_with(named("bob@example.org", "Bob Smith"), "x");
    let id = bob.id;
    let renamed = Account { display_name: "Bob Jones".into(), ..bob };
    let renamed = world.write(move |tx| update_account(tx, &renamed)).unwrap();
    assert_eq!(found(&world, "example.org", "smith", 10), [""; 0]);
    assert_eq!(found(&world, "example.org", "jones", 10), ["Bob Jones"]);
    world.write(move |tx| add_alias(tx, id, "sales@example.org")).unwrap();
    assert_eq!(found(&world, "example.org", "sales", 10), ["Bob Jones"]);
    world.write(move |tx| remove_alias(tx, id, "sales@example.org")).unwrap();
    assert_eq!(found(&world, "example.org", "sales", 10), [""; 0]);

    for hidden in
        [Account { enabled: false, ..renamed.clone() }, Account { listed: Some(false), ..renamed.clone() }]
    {
        world.write(move |tx| update_account(tx, &hidden)).unwrap();
        assert_eq!(found(&world, "example.org", "bob", 10), [""; 0]);
        assert_eq!(found(&world, "example.org", "bob@example.org", 10), [""; 0]);
    }
    world.write(move |tx| update_account(tx, &renamed)).unwrap();
    let domain = Domain { listed: Some(false), ..world.domain("example.org") };
    world.write(move |tx| update_domain(tx, &domain)).unwrap();
    assert_eq!(found(&world, "example.org", "bob", 10), [""; 0]);
}

#[test]
fn a_search_is_bounded() {
    let world = World::new();
    for n in 0..60 {
        let new = named(&format!("u{n}@example.org"), &format!("Common Name{n}"));
        world.write(move |tx| insert_account(tx, START, &new)).unwrap();
    }
    assert_eq!(found(&world, "example.org", "common", 50).len(), 50);
    assert_eq!(found(&world, "example.org", "common name5", 50).len(), 11);
    let long = "common ".repeat(200_000);
    assert_eq!(found(&world, "example.org", &long, 5).len(), 5);
    assert_eq!(found(&world, "example.org", &"ä".repeat(500_000), 5).len(), 0);
}

#[test]
fn settings_are_typed_and_of_one_account() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug, Clone)]
    struct Oof {
        text: String,
        #[serde(default)]
        until: Option<i64>,
    }
    let world = World::new();
    let (bob, eve) = (world.account("bob@example.org").id, world.account("eve@example.org").id);
    let oof = Oof { text: "away".into(), until: Some(START) };
    let stored = oof.clone();
    world.write(move |tx| set_setting(tx, bob, "oof", &stored)).unwrap();
    assert_eq!(world.directory.setting(bob, "oof").unwrap(), Some(oof));
    assert_eq!(world.directory.setting::<Oof>(eve, "oof").unwrap(), None);
    assert_eq!(world.directory.setting::<Oof>(bob, "oo").unwrap(), None);
    assert_err!(world.directory.setting::<u64>(bob, "oof"), Error::Store(store::Error::Damaged(_)));
    // A field that came later.
    world.write(move |tx| set_setting(tx, bob, "oof", &serde_json::json!({"text": "x"}))).unwrap();
    assert_eq!(world.directory.setting(bob, "oof").unwrap(), Some(Oof { text: "x".into(), until: None }));

    world.write(move |tx| set_setting(tx, bob, "signature", &"Bob".to_owned())).unwrap();
    assert_eq!(setting_names(&world.read(), bob).unwrap(), ["oof", "signature"]);
    assert_eq!(setting_names(&world.read(), eve).unwrap(), [""; 0]);
    world.write(move |tx| delete_setting(tx, bob, "oof")).unwrap();
    world.write(move |tx| delete_setting(tx, bob, "oof")).unwrap();
    assert_eq!(world.directory.setting::<Oof>(bob, "oof").unwrap(), None);

    for name in ["", "Oof", "a/b", "a b", "ä", "../x", &"x".repeat(65)] {
        assert_err!(world.directory.setting::<Oof>(bob, name), Error::Invalid(_));
    }
    let large = "x".repeat(300 << 10);
    assert_err!(world.write(move |tx| set_setting(tx, bob, "large", &large)), Error::Invalid(_));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that a peer can send as an address or query is an error, and no foreign account is found.
    #[test]
    fn anything_can_be_asked(text in "\\PC{0,60}|[ab+@.\"\\\\]{0,12}") {
        let world = World::new();
        let a = world.account("a@example.org").id;
        if let Some(found) = world.directory.resolve(&text).unwrap() {
            prop_assert_eq!(found.account.id, a);
        }
        world.directory.may_send_as(a, &text).unwrap();
        let net = world.domain("example.net").id;
        prop_assert!(world.directory.search_gal(&[net], &text, 10).unwrap().is_empty());
    }
}
