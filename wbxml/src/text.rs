//! Text that XML can hold: Unicode without NUL, most control characters, U+FFFE and U+FFFF
//! (XML 1.0 §2.2, production `Char`). WBXML is an encoding of XML, and its strings end at a NUL.

use std::borrow::Cow;

/// Why octets are not text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    NotUtf8,
    Forbidden(char),
}

/// The octets as text. The error has the offset of the first flaw.
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, (usize, Flaw)> {
    let text = std::str::from_utf8(bytes).map_err(|e| (e.valid_up_to(), Flaw::NotUtf8))?;
    match first_forbidden(text) {
        None => Ok(text),
        Some((at, c)) => Err((at, Flaw::Forbidden(c))),
    }
}

/// The string up to the NUL, if it is short and printable ASCII. Most strings of a Sync are; one look at
/// each octet finds the NUL and all that could be wrong. `None` says nothing.
#[inline]
pub(crate) fn short_plain(bytes: &[u8]) -> Option<&str> {
    let (short, _) = bytes.split_at(bytes.len().min(SHORT));
    let length = short.iter().position(|b| !(0x20..0x7F).contains(b))?;
    let (plain, rest) = short.split_at(length);
    if rest.first() != Some(&0) {
        return None;
    }
    std::str::from_utf8(plain).ok()
}

const SHORT: usize = 32;

/// The text as it can be sent: NUL is left out, being padding or the end of a C string wherever it
/// turns up in a mail, and any other character that XML lacks becomes U+FFFD.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if first_forbidden(text).is_none() {
        return Cow::Borrowed(text);
    }
    let cleaned = text.chars().filter(|&c| c != '\0');
    Cow::Owned(cleaned.map(|c| if is_forbidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

const fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The first forbidden character and its offset.
fn first_forbidden(text: &str) -> Option<(usize, char)> {
    let (chunks, rest) = text.as_bytes().as_chunks::<CHUNK>();
    let mut start = 0;
    for chunk in chunks {
        // Without branches, so that the compiler can look at many octets at once.
        if chunk.iter().fold(false, |seen, &b| seen | is_suspect(b)) {
            let found = first_forbidden_in(text, start, start + CHUNK);
            if found.is_some() {
                return found;
            }
        }
        start += CHUNK;
    }
    if rest.iter().any(|&b| is_suspect(b)) { first_forbidden_in(text, start, text.len()) } else { None }
}

/// The exact look at a part of the text, widened to whole characters.
fn first_forbidden_in(text: &str, start: usize, end: usize) -> Option<(usize, char)> {
    let from = text.floor_char_boundary(start);
    let part = text.get(from..text.ceil_char_boundary(end)).unwrap_or_default();
    part.char_indices().find(|&(_, c)| is_forbidden(c)).map(|(at, c)| (from + at, c))
}

const CHUNK: usize = 64;

/// Whether an octet can belong to a forbidden character: a control, or the first octet of U+FFFE and
/// U+FFFF (EF BF BE, EF BF BF), which other characters have too.
#[inline]
const fn is_suspect(b: u8) -> bool {
    (b < 0x20) & (b != b'\t') & (b != b'\n') & (b != b'\r') | (b == 0xEF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_character_of_the_basic_plane() {
        for c in (0..=0x1_0000).filter_map(char::from_u32) {
            let xml =
                matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
            assert_eq!(is_forbidden(c), !xml, "{c:?}");
            let text = format!("ab{c}cd");
            assert_eq!(first_forbidden(&text).is_none(), xml, "{c:?}");
        }
    }

    #[test]
    fn flaws_have_their_place() {
        assert_eq!(validate(b"ab\xFFcd"), Err((2, Flaw::NotUtf8)));
        assert_eq!(validate(b"ab\xC3"), Err((2, Flaw::NotUtf8)));
        assert_eq!(validate(b"\xED\xA0\x80"), Err((0, Flaw::NotUtf8)), "a surrogate");
        assert_eq!(validate(b"ab\x1Bcd"), Err((2, Flaw::Forbidden('\x1B'))));
        assert_eq!(
            validate("tab\tline\r\n\u{7F}\u{85}\u{FEFF}".as_bytes()),
            Ok("tab\tline\r\n\u{7F}\u{85}\u{FEFF}")
        );
    }

    #[test]
    fn cleaning_drops_nul_and_replaces_the_rest() {
        assert_eq!(clean("a\0b\x01c\u{FFFF}"), "ab\u{FFFD}c\u{FFFD}");
        assert_eq!(clean("\0\0"), "");
        assert!(matches!(clean("plain \u{FF21}"), Cow::Borrowed(_)));
    }

    proptest! {
        /// The search in chunks finds what a plain walk over the characters finds.
        #[test]
        fn search_agrees_with_the_plain_one(
            pad in 0_usize..140,
            text in "[a-c\u{E9}\u{FF21}\u{FFFE}\u{1F600}\\x01\\n]{0,8}",
            tail in 0_usize..70,
        ) {
            let text = format!("{}{}{}", "x".repeat(pad), text, "\u{FF21}".repeat(tail));
            prop_assert_eq!(first_forbidden(&text), text.char_indices().find(|&(_, c)| is_forbidden(c)));
        }
    }
}
