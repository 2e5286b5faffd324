//! What breaks beneath a running server: a damaged message, a full disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use folkmoot::clock::instant;
use folkmoot::doors::admin::{Answer, Command, execute};
use folkmoot::net::Listener;
use folkmoot::server::{Running, Server};
use wbxml::{Element, airsync, email, itemoperations};

use crate::imap_client::Imap;
use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Phone};
use crate::support::{TestServer, config};

const USER: &str = "alice@example.test";
const PASSWORD: &str = "correct horse battery";

async fn deliver(running: &Running, subject: &str, text: &str) -> u16 {
    let mut lmtp = Lmtp::connect(running.addresses()[&Listener::Lmtp]).await.unwrap();
    lmtp.deliver(USER, &message(subject, text)).await.unwrap()
}

async fn phone(running: &Running) -> (Phone, String) {
    let mut phone = Phone::new(running.addresses()[&Listener::Http], USER, PASSWORD, "PHONE");
    phone.provision().await;
    phone.folder_sync().await;
    let inbox = phone.folder(2);
    (phone, inbox)
}

/// The Status of a Fetch of one item. MS-ASCMD §2.2.3.177.8.
async fn fetched(phone: &Phone, folder: &str, item: &str) -> u16 {
    let fetch = Element::new(itemoperations::FETCH)
        .with_text(itemoperations::STORE, "Mailbox")
        .with_text(airsync::COLLECTION_ID, folder.to_owned())
        .with_text(airsync::SERVER_ID, item.to_owned());
    let asked = Element::new(itemoperations::ITEM_OPERATIONS).with(fetch);
    let answer = phone.post("ItemOperations", &asked).await.unwrap();
    let told = answer.at(&[itemoperations::RESPONSE, itemoperations::FETCH]).unwrap();
    told.parse_of(itemoperations::STATUS).unwrap().unwrap()
}

fn subjects(phone: &mut Phone, folder: &str) -> Vec<String> {
    let items = phone.collection(folder).items.values();
    let mut subjects: Vec<_> = items.map(|item| item["Email:Subject"].clone()).collect();
    subjects.sort();
    subjects
}

/// The files below `folder` that hold `text`.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).is_ok_and(|b| b.windows(text.len()).any(|w| w == text.as_bytes())) {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_costs_that_message_alone() {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    let large = "damage me, I am large\r\n".repeat(8 << 10);
    for (subject, text) in [("first", "Some text."), ("damaged", large.as_str()), ("last", "Some text.")] {
        assert_eq!(deliver(&server.running, subject, text).await, 250);
    }
    // Large bodies are files of their own.
    let files = files_with(&server.data.path().join("store/bodies"), "damage me, I am large");
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(file, bytes).unwrap();

    let (mut phone, inbox) = phone(&server.running).await;
    assert!(phone.sync_all(&inbox, &Ask { window: 1, ..Ask::default() }).await);
    // The phone has it, so that what others do to it means something there.
    assert_eq!(subjects(&mut phone, &inbox), ["damaged", "first", "last"]);
    let damaged = format!("{inbox}:2");
    let mut other = Phone::new(server.address(Listener::Http), USER, PASSWORD, "OTHER");
    other.provision().await;
    other.folder_sync().await;
    assert!(other.sync_all(&inbox, &Ask::default()).await);
    let read = Element::new(airsync::CHANGE)
        .with_text(airsync::SERVER_ID, damaged.clone())
        .with(Element::new(airsync::APPLICATION_DATA).with_number(email::READ, 1));
    assert_eq!(other.sync(&inbox, &Ask { commands: vec![read], ..Ask::default() }).await.status, 1);
    assert_eq!(phone.sync(&inbox, &Ask::default()).await.changed, [damaged]);
    for (uid, sound) in [(1, true), (2, false), (3, true)] {
        let status = fetched(&phone, &inbox, &format!("{inbox}:{uid}")).await;
        assert_eq!(status == 1, sound, "item {uid}: {status}");
    }
    let mut imap = Imap::login(server.address(Listener::Imap), USER, PASSWORD).await;
    imap.ask("SELECT INBOX").await;
    for (uid, sound) in [(1, true), (2, false), (3, true)] {
        let (told, _) = imap.try_ask(&format!("UID FETCH {uid} BODY.PEEK[TEXT]")).await;
        assert_eq!(told.contains("text."), sound, "{told}");
    }
    let verified = execute(server.running.services(), Command::Verify {}).await;
    let Answer::Verified { found, problems, .. } = verified else { panic!("{verified:?}") };
    assert_eq!(found, 1, "{problems:?}");
    let name = file.file_name().unwrap().to_string_lossy();
    assert!(problems[0].contains(&*name), "{problems:?} for {name}");

    // It can be deleted, and the folder goes on.
    assert_eq!(deliver(&server.running, "after", "Some text.").await, 250);
    assert!(phone.sync_all(&inbox, &Ask::default()).await);
    assert_eq!(subjects(&mut phone, &inbox), ["after", "damaged", "first", "last"]);
    assert!(server.running.shutdown().await, "something had to be cut");
}

/// A small file system of its own, gone with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may mount nothing.
    fn mounted(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount =
            Process::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the store may still be closing its files.
        let _ = Process::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Delivers until the answer is `code`: the server looks at the disk now and then only.
async fn deliver_until(running: &Running, code: u16, acknowledged: &mut Vec<String>) {
    let began = instant();
    loop {
        let subject = format!("mail-{:03}", acknowledged.len());
        let told = deliver(running, &subject, "Some text.").await;
        assert!(told == 250 || told == 452, "{told}");
        if told == 250 {
            acknowledged.push(subject);
        }
        if told == code {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "still {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_mail_and_nothing_else() {
    const WATERMARK: u64 = 16 << 20;
    let Some(disk) = SmallDisk::mounted(192) else {
        assert!(!rustix::process::geteuid().is_root(), "root cannot mount a tmpfs here; this must be tested");
        // Whoever reads the results should know; nothing else shows a full disk as it is.
        eprintln!("NOT TESTED, a full disk beneath a server: this user may not mount a file system");
        return;
    };
    let mut settings = config(&disk.0);
    settings.store.free_space_min = WATERMARK;
    let running = Server::start(settings.clone()).await.unwrap();
    let added = [
        Command::DomainAdd { name: "example.test".into() },
        Command::AccountAdd {
            address: USER.into(),
            name: None,
            password: Some(folkmoot::doors::admin::Secret::new(PASSWORD)),
            kind: folkmoot::directory::Kind::User,
        },
    ];
    for command in added {
        let answer = execute(running.services(), command).await;
        assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    }
    let (mut phone, inbox) = phone(&running).await;
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        deliver_until(&running, 250, &mut acknowledged).await;
    }
    let before = Ask { window: 1, ..Ask::default() };
    assert_eq!(phone.sync(&inbox, &before).await.status, 1);

    let ballast = disk.0.path().join("ballast");
    let free = free_bytes(disk.0.path());
    fs::write(&ballast, vec![0; usize::try_from(free - WATERMARK / 2).unwrap()]).unwrap();
    deliver_until(&running, 452, &mut acknowledged).await;

    // Reading, flags and deletions go on.
    assert!(phone.sync_all(&inbox, &before).await);
    assert_eq!(subjects(&mut phone, &inbox), acknowledged);
    let items = phone.collection(&inbox).items.clone();
    let id = |subject: &str| {
        let (id, _) = items.iter().find(|(_, item)| item["Email:Subject"] == subject).unwrap();
        id.clone()
    };
    let commands = vec![
        Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id(&acknowledged[0])),
        Element::new(airsync::CHANGE)
            .with_text(airsync::SERVER_ID, id(&acknowledged[1]))
            .with(Element::new(airsync::APPLICATION_DATA).with_number(email::READ, 1)),
    ];
    let brought = phone.sync(&inbox, &Ask { commands, ..Ask::default() }).await;
    assert_eq!((brought.status, brought.responses), (1, Vec::new()));
    acknowledged.remove(0);
    let mut imap = Imap::login(running.addresses()[&Listener::Imap], USER, PASSWORD).await;
    let seen: Vec<_> = imap.look("INBOX").await.into_values().collect();
    let expected: Vec<_> = acknowledged.iter().enumerate().map(|(n, s)| (s.clone(), n == 0)).collect();
    assert_eq!(seen, expected);
    phone.collections.clear();
    assert!(phone.sync_all(&inbox, &before).await, "a phone begins anew");
    assert_eq!(subjects(&mut phone, &inbox), acknowledged);

    fs::remove_file(&ballast).unwrap();
    acknowledged.insert(0, "gone".into());
    deliver_until(&running, 250, &mut acknowledged).await;
    acknowledged.remove(0);
    assert!(phone.sync_all(&inbox, &before).await);
    assert_eq!(subjects(&mut phone, &inbox), acknowledged);
    assert!(running.shutdown().await, "something had to be cut");

    let running = Server::start(settings).await.unwrap();
    phone.moved(running.addresses()[&Listener::Http]);
    assert!(phone.sync_all(&inbox, &before).await, "no phone has to start again");
    assert_eq!(subjects(&mut phone, &inbox), acknowledged);
    let verified = execute(running.services(), Command::Verify {}).await;
    assert!(matches!(verified, Answer::Verified { found: 0, .. }), "{verified:?}");
    assert!(running.shutdown().await, "something had to be cut");
}

/// Free bytes of the file system of `path`.
fn free_bytes(path: &Path) -> u64 {
    let disk = rustix::fs::statvfs(path).unwrap();
    disk.f_bavail * disk.f_frsize
}
