//! A message as ApplicationData or Properties. MS-ASEMAIL §2.2.2.

use bytes::Bytes;
use wbxml::{Element, Tag, Version, airsync, airsyncbase, email, email2, itemoperations};

use super::body::{self, Choice, Data, Kind, Shown, Source};
use super::time::dashed;
use super::uncut::{message_of_cut, uncut};
use super::{Renderer, address, attachment, conversation, conversation_id, flag, meeting};
use crate::mailbox::{Error, Flags, Item, Role};
use crate::message::{self, MailRecord, thread};

/// UTF-8. MS-ASEMAIL §2.2.2.40.
const UTF_8: &str = "65001";
/// MS-ASEMAIL §2.2.2.20.
const CONTENT_CLASS: &str = "urn:content-classes:message";
/// What stands in for a message that cannot be shown, and for its subject where that is lost as well.
const DAMAGED: &str =
    "This message cannot be shown: it is damaged on the server, or cannot be read at the moment.";
const DAMAGED_SUBJECT: &str = "(damaged message)";
/// Status of a BodyPart: success. MS-ASAIRS §2.2.2.37.
const PART_OK: u8 = 1;
/// Longest Subject, ThreadTopic and DisplayTo, in octets.
const TEXT_MAX: usize = 32_768;

/// Where bodies go: into the document, or into parts of their own that it refers to. MS-ASCMD §2.2.1.10.1.
pub(in crate::doors::eas) type Parts<'p> = Option<&'p mut Vec<Bytes>>;

impl Renderer<'_> {
    /// What is known of an item that [`Renderer::whole`] cannot show, since its message or its record is
    /// damaged or cannot be read now. The body says so, as one that was truncated: the client can ask for the
    /// rest once it can be read again.
    pub(super) fn damaged_message(&self, item: &Item) -> Element<'static> {
        let row = self.view.record(self.folder, item.uid).ok().flatten();
        let record = row.as_ref().and_then(|row| MailRecord::decode(row.record()).ok());
        let version = self.session.version;
        let mut out = Out::new(airsync::APPLICATION_DATA, version);
        match &record {
            Some(record) => self.envelope(&mut out, item, record),
            None => {
                out.add(Element::leaf(email::SUBJECT, DAMAGED_SUBJECT));
                out.add(Element::leaf(email::DATE_RECEIVED, dashed(item.internal_date)));
                out.add(Element::boolean(email::READ, item.flags.has(Flags::SEEN)));
            }
        }
        let shown = Shown {
            kind: Kind::Text,
            size: item.size.max(u64::try_from(DAMAGED.len()).unwrap_or_default()),
            truncated: true,
            data: Some(Data::Text(DAMAGED.to_owned())),
            preview: None,
        };
        out.add(body_element(shown, version, None));
        out.add(Element::leaf(email::MESSAGE_CLASS, record.as_ref().map_or("IPM.Note", message_class)));
        out.add(Element::leaf(email::INTERNET_CPID, UTF_8));
        out.add(flag::flag(item, version));
        out.add(Element::leaf(email::CONTENT_CLASS, CONTENT_CLASS));
        out.add(flag::categories(item));
        out.element
    }

    /// What changes without its content.
    pub(super) fn message_flags(&self, item: &Item) -> Result<Element<'static>, Error> {
        let mut out = Out::new(airsync::APPLICATION_DATA, self.session.version);
        out.add(Element::boolean(email::READ, item.flags.has(Flags::SEEN)));
        out.add(flag::flag(item, self.session.version));
        out.add(flag::categories(item));
        out.add_all(flag::verb(item));
        Ok(out.element)
    }

    /// All that the client wants of a message, within `within`.
    pub(super) fn message(
        &self,
        item: &Item,
        within: Tag,
        parts: Parts<'_>,
    ) -> Result<Element<'static>, Error> {
        let row = self.view.record(self.folder, item.uid)?.ok_or(Error::Missing)?;
        let record = MailRecord::decode(row.record()).map_err(|_| Error::Invalid("a damaged record"))?;
        let whole = message_of_cut(&self.session.eas.mailbox, self.view, self.folder, item, &record)?;
        let record = uncut(record, whole.as_ref());
        let version = self.session.version;
        let mut out = Out::new(within, version);
        self.envelope(&mut out, item, &record);
        out.add_all(attachment::list(self.folder, item, &record, version));
        self.bodies(&mut out, item, &record, parts)?;
        let invitation = meeting::of(self.session, self.view, (self.folder, item), &record)?;
        let (class, content_class) = match &invitation {
            Some(invitation) => (invitation.class, meeting::CONTENT_CLASS),
            None => (message_class(&record), CONTENT_CLASS),
        };
        out.add(Element::leaf(email::MESSAGE_CLASS, class));
        out.add_all(invitation.and_then(|invitation| invitation.request));
        out.add(Element::leaf(email::INTERNET_CPID, UTF_8));
        out.add(flag::flag(item, version));
        out.add(Element::leaf(email::CONTENT_CLASS, content_class));
        out.add(Element::number(airsyncbase::NATIVE_BODY_TYPE, record.native_body as u8));
        out.add(flag::categories(item));
        self.beyond_12(&mut out, item, &record, row.prefix());
        Ok(out.element)
    }

    fn envelope(&self, out: &mut Out, item: &Item, record: &MailRecord<'_>) {
        let envelope = &record.envelope;
        let lists = [
            (email::TO, &envelope.to),
            (email::CC, &envelope.cc),
            (email::FROM, &envelope.from),
            (email::REPLY_TO, &envelope.reply_to),
        ];
        for (tag, list) in lists {
            out.add_all(address::list(list).map(|text| Element::leaf(tag, text)));
        }
        let subject = record.subject();
        let topic = match &record.thread_topic {
            Some(topic) => topic.to_string(),
            None => thread::base_subject(&subject).0,
        };
        out.add(text(email::SUBJECT, subject));
        out.add(Element::leaf(email::DATE_RECEIVED, dashed(item.internal_date)));
        out.add(text(email::DISPLAY_TO, record.display_to()));
        out.add(text(email::THREAD_TOPIC, topic));
        out.add(Element::number(email::IMPORTANCE, record.importance as u8));
        out.add(Element::boolean(email::READ, item.flags.has(Flags::SEEN)));
    }

    fn bodies(
        &self,
        out: &mut Out,
        item: &Item,
        record: &MailRecord<'_>,
        parts: Parts<'_>,
    ) -> Result<(), Error> {
        let mailbox = &self.session.eas.mailbox;
        let source = Source::new(record, || mailbox.message(self.view, self.folder, item));
        let shown = source.show(&body::choices(self.wishes, record))?;
        out.add(body_element(shown, self.session.version, parts));
        let part =
            self.wishes.body_part.as_ref().filter(|_| airsyncbase::BODY_PART.is_in(self.session.version));
        if let Some(choice) = part.and_then(Choice::of_part) {
            out.add(body_part_element(source.show(&[choice])?));
        }
        Ok(())
    }

    /// What came with 14.0 and later.
    fn beyond_12(&self, out: &mut Out, item: &Item, record: &MailRecord<'_>, prefix: &[u8]) {
        if self.session.version < Version::V14_0 {
            return;
        }
        let id = conversation_id(self.folder.owner, item.thread);
        out.add(Element::opaque(email2::CONVERSATION_ID, id.to_vec()));
        let index = conversation::index(record, item.internal_date);
        out.add(Element::opaque(email2::CONVERSATION_INDEX, index));
        out.add_all(flag::verb(item));
        if self.is_blind_copy(record, prefix) {
            out.add(Element::boolean(email2::RECEIVED_AS_BCC, true));
        }
        let envelope = &record.envelope;
        let sender = Some(&envelope.sender).filter(|sender| **sender != envelope.from);
        out.add_all(sender.and_then(|s| address::list(s)).map(|text| Element::leaf(email2::SENDER, text)));
        let is_draft = self.folder.role == Role::Drafts || item.flags.has(Flags::DRAFT);
        out.add(Element::boolean(email2::IS_DRAFT, is_draft));
        if is_draft {
            out.add_all(address::list(&envelope.bcc).map(|text| Element::leaf(email2::BCC, text)));
        }
    }

    /// Whether the message was delivered to somebody whom it does not name. Lists name themselves instead,
    /// and a record that had to be cut does not say.
    fn is_blind_copy(&self, record: &MailRecord<'_>, prefix: &[u8]) -> bool {
        let cannot_say = message::Flags::LIST;
        let delivered = prefix.windows(DELIVERED_TO.len()).any(|at| at.eq_ignore_ascii_case(DELIVERED_TO));
        if !delivered || record.flags.contains(cannot_say) || record.flags.contains(message::Flags::TRUNCATED)
        {
            return false;
        }
        let named =
            record.envelope.to.iter().chain(&record.envelope.cc).filter_map(message::Address::address);
        let own: Vec<String> = self.session.login.account.addresses().map(|own| own.folded()).collect();
        !named.map(|named| without_detail(&named)).any(|named| own.contains(&named))
    }
}

const DELIVERED_TO: &[u8] = b"Delivered-To:";

/// An address as it is compared, without the `+detail` of its local part.
fn without_detail(address: &str) -> String {
    let folded = address.to_lowercase();
    match (folded.split_once('+'), folded.rsplit_once('@')) {
        (Some((name, _)), Some((_, domain))) if !name.is_empty() && !name.contains('@') => {
            format!("{name}@{domain}")
        }
        _ => folded,
    }
}

/// Children that the version in use has; others are left out.
struct Out {
    element: Element<'static>,
    version: Version,
}

impl Out {
    fn new(tag: Tag, version: Version) -> Self {
        Self { element: Element::new(tag), version }
    }

    fn add(&mut self, child: Element<'static>) {
        if child.tag().is_in(self.version) {
            self.element.push(child);
        }
    }

    fn add_all(&mut self, children: impl IntoIterator<Item = Element<'static>>) {
        children.into_iter().for_each(|child| self.add(child));
    }
}

fn text(tag: Tag, mut text: String) -> Element<'static> {
    if text.len() > TEXT_MAX {
        let kept = message::charset::truncate_bytes(&text, TEXT_MAX).len();
        text.truncate(kept);
    }
    Element::leaf(tag, text)
}

/// MS-ASEMAIL §2.2.2.49.
fn message_class(record: &MailRecord<'_>) -> &'static str {
    use message::Flags as Facts;
    let is = |fact| record.flags.contains(fact);
    match () {
        () if is(Facts::SMIME_ENCRYPTED) || is(Facts::SMIME_OPAQUE) => "IPM.Note.SMIME",
        () if is(Facts::SMIME_SIGNED) => "IPM.Note.SMIME.MultipartSigned",
        () if is(Facts::DSN) => "REPORT.IPM.Note.NDR",
        () if is(Facts::MDN) => "REPORT.IPM.Note.IPNRN",
        () => "IPM.Note",
    }
}

/// MS-ASAIRS §2.2.2.9.
pub(super) fn body_element(shown: Shown, version: Version, parts: Parts<'_>) -> Element<'static> {
    let mut out = Out::new(airsyncbase::BODY, version);
    let Shown { kind, size, truncated, data, preview } = shown;
    out.add(Element::number(airsyncbase::TYPE, kind as u8));
    out.add(Element::number(airsyncbase::ESTIMATED_DATA_SIZE, size));
    // Of MIME the client is always told. MS-ASCMD §2.2.3.110.3.
    if truncated || kind == Kind::Mime {
        out.add(Element::boolean(airsyncbase::TRUNCATED, truncated));
    }
    let part = match (data, parts) {
        (None, _) => None,
        (Some(data), None) => {
            out.add(data_element(data));
            None
        }
        (Some(data), Some(parts)) => {
            parts.push(data.into_bytes());
            // The document itself is part 0.
            Some(Element::number(itemoperations::PART, i128::try_from(parts.len()).unwrap_or_default()))
        }
    };
    out.add_all(preview.map(|preview| Element::leaf(airsyncbase::PREVIEW, preview)));
    out.add_all(part);
    out.element
}

/// MS-ASAIRS §2.2.2.10.
fn body_part_element(shown: Shown) -> Element<'static> {
    let Shown { kind, size, truncated, data, preview } = shown;
    let mut part = Element::new(airsyncbase::BODY_PART)
        .with_number(airsyncbase::STATUS, PART_OK)
        .with_number(airsyncbase::TYPE, kind as u8)
        .with_number(airsyncbase::ESTIMATED_DATA_SIZE, size);
    if truncated {
        part.push(Element::boolean(airsyncbase::TRUNCATED, true));
    }
    part.with_all(data.map(data_element))
        .with_all(preview.map(|preview| Element::leaf(airsyncbase::PREVIEW, preview)))
}

fn data_element(data: Data) -> Element<'static> {
    match data {
        Data::Text(text) => Element::leaf(airsyncbase::DATA, text),
        Data::Octets(octets) => Element::opaque(airsyncbase::DATA, octets.to_vec()),
    }
}
