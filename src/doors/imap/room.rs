//! Room for messages on their way to clients or from them, shared by all connections.
//!
//! A client may take its time, and what it has not taken yet stays in memory. Small answers are a bounded
//! part of each connection; for a large one room is taken before it is read, and given back once it is sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of messages that may be on their way at the same time, over all connections.
pub(super) const ROOM: usize = 256 << 20;
/// An answer of up to so many bytes needs no room.
pub(super) const SMALL: u64 = 1 << 20;
/// How long a client waits for room. Clients give up after some minutes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes a second that a client with room must take on average, after a first minute.
const SLOWEST: u64 = 16 << 10;
/// Bytes of one permit.
const UNIT: usize = 16 << 10;

/// The room. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    units: u32,
    patience: Duration,
}

/// Some of the room, given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _units: OwnedSemaphorePermit,
    bytes: u64,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self::with(bytes, PATIENCE)
    }

    fn with(bytes: usize, patience: Duration) -> Self {
        let units = u32::try_from((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let free = Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(usize::MAX)));
        Self { free, units, patience }
    }

    /// Takes room for so many bytes, or all there is if they are more; `None` when none becomes free for
    /// too long.
    pub(super) async fn take(&self, bytes: u64) -> Option<Taken> {
        let wanted = u32::try_from(bytes.div_ceil(UNIT as u64)).unwrap_or(u32::MAX).min(self.units);
        let taken = tokio::time::timeout(self.patience, self.free.clone().acquire_many_owned(wanted)).await;
        // It is never closed.
        Some(Taken { _units: taken.ok()?.ok()?, bytes })
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.available_permits() * UNIT
    }
}

impl Taken {
    /// How long the client may need to take what this is for: others wait for the room.
    pub(super) fn within(&self) -> Duration {
        Self::patience(self.bytes)
    }

    /// As [`Self::within`], of so many bytes.
    pub(super) fn patience(bytes: u64) -> Duration {
        PATIENCE + Duration::from_secs(bytes / SLOWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_shared_and_given_back() {
        let room = Room::with(10 * UNIT, Duration::from_millis(20));
        let six = room.take(6 * UNIT as u64).await.unwrap();
        assert!(room.take(5 * UNIT as u64).await.is_none());
        let four = room.take(3 * UNIT as u64 + 1).await.unwrap();
        assert_eq!(room.free(), 0);
        drop(six);
        assert_eq!(room.free(), 6 * UNIT);
        drop(four);
        let all = room.take(u64::MAX).await.unwrap();
        assert_eq!(room.free(), 0);
        drop(all);
        assert_eq!(room.free(), 10 * UNIT);
    }

    #[tokio::test]
    async fn large_answers_may_take_longer() {
        let room = Room::new(ROOM);
        assert_eq!(room.take(50 << 20).await.unwrap().within().as_secs(), 60 + 3_200);
    }
}
