//! Requests that wait for a change: at most one of a device. A newer one ends the older.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::mailbox::Origin;

/// The waiting requests of all devices.
#[derive(Default)]
pub struct Parked {
    places: Mutex<HashMap<Origin, Arc<Notify>>>,
}

/// A waiting request's place; it is given up when dropped.
pub(super) struct Place<'p> {
    parked: &'p Parked,
    device: Origin,
    ended: Arc<Notify>,
}

impl Parked {
    /// Takes the device's place and ends whoever waits in it.
    pub(super) fn enter(&self, device: Origin) -> Place<'_> {
        let ended = Arc::new(Notify::new());
        if let Some(before) = self.places.lock().insert(device, ended.clone()) {
            before.notify_one();
        }
        Place { parked: self, device, ended }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.places.lock().len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Place<'_> {
    /// Ready once a newer request of the device waits instead.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.parked.places.lock();
        if places.get(&self.device).is_some_and(|place| Arc::ptr_eq(place, &self.ended)) {
            places.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_request_ends_the_older() {
        let parked = Parked::default();
        let first = parked.enter(Origin(5));
        let second = parked.enter(Origin(5));
        first.ended().await;
        drop(first);
        assert_eq!(parked.len(), 1, "the older one does not take the newer one's place away");
        drop(second);
        assert!(parked.is_empty());
    }
}
