//! Octets to tree.

use std::ffi::CStr;

use crate::text::{self, Flaw};
use crate::token::{self, END, HAS_ATTRIBUTES, HAS_CONTENT, OPAQUE, STR_I, STR_T, SWITCH_PAGE, TOKEN};
use crate::tree::{Children, Held};
use crate::{Element, Error, ErrorKind, Tag, codepage};

/// Bounds on a document from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of the document, and octets of text that references to its string table may add up to.
    pub bytes: usize,
    /// Levels of elements, the root being the first; [`MAX_DEPTH`] at most.
    pub depth: usize,
    /// Elements. One takes an octet on the wire and 32 in memory.
    pub elements: usize,
}

/// 50 MiB, 64 levels, 250,000 elements. The schemas of ActiveSync nest about a dozen levels, Search
/// queries aside; a Sync of 5,000 folders has some 50,000 elements.
impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 50 << 20, depth: 64, elements: 250_000 }
    }
}

/// The depth that no setting exceeds, since cloning, comparing and printing a tree take stack.
pub const MAX_DEPTH: usize = 1024;

/// Reads a document: the header of WBXML 1.3 §5.3 and one element, nothing after it.
///
/// Of WBXML, MS-ASWBXML §2.1 uses tags, code pages, inline strings and opaque data, and those are read;
/// string tables, which it does without, are read too, since an ordinary WBXML encoder may write them
/// and their meaning is plain. Attributes, entities, processing instructions, literal tags and
/// extensions are refused: there is no meaning they could have here. So are code pages and tokens that
/// the specification lacks, and text that XML cannot hold.
///
/// Content is a value or child elements; both together are refused, even if the text is blank, as no
/// schema of ActiveSync has mixed content, and dropping or keeping the text would be a guess. Several
/// strings in one element are one text, several opaques one value.
///
/// The public identifier is 1, "unknown", as in MS-ASWBXML §3: none was ever assigned to ActiveSync.
/// The version is 1.3 and the character set UTF-8, as there.
///
/// # Errors
/// [`Error`] with the offset of the fault.
pub fn decode<'a>(document: &'a [u8], limits: &Limits) -> Result<Element<'a>, Error> {
    if document.len() > limits.bytes {
        return Err(Error::new(limits.bytes, ErrorKind::TooLarge { limit: limits.bytes }));
    }
    let mut input = Input { document, at: 0 };
    let table = header(&mut input)?;
    let body = Body {
        input,
        table,
        page: 0,
        open: Vec::new(),
        closed: Vec::new(),
        texts: String::new(),
        opaques: Vec::new(),
        depth: limits.depth.min(MAX_DEPTH),
        elements: limits.elements,
        elements_limit: limits.elements,
        table_text: limits.bytes,
        table_text_limit: limits.bytes,
    };
    body.decode()
}

/// Reads `version publicid charset strtbl` (WBXML 1.3 §5.3) and returns the string table.
fn header<'a>(input: &mut Input<'a>) -> Result<&'a [u8], Error> {
    let version = input.byte("the version")?;
    if version != token::VERSION {
        return Err(Error::new(0, ErrorKind::Version(version)));
    }
    let start = input.at;
    let public_id = input.integer("the public identifier")?;
    if public_id != token::PUBLIC_ID {
        return Err(Error::new(start, ErrorKind::PublicId(public_id)));
    }
    let start = input.at;
    let charset = input.integer("the character set")?;
    if charset != token::UTF_8 {
        return Err(Error::new(start, ErrorKind::Charset(charset)));
    }
    let start = input.at;
    let length = input.integer("the length of the string table")?;
    input
        .take(length)
        .ok_or_else(|| Error::new(start, ErrorKind::StringTableTooLong { length, left: input.rest().len() }))
}

/// The document and how far it has been read. Invariant: `at` is not past the end.
struct Input<'a> {
    document: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn rest(&self) -> &'a [u8] {
        self.document.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn byte(&mut self, expected: &'static str) -> Result<u8, Error> {
        match self.document.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(Error::new(self.at, ErrorKind::Truncated { expected })),
        }
    }

    /// A multi-byte integer (WBXML 1.3 §5.1): seven bits an octet, the highest first.
    fn integer(&mut self, expected: &'static str) -> Result<u32, Error> {
        let start = self.at;
        let mut value = 0_u64;
        for _ in 0..5 {
            let byte = self.byte(expected)?;
            value = value << 7 | u64::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Error::new(start, ErrorKind::IntegerTooLarge));
            }
        }
        Err(Error::new(start, ErrorKind::IntegerTooLong))
    }

    /// The next octets, `None` if there are not as many.
    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let taken = self.rest().get(..usize::try_from(length).ok()?)?;
        self.at += taken.len();
        Some(taken)
    }
}

/// An element whose END has not come.
struct Open<'a> {
    tag: Tag,
    value: Value<'a>,
    /// Where in `closed` its children begin.
    children: usize,
}

/// The value so far of an open element. Only the innermost one can have any, so there is one place for
/// pieces put together: [`Body::texts`], [`Body::opaques`].
#[derive(Clone, Copy)]
enum Value<'a> {
    None,
    Text(&'a str),
    Texts,
    Opaque(&'a [u8]),
    Opaques,
}

/// The reader of `body = *pi element *pi`. It keeps its own stack, so depth costs no recursion.
struct Body<'a> {
    input: Input<'a>,
    table: &'a [u8],
    page: u8,
    open: Vec<Open<'a>>,
    /// Complete elements whose parents are open, in document order.
    closed: Vec<Element<'a>>,
    texts: String,
    opaques: Vec<u8>,
    depth: usize,
    /// Elements still allowed.
    elements: usize,
    elements_limit: usize,
    /// Text by reference to the string table still allowed, in octets: three octets of document can
    /// repeat a string as long as the table.
    table_text: usize,
    table_text_limit: usize,
}

impl<'a> Body<'a> {
    fn decode(mut self) -> Result<Element<'a>, Error> {
        loop {
            let at = self.input.at;
            let token = match self.open.last() {
                None => self.input.byte("the root element")?,
                Some(open) => {
                    let kind = ErrorKind::MissingEnd { open: open.tag };
                    self.input.byte("").map_err(|e| Error::new(e.offset, kind))?
                }
            };
            match token {
                SWITCH_PAGE => self.switch_page(at)?,
                END => self.end(at)?,
                STR_I => self.inline_string(at)?,
                STR_T => self.table_string(at)?,
                OPAQUE => self.opaque(at)?,
                _ => self.element(token, at)?,
            }
            if self.open.is_empty()
                && let Some(root) = self.closed.pop()
            {
                return match self.input.rest().len() {
                    0 => Ok(root),
                    count => Err(Error::new(self.input.at, ErrorKind::TrailingBytes { count })),
                };
            }
        }
    }

    /// WBXML 1.3 §5.8.4.7.2. A switch that changes nothing is allowed, as is one with no tag after it.
    fn switch_page(&mut self, at: usize) -> Result<(), Error> {
        let page = self.input.byte("a code page")?;
        if codepage::page_name(page).is_none() {
            return Err(Error::new(at, ErrorKind::UnknownPage(page)));
        }
        self.page = page;
        Ok(())
    }

    #[inline]
    fn element(&mut self, token: u8, at: usize) -> Result<(), Error> {
        if let Some(name) = token::unused(token) {
            return Err(Error::new(at, ErrorKind::UnusedToken(name)));
        }
        if token & HAS_ATTRIBUTES != 0 {
            return Err(Error::new(at, ErrorKind::Attributes));
        }
        let (page, bare) = (self.page, token & TOKEN);
        let tag = Tag::from_parts(page, bare)
            .ok_or(Error::new(at, ErrorKind::UnknownToken { page, token: bare }))?;
        if let Some(parent) = self.open.last()
            && !matches!(parent.value, Value::None)
        {
            return Err(Error::new(at, ErrorKind::MixedContent { element: parent.tag }));
        }
        if self.open.len() >= self.depth {
            return Err(Error::new(at, ErrorKind::TooDeep { limit: self.depth }));
        }
        let limit = self.elements_limit;
        self.elements =
            self.elements.checked_sub(1).ok_or(Error::new(at, ErrorKind::TooManyElements { limit }))?;
        if token & HAS_CONTENT == 0 {
            self.closed.push(Element::new(tag));
        } else if let Some(text) = self.whole_text() {
            self.closed.push(Element::from_held(tag, Held::Text(text)));
        } else {
            self.open.push(Open { tag, value: Value::None, children: self.closed.len() });
        }
        Ok(())
    }

    /// The content of the element just begun, if it is one short string and END: two elements of three
    /// are such, and need not be opened first. `None` says nothing.
    #[inline]
    fn whole_text(&mut self) -> Option<&'a str> {
        let string = self.input.rest().strip_prefix(&[STR_I])?;
        let text = text::short_plain(string)?;
        if text.is_empty() || string.get(text.len() + 1) != Some(&END) {
            return None;
        }
        // STR_I, the text, its NUL, END.
        self.input.at += text.len() + 3;
        Some(text)
    }

    #[inline]
    fn end(&mut self, at: usize) -> Result<(), Error> {
        let open = self.open.pop().ok_or(Error::new(at, ErrorKind::UnexpectedEnd))?;
        if self.closed.len() > open.children {
            let children = self.closed.drain(open.children..).collect();
            self.closed.push(Element::from_held(open.tag, Held::Children(Children(children))));
        } else {
            let held = match open.value {
                Value::None => Held::Empty,
                Value::Text(text) => Held::Text(text),
                Value::Texts => Held::OwnText(std::mem::take(&mut self.texts).into()),
                Value::Opaque(data) => Held::Opaque(data),
                Value::Opaques => Held::OwnOpaque(std::mem::take(&mut self.opaques).into()),
            };
            self.closed.push(Element::from_held(open.tag, held));
        }
        Ok(())
    }

    #[inline]
    fn inline_string(&mut self, at: usize) -> Result<(), Error> {
        let start = self.input.at;
        let rest = self.input.rest();
        let text = match text::short_plain(rest) {
            Some(text) => text,
            None => {
                let bytes = CStr::from_bytes_until_nul(rest)
                    .map_err(|_| Error::new(at, ErrorKind::UnterminatedString))?
                    .to_bytes();
                text::validate(bytes).map_err(|(offset, flaw)| flawed(start + offset, flaw))?
            }
        };
        // The string and its NUL are part of the rest.
        self.input.at += text.len() + 1;
        self.text(text, at)
    }

    /// WBXML 1.3 §5.8.4.1: an offset into the table, which may point into the middle of a string.
    fn table_string(&mut self, at: usize) -> Result<(), Error> {
        let offset = self.input.integer("a string table offset")?;
        let table = self.table.len();
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.table.get(offset..))
            .filter(|rest| !rest.is_empty())
            .ok_or(Error::new(at, ErrorKind::StringOffset { offset, table }))?;
        let bytes = CStr::from_bytes_until_nul(bytes)
            .map_err(|_| Error::new(at, ErrorKind::UnterminatedString))?
            .to_bytes();
        let limit = self.table_text_limit;
        self.table_text = self
            .table_text
            .checked_sub(bytes.len())
            .ok_or(Error::new(at, ErrorKind::TextTooLarge { limit }))?;
        let text = text::validate(bytes).map_err(|(_, flaw)| flawed(at, flaw))?;
        self.text(text, at)
    }

    /// WBXML 1.3 §5.8.4.6.
    fn opaque(&mut self, at: usize) -> Result<(), Error> {
        let length = self.input.integer("the length of opaque data")?;
        let data = self.input.take(length).ok_or_else(|| {
            Error::new(at, ErrorKind::OpaqueTooLong { length, left: self.input.rest().len() })
        })?;
        let open = holder(&mut self.open, &self.closed, data.is_empty(), at)?;
        open.value = match open.value {
            value if data.is_empty() => value,
            Value::None => Value::Opaque(data),
            Value::Opaque(before) => {
                self.opaques.extend_from_slice(before);
                self.opaques.extend_from_slice(data);
                Value::Opaques
            }
            Value::Opaques => {
                self.opaques.extend_from_slice(data);
                Value::Opaques
            }
            Value::Text(_) | Value::Texts => {
                return Err(Error::new(at, ErrorKind::MixedValue { element: open.tag }));
            }
        };
        Ok(())
    }

    #[inline]
    fn text(&mut self, text: &'a str, at: usize) -> Result<(), Error> {
        let open = holder(&mut self.open, &self.closed, text.is_empty(), at)?;
        open.value = match open.value {
            value if text.is_empty() => value,
            Value::None => Value::Text(text),
            Value::Text(before) => {
                self.texts.push_str(before);
                self.texts.push_str(text);
                Value::Texts
            }
            Value::Texts => {
                self.texts.push_str(text);
                Value::Texts
            }
            Value::Opaque(_) | Value::Opaques => {
                return Err(Error::new(at, ErrorKind::MixedValue { element: open.tag }));
            }
        };
        Ok(())
    }
}

/// The element that a value belongs to: the innermost open one, which has no children unless the value
/// is empty, being nothing.
#[inline]
fn holder<'s, 'a>(
    open: &'s mut [Open<'a>],
    closed: &[Element<'a>],
    is_empty: bool,
    at: usize,
) -> Result<&'s mut Open<'a>, Error> {
    let open = open.last_mut().ok_or(Error::new(at, ErrorKind::ContentOutsideRoot))?;
    if closed.len() > open.children && !is_empty {
        return Err(Error::new(at, ErrorKind::MixedContent { element: open.tag }));
    }
    Ok(open)
}

fn flawed(at: usize, flaw: Flaw) -> Error {
    let kind = match flaw {
        Flaw::NotUtf8 => ErrorKind::NotUtf8,
        Flaw::Forbidden(c) => ErrorKind::ForbiddenCharacter(c),
    };
    Error::new(at, kind)
}
