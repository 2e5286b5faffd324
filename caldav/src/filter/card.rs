//! CardDAV filters on cards. RFC 6352 §10.5.

use crate::dav::{CardFilter, CardPropertyFilter, Test};
use crate::{Component, ContentLine, Object};

impl CardFilter {
    /// Whether a vCard is what the filter asks for.
    pub fn matches(&self, object: &Object) -> bool {
        let Some(card) = object.card() else { return false };
        // One without conditions excludes nothing.
        self.properties.is_empty()
            || self.test.holds(self.properties.iter().map(|filter| filter.matches(card)))
    }
}

impl CardPropertyFilter {
    fn matches(&self, card: &Component) -> bool {
        let mut lines = card.lines().filter(|line| self.is_meant(line));
        if self.not_defined {
            return lines.next().is_none();
        }
        lines.any(|line| {
            if self.texts.is_empty() && self.parameters.is_empty() {
                return true;
            }
            let value = line.to_text();
            let texts = self.texts.iter().map(|text| text.matches(&value));
            self.test.holds(texts.chain(self.parameters.iter().map(|parameter| parameter.matches(line))))
        })
    }

    /// RFC 6352 §10.5.1: without a group any is meant.
    fn is_meant(&self, line: &ContentLine) -> bool {
        let in_group = |group: &String| line.group().is_some_and(|own| own.eq_ignore_ascii_case(group));
        line.is(&self.name) && self.group.as_ref().is_none_or(in_group)
    }
}

impl Test {
    fn holds(self, mut conditions: impl Iterator<Item = bool>) -> bool {
        match self {
            Self::AnyOf => conditions.any(|holds| holds),
            Self::AllOf => conditions.all(|holds| holds),
        }
    }
}
