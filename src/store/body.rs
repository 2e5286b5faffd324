//! Bodies: immutable bytes, named by a keyed hash of their content and shared by everything that refers
//! to them.
//!
//! The name is HMAC-SHA-256 under a key of the domain, so that a body is kept once in a domain, yet
//! nobody can find out by guessing whether another domain has it. References are rows, not counts; a
//! body without any is collected later (`collect`).
//!
//! A body up to [`INLINE_MAX`] is a row, written in the transaction that first refers to it. A larger
//! one is an object (`files`), durable before that transaction runs. Every body is checked against its
//! name when it is read.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ring::hmac;

use super::engine::{Order, Space};
use super::files::{Files, Pin};
use super::keys::{Key, Parts, Table};
use super::{Error, Read, Reader, Store, Tx};
use crate::clock::{self, Millis};

/// Largest body that is kept as a row, in bytes.
pub const INLINE_MAX: usize = 64 << 10;
/// Candidates for collection that are remembered; the rest is found by the collector's own scan.
const CANDIDATES_MAX: usize = 10_000;

/// A body's name: the keyed hash of its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub [u8; 32]);

impl BodyId {
    /// Reads what `Display` writes: 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let digits: &[[u8; 2]; 32] = digits.try_into().ok()?;
        let mut id = [0; 32];
        for (byte, [high, low]) in id.iter_mut().zip(digits) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(id))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyId({self})")
    }
}

/// The key under which one domain's bodies are named.
#[derive(Clone)]
pub struct BodyKey {
    domain: u64,
    key: hmac::Key,
}

impl BodyKey {
    /// Derives a domain's key from the store's secret.
    fn derive(secret: &hmac::Key, domain: u64) -> Self {
        let key = hmac::sign(secret, &domain.to_be_bytes());
        Self { domain, key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()) }
    }

    /// The name of `body` in this domain.
    pub fn name(&self, body: &[u8]) -> BodyId {
        let mut id = [0; 32];
        for (to, from) in id.iter_mut().zip(hmac::sign(&self.key, body).as_ref()) {
            *to = *from;
        }
        BodyId(id)
    }
}

/// What refers to a body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Referrer {
    /// An item of a folder.
    Item {
        /// The folder's id.
        folder: u64,
        /// The item's UID.
        uid: u32,
    },
    /// A message of the queue.
    Queue {
        /// Its queue id.
        id: u64,
    },
    /// An expunged item that can still be recovered.
    Expunged {
        /// The folder's owner.
        owner: u64,
        /// The folder it was in.
        folder: u64,
        /// The UID it had.
        uid: u32,
    },
}

impl Referrer {
    fn row(&self, id: &BodyId) -> Vec<u8> {
        self.append(Key::of(Table::BodyReference).raw(&id.0))
    }

    /// The row that says that the referrer is gone, and that nobody knows what it referred to.
    pub(super) fn lost_row(&self) -> Vec<u8> {
        self.append(Key::of(Table::LostReference))
    }

    fn append(&self, key: Key) -> Vec<u8> {
        match *self {
            Self::Item { folder, uid } => key.u8(1).u64(folder).u32(uid),
            Self::Queue { id } => key.u8(2).u64(id),
            Self::Expunged { owner, folder, uid } => key.u8(3).u64(owner).u64(folder).u32(uid),
        }
        .done()
    }

    /// Reads a row's key back.
    pub(super) fn of_row(key: &[u8]) -> Option<(BodyId, Self)> {
        let mut parts = Parts::of(key);
        let id = BodyId(parts.bytes()?);
        let referrer = match parts.u8()? {
            1 => Self::Item { folder: parts.u64()?, uid: parts.u32()? },
            2 => Self::Queue { id: parts.u64()? },
            3 => Self::Expunged { owner: parts.u64()?, folder: parts.u64()?, uid: parts.u32()? },
            _ => return None,
        };
        parts.rest().is_empty().then_some((id, referrer))
    }
}

/// Where a body is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Row,
    Object,
}

/// A body's own row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Meta {
    pub(super) size: u64,
    pub(super) place: Place,
    pub(super) domain: u64,
    /// When the collector found it without references.
    pub(super) dying_since: Option<Millis>,
}

impl Meta {
    const VERSION: u8 = 1;

    pub(super) fn row(id: &BodyId) -> Vec<u8> {
        Key::of(Table::Body).raw(&id.0).done()
    }

    /// Version, place, size, domain, and the time if it is dying.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(26);
        out.push(Self::VERSION);
        out.push(match self.place {
            Place::Row => 0,
            Place::Object => 1,
        });
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.domain.to_be_bytes());
        out.extend(self.dying_since.into_iter().flat_map(Millis::to_be_bytes));
        out
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let ([Self::VERSION, place], rest) = value.split_first_chunk()? else { return None };
        let place = match place {
            0 => Place::Row,
            1 => Place::Object,
            _ => return None,
        };
        let (size, rest) = rest.split_first_chunk()?;
        let (domain, rest) = rest.split_first_chunk()?;
        let dying_since = match rest {
            [] => None,
            time => Some(Millis::from_be_bytes(time.try_into().ok()?)),
        };
        Some(Self {
            size: u64::from_be_bytes(*size),
            place,
            domain: u64::from_be_bytes(*domain),
            dying_since,
        })
    }

    pub(super) fn of(read: &impl Read, id: &BodyId) -> Result<Option<Self>, Error> {
        let Some(value) = read.get(&Self::row(id))? else { return Ok(None) };
        Self::decode(&value).map(Some).ok_or_else(|| Error::Damaged(format!("the row of body {id}")))
    }
}

/// True when anything refers to the body.
pub(super) fn is_referred_to(read: &impl Read, id: &BodyId) -> Result<bool, Error> {
    let mut found = false;
    let references = Key::of(Table::BodyReference).raw(&id.0).range();
    read.scan(&references, Order::Forward, &mut |_, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// True when `referrer` refers to the body.
pub fn refers(read: &dyn Read, referrer: Referrer, id: &BodyId) -> Result<bool, Error> {
    Ok(read.get(&referrer.row(id))?.is_some())
}

/// True when `referrer` is gone and the collector looks for what it referred to.
pub fn is_lost(read: &dyn Read, referrer: Referrer) -> Result<bool, Error> {
    Ok(read.get(&referrer.lost_row())?.is_some())
}

/// Visits every reference to a body.
pub fn references(
    read: &dyn Read,
    visit: &mut dyn FnMut(BodyId, Referrer) -> ControlFlow<()>,
) -> Result<(), Error> {
    read.scan(&Key::of(Table::BodyReference).range(), Order::Forward, &mut |key, _| {
        // A damaged key is reported by `Store::verify`.
        Referrer::of_row(key).map_or(ControlFlow::Continue(()), |(id, referrer)| visit(id, referrer))
    })
}

/// A body that is ready to be referred to. A large one is already durable, and kept as long as this
/// lives.
#[derive(Clone)]
pub struct StagedBody {
    id: BodyId,
    domain: u64,
    size: u64,
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    Here(Bytes),
    Object(Arc<Pin>),
}

impl StagedBody {
    /// The body's name.
    pub fn id(&self) -> BodyId {
        self.id
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Everything about bodies that is not in the engine.
pub(super) struct Bodies {
    secret: hmac::Key,
    pub(super) files: Files,
    /// Bodies whose last reference went, for the collector.
    candidates: Mutex<Vec<BodyId>>,
    verified: Mutex<Verified>,
}

impl Bodies {
    pub(super) fn new(secret: &[u8; 32], files: Files) -> Self {
        Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            files,
            candidates: Mutex::default(),
            verified: Mutex::default(),
        }
    }

    pub(super) fn take_candidates(&self, limit: usize) -> Vec<BodyId> {
        let mut candidates = self.candidates.lock();
        let keep = candidates.len().saturating_sub(limit);
        candidates.split_off(keep)
    }

    fn nominate(&self, id: BodyId) {
        let mut candidates = self.candidates.lock();
        if candidates.len() < CANDIDATES_MAX {
            candidates.push(id);
        }
    }

    fn stage(&self, key: &BodyKey, body: &Bytes) -> Result<StagedBody, Error> {
        let id = key.name(body);
        let size = u64::try_from(body.len()).map_err(|_| Error::Full)?;
        let kept = if body.len() <= INLINE_MAX {
            // A copy, since a slice would keep the whole buffer it was cut from in the write buffers.
            Kept::Here(Bytes::copy_from_slice(body))
        } else {
            Kept::Object(Arc::new(self.files.put(id, body.clone())?))
        };
        Ok(StagedBody { id, domain: key.domain, size, kept })
    }

    fn read(&self, read: &impl Read, id: &BodyId) -> Result<Bytes, Error> {
        let meta = Meta::of(read, id)?.ok_or_else(|| missing(id))?;
        self.read_whole(read, id, &meta)
    }

    pub(super) fn read_whole(&self, read: &impl Read, id: &BodyId, meta: &Meta) -> Result<Bytes, Error> {
        let body = match meta.place {
            Place::Row => read.get_in(Space::Bodies, &id.0)?.ok_or_else(|| missing(id))?,
            Place::Object => self.files.get(id)?,
        };
        if BodyKey::derive(&self.secret, meta.domain).name(&body) != *id {
            return Err(Error::Damaged(format!("body {id} differs from its hash")));
        }
        Ok(body)
    }

    fn read_range(&self, read: &impl Read, id: &BodyId, range: Range<u64>) -> Result<Bytes, Error> {
        let meta = Meta::of(read, id)?.ok_or_else(|| missing(id))?;
        let start = range.start.min(meta.size);
        let end = range.end.clamp(start, meta.size);
        if meta.place == Place::Object && start < end && self.verified.lock().knows(id) {
            return self.files.get_range(id, start..end);
        }
        let body = self.read_whole(read, id, &meta)?;
        if meta.place == Place::Object {
            self.verified.lock().remember(*id);
        }
        let at = |n: u64| usize::try_from(n).map_or(body.len(), |n| n.min(body.len()));
        Ok(body.slice(at(start)..at(end)))
    }
}

fn missing(id: &BodyId) -> Error {
    Error::Damaged(format!("body {id} is missing"))
}

/// Objects that were read whole and found right a moment ago, so that a client which fetches a large
/// body in parts does not have it hashed for each of them.
#[derive(Default)]
struct Verified(Vec<(BodyId, std::time::Instant)>);

impl Verified {
    const MOST: usize = 64;
    const LIFE: std::time::Duration = std::time::Duration::from_secs(60);

    fn knows(&mut self, id: &BodyId) -> bool {
        let now = clock::instant();
        self.0.retain(|(_, at)| now.duration_since(*at) < Self::LIFE);
        self.0.iter().any(|(known, _)| known == id)
    }

    fn remember(&mut self, id: BodyId) {
        if self.0.len() >= Self::MOST {
            self.0.remove(0);
        }
        self.0.push((id, clock::instant()));
    }
}

impl Store {
    /// The key under which a domain's bodies are named.
    pub fn body_key(&self, domain: u64) -> BodyKey {
        BodyKey::derive(&self.bodies().secret, domain)
    }

    /// Names a body and makes a large one durable, before the transaction that refers to it. Blocks
    /// when the body is over [`INLINE_MAX`].
    pub fn stage_body(&self, key: &BodyKey, body: &Bytes) -> Result<StagedBody, Error> {
        if body.len() > INLINE_MAX && !self.has_room() {
            return Err(Error::Full);
        }
        let staged = self.bodies().stage(key, body);
        if let Err(e @ Error::Unknown(_)) = &staged {
            self.fail(e);
        }
        staged
    }

    /// A body, checked against its name. `Error::Damaged` speaks of this body alone. Blocks.
    pub fn body(&self, id: &BodyId) -> Result<Bytes, Error> {
        self.read()?.body(id)
    }

    /// The part of a body that lies in `range`; what is past its end is left out. Blocks.
    pub fn body_range(&self, id: &BodyId, range: Range<u64>) -> Result<Bytes, Error> {
        self.read()?.body_range(id, range)
    }
}

impl Reader {
    /// A body, checked against its name. `Error::Damaged` speaks of this body alone. Blocks.
    pub fn body(&self, id: &BodyId) -> Result<Bytes, Error> {
        self.bodies.read(self, id)
    }

    /// The part of a body that lies in `range`; what is past its end is left out. Blocks.
    pub fn body_range(&self, id: &BodyId, range: Range<u64>) -> Result<Bytes, Error> {
        self.bodies.read_range(self, id, range)
    }
}

impl Tx<'_> {
    /// A body, checked against its name; also one that this transaction has attached.
    pub fn body(&self, id: &BodyId) -> Result<Bytes, Error> {
        self.bodies().read(self, id)
    }

    /// Refers to a staged body, which is written if the store does not have it.
    pub fn attach_body(&mut self, staged: &StagedBody, referrer: Referrer) -> Result<(), Error> {
        let id = staged.id;
        let alive = match Meta::of(self, &id)? {
            Some(meta) if meta.dying_since.is_none() => None,
            // Reviving is safe: what removes it looks again in its own transaction.
            Some(meta) => Some(Meta { dying_since: None, ..meta }),
            None => Some(self.write_body(staged)),
        };
        if let Some(meta) = alive {
            self.put(Meta::row(&id), meta.encode());
        }
        if let Kept::Object(pin) = &staged.kept {
            // The reference protects the object only once it is durable.
            let pin = pin.clone();
            self.after_commit(move || drop(pin));
        }
        self.put(referrer.row(&id), Bytes::new());
        Ok(())
    }

    fn write_body(&mut self, staged: &StagedBody) -> Meta {
        let place = match &staged.kept {
            Kept::Here(bytes) => {
                self.put_in(Space::Bodies, staged.id.0.to_vec(), bytes.clone());
                Place::Row
            }
            Kept::Object(_) => Place::Object,
        };
        Meta { size: staged.size, place, domain: staged.domain, dying_since: None }
    }

    /// Refers to a body the store already has, as a copy or a move does.
    pub fn refer_to_body(&mut self, id: BodyId, referrer: Referrer) -> Result<(), Error> {
        let meta = Meta::of(self, &id)?.ok_or_else(|| missing(&id))?;
        if meta.dying_since.is_some() {
            self.put(Meta::row(&id), Meta { dying_since: None, ..meta }.encode());
        }
        self.put(referrer.row(&id), Bytes::new());
        Ok(())
    }

    /// Takes a reference away. A body without any is collected later.
    pub fn release_body(&mut self, id: BodyId, referrer: Referrer) -> Result<(), Error> {
        self.delete(referrer.row(&id));
        if !is_referred_to(self, &id)? {
            let bodies = self.bodies().clone();
            self.after_commit(move || bodies.nominate(id));
        }
        Ok(())
    }

    /// Takes a reference away of which nobody knows any more to what body it is, since the row that named
    /// it could not be read: the collector looks for it. The referrer must never refer to anything again.
    pub fn lose_body(&mut self, referrer: Referrer) {
        self.put(referrer.lost_row(), Bytes::new());
    }
}
