//! What goes to the client, before it is sent: small text in one buffer, large bodies as they are.

use std::fmt;

use bytes::Bytes;

use super::name::{self, Form};

/// Bytes up to this many are copied rather than kept as a piece of their own.
const COPY_MAX: usize = 8 << 10;
/// Longest quoted string; longer ones go as literals.
const QUOTED_MAX: usize = 1_000;

/// Bytes to send.
#[derive(Debug, Default)]
pub(super) struct Out {
    pieces: Vec<Bytes>,
    tail: Vec<u8>,
    len: usize,
}

impl Out {
    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.len.saturating_add(self.tail.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn text(&mut self, text: &str) {
        self.tail.extend_from_slice(text.as_bytes());
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.tail.push(byte);
    }

    /// Takes the last byte back, if it is this one.
    pub(super) fn take_back(&mut self, byte: u8) {
        if self.tail.last() == Some(&byte) {
            self.tail.pop();
        }
    }

    pub(super) fn format(&mut self, text: fmt::Arguments<'_>) {
        // A vector takes all that is written to it.
        let _ = std::io::Write::write_fmt(&mut self.tail, text);
    }

    pub(super) fn number(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        for (i, digit) in digits.iter_mut().enumerate().rev() {
            // The remainder is below ten.
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            at = i;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.tail.extend_from_slice(digits.get(at..).unwrap_or_default());
    }

    pub(super) fn slice(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Adds bytes without copying them when they are many.
    pub(super) fn bytes(&mut self, bytes: Bytes) {
        if bytes.len() <= COPY_MAX {
            self.slice(&bytes);
            return;
        }
        self.seal();
        self.len = self.len.saturating_add(bytes.len());
        self.pieces.push(bytes);
    }

    /// `string`, quoted where it can be. RFC 9051 §4.3.
    pub(super) fn string(&mut self, text: &str) {
        if text.len() > QUOTED_MAX
            || !text.bytes().all(|b| matches!(b, 1..=0x7f) && !matches!(b, b'\r' | b'\n'))
        {
            return self.literal_text(text);
        }
        self.quoted(text);
    }

    /// `nstring`
    pub(super) fn nstring(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.text("NIL"),
        }
    }

    /// A mailbox's name.
    pub(super) fn mailbox(&mut self, name: &str, form: Form) {
        let name = name::encode(name, form);
        if name.contains(['\r', '\n', '\0']) { self.literal_text(&name) } else { self.quoted(&name) }
    }

    fn quoted(&mut self, text: &str) {
        self.byte(b'"');
        for b in text.bytes() {
            if matches!(b, b'"' | b'\\') {
                self.byte(b'\\');
            }
            self.byte(b);
        }
        self.byte(b'"');
    }

    fn literal_text(&mut self, text: &str) {
        self.literal_header(text.len());
        // NUL stands in no literal: RFC 9051 §9, CHAR8.
        self.tail.extend(text.bytes().map(|b| if b == 0 { b' ' } else { b }));
    }

    /// `literal`. A body's NULs, which no literal may have, are sent as 0x80.
    pub(super) fn literal(&mut self, pieces: &[Bytes]) {
        self.literal_header(pieces.iter().map(Bytes::len).sum());
        for piece in pieces {
            if piece.contains(&0) {
                let clean: Vec<u8> = piece.iter().map(|b| if *b == 0 { 0x80 } else { *b }).collect();
                self.bytes(clean.into());
            } else {
                self.bytes(piece.clone());
            }
        }
    }

    /// `literal8`, which may have NULs. RFC 9051 §9.
    pub(super) fn literal8(&mut self, bytes: Bytes) {
        self.byte(b'~');
        self.literal_header(bytes.len());
        self.bytes(bytes);
    }

    fn literal_header(&mut self, len: usize) {
        self.byte(b'{');
        self.number(len as u64);
        self.text("}\r\n");
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.len = self.len.saturating_add(tail.len());
            self.pieces.push(tail.into());
        }
    }

    /// All of it, in order.
    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        self.seal();
        self.pieces
    }

    #[cfg(test)]
    pub(super) fn into_string(self) -> String {
        String::from_utf8_lossy(&self.into_pieces().concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut Out)) -> String {
        let mut out = Out::default();
        f(&mut out);
        out.into_string()
    }

    #[test]
    fn strings() {
        assert_eq!(written(|out| out.string("a \"b\" \\c")), r#""a \"b\" \\c""#);
        assert_eq!(written(|out| out.string("")), "\"\"");
        assert_eq!(written(|out| out.string("ü")), "{2}\r\nü");
        assert_eq!(written(|out| out.string("a\r\nb\0")), "{5}\r\na\r\nb ");
        assert_eq!(written(|out| out.nstring(None)), "NIL");
        assert_eq!(written(|out| out.mailbox("Entwürfe", Form::ModifiedUtf7)), "\"Entw&APw-rfe\"");
        assert_eq!(written(|out| out.mailbox("Entwürfe", Form::Utf8)), "\"Entwürfe\"");
    }

    #[test]
    fn numbers() {
        for n in [0, 9, 10, 4_294_967_295, u64::MAX] {
            assert_eq!(written(|out| out.number(n)), n.to_string());
        }
    }

    #[test]
    fn bodies_are_not_copied_and_have_no_nul() {
        let body = Bytes::from(vec![b'x'; COPY_MAX + 1]);
        let mut out = Out::default();
        out.text("a ");
        out.literal(&[Bytes::from_static(b"p\0"), body.clone()]);
        out.byte(b')');
        assert_eq!(out.len(), 2 + "{8195}\r\n".len() + 2 + body.len() + 1);
        let pieces = out.into_pieces();
        assert_eq!(pieces.len(), 3);
        assert_eq!(&pieces[0][..], b"a {8195}\r\np\x80");
        assert_eq!(pieces[1].as_ptr(), body.as_ptr());
    }
}
