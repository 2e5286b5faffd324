//! Reading: one snapshot, seen with the rights of whoever acts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, ControlFlow};

use super::error::Error;
use super::folder::{DEPTH_MAX, Folder, Owner, Role};
use super::ids::{Acting, FolderId, Modseq, OwnerId, Uid};
use super::item::{Flags, Item, LogRow};
use super::rows::{self, Record};
use super::seen::{self, OwnSeen};
use super::sync::{self, Facts, Position};
use crate::clock::Millis;
use crate::policy::Rights;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{Order, Read, Reader, prefix_end};

/// Changes of a folder looked at for a move that is asked for again.
const LOOK_BACK: usize = 4_000;

/// Told of each item's filter date, UID and span.
type SpanVisitor<'v> = dyn FnMut(Millis, Uid, &[u8]) -> ControlFlow<()> + 'v;

/// A snapshot of all folders, for one acting principal.
pub struct View {
    reader: Reader,
    acting: Acting,
}

/// A folder that the acting principal may see, with what it may do there.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The folder.
    pub folder: Folder,
    /// What may be done.
    pub rights: Rights,
}

impl View {
    pub(super) fn new(reader: Reader, acting: Acting) -> Self {
        Self { reader, acting }
    }

    /// The snapshot itself, for rows of other modules.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// A folder, if the acting principal may see it.
    pub fn folder(&self, id: FolderId) -> Result<Seen, Error> {
        let folder = rows::folder(&self.reader, id)?.ok_or(Error::Missing)?;
        let rights = rows::rights(&self.reader, &folder, &self.acting)?;
        if rights.has(Rights::LOOKUP) { Ok(Seen { folder, rights }) } else { Err(Error::Missing) }
    }

    /// A folder whose items the acting principal may read.
    pub fn readable(&self, id: FolderId) -> Result<Folder, Error> {
        let seen = self.folder(id)?;
        if seen.rights.has(Rights::READ) { Ok(seen.folder) } else { Err(Error::Denied) }
    }

    /// The folders of an owner that the acting principal may see, each after the one it stands in.
    pub fn folders(&self, owner: OwnerId) -> Result<Vec<Seen>, Error> {
        let mut all = Vec::new();
        for id in rows::folder_ids(&self.reader, owner, None)? {
            match self.folder(id) {
                Ok(seen) => all.push(seen),
                Err(Error::Missing) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(parents_first(all))
    }

    /// The ids of others' folders that say something about a principal.
    pub fn granted_to(&self, principal: u64) -> Result<Vec<FolderId>, Error> {
        let mut ids = Vec::new();
        self.reader.scan(&Key::of(Table::Grant).u64(principal).range(), Order::Forward, &mut |key, _| {
            let mut parts = Parts::of(key);
            ids.extend(parts.u64().and_then(|_| parts.u64()).map(FolderId));
            ControlFlow::Continue(())
        })?;
        Ok(ids)
    }

    /// The owners, other than the acting account, with folders that say something about it, about a group that
    /// it is in or about everybody; whether it may see any of them is another question.
    pub fn sharing_owners(&self) -> Result<BTreeSet<OwnerId>, Error> {
        let Acting::Account { id, groups } = &self.acting else { return Ok(BTreeSet::new()) };
        let mut owners = BTreeSet::new();
        for principal in [0, *id].into_iter().chain(groups.iter().copied()) {
            for folder in self.granted_to(principal)? {
                owners.extend(rows::folder(&self.reader, folder)?.map(|folder| folder.owner));
            }
        }
        owners.remove(&OwnerId(*id));
        Ok(owners)
    }

    /// The owner's folder with `role`.
    pub fn by_role(&self, owner: OwnerId, role: Role) -> Result<Folder, Error> {
        for id in rows::folder_ids(&self.reader, owner, None)? {
            if rows::folder(&self.reader, id)?.is_some_and(|folder| folder.role == role) {
                return Ok(self.folder(id)?.folder);
            }
        }
        Err(Error::Missing)
    }

    /// The folder called `name` below `parent`; case does not count.
    pub fn by_name(&self, owner: OwnerId, parent: FolderId, name: &str) -> Result<Seen, Error> {
        self.folder(rows::by_name(&self.reader, owner, parent, name)?.ok_or(Error::Missing)?)
    }

    /// An owner's counters.
    pub fn owner(&self, id: OwnerId) -> Result<Owner, Error> {
        rows::owner(&self.reader, id)?.ok_or(Error::Missing)
    }

    /// An item of a folder, with the acting account's own seen state. One whose row is damaged is not there,
    /// as in [`View::items`].
    pub fn item(&self, folder: &Folder, uid: Uid) -> Result<Option<Item>, Error> {
        let Some(mut item) = rows::sound_item(&self.reader, folder.id, uid)? else { return Ok(None) };
        self.own_seen(self.private_seen(folder)?, folder, &mut item)?;
        Ok(Some(item))
    }

    /// Visits the items of a folder from UID `from` on, in order.
    pub fn items(
        &self,
        folder: &Folder,
        from: Uid,
        visit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let private = self.private_seen(folder)?;
        let mut failed = None;
        self.sound_items(folder, from, &mut |mut item| match self.own_seen(private, folder, &mut item) {
            Ok(()) => visit(item),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// As [`View::items`], with the folder's own seen state.
    pub(super) fn sound_items(
        &self,
        folder: &Folder,
        from: Uid,
        visit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let range = (
            Bound::Included(rows::item_key(folder.id, from)),
            prefix_end(&Key::of(Table::Item).u64(folder.id.0).done()),
        );
        self.reader.scan(&range, Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            let uid = parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid);
            match rows::item_of(uid, value) {
                Ok(item) => visit(item),
                // One damaged row must not hide the folder.
                Err(error) => {
                    tracing::error!(folder = folder.id.0, uid = uid.0, %error, "skipped a damaged item");
                    ControlFlow::Continue(())
                }
            }
        })?;
        Ok(())
    }

    /// All of the acting account's own seen state in a folder, where it has one.
    pub(super) fn all_own_seen(&self, folder: &Folder) -> Result<Option<OwnSeen>, Error> {
        let private = self.private_seen(folder)?;
        private.map(|user| OwnSeen::of(&self.reader, folder.id, user)).transpose()
    }

    /// An item's trace prefix and pre-parsed record.
    pub fn record(&self, folder: &Folder, uid: Uid) -> Result<Option<Record>, Error> {
        rows::record(&self.reader, folder.id, uid)
    }

    /// As [`View::record`], of the first of several items in order of UID: read in one scan where they stand
    /// close together, and no further once they have `most` bytes.
    pub fn records(&self, folder: &Folder, uids: &[Uid], most: usize) -> Result<Vec<Option<Record>>, Error> {
        let (Some(first), Some(last)) = (uids.first(), uids.last()) else { return Ok(Vec::new()) };
        let rows_between = last.0.saturating_sub(first.0) as usize;
        if uids.len() == 1 || rows_between > 4 * uids.len() {
            return Ok(vec![self.record(folder, *first)?]);
        }
        let mut found = vec![None; uids.len()];
        let mut wanted = uids.iter().zip(&mut found).enumerate().peekable();
        let (mut bytes, mut looked_at) = (0, uids.len());
        let range = (
            Bound::Included(rows::record_key(folder.id, *first)),
            Bound::Included(rows::record_key(folder.id, *last)),
        );
        self.reader.scan(&range, Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            let uid = parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid);
            while wanted.next_if(|(_, (wanted, _))| **wanted < uid).is_some() {}
            if let Some((n, (_, place))) = wanted.next_if(|(_, (wanted, _))| **wanted == uid) {
                *place = Record::of(value.clone());
                bytes += value.len();
                if bytes >= most {
                    looked_at = n + 1;
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        found.truncate(looked_at);
        Ok(found)
    }

    /// The item called `name` by DAV clients.
    pub fn by_dav_name(&self, folder: &Folder, name: &str) -> Result<Option<Uid>, Error> {
        Ok(self.reader.get(&rows::dav_key(folder.id, name))?.as_deref().and_then(rows::uid_of))
    }

    /// The name by which DAV clients knew an item that left the folder, as long as its tombstone is kept.
    pub fn gone_dav_name(&self, folder: &Folder, uid: Uid) -> Result<Option<String>, Error> {
        let name = self.reader.get(&rows::gone_key(folder.id, uid))?;
        Ok(name.and_then(|name| String::from_utf8(name.to_vec()).ok()))
    }

    /// The item of a folder that has an iCalendar UID; the first one in a folder of mail.
    pub fn by_ical_uid_in(&self, folder: &Folder, ical: &str) -> Result<Option<Uid>, Error> {
        let found = rows::by_ical_uid(&self.reader, folder.owner, ical, Some(folder.id))?;
        Ok(found.first().map(|(_, uid)| *uid))
    }

    /// Visits the items of a folder with a filter date of `from` or later, in the order of these dates, with
    /// their property `SPAN`; neither item nor record is touched for it.
    pub fn spans(&self, folder: &Folder, from: Millis, visit: &mut SpanVisitor<'_>) -> Result<(), Error> {
        let low = Position { date: from, uid: 0 };
        rows::spans(&self.reader, folder.id, low, Position::TOP, Order::Forward, &mut |at, span| {
            visit(at.date, Uid(at.uid), span)
        })
    }

    /// An owner's items that have an iCalendar UID, in the folders that the acting principal may see.
    pub fn by_ical_uid(&self, owner: OwnerId, ical: &str) -> Result<Vec<(FolderId, Uid)>, Error> {
        let mut found = Vec::new();
        for place in rows::by_ical_uid(&self.reader, owner, ical, None)? {
            match self.folder(place.0) {
                Ok(_) => found.push(place),
                Err(Error::Missing) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    /// Where the items `uids`, which are gone from the folder, were moved lately: the folder's latest
    /// changes are looked at, as a client that asks again does so soon.
    pub fn lately_moved(
        &self,
        folder: &Folder,
        uids: &BTreeSet<Uid>,
    ) -> Result<BTreeMap<Uid, (FolderId, Uid)>, Error> {
        let mut left = LOOK_BACK;
        let mut went = BTreeMap::new();
        rows::log_backwards(&self.reader, folder.id, &mut |row| {
            left -= 1;
            if let LogRow::Tombstone { uid, moved_to: Some(to), .. } = row
                && uids.contains(&uid)
            {
                went.insert(uid, to);
            }
            if left > 0 && went.len() < uids.len() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(went)
    }

    /// Visits the rows of a folder's change log after `after`, oldest first.
    pub fn log(
        &self,
        folder: &Folder,
        after: Modseq,
        visit: &mut dyn FnMut(Modseq, LogRow) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        rows::log(&self.reader, folder.id, after, visit)
    }

    /// The folder as the synchronisation sees it.
    pub fn synced<'v>(&'v self, folder: &'v Folder) -> Synced<'v> {
        Synced { view: self, folder }
    }

    /// The acting account, if it has a seen state of its own in this folder.
    fn private_seen(&self, folder: &Folder) -> Result<Option<u64>, Error> {
        let Acting::Account { id, .. } = &self.acting else { return Ok(None) };
        let shared = folder.owner == OwnerId(*id)
            || rows::rights(&self.reader, folder, &self.acting)?.has(Rights::SHARE_SEEN);
        Ok((!shared).then_some(*id))
    }

    /// Sets the seen flag as the account `private` has it.
    fn own_seen(&self, private: Option<u64>, folder: &Folder, item: &mut Item) -> Result<(), Error> {
        if let Some(user) = private {
            let seen = seen::is_seen(&self.reader, folder.id, user, item.uid)?;
            item.flags = item.flags.with(Flags::SEEN, seen);
        }
        Ok(())
    }
}

/// Sorts folders so that each stands after its parent, keeping their order otherwise.
fn parents_first(mut folders: Vec<Seen>) -> Vec<Seen> {
    let parents: HashMap<FolderId, FolderId> =
        folders.iter().map(|seen| (seen.folder.id, seen.folder.parent)).collect();
    folders.sort_by_cached_key(|seen| {
        let above = std::iter::successors(parents.get(&seen.folder.id), |above| parents.get(above));
        // A loop, which only damaged data has, is as deep as can be.
        above.take(DEPTH_MAX).count()
    });
    folders
}

/// A folder in a snapshot, as the synchronisation sees it.
pub struct Synced<'v> {
    view: &'v View,
    folder: &'v Folder,
}

impl sync::View for Synced<'_> {
    fn head(&self) -> Modseq {
        self.folder.highest
    }

    fn purged(&self) -> Modseq {
        self.folder.purged
    }

    fn log(
        &self,
        after: Modseq,
        visit: &mut dyn FnMut(Modseq, LogRow) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        rows::log(&self.view.reader, self.folder.id, after, visit)
    }

    fn facts(&self, uid: Uid) -> Result<Option<Facts>, Error> {
        Ok(rows::sound_item(&self.view.reader, self.folder.id, uid)?.map(|item| Facts {
            born: item.born,
            born_by: item.born_by,
            content_modseq: item.content_modseq,
            silent_for: item.silent_for,
            filter_date: item.filter_date,
            former_dates: item.former_dates,
        }))
    }

    fn positions(
        &self,
        from: Position,
        to: Position,
        order: Order,
        visit: &mut dyn FnMut(Position) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        rows::positions(&self.view.reader, self.folder.id, from, to, order, visit)
    }
}
