//! Expunged items: kept with their ids for a while, and recovered.

use std::ops::ControlFlow;

use super::change::{Knew, Placed};
use super::error::Error;
use super::ids::{FolderId, Modseq, Origin, OwnerId, Uid};
use super::item::{Expunged, Flags, Item, LogRow};
use super::items::renewed;
use super::rows;
use super::tx::{Granted, MailTx, item_referrer, placed};
use crate::clock::Millis;
use crate::policy::Rights;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{BodyId, Order, Read, Referrer};

/// Most expunged items that go early for one that comes.
const LET_GO: usize = 8;

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
    pub(super) fn key(self) -> Vec<u8> {
        Key::of(Table::Expunged).u64(self.owner.0).time(self.at).u64(self.folder.0).u32(self.uid.0).done()
    }

    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let mut parts = Parts::of(key);
        Some(Self {
            owner: OwnerId(parts.u64()?),
            at: parts.time()?,
            folder: FolderId(parts.u64()?),
            uid: Uid(parts.u32()?),
        })
    }

    pub(super) fn referrer(self) -> Referrer {
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
        self.let_go(id)
    }

    /// What an owner can have back takes no more room than its quota: the oldest goes early. A few of them
    /// for each that comes, so that this ends and nobody fills the disk by expunging.
    fn let_go(&mut self, kept: ExpungedId) -> Result<(), Error> {
        if !self.owner_row(kept.owner)?.keeps_too_much() {
            return Ok(());
        }
        for id in expunged(&*self.store(), kept.owner, LET_GO)? {
            if id != kept && self.owner_row(kept.owner)?.keeps_too_much() {
                self.purge_one(id)?;
            }
        }
        Ok(())
    }

    /// Brings an expunged item back into a folder of its owner, as a new residence of the same content.
    /// Only the owner and the server do that: the item may come from a folder that others cannot see. No door and
    /// no command offers it yet.
    pub fn recover(&mut self, id: ExpungedId, to: &Granted<'g>) -> Result<Placed, Error> {
        if to.owner() != id.owner || self.may_change_top(id.owner).is_err() {
            return Err(Error::Missing);
        }
        to.need(Rights::INSERT)?;
        let bytes = self.store().get(&id.key())?.ok_or(Error::Missing)?;
        let Expunged { item, record } = rows::read(&bytes)?;
        let (body, size) = (BodyId(item.body), item.size);
        self.check_quota(id.owner, size)?;
        // Whoever expunged it was told that it is gone: to every client it is something new.
        let mut item = renewed(&item, Origin::OTHER);
        self.free_dav_name(to.id(), &mut item)?;
        self.check_entry(to, &item)?;
        let seen = item.flags.has(Flags::SEEN);
        let placed = self.enter(to, item, seen, record)?;
        self.store().delete(id.key());
        self.move_body_reference(body, id.referrer(), item_referrer(placed.folder, placed.uid))?;
        let owner = self.owner_row(id.owner)?;
        owner.expunged_bytes = owner.expunged_bytes.saturating_sub(size);
        Ok(placed)
    }

    /// Takes back that the device knows of a change it made: it asked again without the command.
    pub fn disown(&mut self, folder: &Granted<'g>, uid: Uid, at: Modseq) -> Result<(), Error> {
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

    /// Tells every client of an item once more, also the one whose origin the transaction has: what it
    /// has is not what the item is.
    pub fn tell_again(&mut self, at: &Granted<'g>, uid: Uid) -> Result<Placed, Error> {
        self.folder_row(at.id())?;
        let mut item = rows::item(&*self.store(), at.id(), uid)?.ok_or(Error::Missing)?;
        self.log_change(at, &mut item, Knew(None), true)?;
        if item.silent_for != Origin::OTHER {
            item.silent_for = Origin::OTHER;
            self.store().put(rows::item_key(at.id(), uid), rows::row(&item));
        }
        Ok(placed(at.id(), &item))
    }
}
