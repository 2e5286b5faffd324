//! HTTP/1.1 over our own accept loop, for thousands of requests that wait.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tower::ServiceExt;

use super::body::Bounded;
use super::{Peer, Shutdown, Stream};
use crate::config::Limits;

/// A connection's buffer: hyper starts with 8 KiB and grows to this for large bodies. It is also the
/// largest request header.
const BUFFER_MAX: usize = 16 << 10;
/// Most fields of a request header.
const HEADERS_MAX: usize = 100;

/// Serves a [`Router`] on connections.
///
/// Handlers find the [`Peer`] among the request's extensions. A handler that waits should drop the
/// request first: its header keeps the connection's read buffer from being used again. It must wait for
/// [`Shutdown::begun`] too; the connection ends after its answer.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    router: Router,
    protocol: http1::Builder,
    body_max: u64,
    body_lag: Duration,
    shutdown: Shutdown,
}

impl Http {
    /// Bounds request bodies to `body_max` bytes; a route may have a lower bound of its own.
    pub fn new(router: Router, limits: &Limits, body_max: u64, shutdown: Shutdown) -> Self {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(limits.http_header)
            .max_buf_size(BUFFER_MAX)
            .max_headers(HEADERS_MAX);
        Self(Arc::new(Inner { router, protocol, body_max, body_lag: limits.http_body, shutdown }))
    }

    /// Serves one connection to its end.
    pub async fn serve(&self, stream: Stream, peer: Peer) {
        let inner = self.0.clone();
        let service = service_fn(move |request| inner.clone().answer(request, peer));
        let mut connection = pin!(self.0.protocol.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.0.shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}

impl Inner {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Result<Response<Body>, Infallible> {
        if request.body().size_hint().lower() > self.body_max {
            return Ok(too_large());
        }
        let (body_max, body_lag) = (self.body_max, self.body_lag);
        let mut request = request.map(|body| Body::new(Bounded::new(body, body_max, body_lag)));
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await
    }
}

fn too_large() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
