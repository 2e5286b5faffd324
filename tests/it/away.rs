//! A phone says that its owner is away; who writes is told so, once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use folkmoot::net::Listener;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use wbxml::{Element, Tag, settings};

use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const PASSWORD: &str = "correct horse battery";
const ANNA: &str = "anna@example.test";
const BERTA: &str = "berta@example.test";
const BOB: &str = "bob@other.test";

/// The phone of an account, with the folders it has.
async fn phone(server: &TestServer, user: &str) -> Phone {
    let mut phone = Phone::new(server.address(Listener::Http), user, PASSWORD, "PHONE");
    phone.provision().await;
    phone.folder_sync().await;
    phone
}

/// The subjects and senders in its Inbox.
async fn inbox(phone: &mut Phone) -> Vec<(String, String)> {
    let id = phone.folder(2);
    while !phone.sync_all(&id, &Ask::default()).await {}
    let field = |item: &BTreeMap<String, String>, name: &str| item.get(name).cloned().unwrap_or_default();
    let items = phone.collection(&id).items.values();
    let mut all: Vec<_> =
        items.map(|item| (field(item, "Email:Subject"), field(item, "Email:From"))).collect();
    all.sort();
    all
}

/// Out of office from now on: what is said to whom. MS-ASCMD §2.2.3.122.
fn away(says: &[(Tag, &'static str)]) -> Element<'static> {
    let messages = says.iter().map(|(audience, text)| {
        Element::new(settings::OOF_MESSAGE)
            .with_empty(*audience)
            .with_number(settings::ENABLED, 1)
            .with_text(settings::REPLY_MESSAGE, *text)
            .with_text(settings::BODY_TYPE, "Text")
    });
    let set = Element::new(settings::SET).with_number(settings::OOF_STATE, 1).with_all(messages);
    Element::new(settings::SETTINGS).with(Element::new(settings::OOF).with(set))
}

/// Hands a message over by SMTP.
async fn send(server: SocketAddr, from: &str, to: &str, fields: &str) {
    let mut stream = BufReader::new(TcpStream::connect(server).await.unwrap());
    let text = format!("From: {from}\r\nTo: {to}\r\n{fields}\r\nSome text.\r\n.\r\n");
    let commands = [
        "",
        "EHLO c.test\r\n",
        &format!("MAIL FROM:<{from}>\r\n"),
        &format!("RCPT TO:<{to}>\r\n"),
        "DATA\r\n",
        &text,
    ];
    for (command, code) in commands.into_iter().zip(["220", "250", "250", "250", "354", "250"]) {
        stream.get_mut().write_all(command.as_bytes()).await.unwrap();
        let mut line = String::new();
        while line.as_bytes().get(3) != Some(&b' ') {
            line.clear();
            assert!(stream.read_line(&mut line).await.unwrap() > 0);
        }
        assert!(line.starts_with(code), "{command:?}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_to_one_who_is_away_is_told_so_once() {
    let there = TestServer::start().await;
    there.account(BOB, PASSWORD).await;
    let routes = BTreeMap::from([("other.test".to_owned(), there.address(Listener::Smtp).to_string())]);
    let here = TestServer::start_with(|config| config.smtp.routes = routes).await;
    here.account(ANNA, PASSWORD).await;
    here.account(BERTA, PASSWORD).await;
    let anna = phone(&here, ANNA).await;
    let says = [
        (settings::APPLIES_TO_INTERNAL, "for colleagues"),
        (settings::APPLIES_TO_EXTERNAL_UNKNOWN, "for everybody"),
    ];
    let set = anna.post("Settings", &away(&says)).await.unwrap();
    assert_eq!(set.at(&[settings::OOF, settings::STATUS]).and_then(Element::text), Some("1"), "{set}");

    let smtp = here.address(Listener::Smtp);
    send(smtp, BOB, ANNA, "Subject: list\r\nList-Id: <l.other.test>\r\n").await;
    send(smtp, BOB, ANNA, "Subject: first\r\n").await;
    send(smtp, BOB, ANNA, "Subject: second\r\n").await;
    let mut bob = phone(&there, BOB).await;
    for _ in 0..500 {
        let left = here.running.services().delivery.queued().unwrap().len();
        if left == 0 && !inbox(&mut bob).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = |subject: &str| (format!("Automatic reply: {subject}"), format!("\"anna\" <{ANNA}>"));
    assert_eq!(inbox(&mut bob).await, [told("first")]);

    send(smtp, BERTA, ANNA, "Subject: lunch\r\n").await;
    send(smtp, BERTA, ANNA, "Subject: dinner\r\n").await;
    let mut berta = phone(&here, BERTA).await;
    for _ in 0..500 {
        let left = here.running.services().delivery.queued().unwrap().len();
        if left == 0 && !inbox(&mut berta).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(inbox(&mut berta).await, [told("lunch")]);
    let mut anna = anna;
    let subjects: Vec<_> = inbox(&mut anna).await.into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(subjects, ["dinner", "first", "list", "lunch", "second"]);
    assert!(here.running.shutdown().await && there.running.shutdown().await);
}
