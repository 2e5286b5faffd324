//! Addresses of accounts: their grammar, and the folded form by which they are compared.
//!
//! RFC 5321 §4.1.2 and §4.5.3.1, with the UTF-8 local parts of RFC 6531 §3.3 and domains in the form of
//! RFC 5891 (A-labels). We are the final host of these addresses, so we may compare local parts without
//! regard to case (RFC 5321 §2.4); two spellings of one user would be a trap.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

use super::Error;

/// Longest local part in octets, RFC 5321 §4.5.3.1.1.
const LOCAL_MAX: usize = 64;
/// Longest address in octets: a path of 256 without its brackets, RFC 5321 §4.5.3.1.3.
const ADDRESS_MAX: usize = 254;

/// An address with a domain name. The local part is kept as typed, without quoting; the domain is folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads `local@domain`; the local part may be a quoted string.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // Only a quoted local part contains an `@`, and no domain does.
        let (local, domain) = text.rsplit_once('@').ok_or(Error::Invalid("an address needs an @"))?;
        Self::of_parts(local, domain)
    }

    /// Reads the two sides of an address.
    pub fn of_parts(local: &str, domain: &str) -> Result<Self, Error> {
        if local.len() > LOCAL_MAX {
            return Err(Error::Invalid("the part before the @ is longer than 64 octets"));
        }
        let domain = fold_domain(domain)?;
        if local.len().saturating_add(domain.len()).saturating_add(1) > ADDRESS_MAX {
            return Err(Error::Invalid("the address is longer than 254 octets"));
        }
        Ok(Self { local: unquote(local)?, domain })
    }

    /// The local part as typed, without quoting.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, in lower case and A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The local part as it is compared.
    pub fn folded_local(&self) -> String {
        fold_local(&self.local)
    }

    /// The whole address as it is compared: equal for two spellings of one address.
    pub fn folded(&self) -> String {
        format!("{}@{}", self.folded_local(), self.domain)
    }

    /// The same domain with another local part.
    pub(super) fn with_local(&self, local: &str) -> Self {
        Self { local: local.into(), domain: self.domain.clone() }
    }
}

/// As it is written in a message: quoted if it must be, the domain in A-labels.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

/// A domain name in lower case and A-labels, UTS 46 without transitional processing.
pub fn fold_domain(name: &str) -> Result<String, Error> {
    const BAD: Error = Error::Invalid("not a domain name");
    // Before mapping: what is longer cannot come out as 253 octets, and mapping it would cost.
    if name.len() > 1024 {
        return Err(BAD);
    }
    let ascii = Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| BAD)?;
    // `1.2.3.4` would be taken for an address of the network.
    let numeric = ascii.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if numeric { Err(BAD) } else { Ok(ascii.into_owned()) }
}

/// A domain name for people: U-labels where they are safe to show.
pub fn domain_for_display(name: &str) -> String {
    idna::domain_to_unicode(name).0
}

/// A local part as it is compared: composed (NFC, RFC 6532 §3.1) and in lower case, with the two small
/// sigmas taken as one.
pub fn fold_local(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let lower: String = nfc
        .normalize(local)
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .collect();
    nfc.normalize(&lower).into_owned()
}

/// The content of a local part: a Dot-string or a Quoted-string.
fn unquote(local: &str) -> Result<String, Error> {
    const BAD: Error = Error::Invalid("the part before the @ is not allowed in an address");
    if is_dot_string(local) {
        return Ok(local.into());
    }
    let inner = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')).ok_or(BAD)?;
    let mut content = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        content.push(match c {
            '\\' => chars.next().filter(|c| matches!(c, ' '..='~')).ok_or(BAD)?,
            '"' => return Err(BAD),
            c if is_text(c) => c,
            _ => return Err(BAD),
        });
    }
    // `""@example.org` is grammatical and has crashed servers; nobody has that name.
    if content.is_empty() { Err(BAD) } else { Ok(content) }
}

/// `Dot-string = Atom *("." Atom)`, RFC 5321 §4.1.2.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 §3.2.3, extended by RFC 6531 §3.3.
fn is_atext(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) } else { is_visible(c) }
}

fn is_text(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && is_visible(c))
}

/// Not a control, a space, or one of the characters that show nothing or turn the direction of text:
/// with those, two addresses would look the same.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !c.is_whitespace()
        && !matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        Address::parse(text).map(|a| a.folded()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn spellings_of_one_address() {
        assert_eq!(folded("Bob.Smith@Example.ORG"), "bob.smith@example.org");
        assert_eq!(folded("\"bob\"@example.org"), folded("bob@example.org"));
        assert_eq!(folded("\"b\\ob\"@example.org"), folded("bob@example.org"));
        assert_eq!(folded("Jürgen@Bücher.example"), "jürgen@xn--bcher-kva.example");
        assert_eq!(folded("ju\u{308}rgen@bücher.example"), folded("J\u{dc}RGEN@XN--BCHER-KVA.example"));
        assert_eq!(folded("ΟΔΟΣ@example.org"), folded("οδος@example.org"));
        assert_eq!(folded("\"a@b\"@example.org"), "a@b@example.org");
    }

    #[test]
    fn written_as_it_must_be() {
        for (text, written) in [
            ("Bob@Example.org", "Bob@example.org"),
            ("\"John Doe\"@example.org", "\"John Doe\"@example.org"),
            (r#""a\"b\\c"@example.org"#, r#""a\"b\\c"@example.org"#),
            ("\"bob\"@example.org", "bob@example.org"),
            ("x@bücher.example", "x@xn--bcher-kva.example"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(domain_for_display("xn--bcher-kva.example"), "bücher.example");
    }

    #[test]
    fn refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long_domain = format!("a@{}example.org", "a.".repeat(130));
        let long_address = format!("{}@{}org", "a".repeat(64), "abcdefghi.".repeat(19));
        for text in [
            "",
            "@",
            "bob",
            "bob@",
            "@example.org",
            "\"\"@example.org",
            "\"@example.org",
            "\"a@example.org",
            "a\"@example.org",
            "\"a\"b\"@example.org",
            "\"a\\\"@example.org",
            ".a@example.org",
            "a.@example.org",
            "a..b@example.org",
            "a b@example.org",
            "a@b@example.org",
            "a,b@example.org",
            "<a@example.org>",
            "a(b)@example.org",
            "a:b@example.org",
            "a\0@example.org",
            "\"a\0\"@example.org",
            "\"a\r\nb\"@example.org",
            "\"\\\u{e4}\"@example.org",
            "a\u{200b}@example.org",
            "a\u{202e}b@example.org",
            "a\u{a0}b@example.org",
            "a\u{85}@example.org",
            "a@example.org.",
            "a@.org",
            "a@-a.org",
            "a@a-.org",
            "a@a_b.org",
            "a@[127.0.0.1]",
            "a@[IPv6:::1]",
            "a@127.0.0.1",
            "a@exa mple.org",
            "a@xn--999999999",
            "a@\u{ad}",
            "a@ex\0ample.org",
            "a@example..org",
            &long_local,
            &long_domain,
            &long_address,
        ] {
            assert!(matches!(Address::parse(text), Err(Error::Invalid(_))), "{text:?}");
        }
    }

    #[test]
    fn longest_that_are_allowed() {
        Address::parse(&format!("{}@example.org", "a".repeat(64))).unwrap();
        let text = format!("{}@{}org", "a".repeat(61), "abcdefghi.".repeat(19));
        assert!(text.len() > 250);
        Address::parse(&text[1..]).unwrap();
    }

    proptest! {
        #[test]
        fn anything_parses_or_not(text in "\\PC{0,80}") {
            if let Ok(address) = Address::parse(&text) {
                let written = address.to_string();
                let again = Address::parse(&written).unwrap();
                prop_assert_eq!(again.folded(), address.folded());
            }
        }

        #[test]
        fn folding_is_done_once(text in any::<String>()) {
            let once = fold_local(&text);
            prop_assert_eq!(fold_local(&once), once);
        }

        #[test]
        fn folding_of_domains_is_done_once(text in "(\\PC{1,10}\\.){0,3}\\PC{1,10}") {
            if let Ok(once) = fold_domain(&text) {
                prop_assert_eq!(fold_domain(&once).unwrap(), once);
            }
        }

        #[test]
        fn case_does_not_matter(local in "[a-zA-Z0-9äöüÄÖÜéÉ+_-]{1,20}", domain in "[a-zA-Z]{1,10}\\.[a-zA-Z]{2,5}") {
            let plain = Address::of_parts(&local, &domain).unwrap();
            let upper = Address::of_parts(&local.to_uppercase(), &domain.to_uppercase()).unwrap();
            prop_assert_eq!(plain.folded(), upper.folded());
        }

        #[test]
        fn quoting_does_not_matter(local in "[a-zA-Z0-9 .@\"\\\\,;:<>()-]{1,20}") {
            let quoted = format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""));
            let address = Address::of_parts(&quoted, "example.org").unwrap();
            prop_assert_eq!(address.local(), local);
            prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
        }
    }
}
