//! Drafts: what a client says about a message that it is writing, put into a message of RFC 5322.
//! MS-ASEMAIL §2.2.2, MS-ASAIRS §2.2.2.2 and §2.2.2.21; from 16.0 on.
//!
//! A draft that is changed is the stored one with what the client names in place of what was there; what it
//! does not name survives byte for byte, as far as it need not be written anew with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use wbxml::{Content, Element, airsync, airsyncbase as base, email, email2};

use super::ids::{FileReference, file_reference};
use super::outbox::from_field;
use crate::directory::Account;
use crate::mailbox::{FolderId, Uid};
use crate::message::build::{Draft, File, Kept, address_field, message_id, text_field, without_fields};
use crate::message::date::{self, Date};
use crate::message::record::NativeBody;
use crate::message::{self, MailRecord, Message, Tree, body, html, limits, parse, parse_addresses, select};

/// Most attachments of one command.
const FILES_MAX: usize = 100;

/// Statuses of an item. MS-ASCMD §2.2.2, §2.2.3.177.17.
const PROTOCOL: u16 = 4;
const CONVERSION: u16 = 6;
const INVALID_MIME_BODY_COMBINATION: u16 = 178;

/// What a client says of a draft; what is `None` it does not name.
#[derive(Default, Debug)]
pub(super) struct Changes {
    to: Option<String>,
    cc: Option<String>,
    bcc: Option<String>,
    subject: Option<String>,
    importance: Option<u8>,
    body: Option<Body>,
    added: Vec<NewFile>,
    removed: Vec<FileReference>,
}

#[derive(Debug)]
enum Body {
    Text(String),
    Html(String),
    Mime(Bytes),
}

#[derive(Debug)]
struct NewFile {
    name: String,
    content_type: String,
    content_id: Option<String>,
    data: Vec<u8>,
}

/// Who writes, and when.
pub(super) struct Writer<'w> {
    pub(super) account: &'w Account,
    /// The server's name, for the Message-ID.
    pub(super) host: &'w str,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// 128 random bits.
    pub(super) unique: u128,
}

impl Changes {
    /// Reads ApplicationData. `Err` is the item's status.
    pub(super) fn read(data: Option<&Element<'_>>) -> Result<Self, u16> {
        let Some(data) = data else { return Ok(Self::default()) };
        let text = |tag| data.text_of(tag).map(str::to_owned);
        let mut changes = Self {
            to: text(email::TO),
            cc: text(email::CC),
            bcc: text(email2::BCC),
            subject: text(email::SUBJECT),
            importance: data.parse_of(email::IMPORTANCE).map_err(|_| CONVERSION)?,
            body: data.child(base::BODY).map(Body::read).transpose()?.flatten(),
            ..Self::default()
        };
        for file in data.child(base::ATTACHMENTS).map(Element::children).unwrap_or_default() {
            match file.tag() {
                base::ADD => changes.added.push(NewFile::read(file)?),
                base::DELETE => changes.removed.push(removed(file)?),
                // Those that stay may be named.
                base::ATTACHMENT => {}
                _ => return Err(PROTOCOL),
            }
            if changes.added.len() + changes.removed.len() > FILES_MAX {
                return Err(CONVERSION);
            }
        }
        if !changes.added.is_empty() && matches!(changes.body, Some(Body::Mime(_))) {
            return Err(INVALID_MIME_BODY_COMBINATION);
        }
        Ok(changes)
    }

    /// Whether nothing of the message changes.
    pub(super) fn is_empty(&self) -> bool {
        let Self { to, cc, bcc, subject, importance, body, added, removed } = self;
        [to, cc, bcc, subject].into_iter().all(Option::is_none)
            && importance.is_none()
            && body.is_none()
            && added.is_empty()
            && removed.is_empty()
    }

    /// About how many octets it brings.
    pub(super) fn size(&self) -> usize {
        let body = match &self.body {
            Some(Body::Text(text) | Body::Html(text)) => text.len(),
            Some(Body::Mime(mime)) => mime.len(),
            None => 0,
        };
        self.added.iter().map(|file| file.data.len()).fold(body, usize::saturating_add)
    }

    /// The message that comes of it. `stored` is the draft as it is, with the ids that its attachments are
    /// named by. `Err` is the item's status.
    pub(super) fn write(
        &self,
        writer: &Writer<'_>,
        stored: Option<(&[u8], FolderId, Uid)>,
    ) -> Result<Vec<u8>, u16> {
        let before = match (&self.body, stored) {
            (Some(Body::Mime(mime)), _) => Some(&mime[..]),
            (_, Some((raw, ..))) => Some(raw),
            (_, None) => None,
        };
        let parsed = before.map(parse);
        let mut out = self.fields(writer, parsed.as_ref());
        let named = |name: &[u8]| self.names(name);
        let is_rewritten = self.body.is_some() || !self.added.is_empty() || !self.removed.is_empty();
        match before {
            // Only fields change: the rest stays as it is.
            Some(raw) if !is_rewritten || matches!(self.body, Some(Body::Mime(_))) => {
                out.extend_from_slice(&without_fields(raw, named));
            }
            _ => {
                if let Some(raw) = before {
                    let kept = without_fields(raw, |name| named(name) || is_content(name));
                    push_header(&kept, &mut out);
                }
                out.extend_from_slice(&self.content(writer, parsed.as_ref(), stored)?);
            }
        }
        Ok(out)
    }

    /// The fields that are written anew.
    fn fields(&self, writer: &Writer<'_>, before: Option<&Message<'_>>) -> Vec<u8> {
        let has = |name: &str| {
            before
                .and_then(|m| Some((m, m.parts().first()?)))
                .is_some_and(|(m, root)| m.field(root, name).is_some())
        };
        let mut out = Vec::new();
        if !has("From") {
            out.extend(from_field(writer.account));
        }
        for (name, list) in [("To", &self.to), ("Cc", &self.cc), ("Bcc", &self.bcc)] {
            let addresses = list.as_deref().map(addresses).unwrap_or_default();
            if !addresses.is_empty() {
                out.extend(address_field(name, &addresses));
            }
        }
        if let Some(subject) = &self.subject {
            out.extend(text_field("Subject", subject));
        }
        match self.importance {
            Some(0) => out.extend_from_slice(b"Importance: low\r\n"),
            Some(2) => out.extend_from_slice(b"Importance: high\r\n"),
            _ => {}
        }
        out.extend(
            format!("Date: {}\r\n", date::format(Date { unix: writer.now, offset_minutes: 0 })).bytes(),
        );
        if !has("Message-ID") {
            out.extend(format!("Message-ID: <{}>\r\n", message_id(writer.unique, writer.host)).bytes());
        }
        out
    }

    /// Whether a field of this name is written anew, or gone.
    fn names(&self, name: &[u8]) -> bool {
        let is = |field: &str| name.eq_ignore_ascii_case(field.as_bytes());
        is("Date")
            || (self.to.is_some() && is("To"))
            || (self.cc.is_some() && is("Cc"))
            || (self.bcc.is_some() && is("Bcc"))
            || (self.subject.is_some() && is("Subject"))
            || (self.importance.is_some()
                && ["Importance", "X-Priority", "Priority", "X-MSMail-Priority"].into_iter().any(is))
    }

    /// MIME-Version, the Content fields and the body.
    fn content(
        &self,
        writer: &Writer<'_>,
        before: Option<&Message<'_>>,
        stored: Option<(&[u8], FolderId, Uid)>,
    ) -> Result<Vec<u8>, u16> {
        let (text, html) = self.words(before);
        let kept = match (before, stored) {
            (Some(message), Some((_, folder, uid))) => kept_files(message, folder, uid, &self.removed)?,
            _ => Vec::new(),
        };
        let files = self.added.iter().map(|file| File {
            name: &file.name,
            content_type: &file.content_type,
            content_id: file.content_id.as_deref(),
            data: &file.data,
        });
        let draft = Draft {
            text: Some(&text),
            html: html.as_deref(),
            kept,
            files: files.collect(),
            unique: writer.unique,
            ..Draft::default()
        };
        Ok(without_fields(&draft.build(), |name| !is_content(name)).into_owned())
    }

    /// The text and the HTML, as the client gives them or as they were.
    fn words(&self, before: Option<&Message<'_>>) -> (String, Option<String>) {
        match (&self.body, before) {
            (Some(Body::Text(text)), _) => (text.clone(), None),
            (Some(Body::Html(source)), _) => {
                (html::to_text(source, html::Links::Shown, limits::BODY), Some(source.clone()))
            }
            (_, Some(message)) => {
                let is_html = body::native(message) == NativeBody::Html;
                (body::text(message), is_html.then(|| own_html(message)))
            }
            (_, None) => (String::new(), None),
        }
    }
}

impl Body {
    /// `None` for a body without Data, which says nothing.
    fn read(element: &Element<'_>) -> Result<Option<Self>, u16> {
        let Some(data) = element.child(base::DATA) else { return Ok(None) };
        let text = || data.text().map(str::to_owned).ok_or(CONVERSION);
        Ok(Some(match element.parse_of::<u8>(base::TYPE).map_err(|_| CONVERSION)?.unwrap_or(1) {
            1 => Self::Text(text()?),
            2 => Self::Html(text()?),
            4 => Self::Mime(Bytes::copy_from_slice(data.bytes().ok_or(CONVERSION)?)),
            _ => return Err(CONVERSION),
        }))
    }
}

impl NewFile {
    fn read(element: &Element<'_>) -> Result<Self, u16> {
        let text = |tag| element.text_of(tag).filter(|text| !text.is_empty()).map(str::to_owned);
        let data = match element.child(base::CONTENT).map(Element::content) {
            Some(Content::Opaque(data)) => data.to_vec(),
            Some(Content::Text(text)) => decoded(text),
            Some(Content::Empty) => Vec::new(),
            Some(Content::Children(_)) | None => return Err(CONVERSION),
        };
        Ok(Self {
            name: text(base::DISPLAY_NAME).unwrap_or_else(|| "attachment".to_owned()),
            content_type: text(base::CONTENT_TYPE).unwrap_or_else(|| "application/octet-stream".to_owned()),
            content_id: text(base::CONTENT_ID),
            data,
        })
    }
}

/// Content that came as text is base64, or else what it says.
fn decoded(text: &str) -> Vec<u8> {
    let bare: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(bare).unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn removed(element: &Element<'_>) -> Result<FileReference, u16> {
    element.text_of(base::FILE_REFERENCE).and_then(FileReference::parse).ok_or(CONVERSION)
}

/// A list of addresses as clients write it: apart by commas, or by semicolons as Android has it.
fn addresses(list: &str) -> Vec<message::Address<'static>> {
    let mut quoted = false;
    let mut in_group = false;
    let mut escaped = false;
    let list: String = list
        .chars()
        .map(|c| {
            match c {
                _ if escaped => {
                    escaped = false;
                    return c;
                }
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ':' if !quoted => in_group = true,
                ';' if !quoted && in_group => in_group = false,
                ';' if !quoted => return ',',
                _ => {}
            }
            // A list cannot begin a field of its own.
            if c.is_control() { ' ' } else { c }
        })
        .collect();
    parse_addresses(list.as_bytes()).0
}

/// The attachments of a draft but those that are removed. An attachment that is to be removed and is not
/// there is an error.
fn kept_files<'m>(
    message: &'m Message<'m>,
    folder: FolderId,
    uid: Uid,
    removed: &[FileReference],
) -> Result<Vec<Kept<'m>>, u16> {
    let mut gone = Vec::with_capacity(removed.len());
    for file in removed {
        let found = message.find(&file.path).filter(|_| file.folder == folder && file.uid == uid);
        gone.push(found.ok_or(CONVERSION)?);
    }
    let files = select::bodies(message).attachments;
    if gone.iter().any(|index| !files.contains(index)) {
        return Err(CONVERSION);
    }
    let kept = files.into_iter().filter(|index| !gone.contains(index));
    Ok(kept.map(|part| Kept { message, part }).collect())
}

/// The HTML of a draft as its writer left it.
fn own_html(message: &Message<'_>) -> String {
    let parts = select::bodies(message).html.into_iter().filter_map(|index| message.parts().get(index));
    let mut parts = parts.filter(|part| part.subtype == "html");
    match (parts.next(), parts.next()) {
        (Some(only), None) => body::part_text(message, only, limits::BODY),
        _ => body::html(message),
    }
}

/// The header fields of a message, without the empty line behind them.
fn push_header(raw: &[u8], out: &mut Vec<u8>) {
    let message = parse(raw);
    let Some(root) = message.parts().first() else { return };
    for line in message.header_bytes(root).split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn is_content(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"MIME-Version")
        || name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"))
}

/// What the client must be told of the attachments it added: by which FileReference it finds each of them.
/// They are the last of their sort in the message.
pub(super) fn added_files(
    data: &Element<'_>,
    record: &MailRecord<'_>,
    folder: FolderId,
    uid: Uid,
) -> Option<Element<'static>> {
    let added: Vec<_> = data.child(base::ATTACHMENTS)?.children_of(base::ADD).collect();
    let is_html = record.native_body == NativeBody::Html;
    let is_inline =
        |file: &Element<'_>| is_html && file.text_of(base::CONTENT_ID).is_some_and(|id| !id.is_empty());
    let mut told = Vec::with_capacity(added.len());
    for inline in [true, false] {
        let asked: Vec<_> = added.iter().filter(|file| is_inline(file) == inline).collect();
        let there: Vec<_> = record.attachments.iter().filter(|file| file.is_inline == inline).collect();
        let first = there.len().checked_sub(asked.len())?;
        for (asked, there) in asked.into_iter().zip(there.into_iter().skip(first)) {
            let path = record.path(usize::from(there.part));
            let id = asked.text_of(base::CLIENT_ID).unwrap_or_default().to_owned();
            told.push(
                Element::new(base::ATTACHMENT)
                    .with_text(base::CLIENT_ID, id)
                    .with_text(base::FILE_REFERENCE, file_reference(folder, uid, &path)),
            );
        }
    }
    let files = Element::new(base::ATTACHMENTS).with_all(told);
    (!files.is_empty()).then(|| Element::new(airsync::APPLICATION_DATA).with(files))
}

#[cfg(test)]
mod tests;
