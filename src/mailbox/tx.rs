//! Changes to folders' items: checked, made and logged within one transaction of the store.
//!
//! A [`MailTx`] hands out [`Granted`] folders; only through one can an item be touched, and it cannot
//! outlive its transaction. Counters, UIDs and modseqs are drawn here, inside the committer, so that
//! sixteen deliveries to one Inbox never collide.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;

use bytes::Bytes;

use super::change::{Knew, Placed};
use super::error::Error;
use super::folder::{DEPTH_MAX, Folder, Owner};
use super::ids::{Acting, FolderId, Modseq, Origin, OwnerId, Uid};
use super::item::{FORMER_DATES_MAX, Flags, Item, LogRow};
use super::notify::{Notifier, Touched};
use super::rows::{self, Record};
use super::sync::Position;
use crate::clock::Millis;
use crate::policy::{Grant, Rights};
use crate::store::{BodyId, Read, Referrer, Tx};

/// A transaction on the shared folders.
pub struct MailTx<'t, 'g> {
    pub(super) tx: &'t mut Tx<'g>,
    pub(super) acting: Acting,
    pub(super) origin: Origin,
    pub(super) now: Millis,
    owners: BTreeMap<OwnerId, Row<Owner>>,
    folders: BTreeMap<FolderId, Row<Folder>>,
    touched: Touched,
}

/// A row as it is stored, if it is, and as it will be.
struct Row<T> {
    was: Option<T>,
    is: T,
}

/// A folder in which the acting principal was found to have some rights. It can be neither made up
/// nor kept past the transaction that checked it.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'g> {
    id: FolderId,
    owner: OwnerId,
    rights: Rights,
    tx: PhantomData<&'g ()>,
}

impl Granted<'_> {
    /// The folder.
    pub fn id(&self) -> FolderId {
        self.id
    }

    /// Whose it is.
    pub fn owner(&self) -> OwnerId {
        self.owner
    }

    /// What the acting principal may do there.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    pub(super) fn need(&self, rights: Rights) -> Result<(), Error> {
        if self.rights.has(rights) { Ok(()) } else { Err(Error::Denied) }
    }

    /// Whether the folder's own seen state counts here, not one of the acting account's own.
    pub(super) fn shares_seen(&self) -> bool {
        self.rights.has(Rights::SHARE_SEEN)
    }

    /// What of an item's flags and keywords may come in with it; the rest is left out without an error.
    /// RFC 4314 §4, APPEND and COPY.
    pub(super) fn admit(&self, item: &mut Item) {
        if !self.rights.has(Rights::SEEN) {
            item.flags = item.flags.without(Flags::SEEN);
        }
        if !self.rights.has(Rights::DELETE_ITEM) {
            item.flags = item.flags.without(Flags::DELETED);
        }
        if !self.rights.has(Rights::WRITE) {
            item.flags = Flags(item.flags.0 & Flags::SEEN.and(Flags::DELETED).0);
            item.keywords.clear();
        }
    }
}

impl<'t, 'g> MailTx<'t, 'g> {
    /// Begins to act within a transaction of the store. [`MailTx::finish`] must be called at the end.
    pub fn new(tx: &'t mut Tx<'g>, acting: Acting, origin: Origin, now: Millis) -> Self {
        Self {
            tx,
            acting,
            origin,
            now,
            owners: BTreeMap::new(),
            folders: BTreeMap::new(),
            touched: Touched::default(),
        }
    }

    /// Writes the counters and has those who wait for a change told once it is durable.
    pub fn finish(self, notifier: &Notifier) {
        for (id, row) in self.owners.iter().filter(|(_, row)| row.was.as_ref() != Some(&row.is)) {
            self.tx.put(rows::owner_key(*id), rows::row(&row.is));
        }
        for (id, row) in self.folders.iter().filter(|(_, row)| row.was.as_ref() != Some(&row.is)) {
            self.tx.put(rows::folder_key(*id), rows::row(&row.is));
        }
        if !self.touched.is_empty() {
            let (touched, notifier) = (self.touched, notifier.clone());
            self.tx.after_commit(move || notifier.tell(&touched));
        }
    }

    /// A folder with the rights that the acting principal has there. One that it may not see is
    /// `Missing`, never `Denied`.
    pub fn granted(&mut self, id: FolderId) -> Result<Granted<'g>, Error> {
        let owner = self.folder_row(id)?.owner;
        let rights = self.rights(id)?;
        if !rights.has(Rights::LOOKUP) {
            return Err(Error::Missing);
        }
        Ok(Granted { id, owner, rights, tx: PhantomData })
    }

    /// What the acting principal may do in a folder, with the changes of this transaction.
    pub(super) fn rights(&mut self, id: FolderId) -> Result<Rights, Error> {
        let owner = self.folder_row(id)?.owner;
        if matches!(self.acting, Acting::System) || self.is_owner(owner) {
            return Ok(Rights::ALL);
        }
        let mut chain: Vec<Grant> = Vec::new();
        let mut at = id;
        for _ in 0..=DEPTH_MAX {
            if at == FolderId::TOP {
                break;
            }
            let folder = self.folder_row(at)?;
            chain.extend(&folder.grants);
            at = folder.parent;
        }
        Ok(rows::effective_for(&chain, &self.acting))
    }

    pub(super) fn is_owner(&self, owner: OwnerId) -> bool {
        matches!(&self.acting, Acting::Account { id, .. } if OwnerId(*id) == owner)
    }

    /// The latest change of a folder.
    pub fn highest(&mut self, folder: &Granted<'g>) -> Result<Modseq, Error> {
        Ok(self.folder_row(folder.id)?.highest)
    }

    /// A folder as it is now.
    pub fn folder(&mut self, folder: &Granted<'g>) -> Result<&Folder, Error> {
        Ok(self.folder_row(folder.id)?)
    }

    /// A folder's UIDVALIDITY.
    pub fn uid_validity(&mut self, folder: &Granted<'g>) -> Result<u32, Error> {
        Ok(self.folder_row(folder.id)?.uid_validity)
    }

    /// An item of a folder that may be read; `Missing` if there is none.
    pub fn item(&self, at: &Granted<'g>, uid: Uid) -> Result<Item, Error> {
        at.need(Rights::READ)?;
        rows::item(&*self.tx, at.id, uid)?.ok_or(Error::Missing)
    }

    /// An item's trace prefix and pre-parsed record, in a folder that may be read.
    pub fn record(&self, at: &Granted<'g>, uid: Uid) -> Result<Option<Record>, Error> {
        at.need(Rights::READ)?;
        rows::record(&*self.tx, at.id, uid)
    }

    /// The item of a folder with a DAV name.
    pub fn by_dav_name(&self, at: &Granted<'g>, name: &str) -> Result<Option<Uid>, Error> {
        Ok(self.tx.get(&rows::dav_key(at.id, name))?.as_deref().and_then(rows::uid_of))
    }

    /// The item of a folder with an iCalendar UID; the first one in a folder of mail.
    pub fn by_ical_uid(&self, at: &Granted<'g>, ical: &str) -> Result<Option<Uid>, Error> {
        let found = rows::by_ical_uid(&*self.tx, at.owner, ical, Some(at.id))?;
        Ok(found.first().map(|(_, uid)| *uid))
    }

    /// The store's transaction, for rows of others that belong to the same change.
    pub fn store(&mut self) -> &mut Tx<'g> {
        self.tx
    }

    /// Lets another row refer to a body instead, without a moment in which nothing does.
    pub(super) fn move_body_reference(
        &mut self,
        body: BodyId,
        from: Referrer,
        to: Referrer,
    ) -> Result<(), Error> {
        self.tx.refer_to_body(body, to)?;
        Ok(self.tx.release_body(body, from)?)
    }

    /// Puts an item, which [`MailTx::check_entry`] found fit, into a folder: UID, birth row, indexes,
    /// counters, and the acting account's own seen state where it has one.
    pub(super) fn enter(
        &mut self,
        to: &Granted<'g>,
        mut item: Item,
        seen: bool,
        record: Vec<u8>,
    ) -> Result<Placed, Error> {
        to.admit(&mut item);
        let at = self.next_modseq(to.owner, to.id)?;
        let folder = self.folder_row(to.id)?;
        let uid = Uid(folder.uid_next);
        folder.uid_next =
            folder.uid_next.checked_add(1).ok_or(Error::Invalid("the folder is out of UIDs"))?;
        item.uid = uid;
        (item.born, item.modseq, item.content_modseq, item.flags_modseq) = (at, at, at, at);
        if let Some(name) = &item.dav_name {
            self.tx.put(rows::dav_key(to.id, name), rows::uid_value(uid));
        }
        if let Some(ical) = &item.ical_uid {
            self.tx.put(rows::ical_key(to.owner, ical, to.id, uid), Bytes::new());
        }
        self.tx.put(rows::log_key(to.id, at), rows::row(&LogRow::Birth { uid }));
        self.tx.put(rows::owner_log_key(to.owner, at), owner_log_value(to.id, uid));
        self.tx.put(rows::date_key(to.id, position(&item)), item.span().to_vec());
        self.tx.put(rows::record_key(to.id, uid), record);
        self.put_item(to.id, &item);
        self.count(to, 1, &item)?;
        if seen && !to.shares_seen() && to.rights.has(Rights::SEEN) {
            self.set_private_seen(to.id, uid, true)?;
        }
        Ok(placed(to.id, &item))
    }

    /// Takes an item out of a folder and leaves its tombstone.
    pub(super) fn leave(&mut self, from: &Granted<'g>, item: &Item, silent_for: Origin) -> Result<(), Error> {
        let at = self.next_modseq(from.owner, from.id)?;
        for key in rows::item_keys(from.owner, from.id, item) {
            self.tx.delete(key);
        }
        if let Some(name) = &item.dav_name {
            self.tx.put(rows::gone_key(from.id, item.uid), name.as_bytes().to_vec());
        }
        let tombstone = LogRow::Tombstone {
            uid: item.uid,
            born: item.born,
            born_by: item.born_by,
            filter_date: item.filter_date,
            former_dates: item.former_dates.clone(),
            silent_for,
            moved_to: None,
            at: self.now,
        };
        self.tx.put(rows::log_key(from.id, at), rows::row(&tombstone));
        self.tx.put(rows::owner_log_key(from.owner, at), owner_log_value(from.id, item.uid));
        self.count(from, -1, item)
    }

    /// Notes in the tombstone just written where the item went, so that a client whose answer got lost
    /// can be told again.
    pub(super) fn set_moved_to(&mut self, from: FolderId, to: Placed) -> Result<(), Error> {
        let at = self.folder_row(from)?.highest;
        let key = rows::log_key(from, at);
        let Some(bytes) = self.tx.get(&key)? else { return Err(Error::Missing) };
        let mut row: LogRow = rows::read(&bytes)?;
        if let LogRow::Tombstone { moved_to, .. } = &mut row {
            *moved_to = Some((to.folder, to.uid));
        }
        self.tx.put(key, rows::row(&row));
        Ok(())
    }

    /// Gives an item its next modseq and moves its latest-change row there.
    pub(super) fn log_change(
        &mut self,
        at: &Granted<'g>,
        item: &mut Item,
        knew: Knew,
        content: bool,
    ) -> Result<(), Error> {
        self.folder_row(at.id)?;
        let known = self.origin != Origin::OTHER
            && (item.silent_for.is(self.origin)
                || (item.born == item.modseq && item.born_by.is(self.origin))
                || knew.0.is_some_and(|seen| item.modseq <= seen));
        if item.former_dates.last().is_some_and(|(until, _)| *until == item.modseq) {
            self.tx.put(rows::log_key(at.id, item.modseq), rows::row(&LogRow::Redated { uid: item.uid }));
        } else if item.modseq != item.born {
            self.tx.delete(rows::log_key(at.id, item.modseq));
        }
        self.tx.delete(rows::owner_log_key(at.owner, item.modseq));
        item.modseq = self.next_modseq(at.owner, at.id)?;
        if content {
            item.content_modseq = item.modseq;
        } else {
            item.flags_modseq = item.modseq;
        }
        item.silent_for = if known { self.origin } else { Origin::OTHER };
        self.tx.put(rows::log_key(at.id, item.modseq), rows::row(&LogRow::Change { uid: item.uid }));
        self.tx.put(rows::owner_log_key(at.owner, item.modseq), owner_log_value(at.id, item.uid));
        self.put_item(at.id, item);
        Ok(())
    }

    /// Keeps the filter date that ended with the latest change.
    pub(super) fn remember_date(
        &mut self,
        folder: FolderId,
        item: &mut Item,
        old: Millis,
    ) -> Result<(), Error> {
        item.former_dates.push((item.modseq, old));
        if item.former_dates.len() > FORMER_DATES_MAX {
            let (forgotten, _) = item.former_dates.remove(0);
            self.tx.delete(rows::log_key(folder, forgotten));
            let row = self.folder_row(folder)?;
            row.purged = row.purged.max(forgotten);
        }
        self.put_item(folder, item);
        Ok(())
    }

    fn put_item(&mut self, folder: FolderId, item: &Item) {
        self.tx.put(rows::item_key(folder, item.uid), rows::row(item));
    }

    /// Counts an item in (`1`) or out (`-1`).
    pub(super) fn count(&mut self, at: &Granted<'g>, sign: i64, item: &Item) -> Result<(), Error> {
        let unseen = i64::from(!item.flags.has(Flags::SEEN)) * sign;
        let bytes = i64::try_from(item.size).unwrap_or(i64::MAX).saturating_mul(sign);
        let folder = self.folder_row(at.id)?;
        folder.items = folder.items.saturating_add_signed(sign);
        folder.unseen = folder.unseen.saturating_add_signed(unseen);
        folder.bytes = folder.bytes.saturating_add_signed(bytes);
        let owner = self.owner_row(at.owner)?;
        owner.items = owner.items.saturating_add_signed(sign);
        owner.bytes = owner.bytes.saturating_add_signed(bytes);
        Ok(())
    }

    pub(super) fn check_quota(&mut self, owner: OwnerId, more: u64) -> Result<(), Error> {
        let owner = self.owner_row(owner)?;
        match owner.quota {
            // Whoever is over it already may still change what does not grow.
            Some(quota) if more > 0 && owner.bytes.saturating_add(more) > quota => Err(Error::OverQuota),
            _ => Ok(()),
        }
    }

    /// The owner's next modseq, which becomes the folder's highest.
    pub(super) fn next_modseq(&mut self, owner: OwnerId, folder: FolderId) -> Result<Modseq, Error> {
        self.folder_row(folder)?;
        let at = self.next_owner_modseq(owner)?;
        self.folder_row(folder)?.highest = at;
        self.touched.folder(folder);
        Ok(at)
    }

    pub(super) fn next_owner_modseq(&mut self, owner: OwnerId) -> Result<Modseq, Error> {
        let row = self.owner_row(owner)?;
        row.modseq = Modseq(row.modseq.0.saturating_add(1));
        Ok(row.modseq)
    }

    /// Only an owner, or the server, changes the top of a tree.
    pub(super) fn may_change_top(&self, owner: OwnerId) -> Result<(), Error> {
        if matches!(self.acting, Acting::System) || self.is_owner(owner) {
            Ok(())
        } else {
            Err(Error::Denied)
        }
    }

    pub(super) fn touch_folder(&mut self, folder: FolderId) {
        self.touched.folder(folder);
    }

    pub(super) fn touch_tree(&mut self, owner: OwnerId) {
        self.touched.tree(owner);
    }

    /// Administration is the server's own.
    pub(super) fn system_only(&self) -> Result<(), Error> {
        if matches!(self.acting, Acting::System) { Ok(()) } else { Err(Error::Denied) }
    }

    /// The owner's counters, written back by [`MailTx::finish`].
    pub(super) fn owner_row(&mut self, id: OwnerId) -> Result<&mut Owner, Error> {
        let row = match self.owners.entry(id) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) => {
                let row = rows::owner(&*self.tx, id)?.ok_or(Error::Missing)?;
                place.insert(Row { was: Some(row.clone()), is: row })
            }
        };
        Ok(&mut row.is)
    }

    /// The folder's row, written back by [`MailTx::finish`]; `Missing` if it is deleted.
    pub(super) fn folder_row(&mut self, id: FolderId) -> Result<&mut Folder, Error> {
        let row = self.raw_folder_row(id)?.ok_or(Error::Missing)?;
        if row.deleted.is_some() { Err(Error::Missing) } else { Ok(row) }
    }

    /// As [`MailTx::folder_row`], deleted ones included.
    pub(super) fn raw_folder_row(&mut self, id: FolderId) -> Result<Option<&mut Folder>, Error> {
        let row = match self.folders.entry(id) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) => match rows::raw_folder(&*self.tx, id)? {
                Some(row) => place.insert(Row { was: Some(row.clone()), is: row }),
                None => return Ok(None),
            },
        };
        Ok(Some(&mut row.is))
    }

    pub(super) fn put_owner(&mut self, id: OwnerId, is: Owner) {
        self.owners.insert(id, Row { was: None, is });
    }

    pub(super) fn put_folder(&mut self, is: Folder) {
        self.folders.insert(is.id, Row { was: None, is });
    }

    pub(super) fn remove_owner_row(&mut self, id: OwnerId) {
        self.owners.remove(&id);
        self.tx.delete(rows::owner_key(id));
    }

    pub(super) fn remove_folder_row(&mut self, id: FolderId) {
        self.folders.remove(&id);
        self.tx.delete(rows::folder_key(id));
    }
}

pub(super) fn position(item: &Item) -> Position {
    Position { date: item.filter_date, uid: item.uid.0 }
}

pub(super) fn placed(folder: FolderId, item: &Item) -> Placed {
    Placed { folder, uid: item.uid, modseq: item.modseq, content: item.content, changed: true }
}

pub(super) fn owner_log_value(folder: FolderId, uid: Uid) -> Vec<u8> {
    [folder.0.to_be_bytes().as_slice(), uid.0.to_be_bytes().as_slice()].concat()
}

pub(super) fn item_referrer(folder: FolderId, uid: Uid) -> Referrer {
    Referrer::Item { folder: folder.0, uid: uid.0 }
}
