//! Changes to folders' items: checked, made and logged within one transaction of the store.
//!
//! A [`MailTx`] hands out [`Granted`] folders; only through one can an item be touched, and it cannot
//! outlive its transaction. Counters, UIDs and modseqs are drawn here, inside the committer, so that
//! sixteen deliveries to one Inbox never collide.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use bytes::Bytes;

use super::error::Error;
use super::folder::{Folder, Owner};
use super::ids::{Acting, FolderId, Modseq, Origin, OwnerId, Uid};
use super::item::{FORMER_DATES_MAX, Flags, Item, LogRow, ThreadKeys};
use super::notify::{Notifier, Touched};
use super::rows::{self, Record};
use super::sync::Position;
use crate::clock::Millis;
use crate::policy::Rights;
use crate::store::{BodyId, Read, Referrer, StagedBody, Tx};

/// A transaction on the shared folders.
pub struct MailTx<'t, 'g> {
    pub(super) tx: &'t mut Tx<'g>,
    pub(super) acting: Acting,
    pub(super) origin: Origin,
    pub(super) now: Millis,
    owners: BTreeMap<OwnerId, Owner>,
    folders: BTreeMap<FolderId, Folder>,
    touched: Touched,
}

/// A folder in which the acting principal was found to have some rights. It can be neither made up
/// nor kept past the transaction that checked it.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'g> {
    id: FolderId,
    owner: OwnerId,
    rights: Rights,
    shares_seen: bool,
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

    fn need(&self, rights: Rights) -> Result<(), Error> {
        if self.rights.has(rights) { Ok(()) } else { Err(Error::Denied) }
    }
}

/// An item about to be added.
#[derive(Clone)]
pub struct NewItem {
    /// Its body, staged in the store.
    pub body: StagedBody,
    /// Lines that stand before the body for this item alone.
    pub prefix: Bytes,
    /// Its pre-parsed record.
    pub record: Bytes,
    /// When it arrived.
    pub internal_date: Millis,
    /// Where it stands for time filters, if not where it arrived.
    pub filter_date: Option<Millis>,
    /// Its flags.
    pub flags: Flags,
    /// Its other keywords.
    pub keywords: Vec<String>,
    /// What its conversation is found by.
    pub thread: ThreadKeys,
    /// Its name for DAV clients.
    pub dav_name: Option<String>,
    /// Its iCalendar UID.
    pub ical_uid: Option<String>,
    /// Properties that doors keep with it.
    pub properties: Vec<(String, Vec<u8>)>,
}

/// A new content for an item.
#[derive(Clone)]
pub struct NewContent {
    /// Its body, staged in the store.
    pub body: StagedBody,
    /// Lines that stand before the body.
    pub prefix: Bytes,
    /// Its pre-parsed record.
    pub record: Bytes,
    /// Where it stands for time filters now, if that changed.
    pub filter_date: Option<Millis>,
}

/// A change of flags, keywords and properties; what is not named stays.
#[derive(Clone, Default, Debug)]
pub struct Edit {
    /// Flags to set.
    pub set: Flags,
    /// Flags to clear.
    pub clear: Flags,
    /// Keywords to add.
    pub add_keywords: Vec<String>,
    /// Keywords to remove.
    pub remove_keywords: Vec<String>,
    /// Properties to set, or with `None` to remove.
    pub properties: Vec<(String, Option<Vec<u8>>)>,
}

/// Up to where the client knew the folder, if it keeps a copy of it: its own change is not echoed
/// only when it knew the item's previous one.
#[derive(Clone, Copy, Default, Debug)]
pub struct Knew(pub Option<Modseq>);

/// Where an item is after a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The folder.
    pub folder: FolderId,
    /// The item.
    pub uid: Uid,
    /// Its latest change, or its tombstone.
    pub modseq: Modseq,
    /// The identity of its content.
    pub content: u64,
    /// False when it was like that before and nothing was logged.
    pub changed: bool,
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
        for (id, owner) in &self.owners {
            self.tx.put(rows::owner_key(*id), rows::row(owner));
        }
        for (id, folder) in &self.folders {
            self.tx.put(rows::folder_key(*id), rows::row(folder));
        }
        if !self.touched.is_empty() {
            let (touched, notifier) = (self.touched, notifier.clone());
            self.tx.after_commit(move || notifier.tell(&touched));
        }
    }

    /// A folder with the rights that the acting principal has there. One that it may not see is
    /// `Missing`, never `Denied`.
    pub fn granted(&mut self, id: FolderId) -> Result<Granted<'g>, Error> {
        let folder = self.folder_row(id)?.clone();
        let rights = rows::rights(&*self.tx, &folder, &self.acting)?;
        if !rights.has(Rights::LOOKUP) {
            return Err(Error::Missing);
        }
        let shares_seen = matches!(&self.acting, Acting::System)
            || self.is_owner(folder.owner)
            || rights.has(Rights::SHARE_SEEN);
        Ok(Granted { id, owner: folder.owner, rights, shares_seen, tx: PhantomData })
    }

    fn is_owner(&self, owner: OwnerId) -> bool {
        matches!(&self.acting, Acting::Account { id, .. } if OwnerId(*id) == owner)
    }

    /// Adds an item.
    pub fn append(&mut self, to: &Granted<'g>, new: NewItem) -> Result<Placed, Error> {
        to.need(Rights::INSERT)?;
        let size = new.body.size().saturating_add(new.prefix.len() as u64);
        self.check_quota(to.owner, size)?;
        let content = self.tx.new_id()?;
        let thread = self.thread(to.owner, content, &new.thread)?;
        let internal_date = new.internal_date;
        let item = Item {
            uid: Uid(0),
            content,
            born: Modseq(0),
            born_by: self.origin,
            modseq: Modseq(0),
            content_modseq: Modseq(0),
            flags_modseq: Modseq(0),
            silent_for: Origin::OTHER,
            flags: new.flags,
            keywords: sorted(new.keywords),
            internal_date,
            filter_date: new.filter_date.unwrap_or(internal_date),
            former_dates: Vec::new(),
            size,
            thread,
            body: new.body.id().0,
            dav_name: new.dav_name,
            ical_uid: new.ical_uid,
            properties: new.properties,
        };
        let placed = self.enter(to, item, Record::encode(&new.prefix, &new.record))?;
        self.tx.attach_body(&new.body, item_referrer(placed.folder, placed.uid))?;
        Ok(placed)
    }

    /// Changes an item's flags, keywords and properties. Without a difference nothing is logged.
    pub fn edit(&mut self, at: &Granted<'g>, uid: Uid, edit: &Edit, knew: Knew) -> Result<Placed, Error> {
        let mut item = self.item(at.id, uid)?;
        let mut wanted = item.clone();
        wanted.flags = item.flags.without(edit.clear).and(edit.set);
        wanted.keywords.retain(|k| !edit.remove_keywords.contains(k));
        wanted.keywords = sorted([wanted.keywords, edit.add_keywords.clone()].concat());
        for (name, value) in &edit.properties {
            set_property(&mut wanted.properties, name, value.as_deref());
        }
        if !at.shares_seen && wanted.flags.has(Flags::SEEN) != item.flags.has(Flags::SEEN) {
            at.need(Rights::SEEN)?;
            self.set_private_seen(at.id, uid, wanted.flags.has(Flags::SEEN))?;
            wanted.flags = wanted.flags.without(Flags::SEEN).and(Flags(item.flags.0 & Flags::SEEN.0));
        }
        if wanted == item {
            return Ok(Placed { changed: false, ..placed(at.id, &item) });
        }
        at.need(needed(&item, &wanted))?;
        let was_unseen = !item.flags.has(Flags::SEEN);
        let is_unseen = !wanted.flags.has(Flags::SEEN);
        item.flags = wanted.flags;
        item.keywords = wanted.keywords;
        item.properties = wanted.properties;
        self.log_change(at, &mut item, knew, false)?;
        let folder = self.folder_row(at.id)?;
        folder.unseen =
            folder.unseen.saturating_sub(u64::from(was_unseen)).saturating_add(u64::from(is_unseen));
        Ok(placed(at.id, &item))
    }

    /// Gives an item new content; its ids and place stay.
    pub fn replace(
        &mut self,
        at: &Granted<'g>,
        uid: Uid,
        new: NewContent,
        knew: Knew,
    ) -> Result<Placed, Error> {
        at.need(Rights::INSERT)?;
        let mut item = self.item(at.id, uid)?;
        let size = new.body.size().saturating_add(new.prefix.len() as u64);
        self.check_quota(at.owner, size.saturating_sub(item.size))?;
        self.count(at, -1, &item)?;
        let old_body = BodyId(item.body);
        item.size = size;
        item.body = new.body.id().0;
        let old_date = item.filter_date;
        self.tx.delete(rows::date_key(at.id, position(&item)));
        item.filter_date = new.filter_date.unwrap_or(old_date);
        self.log_change(at, &mut item, knew, true)?;
        if item.filter_date != old_date {
            self.remember_date(at.id, &mut item, old_date)?;
        }
        self.tx.put(rows::date_key(at.id, position(&item)), Bytes::new());
        self.tx.put(rows::record_key(at.id, uid), Record::encode(&new.prefix, &new.record));
        self.count(at, 1, &item)?;
        let referrer = item_referrer(at.id, uid);
        if old_body != new.body.id() {
            self.tx.attach_body(&new.body, referrer)?;
            self.tx.release_body(old_body, referrer)?;
        }
        Ok(placed(at.id, &item))
    }

    /// Moves an item; it gets a new residence and keeps its content's identity. Every client that keeps
    /// a copy is told: the mover's own as well, as MS-ASCMD §2.2.1.12 has it for MoveItems.
    pub fn move_to(&mut self, from: &Granted<'g>, uid: Uid, to: &Granted<'g>) -> Result<Placed, Error> {
        self.move_as(from, uid, to, Origin::OTHER)
    }

    /// As [`MailTx::move_to`], for a client that removed the item from its copy itself and is not told
    /// of that: a deletion that moves.
    pub fn remove_to(&mut self, from: &Granted<'g>, uid: Uid, to: &Granted<'g>) -> Result<Placed, Error> {
        self.move_as(from, uid, to, self.origin)
    }

    fn move_as(
        &mut self,
        from: &Granted<'g>,
        uid: Uid,
        to: &Granted<'g>,
        removed_by: Origin,
    ) -> Result<Placed, Error> {
        from.need(Rights::DELETE_ITEM.and(Rights::EXPUNGE))?;
        to.need(Rights::INSERT)?;
        if from.id == to.id {
            return Err(Error::Invalid("the item is in that folder already"));
        }
        let (item, record) = self.whole(from.id, uid)?;
        if from.owner != to.owner {
            self.check_quota(to.owner, item.size)?;
        }
        self.leave(from, &item, removed_by)?;
        let body = BodyId(item.body);
        let placed = self.enter(to, arriving(item, Origin::OTHER), record)?;
        self.set_moved_to(from.id, placed)?;
        self.move_body_reference(body, item_referrer(from.id, uid), item_referrer(to.id, placed.uid))?;
        Ok(placed)
    }

    /// Copies an item; the copy shares its body and the identity of its content.
    pub fn copy(&mut self, from: &Granted<'g>, uid: Uid, to: &Granted<'g>) -> Result<Placed, Error> {
        from.need(Rights::READ)?;
        to.need(Rights::INSERT)?;
        let (item, record) = self.whole(from.id, uid)?;
        self.check_quota(to.owner, item.size)?;
        let body = BodyId(item.body);
        let placed = self.enter(to, arriving(item, self.origin), record)?;
        self.tx.refer_to_body(body, item_referrer(to.id, placed.uid))?;
        Ok(placed)
    }

    /// Removes an item from its folder to where it can be recovered for a while.
    pub fn expunge(&mut self, from: &Granted<'g>, uid: Uid) -> Result<Placed, Error> {
        from.need(Rights::DELETE_ITEM.and(Rights::EXPUNGE))?;
        let (item, record) = self.whole(from.id, uid)?;
        self.leave(from, &item, self.origin)?;
        let tombstone = self.folder_row(from.id)?.highest;
        let gone = Placed { modseq: tombstone, ..placed(from.id, &item) };
        self.keep_expunged(from, item, record)?;
        Ok(gone)
    }

    /// The latest change of a folder.
    pub fn highest(&mut self, folder: &Granted<'g>) -> Result<Modseq, Error> {
        Ok(self.folder_row(folder.id)?.highest)
    }

    /// A folder's UIDVALIDITY.
    pub fn uid_validity(&mut self, folder: &Granted<'g>) -> Result<u32, Error> {
        Ok(self.folder_row(folder.id)?.uid_validity)
    }

    /// An item of a folder; `Missing` if there is none.
    pub fn item(&self, folder: FolderId, uid: Uid) -> Result<Item, Error> {
        rows::item(&*self.tx, folder, uid)?.ok_or(Error::Missing)
    }

    /// An item's trace prefix and pre-parsed record.
    pub fn record(&self, folder: FolderId, uid: Uid) -> Result<Option<Record>, Error> {
        rows::record(&*self.tx, folder, uid)
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

    pub(super) fn whole(&self, folder: FolderId, uid: Uid) -> Result<(Item, Vec<u8>), Error> {
        let record = self.tx.get(&rows::record_key(folder, uid))?.unwrap_or_default();
        Ok((self.item(folder, uid)?, record.to_vec()))
    }

    /// Puts an item into a folder: UID, birth row, indexes, counters.
    pub(super) fn enter(
        &mut self,
        to: &Granted<'g>,
        mut item: Item,
        record: Vec<u8>,
    ) -> Result<Placed, Error> {
        let at = self.next_modseq(to.owner, to.id)?;
        let folder = self.folder_row(to.id)?;
        let uid = Uid(folder.uid_next);
        folder.uid_next =
            folder.uid_next.checked_add(1).ok_or(Error::Invalid("the folder is out of UIDs"))?;
        item.uid = uid;
        (item.born, item.modseq, item.content_modseq, item.flags_modseq) = (at, at, at, at);
        if let Some(name) = &item.dav_name {
            let key = rows::dav_key(to.id, name);
            if self.tx.get(&key)?.is_some() {
                return Err(Error::Exists);
            }
            self.tx.put(key, rows::uid_value(uid));
        }
        if let Some(ical) = &item.ical_uid {
            self.tx.put(rows::ical_key(to.owner, ical, to.id), rows::uid_value(uid));
        }
        self.tx.put(rows::log_key(to.id, at), rows::row(&LogRow::Birth { uid }));
        self.tx.put(rows::owner_log_key(to.owner, at), owner_log_value(to.id, uid));
        self.tx.put(rows::date_key(to.id, position(&item)), Bytes::new());
        self.tx.put(rows::record_key(to.id, uid), record);
        self.put_item(to.id, &item);
        self.count(to, 1, &item)?;
        Ok(placed(to.id, &item))
    }

    /// Takes an item out of a folder and leaves its tombstone.
    pub(super) fn leave(&mut self, from: &Granted<'g>, item: &Item, silent_for: Origin) -> Result<(), Error> {
        for at in rows::log_rows_of(item) {
            self.tx.delete(rows::log_key(from.id, at));
        }
        self.tx.delete(rows::owner_log_key(from.owner, item.modseq));
        self.tx.delete(rows::date_key(from.id, position(item)));
        self.tx.delete(rows::item_key(from.id, item.uid));
        self.tx.delete(rows::record_key(from.id, item.uid));
        if let Some(name) = &item.dav_name {
            self.tx.delete(rows::dav_key(from.id, name));
        }
        if let Some(ical) = &item.ical_uid {
            self.tx.delete(rows::ical_key(from.owner, ical, from.id));
        }
        let at = self.next_modseq(from.owner, from.id)?;
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
    fn set_moved_to(&mut self, from: FolderId, to: Placed) -> Result<(), Error> {
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
    fn log_change(
        &mut self,
        at: &Granted<'g>,
        item: &mut Item,
        knew: Knew,
        content: bool,
    ) -> Result<(), Error> {
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
    fn remember_date(&mut self, folder: FolderId, item: &mut Item, old: Millis) -> Result<(), Error> {
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
    fn count(&mut self, at: &Granted<'g>, sign: i64, item: &Item) -> Result<(), Error> {
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

    fn check_quota(&mut self, owner: OwnerId, more: u64) -> Result<(), Error> {
        let owner = self.owner_row(owner)?;
        match owner.quota {
            Some(quota) if owner.bytes.saturating_add(more) > quota => Err(Error::OverQuota),
            _ => Ok(()),
        }
    }

    /// The owner's next modseq, which becomes the folder's highest.
    fn next_modseq(&mut self, owner: OwnerId, folder: FolderId) -> Result<Modseq, Error> {
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

    /// The owner's counters, written back by [`MailTx::finish`].
    pub(super) fn owner_row(&mut self, id: OwnerId) -> Result<&mut Owner, Error> {
        use std::collections::btree_map::Entry;
        match self.owners.entry(id) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(rows::owner(&*self.tx, id)?.ok_or(Error::Missing)?)),
        }
    }

    /// The folder's row, written back by [`MailTx::finish`].
    pub(super) fn folder_row(&mut self, id: FolderId) -> Result<&mut Folder, Error> {
        use std::collections::btree_map::Entry;
        match self.folders.entry(id) {
            Entry::Occupied(row) => {
                let row = row.into_mut();
                if row.deleted.is_some() { Err(Error::Missing) } else { Ok(row) }
            }
            Entry::Vacant(place) => Ok(place.insert(rows::folder(&*self.tx, id)?.ok_or(Error::Missing)?)),
        }
    }

    pub(super) fn put_owner(&mut self, id: OwnerId, row: Owner) {
        self.owners.insert(id, row);
    }

    pub(super) fn put_folder(&mut self, row: Folder) {
        self.folders.insert(row.id, row);
    }
}

/// The right needed for the difference between two states of an item.
fn needed(was: &Item, is: &Item) -> Rights {
    let differ = Flags(was.flags.0 ^ is.flags.0);
    let mut rights = Rights::NONE;
    if differ.has(Flags::SEEN) {
        rights = rights.and(Rights::SEEN);
    }
    if differ.has(Flags::DELETED) {
        rights = rights.and(Rights::DELETE_ITEM);
    }
    let others = differ.without(Flags::SEEN.and(Flags::DELETED)) != Flags::NONE;
    if others || was.keywords != is.keywords || was.properties != is.properties {
        rights = rights.and(Rights::WRITE);
    }
    rights
}

/// An item as it comes to another folder.
fn arriving(item: Item, origin: Origin) -> Item {
    Item {
        born_by: origin,
        silent_for: Origin::OTHER,
        former_dates: Vec::new(),
        flags: item.flags.without(Flags::DELETED),
        ..item
    }
}

fn sorted(mut keywords: Vec<String>) -> Vec<String> {
    keywords.sort_unstable();
    keywords.dedup();
    keywords
}

pub(super) fn set_property(properties: &mut Vec<(String, Vec<u8>)>, name: &str, value: Option<&[u8]>) {
    properties.retain(|(n, _)| n != name);
    if let Some(value) = value {
        properties.push((name.to_owned(), value.to_vec()));
        properties.sort_unstable();
    }
}

fn position(item: &Item) -> Position {
    Position { date: item.filter_date, uid: item.uid.0 }
}

fn placed(folder: FolderId, item: &Item) -> Placed {
    Placed { folder, uid: item.uid, modseq: item.modseq, content: item.content, changed: true }
}

fn owner_log_value(folder: FolderId, uid: Uid) -> Vec<u8> {
    [folder.0.to_be_bytes().as_slice(), uid.0.to_be_bytes().as_slice()].concat()
}

pub(super) fn item_referrer(folder: FolderId, uid: Uid) -> Referrer {
    Referrer::Item { folder: folder.0, uid: uid.0 }
}
