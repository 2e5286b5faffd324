//! HTTP Basic authentication. RFC 7617.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The challenge of a 401. RFC 7617 §2.1.
pub const CHALLENGE: &str = "Basic realm=\"Folkmoot\", charset=\"UTF-8\"";

/// Longest header value that is decoded; names and passwords are bounded far below it.
const HEADER_MAX: usize = 2_048;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A user name, and a password as it came: UTF-8, or ISO-8859-1 from Outlook.
#[derive(PartialEq, Eq)]
pub struct Basic {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Vec<u8>,
}

/// Reads the Authorization header. `None` without one, and for one that is malformed or of another
/// scheme: all get a challenge.
pub fn credentials(headers: &HeaderMap) -> Option<Basic> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    if value.len() > HEADER_MAX {
        return None;
    }
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = BASE64.decode(rest.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|b| *b == b':')?;
    let (user, password) = decoded.split_at_checked(colon)?;
    if user.is_empty() || decoded.contains(&0) {
        return None;
    }
    Some(Basic { user: text(user), password: password.get(1..)?.to_vec() })
}

/// UTF-8, or ISO-8859-1, in which every octet is the character of that number.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn read(value: &[u8]) -> Option<(String, Vec<u8>)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        credentials(&headers).map(|b| (b.user, b.password))
    }

    fn basic(decoded: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(decoded)).into_bytes()
    }

    #[test]
    fn both_charsets_and_colons_in_passwords() {
        assert_eq!(read(&basic(b"ann:a:b")), Some(("ann".into(), b"a:b".to_vec())));
        assert_eq!(read(&basic("jürg:grün".as_bytes())), Some(("jürg".into(), "grün".into())));
        assert_eq!(read(&basic(b"j\xFCrg:gr\xFCn")), Some(("jürg".into(), b"gr\xFCn".to_vec())));
        assert_eq!(read(&basic(b"ann:")), Some(("ann".into(), Vec::new())));
        let unpadded = String::from_utf8(basic(b"ann:xy")).unwrap().replace('=', "");
        assert_eq!(read(unpadded.as_bytes()), Some(("ann".into(), b"xy".to_vec())));
        assert_eq!(read(&[b"bAsIc  ", STANDARD.encode("a:b").as_bytes()].concat()).unwrap().0, "a");
    }

    #[test]
    fn everything_else_is_nobody() {
        let long = basic(&[b'a'; 4_000]);
        let bad: [&[u8]; 10] = [
            b"",
            b"Basic",
            b"Basic ",
            b"Basic !!!!",
            b"Bearer abc",
            b"Digest username=x",
            &basic(b"nocolon"),
            &basic(b":pw"),
            &basic(b"a\0b:pw"),
            &long,
        ];
        for value in bad {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert!(credentials(&HeaderMap::new()).is_none());
    }
}
