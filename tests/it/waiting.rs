//! Phones that wait, and what they are woken for.

use std::time::Duration;

use folkmoot::doors::admin::{Command, Secret};
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

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    server
}

async fn phone(server: &TestServer, device: &str) -> (Phone, String) {
    let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, device).version("14.1");
    phone.provision().await;
    phone.folder_sync().await;
    let inbox = phone.folder(2);
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    (phone, inbox)
}

/// The request waits; what it is woken with once `act` has happened.
async fn woken<T>(waiting: impl Future<Output = T>, act: impl Future<Output = ()>) -> T {
    tokio::pin!(waiting);
    assert!(timeout(A_WHILE, &mut waiting).await.is_err(), "there is nothing to tell yet");
    act.await;
    timeout(SOON, waiting).await.expect("it is not woken")
}

async fn waits<T>(waiting: impl Future<Output = T>) {
    assert!(timeout(A_WHILE, waiting).await.is_err(), "there is nothing to tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_come_and_go_wake_a_ping_once() {
    let server = server().await;
    let (mut phone, inbox) = phone(&server, "PHONE").await;
    let (mut other, _) = self::phone(&server, "OTHER").await;
    let mut made = String::new();
    let watched = [inbox.clone()];
    let told = woken(phone.ping(&watched, 600), async { made = other.folder_create("New").await }).await;
    assert_eq!(told, (7, vec![]));
    assert_eq!(phone.ping(&watched, 600).await, (7, vec![]), "it has still not heard of it");
    phone.folder_sync().await;
    assert!(phone.folders.contains_key(&made));
    waits(phone.ping(&watched, 600)).await;
    waits(other.ping(&watched, 600)).await;

    assert!(phone.sync_all(&made, &Ask::default()).await);
    let watched = [inbox, made.clone()];
    assert_eq!(woken(phone.ping(&watched, 600), other.folder_delete(&made)).await, (7, vec![]));
    phone.folder_sync().await;
    // It was told, and asks for the folder all the same.
    waits(phone.ping(&watched, 600)).await;
    assert!(server.running.shutdown().await, "something had to be cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_come_and_go_end_a_sync_that_waits() {
    let server = server().await;
    let (mut phone, inbox) = phone(&server, "PHONE").await;
    let (mut other, _) = self::phone(&server, "OTHER").await;
    let ask = Ask { wait: 600, ..Ask::default() };
    let mut made = String::new();
    let told = woken(phone.sync(&inbox, &ask), async { made = other.folder_create("New").await }).await;
    assert_eq!(told.status, 12);
    phone.folder_sync().await;
    waits(phone.sync(&inbox, &ask)).await;
    assert!(phone.sync_all(&made, &Ask::default()).await);
    let told = woken(phone.sync_many(&[&inbox, &made], &ask), other.folder_delete(&made)).await;
    assert_eq!(told[""].status, 12);
    phone.folder_sync().await;
    waits(phone.sync(&inbox, &ask)).await;
    assert!(server.running.shutdown().await, "something had to be cut");
}

/// Mail of one folder is looked for in that folder, whatever else is watched.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_folders_the_one_that_changed_is_told() {
    let server = server().await;
    let (mut phone, inbox) = phone(&server, "PHONE").await;
    let mut watched = vec![inbox.clone()];
    for n in 0..20 {
        let made = phone.folder_create(&format!("Folder {n}")).await;
        assert!(phone.sync_all(&made, &Ask::default()).await);
        watched.push(made);
    }
    let mut lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
    let mut deliver =
        async || assert_eq!(lmtp.deliver(USER, &message("new", "Some text.")).await.unwrap(), 250);
    assert_eq!(woken(phone.ping(&watched, 600), deliver()).await, (2, vec![inbox.clone()]));
    assert_eq!(phone.ping(&watched, 600).await, (2, vec![inbox.clone()]));
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    let ids: Vec<&str> = watched.iter().map(String::as_str).collect();
    let ask = Ask { wait: 600, ..Ask::default() };
    let told = woken(phone.sync_many(&ids, &ask), deliver()).await;
    assert_eq!(told.keys().collect::<Vec<_>>(), [&inbox]);
    assert!(server.running.shutdown().await, "something had to be cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_what_waits() {
    let server = server().await;
    let (phone, inbox) = phone(&server, "PHONE").await;
    let (mut other, _) = self::phone(&server, "OTHER").await;
    let set_password = async || {
        let password = Some(Secret::new("another horse battery"));
        server.admin(Command::AccountSetPassword { address: USER.into(), password }).await;
    };
    let watched = [inbox.clone()];
    let ask = Ask { wait: 600, ..Ask::default() };
    let waiting = async { tokio::join!(phone.ping(&watched, 600), other.sync(&inbox, &ask)) };
    let (ping, sync) = woken(waiting, set_password()).await;
    assert_eq!(ping, (1, vec![]));
    assert!(sync.empty);
    for command in ["Ping", "Sync", "FolderSync"] {
        assert_eq!(phone.request(command, b"").await.unwrap().status, 401, "{command}");
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}
