//! A message as an item of a mail folder: parsed once, recorded for each place it is put.

use bytes::Bytes;
use ring::digest::{SHA256, digest};

use crate::clock::Millis;
use crate::mailbox::{Flags, NewItem, ThreadKeys};
use crate::message::{self, MailRecord, thread};
use crate::store::StagedBody;

/// A message's record and what its conversation is found by.
pub struct Parsed<'m> {
    record: MailRecord<'m>,
    thread: ThreadKeys,
}

impl<'m> Parsed<'m> {
    /// Parses a message of RFC 5322; never fails.
    pub fn of(message: &'m [u8]) -> Self {
        let record = MailRecord::from_message(&message::parse(message));
        let thread = thread_keys(&record);
        Self { record, thread }
    }

    /// What listings show of it.
    pub fn record(&self) -> &MailRecord<'m> {
        &self.record
    }

    /// The message as an item that begins with `prefix`, whole lines for it alone.
    pub fn item(&self, body: StagedBody, prefix: Bytes, received: Millis, flags: Flags) -> NewItem {
        let shift = u32::try_from(prefix.len()).unwrap_or(u32::MAX);
        let record =
            if shift == 0 { self.record.encode() } else { self.record.clone().shift(shift).encode() };
        NewItem {
            body,
            prefix,
            record: record.into(),
            internal_date: received,
            filter_date: None,
            flags,
            keywords: Vec::new(),
            thread: self.thread.clone(),
            dav_name: None,
            ical_uid: None,
            properties: Vec::new(),
        }
    }
}

/// Digests of the ids and the subject a message joins a conversation by; a subject is no id.
fn thread_keys(record: &MailRecord<'_>) -> ThreadKeys {
    let thread::Keys { mut ids, base_subject, is_reply } = thread::keys(record);
    let own = record.envelope.message_id.as_ref().and_then(|id| thread::message_id(id.as_bytes()));
    if own.is_some() {
        ids.pop();
    }
    ThreadKeys {
        message_id: own.map(|id| short_digest('i', &id)),
        references: ids.iter().map(|id| short_digest('i', id)).collect(),
        subject: (!base_subject.is_empty()).then(|| short_digest('s', &base_subject)),
        is_reply,
    }
}

fn short_digest(kind: char, text: &str) -> u64 {
    let digest = digest(&SHA256, format!("{kind}{text}").as_bytes());
    digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_found_by_ids_and_subjects() {
        let first = Parsed::of(b"Message-ID: <a@x>\r\nSubject: Plan\r\n\r\n").thread;
        let reply =
            Parsed::of(b"Message-ID: <b@x>\r\nReferences: <z@x> <a@x>\r\nSubject: Re: plan\r\n\r\n").thread;
        assert_eq!(reply.references.last().copied(), first.message_id);
        assert_eq!(reply.references.len(), 2);
        assert_eq!(reply.subject, first.subject);
        assert!(reply.is_reply && !first.is_reply);
        let none = Parsed::of(b"\r\nplan").thread;
        assert_eq!(none, ThreadKeys::default());
        let trick = Parsed::of(b"Message-ID: <PLAN>\r\n\r\n").thread;
        assert_ne!(trick.message_id, first.subject);
    }
}
