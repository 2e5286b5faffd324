//! A stream that is compressed in both directions. RFC 4978, RFC 1951.
//!
//! What compresses needs some 300 KiB, so a connection has it only from the first byte of an answer to its
//! flush: after a flush the compressed stream stands at a byte, and another compressor may go on there as long
//! as it does not refer to what came before. There are so many of them for the whole door; an answer that finds
//! none is sent in stored blocks. What decompresses stays with the connection, since the client's compressor
//! refers to what it sent before.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::Io;

/// Compressors of the whole door.
const COMPRESSORS_MAX: usize = 128;
/// Of those, how many are kept while nobody needs them.
const KEPT_MAX: usize = 8;
/// Room for compressed input.
const INPUT: usize = 1 << 10;
/// Compressed output is sent once it is so long.
const OUTPUT: usize = 16 << 10;
/// Most bytes of one stored block: its length has 16 bits.
const STORED_MAX: usize = 8 << 10;

/// The compressors that all connections share. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Compressors(Arc<Mutex<Idle>>);

#[derive(Debug)]
struct Idle {
    kept: Vec<Compress>,
    /// How many more there may be.
    left: usize,
}

impl Default for Compressors {
    fn default() -> Self {
        Self::of(COMPRESSORS_MAX)
    }
}

impl Compressors {
    fn of(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Idle { kept: Vec::new(), left: most })))
    }

    fn take(&self) -> Option<Compress> {
        let mut idle = self.0.lock();
        idle.left = idle.left.checked_sub(1)?;
        Some(idle.kept.pop().unwrap_or_else(|| Compress::new(Compression::default(), false)))
    }

    fn give_back(&self, mut compress: Compress) {
        compress.reset();
        let mut idle = self.0.lock();
        idle.left += 1;
        if idle.kept.len() < KEPT_MAX {
            idle.kept.push(compress);
        }
    }
}

/// How an answer is written.
enum Writing {
    /// Nothing was written since the last flush.
    No,
    Compressed(Compress),
    Stored,
}

/// A compressed stream over another one.
pub(super) struct Deflated {
    io: Box<dyn Io>,
    compressors: Compressors,
    writing: Writing,
    output: Vec<u8>,
    sent: usize,
    decompress: Decompress,
    input: Vec<u8>,
    used: usize,
    /// Whether there may be more output without more input.
    holds_more: bool,
    ended: bool,
}

impl Deflated {
    /// Compresses what goes over `io` from now on.
    pub(super) fn new(io: Box<dyn Io>, compressors: Compressors) -> Self {
        Self {
            io,
            compressors,
            writing: Writing::No,
            output: Vec::new(),
            sent: 0,
            decompress: Decompress::new(false),
            input: Vec::new(),
            used: 0,
            holds_more: false,
            ended: false,
        }
    }

    /// Decompresses what there is; false when more input is wanted.
    fn decompress(&mut self, to: &mut ReadBuf<'_>) -> io::Result<bool> {
        let input = self.input.get(self.used..).unwrap_or_default();
        if input.is_empty() && !self.holds_more {
            return Ok(false);
        }
        let (was_in, was_out) = (self.decompress.total_in(), self.decompress.total_out());
        let room = to.initialize_unfilled();
        let space = room.len();
        let status = self.decompress.decompress(input, room, FlushDecompress::None).map_err(broken)?;
        let read = difference(self.decompress.total_in(), was_in);
        let made = difference(self.decompress.total_out(), was_out).min(space);
        to.advance(made);
        self.used = self.used.saturating_add(read);
        self.holds_more = made == space;
        self.ended = status == Status::StreamEnd;
        if made == 0 && read == 0 && !self.ended && self.used < self.input.len() {
            return Err(broken("no progress"));
        }
        Ok(made > 0 || self.ended)
    }

    fn compress(&mut self, from: &[u8]) -> io::Result<usize> {
        if let Writing::No = self.writing {
            self.writing = self.compressors.take().map_or(Writing::Stored, Writing::Compressed);
        }
        let part = from.get(..STORED_MAX).unwrap_or(from);
        match &mut self.writing {
            Writing::Compressed(compress) => {
                self.output.reserve(OUTPUT);
                let was = compress.total_in();
                compress.compress_vec(part, &mut self.output, FlushCompress::None).map_err(broken)?;
                Ok(difference(compress.total_in(), was))
            }
            Writing::Stored | Writing::No => {
                // RFC 1951 §3.2.4; the block begins at a byte, and so does the next.
                let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
                self.output.push(0);
                self.output.extend_from_slice(&len.to_le_bytes());
                self.output.extend_from_slice(&(!len).to_le_bytes());
                self.output.extend_from_slice(part);
                Ok(part.len())
            }
        }
    }

    /// Ends the answer at a byte.
    fn end(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.writing, Writing::No) {
            Writing::Compressed(mut compress) => {
                loop {
                    self.output.reserve(INPUT);
                    compress.compress_vec(&[], &mut self.output, FlushCompress::Sync).map_err(broken)?;
                    // Room that is left means that nothing is held back.
                    if self.output.len() < self.output.capacity() {
                        break;
                    }
                }
                self.compressors.give_back(compress);
            }
            Writing::Stored | Writing::No => {}
        }
        Ok(())
    }

    /// Sends what is compressed already.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.sent = 0;
        self.output = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Deflated {
    fn drop(&mut self) {
        if let Writing::Compressed(compress) = std::mem::replace(&mut self.writing, Writing::No) {
            self.compressors.give_back(compress);
        }
    }
}

fn difference(now: u64, before: u64) -> usize {
    // Both count what lies in one buffer.
    usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX)
}

fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl AsyncRead for Deflated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if to.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // One read brings at most what there is room for, however much the input would grow to.
        while !this.ended && !this.decompress(to)? {
            let mut room = [0; INPUT];
            let mut read = ReadBuf::new(&mut room);
            this.input = Vec::new();
            this.used = 0;
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                break;
            }
            this.input = read.filled().to_vec();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        if self.output.len() >= OUTPUT {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(self.compress(from))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end()?;
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end()?;
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair(ours: &Compressors, theirs: &Compressors) -> (Deflated, Deflated) {
        let (a, b) = tokio::io::duplex(1 << 20);
        (Deflated::new(Box::new(a), ours.clone()), Deflated::new(Box::new(b), theirs.clone()))
    }

    async fn passes(pieces: &[Vec<u8>], compressors: Compressors) {
        let (mut a, mut b) = pair(&compressors, &Compressors::default());
        for piece in pieces {
            a.write_all(piece).await.unwrap();
            a.flush().await.unwrap();
            let mut got = vec![0; piece.len()];
            b.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, piece);
        }
        a.shutdown().await.unwrap();
        assert_eq!(b.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        drop(a);
        assert!(compressors.0.lock().kept.len() <= KEPT_MAX);
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let text = b"* 1 FETCH (FLAGS (\\Seen))\r\n".repeat(3_000);
        for most in [0, 1, 10] {
            let compressors = Compressors::of(most);
            passes(&[b"a".to_vec(), text.clone(), b"b".to_vec(), text.clone()], compressors.clone()).await;
            assert_eq!(compressors.0.lock().left, most);
        }
    }

    #[tokio::test]
    async fn a_bomb_is_read_bit_by_bit() {
        let (mut theirs, ours) = tokio::io::duplex(1 << 20);
        let mut stream = Deflated::new(Box::new(ours), Compressors::default());
        let mut compress = Compress::new(Compression::best(), false);
        let mut bomb = Vec::with_capacity(1 << 20);
        compress.compress_vec(&vec![b'('; 100 << 20], &mut bomb, FlushCompress::Sync).unwrap();
        theirs.write_all(&bomb).await.unwrap();
        let mut room = Vec::with_capacity(1 << 10);
        for _ in 0..64 {
            room.clear();
            assert_eq!(stream.read_buf(&mut room).await.unwrap(), 1 << 10);
        }
        assert!(stream.input.len() <= INPUT);
    }

    #[tokio::test]
    async fn what_is_not_compressed_ends_it() {
        let (mut theirs, ours) = tokio::io::duplex(1 << 10);
        let mut stream = Deflated::new(Box::new(ours), Compressors::default());
        theirs.write_all(b"a NOOP\r\nb NOOP\r\n").await.unwrap();
        let mut all = Vec::new();
        let e = stream.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_pass(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..5_000), 1..8), most in 0_usize..3) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(passes(&pieces, Compressors::of(most)));
        }
    }
}
