//! Mail addresses as SMTP names them. RFC 5321 §4.1.2 and §4.1.3; UTF-8 by RFC 6531 §3.3.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::directory;

/// Longest local part in octets. RFC 5321 §4.5.3.1.1.
pub const LOCAL_MAX: usize = 64;
/// Longest domain in octets. RFC 5321 §4.5.3.1.2.
pub const DOMAIN_MAX: usize = 255;
/// Longest label of a domain in octets. RFC 1035 §2.3.4.
const LABEL_MAX: usize = 63;

/// A mailbox: a local part, never empty, at a domain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Address {
    local: String,
    domain: Domain,
}

/// What stands behind the `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Domain {
    /// A name in lower case and A-labels, however it was written.
    Name(String),
    /// An address literal. RFC 5321 §4.1.3; general literals are not known.
    Literal(IpAddr),
}

/// Why text is not a mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressError {
    /// It breaks the grammar.
    Syntax,
    /// The local part is empty, as in `""@example.org`.
    EmptyLocal,
    /// The local part is longer than [`LOCAL_MAX`].
    LocalTooLong,
    /// The domain is longer than [`DOMAIN_MAX`] or one of its labels too long.
    DomainTooLong,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "malformed address",
            Self::EmptyLocal => "empty local part",
            Self::LocalTooLong => "local part too long",
            Self::DomainTooLong => "domain too long",
        })
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// The local part without quotes, as it was written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// False when the address can travel only where SMTPUTF8 is spoken: a domain in A-labels travels
    /// everywhere. RFC 6531 §3.2.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && !matches!(&self.domain, Domain::Name(name) if !name.is_ascii())
    }

    /// Reads a mailbox from the front of `text` and gives the rest.
    pub fn read(text: &str) -> Result<(Self, &str), AddressError> {
        let (local, rest) = read_local(text)?;
        let rest = rest.strip_prefix('@').ok_or(AddressError::Syntax)?;
        let (domain, rest) = Domain::read(rest)?;
        Ok((Self { local, domain }, rest))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match Self::read(text)? {
            (address, "") => Ok(address),
            _ => Err(AddressError::Syntax),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            f.write_str(&self.local)?;
        } else {
            f.write_str("\"")?;
            for c in self.local.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            f.write_str("\"")?;
        }
        write!(f, "@{}", self.domain)
    }
}

impl Domain {
    /// Reads a domain or address literal from the front of `text` and gives the rest.
    pub fn read(text: &str) -> Result<(Self, &str), AddressError> {
        if let Some(literal) = text.strip_prefix('[') {
            let (literal, rest) = literal.split_once(']').ok_or(AddressError::Syntax)?;
            return Ok((Self::Literal(read_literal(literal)?), rest));
        }
        let end = text.find(|c: char| !is_domain_char(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).ok_or(AddressError::Syntax)?;
        if !name.is_ascii() {
            let name = directory::fold_domain(name).map_err(|_| AddressError::Syntax)?;
            return Ok((Self::Name(name), rest));
        }
        if name.len() > DOMAIN_MAX {
            return Err(AddressError::DomainTooLong);
        }
        for label in name.split('.') {
            if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
                return Err(AddressError::Syntax);
            }
            if label.len() > LABEL_MAX {
                return Err(AddressError::DomainTooLong);
            }
        }
        Ok((Self::Name(name.to_lowercase()), rest))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

fn read_literal(text: &str) -> Result<IpAddr, AddressError> {
    match text.split_at_checked("IPv6:".len()) {
        Some((tag, ip)) if tag.eq_ignore_ascii_case("IPv6:") => ip.parse::<Ipv6Addr>().map(IpAddr::V6),
        _ => text.parse::<Ipv4Addr>().map(IpAddr::V4),
    }
    .map_err(|_| AddressError::Syntax)
}

fn read_local(text: &str) -> Result<(String, &str), AddressError> {
    let (local, rest) = match text.strip_prefix('"') {
        Some(quoted) => read_quoted(quoted)?,
        None => {
            let end = text.find(|c: char| !is_atext(c) && c != '.').unwrap_or(text.len());
            let (local, rest) = text.split_at_checked(end).ok_or(AddressError::Syntax)?;
            if !is_dot_string(local) {
                return Err(AddressError::Syntax);
            }
            (local.to_owned(), rest)
        }
    };
    if local.is_empty() {
        return Err(AddressError::EmptyLocal);
    }
    if local.len() > LOCAL_MAX {
        return Err(AddressError::LocalTooLong);
    }
    Ok((local, rest))
}

/// A quoted string behind its first quote; what stands in it loses its backslashes.
fn read_quoted(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or(AddressError::Syntax)? {
            '"' => return Ok((local, chars.as_str())),
            '\\' => match chars.next() {
                Some(c @ ' '..='~') => local.push(c),
                _ => return Err(AddressError::Syntax),
            },
            c if c.is_control() => return Err(AddressError::Syntax),
            c => local.push(c),
        }
        if local.len() > LOCAL_MAX {
            return Err(AddressError::LocalTooLong);
        }
    }
}

fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_text(c)
}

/// Underscores are no part of the grammar, but of names in use.
fn is_domain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || is_utf8_text(c)
}

fn is_utf8_text(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Result<String, AddressError> {
        text.parse::<Address>().map(|m| m.to_string())
    }

    #[test]
    fn the_forms_of_the_grammar() {
        assert_eq!(shown("Anna.Berg@Example.ORG").as_deref(), Ok("Anna.Berg@example.org"));
        assert_eq!(shown("\"a b\"@x").as_deref(), Ok("\"a b\"@x"));
        assert_eq!(shown("\"plain\"@x").as_deref(), Ok("plain@x"));
        assert_eq!(shown("\"a\\\"b\\\\\"@x").as_deref(), Ok("\"a\\\"b\\\\\"@x"));
        assert_eq!(shown("a@[192.0.2.1]").as_deref(), Ok("a@[192.0.2.1]"));
        assert_eq!(shown("a@[ipv6:2001:db8::1]").as_deref(), Ok("a@[IPv6:2001:db8::1]"));
        let one_domain = Ok("j\u{f6}rg@xn--bcher-kva.example");
        assert_eq!(shown("j\u{f6}rg@B\u{fc}cher.example").as_deref(), one_domain);
        assert_eq!(shown("j\u{f6}rg@XN--bcher-KVA.example").as_deref(), one_domain);
        assert_eq!(shown("a@sub_domain.example").as_deref(), Ok("a@sub_domain.example"));
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "a",
            "a@",
            "@x",
            "a..b@x",
            ".a@x",
            "a.@x",
            "a@x.",
            "a@.x",
            "a@-x",
            "a@x-",
            "a b@x",
            "\"a@x",
            "a@[1.2.3]",
            "a@[IPv6:zz]",
            "a@[x",
            "a@x y",
            "\"a\rb\"@x",
            "\"\\\r\"@x",
            "a@x>",
            "a@b@c",
            "\"\\\u{e9}\"@x",
        ] {
            assert_eq!(shown(text), Err(AddressError::Syntax), "{text:?}");
        }
        assert_eq!(shown("\"\"@x"), Err(AddressError::EmptyLocal));
        assert_eq!(shown(&format!("{}@x", "a".repeat(65))), Err(AddressError::LocalTooLong));
        assert_eq!(shown(&format!("a@{}", "a".repeat(64))), Err(AddressError::DomainTooLong));
        assert_eq!(shown(&format!("a@{}", "a.".repeat(128) + "a")), Err(AddressError::DomainTooLong));
    }

    proptest! {
        #[test]
        fn anything_is_survived(text in "\\PC{0,80}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn likely_things_are_survived(text in "[a\"\\\\.@\\[\\]: 1-]{0,24}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}
