//! Failed logins, and many at once.

use futures::FutureExt;

use super::*;

const BOB: &str = "bob@example.org";
const SECRET: &str = "secret of bob@example.org";

async fn wrong(world: &World, login: &str, n: u32, peer: IpAddr) -> Result<Login, AuthError> {
    world.login_from(login, &format!("wrong {n}"), peer).await
}

#[tokio::test]
async fn guesses_at_one_account_are_limited_and_forgiven() {
    let world = World::new();
    world.account(BOB);
    for n in 0..5 {
        assert_err!(wrong(&world, BOB, n, peer(n)).await, AuthError::Refused);
    }
    let (cost, result) = world.cost(wrong(&world, BOB, 5, peer(5))).await;
    let Err(AuthError::TooMany { retry_after }) = result else { panic!("{result:?}") };
    assert_eq!((cost, retry_after), (0, Duration::from_secs(60)));
    // Not even the right one, nor under another name of the account.
    assert_err!(world.login_from(BOB, SECRET, peer(6)).await, AuthError::TooMany { .. });
    assert_err!(world.login_from("bob", SECRET, peer(6)).await, AuthError::TooMany { .. });
    world.clock.advance(60_000);
    world.login_from(BOB, SECRET, peer(6)).await.unwrap();
}

#[tokio::test]
async fn unknown_names_are_limited_just_so() {
    let world = World::new();
    for n in 0..5 {
        assert_err!(wrong(&world, "eve@example.org", n, peer(n)).await, AuthError::Refused);
    }
    let result = wrong(&world, "EVE@example.org", 5, peer(5)).await;
    let Err(AuthError::TooMany { retry_after }) = result else { panic!("{result:?}") };
    assert_eq!(retry_after, Duration::from_secs(60));
    // What cannot be a password counts as well.
    for n in 0..5 {
        assert_err!(world.login_from("carol", "\0", peer(20 + n)).await, AuthError::Refused);
    }
    assert_err!(world.login_from("carol", "\0", peer(30)).await, AuthError::TooMany { .. });
}

#[tokio::test]
async fn one_address_guessing_at_many_accounts_is_stopped() {
    let world = World::new();
    world.account(BOB);
    for n in 0..8 {
        assert_err!(wrong(&world, &format!("u{n}@example.org"), n, HOME).await, AuthError::Refused);
    }
    assert_err!(world.login(BOB, SECRET).await, AuthError::TooMany { .. });
    world.login_from(BOB, SECRET, peer(1)).await.unwrap();
}

#[tokio::test]
async fn an_attacker_elsewhere_does_not_lock_the_user_out() {
    let world = World::new();
    world.account(BOB);
    world.login(BOB, SECRET).await.unwrap();
    for n in 0..40 {
        let _ = wrong(&world, BOB, n, peer(n)).await;
        world.login(BOB, SECRET).await.unwrap();
    }
    // A remembered right password is no way around the limit for others.
    let (cost, result) = world.cost(world.login_from(BOB, SECRET, peer(50))).await;
    assert_err!(result, AuthError::TooMany { .. });
    assert_eq!(cost, 0);
}

#[tokio::test]
async fn a_phone_with_an_old_password_locks_nobody_out() {
    let world = World::new();
    world.account(BOB);
    let (cost, _) = world
        .cost(async {
            for _ in 0..100 {
                assert_err!(world.login(BOB, "old password").await, AuthError::Refused);
            }
        })
        .await;
    assert_eq!(cost, 1);
    world.login(BOB, SECRET).await.unwrap();
}

#[tokio::test]
async fn successes_use_nothing_up() {
    let world = World::new();
    world.account(BOB);
    for n in 0..50 {
        world.login_from(BOB, SECRET, peer(n)).await.unwrap();
        world.clock.advance(3_600_000);
        world.login(BOB, SECRET).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_logins_at_once_cost_one_hash() {
    let world = World::new();
    world.account(BOB);
    let (cost, results) =
        world.cost(futures::future::join_all((0..50).map(|_| world.login(BOB, SECRET)))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(cost, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_guesses_at_once_are_limited() {
    let world = World::new();
    world.account(BOB);
    let (cost, results) =
        world.cost(futures::future::join_all((0..50).map(|n| wrong(&world, BOB, n, peer(n))))).await;
    assert_eq!(cost, 5);
    assert_eq!(results.iter().filter(|r| matches!(r, Err(AuthError::TooMany { .. }))).count(), 45);
}

#[tokio::test]
async fn hashes_at_a_time_and_waiting_ones_are_bounded() {
    let world = World::with(AuthLimits { hashes: 1, waiting: 1, ..limits() });
    for n in 0..4 {
        world.account(&format!("u{n}@example.org"));
    }
    let place = world.directory.inner.places.clone().acquire_owned().await.unwrap();
    let login = |n: u32| {
        let name = format!("u{n}@example.org");
        let world = &world;
        async move { world.login_from(&name, &format!("secret of {name}"), peer(n)).await }
    };
    let (first, second) = (login(0), login(1));
    tokio::pin!(first, second);
    // Until the first waits for the place, which this test holds.
    while world.directory.inner.waiting.load(std::sync::atomic::Ordering::Acquire) == 0 {
        assert!((&mut first).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_err!(second.await, AuthError::Busy);
    assert_eq!(world.directory.hashes_run(), 4, "those of making the accounts");
    drop(place);
    first.await.unwrap();
    // Being busy counted against nobody.
    for n in 1..4 {
        login(n).await.unwrap();
    }
}

#[tokio::test]
async fn two_users_alternating() {
    let world = World::new();
    let bob = world.account(BOB).id;
    let eve = world.account("eve@example.org").id;
    for _ in 0..20 {
        assert_eq!(world.login(BOB, SECRET).await.unwrap().account.id, bob);
        assert_eq!(
            world.login("eve@example.org", "secret of eve@example.org").await.unwrap().account.id,
            eve
        );
        assert_err!(world.login("eve@example.org", SECRET).await, AuthError::Refused);
    }
}

#[tokio::test]
async fn a_name_of_any_length_and_content_is_only_wrong() {
    let world = World::new();
    world.account(BOB);
    let long = "x".repeat(1 << 20);
    let names = [
        "' OR 1=1 --",
        "*)(uid=*",
        "bob\0@example.org",
        "<script>@example.org",
        "\r\nbob",
        "bob@example.org\0",
        &long,
        "ä\u{202e}",
        "\\",
        "\\\\",
        "a\\b\\c",
        "\"",
        "\"\\",
        "%s%n",
    ];
    for (n, name) in names.into_iter().enumerate() {
        let result = world.login_from(name, SECRET, peer(n as u32)).await;
        assert_err!(result, AuthError::Refused);
    }
}
