//! The frame around the doors: start, health, limits of HTTP, restart, end.

use std::time::Duration;

use folkmoot::doors::admin::{Answer, Command};
use folkmoot::net::Listener;
use folkmoot::server::{Server, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TestServer, config};

/// Sends raw bytes and returns all that comes back until the server closes.
async fn raw(server: &TestServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address(Listener::Http)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset after the answer is as good as a close.
    let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the server does not close");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(server: &TestServer, path: &str) -> String {
    raw(server, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_are_served_as_set() {
    let server = TestServer::start_with(|config| config.metrics.enabled = true).await;
    server.account("alice@example.test", "correct horse battery").await;
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
    let figures = get(&server, "/metrics").await;
    assert!(figures.contains("folkmoot_connections_total{listener=\"http\"} 2"), "{figures}");
    assert!(!figures.contains("folkmoot_commit_seconds_count 0"), "{figures}");
    assert!(server.running.shutdown().await);

    let plain = TestServer::start().await;
    assert!(get(&plain, "/metrics").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_outlive_a_restart_in_the_same_process() {
    let server = TestServer::start().await;
    server.account("alice@example.test", "correct horse battery").await;
    let server = server.restart().await;
    let answer = server.admin(Command::AccountList { domain: None }).await;
    let Answer::Accounts { accounts } = answer else { panic!("{answer:?}") };
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].address, "alice@example.test");
    let listeners = std::fs::read_to_string(server.data.path().join("run/listeners.json")).unwrap();
    let listeners: serde_json::Value = serde_json::from_str(&listeners).unwrap();
    assert_eq!(listeners["http"], server.address(Listener::Http).to_string());
    assert_eq!(listeners.as_object().unwrap().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_keeps_off_the_data() {
    let server = TestServer::start().await;
    let second = Server::start(config(&server.data)).await.unwrap_err();
    assert!(matches!(second, StartError::Open(_)), "{second}");
    assert!(second.to_string().contains("another process uses this folder"), "{second}");
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_and_nothing_is_left_running() {
    let server = TestServer::start().await;
    let data = tempfile::tempdir().unwrap();
    let mut second = config(&data);
    second.listen.imap = Some(server.address(Listener::Imap));
    let e = Server::start(second).await.unwrap_err().to_string();
    assert!(e.starts_with(&format!("imap cannot listen on {}", server.address(Listener::Imap))), "{e}");
    Server::start(config(&data)).await.expect("the data folder is free again").shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_that_is_no_http_is_refused() {
    let server = TestServer::start().await;
    let too_long = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'a'; 40_000], b"\r\n\r\n"].concat();
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    let lies =
        "POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\ncontent-length: 10\r\n\r\n123456789";
    for (request, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".as_slice(), "HTTP/1.1 400 "),
        (&too_long, "HTTP/1.1 431 "),
        (many.as_bytes(), "HTTP/1.1 431 "),
        (lies.as_bytes(), "HTTP/1.1 400 "),
        (b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n", "HTTP/1.1 413 "),
    ] {
        let answer = raw(&server, request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(40)]);
        assert!(answer.starts_with(status), "{shown:?} got {answer:?}");
    }
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_ends_its_header_is_cut() {
    let server =
        TestServer::start_with(|config| config.limits.http_header = Duration::from_millis(300)).await;
    let answer = raw(&server, b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_listeners_show_the_certificate_that_was_told() {
    let server = TestServer::start().await;
    let told = server.running.certificate().fingerprint.clone();
    for listener in [Listener::Https, Listener::Imaps] {
        assert_eq!(shown(&server, listener).await, told);
    }
    let before = server.running.reload_certificate().unwrap();
    assert_eq!(before, told);
    std::fs::remove_file(server.data.path().join("tls/cert.pem")).unwrap();
    let renewed = server.running.reload_certificate().unwrap();
    assert_ne!(renewed, told);
    assert_eq!(shown(&server, Listener::Https).await, renewed);
}

/// The fingerprint of the certificate that a client sees.
async fn shown(server: &TestServer, listener: Listener) -> String {
    let data = server.data.path().join("tls/cert.pem");
    let mut roots = rustls::RootCertStore::empty();
    let pem =
        <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_file(data);
    roots.add(pem.unwrap()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(folkmoot::net::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    let socket = TcpStream::connect(server.address(listener)).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, socket).await.unwrap();
    let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
    digest.as_ref().iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}
