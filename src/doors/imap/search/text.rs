//! Finding text: any part of the decoded text, whatever its case. RFC 9051 §6.4.4.

use super::Candidate;
use crate::doors::imap::grammar::Place;
use crate::mailbox::Error;
use crate::message::record::{Address, Envelope, Flags, MailRecord};
use crate::message::{self, Message, Part, charset, decode, header};

/// Decoded text of one part that is looked at, in bytes.
const PART_MAX: usize = 8 << 20;

/// What looking at a record counts as, in bytes.
const RECORD_BYTES: u64 = 256;

/// Text to find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Needle(String);

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.0)
    }
}

/// Whether the text stands in that place of a message.
pub(super) fn matches(message: &Candidate<'_>, place: &Place, needle: &Needle) -> Result<bool, Error> {
    let opened = message.opened()?;
    message.count(RECORD_BYTES);
    if let Some(found) = in_record(&opened.record, place, needle) {
        return Ok(found);
    }
    message.count(message.item.size);
    let parsed = message::parse(opened.source.whole()?);
    Ok(match place {
        Place::Body => in_body(&parsed, needle),
        Place::Text => in_fields(&parsed, needle) || in_body(&parsed, needle),
        Place::Header(name) => in_field(&parsed, name, needle),
        Place::From => in_field(&parsed, "From", needle),
        Place::To => in_field(&parsed, "To", needle),
        Place::Cc => in_field(&parsed, "Cc", needle),
        Place::Bcc => in_field(&parsed, "Bcc", needle),
        Place::Subject => in_field(&parsed, "Subject", needle),
    })
}

/// What the record tells; `None` when it does not.
fn in_record(record: &MailRecord<'_>, place: &Place, needle: &Needle) -> Option<bool> {
    if record.flags.contains(Flags::TRUNCATED) {
        return None;
    }
    let Envelope { from, to, cc, bcc, subject, message_id, in_reply_to, .. } = &record.envelope;
    let text = |field: &Option<message::record::Text<'_>>| {
        field.as_ref().is_some_and(|text| needle.is_in(&header::decode_text(text)))
    };
    match place {
        Place::From => Some(in_addresses(from, needle)),
        Place::To => Some(in_addresses(to, needle)),
        Place::Cc => Some(in_addresses(cc, needle)),
        Place::Bcc => Some(in_addresses(bcc, needle)),
        Place::Subject => Some(text(subject)),
        Place::Header(name) if name.eq_ignore_ascii_case("Message-ID") => Some(text(message_id)),
        Place::Header(name) if name.eq_ignore_ascii_case("In-Reply-To") => Some(text(in_reply_to)),
        Place::Header(_) | Place::Body | Place::Text => None,
    }
}

/// The addresses as one writes them: `Name <local@domain>, ...`.
fn in_addresses(list: &[Address<'_>], needle: &Needle) -> bool {
    if list.is_empty() {
        return false;
    }
    let mut text = String::new();
    for address in list {
        let name = match address {
            Address::Mailbox { name, .. } => name.as_ref().map(|name| header::decode_text(name)),
            Address::GroupStart(name) => Some(format!("{}:", header::decode_text(name))),
            Address::GroupEnd => Some(";".to_owned()),
        };
        for part in name.into_iter().chain(address.address().map(|address| format!("<{address}>"))) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&part);
        }
    }
    needle.is_in(&text)
}

/// One of the message's own fields of that name; empty text finds any.
fn in_field(message: &Message<'_>, name: &str, needle: &Needle) -> bool {
    let Some(root) = message.parts().first() else { return false };
    message
        .fields(root)
        .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .any(|(_, value)| needle.is_in(&header::decode_text(&header::raw_text(value))))
}

/// Any field of the message or its parts, with its name.
fn in_fields(message: &Message<'_>, needle: &Needle) -> bool {
    message.parts().iter().any(|part| {
        message.fields(part).any(|(name, value)| {
            let name = String::from_utf8_lossy(name);
            needle.is_in(&format!("{name}: {}", header::decode_text(&header::raw_text(value))))
        })
    })
}

fn in_body(message: &Message<'_>, needle: &Needle) -> bool {
    let is_text = |part: &&Part| part.media_type == "text";
    message.parts().iter().filter(is_text).any(|part| {
        let decoded = decode::prefix(part.encoding, message.body_bytes(part), PART_MAX);
        let label = message.content_type_params(part).value("charset");
        needle.is_in(&charset::decode(label.as_deref(), &decoded))
    })
}
