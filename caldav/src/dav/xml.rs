//! Reading XML within bounds. XML 1.0; XML Namespaces 1.0; RFC 4918 §8.1.
//!
//! A DOCTYPE is refused whatever it says, and so is every entity but XML's own five: nothing is ever expanded
//! or fetched. RFC 4918 §20.6.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::name::is_ncname;
use super::{Fragment, Name, Namespace};

/// Attributes of one element.
const ATTRIBUTES_MAX: usize = 64;

/// Octets of a namespace's name.
const URI_MAX: usize = 512;

/// How much of a document is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XmlLimits {
    /// Octets in all.
    pub bytes: usize,
    /// Elements within one another.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Namespaces declared around one element.
    pub namespaces: usize,
}

/// Why a document is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XmlError {
    /// It is not well-formed, or a namespace is not declared; says what.
    NotWellFormed(&'static str),
    /// It has a DOCTYPE, or an entity that XML does not have by itself.
    Entities,
    /// It exceeds a bound of [`XmlLimits`]; says which.
    TooLarge(&'static str),
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Document {
    text: String,
    root: Element,
}

/// An element that was read.
#[derive(Clone, Debug)]
pub struct Element {
    name: Name,
    attributes: Vec<(Name, String)>,
    children: Vec<Node>,
    /// Where in the document it stands.
    span: Range<usize>,
    /// Where its start tag's name ends.
    name_end: usize,
    /// What is declared around it.
    scope: Scope,
}

/// What stands in an element.
#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text(String),
}

/// Declarations around an element, innermost first.
#[derive(Clone, Default, Debug)]
pub(crate) struct Scope {
    names: Option<Arc<Declaration>>,
    /// The value of `xml:lang`.
    pub(crate) lang: Option<Arc<str>>,
}

#[derive(Debug)]
struct Declaration {
    /// The empty one is that of the default namespace.
    prefix: Box<str>,
    uri: Namespace,
    depth: usize,
    outer: Option<Arc<Self>>,
}

impl Default for XmlLimits {
    /// What a multiget of some thousand hrefs needs.
    fn default() -> Self {
        Self { bytes: 4 << 20, depth: 32, elements: 50_000, namespaces: 32 }
    }
}

impl Document {
    /// Reads a document in UTF-8, or in UTF-16 with its byte order mark.
    ///
    /// # Errors
    /// [`XmlError`] says what is wrong with it.
    pub fn parse(bytes: &[u8], limits: &XmlLimits) -> Result<Self, XmlError> {
        if bytes.len() > limits.bytes {
            return Err(XmlError::TooLarge("the document is too large"));
        }
        let text = decode(bytes)?;
        let root = Parser::new(&text, limits).run()?;
        Ok(Self { text, root })
    }

    /// The outermost element.
    pub fn root(&self) -> &Element {
        &self.root
    }

    /// An element of this document byte for byte, able to stand by itself.
    pub fn fragment(&self, element: &Element) -> Fragment {
        let raw = self.text.get(element.span.clone()).unwrap_or_default();
        let head = element.name_end.saturating_sub(element.span.start);
        let own: Vec<String> = match Reader::from_str(raw).read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                tag.attributes().flatten().map(|attribute| attribute.key.as_ref().to_owned()).collect()
            }
            _ => Vec::new(),
        };
        Fragment::new(element.name.clone(), raw, head, &element.scope, &own)
    }
}

impl Element {
    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The elements in it.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element in it with a name.
    pub fn child(&self, name: &Name) -> Option<&Self> {
        self.children().find(|child| child.name == *name)
    }

    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own.is(&Namespace::None, name))?;
        Some(&found.1)
    }

    /// The text that stands directly in it.
    pub fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// The language of its text. XML 1.0 §2.12.
    pub fn lang(&self) -> Option<&str> {
        let own = self.attributes.iter().find(|(name, _)| name.is(&Namespace::Xml, "lang"));
        own.map(|(_, lang)| lang.as_str()).or(self.scope.lang.as_deref()).filter(|lang| !lang.is_empty())
    }

    fn push_text(&mut self, text: &str) {
        match self.children.last_mut() {
            Some(Node::Text(last)) => last.push_str(text),
            _ => self.children.push(Node::Text(text.to_owned())),
        }
    }
}

impl Scope {
    /// The namespace that a prefix stands for.
    fn find(&self, prefix: &str) -> Option<&Namespace> {
        if prefix == "xml" {
            return Some(&Namespace::Xml);
        }
        let found = self.declarations().find(|declaration| &*declaration.prefix == prefix);
        found.map(|declaration| &declaration.uri).or((prefix.is_empty()).then_some(&Namespace::None))
    }

    /// Prefixes and what they stand for; the innermost of each comes first.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = (&str, &Namespace)> {
        self.declarations().map(|declaration| (&*declaration.prefix, &declaration.uri))
    }

    fn declarations(&self) -> impl Iterator<Item = &Declaration> {
        std::iter::successors(self.names.as_deref(), |declaration| declaration.outer.as_deref())
    }

    fn declare(&mut self, prefix: &str, uri: Namespace, limit: usize) -> Result<(), XmlError> {
        let depth = self.names.as_ref().map_or(0, |outer| outer.depth) + 1;
        if depth > limit || uri.uri().len() > URI_MAX {
            return Err(XmlError::TooLarge("there are too many namespaces"));
        }
        self.names =
            Some(Arc::new(Declaration { prefix: prefix.into(), uri, depth, outer: self.names.take() }));
        Ok(())
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWellFormed(what) | Self::TooLarge(what) => what,
            Self::Entities => "entities and document types are not allowed",
        })
    }
}

impl std::error::Error for XmlError {}

/// An element that is open, with what is declared within it.
struct Open {
    element: Element,
    inner: Scope,
}

struct Parser<'t> {
    text: &'t str,
    reader: Reader<&'t [u8]>,
    limits: &'t XmlLimits,
    open: Vec<Open>,
    root: Option<Element>,
    elements: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, limits: &'t XmlLimits) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        Self { text, reader, limits, open: Vec::new(), root: None, elements: 0 }
    }

    fn run(mut self) -> Result<Element, XmlError> {
        loop {
            let from = self.position();
            let event = self.reader.read_event().map_err(|_| XmlError::NotWellFormed("tags do not match"))?;
            match event {
                Event::Start(tag) => self.start(&tag, from)?,
                Event::Empty(tag) => {
                    self.start(&tag, from)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(text) => self.push(&text.xml10_content())?,
                Event::CData(text) if self.open.is_empty() && !text.is_empty() => {
                    return Err(XmlError::NotWellFormed("there is text outside of the root"));
                }
                Event::CData(text) => self.push(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref();
                    let character = character.map_err(|_| XmlError::NotWellFormed("no such character"))?;
                    if self.open.is_empty() {
                        return Err(XmlError::NotWellFormed("there is text outside of the root"));
                    }
                    match character {
                        Some(character) => self.push(character.encode_utf8(&mut [0; 4]))?,
                        None => self.push(predefined(&reference).ok_or(XmlError::Entities)?)?,
                    }
                }
                Event::DocType(_) => return Err(XmlError::Entities),
                Event::Comment(text) => check_characters(&text)?,
                Event::PI(pi) => {
                    check_characters(&pi)?;
                    if !is_ncname(pi.target()) || pi.target().eq_ignore_ascii_case("xml") {
                        return Err(XmlError::NotWellFormed("no name of an instruction"));
                    }
                }
                Event::Decl(declaration) => {
                    if from != 0 || !declares_unicode(&declaration) {
                        return Err(XmlError::NotWellFormed("the XML declaration is not understood"));
                    }
                }
                Event::Eof => break,
            }
        }
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(XmlError::NotWellFormed("the document has no end")),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, from: usize) -> Result<(), XmlError> {
        self.elements += 1;
        if self.open.len() >= self.limits.depth {
            return Err(XmlError::TooLarge("elements are nested too deeply"));
        }
        if self.elements > self.limits.elements {
            return Err(XmlError::TooLarge("there are too many elements"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::NotWellFormed("there is more than one root"));
        }
        let outer = self.open.last().map(|open| open.inner.clone()).unwrap_or_default();
        let (attributes, inner) = attributes(tag, &outer, self.limits.namespaces)?;
        let name = resolve(tag.name().as_ref(), &inner, true)?;
        let name_end = from + 1 + tag.name().as_ref().len();
        let span = from..self.position();
        let element = Element { name, attributes, children: Vec::new(), span, name_end, scope: outer };
        self.open.push(Open { element, inner });
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let closed = self.open.pop().ok_or(XmlError::NotWellFormed("tags do not match"))?;
        let mut element = closed.element;
        element.span.end = self.position();
        match self.open.last_mut() {
            Some(outer) => outer.element.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), XmlError> {
        check_characters(text)?;
        match self.open.last_mut() {
            Some(open) => open.element.push_text(text),
            None if text.trim_matches(is_white).is_empty() => {}
            None => return Err(XmlError::NotWellFormed("there is text outside of the root")),
        }
        Ok(())
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(self.text.len())
    }
}

/// The attributes of a tag, and what is declared within it.
fn attributes(
    tag: &BytesStart<'_>,
    outer: &Scope,
    limit: usize,
) -> Result<(Vec<(Name, String)>, Scope), XmlError> {
    let mut inner = outer.clone();
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut count = 0;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| XmlError::NotWellFormed("attributes are not well-formed"))?;
        count += 1;
        if count > ATTRIBUTES_MAX {
            return Err(XmlError::TooLarge("an element has too many attributes"));
        }
        if attribute.value.contains('<') {
            return Err(XmlError::NotWellFormed("attributes are not well-formed"));
        }
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| XmlError::Entities)?;
        check_characters(&value)?;
        let name = attribute.key.as_ref();
        match name.strip_prefix("xmlns:").or((name == "xmlns").then_some("")) {
            Some(prefix) => declare(&mut inner, prefix, &value, limit)?,
            None => plain.push((name.to_owned(), value.into_owned())),
        }
    }
    let mut found: Vec<(Name, String)> = Vec::with_capacity(plain.len());
    for (name, value) in plain {
        let name = resolve(&name, &inner, false)?;
        if found.iter().any(|(other, _)| *other == name) {
            return Err(XmlError::NotWellFormed("an attribute stands twice"));
        }
        if name.is(&Namespace::Xml, "lang") {
            inner.lang = Some(value.as_str().into());
        }
        found.push((name, value));
    }
    Ok((found, inner))
}

/// XML Namespaces 1.0 §3: a prefix is never undeclared, and those of XML itself stay theirs.
fn declare(scope: &mut Scope, prefix: &str, uri: &str, limit: usize) -> Result<(), XmlError> {
    let reserved = uri == Namespace::Xml.uri() || uri == "http://www.w3.org/2000/xmlns/";
    match prefix {
        "xml" if uri == Namespace::Xml.uri() => return Ok(()),
        "xml" | "xmlns" => return Err(XmlError::NotWellFormed("a namespace must not be declared so")),
        _ if reserved => return Err(XmlError::NotWellFormed("a namespace must not be declared so")),
        "" => {}
        _ if uri.is_empty() || !is_ncname(prefix) => {
            return Err(XmlError::NotWellFormed("a namespace must not be declared so"));
        }
        _ => {}
    }
    scope.declare(prefix, Namespace::of(uri), limit)
}

fn resolve(name: &str, scope: &Scope, is_element: bool) -> Result<Name, XmlError> {
    let (prefix, local) = name.split_once(':').map_or(("", name), |(prefix, local)| (prefix, local));
    let prefixed = name.len() != local.len();
    let namespace = match prefixed || is_element {
        true if prefixed && prefix.is_empty() => None,
        true => scope.find(prefix).cloned(),
        false => Some(Namespace::None),
    };
    let namespace = namespace.ok_or(XmlError::NotWellFormed("a namespace is not declared"))?;
    Name::read(namespace, local).ok_or(XmlError::NotWellFormed("no name of an element"))
}

fn decode(bytes: &[u8]) -> Result<String, XmlError> {
    const BAD: XmlError = XmlError::NotWellFormed("the text is not Unicode");
    let units = |from: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = char::decode_utf16(pairs.iter().skip(1).map(|pair| from(*pair))).collect::<Result<_, _>>();
        text.ok().filter(|_| rest.is_empty()).ok_or(BAD)
    };
    if bytes.starts_with(&[0xFF, 0xFE]) {
        return units(u16::from_le_bytes);
    }
    if bytes.starts_with(&[0xFE, 0xFF]) {
        return units(u16::from_be_bytes);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| BAD)?;
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text).to_owned())
}

/// Whether a declaration speaks of an encoding that the text can be in.
fn declares_unicode(declaration: &quick_xml::events::BytesDecl<'_>) -> bool {
    match declaration.encoding() {
        None => true,
        Some(Ok(name)) => {
            ["utf-8", "utf8", "utf-16", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(&name))
        }
        Some(Err(_)) => false,
    }
}

/// The entities that XML has by itself. XML 1.0 §4.6.
fn predefined(name: &str) -> Option<&'static str> {
    match name {
        "lt" => Some("<"),
        "gt" => Some(">"),
        "amp" => Some("&"),
        "apos" => Some("'"),
        "quot" => Some("\""),
        _ => None,
    }
}

/// Char of XML 1.0 §2.2.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn check_characters(text: &str) -> Result<(), XmlError> {
    match text.chars().all(is_xml_char) {
        true => Ok(()),
        false => Err(XmlError::NotWellFormed("a character is none of XML's")),
    }
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
