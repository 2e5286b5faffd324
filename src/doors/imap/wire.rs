//! The connection's bytes: commands in, with their literals, answers out. RFC 9051 §2.2, §4.3.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::deflate::{Compressors, Deflated};
use super::grammar;
use super::out::Out;
use crate::net::Stream;

/// Room for one read, small enough to be kept while nothing comes.
const READ: usize = 1 << 10;
/// Room for one read while a literal comes.
const READ_LITERAL: usize = 16 << 10;
/// Room that a message gets before it comes.
const READ_MESSAGE: usize = 256 << 10;
/// Largest literal that may come unasked where LITERAL+ is not announced. RFC 7888 §5.
const UNASKED_MAX: u64 = 4_096;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepts {
    /// Longest command, in bytes, literals included; the messages of an APPEND are not counted.
    pub(super) command: usize,
    /// Whether it has logged in: unasked literals are bounded by the command alone, and messages are taken.
    pub(super) messages: bool,
}

/// Both directions of a connection.
pub(super) struct Wire {
    stream: Stream,
    input: Vec<u8>,
    /// What of the input was used.
    used: usize,
    is_compressed: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A command with its literals in place, without its line end.
    Command(Vec<u8>),
    /// A command whose literal is too large: answered at once, it is not sent.
    TooLarge {
        /// What there is of the command.
        start: Vec<u8>,
    },
    /// An APPEND up to the length of its first message, which has not been asked for.
    Append {
        /// What there is of the command.
        start: Vec<u8>,
        /// The message to come.
        literal: Literal,
    },
    /// More than the client may send unasked; where the next command begins is unknown.
    Flood,
}

/// The connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, input: Vec::new(), used: 0, is_compressed: false }
    }

    /// Whether [`Self::compress`] was called.
    pub(super) fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Goes on compressed in both directions. RFC 4978.
    pub(super) fn compress(&mut self, compressors: Compressors) {
        self.stream.layer(|io| Deflated::new(io, compressors));
        self.is_compressed = true;
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether the client has sent more than was read.
    pub(super) fn has_input(&self) -> bool {
        self.used < self.input.len()
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Reads one command, asking for its literals.
    pub(super) async fn command(&mut self, accepts: Accepts) -> Result<Frame, Ended> {
        let most = accepts.command;
        let mut frame = Vec::new();
        loop {
            let begins = frame.len();
            let Some(line) = self.line(most.saturating_sub(begins)).await? else { return Ok(Frame::Flood) };
            frame.extend_from_slice(&line);
            let Some(literal) = Literal::at_end(&line) else { return Ok(Frame::Command(frame)) };
            if accepts.messages && grammar::awaits_message(&frame) {
                return Ok(Frame::Append { start: frame, literal });
            }
            let room = most.saturating_sub(frame.len()).saturating_sub(2);
            let fits = usize::try_from(literal.len).ok().filter(|len| *len <= room);
            match (literal.unasked, fits) {
                (true, _) if literal.len > UNASKED_MAX && !accepts.messages => return Ok(Frame::Flood),
                (true, None) => return Ok(Frame::Flood),
                (false, None) => return Ok(Frame::TooLarge { start: frame }),
                (unasked, Some(len)) => {
                    if !unasked {
                        self.write(b"+ OK\r\n").await?;
                    }
                    frame.extend_from_slice(b"\r\n");
                    self.literal(len, &mut frame).await?;
                }
            }
        }
    }

    /// Reads a message of `len` bytes.
    pub(super) async fn message(&mut self, len: usize) -> Result<Vec<u8>, Ended> {
        let mut message = Vec::new();
        // What is announced need not come: room grows with what does.
        message.reserve_exact(len.min(READ_MESSAGE));
        self.literal(len, &mut message).await?;
        Ok(message)
    }

    /// Passes over `len` bytes.
    pub(super) async fn skip(&mut self, len: u64) -> Result<(), Ended> {
        let mut left = len;
        let mut passed = Vec::new();
        while left > 0 {
            let part = usize::try_from(left).map_or(READ_LITERAL, |left| left.min(READ_LITERAL));
            passed.clear();
            self.literal(part, &mut passed).await?;
            left = left.saturating_sub(part as u64);
        }
        Ok(())
    }

    /// Reads one line of at most `most` bytes, without its line end; `None` if it is longer. Nothing is
    /// lost when the wait is given up.
    pub(super) async fn line(&mut self, most: usize) -> Result<Option<Vec<u8>>, Ended> {
        let mut searched = self.used;
        loop {
            let unsearched = self.input.get(searched..).unwrap_or_default();
            if let Some(at) = unsearched.iter().position(|b| *b == b'\n') {
                let end = searched + at;
                let line = self.input.get(self.used..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.used = end + 1;
                self.tidy();
                return Ok(Some(line).filter(|line| line.len() <= most));
            }
            if self.input.len().saturating_sub(self.used) > most.saturating_add(1) {
                return Ok(None);
            }
            self.tidy();
            searched = self.input.len();
            self.fill(READ).await?;
        }
    }

    async fn literal(&mut self, len: usize, to: &mut Vec<u8>) -> Result<(), Ended> {
        let mut left = len;
        loop {
            let rest = self.input.get(self.used..).unwrap_or_default();
            let part = rest.get(..left).unwrap_or(rest);
            to.extend_from_slice(part);
            left -= part.len();
            self.used += part.len();
            self.tidy();
            if left == 0 {
                return Ok(());
            }
            self.fill(READ_LITERAL.min(left)).await?;
        }
    }

    /// Ready when the client is gone. What it sends before that is kept, as far as there is room.
    pub(super) async fn hung_up(&mut self) -> Ended {
        loop {
            if self.input.len().saturating_sub(self.used) > 2 * READ {
                return std::future::pending().await;
            }
            if let Err(ended) = self.fill(READ).await {
                return ended;
            }
        }
    }

    async fn fill(&mut self, room: usize) -> Result<(), Ended> {
        self.input.reserve_exact(room);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(Ended),
            _ => Ok(()),
        }
    }

    /// Forgets what was used, and gives room back that nothing needs.
    fn tidy(&mut self) {
        self.input.drain(..self.used.min(self.input.len()));
        self.used = 0;
        if self.input.is_empty() && self.input.capacity() > 2 * READ {
            self.input = Vec::new();
        }
    }

    /// Sends all of `out`.
    pub(super) async fn send(&mut self, out: Out) -> Result<(), Ended> {
        if out.is_empty() {
            return Ok(());
        }
        for piece in out.into_pieces() {
            self.piece(&piece).await?;
        }
        Ok(self.stream.flush().await?)
    }

    async fn piece(&mut self, piece: &Bytes) -> Result<(), Ended> {
        Ok(self.stream.write_all(piece).await?)
    }

    /// Sends a few bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Says that nothing more will come. The client may be gone already.
    pub(super) async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }
}

/// `"{" number64 ["+"] "}"` at the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) len: u64,
    /// Whether it comes without being asked for.
    pub(super) unasked: bool,
}

impl Literal {
    /// The literal that a line announces.
    pub(super) fn at_end(line: &[u8]) -> Option<Self> {
        let inner = line.strip_suffix(b"}")?;
        let (inner, unasked) = match inner.strip_suffix(b"+") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let digits = inner.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let (before, digits) = inner.split_at_checked(inner.len() - digits)?;
        if digits.is_empty() || before.last() != Some(&b'{') {
            return None;
        }
        // A number that fits nowhere is as good as the largest.
        let len = std::str::from_utf8(digits).ok().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
        Some(Self { len, unasked })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn frames(input: &[u8]) -> (Vec<Frame>, String) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let mut wire = Wire::new(Stream::clear(ours, Duration::from_secs(5)));
        theirs.write_all(input).await.unwrap();
        let (mut theirs, half) = tokio::io::split(theirs);
        let mut half = half;
        half.shutdown().await.unwrap();
        let mut all = Vec::new();
        while let Ok(frame) = wire.command(Accepts { command: 10_000, messages: false }).await {
            let is_flood = frame == Frame::Flood;
            all.push(frame);
            if is_flood {
                break;
            }
        }
        drop(wire);
        let mut said = String::new();
        theirs.read_to_string(&mut said).await.unwrap();
        (all, said)
    }

    fn command(text: &str) -> Frame {
        Frame::Command(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn commands_with_literals() {
        let (all, said) = frames(b"a NOOP\r\nb LOGIN {3}\r\nx\r\n {2+}\r\n{1\r\nc X\nd").await;
        assert_eq!(all, [command("a NOOP"), command("b LOGIN {3}\r\nx\r\n {2+}\r\n{1"), command("c X")]);
        assert_eq!(said, "+ OK\r\n");
    }

    #[tokio::test]
    async fn literals_are_refused_before_they_come() {
        let (all, said) =
            frames(b"a LOGIN {4294967296}\r\nb APPEND x {10001}\r\nc L {99999999999999999999}\r\n").await;
        let unwanted = |start: &str| Frame::TooLarge { start: start.as_bytes().to_vec() };
        assert_eq!(
            all,
            [
                unwanted("a LOGIN {4294967296}"),
                unwanted("b APPEND x {10001}"),
                unwanted("c L {99999999999999999999}"),
            ]
        );
        assert_eq!(said, "");
    }

    #[tokio::test]
    async fn floods_end_it() {
        assert_eq!(frames(&vec![b'('; 1_000_000]).await.0, [Frame::Flood]);
        assert_eq!(frames(b"a LOGIN {4097+}\r\n").await.0, [Frame::Flood]);
        let many = [
            b"a ID (".as_slice(),
            b"{4000+}\r\n",
            &[b'x'; 4000],
            b" {4000+}\r\n",
            &[b'x'; 4000],
            b" {4000+}\r\n",
        ]
        .concat();
        assert_eq!(frames(&many).await.0, [Frame::Flood]);
        let long = [vec![b'x'; 9_999], b"\r\n".to_vec(), vec![b'x'; 10_001], b"\r\n".to_vec()].concat();
        assert!(matches!(frames(&long).await.0.as_slice(), [Frame::Command(_), Frame::Flood]));
    }
}
