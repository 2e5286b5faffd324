//! From an HTTP request to a command and back. MS-ASHTTP §2.2, §3.2.5.
//!
//! The order of the checks: method, login, request line, body, device, document, policy. Nothing is
//! read of a body whose sender is not known, nothing is decided about a device that did not log in.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures::FutureExt;
use tracing::Instrument;
use wbxml::{Element, Limits, decode, folderhierarchy};

use super::autodiscover;
use super::basic::{self, Basic};
use super::body::{self, Coding};
use super::cmd;
use super::gate::{self, Asked};
use super::reply::{self, Failure, Reply, Status};
use super::request::{BadQuery, Command, Query, Version, version_of, version_text};
use super::respond;
use super::session::{Eas, Session};
use crate::clock::instant;
use crate::directory::device::{self, Came, Device};
use crate::directory::{Login, Service};
use crate::mailbox::Origin;
use crate::net::{ConnectionId, Peer, client, read_body};

/// Largest body of a Ping: far more than a list of all folders that may be watched.
const PING_MAX: u64 = 64 << 10;

/// The path, whose case does not count: clients write it in several ways.
pub(super) const PATH: &str = "/Microsoft-Server-ActiveSync";

/// The door's routes. Other spellings of its paths are caught by a fallback, so it can be merged with
/// routers that have none.
pub fn router(eas: Arc<Eas>) -> Router {
    let router = Router::new().route(PATH, any(activesync)).merge(autodiscover::routes());
    router.fallback(other_spelling).with_state(eas)
}

async fn other_spelling(state: State<Arc<Eas>>, request: Request) -> Response {
    if request.uri().path().trim_end_matches('/').eq_ignore_ascii_case(PATH) {
        return activesync(state, request).await;
    }
    let autodiscovered = autodiscover::other_spelling(state, request).await;
    autodiscovered.unwrap_or_else(|_| respond::http(StatusCode::NOT_FOUND))
}

async fn activesync(State(eas): State<Arc<Eas>>, request: Request) -> Response {
    let number = eas.next_request();
    let span = tracing::info_span!("eas", request = number);
    Box::pin(answer(eas, request)).instrument(span).await
}

async fn answer(eas: Arc<Eas>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST && parts.method != Method::OPTIONS {
        return respond::not_allowed("OPTIONS, POST");
    }
    let login = match login(&eas, &parts).await {
        Ok(login) => login,
        Err(refused) => return refused,
    };
    if parts.method == Method::OPTIONS {
        return respond::options();
    }
    let head = match Head::read(&parts) {
        Ok(head) => head,
        Err(status) => {
            tracing::info!(account = login.account.id.0, http = status.as_u16(), "refused a request line");
            return respond::http(status);
        }
    };
    // The header is not needed any more, and would keep memory while the request waits.
    drop(parts);
    let started = instant();
    let (command, version, gzip) = (head.query.command, head.version, head.takes_gzip);
    let device_id = head.query.device_id.clone();
    let account = login.account.id.0;
    let waited = Arc::default();
    let outcome = handle(&eas, login, head, body, &waited).await;
    let (status, response) = respond::finished(&eas, outcome, command, version, gzip).await;
    let took = started.elapsed();
    let waited = Duration::from_millis(waited.load(Ordering::Relaxed));
    let class = respond::class(response.status(), status.as_deref());
    eas.metrics.eas_command(command.name(), class, took.saturating_sub(waited));
    tracing::info!(
        account,
        device = %device_id,
        command = command.name(),
        version = version_text(version),
        status = status.as_deref(),
        http = response.status().as_u16(),
        ms = took.as_millis(),
        waited_ms = waited.as_millis(),
        "answered"
    );
    response
}

/// Who asks; `Err` is the refusal.
pub(super) async fn login(eas: &Eas, parts: &Parts) -> Result<Login, Response> {
    let Some(Basic { user, password }) = basic::credentials(&parts.headers) else {
        return Err(respond::challenge());
    };
    let address = client(peer(parts), &parts.headers, &eas.config.auth.trusted_proxies);
    let checked = eas.directory.authenticate(&user, &password, address, Service::Eas).await;
    checked.map_err(|e| {
        eas.metrics.auth_failure(Service::Eas.name());
        let (status, retry_after) = reply::refused_login(&e);
        match status {
            StatusCode::UNAUTHORIZED => respond::challenge(),
            status => respond::later(status, retry_after),
        }
    })
}

/// Where the connection came from.
fn peer(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.address.ip())
}

/// The connection, unless a proxy says that it stands in between: then answers may get lost behind it. Answers
/// come in the order of the requests, and a client that waits for none asks nothing that counts on them. RFC
/// 9112 §9.3.2.
fn own_connection(parts: &Parts) -> Option<ConnectionId> {
    let by_proxy = ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via"];
    let direct = !by_proxy.iter().any(|name| parts.headers.contains_key(*name));
    parts.extensions.get::<Peer>().filter(|_| direct).map(|peer| peer.connection)
}

/// What the request line and the headers say.
struct Head {
    query: Query,
    version: Version,
    /// The policy key; 0 is none.
    key: Option<u32>,
    user_agent: String,
    coding: Coding,
    is_message: bool,
    takes_gzip: bool,
    connection: Option<ConnectionId>,
}

impl Head {
    fn read(parts: &Parts) -> Result<Self, StatusCode> {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let line = parts.uri.query().ok_or(StatusCode::BAD_REQUEST)?;
        let mut query = Query::parse(line).map_err(|e| match e {
            BadQuery::UnknownCommand => StatusCode::NOT_IMPLEMENTED,
            BadQuery::Malformed | BadQuery::UnknownVersion => StatusCode::BAD_REQUEST,
        })?;
        let version = match query.version {
            Some(version) => version,
            None => text("MS-ASProtocolVersion").and_then(version_of).ok_or(StatusCode::BAD_REQUEST)?,
        };
        let key = query.policy_key.or_else(|| text("X-MS-PolicyKey").and_then(|key| key.parse().ok()));
        query.accept_multipart |= text("MS-ASAcceptMultiPart").is_some_and(|t| t.eq_ignore_ascii_case("T"));
        let media_type = text("Content-Type").unwrap_or_default();
        Ok(Self {
            version,
            key: key.filter(|key| *key != 0),
            user_agent: text("User-Agent").unwrap_or_default().to_owned(),
            coding: Coding::of(&parts.headers)?,
            is_message: sends_mail(query.command)
                && (version < Version::V14_0
                    || media_type.to_ascii_lowercase().starts_with("message/rfc822")),
            takes_gzip: takes_gzip(&parts.headers),
            connection: own_connection(parts),
            query,
        })
    }
}

/// SendMail and its kind: before 14.0 their body is a message. MS-ASCMD §2.2.1.17.
fn sends_mail(command: Command) -> bool {
    matches!(command, Command::SendMail | Command::SmartReply | Command::SmartForward)
}

/// Whether the client reads gzip. RFC 9110 §12.5.3.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

async fn handle(
    eas: &Arc<Eas>,
    login: Login,
    head: Head,
    body: Body,
    waited: &Arc<AtomicU64>,
) -> Result<Reply, Failure> {
    let body = read(eas, &head, body).await?;
    let device = device(eas, &login, &head).await?;
    let (command, key) = (head.query.command, head.key);
    let session = Session {
        eas: eas.clone(),
        login,
        device: Origin(device.number),
        registered: device,
        version: head.version,
        query: head.query,
        message: if head.is_message { body.clone() } else { Bytes::new() },
        connection: head.connection,
        waited: waited.clone(),
    };
    let request =
        if head.is_message || body.is_empty() { None } else { Some(document(eas, command, &body)?) };
    if request.is_none() && !head.is_message && !may_be_empty(command) {
        return Err(Status::InvalidContent.into());
    }
    let asked = Asked {
        device: &session.registered,
        command,
        version: session.version,
        key,
        request: request.as_ref(),
    };
    gate::check(&asked, eas.policy, eas.config.eas.require_provisioning)?;
    if session.is_probe() && !is_for_probes(command) {
        return Err(Status::DeviceIdMissingOrInvalid.into());
    }
    let is_beginning = command == Command::FolderSync
        && request.as_ref().and_then(|r| r.text_of(folderhierarchy::SYNC_KEY)) == Some("0");
    let waits = caught(command, async { Parkable::read(&session, request.as_ref()) }).await?;
    if let Some(waits) = waits {
        drop(request);
        drop(body);
        return caught(command, waits.run(&session)).await;
    }
    match caught(command, dispatch(&session, request.as_ref())).await? {
        Reply::Document(document) if is_beginning => Ok(Reply::Beginning(document)),
        reply => Ok(reply),
    }
}

/// What a command asks that may wait for most of an hour. It keeps neither body nor document meanwhile.
enum Parkable {
    Sync(cmd::sync::Request),
    Ping(cmd::ping::Request),
}

impl Parkable {
    /// `None` for all other commands.
    fn read(session: &Session, request: Option<&Element<'_>>) -> Result<Option<Self>, Failure> {
        Ok(match session.query.command {
            Command::Sync => Some(Self::Sync(cmd::sync::read(session, request)?)),
            Command::Ping => Some(Self::Ping(cmd::ping::read(session, request)?)),
            _ => None,
        })
    }

    /// Each future is boxed, so that a request that waits is no larger than its own command.
    async fn run(self, session: &Session) -> Result<Reply, Failure> {
        match self {
            Self::Sync(asked) => Box::pin(cmd::sync::run(session, asked)).await,
            Self::Ping(asked) => Box::pin(cmd::ping::run(session, asked)).await,
        }
    }
}

/// Runs a command. A bug that makes it panic ends this request and nothing else: what it had written
/// is whole or not there, since a transaction that panics is given up.
async fn caught<T>(command: Command, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(command = command.name(), panic = panic_text(&*panic), "a command ended in a bug");
        Err(Failure::Http(StatusCode::INTERNAL_SERVER_ERROR))
    })
}

/// The body as it was before it was compressed.
async fn read(eas: &Eas, head: &Head, body: Body) -> Result<Bytes, Failure> {
    let most = match head.query.command {
        Command::Ping => eas.config.eas.request_max.min(PING_MAX),
        _ => eas.config.eas.request_max,
    };
    let came = read_body(body, most).await.map_err(|e| Failure::Http(reply::refused_body(e)))?;
    match head.coding {
        Coding::Identity => Ok(came),
        Coding::Gzip if came.is_empty() => Ok(came),
        Coding::Gzip => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            eas.blocking(move || body::unpack(&came, most).map_err(Failure::Http)).await
        }
    }
}

/// The device's row; made when it comes for the first time, written down anew now and then.
async fn device(eas: &Eas, login: &Login, head: &Head) -> Result<Device, Failure> {
    let account = login.account.id;
    let now = eas.mailbox.clock().now();
    let came = Came {
        id: &head.query.device_id,
        device_type: &head.query.device_type,
        user_agent: &head.user_agent,
        version: version_text(head.version),
    };
    let new = Device::new(&came, now);
    if head.query.is_probe() {
        return Ok(new);
    }
    let store = eas.mailbox.store();
    let most = eas.config.eas.devices_max;
    match device::device(&store.read()?, account, came.id)? {
        Some(known) => {
            if known.differs(&came, now) {
                // Runs to its end by itself; the request need not wait for it.
                drop(store.shrink_async(move |tx| device::seen(tx, account, new, most)));
            }
            Ok(known)
        }
        None => {
            let made = store.write_async(move |tx| device::seen(tx, account, new, most)).await?;
            made.ok_or_else(|| Status::MaximumDevicesReached.into())
        }
    }
}

fn document<'b>(eas: &Eas, command: Command, body: &'b Bytes) -> Result<Element<'b>, Failure> {
    let bytes = usize::try_from(eas.config.eas.request_max).unwrap_or(usize::MAX);
    let request = decode(body, &Limits { bytes, ..Limits::default() }).map_err(|e| {
        tracing::info!(command = command.name(), error = %e, "not WBXML");
        Failure::from(Status::InvalidWbxml)
    })?;
    match reply::root(command) {
        Some((root, _)) if root == request.tag() => Ok(request),
        _ => Err(Status::InvalidXml.into()),
    }
}

/// Commands that say something without a body. MS-ASHTTP §2.2.1.1.3.
fn may_be_empty(command: Command) -> bool {
    matches!(command, Command::Sync | Command::Ping | Command::GetAttachment)
}

/// What a device asks that only tries the account.
fn is_for_probes(command: Command) -> bool {
    matches!(command, Command::FolderSync | Command::Provision | Command::Settings)
}

/// The commands that [`dispatch`] knows, as they are told to clients.
pub(super) const SERVED: &[Command] = &[
    Command::Sync,
    Command::SendMail,
    Command::SmartForward,
    Command::SmartReply,
    Command::FolderSync,
    Command::FolderCreate,
    Command::FolderDelete,
    Command::FolderUpdate,
    Command::MoveItems,
    Command::GetAttachment,
    Command::GetItemEstimate,
    Command::Search,
    Command::Settings,
    Command::Ping,
    Command::ItemOperations,
    Command::Provision,
    Command::ResolveRecipients,
    Command::MeetingResponse,
    Command::ValidateCert,
    Command::Find,
];

/// The commands that do not wait; each future is boxed, so that none is as large as the largest.
async fn dispatch(session: &Session, request: Option<&Element<'_>>) -> Result<Reply, Failure> {
    match session.query.command {
        Command::FolderSync => Box::pin(cmd::folder_sync::run(session, request)).await,
        Command::FolderCreate => Box::pin(cmd::folder_create::run(session, request)).await,
        Command::FolderDelete => Box::pin(cmd::folder_delete::run(session, request)).await,
        Command::FolderUpdate => Box::pin(cmd::folder_update::run(session, request)).await,
        Command::GetAttachment => Box::pin(cmd::get_attachment::run(session, request)).await,
        Command::GetItemEstimate => Box::pin(cmd::estimate::run(session, request)).await,
        Command::ItemOperations => Box::pin(cmd::item_operations::run(session, request)).await,
        Command::MoveItems => Box::pin(cmd::move_items::run(session, request)).await,
        Command::SendMail => Box::pin(cmd::send_mail::run(session, request)).await,
        Command::SmartForward => Box::pin(cmd::smart_forward::run(session, request)).await,
        Command::SmartReply => Box::pin(cmd::smart_reply::run(session, request)).await,
        Command::Provision => Box::pin(cmd::provision::run(session, request)).await,
        Command::ResolveRecipients => Box::pin(cmd::resolve_recipients::run(session, request)).await,
        Command::MeetingResponse => Box::pin(cmd::meeting_response::run(session, request)).await,
        Command::ValidateCert => Box::pin(cmd::validate_cert::run(session, request)).await,
        Command::Search => Box::pin(cmd::search::run(session, request)).await,
        Command::Settings => Box::pin(cmd::settings::run(session, request)).await,
        Command::Find => Box::pin(cmd::find::run(session, request)).await,
        _ => Err(Status::CommandNotSupported.into()),
    }
}

/// What a panic said, if it said something.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bug_is_the_end_of_one_request() {
        for text in ["plain", "formatted"] {
            let work = async move {
                assert!(text != "plain", "plain");
                panic!("{text}");
            };
            let failed: Result<Reply, _> = caught(Command::Sync, work).await;
            assert!(matches!(failed, Err(Failure::Http(StatusCode::INTERNAL_SERVER_ERROR))));
        }
        assert!(caught(Command::Sync, async { Ok(Reply::Empty) }).await.is_ok());
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("deflate, GZIP;q=0.5") && takes("br,gzip, *"));
        assert!(!takes("deflate") && !takes("gzip;q=0") && !takes("") && !takes_gzip(&HeaderMap::new()));
    }
}
