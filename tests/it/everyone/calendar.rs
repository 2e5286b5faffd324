//! A calendar client over CalDAV that keeps what it was told by synchronisation. RFC 4791, RFC 6578.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client with one calendar.
pub(super) struct Calendar {
    server: SocketAddr,
    login: String,
    /// The collection's path.
    home: String,
    token: String,
    /// What it has: by path, the ETag and the object.
    pub(super) objects: BTreeMap<String, (String, String)>,
}

/// An answer: its code, its fields, its body.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Calendar {
    pub(super) fn new(server: SocketAddr, user: &str, password: &str, home: &str) -> Self {
        let login = STANDARD.encode(format!("{user}:{password}"));
        Self { server, login, home: home.into(), token: String::new(), objects: BTreeMap::new() }
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.server).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {}\r\nConnection: close\r\n\
             {fields}Content-Length: {}\r\n\r\n{body}",
            self.login,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole).await.unwrap();
        let whole = String::from_utf8(whole).unwrap();
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { joined(body) } else { body.to_owned() };
        Answer { code, head: head.to_owned(), body }
    }

    /// Stores an object under a name, new or over what the client has.
    pub(super) async fn put(&self, name: &str, object: &str) {
        let path = format!("{}{name}", self.home);
        let condition = match self.objects.get(&path) {
            Some((etag, _)) => format!("If-Match: {etag}\r\n"),
            None => "If-None-Match: *\r\n".to_owned(),
        };
        let fields = format!("{condition}Content-Type: text/calendar; charset=utf-8\r\n");
        let answer = self.ask("PUT", &path, &fields, object).await;
        assert!(matches!(answer.code, 201 | 204), "{path}: {} {}", answer.head, answer.body);
    }

    /// Removes an object that the client has.
    pub(super) async fn delete(&self, path: &str) {
        let etag = &self.objects[path].0;
        let answer = self.ask("DELETE", path, &format!("If-Match: {etag}\r\n"), "").await;
        assert_eq!(answer.code, 204, "{path}: {} {}", answer.head, answer.body);
    }

    /// Takes in what has changed since the last time.
    pub(super) async fn sync(&mut self) {
        let body = format!(
            "<?xml version=\"1.0\"?><sync-collection xmlns=\"DAV:\"><sync-token>{}</sync-token>\
             <sync-level>1</sync-level><prop><getetag/></prop></sync-collection>",
            self.token
        );
        let answer = self.ask("REPORT", &self.home, "Content-Type: application/xml\r\n", &body).await;
        assert_eq!(answer.code, 207, "{} {}", answer.head, answer.body);
        self.token = element(&answer.body, "sync-token").unwrap();
        for response in elements(&answer.body, "response") {
            let href = element(&response, "href").unwrap();
            if element(&response, "status").is_some_and(|s| s.contains("404")) {
                self.objects.remove(&href);
                continue;
            }
            let etag = element(&response, "getetag").unwrap().replace("&quot;", "\"");
            let object = self.ask("GET", &href, "", "").await;
            assert_eq!(object.code, 200, "{href}");
            let told = object
                .head
                .lines()
                .find_map(|l| l.to_ascii_lowercase().strip_prefix("etag: ").map(String::from));
            assert_eq!(told.as_deref(), Some(etag.to_ascii_lowercase().as_str()), "{href}");
            self.objects.insert(href, (etag, object.body));
        }
    }
}

fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        body.push_str(&rest[..length]);
        chunks = &rest[(length + 2).min(rest.len())..];
    }
    body
}

/// The content of each element of a local name, in whatever prefix the server uses.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some((tag, after)) = rest.split_once('>') else { break };
        let full = tag.split([' ', '/']).next().unwrap();
        if tag.starts_with('/') || tag.ends_with('/') || full.rsplit(':').next() != Some(name) {
            continue;
        }
        let (content, after) = after.split_once(&format!("</{full}>")).unwrap();
        found.push(content.to_owned());
        rest = after;
    }
    found
}

fn element(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).into_iter().next()
}

/// The path of a home's calendar with a name.
pub(super) fn href_of(multistatus: &str, name: &str) -> Option<String> {
    let named = |response: &String| element(response, "displayname").is_some_and(|n| n == name);
    elements(multistatus, "response").into_iter().find(named).and_then(|response| element(&response, "href"))
}
