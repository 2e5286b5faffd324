//! Listening sockets and the accept loop.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument;

use super::gate::{Gate, Pass};
use super::{Shutdown, Stream};
use crate::config::Limits;

/// Time between two lines about connections turned away.
const COMPLAINTS: Duration = Duration::from_secs(10);
/// Connections the kernel completes while we are busy.
const BACKLOG: i32 = 1024;
/// Pause after an accept that failed for want of resources.
const BREATH: Duration = Duration::from_millis(100);
/// Silence after which the kernel asks whether the peer is still there; phones vanish without a word.
const KEEPALIVE: Duration = Duration::from_secs(300);

/// The listeners, by their keys in `[listen]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listener {
    /// Mail from other servers.
    Smtp,
    /// Mail from users' programs.
    Submission,
    /// Mail from a mail server in front.
    Lmtp,
    /// IMAP with STARTTLS.
    Imap,
    /// IMAP over TLS.
    Imaps,
    /// HTTP in clear.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Listener {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Smtp, Self::Submission, Self::Lmtp, Self::Imap, Self::Imaps, Self::Http, Self::Https];

    /// Its key in `[listen]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether TLS begins with the first byte.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Imaps | Self::Https)
    }

    /// What a client in clear is told when there are too many connections.
    fn busy(self) -> &'static [u8] {
        match self {
            Self::Smtp | Self::Submission | Self::Lmtp => b"421 4.7.0 Too many connections; try later\r\n",
            Self::Imap => b"* BYE Too many connections; try later\r\n",
            Self::Http => {
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            }
            Self::Imaps | Self::Https => b"",
        }
    }
}

/// Names one connection in the log, once in the life of a server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId(u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// Who is at the other end, and how they came in. HTTP handlers find it among the request's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The connection's name in the log.
    pub connection: ConnectionId,
    /// Which listener took it.
    pub listener: Listener,
    /// The other end; IPv4 also when the socket is IPv6.
    pub address: SocketAddr,
    /// This end.
    pub local: SocketAddr,
}

impl Peer {
    /// A peer that came in by no listener of a server; for tests of doors.
    pub fn new(listener: Listener, address: SocketAddr, local: SocketAddr) -> Self {
        Self { connection: ConnectionId(0), listener, address, local }
    }
}

/// A socket that listens already and accepts nothing yet.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds and listens. Must be called within a tokio runtime.
    pub fn bind(listener: Listener, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self { listener, socket, address })
    }

    /// Which listener this is.
    pub fn listener(&self) -> Listener {
        self.listener
    }

    /// Where it listens, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What the accept loops of one server share.
#[derive(Clone, Debug)]
pub struct Acceptor {
    gate: Arc<Gate>,
    limits: Limits,
    shutdown: Shutdown,
    connections: Arc<AtomicU64>,
    complaints: Arc<Complaints>,
}

/// Lines about connections turned away: a flood of these must not become one of lines.
#[derive(Debug, Default)]
struct Complaints(Mutex<Complained>);

#[derive(Debug, Default)]
struct Complained {
    latest: Option<Instant>,
    /// Those since then.
    unsaid: u64,
}

impl Complaints {
    /// How many connections a line is to speak of now, if it is time for one.
    fn more(&self, now: Instant) -> Option<u64> {
        let mut complained = self.0.lock();
        complained.unsaid = complained.unsaid.saturating_add(1);
        if complained.latest.is_some_and(|latest| now.duration_since(latest) < COMPLAINTS) {
            return None;
        }
        complained.latest = Some(now);
        Some(std::mem::take(&mut complained.unsaid))
    }
}

impl Acceptor {
    /// For the listeners of one server.
    pub fn new(limits: Limits, shutdown: Shutdown) -> Self {
        let gate = Gate::new(limits.connections_per_address);
        Self { gate, limits, shutdown, connections: Arc::default(), complaints: Arc::default() }
    }

    /// Accepts until the server is to end; each connection is a task of its own that runs `serve`.
    /// `tls` is for listeners that begin with it. No error ends the loop.
    pub async fn run<F, Fut>(self, bound: Bound, tls: Option<TlsAcceptor>, serve: F)
    where
        F: Fn(Stream, Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let serve = Arc::new(serve);
        let open = Arc::new(AtomicU32::new(0));
        loop {
            let accepted = tokio::select! {
                accepted = bound.socket.accept() => accepted,
                () = self.shutdown.begun() => return,
            };
            match accepted {
                Ok((socket, address)) => {
                    self.accepted(&bound, socket, address, &open, tls.clone(), serve.clone());
                }
                Err(e) => self.failed(&bound, &e).await,
            }
        }
    }

    fn accepted<F, Fut>(
        &self,
        bound: &Bound,
        socket: TcpStream,
        address: SocketAddr,
        open: &Arc<AtomicU32>,
        tls: Option<TlsAcceptor>,
        serve: Arc<F>,
    ) where
        F: Fn(Stream, Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = bound.listener;
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let pass = match self.gate.enter(address.ip(), open, self.limits.connections) {
            Ok(pass) => pass,
            Err(why) => {
                if let Some(turned_away) = self.complaints.more(Instant::now()) {
                    let listener = listener.name();
                    tracing::warn!(listener, peer = %address, ?why, turned_away, "too many connections");
                }
                return turn_away(listener, &socket);
            }
        };
        // Both are improvements; a connection works without them.
        let _ = socket.set_nodelay(true);
        let _ = SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
        let peer = Peer {
            connection: ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed).saturating_add(1)),
            listener,
            address,
            local: socket.local_addr().unwrap_or(bound.address),
        };
        let span = tracing::info_span!(
            "connection",
            id = %peer.connection,
            listener = listener.name(),
            peer = %peer.address
        );
        let (handshake, stall) = (self.limits.tls_handshake, self.limits.write_stall);
        let connection = async move {
            let _pass: Pass = pass;
            let stream = match tls {
                None => Stream::clear(socket, stall),
                // Boxed too, so that nothing of the handshake stays.
                Some(tls) => match Box::pin(Stream::tls(socket, &tls, handshake, stall)).await {
                    Ok(stream) => stream,
                    Err(error) => return tracing::debug!(%error, "no TLS"),
                },
            };
            // Boxed, so that a connection's task is no larger than its door needs.
            Box::pin(serve(stream, peer)).await;
        };
        self.shutdown.spawn(connection.instrument(span));
    }

    /// A connection that broke before it was accepted is no matter; out of file descriptors or memory,
    /// trying again at once would only spin.
    async fn failed(&self, bound: &Bound, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock) {
            return;
        }
        tracing::error!(listener = bound.listener.name(), %error, "cannot accept; trying again");
        tokio::select! {
            () = tokio::time::sleep(BREATH) => {}
            () = self.shutdown.begun() => {}
        }
    }
}

fn turn_away(listener: Listener, socket: &TcpStream) {
    // The socket's buffer is empty, so this takes no time; whoever does not get it sees the close.
    let _ = SockRef::from(socket).send(listener.busy());
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn bound() -> Bound {
        Bound::bind(Listener::Smtp, "127.0.0.1:0".parse().unwrap()).unwrap()
    }

    async fn echo(mut stream: Stream, peer: Peer) {
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await.unwrap();
        }
        assert_eq!(peer.listener, Listener::Smtp);
    }

    #[test]
    fn a_flood_is_one_line() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        let said: Vec<_> = (0..1_000).filter_map(|_| complaints.more(now)).collect();
        assert_eq!(said, [1]);
        assert_eq!(complaints.more(now + COMPLAINTS), Some(1_000));
    }

    #[tokio::test]
    async fn one_too_many_is_told_so() {
        let bound = bound();
        let address = bound.address();
        let shutdown = Shutdown::new();
        let limits = Limits { connections: 1, ..Limits::default() };
        let accepting = tokio::spawn(Acceptor::new(limits, shutdown.clone()).run(bound, None, echo));

        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"x").await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();

        let mut second = TcpStream::connect(address).await.unwrap();
        let mut told = String::new();
        second.read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "421 4.7.0 Too many connections; try later\r\n");

        drop(first);
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        accepting.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
