//! What can be wrong with a document.

use std::fmt;

use crate::Tag;
use crate::codepage::page_name;

/// A document that is not the WBXML of ActiveSync: what, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// The octet, counted from 0, at which the fault shows: the first octet of the token or number
    /// that is wrong, or the length of the input if it ends too early.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

impl Error {
    pub(crate) const fn new(offset: usize, kind: ErrorKind) -> Self {
        Self { offset, kind }
    }

    /// Whether the document is refused for its size alone; a document within the limits might be
    /// fine.
    pub const fn is_limit(&self) -> bool {
        use ErrorKind::{TextTooLarge, TooDeep, TooLarge, TooManyElements};
        matches!(self.kind, TooLarge { .. } | TooDeep { .. } | TooManyElements { .. } | TextTooLarge { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.kind)
    }
}

impl std::error::Error for Error {}

/// The kinds of faults. Section numbers are those of WBXML 1.3 (WAP-192-WBXML-20010725-a).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// More octets than [`crate::Limits::bytes`].
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The document ends where something is due.
    Truncated {
        /// What is due.
        expected: &'static str,
    },
    /// The document ends before the END of an element.
    MissingEnd {
        /// The innermost open element.
        open: Tag,
    },
    /// The version is not 1.3 (§5.4).
    Version(u8),
    /// The public identifier is not 1, "unknown" (§5.5). 0 is one spelt out in the string table.
    PublicId(u32),
    /// The character set is not UTF-8, 106 (§5.6).
    Charset(u32),
    /// A multi-byte integer of more than five octets (§5.1).
    IntegerTooLong,
    /// A multi-byte integer that does not fit 32 bits (§5.1).
    IntegerTooLarge,
    /// The string table is longer than the rest of the document (§5.7).
    StringTableTooLong {
        /// Its length.
        length: u32,
        /// The octets left.
        left: usize,
    },
    /// A reference past the end of the string table (§5.8.4.1).
    StringOffset {
        /// The offset.
        offset: u32,
        /// The length of the table.
        table: usize,
    },
    /// A string without its NUL.
    UnterminatedString,
    /// A string that is not UTF-8.
    NotUtf8,
    /// A string with a character that XML does not allow (XML 1.0 §2.2).
    ForbiddenCharacter(char),
    /// Opaque data longer than the rest of the document (§5.8.4.6).
    OpaqueTooLong {
        /// Its length.
        length: u32,
        /// The octets left.
        left: usize,
    },
    /// An element with attributes; ActiveSync has none (MS-ASWBXML §2.1).
    Attributes,
    /// A global token of WBXML that ActiveSync does not use (MS-ASWBXML §2.1).
    UnusedToken(&'static str),
    /// A switch to a code page that the specification does not have.
    UnknownPage(u8),
    /// A token that its code page does not have.
    UnknownToken {
        /// The page.
        page: u8,
        /// The token, without the content bit.
        token: u8,
    },
    /// An END with no element open.
    UnexpectedEnd,
    /// A string or opaque data outside the root element.
    ContentOutsideRoot,
    /// An element with both a value and child elements.
    MixedContent {
        /// The element.
        element: Tag,
    },
    /// An element whose value is part string, part opaque data.
    MixedValue {
        /// The element.
        element: Tag,
    },
    /// Elements nested deeper than [`crate::Limits::depth`].
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More elements than [`crate::Limits::elements`].
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// References to the string table add up to more text than [`crate::Limits::bytes`].
    TextTooLarge {
        /// The limit.
        limit: usize,
    },
    /// Octets after the root element's END.
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLarge { limit } => write!(f, "document larger than {limit} bytes"),
            Self::Truncated { expected } => write!(f, "document ends where {expected} is due"),
            Self::MissingEnd { open } => write!(f, "document ends inside {open}"),
            Self::Version(got) => write!(f, "WBXML version byte {got:#04x}, not 0x03 (1.3)"),
            Self::PublicId(0) => f.write_str("public identifier in the string table, not 1"),
            Self::PublicId(got) => write!(f, "public identifier {got}, not 1"),
            Self::Charset(got) => write!(f, "character set {got}, not 106 (UTF-8)"),
            Self::IntegerTooLong => f.write_str("multi-byte integer of more than five bytes"),
            Self::IntegerTooLarge => f.write_str("multi-byte integer larger than 32 bits"),
            Self::StringTableTooLong { length, left } => {
                write!(f, "string table of {length} bytes, {left} left")
            }
            Self::StringOffset { offset, table } => {
                write!(f, "string table offset {offset}, the table has {table} bytes")
            }
            Self::UnterminatedString => f.write_str("string without its NUL"),
            Self::NotUtf8 => f.write_str("string is not UTF-8"),
            Self::ForbiddenCharacter(c) => write!(f, "U+{:04X} in a string", u32::from(c)),
            Self::OpaqueTooLong { length, left } => write!(f, "opaque data of {length} bytes, {left} left"),
            Self::Attributes => f.write_str("element with attributes"),
            Self::UnusedToken(name) => write!(f, "token {name}, which ActiveSync does not use"),
            Self::UnknownPage(page) => write!(f, "unknown code page {page}"),
            Self::UnknownToken { page, token } => {
                let namespace = page_name(page).unwrap_or("?");
                write!(f, "unknown token {token:#04x} on code page {page} ({namespace})")
            }
            Self::UnexpectedEnd => f.write_str("END outside an element"),
            Self::ContentOutsideRoot => f.write_str("content outside the root element"),
            Self::MixedContent { element } => write!(f, "{element} has a value and child elements"),
            Self::MixedValue { element } => write!(f, "{element} mixes strings and opaque data"),
            Self::TooDeep { limit } => write!(f, "elements nested deeper than {limit}"),
            Self::TooManyElements { limit } => write!(f, "more than {limit} elements"),
            Self::TextTooLarge { limit } => write!(f, "string table expands to more than {limit} bytes"),
            Self::TrailingBytes { count } => write!(f, "{count} bytes after the document"),
        }
    }
}
