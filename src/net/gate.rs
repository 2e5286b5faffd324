//! How many connections there may be: of one listener, and of one address over all listeners.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// Counts the open connections of each address. Holds an entry only while there are some.
#[derive(Debug)]
pub struct Gate {
    per_address: u32,
    addresses: Mutex<HashMap<IpAddr, u32>>,
}

/// The right of one connection to be open; dropped with it.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
    open: Arc<AtomicU32>,
}

/// Why a connection was turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TurnedAway {
    /// The listener has as many as it may.
    Listener,
    /// The address has as many as it may.
    Address,
}

impl Gate {
    /// A gate that lets `per_address` connections of one address pass.
    pub fn new(per_address: u32) -> Arc<Self> {
        Arc::new(Self { per_address, addresses: Mutex::default() })
    }

    /// Lets a connection pass, if neither limit is reached. `open` counts the listener's.
    pub(super) fn enter(
        self: &Arc<Self>,
        from: IpAddr,
        open: &Arc<AtomicU32>,
        most: u32,
    ) -> Result<Pass, TurnedAway> {
        let address = counted_as(from);
        let more = |n: u32| (n < most).then(|| n.saturating_add(1));
        if open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_err() {
            return Err(TurnedAway::Listener);
        }
        // From here on dropping the pass undoes the count of the listener.
        let mut pass = Pass { gate: self.clone(), address: None, open: open.clone() };
        if let Some(address) = address {
            let mut addresses = self.addresses.lock();
            let count = addresses.entry(address).or_insert(0);
            if *count >= self.per_address {
                drop(addresses);
                return Err(TurnedAway::Address);
            }
            *count = count.saturating_add(1);
            drop(addresses);
            pass.address = Some(address);
        }
        Ok(pass)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        let Some(address) = self.address else { return };
        let mut addresses = self.gate.addresses.lock();
        if let Some(count) = addresses.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// What an address is counted as: an IPv6 site has a /64 to itself; loopback is not counted.
pub fn counted_as(address: IpAddr) -> Option<IpAddr> {
    const NETWORK: u128 = !(u64::MAX as u128);
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_are_given_back() {
        let gate = Gate::new(2);
        let open = Arc::new(AtomicU32::new(0));
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = gate.enter(at("2001:db8::1"), &open, 4).unwrap();
        let _second = gate.enter(at("2001:db8::2"), &open, 4).unwrap();
        assert_eq!(gate.enter(at("2001:db8::3"), &open, 4).unwrap_err(), TurnedAway::Address);
        let _other = gate.enter(at("192.0.2.1"), &open, 4).unwrap();
        let _mapped = gate.enter(at("::ffff:192.0.2.1"), &open, 4).unwrap();
        assert_eq!(gate.enter(at("198.51.100.1"), &open, 4).unwrap_err(), TurnedAway::Listener);
        drop(first);
        let _third = gate.enter(at("2001:db8::3"), &open, 4).unwrap();
        assert_eq!(open.load(Ordering::Acquire), 4);
    }

    #[test]
    fn loopback_is_exempt_and_nothing_is_kept() {
        let gate = Gate::new(1);
        let open = Arc::new(AtomicU32::new(0));
        let local = "127.0.0.1".parse().unwrap();
        let passes: Vec<_> = (0..10).map(|_| gate.enter(local, &open, 100).unwrap()).collect();
        let far = gate.enter("192.0.2.1".parse().unwrap(), &open, 100).unwrap();
        drop(passes);
        drop(far);
        assert!(gate.addresses.lock().is_empty());
        assert_eq!(open.load(Ordering::Acquire), 0);
    }
}
