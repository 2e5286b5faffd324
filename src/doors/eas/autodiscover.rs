//! Autodiscover: where the server is, for whom an address is all he has. MS-ASCMD §2.2.1.1, MS-OXDSCLI.
//!
//! The XML form answers for whoever logged in and looks at the address asked for not at all; the JSON
//! form answers anybody, the same for every address. Neither shows anything of a request in its answer,
//! and neither asks another host.

mod xml;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use axum::routing::any;
use quick_xml::escape::escape;

use super::conn;
use super::reply;
use super::respond;
use super::session::Eas;
use crate::net::{Peer, read_body};

/// The XML form. MS-OXDSCLI §3.1.5.4.
pub(super) const XML: &str = "/autodiscover/autodiscover.xml";
/// The JSON form, version 2.
pub(super) const JSON: &str = "/autodiscover/autodiscover.json";

/// Largest request.
const REQUEST_MAX: u64 = 64 << 10;

/// The schemas of requests and answers. MS-ASCMD §2.2.1.1, §2.2.3.6.
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const MOBILE_SYNC: &str = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";

/// What an error document says. MS-ASCMD §2.2.3.64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// 600
    InvalidRequest,
    /// 601
    NoProvider,
}

/// The paths as they are mostly written; other spellings come through [`other_spelling`].
pub(super) fn routes() -> Router<Arc<Eas>> {
    Router::new().route(XML, any(by_xml)).route(JSON, any(by_json))
}

/// Answers for a path in whatever case; gives the request back if it is none of these.
pub(super) async fn other_spelling(
    eas: State<Arc<Eas>>,
    request: Request,
) -> Result<Response<Body>, Request> {
    let path = request.uri().path().to_ascii_lowercase();
    if path == XML {
        Ok(by_xml(eas, request).await)
    } else if path.strip_prefix(JSON).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v1.0")) {
        // The address may stand in the path behind a version.
        Ok(by_json(eas, request).await)
    } else {
        Err(request)
    }
}

async fn by_xml(State(eas): State<Arc<Eas>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let login = match conn::login(&eas, &parts).await {
        Ok(login) => login,
        Err(refused) => return refused,
    };
    let asked = if parts.method == Method::POST {
        let body = match read_body(body, REQUEST_MAX).await {
            Ok(body) => body,
            Err(e) => return respond::http(reply::refused_body(e)),
        };
        xml::schema(&body)
    } else {
        Err(xml::Bad)
    };
    let document = match asked.as_deref() {
        Ok(MOBILE_SYNC) => {
            found(&login.account.display_name, &login.account.address.to_string(), &origin(&eas, &parts))
        }
        Ok(_) => refused(Refusal::NoProvider, eas.mailbox.clock().now()),
        Err(_) => refused(Refusal::InvalidRequest, eas.mailbox.clock().now()),
    };
    tracing::info!(
        account = login.account.id.0,
        known = matches!(asked.as_deref(), Ok(MOBILE_SYNC)),
        "autodiscover"
    );
    respond::text("text/xml; charset=utf-8", StatusCode::OK, document)
}

fn found(name: &str, address: &str, origin: &str) -> String {
    let (name, address) = (escape(name), escape(address));
    let url = format!("{origin}{}", conn::PATH);
    let url = escape(url.as_str());
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"{RESPONSE}\">\
         <Response xmlns=\"{MOBILE_SYNC}\">\
         <Culture>en:us</Culture>\
         <User><DisplayName>{name}</DisplayName><EMailAddress>{address}</EMailAddress></User>\
         <Action><Settings><Server><Type>MobileSync</Type><Url>{url}</Url><Name>{url}</Name></Server>\
         </Settings></Action></Response></Autodiscover>"
    )
}

fn refused(refusal: Refusal, now: crate::clock::Millis) -> String {
    let (code, message) = match refusal {
        Refusal::InvalidRequest => (600, "Invalid Request"),
        Refusal::NoProvider => (601, "Provider is not available"),
    };
    // MS-OXDSCLI §2.2.4.1.1.1: the time of day and a number that means nothing.
    let time = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string();
    let time = time.split_once('T').map_or("", |(_, time)| time.trim_end_matches('Z'));
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"{RESPONSE}\"><Response><Error Time=\"{time}\" Id=\"0\">\
         <ErrorCode>{code}</ErrorCode><Message>{message}</Message><DebugData /></Error>\
         </Response></Autodiscover>"
    )
}

async fn by_json(State(eas): State<Arc<Eas>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return respond::not_allowed("GET, HEAD");
    }
    let asked = parts.uri.query().unwrap_or_default().split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("Protocol").then_some(value)
    });
    let refused = |code: &str, message: &str| {
        (StatusCode::BAD_REQUEST, serde_json::json!({ "ErrorCode": code, "ErrorMessage": message }))
    };
    let origin = origin(&eas, &parts);
    let at = |protocol: &str, path: &str| {
        (StatusCode::OK, serde_json::json!({ "Protocol": protocol, "Url": format!("{origin}{path}") }))
    };
    let (status, document) = match asked {
        Some(protocol) if protocol.eq_ignore_ascii_case("ActiveSync") => at("ActiveSync", conn::PATH),
        Some(protocol) if protocol.eq_ignore_ascii_case("AutodiscoverV1") => at("AutodiscoverV1", XML),
        Some(_) => refused(
            "InvalidProtocol",
            "The given protocol value is invalid. Supported values are ActiveSync and AutodiscoverV1.",
        ),
        None => refused(
            "MandatoryParameterMissing",
            "A valid value must be provided for the parameter 'Protocol'.",
        ),
    };
    respond::text("application/json; charset=utf-8", status, document.to_string())
}

/// Where this server is for whoever asks: as configured, or as they found it.
fn origin(eas: &Eas, parts: &Parts) -> String {
    if let Some(url) = &eas.config.eas.public_url {
        return url.clone();
    }
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = named.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
    let host = named.filter(|host| is_host(host)).unwrap_or(&eas.config.smtp.hostname);
    let behind_tls = parts
        .headers
        .get("X-Forwarded-Proto")
        .is_some_and(|proto| proto == HeaderValue::from_static("https"));
    let in_clear = parts.extensions.get::<Peer>().is_some_and(|peer| !peer.listener.is_tls());
    let scheme = if in_clear && !behind_tls { "http" } else { "https" };
    format!("{scheme}://{host}")
}

/// A host, perhaps with a port, as it may stand in a URL. RFC 9110 §7.2.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=253).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        }
    };
    is_name && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_may_stand_in_a_url() {
        for good in ["mail.example.test", "mail.example.test:8443", "127.0.0.1:8080", "[::1]", "[::1]:443"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "evil.test/x?",
            "user@host",
            "<script>",
            "a:",
            "a:0",
            "a:70000",
            "[x]",
            "a:b:c",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn nothing_is_markup_that_should_be_text() {
        let document = found("<b>&", "\"x\"@example.test", "https://h");
        assert!(document.contains("<DisplayName>&lt;b&gt;&amp;</DisplayName>"));
        assert!(refused(Refusal::NoProvider, 1_795_521_600_042).contains("Time=\"12:00:00.042\""));
    }
}
