//! The queue as an administrator sees it.

use super::Delivery;
use super::entry::{self, Entry, QueueId};
use crate::store::{self, BodyId};

impl Delivery {
    /// All queued messages, oldest first.
    pub fn queued(&self) -> Result<Vec<Entry>, store::Error> {
        let mut entries = Vec::new();
        entry::visit(&self.inner.store.read()?, |entry| entries.push(entry))?;
        Ok(entries)
    }

    /// The queued message `id`.
    pub fn queued_message(&self, id: QueueId) -> Result<Option<Entry>, store::Error> {
        entry::load(&self.inner.store.read()?, id)
    }

    /// The first `most` octets of a queued message, with its trace. Blocks.
    pub fn queued_text(&self, entry: &Entry, most: u64) -> Result<Vec<u8>, store::Error> {
        let body = self.inner.store.body_range(&BodyId(entry.body), 0..most)?;
        Ok([entry.prefix.as_slice(), &body].concat())
    }

    /// Has these tried at once, whatever their schedule; gives how many are there.
    pub async fn retry(&self, ids: Vec<QueueId>) -> Result<usize, store::Error> {
        self.inner.make_due(ids).await
    }

    /// Removes a message without a report; false when it is not there. One that is being sent just now
    /// may still arrive.
    pub async fn delete_queued(&self, id: QueueId) -> Result<bool, store::Error> {
        let deleted = self.inner.store.shrink_async(move |tx| {
            let entry = entry::load(tx, id)?;
            match &entry {
                Some(entry) => entry::remove(tx, entry).map(|()| true),
                None => Ok::<_, store::Error>(false),
            }
        });
        deleted.await
    }
}
