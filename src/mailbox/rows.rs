//! Reading and writing the mailbox's rows, over a snapshot or a transaction alike.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::error::Error;
use super::folder::{Folder, Owner, TreeChange};
use super::ids::{Acting, FolderId, Modseq, OwnerId, Uid};
use super::item::{Item, LogRow};
use super::sync::Position;
use crate::policy::{Grant, Rights, effective};
use crate::store::keys::{Key, Parts, Table};
use crate::store::record::{decode_v, encode};
use crate::store::{KeyRange, Order, Read, prefix_end};

/// The version of all the mailbox's rows.
const VERSION: u8 = 1;

pub(super) fn folder_key(id: FolderId) -> Vec<u8> {
    Key::of(Table::Folder).u64(id.0).done()
}

pub(super) fn owner_key(id: OwnerId) -> Vec<u8> {
    Key::of(Table::Owner).u64(id.0).done()
}

pub(super) fn name_key(owner: OwnerId, parent: FolderId, name: &str) -> Vec<u8> {
    Key::of(Table::FolderName).u64(owner.0).u64(parent.0).raw(super::folder::fold(name).as_bytes()).done()
}

pub(super) fn grant_key(grantee: u64, folder: FolderId) -> Vec<u8> {
    Key::of(Table::Grant).u64(grantee).u64(folder.0).done()
}

pub(super) fn tree_key(owner: OwnerId, at: Modseq) -> Vec<u8> {
    Key::of(Table::TreeLog).u64(owner.0).u64(at.0).done()
}

pub(super) fn item_key(folder: FolderId, uid: Uid) -> Vec<u8> {
    Key::of(Table::Item).u64(folder.0).u32(uid.0).done()
}

pub(super) fn record_key(folder: FolderId, uid: Uid) -> Vec<u8> {
    Key::of(Table::Record).u64(folder.0).u32(uid.0).done()
}

pub(super) fn log_key(folder: FolderId, at: Modseq) -> Vec<u8> {
    Key::of(Table::ChangeLog).u64(folder.0).u64(at.0).done()
}

pub(super) fn owner_log_key(owner: OwnerId, at: Modseq) -> Vec<u8> {
    Key::of(Table::OwnerLog).u64(owner.0).u64(at.0).done()
}

pub(super) fn date_key(folder: FolderId, at: Position) -> Vec<u8> {
    Key::of(Table::FilterDate).u64(folder.0).time(at.date).u32(at.uid).done()
}

pub(super) fn dav_key(folder: FolderId, name: &str) -> Vec<u8> {
    Key::of(Table::DavName).u64(folder.0).raw(name.as_bytes()).done()
}

/// Where the name stands that an item had which left the folder.
pub(super) fn gone_key(folder: FolderId, uid: Uid) -> Vec<u8> {
    Key::of(Table::GoneDavName).u64(folder.0).u32(uid.0).done()
}

/// iCalendar UIDs have no length limit, keys do: the index holds a digest.
pub(super) fn ical_key(owner: OwnerId, ical: &str, folder: FolderId, uid: Uid) -> Vec<u8> {
    ical_keys(owner, ical).u64(folder.0).u32(uid.0).done()
}

fn ical_keys(owner: OwnerId, ical: &str) -> Key {
    let digest = ring::digest::digest(&ring::digest::SHA256, ical.as_bytes());
    Key::of(Table::IcalUid).u64(owner.0).raw(digest.as_ref())
}

/// The items of an owner, or of one folder, that have an iCalendar UID.
pub(super) fn by_ical_uid(
    from: &dyn Read,
    owner: OwnerId,
    ical: &str,
    folder: Option<FolderId>,
) -> Result<Vec<(FolderId, Uid)>, Error> {
    let keys = ical_keys(owner, ical);
    let range = match folder {
        Some(folder) => keys.u64(folder.0).range(),
        None => keys.range(),
    };
    let mut found = Vec::new();
    from.scan(&range, Order::Forward, &mut |key, _| {
        found.extend(ical_place(key).map(|(_, place)| place));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// A row of the index by iCalendar UID: the digest, and the item.
pub(super) fn ical_place(key: &[u8]) -> Option<([u8; 32], (FolderId, Uid))> {
    let mut parts = Parts::of(key);
    parts.u64()?;
    Some((parts.bytes()?, (FolderId(parts.u64()?), Uid(parts.u32()?))))
}

pub(super) fn removed_key(owner: OwnerId) -> Vec<u8> {
    Key::of(Table::RemovedOwner).u64(owner.0).done()
}

/// The keys of all rows that a live item has, but for those of its body and of private seen states.
pub(super) fn item_keys(owner: OwnerId, folder: FolderId, item: &Item) -> Vec<Vec<u8>> {
    let mut keys = vec![
        item_key(folder, item.uid),
        record_key(folder, item.uid),
        owner_log_key(owner, item.modseq),
        date_key(folder, Position { date: item.filter_date, uid: item.uid.0 }),
    ];
    keys.extend(log_rows_of(item).map(|at| log_key(folder, at)));
    keys.extend(item.dav_name.iter().map(|name| dav_key(folder, name)));
    keys.extend(item.ical_uid.iter().map(|ical| ical_key(owner, ical, folder, item.uid)));
    keys
}

pub(super) fn thread_key(owner: OwnerId, digest: u64) -> Vec<u8> {
    Key::of(Table::Thread).u64(owner.0).u64(digest).done()
}

/// The value of an index row that names an item.
pub(super) fn uid_value(uid: Uid) -> Vec<u8> {
    uid.0.to_be_bytes().to_vec()
}

pub(super) fn uid_of(value: &[u8]) -> Option<Uid> {
    value.try_into().ok().map(|b| Uid(u32::from_be_bytes(b)))
}

pub(super) fn row<T: serde::Serialize>(value: &T) -> Vec<u8> {
    encode(VERSION, value)
}

pub(super) fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    Ok(decode_v(VERSION, bytes)?)
}

/// A folder's row, deleted ones included.
pub(super) fn raw_folder(from: &dyn Read, id: FolderId) -> Result<Option<Folder>, Error> {
    let Some(bytes) = from.get(&folder_key(id))? else { return Ok(None) };
    let mut folder: Folder = read(&bytes)?;
    folder.id = id;
    Ok(Some(folder))
}

/// A folder's row, if it is there for anybody.
pub(super) fn folder(from: &dyn Read, id: FolderId) -> Result<Option<Folder>, Error> {
    Ok(raw_folder(from, id)?.filter(|folder| folder.deleted.is_none()))
}

/// An owner's counters; an owner without any has none of anything.
pub(super) fn owner(from: &dyn Read, id: OwnerId) -> Result<Option<Owner>, Error> {
    from.get(&owner_key(id))?.map(|bytes| read(&bytes)).transpose()
}

/// The folder called `name` below `parent`.
pub(super) fn by_name(
    from: &dyn Read,
    owner: OwnerId,
    parent: FolderId,
    name: &str,
) -> Result<Option<FolderId>, Error> {
    Ok(from.get(&name_key(owner, parent, name))?.as_deref().and_then(folder_of))
}

pub(super) fn folder_of(value: &[u8]) -> Option<FolderId> {
    value.try_into().ok().map(|b| FolderId(u64::from_be_bytes(b)))
}

/// The ids of an owner's folders, or of those below one parent, in name order.
pub(super) fn folder_ids(
    from: &dyn Read,
    owner: OwnerId,
    parent: Option<FolderId>,
) -> Result<Vec<FolderId>, Error> {
    let key = Key::of(Table::FolderName).u64(owner.0);
    let range = match parent {
        Some(parent) => key.u64(parent.0).range(),
        None => key.range(),
    };
    let mut ids = Vec::new();
    from.scan(&range, Order::Forward, &mut |_, value| {
        ids.extend(folder_of(value));
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

/// Where an owner's tree log tells of a folder.
pub(super) fn tree_keys_of(from: &dyn Read, owner: OwnerId, folder: FolderId) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = Vec::new();
    from.scan(&Key::of(Table::TreeLog).u64(owner.0).range(), Order::Forward, &mut |key, value| {
        if read::<TreeChange>(value).is_ok_and(|change| change.folder == folder) {
            keys.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}

/// An item's row.
pub(super) fn item(from: &dyn Read, folder: FolderId, uid: Uid) -> Result<Option<Item>, Error> {
    from.get(&item_key(folder, uid))?.map(|bytes| item_of(uid, &bytes)).transpose()
}

/// An item's row; one that is damaged counts as absent, since it must not stop the folder.
pub(super) fn sound_item(from: &dyn Read, folder: FolderId, uid: Uid) -> Result<Option<Item>, Error> {
    match item(from, folder, uid) {
        Err(error) if error.is_damage() => {
            tracing::error!(folder = folder.0, uid = uid.0, %error, "skipped a damaged item");
            Ok(None)
        }
        item => item,
    }
}

pub(super) fn item_of(uid: Uid, bytes: &[u8]) -> Result<Item, Error> {
    let mut item: Item = read(bytes)?;
    item.uid = uid;
    Ok(item)
}

/// Where a live item has rows in its folder's change log; some may be named twice.
pub(super) fn log_rows_of(item: &Item) -> impl Iterator<Item = Modseq> + use<> {
    let redated: Vec<_> = item.former_dates.iter().map(|(until, _)| *until).collect();
    [item.born, item.modseq].into_iter().chain(redated)
}

/// Visits the rows of a folder's change log after `after`; damaged ones are passed over, since one of them
/// must not stop the folder.
pub(super) fn log(
    from: &dyn Read,
    folder: FolderId,
    after: Modseq,
    visit: &mut dyn FnMut(Modseq, LogRow) -> ControlFlow<()>,
) -> Result<(), Error> {
    whole_log(from, folder, after, &mut |at, row| match row {
        Ok(row) => visit(at, row),
        Err(error) => {
            tracing::error!(folder = folder.0, at = at.0, %error, "skipped a damaged row of a folder's log");
            ControlFlow::Continue(())
        }
    })
}

/// Visits the rows of a folder's change log after `after`, and those that cannot be read.
pub(super) fn whole_log(
    from: &dyn Read,
    folder: FolderId,
    after: Modseq,
    visit: &mut dyn FnMut(Modseq, Result<LogRow, Error>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let range: KeyRange = (
        Bound::Excluded(log_key(folder, after)),
        prefix_end(&Key::of(Table::ChangeLog).u64(folder.0).done()),
    );
    from.scan(&range, Order::Forward, &mut |key, value| {
        let mut parts = Parts::of(key);
        let at = parts.u64().and_then(|_| parts.u64()).map(Modseq).unwrap_or_default();
        visit(at, read::<LogRow>(value))
    })?;
    Ok(())
}

/// Visits the rows of a folder's change log, newest first; damaged ones are passed over.
pub(super) fn log_backwards(
    from: &dyn Read,
    folder: FolderId,
    visit: &mut dyn FnMut(LogRow) -> ControlFlow<()>,
) -> Result<(), Error> {
    from.scan(&Key::of(Table::ChangeLog).u64(folder.0).range(), Order::Backward, &mut |_, value| {
        read::<LogRow>(value).map_or(ControlFlow::Continue(()), &mut *visit)
    })?;
    Ok(())
}

/// Visits the positions of a folder's items at or above `low` and below `high`.
pub(super) fn positions(
    from: &dyn Read,
    folder: FolderId,
    low: Position,
    high: Position,
    order: Order,
    visit: &mut dyn FnMut(Position) -> ControlFlow<()>,
) -> Result<(), Error> {
    spans(from, folder, low, high, order, &mut |at, _| visit(at))
}

/// As [`positions`], with what stands there of the item's span.
pub(super) fn spans(
    from: &dyn Read,
    folder: FolderId,
    low: Position,
    high: Position,
    order: Order,
    visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
) -> Result<(), Error> {
    let range: KeyRange = (Bound::Included(date_key(folder, low)), Bound::Excluded(date_key(folder, high)));
    from.scan(&range, order, &mut |key, value| {
        let mut parts = Parts::of(key);
        let place = parts.u64().and_then(|_| Some(Position { date: parts.time()?, uid: parts.u32()? }));
        place.map_or(ControlFlow::Continue(()), |place| visit(place, value))
    })?;
    Ok(())
}

/// What `acting` may do in `folder`: an owner everything, others what the chain of folders grants.
pub(super) fn rights(from: &dyn Read, folder: &Folder, acting: &Acting) -> Result<Rights, Error> {
    let Acting::Account { id, .. } = acting else { return Ok(Rights::ALL) };
    if folder.owner == OwnerId(*id) {
        return Ok(Rights::ALL);
    }
    let mut grants: Vec<Grant> = folder.grants.clone();
    let mut parent = folder.parent;
    for _ in 0..=super::folder::DEPTH_MAX {
        if parent == FolderId::TOP {
            break;
        }
        let Some(above) = self::folder(from, parent)? else { break };
        grants.extend(above.grants);
        parent = above.parent;
    }
    Ok(effective_for(&grants, acting))
}

/// What a chain of grants gives to somebody who is not the owner.
pub(super) fn effective_for(chain: &[Grant], acting: &Acting) -> Rights {
    match acting {
        Acting::System => Rights::ALL,
        Acting::Account { id, groups } => {
            let who: Vec<u64> = std::iter::once(*id).chain(groups.iter().copied()).collect();
            effective(chain, &who)
        }
    }
}

/// A record row: the trace prefix of the message and the pre-parsed record of its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    bytes: Bytes,
    prefix: usize,
}

impl Record {
    pub(super) fn encode(prefix: &[u8], record: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(prefix.len() + record.len() + 5);
        bytes.push(VERSION);
        bytes.extend_from_slice(&u32::try_from(prefix.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(prefix);
        bytes.extend_from_slice(record);
        bytes
    }

    pub(super) fn of(bytes: Bytes) -> Option<Self> {
        let (_, rest) = bytes.split_first()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let prefix = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        (prefix <= rest.len()).then_some(Self { bytes, prefix })
    }

    /// The lines that stand before the stored body: Return-Path, Delivered-To, Received.
    pub fn prefix(&self) -> &[u8] {
        self.bytes.get(5..5 + self.prefix).unwrap_or_default()
    }

    /// The pre-parsed record, in the form of the module that made it.
    pub fn record(&self) -> &[u8] {
        self.bytes.get(5 + self.prefix..).unwrap_or_default()
    }
}

/// The row of an item's trace prefix and record.
pub(super) fn record(from: &dyn Read, folder: FolderId, uid: Uid) -> Result<Option<Record>, Error> {
    Ok(from.get(&record_key(folder, uid))?.and_then(Record::of))
}
