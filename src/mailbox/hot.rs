//! Hot folders: what listings ask of every item, held in memory and shared by all who look.
//!
//! A [`Hot`] is a folder's items as of one modseq, 32 bytes each. The next state is made of the last one and
//! the rows that the change log has since, and shares all its chunks but those with a changed item, so that a
//! change costs a few microseconds however large the folder is. Nothing here is ever waited for, and nothing
//! is lost with it: it can be made again from the rows at any time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::Error;
use super::folder::Folder;
use super::ids::{FolderId, Modseq, Uid};
use super::item::{Flags, Item, LogRow};
use super::rows;
use super::seen::OwnSeen;
use super::view::View;

/// Most items of a chunk: a changed item has its chunk copied.
const CHUNK: usize = 512;
/// What an item takes in memory, in bytes.
const ITEM_BYTES: u64 = 32;
/// What a folder takes beside its items, in bytes.
const FOLDER_BYTES: u64 = 512;

/// What a listing asks of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Light {
    /// The item.
    pub uid: Uid,
    /// System flags.
    pub flags: Flags,
    /// Which of the folder's sets of keywords it has: see [`Lights::keywords`].
    words: u32,
    /// Octets, as [`Item::size`]; what is larger than 4 GiB counts as that.
    pub size: u32,
    /// Its latest change.
    pub modseq: Modseq,
    /// The identity of its content. RFC 8474 §4.
    pub content: u64,
}

/// A folder's items as of one modseq, in order of UID.
#[derive(Debug)]
struct Hot {
    uid_validity: u32,
    highest: Modseq,
    /// None is empty.
    chunks: Vec<Arc<[Light]>>,
    words: Arc<Words>,
}

/// The sets of keywords that items of a folder have; the first is the empty one.
#[derive(Clone, Debug)]
struct Words {
    sets: Vec<Arc<[String]>>,
    numbers: HashMap<Arc<[String]>, u32>,
}

/// The items of a folder as one who acts sees them: of one snapshot.
#[derive(Clone)]
pub struct Lights {
    hot: Arc<Hot>,
    /// The acting account's own seen state, where it has one.
    own_seen: Option<Arc<OwnSeen>>,
}

impl Lights {
    /// The items from UID `low` to `high`, in order.
    pub fn range(&self, low: Uid, high: Uid) -> impl Iterator<Item = Light> + '_ {
        let from = self.hot.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.uid < low));
        let chunks = self.hot.chunks.iter().skip(from).flat_map(|chunk| chunk.iter());
        let within = chunks.skip_while(move |light| light.uid < low).take_while(move |l| l.uid <= high);
        within.map(|light| self.seen(*light))
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = Light> + '_ {
        self.hot.chunks.iter().flat_map(|chunk| chunk.iter()).map(|light| self.seen(*light))
    }

    /// One item.
    pub fn get(&self, uid: Uid) -> Option<Light> {
        self.hot.get(uid).map(|light| self.seen(light))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.hot.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.hot.chunks.is_empty()
    }

    /// An item's keywords, sorted.
    pub fn keywords(&self, light: &Light) -> &[String] {
        self.hot.words.of(light)
    }

    /// The keywords that items have, sorted; some of those of former items may be among them.
    pub fn all_keywords(&self) -> BTreeSet<&str> {
        self.hot.words.sets.iter().flat_map(|set| set.iter()).map(String::as_str).collect()
    }

    fn seen(&self, light: Light) -> Light {
        match &self.own_seen {
            Some(own) => Light { flags: light.flags.with(Flags::SEEN, own.has(light.uid)), ..light },
            None => light,
        }
    }
}

/// The folders looked at lately, up to a bound in bytes.
pub(super) struct HotFolders {
    bytes_max: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    folders: HashMap<FolderId, (Arc<Hot>, u64)>,
    /// By the last use, of which each has its own number.
    used: BTreeMap<u64, FolderId>,
    uses: u64,
    bytes: u64,
}

impl HotFolders {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    /// What is held at present.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.kept.lock().bytes
    }

    /// A folder of a view.
    pub(super) fn lights(&self, view: &View, folder: &Folder) -> Result<Lights, Error> {
        let known = self.kept.lock().find(folder.id);
        let hot = match known.as_ref().map(|known| known.at(view, folder)).transpose()?.flatten() {
            Some(hot) => hot,
            None => Arc::new(Hot::read(view, folder)?),
        };
        if known.is_none_or(|known| !Arc::ptr_eq(&known, &hot)) {
            self.kept.lock().keep(folder.id, &hot, self.bytes_max);
        }
        Ok(Lights { hot, own_seen: view.all_own_seen(folder)?.map(Arc::new) })
    }
}

impl Kept {
    fn find(&mut self, id: FolderId) -> Option<Arc<Hot>> {
        self.uses = self.uses.saturating_add(1);
        let (hot, used) = self.folders.get_mut(&id)?;
        self.used.remove(used);
        *used = self.uses;
        self.used.insert(self.uses, id);
        Some(hot.clone())
    }

    /// Keeps a folder's newest state; a view may be older than what another has brought.
    fn keep(&mut self, id: FolderId, hot: &Arc<Hot>, bytes_max: u64) {
        if hot.bytes() > bytes_max || self.folders.get(&id).is_some_and(|(known, _)| known.is_newer(hot)) {
            return;
        }
        self.remove(id);
        self.uses = self.uses.saturating_add(1);
        self.bytes = self.bytes.saturating_add(hot.bytes());
        self.folders.insert(id, (hot.clone(), self.uses));
        self.used.insert(self.uses, id);
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.used.first_key_value().map(|(used, id)| (*used, *id))
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, id: FolderId) {
        if let Some((hot, used)) = self.folders.remove(&id) {
            self.used.remove(&used);
            self.bytes = self.bytes.saturating_sub(hot.bytes());
        }
    }
}

impl Hot {
    /// From the rows.
    fn read(view: &View, folder: &Folder) -> Result<Self, Error> {
        let mut words = Arc::new(Words::default());
        let mut all = Vec::new();
        view.sound_items(folder, Uid(0), &mut |item| {
            all.push(Words::light(&mut words, &item));
            ControlFlow::Continue(())
        })?;
        Ok(Self {
            uid_validity: folder.uid_validity,
            highest: folder.highest,
            chunks: all.chunks(CHUNK).map(Arc::from).collect(),
            words,
        })
    }

    /// The same folder in a view that may be newer; `None` when it must be read anew.
    fn at(self: &Arc<Self>, view: &View, folder: &Folder) -> Result<Option<Arc<Self>>, Error> {
        let is_of_this_log = self.uid_validity == folder.uid_validity
            && (folder.purged..=folder.highest).contains(&self.highest);
        // Sets of keywords that no item has any more are left out when all is read anew.
        if !is_of_this_log || self.words.sets.len() > self.len() + CHUNK {
            return Ok(None);
        }
        if self.highest == folder.highest {
            return Ok(Some(self.clone()));
        }
        let mut touched = BTreeSet::new();
        let most = self.len() / 4 + CHUNK;
        view.log(folder, self.highest, &mut |_, row| {
            let (LogRow::Birth { uid }
            | LogRow::Change { uid }
            | LogRow::Redated { uid }
            | LogRow::Tombstone { uid, .. }) = row;
            touched.insert(uid);
            if touched.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if touched.len() > most {
            return Ok(None);
        }
        let mut words = self.words.clone();
        let mut changes = Vec::with_capacity(touched.len());
        for uid in touched {
            let item = rows::sound_item(view.reader(), folder.id, uid)?;
            changes.push((uid, item.map(|item| Words::light(&mut words, &item))));
        }
        let chunks = changed(&self.chunks, &changes);
        Ok(Some(Arc::new(Self { uid_validity: folder.uid_validity, highest: folder.highest, chunks, words })))
    }

    fn get(&self, uid: Uid) -> Option<Light> {
        let at = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.uid < uid));
        let chunk = self.chunks.get(at)?;
        let place = chunk.binary_search_by_key(&uid, |light| light.uid).ok()?;
        chunk.get(place).copied()
    }

    fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    fn bytes(&self) -> u64 {
        let words: usize =
            self.words.sets.iter().flat_map(|set| set.iter()).map(|word| word.len() + 64).sum();
        (self.len() as u64)
            .saturating_mul(ITEM_BYTES)
            .saturating_add(FOLDER_BYTES)
            .saturating_add(words as u64)
    }

    fn is_newer(&self, than: &Self) -> bool {
        (self.uid_validity, self.highest) > (than.uid_validity, than.highest)
    }
}

/// The chunks with changes, ordered by UID, laid over them: an item as it is now, or gone.
fn changed(chunks: &[Arc<[Light]>], changes: &[(Uid, Option<Light>)]) -> Vec<Arc<[Light]>> {
    let mut after = Vec::with_capacity(chunks.len() + 1);
    let mut left = changes;
    for (n, chunk) in chunks.iter().enumerate() {
        // What is beyond the last item belongs to the last chunk.
        let is_last = n + 1 == chunks.len();
        let end = chunk.last().map_or(Uid(0), |light| light.uid);
        let here = if is_last { left.len() } else { left.partition_point(|(uid, _)| *uid <= end) };
        let (these, rest) = left.split_at(here);
        left = rest;
        if these.is_empty() {
            after.push(chunk.clone());
        } else {
            after.extend(merged(chunk, these).chunks(CHUNK).map(Arc::from));
        }
    }
    after.extend(merged(&[], left).chunks(CHUNK).map(Arc::from));
    joined(after)
}

fn merged(chunk: &[Light], changes: &[(Uid, Option<Light>)]) -> Vec<Light> {
    let mut items = Vec::with_capacity(chunk.len() + changes.len());
    let mut old = chunk.iter().copied().peekable();
    for (uid, light) in changes {
        while let Some(before) = old.next_if(|light| light.uid < *uid) {
            items.push(before);
        }
        old.next_if(|light| light.uid == *uid);
        items.extend(*light);
    }
    items.extend(old);
    items
}

/// Neighbours of which little is left become one, so that expunging leaves no crumbs.
fn joined(chunks: Vec<Arc<[Light]>>) -> Vec<Arc<[Light]>> {
    if chunks.windows(2).all(|pair| pair.iter().map(|chunk| chunk.len()).sum::<usize>() > CHUNK / 2) {
        return chunks;
    }
    let mut after: Vec<Arc<[Light]>> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match after.last_mut() {
            Some(last) if last.len() + chunk.len() <= CHUNK / 2 => {
                *last = last.iter().chain(chunk.iter()).copied().collect();
            }
            _ => after.push(chunk),
        }
    }
    after
}

impl Default for Words {
    fn default() -> Self {
        let none: Arc<[String]> = Arc::from([]);
        Self { sets: vec![none.clone()], numbers: HashMap::from([(none, 0)]) }
    }
}

impl Words {
    fn of(&self, light: &Light) -> &[String] {
        let set = usize::try_from(light.words).ok().and_then(|number| self.sets.get(number));
        set.map_or(&[], |set| set)
    }

    /// An item as a listing sees it, its set of keywords among those known.
    fn light(words: &mut Arc<Self>, item: &Item) -> Light {
        let number = words.numbers.get(item.keywords.as_slice()).copied();
        Light {
            uid: item.uid,
            flags: item.flags,
            words: number.unwrap_or_else(|| Arc::make_mut(words).add(&item.keywords)),
            size: u32::try_from(item.size).unwrap_or(u32::MAX),
            modseq: item.modseq,
            content: item.content,
        }
    }

    fn add(&mut self, keywords: &[String]) -> u32 {
        // There are never more sets than items were looked at, whose UIDs have 32 bits.
        let number = u32::try_from(self.sets.len()).unwrap_or_default();
        let set: Arc<[String]> = Arc::from(keywords);
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        number
    }
}
