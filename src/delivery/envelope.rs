//! The envelope of a message: from whom, to whom, and what the sender wants to hear. RFC 5321 §2.3.1,
//! RFC 3461 §4.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::address::Address;

/// Longest ENVID in octets, decoded. RFC 3461 §4.4.
pub const ENVID_MAX: usize = 100;
/// Longest ORCPT in octets, decoded. RFC 3461 §4.2.
const ORCPT_MAX: usize = 500;

/// What holds for all recipients of a message.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Envelope {
    /// The reverse path; `None` is the null one, `<>`, to which nothing is ever returned.
    pub sender: Option<Address>,
    /// The message needs SMTPUTF8 to travel. RFC 6531 §3.4.
    pub smtputf8: bool,
    /// How much of the message a failure report returns.
    pub ret: Option<Ret>,
    /// The sender's own name of the message, decoded.
    pub envid: Option<String>,
}

/// One recipient.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Addressee {
    /// The address as it was given.
    pub address: Address,
    /// When the sender wants to be told; unsaid is a failure or delay.
    pub notify: Option<Notify>,
    /// The address the sender had written, before anything was expanded.
    pub orcpt: Option<OriginalRecipient>,
}

impl Addressee {
    /// A recipient of whom nothing more is said.
    pub fn new(address: Address) -> Self {
        Self { address, notify: None, orcpt: None }
    }

    /// Whether the sender wants to be told of `what`.
    pub fn wants(&self, what: Notify) -> bool {
        self.notify.unwrap_or(Notify(Notify::FAILURE.0 | Notify::DELAY.0)).has(what)
    }
}

/// The RET parameter. RFC 3461 §4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// The NOTIFY parameter: a set of occasions, empty for NEVER. RFC 3461 §4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notify(u8);

impl Notify {
    /// Not at all.
    pub const NEVER: Self = Self(0);
    /// The message was delivered.
    pub const SUCCESS: Self = Self(1);
    /// It could not be delivered.
    pub const FAILURE: Self = Self(2);
    /// It takes longer than usual.
    pub const DELAY: Self = Self(4);

    /// True when all of `what` is in the set.
    pub fn has(self, what: Self) -> bool {
        what != Self::NEVER && self.0 & what.0 == what.0
    }

    /// Reads the parameter's value; NEVER stands alone.
    pub fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        let mut set = 0;
        for word in value.split(',') {
            set |= match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => Self::SUCCESS.0,
                "FAILURE" => Self::FAILURE.0,
                "DELAY" => Self::DELAY.0,
                _ => return None,
            };
        }
        Some(Self(set))
    }

    /// The parameter's value.
    pub fn to_value(self) -> String {
        let words: Vec<_> = [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")]
            .into_iter()
            .filter_map(|(flag, word)| self.has(flag).then_some(word))
            .collect();
        if words.is_empty() { "NEVER".into() } else { words.join(",") }
    }
}

/// The ORCPT parameter. RFC 3461 §4.2.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OriginalRecipient {
    /// Its address type, such as `rfc822`.
    pub kind: String,
    /// The address, decoded.
    pub address: String,
}

impl OriginalRecipient {
    /// Reads the parameter's value.
    pub fn parse(value: &str) -> Option<Self> {
        let (kind, address) = value.split_once(';')?;
        let is_atom = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let address = decode_xtext(address)?;
        (is_atom && !address.is_empty() && address.len() <= ORCPT_MAX)
            .then(|| Self { kind: kind.to_ascii_lowercase(), address })
    }

    /// The parameter's value.
    pub fn to_value(&self) -> String {
        format!("{};{}", self.kind, encode_xtext(&self.address))
    }
}

/// Decodes xtext to printable text. RFC 3461 §4.
pub fn decode_xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'+' => {
                let high = hex(rest.next()?)?;
                let low = hex(rest.next()?)?;
                bytes.push(high << 4 | low);
            }
            b'=' | 0..=b' ' | 0x7F => return None,
            b => bytes.push(b),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// Encodes text as xtext. RFC 3461 §4.
pub fn encode_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'+' | b'=' | 0..=b' ' | 0x7F.. => {
                // Writing to a string cannot fail.
                let _ = write!(out, "+{b:02X}");
            }
            b => out.push(char::from(b)),
        }
    }
    out
}

/// The standard's digits are upper-case ones only.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_sets() {
        assert_eq!(Notify::parse("never"), Some(Notify::NEVER));
        assert_eq!(Notify::parse("Delay,FAILURE").map(Notify::to_value).as_deref(), Some("FAILURE,DELAY"));
        for bad in ["", "NEVER,DELAY", "DELAY,", "SOMETIMES"] {
            assert_eq!(Notify::parse(bad), None, "{bad}");
        }
        let addressee = Addressee::new("a@x".parse().unwrap());
        assert!(addressee.wants(Notify::FAILURE) && addressee.wants(Notify::DELAY));
        assert!(!addressee.wants(Notify::SUCCESS) && !addressee.wants(Notify::NEVER));
    }

    #[test]
    fn xtext_both_ways() {
        assert_eq!(decode_xtext("a+2Bb+3Dc").as_deref(), Some("a+b=c"));
        assert_eq!(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
        for bad in ["a b", "a=b", "+2", "+zz", "+2b", "+0D", "+FF"] {
            assert_eq!(decode_xtext(bad), None, "{bad}");
        }
        let orcpt = OriginalRecipient::parse("RFC822;a+2Bb@x").unwrap();
        assert_eq!((orcpt.kind.as_str(), orcpt.address.as_str()), ("rfc822", "a+b@x"));
        assert_eq!(orcpt.to_value(), "rfc822;a+2Bb@x");
        assert_eq!(OriginalRecipient::parse("nothing"), None);
    }
}
