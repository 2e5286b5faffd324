//! APPEND: all of it but the messages, which the session reads as they come. RFC 9051 §6.3.12; RFC 3502;
//! RFC 6855 §4.

use jiff::civil;
use jiff::tz::Offset;

use super::Refusal;
use super::Refused;
use super::input::{Input, Parsed};
use super::search::MONTHS;
use super::store::Named;
use crate::clock::Millis;
use crate::doors::imap::name::Form;

/// The beginning of an APPEND, up to its first message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Append {
    pub(in crate::doors::imap) tag: String,
    pub(in crate::doors::imap) to: String,
    pub(in crate::doors::imap) first: Appended,
}

/// What an APPEND says of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Appended {
    pub(in crate::doors::imap) flags: Named,
    pub(in crate::doors::imap) date: Option<Millis>,
    /// Whether it stands in `UTF8 (...)`, so that a parenthesis follows it.
    pub(in crate::doors::imap) utf8: bool,
}

/// What follows a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum After {
    /// Nothing: the command is whole.
    End,
    /// One more message.
    Message(Appended),
}

/// Whether a command, as far as it has come, is an APPEND whose next literal is a message: every literal is,
/// but one that is the mailbox's name.
pub(in crate::doors::imap) fn awaits_message(start: &[u8]) -> bool {
    let mut input = Input::new(start, Form::Utf8);
    let is_append = input.tag().is_some()
        && input.space().is_ok()
        && input.keyword("").is_ok_and(|word| word == "APPEND")
        && input.space().is_ok();
    // A name that has not come yet does not read as one.
    let is_name = |mut input: Input<'_>| {
        input.eat(b'~');
        input.eat(b'{') && input.number("").is_ok() && {
            input.eat(b'+');
            input.eat(b'}') && input.is_empty()
        }
    };
    is_append && !is_name(input)
}

impl Append {
    /// Reads the command up to and including the length of its first message.
    pub(in crate::doors::imap) fn parse(start: &[u8], form: Form) -> Result<Self, Refused> {
        let mut input = Input::new(start, form);
        let Some(tag) = input.tag() else {
            return Err(Refused { tag: None, why: Refusal::Syntax("expected a tag") });
        };
        let tag = tag.to_owned();
        let read = |input: &mut Input<'_>| {
            input.space()?;
            input.keyword("expected a command")?;
            input.space()?;
            let to = input.mailbox()?;
            Ok((to, Appended::parse(input)?))
        };
        match read(&mut input) {
            Ok((to, first)) => Ok(Self { tag, to, first }),
            Err(why) => Err(Refused { tag: Some(tag), why }),
        }
    }
}

impl After {
    /// Reads what follows a message up to the end of its line.
    pub(in crate::doors::imap) fn parse(line: &[u8], utf8: bool, form: Form) -> Parsed<Self> {
        let mut input = Input::new(line, form);
        if utf8 {
            input.expect(b')', "expected the end of UTF8")?;
        }
        if input.is_empty() { Ok(Self::End) } else { Appended::parse(&mut input).map(Self::Message) }
    }
}

impl Appended {
    /// `append-opts SP append-data`, up to and including the length of the literal.
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        input.space()?;
        let mut flags = Named::default();
        if input.peek() == Some(b'(') {
            flags = Named::parse_list(input)?;
            input.space()?;
        }
        let mut date = None;
        if input.peek() == Some(b'"') {
            date = Some(date_time(input)?);
            input.space()?;
        }
        let utf8 = input.eat_text("UTF8 (");
        let is_binary = input.eat(b'~');
        if utf8 && !is_binary {
            return Err(Refusal::Syntax("expected a literal8"));
        }
        input.expect(b'{', "expected a message as a literal")?;
        input.number("expected the length of a literal")?;
        input.eat(b'+');
        input.expect(b'}', "expected the end of a literal's length")?;
        input.end()?;
        Ok(Self { flags, date, utf8 })
    }
}

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`. A day without its
/// leading space or zero is read as well.
fn date_time(input: &mut Input<'_>) -> Parsed<Millis> {
    const WHAT: &str = "expected a date such as \"17-Jul-1996 02:44:25 -0700\"";
    input.expect(b'"', WHAT)?;
    input.eat(b' ');
    let day = small(input, 31, WHAT)?;
    input.expect(b'-', WHAT)?;
    let month = MONTHS.iter().position(|month| input.eat_text(month)).ok_or(Refusal::Syntax(WHAT))?;
    input.expect(b'-', WHAT)?;
    let year = i16::try_from(input.number(WHAT)?).map_err(|_| Refusal::Syntax(WHAT))?;
    input.expect(b' ', WHAT)?;
    let hour = small(input, 23, WHAT)?;
    input.expect(b':', WHAT)?;
    let minute = small(input, 59, WHAT)?;
    input.expect(b':', WHAT)?;
    let second = small(input, 60, WHAT)?;
    input.expect(b' ', WHAT)?;
    let west = input.eat(b'-');
    if !west {
        input.expect(b'+', WHAT)?;
    }
    let zone = i32::try_from(input.number(WHAT)?).ok().filter(|zone| *zone < 2_400 && zone % 100 < 60);
    let zone = zone.ok_or(Refusal::Syntax(WHAT))?;
    input.expect(b'"', WHAT)?;
    let east = (zone / 100 * 60 + zone % 100) * 60 * if west { -1 } else { 1 };
    let month = i8::try_from(month).unwrap_or(0) + 1;
    // A leap second is the last that others have.
    let at = civil::DateTime::new(year, month, day, hour, minute, second.min(59), 0);
    let at = at.ok().zip(Offset::from_seconds(east).ok());
    let at = at.and_then(|(at, offset)| offset.to_timestamp(at).ok());
    at.map(|at| at.as_millisecond()).ok_or(Refusal::Syntax("there is no such date"))
}

fn small(input: &mut Input<'_>, most: i8, what: &'static str) -> Parsed<i8> {
    let number = i8::try_from(input.number(what)?).ok();
    number.filter(|number| *number <= most).ok_or(Refusal::Syntax(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Flags;

    fn parse(text: &str) -> Result<Append, Refused> {
        Append::parse(text.as_bytes(), Form::ModifiedUtf7)
    }

    #[test]
    fn messages_and_names_are_told_apart() {
        for (start, is) in [
            ("a APPEND INBOX {3}", true),
            ("a append {5}\r\nINBOX (\\Seen) {3+}", true),
            ("a APPEND {5}", false),
            ("a APPEND {5+}", false),
            ("a APPEND \"x {5}", true),
            ("a LOGIN {5}", false),
            ("a APPEND", false),
            ("APPEND x {3}", false),
        ] {
            assert_eq!(awaits_message(start.as_bytes()), is, "{start}");
        }
    }

    #[test]
    fn what_append_says() {
        let all =
            parse("a APPEND {5}\r\ninbox (\\Seen x) \"17-Jul-1996 02:44:25 -0730\" UTF8 (~{310+}").unwrap();
        assert_eq!((all.tag.as_str(), all.to.as_str()), ("a", "INBOX"));
        assert_eq!(all.first.flags, Named { flags: Flags::SEEN, keywords: vec!["x".into()] });
        assert_eq!(all.first.date, Some(837_598_465_000));
        assert!(all.first.utf8);
        let plain = parse("a APPEND \"Entw&APw-rfe\" {310}").unwrap();
        assert_eq!(plain.to, "Entwürfe");
        assert_eq!(plain.first, Appended { flags: Named::default(), date: None, utf8: false });
        assert_eq!(parse("a APPEND x \" 1-Jan-1970 00:00:01 +0000\" ~{3}").unwrap().first.date, Some(1_000));
        for bad in [
            "a APPEND x",
            "a APPEND x hello",
            "a APPEND x () {1",
            "a APPEND x (\\Recent) {1}",
            "a APPEND x \"30-Feb-2000 00:00:00 +0000\" {1}",
            "a APPEND x \"1-Jan-2000 24:00:00 +0000\" {1}",
            "a APPEND x \"1-Jan-2000 00:00:00 +2500\" {1}",
            "a APPEND x \"1-Jan-99999 00:00:00 +0000\" {1}",
            "a APPEND x UTF8 ({1}",
            "a APPEND x {1} {2}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_follows_a_message() {
        let after = |line: &str, utf8| After::parse(line.as_bytes(), utf8, Form::Utf8);
        assert_eq!(after("", false), Ok(After::End));
        assert_eq!(after(")", true), Ok(After::End));
        assert!(matches!(after(" (\\Seen) {3}", false), Ok(After::Message(_))));
        assert!(matches!(after(") {3+}", true), Ok(After::Message(_))));
        assert!(after(")", false).is_err() && after("", true).is_err() && after("x", false).is_err());
    }
}
