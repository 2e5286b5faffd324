//! Whether a vCard may be stored. RFC 6352 §5.1, §6.3.2.1.

use std::fmt;

use super::{Card, CardVersion};
use crate::Object;

/// Why a card is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadCard {
    /// It is no vCard, or more than one, or broken. RFC 6352 §5.1.
    NotOneCard,
    /// It is of a version that is not kept, such as 2.1, or says none.
    Version,
    /// It has no UID, or more than one. RFC 6352 §5.1.
    Uid,
    /// It has no FN. RFC 6350 §6.2.1, RFC 2426 §3.1.1.
    FormattedName,
}

impl fmt::Display for BadCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOneCard => "there is one whole vCard in an object",
            Self::Version => "the vCard is neither of version 3.0 nor of 4.0",
            Self::Uid => "a vCard has one UID",
            Self::FormattedName => "a vCard has an FN",
        })
    }
}

impl std::error::Error for BadCard {}

/// Whether an object is a vCard that may be stored: one, whole, with VERSION, UID and FN.
///
/// # Errors
/// [`BadCard`] says what is wrong.
pub fn check(object: &Object) -> Result<CardVersion, BadCard> {
    let mut components = object.components();
    let (Some(card), None) = (components.next(), components.next()) else { return Err(BadCard::NotOneCard) };
    if !card.is("VCARD") || !object.is_whole() || card.components().next().is_some() {
        return Err(BadCard::NotOneCard);
    }
    let version = Card::new(card).version().filter(|_| card.lines_named("VERSION").count() == 1);
    let version = version.ok_or(BadCard::Version)?;
    if card.lines_named("UID").count() != 1 || Card::new(card).uid().is_none() {
        return Err(BadCard::Uid);
    }
    match card.line("FN") {
        Some(_) => Ok(version),
        None => Err(BadCard::FormattedName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_stored() {
        let checked = |text: &str| check(&Object::parse(text.as_bytes()).unwrap());
        let good = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:A\r\nEND:VCARD\r\n";
        assert_eq!(checked(good), Ok(CardVersion::V3));
        assert_eq!(checked(&good.replace("3.0", "4.0")), Ok(CardVersion::V4));
        for (from, to, why) in [
            ("3.0", "2.1", BadCard::Version),
            ("VERSION:3.0\r\n", "", BadCard::Version),
            ("FN:A", "VERSION:3.0\r\nFN:A", BadCard::Version),
            ("UID:1\r\n", "", BadCard::Uid),
            ("UID:1", "UID: ", BadCard::Uid),
            ("UID:1", "UID:1\r\nUID:2", BadCard::Uid),
            ("FN:A\r\n", "", BadCard::FormattedName),
            ("VCARD", "VCALENDAR", BadCard::NotOneCard),
            ("END:VCARD\r\n", "", BadCard::NotOneCard),
            ("UID:1", "nonsense\r\nUID:1", BadCard::NotOneCard),
        ] {
            assert_eq!(checked(&good.replace(from, to)), Err(why), "{from} {to}");
        }
        assert_eq!(checked(&good.repeat(2)), Err(BadCard::NotOneCard));
        assert_eq!(checked(""), Err(BadCard::NotOneCard));
    }
}
