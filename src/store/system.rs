//! What a store knows of itself: its epoch, its nodes' id counters and its secrets.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::engine::{Change, Engine, Order, Snapshot, Space};
use super::keys::{self, Key, Table, system};
use super::{Error, Read, SCHEMA, Store, Tx};
use crate::clock;

/// How far a restore sends every id counter ahead: more ids than are made between two backups.
const RESTORE_SKIP: u64 = 1 << 32;
/// A restore sends id counters to this many for each second since 1970 at least, so that a backup that is restored
/// for a second time does not give out the ids of the first time again. The last seconds of 32 bits leave half
/// of all ids.
const IDS_A_SECOND: u64 = 1 << 15;

/// The secret that the names of bodies are derived from.
const BODY_SECRET: &str = "body-hash";

/// Writes the first rows of a new store, and returns the secret for the names of bodies. Nobody else
/// uses the engine yet.
pub(super) fn prepare(engine: &dyn Engine) -> Result<[u8; 32], Error> {
    let snapshot = engine.snapshot()?;
    if let Some(value) = snapshot.get(Space::Rows, &keys::secret_row(BODY_SECRET))? {
        return secret(&value);
    }
    if any_row(&*snapshot)? {
        return Err(Error::Unusable("the store has rows, but not those every store begins with".into()));
    }
    drop(snapshot);
    let fresh = clock::random::<32>().map_err(|e| Error::Unusable(e.to_string()))?;
    let row = |key: Vec<u8>, value: Vec<u8>| Change { space: Space::Rows, key, value: Some(value.into()) };
    engine.commit(vec![
        row(keys::system_row(system::SCHEMA), SCHEMA.to_be_bytes().to_vec()),
        row(keys::system_row(system::EPOCH), 1_u64.to_be_bytes().to_vec()),
        row(keys::secret_row(BODY_SECRET), fresh.to_vec()),
    ])?;
    Ok(fresh)
}

fn any_row(snapshot: &dyn Snapshot) -> Result<bool, Error> {
    let mut any = false;
    snapshot.scan(Space::Rows, &(Bound::Unbounded, Bound::Unbounded), Order::Forward, &mut |_, _| {
        any = true;
        ControlFlow::Break(())
    })?;
    Ok(any)
}

impl Store {
    /// The store's epoch, part of sync keys and tokens. Every restore raises it.
    pub fn epoch(&self) -> Result<u64, Error> {
        epoch(&self.read()?)
    }

    /// Raises the epoch after a restore, and skips the ids that may have been made since the backup.
    /// Returns the new epoch.
    pub fn raise_epoch(&self) -> Result<u64, Error> {
        // A clock that is out of its mind does not count.
        let now = u32::try_from(self.clock().now_secs()).map_or(0, u64::from);
        self.shrink(move |tx| {
            let next = epoch(tx)?.checked_add(1).ok_or_else(|| Error::Damaged("the epoch".into()))?.max(now);
            set_epoch(tx, next);
            skip_ids(tx, now)?;
            Ok(next)
        })
    }

    /// The secret of that name: 32 bytes nobody can guess, made when first asked for. Blocks.
    pub fn secret(&self, name: &str) -> Result<[u8; 32], Error> {
        let row = keys::secret_row(name);
        if let Some(value) = self.read()?.get(&row)? {
            return secret(&value);
        }
        let fresh = clock::random::<32>().map_err(|e| Error::Unusable(e.to_string()))?;
        self.write(move |tx| match tx.get(&row)? {
            // Another caller was quicker.
            Some(value) => secret(&value),
            None => {
                tx.put(row, fresh.to_vec());
                Ok(fresh)
            }
        })
    }
}

/// The epoch as a transaction or snapshot sees it.
pub(super) fn epoch(read: &impl Read) -> Result<u64, Error> {
    read.get(&keys::system_row(system::EPOCH))?
        .and_then(|value| keys::number(&value))
        .ok_or_else(|| Error::Damaged("the epoch".into()))
}

fn set_epoch(tx: &mut Tx<'_>, epoch: u64) {
    tx.put(keys::system_row(system::EPOCH), epoch.to_be_bytes().to_vec());
}

/// Sends every node's counter beyond any id since the backup; `now` is in seconds since 1970.
fn skip_ids(tx: &mut Tx<'_>, now: u64) -> Result<(), Error> {
    let mut counters = Vec::new();
    let of_all_nodes = Key::of(Table::System).raw(system::NEXT_ID.as_bytes()).range();
    tx.scan(&of_all_nodes, Order::Forward, &mut |key, value| {
        counters.push((key.to_vec(), keys::number(value)));
        ControlFlow::Continue(())
    })?;
    for (row, next) in counters {
        let next = next.ok_or_else(|| Error::Damaged("the id counter".into()))?;
        let ahead = next.saturating_add(RESTORE_SKIP).max(now.saturating_mul(IDS_A_SECOND));
        tx.put(row, ahead.to_be_bytes().to_vec());
    }
    Ok(())
}

fn secret(value: &Bytes) -> Result<[u8; 32], Error> {
    <[u8; 32]>::try_from(&**value).map_err(|_| Error::Damaged("a secret".into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_also_after_a_restore() {
        let store = Store::in_memory().unwrap();
        let ten =
            || store.write::<_, Error>(|tx| (0..10).map(|_| tx.new_id()).collect::<Result<Vec<_>, _>>());
        let mut ids: HashSet<u64> = ten().unwrap().into_iter().collect();
        let kept = store.write::<(), Error>(|tx| {
            tx.new_id()?;
            Err(Error::Full)
        });
        assert!(kept.is_err());
        ids.extend(ten().unwrap());
        assert_eq!(ids.len(), 20);
        assert_eq!(ids.iter().max(), Some(&20));

        assert_eq!(store.epoch().unwrap(), 1);
        let second = store.raise_epoch().unwrap();
        assert!(second > 1);
        assert_eq!(store.epoch().unwrap(), second);
        assert!(ten().unwrap().iter().all(|id| *id > u64::from(u32::MAX)));
        assert!(store.raise_epoch().unwrap() > second);
    }

    #[test]
    fn a_used_up_counter_is_an_error() {
        let store = Store::in_memory().unwrap();
        let end: u64 = (1 << keys::ID_COUNTER_BITS) - 1;
        store
            .write::<_, Error>(move |tx| {
                tx.put(keys::next_id_row(0), end.to_be_bytes().to_vec());
                Ok(())
            })
            .unwrap();
        assert_eq!(store.write(|tx| tx.new_id()).unwrap(), end);
        assert!(store.write(|tx| tx.new_id()).is_err());
    }

    #[test]
    fn secrets_are_made_once() {
        let store = Store::in_memory().unwrap();
        let first = store.secret("session").unwrap();
        assert_eq!(store.secret("session").unwrap(), first);
        assert_ne!(store.secret("other").unwrap(), first);
    }
}
