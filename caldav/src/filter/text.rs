//! Texts that are compared. RFC 4790; RFC 5051; RFC 4791 §9.7.5; RFC 6352 §10.5.4.

use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;

use crate::ContentLine;
use crate::dav::{Collation, Matching, ParameterFilter, PropertyTest, TextMatch};

impl TextMatch {
    /// Whether a value is what it asks for.
    pub fn matches(&self, value: &str) -> bool {
        let value = fold(self.collation, value);
        let wanted = self.folded();
        let found = match self.matching {
            Matching::Contains => value.contains(wanted),
            Matching::Equals => value == wanted,
            Matching::StartsWith => value.starts_with(wanted),
            Matching::EndsWith => value.ends_with(wanted),
        };
        found != self.negate
    }
}

impl ParameterFilter {
    /// Whether a property has such a parameter.
    pub(super) fn matches(&self, line: &ContentLine) -> bool {
        let mut found = line.parameters().iter().filter(|parameter| parameter.is(&self.name));
        match &self.test {
            PropertyTest::NotDefined => found.next().is_none(),
            PropertyTest::Text(text) => {
                found.any(|parameter| parameter.values().iter().any(|value| text.matches(value)))
            }
            PropertyTest::Defined | PropertyTest::During(_) => found.next().is_some(),
        }
    }
}

/// What a text becomes, so that texts which a collation takes for equal are equal.
pub(crate) fn fold(collation: Collation, text: &str) -> Cow<'_, str> {
    match collation {
        Collation::Octet => Cow::Borrowed(text),
        // RFC 4790 §9.2.1: lower case becomes upper case, and nothing else changes.
        Collation::AsciiCasemap => Cow::Owned(text.to_ascii_uppercase()),
        Collation::UnicodeCasemap if text.is_ascii() => Cow::Owned(text.to_ascii_uppercase()),
        Collation::UnicodeCasemap => {
            // RFC 5051 §2: mapped character by character where that gives one, then decomposed.
            let mapped: String = text.chars().map(capital).collect();
            Cow::Owned(DecomposingNormalizerBorrowed::new_nfkd().normalize(&mapped).into_owned())
        }
    }
}

fn capital(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collations() {
        let same = |collation, a: &str, b: &str| fold(collation, a) == fold(collation, b);
        use Collation::{AsciiCasemap, Octet, UnicodeCasemap};
        assert!(same(AsciiCasemap, "aBc é", "AbC é") && !same(AsciiCasemap, "é", "É"));
        assert!(same(UnicodeCasemap, "Müller", "MU\u{308}LLER") && same(UnicodeCasemap, "ΣΑΣ", "σας"));
        assert!(same(UnicodeCasemap, "Ａ", "a") && !same(UnicodeCasemap, "ü", "u"));
        assert!(same(Octet, "a", "a") && !same(Octet, "a", "A"));
    }

    #[test]
    fn where_a_text_stands() {
        let text = |matching, negate| TextMatch::new("Ab", Collation::AsciiCasemap, matching, negate);
        for (matching, values) in [
            (Matching::Contains, [true, true, true, true, false]),
            (Matching::Equals, [true, false, false, false, false]),
            (Matching::StartsWith, [true, true, false, false, false]),
            (Matching::EndsWith, [true, false, true, false, false]),
        ] {
            for (value, found) in ["aB", "abx", "xab", "xabx", "a b"].into_iter().zip(values) {
                assert_eq!(text(matching, false).matches(value), found, "{matching:?} {value}");
                assert_eq!(text(matching, true).matches(value), !found, "{matching:?} {value}");
            }
        }
    }
}
