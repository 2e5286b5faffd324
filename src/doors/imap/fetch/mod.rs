//! FETCH: what of each message is wanted, written message by message in bounded batches. RFC 9051 §6.4.5,
//! §7.5.2.

mod envelope;
pub(super) mod flags;
mod light;
mod section;
mod source;
mod structure;
mod vanished;

use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::tz::Offset;

use light::{FEW, is_light};
use section::Decoded;
pub(super) use source::{Opened, Source};
pub(super) use vanished::vanished;

use super::grammar::{Attribute, Fetch, Of, Section};
use super::out::Out;
use super::room::SMALL;
use super::state::Selected;
use crate::clock::Millis;
use crate::mailbox::{Acting, Error, Folder, Item, Mailbox, Record, Uid, View};
use crate::message::charset;
use crate::store;

/// A batch ends when it has so many bytes; one message may go beyond.
const BYTES_MAX: usize = 256 << 10;
/// A batch ends when so many messages were looked at.
const ITEMS_MAX: usize = 2_000;
/// Messages whose rows are read together.
const CHUNK: usize = 500;
/// As [`CHUNK`], with their records.
const CHUNK_OF_RECORDS: usize = 24;
/// No more records are read together than have so many bytes; one may go beyond.
const RECORDS_MAX: usize = 1 << 20;
/// A batch ends when so many bytes of messages were read, parsed or decoded, whatever came of it; one
/// message may go beyond.
const WORK_MAX: u64 = 4 << 20;
/// How many times its size one message may be answered with, and worked through for its answer. One that
/// wants it whole and in parts, under several names, stays below.
const TIMES_MAX: u64 = 4;
/// Longest preview, in characters. RFC 8970 §4.
const PREVIEW_MAX: usize = 200;

/// A FETCH under way.
#[derive(Debug)]
pub(super) struct Plan {
    attributes: Vec<Attribute>,
    changed_since: u64,
    /// What is left, as ordered ranges of UIDs.
    left: Vec<(u32, u32)>,
    /// How many messages must be there, where the client named each by its number.
    expected: Option<u32>,
    found: u32,
    faults: Faults,
    needs_record: bool,
    /// Whether bytes of the messages are needed, be it for their records.
    needs_source: bool,
    /// Whether all that is wanted is held in memory, and so much of it that this is worth while.
    is_light: bool,
    /// Whether messages are seen by being fetched.
    sees: bool,
    /// Messages that were not seen before.
    unseen: Vec<u32>,
    /// Bytes worked through in the present batch.
    work: u64,
    /// Room that the next batch needs.
    wants: u64,
}

/// What could not be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Faults {
    /// Messages were expunged that still have a sequence number.
    pub(super) expunged: bool,
    /// Bytes of a message are damaged.
    pub(super) damaged: bool,
    /// A part is encoded in a way nobody knows.
    pub(super) unknown_encoding: bool,
    /// The same bytes are asked for too often.
    pub(super) too_much: bool,
}

impl Plan {
    /// What `fetch` wants of the messages that a session knows.
    pub(super) fn new(fetch: Fetch, selected: &Selected) -> Self {
        let uids = selected.resolve(&fetch.set, fetch.by_uid);
        let needs_record = fetch.attributes.iter().any(needs_record);
        let needs_source = needs_record || fetch.attributes.iter().any(|a| whole(a).is_some());
        let sees = !selected.read_only && fetch.attributes.iter().any(sees);
        let many = uids.iter().map(|(low, high)| high.saturating_sub(*low).saturating_add(1));
        let is_light = fetch.attributes.iter().all(is_light)
            && many.fold(0, u32::saturating_add).min(selected.uids.len()) > FEW;
        let count = |(low, high): &(u32, u32)| {
            let (low, high) = (selected.uids.seq(*low)?, selected.uids.seq(*high)?);
            Some(high.saturating_sub(low).saturating_add(1))
        };
        Self {
            attributes: fetch.attributes,
            changed_since: fetch.changed_since.unwrap_or(0),
            expected: (!fetch.by_uid).then(|| uids.iter().filter_map(count).fold(0, u32::saturating_add)),
            left: uids.into_iter().rev().collect(),
            found: 0,
            faults: Faults::default(),
            needs_record,
            needs_source,
            is_light,
            sees,
            unseen: Vec::new(),
            work: 0,
            wants: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// The messages that were fetched and are seen now, but were not before.
    pub(super) fn take_unseen(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.unseen)
    }

    pub(super) fn faults(&self) -> Faults {
        let expunged = self.expected.is_some_and(|expected| self.found < expected);
        Faults { expunged, ..self.faults }
    }

    /// The room the next batch needs, if it is to have a large message.
    pub(super) fn wants(&self) -> Option<u64> {
        (self.wants > 0).then_some(self.wants)
    }

    /// Writes the next messages; the caller has the room that the batch [wants](Self::wants). Blocks.
    pub(super) fn batch(
        &mut self,
        mailbox: &Mailbox,
        acting: &Acting,
        selected: &Selected,
        out: &mut Out,
    ) -> Result<(), Error> {
        let view = mailbox.view(acting.clone())?;
        let folder = view.readable(selected.folder)?;
        let mut items = ITEMS_MAX;
        self.work = 0;
        if self.is_light {
            self.lights(&mailbox.lights(&view, &folder)?, selected, out);
            return Ok(());
        }
        let mut room = std::mem::take(&mut self.wants).max(SMALL);
        while let Some((low, high)) = self.left.pop() {
            let chunk = Chunk::read(&view, &folder, (low, high), self.needs_source)?;
            if let Some(next) = chunk.next {
                self.left.push((next, high));
            }
            let last = chunk.items.last().map_or(high, |(item, _)| item.uid.0);
            for (item, record) in chunk.items {
                if out.len() >= BYTES_MAX || self.work >= WORK_MAX || items == 0 {
                    self.left.push((item.uid.0, last));
                    return Ok(());
                }
                items -= 1;
                let Some(seq) = selected.uids.seq(item.uid.0) else { continue };
                if item.modseq.0 <= self.changed_since {
                    self.found = self.found.saturating_add(1);
                    continue;
                }
                let source = self.needs_source.then(|| Source::with(&view, &item, record));
                match self.message(seq, &item, source.as_ref(), room, out)? {
                    // One large message to a batch.
                    Written::All => room = SMALL,
                    Written::Nothing => {
                        self.left.push((item.uid.0, last));
                        return Ok(());
                    }
                }
                if self.sees && !flags::is_seen(&item) {
                    self.unseen.push(item.uid.0);
                }
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        seq: u32,
        item: &Item,
        source: Option<&Source<'_>>,
        room: u64,
        out: &mut Out,
    ) -> Result<Written, Error> {
        let opened = source.filter(|_| self.needs_record).map(Opened::new).transpose();
        let message = match opened {
            Ok(message) => message,
            Err(e) => {
                self.faults.damage(item, e)?;
                None
            }
        };
        let needs = self.attributes.iter().map(|attribute| match whole(attribute) {
            Some(section) => section::whole_length(section, item.size),
            None => message.as_ref().map_or(0, |message| length(attribute, message)),
        });
        let needs = needs.fold(0, u64::saturating_add);
        if needs > room {
            self.wants = needs;
            return Ok(Written::Nothing);
        }
        let begins = out.len();
        let most = item.size.saturating_mul(TIMES_MAX).saturating_add(BYTES_MAX as u64);
        out.text("* ");
        out.number(seq.into());
        out.text(" FETCH (");
        let mut is_first = true;
        for attribute in &self.attributes {
            if message.is_none() && needs_record(attribute) {
                continue;
            }
            let written = out.len().saturating_sub(begins) as u64;
            let work = source.map_or(0, Source::work);
            if written > most || work > most.max(WORK_MAX) {
                self.faults.too_much = true;
                break;
            }
            if !is_first {
                out.byte(b' ');
            }
            let written = match (whole(attribute), source) {
                (Some(section), Some(source)) => section::write_whole(section, source, out),
                _ => write(attribute, item, message.as_ref(), &mut self.faults, out),
            };
            match written {
                Ok(()) => is_first = false,
                Err(e) => {
                    if !is_first {
                        out.take_back(b' ');
                    }
                    self.faults.damage(item, e)?;
                }
            }
        }
        if is_first {
            // Nothing could be read, and an empty list is no answer.
            uid(item.uid, out);
        }
        out.text(")\r\n");
        self.work = self.work.saturating_add(source.map_or(0, Source::work));
        self.found = self.found.saturating_add(1);
        Ok(Written::All)
    }
}

/// What became of a message.
enum Written {
    All,
    /// It is too large for the room there is.
    Nothing,
}

/// About how many bytes of the message an attribute will keep in memory until they are sent.
fn length(attribute: &Attribute, message: &Opened<'_>) -> u64 {
    let range = match attribute {
        Attribute::Section(section) => section::place(section, message),
        Attribute::Binary { part, partial, .. } => section::binary_place(part, *partial, message),
        _ => None,
    };
    range.map_or(0, |range| range.end.saturating_sub(range.start))
}

/// Some messages that follow each other, with the rows of their records if they are wanted.
struct Chunk {
    items: Vec<(Item, Option<Record>)>,
    /// The first that did not fit.
    next: Option<u32>,
}

impl Chunk {
    /// Messages of the range, in order: read together, which is quicker than one by one.
    fn read(view: &View, folder: &Folder, range: (u32, u32), with_records: bool) -> Result<Self, Error> {
        let most = if with_records { CHUNK_OF_RECORDS } else { CHUNK };
        let (mut items, mut next) = (Vec::new(), None);
        each(view, folder, range.0, range.1, &mut |item| {
            if items.len() == most {
                next = Some(item.uid.0);
                return ControlFlow::Break(());
            }
            items.push((item, None));
            ControlFlow::Continue(())
        })?;
        if with_records {
            let uids: Vec<Uid> = items.iter().map(|(item, _)| item.uid).collect();
            let records = view.records(folder, &uids, RECORDS_MAX)?;
            next = uids.get(records.len()).map(|uid| uid.0).or(next);
            items.truncate(records.len());
            items.iter_mut().zip(records).for_each(|((_, record), found)| *record = found);
        }
        Ok(Self { items, next })
    }
}

impl Faults {
    /// Notes that a message's bytes are damaged, which is no reason to keep the others back.
    fn damage(&mut self, item: &Item, e: Error) -> Result<(), Error> {
        match e {
            Error::Store(store::Error::Damaged(what)) => {
                tracing::error!(uid = item.uid.0, what, "a message is damaged");
                self.damaged = true;
                Ok(())
            }
            other => Err(other),
        }
    }
}

/// Visits the messages from `low` to `high`.
pub(super) fn each(
    view: &View,
    folder: &Folder,
    low: u32,
    high: u32,
    visit: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Result<(), Error> {
    if low == high {
        if let Some(item) = view.item(folder, Uid(low))? {
            // There is nothing left to break off.
            let _ = visit(item);
        }
        return Ok(());
    }
    view.items(folder, Uid(low), &mut |item| {
        if item.uid.0 > high { ControlFlow::Break(()) } else { visit(item) }
    })
}

/// Whether the message's record is needed.
fn needs_record(attribute: &Attribute) -> bool {
    use Attribute::{EmailId, Flags, InternalDate, ModSeq, Size, ThreadId, Uid};
    !matches!(attribute, Flags | Uid | InternalDate | Size | ModSeq | EmailId | ThreadId)
        && whole(attribute).is_none()
}

/// The message as it is, for which its record need not be read.
fn whole(attribute: &Attribute) -> Option<&Section> {
    match attribute {
        Attribute::Section(section) if section.part.is_empty() && section.of == Of::All => Some(section),
        _ => None,
    }
}

/// Whether asking for it says that the message is being read. RFC 9051 §6.4.5.
fn sees(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Section(section) => !section.peek,
        Attribute::Binary { peek, .. } => !peek,
        _ => false,
    }
}

/// Writes one attribute; when it fails, nothing of it is written.
fn write(
    attribute: &Attribute,
    item: &Item,
    message: Option<&Opened<'_>>,
    faults: &mut Faults,
    out: &mut Out,
) -> Result<(), Error> {
    match attribute {
        Attribute::Flags => {
            out.text("FLAGS ");
            flags::write(item.flags, &item.keywords, out);
        }
        Attribute::Uid => uid(item.uid, out),
        Attribute::InternalDate => {
            out.format(format_args!("INTERNALDATE \"{}\"", internal_date(item.internal_date)))
        }
        Attribute::Size => out.format(format_args!("RFC822.SIZE {}", item.size)),
        Attribute::ModSeq => out.format(format_args!("MODSEQ ({})", item.modseq.0)),
        Attribute::EmailId => out.format(format_args!("EMAILID ({})", email_id(item))),
        Attribute::ThreadId => out.format(format_args!("THREADID ({})", thread_id(item))),
        other => {
            if let Some(message) = message {
                return of_message(other, message, faults, out);
            }
        }
    }
    Ok(())
}

/// Writes an attribute that stands in the record or the message.
fn of_message(
    attribute: &Attribute,
    message: &Opened<'_>,
    faults: &mut Faults,
    out: &mut Out,
) -> Result<(), Error> {
    match attribute {
        // A cut record lacks recipients and parts, and a client answers or saves those it is shown.
        Attribute::Envelope => {
            let record = message.full()?;
            out.text("ENVELOPE ");
            envelope::write(&record.envelope, out);
        }
        Attribute::Body => {
            let record = message.full()?;
            out.text("BODY ");
            structure::write(record, false, out);
        }
        Attribute::BodyStructure => {
            let record = message.full()?;
            out.text("BODYSTRUCTURE ");
            structure::write(record, true, out);
        }
        // It is never cut.
        Attribute::Preview => {
            out.text("PREVIEW ");
            out.string(charset::truncate_chars(&message.record.preview, PREVIEW_MAX));
        }
        Attribute::Section(section) => section::write(section, message, out)?,
        Attribute::Binary { part, partial, .. } => {
            let decoded = section::decoded(part, *partial, message)?;
            section::binary_name("BINARY", part, *partial, out);
            match decoded {
                Decoded::Bytes(bytes) if bytes.contains(&0) => out.literal8(bytes),
                Decoded::Bytes(bytes) => out.literal(&[bytes]),
                Decoded::Missing => out.text("NIL"),
                Decoded::Unknown => {
                    faults.unknown_encoding = true;
                    out.text("NIL");
                }
            }
        }
        Attribute::BinarySize { part } => {
            let decoded = section::decoded(part, None, message)?;
            section::binary_name("BINARY.SIZE", part, None, out);
            match decoded {
                Decoded::Bytes(bytes) => out.number(bytes.len() as u64),
                Decoded::Missing => out.byte(b'0'),
                Decoded::Unknown => {
                    faults.unknown_encoding = true;
                    out.byte(b'0');
                }
            }
        }
        // These stand in the item's row.
        Attribute::Flags
        | Attribute::Uid
        | Attribute::InternalDate
        | Attribute::Size
        | Attribute::ModSeq
        | Attribute::EmailId
        | Attribute::ThreadId => {}
    }
    Ok(())
}

fn uid(uid: Uid, out: &mut Out) {
    out.text("UID ");
    out.number(uid.0.into());
}

/// `date-time`, without its quotes, in UTC. RFC 9051 §9.
fn internal_date(at: Millis) -> String {
    // What no date can say is shown as the first that can.
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = Offset::UTC.to_datetime(at);
    let month = super::grammar::MONTHS.get(usize::from(at.month().unsigned_abs()).saturating_sub(1));
    format!(
        "{:>2}-{}-{:04} {:02}:{:02}:{:02} +0000",
        at.day(),
        month.unwrap_or(&"Jan"),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// RFC 8474 §5.1: the same for every copy of a message.
pub(super) fn email_id(item: &Item) -> String {
    content_id(item.content)
}

fn content_id(content: u64) -> String {
    format!("M{content:x}")
}

/// RFC 8474 §5.2.
pub(super) fn thread_id(item: &Item) -> String {
    format!("T{:x}", item.thread)
}
