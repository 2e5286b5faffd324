//! From a parsed message to its record.

use super::date;
use super::header::{decode_text, raw_text, unfold};
use super::mime::{Message, Part};
use super::param;
use super::record::{
    Attachment, CalendarPart, Disposition, Envelope, Flags, Importance, MailRecord, PartRecord, Sensitivity,
    Text,
};
use super::section::Kind;
use super::select::{self, Bodies};
use super::{address, body, limits, preview, thread};

impl<'a> MailRecord<'a> {
    /// Extracts everything a listing needs. Not bounded by [`limits::RECORD`]; encoding is.
    pub fn from_message(message: &Message<'a>) -> Self {
        let mut record = MailRecord { size: narrow(message.raw().len()), ..MailRecord::default() };
        if message.is_truncated() {
            record.flags.insert(Flags::TRUNCATED);
        }
        for (index, part) in message.parts().iter().enumerate() {
            record.parts.push(part_record(message, part, &mut record.flags));
            if part.kind == Kind::Message {
                let child = message.parts().get(index + 1);
                let envelope = child.map(|child| Box::new(envelope(message, child, &mut record.flags)));
                if let Some(last) = record.parts.last_mut() {
                    last.envelope = envelope;
                }
            }
            if record.calendar.is_none() && part.is("text", "calendar") {
                let method = message.content_type_params(part).value("method");
                let method = method.map(|method| Text::from(method.trim().to_ascii_uppercase()));
                record.calendar = Some(CalendarPart { part: narrow_index(index), method });
            }
        }
        let bodies = select::bodies(message);
        record.attachments(message, &bodies);
        record.native_body = body::native_of(message, &bodies);
        record.preview = preview::of(message, &bodies).into();
        if let Some(root) = message.parts().first() {
            record.envelope = envelope(message, root, &mut record.flags);
            record.fields(message, root);
            record.kind(message, root);
        }
        record
    }

    fn attachments(&mut self, message: &Message<'a>, bodies: &Bodies) {
        for &index in &bodies.attachments {
            let Some(part) = message.parts().get(index) else { continue };
            let is_inline = select::is_inline(message, part);
            if !is_inline && !select::is_for_programs(part) {
                self.flags.insert(Flags::ATTACHMENTS);
            }
            let length = part.body.len() as u64;
            let size = part.encoding.decoded_size(length, part.lines as u64);
            self.attachments.push(Attachment {
                part: narrow_index(index),
                name: select::file_name(message, index).into(),
                decoded_size: u32::try_from(size).unwrap_or(u32::MAX),
                is_inline,
                is_message: select::is_message(part),
            });
        }
    }

    /// What single header fields say.
    fn fields(&mut self, message: &Message<'a>, root: &Part) {
        let mut references = Vec::new();
        for (name, value) in message.fields(root) {
            // Told apart by length first: most fields are none of these.
            match name.len() {
                4 if is(name, "Date") => self.sent = self.sent.or_else(|| date::parse(value)),
                7 if is(name, "List-Id") => self.flags.insert(Flags::LIST),
                8 if is(name, "Priority") => self.importance(priority(value)),
                10 if is(name, "References") => references = thread::message_ids(value),
                10 if is(name, "Importance") => self.importance(importance(value)),
                10 if is(name, "X-Priority") => self.importance(x_priority(value)),
                11 if is(name, "Sensitivity") => self.sensitivity = sensitivity(value),
                12 if is(name, "Thread-Topic") => {
                    self.thread_topic = Some(decode_text(&raw_text(value)).into());
                }
                12 if is(name, "Thread-Index") => self.thread_index = Some(raw_text(value)),
                14 if is(name, "Auto-Submitted") => {
                    let keyword = param::keyword(value).to_ascii_lowercase();
                    self.auto_submitted = Some(keyword.into());
                }
                16 if is(name, "List-Unsubscribe") => self.flags.insert(Flags::LIST),
                27 if is(name, "Disposition-Notification-To") => self.flags.insert(Flags::WANTS_MDN),
                _ => {}
            }
        }
        self.references = references.into_iter().map(Text::from).collect();
    }

    /// Of several fields the one that differs from normal counts.
    fn importance(&mut self, said: Importance) {
        if self.importance == Importance::Normal {
            self.importance = said;
        }
    }

    /// What the top-level media type says about the message.
    fn kind(&mut self, message: &Message<'a>, root: &Part) {
        let params = message.content_type_params(root);
        let param =
            |name: &str| params.value(name).map(|value| value.to_ascii_lowercase()).unwrap_or_default();
        match (root.media_type.as_str(), root.subtype.as_str()) {
            ("multipart", "signed") => {
                if matches!(
                    param("protocol").as_str(),
                    "application/pkcs7-signature" | "application/x-pkcs7-signature"
                ) {
                    self.flags.insert(Flags::SMIME_SIGNED);
                }
            }
            ("multipart", "report") => match param("report-type").as_str() {
                "delivery-status" | "global-delivery-status" => self.flags.insert(Flags::DSN),
                "disposition-notification" | "global-disposition-notification" => {
                    self.flags.insert(Flags::MDN)
                }
                _ => {}
            },
            ("application", "pkcs7-mime" | "x-pkcs7-mime") => match param("smime-type").as_str() {
                "signed-data" => {
                    self.flags.insert(Flags::SMIME_SIGNED);
                    self.flags.insert(Flags::SMIME_OPAQUE);
                }
                // RFC 8551 §3.2.2: the parameter is optional; an envelope is what it mostly is.
                "enveloped-data" | "authenveloped-data" | "" => self.flags.insert(Flags::SMIME_ENCRYPTED),
                _ => {}
            },
            _ => {}
        }
    }
}

fn part_record<'a>(message: &Message<'a>, part: &Part, flags: &mut Flags) -> PartRecord<'a> {
    let mut record = PartRecord {
        parent: narrow_index(part.parent),
        header_start: narrow(part.header.start),
        header_len: narrow(part.header.len()),
        body_len: narrow(part.body.len()),
        lines: narrow(part.lines),
        media_type: part.media_type.clone().into(),
        subtype: part.subtype.clone().into(),
        encoding: "7bit".into(),
        ..PartRecord::default()
    };
    for (name, value) in message.fields(part) {
        if !name.get(..8).is_some_and(|start| is(start, "Content-")) {
            continue;
        }
        let name = name.get(8..).unwrap_or_default();
        if is(name, "Type") && record.params.is_empty() {
            record.params = param::parse(value).1.into_raw();
        } else if is(name, "Transfer-Encoding") {
            let keyword = param::keyword(value).to_ascii_lowercase();
            if !keyword.is_empty() {
                record.encoding = keyword.into();
            }
        } else if is(name, "Disposition") && record.disposition.is_none() {
            let (kind, params) = param::parse(value);
            if !kind.is_empty() {
                let kind = kind.to_ascii_lowercase().into();
                record.disposition = Some(Disposition { kind, params: params.into_raw() });
            }
        } else if is(name, "ID") {
            record.id = non_empty(value);
        } else if is(name, "Description") {
            record.description = non_empty(value);
        } else if is(name, "MD5") {
            record.md5 = non_empty(value);
        } else if is(name, "Location") {
            // RFC 2557 §4.4.1: blanks in a folded URI are no part of it.
            record.location = non_empty(value).map(|text| match text.contains(char::is_whitespace) {
                true => text.split_whitespace().collect::<String>().into(),
                false => text,
            });
        } else if is(name, "Language") {
            record.language = languages(value, flags);
        }
    }
    record
}

fn languages<'a>(value: &[u8], flags: &mut Flags) -> Vec<Text<'a>> {
    const MOST: usize = 50;
    let text = raw_text(value);
    let mut tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
    let kept = tags.by_ref().take(MOST).map(|tag| Text::from(tag.to_owned())).collect();
    if tags.next().is_some() {
        flags.insert(Flags::TRUNCATED);
    }
    kept
}

fn envelope<'a>(message: &Message<'a>, part: &Part, flags: &mut Flags) -> Envelope<'a> {
    let mut envelope = Envelope::default();
    for (name, value) in message.fields(part) {
        let addresses = |list: &mut Vec<_>, flags: &mut Flags| {
            // RFC 5322 §3.6 allows each once; of several all addresses count.
            let (more, truncated) = address::parse(value);
            list.extend(more);
            if truncated || list.len() > limits::ADDRESSES {
                flags.insert(Flags::TRUNCATED);
                address::cut(list, limits::ADDRESSES);
            }
        };
        match name.len() {
            2 if is(name, "To") => addresses(&mut envelope.to, flags),
            2 if is(name, "Cc") => addresses(&mut envelope.cc, flags),
            3 if is(name, "Bcc") => addresses(&mut envelope.bcc, flags),
            4 if is(name, "From") => addresses(&mut envelope.from, flags),
            4 if is(name, "Date") => first(&mut envelope.date, value),
            6 if is(name, "Sender") => addresses(&mut envelope.sender, flags),
            7 if is(name, "Subject") => first(&mut envelope.subject, value),
            8 if is(name, "Reply-To") => addresses(&mut envelope.reply_to, flags),
            10 if is(name, "Message-ID") => first(&mut envelope.message_id, value),
            11 if is(name, "In-Reply-To") => first(&mut envelope.in_reply_to, value),
            _ => {}
        }
    }
    envelope
}

fn first<'a>(slot: &mut Option<Text<'a>>, value: &'a [u8]) {
    if slot.is_none() {
        *slot = Some(raw_text(value));
    }
}

fn non_empty(value: &[u8]) -> Option<Text<'_>> {
    Some(raw_text(value)).filter(|text| !text.is_empty())
}

fn is(name: &[u8], wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.as_bytes())
}

/// RFC 2156 §5.3.6 as used in mail.
fn importance(value: &[u8]) -> Importance {
    match unfold(value).to_ascii_lowercase().as_slice() {
        b"low" => Importance::Low,
        b"high" => Importance::High,
        _ => Importance::Normal,
    }
}

/// `1 (Highest)` to `5 (Lowest)`.
fn x_priority(value: &[u8]) -> Importance {
    match value.trim_ascii_start().first() {
        Some(b'1' | b'2') => Importance::High,
        Some(b'4' | b'5') => Importance::Low,
        _ => Importance::Normal,
    }
}

/// RFC 2156 §5.3.6's Priority: `urgent`, `normal`, `non-urgent`.
fn priority(value: &[u8]) -> Importance {
    match unfold(value).to_ascii_lowercase().as_slice() {
        b"urgent" => Importance::High,
        b"non-urgent" => Importance::Low,
        _ => Importance::Normal,
    }
}

fn sensitivity(value: &[u8]) -> Sensitivity {
    match unfold(value).to_ascii_lowercase().as_slice() {
        b"personal" => Sensitivity::Personal,
        b"private" => Sensitivity::Private,
        b"company-confidential" | b"confidential" => Sensitivity::Confidential,
        _ => Sensitivity::Normal,
    }
}

/// Messages are at most `u32::MAX` long; see [`super::parse`].
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Parts are at most [`limits::PARTS`].
fn narrow_index(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
