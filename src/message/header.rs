//! Header fields: where they lie, unfolding, encoded words, parameters.

use std::borrow::Cow;
use std::ops::Range;

use super::record::Text;
use super::{charset, decode, limits};

/// One header field's place in the message. RFC 5322 §2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, without trailing white space.
    pub name: Range<usize>,
    /// The value between the colon and the final line end, folds included.
    pub value: Range<usize>,
}

/// A header block as it was split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// One past the closing empty line, or the end of the block where there is none.
    pub end: usize,
    /// Whether fields were left out for [`limits::FIELDS`] or [`limits::HEADER_BYTES`].
    pub truncated: bool,
}

/// Splits the header block that begins at `start`, adding at most `room` fields to `fields`.
///
/// The block ends after its first empty line, or before a line for which `is_boundary` holds.
/// Lines without a colon (mbox `From `, garbage) are skipped.
pub(super) fn split(
    raw: &[u8],
    start: usize,
    room: usize,
    fields: &mut Vec<Field>,
    is_boundary: impl Fn(&[u8]) -> bool,
) -> Block {
    let mut at = start;
    let mut block = Block::default();
    let mut open: Option<Field> = None;
    let most = fields.len().saturating_add(room.min(limits::FIELDS));
    let last = start.saturating_add(limits::HEADER_BYTES);
    while let Some(line) = line_at(raw, at) {
        let content = raw.get(at..line.content_end).unwrap_or_default();
        if content.is_empty() {
            at = line.next;
            break;
        }
        let folded = matches!(content.first(), Some(b' ' | b'\t'));
        if !folded && content.starts_with(b"--") && is_boundary(content) {
            break;
        }
        block.truncated |= line.content_end > last;
        if fields.len() >= most || at >= last {
            block.truncated = true;
        } else if folded {
            if let Some(field) = &mut open {
                field.value.end = line.content_end.min(last);
            }
        } else {
            fields.extend(open.take());
            open = field(content.get(..last - at).unwrap_or(content), at);
        }
        at = line.next;
    }
    if fields.len() < most {
        fields.extend(open);
    }
    block.end = at;
    block
}

/// A line's content end (before CR LF or LF) and the start of the next.
pub(super) struct Line {
    pub content_end: usize,
    pub next: usize,
}

/// The line that starts at `at`; `None` at the end of the data.
pub(super) fn line_at(raw: &[u8], at: usize) -> Option<Line> {
    let rest = raw.get(at..).filter(|rest| !rest.is_empty())?;
    let Some(length) = find_lf(rest) else {
        return Some(Line { content_end: raw.len(), next: raw.len() });
    };
    let has_cr = length > 0 && rest.get(length - 1) == Some(&b'\r');
    Some(Line { content_end: at + length - usize::from(has_cr), next: at + length + 1 })
}

/// Position of the first line feed. Whole chunks without one are passed by quickly.
pub(super) fn find_lf(bytes: &[u8]) -> Option<usize> {
    const CHUNK: usize = 32;
    let mut passed = 0;
    for chunk in bytes.chunks(CHUNK) {
        if chunk.iter().fold(false, |found, byte| found | (*byte == b'\n')) {
            return chunk.iter().position(|byte| *byte == b'\n').map(|at| passed + at);
        }
        passed += chunk.len();
    }
    None
}

fn field(content: &[u8], at: usize) -> Option<Field> {
    let colon = content.iter().position(|byte| *byte == b':')?;
    let name = content.get(..colon)?.trim_ascii_end();
    let printable = |byte: &u8| (33..=126).contains(byte);
    if name.is_empty() || !name.iter().all(printable) {
        return None;
    }
    Some(Field { name: at..at + name.len(), value: at + colon + 1..at + content.len() })
}

/// The fields of a header block that `keep` picks by name, byte for byte and in order, and the
/// closing empty line if there is one: IMAP's HEADER.FIELDS. RFC 9051 §6.4.5.1.
pub fn pick(block: &[u8], keep: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut at, mut kept) = (0, false);
    while let Some(line) = line_at(block, at) {
        let content = block.get(at..line.content_end).unwrap_or_default();
        if !content.starts_with(b" ") && !content.starts_with(b"\t") {
            let name = field(content, 0).and_then(|field| content.get(field.name));
            kept = content.is_empty() || name.is_some_and(&keep);
        }
        if kept {
            out.extend_from_slice(block.get(at..line.next).unwrap_or_default());
        }
        if content.is_empty() {
            break;
        }
        at = line.next;
    }
    out
}

/// Removes line ends before white space and trims both ends. RFC 5322 §2.2.3.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if value.contains(&b'\n') {
        let kept = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        return Cow::Owned(value.iter().copied().filter(kept).collect());
    }
    Cow::Borrowed(value)
}

/// The value unfolded as text, encoded words unread; unlabelled 8-bit text is guessed.
pub fn raw_text(value: &[u8]) -> Text<'_> {
    match unfold(value) {
        Cow::Borrowed(bytes) => without_nul(charset::guess(bytes)).into(),
        Cow::Owned(bytes) => without_nul(Cow::Owned(charset::guess(&bytes).into_owned())).into(),
    }
}

/// No protocol can carry NUL in a string.
pub(super) fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { text }
}

/// Decodes the encoded words in an unstructured field's text. RFC 2047.
///
/// White space between adjacent encoded words goes; a character split over two words of one
/// charset is put together; what is malformed stays as it stands. Control characters are blanks.
pub fn decode_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut words = Words::default();
    let mut rest = text;
    // Behind the last "?=" no word can end, so every search for an end succeeds and is consumed.
    let last_end = text.rfind("?=").unwrap_or(0);
    while let Some(at) = rest.find("=?") {
        let (before, candidate) = rest.split_at(at);
        let word = (text.len() - candidate.len() < last_end).then(|| EncodedWord::parse(candidate));
        match word.flatten() {
            Some((word, after)) => {
                let blank = before.chars().all(char::is_whitespace);
                if !blank || words.is_empty() {
                    words.flush(&mut out);
                    out.push_str(before);
                }
                words.push(&word, &mut out);
                rest = after;
            }
            None => {
                words.flush(&mut out);
                let (mark, after) = candidate.split_at(2);
                out.push_str(before);
                out.push_str(mark);
                rest = after;
            }
        }
    }
    words.flush(&mut out);
    out.push_str(rest);
    if out.contains(char::is_control) { out.replace(char::is_control, " ") } else { out }
}

/// Length of the encoded word that `bytes` begins with, if it is one without white space in it.
pub(super) fn encoded_word_len(bytes: &[u8]) -> Option<usize> {
    let window = bytes.get(..ENCODED_WORD).unwrap_or(bytes);
    let inner = window.strip_prefix(b"=?")?;
    let question = inner.iter().position(|byte| *byte == b'?')?;
    let encoding = inner.get(question + 1)?;
    if question == 0 || !matches!(encoding, b'b' | b'B' | b'q' | b'Q') || inner.get(question + 2)? != &b'?' {
        return None;
    }
    let start = question + 3;
    let text = inner.get(start..)?;
    let end = text
        .windows(2)
        .position(|pair| pair == b"?=" || pair.first().is_some_and(u8::is_ascii_whitespace))?;
    (text.get(end) == Some(&b'?')).then_some(2 + start + end + 2)
}

/// Longest encoded word recognised inside an address list, in bytes; RFC 2047 §2 allows 75.
const ENCODED_WORD: usize = 512;
/// Longest charset label, in bytes.
const CHARSET: usize = 64;

struct EncodedWord<'a> {
    charset: &'a str,
    base64: bool,
    text: &'a str,
}

impl<'a> EncodedWord<'a> {
    /// Reads the word `text` begins with, and what follows it.
    fn parse(text: &'a str) -> Option<(Self, &'a str)> {
        let inner = text.strip_prefix("=?")?;
        // Bounded, so that a run of "=?" does not make this quadratic.
        let window = charset::truncate_bytes(inner, CHARSET);
        let (label, _) = window.split_once('?')?;
        let after_label = inner.get(label.len() + 1..)?;
        let base64 = match after_label.as_bytes().first()? {
            b'b' | b'B' => true,
            b'q' | b'Q' => false,
            _ => return None,
        };
        let body = after_label.get(1..)?.strip_prefix('?')?;
        // RFC 2231 §5: the label may carry a language.
        let charset = label.split('*').next().unwrap_or(label);
        if charset.is_empty() || !charset.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let end = body.find("?=")?;
        Some((Self { charset, base64, text: body.get(..end)? }, body.get(end + 2..)?))
    }

    fn bytes(&self) -> Vec<u8> {
        if self.base64 {
            return decode::base64(self.text.as_bytes());
        }
        decode::q_word(self.text.as_bytes())
    }
}

/// Adjacent encoded words of one charset, decoded together.
#[derive(Default)]
struct Words {
    charset: String,
    bytes: Vec<u8>,
    any: bool,
}

impl Words {
    const fn is_empty(&self) -> bool {
        !self.any
    }

    fn push(&mut self, word: &EncodedWord<'_>, out: &mut String) {
        if self.any && !self.charset.eq_ignore_ascii_case(word.charset) {
            self.flush(out);
        }
        if !self.any {
            word.charset.clone_into(&mut self.charset);
        }
        self.any = true;
        self.bytes.extend(word.bytes());
    }

    fn flush(&mut self, out: &mut String) {
        if std::mem::take(&mut self.any) {
            out.push_str(&charset::decode(Some(&self.charset), &self.bytes));
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words() {
        for (text, want) in [
            ("plain", "plain"),
            ("=?utf-8?Q?caf=C3=A9_au_lait?=", "café au lait"),
            ("=?ISO-8859-1?b?Y2Fm6Q==?= x", "café x"),
            ("a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"),
            ("=?utf-8?q?=C3?= =?UTF-8?q?=A9?=", "é"),
            ("=?utf-8?q?a?= =?koi8-r?q?=F0?=", "aП"),
            ("=?utf-8*en?q?a?=", "a"),
            ("=?utf-8?B?SGVsbG8?=", "Hello"),
            ("x=?utf-8?q?y?=z", "xyz"),
            ("=?utf-8?q?with space?=", "with space"),
            ("=?utf-8?x?a?= =?? =? ?=", "=?utf-8?x?a?= =?? =? ?="),
            ("=?utf-8?q?a", "=?utf-8?q?a"),
            ("=??q?a?=", "=??q?a?="),
            ("=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
            ("=?iso-2022-jp?B?GyRCJDMbKEI=?=", "こ"),
            ("", ""),
        ] {
            assert_eq!(decode_text(text), want, "{text}");
        }
    }

    #[test]
    fn fields_and_folds() {
        let raw = b" stray fold\r\nA : 1\r\n\t2\nno colon\r\nB:\r\n\r\nbody";
        let mut fields = Vec::new();
        let block = split(raw, 0, 10, &mut fields, |_| false);
        let bytes = |range: &Range<usize>| raw.get(range.clone()).unwrap();
        let seen: Vec<_> =
            fields.iter().map(|field| (bytes(&field.name), unfold(bytes(&field.value)))).collect();
        assert_eq!(seen, [(&b"A"[..], Cow::from(&b"1\t2"[..])), (b"B", Cow::from(&b""[..]))]);
        assert_eq!((raw.get(block.end..).unwrap(), block.truncated), (&b"body"[..], false));
        fields.clear();
        assert!(split(raw, 0, 1, &mut fields, |_| false).truncated);
        assert_eq!(fields.len(), 1);
    }

    #[test]
    fn fields_are_picked() {
        let block = b"From x\r\nTo: a@x,\r\n b@x\r\nCc: c@x\r\n d\r\nto : e@x\r\n\r\nTo: body\r\n";
        let to = |name: &[u8]| name.eq_ignore_ascii_case(b"To");
        assert_eq!(pick(block, to), b"To: a@x,\r\n b@x\r\nto : e@x\r\n\r\n");
        assert_eq!(pick(block, |name| !to(name)), b"Cc: c@x\r\n d\r\n\r\n");
        assert_eq!(pick(b"To: a", to), b"To: a");
    }

    #[test]
    fn line_feeds_are_found() {
        for length in 0..100 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(find_lf(&bytes), None);
            bytes.push(b'\n');
            assert_eq!(find_lf(&bytes), Some(length));
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text: String, words in "[=?a-z8 -]{0,60}") {
            for input in [text, words] {
                let decoded = decode_text(&input);
                proptest::prop_assert!(!decoded.contains(char::is_control));
                let _ = encoded_word_len(input.as_bytes());
            }
        }
    }
}
