//! Expunged items: kept with their ids for a while, recovered or purged. Tombstones and deleted
//! folders are purged likewise.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::error::Error;
use super::ids::{FolderId, Modseq, OwnerId, Uid};
use super::item::{Expunged, Item, LogRow};
use super::rows::{self, Record};
use super::tx::{Granted, MailTx, Placed, item_referrer};
use crate::clock::Millis;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{BodyId, Order, Read, Referrer};

/// Where an expunged item is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExpungedId {
    /// Whose it was.
    pub owner: OwnerId,
    /// When it was expunged.
    pub at: Millis,
    /// Where it was.
    pub folder: FolderId,
    /// What it was there.
    pub uid: Uid,
}

impl ExpungedId {
    fn key(self) -> Vec<u8> {
        Key::of(Table::Expunged).u64(self.owner.0).time(self.at).u64(self.folder.0).u32(self.uid.0).done()
    }

    fn of(key: &[u8]) -> Option<Self> {
        let mut parts = Parts::of(key);
        Some(Self {
            owner: OwnerId(parts.u64()?),
            at: parts.time()?,
            folder: FolderId(parts.u64()?),
            uid: Uid(parts.u32()?),
        })
    }

    fn referrer(self) -> Referrer {
        Referrer::Expunged { owner: self.owner.0, folder: self.folder.0, uid: self.uid.0 }
    }
}

/// The expunged items of an owner that can be recovered, oldest first, at most `most`.
pub fn expunged(from: &dyn Read, owner: OwnerId, most: usize) -> Result<Vec<ExpungedId>, Error> {
    let mut ids = Vec::new();
    from.scan(&Key::of(Table::Expunged).u64(owner.0).range(), Order::Forward, &mut |key, _| {
        ids.extend(ExpungedId::of(key));
        if ids.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(ids)
}

impl<'g> MailTx<'_, 'g> {
    /// Keeps an item that has just left its folder.
    pub(super) fn keep_expunged(
        &mut self,
        from: &Granted<'g>,
        item: Item,
        record: Vec<u8>,
    ) -> Result<(), Error> {
        let id = ExpungedId { owner: from.owner(), at: self.now, folder: from.id(), uid: item.uid };
        let body = BodyId(item.body);
        let owner = self.owner_row(from.owner())?;
        owner.expunged_bytes = owner.expunged_bytes.saturating_add(item.size);
        self.store().put(id.key(), rows::row(&Expunged { item, record }));
        self.move_body_reference(body, item_referrer(id.folder, id.uid), id.referrer())?;
        Ok(())
    }

    /// Brings an expunged item back into a folder of its owner, as a new residence of the same content.
    pub fn recover(&mut self, id: ExpungedId, to: &Granted<'g>) -> Result<Placed, Error> {
        if to.owner() != id.owner {
            return Err(Error::Missing);
        }
        let bytes = self.store().get(&id.key())?.ok_or(Error::Missing)?;
        let Expunged { item, record } = rows::read(&bytes)?;
        let (body, size) = (BodyId(item.body), item.size);
        let placed = self.enter(to, Item { dav_name: None, ..item }, record)?;
        self.store().delete(id.key());
        self.move_body_reference(body, id.referrer(), item_referrer(placed.folder, placed.uid))?;
        let owner = self.owner_row(id.owner)?;
        owner.expunged_bytes = owner.expunged_bytes.saturating_sub(size);
        Ok(placed)
    }

    /// Removes expunged items older than `before` for good, at most `most`. True when some are left.
    pub fn purge_expunged(&mut self, owner: OwnerId, before: Millis, most: usize) -> Result<bool, Error> {
        let ids = expunged(&*self.store(), owner, most)?;
        let all = ids.len() < most;
        let mut due = 0;
        for id in ids.into_iter().take_while(|id| id.at < before) {
            due += 1;
            let Some(bytes) = self.store().get(&id.key())? else { continue };
            let Expunged { item, .. } = rows::read(&bytes)?;
            self.store().delete(id.key());
            self.store().release_body(BodyId(item.body), id.referrer())?;
            let owner = self.owner_row(owner)?;
            owner.expunged_bytes = owner.expunged_bytes.saturating_sub(item.size);
        }
        Ok(!all && due == most)
    }

    /// Forgets tombstones of a folder older than `before`, at most `most`: a client whose state is older
    /// must start again. True when some are left.
    pub fn purge_tombstones(
        &mut self,
        folder: &Granted<'g>,
        before: Millis,
        most: usize,
    ) -> Result<bool, Error> {
        let mut due: BTreeMap<Modseq, ()> = BTreeMap::new();
        rows::log(&*self.store(), folder.id(), Modseq(0), &mut |at, row| {
            if let LogRow::Tombstone { at: when, .. } = row
                && when < before
            {
                due.insert(at, ());
            }
            if due.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let left = due.len() == most;
        let owner = folder.owner();
        for at in due.keys() {
            self.store().delete(rows::log_key(folder.id(), *at));
            self.store().delete(rows::owner_log_key(owner, *at));
        }
        if let Some((last, ())) = due.last_key_value() {
            let row = self.folder_row(folder.id())?;
            row.purged = row.purged.max(*last);
        }
        Ok(left)
    }

    /// Removes what a deleted folder held, at most `most` items, and at last the folder itself. True
    /// when something is left.
    pub fn purge_folder(&mut self, id: FolderId, before: Millis, most: usize) -> Result<bool, Error> {
        let Some(folder) = rows::raw_folder(&*self.store(), id)? else { return Ok(false) };
        if folder.deleted.is_none_or(|at| at >= before) {
            return Ok(false);
        }
        let mut keys = Vec::new();
        let mut bodies = Vec::new();
        let range = Key::of(Table::Item).u64(id.0).range();
        self.store().scan(&range, Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            let uid = parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid);
            if let Ok(item) = rows::item_of(uid, value) {
                bodies.push((BodyId(item.body), item_referrer(id, uid), item.size));
                if let Some(ical) = &item.ical_uid {
                    keys.push(rows::ical_key(folder.owner, ical, id));
                }
                keys.push(rows::owner_log_key(folder.owner, item.modseq));
                keys.extend(rows::log_rows_of(&item).map(|at| rows::log_key(id, at)));
            }
            keys.push(key.to_vec());
            keys.push(rows::record_key(id, uid));
            if bodies.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let left = bodies.len() == most;
        for key in keys {
            self.store().delete(key);
        }
        for (body, referrer, size) in bodies {
            self.store().release_body(body, referrer)?;
            let owner = self.owner_row(folder.owner)?;
            owner.expunged_bytes = owner.expunged_bytes.saturating_sub(size);
        }
        if !left {
            self.purge_folder_rows(&folder)?;
        }
        Ok(left)
    }

    /// Removes the rows that are left of a folder without items.
    fn purge_folder_rows(&mut self, folder: &super::Folder) -> Result<(), Error> {
        let tables = [Table::ChangeLog, Table::FilterDate, Table::DavName, Table::SeenOverlay];
        let mut keys = vec![rows::folder_key(folder.id)];
        for table in tables {
            self.store().scan(&Key::of(table).u64(folder.id.0).range(), Order::Forward, &mut |key, _| {
                if table == Table::ChangeLog {
                    let mut parts = Parts::of(key);
                    let at = parts.u64().and_then(|_| parts.u64()).map(Modseq).unwrap_or_default();
                    keys.push(rows::owner_log_key(folder.owner, at));
                }
                keys.push(key.to_vec());
                ControlFlow::Continue(())
            })?;
        }
        for key in keys {
            self.store().delete(key);
        }
        Ok(())
    }

    /// Takes back that the device knows of a change it made: it asked again without the command.
    pub fn disown(&mut self, folder: &Granted<'g>, uid: Uid, at: Modseq) -> Result<(), Error> {
        use super::ids::Origin;
        let device = self.origin;
        if let Some(mut item) = rows::item(&*self.store(), folder.id(), uid)? {
            if item.born == at && item.born_by.is(device) {
                item.born_by = Origin::OTHER;
            }
            if item.silent_for.is(device) {
                item.silent_for = Origin::OTHER;
            }
            self.store().put(rows::item_key(folder.id(), uid), rows::row(&item));
            return Ok(());
        }
        let key = rows::log_key(folder.id(), at);
        let Some(bytes) = self.store().get(&key)? else { return Ok(()) };
        let mut row: LogRow = rows::read(&bytes)?;
        if let LogRow::Tombstone { silent_for, .. } = &mut row
            && silent_for.is(device)
        {
            *silent_for = Origin::OTHER;
            self.store().put(key, rows::row(&row));
        }
        Ok(())
    }
}

/// The record row of an expunged item.
pub fn expunged_record(expunged: &Expunged) -> Option<Record> {
    Record::of(expunged.record.clone().into())
}
