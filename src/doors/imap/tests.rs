//! Dialogues with the whole door, over a pipe and a real store.

mod appends;
mod bounds;
mod changes;
mod compress;
mod dialogue;
mod folders;
mod mail;
mod resync;
mod rights;
mod sorted;
mod updates;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::Imap;
use crate::clock::Clock;
use crate::config::{Auth, Config, Limits};
use crate::directory::NewAccount;
use crate::mailbox::{
    Acting, Error, Flags, Folder, FolderId, MailTx, NewItem, Origin, OwnerId, Placed, Role, ThreadKeys, View,
};
use crate::message::{self, MailRecord};
use crate::net::{Listener, Peer, SelfSigned, Stream, Tls, read_pem};
use crate::services::Services;

/// 2027-01-15 08:00:00 UTC, a Friday.
const NOW: i64 = 1_800_000_000_000;

/// A server's parts with one account, `alice@example.test`, whose password is `secret`.
struct House {
    services: Arc<Services>,
    imap: Arc<Imap>,
    alice: OwnerId,
    _data: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config {
            data: data.path().to_path_buf(),
            auth: Auth { argon2_memory: 64, argon2_passes: 1, scram_iterations: 4096, ..Auth::default() },
            limits: Limits { imap_idle: Duration::from_secs(30), ..Limits::default() },
            ..Config::default()
        };
        change(&mut config);
        let clock = Clock::set(NOW);
        let services = Services::open(config, clock).unwrap();
        services.directory.insert_domain("example.test").await.unwrap();
        let alice = account(&services, "alice@example.test").await;
        let own = SelfSigned::in_folder(data.path(), &["localhost".into()], 1_800_000_000).unwrap();
        let tls = Tls::new(read_pem(&own.cert, &own.key).unwrap()).unwrap();
        let imap = Arc::new(Imap::new(&services, &tls));
        Self { services, imap, alice, _data: data }
    }

    fn me(&self) -> Acting {
        Acting::account(self.alice.0)
    }

    fn view(&self) -> View {
        self.services.mailbox.view(self.me()).unwrap()
    }

    fn inbox(&self) -> Folder {
        self.view().by_role(self.alice, Role::Inbox).unwrap()
    }

    async fn act<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.services.mailbox.write(self.me(), Origin::OTHER, f).await.unwrap()
    }

    /// Delivers a message to the Inbox.
    async fn deliver(&self, message: &[u8]) -> Placed {
        self.deliver_to(self.inbox().id, b"Return-Path: <x@example.org>\r\n", message, Flags::NONE).await
    }

    async fn deliver_to(&self, folder: FolderId, prefix: &[u8], message: &[u8], flags: Flags) -> Placed {
        let body = Bytes::copy_from_slice(message);
        let whole = [prefix, message].concat();
        let record = MailRecord::from_message(&message::parse(&whole)).encode();
        let store = &self.services.store;
        let new = NewItem {
            body: store.stage_body(&store.body_key(1), &body).unwrap(),
            prefix: Bytes::copy_from_slice(prefix),
            record: record.into(),
            internal_date: NOW,
            filter_date: None,
            flags,
            keywords: Vec::new(),
            thread: ThreadKeys::default(),
            dav_name: None,
            ical_uid: None,
            properties: Vec::new(),
        };
        self.act(move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, new)
        })
        .await
    }

    /// A client that has read the greeting.
    async fn client(&self) -> Client {
        let mut client = self.raw();
        client.greeting = client.line().await;
        client
    }

    fn raw(&self) -> Client {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let stream = Stream::clear(ours, Duration::from_secs(5));
        let address: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let peer = Peer::new(Listener::Imap, address, address);
        let served = super::serve(self.imap.clone(), stream, peer);
        let task = tokio::spawn(served);
        Client { io: theirs, input: Vec::new(), next: 0, greeting: String::new(), task }
    }

    /// A client that has logged in.
    async fn alice(&self) -> Client {
        self.user("alice").await
    }

    /// A client that has logged in to some account.
    async fn user(&self, name: &str) -> Client {
        let mut client = self.client().await;
        let answer = client.say(&format!("LOGIN {name} secret")).await;
        assert!(answer.starts_with("a1 OK "), "{answer}");
        client
    }

    /// A client that has the Inbox open for reading only.
    async fn at_inbox(&self) -> Client {
        let mut client = self.alice().await;
        let answer = client.say("EXAMINE INBOX").await;
        assert!(answer.contains("OK [READ-ONLY] "), "{answer}");
        client
    }

    /// A client that has selected the Inbox.
    async fn in_inbox(&self) -> Client {
        let mut client = self.alice().await;
        let answer = client.say("SELECT INBOX").await;
        assert!(answer.contains("OK [READ-WRITE] "), "{answer}");
        client
    }
}

async fn account(services: &Services, address: &str) -> OwnerId {
    let new = NewAccount { address: address.into(), ..NewAccount::default() };
    let account = services.directory.insert_account(new, Some("secret")).await.unwrap();
    let owner = OwnerId(account.id.0);
    let made = services.mailbox.write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(owner, None));
    made.await.unwrap();
    owner
}

/// The other end of a connection.
struct Client {
    io: DuplexStream,
    input: Vec<u8>,
    next: u32,
    greeting: String,
    task: tokio::task::JoinHandle<()>,
}

impl Client {
    /// Sends a command with the next tag (`a1`, `a2`, ...) and returns all up to its tagged answer.
    async fn say(&mut self, command: &str) -> String {
        self.next += 1;
        let tag = format!("a{}", self.next);
        self.send(format!("{tag} {command}\r\n").as_bytes()).await;
        self.until(&format!("{tag} ")).await
    }

    /// As [`Self::say`], without the tag: the answers are the same whatever was said before.
    async fn hear(&mut self, command: &str) -> String {
        let answer = self.say(command).await;
        answer.replace(&format!("a{} ", self.next), "").replace(&format!("\"a{}\"", self.next), "\"@\"")
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// Everything up to a line that begins with `start`.
    async fn until(&mut self, start: &str) -> String {
        let mut all = String::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the connection ended after: {all}");
            all += &line;
            if line.starts_with(start) {
                return all;
            }
        }
    }

    /// One line, with its end; empty when the connection has ended.
    async fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.input.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.input.drain(..=at).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            let read = tokio::time::timeout(Duration::from_secs(20), self.io.read_buf(&mut self.input));
            if read.await.expect("nothing came for too long").unwrap_or(0) == 0 {
                return String::new();
            }
        }
    }

    /// What is left until the connection ends.
    async fn rest(mut self) -> String {
        let mut all = String::new();
        loop {
            match self.line().await {
                line if line.is_empty() => break,
                line => all += &line,
            }
        }
        self.task.await.unwrap();
        all
    }
}
