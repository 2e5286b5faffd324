//! Room for messages being received: so much for all together, and a share of it for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::net::counted_as;

/// Octets of one unit of room.
const UNIT: usize = 16 << 10;
/// One address may have one part of so many.
const SHARES: usize = 4;

/// The room.
pub(super) struct Room {
    all: Arc<Semaphore>,
    /// Most units of one address.
    share: usize,
    /// Units held, by address; only of those that hold some.
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// Why there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoRoom {
    /// Everything is taken.
    Full,
    /// The address has its share.
    Share,
}

/// What a message holds of the room; given back when it is dropped.
pub(super) struct Held {
    room: Arc<Room>,
    address: Option<IpAddr>,
    units: usize,
    /// `None` when nothing has been needed yet.
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for `all` octets; one address can have a quarter of them, and one message of `message` octets
    /// in any case.
    pub(super) fn new(all: usize, message: usize) -> Arc<Self> {
        let units = (all / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let share = (units / SHARES).max(message.div_ceil(UNIT).saturating_add(1));
        Arc::new(Self { all: Arc::new(Semaphore::new(units)), share, held: Mutex::default() })
    }

    /// A place for a message from `address`, as yet without room. Who comes from this machine, such as a
    /// mail server in front, has no share of its own.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Held {
        Held { room: self.clone(), address: counted_as(address), units: 0, permit: None }
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.all.available_permits() * UNIT
    }
}

impl Held {
    /// Sees that the message has room for `octets`; waits for it no longer than `patience`.
    pub(super) async fn grow(&mut self, octets: usize, patience: Duration) -> Result<(), NoRoom> {
        let missing = octets.div_ceil(UNIT).saturating_sub(self.units);
        if missing == 0 {
            return Ok(());
        }
        self.take_share(missing)?;
        let units = u32::try_from(missing).unwrap_or(u32::MAX);
        let all = self.room.all.clone();
        let more = match all.clone().try_acquire_many_owned(units) {
            Ok(more) => more,
            Err(_) => match timeout(patience, all.acquire_many_owned(units)).await {
                Ok(Ok(more)) => more,
                _ => return Err(NoRoom::Full),
            },
        };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    /// Counts units as the address's, from now on until the message ends.
    fn take_share(&mut self, more: usize) -> Result<(), NoRoom> {
        if let Some(address) = self.address {
            let mut held = self.room.held.lock();
            let its = held.get(&address).copied().unwrap_or(0).saturating_add(more);
            if its > self.room.share {
                return Err(NoRoom::Share);
            }
            held.insert(address, its);
        }
        self.units = self.units.saturating_add(more);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(address) = self.address.filter(|_| self.units > 0) else { return };
        let mut held = self.room.held.lock();
        if let Some(its) = held.get_mut(&address) {
            *its = its.saturating_sub(self.units);
            if *its == 0 {
                held.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_address_has_more_than_its_share() {
        let room = Room::new(16 * UNIT, UNIT);
        let now = Duration::ZERO;
        let at = |text: &str| room.enter(text.parse().unwrap());
        let (mut one, mut two) = (at("2001:db8::1"), at("2001:db8::2"));
        assert_eq!(one.grow(3 * UNIT, now).await, Ok(()));
        assert_eq!(two.grow(2 * UNIT, now).await, Err(NoRoom::Share), "a site is one address");
        assert_eq!(two.grow(UNIT, now).await, Ok(()));
        assert_eq!(at("192.0.2.1").grow(5 * UNIT, now).await, Err(NoRoom::Share));
        drop(one);
        assert_eq!(two.grow(4 * UNIT, now).await, Ok(()));
        let mut front = at("127.0.0.1");
        assert_eq!(front.grow(12 * UNIT, now).await, Ok(()));
        assert_eq!(at("192.0.2.1").grow(1, now).await, Err(NoRoom::Full));
        drop((two, front));
        assert_eq!((room.left(), room.held.lock().len()), (16 * UNIT, 0));
    }

    #[tokio::test]
    async fn the_largest_message_fits_into_a_share() {
        let room = Room::new(8 * UNIT, 6 * UNIT);
        let mut held = room.enter("192.0.2.1".parse().unwrap());
        assert_eq!(held.grow(7 * UNIT, Duration::ZERO).await, Ok(()));
    }
}
