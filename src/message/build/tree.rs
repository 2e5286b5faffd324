//! A tree of MIME parts and how it is written.

use std::borrow::Cow;

use mail_builder::headers::{Header as _, content_type::ContentType};
use mail_builder::mime::{BodyPart, MimePart};

use crate::message::mime::{Message, Part};
use crate::message::{body, header};

/// A part to write.
pub(super) enum Node {
    /// Header fields, an empty line and the body, as they are written.
    Leaf(Vec<u8>),
    /// multipart/`subtype`.
    Multipart {
        /// `mixed`, `alternative`, ...
        subtype: &'static str,
        /// The parts within.
        children: Vec<Self>,
    },
}

impl Node {
    pub(super) const fn multipart(subtype: &'static str, children: Vec<Self>) -> Self {
        Self::Multipart { subtype, children }
    }

    /// A multipart, or its only child.
    pub(super) fn group(subtype: &'static str, mut children: Vec<Self>) -> Self {
        match children.pop() {
            Some(only) if children.is_empty() => only,
            last => {
                children.extend(last);
                Self::multipart(subtype, children)
            }
        }
    }

    /// text/`subtype` in UTF-8, transfer-encoded as it needs.
    pub(super) fn text(subtype: &str, text: &str) -> Self {
        let text = body::with_crlf(text);
        let mut out = Vec::with_capacity(text.len() + 128);
        MimePart::new(format!("text/{subtype}"), BodyPart::Text(Cow::Owned(text))).write_part(&mut out);
        Self::Leaf(out)
    }

    /// A file; `content_id` makes it one shown within the HTML.
    pub(super) fn file(name: &str, content_type: &str, content_id: Option<&str>, data: &[u8]) -> Self {
        let valid =
            content_type.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        let content_type = if valid { content_type } else { "application/octet-stream" };
        let name = one_line(name);
        let typed = ContentType::new(content_type.to_owned()).attribute("name", name.clone());
        let kind = if content_id.is_some() { "inline" } else { "attachment" };
        let encoded = crate::message::decode::encode_base64(data);
        let mut part = MimePart::new(typed, BodyPart::Binary(Cow::Owned(encoded)))
            .header("Content-Disposition", ContentType::new(kind).attribute("filename", name))
            .transfer_encoding("base64");
        if let Some(id) = content_id {
            part = part.cid(one_line(id).replace(['<', '>', ' '], ""));
        }
        let mut out = Vec::with_capacity(data.len() * 4 / 3 + 512);
        part.write_part(&mut out);
        Self::Leaf(out)
    }

    /// Fixed header fields and a body that is not encoded.
    pub(super) fn raw(fields: &str, body: &[u8]) -> Self {
        Self::Leaf([fields.as_bytes(), b"\r\n", body].concat())
    }

    /// A part of another message: its Content fields and its body, byte for byte.
    pub(super) fn copy(message: &Message<'_>, part: &Part) -> Self {
        let mut out = Vec::with_capacity(part.header.len() + part.body.len() + 64);
        let mut typed = false;
        for (name, value) in message.fields(part) {
            if !name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-")) {
                continue;
            }
            typed |= name.eq_ignore_ascii_case(b"Content-Type");
            out.extend_from_slice(name);
            out.push(b':');
            push_crlf(value, &mut out);
            out.extend_from_slice(b"\r\n");
        }
        if !typed {
            let field = format!("Content-Type: {}/{}\r\n", part.media_type, part.subtype);
            out.extend_from_slice(field.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(message.body_bytes(part));
        Self::Leaf(out)
    }

    /// A whole message as an attachment.
    pub(super) fn enclosed(raw: &[u8], name: &str) -> Self {
        let mut out = b"Content-Type: message/rfc822\r\nContent-Disposition: ".to_vec();
        let column = 21;
        ContentType::new("attachment").attribute("filename", one_line(name)).write_header(&mut out, column);
        if !raw.is_ascii() {
            out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(raw);
        Self::Leaf(out)
    }

    /// Writes Content-Type and the rest of the part, to stand behind other header fields.
    pub(super) fn write(self, unique: u128, out: &mut Vec<u8>) {
        let mut boundaries = Boundaries { unique, count: 0 };
        self.write_with(&mut boundaries, out);
        if !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn write_with(self, boundaries: &mut Boundaries, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(bytes) => out.extend_from_slice(&bytes),
            Self::Multipart { subtype, children } => {
                let boundary = boundaries.next();
                let typed = ContentType::new(format!("multipart/{subtype}"));
                out.extend_from_slice(b"Content-Type: ");
                typed.attribute("boundary", boundary.clone()).write_header(out, 14);
                for child in children {
                    out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
                    child.write_with(boundaries, out);
                }
                out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            }
        }
    }
}

/// Boundaries nobody can know beforehand, so no part's content can hold one.
struct Boundaries {
    unique: u128,
    count: u32,
}

impl Boundaries {
    fn next(&mut self) -> String {
        self.count += 1;
        // "=_" never occurs in quoted-printable or base64. RFC 2045 §6.7.
        format!("=_{:032x}.{}", self.unique, self.count)
    }
}

/// The value unfolded if its lines end strangely, else as it is.
fn push_crlf(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(at) = header::find_lf(rest) {
        let (line, after) = rest.split_at(at);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// No control characters: nothing that could end the line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}
