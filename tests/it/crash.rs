//! The server is killed at random moments under load, again and again: every message that was
//! acknowledged is there exactly once, nothing derived is wrong, and each phone ends with exactly the
//! server's items without starting again.

use std::collections::BTreeMap;
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

use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Phone};

const ROUNDS: usize = 20;
const WRITERS: usize = 8;
const PHONES: usize = 4;
const INBOX: u8 = 2;
const USER: &str = "alice@crash.test";
const PASSWORD: &str = "correct horse battery";

/// What was acknowledged, and how often each subject was handed over with an unknown outcome.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<Vec<String>>,
    next: AtomicU64,
}

struct Site {
    folder: TempDir,
}

struct Serving {
    child: Child,
    lmtp: SocketAddr,
    http: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may be gone already, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Site {
    fn new() -> Self {
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

    fn ok(&self, arguments: &[&str], input: &str) {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    }

    async fn serve(&self) -> Serving {
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
        let (lmtp, http) = (address(&listeners, "lmtp"), address(&listeners, "http"));
        Serving { child, lmtp, http }
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

/// Synchronises until the server is gone.
async fn carry(mut phone: Phone) -> Phone {
    let inbox = phone.folder(INBOX);
    let mut ask = Ask { window: 20, ..Ask::default() };
    while let Ok(brought) = phone.try_sync(&inbox, &ask).await {
        assert!(matches!(brought.status, 1 | 16), "the phone must start again: status {}", brought.status);
        // The same commands again until they are answered.
        ask.commands.clear();
    }
    phone
}

/// The phones start again from nowhere in no case.
async fn catch_up(phone: &mut Phone) {
    let inbox = phone.folder(INBOX);
    let ask = Ask { window: 200, ..Ask::default() };
    assert!(phone.sync_all(&inbox, &ask).await, "the phone had to start again");
}

fn dice(sides: u64) -> u64 {
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
                catch_up(&mut phone).await;
                phones.push(phone);
            }
        }
        for phone in &mut phones {
            phone.moved(server.http);
        }
        let writers: Vec<_> =
            (0..WRITERS).map(|_| tokio::spawn(write(server.lmtp, ledger.clone()))).collect();
        let carried: Vec<_> = phones.drain(..).map(|phone| tokio::spawn(carry(phone))).collect();
        tokio::time::sleep(Duration::from_millis(50 + dice(400))).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        for writer in writers {
            writer.await.unwrap();
        }
        for phone in carried {
            phones.push(phone.await.unwrap());
        }
    }
    site.ok(&["verify"], "");
    let server = site.serve().await;
    let mut all = Vec::new();
    for mut phone in phones {
        phone.moved(server.http);
        catch_up(&mut phone).await;
        let inbox = phone.folder(INBOX);
        let subjects: Vec<String> =
            phone.collection(&inbox).items.values().map(|item| item["Email:Subject"].clone()).collect();
        all.push(subjects);
    }
    let acknowledged = ledger.acknowledged.lock().clone();
    assert!(acknowledged.len() > 100, "only {} messages came through", acknowledged.len());
    for subjects in &all {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for subject in subjects {
            *count.entry(subject).or_default() += 1;
        }
        for subject in &acknowledged {
            assert_eq!(count.get(subject.as_str()), Some(&1), "{subject} was acknowledged");
        }
        assert!(count.values().all(|n| *n == 1), "a message is there twice");
        assert_eq!(subjects.len(), all[0].len(), "the phones differ");
    }
}
