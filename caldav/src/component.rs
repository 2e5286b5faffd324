//! Components. RFC 5545 §3.6.

use std::fmt;

use crate::line::is_token;
use crate::object::goes_on;
use crate::{ContentLine, Invalid};

/// A component: its properties and the components within it, in their order.
///
/// One that was read is written as it was, but for what has been changed in it. Comparison knows what
/// it says, not how it was folded; `Display` writes it with CRLF where nothing was read.
#[derive(Clone, Debug)]
pub struct Component {
    name: String,
    /// The line with BEGIN as it was read.
    begin: Option<Box<[u8]>>,
    items: Vec<Item>,
    end: End,
}

/// What stands in a component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    Line(ContentLine),
    Component(Component),
    /// A logical line that is none of the grammar's.
    Opaque(Box<[u8]>),
}

#[derive(Clone, Debug)]
enum End {
    Made,
    Read(Box<[u8]>),
    /// The object ended without it, or an outer component did.
    Missing,
}

impl Component {
    /// An empty component, such as `VCALENDAR` or `VEVENT`.
    ///
    /// # Errors
    /// [`Invalid`] for a name that is no token.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        if !is_token(name) {
            return Err(Invalid("a component name is made of letters, digits and hyphens"));
        }
        Ok(Self { name: name.to_owned(), begin: None, items: Vec::new(), end: End::Made })
    }

    /// The name as it was typed; case does not count in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when this is a component called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The properties.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &ContentLine> {
        self.items.iter().filter_map(Item::line)
    }

    /// The properties, to be changed in their places.
    pub fn lines_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut ContentLine> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Line(line) => Some(line),
            _ => None,
        })
    }

    /// The first property called `name`.
    pub fn line(&self, name: &str) -> Option<&ContentLine> {
        self.lines().find(|line| line.is(name))
    }

    /// All properties called `name`.
    pub fn lines_named(&self, name: &str) -> impl Iterator<Item = &ContentLine> {
        self.lines().filter(move |line| line.is(name))
    }

    /// Adds a property after the others, before the components.
    pub fn push(&mut self, line: ContentLine) {
        let after = self.items.iter().rposition(|item| item.line().is_some()).map_or(0, |at| at + 1);
        self.items.insert(after, Item::Line(line));
    }

    /// Puts a property in the place of the one with its name, or else after the others.
    ///
    /// Parameters of the old one that the new one does not have are kept, except those that belong to
    /// the old value: VALUE, TZID, ENCODING, CHARSET and ALTREP. Any further ones of the name go.
    pub fn set(&mut self, mut line: ContentLine) {
        if let Some(old) = self.line(line.name()) {
            let kept = old.parameters().iter().filter(|p| !is_of_value(p.name()));
            let kept: Vec<_> =
                kept.filter(|p| !line.parameters().iter().any(|new| new.is(p.name()))).collect();
            kept.into_iter().for_each(|parameter| line.push(parameter.clone()));
        }
        self.replace(line);
    }

    /// Puts a property in the place of the one with its name, exactly as it is.
    pub fn replace(&mut self, line: ContentLine) {
        let name = line.name().to_owned();
        let mut line = Some(line);
        self.items.retain_mut(|item| {
            let Item::Line(old) = item else { return true };
            if !old.is(&name) {
                return true;
            }
            let Some(new) = line.take() else { return false };
            // What says the same keeps its bytes.
            if new != *old {
                *old = new;
            }
            true
        });
        if let Some(line) = line {
            self.push(line);
        }
    }

    /// Takes away the properties called `name`; says how many there were.
    pub fn remove(&mut self, name: &str) -> usize {
        self.retain_lines(|line| !line.is(name))
    }

    /// Keeps only the properties for which `keep` says so; says how many went.
    pub fn retain_lines(&mut self, mut keep: impl FnMut(&ContentLine) -> bool) -> usize {
        let before = self.items.len();
        self.items.retain(|item| item.line().is_none_or(&mut keep));
        before - self.items.len()
    }

    /// Puts other lines into the place of each for which `with` gives some, or none.
    pub(crate) fn replace_lines(
        &mut self,
        mut with: impl FnMut(&mut ContentLine) -> Option<Vec<ContentLine>>,
    ) {
        let mut items = Vec::with_capacity(self.items.len());
        for mut item in std::mem::take(&mut self.items) {
            let new = match &mut item {
                Item::Line(line) => with(line),
                _ => None,
            };
            match new {
                Some(lines) => items.extend(lines.into_iter().map(Item::Line)),
                None => items.push(item),
            }
        }
        self.items = items;
    }

    /// The components within it.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &Self> {
        self.items.iter().filter_map(Item::component)
    }

    /// The components within it, to be changed.
    pub fn components_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Self> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Component(component) => Some(component),
            _ => None,
        })
    }

    /// The first component called `name` within it.
    pub fn component(&self, name: &str) -> Option<&Self> {
        self.components().find(|component| component.is(name))
    }

    /// Adds a component after the others.
    pub fn push_component(&mut self, component: Self) {
        self.items.push(Item::Component(component));
    }

    /// Keeps only the components for which `keep` says so; says how many went.
    pub fn retain_components(&mut self, mut keep: impl FnMut(&Self) -> bool) -> usize {
        let before = self.items.len();
        self.items.retain(|item| item.component().is_none_or(&mut keep));
        before - self.items.len()
    }

    /// True when it and all within it is of the grammar: each line is one, and each BEGIN has its END.
    pub fn is_whole(&self) -> bool {
        !matches!(self.end, End::Missing)
            && self.items.iter().all(|item| match item {
                Item::Line(_) => true,
                Item::Component(component) => component.is_whole(),
                Item::Opaque(line) => line.trim_ascii().is_empty(),
            })
    }

    /// A component that was read up to its BEGIN.
    pub(crate) fn read(name: String, begin: Option<Box<[u8]>>) -> Self {
        Self { name, begin, items: Vec::new(), end: End::Missing }
    }

    /// Adds what was read next.
    pub(crate) fn read_item(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(crate) fn read_end(&mut self, end: Box<[u8]>) {
        self.end = End::Read(end);
    }

    pub(crate) fn write(&self, out: &mut Out<'_>) {
        match &self.begin {
            Some(begin) => out.put(begin),
            None => out.put(format!("BEGIN:{}{}", self.name, out.eol).as_bytes()),
        }
        self.write_items(out);
        match &self.end {
            End::Made => out.put(format!("END:{}{}", self.name, out.eol).as_bytes()),
            End::Read(end) => out.put(end),
            End::Missing => {}
        }
    }

    pub(crate) fn write_items(&self, out: &mut Out<'_>) {
        // Whoever builds components bounds their depth, and so does the parser.
        for item in &self.items {
            match item {
                Item::Line(line) => out.line(|eol, out| line.write(eol, out)),
                Item::Component(component) => component.write(out),
                Item::Opaque(line) => out.put(line),
            }
        }
    }
}

impl Item {
    fn line(&self) -> Option<&ContentLine> {
        match self {
            Self::Line(line) => Some(line),
            _ => None,
        }
    }

    fn component(&self) -> Option<&Component> {
        match self {
            Self::Component(component) => Some(component),
            _ => None,
        }
    }
}

impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.name) && self.items == other.items
    }
}

impl Eq for Component {}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Out::new("\r\n");
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out.bytes))
    }
}

/// An object that is being written.
pub(crate) struct Out<'e> {
    pub(crate) bytes: Vec<u8>,
    eol: &'e str,
    /// The last line would take what follows for its own.
    goes_on: bool,
}

impl<'e> Out<'e> {
    pub(crate) fn new(eol: &'e str) -> Self {
        Self { bytes: Vec::new(), eol, goes_on: false }
    }

    /// Adds a logical line.
    fn put(&mut self, line: &[u8]) {
        self.line(|_, out| out.extend_from_slice(line));
    }

    /// Adds a logical line, after a line end where the line before lacks one: it was the last one when it was
    /// read.
    fn line(&mut self, write: impl FnOnce(&str, &mut Vec<u8>)) {
        if self.goes_on || self.bytes.last().is_some_and(|b| *b != b'\n') {
            self.bytes.extend_from_slice(self.eol.as_bytes());
        }
        let from = self.bytes.len();
        write(self.eol, &mut self.bytes);
        self.goes_on = self.bytes.get(from..).is_some_and(goes_on);
    }
}

/// Parameters that say how the value is written, or what else says the same.
pub(crate) fn is_of_value(name: &str) -> bool {
    ["VALUE", "TZID", "ENCODING", "CHARSET", "ALTREP"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_written_from_begin_to_end() {
        let mut alarm = Component::new("VALARM").unwrap();
        alarm.push(ContentLine::new("ACTION", "DISPLAY").unwrap());
        let mut event = Component::new("VEVENT").unwrap();
        event.push_component(alarm);
        event.push(ContentLine::new("UID", "u").unwrap());
        let mut calendar = Component::new("VCALENDAR").unwrap();
        calendar.push(ContentLine::new("VERSION", "2.0").unwrap());
        calendar.push_component(event);
        assert_eq!(
            calendar.to_string(),
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:u\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n\
             END:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        let event = calendar.component("vevent").unwrap();
        assert_eq!(event.line("uid").map(ContentLine::value), Some("u"));
        assert_eq!(event.line("SUMMARY"), None);
        assert!(Component::new("V EVENT").is_err());
    }
}
