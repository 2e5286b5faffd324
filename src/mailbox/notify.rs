//! Who waits for a change, and telling them once it is durable. A waiter costs a few hundred bytes:
//! no thread, no buffer, no hold on the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ids::{FolderId, OwnerId};

/// What a transaction touched.
#[derive(Clone, Default, Debug)]
pub(super) struct Touched {
    places: BTreeSet<Place>,
}

impl Touched {
    pub(super) fn folder(&mut self, id: FolderId) {
        self.places.insert(Place::Folder(id));
    }

    pub(super) fn tree(&mut self, owner: OwnerId) {
        self.places.insert(Place::Tree(owner));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// Something that can change and be waited for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The items of a folder.
    Folder(FolderId),
    /// The folder tree of an owner.
    Tree(OwnerId),
}

#[derive(Default)]
struct Slot {
    wake: Notify,
    changed: Mutex<BTreeSet<Place>>,
}

const SHARDS: usize = 16;

type Shard = Mutex<HashMap<Place, Vec<Weak<Slot>>>>;

/// Tells waiters of changes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Notifier {
    shards: Arc<[Shard; SHARDS]>,
}

impl Notifier {
    /// Waits for changes of `places` from now on. Take it before reading the state that the wait is
    /// based on, or a change in between goes unnoticed.
    pub fn watch(&self, places: impl IntoIterator<Item = Place>) -> Watch {
        let slot = Arc::new(Slot::default());
        let places: Box<[Place]> = places.into_iter().collect();
        for place in &places {
            let mut shard = self.shard(*place).lock();
            shard.entry(*place).or_default().push(Arc::downgrade(&slot));
        }
        Watch { notifier: self.clone(), places, slot }
    }

    pub(super) fn tell(&self, touched: &Touched) {
        touched.places.iter().for_each(|place| self.wake(*place));
    }

    /// Wakes those who wait for changes of `place`, though none may be there: something else has
    /// changed that they should look at, as a device that is to be wiped.
    pub fn wake(&self, place: Place) {
        let shard = self.shard(place).lock();
        for slot in shard.get(&place).into_iter().flatten().filter_map(Weak::upgrade) {
            slot.changed.lock().insert(place);
            slot.wake.notify_one();
        }
    }

    fn shard(&self, place: Place) -> &Shard {
        let (Place::Folder(FolderId(id)) | Place::Tree(OwnerId(id))) = place;
        // The remainder is below SHARDS, so the place is there.
        let index = usize::try_from(id % SHARDS as u64).unwrap_or_default();
        &self.shards[index]
    }
}

/// A wait for changes; it ends when dropped.
pub struct Watch {
    notifier: Notifier,
    places: Box<[Place]>,
    slot: Arc<Slot>,
}

impl Watch {
    /// Completes when something changed since the last time it did, and says what.
    pub async fn changed(&self) -> BTreeSet<Place> {
        loop {
            let woken = self.slot.wake.notified();
            let changed = std::mem::take(&mut *self.slot.changed.lock());
            if !changed.is_empty() {
                return changed;
            }
            woken.await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let slot = Arc::as_ptr(&self.slot);
        for place in &self.places {
            let mut shard = self.notifier.shard(*place).lock();
            if let Some(slots) = shard.get_mut(place) {
                slots.retain(|other| other.as_ptr() != slot);
                if slots.is_empty() {
                    shard.remove(place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_lost() {
        let notifier = Notifier::default();
        let watch = notifier.watch([Place::Folder(FolderId(1)), Place::Tree(OwnerId(2))]);
        let mut touched = Touched::default();
        touched.folder(FolderId(1));
        notifier.tell(&touched);
        assert_eq!(watch.changed().await, BTreeSet::from([Place::Folder(FolderId(1))]));
    }

    #[test]
    fn nothing_stays_behind() {
        let notifier = Notifier::default();
        drop(notifier.watch([Place::Folder(FolderId(1))]));
        assert!(notifier.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
