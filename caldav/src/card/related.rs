//! Who stands in a relation to a person. RFC 6350 §6.6.6; before it, everybody had names of his own.

use super::entry::{type_parameter, types_of};
use super::read::builtin_label;
use super::{Card, CardVersion};
use crate::value::escape;
use crate::{ContentLine, Invalid};

/// A relation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    /// Husband, wife.
    Spouse,
    /// Superior.
    Manager,
    /// Assistant.
    Assistant,
    /// Child.
    Child,
}

/// Names that each relation has.
struct Words {
    /// Properties that hold a name and nothing else.
    properties: &'static [&'static str],
    /// Words of TYPE in RELATED; the first is written.
    types: &'static [&'static str],
    /// Apple's label for X-ABRELATEDNAMES.
    label: &'static str,
}

impl Relation {
    fn words(self) -> Words {
        match self {
            Self::Spouse => Words {
                properties: &[
                    "X-SPOUSE",
                    "X-EVOLUTION-SPOUSE",
                    "X-MS-SPOUSE",
                    "X-KADDRESSBOOK-X-SPOUSESNAME",
                ],
                types: &["SPOUSE"],
                label: "Spouse",
            },
            Self::Manager => Words {
                properties: &[
                    "X-MANAGER",
                    "X-EVOLUTION-MANAGER",
                    "X-MS-MANAGER",
                    "X-KADDRESSBOOK-X-MANAGERSNAME",
                ],
                types: &["X-MANAGER", "MANAGER"],
                label: "Manager",
            },
            Self::Assistant => Words {
                properties: &[
                    "X-ASSISTANT",
                    "X-EVOLUTION-ASSISTANT",
                    "X-MS-ASSISTANT",
                    "X-KADDRESSBOOK-X-ASSISTANTSNAME",
                ],
                types: &["X-ASSISTANT", "ASSISTANT", "AGENT"],
                label: "Assistant",
            },
            Self::Child => Words {
                properties: &["X-CHILD", "X-MS-CHILD", "X-CHILDREN"],
                types: &["CHILD"],
                label: "Child",
            },
        }
    }

    /// The lines that a version has for it: the property, and what else is in its group.
    pub(crate) fn lines(
        self,
        name: &str,
        version: CardVersion,
        group: &str,
    ) -> Result<Vec<ContentLine>, Invalid> {
        let words = self.words();
        match version {
            CardVersion::V4 => {
                let mut line = ContentLine::new("RELATED", escape(name))?.with("VALUE", "text")?;
                line.set_parameter(
                    type_parameter(words.types.get(..1).unwrap_or_default(), version)
                        .ok_or(Invalid("a relation has a word"))?,
                );
                Ok(vec![line])
            }
            CardVersion::V3 => Ok(vec![
                ContentLine::new("X-ABRELATEDNAMES", escape(name))?.in_group(group)?,
                ContentLine::new("X-ABLabel", format!("_$!<{}>!$_", words.label))?.in_group(group)?,
            ]),
        }
    }

    /// The relation that a line of vCard 3.0 or 4.0 speaks of; `label` is that of its group.
    pub(crate) fn of(line: &ContentLine, label: Option<&str>) -> Option<Self> {
        const ALL: [Relation; 4] =
            [Relation::Spouse, Relation::Manager, Relation::Assistant, Relation::Child];
        ALL.into_iter().find(|relation| {
            let words = relation.words();
            if words.properties.iter().any(|name| line.is(name)) {
                return true;
            }
            if line.is("RELATED") {
                // A person of a URI has no name here.
                let text = line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("text"));
                let types = types_of(line).0;
                return text && types.iter().any(|own| words.types.contains(&own.as_str()));
            }
            let own = label.map(|label| builtin_label(label).unwrap_or(label).trim());
            line.is("X-ABRELATEDNAMES") && own.is_some_and(|own| own.eq_ignore_ascii_case(words.label))
        })
    }
}

impl Card<'_> {
    /// The lines that name those who stand in a relation, each with the name.
    pub(crate) fn related_lines(&self, relation: Relation) -> Vec<(usize, String)> {
        let labels = self.labels();
        let lines = self.component().lines().enumerate();
        let of = |line: &ContentLine| {
            let label = line.group().and_then(|group| labels.get(&group.to_ascii_uppercase()));
            Relation::of(line, label.map(String::as_str)) == Some(relation)
        };
        let found = lines.filter(|(_, line)| of(line)).map(|(n, line)| (n, line.to_text()));
        found.filter(|(_, name)| !name.trim().is_empty()).collect()
    }
}
