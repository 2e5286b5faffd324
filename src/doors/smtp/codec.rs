//! Bytes to lines, texts and chunks, each as the standard ends it and nothing else: a line ends with
//! CRLF and a text with CRLF.CRLF. A bare CR or LF is refused wherever it stands, since another server
//! may take it for an end (RFC 5321 §2.3.8, §4.1.1.4).
//!
//! Nothing here waits or allocates for what it only discards.

use bytes::{Buf, Bytes, BytesMut};

/// What stands in front of the input.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// A line without its CRLF.
    Whole(Bytes),
    /// A line longer than allowed; it was discarded.
    TooLong,
    /// A CR without LF or LF without CR. Where the line ends is anybody's guess, so is what follows.
    Bare,
}

/// Finds lines.
#[derive(Default)]
pub(super) struct Lines {
    /// Octets of the input already searched.
    searched: usize,
    /// The present line is too long and being discarded.
    discarding: bool,
}

impl Lines {
    /// The next line of `input`, or `None` when more input is needed. `limit` is the longest line in
    /// octets, its CRLF included; the input never grows past it and one read.
    pub(super) fn next(&mut self, input: &mut BytesMut, limit: usize) -> Option<Line> {
        let at = input.iter().skip(self.searched).position(|&b| b == b'\r' || b == b'\n');
        let Some(at) = at.map(|at| at.saturating_add(self.searched)) else {
            self.searched = input.len();
            self.discard(input, limit);
            return None;
        };
        match (input.get(at), input.get(at.saturating_add(1))) {
            (Some(b'\r'), None) => {
                self.searched = at;
                self.discard(input, limit);
                None
            }
            (Some(b'\r'), Some(b'\n')) => {
                self.searched = 0;
                let line = input.split_to(at).freeze();
                input.advance(2.min(input.len()));
                let too_long = std::mem::take(&mut self.discarding) || line.len().saturating_add(2) > limit;
                Some(if too_long { Line::TooLong } else { Line::Whole(line) })
            }
            _ => Some(Line::Bare),
        }
    }

    /// Drops what was searched of a line that is too long.
    fn discard(&mut self, input: &mut BytesMut, limit: usize) {
        self.discarding |= input.len() > limit;
        if self.discarding {
            input.advance(self.searched.min(input.len()));
            self.searched = 0;
        }
    }
}

/// Why a message cannot be taken; found out only after all of it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is larger than allowed. RFC 1870 §6.3.
    TooBig,
    /// It has a CR without LF or LF without CR.
    Bare,
    /// Too many other messages are being received.
    Busy,
}

/// A message being received.
pub(super) struct Collector {
    bytes: Vec<u8>,
    max: usize,
    /// Octets that came, kept or not.
    total: u64,
    fault: Option<Fault>,
    /// The last octet of a chunk was a CR.
    after_cr: bool,
}

impl Collector {
    /// For a message of at most `max` octets, of which `expected` were announced.
    pub(super) fn new(max: usize, expected: usize) -> Self {
        let bytes = Vec::with_capacity(expected.min(max).min(64 << 10));
        Self { bytes, max, total: 0, fault: None, after_cr: false }
    }

    /// Octets that came so far.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Octets that are held.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Why the message cannot be taken any more, if so.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Gives up the message; the first reason stands.
    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.bytes = Vec::new();
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.fault.is_some() {
            return;
        }
        if self.bytes.len().saturating_add(bytes.len()) > self.max {
            self.fail(Fault::TooBig);
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes a part of a chunk, checking its line ends across parts and chunks.
    fn push_checked(&mut self, bytes: &[u8]) {
        let mut after_cr = self.after_cr;
        let mut bare = false;
        for &b in bytes {
            bare |= (b == b'\n') != after_cr;
            after_cr = b == b'\r';
        }
        self.after_cr = after_cr;
        self.push(bytes);
        if bare {
            self.fail(Fault::Bare);
        }
    }

    /// The whole message, or why not.
    pub(super) fn finish(mut self) -> Result<Bytes, Fault> {
        if self.after_cr {
            self.fail(Fault::Bare);
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.bytes.into()),
        }
    }
}

/// Reads the text after DATA: removes the dots that were put before dots, finds the end.
/// RFC 5321 §4.5.2.
#[derive(Default)]
pub(super) struct Text {
    at: At,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// At the beginning of a line.
    #[default]
    Start,
    /// Within a line.
    Within,
    /// Behind a CR within a line.
    Cr,
    /// Behind a dot at the beginning of a line.
    Dot,
    /// Behind a dot and a CR at the beginning of a line.
    DotCr,
}

impl Text {
    /// Takes what it can of `input`; true when the text has ended, and then the rest is untouched.
    pub(super) fn read(&mut self, input: &mut BytesMut, into: &mut Collector) -> bool {
        loop {
            if self.at == At::Within || self.at == At::Start && input.first() != Some(&b'.') {
                let end = input.iter().position(|&b| b == b'\r' || b == b'\n').unwrap_or(input.len());
                if let Some(run @ [_, ..]) = input.get(..end) {
                    into.push(run);
                    input.advance(end);
                    self.at = At::Within;
                }
            }
            let Some(&b) = input.first() else { return false };
            input.advance(1);
            if self.step(b, into) {
                return true;
            }
        }
    }

    /// One octet at a place where it matters; true at the end of the text.
    fn step(&mut self, b: u8, into: &mut Collector) -> bool {
        self.at = match (self.at, b) {
            (At::Cr, b'\n') => {
                into.push(b"\r\n");
                At::Start
            }
            (At::DotCr, b'\n') => {
                self.at = At::Start;
                return true;
            }
            (At::Start, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::Start | At::Within, b'\r') => At::Cr,
            (At::Cr | At::DotCr, b) => {
                into.fail(Fault::Bare);
                if b == b'\r' { At::Cr } else { At::Within }
            }
            (_, b'\n') => {
                into.fail(Fault::Bare);
                At::Within
            }
            (_, b) => {
                into.push(&[b]);
                At::Within
            }
        };
        false
    }
}

/// Reads a chunk of BDAT, which is as long as it says. RFC 3030 §2.
pub(super) struct Chunk {
    left: u64,
}

impl Chunk {
    /// A chunk of `size` octets.
    pub(super) fn new(size: u64) -> Self {
        Self { left: size }
    }

    /// Takes what it can of `input`; true when the chunk has ended, and then the rest is untouched.
    pub(super) fn read(&mut self, input: &mut BytesMut, into: &mut Collector) -> bool {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        into.push_checked(input.get(..take).unwrap_or_default());
        input.advance(take);
        self.left = self.left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` in pieces of `step` octets; gives the message, and what was left in the input.
    fn text(text: &[u8], step: usize, max: usize) -> (Option<Result<Bytes, Fault>>, Vec<u8>) {
        let (mut reader, mut collector) = (Text::default(), Collector::new(max, 0));
        let mut input = BytesMut::new();
        let mut pieces = text.chunks(step);
        while let Some(piece) = pieces.next() {
            input.extend_from_slice(piece);
            if reader.read(&mut input, &mut collector) {
                for rest in pieces {
                    input.extend_from_slice(rest);
                }
                return (Some(collector.finish()), input.to_vec());
            }
        }
        (None, input.to_vec())
    }

    fn lines(bytes: &[u8], step: usize, limit: usize) -> Vec<Line> {
        let (mut lines, mut input, mut out) = (Lines::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(step) {
            input.extend_from_slice(piece);
            while let Some(line) = lines.next(&mut input, limit) {
                let bare = line == Line::Bare;
                out.push(line);
                if bare {
                    return out;
                }
            }
            assert!(input.len() <= limit + step, "the input is bounded");
        }
        out
    }

    #[test]
    fn lines_end_with_crlf_only() {
        for step in [1, 2, 3, 100] {
            let whole = |text: &'static str| Line::Whole(Bytes::from_static(text.as_bytes()));
            assert_eq!(lines(b"a\r\n\r\nbc\r\nd", step, 9), [whole("a"), whole(""), whole("bc")]);
            assert_eq!(lines(b"a\r\nb\nc\r\n", step, 9), [whole("a"), Line::Bare]);
            assert_eq!(lines(b"a\rb\r\n", step, 9), [Line::Bare]);
            assert_eq!(lines(b"a\r\r\n", step, 9), [Line::Bare]);
            assert_eq!(lines(b"\n", step, 9), [Line::Bare]);
            assert_eq!(
                lines(b"1234567\r\n12345678\r\nok\r\n", step, 9),
                [whole("1234567"), Line::TooLong, whole("ok")]
            );
        }
    }

    #[test]
    fn a_long_line_costs_no_memory() {
        let (mut lines, mut input) = (Lines::default(), BytesMut::new());
        for _ in 0..16_384 {
            input.extend_from_slice(&[b'a'; 4096]);
            assert_eq!(lines.next(&mut input, 512), None);
            assert!(input.len() <= 4096);
        }
        assert!(input.capacity() < 64 << 10);
        input.extend_from_slice(b"\r\nNOOP\r\n");
        assert_eq!(lines.next(&mut input, 512), Some(Line::TooLong));
        assert_eq!(lines.next(&mut input, 512), Some(Line::Whole(Bytes::from_static(b"NOOP"))));
    }

    #[test]
    fn dots_are_unstuffed_and_the_end_found() {
        for step in [1, 2, 3, 4, 100] {
            let good = |sent: &[u8], kept: &[u8]| {
                let mut sent = sent.to_vec();
                sent.extend_from_slice(b"QUIT\r\n");
                let (message, rest) = text(&sent, step, 1000);
                assert_eq!(message.unwrap().unwrap(), kept, "{sent:?} by {step}");
                assert_eq!(rest, b"QUIT\r\n");
            };
            good(b".\r\n", b"");
            good(b"a\r\n.\r\n", b"a\r\n");
            good(b"..\r\n.\r\n", b".\r\n");
            good(b"...\r\na.\r\n.b\r\n.\r\n", b"..\r\na.\r\nb\r\n");
            good(b"\r\n\r\n.\r\n", b"\r\n\r\n");
            good(b"a\0\xff\r\n.\r\n", b"a\0\xff\r\n");
        }
    }

    #[test]
    fn nothing_else_ends_a_text() {
        // Every one of these was taken for the end of a text by some server.
        let ends: [&[u8]; 9] = [
            b"\n.\n",
            b"\n.\r\n",
            b"\r.\r",
            b"\r\n.\n",
            b"\r\n.\r",
            b"\r.\r\n",
            b"\r\n\0.\r\n",
            b"\n.\r",
            b"\r\r\n.\r\n",
        ];
        for end in ends {
            for step in [1, 2, 3, 5, 100] {
                let sent = [b"a", end, b"MAIL FROM:<x@y>\r\n.\r\nQUIT\r\n".as_slice()].concat();
                let (message, rest) = text(&sent, step, 1000);
                if end == b"\r\n\0.\r\n" {
                    assert_eq!(message.unwrap().unwrap(), &b"a\r\n\0.\r\nMAIL FROM:<x@y>\r\n"[..]);
                    assert_eq!(rest, b"QUIT\r\n");
                } else {
                    assert_eq!(message, Some(Err(Fault::Bare)), "{end:?} by {step}");
                    assert!(rest.ends_with(b"QUIT\r\n"));
                }
            }
        }
    }

    #[test]
    fn too_much_text_is_read_to_its_end_and_refused() {
        for step in [1, 7, 100] {
            let (message, rest) = text(b"12345678\r\n.\r\nQUIT\r\n", step, 9);
            assert_eq!((message, rest.as_slice()), (Some(Err(Fault::TooBig)), b"QUIT\r\n".as_slice()));
            let (message, _) = text(b"12345678\r\n.\r\n", step, 10);
            assert!(message.unwrap().is_ok());
        }
    }

    #[test]
    fn chunks_are_as_long_as_they_say() {
        let mut collector = Collector::new(100, 0);
        let mut input = BytesMut::from(&b"ab\r"[..]);
        let mut chunk = Chunk::new(4);
        assert!(!chunk.read(&mut input, &mut collector));
        input.extend_from_slice(b"\nQUIT");
        assert!(chunk.read(&mut input, &mut collector));
        assert_eq!(&input[..], b"QUIT");
        assert!(Chunk::new(0).read(&mut input, &mut collector));
        assert_eq!(collector.finish().unwrap(), &b"ab\r\n"[..]);
    }

    #[test]
    fn chunks_with_bare_line_ends_are_refused() {
        for chunks in [&[&b"a\nb"[..]][..], &[b"a\r", b"b"], &[b"a\r"], &[b"\n"], &[b"a\r", b"\r\n"]] {
            let mut collector = Collector::new(100, 0);
            for chunk in chunks {
                let mut input = BytesMut::from(*chunk);
                assert!(Chunk::new(chunk.len() as u64).read(&mut input, &mut collector));
            }
            assert_eq!(collector.finish(), Err(Fault::Bare), "{chunks:?}");
        }
    }

    proptest! {
        #[test]
        fn stuffed_text_comes_back(
            content in proptest::collection::vec("[.a\r\n]{0,8}".prop_map(|l| l.replace(['\r', '\n'], "")), 0..20),
            step in 1_usize..40,
        ) {
            let plain: String = content.iter().map(|l| format!("{l}\r\n")).collect();
            let stuffed: String =
                content.iter().map(|l| format!("{}{l}\r\n", if l.starts_with('.') { "." } else { "" })).collect();
            let (message, rest) = text((stuffed + ".\r\nNOOP").as_bytes(), step, 10_000);
            let message = message.unwrap().unwrap();
            prop_assert_eq!(&message[..], plain.as_bytes());
            prop_assert_eq!(rest, b"NOOP");
        }

        #[test]
        fn any_text_is_read_alike_in_any_pieces(
            bytes in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60),
            step in 1_usize..20,
        ) {
            prop_assert_eq!(text(&bytes, step, 20), text(&bytes, 1000, 20));
        }
    }
}
