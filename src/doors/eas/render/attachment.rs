//! Attachments: how they are listed, and the octets of one. MS-ASAIRS §2.2.2.8.

use std::ops::Range;

use bytes::Bytes;
use wbxml::{Element, Version, airsyncbase};

use super::super::ids::{FileReference, file_reference};
use crate::mailbox::{Error, Folder, Item, View};
use crate::message::decode::{self, Encoding};
use crate::message::{MailRecord, Tree};
use crate::store::BodyId;

/// Method of an ordinary attachment and of an enclosed message. MS-ASAIRS §2.2.2.31.2.
const NORMAL: u8 = 1;
const ENCLOSED_MESSAGE: u8 = 5;

/// The Attachments element, if there are any.
pub(super) fn list(
    folder: &Folder,
    item: &Item,
    record: &MailRecord<'_>,
    version: Version,
) -> Option<Element<'static>> {
    let files = record.attachments.iter().map(|file| {
        let path = record.path(usize::from(file.part));
        let method = if file.is_message { ENCLOSED_MESSAGE } else { NORMAL };
        let mut shown = Element::new(airsyncbase::ATTACHMENT)
            .with_text(airsyncbase::DISPLAY_NAME, file.name.to_string())
            .with_text(airsyncbase::FILE_REFERENCE, file_reference(folder.id, item.uid, &path))
            .with_number(airsyncbase::METHOD, method)
            .with_number(airsyncbase::ESTIMATED_DATA_SIZE, file.decoded_size);
        let part = record.part_of(file);
        if let Some(id) = part.and_then(|part| part.id.as_deref()).map(bare_id).filter(|id| !id.is_empty()) {
            shown.push(Element::leaf(airsyncbase::CONTENT_ID, id.to_owned()));
        }
        if let Some(location) = part.and_then(|part| part.location.as_deref()) {
            shown.push(Element::leaf(airsyncbase::CONTENT_LOCATION, location.to_owned()));
        }
        if file.is_inline {
            shown.push(Element::boolean(airsyncbase::IS_INLINE, true));
        }
        debug_assert!(shown.children().iter().all(|child| child.tag().is_in(version)));
        shown
    });
    let mut files = files.peekable();
    files.peek()?;
    Some(Element::new(airsyncbase::ATTACHMENTS).with_all(files))
}

/// A Content-ID as HTML refers to it.
fn bare_id(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

/// An attachment that was found: its place in the message.
pub(in crate::doors::eas) struct Attached {
    body: BodyId,
    /// Where the part's body is in the stored body.
    range: Range<u64>,
    encoding: Encoding,
    /// Its media type.
    pub(in crate::doors::eas) content_type: String,
    /// Octets after decoding, estimated.
    pub(in crate::doors::eas) estimate: u64,
}

impl Attached {
    /// Finds what a FileReference names. `Missing` for whatever is not an attachment that the account may
    /// read.
    pub(in crate::doors::eas) fn find(view: &View, named: &FileReference) -> Result<Self, Error> {
        let folder = view.readable(named.folder)?;
        let item = view.item(&folder, named.uid)?.ok_or(Error::Missing)?;
        let row = view.record(&folder, named.uid)?.ok_or(Error::Missing)?;
        let record = MailRecord::decode(row.record()).map_err(|_| Error::Invalid("a damaged record"))?;
        let index = record.find(&named.path).ok_or(Error::Missing)?;
        let file = record.attachments.iter().find(|file| usize::from(file.part) == index);
        let part = file.and_then(|file| record.part_of(file)).ok_or(Error::Missing)?;
        // The record counts from the trace prefix, which is not part of the stored body.
        let prefix = u64::try_from(row.prefix().len()).unwrap_or(u64::MAX);
        let body = part.body();
        Ok(Self {
            body: BodyId(item.body),
            range: body.start.saturating_sub(prefix)..body.end.saturating_sub(prefix),
            encoding: Encoding::from_keyword(&part.encoding),
            content_type: part.content_type(),
            estimate: file.map_or(0, |file| u64::from(file.decoded_size)),
        })
    }

    /// All its octets, decoded.
    pub(in crate::doors::eas) fn octets(&self, view: &View) -> Result<Bytes, Error> {
        let raw = view.reader().body_range(&self.body, self.range.clone())?;
        Ok(match self.encoding {
            Encoding::Identity => raw,
            encoding => decode::bytes(encoding, &raw).into(),
        })
    }
}
