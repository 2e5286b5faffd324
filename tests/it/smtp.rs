//! Mail in and out over sockets: swaks as the client, a second server as the other side.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::Output;
use std::time::Duration;

use folkmoot::delivery::Status;
use folkmoot::doors::admin::{Answer, Command};
use folkmoot::mailbox::{Acting, OwnerId, Role, Uid};
use folkmoot::message::MailRecord;
use folkmoot::net::Listener;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::TestServer;

const ANNA: &str = "anna@example.test";
const BERTA: &str = "berta@example.test";
const PASSWORD: &str = "correct horse battery";

async fn town() -> TestServer {
    town_with(|_| {}).await
}

async fn town_with(change: impl FnOnce(&mut folkmoot::config::Config)) -> TestServer {
    let server = TestServer::start_with(|config| {
        config.smtp.hostname = "mail.example.test".into();
        change(config);
    })
    .await;
    server.account(ANNA, PASSWORD).await;
    server.account(BERTA, PASSWORD).await;
    server
}

/// The messages in an Inbox with their subjects as recorded, oldest first.
fn inbox(server: &TestServer, address: &str) -> Vec<(String, String)> {
    let services = server.running.services();
    let account = services.directory.resolve(address).unwrap().unwrap().account.id;
    let view = services.mailbox.view(Acting::account(account.0)).unwrap();
    let inbox = view.by_role(OwnerId(account.0), Role::Inbox).unwrap();
    let mut items = Vec::new();
    view.items(&inbox, Uid(0), &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    })
    .unwrap();
    let read = |item: folkmoot::mailbox::Item| {
        let message = services.mailbox.message(&view, &inbox, &item).unwrap();
        let record = view.record(&inbox, item.uid).unwrap().unwrap();
        let record = MailRecord::decode(record.record()).unwrap();
        assert_eq!(u64::from(record.size), item.size, "the record is of the message with its trace");
        (record.subject(), String::from_utf8_lossy(&message).into_owned())
    };
    items.into_iter().map(read).collect()
}

async fn swaks(server: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new("swaks");
    command.args(["--server", &server.ip().to_string(), "--port", &server.port().to_string()]);
    command.args(["--ehlo", "client.test", "--timeout", "20"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    output.expect("swaks is installed by ./test")
}

async fn accepted(server: SocketAddr, arguments: &[&str]) {
    let output = swaks(server, arguments).await;
    let (said, erred) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}\n{said}\n{erred}");
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never came true");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_from_outside_with_attachments_and_charsets() {
    let server = town().await;
    let mx = server.address(Listener::Smtp);
    let file = tempfile::NamedTempFile::with_suffix(".pdf").unwrap();
    std::fs::write(file.path(), b"%PDF-1.4 ".repeat(20_000)).unwrap();
    let attached = format!("@{}", file.path().display());
    let latin = "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=";
    accepted(mx, &["--from", "x@other.test", "--to", ANNA, "--h-Subject", "plain", "--body", "hello"]).await;
    accepted(
        mx,
        &["--from", "x@other.test", "--to", ANNA, "--header", latin, "--attach", &attached, "--tls"],
    )
    .await;
    let mail = inbox(&server, ANNA);
    assert_eq!(mail[0].0, "plain");
    assert!(mail[0].1.starts_with(
        "Return-Path: <x@other.test>\r\nDelivered-To: anna@example.test\r\nReceived: from client.test ([127.0.0.1])\r\n\
         \tby mail.example.test (Folkmoot) with ESMTP id "
    ), "{}", mail[0].1);
    assert_eq!(mail[1].0, "Gr\u{fc}\u{df}e");
    assert!(mail[1].1.contains(" with ESMTPS id ") && mail[1].1.len() > 200_000);
    let refused = swaks(mx, &["--from", "x@other.test", "--to", "bob@other.test"]).await;
    assert!(String::from_utf8_lossy(&refused.stdout).contains("550 5.7.1 Relaying denied"));
    assert!(server.running.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_message_reaches_another_server_through_the_queue() {
    let there = TestServer::start_with(|config| config.smtp.hostname = "mail.other.test".into()).await;
    there.account("bob@other.test", PASSWORD).await;
    let routes = BTreeMap::from([("other.test".to_owned(), there.address(Listener::Smtp).to_string())]);
    let here = town_with(|config| config.smtp.routes = routes).await;
    let submission = here.address(Listener::Submission);
    let login = ["--auth", "PLAIN", "--auth-user", ANNA, "--auth-password", PASSWORD];
    let to = ["--from", ANNA, "--to", "bob@other.test,berta@example.test,ghost@other.test"];
    accepted(submission, &[&login[..], &to, &["--tls", "--h-Subject", "both ways"]].concat()).await;
    assert_eq!(inbox(&here, BERTA)[0].0, "both ways");
    until("the message is there", || !inbox(&there, "bob@other.test").is_empty()).await;
    let (subject, text) = inbox(&there, "bob@other.test").remove(0);
    assert_eq!(subject, "both ways");
    assert!(text.contains("by mail.other.test (Folkmoot) with ESMTPS id "), "{text}");
    assert!(text.contains("by mail.example.test (Folkmoot) with ESMTPSA id "), "{text}");
    until("the report", || !inbox(&here, ANNA).is_empty()).await;
    let (subject, report) = inbox(&here, ANNA).remove(0);
    assert_eq!(subject, "Undelivered mail returned to sender");
    assert!(
        report.contains("Final-Recipient: rfc822; ghost@other.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
        "{report}"
    );
    assert!(here.running.services().delivery.queued().unwrap().is_empty());

    let spoofed = swaks(submission, &[&login[..], &["--from", BERTA, "--to", ANNA]].concat()).await;
    assert!(String::from_utf8_lossy(&spoofed.stdout).contains("553 5.7.1 "));
    let spoofed =
        swaks(submission, &[&login[..], &["--from", ANNA, "--to", BERTA, "--h-From", BERTA]].concat()).await;
    assert!(String::from_utf8_lossy(&spoofed.stdout).contains("550 5.7.1 The From address is not yours"));
    let nobody = swaks(submission, &["--from", ANNA, "--to", BERTA]).await;
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("530 5.7.0 "));
    assert!(here.running.shutdown().await && there.running.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_waits_over_a_restart_and_is_administered() {
    // Nobody listens on the discard port.
    let routes = BTreeMap::from([("other.test".to_owned(), "127.0.0.1:9".to_owned())]);
    let server = town_with(|config| config.smtp.routes = routes).await;
    let submission = server.address(Listener::Submission);
    let login = ["--auth", "LOGIN", "--auth-user", "anna", "--auth-password", PASSWORD];
    for subject in ["one", "two"] {
        let message = ["--from", ANNA, "--to", "bob@other.test", "--h-Subject", subject];
        accepted(submission, &[&login[..], &message].concat()).await;
    }
    let tried = |server: &TestServer| {
        let queue = server.running.services().delivery.queued().unwrap();
        queue.len() == 2 && queue.iter().all(|entry| entry.attempts == 1)
    };
    until("both were tried", || tried(&server)).await;
    let server = server.restart().await;
    let Answer::Queue { messages } = server.admin(Command::QueueList {}).await else { panic!() };
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].sender.as_str(), messages[0].destination.as_str()), (ANNA, "other.test"));
    assert!(messages[0].recipients[0].last_failure.as_ref().unwrap().contains("127.0.0.1:9"));
    let shown = server.admin(Command::QueueShow { id: messages[0].id.clone() }).await;
    let Answer::QueuedMessage { header, .. } = shown else { panic!() };
    assert!(header.starts_with("Received: from ") && header.contains("\nSubject: one"), "{header}");
    server.admin(Command::QueueDelete { id: messages[0].id.clone() }).await;
    let gone = folkmoot::doors::admin::execute(
        server.running.services(),
        Command::QueueShow { id: messages[0].id.clone() },
    );
    assert!(matches!(gone.await, Answer::Refused { .. }));
    server.admin(Command::QueueRetry { id: None }).await;
    let left = || server.running.services().delivery.queued().unwrap();
    until("it was tried again", || left().iter().all(|entry| entry.attempts == 2)).await;
    // By the same route: a restart keeps the settings.
    assert!(left().iter().all(|entry| entry.recipients[0].status != Status::Done));
    assert!(left()[0].recipients[0].last.as_ref().unwrap().to_string().contains("127.0.0.1:9"));
}

struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
        let mut client = Self { read: BufReader::new(read), write };
        assert!(client.line().await.starts_with("220 "));
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.read.read_line(&mut line).await.unwrap();
        line
    }

    async fn say(&mut self, text: &str) {
        self.write.write_all(text.as_bytes()).await.unwrap();
    }
}

/// Many deliveries over many connections: each is there, in all orders, and the mailbox counts right.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_lmtp_deliveries_are_all_there() {
    let server = town().await;
    let address = server.address(Listener::Lmtp);
    let writers = (0..8).map(|writer| {
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            client.say("LHLO client\r\n").await;
            while client.line().await.as_bytes().get(3) == Some(&b'-') {}
            for n in 0..25 {
                let text =
                    format!("MAIL FROM:<x@other.test>\r\nRCPT TO:<{ANNA}>\r\nRCPT TO:<{BERTA}>\r\nDATA\r\n");
                client.say(&text).await;
                for expected in ["250", "250", "250", "354"] {
                    assert!(client.line().await.starts_with(expected));
                }
                client.say(&format!("Subject: {writer}/{n}\r\n\r\nbody\r\n.\r\n")).await;
                for _ in 0..2 {
                    assert_eq!(client.line().await, "250 2.0.0 Message delivered\r\n");
                }
            }
            client.say("QUIT\r\n").await;
            let mut rest = String::new();
            client.read.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "221 2.0.0 Bye\r\n");
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for account in [ANNA, BERTA] {
        let mut subjects: Vec<_> = inbox(&server, account).into_iter().map(|(subject, _)| subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), 200);
    }
    let reader = server.running.services().store.read().unwrap();
    let differences = folkmoot::mailbox::verify(&reader).unwrap();
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(server.running.shutdown().await);
}
