//! Writing XML. XML 1.0; RFC 4918 §8.2.

use std::borrow::Cow;

use super::xml::is_xml_char;
use super::{Fragment, Name, Namespace};

/// A document that is being written, piece by piece.
///
/// The namespaces that this server knows are declared at the root; others where they are used. What is open
/// when it ends is closed.
///
/// ```
/// use caldav::dav::{Name, XmlWriter};
///
/// let mut xml = XmlWriter::new(&Name::dav("prop"));
/// xml.leaf(&Name::dav("displayname"), "Tea & talk");
/// let text = String::from_utf8(xml.finish())?;
/// assert!(text.ends_with("<D:displayname>Tea &amp; talk</D:displayname></D:prop>"));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[derive(Debug)]
pub struct XmlWriter {
    out: String,
    open: Vec<Name>,
}

impl XmlWriter {
    /// A document with its root open.
    pub fn new(root: &Name) -> Self {
        let mut writer = Self { out: String::with_capacity(1024), open: Vec::with_capacity(8) };
        writer.out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        writer.start(root);
        for (prefix, namespace) in Namespace::DECLARED {
            let name = format!("xmlns:{prefix}");
            writer.attribute(&name, namespace.uri());
        }
        writer.out.push('>');
        writer.open.push(root.clone());
        writer
    }

    /// A piece of a document, which stands within a root made by [`XmlWriter::new`].
    pub(crate) fn piece() -> Self {
        Self { out: String::new(), open: Vec::new() }
    }

    /// Opens an element.
    pub fn open(&mut self, name: &Name) {
        self.open_with(name, &[]);
    }

    /// Opens an element with attributes that have no namespace; names of them stand in the code.
    pub fn open_with(&mut self, name: &Name, attributes: &[(&'static str, &str)]) {
        self.start(name);
        attributes.iter().for_each(|(name, value)| self.attribute(name, value));
        self.out.push('>');
        self.open.push(name.clone());
    }

    /// Closes the innermost element.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.tag(&name);
            self.out.push('>');
        }
    }

    /// An element with nothing in it.
    pub fn empty(&mut self, name: &Name) {
        self.empty_with(name, &[]);
    }

    /// An element with attributes and nothing else.
    pub fn empty_with(&mut self, name: &Name, attributes: &[(&'static str, &str)]) {
        self.start(name);
        attributes.iter().for_each(|(name, value)| self.attribute(name, value));
        self.out.push_str("/>");
    }

    /// An element with text in it.
    pub fn leaf(&mut self, name: &Name, text: &str) {
        self.start(name);
        self.out.push('>');
        self.text(text);
        self.out.push_str("</");
        self.tag(name);
        self.out.push('>');
    }

    /// Text. What XML cannot carry becomes U+FFFD; carriage returns survive.
    pub fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| matches!(c, '<' | '>' | '&' | '\r') || !is_xml_char(c)) {
            let (plain, from) = rest.split_at(at);
            self.out.push_str(plain);
            let mut chars = from.chars();
            self.out.push_str(match chars.next() {
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('&') => "&amp;",
                Some('\r') => "&#13;",
                _ => "\u{FFFD}",
            });
            rest = chars.as_str();
        }
        self.out.push_str(rest);
    }

    /// An element as it was kept.
    pub fn fragment(&mut self, fragment: &Fragment) {
        self.out.push_str(fragment.xml());
    }

    /// What was written since the last call, to be sent.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into_bytes()
    }

    /// How much [`XmlWriter::take`] would give, in octets.
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// Closes what is open, and gives what was written since the last [`XmlWriter::take`].
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.into_bytes()
    }

    /// Puts in what was written by another as a piece.
    pub(crate) fn insert(&mut self, piece: &Self) {
        self.out.push_str(&piece.out);
    }

    fn start(&mut self, name: &Name) {
        self.out.push('<');
        self.tag(name);
        if name.namespace().prefix().is_none() && *name.namespace() != Namespace::None {
            self.attribute("xmlns:X", name.namespace().uri());
        }
    }

    fn tag(&mut self, name: &Name) {
        match name.namespace().prefix() {
            Some(prefix) => {
                self.out.push_str(prefix);
                self.out.push(':');
            }
            // The default namespace is never declared here, so that no prefix means no namespace.
            None if *name.namespace() == Namespace::None => {}
            None => self.out.push_str("X:"),
        }
        self.out.push_str(name.local());
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.out.push_str(&escape_attribute(value));
        self.out.push('"');
    }
}

/// The value of an attribute as it stands between double quotes.
pub(crate) fn escape_attribute(value: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '<' | '>' | '&' | '"' | '\r' | '\n' | '\t') || !is_xml_char(c);
    if !value.contains(special) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 16);
    for c in value.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if is_xml_char(c) => out.push(c),
            _ => out.push('\u{FFFD}'),
        }
    }
    Cow::Owned(out)
}
