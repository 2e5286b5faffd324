//! Every key of the store. A key is one table byte and its parts, big-endian, so that rows stand in the
//! order of their parts. Text and byte parts that are not last are length-prefixed with two bytes.
//!
//! | Byte | Table | Parts | Value |
//! |---|---|---|---|
//! | 01 | system | name | schema version, epoch, each node's id counter, secrets |
//! | 10 | domain | domain | the domain |
//! | 11 | domain name | folded name | domain |
//! | 12 | account | account | the account, without secrets |
//! | 13 | address | domain name, folded local part | account; primary address or alias |
//! | 14 | account of domain | domain, account | - |
//! | 15 | credentials | account | password verifiers |
//! | 16 | app password | account, id | its verifier and label |
//! | 17 | setting | account, name | e.g. the out-of-office message |
//! | 18 | directory word | domain, folded word, 0, account | -; for search in the address list |
//! | 19 | answered sender | account, digest of the sender | when one who is away answered, and away since when |
//! | 1A | subscription | account, folded name of a mailbox | the name, and whether a mail program is to show it |
//! | 20 | owner | owner | counters: modseq, quota, items |
//! | 21 | folder | folder | the folder |
//! | 22 | folder name | owner, parent (0 at the top), folded name | folder |
//! | 23 | grant | grantee, folder | - (the rights stand in the folder) |
//! | 24 | tree log | owner, modseq | folder made, changed or deleted; of each its latest change |
//! | 28 | item | folder, uid | ids, flags, dates, size, body: what changes |
//! | 29 | record | folder, uid | trace prefix and pre-parsed record: what does not |
//! | 2A | change log | folder, modseq | birth, latest change, former change of the filter date, or tombstone of an item |
//! | 2B | owner log | owner, modseq | folder, uid |
//! | 2C | filter date | folder, date, uid | the item's property `span`, if it has one |
//! | 2D | DAV name | folder, name | uid |
//! | 2E | iCalendar UID | owner, UID (digest), folder, uid | - |
//! | 2F | seen overlay | folder, user, chunk of UIDs | bits |
//! | 30 | expunged | owner, time, folder, uid | item and record, recoverable |
//! | 31 | thread | owner, digest of Message-ID or base subject | thread id, time |
//! | 32 | removed owner | owner | when; its rows are being removed |
//! | 33 | gone DAV name | folder, uid | the name that an item with a tombstone had |
//! | 40 | body | hash | size, place, domain, dying since |
//! | 41 | body reference | hash, kind, referrer | - |
//! | 42 | lost reference | kind, referrer | -; its body is not known, the collector looks for it |
//! | 50 | device | account, device id | the device |
//! | 51 | collection state | account, device id, folder | ActiveSync state, constant size |
//! | 52 | hierarchy state | account, device id | ActiveSync folder state |
//! | 53 | remembered Ping | account, device id | folders and heartbeat |
//! | 55 | sent ClientId | account, device id, digest | when, then a digest of the request |
//! | 60 | queue | queue id | a message on its way out, by recipient |
//! | 61 | queue schedule | time, queue id | destination |
//! | 62 | queue unreached | destination, queue id | -; its server could not be reached at the last attempt |
//!
//! Bodies up to 64 KiB are in the space `Bodies`, keyed by hash alone.

use super::engine::{KeyRange, prefixed};

/// The system table's names.
pub mod system {
    /// The version of the key layout and records, see `migrate`.
    pub const SCHEMA: &str = "schema";
    /// Raised by every restore.
    pub const EPOCH: &str = "epoch";
    /// The next id of a node; the node's number follows.
    pub const NEXT_ID: &str = "next-id";
    /// The domain that completes a bare user name.
    pub const PRIMARY_DOMAIN: &str = "primary-domain";
    /// A secret; its name follows.
    pub const SECRET: &str = "secret";
}

/// A table's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the table above says what each one is")]
pub enum Table {
    System = 0x01,
    Domain = 0x10,
    DomainName = 0x11,
    Account = 0x12,
    Address = 0x13,
    AccountOfDomain = 0x14,
    Credentials = 0x15,
    AppPassword = 0x16,
    Setting = 0x17,
    DirectoryWord = 0x18,
    AnsweredSender = 0x19,
    Subscription = 0x1A,
    Owner = 0x20,
    Folder = 0x21,
    FolderName = 0x22,
    Grant = 0x23,
    TreeLog = 0x24,
    Item = 0x28,
    Record = 0x29,
    ChangeLog = 0x2A,
    OwnerLog = 0x2B,
    FilterDate = 0x2C,
    DavName = 0x2D,
    IcalUid = 0x2E,
    SeenOverlay = 0x2F,
    Expunged = 0x30,
    Thread = 0x31,
    RemovedOwner = 0x32,
    GoneDavName = 0x33,
    Body = 0x40,
    BodyReference = 0x41,
    LostReference = 0x42,
    Device = 0x50,
    CollectionState = 0x51,
    HierarchyState = 0x52,
    RememberedPing = 0x53,
    SentClientId = 0x55,
    Queue = 0x60,
    QueueSchedule = 0x61,
    QueueUnreached = 0x62,
}

impl Table {
    /// What is kept for each device of an account; the keys begin with account and device id.
    pub const OF_DEVICES: [Self; 5] =
        [Self::Device, Self::CollectionState, Self::HierarchyState, Self::RememberedPing, Self::SentClientId];
    /// What a folder holds; the keys begin with the folder.
    pub const OF_FOLDERS: [Self; 7] = [
        Self::Item,
        Self::Record,
        Self::ChangeLog,
        Self::FilterDate,
        Self::DavName,
        Self::GoneDavName,
        Self::SeenOverlay,
    ];
    /// What an owner has beside its folders; the keys begin with the owner.
    pub const OF_OWNERS: [Self; 5] =
        [Self::Thread, Self::IcalUid, Self::OwnerLog, Self::FolderName, Self::TreeLog];
}

/// Builds one key, part by part.
#[derive(Clone, Debug)]
pub struct Key(Vec<u8>);

impl Key {
    /// Begins a key of `table`.
    pub fn of(table: Table) -> Self {
        let mut bytes = Vec::with_capacity(32);
        bytes.push(table as u8);
        Self(bytes)
    }

    /// Appends an id or modseq.
    pub fn u64(mut self, part: u64) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Appends a UID or chunk number.
    pub fn u32(mut self, part: u32) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Appends a kind.
    pub fn u8(mut self, part: u8) -> Self {
        self.0.push(part);
        self
    }

    /// Appends a time; earlier ones stand first, also before 1970.
    pub fn time(self, part: i64) -> Self {
        self.u64(order_time(part))
    }

    /// Appends bytes of a fixed length, or the last part.
    pub fn raw(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(part);
        self
    }

    /// Appends text that is not the last part; over 65,535 bytes it is cut, which no caller reaches.
    pub fn text(mut self, part: &str) -> Self {
        let bytes = part.as_bytes();
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend(bytes.iter().take(usize::from(len)));
        self
    }

    /// The finished key.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    /// All keys that begin with the parts so far.
    pub fn range(self) -> KeyRange {
        prefixed(&self.0)
    }
}

/// Maps a signed time to an unsigned number of the same order.
pub fn order_time(time: i64) -> u64 {
    time.cast_unsigned() ^ (1 << 63)
}

/// Undoes [`order_time`].
pub fn time_of(order: u64) -> i64 {
    (order ^ (1 << 63)).cast_signed()
}

/// Reads the parts of a key back, in order. Every method gives `None` past the end.
pub struct Parts<'k>(&'k [u8]);

impl<'k> Parts<'k> {
    /// The parts after the table byte.
    pub fn of(key: &'k [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*part)
    }

    /// The next id or modseq.
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// The next UID or chunk number.
    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    /// The next kind.
    pub fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[b]| b)
    }

    /// The next time.
    pub fn time(&mut self) -> Option<i64> {
        self.u64().map(time_of)
    }

    /// The next bytes of a fixed length.
    pub fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take()
    }

    /// The next length-prefixed text.
    pub fn text(&mut self) -> Option<&'k str> {
        let len = usize::from(self.take().map(u16::from_be_bytes)?);
        let (part, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(part).ok()
    }

    /// All that is left.
    pub fn rest(self) -> &'k [u8] {
        self.0
    }
}

/// A row of the system table.
pub fn system_row(name: &str) -> Vec<u8> {
    Key::of(Table::System).raw(name.as_bytes()).done()
}

/// The row with a node's next id.
pub(super) fn next_id_row(node: u16) -> Vec<u8> {
    Key::of(Table::System).raw(system::NEXT_ID.as_bytes()).raw(&node.to_be_bytes()).done()
}

/// The row of a named secret.
pub(super) fn secret_row(name: &str) -> Vec<u8> {
    Key::of(Table::System).raw(system::SECRET.as_bytes()).u8(b':').raw(name.as_bytes()).done()
}

/// Bits of an id below the node's number.
pub(super) const ID_COUNTER_BITS: u32 = 48;

/// A number of the system table.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}
