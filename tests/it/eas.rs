//! ActiveSync over sockets: what only a real connection shows.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use folkmoot::net::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wbxml::{Element, encode, folderhierarchy};

use crate::phone::Phone;
use crate::support::TestServer;

const PATH: &str = "/Microsoft-Server-ActiveSync";

async fn server() -> TestServer {
    let server = TestServer::start_with(|config| config.eas.require_provisioning = false).await;
    server.account("ann@example.test", "password of ann").await;
    server.account("bob@example.test", "password of bob").await;
    server
}

fn hierarchy(user: &str, password: &str, device: &str) -> Vec<u8> {
    let login = STANDARD.encode(format!("{user}@example.test:{password}"));
    let body = encode(&Element::new(folderhierarchy::FOLDER_SYNC).with_text(folderhierarchy::SYNC_KEY, "0"));
    let head = format!(
        "POST {PATH}?Cmd=FolderSync&User={user}&DeviceId={device}&DeviceType=P HTTP/1.1\r\nHost: x\r\n\
         Authorization: Basic {login}\r\nMS-ASProtocolVersion: 16.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Reads one answer from a connection that stays open: its status and its body.
async fn answer(stream: &mut TcpStream) -> (u16, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut chunk)).await;
        let read = read.expect("no answer").unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |n| n.parse().unwrap());
        if bytes.len() >= end + 4 + length {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            return (status, bytes[end + 4..].to_vec());
        }
    }
}

/// Nothing of one request stays for the next, whoever sends it.
#[tokio::test(flavor = "multi_thread")]
async fn two_users_on_one_connection() {
    let server = server().await;
    let mut ann = Phone::new(server.address(Listener::Http), "ann@example.test", "password of ann", "A1");
    ann.folder_sync().await;
    let own: Vec<String> = ann.folders.keys().cloned().collect();
    let mut stream = TcpStream::connect(server.address(Listener::Http)).await.unwrap();
    let mut seen = Vec::new();
    for (user, password, status) in [
        ("ann", "password of ann", 200),
        ("bob", "password of bob", 200),
        ("ann", "password of bob", 401),
        ("bob", "password of ann", 401),
        ("bob", "password of bob", 200),
        ("ann", "password of ann", 200),
    ] {
        stream.write_all(&hierarchy(user, password, "A1")).await.unwrap();
        let (got, body) = answer(&mut stream).await;
        assert_eq!(got, status, "{user}");
        if status == 200 {
            let tree = wbxml::decode(&body, &wbxml::Limits::default()).unwrap();
            let changes = tree.child(folderhierarchy::CHANGES).unwrap();
            let mut ids: Vec<String> = changes
                .children_of(folderhierarchy::ADD)
                .map(|add| add.text_of(folderhierarchy::SERVER_ID).unwrap().to_owned())
                .collect();
            ids.sort();
            seen.push((user, ids));
        }
    }
    for (user, ids) in seen {
        assert_eq!(user == "ann", ids == own, "{user} sees {ids:?}");
    }
    assert!(server.running.shutdown().await);
}

/// Through a proxy each client is counted by its own address: a stranger's guesses keep neither the user
/// out, nor others who come through the same proxy.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_through_a_proxy_are_their_senders() {
    let server = server().await;
    let ask = async |from: &str, user: &str, password: &str| {
        let login = STANDARD.encode(format!("{user}@example.test:{password}"));
        let request = format!(
            "OPTIONS {PATH} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1, {from}\r\n\
             Authorization: Basic {login}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(server.address(Listener::Http)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await.0
    };
    assert_eq!(ask("192.0.2.1", "ann", "password of ann").await, 200);
    let mut refused = Vec::new();
    for guess in 0..30 {
        refused.push(ask("198.51.100.66", "ann", &format!("guess {guess}")).await);
    }
    assert_eq!(refused.iter().filter(|status| **status == 401).count(), 10, "{refused:?}");
    assert_eq!(ask("198.51.100.66", "ann", "password of ann").await, 503, "the guesser has to wait");
    assert_eq!(ask("192.0.2.1", "ann", "password of ann").await, 200, "the user has not");
    for guess in 0..30 {
        ask("198.51.100.66", &format!("nobody{guess}"), "guess").await;
    }
    assert_eq!(ask("198.51.100.66", "bob", "password of bob").await, 503, "nor at another account");
    assert_eq!(ask("203.0.113.7", "bob", "password of bob").await, 200, "which others can use");
    assert!(server.running.shutdown().await);
}

/// Bodies that lie about their length or never end cost nobody else anything.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_they_say() {
    let data = |config: &mut folkmoot::config::Config| {
        config.eas.require_provisioning = false;
        config.eas.request_max = 1 << 20;
        config.limits.http_body = Duration::from_secs(1);
    };
    let server = TestServer::start_with(data).await;
    server.account("ann@example.test", "password of ann").await;
    let login = STANDARD.encode("ann@example.test:password of ann");
    let head = format!(
        "POST {PATH}?Cmd=FolderSync&User=a&DeviceId=A1&DeviceType=P HTTP/1.1\r\nHost: x\r\n\
         Authorization: Basic {login}\r\nMS-ASProtocolVersion: 16.1\r\n"
    );
    let connect = async || TcpStream::connect(server.address(Listener::Http)).await.unwrap();

    let mut short = connect().await;
    short.write_all(format!("{head}Content-Length: 500\r\n\r\nabc").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut short).await.0, 408, "the rest never comes");

    let mut large = connect().await;
    large.write_all(format!("{head}Content-Length: 999999999\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut large).await.0, 413);

    let mut endless = connect().await;
    endless.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..40 {
        if endless.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(answer(&mut endless).await.0, 413);

    let mut phone = Phone::new(server.address(Listener::Http), "ann@example.test", "password of ann", "A2");
    phone.folder_sync().await;
    assert_eq!(phone.folders.len(), 9);
    assert!(server.running.shutdown().await);
}
