//! Finding text: any part of the decoded text, whatever its case. RFC 9051 §6.4.4.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::{Candidate, Halt};
use crate::doors::imap::grammar::Place;
use crate::message::record::{Address, Flags, MailRecord};
use crate::message::{Message, charset, decode, header, record};

/// Decoded text of one part that is looked at, in bytes.
const PART_MAX: usize = 8 << 20;
/// Text that is kept of one message for its next test, in bytes.
const KEPT_MAX: usize = 16 << 20;
/// What a test counts as at least, in bytes.
const TEST_BYTES: usize = 64;
/// By how much it is cheaper to look through text than to read and decode it.
const CHEAPER: usize = 8;

/// Text to find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Needle(String);

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }
}

/// Where text of a message is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Spot {
    /// Of the record.
    From,
    To,
    Cc,
    Bcc,
    Subject,
    MessageId,
    InReplyTo,
    /// The header fields of the part with this index.
    Fields(usize),
    /// The text of the part with this index.
    Body(usize),
}

/// Text in lower case.
struct Folded {
    text: String,
    /// Of a header field, how many bytes its name and what separates it from the value are.
    name: usize,
}

/// A message's text in lower case, made once for all tests unless it is very long.
#[derive(Default)]
pub(super) struct Texts {
    kept: RefCell<HashMap<Spot, Rc<[Folded]>>>,
    bytes: Cell<usize>,
}

impl Texts {
    fn get(
        &self,
        spot: Spot,
        message: &Candidate<'_>,
        make: impl FnOnce() -> Vec<Folded>,
    ) -> Result<Rc<[Folded]>, Halt> {
        if let Some(known) = self.kept.borrow().get(&spot) {
            return Ok(known.clone());
        }
        let made: Rc<[Folded]> = make().into();
        let bytes = made.iter().map(|folded| folded.text.len()).sum();
        let total = self.bytes.get().saturating_add(bytes);
        if total <= KEPT_MAX {
            self.bytes.set(total);
            self.kept.borrow_mut().insert(spot, made.clone());
        } else {
            // What is made once was counted when the message was read; this will be made again.
            message.count(bytes)?;
        }
        Ok(made)
    }
}

/// Whether the text stands in that place of a message.
pub(super) fn matches(message: &Candidate<'_>, place: &Place, needle: &Needle) -> Result<bool, Halt> {
    let record = &message.opened()?.record;
    if let Some(spot) = spot_of_record(record, place) {
        let texts = message.texts.get(spot, message, || of_record(record, spot))?;
        return find(message, texts.iter().map(|folded| folded.text.as_str()), needle);
    }
    let parsed = message.parsed()?;
    match place {
        Place::Body => in_body(message, parsed, needle),
        Place::Text => Ok(in_fields(message, parsed, needle)? || in_body(message, parsed, needle)?),
        Place::Header(name) => in_field(message, parsed, name, needle),
        Place::From => in_field(message, parsed, "From", needle),
        Place::To => in_field(message, parsed, "To", needle),
        Place::Cc => in_field(message, parsed, "Cc", needle),
        Place::Bcc => in_field(message, parsed, "Bcc", needle),
        Place::Subject => in_field(message, parsed, "Subject", needle),
    }
}

/// Looks through texts, which is counted.
fn find<'t>(
    message: &Candidate<'_>,
    texts: impl Iterator<Item = &'t str>,
    needle: &Needle,
) -> Result<bool, Halt> {
    message.count(TEST_BYTES)?;
    for text in texts {
        message.count(text.len() / CHEAPER)?;
        if text.contains(&needle.0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the record tells; `None` when it does not, or not all.
fn spot_of_record(record: &MailRecord<'_>, place: &Place) -> Option<Spot> {
    if record.flags.contains(Flags::TRUNCATED) {
        return None;
    }
    match place {
        Place::From => Some(Spot::From),
        Place::To => Some(Spot::To),
        Place::Cc => Some(Spot::Cc),
        Place::Bcc => Some(Spot::Bcc),
        Place::Subject => Some(Spot::Subject),
        Place::Header(name) if name.eq_ignore_ascii_case("Message-ID") => Some(Spot::MessageId),
        Place::Header(name) if name.eq_ignore_ascii_case("In-Reply-To") => Some(Spot::InReplyTo),
        Place::Header(_) | Place::Body | Place::Text => None,
    }
}

/// Nothing where the message has no such field, which not even empty text finds.
fn of_record(record: &MailRecord<'_>, spot: Spot) -> Vec<Folded> {
    let envelope = &record.envelope;
    let field = |field: &Option<record::Text<'_>>| field.as_ref().map(|text| header::decode_text(text));
    let text = match spot {
        Spot::From => addresses(&envelope.from),
        Spot::To => addresses(&envelope.to),
        Spot::Cc => addresses(&envelope.cc),
        Spot::Bcc => addresses(&envelope.bcc),
        Spot::Subject => field(&envelope.subject),
        Spot::MessageId => field(&envelope.message_id),
        Spot::InReplyTo => field(&envelope.in_reply_to),
        Spot::Fields(_) | Spot::Body(_) => None,
    };
    text.into_iter().map(|text| Folded { text: text.to_lowercase(), name: 0 }).collect()
}

/// The addresses as one writes them: `Name <local@domain>, ...`.
fn addresses(list: &[Address<'_>]) -> Option<String> {
    if list.is_empty() {
        return None;
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
    Some(text)
}

/// One of the message's own fields of that name; empty text finds any.
fn in_field(
    message: &Candidate<'_>,
    parsed: &Message<'_>,
    name: &str,
    needle: &Needle,
) -> Result<bool, Halt> {
    let fields = fields(message, parsed, 0)?;
    let values = fields.iter().filter_map(|field| {
        let (before, value) = field.text.split_at_checked(field.name)?;
        before.strip_suffix(": ")?.eq_ignore_ascii_case(name).then_some(value)
    });
    find(message, values, needle)
}

/// Any field of the message or its parts, with its name.
fn in_fields(message: &Candidate<'_>, parsed: &Message<'_>, needle: &Needle) -> Result<bool, Halt> {
    for index in 0..parsed.parts().len() {
        let fields = fields(message, parsed, index)?;
        if find(message, fields.iter().map(|field| field.text.as_str()), needle)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The fields of one part: `name: value`.
fn fields(message: &Candidate<'_>, parsed: &Message<'_>, index: usize) -> Result<Rc<[Folded]>, Halt> {
    message.texts.get(Spot::Fields(index), message, || {
        let Some(part) = parsed.parts().get(index) else { return Vec::new() };
        let folded = |(name, value): (&[u8], &[u8])| {
            let mut text = String::from_utf8_lossy(name).to_lowercase();
            text.push_str(": ");
            let name = text.len();
            text.push_str(&header::decode_text(&header::raw_text(value)).to_lowercase());
            Folded { text, name }
        };
        parsed.fields(part).map(folded).collect()
    })
}

fn in_body(message: &Candidate<'_>, parsed: &Message<'_>, needle: &Needle) -> Result<bool, Halt> {
    for (index, part) in parsed.parts().iter().enumerate() {
        if part.media_type != "text" {
            continue;
        }
        let texts = message.texts.get(Spot::Body(index), message, || {
            let decoded = decode::prefix(part.encoding, parsed.body_bytes(part), PART_MAX);
            let label = parsed.content_type_params(part).value("charset");
            let text = charset::decode(label.as_deref(), &decoded).to_lowercase();
            vec![Folded { text, name: 0 }]
        })?;
        if find(message, texts.iter().map(|folded| folded.text.as_str()), needle)? {
            return Ok(true);
        }
    }
    Ok(false)
}
