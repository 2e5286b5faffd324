//! Recomputes every counter, index and log row of an owner from the items and reports differences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

use super::error::Error;
use super::folder::{Folder, Owner};
use super::ids::{FolderId, Modseq, OwnerId, Uid};
use super::item::{Flags, Item, LogRow};
use super::rows;
use super::sync::Position;
use crate::store::keys::{Key, Parts, Table};
use crate::store::{Order, Read};

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
    let mut check = Check { from, found: Vec::new() };
    let mut folders: BTreeMap<OwnerId, Vec<Folder>> = BTreeMap::new();
    for id in ids(from, Table::Folder)? {
        match rows::raw_folder(from, FolderId(id)) {
            Ok(Some(folder)) => folders.entry(folder.owner).or_default().push(folder),
            Ok(None) => {}
            Err(e) => check.differs(format!("folder {id}"), e.to_string()),
        }
    }
    for id in ids(from, Table::Owner)? {
        let owner = OwnerId(id);
        check.owner(owner, folders.remove(&owner).unwrap_or_default())?;
    }
    for (owner, folders) in folders {
        check.differs(format!("owner {}", owner.0), format!("{} folders without an owner", folders.len()));
    }
    Ok(check.found)
}

fn ids(from: &dyn Read, table: Table) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::new();
    from.scan(&Key::of(table).range(), Order::Forward, &mut |key, _| {
        ids.extend(Parts::of(key).u64());
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

struct Check<'r> {
    from: &'r dyn Read,
    found: Vec<Difference>,
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
        let mut counted = Owner { modseq: stored.modseq, tree: stored.tree, ..Owner::default() };
        let mut log: BTreeSet<(Modseq, FolderId, Uid)> = BTreeSet::new();
        for folder in &folders {
            let sums = self.folder(folder, &mut log)?;
            if folder.deleted.is_some() {
                counted.expunged_bytes += sums.bytes;
            } else {
                counted.items += sums.items;
                counted.bytes += sums.bytes;
            }
            if folder.highest > stored.modseq {
                self.differs(place.clone(), format!("folder {} is ahead of its owner", folder.id.0));
            }
        }
        counted.expunged_bytes += self.expunged(id)?;
        self.same(&place, "items", stored.items, counted.items);
        self.same(&place, "bytes", stored.bytes, counted.bytes);
        self.same(&place, "expunged bytes", stored.expunged_bytes, counted.expunged_bytes);
        self.names(id, &folders)?;
        let kept = self.owner_log(id)?;
        for (at, folder, uid) in log.symmetric_difference(&kept) {
            let place = format!("owner {} modseq {}", id.0, at.0);
            self.differs(place, format!("item {}:{} stands in one log only", folder.0, uid.0));
        }
        Ok(())
    }

    fn expunged(&self, owner: OwnerId) -> Result<u64, Error> {
        let mut bytes = 0;
        self.from.scan(&Key::of(Table::Expunged).u64(owner.0).range(), Order::Forward, &mut |_, value| {
            bytes += rows::read::<super::Expunged>(value).map(|e| e.item.size).unwrap_or_default();
            ControlFlow::Continue(())
        })?;
        Ok(bytes)
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
        }
        self.same(&place, "items", folder.items, sums.items);
        self.same(&place, "unseen", folder.unseen, sums.unseen);
        self.same(&place, "bytes", folder.bytes, sums.bytes);
        let live: BTreeSet<Uid> = items.iter().map(|i| i.uid).collect();
        let from = self.from;
        rows::log(from, folder.id, Modseq(0), &mut |at, row| {
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
        self.dates(folder, &items)?;
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
        if rows::record(self.from, folder.id, item.uid)?.is_none() {
            self.differs(place.clone(), "its record is missing");
        }
        if let Some(name) = &item.dav_name {
            let found = self.from.get(&rows::dav_key(folder.id, name))?.as_deref().and_then(rows::uid_of);
            self.same(&place, "DAV name", found, Some(item.uid));
        }
        if let Some(ical) = &item.ical_uid {
            let key = rows::ical_key(folder.owner, ical, folder.id);
            let found = self.from.get(&key)?.as_deref().and_then(rows::uid_of);
            self.same(&place, "iCalendar UID", found, Some(item.uid));
        }
        Ok(())
    }

    fn dates(&mut self, folder: &Folder, items: &[Item]) -> Result<(), Error> {
        let wanted: BTreeSet<Position> =
            items.iter().map(|i| Position { date: i.filter_date, uid: i.uid.0 }).collect();
        let lowest = Position { date: i64::MIN, uid: 0 };
        let mut found = BTreeSet::new();
        rows::positions(self.from, folder.id, lowest, Position::TOP, Order::Forward, &mut |at| {
            found.insert(at);
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
