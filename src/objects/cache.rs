//! Parsed objects, kept within a bound, so that what recurs is not parsed for each question.

use std::collections::HashMap;
use std::sync::Arc;

use caldav::{Object, Series};
use parking_lot::Mutex;

use super::Objects;
use super::entry::key_of;
use crate::mailbox::{Error, Folder, Item, Uid, View};
use crate::store::BodyId;

/// Octets of memory for parsed objects, by default.
pub const SERIES_CACHE_BYTES: usize = 64 << 20;

/// About how many octets of memory a parsed object takes for each of its text, and beside.
const MEMORY_FACTOR: usize = 8;
const MEMORY_BASE: usize = 1024;

/// An object's parsed form.
#[derive(Debug)]
pub struct Parsed {
    /// All of it.
    pub object: Object,
    /// Its instances; `None` for what has no time, or cannot be understood.
    pub series: Option<Series>,
}

impl Parsed {
    /// Parses an object.
    ///
    /// # Errors
    /// `Invalid` when it is larger than any object that is stored.
    pub fn of(bytes: &[u8]) -> Result<Self, Error> {
        let object = Object::parse(bytes).map_err(|_| Error::Invalid("the object is too large"))?;
        let series =
            object.calendar().and_then(|calendar| Series::all(calendar).into_iter().find_map(Result::ok));
        Ok(Self { object, series })
    }
}

/// Two generations: what is asked for comes into the young one; when that is full it becomes the old one, and
/// what was in that and not asked for since is forgotten.
pub(super) struct Cache {
    half: usize,
    kept: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<[u8; 16], (Arc<Parsed>, usize)>,
    young_bytes: usize,
    old: HashMap<[u8; 16], (Arc<Parsed>, usize)>,
}

impl Cache {
    pub(super) fn new(bytes: usize) -> Self {
        Self { half: bytes / 2, kept: Mutex::default() }
    }

    pub(super) fn get(&self, key: &[u8; 16]) -> Option<Arc<Parsed>> {
        let mut kept = self.kept.lock();
        if let Some((parsed, _)) = kept.young.get(key) {
            return Some(parsed.clone());
        }
        let (parsed, bytes) = kept.old.remove(key)?;
        self.keep(&mut kept, *key, parsed.clone(), bytes);
        Some(parsed)
    }

    fn put(&self, key: [u8; 16], parsed: Arc<Parsed>, bytes: usize) {
        if bytes <= self.half {
            self.keep(&mut self.kept.lock(), key, parsed, bytes);
        }
    }

    fn keep(&self, kept: &mut Generations, key: [u8; 16], parsed: Arc<Parsed>, bytes: usize) {
        if kept.young_bytes.saturating_add(bytes) > self.half {
            kept.old = std::mem::take(&mut kept.young);
            kept.young_bytes = 0;
        }
        if kept.young.insert(key, (parsed, bytes)).is_none() {
            kept.young_bytes = kept.young_bytes.saturating_add(bytes);
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let kept = self.kept.lock();
        kept.young.values().chain(kept.old.values()).map(|(_, bytes)| bytes).sum()
    }
}

impl Objects {
    /// The parsed form of an item's object.
    ///
    /// # Errors
    /// The store's; `Invalid` for what is none.
    pub fn parsed(&self, view: &View, item: &Item) -> Result<Arc<Parsed>, Error> {
        let key = key_of(&item.body);
        match self.cache.get(&key) {
            Some(parsed) => Ok(parsed),
            None => self.parse(view, key, item),
        }
    }

    /// As [`Objects::parsed`], for an item whose row need not be read when its body's parsed form is kept.
    pub(super) fn parsed_by_key(
        &self,
        view: &View,
        folder: &Folder,
        uid: Uid,
        key: [u8; 16],
    ) -> Result<Arc<Parsed>, Error> {
        match self.cache.get(&key) {
            Some(parsed) => Ok(parsed),
            None => self.parse(view, key, &view.item(folder, uid)?.ok_or(Error::Missing)?),
        }
    }

    fn parse(&self, view: &View, key: [u8; 16], item: &Item) -> Result<Arc<Parsed>, Error> {
        let bytes = view.reader().body(&BodyId(item.body))?;
        let parsed = Arc::new(Parsed::of(&bytes)?);
        let memory = bytes.len().saturating_mul(MEMORY_FACTOR).saturating_add(MEMORY_BASE);
        self.cache.put(key, parsed.clone(), memory);
        Ok(parsed)
    }
}
