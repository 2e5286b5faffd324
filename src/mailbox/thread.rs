//! Which conversation a message belongs to: that of the newest message it refers to, else, for a reply
//! that names none we know, that of a recent message with the same base subject.

use super::error::Error;
use super::ids::OwnerId;
use super::item::ThreadKeys;
use super::rows;
use super::tx::MailTx;
use crate::clock::Millis;
use crate::store::Read;

/// Most references looked up.
const REFERENCES_MAX: usize = 32;
/// How old a message of the same subject may be to count: 30 days.
const SUBJECT_FOR: Millis = 30 * 86_400_000;

impl MailTx<'_, '_> {
    /// The conversation of a message about to be added, or `content` as the first of a new one.
    pub(super) fn thread(&mut self, owner: OwnerId, content: u64, keys: &ThreadKeys) -> Result<u64, Error> {
        let thread = self.known_thread(owner, keys)?.unwrap_or(content);
        let now = self.now;
        for digest in keys.message_id.iter().chain(&keys.subject) {
            self.store().put(rows::thread_key(owner, *digest), rows::row(&(thread, now)));
        }
        Ok(thread)
    }

    fn known_thread(&mut self, owner: OwnerId, keys: &ThreadKeys) -> Result<Option<u64>, Error> {
        let references = keys.references.iter().rev().take(REFERENCES_MAX);
        for digest in references.chain(&keys.message_id) {
            if let Some((thread, at)) = self.thread_row(owner, *digest)? {
                // An entry in use is not forgotten; one as young as this is not written again.
                if self.now.saturating_sub(at) >= SUBJECT_FOR {
                    let used = rows::row(&(thread, self.now));
                    self.store().put(rows::thread_key(owner, *digest), used);
                }
                return Ok(Some(thread));
            }
        }
        let Some(subject) = keys.subject.filter(|_| keys.is_reply) else { return Ok(None) };
        let row = self.thread_row(owner, subject)?;
        Ok(row.filter(|(_, at)| self.now.saturating_sub(*at) < SUBJECT_FOR).map(|(thread, _)| thread))
    }

    fn thread_row(&mut self, owner: OwnerId, digest: u64) -> Result<Option<(u64, Millis)>, Error> {
        self.store().get(&rows::thread_key(owner, digest))?.map(|bytes| rows::read(&bytes)).transpose()
    }
}
