//! A message written from scratch: webmail, automatic replies, drafts that come as fields.

use mail_builder::headers::Header as _;
use mail_builder::headers::address::Address as Writer;
use mail_builder::headers::message_id::MessageId;

use super::tree::{Node, one_line};
use super::{text_field, trace};
use crate::message::date::{self, Date};
use crate::message::mime::Message;
use crate::message::record::Address;
use crate::message::select;

/// A file to send along.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// Its name.
    pub name: &'a str,
    /// `type/subtype`.
    pub content_type: &'a str,
    /// Set when the HTML shows it; without angle brackets.
    pub content_id: Option<&'a str>,
    /// Its content.
    pub data: &'a [u8],
}

/// A part of another message, taken over with its Content fields and its body byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// The message.
    pub message: &'a Message<'a>,
    /// The part's place in [`Message::parts`].
    pub part: usize,
}

/// The makings of a message. Empty lists and texts are left out.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    /// From; names may hold any text.
    pub from: Vec<Address<'a>>,
    /// Sender, where it is not the only author.
    pub sender: Vec<Address<'a>>,
    /// Reply-To.
    pub reply_to: Vec<Address<'a>>,
    /// To.
    pub to: Vec<Address<'a>>,
    /// Cc.
    pub cc: Vec<Address<'a>>,
    /// Bcc; written, so take it out with [`super::without_bcc`] before sending.
    pub bcc: Vec<Address<'a>>,
    /// Subject.
    pub subject: &'a str,
    /// Date.
    pub date: Date,
    /// Message id without angle brackets.
    pub message_id: &'a str,
    /// The id answered to, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// References, oldest first, without angle brackets.
    pub references: Vec<String>,
    /// Further fields: name and text.
    pub fields: Vec<(&'a str, String)>,
    /// Plain text.
    pub text: Option<&'a str>,
    /// HTML.
    pub html: Option<&'a str>,
    /// A text/calendar alternative and its method. RFC 6047.
    pub calendar: Option<(&'a str, &'a str)>,
    /// Files of an earlier draft; they stand before the others.
    pub kept: Vec<Kept<'a>>,
    /// Files, those shown in the HTML included.
    pub files: Vec<File<'a>>,
    /// 128 random bits.
    pub unique: u128,
}

impl Draft<'_> {
    /// The whole message.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, list) in [
            ("From", &self.from),
            ("Sender", &self.sender),
            ("Reply-To", &self.reply_to),
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Bcc", &self.bcc),
        ] {
            if !list.is_empty() {
                address_field(name, list, &mut out);
            }
        }
        out.extend(text_field("Subject", self.subject));
        out.extend(format!("Date: {}\r\n", date::format(self.date)).into_bytes());
        id_field("Message-ID", &[self.message_id.to_owned()], &mut out);
        if let Some(id) = self.in_reply_to {
            id_field("In-Reply-To", &[id.to_owned()], &mut out);
        }
        id_field("References", &self.references, &mut out);
        for (name, value) in &self.fields {
            if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                out.extend(text_field(name, value));
            }
        }
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        self.content().write(self.unique, &mut out);
        out
    }

    fn content(&self) -> Node {
        let mut forms = Vec::new();
        if self.text.is_some() || self.html.is_none() {
            forms.push(Node::text("plain", self.text.unwrap_or_default()));
        }
        forms.extend(self.html.map(|html| Node::text("html", html)));
        if let Some((calendar, method)) = self.calendar {
            forms.push(calendar_part(calendar, method));
        }
        let (mut inline, mut attached) = (Vec::new(), Vec::new());
        for Kept { message, part } in &self.kept {
            let Some(part) = message.parts().get(*part) else { continue };
            let inlined = self.html.is_some() && select::is_inline(message, part);
            let node = Node::copy(message, part);
            if inlined { inline.push(node) } else { attached.push(node) }
        }
        for file in &self.files {
            let inlined = file.content_id.filter(|_| self.html.is_some());
            let node = Node::file(file.name, file.content_type, inlined, file.data);
            if inlined.is_some() { inline.push(node) } else { attached.push(node) }
        }
        let alternative = Node::group("alternative", forms);
        let related = Node::group("related", std::iter::once(alternative).chain(inline).collect());
        Node::group("mixed", std::iter::once(related).chain(attached).collect())
    }
}

fn calendar_part(calendar: &str, method: &str) -> Node {
    let method: String = method.chars().filter(char::is_ascii_alphabetic).collect();
    let body =
        crate::message::decode::encode_quoted_printable(crate::message::body::with_crlf(calendar).as_bytes());
    let method =
        if method.is_empty() { String::new() } else { format!("; method={}", method.to_uppercase()) };
    let fields = format!(
        "Content-Type: text/calendar; charset=utf-8{method}\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    );
    Node::raw(&fields, &body)
}

pub(super) fn address_field(name: &str, list: &[Address<'_>], out: &mut Vec<u8>) {
    let mut addresses = Vec::new();
    let mut group: Option<(String, Vec<Writer<'_>>)> = None;
    for address in list {
        match address {
            Address::Mailbox { name, .. } => {
                let plain = trace::clean_address(&address.address().unwrap_or_default());
                let name = name.as_ref().map(|name| one_line(name)).filter(|name| !name.is_empty());
                let written = Writer::new_address(name, plain);
                group.as_mut().map_or(&mut addresses, |group| &mut group.1).push(written);
            }
            Address::GroupStart(name) => group = Some((one_line(name), Vec::new())),
            Address::GroupEnd => {
                addresses.extend(group.take().map(|(name, members)| Writer::new_group(Some(name), members)));
            }
        }
    }
    addresses.extend(group.map(|(name, members)| Writer::new_group(Some(name), members)));
    out.extend(format!("{name}: ").into_bytes());
    Writer::new_list(addresses).write_header(out, name.len() + 2);
}

pub(super) fn id_field(name: &str, ids: &[String], out: &mut Vec<u8>) {
    if ids.is_empty() {
        return;
    }
    out.extend(format!("{name}: ").into_bytes());
    let clean = ids.iter().map(|id| trace::clean_address(id).replace(char::is_whitespace, ""));
    MessageId::new_list(clean).write_header(out, name.len() + 2);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MailRecord, body, parse, parse_addresses};

    fn draft() -> Draft<'static> {
        Draft {
            from: parse_addresses("Jörg <j@example.org>".as_bytes()).0,
            to: parse_addresses(b"Team: \"A, B\" <ab@x.test>, c@x.test;, d@x.test").0,
            subject: "Grüße, \r\nBcc: evil@x.test",
            date: Date { unix: 1_057_049_557, offset_minutes: 120 },
            message_id: "a@example.org",
            in_reply_to: Some("b@x.test"),
            references: vec!["c@x.test".to_owned(), "b@x.test".to_owned()],
            fields: vec![("Auto-Submitted", "auto-replied".to_owned()), ("bad name", String::new())],
            text: Some("Größe\n"),
            ..Draft::default()
        }
    }

    #[test]
    fn text_only() {
        let raw = draft().build();
        assert!(raw.is_ascii());
        let message = parse(&raw);
        let record = MailRecord::from_message(&message);
        assert_eq!(record.subject(), "Grüße,   Bcc: evil@x.test");
        assert_eq!(record.display_to(), "Team; A, B; c@x.test; d@x.test");
        assert!(record.envelope.bcc.is_empty());
        assert_eq!(record.envelope.from.first().and_then(Address::display_name).as_deref(), Some("Jörg"));
        assert_eq!(record.references.iter().map(|id| &**id).collect::<Vec<_>>(), ["c@x.test", "b@x.test"]);
        assert_eq!(record.envelope.in_reply_to.as_deref(), Some("<b@x.test>"));
        assert_eq!(record.auto_submitted.as_deref(), Some("auto-replied"));
        assert_eq!(record.sent, Some(draft().date));
        assert_eq!(body::text(&message), "Größe\r\n");
    }

    #[test]
    fn with_everything() {
        let mut draft = draft();
        draft.html = Some("<p>Größe <img src=\"cid:i@x\"></p>");
        draft.calendar = Some(("BEGIN:VCALENDAR\nEND:VCALENDAR\n", "request"));
        draft.files = vec![
            File { name: "i.png", content_type: "image/png", content_id: Some("i@x"), data: b"\x89PNG" },
            File {
                name: "Überblick\r\n.pdf",
                content_type: "bad type",
                content_id: None,
                data: b"%PDF\r\n--=_",
            },
        ];
        let raw = draft.build();
        let message = parse(&raw);
        let record = MailRecord::from_message(&message);
        let shape: Vec<_> =
            record.parts.iter().map(crate::message::record::PartRecord::content_type).collect();
        assert_eq!(
            shape,
            [
                "multipart/mixed",
                "multipart/related",
                "multipart/alternative",
                "text/plain",
                "text/html",
                "text/calendar",
                "image/png",
                "application/octet-stream"
            ]
        );
        let files: Vec<_> = record.attachments.iter().map(|file| (&*file.name, file.is_inline)).collect();
        assert_eq!(files, [("i.png", true), ("Überblick  .pdf", false)]);
        assert_eq!(record.calendar.and_then(|calendar| calendar.method).as_deref(), Some("REQUEST"));
        let mut data = Vec::new();
        message.copy_part("2", 0..99, &mut data).unwrap().unwrap();
        assert_eq!(data, b"%PDF\r\n--=_");
        assert_eq!(body::html(&message), "<p>Größe <img src=\"cid:i@x\"></p>");
    }
}
