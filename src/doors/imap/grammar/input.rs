//! The words of the grammar: bytes in, the smallest pieces out. RFC 9051 §9.

use std::borrow::Cow;

use super::Refusal;
use crate::doors::imap::name::{self, Form};

/// What is left of one command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'i> {
    rest: &'i [u8],
    form: Form,
}

pub(super) type Parsed<T> = Result<T, Refusal>;

impl<'i> Input<'i> {
    pub(super) fn new(bytes: &'i [u8], form: Form) -> Self {
        Self { rest: bytes, form }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes `byte` if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(Refusal::Syntax(what)) }
    }

    pub(super) fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "expected a space")
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.is_empty() { Ok(()) } else { Err(Refusal::Syntax("expected the end of the command")) }
    }

    /// Takes `word`, whatever its case, if it is next as a whole.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        let found = ahead.take_while(is_atom_char);
        let is_it = found.eq_ignore_ascii_case(word.as_bytes());
        if is_it {
            *self = ahead;
        }
        is_it
    }

    /// Takes `text`, whatever its case, if it is next.
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        match self.rest.split_at_checked(text.len()) {
            Some((found, rest)) if found.eq_ignore_ascii_case(text.as_bytes()) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn take_while(&mut self, is: fn(u8) -> bool) -> &'i [u8] {
        let len = self.rest.iter().position(|b| !is(*b)).unwrap_or(self.rest.len());
        self.take(len).unwrap_or_default()
    }

    fn take(&mut self, len: usize) -> Option<&'i [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// `tag = 1*<any ASTRING-CHAR except "+">`
    pub(super) fn tag(&mut self) -> Option<&'i str> {
        let tag = self.take_while(|b| is_astring_char(b) && b != b'+');
        std::str::from_utf8(tag).ok().filter(|tag| !tag.is_empty())
    }

    /// `atom = 1*ATOM-CHAR`, in upper case.
    pub(super) fn keyword(&mut self, what: &'static str) -> Parsed<String> {
        let atom = self.atom(what)?;
        Ok(String::from_utf8_lossy(atom).to_ascii_uppercase())
    }

    /// `atom = 1*ATOM-CHAR`
    pub(super) fn atom(&mut self, what: &'static str) -> Parsed<&'i [u8]> {
        let atom = self.take_while(is_atom_char);
        if atom.is_empty() { Err(Refusal::Syntax(what)) } else { Ok(atom) }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub(super) fn astring(&mut self) -> Parsed<Cow<'i, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{' | b'~') if self.is_string() => self.string(),
            _ => match self.take_while(is_astring_char) {
                [] => Err(Refusal::Syntax("expected a string")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    fn is_string(&self) -> bool {
        matches!(self.rest, [b'"' | b'{', ..] | [b'~', b'{', ..])
    }

    /// `string = quoted / literal`
    pub(super) fn string(&mut self) -> Parsed<Cow<'i, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ => self.literal().map(Cow::Borrowed),
        }
    }

    /// `nstring = string / nil`
    pub(super) fn nstring(&mut self) -> Parsed<Option<Cow<'i, [u8]>>> {
        if self.is_string() {
            return self.string().map(Some);
        }
        if self.eat_word("NIL") { Ok(None) } else { Err(Refusal::Syntax("expected a string or NIL")) }
    }

    fn quoted(&mut self) -> Parsed<Cow<'i, [u8]>> {
        self.expect(b'"', "expected a quoted string")?;
        let plain = self.take_while(is_plain_quoted);
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            if self.eat(b'"') {
                return Ok(Cow::Owned(text));
            }
            if self.eat(b'\\') {
                match self.take(1) {
                    Some([escaped @ (b'"' | b'\\')]) => text.push(*escaped),
                    _ => return Err(Refusal::Syntax("only \\\\ and \\\" may be escaped")),
                }
            }
            match self.take_while(is_plain_quoted) {
                [] if !matches!(self.peek(), Some(b'"' | b'\\')) => {
                    return Err(Refusal::Syntax("the quoted string does not end"));
                }
                more => text.extend_from_slice(more),
            }
        }
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`, or a `literal8` with its `~`. The bytes follow at
    /// once: the session has read them.
    fn literal(&mut self) -> Parsed<&'i [u8]> {
        const WHAT: Refusal = Refusal::Syntax("expected a string");
        let is_binary = self.eat(b'~');
        if !self.eat(b'{') {
            return Err(WHAT);
        }
        let len = self.number("expected the length of a literal")?;
        self.eat(b'+');
        self.expect(b'}', "expected the end of a literal's length")?;
        self.eat(b'\r');
        self.expect(b'\n', "expected a line end")?;
        let len = usize::try_from(len).map_err(|_| WHAT)?;
        let bytes = self.take(len).ok_or(WHAT)?;
        if !is_binary && bytes.contains(&0) {
            return Err(Refusal::Syntax("NUL in a literal"));
        }
        Ok(bytes)
    }

    /// `number64`
    pub(super) fn number(&mut self, what: &'static str) -> Parsed<u64> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        // RFC 9051 §9: 63 bits.
        number.filter(|n| *n <= i64::MAX.unsigned_abs()).ok_or(Refusal::Syntax(what))
    }

    /// `nz-number`: 32 bits, not zero.
    pub(super) fn nz_number(&mut self, what: &'static str) -> Parsed<u32> {
        let number = self.number(what)?;
        u32::try_from(number).ok().filter(|n| *n > 0).ok_or(Refusal::Syntax(what))
    }

    /// `mailbox`, decoded; any spelling of INBOX comes back as `INBOX`.
    pub(super) fn mailbox(&mut self) -> Parsed<String> {
        let bytes = self.astring()?;
        let name = name::decode(&bytes, self.form).map_err(Refusal::Name)?;
        Ok(if name.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { name })
    }

    /// `list-mailbox = 1*list-char / string`, decoded.
    pub(super) fn list_mailbox(&mut self) -> Parsed<String> {
        let bytes = if self.is_string() {
            self.string()?
        } else {
            match self.take_while(|b| is_astring_char(b) || matches!(b, b'%' | b'*')) {
                [] => return Err(Refusal::Syntax("expected a mailbox name or pattern")),
                atom => Cow::Borrowed(atom),
            }
        };
        name::decode(&bytes, self.form).map_err(Refusal::Name)
    }

    /// `"(" item *(SP item) ")"`, at most `most` items; none when `empty` allows it.
    pub(super) fn list<T>(
        &mut self,
        most: usize,
        empty: bool,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "expected a list")?;
        let mut all = Vec::new();
        if empty && self.eat(b')') {
            return Ok(all);
        }
        loop {
            if all.len() >= most {
                return Err(Refusal::TooMany);
            }
            all.push(item(self)?);
            if self.eat(b')') {
                return Ok(all);
            }
            self.space()?;
        }
    }
}

/// `ATOM-CHAR`
fn is_atom_char(b: u8) -> bool {
    matches!(b, b'!'..=b'~') && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`
fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

fn is_plain_quoted(b: u8) -> bool {
    !matches!(b, b'"' | b'\\' | b'\r' | b'\n' | 0)
}
