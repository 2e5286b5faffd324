//! Conversations as ActiveSync names them. MS-ASEMAIL §2.2.2.21, §2.2.2.22.

use crate::clock::Millis;
use crate::mailbox::OwnerId;
use crate::message::MailRecord;

/// A ConversationId: 16 octets that mean nothing to a client, the owner's number and the thread's.
pub(in crate::doors::eas) fn conversation_id(owner: OwnerId, thread: u64) -> [u8; 16] {
    (u128::from(owner.0) << 64 | u128::from(thread)).to_be_bytes()
}

/// The thread behind a ConversationId of `owner`; `None` if it is another's or none of ours.
pub(in crate::doors::eas) fn thread_of(owner: OwnerId, id: &[u8]) -> Option<u64> {
    let (whose, thread) = id.split_first_chunk::<8>()?;
    let thread: [u8; 8] = thread.try_into().ok()?;
    (u64::from_be_bytes(*whose) == owner.0).then_some(u64::from_be_bytes(thread))
}

/// Length of a Thread-Index up to its first response level: a reserved octet, a time, a GUID. MS-OXOMSG
/// §2.2.1.3.
const HEADER: usize = 22;
/// Most octets shown: some 100 replies to replies.
const INDEX_MAX: usize = 512;

/// ConversationIndex: when the conversation began, then five octets for each reply. From the message's own
/// Thread-Index, or else its time alone.
pub(super) fn index(record: &MailRecord<'_>, received: Millis) -> Vec<u8> {
    let given = record.thread_index().filter(|index| index.len() >= HEADER && index.first() == Some(&1));
    if let Some(given) = given {
        let time = given.get(1..6).unwrap_or_default();
        let levels = given.get(HEADER..).unwrap_or_default();
        return [time, levels.get(..INDEX_MAX).unwrap_or(levels)].concat();
    }
    let millis = record.sent.map_or(received, |sent| sent.unix.saturating_mul(1_000));
    filetime(millis).to_be_bytes().get(1..6).unwrap_or_default().to_vec()
}

/// Tenths of microseconds since 1601.
fn filetime(millis: Millis) -> u64 {
    const EPOCH: i64 = 11_644_473_600_000;
    let since = millis.saturating_add(EPOCH).max(0).saturating_mul(10_000);
    since.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse;

    #[test]
    fn ids_are_checked() {
        let id = conversation_id(OwnerId(7), 99);
        assert_eq!(thread_of(OwnerId(7), &id), Some(99));
        assert_eq!(thread_of(OwnerId(8), &id), None);
        assert_eq!(thread_of(OwnerId(7), &id[..15]), None);
        assert_eq!(thread_of(OwnerId(7), b""), None);
    }

    fn index_of(header: &str) -> Vec<u8> {
        let raw = format!("{header}\r\n\r\n");
        index(&MailRecord::from_message(&parse(raw.as_bytes())), 1_795_521_600_000)
    }

    #[test]
    fn the_index_is_a_time_and_levels() {
        // 0x01D8...: FILETIMEs of our days begin with 01.
        assert_eq!(index_of("Subject: x").len(), 5);
        assert_eq!(index_of("Subject: x")[0] & 0xf0, 0xd0);
        // 22 octets of header, two levels.
        let given = "Thread-Index: AdAqKioqAQIDBAUGBwgJCgsMDQ4PEAIDBAUGBwgJCgs=";
        assert_eq!(index_of(given), [0xd0, 0x2a, 0x2a, 0x2a, 0x2a, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(index_of("Thread-Index: xx").len(), 5);
    }
}
