//! Parameters of MIME fields: RFC 2045 §5.1, RFC 2183, RFC 2231, and what the wild adds.

use std::borrow::Cow;

use super::record::{Param, Text};
use super::{charset, header, limits};

/// Parameters in order as they stood: names in lower case, values without quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params<'a>(Vec<(String, Cow<'a, [u8]>)>);

/// Reads `keyword; name=value; ...`: the keyword as it stood and at most
/// [`limits::PARAMETERS`] parameters. Never fails.
pub fn parse(value: &[u8]) -> (String, Params<'_>) {
    let mut cursor = Cursor { input: value, at: 0 };
    let keyword = cursor.keyword();
    let mut params = Vec::new();
    while params.len() < limits::PARAMETERS {
        let Some(param) = cursor.param() else { break };
        if !param.0.is_empty() {
            params.push(param);
        }
    }
    (keyword, Params(params))
}

/// Only the keyword.
pub(super) fn keyword(value: &[u8]) -> String {
    Cursor { input: value, at: 0 }.keyword()
}

/// The `boundary` parameter's bytes, without the trailing blanks it may not have.
pub(super) fn boundary(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (_, Params(list)) = parse(value);
    if let Some((_, plain)) = list.iter().find(|param| param.0 == "boundary") {
        return Some(match plain {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.trim_ascii_end()),
            Cow::Owned(bytes) => Cow::Owned(bytes.trim_ascii_end().to_vec()),
        });
    }
    let (bytes, _) = Params(list).extended("boundary")?;
    Some(Cow::Owned(bytes.trim_ascii_end().to_vec()))
}

impl<'a> Params<'a> {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameter's decoded value: RFC 2231's forms first, then the plain one with encoded
    /// words read although RFC 2047 §5 forbids them here.
    pub fn value(&self, name: &str) -> Option<String> {
        if let Some((bytes, charset)) = self.extended(name) {
            return Some(match charset {
                Some(charset) => charset::decode(Some(&charset), &bytes).into_owned(),
                None => header::decode_text(&charset::guess(&bytes)),
            });
        }
        let (_, bytes) = self.0.iter().find(|param| param.0 == name)?;
        Some(header::decode_text(&charset::guess(bytes)))
    }

    /// The parameters as they stood.
    pub(super) fn into_raw(self) -> Vec<Param<'a>> {
        let raw = |(name, value): (String, Cow<'a, [u8]>)| {
            let value = match value {
                Cow::Borrowed(bytes) => charset::guess(bytes),
                Cow::Owned(bytes) => Cow::Owned(charset::guess(&bytes).into_owned()),
            };
            // Blanks at either end may be part of a name cut into sections.
            let value = Text::from(header::without_nul(value));
            Param { name: name.into(), value }
        };
        self.0.into_iter().map(raw).collect()
    }

    /// RFC 2231 §3 and §4: sections put together as bytes, so that a character may be split
    /// over two of them, and the charset they are in.
    fn extended(&self, name: &str) -> Option<(Vec<u8>, Option<String>)> {
        let mut sections: Vec<(u32, bool, &[u8])> = Vec::new();
        for (key, value) in &self.0 {
            let Some(suffix) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('*')) else {
                continue;
            };
            let (number, encoded) = match suffix.strip_suffix('*') {
                Some(number) => (number, true),
                None => (suffix, suffix.is_empty()),
            };
            let number = if number.is_empty() { 0 } else { number.parse().ok()? };
            sections.push((number, encoded, value));
        }
        sections.sort_by_key(|section| section.0);
        sections.dedup_by_key(|section| section.0);
        if sections.first()?.0 > 1 {
            return None;
        }
        let mut bytes = Vec::new();
        let mut charset = None;
        for (index, (_, encoded, value)) in sections.iter().enumerate() {
            let mut value = *value;
            if *encoded
                && index == 0
                && let Some((label, text)) = split_charset(value)
            {
                charset = Some(label);
                value = text;
            }
            let room = limits::PARAMETER_BYTES.saturating_sub(bytes.len());
            let value = value.get(..room).unwrap_or(value);
            if *encoded { percent_decode(value, &mut bytes) } else { bytes.extend_from_slice(value) }
        }
        let labelled = charset.filter(|label| !label.is_empty());
        Some((
            bytes,
            labelled.or_else(|| sections.iter().any(|section| section.1).then(|| "utf-8".to_owned())),
        ))
    }
}

/// `charset'language'text`.
fn split_charset(value: &[u8]) -> Option<(String, &[u8])> {
    let mut pieces = value.splitn(3, |byte| *byte == b'\'');
    let label = pieces.next()?;
    let _language = pieces.next()?;
    let text = pieces.next()?;
    Some((String::from_utf8_lossy(label).into_owned(), text))
}

/// `value` with its `%` escapes decoded; what is none stays as it stands.
pub(super) fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    percent_decode(value, &mut out);
    out
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Everything before the first semicolon, comments and blanks left out.
    fn keyword(&mut self) -> String {
        let mut keyword = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b';' => break,
                b'(' => {
                    self.comment();
                    continue;
                }
                // "Content-Type: charset=utf-8": a parameter without its keyword.
                b'=' => {
                    self.at = 0;
                    return String::new();
                }
                b'"' => {}
                byte if byte.is_ascii_whitespace() => {
                    self.white_space();
                    // Blanks may stand around the slash and before a comment; others end it.
                    let goes_on = matches!(self.peek(), Some(b'/' | b';' | b'(') | None);
                    if !keyword.is_empty() && !keyword.ends_with(b"/") && !goes_on {
                        break;
                    }
                    continue;
                }
                _ => keyword.push(byte),
            }
            self.at += 1;
        }
        String::from_utf8_lossy(&keyword).into_owned()
    }

    fn white_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The next parameter; its name is empty where there was only rubbish.
    fn param(&mut self) -> Option<(String, Cow<'a, [u8]>)> {
        self.blanks();
        let start = self.at;
        self.peek()?;
        while self.peek().is_some_and(|byte| !matches!(byte, b'=' | b';')) {
            self.at += 1;
        }
        let name = self.input.get(start..self.at).unwrap_or_default().trim_ascii();
        // Names are short; a long one is rubbish.
        let name =
            if name.len() <= 80 { String::from_utf8_lossy(name).to_ascii_lowercase() } else { String::new() };
        if self.peek() != Some(b'=') {
            return Some((String::new(), Cow::Borrowed(b"")));
        }
        self.at += 1;
        self.white_space();
        let value = if self.peek() == Some(b'"') { self.quoted() } else { self.token(&name) };
        Some((name, value))
    }

    fn quoted(&mut self) -> Cow<'a, [u8]> {
        self.at += 1;
        let start = self.at;
        let rest = self.input.get(start..).unwrap_or_default();
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\r' | b'\n');
        let plain = rest.iter().position(special).unwrap_or(rest.len());
        if matches!(rest.get(plain), Some(b'"') | None) {
            self.at = start + plain + 1;
            return Cow::Borrowed(rest.get(..plain).unwrap_or_default());
        }
        let mut value = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\r' | b'\n' => {}
                // Windows paths in file names are not escaped by those who send them.
                b'\\' if self.peek().is_some_and(|next| matches!(next, b'"' | b'\\')) => {
                    value.extend(self.peek());
                    self.at += 1;
                }
                _ => value.push(byte),
            }
        }
        Cow::Owned(value)
    }

    /// An unquoted value. File names in it may hold blanks; elsewhere a comment ends it.
    fn token(&mut self, name: &str) -> Cow<'a, [u8]> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b';') {
            self.at += 1;
        }
        let value = self.input.get(start..self.at).unwrap_or_default().trim_ascii();
        if name.starts_with("filename") || name.starts_with("name") {
            return header::unfold(value);
        }
        let end = value.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'(');
        Cow::Borrowed(value.get(..end.unwrap_or(value.len())).unwrap_or_default())
    }

    fn blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b';' => self.at += 1,
                b'(' => self.comment(),
                _ if byte.is_ascii_whitespace() => self.at += 1,
                _ => return,
            }
        }
    }

    fn comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(field: &str, name: &str) -> Option<String> {
        parse(field.as_bytes()).1.value(name)
    }

    #[test]
    fn keywords() {
        for (field, want) in [
            ("text/plain", "text/plain"),
            ("text/plain; charset=x", "text/plain"),
            (" TEXT / plain ;a=b", "TEXT/plain"),
            ("text/html (a comment; here) ;a=b", "text/html"),
            ("text/plain charset=x", "text/plain"),
            ("charset=x", ""),
            ("", ""),
        ] {
            assert_eq!(parse(field.as_bytes()).0, want, "{field}");
        }
    }

    #[test]
    fn plain_and_quoted_values() {
        assert_eq!(value("a/b; charset=utf-8", "charset").as_deref(), Some("utf-8"));
        assert_eq!(value("a/b; charset=us-ascii (Plain text)", "charset").as_deref(), Some("us-ascii"));
        assert_eq!(value("a/b;\r\n\tboundary=\"x;\\\"y\"", "boundary").as_deref(), Some("x;\"y"));
        assert_eq!(value("a/b; name=my file (1).pdf; x=y", "name").as_deref(), Some("my file (1).pdf"));
        assert_eq!(value("a/b; name=\"C:\\dir\\f.txt\"", "name").as_deref(), Some("C:\\dir\\f.txt"));
        assert_eq!(value("a/b; name=\"=?utf-8?Q?=C3=A9.txt?=\"", "name").as_deref(), Some("é.txt"));
        assert_eq!(value("a/b; ; =x; junk; NAME = y", "name").as_deref(), Some("y"));
        assert_eq!(value("a/b; name=\"open", "name").as_deref(), Some("open"));
        assert_eq!(value("charset=koi8-r", "charset").as_deref(), Some("koi8-r"));
    }

    #[test]
    fn rfc_2231() {
        assert_eq!(value("a; name*=utf-8'en'%e2%82%ac%20rates", "name").as_deref(), Some("€ rates"));
        assert_eq!(value("a; name*=iso-8859-1''caf%E9", "name").as_deref(), Some("café"));
        assert_eq!(value("a; name*1=\"b.txt\"; name*0=\"a \"", "name").as_deref(), Some("a b.txt"));
        // A character split over two sections.
        assert_eq!(value("a; name*0*=utf-8''%e2%82; name*1*=%ac.txt", "name").as_deref(), Some("€.txt"));
        assert_eq!(value("a; name*0*=utf-8''a%20; name*1=\"b%20\"", "name").as_deref(), Some("a b%20"));
        assert_eq!(value("a; name=x; name*=utf-8''y", "name").as_deref(), Some("y"));
        assert_eq!(value("a; name*=plain%20", "name").as_deref(), Some("plain "));
        assert_eq!(value("a; name*zz=plain", "name"), None);
    }

    #[test]
    fn continuations_are_bounded() {
        let field = format!("a/b{}", (0..1_000_000).map(|n| format!("; name*{n}=x")).collect::<String>());
        let (_, params) = parse(field.as_bytes());
        assert_eq!(params.0.len(), limits::PARAMETERS);
        assert_eq!(params.value("name").map(|name| name.len()), Some(limits::PARAMETERS));
        let long = format!("a/b; name*={}", "x".repeat(1_000_000));
        assert_eq!(value(&long, "name").map(|name| name.len()), Some(limits::PARAMETER_BYTES));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in "[a-z/;=*0-9'\"\\\\%( )\r\n]{0,80}") {
            for input in [bytes, text.into_bytes()] {
                let (_, params) = parse(&input);
                let _ = (params.value("a"), boundary(&input), params.into_raw());
            }
        }
    }
}
