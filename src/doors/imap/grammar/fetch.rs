//! What FETCH asks for. RFC 9051 §6.4.5.

use super::Refusal;
use super::input::{Input, Parsed};
use super::set::Set;

/// Most attributes of one FETCH; a client that asks for more asks twice.
const ATTRIBUTES_MAX: usize = 128;
/// Most fields named in one section.
const FIELDS_MAX: usize = 256;
/// Deepest part number: more than the message module tells apart.
const PART_MAX: usize = 128;

/// FETCH or UID FETCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Fetch {
    /// Whether the set has UIDs, and the answer must.
    pub(in crate::doors::imap) by_uid: bool,
    pub(in crate::doors::imap) set: Set,
    pub(in crate::doors::imap) attributes: Vec<Attribute>,
    /// Only messages changed after this. RFC 7162 §3.1.4.1.
    pub(in crate::doors::imap) changed_since: Option<u64>,
    /// Whether messages of the set that were expunged after that are told too. RFC 7162 §3.2.6.
    pub(in crate::doors::imap) vanished: bool,
}

/// One `fetch-att`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Attribute {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    /// BODYSTRUCTURE without its extension data.
    Body,
    BodyStructure,
    /// RFC 7162 §3.1.4.2.
    ModSeq,
    /// RFC 8474 §5.
    EmailId,
    /// RFC 8474 §5.
    ThreadId,
    /// RFC 8970 §3.
    Preview,
    /// Bytes of the message as they stand.
    Section(Section),
    /// A part's content, decoded. RFC 9051 §6.4.5.
    Binary {
        part: Vec<u32>,
        partial: Option<Partial>,
        peek: bool,
    },
    /// Its length. RFC 9051 §6.4.5.
    BinarySize {
        part: Vec<u32>,
    },
}

/// A section of the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Section {
    pub(in crate::doors::imap) part: Vec<u32>,
    pub(in crate::doors::imap) of: Of,
    pub(in crate::doors::imap) partial: Option<Partial>,
    /// Whether the seen flag is left alone.
    pub(in crate::doors::imap) peek: bool,
    /// Under which name the client asked.
    pub(in crate::doors::imap) asked: Asked,
}

/// What of the part is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Of {
    /// `BODY[]`, `BODY[1]`
    All,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (...)` or, with `not`, `HEADER.FIELDS.NOT (...)`; names as the client wrote them.
    Fields { names: Vec<Vec<u8>>, not: bool },
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

/// `<from.most>`: bytes of the section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Partial {
    pub(in crate::doors::imap) from: u64,
    pub(in crate::doors::imap) most: u64,
}

/// The names under which a section can be asked for, and is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Asked {
    Body,
    Rfc822,
    Rfc822Header,
    Rfc822Text,
}

impl Fetch {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, by_uid: bool) -> Parsed<Self> {
        input.space()?;
        let set = Set::parse(input)?;
        input.space()?;
        let mut attributes = if input.peek() == Some(b'(') {
            input.list(ATTRIBUTES_MAX, false, Attribute::parse)?
        } else {
            match macro_of(input) {
                Some(attributes) => attributes,
                None => vec![Attribute::parse(input)?],
            }
        };
        let (mut changed_since, mut vanished) = (None, false);
        if input.eat(b' ') {
            (changed_since, vanished) = modifiers(input, by_uid)?;
        }
        if by_uid && !attributes.contains(&Attribute::Uid) {
            attributes.insert(0, Attribute::Uid);
        }
        // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for the modseqs too.
        if changed_since.is_some() && !attributes.contains(&Attribute::ModSeq) {
            attributes.push(Attribute::ModSeq);
        }
        Ok(Self { by_uid, set, attributes, changed_since, vanished })
    }
}

/// RFC 9051 §6.4.5: ALL, FAST and FULL stand alone.
fn macro_of(input: &mut Input<'_>) -> Option<Vec<Attribute>> {
    use Attribute::{Body, Envelope, Flags, InternalDate, Size};
    let fast = [Flags, InternalDate, Size];
    let more: &[Attribute] = if input.eat_word("FAST") {
        &[]
    } else if input.eat_word("ALL") {
        &[Envelope]
    } else if input.eat_word("FULL") {
        &[Envelope, Body]
    } else {
        return None;
    };
    Some(fast.iter().chain(more).cloned().collect())
}

/// RFC 4466 §2.4: `"(" fetch-modifier *(SP fetch-modifier) ")"`.
fn modifiers(input: &mut Input<'_>, by_uid: bool) -> Parsed<(Option<u64>, bool)> {
    const MODIFIERS_MAX: usize = 8;
    let (mut changed_since, mut vanished) = (None, false);
    input.list(MODIFIERS_MAX, false, |input| {
        match input.keyword("expected a FETCH modifier")?.as_str() {
            "CHANGEDSINCE" => {
                input.space()?;
                changed_since = Some(input.number("expected a modseq")?);
            }
            "VANISHED" => vanished = true,
            _ => return Err(Refusal::Syntax("unknown FETCH modifier")),
        }
        Ok(())
    })?;
    if vanished && !(by_uid && changed_since.is_some()) {
        return Err(Refusal::Syntax("VANISHED goes with UID FETCH and CHANGEDSINCE"));
    }
    Ok((changed_since, vanished))
}

impl Attribute {
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        let name = name(input)?;
        if input.peek() == Some(b'[') {
            return Self::bracketed(&name, input);
        }
        Ok(match name.as_str() {
            "FLAGS" => Self::Flags,
            "UID" => Self::Uid,
            "INTERNALDATE" => Self::InternalDate,
            "RFC822.SIZE" => Self::Size,
            "ENVELOPE" => Self::Envelope,
            "BODY" => Self::Body,
            "BODYSTRUCTURE" => Self::BodyStructure,
            "MODSEQ" => Self::ModSeq,
            "EMAILID" => Self::EmailId,
            "THREADID" => Self::ThreadId,
            "PREVIEW" => {
                // The preview is always at hand, so LAZY changes nothing.
                input.eat_text(" (LAZY)");
                Self::Preview
            }
            "RFC822" => Self::whole(Of::All, false, Asked::Rfc822),
            "RFC822.HEADER" => Self::whole(Of::Header, true, Asked::Rfc822Header),
            "RFC822.TEXT" => Self::whole(Of::Text, false, Asked::Rfc822Text),
            _ => return Err(Refusal::Syntax("unknown FETCH attribute")),
        })
    }

    fn whole(of: Of, peek: bool, asked: Asked) -> Self {
        Self::Section(Section { part: Vec::new(), of, partial: None, peek, asked })
    }

    fn bracketed(name: &str, input: &mut Input<'_>) -> Parsed<Self> {
        match name {
            "BODY" | "BODY.PEEK" => {
                let (part, of) = section(input)?;
                let (partial, peek) = (partial(input)?, name != "BODY");
                Ok(Self::Section(Section { part, of, partial, peek, asked: Asked::Body }))
            }
            "BINARY" | "BINARY.PEEK" => {
                let part = binary_part(input)?;
                Ok(Self::Binary { part, partial: partial(input)?, peek: name != "BINARY" })
            }
            "BINARY.SIZE" => Ok(Self::BinarySize { part: binary_part(input)? }),
            _ => Err(Refusal::Syntax("unknown FETCH attribute")),
        }
    }
}

/// An attribute's name up to its bracket, in upper case.
fn name(input: &mut Input<'_>) -> Parsed<String> {
    let mut name = String::new();
    while let Some(b) = input.peek().filter(|b| b.is_ascii_alphanumeric() || *b == b'.') {
        input.eat(b);
        name.push(char::from(b.to_ascii_uppercase()));
    }
    if name.is_empty() { Err(Refusal::Syntax("expected a FETCH attribute")) } else { Ok(name) }
}

/// `section = "[" [section-spec] "]"`
fn section(input: &mut Input<'_>) -> Parsed<(Vec<u32>, Of)> {
    input.expect(b'[', "expected a section")?;
    let (part, ends_in_dot) = part_number(input)?;
    let of = if ends_in_dot || (part.is_empty() && input.peek() != Some(b']')) {
        section_text(input, !part.is_empty())?
    } else {
        Of::All
    };
    input.expect(b']', "expected the end of the section")?;
    Ok((part, of))
}

/// `section-part`, and whether a dot follows it.
fn part_number(input: &mut Input<'_>) -> Parsed<(Vec<u32>, bool)> {
    let mut part = Vec::new();
    while input.peek().is_some_and(|b| b.is_ascii_digit()) {
        if part.len() >= PART_MAX {
            return Err(Refusal::TooMany);
        }
        part.push(input.nz_number("expected a part number")?);
        if !input.eat(b'.') {
            return Ok((part, false));
        }
    }
    let ends_in_dot = !part.is_empty();
    Ok((part, ends_in_dot))
}

/// `section-msgtext`, and after a part number `MIME`.
fn section_text(input: &mut Input<'_>, after_part: bool) -> Parsed<Of> {
    if input.eat_text("HEADER.FIELDS.NOT") {
        return Ok(Of::Fields { names: fields(input)?, not: true });
    }
    if input.eat_text("HEADER.FIELDS") {
        return Ok(Of::Fields { names: fields(input)?, not: false });
    }
    if input.eat_text("HEADER") {
        return Ok(Of::Header);
    }
    if input.eat_text("TEXT") {
        return Ok(Of::Text);
    }
    if after_part && input.eat_text("MIME") {
        return Ok(Of::Mime);
    }
    Err(Refusal::Syntax("unknown section"))
}

/// `SP "(" header-fld-name *(SP header-fld-name) ")"`
fn fields(input: &mut Input<'_>) -> Parsed<Vec<Vec<u8>>> {
    input.space()?;
    input.list(FIELDS_MAX, false, |input| input.astring().map(|name| name.into_owned()))
}

/// `section-binary = "[" [section-part] "]"`
fn binary_part(input: &mut Input<'_>) -> Parsed<Vec<u32>> {
    input.expect(b'[', "expected a section")?;
    let (part, ends_in_dot) = part_number(input)?;
    if ends_in_dot {
        return Err(Refusal::Syntax("expected a part number"));
    }
    input.expect(b']', "expected the end of the section")?;
    Ok(part)
}

/// `partial = "<" number64 "." nz-number64 ">"`
fn partial(input: &mut Input<'_>) -> Parsed<Option<Partial>> {
    if !input.eat(b'<') {
        return Ok(None);
    }
    let from = input.number("expected where the partial section begins")?;
    input.expect(b'.', "expected a dot in the partial section")?;
    let most = input.number("expected the length of the partial section")?;
    if most == 0 {
        return Err(Refusal::Syntax("a partial section cannot be empty"));
    }
    input.expect(b'>', "expected the end of the partial section")?;
    Ok(Some(Partial { from, most }))
}
