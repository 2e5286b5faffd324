//! Transfer encodings: decoders that never drop data and never fail, and encoders.

use std::io::{self, Write};
use std::ops::Range;

/// Content-Transfer-Encoding, as far as it changes bytes. RFC 2045 §6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, and whatever is unknown (uuencode, yEnc): the bytes as they are.
    #[default]
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
}

impl Encoding {
    /// From the field's keyword in any case.
    pub fn from_keyword(keyword: &str) -> Self {
        let keyword = keyword.trim();
        if keyword.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if keyword.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }

    /// Estimated size of `length` encoded bytes on `lines` lines after decoding.
    pub fn decoded_size(self, length: u64, lines: u64) -> u64 {
        match self {
            Self::Base64 => length.saturating_sub(lines.saturating_mul(2)) / 4 * 3,
            Self::Identity | Self::QuotedPrintable => length,
        }
    }
}

/// Decodes all of `body`.
pub fn bytes(encoding: Encoding, body: &[u8]) -> Vec<u8> {
    prefix(encoding, body, usize::MAX)
}

/// Decodes until at least `enough` bytes are there or `body` ends; may give a little more.
pub fn prefix(encoding: Encoding, body: &[u8], enough: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().min(enough));
    let mut decoder = Decoder::new(encoding);
    for chunk in body.chunks(CHUNK) {
        decoder.feed(chunk, &mut out);
        if out.len() >= enough {
            return out;
        }
    }
    decoder.finish(&mut out);
    out
}

/// Decodes the bytes `range` of the decoded content into `to`; returns the number written.
/// What lies past the end is not an error.
pub fn copy_range(
    encoding: Encoding,
    body: &[u8],
    range: Range<u64>,
    to: &mut impl Write,
) -> io::Result<u64> {
    let mut window = Window { range, at: 0, written: 0 };
    let mut piece = Vec::with_capacity(CHUNK);
    let mut decoder = Decoder::new(encoding);
    for chunk in body.chunks(CHUNK) {
        decoder.feed(chunk, &mut piece);
        window.pass(&piece, to)?;
        piece.clear();
        if window.at >= window.range.end {
            return Ok(window.written);
        }
    }
    decoder.finish(&mut piece);
    window.pass(&piece, to)?;
    Ok(window.written)
}

/// Decodes base64 of any shape: without padding, with junk, several padded pieces in a row.
pub fn base64(text: &[u8]) -> Vec<u8> {
    bytes(Encoding::Base64, text)
}

/// The Q encoding of encoded words. RFC 2047 §4.2.
pub(super) fn q_word(text: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = text.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
    let mut out = Vec::with_capacity(blanks.len());
    let mut decoder = QuotedPrintable { keep_blanks: true, ..QuotedPrintable::default() };
    decoder.feed(&blanks, &mut out);
    decoder.finish(&mut out);
    out
}

/// Encodes base64 in lines of 76 characters, each ended by CR LF. RFC 2045 §6.8.
pub fn encode_base64(data: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    // 57 bytes make one line of 76 characters.
    const LINE: usize = 57;
    let mut out = Vec::with_capacity(data.len().div_ceil(LINE) * 78);
    for line in data.chunks(LINE) {
        out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Encodes text as quoted-printable: line ends stay, other control and 8-bit bytes are escaped,
/// no line is longer than 76 characters. RFC 2045 §6.7.
pub fn encode_quoted_printable(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 8);
    let mut column = 0;
    let mut rest = data;
    while let Some((&byte, after)) = rest.split_first() {
        if rest.starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            column = 0;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        let ends_line = after.is_empty() || after.starts_with(b"\r\n");
        let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !ends_line);
        let width = if plain { 1 } else { 3 };
        // One column stays free for the soft line break.
        if column + width > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(byte);
        } else {
            out.push(b'=');
            out.extend([byte >> 4, byte & 15].map(hex_digit));
        }
        column += width;
        rest = after;
    }
    out
}

const CHUNK: usize = 16 << 10;

/// Passes on the part of a stream that lies in a range.
struct Window {
    range: Range<u64>,
    at: u64,
    written: u64,
}

impl Window {
    fn pass(&mut self, piece: &[u8], to: &mut impl Write) -> io::Result<()> {
        let length = piece.len() as u64;
        let from = self.range.start.saturating_sub(self.at).min(length);
        let until = self.range.end.saturating_sub(self.at).min(length);
        self.at += length;
        // Both fit: they are at most the piece's length.
        let bounds = usize::try_from(from).unwrap_or(0)..usize::try_from(until).unwrap_or(0);
        let wanted = piece.get(bounds).unwrap_or_default();
        self.written += wanted.len() as u64;
        to.write_all(wanted)
    }
}

/// A streaming decoder.
enum Decoder {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl Decoder {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Base64 => Self::Base64(Base64::default()),
            Encoding::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
        }
    }

    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(chunk),
            Self::Base64(decoder) => decoder.feed(chunk, out),
            Self::QuotedPrintable(decoder) => decoder.feed(chunk, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Identity => {}
            Self::Base64(decoder) => decoder.flush(out),
            Self::QuotedPrintable(decoder) => decoder.finish(out),
        }
    }
}

/// Up to three sextets that wait for their fourth.
#[derive(Default)]
struct Base64 {
    bits: u32,
    held: u8,
}

impl Base64 {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for &byte in chunk {
            match SEXTETS.get(usize::from(byte)).copied().unwrap_or(JUNK) {
                JUNK => {}
                PAD => self.flush(out),
                sextet => {
                    self.bits = (self.bits << 6) | u32::from(sextet);
                    self.held += 1;
                    if self.held == 4 {
                        let [_, first, second, third] = self.bits.to_be_bytes();
                        out.extend_from_slice(&[first, second, third]);
                        *self = Self::default();
                    }
                }
            }
        }
    }

    /// Padding, or the end: the sextets held are whole bytes but for their last bits.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let [_, first, second, _] = (self.bits << (6 * u32::from(4 - self.held.min(4)))).to_be_bytes();
        match self.held {
            2 => out.push(first),
            3 => out.extend_from_slice(&[first, second]),
            // A single sextet is no byte.
            _ => {}
        }
        *self = Self::default();
    }
}

const JUNK: u8 = 0xff;
const PAD: u8 = 0xfe;
const SEXTETS: [u8; 256] = {
    let alphabet = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [JUNK; 256];
    let mut value = 0;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    // The URL alphabet, which some senders use.
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table[b'=' as usize] = PAD;
    table
};

/// Quoted-printable with what a chunk's end left undecided.
#[derive(Default)]
struct QuotedPrintable {
    /// `=` and up to one byte after it, or white space after `=`.
    escape: Vec<u8>,
    /// White space that is dropped if the line ends here (RFC 2045 §6.7 rule 3).
    blanks: Vec<u8>,
    /// Within encoded words white space is content.
    keep_blanks: bool,
}

impl QuotedPrintable {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for &byte in chunk {
            if self.escape.is_empty() {
                self.plain(byte, out);
            } else {
                self.escaped(byte, out);
            }
        }
    }

    fn plain(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b' ' | b'\t' if !self.keep_blanks => {
                self.blanks.push(byte);
                return;
            }
            b'\r' | b'\n' => self.blanks.clear(),
            _ => out.append(&mut self.blanks),
        }
        if byte == b'=' {
            self.escape.push(byte);
        } else {
            out.push(byte);
        }
    }

    fn escaped(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.escape.get(1).copied(), byte) {
            // A soft line break, with the white space transports add before it.
            (None | Some(b' ' | b'\t' | b'\r'), b'\n') => self.escape.clear(),
            (None | Some(b' ' | b'\t'), b' ' | b'\t' | b'\r') if self.escape.len() < SOFT_BREAK => {
                self.escape.insert(1, byte);
            }
            (None, _) if hex_value(byte).is_some() => self.escape.push(byte),
            (Some(high), _) => match (hex_value(high), hex_value(byte)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    self.escape.clear();
                }
                _ => self.give_up(byte, out),
            },
            _ => self.give_up(byte, out),
        }
    }

    /// No escape after all: keep what was there.
    fn give_up(&mut self, byte: u8, out: &mut Vec<u8>) {
        // A soft break may end in a bare CR.
        if self.escape.get(1) == Some(&b'\r') {
            self.escape.clear();
        } else {
            out.append(&mut self.escape);
        }
        self.plain(byte, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        // A lone "=" at the end is a soft break cut short.
        if self.escape.len() > 1 && self.escape.iter().skip(1).any(|byte| !byte.is_ascii_whitespace()) {
            out.append(&mut self.escape);
        }
        self.escape.clear();
        if self.keep_blanks {
            out.append(&mut self.blanks);
        }
        self.blanks.clear();
    }
}

/// Longest `=` plus white space still taken for a soft line break.
const SOFT_BREAK: usize = 80;

const fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'A' + value - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qp(text: &str) -> String {
        String::from_utf8(bytes(Encoding::QuotedPrintable, text.as_bytes())).unwrap()
    }

    #[test]
    fn base64_of_any_shape() {
        assert_eq!(base64(b"aGVsbG8="), b"hello");
        assert_eq!(base64(b"aGVsbG8"), b"hello");
        assert_eq!(base64(b"aGVs\r\nbG8=\r\n"), b"hello");
        assert_eq!(base64(b"a!G*V s(b)G 8 ="), b"hello");
        assert_eq!(base64(b"aGVsbG8=d29ybGQ="), b"helloworld");
        assert_eq!(base64(b"aGVsbG8==="), b"hello");
        assert_eq!(base64(b"a"), b"");
        assert_eq!(base64(b""), b"");
        assert_eq!(base64(b"_-8"), base64(b"/+8"));
    }

    #[test]
    fn quoted_printable_of_any_shape() {
        assert_eq!(qp("caf=C3=A9"), "café");
        assert_eq!(qp("caf=c3=a9"), "café");
        assert_eq!(qp("so=\r\nft"), "soft");
        assert_eq!(qp("so=\nft"), "soft");
        assert_eq!(qp("so= \t\r\nft"), "soft");
        assert_eq!(qp("trailing  \r\nblank"), "trailing\r\nblank");
        assert_eq!(qp("1 =2 and =ZZ"), "1 =2 and =ZZ");
        assert_eq!(qp("a == b"), "a == b");
        assert_eq!(qp("==41"), "=A");
        assert_eq!(qp("cut="), "cut");
        assert_eq!(qp("cut=4"), "cut=4");
        assert_eq!(qp("=20\r\n"), " \r\n");
        assert_eq!(q_word(b"a_=C3=A9_"), "a é ".as_bytes());
    }

    #[test]
    fn other_encodings_pass_as_they_are() {
        let text = b"begin 644 a.txt\n%:&5L;&\\*\n`\nend\n";
        assert_eq!(bytes(Encoding::from_keyword("x-uuencode"), text), text);
        assert_eq!(bytes(Encoding::from_keyword(" BASE64 "), b"YQ=="), b"a");
    }

    #[test]
    fn ranges_are_of_decoded_bytes() {
        let data: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let encoded = encode_base64(&data);
        for range in [0..10, 12_287..12_290, 99_990..200_000, 500_000..600_000] {
            let mut out = Vec::new();
            let written = copy_range(Encoding::Base64, &encoded, range.start..range.end, &mut out).unwrap();
            let start = usize::try_from(range.start).unwrap().min(data.len());
            let end = usize::try_from(range.end).unwrap().min(data.len());
            assert_eq!(out, data.get(start..end).unwrap_or_default());
            assert_eq!(written, out.len() as u64);
        }
    }

    proptest::proptest! {
        #[test]
        fn base64_round_trips(data: Vec<u8>) {
            proptest::prop_assert_eq!(base64(&encode_base64(&data)), data);
        }

        #[test]
        fn quoted_printable_round_trips(data: Vec<u8>) {
            let encoded = encode_quoted_printable(&data);
            proptest::prop_assert!(encoded.split(|byte| *byte == b'\n').all(|line| line.len() <= 77));
            proptest::prop_assert_eq!(bytes(Encoding::QuotedPrintable, &encoded), data);
        }

        #[test]
        fn pieces_decode_like_the_whole(data: Vec<u8>, text in "[=0-9A-Fa-f \r\n\t]{0,60}", at: usize) {
            for input in [data, text.into_bytes()] {
                for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
                    let (first, second) = input.split_at(at % (input.len() + 1));
                    let mut decoder = Decoder::new(encoding);
                    let mut out = Vec::new();
                    decoder.feed(first, &mut out);
                    decoder.feed(second, &mut out);
                    decoder.finish(&mut out);
                    proptest::prop_assert_eq!(out, bytes(encoding, &input));
                }
            }
        }
    }
}
