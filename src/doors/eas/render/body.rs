//! Bodies: which type of a message's body a client gets, and how much of it. MS-ASAIRS §2.2.2.9, §2.2.2.12.

use std::cell::OnceCell;
use std::cmp::Reverse;

use bytes::Bytes;
use wbxml::{Element, Version};

use super::email::{Parts, body_element};
use super::wishes::{BodyPreference, Wishes};
use crate::mailbox::Error;
use crate::message::decode::Encoding;
use crate::message::html::{from_text, keep_image, sanitise};
use crate::message::record::NativeBody;
use crate::message::{self, Flags, MailRecord, Tree, body, charset, section};

/// Where a preview is wanted as well, fewer octets of Data than this are worth no look at the message.
const DATA_MIN: u32 = 16;
/// MIMETruncation in characters, by its value; 8 is everything. MS-ASCMD §2.2.3.111.
const MIME_TRUNCATION: [u32; 8] = [0, 4_096, 5_120, 7_168, 10_240, 20_480, 51_200, 102_400];

/// A type of body, with its number on the wire. MS-ASAIRS §2.2.2.41.1. RTF is none of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text = 1,
    Html = 2,
    Mime = 4,
}

/// A body that a client would take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) kind: Kind,
    /// Most octets of Data.
    pub(super) truncation: Option<u32>,
    pub(super) all_or_none: bool,
    /// Most characters of Preview. MS-ASAIRS §2.2.2.35.1.
    pub(super) preview: Option<u8>,
}

impl Choice {
    /// Nobody said anything: the whole text.
    const DEFAULT: Self = Self { kind: Kind::Text, truncation: None, all_or_none: false, preview: None };

    fn of(kind: Kind, wanted: &BodyPreference) -> Self {
        Self {
            kind,
            truncation: wanted.truncation,
            all_or_none: wanted.all_or_none,
            preview: wanted.preview.filter(|most| *most > 0),
        }
    }

    /// The body of a BodyPartPreference. Only HTML is defined for it. MS-ASAIRS §2.2.2.41.3.
    pub(super) fn of_part(wanted: &BodyPreference) -> Option<Self> {
        (wanted.kind == Kind::Html as u8).then(|| Self::of(Kind::Html, wanted))
    }

    /// Whether it can be shown without a look at the message.
    fn wants_no_data(&self) -> bool {
        match self.truncation {
            Some(0) => true,
            Some(most) => most < DATA_MIN && self.preview.is_some(),
            None => false,
        }
    }
}

/// What a client would take, the best first: MIME where it is wanted and allowed, then the message's own
/// type, then the others as the client named them.
pub(super) fn choices(wishes: &Wishes, record: &MailRecord<'_>) -> Vec<Choice> {
    let mut all = Vec::new();
    if let Some(wanted) = wishes.body(Kind::Mime as u8)
        && takes_mime(wishes, record)
    {
        let choice = Choice::of(Kind::Mime, wanted);
        let limit = wishes.mime_truncation.and_then(|n| MIME_TRUNCATION.get(usize::from(n))).copied();
        let truncation = choice.truncation.into_iter().chain(limit).min();
        all.push(Choice { truncation, ..choice });
    }
    let native = match record.native_body {
        NativeBody::Text => Kind::Text,
        NativeBody::Html => Kind::Html,
    };
    let mut others: Vec<Choice> = wishes
        .bodies
        .iter()
        .filter_map(|wanted| match wanted.kind {
            1 => Some(Choice::of(Kind::Text, wanted)),
            2 => Some(Choice::of(Kind::Html, wanted)),
            _ => None,
        })
        .collect();
    // Who can show formatted text can show text.
    if let (true, Some(rtf)) = (others.is_empty(), wishes.body(3)) {
        others.push(Choice::of(Kind::Text, rtf));
    }
    others.sort_by_key(|choice| Reverse(choice.kind == native));
    all.append(&mut others);
    if all.is_empty() {
        all.push(Choice::DEFAULT);
    }
    all
}

/// What a client would take of a body that is not mail's, the best first: the body's own type, then the other.
fn other_choices(wishes: &Wishes, native: Kind) -> Vec<Choice> {
    let known = wishes.bodies.iter().filter_map(|wanted| match wanted.kind {
        1 | 3 => Some(Choice::of(Kind::Text, wanted)),
        2 => Some(Choice::of(Kind::Html, wanted)),
        _ => None,
    });
    let mut all: Vec<Choice> = known.collect();
    all.sort_by_key(|choice| Reverse(choice.kind == native));
    if all.is_empty() {
        all.push(Choice::DEFAULT);
    }
    all
}

/// The body of an item that is not mail: a text, and perhaps the same as HTML. MS-ASAIRS §2.2.2.9.
pub(in crate::doors::eas) fn text_body(
    text: &str,
    own_html: Option<&str>,
    wishes: &Wishes,
    version: Version,
    parts: Parts<'_>,
) -> Element<'static> {
    let native = if own_html.is_some() { Kind::Html } else { Kind::Text };
    let mut left_out = None;
    for choice in other_choices(wishes, native) {
        let shown = text_as(&choice, text, own_html);
        if !(choice.all_or_none && shown.truncated) {
            return body_element(shown, version, parts);
        }
        left_out.get_or_insert(Shown { data: None, ..shown });
    }
    // There is a first choice always.
    let none = Shown { kind: native, size: 0, truncated: false, data: None, preview: None };
    body_element(left_out.unwrap_or(none), version, parts)
}

fn text_as(choice: &Choice, text: &str, own_html: Option<&str>) -> Shown {
    let most = choice.truncation.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let (size, data) = match choice.kind {
        Kind::Html => {
            let fragment = match own_html {
                Some(html) => sanitise(html, &keep_image),
                None => format!("<div>{}</div>", from_text(text)),
            };
            html(&fragment, most)
        }
        Kind::Text | Kind::Mime => {
            let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
            (text.len(), Data::Text(cut(text, most)))
        }
    };
    let preview = choice.preview.map(|most| charset::truncate_chars(text, usize::from(most)).trim_end());
    let preview = preview.filter(|preview| !preview.is_empty()).map(str::to_owned);
    let truncated = data.len() < size;
    let data = Some(data).filter(|_| !(truncated && choice.wants_no_data()));
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    Shown { kind: choice.kind, size, truncated, data, preview }
}

/// MS-ASCMD §2.2.3.110.3.
fn takes_mime(wishes: &Wishes, record: &MailRecord<'_>) -> bool {
    let smime = [Flags::SMIME_SIGNED, Flags::SMIME_ENCRYPTED, Flags::SMIME_OPAQUE];
    match wishes.mime_support {
        0 => false,
        1 => smime.into_iter().any(|flag| record.flags.contains(flag)),
        _ => true,
    }
}

/// What is shown of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub(super) kind: Kind,
    /// Octets of the whole, estimated where it was not looked at.
    pub(super) size: u64,
    pub(super) truncated: bool,
    pub(super) data: Option<Data>,
    pub(super) preview: Option<String>,
}

/// What a body holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Data {
    Text(String),
    Octets(Bytes),
}

/// A message whose octets are read when they are first needed.
pub(super) struct Source<'s> {
    pub(super) record: &'s MailRecord<'s>,
    read: Box<dyn Fn() -> Result<Bytes, Error> + 's>,
    octets: OnceCell<Bytes>,
}

impl<'s> Source<'s> {
    pub(super) fn new(record: &'s MailRecord<'s>, read: impl Fn() -> Result<Bytes, Error> + 's) -> Self {
        Self { record, read: Box::new(read), octets: OnceCell::new() }
    }

    fn octets(&self) -> Result<&Bytes, Error> {
        if self.octets.get().is_none() {
            let octets = (self.read)()?;
            return Ok(self.octets.get_or_init(|| octets));
        }
        self.octets.get().ok_or(Error::Missing)
    }

    /// Shows the first choice that need not be left out for its size. MS-ASAIRS §2.2.2.3.2.
    pub(super) fn show(&self, choices: &[Choice]) -> Result<Shown, Error> {
        let mut left_out = None;
        for choice in choices {
            let shown = self.show_one(choice)?;
            if !(choice.all_or_none && shown.truncated) {
                return Ok(shown);
            }
            left_out.get_or_insert(Shown { data: None, ..shown });
        }
        match left_out {
            Some(shown) => Ok(shown),
            None => self.show_one(&Choice::DEFAULT),
        }
    }

    fn show_one(&self, choice: &Choice) -> Result<Shown, Error> {
        let preview = choice.preview.map(|most| self.preview(most));
        let preview = preview.filter(|preview| !preview.is_empty());
        let kind = choice.kind;
        if choice.wants_no_data() {
            let size = self.estimate(kind);
            return Ok(Shown { kind, size, truncated: size > 0, data: None, preview });
        }
        let most = choice.truncation.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        let (size, data) = match kind {
            Kind::Text => {
                let text = body::text(&message::parse(self.octets()?));
                (text.len(), Data::Text(cut(text, most)))
            }
            Kind::Html => {
                let fragment = body::html(&message::parse(self.octets()?));
                html(&fragment, most)
            }
            Kind::Mime => (self.octets()?.len(), mime(self.octets()?, most)),
        };
        let truncated = data.len() < size;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        Ok(Shown { kind, size, truncated, data: Some(data), preview })
    }

    fn preview(&self, most: u8) -> String {
        charset::truncate_chars(&self.record.preview, usize::from(most)).trim_end().to_owned()
    }

    /// Octets of the body as `kind`, by the sizes of its parts.
    fn estimate(&self, kind: Kind) -> u64 {
        let (plain, html) = text_sizes(self.record);
        match kind {
            Kind::Mime => u64::from(self.record.size),
            Kind::Text if plain > 0 => plain,
            // Markup is about half of most HTML mail.
            Kind::Text => html / 2,
            Kind::Html if html > 0 => html,
            Kind::Html => plain,
        }
    }
}

impl Data {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Octets(octets) => octets.len(),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Octets(octets) => octets,
        }
    }
}

/// Sizes after decoding of the text/plain and the text/html parts that are no files.
fn text_sizes(record: &MailRecord<'_>) -> (u64, u64) {
    let is_file = |index| record.attachments.iter().any(|file| usize::from(file.part) == index);
    let mut outside = vec![false; record.parts.len()];
    let (mut plain, mut html) = (0_u64, 0_u64);
    for (index, part) in record.parts.iter().enumerate() {
        let within = index > 0 && outside.get(usize::from(part.parent)).copied().unwrap_or_default();
        let apart = within || is_file(index) || record.kind(index) == section::Kind::Message;
        if let Some(place) = outside.get_mut(index) {
            *place = apart;
        }
        if apart || &*part.media_type != "text" {
            continue;
        }
        let encoding = Encoding::from_keyword(&part.encoding);
        let size = encoding.decoded_size(u64::from(part.body_len), u64::from(part.lines));
        match &*part.subtype {
            "plain" => plain = plain.saturating_add(size),
            "html" => html = html.saturating_add(size),
            _ => {}
        }
    }
    (plain, html)
}

/// At most `most` octets of a text, ending at a character.
fn cut(mut text: String, most: Option<usize>) -> String {
    if let Some(most) = most.filter(|most| *most < text.len()) {
        let kept = charset::truncate_bytes(&text, most).len();
        text.truncate(kept);
    }
    text
}

/// The size of a whole document around a fragment, and as much of it as is wanted. A document that is cut is
/// still one; a limit too small for that gives the beginning of the fragment. Tags are not cut in two.
fn html(fragment: &str, most: Option<usize>) -> (usize, Data) {
    if matches!(fragment.trim_ascii(), "" | "<div></div>") {
        return (0, Data::Text(String::new()));
    }
    let whole = body::document(fragment);
    let size = whole.len();
    let Some(most) = most.filter(|most| *most < size) else { return (size, Data::Text(whole)) };
    let around = size - fragment.len();
    let cut = match most.checked_sub(around) {
        Some(room) if room > 0 => body::document(cut_html(fragment, room)),
        _ => cut_html(fragment, most).to_owned(),
    };
    (size, Data::Text(cut))
}

fn cut_html(fragment: &str, most: usize) -> &str {
    /// Longest entity that the sanitiser writes, `&quot;`, without its last character.
    const ENTITY: usize = 5;
    let kept = charset::truncate_bytes(fragment, most);
    let open_tag = kept.rfind('<').filter(|at| kept.rfind('>').is_none_or(|closed| closed < *at));
    let kept = open_tag.and_then(|at| kept.get(..at)).unwrap_or(kept);
    let entity = kept.rfind('&').filter(|at| kept.len() - at <= ENTITY);
    let entity = entity.filter(|at| kept.get(*at..).is_some_and(|rest| !rest.contains(';')));
    entity.and_then(|at| kept.get(..at)).unwrap_or(kept)
}

/// A message as it is. Where it is text that WBXML can carry it goes as text, for some clients read nothing
/// else; other octets go as they are.
fn mime(octets: &Bytes, most: Option<usize>) -> Data {
    let carried = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    match std::str::from_utf8(octets) {
        Ok(text) if text.chars().all(carried) => {
            Data::Text(charset::truncate_bytes(text, most.unwrap_or(text.len())).to_owned())
        }
        _ => Data::Octets(octets.slice(..most.unwrap_or(octets.len()).min(octets.len()))),
    }
}
