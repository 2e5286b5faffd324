//! Devices as an administrator sees them: listed, wiped, let in again, forgotten.

use std::time::Duration;

use folkmoot::doors::admin::{Answer, Command, DeviceLine, execute};
use folkmoot::net::Listener;
use tokio::time::timeout;
use wbxml::{Element, Tag, encode, folderhierarchy, provision};

use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const USER: &str = "alice@example.test";
const PASSWORD: &str = "correct horse battery";

async fn listed(server: &TestServer) -> Vec<DeviceLine> {
    let answer = server.admin(Command::DeviceList { account: Some(USER.into()) }).await;
    let Answer::Devices { devices } = answer else { panic!("{answer:?}") };
    devices
}

/// How far the wipe of a device is.
async fn wipe_state(server: &TestServer, id: &str) -> (bool, String) {
    let devices = listed(server).await;
    let wipe = devices.into_iter().find(|device| device.id == id).unwrap().wipe.unwrap();
    (wipe.account_only, wipe.state)
}

/// What a FolderSync comes to: its HTTP status and the Status in its document.
async fn folders(phone: &Phone) -> (u16, Option<u16>) {
    let asked = Element::new(folderhierarchy::FOLDER_SYNC).with_text(folderhierarchy::SYNC_KEY, "0");
    let answer = phone.request("FolderSync", &encode(&asked)).await.unwrap();
    match answer.status {
        200 => (200, answer.document().and_then(|d| d.parse_of(folderhierarchy::STATUS).unwrap())),
        status => (status, None),
    }
}

async fn provision(phone: &Phone, children: Option<Element<'static>>) -> Element<'static> {
    phone.post("Provision", &Element::new(provision::PROVISION).with_all(children)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_phone_is_listed_wiped_and_stays_out() {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    let cases = [("16.1", false), ("16.1", true), ("14.1", false), ("12.1", false)];
    for (n, (version, account_only)) in cases.into_iter().enumerate() {
        let id = format!("PHONE{n}");
        let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, &id).version(version);
        phone.provision().await;
        phone.folder_sync().await;
        let inbox = phone.folder(2);
        assert!(phone.sync_all(&inbox, &Ask::default()).await);
        let device = listed(&server).await.pop().unwrap();
        assert_eq!((device.id.as_str(), device.version.as_str()), (id.as_str(), version));
        assert_eq!((device.account.as_str(), device.device_type.as_str()), (USER, "TestPhone"));
        assert!(device.provisioned && !device.blocked && device.wipe.is_none());

        let asked = Command::DeviceWipe { account: USER.into(), device: id.clone(), account_only };
        let watched = [inbox];
        let ping = phone.ping(&watched, 600);
        let mut ping = Box::pin(ping);
        let parked = timeout(Duration::from_millis(300), &mut ping).await;
        assert!(parked.is_err(), "there is nothing to tell yet");
        server.admin(asked).await;
        assert_eq!(wipe_state(&server, &id).await, (account_only, "requested".into()));
        let (status, _) =
            timeout(Duration::from_secs(15), ping).await.expect("it does not sit its heartbeat out");
        assert_eq!(status, 1);
        let due = if version == "12.1" { (449, None) } else { (200, Some(140)) };
        assert_eq!(folders(&phone).await, due, "{version}");
        let tag: Tag =
            if account_only { provision::ACCOUNT_ONLY_REMOTE_WIPE } else { provision::REMOTE_WIPE };
        let told = provision(&phone, None).await;
        assert!(told.has(tag), "{told}");
        assert!(!told.has(provision::POLICIES), "{told}");
        assert_eq!(wipe_state(&server, &id).await, (account_only, "sent".into()));
        let taken = provision(&phone, Some(Element::new(tag).with_number(provision::STATUS, 1))).await;
        assert_eq!(taken.text_of(provision::STATUS), Some("1"), "{taken}");
        assert_eq!(wipe_state(&server, &id).await, (account_only, "acknowledged".into()));
        assert!(listed(&server).await.pop().unwrap().blocked);
        let (status, refused) = folders(&phone).await;
        assert!(status == 403 || refused == Some(129), "{status} {refused:?}");

        server.admin(Command::DeviceAllow { account: USER.into(), device: id }).await;
        phone.provision().await;
        assert_eq!(folders(&phone).await, (200, Some(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_wiped_is_said_and_what_is_forgotten_may_come_back() {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, "OLD").version("14.1");
    phone.provision().await;
    let wipe = |device: &str, account_only| Command::DeviceWipe {
        account: USER.into(),
        device: device.into(),
        account_only,
    };
    for (command, says) in [(wipe("NONE", false), "no such device"), (wipe("OLD", true), "before 16.1")] {
        let answer = execute(server.running.services(), command).await;
        let Answer::Refused { why, .. } = answer else { panic!("{answer:?}") };
        assert!(why.contains(says), "{why}");
    }
    server.admin(Command::DeviceForget { account: USER.into(), device: "OLD".into() }).await;
    assert!(listed(&server).await.is_empty());
    phone.provision().await;
    assert_eq!(listed(&server).await.len(), 1);
    server.admin(Command::AccountDelete { address: USER.into() }).await;
    server.account(USER, PASSWORD).await;
    assert!(listed(&server).await.is_empty(), "a new account of the same name has no devices");
}
