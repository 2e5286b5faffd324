//! Answers as HTTP. MS-ASHTTP §2.2.2.

use std::io::Write;

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use wbxml::{Element, encode};

use super::basic;
use super::conn::SERVED;
use super::reply::{self, Failure, Reply};
use super::request::{Command, Version};
use super::session::Eas;
use crate::metrics::EasStatus;

/// MS-ASProtocolVersions. MS-ASHTTP §2.2.4.1.2.
pub(super) const VERSIONS: &str = "12.1,14.0,14.1,16.0,16.1";
/// MS-Server-ActiveSync: the version of the protocol that the server is made for.
const SERVER: &str = "16.1";
/// The media type of WBXML documents. MS-ASHTTP §2.2.2.1.2.
const WBXML: &str = "application/vnd.ms-sync.wbxml";
const MULTIPART: &str = "application/vnd.ms-sync.multipart";

/// Smaller answers are not worth compressing.
const GZIP_MIN: usize = 1 << 10;
/// Larger ones are compressed where they do not hold up the sockets.
const GZIP_INLINE_MAX: usize = 128 << 10;

const PROTOCOL_VERSIONS: HeaderName = HeaderName::from_static("ms-asprotocolversions");
const PROTOCOL_COMMANDS: HeaderName = HeaderName::from_static("ms-asprotocolcommands");
const SERVER_VERSION: HeaderName = HeaderName::from_static("ms-server-activesync");
/// Has a client begin anew, here because it does so already. MS-ASHTTP §2.2.4.1.2.4.
const RESYNCHRONISE: HeaderName = HeaderName::from_static("x-ms-rp");

/// An answer without a body.
pub(super) fn http(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(SERVER_VERSION, HeaderValue::from_static(SERVER));
    response
}

/// 401.
pub(super) fn challenge() -> Response<Body> {
    let mut response = http(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(basic::CHALLENGE));
    response
}

/// A refusal, perhaps with the seconds after which the client may try again.
pub(super) fn later(status: StatusCode, retry_after: Option<u64>) -> Response<Body> {
    let mut response = http(status);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// 405.
pub(super) fn not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = http(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A document that is no WBXML.
pub(super) fn text(media_type: &'static str, status: StatusCode, document: String) -> Response<Body> {
    let mut response = body(HeaderValue::from_static(media_type), document.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What the server can do. MS-ASHTTP §2.2.4.
pub(super) fn options() -> Response<Body> {
    let mut response = http(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    headers.insert(HeaderName::from_static("public"), HeaderValue::from_static("OPTIONS, POST"));
    abilities(headers);
    response
}

fn abilities(headers: &mut axum::http::HeaderMap) {
    let commands: Vec<&str> = SERVED.iter().map(|command| command.name()).collect();
    headers.insert(PROTOCOL_VERSIONS, HeaderValue::from_static(VERSIONS));
    if let Ok(commands) = HeaderValue::from_str(&commands.join(",")) {
        headers.insert(PROTOCOL_COMMANDS, commands);
    }
}

/// The answer to a command, and the Status in it for the log.
pub(super) async fn finished(
    eas: &Eas,
    outcome: Result<Reply, Failure>,
    command: Command,
    version: Version,
    gzip: bool,
) -> (Option<String>, Response<Body>) {
    let outcome = outcome.or_else(|failure| {
        failure.told(version, reply::root(command)).map(Reply::Document).inspect_err(|status| {
            tracing::debug!(?failure, http = status.as_u16(), "the whole request failed");
        })
    });
    match outcome {
        Err(StatusCode::SERVICE_UNAVAILABLE) => (None, later(StatusCode::SERVICE_UNAVAILABLE, Some(30))),
        Err(status) => (None, http(status)),
        Ok(Reply::Empty) => (None, http(StatusCode::OK)),
        Ok(Reply::Octets(media_type, bytes)) => {
            let media_type = HeaderValue::from_str(&media_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            (None, body(media_type, bytes))
        }
        Ok(Reply::Multipart(root, parts)) => {
            let status = status_of(&root);
            (status, body(HeaderValue::from_static(MULTIPART), multipart(&encode(&root), &parts)))
        }
        Ok(Reply::Document(root)) => (status_of(&root), document(eas, &root, gzip).await),
        Ok(Reply::Beginning(root)) => {
            let mut response = document(eas, &root, gzip).await;
            abilities(response.headers_mut());
            response.headers_mut().insert(RESYNCHRONISE, HeaderValue::from_static(VERSIONS));
            (status_of(&root), response)
        }
    }
}

/// How an answer is counted.
pub(super) fn class(http: StatusCode, status: Option<&str>) -> EasStatus {
    match (http.as_u16(), status.and_then(|s| s.parse::<u16>().ok())) {
        (449 | 503, _) | (200, Some(111 | 140..=144)) => EasStatus::again,
        (500.., _) | (200, Some(110)) => EasStatus::server,
        (400.., _) | (200, Some(101..)) => EasStatus::client,
        // What each command's own numbers mean is known in its file only.
        _ => EasStatus::ok,
    }
}

fn status_of(root: &Element<'_>) -> Option<String> {
    let status = root.children().iter().find(|child| child.tag().name() == "Status")?;
    status.text().map(str::to_owned)
}

async fn document(eas: &Eas, root: &Element<'static>, gzip: bool) -> Response<Body> {
    let plain = Bytes::from(encode(root));
    let media_type = HeaderValue::from_static(WBXML);
    if !gzip || plain.len() < GZIP_MIN {
        return body(media_type, plain);
    }
    let packed = if plain.len() <= GZIP_INLINE_MAX {
        packed(&plain)
    } else {
        let plain = plain.clone();
        eas.blocking(move || Ok(packed(&plain))).await.unwrap_or_default()
    };
    match packed {
        Some(packed) => {
            let mut response = body(media_type, packed);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
            response
        }
        None => body(media_type, plain),
    }
}

/// `None` when it would not be smaller.
fn packed(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), Compression::fast());
    encoder.write_all(plain).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < plain.len()).then(|| packed.into())
}

fn body(media_type: HeaderValue, bytes: Bytes) -> Response<Body> {
    let mut response = http(StatusCode::OK);
    if !bytes.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        *response.body_mut() = Body::from(bytes);
    }
    response
}

/// A document and its parts behind a table of their places. MS-ASCMD §2.2.1.10.1.1; the numbers are
/// little-endian.
pub(super) fn multipart(root: &[u8], parts: &[Bytes]) -> Bytes {
    let all = || std::iter::once(root).chain(parts.iter().map(|part| &part[..]));
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let count = parts.len().saturating_add(1);
    let table = count.saturating_mul(8).saturating_add(4);
    let sum = all().map(<[u8]>::len).fold(table, usize::saturating_add);
    let mut bytes = BytesMut::with_capacity(sum);
    bytes.put_u32_le(number(count));
    let mut offset = table;
    for part in all() {
        bytes.put_u32_le(number(offset));
        bytes.put_u32_le(number(part.len()));
        offset = offset.saturating_add(part.len());
    }
    all().for_each(|part| bytes.extend_from_slice(part));
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_where_the_table_says() {
        let bytes = multipart(b"root", &[Bytes::from_static(b"one"), Bytes::new()]);
        let numbers: Vec<u32> =
            bytes[..28].chunks_exact(4).map(|n| u32::from_le_bytes(n.try_into().unwrap())).collect();
        assert_eq!(numbers, [3, 28, 4, 32, 3, 35, 0]);
        assert_eq!(&bytes[28..], b"rootone");
    }

    #[test]
    fn answers_are_counted_by_what_the_client_can_do() {
        let ok = StatusCode::OK;
        assert_eq!(class(ok, Some("1")), EasStatus::ok);
        assert_eq!(class(ok, Some("142")), EasStatus::again);
        assert_eq!(class(ok, Some("103")), EasStatus::client);
        assert_eq!(class(ok, Some("110")), EasStatus::server);
        assert_eq!(class(StatusCode::from_u16(449).unwrap(), None), EasStatus::again);
        assert_eq!(class(StatusCode::BAD_REQUEST, None), EasStatus::client);
        assert_eq!(class(StatusCode::INTERNAL_SERVER_ERROR, None), EasStatus::server);
    }
}
