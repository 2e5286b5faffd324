//! HTTP/1.1 over our own accept loop, for thousands of requests that wait.

use std::convert::Infallible;
use std::future::Future;
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

/// A connection's read buffer, and so the largest request header: the least hyper allows, since every
/// parked request holds one.
const BUFFER_MAX: usize = 8 << 10;
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
        let service = service_fn(move |request| inner.answer(request, peer));
        let mut connection = pin!(self.0.protocol.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            // The end first: a parked handler that it wakes should answer with `connection: close`.
            biased;
            () = self.0.shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            ended = connection.as_mut() => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}

impl Inner {
    /// Not an `async fn`, whose future would hold the request twice for as long as the handler waits.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        let handled = if request.body().size_hint().lower() > self.body_max {
            Err(too_large())
        } else {
            let (body_max, body_lag) = (self.body_max, self.body_lag);
            let mut request = request.map(|body| Body::new(Bounded::new(body, body_max, body_lag)));
            request.extensions_mut().insert(peer);
            Ok(Box::pin(self.router.clone().oneshot(request)))
        };
        async move {
            match handled {
                Ok(handled) => handled.await,
                Err(refused) => Ok(refused),
            }
        }
    }
}

fn too_large() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::Extension;
    use axum::extract::State;
    use axum::routing::{any, get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::net::{BodyError, Listener, read_body};

    fn peer() -> Peer {
        let address: SocketAddr = "192.0.2.7:1234".parse().unwrap();
        Peer::new(Listener::Http, address, "192.0.2.1:80".parse().unwrap())
    }

    /// Serves `router` on a pipe with small limits.
    fn connect(router: Router, shutdown: &Shutdown) -> DuplexStream {
        let limits = Limits {
            http_header: Duration::from_millis(500),
            http_body: Duration::from_millis(300),
            ..Limits::default()
        };
        let http = Http::new(router, &limits, 1000, shutdown.clone());
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        shutdown.spawn(async move {
            http.serve(Stream::clear(ours, Duration::from_secs(5)), peer()).await;
        });
        theirs
    }

    async fn exchange(router: Router, request: &str) -> String {
        let mut stream = connect(router, &Shutdown::new());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Says what became of the request's body.
    fn body_fate() -> Router {
        Router::new().fallback(any(|request: Request<Body>| async move {
            match read_body(request.into_body(), 500).await {
                Ok(body) => format!("{} bytes", body.len()),
                Err(e @ (BodyError::TooLarge | BodyError::TooSlow | BodyError::Broken)) => e.to_string(),
            }
        }))
    }

    #[tokio::test]
    async fn handlers_see_the_peer_and_every_method() {
        let router = Router::new().fallback(any(
            |Extension(peer): Extension<Peer>, request: Request<Body>| async move {
                format!("{} from {}", request.method(), peer.address)
            },
        ));
        let answer = exchange(router, "REPORT /dav/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("REPORT from 192.0.2.7:1234"), "{answer}");
    }

    #[tokio::test]
    async fn bodies_are_bounded_in_size_and_time() {
        let post = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        for (body, fate) in [
            ("content-length: 5\r\n\r\nhello".to_owned(), "5 bytes"),
            ("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(), "5 bytes"),
            // More than the handler takes, then more than the listener takes, announced and not.
            (format!("content-length: 600\r\n\r\n{}", "x".repeat(600)), "the request body is too large"),
            (
                format!("transfer-encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000)),
                "the request body is too large",
            ),
            // A body that does not come, and one whose chunks are none.
            ("content-length: 5\r\n\r\nhel".to_owned(), "the request body came too slowly"),
            ("transfer-encoding: chunked\r\n\r\nxyz\r\n".to_owned(), "the request body broke off"),
        ] {
            let answer = exchange(body_fate(), &format!("{post}{body}")).await;
            assert!(answer.ends_with(fate), "{body:.40} got {answer}");
        }
        let announced = exchange(body_fate(), &format!("{post}content-length: 2000\r\n\r\n")).await;
        assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    }

    #[tokio::test]
    async fn a_body_that_drips_is_too_slow() {
        let (mut reading, mut writing) = tokio::io::split(connect(body_fate(), &Shutdown::new()));
        tokio::spawn(async move {
            let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 400\r\n\r\n";
            writing.write_all(head).await.unwrap();
            while writing.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = String::new();
        let whole = reading.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), whole).await.expect("it was borne").unwrap();
        assert!(answer.ends_with("the request body came too slowly"), "{answer}");
    }

    #[tokio::test]
    async fn a_parked_request_is_answered_at_the_end_and_its_connection_closes() {
        let shutdown = Shutdown::new();
        let router = Router::new()
            .route(
                "/wait",
                get(|State(shutdown): State<Shutdown>| async move {
                    shutdown.begun().await;
                    "nothing new"
                }),
            )
            .with_state(shutdown.clone());
        let mut stream = connect(router, &shutdown);
        stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close") && answer.ends_with("nothing new"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_serves_request_after_request_until_it_idles() {
        let mut stream = connect(body_fate(), &Shutdown::new());
        for _ in 0..2 {
            stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"2 bytes") {
                answer.push(stream.read_u8().await.unwrap());
            }
        }
        let idle = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await;
        assert!(idle.expect("it idles for ever").is_err());
    }
}
