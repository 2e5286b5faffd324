//! Bytes in any charset to UTF-8, and cutting UTF-8 without breaking it.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// Decodes `bytes` labelled `label`. Never fails: an unknown or missing label is UTF-8 where the
/// bytes are valid UTF-8, and windows-1252 otherwise. A byte order mark wins over the label.
pub fn decode<'a>(label: Option<&str>, bytes: &'a [u8]) -> Cow<'a, str> {
    let label = label.map(str::trim).unwrap_or_default();
    if is_utf7(label) {
        return Cow::Owned(utf7(bytes));
    }
    match encoding(label) {
        Some(encoding) => encoding.decode(bytes).0,
        None => guess(bytes),
    }
}

/// Whether text with this label can be decoded as labelled (not by guessing).
pub fn is_known(label: &str) -> bool {
    is_utf7(label) || encoding(label.trim()).is_some()
}

/// Unlabelled bytes: UTF-8 if valid, else windows-1252.
pub fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
        // Cut in the middle of its last character, as truncated mail is.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 && !bytes.is_ascii() => {
            let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
            if whole.is_ascii() { WINDOWS_1252.decode(bytes).0 } else { String::from_utf8_lossy(bytes) }
        }
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// The longest start of `text` of at most `bytes` bytes that ends at a character boundary.
pub fn truncate_bytes(text: &str, bytes: usize) -> &str {
    // UTF-8 continues for at most three bytes, so a boundary is near.
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The first `chars` characters of `text`.
pub fn truncate_chars(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

fn encoding(label: &str) -> Option<&'static Encoding> {
    if label.is_empty() || label.eq_ignore_ascii_case("us-ascii") || label.eq_ignore_ascii_case("ascii") {
        return None;
    }
    Encoding::for_label_no_replacement(label.as_bytes()).or_else(|| alias(label))
}

/// Labels seen in mail that the web's table lacks.
fn alias(label: &str) -> Option<&'static Encoding> {
    let label = label.to_ascii_lowercase();
    let name = match label.as_str() {
        "cp932" | "ms932" | "windows-932" => "shift_jis",
        "cp936" | "ms936" | "windows-936" | "euc-cn" | "euccn" => "gbk",
        "gb18030-2000" | "gb18030-2022" => "gb18030",
        "cp949" | "ms949" | "uhc" | "euckr" => "euc-kr",
        "cp950" | "ms950" | "big5-eten" => "big5",
        "cp51932" | "eucjp" | "eucjp-ms" => "euc-jp",
        "cp50220" | "cp50221" | "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms" => {
            "iso-2022-jp"
        }
        "latin-1" | "iso8859_1" | "cp819" | "8859-1" => "iso-8859-1",
        "latin-9" | "iso8859_15" => "iso-8859-15",
        "ansi" | "cp-1252" | "ms-ansi" | "windows1252" => "windows-1252",
        "cp-1251" | "win-1251" | "windows1251" => "windows-1251",
        "cp-1250" | "windows1250" => "windows-1250",
        "utf8mb4" | "utf_8" | "utf-8-mac" | "cp65001" | "unicode-2-0-utf-8" => "utf-8",
        "utf-16-le" => "utf-16le",
        "utf-16-be" => "utf-16be",
        _ => return None,
    };
    Encoding::for_label_no_replacement(name.as_bytes())
}

fn is_utf7(label: &str) -> bool {
    ["utf-7", "unicode-1-1-utf-7", "utf7", "csunicode11utf7", "x-unicode-2-0-utf-7"]
        .iter()
        .any(|name| label.trim().eq_ignore_ascii_case(name))
}

/// RFC 2152. What is no valid shift sequence stays as it stands.
fn utf7(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(plus) = rest.iter().position(|byte| *byte == b'+') {
        let (plain, shifted) = rest.split_at(plus);
        out.push_str(&guess(plain));
        let shifted = shifted.get(1..).unwrap_or_default();
        let length = shifted.iter().take_while(|byte| sextet(**byte).is_some()).count();
        let (encoded, after) = shifted.split_at(length);
        if encoded.is_empty() {
            out.push('+');
        } else {
            push_utf16(encoded, &mut out);
        }
        // A minus that ends the sequence is absorbed.
        rest = after.strip_prefix(b"-").unwrap_or(after);
    }
    out.push_str(&guess(rest));
    out
}

fn push_utf16(encoded: &[u8], out: &mut String) {
    let mut units = Vec::with_capacity(encoded.len() * 6 / 16);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for value in encoded.iter().filter_map(|byte| sextet(*byte)) {
        bits = ((bits << 6) | u32::from(value)) & 0x3f_ffff;
        held += 6;
        if held >= 16 {
            held -= 16;
            // The mask keeps sixteen bits.
            units.push(u16::try_from((bits >> held) & 0xffff).unwrap_or_default());
        }
    }
    out.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_by_label() {
        assert_eq!(decode(Some("iso-8859-1"), b"gr\xfc\xdfe"), "grüße");
        assert_eq!(decode(Some("KOI8-R"), b"\xf0\xd2\xc9\xd7\xc5\xd4"), "Привет");
        assert_eq!(decode(Some("iso-2022-jp"), b"\x1b$B$3$s\x1b(B"), "こん");
        assert_eq!(decode(Some("gb18030"), b"\xc4\xe3\xba\xc3"), "你好");
        assert_eq!(decode(Some("cp949"), b"\xb0\xa1"), "가");
        assert_eq!(decode(Some("utf-16"), b"\xff\xfea\x00"), "a");
        assert_eq!(decode(Some(" utf-8 "), "é".as_bytes()), "é");
    }

    #[test]
    fn unknown_labels_lose_nothing() {
        assert_eq!(decode(Some("x-martian"), "naïve".as_bytes()), "naïve");
        assert_eq!(decode(Some("x-martian"), b"na\xefve"), "naïve");
        assert_eq!(decode(None, b"na\xefve"), "naïve");
        assert_eq!(decode(Some("hz-gb-2312"), b"plain"), "plain");
        assert_eq!(decode(Some("us-ascii"), "é".as_bytes()), "é");
        assert_eq!(guess("日本語".as_bytes().get(..8).unwrap()), "日本\u{fffd}");
        assert!(is_known("utf-7") && is_known("latin1") && !is_known("x-martian"));
    }

    #[test]
    fn utf7_of_the_rfc() {
        assert_eq!(decode(Some("utf-7"), b"A+ImIDkQ."), "A≢Α.");
        assert_eq!(decode(Some("utf-7"), b"Hi Mom -+Jjo--!"), "Hi Mom -☺-!");
        assert_eq!(decode(Some("utf-7"), b"+ZeVnLIqe-"), "日本語");
        assert_eq!(decode(Some("utf-7"), b"1 +- 1"), "1 + 1");
        assert_eq!(decode(Some("utf-7"), b"+"), "+");
    }

    #[test]
    fn truncates_at_characters() {
        assert_eq!(truncate_bytes("aé", 2), "a");
        assert_eq!(truncate_bytes("aé", 3), "aé");
        assert_eq!(truncate_bytes("日本", 5), "日");
        assert_eq!(truncate_bytes("日本", 0), "");
        assert_eq!(truncate_chars("日本", 1), "日");
        assert_eq!(truncate_chars("日本", 9), "日本");
    }

    proptest::proptest! {
        #[test]
        fn valid_utf8_is_kept(text: String, label in "[a-z0-9-]{0,12}") {
            let text = text.trim_start_matches('\u{feff}');
            proptest::prop_assert_eq!(&decode(None, text.as_bytes()), text);
            if !is_known(&label) {
                proptest::prop_assert_eq!(&decode(Some(&label), text.as_bytes()), text);
            }
        }

        #[test]
        fn any_bytes_decode(bytes: Vec<u8>, label in "utf-7|utf-8|gb18030|iso-2022-jp|x|") {
            let text = decode(Some(&label), &bytes);
            proptest::prop_assert!(text.len() <= bytes.len() * 4);
        }
    }
}
