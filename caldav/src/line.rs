//! Content lines. RFC 5545 §3.1.

use std::fmt::{self, Write};

use crate::Invalid;

/// Most octets of a line before it is folded, without its end. RFC 5545 §3.1.
const LINE_MAX: usize = 75;

/// One property: its name, its parameters and its value as it stands on the wire.
///
/// `Display` writes the line folded, with its end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ContentLine {
    name: String,
    parameters: Vec<Parameter>,
    value: String,
}

/// One parameter of a property with its values. RFC 5545 §3.2.
///
/// Values are held as they are meant; quotes and circumflexes are a matter of `Display`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Parameter {
    name: String,
    values: Vec<String>,
}

impl ContentLine {
    /// A property with a value that is written as it stands.
    ///
    /// # Errors
    /// [`Invalid`] for a name that is no token, or a value with a control character in it.
    pub fn new(name: &str, value: impl Into<String>) -> Result<Self, Invalid> {
        let value = value.into();
        if !is_token(name) {
            return Err(Invalid("a property name is made of letters, digits and hyphens"));
        }
        if value.chars().any(is_control) {
            return Err(Invalid("a value must not hold control characters"));
        }
        Ok(Self { name: name.to_owned(), parameters: Vec::new(), value })
    }

    /// A property with a value of type TEXT, which is escaped. RFC 5545 §3.3.11.
    ///
    /// # Errors
    /// As [`ContentLine::new`]; line ends are written as `\n`.
    pub fn text(name: &str, text: &str) -> Result<Self, Invalid> {
        let mut value = String::with_capacity(text.len());
        for c in text.replace("\r\n", "\n").chars() {
            match c {
                '\\' | ';' | ',' => value.extend(['\\', c]),
                '\n' => value.push_str("\\n"),
                c => value.push(c),
            }
        }
        Self::new(name, value)
    }

    /// The line with one more parameter of one value.
    ///
    /// # Errors
    /// As [`Parameter::new`].
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, Invalid> {
        self.parameters.push(Parameter::new(name, [value])?);
        Ok(self)
    }

    /// Adds a parameter.
    pub fn push(&mut self, parameter: Parameter) {
        self.parameters.push(parameter);
    }

    /// The name as it was typed; case does not count in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when this is the property called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The parameters in their order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The first value of the first parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|p| p.name.eq_ignore_ascii_case(name))?;
        found.values.first().map(String::as_str)
    }

    /// The value as it stands on the wire.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl Parameter {
    /// A parameter with its values.
    ///
    /// # Errors
    /// [`Invalid`] for a name that is no token, no values, or a control character other than a line end.
    pub fn new<'v>(name: &str, values: impl IntoIterator<Item = &'v str>) -> Result<Self, Invalid> {
        let values: Vec<String> = values.into_iter().map(|value| value.replace("\r\n", "\n")).collect();
        if !is_token(name) {
            return Err(Invalid("a parameter name is made of letters, digits and hyphens"));
        }
        if values.is_empty() {
            return Err(Invalid("a parameter has at least one value"));
        }
        if values.iter().any(|value| value.chars().any(|c| c != '\n' && is_control(c))) {
            return Err(Invalid("a parameter must not hold control characters"));
        }
        Ok(Self { name: name.to_owned(), values })
    }

    /// The name as it was typed; case does not count in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The values, at least one.
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

impl fmt::Display for ContentLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.name.clone();
        for parameter in &self.parameters {
            write!(line, ";{parameter}")?;
        }
        line.push(':');
        line.push_str(&self.value);
        fold(&line, f)
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (n, value) in self.values.iter().enumerate() {
            f.write_char(if n == 0 { '=' } else { ',' })?;
            // RFC 6868 §3: what cannot stand within quotes either.
            let encoded = value.replace('^', "^^").replace('\n', "^n").replace('"', "^'");
            if encoded.contains([';', ':', ',']) {
                write!(f, "\"{encoded}\"")?;
            } else {
                f.write_str(&encoded)?;
            }
        }
        Ok(())
    }
}

/// Writes a line in pieces of at most [`LINE_MAX`] octets, never within a character.
fn fold(line: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = line;
    let mut room = LINE_MAX;
    while rest.len() > room {
        let (piece, left) = rest.split_at(rest.floor_char_boundary(room));
        write!(f, "{piece}\r\n ")?;
        rest = left;
        // The space that continues the line counts.
        room = LINE_MAX - 1;
    }
    write!(f, "{rest}\r\n")
}

/// A name as iCalendar has them: `iana-token` or `x-name`. RFC 5545 §3.1.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// CONTROL of RFC 5545 §3.1: all but the tab. C1 controls are none of it.
fn is_control(c: char) -> bool {
    c.is_ascii_control() && c != '\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_quoted_and_encoded_where_they_must_be() {
        let line = ContentLine::new("ATTENDEE", "mailto:a@example.org").unwrap();
        let line = line.with("CN", "Doe, \"J\" ^ x").unwrap().with("RSVP", "TRUE").unwrap();
        assert_eq!(line.to_string(), "ATTENDEE;CN=\"Doe, ^'J^' ^^ x\";RSVP=TRUE:mailto:a@example.org\r\n");
        let members = Parameter::new("MEMBER", ["mailto:a@x", "plain"]).unwrap();
        assert_eq!(members.to_string(), "MEMBER=\"mailto:a@x\",plain");
        assert_eq!(Parameter::new("X-NOTE", ["a\r\nb"]).unwrap().to_string(), "X-NOTE=a^nb");
        assert_eq!((line.parameter("rsvp"), line.parameter("ROLE")), (Some("TRUE"), None));
        assert!(line.is("attendee") && !line.is("ORGANIZER"));
    }

    #[test]
    fn text_is_escaped() {
        let line = ContentLine::text("DESCRIPTION", "a;b,c\\d\r\ne\nf: g").unwrap();
        assert_eq!(line.value(), "a\\;b\\,c\\\\d\\ne\\nf: g");
    }

    #[test]
    fn what_would_break_the_object_is_refused() {
        for name in ["", "A B", "A:B", "Ä", "A\n"] {
            assert!(ContentLine::new(name, "x").is_err(), "{name:?}");
            assert!(Parameter::new(name, ["x"]).is_err(), "{name:?}");
        }
        for value in ["a\r\nEND:VEVENT", "a\n", "\u{0}", "\u{7f}"] {
            assert!(ContentLine::new("X", value).is_err(), "{value:?}");
        }
        assert!(ContentLine::text("X", "a\rb").is_err());
        assert!(Parameter::new("X", []).is_err());
        assert!(Parameter::new("X", ["a\u{1}"]).is_err());
        assert!(ContentLine::new("X-TAB", "a\tb").is_ok());
    }

    #[test]
    fn long_lines_are_folded_after_75_octets() {
        let line = ContentLine::new("X", "a".repeat(200)).unwrap().to_string();
        let lengths: Vec<_> = line.split_terminator("\r\n").map(str::len).collect();
        assert_eq!(lengths, [75, 75, 54]);
        assert_eq!(ContentLine::new("X", "a".repeat(73)).unwrap().to_string().matches("\r\n").count(), 1);
    }

    proptest! {
        #[test]
        fn folding_is_undone_by_unfolding(name in "[A-Z-]{1,20}", value in "[^\\p{Cc}]{0,300}") {
            let line = ContentLine::new(&name, value.clone()).unwrap().to_string();
            for piece in line.split_terminator("\r\n") {
                prop_assert!(piece.len() <= LINE_MAX);
            }
            prop_assert_eq!(line.replace("\r\n ", ""), format!("{name}:{value}\r\n"));
        }

        #[test]
        fn a_parameter_cannot_end_its_line_or_its_quotes(value in "(?s).{0,60}") {
            let Ok(parameter) = Parameter::new("X", [value.as_str()]) else { return Ok(()) };
            let text = parameter.to_string();
            prop_assert!(!text.contains(['\r', '\n']));
            prop_assert!(matches!(text.matches('"').count(), 0 | 2));
            let quoted = text.strip_prefix("X=\"").and_then(|t| t.strip_suffix('"'));
            let bare = quoted.or(text.strip_prefix("X=")).unwrap();
            prop_assert_eq!(quoted.is_some(), bare.contains([';', ':', ',']));
        }
    }
}
