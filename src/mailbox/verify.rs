//! Recomputes every counter, index and log row of an owner from the items and reports differences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

use super::error::Error;
use super::folder::{Folder, Owner, TreeChange};
use super::ids::{FolderId, Modseq, OwnerId, Uid};
use super::item::{Expunged, Flags, Item, LogRow};
use super::recover::ExpungedId;
use super::rows::{self, Record};
use super::sync::Position;
use super::tx::item_referrer;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{BodyId, Order, Read, Referrer, is_lost, references, refers};

/// Something stored that does not follow from the items.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where: an owner, a folder, an item.
    pub place: String,
    /// What should be there and what is.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Checks all owners.
pub fn verify(from: &dyn Read) -> Result<Vec<Difference>, Error> {
    let mut check = Check { from, found: Vec::new(), expunged: BTreeMap::new() };
    let mut folders: BTreeMap<OwnerId, Vec<Folder>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for id in ids(from, Table::Folder)? {
        known.insert(id);
        match rows::raw_folder(from, FolderId(id)) {
            Ok(Some(folder)) => folders.entry(folder.owner).or_default().push(folder),
            Ok(None) => {}
            Err(e) => check.differs(format!("folder {id}"), e.to_string()),
        }
    }
    check.grants(folders.values().flatten())?;
    for id in ids(from, Table::Owner)? {
        let owner = OwnerId(id);
        match check.owner(owner, folders.remove(&owner).unwrap_or_default()) {
            Err(Error::Store(crate::store::Error::Damaged(what))) => {
                check.differs(format!("owner {id}"), what);
            }
            other => other?,
        }
    }
    for (owner, folders) in folders {
        check.differs(format!("owner {}", owner.0), format!("{} folders without an owner", folders.len()));
    }
    check.strays(&known)?;
    check.references()?;
    Ok(check.found)
}

/// All owners but those that were removed.
pub fn owners(from: &dyn Read) -> Result<Vec<OwnerId>, Error> {
    let removed: BTreeSet<u64> = ids(from, Table::RemovedOwner)?.into_iter().collect();
    let all = ids(from, Table::Owner)?.into_iter();
    Ok(all.filter(|id| !removed.contains(id)).map(OwnerId).collect())
}

/// The first part of every key of a table, each once.
fn ids(from: &dyn Read, table: Table) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::new();
    from.scan(&Key::of(table).range(), Order::Forward, &mut |key, _| {
        ids.extend(Parts::of(key).u64().filter(|id| ids.last() != Some(id)));
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

struct Check<'r> {
    from: &'r dyn Read,
    found: Vec<Difference>,
    /// The bodies of expunged items by owner, folder and UID; none of a damaged one.
    expunged: BTreeMap<(u64, u64, u32), Option<BodyId>>,
}

impl Check<'_> {
    fn differs(&mut self, place: String, what: impl Into<String>) {
        self.found.push(Difference { place, what: what.into() });
    }

    fn same<T: PartialEq + fmt::Debug>(&mut self, place: &str, name: &str, stored: T, counted: T) {
        if stored != counted {
            self.differs(place.to_owned(), format!("{name} is stored as {stored:?} and counts {counted:?}"));
        }
    }

    fn owner(&mut self, id: OwnerId, folders: Vec<Folder>) -> Result<(), Error> {
        let Some(stored) = rows::owner(self.from, id)? else { return Ok(()) };
        let place = format!("owner {}", id.0);
        let mut counted = Owner::default();
        let mut log: BTreeSet<(Modseq, FolderId, Uid)> = BTreeSet::new();
        let mut icals = BTreeSet::new();
        for folder in &folders {
            let sums = self.folder(folder, &mut log, &mut icals)?;
            if folder.deleted.is_some() {
                counted.expunged_bytes += sums.bytes;
            } else {
                counted.items += sums.items;
                counted.bytes += sums.bytes;
            }
            if folder.highest > stored.modseq {
                self.differs(place.clone(), format!("folder {} is ahead of its owner", folder.id.0));
            }
            if folder.uid_validity > stored.uid_validity {
                self.differs(place.clone(), format!("the UIDVALIDITY of folder {} is ahead", folder.id.0));
            }
        }
        counted.expunged_bytes += self.expunged(id)?;
        self.same(&place, "items", stored.items, counted.items);
        self.same(&place, "bytes", stored.bytes, counted.bytes);
        self.same(&place, "expunged bytes", stored.expunged_bytes, counted.expunged_bytes);
        self.tree(&place, id, &stored)?;
        self.places(&folders);
        self.names(id, &folders)?;
        let kept = self.owner_log(id)?;
        for (at, folder, uid) in log.symmetric_difference(&kept) {
            let place = format!("owner {} modseq {}", id.0, at.0);
            self.differs(place, format!("item {}:{} stands in one log only", folder.0, uid.0));
        }
        if self.icals(id)? != icals {
            self.differs(place, "its index by iCalendar UID does not fit its items");
        }
        Ok(())
    }

    /// The octets of an owner's expunged items, each of which refers to its body.
    fn expunged(&mut self, owner: OwnerId) -> Result<u64, Error> {
        let mut kept = Vec::new();
        self.from.scan(
            &Key::of(Table::Expunged).u64(owner.0).range(),
            Order::Forward,
            &mut |key, value| {
                kept.push((ExpungedId::of(key), rows::read::<Expunged>(value)));
                ControlFlow::Continue(())
            },
        )?;
        let mut bytes = 0;
        for (id, expunged) in kept {
            let place = format!("expunged items of owner {}", owner.0);
            if let Some(id) = id {
                let body = expunged.as_ref().ok().map(|expunged| BodyId(expunged.item.body));
                self.expunged.insert((owner.0, id.folder.0, id.uid.0), body);
            }
            match (id, expunged) {
                (Some(id), Ok(expunged)) => {
                    bytes += expunged.item.size;
                    if !refers(self.from, id.referrer(), &BodyId(expunged.item.body))? {
                        self.differs(
                            place,
                            format!("{}:{} does not refer to its body", id.folder.0, id.uid.0),
                        );
                    }
                }
                _ => self.differs(place, "a damaged row"),
            }
        }
        Ok(bytes)
    }

    /// The tree log ends where the owner's row says.
    fn tree(&mut self, place: &str, owner: OwnerId, stored: &Owner) -> Result<(), Error> {
        let mut last = Modseq(0);
        let mut damaged = 0;
        let range = Key::of(Table::TreeLog).u64(owner.0).range();
        self.from.scan(&range, Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            last = parts.u64().and_then(|_| parts.u64()).map(Modseq).unwrap_or_default();
            damaged += u64::from(rows::read::<TreeChange>(value).is_err());
            ControlFlow::Continue(())
        })?;
        self.same(place, "the latest change of the tree", stored.tree, last);
        self.same(place, "damaged tree log rows", damaged, 0);
        if last > stored.modseq {
            self.differs(place.to_owned(), "its tree log is ahead of it");
        }
        Ok(())
    }

    /// Every folder stands at the top or in another one of its owner.
    fn places(&mut self, folders: &[Folder]) {
        let live: BTreeSet<_> = folders.iter().filter(|f| f.deleted.is_none()).map(|f| f.id).collect();
        for folder in folders.iter().filter(|f| live.contains(&f.id)) {
            if folder.parent != FolderId::TOP && !live.contains(&folder.parent) {
                self.differs(format!("folder {}", folder.id.0), "the folder above it is not there");
            }
        }
    }

    fn names(&mut self, owner: OwnerId, folders: &[Folder]) -> Result<(), Error> {
        let named: BTreeSet<_> = rows::folder_ids(self.from, owner, None)?.into_iter().collect();
        let live: BTreeSet<_> = folders.iter().filter(|f| f.deleted.is_none()).map(|f| f.id).collect();
        for id in named.symmetric_difference(&live) {
            self.differs(format!("folder {}", id.0), "its name index and its row disagree");
        }
        for folder in folders.iter().filter(|f| f.deleted.is_none()) {
            if rows::by_name(self.from, owner, folder.parent, &folder.name)? != Some(folder.id) {
                self.differs(format!("folder {}", folder.id.0), "its name leads elsewhere");
            }
        }
        Ok(())
    }

    fn icals(&self, owner: OwnerId) -> Result<BTreeSet<Vec<u8>>, Error> {
        let mut found = BTreeSet::new();
        self.from.scan(&Key::of(Table::IcalUid).u64(owner.0).range(), Order::Forward, &mut |key, _| {
            found.insert(key.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The index of grants says what the live folders say.
    fn grants<'f>(&mut self, folders: impl Iterator<Item = &'f Folder>) -> Result<(), Error> {
        let mut wanted = BTreeSet::new();
        for folder in folders.filter(|folder| folder.deleted.is_none()) {
            wanted.extend(folder.grants.iter().map(|grant| rows::grant_key(grant.grantee, folder.id)));
        }
        let mut found = BTreeSet::new();
        self.from.scan(&Key::of(Table::Grant).range(), Order::Forward, &mut |key, _| {
            found.insert(key.to_vec());
            ControlFlow::Continue(())
        })?;
        for key in wanted.symmetric_difference(&found) {
            let mut parts = Parts::of(key);
            let (grantee, folder) = (parts.u64().unwrap_or_default(), parts.u64().unwrap_or_default());
            self.differs(
                format!("folder {folder}"),
                format!("its grant to {grantee} stands in its row or in the index only"),
            );
        }
        Ok(())
    }

    /// No rows of folders or owners that are not there.
    fn strays(&mut self, folders: &BTreeSet<u64>) -> Result<(), Error> {
        for table in Table::OF_FOLDERS {
            for id in ids(self.from, table)? {
                if !folders.contains(&id) {
                    self.differs(
                        format!("folder {id}"),
                        format!("it is not there, but has rows in {table:?}"),
                    );
                }
            }
        }
        let owners: BTreeSet<u64> = ids(self.from, Table::Owner)?.into_iter().collect();
        for table in Table::OF_OWNERS.into_iter().chain([Table::Expunged, Table::RemovedOwner]) {
            for id in ids(self.from, table)? {
                if !owners.contains(&id) {
                    self.differs(
                        format!("owner {id}"),
                        format!("it is not there, but has rows in {table:?}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// No reference keeps a body for an item that does not have it.
    fn references(&mut self) -> Result<(), Error> {
        let from = self.from;
        let mut failed = None;
        references(from, &mut |body, referrer| match self.reference(body, referrer) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn reference(&mut self, body: BodyId, referrer: Referrer) -> Result<(), Error> {
        let (place, has) = match referrer {
            Referrer::Item { folder, uid } => {
                let has = match rows::item(self.from, FolderId(folder), Uid(uid)) {
                    // A damaged one was reported with its folder.
                    Err(e) if e.is_damage() => return Ok(()),
                    item => item?.map(|item| BodyId(item.body)),
                };
                (format!("item {folder}:{uid}"), has)
            }
            Referrer::Expunged { owner, folder, uid } => {
                let has = match self.expunged.get(&(owner, folder, uid)) {
                    Some(None) => return Ok(()),
                    has => has.copied().flatten(),
                };
                (format!("expunged item {folder}:{uid} of owner {owner}"), has)
            }
            // The queue has a check of its own.
            Referrer::Queue { .. } => return Ok(()),
        };
        if has != Some(body) && !is_lost(self.from, referrer)? {
            self.differs(place, format!("body {body} is kept for it, which it does not have"));
        }
        Ok(())
    }

    fn owner_log(&self, owner: OwnerId) -> Result<BTreeSet<(Modseq, FolderId, Uid)>, Error> {
        let mut kept = BTreeSet::new();
        self.from.scan(
            &Key::of(Table::OwnerLog).u64(owner.0).range(),
            Order::Forward,
            &mut |key, value| {
                let mut parts = Parts::of(key);
                let at = parts.u64().and_then(|_| parts.u64()).map(Modseq);
                let folder = value.get(..8).and_then(rows::folder_of);
                let uid = value.get(8..).and_then(rows::uid_of);
                if let (Some(at), Some(folder), Some(uid)) = (at, folder, uid) {
                    kept.insert((at, folder, uid));
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(kept)
    }

    /// Checks a folder's items against its counters, log and indexes; adds its rows to the owner's log.
    fn folder(
        &mut self,
        folder: &Folder,
        owner_log: &mut BTreeSet<(Modseq, FolderId, Uid)>,
        icals: &mut BTreeSet<Vec<u8>>,
    ) -> Result<Sums, Error> {
        let place = format!("folder {}", folder.id.0);
        let items = self.items(folder.id)?;
        let mut sums = Sums::default();
        let mut wanted: BTreeMap<Modseq, LogRow> = BTreeMap::new();
        for item in &items {
            sums.add(item);
            self.item(folder, item)?;
            for (until, _) in &item.former_dates {
                wanted.insert(*until, LogRow::Redated { uid: item.uid });
            }
            wanted.insert(item.born, LogRow::Birth { uid: item.uid });
            if item.modseq != item.born {
                wanted.insert(item.modseq, LogRow::Change { uid: item.uid });
            }
            owner_log.insert((item.modseq, folder.id, item.uid));
            let ical = item.ical_uid.as_ref();
            icals.extend(ical.map(|ical| rows::ical_key(folder.owner, ical, folder.id, item.uid)));
        }
        self.same(&place, "items", folder.items, sums.items);
        self.same(&place, "unseen", folder.unseen, sums.unseen);
        self.same(&place, "bytes", folder.bytes, sums.bytes);
        let live: BTreeSet<Uid> = items.iter().map(|i| i.uid).collect();
        let from = self.from;
        rows::whole_log(from, folder.id, Modseq(0), &mut |at, row| {
            let row = match row {
                Ok(row) => row,
                Err(e) => {
                    self.differs(place.clone(), format!("log row {} is damaged: {e}", at.0));
                    return ControlFlow::Continue(());
                }
            };
            if let LogRow::Tombstone { uid, .. } = &row {
                owner_log.insert((at, folder.id, *uid));
                if live.contains(uid) {
                    self.differs(place.clone(), format!("item {} lives and has a tombstone", uid.0));
                }
            } else if wanted.remove(&at).as_ref() != Some(&row) {
                self.differs(place.clone(), format!("log row {} belongs to no item: {row:?}", at.0));
            }
            if at > folder.highest {
                self.differs(place.clone(), format!("log row {} is above the highest modseq", at.0));
            }
            ControlFlow::Continue(())
        })?;
        for (at, row) in wanted {
            self.differs(place.clone(), format!("log row {} is missing: {row:?}", at.0));
        }
        self.gone_names(folder)?;
        self.dates(folder, &items)?;
        self.records(folder, &live)?;
        self.dav_names(folder, &items)?;
        Ok(sums)
    }

    fn items(&mut self, folder: FolderId) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut damaged = Vec::new();
        self.from.scan(&Key::of(Table::Item).u64(folder.0).range(), Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            let uid = parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid);
            match rows::item_of(uid, value) {
                Ok(item) => items.push(item),
                Err(e) => damaged.push((uid, e)),
            }
            ControlFlow::Continue(())
        })?;
        for (uid, e) in damaged {
            self.differs(format!("item {}:{}", folder.0, uid.0), e.to_string());
        }
        Ok(items)
    }

    fn item(&mut self, folder: &Folder, item: &Item) -> Result<(), Error> {
        let place = format!("item {}:{}", folder.id.0, item.uid.0);
        if item.uid.0 >= folder.uid_next {
            self.differs(place.clone(), "its UID is not below the folder's next");
        }
        if !refers(self.from, item_referrer(folder.id, item.uid), &BodyId(item.body))? {
            self.differs(place, "it does not refer to its body");
        }
        Ok(())
    }

    /// Every item has a record, and every record an item.
    fn records(&mut self, folder: &Folder, items: &BTreeSet<Uid>) -> Result<(), Error> {
        let mut found = BTreeSet::new();
        let mut damaged = Vec::new();
        let range = Key::of(Table::Record).u64(folder.id.0).range();
        self.from.scan(&range, Order::Forward, &mut |key, value| {
            let mut parts = Parts::of(key);
            let uid = parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid);
            found.insert(uid);
            if Record::of(value.clone()).is_none() {
                damaged.push(uid);
            }
            ControlFlow::Continue(())
        })?;
        for uid in damaged {
            self.differs(format!("item {}:{}", folder.id.0, uid.0), "its record is damaged");
        }
        for uid in items.difference(&found) {
            self.differs(format!("item {}:{}", folder.id.0, uid.0), "its record is missing");
        }
        for uid in found.difference(items) {
            self.differs(format!("item {}:{}", folder.id.0, uid.0), "it is not there, but has a record");
        }
        Ok(())
    }

    fn dav_names(&mut self, folder: &Folder, items: &[Item]) -> Result<(), Error> {
        let wanted: BTreeMap<Vec<u8>, Option<Uid>> = items
            .iter()
            .filter_map(|item| Some((rows::dav_key(folder.id, item.dav_name.as_ref()?), Some(item.uid))))
            .collect();
        let mut found = BTreeMap::new();
        self.from.scan(
            &Key::of(Table::DavName).u64(folder.id.0).range(),
            Order::Forward,
            &mut |key, value| {
                found.insert(key.to_vec(), rows::uid_of(value));
                ControlFlow::Continue(())
            },
        )?;
        if found != wanted {
            self.differs(format!("folder {}", folder.id.0), "its index by DAV name does not fit its items");
        }
        Ok(())
    }

    /// Former DAV names are kept as long as the tombstones of the items that had them.
    fn gone_names(&mut self, folder: &Folder) -> Result<(), Error> {
        let mut gone = BTreeSet::new();
        let range = Key::of(Table::GoneDavName).u64(folder.id.0).range();
        self.from.scan(&range, Order::Forward, &mut |key, _| {
            let mut parts = Parts::of(key);
            gone.insert(parts.u64().and_then(|_| parts.u32()).map_or(Uid(0), Uid));
            ControlFlow::Continue(())
        })?;
        rows::log(self.from, folder.id, Modseq(0), &mut |_, row| {
            if let LogRow::Tombstone { uid, .. } = row {
                gone.remove(&uid);
            }
            ControlFlow::Continue(())
        })?;
        for uid in gone {
            let place = format!("item {}:{}", folder.id.0, uid.0);
            self.differs(place, "it has neither a place nor a tombstone, but a former name");
        }
        Ok(())
    }

    fn dates(&mut self, folder: &Folder, items: &[Item]) -> Result<(), Error> {
        let place = |item: &Item| Position { date: item.filter_date, uid: item.uid.0 };
        let wanted: BTreeMap<Position, Vec<u8>> =
            items.iter().map(|item| (place(item), item.span().to_vec())).collect();
        let lowest = Position { date: i64::MIN, uid: 0 };
        let mut found = BTreeMap::new();
        rows::spans(self.from, folder.id, lowest, Position::TOP, Order::Forward, &mut |at, span| {
            found.insert(at, span.to_vec());
            ControlFlow::Continue(())
        })?;
        if found != wanted {
            self.differs(format!("folder {}", folder.id.0), "its index by date does not fit its items");
        }
        Ok(())
    }
}

#[derive(Default)]
struct Sums {
    items: u64,
    unseen: u64,
    bytes: u64,
}

impl Sums {
    fn add(&mut self, item: &Item) {
        self.items += 1;
        self.unseen += u64::from(!item.flags.has(Flags::SEEN));
        self.bytes += item.size;
    }
}
