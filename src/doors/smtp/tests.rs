//! Whole dialogues over a pipe: the fixtures line by line, and what cannot be written as one.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::town::Town;
use crate::delivery::{Answer, DnsError, Mx, Resolve};
use crate::net::{Peer, Stream};
use crate::objects::Objects;
use crate::store::{self, Change, Engine, Memory, Snapshot, Store};

/// A DNS that knows nothing.
struct NoDns;

impl Resolve for NoDns {
    fn mx<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Mx>> {
        Box::pin(std::future::ready(Err(DnsError::NoSuchName)))
    }
    fn addresses<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<std::net::IpAddr>> {
        Box::pin(std::future::ready(Err(DnsError::NoSuchName)))
    }
}

/// An engine whose commits fail when they are told to.
#[derive(Clone, Default)]
struct Failing {
    memory: Arc<Memory>,
    error: Arc<Mutex<Option<store::Error>>>,
}

impl Engine for Failing {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, store::Error> {
        self.memory.snapshot()
    }
    fn commit(&self, batch: Vec<Change>) -> Result<(), store::Error> {
        match self.error.lock().clone() {
            Some(error) => Err(error),
            None => self.memory.commit(batch),
        }
    }
}

struct Server {
    smtp: Arc<Smtp>,
    town: Town,
    services: Services,
    engine: Failing,
}

fn limits() -> Limits {
    Limits {
        message: 1_000,
        recipients: 5,
        errors: 5,
        idle_commands: 8,
        auth_on_loopback: false,
        ..Limits::of(&Config::default())
    }
}

async fn server(limits: Limits, tls: Option<TlsAcceptor>) -> Server {
    let engine = Failing::default();
    let store = Store::over(Arc::new(engine.clone()), Box::new(|| true)).unwrap();
    let clock = Clock::set(1_795_514_400_000);
    let town = Town::new(store.clone(), clock.clone()).await;
    let mut config = Config::default();
    config.smtp.hostname = "mail.example.test".into();
    let metrics = Metrics::new();
    let services = Services {
        objects: crate::objects::Objects::default(),
        delivery: Delivery::new(
            town.mailbox.clone(),
            Objects::default(),
            config.smtp.clone(),
            Arc::new(NoDns),
            metrics.clone(),
        ),
        config: Arc::new(config),
        clock,
        store,
        mailbox: town.mailbox.clone(),
        directory: town.directory.clone(),
        metrics,
        shutdown: Shutdown::new(),
    };
    Server { smtp: Arc::new(Smtp::with(&services, tls, limits)), town, services, engine }
}

impl Server {
    fn connect(&self, mode: Mode, address: &str) -> DuplexStream {
        let (client, stream) = tokio::io::duplex(64 << 10);
        let listener = match mode {
            Mode::Mx => Listener::Smtp,
            Mode::Submission => Listener::Submission,
            Mode::Lmtp => Listener::Lmtp,
        };
        let from = format!("{address}:4000").parse().unwrap();
        let peer = Peer::new(listener, from, "192.0.2.1:25".parse().unwrap());
        let stream = Stream::clear(stream, Duration::from_secs(60));
        tokio::spawn(serve(self.smtp.clone(), Mode::of(listener).unwrap(), stream, peer));
        client
    }

    fn delivered(&self) -> usize {
        (1..=4).map(|n| self.town.mail_of(n).len()).sum()
    }
}

fn tls() -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["mail.example.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)))
}

async fn read_line(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await;
        match read.expect("the server says nothing") {
            Ok(b'\n') => {
                assert_eq!(line.pop(), Some(b'\r'));
                return Some(String::from_utf8(line).unwrap());
            }
            Ok(b) => line.push(b),
            Err(_) => return None,
        }
    }
}

/// Says a line and gives all lines of the reply.
async fn ask(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), line: &str) -> String {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    reply(stream).await
}

async fn reply(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut all = String::new();
    loop {
        let line = read_line(stream).await.expect("the server hung up");
        all.push_str(&line);
        if line.as_bytes().get(3) != Some(&b'-') {
            return all;
        }
        all.push('\n');
    }
}

/// `\r`, `\n`, `\0`, `\\` and `\xHH`; `{N*T}` is T, N times.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('r') => out.push(b'\r'),
                Some('n') => out.push(b'\n'),
                Some('0') => out.push(0),
                Some('x') => {
                    let hex: String = chars.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&hex, 16).unwrap());
                }
                Some(c) => out.extend(c.to_string().bytes()),
                None => panic!("a backslash at the end"),
            },
            '{' => {
                let times: String = chars.by_ref().take_while(|c| *c != '*').collect();
                let text: String = chars.by_ref().take_while(|c| *c != '}').collect();
                out.extend(unescape(&text).repeat(times.parse().unwrap()));
            }
            c => out.extend(c.to_string().bytes()),
        }
    }
    out
}

/// Plays a dialogue: see fixtures/smtp/README.
async fn play(name: &str, dialogue: &str) {
    let (mut mode, mut client, mut address, mut with_tls) = (Mode::Mx, None, "192.0.2.7", false);
    let mut server_ = None;
    let mut to_send = Vec::new();
    let mut delivered = [0; 5];
    for (number, line) in dialogue.lines().enumerate().map(|(n, line)| (n + 1, line)) {
        let place = format!("{name}:{number}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(set) = line.strip_prefix("= ") {
            match set {
                "mx" => mode = Mode::Mx,
                "submission" => mode = Mode::Submission,
                "lmtp" => mode = Mode::Lmtp,
                "tls" => with_tls = true,
                "loopback" => address = "127.0.0.1",
                other => panic!("{place}: {other}"),
            }
            continue;
        }
        if server_.is_none() {
            let limits = Limits { auth_on_loopback: address == "127.0.0.1", ..limits() };
            server_ = Some(server(limits, with_tls.then(|| tls().0)).await);
        }
        let server = server_.as_ref().unwrap();
        let stream = client.get_or_insert_with(|| server.connect(mode, address));
        if let Some(text) = line.strip_prefix("C: ").or_else(|| line.strip_prefix("C:")) {
            to_send.extend(unescape(text));
            to_send.extend_from_slice(b"\r\n");
            continue;
        }
        if let Some(text) = line.strip_prefix("C- ") {
            to_send.extend(unescape(text));
            continue;
        }
        stream.write_all(&std::mem::take(&mut to_send)).await.unwrap();
        if let Some(expected) = line.strip_prefix("S: ").or_else(|| line.strip_prefix("S:")) {
            let said = read_line(stream).await.unwrap_or_else(|| panic!("{place}: the server hung up"));
            let matches = match expected.strip_suffix('*') {
                Some(front) => said.starts_with(front),
                None => said == expected,
            };
            assert!(matches, "{place}: expected {expected:?}, got {said:?}");
        } else if line == "S! closed" {
            assert_eq!(read_line(stream).await, None, "{place}");
        } else if let Some(expected) = line.strip_prefix("M: ") {
            let (account, body) = expected.split_once(' ').unwrap();
            let account: usize = account.parse().unwrap();
            let all = server.town.mail_of(account);
            let message = all.get(delivered[account]);
            let message = message.unwrap_or_else(|| panic!("{place}: no message was delivered"));
            delivered[account] += 1;
            let body = String::from_utf8_lossy(&unescape(body)).into_owned();
            assert!(message.ends_with(&body), "{place}: got {message:?}");
            let trace = &message[..message.len() - body.len()];
            assert!(trace.starts_with("Return-Path: <"), "{place}: got {message:?}");
            let bare = mode != Mode::Submission;
            assert!(!bare || trace.ends_with("+0000\r\n"), "{place}: got {message:?}");
        } else {
            panic!("{place}: what is {line:?}?");
        }
    }
    let stream = client.as_mut().unwrap();
    stream.write_all(&to_send).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read_line(stream).await, None, "{name}: the server has more to say");
    let server = server_.unwrap();
    assert_eq!(
        server.delivered(),
        delivered.iter().sum::<usize>(),
        "{name}: messages delivered and not mentioned"
    );
    server.town.check();
}

#[tokio::test]
async fn fixtures() {
    let mut played = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/smtp");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let dialogue = std::fs::read_to_string(&path).unwrap();
            play(&path.file_name().unwrap().to_string_lossy(), &dialogue).await;
            played += 1;
        }
    }
    assert!(played >= 10, "the fixtures are missing");
}

#[tokio::test]
async fn tls_begins_a_new_session() {
    let (acceptor, connector) = tls();
    let server = server(limits(), Some(acceptor)).await;
    let mut clear = server.connect(Mode::Submission, "192.0.2.7");
    reply(&mut clear).await;
    let hello = ask(&mut clear, "EHLO client").await;
    assert!(hello.contains("250-STARTTLS\n") && !hello.contains("AUTH"), "{hello}");
    assert_eq!(
        ask(&mut clear, "AUTH PLAIN AGFubmEAYW5uYQ==").await,
        "538 5.7.11 Encryption required for authentication"
    );
    assert_eq!(ask(&mut clear, "STARTTLS").await, "220 2.0.0 Ready to start TLS");
    let name = rustls::pki_types::ServerName::try_from("mail.example.test").unwrap();
    let mut tls = connector.connect(name, clear).await.unwrap();
    assert_eq!(ask(&mut tls, "AUTH PLAIN AGFubmEAYW5uYQ==").await, "503 5.5.1 Greet first");
    let hello = ask(&mut tls, "EHLO client").await;
    assert!(!hello.contains("STARTTLS") && hello.contains("250-AUTH PLAIN LOGIN\n"), "{hello}");
    assert_eq!(ask(&mut tls, "STARTTLS").await, "503 5.5.1 TLS is already active");
    assert_eq!(ask(&mut tls, "AUTH PLAIN AGFubmEAYW5uYQ==").await, "235 2.7.0 Authenticated");
    for line in ["MAIL FROM:<anna@example.test>", "RCPT TO:<berta@example.test>"] {
        assert!(ask(&mut tls, line).await.starts_with("250 "));
    }
    assert!(ask(&mut tls, "DATA").await.starts_with("354 "));
    assert!(ask(&mut tls, "From: anna@example.test\r\n\r\n.").await.starts_with("250 2.0.0 Accepted as "));
    assert_eq!(ask(&mut tls, "QUIT").await, "221 2.0.0 Bye");
    let message = server.town.mail_of(2).remove(0);
    assert!(message.contains(" with ESMTPSA id "), "{message}");
}

#[tokio::test]
async fn an_endless_line_costs_no_memory_and_no_other_client() {
    let server = server(limits(), None).await;
    let mut client = server.connect(Mode::Mx, "192.0.2.7");
    reply(&mut client).await;
    let block = vec![b'a'; 1 << 20];
    for _ in 0..64 {
        client.write_all(&block).await.unwrap();
    }
    let mut other = server.connect(Mode::Mx, "192.0.2.8");
    reply(&mut other).await;
    assert_eq!(ask(&mut other, "NOOP").await, "250 2.0.0 OK");
    assert_eq!(ask(&mut client, "").await, "500 5.5.2 Line too long");
    assert_eq!(ask(&mut client, "NOOP").await, "250 2.0.0 OK");
}

#[tokio::test]
async fn an_unknown_outcome_is_not_answered() {
    let server = server(limits(), None).await;
    for (error, expected) in [
        (Some(store::Error::Full), Some("452 4.3.1 Out of storage; try again later")),
        (None, Some("250 2.0.0 Accepted as ")),
        (Some(store::Error::Unknown("EIO".into())), None),
        (None, Some("451 4.3.0 Temporary failure; try again later")),
    ] {
        *server.engine.error.lock() = error;
        let mut client = server.connect(Mode::Mx, "192.0.2.7");
        reply(&mut client).await;
        for line in ["EHLO c", "MAIL FROM:<x@y>", "RCPT TO:<anna@example.test>", "DATA"] {
            ask(&mut client, line).await;
        }
        client.write_all(b"Subject: x\r\n\r\n.\r\n").await.unwrap();
        let answer = read_line(&mut client).await;
        assert!(
            matches!((&answer, expected), (Some(a), Some(e)) if a.starts_with(e))
                || answer.is_none() && expected.is_none(),
            "{answer:?}, not {expected:?}"
        );
    }
    assert_eq!(server.town.mail_of(1).len(), 1);
}

#[tokio::test]
async fn who_changed_the_password_ends_the_session() {
    let server = server(Limits { auth_on_loopback: true, ..limits() }, None).await;
    let mut client = server.connect(Mode::Submission, "127.0.0.1");
    reply(&mut client).await;
    for line in ["EHLO c", "AUTH PLAIN AGFubmEAYW5uYQ==", "MAIL FROM:<anna@example.test>", "RSET"] {
        assert!(ask(&mut client, line).await.starts_with('2'), "{line}");
    }
    let anna = server.town.directory.resolve("anna@example.test").unwrap().unwrap().account.id;
    server.town.directory.set_password(anna, "another one").await.unwrap();
    assert_eq!(ask(&mut client, "MAIL FROM:<anna@example.test>").await, "530 5.7.0 Authentication required");
}

#[tokio::test]
async fn parallel_guesses_are_slowed_down() {
    let server = server(Limits { auth_on_loopback: true, ..limits() }, None).await;
    let mut refused = 0;
    for _ in 0..12 {
        let mut client = server.connect(Mode::Submission, "192.0.2.7");
        reply(&mut client).await;
        ask(&mut client, "EHLO c").await;
        // Not from this machine: not even looked at.
        assert!(ask(&mut client, "AUTH PLAIN AGFubmEAeA==").await.starts_with("538 "));
        let mut client = server.connect(Mode::Submission, "127.0.0.1");
        reply(&mut client).await;
        ask(&mut client, "EHLO c").await;
        let guess = format!("AUTH PLAIN {}", base64_of(&format!("\0anna\0guess{refused}")));
        match ask(&mut client, &guess).await.as_str() {
            "535 5.7.8 Wrong user name or password" => refused += 1,
            "454 4.7.0 Too many failures; try again later" => {
                assert_eq!(read_line(&mut client).await, None);
                assert!(refused >= 5);
                return;
            }
            other => panic!("{other}"),
        }
    }
    panic!("{refused} guesses were free");
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn slow_clients_are_left() {
    let server = server(Limits { idle: Duration::from_secs(1), ..limits() }, None).await;
    let mut client = server.connect(Mode::Mx, "192.0.2.7");
    reply(&mut client).await;
    // An octet now and then is activity, and yet no line within the time for one.
    for _ in 0..4 {
        client.write_all(b"a").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(reply(&mut client).await, "421 4.4.2 Timeout");
    assert_eq!(read_line(&mut client).await, None);

    let mut client = server.connect(Mode::Mx, "192.0.2.7");
    reply(&mut client).await;
    for line in ["EHLO c", "MAIL FROM:<x@y>", "RCPT TO:<anna@example.test>", "DATA"] {
        ask(&mut client, line).await;
    }
    client.write_all(b"a\r\n").await.unwrap();
    assert_eq!(reply(&mut client).await, "421 4.4.2 Timeout");
    assert_eq!(read_line(&mut client).await, None);
    assert_eq!(server.delivered(), 0);
}

#[tokio::test]
async fn messages_share_a_bounded_room() {
    let (receiving, idle) = (32 << 10, Duration::from_secs(10));
    let server = server(Limits { receiving, message: 1 << 20, idle, ..limits() }, None).await;
    let begin = async || {
        let mut client = server.connect(Mode::Mx, "192.0.2.7");
        reply(&mut client).await;
        for line in ["EHLO c", "MAIL FROM:<x@y>", "RCPT TO:<anna@example.test>", "DATA"] {
            ask(&mut client, line).await;
        }
        client
    };
    let (mut first, mut second) = (begin().await, begin().await);
    let text = format!("{}\r\n", "a".repeat(20_000));
    first.write_all(text.as_bytes()).await.unwrap();
    while server.smtp.room.left() > 0 {
        tokio::task::yield_now().await;
    }
    let refused = ask(&mut second, &format!("{text}.")).await;
    assert_eq!(refused, "451 4.3.2 Too many messages at once; try again later");
    assert!(ask(&mut first, ".").await.starts_with("250 "));
    for line in ["MAIL FROM:<x@y>", "RCPT TO:<anna@example.test>", "DATA"] {
        ask(&mut second, line).await;
    }
    assert!(ask(&mut second, "a\r\n.").await.starts_with("250 "), "the room is given back");
    assert_eq!(server.delivered(), 2);
}

#[tokio::test]
async fn bad_recipients_cost_the_good_ones_nothing() {
    let server = server(limits(), None).await;
    let mut client = server.connect(Mode::Mx, "192.0.2.7");
    reply(&mut client).await;
    ask(&mut client, "EHLO c").await;
    for round in 0..3 {
        ask(&mut client, "MAIL FROM:<x@y>").await;
        assert!(ask(&mut client, "RCPT TO:<anna@example.test>").await.starts_with("250 "));
        for n in 0..80 {
            let said = ask(&mut client, &format!("RCPT TO:<nobody{n}@example.test>")).await;
            assert!(said.starts_with(if n < 5 { "550 5.1.1 " } else { "452 4.5.3 " }), "{said}");
        }
        assert!(ask(&mut client, "DATA").await.starts_with("354 "));
        assert!(ask(&mut client, "x\r\n.").await.starts_with("250 "), "round {round}");
    }
    assert_eq!(server.town.mail_of(1).len(), 3);
    // Without a message in between it is trying out.
    ask(&mut client, "MAIL FROM:<x@y>").await;
    for n in 0..5 {
        ask(&mut client, &format!("RCPT TO:<nobody{n}@example.test>")).await;
    }
    ask(&mut client, "RSET").await;
    assert_eq!(ask(&mut client, "MAIL FROM:<x@y>").await, "421 4.7.0 Too many errors");
    assert_eq!(read_line(&mut client).await, None);
}

#[tokio::test]
async fn clients_are_told_when_the_server_stops() {
    let server = server(limits(), None).await;
    let mut client = server.connect(Mode::Lmtp, "127.0.0.1");
    reply(&mut client).await;
    server.services.shutdown.begin();
    assert_eq!(reply(&mut client).await, "421 4.3.2 The server is stopping; try again later");
    assert_eq!(read_line(&mut client).await, None);
}
