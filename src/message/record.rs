//! The pre-parsed record of a message: whatever a listing shows without opening the message.
//!
//! It is made once at delivery, stored beside the item and read by every door. Header text is
//! kept as it stood (encoded words unread, quotes removed), because IMAP's ENVELOPE wants it so;
//! the methods decode. Offsets count from the first byte given to [`super::parse`]; a message
//! that is stored behind a prefix of trace fields is [`MailRecord::shift`]ed.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};

use serde::{Deserialize, Serialize};

use super::{address, charset, date::Date, header, limits};

/// The layout written by [`MailRecord::encode`]; every released one stays readable.
pub const VERSION: u8 = 1;

/// Everything about a message that listings, searches and partial fetches need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRecord<'a> {
    /// Length of the whole message in bytes.
    pub size: u32,
    /// Yes/no facts.
    pub flags: Flags,
    /// From Importance, X-Priority or Priority.
    pub importance: Importance,
    /// From Sensitivity.
    pub sensitivity: Sensitivity,
    /// What the message's own best body is.
    pub native_body: NativeBody,
    /// The Date field; absent when missing or unreadable.
    pub sent: Option<Date>,
    /// IMAP ENVELOPE of the message.
    #[serde(borrow)]
    pub envelope: Envelope<'a>,
    /// Message ids of References without angle brackets, newest last, bounded.
    pub references: Vec<Text<'a>>,
    /// The first text/calendar part.
    pub calendar: Option<CalendarPart<'a>>,
    /// Thread-Topic, decoded.
    pub thread_topic: Option<Text<'a>>,
    /// Thread-Index as it stood (base64); see [`MailRecord::thread_index`].
    pub thread_index: Option<Text<'a>>,
    /// Auto-Submitted's keyword in lower case, `no` included. RFC 3834 §5.
    pub auto_submitted: Option<Text<'a>>,
    /// Up to 500 characters of text without links, images and runs of white space.
    pub preview: Text<'a>,
    /// The part tree in pre-order; the first is the message itself. Never empty after parsing.
    pub parts: Vec<PartRecord<'a>>,
    /// Parts a client shows as files, in order.
    pub attachments: Vec<Attachment<'a>>,
}

/// IMAP ENVELOPE. RFC 9051 §7.5.2. Unlike IMAP, `sender` and `reply_to` are empty when the
/// fields are missing: the door repeats `from`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// Date as it stood.
    #[serde(borrow)]
    pub date: Option<Text<'a>>,
    /// Subject as it stood, unfolded.
    pub subject: Option<Text<'a>>,
    /// From.
    pub from: Vec<Address<'a>>,
    /// Sender.
    pub sender: Vec<Address<'a>>,
    /// Reply-To.
    pub reply_to: Vec<Address<'a>>,
    /// To.
    pub to: Vec<Address<'a>>,
    /// Cc.
    pub cc: Vec<Address<'a>>,
    /// Bcc.
    pub bcc: Vec<Address<'a>>,
    /// In-Reply-To as it stood.
    pub in_reply_to: Option<Text<'a>>,
    /// Message-ID as it stood, angle brackets included.
    pub message_id: Option<Text<'a>>,
}

/// One element of an address list. RFC 5322 §3.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address<'a> {
    /// A mailbox.
    Mailbox {
        /// Display name as it stood without its quotes; encoded words unread.
        #[serde(borrow)]
        name: Option<Text<'a>>,
        /// Local part without quotes.
        local: Text<'a>,
        /// Domain; empty when there was none.
        domain: Text<'a>,
    },
    /// A group begins; mailboxes follow until [`Address::GroupEnd`].
    GroupStart(Text<'a>),
    /// The group ends.
    GroupEnd,
}

/// One node of IMAP's BODYSTRUCTURE and where it lies. RFC 9051 §7.5.2.
///
/// A message/rfc822 part without a child (encoded, or too deep) is to be shown as a basic part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord<'a> {
    /// Index of the containing part in [`MailRecord::parts`]; the first part names itself.
    /// The only child of a message/rfc822 part is the enclosed message.
    pub parent: u16,
    /// Where the part's header begins.
    pub header_start: u32,
    /// Length of its header, closing empty line included; the body follows at once.
    pub header_len: u32,
    /// Length of its body: the size in BODYSTRUCTURE.
    pub body_len: u32,
    /// Line ends in the body.
    pub lines: u32,
    /// Media type in lower case.
    #[serde(borrow)]
    pub media_type: Text<'a>,
    /// Media subtype in lower case.
    pub subtype: Text<'a>,
    /// Content-Type's parameters as they stood (RFC 2231 sections apart), names in lower case.
    pub params: Vec<Param<'a>>,
    /// Content-Transfer-Encoding in lower case; `7bit` when missing.
    pub encoding: Text<'a>,
    /// Content-ID as it stood, angle brackets included.
    pub id: Option<Text<'a>>,
    /// Content-Description as it stood.
    pub description: Option<Text<'a>>,
    /// Content-MD5.
    pub md5: Option<Text<'a>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition<'a>>,
    /// Content-Language's tags.
    pub language: Vec<Text<'a>>,
    /// Content-Location.
    pub location: Option<Text<'a>>,
    /// The enclosed message's ENVELOPE, on message/rfc822 parts whose child is present.
    pub envelope: Option<Box<Envelope<'a>>>,
}

/// A parameter of a MIME field as it stood, without quotes. RFC 2045 §5.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param<'a> {
    /// Name in lower case, with RFC 2231's `*0*` if it has one.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Value, undecoded.
    pub value: Text<'a>,
}

/// Content-Disposition. RFC 2183.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition<'a> {
    /// `inline`, `attachment`, ... in lower case.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Parameters as they stood.
    pub params: Vec<Param<'a>>,
}

/// The first text/calendar part of a message. RFC 6047 §2.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarPart<'a> {
    /// Index in [`MailRecord::parts`].
    pub part: u16,
    /// The `method` parameter in upper case.
    #[serde(borrow)]
    pub method: Option<Text<'a>>,
}

/// A part a client shows as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment<'a> {
    /// Index in [`MailRecord::parts`]: media type, Content-ID and Content-Location are there.
    pub part: u16,
    /// Decoded name, safe as a file name; made up when the message names none.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Estimated size after decoding, in bytes.
    pub decoded_size: u32,
    /// Shown within the HTML body through its Content-ID.
    pub is_inline: bool,
    /// A message/rfc822 part; its name ends in `.eml`.
    pub is_message: bool,
}

/// Yes/no facts about a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags(pub u32);

impl Flags {
    /// At least one attachment that is neither inline nor a signature.
    pub const ATTACHMENTS: Self = Self(1);
    /// S/MIME signed, in the clear or opaque. RFC 8551 §3.5.
    pub const SMIME_SIGNED: Self = Self(1 << 1);
    /// S/MIME enveloped. RFC 8551 §3.3.
    pub const SMIME_ENCRYPTED: Self = Self(1 << 2);
    /// S/MIME signed without being readable as plain MIME (application/pkcs7-mime).
    pub const SMIME_OPAQUE: Self = Self(1 << 3);
    /// A delivery report. RFC 3464, RFC 6533.
    pub const DSN: Self = Self(1 << 4);
    /// A disposition notification. RFC 8098.
    pub const MDN: Self = Self(1 << 5);
    /// Has a List-Id or List-Unsubscribe field. RFC 2919, RFC 2369.
    pub const LIST: Self = Self(1 << 6);
    /// A disposition notification is asked for. RFC 8098 §2.1.
    pub const WANTS_MDN: Self = Self(1 << 7);
    /// The record lacks addresses, parts or text of the message; parse the message for all of it.
    pub const TRUNCATED: Self = Self(1 << 8);

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// MS-ASEMAIL §2.2.2.40's values: 0 low, 1 normal, 2 high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Importance {
    /// Low.
    Low = 0,
    /// Normal, also when nothing is said.
    #[default]
    Normal = 1,
    /// High.
    High = 2,
}

/// The Sensitivity field. RFC 2156 §5.3.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Sensitivity {
    /// Nothing said.
    #[default]
    Normal = 0,
    /// Personal.
    Personal = 1,
    /// Private.
    Private = 2,
    /// Company-confidential.
    Confidential = 3,
}

/// A message's own body type, in the numbers of MS-ASAIRS NativeBodyType.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum NativeBody {
    /// Plain text.
    #[default]
    Text = 1,
    /// HTML.
    Html = 2,
}

/// Text that borrows from the encoded record where it can.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Written by a layout this program does not know.
    Version(u8),
    /// Cut short or damaged.
    Damaged,
}

impl<'a> MailRecord<'a> {
    /// Writes the record: one version byte, then its fields. At most [`limits::RECORD`] bytes:
    /// a larger record is cut and marked [`Flags::TRUNCATED`].
    pub fn encode(&self) -> Vec<u8> {
        let whole = self.to_bytes();
        if whole.len() <= limits::RECORD {
            return whole;
        }
        let mut cut = self.clone();
        cut.flags.insert(Flags::TRUNCATED);
        for step in &STEPS {
            step.apply(&mut cut);
            let bytes = cut.to_bytes();
            if bytes.len() <= limits::RECORD {
                return bytes;
            }
        }
        // The last step leaves less than the limit by its own numbers; see the test.
        Self { size: self.size, flags: cut.flags, ..Self::default() }.to_bytes()
    }

    /// Reads a record, borrowing its text from `bytes`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let (&version, rest) = bytes.split_first().ok_or(RecordError::Damaged)?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let record: Self = postcard::from_bytes(rest).map_err(|_| RecordError::Damaged)?;
        if record.is_consistent() { Ok(record) } else { Err(RecordError::Damaged) }
    }

    /// The same record for the message stored behind `prefix` bytes of further header fields.
    #[must_use]
    pub fn shift(mut self, prefix: u32) -> Self {
        self.size = self.size.saturating_add(prefix);
        for (index, part) in self.parts.iter_mut().enumerate() {
            if index == 0 {
                part.header_len = part.header_len.saturating_add(prefix);
            } else {
                part.header_start = part.header_start.saturating_add(prefix);
            }
        }
        self
    }

    /// The subject for display.
    pub fn subject(&self) -> String {
        self.envelope.subject.as_ref().map(|text| header::decode_text(text)).unwrap_or_default()
    }

    /// Names (or else addresses) of To for display, separated by `; `. MS-ASEMAIL DisplayTo.
    pub fn display_to(&self) -> String {
        let names = self.envelope.to.iter().filter_map(Address::display_name);
        names.collect::<Vec<_>>().join("; ")
    }

    /// Thread-Index decoded: MS-ASEMAIL's ConversationIndex.
    pub fn thread_index(&self) -> Option<Vec<u8>> {
        self.thread_index.as_ref().map(|text| super::decode::base64(text.as_bytes()))
    }

    /// The attachment's part.
    pub fn part_of(&self, attachment: &Attachment<'_>) -> Option<&PartRecord<'a>> {
        self.parts.get(usize::from(attachment.part))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let start = Vec::with_capacity(1024);
        let mut out = start;
        out.push(VERSION);
        // Writing derived plain data to a growing vector has no failing step.
        postcard::to_extend(self, out).expect("plain data into a vector")
    }

    /// Whether every index names a part and every range lies within the message.
    fn is_consistent(&self) -> bool {
        let parts = self.parts.len();
        let part_fits = |(index, part): (usize, &PartRecord<'_>)| {
            let parent = usize::from(part.parent);
            let end = u64::from(part.header_start) + u64::from(part.header_len) + u64::from(part.body_len);
            (parent < index || (index == 0 && parent == 0)) && end <= u64::from(self.size)
        };
        self.parts.iter().enumerate().all(part_fits)
            && self.attachments.iter().all(|file| usize::from(file.part) < parts)
            && self.calendar.as_ref().is_none_or(|calendar| usize::from(calendar.part) < parts)
    }
}

impl PartRecord<'_> {
    /// The header's bytes within the message, closing empty line included.
    pub fn header(&self) -> Range<u64> {
        let start = u64::from(self.header_start);
        start..start + u64::from(self.header_len)
    }

    /// The body's bytes within the message.
    pub fn body(&self) -> Range<u64> {
        let start = self.header().end;
        start..start + u64::from(self.body_len)
    }

    /// `type/subtype` in lower case.
    pub fn content_type(&self) -> String {
        format!("{}/{}", self.media_type, self.subtype)
    }
}

impl Address<'_> {
    /// The display name, or else the address; for a group its name. `None` at a group's end.
    pub fn display_name(&self) -> Option<String> {
        match self {
            Self::Mailbox { name: Some(name), .. } if !name.is_empty() => Some(header::decode_text(name)),
            Self::Mailbox { .. } => self.address(),
            Self::GroupStart(name) => Some(header::decode_text(name)),
            Self::GroupEnd => None,
        }
    }

    /// `local@domain`, quoted where RFC 5321 §4.1.2 demands it. `None` for group marks.
    pub fn address(&self) -> Option<String> {
        let Self::Mailbox { local, domain, .. } = self else { return None };
        Some(address::join(local, domain))
    }
}

/// What a record that is too large is cut to, from mild to harsh.
struct Step {
    addresses: usize,
    text_bytes: usize,
    parts: usize,
    params: usize,
    nested_envelopes: bool,
}

const STEPS: [Step; 4] = [
    Step { addresses: 200, text_bytes: 1_000, parts: 1_000, params: 20, nested_envelopes: true },
    Step { addresses: 100, text_bytes: 500, parts: 500, params: 8, nested_envelopes: true },
    Step { addresses: 50, text_bytes: 250, parts: 200, params: 3, nested_envelopes: false },
    Step { addresses: 10, text_bytes: 100, parts: 20, params: 1, nested_envelopes: false },
];

impl Step {
    fn apply(&self, record: &mut MailRecord<'_>) {
        self.envelope(&mut record.envelope);
        let drop_references = record.references.len().saturating_sub(self.addresses.min(20));
        record.references.drain(..drop_references);
        let texts = record.references.iter_mut().chain(&mut record.thread_topic);
        for text in texts.chain(&mut record.thread_index).chain(&mut record.auto_submitted) {
            text.cut(self.text_bytes);
        }
        if let Some(method) = record.calendar.as_mut().and_then(|calendar| calendar.method.as_mut()) {
            method.cut(self.text_bytes);
        }
        record.parts.truncate(self.parts);
        record.parts.iter_mut().for_each(|part| self.part(part));
        let parts = record.parts.len();
        record.calendar.take_if(|calendar| usize::from(calendar.part) >= parts);
        record.attachments.retain(|file| usize::from(file.part) < parts);
        record.attachments.iter_mut().for_each(|file| file.name.cut(self.text_bytes));
    }

    fn part(&self, part: &mut PartRecord<'_>) {
        let texts = [&mut part.media_type, &mut part.subtype, &mut part.encoding];
        let optional = [&mut part.id, &mut part.description, &mut part.md5, &mut part.location];
        for text in texts.into_iter().chain(optional.into_iter().flatten()) {
            text.cut(self.text_bytes);
        }
        part.language.truncate(self.params);
        part.language.iter_mut().for_each(|text| text.cut(self.text_bytes));
        self.params(&mut part.params);
        if let Some(disposition) = &mut part.disposition {
            disposition.kind.cut(self.text_bytes);
            self.params(&mut disposition.params);
        }
        if self.nested_envelopes {
            part.envelope.iter_mut().for_each(|envelope| self.envelope(envelope));
        } else {
            part.envelope = None;
        }
    }

    fn params(&self, params: &mut Vec<Param<'_>>) {
        params.truncate(self.params);
        for param in params {
            param.name.cut(self.text_bytes);
            param.value.cut(self.text_bytes);
        }
    }

    fn envelope(&self, envelope: &mut Envelope<'_>) {
        let texts = [&mut envelope.date, &mut envelope.subject];
        let ids = [&mut envelope.in_reply_to, &mut envelope.message_id];
        texts.into_iter().chain(ids).flatten().for_each(|text| text.cut(self.text_bytes));
        for list in [
            &mut envelope.from,
            &mut envelope.sender,
            &mut envelope.reply_to,
            &mut envelope.to,
            &mut envelope.cc,
            &mut envelope.bcc,
        ] {
            address::cut(list, self.addresses);
            for address in list {
                match address {
                    Address::Mailbox { name, local, domain } => {
                        name.iter_mut().for_each(|text| text.cut(self.text_bytes));
                        local.cut(self.text_bytes);
                        domain.cut(self.text_bytes);
                    }
                    Address::GroupStart(name) => name.cut(self.text_bytes),
                    Address::GroupEnd => {}
                }
            }
        }
    }
}

impl Text<'_> {
    /// Cuts to at most `bytes` bytes at a character boundary.
    fn cut(&mut self, bytes: usize) {
        if self.0.len() > bytes {
            self.0 = Cow::Owned(charset::truncate_bytes(&self.0, bytes).to_owned());
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(text.into())
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(text.to_owned().into())
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "mail record of unknown version {version}"),
            Self::Damaged => f.write_str("damaged mail record"),
        }
    }
}

impl std::error::Error for RecordError {}
