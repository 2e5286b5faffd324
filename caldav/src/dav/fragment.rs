//! Dead properties: XML that is kept as it came. RFC 4918 §4.3, §15.

use std::fmt::Write;

use super::xml::Scope;
use super::{Document, Element, Name, XmlError, XmlLimits};
use crate::dav::write::escape_attribute;

/// An element byte for byte, with the namespaces and the language that it needs to stand by itself.
///
/// RFC 4918 §4.3: prefixes, attributes, text and `xml:lang` of a property are its value and stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    name: Name,
    xml: String,
}

impl Fragment {
    /// Cuts an element out of a document. `head` is the length of its `<name`; `own` are the names of the
    /// attributes that its start tag has.
    pub(crate) fn new(name: Name, raw: &str, head: usize, scope: &Scope, own: &[String]) -> Self {
        let own = |attribute: &str| own.iter().any(|own| own == attribute);
        let (start, rest) = raw.split_at_checked(head).unwrap_or((raw, ""));
        let mut xml = start.to_owned();
        let mut seen: Vec<&str> = Vec::new();
        for (prefix, uri) in scope.bindings() {
            if seen.contains(&prefix) {
                continue;
            }
            seen.push(prefix);
            let attribute = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            // Also a name within a value, such as that of xsi:type, may need its prefix.
            let used = prefix.is_empty() || raw.contains(&format!("{prefix}:"));
            if used && !own(&attribute) {
                // Writing to a String does not fail.
                let _ = write!(xml, " {attribute}=\"{}\"", escape_attribute(uri.uri()));
            }
        }
        if let Some(lang) = scope.lang.as_deref().filter(|lang| !lang.is_empty() && !own("xml:lang")) {
            let _ = write!(xml, " xml:lang=\"{}\"", escape_attribute(lang));
        }
        xml.push_str(rest);
        Self { name, xml }
    }

    /// Reads an element that stands by itself.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse(xml: &str, limits: &XmlLimits) -> Result<Self, XmlError> {
        let document = Document::parse(xml.as_bytes(), limits)?;
        Ok(document.fragment(document.root()))
    }

    /// The name of the element.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The element as XML, to be kept.
    pub fn xml(&self) -> &str {
        &self.xml
    }
}

/// A property that a client sets: what it means, and its bytes.
#[derive(Clone, Debug)]
pub struct Property {
    /// The element as it was read.
    pub value: Element,
    /// The element as it was written.
    pub fragment: Fragment,
}

impl Property {
    pub(crate) fn of(document: &Document, element: &Element) -> Self {
        Self { value: element.clone(), fragment: document.fragment(element) }
    }

    /// The property's name.
    pub fn name(&self) -> &Name {
        self.value.name()
    }
}
