//! Components. RFC 5545 §3.6.

use std::fmt;

use crate::line::is_token;
use crate::{ContentLine, Invalid};

/// A component: its properties, then the components within it, each in its order.
///
/// `Display` writes it as it stands in an object, from BEGIN to END.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Component {
    name: String,
    lines: Vec<ContentLine>,
    components: Vec<Self>,
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
        Ok(Self { name: name.to_owned(), lines: Vec::new(), components: Vec::new() })
    }

    /// The name as it was typed; case does not count in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when this is a component called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Adds a property after the others.
    pub fn push(&mut self, line: ContentLine) {
        self.lines.push(line);
    }

    /// Adds a component after the others.
    pub fn push_component(&mut self, component: Self) {
        self.components.push(component);
    }

    /// The properties.
    pub fn lines(&self) -> &[ContentLine] {
        &self.lines
    }

    /// The first property called `name`.
    pub fn line(&self, name: &str) -> Option<&ContentLine> {
        self.lines.iter().find(|line| line.is(name))
    }

    /// The components within it.
    pub fn components(&self) -> &[Self] {
        &self.components
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever builds components bounds their depth; objects have three levels.
        write!(f, "BEGIN:{}\r\n", self.name)?;
        self.lines.iter().try_for_each(|line| line.fmt(f))?;
        self.components.iter().try_for_each(|component| component.fmt(f))?;
        write!(f, "END:{}\r\n", self.name)
    }
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
        let event = &calendar.components()[0];
        assert!(event.is("vevent"));
        assert_eq!(event.line("uid").map(ContentLine::value), Some("u"));
        assert_eq!(event.line("SUMMARY"), None);
        assert!(Component::new("V EVENT").is_err());
    }
}
