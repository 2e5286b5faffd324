//! Hrefs: paths on this server, as they stand in requests and answers. RFC 4918 §8.3; RFC 3986 §3.

use std::fmt;

/// Octets of a path that are looked at.
const PATH_MAX: usize = 8 << 10;

/// An absolute path with its special characters escaped, as answers have it. RFC 4918 §8.3.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Href(String);

/// What a request calls a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Host and port, where the request names them; in lower case.
    pub authority: Option<String>,
    /// The segments of the path, decoded.
    pub segments: Vec<String>,
    /// The path ends with a slash.
    pub is_collection: bool,
}

impl Href {
    /// The path with these segments, which are escaped. A collection's ends with a slash. RFC 4918 §5.2.
    pub fn new<'s>(segments: impl IntoIterator<Item = &'s str>, is_collection: bool) -> Self {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            escape_into(segment, &mut path);
        }
        if is_collection || path.is_empty() {
            path.push('/');
        }
        Self(path)
    }

    /// Something that is no path of this server, such as `mailto:` of a person. It is not escaped anew.
    pub fn uri(uri: impl Into<String>) -> Self {
        Self(uri.into())
    }

    /// The path of a member of this collection.
    pub fn member(&self, segment: &str, is_collection: bool) -> Self {
        let mut path = String::with_capacity(self.0.len() + segment.len() + 2);
        path.push_str(&self.0);
        if !path.ends_with('/') {
            path.push('/');
        }
        escape_into(segment, &mut path);
        if is_collection {
            path.push('/');
        }
        Self(path)
    }

    /// As it stands in an answer.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Target {
    /// Reads an absolute path or a whole URI; `None` for anything else, and for what no path of ours is:
    /// one with `.`, `..`, an empty segment, a query, an escaped slash, or bytes that are no UTF-8.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > PATH_MAX {
            return None;
        }
        let (authority, path) = match text.starts_with('/') && !text.starts_with("//") {
            true => (None, text),
            false => {
                let (scheme, rest) = text.split_once("//")?;
                if !["http:", "https:", ""].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
                    return None;
                }
                let slash = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(slash)?;
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                (Some(host.to_ascii_lowercase()), if path.is_empty() { "/" } else { path })
            }
        };
        if path.contains(['?', '#']) {
            return None;
        }
        let inner = path.strip_prefix('/')?;
        let (inner, is_collection) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, inner.is_empty()),
        };
        let segments = match inner.is_empty() {
            true => Vec::new(),
            false => inner.split('/').map(segment).collect::<Option<_>>()?,
        };
        Some(Self { authority, segments, is_collection })
    }
}

impl fmt::Display for Href {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Undoes the escapes of one segment. RFC 3986 §2.1.
fn segment(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    let segment = String::from_utf8(bytes).ok()?;
    let bad = segment.is_empty() || segment == "." || segment == "..";
    (!bad && !segment.contains(|c: char| c == '/' || c.is_control())).then_some(segment)
}

/// All but the unreserved characters, and those that a segment may have as they are and clients leave so.
/// RFC 3986 §2.3, §3.3.
fn escape_into(segment: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@!$()*+,=:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(HEX.get(usize::from(digit)).copied().map_or('0', char::from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_names_a_resource() {
        let target = Target::parse("https://User@Dav.Example.org:8443/dav/a%40b/My%20Cal/").unwrap();
        assert_eq!(target.authority.as_deref(), Some("dav.example.org:8443"));
        assert_eq!(
            (target.segments, target.is_collection),
            (vec!["dav".into(), "a@b".into(), "My Cal".into()], true)
        );
        let root = Target::parse("/").unwrap();
        assert_eq!((root.segments.len(), root.is_collection, root.authority), (0, true, None));
        assert_eq!(Target::parse("http://x").unwrap().segments.len(), 0);
        for bad in [
            "",
            "x",
            "a/b",
            "/a//b",
            "/../etc",
            "/a/%2e%2e/b",
            "/a%2Fb",
            "/a%00",
            "/a%",
            "/a%zz",
            "/%ff",
            "/a?b",
            "/a#b",
            "ftp://x/a",
            "mailto:a@b",
            "//",
            "/a/.",
        ] {
            assert!(Target::parse(bad).is_none_or(|t| bad == "//" && t.segments.is_empty()), "{bad}");
        }
        assert!(Target::parse(&format!("/{}", "a".repeat(9000))).is_none());
    }

    #[test]
    fn hrefs_are_escaped() {
        let home = Href::new(["dav", "Zoë & <Co>"], true);
        assert_eq!(home.as_str(), "/dav/Zo%C3%AB%20%26%20%3CCo%3E/");
        assert_eq!(home.member("1%.ics", false).as_str(), "/dav/Zo%C3%AB%20%26%20%3CCo%3E/1%25.ics");
        assert_eq!(Href::new([], true).as_str(), "/");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(segments in prop::collection::vec("[^\\p{Cc}/]{1,9}", 1..4), end: bool) {
            prop_assume!(segments.iter().all(|s| s != "." && s != ".."));
            let href = Href::new(segments.iter().map(String::as_str), end);
            let target = Target::parse(href.as_str()).unwrap();
            prop_assert_eq!((target.segments, target.is_collection), (segments, end));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Target::parse(&text);
        }
    }
}
