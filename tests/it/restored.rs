//! A backup is copied back: every client ends with exactly what it held.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use folkmoot::doors::admin::{Answer, Command as Admin};
use folkmoot::net::Listener;
use tempfile::TempDir;
use wbxml::{Element, airsync};

use crate::imap_client::Imap;
use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const USER: &str = "alice@example.test";
const PASSWORD: &str = "correct horse battery";
const INBOX: u8 = 2;

async fn deliver(server: &TestServer, subject: &str) {
    let mut lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
    assert_eq!(lmtp.deliver(USER, &message(subject, subject)).await.unwrap(), 250);
}

/// What an IMAP client keeps of the Inbox: the UIDVALIDITY, and the subjects by UID.
async fn looked(server: &TestServer) -> (u32, Vec<(u32, String)>, u64) {
    let mut imap = Imap::login(server.address(Listener::Imap), USER, PASSWORD).await;
    let told = imap.ask("EXAMINE INBOX").await;
    let number = |name: &str| -> u64 {
        let (_, rest) = told.split_once(name).unwrap();
        rest.split(']').next().unwrap().trim().parse().unwrap()
    };
    let items = imap.look("INBOX").await.into_iter().map(|(uid, (subject, _))| (uid, subject)).collect();
    (u32::try_from(number("UIDVALIDITY")).unwrap(), items, number("HIGHESTMODSEQ"))
}

fn subjects(phone: &mut Phone, inbox: &str) -> BTreeSet<String> {
    phone.collection(inbox).items.values().map(|item| item["Email:Subject"].clone()).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

fn restored(data: &TempDir) -> Output {
    Command::new(env!("CARGO_BIN_EXE_folkmoot"))
        .args(["restored", "--data"])
        .arg(data.path())
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_every_client_ends_with_what_was_restored() {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    for subject in ["one", "two", "three"] {
        deliver(&server, subject).await;
    }
    let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, "PHONE1");
    phone.provision().await;
    phone.folder_sync().await;
    let inbox = phone.folder(INBOX);
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    let backed_up = looked(&server).await;

    // The backup, and what happens after it.
    let stopped = server.stop().await;
    let backup = tempfile::tempdir().unwrap();
    copy(&stopped.data.path().join("store"), backup.path());
    let server = TestServer::start_on(stopped).await;
    phone.moved(server.address(Listener::Http));
    for subject in ["four", "five"] {
        deliver(&server, subject).await;
    }
    let gone = phone.collection(&inbox).items.keys().next().unwrap().clone();
    let delete = Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, gone);
    phone.sync(&inbox, &Ask { commands: vec![delete], ..Ask::default() }).await;
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    assert_eq!(subjects(&mut phone, &inbox).len(), 4);
    let lost = looked(&server).await;
    assert!(!restored(&server.data).status.success(), "never beside a server");

    let stopped = server.stop().await;
    std::fs::remove_dir_all(stopped.data.path().join("store")).unwrap();
    copy(backup.path(), &stopped.data.path().join("store"));
    let done = restored(&stopped.data);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let server = TestServer::start_on(stopped).await;
    phone.moved(server.address(Listener::Http));

    // "Start again", in each protocol's own words.
    assert!(!phone.sync_all(&inbox, &Ask::default()).await, "Status 3");
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    let three = BTreeSet::from(["one", "two", "three"].map(str::to_owned));
    assert_eq!(subjects(&mut phone, &inbox), three);
    assert!(!phone.try_folder_sync().await, "Status 9");
    phone.folder_sync().await;
    assert_eq!(phone.folder(INBOX), inbox);
    let now = looked(&server).await;
    assert!(now.0 > lost.0 && now.2 > lost.2, "UIDVALIDITY and HIGHESTMODSEQ go on");
    assert_eq!(now.1, backed_up.1);

    // What comes now has an id that nobody has seen.
    deliver(&server, "six").await;
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    assert_eq!(subjects(&mut phone, &inbox).len(), 4);
    let uids: BTreeSet<u32> = lost.1.iter().map(|(uid, _)| *uid).collect();
    let (uid, subject) = looked(&server).await.1.pop().unwrap();
    assert_eq!(subject, "six");
    assert!(uids.iter().all(|seen| *seen < uid));
    let Answer::Verified { found: 0, .. } = server.admin(Admin::Verify {}).await else {
        panic!("it is not sound")
    };
    server.stop().await;
}
