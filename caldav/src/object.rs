//! Objects as they are kept: iCalendar and vCard, byte for byte. RFC 5545 §3.4; RFC 6350 §3.

use std::fmt;

use crate::component::{Item, Out};
use crate::{Component, ContentLine};

/// What a client stored: one or more components, and whatever else stood between them.
///
/// Any bytes within the [`Limits`] are an object, and are written as they were read; what is none of the
/// grammar's is kept where it stood. An edit rewrites only the lines that it touches, with the line end
/// that the object has.
///
/// ```
/// use caldav::{ContentLine, Object};
///
/// let bytes = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY;LANGUAGE=en:Te\n a\nX-ODD:  1\nEND:VEVENT\nEND:VCALENDAR";
/// let mut object = Object::parse(bytes)?;
/// assert_eq!(object.write(), bytes);
/// let event = object.calendar_mut().and_then(|c| c.components_mut().next()).unwrap();
/// event.set(ContentLine::text("SUMMARY", "Coffee, black")?);
/// assert_eq!(
///     String::from_utf8(object.write())?,
///     "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY;LANGUAGE=en:Coffee\\, black\nX-ODD:  1\nEND:VEVENT\nEND:VCALENDAR",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Holds what stands outermost; has neither BEGIN nor END.
    root: Component,
    eol: &'static str,
}

/// How much of an object is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets in all.
    pub bytes: usize,
    /// Octets of a logical line, with its folds.
    pub line: usize,
    /// Logical lines in all.
    pub lines: usize,
    /// Logical lines of one component, without those of the components within it.
    pub properties: usize,
    /// Components within one another.
    pub depth: usize,
}

/// Which bound of [`Limits`] an object exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TooLarge {
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::line`].
    Line,
    /// [`Limits::lines`].
    Lines,
    /// [`Limits::properties`].
    Properties,
    /// [`Limits::depth`].
    Depth,
}

impl Default for Limits {
    /// What inline pictures and whole imported calendars need.
    fn default() -> Self {
        Self { bytes: 16 << 20, line: 8 << 20, lines: 250_000, properties: 10_000, depth: 8 }
    }
}

impl Object {
    /// Reads an object within the default bounds.
    ///
    /// # Errors
    /// [`TooLarge`] names the bound that it exceeds.
    pub fn parse(bytes: &[u8]) -> Result<Self, TooLarge> {
        Self::parse_within(bytes, &Limits::default())
    }

    /// Reads an object within bounds, in time that grows with its size.
    ///
    /// # Errors
    /// [`TooLarge`] names the bound that it exceeds.
    pub fn parse_within(bytes: &[u8], limits: &Limits) -> Result<Self, TooLarge> {
        if bytes.len() > limits.bytes {
            return Err(TooLarge::Bytes);
        }
        let first = bytes.split_inclusive(|b| *b == b'\n').next().unwrap_or_default();
        let eol = if first.ends_with(b"\n") && !first.ends_with(b"\r\n") { "\n" } else { "\r\n" };
        let root = Component::read(String::new(), None);
        let mut reader = Reader { limits, open: vec![(root, 0)] };
        let mut rest = bytes;
        let mut lines = 0;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(logical_line(rest));
            rest = after;
            lines += 1;
            if line.len() > limits.line {
                return Err(TooLarge::Line);
            }
            if lines > limits.lines {
                return Err(TooLarge::Lines);
            }
            reader.take(line)?;
        }
        Ok(Self { root: reader.finish(), eol })
    }

    /// The bytes: those that were read, but for what has been changed.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Out::new(self.eol);
        self.root.write_items(&mut out);
        out.bytes
    }

    /// The outermost components.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &Component> {
        self.root.components()
    }

    /// The outermost components, to be changed.
    pub fn components_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Component> {
        self.root.components_mut()
    }

    /// The first VCALENDAR.
    pub fn calendar(&self) -> Option<&Component> {
        self.root.component("VCALENDAR")
    }

    /// The first VCALENDAR, to be changed.
    pub fn calendar_mut(&mut self) -> Option<&mut Component> {
        self.components_mut().find(|component| component.is("VCALENDAR"))
    }

    /// The first VCARD.
    pub fn card(&self) -> Option<&Component> {
        self.root.component("VCARD")
    }

    /// The first VCARD, to be changed.
    pub fn card_mut(&mut self) -> Option<&mut Component> {
        self.components_mut().find(|component| component.is("VCARD"))
    }

    /// True when all of it is of the grammar: nothing but whole components. RFC 5545 §3.4.
    pub fn is_whole(&self) -> bool {
        let mut components = self.components().peekable();
        components.peek().is_some()
            && components.all(Component::is_whole)
            && self.root.lines().next().is_none()
            && self.root.is_whole()
    }

    pub(crate) fn root(&self) -> &Component {
        &self.root
    }

    pub(crate) fn root_mut(&mut self) -> &mut Component {
        &mut self.root
    }
}

impl From<Component> for Object {
    fn from(component: Component) -> Self {
        let mut root = Component::read(String::new(), None);
        root.read_end(Box::default());
        root.push_component(component);
        Self { root, eol: "\r\n" }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "the object is too large",
            Self::Line => "a line of the object is too long",
            Self::Lines => "the object has too many lines",
            Self::Properties => "a component has too many properties",
            Self::Depth => "components are nested too deeply",
        })
    }
}

impl std::error::Error for TooLarge {}

/// Components that are open, outermost first, each with the number of its lines; never empty.
struct Reader<'l> {
    limits: &'l Limits,
    open: Vec<(Component, usize)>,
}

impl Reader<'_> {
    fn take(&mut self, raw: &[u8]) -> Result<(), TooLarge> {
        let line = ContentLine::parse(raw);
        let plain = line.as_ref().filter(|line| line.group().is_none() && line.parameters().is_empty());
        if let Some(begin) = plain.filter(|line| line.is("BEGIN") && !line.value().trim().is_empty()) {
            // The root counts for none.
            if self.open.len() > self.limits.depth {
                return Err(TooLarge::Depth);
            }
            self.open.push((Component::read(begin.value().trim().to_owned(), Some(raw.into())), 0));
            return Ok(());
        }
        if let Some(end) = plain.filter(|line| line.is("END")) {
            let at = self.open.iter().skip(1).rposition(|(component, _)| component.is(end.value().trim()));
            let Some(at) = at else { return self.add(Item::Opaque(raw.into())) };
            self.close_to(at + 2);
            if let Some((component, _)) = self.open.last_mut() {
                component.read_end(raw.into());
            }
            self.close_to(at + 1);
            return Ok(());
        }
        self.add(line.map_or_else(|| Item::Opaque(raw.into()), Item::Line))
    }

    fn add(&mut self, item: Item) -> Result<(), TooLarge> {
        let Some((component, lines)) = self.open.last_mut() else { return Ok(()) };
        *lines += 1;
        if *lines > self.limits.properties {
            return Err(TooLarge::Properties);
        }
        component.read_item(item);
        Ok(())
    }

    /// Closes components until `left` are open.
    fn close_to(&mut self, left: usize) {
        while self.open.len() > left.max(1) {
            let Some((component, _)) = self.open.pop() else { return };
            if let Some((outer, _)) = self.open.last_mut() {
                outer.read_item(Item::Component(component));
            }
        }
    }

    fn finish(mut self) -> Component {
        self.close_to(1);
        let mut root = self.open.pop().map_or_else(|| Component::read(String::new(), None), |(root, _)| root);
        root.read_end(Box::default());
        root
    }
}

/// The length of the logical line that `bytes` begin with: up to a line end that no white space follows.
///
/// A line of quoted-printable also goes on after `=`, as vCard 2.1 folds such values.
fn logical_line(bytes: &[u8]) -> usize {
    let mut quoted_printable = None;
    let mut end = 0;
    loop {
        let rest = bytes.get(end..).unwrap_or_default();
        let Some(newline) = rest.iter().position(|b| *b == b'\n') else { return bytes.len() };
        end += newline + 1;
        if matches!(bytes.get(end), Some(b' ' | b'\t')) {
            continue;
        }
        let line = bytes.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line);
        if line.ends_with(b"=")
            && end < bytes.len()
            && *quoted_printable.get_or_insert_with(|| is_quoted_printable(line))
        {
            continue;
        }
        return end;
    }
}

/// Whether a logical line would go on with whatever stood behind it.
pub(crate) fn goes_on(line: &[u8]) -> bool {
    let text = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n"));
    text.is_some_and(|text| text.ends_with(b"=") && is_quoted_printable(text))
}

fn is_quoted_printable(line: &[u8]) -> bool {
    let head = line.split(|b| *b == b':').next().unwrap_or_default();
    head.split(|b| *b == b';').skip(1).any(|parameter| {
        let value = parameter.split(|b| *b == b'=').next_back().unwrap_or_default();
        value.eq_ignore_ascii_case(b"QUOTED-PRINTABLE")
    })
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
