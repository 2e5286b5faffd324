//! Bounds on what one message may cost.
//!
//! A message beyond a bound is still a message: it is kept byte for byte and what lies past
//! the bound is opaque. None of these refuses mail; the doors do that by size.

/// Largest number of MIME parts told apart; what follows is an opaque tail of the open containers.
pub const PARTS: usize = 1_000;
/// Deepest nesting of containers; a deeper one is a leaf.
pub const DEPTH: usize = 50;
/// Longest part of one header block that is indexed, in bytes.
pub const HEADER_BYTES: usize = 1 << 20;
/// Largest number of header fields indexed in one part.
pub const FIELDS: usize = 2_000;
/// Largest number of header fields indexed in all parts of a message together.
pub const FIELDS_TOTAL: usize = 20_000;
/// Longest boundary accepted, in bytes; RFC 2046 §5.1.1 allows 70, no line may exceed 998.
pub const BOUNDARY: usize = 998;
/// Largest number of parameters kept of one field, continuations of RFC 2231 included.
pub const PARAMETERS: usize = 100;
/// Longest assembled parameter value, in bytes.
pub const PARAMETER_BYTES: usize = 8 << 10;
/// Largest number of addresses read from one header field.
pub const ADDRESSES: usize = 10_000;
/// Longest file name shown, in characters.
pub const FILE_NAME: usize = 255;
/// Largest number of message ids kept of References.
pub const REFERENCES: usize = 100;
/// Longest message id considered, in bytes.
pub const MESSAGE_ID: usize = 998;
/// Longest subject compared to tell which messages belong together, in bytes.
pub const BASE_SUBJECT: usize = 1_000;
/// Length of the plain-text preview, in characters.
pub const PREVIEW: usize = 500;
/// Bytes of a decoded body looked at for the preview.
pub const PREVIEW_SOURCE: usize = 16 << 10;
/// Largest decoded body text converted for a client, in bytes; the rest is cut.
pub const BODY: usize = 8 << 20;
/// Largest HTML given to the sanitiser, in bytes; the rest is cut.
pub const HTML: usize = 4 << 20;
/// Deepest nesting of HTML elements kept; deeper tags are dropped, their text stays.
pub const HTML_DEPTH: usize = 64;
/// Largest encoded record, in bytes.
pub const RECORD: usize = 64 << 10;
