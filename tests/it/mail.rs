//! Mail on its way from a client of LMTP to phones that wait for it.

use std::time::Duration;

use folkmoot::net::Listener;
use tokio::time::timeout;

use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const USER: &str = "alice@example.test";
const PASSWORD: &str = "correct horse battery";
/// Longer than anything here takes, shorter than any heartbeat.
const SOON: Duration = Duration::from_secs(15);
/// Long enough for a request to be parked.
const A_WHILE: Duration = Duration::from_millis(300);

/// A phone that has caught up with its Inbox.
async fn phone(server: &TestServer, version: &'static str) -> (Phone, String) {
    let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, "PHONE").version(version);
    phone.provision().await;
    phone.folder_sync().await;
    let inbox = phone.folder(2);
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    (phone, inbox)
}

async fn deliver(server: &TestServer, subject: &str) {
    let mut lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
    assert_eq!(lmtp.deliver(USER, &message(subject, "Some text.")).await.unwrap(), 250);
}

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_wakes_a_parked_ping() {
    let server = server().await;
    for version in ["12.1", "16.1"] {
        let (mut phone, inbox) = phone(&server, version).await;
        let watched = [inbox.clone(), phone.folder(4)];
        {
            let ping = phone.ping(&watched, 600);
            tokio::pin!(ping);
            assert!(timeout(A_WHILE, &mut ping).await.is_err(), "there is nothing to tell yet");
            deliver(&server, &format!("to-{version}")).await;
            assert_eq!(timeout(SOON, ping).await.unwrap(), (2, vec![inbox.clone()]));
        }
        assert!(phone.sync_all(&inbox, &Ask::default()).await);
        let subjects: Vec<_> =
            phone.collection(&inbox).items.values().map(|item| item["Email:Subject"].clone()).collect();
        assert!(subjects.contains(&format!("to-{version}")), "{subjects:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_comes_with_a_sync_that_waits() {
    let server = server().await;
    for version in ["12.1", "14.1", "16.1"] {
        let (mut phone, inbox) = phone(&server, version).await;
        let ask = Ask { wait: 600, ..Ask::default() };
        let brought = {
            let sync = phone.sync(&inbox, &ask);
            tokio::pin!(sync);
            assert!(timeout(A_WHILE, &mut sync).await.is_err(), "there is nothing to tell yet");
            deliver(&server, version).await;
            timeout(SOON, sync).await.unwrap()
        };
        assert_eq!((brought.status, brought.added.len()), (1, 1));
        assert_eq!(phone.collection(&inbox).items[&brought.added[0]]["Email:Subject"], version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ping_of_the_device_ends_the_old_one() {
    let server = server().await;
    let (phone, inbox) = phone(&server, "16.1").await;
    let watched = [inbox];
    let old = phone.ping(&watched, 600);
    tokio::pin!(old);
    assert!(timeout(A_WHILE, &mut old).await.is_err());
    let new = phone.ping(&watched, 600);
    tokio::pin!(new);
    assert!(timeout(A_WHILE, &mut new).await.is_err(), "the new one waits");
    assert_eq!(timeout(SOON, old).await.unwrap(), (1, Vec::new()));
    deliver(&server, "for the new one").await;
    assert_eq!(timeout(SOON, new).await.unwrap(), (2, watched.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_answers_what_is_parked_and_a_restart_keeps_keys_valid() {
    let server = server().await;
    let (mut phone, inbox) = phone(&server, "16.1").await;
    let mut other = Phone::new(server.address(Listener::Http), USER, PASSWORD, "OTHER").version("14.1");
    other.provision().await;
    other.folder_sync().await;
    assert!(other.sync_all(&inbox, &Ask::default()).await);
    let ask = Ask { wait: 600, ..Ask::default() };
    let watched = [inbox.clone()];
    let server = {
        let ping = phone.ping(&watched, 600);
        let sync = other.sync(&inbox, &ask);
        tokio::pin!(ping, sync);
        assert!(timeout(A_WHILE, &mut ping).await.is_err());
        assert!(timeout(A_WHILE, &mut sync).await.is_err());
        let (server, ping, sync) = tokio::join!(server.restart(), timeout(SOON, ping), timeout(SOON, sync));
        assert_eq!(ping.unwrap(), (1, Vec::new()));
        assert!(sync.unwrap().empty);
        server
    };
    deliver(&server, "after the restart").await;
    for phone in [&mut phone, &mut other] {
        phone.moved(server.address(Listener::Http));
        assert!(phone.sync_all(&inbox, &Ask::default()).await, "no phone has to start again");
        assert_eq!(phone.collection(&inbox).items.len(), 1);
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}
