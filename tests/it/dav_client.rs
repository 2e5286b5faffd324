//! A small WebDAV client: what it sends and gets is plain HTTP/1.1, one connection a request.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One user at a server.
#[derive(Clone)]
pub(crate) struct Dav {
    server: SocketAddr,
    pub(crate) address: String,
    authorization: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A field of the header.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The texts between each `open` and the `close` after it.
    pub(crate) fn between(&self, open: &str, close: &str) -> Vec<&str> {
        let parts = self.body.split(open).skip(1);
        parts.filter_map(|part| part.split_once(close)).map(|(text, _)| text).collect()
    }

    /// The hrefs of a multistatus, in order.
    pub(crate) fn hrefs(&self) -> Vec<&str> {
        self.between("<D:response><D:href>", "</D:href>")
    }

    /// What must be the status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    /// What must be the status and, in its body, the precondition.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, precondition: &str) {
        let answer = self.is(status);
        assert!(answer.body.contains(&format!(":{precondition}")), "{}", answer.body);
    }
}

impl Dav {
    pub(crate) fn new(server: SocketAddr, address: &str, password: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{address}:{password}")));
        Self { server, address: address.to_owned(), authorization }
    }

    /// A path in one of the user's homes.
    pub(crate) fn path(&self, home: &str, rest: &str) -> String {
        format!("/dav/{home}/{}/{rest}", self.address)
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.try_ask(method, path, fields, body).await.expect("no answer")
    }

    /// As [`Dav::ask`], for a server that may be gone: half an answer is as good as none.
    pub(crate) async fn try_ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\nconnection: close\r\n\
             content-length: {}\r\n",
            self.server,
            self.authorization,
            body.len()
        );
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        exchange(self.server, request.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.ask("PUT", path, &[], body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], "").await
    }

    /// PROPFIND of some properties, each with its prefix: `D`, `C`, `CR`, `CS` or `A`.
    pub(crate) async fn propfind(&self, path: &str, depth: &str, properties: &str) -> Answer {
        let body = xml("D:propfind", &format!("<D:prop>{properties}</D:prop>"));
        self.ask("PROPFIND", path, &[("depth", depth)], &body).await
    }

    pub(crate) async fn report(&self, path: &str, root: &str, inner: &str) -> Answer {
        self.ask("REPORT", path, &[("depth", "1")], &xml(root, inner)).await
    }

    /// What changed since a token: the answer, and the token that follows.
    pub(crate) async fn sync(&self, path: &str, token: &str) -> (Answer, String) {
        let inner = format!(
            "<D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>"
        );
        let answer = self.report(path, "D:sync-collection", &inner).await.is(207);
        let next = answer.between("<D:sync-token>", "</D:sync-token>").pop().unwrap().to_owned();
        (answer, next)
    }
}

/// A document with all the namespaces that are used here.
pub(crate) fn xml(root: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><{root} xmlns:D=\"DAV:\" \
         xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:CR=\"urn:ietf:params:xml:ns:carddav\" \
         xmlns:CS=\"http://calendarserver.org/ns/\" xmlns:A=\"http://apple.com/ns/ical/\">{inner}</{root}>"
    )
}

async fn exchange(server: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    let mut bytes = Vec::new();
    let whole = async {
        // A server that refuses early closes while the request is still on its way.
        let _ = stream.write_all(request).await;
        let _ = stream.read_to_end(&mut bytes).await;
    };
    tokio::time::timeout(Duration::from_secs(60), whole).await.expect("no answer");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Some(Answer { status, head: head.to_owned(), body })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = Vec::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&rest.as_bytes()[..size]);
        body = std::str::from_utf8(&rest.as_bytes()[size + 2..]).unwrap();
    }
    String::from_utf8(whole).unwrap()
}
