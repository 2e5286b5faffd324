//! Removing for good what has been kept long enough: expunged items, tombstones, deleted folders,
//! entries of the conversation index, and all that a removed owner had.
//!
//! Whoever purges looks for what is due in a snapshot, a bounded number of rows at a time, and removes
//! that in transactions of its own, each of which looks again: what was found may be old by then.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::error::Error;
use super::folder::{Folder, TreeChange};
use super::ids::{FolderId, Modseq, OwnerId, Uid};
use super::item::{Expunged, LogRow};
use super::recover::{ExpungedId, expunged};
use super::rows;
use super::tx::{MailTx, item_referrer};
use crate::clock::Millis;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{BodyId, Cursor, Order, Read, Swept, sweep};

/// A tombstone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tombstone {
    /// The folder.
    pub folder: FolderId,
    /// Its place in the folder's log.
    pub at: Modseq,
}

/// An entry of the index of conversations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadEntry(Vec<u8>);

/// A row that outlived what it belonged to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leftover(Vec<u8>);

/// Owners with expunged items older than `before`, of up to `most` owners that have any.
pub fn owners_to_purge(
    from: &dyn Read,
    after: Option<&Cursor>,
    before: Millis,
    most: usize,
) -> Result<Swept<OwnerId>, Error> {
    let mut found = Vec::new();
    let mut at = after.cloned();
    for _ in 0..most {
        let mut oldest = None;
        from.scan(&Cursor::rest(Table::Expunged, at.as_ref()), Order::Forward, &mut |key, _| {
            oldest = ExpungedId::of(key);
            ControlFlow::Break(())
        })?;
        let Some(oldest) = oldest else { return Ok(Swept { found, next: None }) };
        if oldest.at < before {
            found.push(oldest.owner);
        }
        let Some(next) = oldest.owner.0.checked_add(1) else { return Ok(Swept { found, next: None }) };
        at = Some(Cursor::at(Key::of(Table::Expunged).u64(next)));
    }
    Ok(Swept { found, next: at })
}

/// Tombstones older than `before` among the next `most` rows of all folders' logs.
pub fn old_tombstones(
    from: &dyn Read,
    after: Option<&Cursor>,
    before: Millis,
    most: usize,
) -> Result<Swept<Tombstone>, Error> {
    Ok(sweep(from, Table::ChangeLog, after, most, |key, value| {
        let mut parts = Parts::of(key);
        let tombstone = Tombstone { folder: FolderId(parts.u64()?), at: Modseq(parts.u64()?) };
        old_tombstone(value, before).map(|_| tombstone)
    })?)
}

/// Folders deleted before `before` among the next `most`, and those of owners who keep too much.
pub fn deleted_folders(
    from: &dyn Read,
    after: Option<&Cursor>,
    before: Millis,
    most: usize,
) -> Result<Swept<FolderId>, Error> {
    Ok(sweep(from, Table::Folder, after, most, |key, value| {
        let folder: Folder = rows::read(value).ok()?;
        let deleted = folder.deleted?;
        let owner = || rows::owner(from, folder.owner).ok().flatten();
        (deleted < before || owner().is_some_and(|owner| owner.keeps_too_much())).then_some(())?;
        Parts::of(key).u64().map(FolderId)
    })?)
}

/// Entries of the conversation index last used before `before` among the next `most`.
pub fn old_threads(
    from: &dyn Read,
    after: Option<&Cursor>,
    before: Millis,
    most: usize,
) -> Result<Swept<ThreadEntry>, Error> {
    Ok(sweep(from, Table::Thread, after, most, |key, value| {
        is_old_thread(value, before).then(|| ThreadEntry(key.to_vec()))
    })?)
}

/// Seen states of users who are gone, among the next `most`.
pub fn seen_by_nobody(
    from: &dyn Read,
    after: Option<&Cursor>,
    most: usize,
) -> Result<Swept<Leftover>, Error> {
    left_over(from, Table::SeenOverlay, after, most, |parts| {
        let user = parts.u64().and_then(|_| parts.u64())?;
        Some(rows::owner_key(OwnerId(user)))
    })
}

/// What devices keep of folders that are gone, among the next `most`.
pub fn states_of_nothing(
    from: &dyn Read,
    after: Option<&Cursor>,
    most: usize,
) -> Result<Swept<Leftover>, Error> {
    left_over(from, Table::CollectionState, after, most, |parts| {
        let folder = parts.u64().and_then(|_| parts.text()).and_then(|_| parts.u64())?;
        Some(rows::folder_key(FolderId(folder)))
    })
}

/// Rows whose `owner`, the key of another row, is not there.
fn left_over(
    from: &dyn Read,
    table: Table,
    after: Option<&Cursor>,
    most: usize,
    owner: fn(&mut Parts<'_>) -> Option<Vec<u8>>,
) -> Result<Swept<Leftover>, Error> {
    let mut failed = None;
    let swept = sweep(from, table, after, most, |key, _| match from.get(&owner(&mut Parts::of(key))?) {
        Ok(found) => found.is_none().then(|| Leftover(key.to_vec())),
        Err(e) => {
            failed = Some(e);
            None
        }
    })?;
    failed.map_or(Ok(swept), |e| Err(e.into()))
}

/// Owners that were removed and still have rows, at most `most`.
pub fn removed_owners(from: &dyn Read, most: usize) -> Result<Vec<OwnerId>, Error> {
    let due = sweep(from, Table::RemovedOwner, None, most, |key, _| Parts::of(key).u64().map(OwnerId))?;
    Ok(due.found)
}

/// The item of a tombstone older than `before`.
fn old_tombstone(value: &[u8], before: Millis) -> Option<Uid> {
    match rows::read(value) {
        Ok(LogRow::Tombstone { at, uid, .. }) if at < before => Some(uid),
        _ => None,
    }
}

fn is_old_thread(value: &[u8], before: Millis) -> bool {
    rows::read::<(u64, Millis)>(value).is_ok_and(|(_, at)| at < before)
}

impl MailTx<'_, '_> {
    /// Removes expunged items older than `before` for good, at most `most`. True when some are left.
    pub fn purge_expunged(&mut self, owner: OwnerId, before: Millis, most: usize) -> Result<bool, Error> {
        self.system_only()?;
        let ids = expunged(&*self.store(), owner, most)?;
        let all = ids.len() < most;
        let mut due = 0;
        for id in ids.into_iter().take_while(|id| id.at < before) {
            due += 1;
            self.purge_one(id)?;
        }
        Ok(!all && due == most)
    }

    /// Removes an expunged item for good.
    pub(super) fn purge_one(&mut self, id: ExpungedId) -> Result<(), Error> {
        let Some(bytes) = self.store().get(&id.key())? else { return Ok(()) };
        self.store().delete(id.key());
        let Ok(Expunged { item, .. }) = rows::read(&bytes) else {
            tracing::error!(owner = id.owner.0, uid = id.uid.0, "removed a damaged expunged item");
            self.store().lose_body(id.referrer());
            return self.recount_expunged(id.owner);
        };
        self.store().release_body(BodyId(item.body), id.referrer())?;
        let owner = self.owner_row(id.owner)?;
        owner.expunged_bytes = owner.expunged_bytes.saturating_sub(item.size);
        Ok(())
    }

    /// Forgets those of `due` that are tombstones older than `before`: a client whose state is older than
    /// one of them must start again.
    pub fn purge_tombstones(&mut self, due: &[Tombstone], before: Millis) -> Result<(), Error> {
        self.system_only()?;
        let mut last: BTreeMap<FolderId, Modseq> = BTreeMap::new();
        for Tombstone { folder, at } in due {
            let key = rows::log_key(*folder, *at);
            let Some(value) = self.store().get(&key)? else { continue };
            let Some(uid) = old_tombstone(&value, before) else { continue };
            self.store().delete(key);
            self.store().delete(rows::gone_key(*folder, uid));
            let Some(row) = self.raw_folder_row(*folder)? else { continue };
            let owner = row.owner;
            self.store().delete(rows::owner_log_key(owner, *at));
            let last = last.entry(*folder).or_default();
            *last = (*last).max(*at);
        }
        for (folder, last) in last {
            if let Some(row) = self.raw_folder_row(folder)? {
                row.purged = row.purged.max(last);
            }
        }
        Ok(())
    }

    /// Forgets those of `due` that were last used before `before`.
    pub fn purge_threads(&mut self, due: &[ThreadEntry], before: Millis) -> Result<(), Error> {
        self.system_only()?;
        for ThreadEntry(key) in due {
            if self.store().get(key)?.is_some_and(|value| is_old_thread(&value, before)) {
                self.store().delete(key.clone());
            }
        }
        Ok(())
    }

    /// Removes what was left over.
    pub fn purge_leftovers(&mut self, due: &[Leftover]) -> Result<(), Error> {
        self.system_only()?;
        // Ids are never used again: what is gone stays gone.
        due.iter().for_each(|Leftover(key)| self.store().delete(key.clone()));
        Ok(())
    }

    /// Removes what a deleted folder held, about `most` rows, and at last the folder itself. True when
    /// something is left.
    pub fn purge_folder(&mut self, id: FolderId, before: Millis, most: usize) -> Result<bool, Error> {
        self.system_only()?;
        let Some(folder) = self.raw_folder_row(id)?.cloned() else { return Ok(false) };
        let Some(deleted) = folder.deleted else { return Ok(false) };
        if deleted >= before && !self.owner_row(folder.owner)?.keeps_too_much() {
            return Ok(false);
        }
        if self.purge_items(&folder, most)? {
            return Ok(true);
        }
        // What damaged items have left behind is among these.
        for table in Table::OF_FOLDERS {
            let keys = keys(&*self.store(), &Key::of(table).u64(id.0), most)?;
            let left = keys.len() == most;
            for key in keys {
                if let (Table::ChangeLog, Some(at)) = (table, modseq_of(&key)) {
                    self.store().delete(rows::owner_log_key(folder.owner, at));
                }
                self.store().delete(key);
            }
            if left {
                return Ok(true);
            }
        }
        self.forget_folder(&folder)?;
        // What is still counted were damaged items.
        if let Some(left) = self.raw_folder_row(id)?.map(|row| row.bytes) {
            let owner = self.owner_row(folder.owner)?;
            owner.expunged_bytes = owner.expunged_bytes.saturating_sub(left);
        }
        self.remove_folder_row(id);
        Ok(false)
    }

    /// Removes what the tree log tells of a folder that is gone, unless the log ends there.
    fn forget_folder(&mut self, folder: &Folder) -> Result<(), Error> {
        let last = rows::tree_key(folder.owner, self.owner_row(folder.owner)?.tree);
        for key in rows::tree_keys_of(&*self.store(), folder.owner, folder.id)? {
            if key != last {
                self.store().delete(key);
            }
        }
        Ok(())
    }

    /// Removes up to `most` items of a deleted folder. True when some may be left.
    fn purge_items(&mut self, folder: &Folder, most: usize) -> Result<bool, Error> {
        let (mut items, mut damaged) = (Vec::new(), Vec::new());
        let range = Key::of(Table::Item).u64(folder.id.0).range();
        self.store().scan(&range, Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            let uid = parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid);
            match rows::item_of(uid, value) {
                Ok(item) => items.push(item),
                Err(_) => damaged.push(uid),
            }
            // One that is damaged takes a look at the whole folder: one of them is enough for a step.
            if items.len() < most && damaged.is_empty() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        for uid in &damaged {
            self.forget_damaged(folder.owner, folder.id, *uid)?;
        }
        for item in &items {
            for key in rows::item_keys(folder.owner, folder.id, item) {
                self.store().delete(key);
            }
            self.store().release_body(BodyId(item.body), item_referrer(folder.id, item.uid))?;
            self.uncount_deleted(folder, item)?;
        }
        Ok(items.len() == most || !damaged.is_empty())
    }

    /// Forgets about `most` rows of what an owner had that was removed. True when something is left;
    /// else nothing tells of the owner any more.
    pub fn purge_owner(&mut self, owner: OwnerId, most: usize) -> Result<bool, Error> {
        self.system_only()?;
        if self.store().get(&rows::removed_key(owner))?.is_none() {
            return Ok(false);
        }
        if self.purge_expunged(owner, Millis::MAX, most)? {
            return Ok(true);
        }
        for folder in tree_folders(&*self.store(), owner)? {
            if self.purge_folder(folder, Millis::MAX, most)? {
                return Ok(true);
            }
        }
        if self.purge_grants_to(owner.0, most)? {
            return Ok(true);
        }
        for table in Table::OF_OWNERS {
            let keys = keys(&*self.store(), &Key::of(table).u64(owner.0), most)?;
            let left = keys.len() == most;
            keys.into_iter().for_each(|key| self.store().delete(key));
            if left {
                return Ok(true);
            }
        }
        self.remove_owner_row(owner);
        self.store().delete(rows::removed_key(owner));
        Ok(false)
    }

    /// Takes back what others' folders say about a principal that is gone.
    fn purge_grants_to(&mut self, principal: u64, most: usize) -> Result<bool, Error> {
        let granted = keys(&*self.store(), &Key::of(Table::Grant).u64(principal), most)?;
        let left = granted.len() == most;
        for key in granted {
            let mut parts = Parts::of(&key);
            let folder = parts.u64().and_then(|_| parts.u64()).map_or(FolderId::TOP, FolderId);
            self.store().delete(key);
            let Some(row) = self.raw_folder_row(folder)? else { continue };
            row.grants.retain(|grant| grant.grantee != principal);
            if row.deleted.is_none() {
                let owner = row.owner;
                self.log_tree(owner, folder, false)?;
            }
        }
        Ok(left)
    }
}

/// The folders that an owner's tree log tells of, each once.
pub(super) fn tree_folders(from: &dyn Read, owner: OwnerId) -> Result<Vec<FolderId>, Error> {
    let mut folders = Vec::new();
    from.scan(&Key::of(Table::TreeLog).u64(owner.0).range(), Order::Forward, &mut |_, value| {
        folders.extend(rows::read::<TreeChange>(value).ok().map(|change| change.folder));
        ControlFlow::Continue(())
    })?;
    folders.sort_unstable();
    folders.dedup();
    Ok(folders)
}

/// The first keys that begin with these parts, at most `most`.
fn keys(from: &dyn Read, of: &Key, most: usize) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    from.scan(&of.clone().range(), Order::Forward, &mut |key, _| {
        found.push(key.to_vec());
        if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

fn modseq_of(key: &[u8]) -> Option<Modseq> {
    let mut parts = Parts::of(key);
    parts.u64()?;
    parts.u64().map(Modseq)
}
