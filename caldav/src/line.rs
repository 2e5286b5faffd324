//! Content lines. RFC 5545 §3.1, §3.2; RFC 6350 §3.3; RFC 6868.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::Invalid;

/// Most octets of a line before it is folded, without its end. RFC 5545 §3.1.
const LINE_MAX: usize = 75;

/// One property: its group, its name, its parameters and its value as it stands on the wire.
///
/// A line that was read keeps its bytes, and is written with them until it is changed. `Display` and
/// comparisons know only what it says: `Display` writes it anew, folded, with its end.
#[derive(Clone, Debug)]
pub struct ContentLine {
    /// What was read, with its folds and its end.
    raw: Option<Box<[u8]>>,
    group: Option<String>,
    name: String,
    parameters: Vec<Parameter>,
    value: String,
}

/// One parameter of a property with its values. RFC 5545 §3.2.
///
/// Values are held as they are meant; quotes and circumflexes are a matter of `Display`.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// What was read, with its quotes.
    raw: Option<Box<str>>,
    name: String,
    values: Vec<String>,
}

impl ContentLine {
    /// A property with a value that is written as it stands.
    ///
    /// # Errors
    /// [`Invalid`] for a name that is no token, or a value with a control character in it.
    pub fn new(name: &str, value: impl Into<String>) -> Result<Self, Invalid> {
        if !is_token(name) {
            return Err(Invalid("a property name is made of letters, digits and hyphens"));
        }
        let value = checked(value.into())?;
        Ok(Self { raw: None, group: None, name: name.to_owned(), parameters: Vec::new(), value })
    }

    /// A property with a value of type TEXT, which is escaped. RFC 5545 §3.3.11.
    ///
    /// # Errors
    /// As [`ContentLine::new`]; line ends are written as `\n`.
    pub fn text(name: &str, text: &str) -> Result<Self, Invalid> {
        Self::new(name, crate::value::escape(text))
    }

    /// Reads one logical line with its folds and its end; `None` for what has not the form of one.
    ///
    /// More is read than may be written: names with underscores, quotes within values, parameters that
    /// are a bare value (vCard 2.1). Bytes that are no UTF-8 show as U+FFFD, and stay as they are.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let bytes = unfold(raw);
        let text = String::from_utf8_lossy(&bytes);
        let head = text.find([';', ':'])?;
        let (group, name) = match text[..head].split_once('.') {
            Some((group, name)) => (Some(group), name),
            None => (None, &text[..head]),
        };
        if !is_loose_token(name) || !group.is_none_or(is_loose_token) {
            return None;
        }
        let (parameters, value) = parameters(&text[head..])?;
        Some(Self {
            raw: Some(raw.into()),
            group: group.map(str::to_owned),
            name: name.to_owned(),
            parameters,
            value: value.to_owned(),
        })
    }

    /// The line with one more parameter of one value.
    ///
    /// # Errors
    /// As [`Parameter::new`].
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, Invalid> {
        self.push(Parameter::new(name, [value])?);
        Ok(self)
    }

    /// The line in a group of a vCard. RFC 6350 §3.3.
    ///
    /// # Errors
    /// [`Invalid`] for a group that is no token.
    pub fn in_group(mut self, group: &str) -> Result<Self, Invalid> {
        if !is_token(group) {
            return Err(Invalid("a group name is made of letters, digits and hyphens"));
        }
        self.raw = None;
        self.group = Some(group.to_owned());
        Ok(self)
    }

    /// Adds a parameter.
    pub fn push(&mut self, parameter: Parameter) {
        self.raw = None;
        self.parameters.push(parameter);
    }

    /// Puts a parameter in the place of the one with its name, or else after the others.
    pub fn set_parameter(&mut self, parameter: Parameter) {
        match self.parameters.iter_mut().find(|p| p.is(&parameter.name)) {
            Some(found) if *found == parameter => {}
            Some(found) => {
                *found = parameter;
                self.raw = None;
            }
            None => self.push(parameter),
        }
    }

    /// Takes away the parameters called `name`.
    pub fn remove_parameter(&mut self, name: &str) {
        let before = self.parameters.len();
        self.parameters.retain(|p| !p.is(name));
        if self.parameters.len() != before {
            self.raw = None;
        }
    }

    /// Gives the line another value, which is written as it stands.
    ///
    /// # Errors
    /// [`Invalid`] for a value with a control character in it.
    pub fn set_value(&mut self, value: impl Into<String>) -> Result<(), Invalid> {
        let value = value.into();
        if self.value != value {
            self.value = checked(value)?;
            self.raw = None;
        }
        Ok(())
    }

    /// The group that a line of a vCard is in. RFC 6350 §3.3.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
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
        let found = self.parameters.iter().find(|p| p.is(name))?;
        found.values.first().map(String::as_str)
    }

    /// The value as it stands on the wire, unfolded.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Writes what was read, or the line anew with `eol` as its line end.
    pub(crate) fn write(&self, eol: &str, out: &mut Vec<u8>) {
        match &self.raw {
            Some(raw) => out.extend_from_slice(raw),
            None => fold(&self.unfolded(), eol, out),
        }
    }

    fn unfolded(&self) -> String {
        let mut line = String::new();
        if let Some(group) = &self.group {
            line.push_str(group);
            line.push('.');
        }
        line.push_str(&self.name);
        for parameter in &self.parameters {
            line.push(';');
            line.push_str(&parameter.to_string());
        }
        line.push(':');
        line.push_str(&self.value);
        // What was read may hold what is not to be written.
        line.retain(|c| !is_control(c));
        line
    }
}

impl PartialEq for ContentLine {
    fn eq(&self, other: &Self) -> bool {
        let group = |line: &Self| line.group.as_deref().map(str::to_ascii_uppercase);
        self.is(&other.name)
            && self.value == other.value
            && self.parameters == other.parameters
            && group(self) == group(other)
    }
}

impl Eq for ContentLine {}

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
        Ok(Self { raw: None, name: name.to_owned(), values })
    }

    /// The name as it was typed; case does not count in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when this is the parameter called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The values; none for one that was read as a bare word, as vCard 2.1 has them.
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.name) && self.values == other.values
    }
}

impl Eq for Parameter {}

impl fmt::Display for ContentLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        fold(&self.unfolded(), "\r\n", &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(raw) = &self.raw {
            return f.write_str(raw);
        }
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

/// Splits what follows the name into parameters and the value. RFC 5545 §3.2.
fn parameters(text: &str) -> Option<(Vec<Parameter>, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(parameter) = rest.strip_prefix(';') {
        let end = parameter_end(parameter)?;
        let (raw, after) = parameter.split_at(end);
        found.push(parameter_of(raw)?);
        rest = after;
    }
    Some((found, rest.strip_prefix(':')?))
}

/// Where a parameter ends: at the first `;` or `:` outside of quotes.
fn parameter_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|b| {
        quoted ^= b == b'"';
        !quoted && matches!(b, b';' | b':')
    })
}

fn parameter_of(raw: &str) -> Option<Parameter> {
    let (name, values) = match raw.split_once('=') {
        Some((name, values)) => (name, parameter_values(values)),
        None => (raw, Vec::new()),
    };
    is_loose_token(name).then(|| Parameter { raw: Some(raw.into()), name: name.to_owned(), values })
}

fn parameter_values(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(last) = values.last_mut() else { break };
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(String::new()),
            // RFC 6868 §3.2: a circumflex before anything else is just that.
            '^' => match chars.next_if(|next| matches!(next, '^' | 'n' | '\'')) {
                Some('n') => last.push('\n'),
                Some('\'') => last.push('"'),
                _ => last.push('^'),
            },
            c => last.push(c),
        }
    }
    values
}

/// Undoes folding and takes the line end away. RFC 5545 §3.1.
///
/// A line break that no white space follows is the soft one of quoted-printable; its `=` goes with it.
fn unfold(raw: &[u8]) -> Cow<'_, [u8]> {
    let line = raw.strip_suffix(b"\n").map_or(raw, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if !line.contains(&b'\n') {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len());
    for (n, piece) in line.split(|b| *b == b'\n').enumerate() {
        let folded = piece.strip_prefix(b" ").or_else(|| piece.strip_prefix(b"\t"));
        if n > 0 {
            out.pop_if(|b| *b == b'\r');
            if folded.is_none() {
                out.pop_if(|b| *b == b'=');
            }
        }
        out.extend_from_slice(if n == 0 { piece } else { folded.unwrap_or(piece) });
    }
    Cow::Owned(out)
}

/// Writes a line in pieces of at most [`LINE_MAX`] octets, never within a character.
pub(crate) fn fold(line: &str, eol: &str, out: &mut Vec<u8>) {
    let mut rest = line;
    let mut room = LINE_MAX;
    while rest.len() > room {
        let (piece, left) = rest.split_at(rest.floor_char_boundary(room));
        out.extend_from_slice(piece.as_bytes());
        out.extend_from_slice(eol.as_bytes());
        out.push(b' ');
        rest = left;
        // The space that continues the line counts.
        room = LINE_MAX - 1;
    }
    out.extend_from_slice(rest.as_bytes());
    out.extend_from_slice(eol.as_bytes());
}

/// A name as iCalendar has them: `iana-token` or `x-name`. RFC 5545 §3.1.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A name as it is met: underscores are frequent in X- names.
fn is_loose_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn checked(value: String) -> Result<String, Invalid> {
    if value.chars().any(is_control) {
        return Err(Invalid("a value must not hold control characters"));
    }
    Ok(value)
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

    #[test]
    fn a_line_is_read_with_all_that_it_says() {
        let raw = b"item1.ATTENDEE;CN=\"Doe, ^'J^' ^x\";HOME;X=a,\"b;c\":mailto:a@ex\r\n ample.org\r\n";
        let line = ContentLine::parse(raw).unwrap();
        assert_eq!((line.group(), line.name()), (Some("item1"), "ATTENDEE"));
        assert_eq!(line.parameter("cn"), Some("Doe, \"J\" ^x"));
        assert_eq!(line.parameters()[1].values(), [] as [String; 0]);
        assert_eq!(line.parameters()[2].values(), ["a", "b;c"]);
        assert_eq!(line.value(), "mailto:a@example.org");
        let mut out = Vec::new();
        line.write("\n", &mut out);
        assert_eq!(out, raw);
        for bad in ["", "\r\n", "NAME", "A B:x", ";X=1:x", ".A:x", "a.b.c:x", "X;=1:x", "X;A=\"b:x", " X:y"] {
            assert!(ContentLine::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_changed_line_keeps_what_was_not_changed() {
        let raw = "ATTENDEE;X-A=\"quoted\";PARTSTAT=NEEDS-ACTION:mailto:a@example.org\n";
        let mut line = ContentLine::parse(raw.as_bytes()).unwrap();
        let written = |line: &ContentLine| {
            let mut out = Vec::new();
            line.write("\n", &mut out);
            String::from_utf8(out).unwrap()
        };
        line.set_parameter(Parameter::new("partstat", ["NEEDS-ACTION"]).unwrap());
        line.set_value("mailto:a@example.org").unwrap();
        line.remove_parameter("ROLE");
        assert_eq!(written(&line), raw);
        line.set_parameter(Parameter::new("PARTSTAT", ["ACCEPTED"]).unwrap());
        assert_eq!(written(&line), "ATTENDEE;X-A=\"quoted\";PARTSTAT=ACCEPTED:mailto:a@example.org\n");
        line.remove_parameter("x-a");
        assert_eq!(written(&line), "ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@example.org\n");
        assert!(line.set_value("a\nb").is_err());
    }

    #[test]
    fn folds_are_undone_as_they_come() {
        for (raw, value) in [
            ("X:a\r\n b\r\n", "ab"),
            ("X:a\n\tb\n  c", "ab c"),
            ("X;ENCODING=QUOTED-PRINTABLE:a=\r\nb=\r\n c\r\n", "ab=c"),
            ("X:\r\n \r\n a", "a"),
        ] {
            assert_eq!(ContentLine::parse(raw.as_bytes()).unwrap().value(), value, "{raw:?}");
        }
        // Within a character.
        assert_eq!(ContentLine::parse(b"X:\xc3\r\n \xa4").unwrap().value(), "\u{e4}");
        assert_eq!(ContentLine::parse(b"X:\xe4").unwrap().value(), "\u{fffd}");
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
            let line = ContentLine::parse(format!("N;{text}:").as_bytes()).unwrap();
            prop_assert_eq!(line.parameters(), [parameter]);
        }
    }
}
