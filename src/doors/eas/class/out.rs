//! What an item is shown in: the elements that the version in use has, and the body as it is wanted.

use wbxml::{Element, Tag, Version};

use crate::doors::eas::render::{Parts, Wishes, text_body};

/// An element that an item's properties are put into.
pub(in crate::doors::eas) struct Out<'o> {
    element: Element<'static>,
    version: Version,
    wishes: &'o Wishes,
    parts: Parts<'o>,
}

impl<'o> Out<'o> {
    /// An empty element called `tag`.
    pub(in crate::doors::eas) fn new(
        tag: Tag,
        version: Version,
        wishes: &'o Wishes,
        parts: Parts<'o>,
    ) -> Self {
        Self { element: Element::new(tag), version, wishes, parts }
    }

    /// The version in use.
    pub(in crate::doors::eas) fn version(&self) -> Version {
        self.version
    }

    /// Adds an element, if the version has it.
    pub(in crate::doors::eas) fn add(&mut self, child: Element<'static>) {
        if child.tag().is_in(self.version) {
            self.element.push(child);
        }
    }

    /// Adds elements, as far as the version has them.
    pub(in crate::doors::eas) fn add_all(&mut self, children: impl IntoIterator<Item = Element<'static>>) {
        children.into_iter().for_each(|child| self.add(child));
    }

    /// Adds a text, if there is any. What XML cannot carry is left out.
    pub(in crate::doors::eas) fn text(&mut self, tag: Tag, text: &str) {
        let text = clean(text);
        if !text.is_empty() {
            self.add(Element::leaf(tag, text));
        }
    }

    /// Adds the body, of type and length as the client wants it. MS-ASAIRS §2.2.2.9.
    pub(in crate::doors::eas) fn body(&mut self, text: &str, html: Option<&str>) {
        let body = text_body(&clean(text), html, self.wishes, self.version, self.parts.as_deref_mut());
        self.add(body);
    }

    /// A body as [`Out::body`] adds it, for an element within. It stands in the document.
    pub(in crate::doors::eas) fn body_of(&self, text: &str, html: Option<&str>) -> Element<'static> {
        text_body(&clean(text), html, self.wishes, self.version, None)
    }

    /// The element with all that was added.
    pub(in crate::doors::eas) fn into_element(self) -> Element<'static> {
        self.element
    }
}

/// A text without what XML cannot carry, and so WBXML neither.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
        .collect()
}
