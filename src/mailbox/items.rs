//! Changes to items: added, edited, replaced, moved, copied, expunged.
//!
//! Each of these checks all it relies on before it changes the first row, so that a caller may take a
//! refusal and go on with its transaction.

use super::change::{Edit, Knew, NewContent, NewItem, Placed, needed};
use super::error::Error;
use super::folder::Kind;
use super::ids::{FolderId, Modseq, Origin, Uid};
use super::item::{Flags, Item, RECORD_MAX, SPAN};
use super::rows::{self, Record};
use super::tx::{Granted, MailTx, item_referrer, placed, position};
use crate::policy::Rights;
use crate::store::{BodyId, Read};

/// What one who takes an item out of a folder needs there: it is read, and gone afterwards.
const TAKE: Rights = Rights::READ.and(Rights::DELETE_ITEM).and(Rights::EXPUNGE);

impl<'g> MailTx<'_, 'g> {
    /// Adds an item. `Exists` when its DAV name, or in a calendar its iCalendar UID, is taken.
    pub fn append(&mut self, to: &Granted<'g>, new: NewItem) -> Result<Placed, Error> {
        to.need(Rights::INSERT)?;
        let size = new.body.size().saturating_add(new.prefix.len() as u64);
        self.check_quota(to.owner(), size)?;
        let internal_date = new.internal_date;
        let mut item = Item {
            uid: Uid(0),
            content: 0,
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
            thread: 0,
            body: new.body.id().0,
            dav_name: new.dav_name,
            ical_uid: new.ical_uid,
            properties: new.properties,
        };
        item.check_bounds()?;
        check_record(&new.prefix, &new.record)?;
        let seen = item.flags.has(Flags::SEEN);
        if !to.shares_seen() {
            item.flags = item.flags.without(Flags::SEEN);
        }
        self.check_entry(to, &item)?;
        item.content = self.store().new_id()?;
        item.thread = self.thread(to.owner(), item.content, &new.thread)?;
        let placed = self.enter(to, item, seen, Record::encode(&new.prefix, &new.record))?;
        self.store().attach_body(&new.body, item_referrer(placed.folder, placed.uid))?;
        Ok(placed)
    }

    /// Changes an item's flags, keywords and properties. Without a difference nothing is logged; nor is
    /// it when the acting account's own seen state is all that differs.
    pub fn edit(&mut self, at: &Granted<'g>, uid: Uid, edit: &Edit, knew: Knew) -> Result<Placed, Error> {
        if edit.properties.iter().any(|(name, _)| name == SPAN) {
            return Err(Error::Invalid("the span comes with the content"));
        }
        let mut item = self.live_item(at, uid)?;
        let own_seen = self.private_seen(at, uid)?;
        let mut was = item.clone();
        if let Some(seen) = own_seen {
            was.flags = was.flags.with(Flags::SEEN, seen);
        }
        let mut wanted = edited(&was, edit);
        if wanted == was {
            return Ok(Placed { changed: false, ..placed(at.id(), &item) });
        }
        at.need(needed(&was, &wanted))?;
        wanted.check_growth(&was)?;
        if let Some(seen) = own_seen {
            let now_seen = wanted.flags.has(Flags::SEEN);
            if now_seen != seen {
                self.set_private_seen(at.id(), uid, now_seen)?;
            }
            wanted.flags = wanted.flags.with(Flags::SEEN, item.flags.has(Flags::SEEN));
            if wanted == item {
                return Ok(placed(at.id(), &item));
            }
        }
        let was_unseen = !item.flags.has(Flags::SEEN);
        let is_unseen = !wanted.flags.has(Flags::SEEN);
        item.flags = wanted.flags;
        item.keywords = wanted.keywords;
        item.properties = wanted.properties;
        self.log_change(at, &mut item, knew, false)?;
        let folder = self.folder_row(at.id())?;
        folder.unseen =
            folder.unseen.saturating_sub(u64::from(was_unseen)).saturating_add(u64::from(is_unseen));
        Ok(placed(at.id(), &item))
    }

    /// Gives an item new content; its ids and place stay.
    pub fn replace(
        &mut self,
        at: &Granted<'g>,
        uid: Uid,
        new: NewContent,
        knew: Knew,
    ) -> Result<Placed, Error> {
        at.need(Rights::INSERT.and(Rights::WRITE))?;
        let was = self.live_item(at, uid)?;
        let mut item = was.clone();
        set_properties(&mut item, &new.properties);
        item.check_growth(&was)?;
        check_record(&new.prefix, &new.record)?;
        let size = new.body.size().saturating_add(new.prefix.len() as u64);
        self.check_quota(at.owner(), size.saturating_sub(was.size))?;
        self.count(at, -1, &was)?;
        let old_body = BodyId(item.body);
        item.size = size;
        item.body = new.body.id().0;
        let old_date = item.filter_date;
        self.store().delete(rows::date_key(at.id(), position(&was)));
        item.filter_date = new.filter_date.unwrap_or(old_date);
        self.log_change(at, &mut item, knew, true)?;
        if item.filter_date != old_date {
            self.remember_date(at.id(), &mut item, old_date)?;
        }
        self.store().put(rows::date_key(at.id(), position(&item)), item.span().to_vec());
        self.store().put(rows::record_key(at.id(), uid), Record::encode(&new.prefix, &new.record));
        self.count(at, 1, &item)?;
        let referrer = item_referrer(at.id(), uid);
        if old_body != new.body.id() {
            self.store().attach_body(&new.body, referrer)?;
            self.store().release_body(old_body, referrer)?;
        }
        Ok(placed(at.id(), &item))
    }

    /// Moves an item; it gets a new residence and keeps its content's identity, and its DAV name if that
    /// is free there. `Exists` when a calendar has its iCalendar UID already. Every client that keeps a
    /// copy is told: the mover's own as well, as MS-ASCMD §2.2.1.12 has it for MoveItems.
    pub fn move_to(&mut self, from: &Granted<'g>, uid: Uid, to: &Granted<'g>) -> Result<Placed, Error> {
        self.move_as(from, uid, to, None, Origin::OTHER)
    }

    /// As [`MailTx::move_to`], under a DAV name that must be free there. Within one folder this gives the
    /// item another name: a client that knows it by the old one is told that that is gone.
    pub fn move_named(
        &mut self,
        from: &Granted<'g>,
        uid: Uid,
        to: &Granted<'g>,
        name: &str,
    ) -> Result<Placed, Error> {
        self.move_as(from, uid, to, Some(name), Origin::OTHER)
    }

    /// As [`MailTx::move_to`], for a client that removed the item from its copy itself and is not told
    /// of that: a deletion that moves. An item whose row is damaged is gone at once.
    pub fn remove_to(&mut self, from: &Granted<'g>, uid: Uid, to: &Granted<'g>) -> Result<Placed, Error> {
        from.need(TAKE)?;
        match self.live_item(from, uid) {
            Err(e) if e.is_damage() => self.drop_damaged(from, uid),
            _ => self.move_as(from, uid, to, None, self.origin),
        }
    }

    fn move_as(
        &mut self,
        from: &Granted<'g>,
        uid: Uid,
        to: &Granted<'g>,
        name: Option<&str>,
        removed_by: Origin,
    ) -> Result<Placed, Error> {
        from.need(TAKE)?;
        to.need(Rights::INSERT)?;
        if from.id() == to.id() && name.is_none() {
            return Err(Error::Invalid("the item is in that folder already"));
        }
        let (item, record) = self.whole(from, uid)?;
        if from.owner() != to.owner() {
            self.check_quota(to.owner(), item.size)?;
        }
        let (arriving, seen) = self.arriving(from, &item, to, name, Origin::OTHER, true)?;
        self.leave(from, &item, removed_by)?;
        let body = BodyId(item.body);
        let placed = self.enter(to, arriving, seen, record)?;
        self.set_moved_to(from.id(), placed)?;
        self.move_body_reference(
            body,
            item_referrer(from.id(), uid),
            item_referrer(placed.folder, placed.uid),
        )?;
        Ok(placed)
    }

    /// Copies an item; the copy shares its body and the identity of its content, and has its DAV name if
    /// that is free there. `Exists` when a calendar has its iCalendar UID already.
    pub fn copy(&mut self, from: &Granted<'g>, uid: Uid, to: &Granted<'g>) -> Result<Placed, Error> {
        self.copy_as(from, uid, to, None)
    }

    /// As [`MailTx::copy`], under a DAV name that must be free there.
    pub fn copy_named(
        &mut self,
        from: &Granted<'g>,
        uid: Uid,
        to: &Granted<'g>,
        name: &str,
    ) -> Result<Placed, Error> {
        self.copy_as(from, uid, to, Some(name))
    }

    fn copy_as(
        &mut self,
        from: &Granted<'g>,
        uid: Uid,
        to: &Granted<'g>,
        name: Option<&str>,
    ) -> Result<Placed, Error> {
        from.need(Rights::READ)?;
        to.need(Rights::INSERT)?;
        let (item, record) = self.whole(from, uid)?;
        self.check_quota(to.owner(), item.size)?;
        let (arriving, seen) = self.arriving(from, &item, to, name, self.origin, false)?;
        let placed = self.enter(to, arriving, seen, record)?;
        self.store().refer_to_body(BodyId(item.body), item_referrer(to.id(), placed.uid))?;
        Ok(placed)
    }

    /// Removes an item from its folder to where it can be recovered for a while. One whose row is damaged is
    /// gone at once.
    pub fn expunge(&mut self, from: &Granted<'g>, uid: Uid) -> Result<Placed, Error> {
        from.need(Rights::DELETE_ITEM.and(Rights::EXPUNGE))?;
        let (item, record) = match self.whole(from, uid) {
            Err(e) if e.is_damage() => return self.drop_damaged(from, uid),
            whole => whole?,
        };
        self.leave(from, &item, self.origin)?;
        let tombstone = self.folder_row(from.id())?.highest;
        let gone = Placed { modseq: tombstone, ..placed(from.id(), &item) };
        self.keep_expunged(from, item, record)?;
        Ok(gone)
    }

    /// Whether nothing forbids an item to come into a folder. What cannot be checked here is only that
    /// the store works.
    pub(super) fn check_entry(&mut self, to: &Granted<'g>, item: &Item) -> Result<(), Error> {
        self.check_entry_beside(to, item, None)
    }

    /// As [`MailTx::check_entry`], for an item that leaves the same folder for it.
    fn check_entry_beside(
        &mut self,
        to: &Granted<'g>,
        item: &Item,
        leaves: Option<Uid>,
    ) -> Result<(), Error> {
        let folder = self.folder_row(to.id())?;
        let kind = folder.kind;
        if folder.uid_next == u32::MAX {
            return Err(Error::Invalid("the folder is out of UIDs"));
        }
        if let Some(name) = &item.dav_name
            && self.store().get(&rows::dav_key(to.id(), name))?.is_some()
        {
            return Err(Error::Exists);
        }
        // RFC 4791 §5.3.2.1, no-uid-conflict. Several messages may be about one event.
        if let Some(ical) = &item.ical_uid
            && kind != Kind::Mail
            && rows::by_ical_uid(&*self.store(), to.owner(), ical, Some(to.id()))?
                .iter()
                .any(|(_, uid)| Some(*uid) != leaves)
        {
            return Err(Error::Exists);
        }
        Ok(())
    }

    /// An item as it may come to another folder, and whether the acting account has seen it.
    fn arriving(
        &mut self,
        from: &Granted<'g>,
        item: &Item,
        to: &Granted<'g>,
        name: Option<&str>,
        brought_by: Origin,
        is_move: bool,
    ) -> Result<(Item, bool), Error> {
        let leaves = (is_move && from.id() == to.id()).then_some(item.uid);
        let seen = self.private_seen(from, item.uid)?.unwrap_or(item.flags.has(Flags::SEEN));
        let mut item = renewed(item, brought_by);
        if to.shares_seen() {
            item.flags = item.flags.with(Flags::SEEN, seen);
        } else if from.owner() != to.owner() {
            item.flags = item.flags.without(Flags::SEEN);
        }
        match name {
            Some(name) => item.dav_name = Some(name.to_owned()),
            None => self.free_dav_name(to.id(), &mut item)?,
        }
        item.check_bounds()?;
        self.check_entry_beside(to, &item, leaves)?;
        Ok((item, seen))
    }

    /// Gives the item another DAV name when one of the folder has its own: the same kind of name, so that
    /// every item that has one keeps one.
    pub(super) fn free_dav_name(&mut self, folder: FolderId, item: &mut Item) -> Result<(), Error> {
        if let Some(name) = &item.dav_name
            && self.store().get(&rows::dav_key(folder, name))?.is_some()
        {
            let ending = name.rsplit_once('.').map(|(_, ending)| ending).filter(|e| e.len() <= 8);
            let ending = ending.map(|ending| format!(".{ending}")).unwrap_or_default();
            item.dav_name = Some(format!("{:016x}{ending}", self.store().new_id()?));
        }
        Ok(())
    }

    fn live_item(&mut self, at: &Granted<'g>, uid: Uid) -> Result<Item, Error> {
        self.folder_row(at.id())?;
        rows::item(&*self.store(), at.id(), uid)?.ok_or(Error::Missing)
    }

    fn whole(&mut self, at: &Granted<'g>, uid: Uid) -> Result<(Item, Vec<u8>), Error> {
        let item = self.live_item(at, uid)?;
        let record = self.store().get(&rows::record_key(at.id(), uid))?.unwrap_or_default();
        Ok((item, record.to_vec()))
    }
}

/// An item without what belongs to its former residence.
pub(super) fn renewed(item: &Item, brought_by: Origin) -> Item {
    Item {
        born_by: brought_by,
        silent_for: Origin::OTHER,
        former_dates: Vec::new(),
        flags: item.flags.without(Flags::DELETED),
        ..item.clone()
    }
}

fn edited(item: &Item, edit: &Edit) -> Item {
    let mut wanted = item.clone();
    wanted.flags = item.flags.without(edit.clear).and(edit.set);
    wanted.keywords.retain(|k| !edit.remove_keywords.contains(k));
    if !edit.add_keywords.is_empty() {
        wanted.keywords = sorted([wanted.keywords, edit.add_keywords.clone()].concat());
    }
    set_properties(&mut wanted, &edit.properties);
    wanted
}

fn set_properties(item: &mut Item, properties: &[(String, Option<Vec<u8>>)]) {
    for (name, value) in properties {
        item.properties.retain(|(n, _)| n != name);
        item.properties.extend(value.clone().map(|value| (name.clone(), value)));
    }
    item.properties.sort_unstable();
}

fn sorted(mut keywords: Vec<String>) -> Vec<String> {
    keywords.sort_unstable();
    keywords.dedup();
    keywords
}

/// An expunged item's row holds its record, and must be readable.
fn check_record(prefix: &[u8], record: &[u8]) -> Result<(), Error> {
    if prefix.len().saturating_add(record.len()) > RECORD_MAX {
        return Err(Error::Invalid("the record is too long"));
    }
    Ok(())
}
