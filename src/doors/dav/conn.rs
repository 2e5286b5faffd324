//! From the request line to the method: login, body, what is named, and one file of `cmd`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::any;
use bytes::Bytes;
use caldav::dav::{Depth, Prefer, Target, XmlLimits};
use tracing::Instrument;

use super::cmd;
use super::conditions::{field, fields};
use super::listing::{self, Listing};
use super::node::{self, Home, Node};
use super::props;
use super::reply::{self, Failure};
use super::schedule;
use super::session::{Dav, Session};
use crate::clock::instant;
use crate::directory::{Login, Service};
use crate::mailbox::View;
use crate::net::{BodyError, Peer, basic, client, read_body};
use crate::objects::{Limits, Refused};
use crate::services::Services;

/// What is answered.
pub(super) enum Answer {
    /// A whole answer.
    Whole(Response<Body>),
    /// One about many resources.
    Listing(Box<Listing>),
}

/// A request, as its method sees it.
pub(super) struct Asked {
    pub(super) session: Session,
    pub(super) headers: HeaderMap,
    pub(super) target: Target,
    pub(super) body: Bytes,
}

impl Asked {
    /// How far down it reaches; `default` where it does not say. RFC 4918 §10.2.
    pub(super) fn depth(&self, default: Depth) -> Result<Depth, Failure> {
        match field(&self.headers, "depth") {
            None => Ok(default),
            Some(value) => Depth::parse(value).ok_or(Failure::Status(StatusCode::BAD_REQUEST)),
        }
    }

    /// What the client likes to get. RFC 8144.
    pub(super) fn prefer(&self) -> Prefer {
        let all = fields(&self.headers, "prefer");
        Prefer::parse(all.as_deref(), field(&self.headers, "brief"))
    }

    /// Bounds of bodies in XML.
    pub(super) fn limits(&self) -> XmlLimits {
        XmlLimits::default()
    }

    /// What it names.
    pub(super) fn node(&self, view: &View) -> Result<Node, Failure> {
        node::resolve(&self.session, view, &self.target)
    }

    /// Checks its conditions. RFC 9110 §13.
    pub(super) fn check(&self, view: &View, node: &Node) -> Result<(), Failure> {
        super::conditions::check(&self.session, view, &self.headers, &self.target, node)
    }
}

/// The door's routes. The rest of the paths is others'.
pub fn router(services: &Arc<Services>) -> Router {
    Router::new()
        .route("/.well-known/caldav", any(well_known))
        .route("/.well-known/carddav", any(well_known))
        .route("/dav", any(dav))
        .route("/dav/", any(dav))
        .route("/dav/{*rest}", any(dav))
        .with_state(Arc::new(Dav::new(services)))
}

/// RFC 6764 §5.
async fn well_known() -> Response<Body> {
    let mut response = reply::empty(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/dav/"));
    response
}

async fn dav(State(dav): State<Arc<Dav>>, request: Request) -> Response<Body> {
    let number = dav.next_request();
    let span = tracing::info_span!("dav", request = number);
    Box::pin(logged(dav, request)).instrument(span).await
}

async fn logged(dav: Arc<Dav>, request: Request) -> Response<Body> {
    let started = instant();
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    let login = match login(&dav, &parts).await {
        Ok(login) => login,
        Err(refused) => return refused,
    };
    let account = login.account.id.0;
    let outcome = answer(&dav, login, parts, body).await;
    let (response, why) = match outcome {
        Ok(response) => (response, None),
        Err(failure) => (failure.response(), failure.precondition().map(|p| p.name().local().to_owned())),
    };
    let (http, ms) = (response.status().as_u16(), started.elapsed().as_millis());
    tracing::info!(account, %method, http, why, ms, "answered");
    response
}

async fn answer(dav: &Arc<Dav>, login: Login, parts: Parts, body: Body) -> Result<Response<Body>, Failure> {
    let most = match parts.method {
        Method::PUT => Limits::default().bytes,
        _ => XmlLimits::default().bytes,
    };
    let target = Target::parse(parts.uri.path()).ok_or(Failure::Status(StatusCode::BAD_REQUEST))?;
    let body = read_body(body, most as u64).await.map_err(|e| match e {
        BodyError::TooLarge if parts.method == Method::PUT => {
            let is_card = target.segments.get(1).is_some_and(|home| home == Home::Contacts.segment());
            Failure::Refused(Refused::TooLarge(most), is_card)
        }
        e => Failure::Status(reply::refused_body(e)),
    })?;
    let session = Session { dav: dav.clone(), login: Arc::new(login) };
    let asked = Asked { session, headers: parts.headers, target, body };
    let method = parts.method;
    match dav.blocking(move || dispatch(&method, &asked)).await? {
        Answer::Whole(response) => Ok(response),
        Answer::Listing(listing) => listing::send(dav, *listing).await,
    }
}

fn dispatch(method: &Method, asked: &Asked) -> Result<Answer, Failure> {
    match method.as_str() {
        "OPTIONS" => options(asked).map(Answer::Whole),
        "PROPFIND" => cmd::propfind::run(asked),
        "PROPPATCH" => cmd::proppatch::run(asked).map(Answer::Whole),
        "REPORT" => cmd::report::run(asked),
        "GET" => cmd::get::run(asked, true).map(Answer::Whole),
        "HEAD" => cmd::get::run(asked, false).map(Answer::Whole),
        "PUT" => cmd::put::run(asked).map(Answer::Whole),
        "DELETE" => cmd::delete::run(asked).map(Answer::Whole),
        "MKCOL" => cmd::mkcol::run(asked, false).map(Answer::Whole),
        "MKCALENDAR" => cmd::mkcol::run(asked, true).map(Answer::Whole),
        "COPY" => cmd::copy_move::run(asked, false).map(Answer::Whole),
        "MOVE" => cmd::copy_move::run(asked, true).map(Answer::Whole),
        "POST" if matches!(asked.node(&asked.session.view()?)?, Node::Outbox) => {
            schedule::post(asked).map(Answer::Whole)
        }
        _ => {
            let node = asked.node(&asked.session.view()?)?;
            Ok(Answer::Whole(reply::not_allowed(&props::methods(&node).join(", "))))
        }
    }
}

/// RFC 4918 §10.1; RFC 9110 §9.3.7.
fn options(asked: &Asked) -> Result<Response<Body>, Failure> {
    let node = asked.node(&asked.session.view()?)?;
    let mut response = reply::not_allowed(&props::methods(&node).join(", "));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert("ms-author-via", HeaderValue::from_static("DAV"));
    Ok(response)
}

/// Who asks; `Err` is the refusal.
async fn login(dav: &Dav, parts: &Parts) -> Result<Login, Response<Body>> {
    let Some(basic::Basic { user, password }) = basic::credentials(&parts.headers) else {
        return Err(reply::challenge());
    };
    let services = &dav.services;
    let peer = parts.extensions.get::<Peer>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip());
    let address = client(address, &parts.headers, &services.config.auth.trusted_proxies);
    let checked = services.directory.authenticate(&user, &password, address, Service::Dav).await;
    checked.map_err(|e| {
        services.metrics.auth_failure(Service::Dav.name());
        reply::refused_login(&e)
    })
}
