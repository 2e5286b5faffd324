//! Devices: which ones an account has, what policy each has applied, and whether it is to be wiped.
//!
//! A device is known by the id it calls itself. Its row is made by its first command and changed by
//! provisioning and by the administrator; requests only read it. What else is kept for a device is its
//! door's; here it is only known where that stands, to be forgotten with it.

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{AccountId, Error, account};
use crate::clock::Millis;
use crate::store::keys::{Key, Table};
use crate::store::{self, Order, Read, Tx, record};

const VERSION: u8 = 1;

/// How old `last_seen` may grow before a request writes it anew.
const SEEN_EVERY: Millis = 5 * 60_000;
/// Longest User-Agent and piece of device information kept, in octets.
const TEXT_MAX: usize = 256;
/// The protocol version that can be told to remove the account alone. MS-ASPROV §2.2.2.1.
const ACCOUNT_ONLY: &str = "16.1";

/// What a request says of its device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Came<'r> {
    /// DeviceId.
    pub id: &'r str,
    /// DeviceType.
    pub device_type: &'r str,
    /// User-Agent.
    pub user_agent: &'r str,
    /// The protocol version, e.g. `16.1`.
    pub version: &'r str,
}

/// A device of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// Its number in the store, by which changes are told to be its own.
    pub number: u64,
    /// DeviceId: as it calls itself.
    pub id: String,
    /// DeviceType.
    pub device_type: String,
    /// User-Agent of its latest request.
    pub user_agent: String,
    /// When it first came.
    pub first_seen: Millis,
    /// When it last came, a few minutes more or less.
    pub last_seen: Millis,
    /// The protocol version it spoke last, e.g. `16.1`.
    pub version: String,
    /// What it says about itself.
    pub information: Information,
    /// What policy it has.
    pub policy: PolicyState,
    /// Whether it is to be wiped, or was.
    pub wipe: Option<Wipe>,
    /// Refused by the administrator, or since it was wiped.
    pub blocked: bool,
    /// The password that unlocks it, sent for its owner to ask for when he forgot his own.
    /// MS-ASPROV §2.2.2.39.
    pub recovery_password: Option<RecoveryPassword>,
}

/// A password that is stored as it is, since it must be told one day. Never shown by logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPassword(pub String);

impl fmt::Debug for RecoveryPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPassword(..)")
    }
}

/// What a device says about itself. MS-ASCMD §2.2.3.45.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct Information {
    pub model: Option<String>,
    pub imei: Option<String>,
    pub friendly_name: Option<String>,
    pub os: Option<String>,
    pub os_language: Option<String>,
    pub phone_number: Option<String>,
    pub mobile_operator: Option<String>,
    pub user_agent: Option<String>,
}

/// Names one state of the policy that devices must apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PolicyDigest(pub [u8; 16]);

/// Where a device stands in provisioning. MS-ASPROV §3.1.5.1.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PolicyState {
    /// The key of the policy it has applied.
    pub key: Option<u32>,
    /// Which policy that was.
    pub applied: Option<PolicyDigest>,
    /// The temporary key it was given last, and of which policy.
    pub offered: Option<(u32, PolicyDigest)>,
    /// True once `offered` was acknowledged and `key` given for it; asked again, `key` is the answer.
    pub acknowledged: bool,
}

/// A wipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wipe {
    /// True to remove the account and its data from the device only (16.1); false to remove everything.
    pub account_only: bool,
    /// How far it is.
    pub state: WipeState,
    /// When it got there.
    pub at: Millis,
}

/// How far a wipe is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WipeState {
    /// The administrator wants it; the device does not know.
    Requested,
    /// The device was told.
    Sent,
    /// The device says that it is wiped. It is blocked from then on.
    Acknowledged,
    /// The device says that it cannot; it is told again.
    Failed,
}

impl Device {
    /// A device seen for the first time. It gets its number when it is stored.
    pub fn new(came: &Came<'_>, now: Millis) -> Self {
        Self {
            number: 0,
            id: came.id.to_owned(),
            device_type: came.device_type.to_owned(),
            user_agent: clipped(came.user_agent),
            first_seen: now,
            last_seen: now,
            version: came.version.to_owned(),
            information: Information::default(),
            policy: PolicyState::default(),
            wipe: None,
            blocked: false,
            recovery_password: None,
        }
    }

    /// Whether a request of `now` is worth writing down by [`seen`].
    pub fn differs(&self, came: &Came<'_>, now: Millis) -> bool {
        !(0..SEEN_EVERY).contains(&now.saturating_sub(self.last_seen))
            || self.user_agent != clipped(came.user_agent)
            || self.version != came.version
            || self.device_type != came.device_type
    }

    /// The wipe that the device is still to carry out.
    pub fn wipe_due(&self) -> Option<Wipe> {
        self.wipe.filter(|wipe| wipe.state != WipeState::Acknowledged)
    }

    /// A device that is forgotten loses nothing but its state; one that must not come back, or is to be
    /// wiped, must not be forgotten.
    fn may_be_forgotten(&self) -> bool {
        self.wipe.is_none() && !self.blocked
    }
}

/// Writes down that a device `came`, making it if it is new. `None` when the account has as many devices
/// as it may and none of them can be forgotten, or was deleted since the device logged in.
pub fn seen(
    tx: &mut Tx<'_>,
    account: AccountId,
    came: Device,
    devices_max: u32,
) -> Result<Option<Device>, store::Error> {
    if !account::exists(tx, account)? {
        return Ok(None);
    }
    let device = match device(tx, account, &came.id)? {
        Some(before) => Device {
            device_type: came.device_type,
            user_agent: came.user_agent,
            version: came.version,
            last_seen: came.last_seen,
            ..before
        },
        None => {
            if !make_room(tx, account, devices_max)? {
                return Ok(None);
            }
            Device { number: tx.new_id()?, ..came }
        }
    };
    put(tx, account, &device);
    Ok(Some(device))
}

/// Forgets the longest unused devices until there is room for one more.
fn make_room(tx: &mut Tx<'_>, account: AccountId, devices_max: u32) -> Result<bool, store::Error> {
    let most = usize::try_from(devices_max.max(1)).unwrap_or(usize::MAX);
    let mut all = devices(tx, account)?;
    let mut count = all.len();
    all.retain(Device::may_be_forgotten);
    all.sort_by_key(|device| device.last_seen);
    for oldest in all {
        if count < most {
            break;
        }
        remove(tx, account, &oldest.id)?;
        tracing::info!(account = account.0, device = %oldest.id, "forgot the longest unused device");
        count = count.saturating_sub(1);
    }
    Ok(count < most)
}

/// Changes a device's row.
///
/// # Errors
/// [`Error::Missing`] without such a device.
pub fn update<T>(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
    change: impl FnOnce(&mut Device) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut device = device(tx, account, id)?.ok_or(Error::Missing)?;
    let result = change(&mut device)?;
    put(tx, account, &device);
    Ok(result)
}

/// An account's devices, in the order of their ids.
pub fn devices(read: &dyn Read, account: AccountId) -> Result<Vec<Device>, store::Error> {
    let mut found = Vec::new();
    let mut damaged = None;
    read.scan(&Key::of(Table::Device).u64(account.0).range(), Order::Forward, &mut |_, row| {
        match record::decode_v(VERSION, row) {
            Ok(device) => found.push(device),
            Err(e) => damaged = Some(e),
        }
        if damaged.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    damaged.map_or(Ok(found), Err)
}

/// The device that calls itself `id`.
pub fn device(read: &dyn Read, account: AccountId, id: &str) -> Result<Option<Device>, store::Error> {
    let row = read.get(&key(Table::Device, account, id))?;
    row.map(|row| record::decode_v(VERSION, &row)).transpose()
}

/// Has a device wiped when it next comes; until then and since, it gets nothing else.
///
/// # Errors
/// [`Error::Missing`] without such a device; [`Error::Invalid`] for wiping the account
/// only from a device that is too old to understand that (MS-ASPROV §2.2.2.1: 16.1).
pub fn request_wipe(
    tx: &mut Tx<'_>,
    now: Millis,
    account: AccountId,
    id: &str,
    account_only: bool,
) -> Result<(), Error> {
    update(tx, account, id, |device| {
        if account_only && device.version != ACCOUNT_ONLY {
            return Err(Error::Invalid(
                "the device speaks a protocol version before 16.1 and can only be wiped as a whole",
            ));
        }
        device.wipe = Some(Wipe { account_only, state: WipeState::Requested, at: now });
        Ok(())
    })
}

/// Takes a wipe back that the device has not acknowledged. One that was sent may be under way.
///
/// # Errors
/// [`Error::Missing`] without such a device, [`Error::Invalid`] when there is no such
/// wipe.
pub fn cancel_wipe(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<(), Error> {
    update(tx, account, id, |device| {
        device.wipe_due().ok_or(Error::Invalid("no wipe of the device is under way"))?;
        device.wipe = None;
        Ok(())
    })
}

/// Refuses a device.
///
/// # Errors
/// [`Error::Missing`] without such a device.
pub fn block(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<(), Error> {
    update(tx, account, id, |device| {
        device.blocked = true;
        Ok(())
    })
}

/// Lets a device in again that was blocked or wiped. It has to provision anew.
///
/// # Errors
/// [`Error::Missing`] without such a device.
pub fn allow(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<(), Error> {
    update(tx, account, id, |device| {
        device.blocked = false;
        if device.wipe_due().is_none() {
            device.wipe = None;
        }
        device.policy = PolicyState::default();
        Ok(())
    })
}

/// Forgets a device and all that is kept for it. It may come back as a new one.
///
/// # Errors
/// [`Error::Missing`] without such a device.
pub fn forget(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<(), Error> {
    device(tx, account, id)?.ok_or(Error::Missing)?;
    Ok(remove(tx, account, id)?)
}

/// Forgets all devices of an account, which is being deleted. What is kept for each of them may be more than
/// one transaction should hold: the keeper removes it with the mailbox.
pub(super) fn forget_all(tx: &mut Tx<'_>, account: AccountId) -> Result<(), store::Error> {
    delete_range(tx, Key::of(Table::Device).u64(account.0))
}

fn remove(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<(), store::Error> {
    for table in Table::OF_DEVICES {
        delete_range(tx, Key::of(table).u64(account.0).text(id))?;
    }
    Ok(())
}

fn delete_range(tx: &mut Tx<'_>, of: Key) -> Result<(), store::Error> {
    let mut keys = Vec::new();
    tx.scan(&of.range(), Order::Forward, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    keys.into_iter().for_each(|key| tx.delete(key));
    Ok(())
}

/// The key of a row that a device has one of.
fn key(table: Table, account: AccountId, id: &str) -> Vec<u8> {
    Key::of(table).u64(account.0).text(id).done()
}

fn put(tx: &mut Tx<'_>, account: AccountId, device: &Device) {
    tx.put(key(Table::Device, account, &device.id), record::encode(VERSION, device));
}

/// Text from a device, fit for a list on a terminal: bounded and without controls.
pub fn clipped(text: &str) -> String {
    let mut clipped: String = text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
    clipped.truncate(clipped.floor_char_boundary(TEXT_MAX));
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    const OWNER: AccountId = AccountId(7);

    fn came<'r>(id: &'r str, user_agent: &'r str) -> Came<'r> {
        Came { id, device_type: "Phone", user_agent, version: "16.1" }
    }

    /// A store in which there is the account.
    fn store() -> Store {
        let store = Store::in_memory().unwrap();
        act(&store, |tx| {
            tx.put(Key::of(Table::Account).u64(OWNER.0).done(), Vec::new());
            Ok(())
        })
        .unwrap();
        store
    }

    fn see(store: &Store, id: &str, now: Millis, most: u32) -> Option<Device> {
        let device = Device::new(&came(id, "Agent/1\u{7}"), now);
        store.write(move |tx| seen(tx, OWNER, device, most)).unwrap()
    }

    fn act(
        store: &Store,
        f: impl FnOnce(&mut Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        store.write(f)
    }

    #[test]
    fn a_device_keeps_its_number() {
        let store = store();
        let first = see(&store, "A", 1_000, 5).unwrap();
        let again = see(&store, "A", 9_000, 5).unwrap();
        assert_ne!(first.number, 0);
        assert_eq!((again.number, again.first_seen, again.last_seen), (first.number, 1_000, 9_000));
        assert_ne!(see(&store, "B", 1, 5).unwrap().number, first.number);
        assert_eq!(first.user_agent, "Agent/1");
        let differs = |agent: &str, now| again.differs(&came("A", agent), now);
        assert!(!differs("Agent/1", 10_000), "a request a second later writes nothing");
        assert!(
            differs("Agent/2", 10_000) && differs("Agent/1", 9_000 + SEEN_EVERY) && differs("Agent/1", 0)
        );
    }

    #[test]
    fn the_longest_unused_is_forgotten_with_its_state() {
        let store = store();
        for (id, at) in [("A", 3), ("B", 1), ("C", 2)] {
            see(&store, id, at, 3).unwrap();
        }
        let state = Key::of(Table::CollectionState).u64(OWNER.0).text("B").u64(5).done();
        let other = Key::of(Table::CollectionState).u64(OWNER.0).text("BB").u64(5).done();
        let (row, spared) = (state.clone(), other.clone());
        act(&store, move |tx| {
            tx.put(row, Vec::new());
            tx.put(spared, Vec::new());
            Ok(())
        })
        .unwrap();
        see(&store, "D", 4, 3).unwrap();
        let read = store.read().unwrap();
        let ids: Vec<_> = devices(&read, OWNER).unwrap().into_iter().map(|d| d.id).collect();
        assert_eq!(ids, ["A", "C", "D"]);
        assert!(read.get(&state).unwrap().is_none());
        assert!(read.get(&other).unwrap().is_some());
    }

    #[test]
    fn what_is_wiped_or_blocked_is_never_forgotten() {
        let store = store();
        see(&store, "A", 1, 2).unwrap();
        see(&store, "B", 2, 2).unwrap();
        act(&store, |tx| request_wipe(tx, 5, OWNER, "A", false)).unwrap();
        act(&store, |tx| block(tx, OWNER, "B")).unwrap();
        assert_eq!(see(&store, "C", 3, 2), None);
        act(&store, |tx| allow(tx, OWNER, "B")).unwrap();
        assert!(see(&store, "C", 3, 2).is_some());
        assert!(device(&store.read().unwrap(), OWNER, "A").unwrap().unwrap().wipe_due().is_some());
    }

    #[test]
    fn wipes_are_asked_for_and_taken_back() {
        let store = store();
        see(&store, "A", 1, 9).unwrap();
        assert!(matches!(act(&store, |tx| request_wipe(tx, 5, OWNER, "Z", false)), Err(Error::Missing)));
        assert!(matches!(act(&store, |tx| cancel_wipe(tx, OWNER, "A")), Err(Error::Invalid(_))));
        act(&store, |tx| request_wipe(tx, 5, OWNER, "A", true)).unwrap();
        act(&store, |tx| cancel_wipe(tx, OWNER, "A")).unwrap();
        act(&store, |tx| {
            update(tx, OWNER, "A", |device| {
                device.version = "14.1".into();
                Ok(())
            })
        })
        .unwrap();
        assert!(matches!(act(&store, |tx| request_wipe(tx, 5, OWNER, "A", true)), Err(Error::Invalid(_))));
        act(&store, |tx| forget(tx, OWNER, "A")).unwrap();
        assert!(devices(&store.read().unwrap(), OWNER).unwrap().is_empty());
    }

    /// However much is kept for the devices of an account, its deletion is a small transaction.
    #[test]
    fn what_is_kept_for_devices_is_left_to_the_keeper() {
        let store = store();
        see(&store, "A", 1, 9).unwrap();
        let state = Key::of(Table::CollectionState).u64(OWNER.0).text("A").u64(5).done();
        let row = state.clone();
        act(&store, move |tx| {
            tx.put(row, Vec::new());
            Ok(forget_all(tx, OWNER)?)
        })
        .unwrap();
        let read = store.read().unwrap();
        assert!(devices(&read, OWNER).unwrap().is_empty());
        assert!(read.get(&state).unwrap().is_some());
    }

    /// A phone's request may still be on its way in when its account is deleted.
    #[test]
    fn a_deleted_account_has_no_devices() {
        let store = store();
        see(&store, "A", 1, 9).unwrap();
        see(&store, "B", 1, 9).unwrap();
        act(&store, |tx| {
            tx.delete(Key::of(Table::Account).u64(OWNER.0).done());
            Ok(forget_all(tx, OWNER)?)
        })
        .unwrap();
        assert_eq!(see(&store, "A", 2, 9), None);
        assert_eq!(see(&store, "C", 2, 9), None);
        assert!(devices(&store.read().unwrap(), OWNER).unwrap().is_empty());
    }
}
