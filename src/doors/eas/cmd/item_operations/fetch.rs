//! Fetch: an item by its ids, or an attachment by its FileReference. MS-ASCMD §2.2.3.67.1.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use wbxml::{Element, Tag, airsync, airsyncbase, itemoperations as tags, search};

use super::{BAD_ATTACHMENT, BAD_RANGE, NOT_FOUND, OK, PROTOCOL, Room, TOO_LARGE, UNKNOWN_STORE, status};
use crate::doors::eas::class;
use crate::doors::eas::ids::{FileReference, folder_id, item_id, of_long_id};
use crate::doors::eas::render::{Attached, Renderer, Wishes};
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::mailbox::{Error, FolderId, Uid};

/// What names the thing to fetch, as the answer repeats it.
const NAMES: [Tag; 4] =
    [airsync::COLLECTION_ID, airsync::SERVER_ID, search::LONG_ID, airsyncbase::FILE_REFERENCE];

/// Handles one Fetch.
pub(super) async fn run(
    session: &Session,
    operation: &Element<'_>,
    room: &mut Room,
) -> Result<Element<'static>, Failure> {
    let names =
        NAMES.into_iter().filter_map(|tag| Some(Element::leaf(tag, operation.text_of(tag)?.to_owned())));
    let answer = |status| Element::new(tags::FETCH).with_number(tags::STATUS, status).with_all(names.clone());
    match fetch(session, operation, room).await? {
        Err(status) => Ok(answer(status)),
        Ok(Fetched { class, properties }) => {
            let class = class.map(|class| Element::leaf(airsync::CLASS, class));
            Ok(answer(OK).with_all(class).with(properties))
        }
    }
}

struct Fetched {
    class: Option<&'static str>,
    properties: Element<'static>,
}

async fn fetch(
    session: &Session,
    operation: &Element<'_>,
    room: &mut Room,
) -> Result<Result<Fetched, u16>, Failure> {
    if !operation.text_of(tags::STORE).is_none_or(|store| store.eq_ignore_ascii_case("Mailbox")) {
        return Ok(Err(UNKNOWN_STORE));
    }
    if room.left == 0 {
        return Ok(Err(TOO_LARGE));
    }
    let options = operation.child(tags::OPTIONS);
    if let Some(reference) = operation.text_of(airsyncbase::FILE_REFERENCE) {
        return attachment(session, reference, options, room).await;
    }
    let named = match operation.text_of(search::LONG_ID) {
        Some(long) => of_long_id(long),
        None => {
            let (folder, item) =
                (operation.text_of(airsync::COLLECTION_ID), operation.text_of(airsync::SERVER_ID));
            let (Some(folder), Some(item)) = (folder, item) else { return Ok(Err(PROTOCOL)) };
            item_id(item).filter(|(of, _)| folder_id(folder) == Some(*of))
        }
    };
    let Some((folder, uid)) = named else { return Ok(Err(NOT_FOUND)) };
    let Ok(wishes) = options.map_or(Ok(Wishes::default()), Wishes::parse) else { return Ok(Err(PROTOCOL)) };
    wishes.check(session.version)?;
    let (reading, mut parts) = (session.clone(), room.parts.take());
    let work = move || {
        let shown = item(&reading, folder, uid, &wishes, parts.as_mut());
        Ok((shown, parts))
    };
    let (shown, parts) = session.eas.blocking(work).await?;
    room.parts = parts;
    match shown.map(|shown| room.took(shown)) {
        Ok((class, properties)) => {
            let schema = options.and_then(|options| options.child(tags::SCHEMA));
            Ok(Ok(Fetched { class: Some(class), properties: narrowed(properties, schema) }))
        }
        Err(e) => status(e).map(Err),
    }
}

/// An item's class (MS-ASCMD §2.2.3.27.3) and properties, and how many octets they take.
fn item(
    session: &Session,
    folder: FolderId,
    uid: Uid,
    wishes: &Wishes,
    mut parts: Option<&mut Vec<Bytes>>,
) -> Result<((&'static str, Element<'static>), usize), Error> {
    let view = session.eas.mailbox.view(session.acting())?;
    let folder = view.readable(folder)?;
    let item = view.item(&folder, uid)?.ok_or(Error::Missing)?;
    let before = parts.as_ref().map_or(0, |parts| parts.len());
    let shown = Renderer::new(session, &view, &folder, wishes).properties(
        &item,
        tags::PROPERTIES,
        parts.as_deref_mut(),
    )?;
    let shown = shown.ok_or(Error::Missing)?;
    let inline: usize = shown.descendants().filter_map(Element::bytes).map(<[u8]>::len).sum();
    let apart: usize = parts.iter().flat_map(|parts| parts.iter().skip(before)).map(Bytes::len).sum();
    Ok(((class::name(folder.kind), shown), inline.saturating_add(apart)))
}

/// What of the properties a Schema names, if it names anything. MS-ASCMD §2.2.3.158.
fn narrowed(properties: Element<'static>, schema: Option<&Element<'_>>) -> Element<'static> {
    let Some(schema) = schema.filter(|schema| !schema.is_empty()) else { return properties };
    let tag = properties.tag();
    let wanted = properties.into_children().into_iter().filter(|property| schema.has(property.tag()));
    Element::new(tag).with_all(wanted)
}

async fn attachment(
    session: &Session,
    reference: &str,
    options: Option<&Element<'_>>,
    room: &mut Room,
) -> Result<Result<Fetched, u16>, Failure> {
    let Some(named) = FileReference::parse(reference) else { return Ok(Err(BAD_ATTACHMENT)) };
    let range = match options.and_then(|options| options.text_of(tags::RANGE)).map(range) {
        Some(None) => return Ok(Err(BAD_RANGE)),
        range => range.flatten(),
    };
    let most = if range.is_none() { room.left } else { usize::MAX };
    match Attached::read(session, named, most).await? {
        Ok(Some(found)) => Ok(octets(found, range, room)),
        Ok(None) => Ok(Err(TOO_LARGE)),
        // Whether it is somebody else's or nobody's is the same to the client.
        Err(Error::Missing | Error::Denied) => Ok(Err(BAD_ATTACHMENT)),
        Err(e) => status(e).map(Err),
    }
}

fn octets(found: Attached, range: Option<Range<usize>>, room: &mut Room) -> Result<Fetched, u16> {
    let whole = found.octets;
    let mut properties = Element::new(tags::PROPERTIES);
    let octets = match range {
        None => whole,
        Some(range) if range.start < whole.len() => {
            let end = range.end.min(whole.len());
            properties.push(Element::leaf(tags::RANGE, format!("{}-{}", range.start, end - 1)));
            let total = i128::try_from(whole.len()).unwrap_or(i128::MAX);
            properties.push(Element::number(tags::TOTAL, total));
            whole.slice(range.start..end)
        }
        Some(_) => return Err(BAD_RANGE),
    };
    if octets.len() > room.left {
        return Err(TOO_LARGE);
    }
    room.left -= octets.len();
    properties.push(Element::leaf(airsyncbase::CONTENT_TYPE, found.content_type));
    properties.push(match &mut room.parts {
        Some(parts) => {
            parts.push(octets);
            // The document itself is part 0.
            Element::number(tags::PART, i128::try_from(parts.len()).unwrap_or(i128::MAX))
        }
        None => Element::leaf(tags::DATA, STANDARD.encode(&octets)),
    });
    Ok(Fetched { class: None, properties })
}

/// Reads a byte range, `first-last`. MS-ASCMD §2.2.3.143.2.
fn range(text: &str) -> Option<Range<usize>> {
    let (first, last) = text.trim_ascii().split_once('-')?;
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (first, last): (usize, usize) = (number(first)?, number(last)?);
    (first <= last).then(|| first..last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("0-0"), Some(0..1));
        assert_eq!(range("10-19"), Some(10..20));
        assert_eq!(range("0-18446744073709551615"), Some(0..usize::MAX));
        for bad in ["", "5", "5-", "-5", "9-5", "+1-2", "1-2-3", "a-b", "0-18446744073709551616"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
