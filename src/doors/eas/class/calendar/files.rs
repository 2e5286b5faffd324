//! Attachments of events, from 16.0 on: ATTACH with the octets in it. MS-ASAIRS §2.2.2.8; RFC 5545 §3.8.1.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use caldav::{Component, ContentLine, Object};
use wbxml::{Content, Element, airsyncbase as base};
use xxhash_rust::xxh3::xxh3_64;

use super::super::ical::text_of;
use super::super::out::clean;
use super::super::{CONVERSION, Refused};
use crate::doors::eas::ids::{FileReference, file_reference};
use crate::mailbox::{FolderId, Uid};

/// Most attachments of an event, and of all its exceptions.
const FILES_MAX: usize = 100;
/// Most octets of one: in base64 it must be a line that the parser takes.
const FILE_MAX: usize = 5 << 20;
/// Most octets of those of one component together.
const TOGETHER_MAX: usize = 10 << 20;
/// An ordinary attachment. MS-ASAIRS §2.2.2.31.
const NORMAL: u8 = 1;

/// The Attachments element of a component, if there are any files in it.
pub(super) fn show(event: &Component, (folder, uid): (FolderId, Uid)) -> Option<Element<'static>> {
    let mut files = event.lines().filter(|line| is_file(line)).take(FILES_MAX).peekable();
    files.peek()?;
    Some(Element::new(base::ATTACHMENTS).with_all(files.map(|line| {
        let digits = line.value().trim_end_matches('=').len();
        Element::new(base::ATTACHMENT)
            .with_text(base::DISPLAY_NAME, clean(file_name(line)))
            .with_text(base::FILE_REFERENCE, file_reference(folder, uid, &number(line).to_string()))
            .with_number(base::METHOD, NORMAL)
            .with_number(base::ESTIMATED_DATA_SIZE, i128::try_from(digits * 3 / 4).unwrap_or_default())
    })))
}

/// An ATTACH that holds its octets.
fn is_file(line: &ContentLine) -> bool {
    line.is("ATTACH")
        && line.parameter("ENCODING").is_some_and(|coding| coding.eq_ignore_ascii_case("BASE64"))
}

fn file_name(line: &ContentLine) -> &str {
    let names = ["FILENAME", "X-FILENAME", "X-APPLE-FILENAME", "X-LABEL"];
    let name = names.into_iter().find_map(|name| line.parameter(name));
    name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or("attachment")
}

/// What a file is found by: it says nothing that is not read again, so that a change beside it does not
/// make it another. Two that are the same need not be told apart.
fn number(line: &ContentLine) -> u32 {
    let sum = xxh3_64(line.value().as_bytes()) ^ xxh3_64(file_name(line).as_bytes()).rotate_left(1);
    u32::try_from(sum >> 32).unwrap_or_default().max(1)
}

/// The file that a FileReference names: its media type and its octets.
pub(in crate::doors::eas) fn read(object: &Object, named: &FileReference) -> Option<(String, Bytes)> {
    let [wanted] = named.path.as_slice() else { return None };
    let lines = object.calendar()?.components().filter(|c| c.is("VEVENT")).flat_map(Component::lines);
    let line = lines.filter(|line| is_file(line)).find(|line| number(line) == *wanted)?;
    let octets = STANDARD.decode(line.value().trim()).ok()?;
    let kind = line.parameter("FMTTYPE").filter(|kind| kind.contains('/') && kind.len() <= 255);
    Some((kind.unwrap_or("application/octet-stream").to_owned(), octets.into()))
}

/// Takes over which files a client adds and removes.
pub(super) fn set(event: &mut Component, element: &Element<'_>) -> Result<(), Refused> {
    for removed in element.children_of(base::DELETE) {
        let named = removed.text_of(base::FILE_REFERENCE).and_then(FileReference::parse);
        let [wanted] = named.as_ref().map(|named| named.path.as_slice()).unwrap_or_default() else {
            continue;
        };
        event.retain_lines(|line| !is_file(line) || number(line) != *wanted);
    }
    for added in element.children_of(base::ADD) {
        event.push(line_of(added)?);
    }
    let files = event.lines().filter(|line| is_file(line));
    let (count, octets) = files.fold((0_usize, 0_usize), |(count, octets), line| {
        (count + 1, octets.saturating_add(line.value().len() / 4 * 3))
    });
    if count > FILES_MAX || octets > TOGETHER_MAX {
        return Err(Refused(CONVERSION));
    }
    Ok(())
}

/// ATTACH for a file that a client adds.
fn line_of(added: &Element<'_>) -> Result<ContentLine, Refused> {
    let octets = content(added)?;
    let text = |tag| added.child(tag).map(text_of).transpose().map(Option::unwrap_or_default);
    let (name, kind) = (text(base::DISPLAY_NAME)?, text(base::CONTENT_TYPE)?);
    let is_kind = |kind: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+/".contains(c);
        kind.matches('/').count() == 1 && kind.len() <= 255 && kind.chars().all(fits)
    };
    let kind = if is_kind(&kind) { kind.as_str() } else { "application/octet-stream" };
    let name = name.replace('\n', " ");
    let name = if name.trim().is_empty() { "attachment" } else { name.trim() };
    Ok(ContentLine::new("ATTACH", STANDARD.encode(octets))?
        .with("VALUE", "BINARY")?
        .with("ENCODING", "BASE64")?
        .with("FMTTYPE", kind)?
        .with("FILENAME", name)?)
}

/// The octets of a file that a client adds, which some write in base64.
fn content(added: &Element<'_>) -> Result<Vec<u8>, Refused> {
    let octets = match added.child(base::CONTENT).map(Element::content) {
        Some(Content::Opaque(octets)) => octets.to_vec(),
        Some(Content::Text(text)) => {
            let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(digits).unwrap_or_else(|_| text.as_bytes().to_vec())
        }
        Some(Content::Empty) => Vec::new(),
        Some(Content::Children(_)) | None => return Err(Refused(CONVERSION)),
    };
    if octets.len() > FILE_MAX { Err(Refused(CONVERSION)) } else { Ok(octets) }
}

/// What a client is told of the files that it added: by which FileReference it finds each of them.
pub(super) fn answer(
    event: &Component,
    data: &Element<'_>,
    (folder, uid): (FolderId, Uid),
) -> Option<Element<'static>> {
    let added = data.child(base::ATTACHMENTS)?.children_of(base::ADD);
    let told = added.filter_map(|added| {
        let client_id = added.text_of(base::CLIENT_ID)?;
        let number = number(&line_of(added).ok()?);
        let there = event.lines().filter(|line| is_file(line)).any(|line| self::number(line) == number);
        there.then(|| {
            Element::new(base::ATTACHMENT)
                .with_text(base::CLIENT_ID, client_id.to_owned())
                .with_text(base::FILE_REFERENCE, file_reference(folder, uid, &number.to_string()))
        })
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| Element::new(base::ATTACHMENTS).with_all(told))
}
