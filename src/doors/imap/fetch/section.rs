//! BODY[...] and BINARY[...]: bytes of the message by the offsets of its record. RFC 9051 §6.4.5.

use std::ops::Range;

use bytes::Bytes;

use super::source::{Opened, Source};
use crate::doors::imap::grammar::{Asked, Of, Partial, Section};
use crate::doors::imap::out::Out;
use crate::mailbox::Error;
use crate::message::decode::Encoding;
use crate::message::header;
use crate::message::section::{self, Tree};

/// Writes one section with its name.
pub(super) fn write(section: &Section, message: &Opened<'_>, out: &mut Out) -> Result<(), Error> {
    // Read before anything is written: what fails leaves no half answer.
    let bytes = bytes(section, message)?;
    name(section, out);
    out.byte(b' ');
    match bytes {
        Some(pieces) => out.literal(&pieces),
        None => out.text("NIL"),
    }
    Ok(())
}

/// Writes the message as it is, or a piece of it.
pub(super) fn write_whole(section: &Section, source: &Source<'_>, out: &mut Out) -> Result<(), Error> {
    let pieces = source.range(cut(0..u64::MAX, section.partial))?;
    name(section, out);
    out.byte(b' ');
    out.literal(&pieces);
    Ok(())
}

/// How many bytes of a message of `size` that will be.
pub(super) fn whole_length(section: &Section, size: u64) -> u64 {
    let range = cut(0..size, section.partial);
    range.end.saturating_sub(range.start)
}

/// The name under which it is answered, without where a partial section ends.
pub(super) fn name(section: &Section, out: &mut Out) {
    match section.asked {
        Asked::Rfc822 => return out.text("RFC822"),
        Asked::Rfc822Header => return out.text("RFC822.HEADER"),
        Asked::Rfc822Text => return out.text("RFC822.TEXT"),
        Asked::Body => out.text("BODY["),
    }
    path(&section.part, out);
    if !section.part.is_empty() && section.of != Of::All {
        out.byte(b'.');
    }
    match &section.of {
        Of::All => {}
        Of::Header => out.text("HEADER"),
        Of::Text => out.text("TEXT"),
        Of::Mime => out.text("MIME"),
        Of::Fields { names, not } => {
            out.text(if *not { "HEADER.FIELDS.NOT" } else { "HEADER.FIELDS" });
            out.text(" (");
            for (i, name) in names.iter().enumerate() {
                if i > 0 {
                    out.byte(b' ');
                }
                field_name(name, out);
            }
            out.byte(b')');
        }
    }
    out.byte(b']');
    origin(section.partial, out);
}

fn field_name(name: &[u8], out: &mut Out) {
    if name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') && !name.is_empty() {
        out.slice(name);
    } else {
        out.string(&String::from_utf8_lossy(name));
    }
}

fn path(part: &[u32], out: &mut Out) {
    for (i, number) in part.iter().enumerate() {
        if i > 0 {
            out.byte(b'.');
        }
        out.number(u64::from(*number));
    }
}

fn origin(partial: Option<Partial>, out: &mut Out) {
    if let Some(partial) = partial {
        out.byte(b'<');
        out.number(partial.from);
        out.byte(b'>');
    }
}

/// The section's bytes; `None` when the message has no such section.
fn bytes(section: &Section, message: &Opened<'_>) -> Result<Option<Vec<Bytes>>, Error> {
    let source = message.source;
    let Some(range) = locate(section, message)? else { return Ok(None) };
    let Of::Fields { names, not } = &section.of else {
        return source.range(cut(range, section.partial)).map(Some);
    };
    let header = source.joined(range)?;
    source.count(header.len());
    let fields = Bytes::from(select_fields(&header, names, *not));
    Ok(Some(vec![match section.partial {
        Some(partial) => {
            let at = |n: u64| usize::try_from(n).map_or(fields.len(), |n| n.min(fields.len()));
            fields.slice(at(partial.from)..at(partial.from.saturating_add(partial.most)))
        }
        None => fields,
    }]))
}

/// Where the bytes are that a section asks for; `None` where there are none, or they cannot be found.
pub(super) fn place(section: &Section, message: &Opened<'_>) -> Option<Range<u64>> {
    let range = locate(section, message).ok()??;
    Some(cut(range.start..range.end.min(message.source.size()), section.partial))
}

/// As [`place`], of a part before it is decoded.
pub(super) fn binary_place(
    part: &[u32],
    partial: Option<Partial>,
    message: &Opened<'_>,
) -> Option<Range<u64>> {
    if part.is_empty() {
        return Some(cut(0..message.source.size(), partial));
    }
    let record = message.full().ok()?;
    let found = record.parts.get(record.find(part)?)?;
    Some(cut(found.body(), partial))
}

/// Where the section is. A record that was cut may not know, or take the first part it does not have for
/// the one that would hold it: then the message is asked.
fn locate(section: &Section, message: &Opened<'_>) -> Result<Option<Range<u64>>, Error> {
    let part = &section.part[..];
    let wanted = match section.of {
        Of::All if part.is_empty() => return Ok(Some(0..u64::MAX)),
        Of::All => section::Section::Part(part),
        Of::Header | Of::Fields { .. } => section::Section::Header(part),
        Of::Text => section::Section::Text(part),
        Of::Mime => section::Section::Mime(part),
    };
    // The message's own header and text are in every record, or nothing is.
    let known = if part.is_empty() { message.record.section(wanted) } else { None };
    match known {
        None => Ok(message.full()?.section(wanted)),
        found => Ok(found),
    }
}

/// The part of a range that a partial section asks for.
fn cut(range: Range<u64>, partial: Option<Partial>) -> Range<u64> {
    let Some(partial) = partial else { return range };
    let start = range.start.saturating_add(partial.from).min(range.end);
    start..start.saturating_add(partial.most).min(range.end)
}

/// The fields with, or with `not` without, one of the names; then the empty line that ends a header.
fn select_fields(header: &[u8], names: &[Vec<u8>], not: bool) -> Vec<u8> {
    let is_named = |name: &[u8]| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let mut selected = header::pick(header, |name| is_named(name) != not);
    // A header without a body need not end in an empty line; what is selected of it does.
    let last = header.split_inclusive(|b| *b == b'\n').next_back();
    if !last.is_some_and(|line| line.ends_with(b"\n") && line.trim_ascii().is_empty()) {
        if !selected.is_empty() && !selected.ends_with(b"\n") {
            selected.extend_from_slice(b"\r\n");
        }
        selected.extend_from_slice(b"\r\n");
    }
    selected
}

/// A part without its transfer encoding.
pub(super) enum Decoded {
    Bytes(Bytes),
    /// There is no such part.
    Missing,
    /// It is encoded in a way nobody knows. RFC 9051 §7.1, UNKNOWN-CTE.
    Unknown,
}

/// Decodes a part, or a piece of what it decodes to.
pub(super) fn decoded(
    part: &[u32],
    partial: Option<Partial>,
    message: &Opened<'_>,
) -> Result<Decoded, Error> {
    let range = cut(0..u64::MAX, partial);
    if part.is_empty() {
        return Ok(Decoded::Bytes(message.source.joined(range)?));
    }
    let record = message.full()?;
    let Some(index) = record.find(part) else { return Ok(Decoded::Missing) };
    let Some(found) = record.parts.get(index) else { return Ok(Decoded::Missing) };
    let encoding = match &*found.encoding {
        "7bit" | "8bit" | "binary" => {
            return Ok(Decoded::Bytes(message.source.joined(cut(found.body(), partial))?));
        }
        keyword => match Encoding::from_keyword(keyword) {
            Encoding::Identity => return Ok(Decoded::Unknown),
            known => known,
        },
    };
    Ok(Decoded::Bytes(message.decoded(index, encoding, found.body(), range)?))
}

/// `BINARY[...]<...> `
pub(super) fn binary_name(name: &str, part: &[u32], partial: Option<Partial>, out: &mut Out) {
    out.text(name);
    out.byte(b'[');
    path(part, out);
    out.byte(b']');
    origin(partial, out);
    out.byte(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_selected_with_their_folds() {
        let header = b"Subject: a\r\n b\r\nFrom : x@y\r\nX-Other: 1\r\ngarbage\r\n more\r\nTO: z\r\n\r\n";
        let names: Vec<Vec<u8>> = vec![b"subject".to_vec(), b"from".to_vec()];
        assert_eq!(select_fields(header, &names, false), b"Subject: a\r\n b\r\nFrom : x@y\r\n\r\n");
        assert_eq!(select_fields(header, &names, true), b"X-Other: 1\r\nTO: z\r\n\r\n");
        assert_eq!(select_fields(b"Subject: a", &names, false), b"Subject: a\r\n\r\n");
        assert_eq!(select_fields(b"", &names, false), b"\r\n");
    }

    #[test]
    fn partial_sections_stay_within() {
        let partial = |from, most| Some(Partial { from, most });
        assert_eq!(cut(10..20, partial(0, 5)), 10..15);
        assert_eq!(cut(10..20, partial(8, 5)), 18..20);
        assert_eq!(cut(10..20, partial(30, 5)), 20..20);
        assert_eq!(cut(10..20, partial(u64::MAX, u64::MAX)), 20..20);
    }
}
