//! New messages, and what a server adds to or takes from those passing through.
//!
//! Times, ids and boundaries come from the caller: `unique` is 128 random bits, fresh for each
//! message. Text given to header fields is encoded and cannot break out of its line.

mod draft;
mod merge;
mod trace;
mod tree;

pub use draft::{Draft, File, Kept};
pub use merge::{Labels, Merge, Mode};
pub use trace::{message_id, missing_fields, without_bcc, without_fields};

/// A field of addresses, encoded and folded. RFC 5322 §3.4.
pub fn address_field(name: &str, list: &[super::Address<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    draft::address_field(name, list, &mut out);
    out
}

/// An unstructured field, encoded and folded as its text needs. RFC 2047, RFC 5322 §2.2.3.
pub fn text_field(name: &str, value: &str) -> Vec<u8> {
    use mail_builder::headers::{Header as _, text::Text};
    let mut out = format!("{name}: ").into_bytes();
    let column = out.len();
    Text::new(tree::one_line(value)).write_header(&mut out, column);
    out
}
