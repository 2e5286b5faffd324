//! One message's bytes, read when something asks for them, and no more of them than that.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;

use bytes::Bytes;

use crate::mailbox::{Error, Folder, Item, Record, View};
use crate::message::decode::{self, Encoding};
use crate::message::record::Flags;
use crate::message::{self, MailRecord};
use crate::store::BodyId;

/// Bodies up to this many bytes are read whole and kept while the message is answered.
const WHOLE_MAX: u64 = 1 << 20;

/// A message that is being answered.
pub(in crate::doors::imap) struct Source<'v> {
    view: &'v View,
    item: &'v Item,
    /// The trace prefix and the pre-parsed record.
    record: Option<Record>,
    body: OnceCell<Bytes>,
    /// Whether a part of a large body was read by itself.
    read_part: Cell<bool>,
    /// The whole message, where the record is no good.
    whole: OnceCell<Bytes>,
    /// Bytes read, parsed or decoded so far.
    work: Cell<u64>,
}

impl<'v> Source<'v> {
    pub(in crate::doors::imap) fn new(
        view: &'v View,
        folder: &Folder,
        item: &'v Item,
    ) -> Result<Self, Error> {
        Ok(Self::with(view, item, view.record(folder, item.uid)?))
    }

    /// As [`Self::new`], of a record that was read already.
    pub(super) fn with(view: &'v View, item: &'v Item, record: Option<Record>) -> Self {
        let row = record.as_ref().map_or(0, |record| record.prefix().len() + record.record().len());
        Self {
            view,
            item,
            record,
            body: OnceCell::new(),
            read_part: Cell::new(false),
            whole: OnceCell::new(),
            work: Cell::new(row as u64),
        }
    }

    /// The message's size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.item.size
    }

    /// How many bytes were read, parsed or decoded so far, whatever came of it.
    pub(in crate::doors::imap) fn work(&self) -> u64 {
        self.work.get()
    }

    /// Counts bytes that are worked through.
    pub(super) fn count(&self, bytes: usize) {
        self.work.set(self.work.get().saturating_add(bytes as u64));
    }

    fn prefix(&self) -> &[u8] {
        self.record.as_ref().map(Record::prefix).unwrap_or_default()
    }

    /// The pre-parsed record, its offsets counted from the message's first byte. Without a good one the
    /// message is parsed.
    fn record(&self) -> Result<MailRecord<'_>, Error> {
        let bytes = self.record.as_ref().map(Record::record).unwrap_or_default();
        match MailRecord::decode(bytes) {
            Ok(record) if u64::from(record.size) == self.item.size => return Ok(record),
            Ok(_) => tracing::warn!(uid = self.item.uid.0, "a message's record is that of another"),
            Err(e) => tracing::warn!(uid = self.item.uid.0, error = %e, "a message has no good record"),
        }
        self.parsed()
    }

    /// A record made from the message itself, complete where the stored one was cut.
    fn parsed(&self) -> Result<MailRecord<'_>, Error> {
        let whole = self.whole()?;
        self.count(whole.len());
        Ok(MailRecord::from_message(&message::parse(whole)))
    }

    /// The whole message in one piece.
    pub(in crate::doors::imap) fn whole(&self) -> Result<&[u8], Error> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let whole = self.joined(0..u64::MAX)?;
        Ok(self.whole.get_or_init(|| whole))
    }

    /// As [`Self::range`], in one piece; copied only where the range begins in the trace prefix.
    pub(super) fn joined(&self, range: Range<u64>) -> Result<Bytes, Error> {
        match <[Bytes; 1]>::try_from(self.range(range)?) {
            Ok([one]) => Ok(one),
            Err(pieces) => Ok(pieces.concat().into()),
        }
    }

    /// The bytes of the message in `range`; what is past its end is left out.
    pub(in crate::doors::imap) fn range(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let prefix = self.prefix();
        let prefix_len = prefix.len() as u64;
        let mut pieces = Vec::with_capacity(2);
        if let Some(part) = slice(prefix, &range) {
            pieces.push(Bytes::copy_from_slice(part));
        }
        let rest = range.start.saturating_sub(prefix_len)..range.end.saturating_sub(prefix_len);
        if !rest.is_empty() {
            pieces.push(self.body(rest)?);
        }
        Ok(pieces)
    }

    fn body(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let id = BodyId(self.item.body);
        // Clients fetch large bodies part by part, one to a command. One that asks for more at once gets
        // parts of one copy, or a command could ask for memory without end.
        if self.item.size > WHOLE_MAX && self.body.get().is_none() && !self.read_part.replace(true) {
            let part = self.view.reader().body_range(&id, range)?;
            self.count(part.len());
            return Ok(part);
        }
        let body = match self.body.get() {
            Some(body) => body,
            None => {
                let body = self.view.reader().body(&id)?;
                self.count(body.len());
                self.body.get_or_init(|| body)
            }
        };
        Ok(part_of(body, &range))
    }
}

/// A message with its record.
pub(in crate::doors::imap) struct Opened<'s> {
    pub(in crate::doors::imap) source: &'s Source<'s>,
    pub(in crate::doors::imap) record: MailRecord<'s>,
    full: OnceCell<MailRecord<'s>>,
    /// Parts that were decoded, by their indexes; together no larger than the message.
    decoded: RefCell<Vec<(usize, Bytes)>>,
    /// Whether a piece of a part was decoded by itself.
    decoded_piece: Cell<bool>,
}

impl<'s> Opened<'s> {
    pub(in crate::doors::imap) fn new(source: &'s Source<'s>) -> Result<Self, Error> {
        Ok(Self {
            source,
            record: source.record()?,
            full: OnceCell::new(),
            decoded: RefCell::new(Vec::new()),
            decoded_piece: Cell::new(false),
        })
    }

    /// The record with all the message's parts: the stored one, or one made anew where that was cut.
    pub(in crate::doors::imap) fn full(&self) -> Result<&MailRecord<'s>, Error> {
        if !self.record.flags.contains(Flags::TRUNCATED) {
            return Ok(&self.record);
        }
        if let Some(full) = self.full.get() {
            return Ok(full);
        }
        let full = self.source.parsed()?;
        Ok(self.full.get_or_init(|| full))
    }

    /// The bytes in `range` of what the part `index`, which lies at `body`, decodes to.
    pub(super) fn decoded(
        &self,
        index: usize,
        encoding: Encoding,
        body: Range<u64>,
        range: Range<u64>,
    ) -> Result<Bytes, Error> {
        if let Some((_, whole)) = self.decoded.borrow().iter().find(|(known, _)| *known == index) {
            return Ok(part_of(whole, &range));
        }
        let body = self.source.joined(body)?;
        self.source.count(body.len());
        // As with bodies: whoever asks for a second piece gets pieces of one copy, or each of them would
        // be decoded from the part's beginning.
        if range.end < u64::MAX && !self.decoded_piece.replace(true) {
            let mut piece = Vec::new();
            // Writing to a vector does not fail.
            let _ = decode::copy_range(encoding, &body, range, &mut piece);
            return Ok(piece.into());
        }
        let whole = Bytes::from(decode::bytes(encoding, &body));
        let part = part_of(&whole, &range);
        let mut kept = self.decoded.borrow_mut();
        let held: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
        if held.saturating_add(whole.len()) as u64 > self.source.item.size {
            // Only parts that lie in each other come here.
            kept.clear();
        }
        kept.push((index, whole));
        Ok(part)
    }
}

/// The part of `bytes` that lies in `range`: without a copy, unless it would keep much more in memory than
/// itself.
fn part_of(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    match slice(bytes, range) {
        Some(part) if part.len() < bytes.len() / 2 => Bytes::copy_from_slice(part),
        Some(part) => bytes.slice_ref(part),
        None => Bytes::new(),
    }
}

/// The part of `bytes` that lies in `range`, if any does.
fn slice<'b>(bytes: &'b [u8], range: &Range<u64>) -> Option<&'b [u8]> {
    let end = usize::try_from(range.end).map_or(bytes.len(), |end| end.min(bytes.len()));
    let start = usize::try_from(range.start).ok()?;
    bytes.get(start..end).filter(|part| !part.is_empty())
}
