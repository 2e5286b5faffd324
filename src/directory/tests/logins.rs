//! Logins: who gets in, and what it costs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::*;

const BOB: &str = "bob@example.org";
const SECRET: &str = "secret of bob@example.org";

#[tokio::test]
async fn the_right_password_under_every_name() {
    let world = World::new();
    let bob = world.account(BOB);
    let id = bob.id;
    world.write(move |tx| add_alias(tx, id, "robert@example.net")).unwrap();
    for name in [
        BOB,
        "BOB@EXAMPLE.ORG",
        "bob",
        "Bob",
        "\"bob\"@example.org",
        "robert@example.net",
        "example.org\\bob",
        "\\bob",
        "EXAMPLE\\bob",
        "EXAMPLE\\bob@example.org",
        "example.net\\robert",
    ] {
        let login = world.login(name, SECRET).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(login.account.id, bob.id, "{name}");
        assert_eq!(login.domain.name, "example.org");
        assert_eq!(login.app_password, None);
    }
    for name in
        ["", "@", "robert", "bob@example.net", "bob+x@example.org", "example.net\\bob", "bob@example.org "]
    {
        assert_err!(world.login_from(name, SECRET, peer(1)).await, AuthError::Refused);
    }
}

#[tokio::test]
async fn wrong_names_and_passwords_cost_the_same_hash() {
    let world = World::new();
    world.account(BOB);
    let none = NewAccount { address: "none@example.org".into(), ..NewAccount::default() };
    world.write(move |tx| insert_account(tx, START, &none)).unwrap();
    for (n, name) in [BOB, "eve@example.org", "bob@example.com", "none@example.org", "not an address", ""]
        .iter()
        .enumerate()
    {
        let (cost, result) = world.cost(world.login_from(name, "wrong", peer(n as u32))).await;
        assert_err!(result, AuthError::Refused);
        assert_eq!(cost, 1, "{name}");
        // Again the same: remembered for one as for the other.
        let (cost, result) = world.cost(world.login_from(name, "wrong", peer(n as u32))).await;
        assert_err!(result, AuthError::Refused);
        assert_eq!(cost, 0, "{name}");
        // In the shape of an app password.
        let (cost, result) =
            world.cost(world.login_from(name, "abcdef-ghjkmn-pqrstu-vwxyz2", peer(n as u32))).await;
        assert_err!(result, AuthError::Refused);
        assert_eq!(cost, 1, "{name}");
        // What nobody can have.
        for bytes in [b"".as_slice(), b"a\0b", &[b'x'; 513]] {
            let login = world.directory.authenticate(name, bytes, peer(100 + n as u32), Service::Imap);
            let (cost, result) = world.cost(login).await;
            assert_err!(result, AuthError::Refused);
            assert_eq!(cost, 0, "{name}");
        }
    }
}

#[tokio::test]
async fn a_right_password_is_hashed_once() {
    let world = World::new();
    world.account(BOB);
    assert_eq!(world.cost(world.login(BOB, SECRET)).await.0, 1);
    for name in [BOB, "bob", "BOB@example.org"] {
        let (cost, login) = world.cost(world.login(name, SECRET)).await;
        assert_eq!((cost, login.is_ok()), (0, true), "{name}");
    }
    world.clock.advance(901_000);
    assert_eq!(world.cost(world.login(BOB, SECRET)).await.0, 1);
}

#[tokio::test]
async fn a_remembered_password_lets_nobody_else_in() {
    let world = World::new();
    let new = |address: &str| NewAccount { address: address.into(), ..NewAccount::default() };
    let bob = world.account_with(new("bob@example.org"), "same password").id;
    let eve = world.account_with(new("eve@example.org"), "same password").id;
    let carol = world.account_with(new("bob@example.net"), "another").id;
    for _ in 0..3 {
        assert_eq!(world.login("bob@example.org", "same password").await.unwrap().account.id, bob);
        assert_eq!(world.login("eve@example.org", "same password").await.unwrap().account.id, eve);
        assert_err!(world.login("bob@example.net", "same password").await, AuthError::Refused);
        assert_eq!(world.login("bob@example.net", "another").await.unwrap().account.id, carol);
        assert_err!(world.login("nobody@example.org", "same password").await, AuthError::Refused);
    }
}

#[tokio::test]
async fn a_changed_password_holds_at_once_for_every_process() {
    let world = World::new();
    let bob = world.account(BOB);
    let login = world.login(BOB, SECRET).await.unwrap();
    assert!(world.directory.is_current(&login).unwrap());
    assert_err!(world.login(BOB, "new secret").await, AuthError::Refused);
    // Another process on the same store.
    let other = Directory::new(world.store.clone(), world.clock.clone(), limits()).unwrap();
    other.set_password(bob.id, "new secret").await.unwrap();
    assert_err!(world.login(BOB, SECRET).await, AuthError::Refused);
    world.login(BOB, "new secret").await.unwrap();
    assert!(!world.directory.is_current(&login).unwrap());

    // Back to the first: what was remembered as wrong meanwhile is forgotten, too.
    other.set_password(bob.id, SECRET).await.unwrap();
    world.login(BOB, SECRET).await.unwrap();
    assert_err!(world.login(BOB, "new secret").await, AuthError::Refused);
    let id = bob.id;
    world.write(move |tx| set_password(tx, START, id, None)).unwrap();
    assert_err!(world.login(BOB, SECRET).await, AuthError::Refused);
}

#[tokio::test]
async fn disabled_deleted_and_made_anew() {
    let world = World::new();
    let bob = world.account(BOB);
    let first = world.login(BOB, SECRET).await.unwrap();
    let disabled = Account { enabled: false, ..bob.clone() };
    world.write(move |tx| update_account(tx, &disabled)).unwrap();
    assert_err!(world.login(BOB, SECRET).await, AuthError::Denied);
    assert_err!(world.login(BOB, "wrong").await, AuthError::Refused);
    assert!(!world.directory.is_current(&first).unwrap());
    let id = bob.id;
    world.write(move |tx| update_account(tx, &bob)).unwrap();
    world.login(BOB, SECRET).await.unwrap();

    world.write(move |tx| delete_account(tx, id)).unwrap();
    assert_err!(world.login(BOB, SECRET).await, AuthError::Refused);
    assert!(!world.directory.is_current(&first).unwrap());
    let new = NewAccount { address: BOB.into(), ..NewAccount::default() };
    let anew = world.account_with(new, "another secret");
    assert_err!(world.login(BOB, SECRET).await, AuthError::Refused);
    assert_eq!(world.login(BOB, "another secret").await.unwrap().account.id, anew.id);
    assert_ne!(anew.id, id);
    assert!(!world.directory.is_current(&first).unwrap());
}

#[tokio::test]
async fn a_wrong_password_of_nobody_becomes_right_when_the_account_is_made() {
    let world = World::new();
    assert_err!(world.login(BOB, SECRET).await, AuthError::Refused);
    world.account(BOB);
    world.login(BOB, SECRET).await.unwrap();
}

#[tokio::test]
async fn services_are_switched_by_account_and_domain() {
    let world = World::new();
    let bob = world.account(BOB);
    let to = |service| world.directory.authenticate(BOB, SECRET.as_bytes(), HOME, service);
    to(Service::Eas).await.unwrap();
    assert_err!(to(Service::Admin).await, AuthError::Denied);
    assert_err!(to(Service::Ftp).await, AuthError::Denied);

    let domain = world.domain("example.org");
    let without = Domain { services: Some(Services::USUAL.without(Service::Imap)), ..domain };
    world.write(move |tx| update_domain(tx, &without)).unwrap();
    assert_err!(to(Service::Imap).await, AuthError::Denied);
    to(Service::Web).await.unwrap();
    let explicit = Account { services: Some(Services::NONE.with(Service::Imap).with(Service::Admin)), ..bob };
    world.write(move |tx| update_account(tx, &explicit)).unwrap();
    let login = to(Service::Imap).await.unwrap();
    to(Service::Admin).await.unwrap();
    assert_err!(to(Service::Web).await, AuthError::Denied);
    let none = Account { services: Some(Services::NONE), ..login.account.clone() };
    world.write(move |tx| update_account(tx, &none)).unwrap();
    assert!(!world.directory.is_current(&login).unwrap());
}

#[tokio::test]
async fn app_passwords_of_one_account() {
    let world = World::new();
    let bob = world.account(BOB).id;
    let eve = world.account("eve@example.org").id;
    let (app, secret) = world.directory.add_app_password(bob, "my phone", Services::ALL).await.unwrap();
    assert!(secret.len() >= 20);
    let to = |secret: &str, service| {
        let secret = secret.to_owned();
        let world = &world;
        async move { world.directory.authenticate(BOB, secret.as_bytes(), HOME, service).await }
    };
    // Neither storing nor checking one needs argon2.
    for typed in [secret.clone(), secret.replace('-', ""), secret.to_uppercase(), secret.replace('-', " ")] {
        let (cost, login) = world.cost(to(&typed, Service::Eas)).await;
        let login = login.unwrap();
        assert_eq!((cost, login.account.id, login.app_password.as_ref()), (0, bob, Some(&app)));
    }
    // The account's own still works.
    to(SECRET, Service::Eas).await.unwrap();
    // Not where a person types it, whatever is remembered, and not for somebody else.
    for service in [Service::Web, Service::Admin, Service::Ftp] {
        assert_err!(to(&secret, service).await, AuthError::Refused);
        assert_err!(to(&secret, service).await, AuthError::Refused);
    }
    to(&secret, Service::Imap).await.unwrap();
    assert_err!(world.login_from("eve@example.org", &secret, peer(1)).await, AuthError::Refused);
    assert_eq!(app_passwords(&world.read(), bob).unwrap(), std::slice::from_ref(&app));
    assert_eq!(app_passwords(&world.read(), eve).unwrap(), []);

    // Revoked, by another process.
    let login = to(&secret, Service::Imap).await.unwrap();
    let own = to(SECRET, Service::Imap).await.unwrap();
    assert!(world.directory.is_current(&login).unwrap());
    assert_err!(world.directory.revoke_app_password(eve, app.id).await, Error::Missing);
    let other = Directory::new(world.store.clone(), world.clock.clone(), limits()).unwrap();
    other.revoke_app_password(bob, app.id).await.unwrap();
    assert_err!(to(&secret, Service::Imap).await, AuthError::Refused);
    assert!(!world.directory.is_current(&login).unwrap());
    assert!(world.directory.is_current(&own).unwrap());
    assert_err!(world.directory.revoke_app_password(bob, app.id).await, Error::Missing);
}

#[tokio::test]
async fn app_passwords_for_some_services() {
    let world = World::new();
    let bob = world.account(BOB).id;
    let only = Services::NONE.with(Service::Dav).with(Service::Web);
    let (_, secret) = world.directory.add_app_password(bob, "calendar", only).await.unwrap();
    let to = |service| world.directory.authenticate(BOB, secret.as_bytes(), HOME, service);
    to(Service::Dav).await.unwrap();
    assert_err!(to(Service::Imap).await, AuthError::Refused);
    assert_err!(to(Service::Web).await, AuthError::Refused);
    to(Service::Dav).await.unwrap();

    for label in ["", "a\nb", &"x".repeat(129)] {
        assert_err!(world.directory.add_app_password(bob, label, only).await, Error::Invalid(_));
    }
    for _ in 1..64 {
        world.directory.add_app_password(bob, "x", only).await.unwrap();
    }
    assert_err!(world.directory.add_app_password(bob, "x", only).await, Error::TooMany(_));
}

#[tokio::test]
async fn latin_1_and_utf_8_are_one_password() {
    let world = World::new();
    let new = NewAccount { address: BOB.into(), ..NewAccount::default() };
    world.account_with(new, "Grüße");
    for (n, bytes) in ["Grüße".as_bytes(), b"Gr\xFC\xDFe", "Gru\u{308}ße".as_bytes()].into_iter().enumerate()
    {
        world.clock.advance(3_600_000);
        let login = world.directory.authenticate(BOB, bytes, peer(n as u32), Service::Eas);
        let (cost, login) = world.cost(login).await;
        assert!(login.is_ok(), "{bytes:x?}");
        assert_eq!(cost, 1);
    }
    for bytes in [b"Gr\xFD\xDFe".as_slice(), b"Gr\xC3\xBC\xDFe", b"Gr\xFC\xDFe\0"] {
        let login = world.directory.authenticate(BOB, bytes, HOME, Service::Eas);
        let (cost, login) = world.cost(login).await;
        assert_err!(login, AuthError::Refused);
        assert!(cost <= 1);
    }
}

#[tokio::test]
async fn a_hash_of_other_cost_is_renewed_at_login() {
    let world = World::new();
    world.account(BOB);
    let dearer = PasswordCost { memory_kib: 16, ..cheap() };
    let other = AuthLimits { cost: dearer, ..limits() };
    let other = Directory::new(world.store.clone(), world.clock.clone(), other).unwrap();
    assert_err!(other.authenticate(BOB, b"wrong", HOME, Service::Imap).await, AuthError::Refused);
    assert_eq!(other.hashes_run(), 1, "a wrong password renews nothing");
    let login = other.authenticate(BOB, SECRET.as_bytes(), HOME, Service::Imap).await.unwrap();
    assert_eq!(other.hashes_run(), 3);
    assert!(other.is_current(&login).unwrap(), "it is the same password");
    other.authenticate(BOB, SECRET.as_bytes(), HOME, Service::Imap).await.unwrap();
    assert_eq!(other.hashes_run(), 3);
    let again =
        Directory::new(world.store.clone(), world.clock.clone(), AuthLimits { cost: dearer, ..limits() })
            .unwrap();
    again.authenticate(BOB, SECRET.as_bytes(), HOME, Service::Imap).await.unwrap();
    assert_eq!(again.hashes_run(), 1);
}

#[tokio::test]
async fn imported_hashes_get_their_scram_verifier_at_login() {
    let world = World::new();
    let password = Password::parse("pencil").unwrap();
    let prepared = world.directory.inner.hasher.prepare(&password).unwrap();
    let imported = PreparedPassword::from_phc(&prepared.phc).unwrap();
    let new = NewAccount { address: BOB.into(), password: Some(imported), ..NewAccount::default() };
    world.write(move |tx| insert_account(tx, START, &new)).unwrap();
    assert_err!(scram(&world, BOB, "pencil").await, AuthError::Refused);
    world.login(BOB, "pencil").await.unwrap();
    scram(&world, BOB, "pencil").await.unwrap();
}

/// The client's side of RFC 5802 §3; the messages do not matter here.
async fn scram(world: &World, login: &str, password: &str) -> Result<Login, AuthError> {
    let offer = world.directory.scram_offer(login).await?;
    let message = b"n=user,r=a,r=ab,s=salt,i=4096,c=biws,r=ab";
    let mac =
        |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec();
    let mut salted = [0; 32];
    let rounds = std::num::NonZeroU32::new(offer.iterations()).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, offer.salt(), password.as_bytes(), &mut salted);
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature = mac(stored_key.as_ref(), message);
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
    let (login, server) = world.directory.scram_finish(offer, message, &proof, HOME, Service::Imap).await?;
    assert_eq!(server.to_vec(), mac(&mac(&salted, b"Server Key"), message));
    Ok(login)
}

#[tokio::test]
async fn scram_logins() {
    let world = World::new();
    let bob = world.account(BOB);
    let before = world.directory.hashes_run();
    assert_eq!(scram(&world, "Bob", SECRET).await.unwrap().account.id, bob.id);
    assert_err!(scram(&world, BOB, "wrong").await, AuthError::Refused);
    assert_err!(scram(&world, "eve@example.org", SECRET).await, AuthError::Refused);
    assert_eq!(world.directory.hashes_run(), before);
    // Failures count: of five, one is used up.
    for _ in 0..4 {
        assert_err!(scram(&world, BOB, "wrong").await, AuthError::Refused);
    }
    assert_err!(scram(&world, BOB, SECRET).await, AuthError::TooMany { .. });
}

#[tokio::test]
async fn scram_offers_look_alike_and_do_not_outlive_the_password() {
    let world = World::new();
    let bob = world.account(BOB).id;
    let eve = world.directory.scram_offer("eve@example.org").await.unwrap();
    let other = Directory::new(world.store.clone(), world.clock.clone(), limits()).unwrap();
    let again = other.scram_offer("EVE@example.org").await.unwrap();
    assert_eq!((eve.salt(), eve.iterations()), (again.salt(), again.iterations()), "also after a restart");
    let real = world.directory.scram_offer(BOB).await.unwrap();
    assert_eq!((real.salt().len(), real.iterations()), (eve.salt().len(), eve.iterations()));
    assert_eq!(STANDARD.encode(real.salt()).len(), 24);

    let offer = world.directory.scram_offer(BOB).await.unwrap();
    world.directory.set_password(bob, "new").await.unwrap();
    let result = world.directory.scram_finish(offer, b"m", &[0; 32], HOME, Service::Imap).await;
    assert!(matches!(result, Err(AuthError::Refused)));
}
