//! Attachments: how they are listed, and the octets of one. MS-ASAIRS §2.2.2.8.

use bytes::Bytes;
use caldav::Object;
use wbxml::{Element, Version, airsyncbase};

use super::super::ids::{FileReference, file_reference};
use super::super::reply::Failure;
use super::super::session::Session;
use super::uncut::{message_of_cut, uncut};
use crate::doors::eas::class;
use crate::mailbox::{Error, Folder, Item, Kind, Mailbox, View};
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

/// An attachment's media type and its octets, decoded.
pub(in crate::doors::eas) struct Attached {
    pub(in crate::doors::eas) content_type: String,
    pub(in crate::doors::eas) octets: Bytes,
}

impl Attached {
    /// Reads what a FileReference names. `Missing` or `Denied` for whatever is not an attachment that the
    /// account may read; `None` for one of about more than `most` octets.
    pub(in crate::doors::eas) async fn read(
        session: &Session,
        named: FileReference,
        most: usize,
    ) -> Result<Result<Option<Self>, Error>, Failure> {
        let (mailbox, acting) = (session.eas.mailbox.clone(), session.acting());
        session
            .eas
            .blocking(move || Ok(mailbox.view(acting).and_then(|view| read(&mailbox, &view, &named, most))))
            .await
    }
}

/// A file in an item that is not mail.
fn of_object(
    mailbox: &Mailbox,
    view: &View,
    (folder, item): (&Folder, &Item),
    named: &FileReference,
    most: usize,
) -> Result<Option<Attached>, Error> {
    let octets = mailbox.message(view, folder, item)?;
    let object = Object::parse(&octets).map_err(|_| Error::Invalid("the object is too large to be read"))?;
    let (content_type, octets) = class::file(folder.kind, &object, named).ok_or(Error::Missing)?;
    Ok((octets.len() <= most).then_some(Attached { content_type, octets }))
}

fn read(
    mailbox: &Mailbox,
    view: &View,
    named: &FileReference,
    most: usize,
) -> Result<Option<Attached>, Error> {
    let folder = view.readable(named.folder)?;
    let item = view.item(&folder, named.uid)?.ok_or(Error::Missing)?;
    if folder.kind != Kind::Mail {
        return of_object(mailbox, view, (&folder, &item), named, most);
    }
    let row = view.record(&folder, named.uid)?.ok_or(Error::Missing)?;
    let record = MailRecord::decode(row.record()).map_err(|_| Error::Invalid("a damaged record"))?;
    let whole = message_of_cut(mailbox, view, &folder, &item, &record)?;
    let record = uncut(record, whole.as_ref());
    let index = record.find(&named.path).ok_or(Error::Missing)?;
    let file = record.attachments.iter().find(|file| usize::from(file.part) == index);
    let file = file.ok_or(Error::Missing)?;
    let part = record.part_of(file).ok_or(Error::Missing)?;
    if usize::try_from(file.decoded_size).is_ok_and(|size| size > most) {
        return Ok(None);
    }
    // The record counts from the trace prefix, which is not part of the stored body.
    let prefix = u64::try_from(row.prefix().len()).unwrap_or(u64::MAX);
    let body = part.body();
    let range = body.start.saturating_sub(prefix)..body.end.saturating_sub(prefix);
    let raw = view.reader().body_range(&BodyId(item.body), range)?;
    let octets = match Encoding::from_keyword(&part.encoding) {
        Encoding::Identity => raw,
        encoding => decode::bytes(encoding, &raw).into(),
    };
    Ok(Some(Attached { content_type: part.content_type(), octets }))
}
