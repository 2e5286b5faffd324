//! One message's bytes, read when something asks for them, and no more of them than that.

use std::cell::OnceCell;
use std::ops::Range;

use bytes::Bytes;

use crate::mailbox::{Error, Folder, Item, Record, View};
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
    /// The whole message, where the record is no good.
    whole: OnceCell<Bytes>,
}

impl<'v> Source<'v> {
    pub(in crate::doors::imap) fn new(
        view: &'v View,
        folder: &Folder,
        item: &'v Item,
    ) -> Result<Self, Error> {
        let record = view.record(folder, item.uid)?;
        Ok(Self { view, item, record, body: OnceCell::new(), whole: OnceCell::new() })
    }

    fn prefix(&self) -> &[u8] {
        self.record.as_ref().map(Record::prefix).unwrap_or_default()
    }

    /// The pre-parsed record; whoever stored it counted its offsets from the first byte of the trace
    /// prefix. Without a good one the
    /// message is parsed.
    pub(in crate::doors::imap) fn record(&self) -> Result<MailRecord<'_>, Error> {
        let bytes = self.record.as_ref().map(Record::record).unwrap_or_default();
        match MailRecord::decode(bytes) {
            Ok(record) => Ok(record),
            Err(e) => {
                tracing::warn!(uid = self.item.uid.0, error = %e, "a message is parsed for want of its record");
                self.parsed()
            }
        }
    }

    /// A record made from the message itself, complete where the stored one was cut.
    pub(in crate::doors::imap) fn parsed(&self) -> Result<MailRecord<'_>, Error> {
        Ok(MailRecord::from_message(&message::parse(self.whole()?)))
    }

    /// The whole message in one piece.
    pub(in crate::doors::imap) fn whole(&self) -> Result<&[u8], Error> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let pieces = self.range(0..u64::MAX)?;
        Ok(self.whole.get_or_init(|| match <[Bytes; 1]>::try_from(pieces) {
            Ok([one]) => one,
            Err(pieces) => pieces.concat().into(),
        }))
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
        if self.body.get().is_none() && self.item.size > WHOLE_MAX {
            return Ok(self.view.reader().body_range(&id, range)?);
        }
        let body = match self.body.get() {
            Some(body) => body,
            None => {
                let body = self.view.reader().body(&id)?;
                self.body.get_or_init(|| body)
            }
        };
        Ok(slice(body, &range).map(|part| body.slice_ref(part)).unwrap_or_default())
    }
}

/// The part of `bytes` that lies in `range`, if any does.
fn slice<'b>(bytes: &'b [u8], range: &Range<u64>) -> Option<&'b [u8]> {
    let end = usize::try_from(range.end).map_or(bytes.len(), |end| end.min(bytes.len()));
    let start = usize::try_from(range.start).ok()?;
    bytes.get(start..end).filter(|part| !part.is_empty())
}
