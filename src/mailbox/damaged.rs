//! Dropping an item whose row cannot be read. Its rows are then found by looking through its folder, which
//! takes as long as the folder is large: that is for the rare case, and for nothing else.

use std::ops::ControlFlow;

use super::change::Placed;
use super::error::Error;
use super::folder::Folder;
use super::ids::{FolderId, Modseq, Origin, OwnerId, Uid};
use super::item::{Expunged, Flags, LogRow};
use super::purge::tree_folders;
use super::rows;
use super::sync::Position;
use super::tx::{Granted, MailTx, item_referrer, owner_log_value};
use crate::clock::Millis;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{Order, Read};

impl<'g> MailTx<'_, 'g> {
    /// Removes an item that cannot be read, and all that tells of it. Every client is told that it is gone:
    /// which of them had it is not known any more.
    pub(super) fn drop_damaged(&mut self, from: &Granted<'g>, uid: Uid) -> Result<Placed, Error> {
        tracing::error!(folder = from.id().0, uid = uid.0, "removed a damaged item");
        if let Some(name) = dav_name_of(&*self.store(), from.id(), uid)? {
            self.store().put(rows::gone_key(from.id(), uid), name);
        }
        self.forget_damaged(from.owner(), from.id(), uid)?;
        self.recount(from.id())?;
        let at = self.next_modseq(from.owner(), from.id())?;
        let tombstone = LogRow::Tombstone {
            uid,
            born: Modseq(0),
            born_by: Origin::OTHER,
            filter_date: Millis::MAX,
            former_dates: Vec::new(),
            silent_for: self.origin,
            moved_to: None,
            at: self.now,
        };
        self.store().put(rows::log_key(from.id(), at), rows::row(&tombstone));
        self.store().put(rows::owner_log_key(from.owner(), at), owner_log_value(from.id(), uid));
        Ok(Placed { folder: from.id(), uid, modseq: at, content: 0, changed: true })
    }

    /// Removes the rows of an item that cannot be read; counters stay as they are.
    pub(super) fn forget_damaged(&mut self, owner: OwnerId, folder: FolderId, uid: Uid) -> Result<(), Error> {
        for key in rows_of(&*self.store(), owner, folder, uid)? {
            self.store().delete(key);
        }
        self.store().lose_body(item_referrer(folder, uid));
        Ok(())
    }

    /// Counts a live folder's items again.
    fn recount(&mut self, id: FolderId) -> Result<(), Error> {
        let (mut items, mut unseen, mut bytes) = (0_u64, 0_u64, 0_u64);
        self.store().scan(&Key::of(Table::Item).u64(id.0).range(), Order::Forward, &mut |_, value| {
            if let Ok(item) = rows::item_of(Uid(0), value) {
                items = items.saturating_add(1);
                unseen = unseen.saturating_add(u64::from(!item.flags.has(Flags::SEEN)));
                bytes = bytes.saturating_add(item.size);
            }
            ControlFlow::Continue(())
        })?;
        let row = self.folder_row(id)?;
        let Folder { owner, items: old_items, bytes: old_bytes, .. } = row.clone();
        (row.items, row.unseen, row.bytes) = (items, unseen, bytes);
        let owner = self.owner_row(owner)?;
        owner.items = owner.items.saturating_sub(old_items).saturating_add(items);
        owner.bytes = owner.bytes.saturating_sub(old_bytes).saturating_add(bytes);
        Ok(())
    }

    /// Counts again the octets of what an owner can have back: expunged items, and deleted folders.
    pub(super) fn recount_expunged(&mut self, owner: OwnerId) -> Result<(), Error> {
        let mut bytes = 0_u64;
        let range = Key::of(Table::Expunged).u64(owner.0).range();
        self.store().scan(&range, Order::Forward, &mut |_, value| {
            let size = rows::read::<Expunged>(value).map_or(0, |expunged| expunged.item.size);
            bytes = bytes.saturating_add(size);
            ControlFlow::Continue(())
        })?;
        for folder in tree_folders(&*self.store(), owner)? {
            if let Some(folder) = self.raw_folder_row(folder)?.filter(|folder| folder.deleted.is_some()) {
                bytes = bytes.saturating_add(folder.bytes);
            }
        }
        self.owner_row(owner)?.expunged_bytes = bytes;
        Ok(())
    }
}

/// The DAV name of an item, found without the item's row.
fn dav_name_of(from: &dyn Read, folder: FolderId, uid: Uid) -> Result<Option<Vec<u8>>, Error> {
    let mut name = None;
    from.scan(&Key::of(Table::DavName).u64(folder.0).range(), Order::Forward, &mut |key, value| {
        if rows::uid_of(value) != Some(uid) {
            return ControlFlow::Continue(());
        }
        let mut parts = Parts::of(key);
        name = parts.u64().map(|_| parts.rest().to_vec());
        ControlFlow::Break(())
    })?;
    Ok(name)
}

/// The keys of all rows that tell of an item, found without the item's own.
fn rows_of(from: &dyn Read, owner: OwnerId, folder: FolderId, uid: Uid) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = vec![rows::item_key(folder, uid), rows::record_key(folder, uid)];
    rows::log(from, folder, Modseq(0), &mut |at, row| {
        let (LogRow::Birth { uid: of } | LogRow::Change { uid: of } | LogRow::Redated { uid: of }) = row
        else {
            return ControlFlow::Continue(());
        };
        if of == uid {
            keys.extend([rows::log_key(folder, at), rows::owner_log_key(owner, at)]);
        }
        ControlFlow::Continue(())
    })?;
    let lowest = Position { date: Millis::MIN, uid: 0 };
    rows::positions(from, folder, lowest, Position::TOP, Order::Forward, &mut |at| {
        if at.uid == uid.0 {
            keys.push(rows::date_key(folder, at));
        }
        ControlFlow::Continue(())
    })?;
    from.scan(&Key::of(Table::DavName).u64(folder.0).range(), Order::Forward, &mut |key, value| {
        if rows::uid_of(value) == Some(uid) {
            keys.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    from.scan(&Key::of(Table::IcalUid).u64(owner.0).range(), Order::Forward, &mut |key, _| {
        if rows::ical_place(key).is_some_and(|(_, place)| place == (folder, uid)) {
            keys.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}
