//! One stream type for doors, whatever carries the bytes.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What can carry a connection: a socket, TLS over one, a pipe in a test.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection as doors see it. A peer that takes no byte for the write stall ends it.
pub struct Stream {
    io: Box<dyn Io>,
    tls: Option<TlsSession>,
    write_stall: Duration,
    /// Runs only while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What TLS agreed on, for Received fields and logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsSession {
    /// Such as `TLSv1_3`.
    pub protocol: &'static str,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
}

impl Stream {
    /// A stream over bytes in clear.
    pub fn clear(io: impl Io + 'static, write_stall: Duration) -> Self {
        Self { io: Box::new(io), tls: None, write_stall, stalled: None }
    }

    /// Shakes hands as the TLS server over `io`, at most for `within`.
    pub async fn tls<I: Io + 'static>(
        io: I,
        acceptor: &TlsAcceptor,
        within: Duration,
        write_stall: Duration,
    ) -> io::Result<Self> {
        let tls = tokio::time::timeout(within, acceptor.accept(io))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time"))??;
        let session = session(&tls);
        Ok(Self { io: Box::new(tls), tls: Some(session), write_stall, stalled: None })
    }

    /// Goes on encrypted, after the door has answered STARTTLS. The door must hold no unread input:
    /// what a client sent before the handshake is not to be trusted (RFC 3207 §4.2).
    pub async fn starttls(self, acceptor: &TlsAcceptor, within: Duration) -> io::Result<Self> {
        let write_stall = self.write_stall;
        Self::tls(self.io, acceptor, within, write_stall).await
    }

    /// What TLS agreed on; `None` in clear.
    pub fn tls_session(&self) -> Option<TlsSession> {
        self.tls
    }

    /// True under TLS.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Puts another layer over the bytes, such as compression; what TLS agreed on stays.
    pub fn layer<I: Io + 'static>(&mut self, over: impl FnOnce(Box<dyn Io>) -> I) {
        let io = std::mem::replace(&mut self.io, Box::new(tokio::io::empty()));
        self.io = Box::new(over(io));
    }

    /// Passes on what a write came to, or ends it when the peer has taken nothing for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let wait = self.write_stall;
        let timer =
            self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + wait)));
        match timer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")))
            }
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("tls", &self.tls).finish_non_exhaustive()
    }
}

fn session<I>(tls: &TlsStream<I>) -> TlsSession {
    let (_, connection) = tls.get_ref();
    TlsSession {
        protocol: connection.protocol_version().and_then(|v| v.as_str()).unwrap_or("TLS"),
        cipher: connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str()).unwrap_or("unknown"),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, to)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, from);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, from);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(cx, result)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A peer that reads nothing does not hold a writer for ever; one that reads slowly may.
    #[tokio::test]
    async fn a_peer_that_takes_nothing_ends_the_write() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut stream = Stream::clear(ours, Duration::from_millis(500));
        let slow = tokio::spawn(async move {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                theirs.read_exact(&mut [0; 16]).await.unwrap();
            }
            theirs
        });
        stream.write_all(&[0; 80]).await.unwrap();
        let theirs = slow.await.unwrap();
        let e = stream.write_all(&[0; 16]).await.unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }
}
