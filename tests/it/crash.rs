//! The server is killed at random moments under load, again and again, while phones read, flag and delete:
//! every message that was acknowledged is there exactly once, nothing derived is wrong, and each phone ends
//! with exactly the server's items, read or not, without starting again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use folkmoot::clock::{instant, random};
use parking_lot::Mutex;
use tempfile::TempDir;
use wbxml::{Element, airsync, email};

use crate::imap_client::Imap;
use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Phone};

const ROUNDS: usize = 20;
const WRITERS: usize = 8;
const PHONES: usize = 4;
const INBOX: u8 = 2;
const TRASH: &str = "Trash";
const USER: &str = "alice@crash.test";
const PASSWORD: &str = "correct horse battery";

/// What was acknowledged, and how often each subject was handed over with an unknown outcome.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<Vec<String>>,
    next: AtomicU64,
}

/// A data folder and its settings, served again and again.
pub(crate) struct Site {
    folder: TempDir,
}

/// A server's process.
pub(crate) struct Serving {
    child: Child,
    lmtp: SocketAddr,
    pub(crate) imap: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may be gone already, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// As a power cut would end it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = ["smtp", "lmtp", "imap", "http"].map(|name| format!("{name} = \"127.0.0.1:0\"\n"));
        let text = format!(
            "[listen]\n{}[auth]\nargon2_memory = 64\nargon2_passes = 1\nscram_iterations = 4096\n",
            listen.concat()
        );
        fs::write(folder.path().join("server.toml"), text).unwrap();
        Self { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_folkmoot"));
        command.args(arguments).args(["--config", "server.toml"]).current_dir(&self.folder);
        command
    }

    pub(crate) fn ok(&self, arguments: &[&str], input: &str) {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    }

    pub(crate) async fn serve(&self) -> Serving {
        let listeners = self.folder.path().join("data/run/listeners.json");
        // A killed server leaves it behind.
        let _ = fs::remove_file(&listeners);
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let child = self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let patience = instant();
        while !listeners.exists() {
            assert!(patience.elapsed() < Duration::from_secs(60), "the server does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let at = |name| address(&listeners, name);
        Serving { child, lmtp: at("lmtp"), imap: at("imap"), http: at("http") }
    }
}

fn address(listeners: &Path, name: &str) -> SocketAddr {
    let all: BTreeMap<String, String> = serde_json::from_slice(&fs::read(listeners).unwrap()).unwrap();
    all[name].parse().unwrap()
}

/// Delivers until the server is gone; what it answers with 250 is written down.
async fn write(server: SocketAddr, ledger: Arc<Ledger>) {
    let Ok(mut session) = Lmtp::connect(server).await else { return };
    loop {
        let subject = format!("m{}", ledger.next.fetch_add(1, Ordering::Relaxed));
        let text = "It was a dark and stormy night.\r\n".repeat(40);
        match session.deliver(USER, &message(&subject, &text)).await {
            Ok(250) => ledger.acknowledged.lock().push(subject),
            Ok(code) => panic!("{subject} was answered with {code}"),
            Err(_) => return,
        }
    }
}

/// A phone, and the commands that it has sent without an answer.
struct Carried {
    phone: Phone,
    pending: Vec<Element<'static>>,
}

/// Synchronises until the server is gone, reads mail, flags and deletes it.
async fn carry(mut carried: Carried) -> Carried {
    let inbox = carried.phone.folder(INBOX);
    loop {
        if carried.pending.is_empty() {
            carried.pending = whims(&mut carried.phone, &inbox);
        }
        let ask = Ask { window: 20, commands: carried.pending.clone(), ..Ask::default() };
        let Ok(brought) = carried.phone.try_sync(&inbox, &ask).await else { return carried };
        match brought.status {
            // The same commands again until they are answered.
            16 => {}
            1 => carried.pending.clear(),
            status => panic!("the phone must start again: status {status}"),
        }
    }
}

/// What a user does to a few of the messages on the phone.
fn whims(phone: &mut Phone, inbox: &str) -> Vec<Element<'static>> {
    let items: Vec<String> = phone.collection(inbox).items.keys().cloned().collect();
    let mut commands = Vec::new();
    let mut touched = BTreeSet::new();
    for _ in 0..dice(4).min(items.len() as u64) {
        let id = &items[usize::try_from(dice(items.len() as u64)).unwrap()];
        // One command an item: the server may take them in its own order.
        if !touched.insert(id) {
            continue;
        }
        let change = |data| {
            Element::new(airsync::CHANGE)
                .with_text(airsync::SERVER_ID, id.clone())
                .with(Element::new(airsync::APPLICATION_DATA).with(data))
        };
        commands.push(match dice(6) {
            0 => Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id.clone()),
            1 | 2 => change(Element::new(email::FLAG).with_number(email::STATUS, 2)),
            n => change(Element::number(email::READ, i128::from(n != 3))),
        });
    }
    commands
}

/// Sends what is pending and takes in all that is new; in no case does the phone start again from nowhere.
async fn catch_up(carried: &mut Carried) {
    let inbox = carried.phone.folder(INBOX);
    while !carried.pending.is_empty() {
        let ask = Ask { window: 200, commands: carried.pending.clone(), ..Ask::default() };
        match carried.phone.sync(&inbox, &ask).await.status {
            16 => {}
            1 => carried.pending.clear(),
            status => panic!("the phone must start again: status {status}"),
        }
    }
    let ask = Ask { window: 200, ..Ask::default() };
    assert!(carried.phone.sync_all(&inbox, &ask).await, "the phone had to start again");
}

/// What the phone has of the Inbox, in the words of IMAP: by UID, the subject and whether it is read.
fn held(phone: &mut Phone) -> BTreeMap<u32, (String, bool)> {
    let inbox = phone.folder(INBOX);
    let items = phone.collection(&inbox).items.iter();
    items
        .map(|(id, item)| {
            let uid = id.rsplit_once(':').unwrap().1.parse().unwrap();
            (uid, (item["Email:Subject"].clone(), item["Email:Read"] == "1"))
        })
        .collect()
}

pub(crate) fn dice(sides: u64) -> u64 {
    u64::from_be_bytes(random().unwrap()) % sides
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_under_load() {
    let site = Site::new();
    let ledger = Arc::new(Ledger::default());
    let mut phones = Vec::new();
    for round in 0..ROUNDS {
        let mut server = site.serve().await;
        if round == 0 {
            site.ok(&["domain", "add", "crash.test"], "");
            site.ok(&["account", "add", USER, "--password-stdin"], &format!("{PASSWORD}\n"));
            for n in 0..PHONES {
                let mut phone = Phone::new(server.http, USER, PASSWORD, &format!("crash{n}"));
                phone.provision().await;
                phone.folder_sync().await;
                let mut carried = Carried { phone, pending: Vec::new() };
                catch_up(&mut carried).await;
                phones.push(carried);
            }
        }
        for carried in &mut phones {
            carried.phone.moved(server.http);
        }
        let writers: Vec<_> =
            (0..WRITERS).map(|_| tokio::spawn(write(server.lmtp, ledger.clone()))).collect();
        let carried: Vec<_> = phones.drain(..).map(|phone| tokio::spawn(carry(phone))).collect();
        tokio::time::sleep(Duration::from_millis(50 + dice(400))).await;
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        for phone in carried {
            phones.push(phone.await.unwrap());
        }
    }
    site.ok(&["verify"], "");
    let server = site.serve().await;
    // Twice: what one phone still does the others have to hear of.
    for _ in 0..2 {
        for carried in &mut phones {
            carried.phone.moved(server.http);
            catch_up(carried).await;
        }
    }
    let mut imap = Imap::login(server.imap, USER, PASSWORD).await;
    let (inbox, trash) = (imap.look("INBOX").await, imap.look(TRASH).await);
    for carried in &mut phones {
        assert_eq!(held(&mut carried.phone), inbox, "the phone does not have what the server has");
    }
    let acknowledged = ledger.acknowledged.lock().clone();
    assert!(acknowledged.len() > 100, "only {} messages came through", acknowledged.len());
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (subject, _) in inbox.values().chain(trash.values()) {
        *count.entry(subject).or_default() += 1;
    }
    for subject in &acknowledged {
        assert_eq!(count.get(subject.as_str()), Some(&1), "{subject} was acknowledged");
    }
    assert!(count.values().all(|n| *n == 1), "a message is there twice");
    let read = inbox.values().filter(|(_, read)| *read).count();
    assert!(read > 5 && trash.len() > 5, "the phones did too little: {read} read, {} deleted", trash.len());
}
