//! Removing bodies that nothing refers to any more.
//!
//! A body without references is first marked *dying*, in one commit, and removed in a later one, once
//! the grace is over and only if it is still dying and unreferenced. A reader that has just seen an
//! item can thus still read its body, and a new reference revives the body by taking the mark away.
//!
//! An object goes after the commit that removes its row, so a crash leaves at most an object without a
//! row. Those, and what interrupted writes have left, are swept when they are older than a grace.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use super::body::{BodyId, Meta, Place, is_referred_to};
use super::engine::{Order, Space};
use super::keys::{Key, Parts, Table};
use super::lost::Seeker;
use super::{Error, Read, Store, Tx};
use crate::clock::Millis;

/// How long things without references are kept.
#[derive(Clone, Copy, Debug)]
pub struct Graces {
    /// From the mark to the removal, in milliseconds.
    pub dying: Millis,
    /// The least age of an object that no row speaks of, in milliseconds. Longer than any staging.
    pub orphan: Millis,
}

impl Default for Graces {
    /// Ten minutes, and a day.
    fn default() -> Self {
        Self { dying: 10 * 60 * 1000, orphan: 24 * 60 * 60 * 1000 }
    }
}

/// What one step has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// Bodies that were looked at.
    pub looked_at: usize,
    /// Bodies newly marked as dying.
    pub marked: usize,
    /// Bodies removed.
    pub removed: usize,
    /// Files removed that no row spoke of.
    pub orphans: usize,
    /// True while it looks for references whose body is not known.
    pub seeking: bool,
    /// True when the scan reached the end of all bodies; the next step begins again.
    pub wrapped: bool,
}

/// Collects in small steps. It keeps only cursors: when it is made anew, it begins with the first body.
pub struct Collector {
    store: Store,
    graces: Graces,
    after: Option<BodyId>,
    /// Bodies it has marked, the earliest first.
    dying: VecDeque<(Millis, BodyId)>,
    /// The inner folder of objects that is looked at next, by the first four digits of names.
    folder: u16,
    seeker: Seeker,
}

/// Most marked bodies that are remembered; the scan finds the others.
const DYING_MAX: usize = 10_000;

impl Collector {
    /// A collector over `store`.
    pub fn new(store: Store, graces: Graces) -> Self {
        Self { store, graces, after: None, dying: VecDeque::new(), folder: 0, seeker: Seeker::default() }
    }

    /// Looks at up to `limit` bodies: those that have lost a reference, those whose grace is over, and
    /// the next of a scan over all; and at the next of all files. Blocks.
    pub fn step(&mut self, limit: usize) -> Result<Collected, Error> {
        let now = self.store.clock().now();
        let mut done = Collected { seeking: self.seeker.step(&self.store)?, ..Collected::default() };
        let mut suspects = self.store.bodies().take_candidates(limit);
        while suspects.len() < limit
            && let Some((_, id)) = self.dying.pop_front_if(|(at, _)| is_over(*at, self.graces.dying, now))
        {
            suspects.push(id);
        }
        done.wrapped = self.scan(limit.saturating_sub(suspects.len()), &mut suspects)?;
        done.looked_at = suspects.len();
        let (unmarked, due) = self.sort(suspects, now)?;
        done.marked = self.mark(unmarked, now)?;
        done.removed = self.remove(due, now)?;
        done.orphans = self.sweep(limit, now)?;
        Ok(done)
    }

    /// Takes the next bodies of the scan; true when it came to the end.
    fn scan(&mut self, limit: usize, into: &mut Vec<BodyId>) -> Result<bool, Error> {
        let all = Key::of(Table::Body).range();
        let start = self.after.map_or(all.0, |id| Bound::Excluded(Meta::row(&id)));
        let mut left = limit;
        let mut last = None;
        self.store.read()?.scan(&(start, all.1), Order::Forward, &mut |key, _| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            last = Parts::of(key).bytes().map(BodyId);
            into.extend(last);
            ControlFlow::Continue(())
        })?;
        let wrapped = left > 0;
        self.after = if wrapped { None } else { last.or(self.after) };
        Ok(wrapped)
    }

    /// The unreferenced among `suspects`: those without a mark, and those whose grace is over.
    fn sort(&self, suspects: Vec<BodyId>, now: Millis) -> Result<(Vec<BodyId>, Vec<BodyId>), Error> {
        let reader = self.store.read()?;
        let (mut unmarked, mut due) = (Vec::new(), Vec::new());
        for id in suspects {
            let Some(meta) = Meta::of(&reader, &id)? else { continue };
            if is_referred_to(&reader, &id)? {
                continue;
            }
            match meta.dying_since {
                None => unmarked.push(id),
                Some(since) if is_over(since, self.graces.dying, now) => due.push(id),
                Some(_) => {}
            }
        }
        Ok((unmarked, due))
    }

    fn mark(&mut self, ids: Vec<BodyId>, now: Millis) -> Result<usize, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let marked = self.store.shrink(move |tx| {
            let mut marked = Vec::new();
            for id in ids {
                if mark(tx, &id, now)? {
                    marked.push(id);
                }
            }
            Ok::<_, Error>(marked)
        })?;
        let count = marked.len();
        let room = DYING_MAX.saturating_sub(self.dying.len());
        self.dying.extend(marked.into_iter().take(room).map(|id| (now, id)));
        Ok(count)
    }

    fn remove(&self, ids: Vec<BodyId>, now: Millis) -> Result<usize, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let grace = self.graces.dying;
        let removed = self.store.shrink(move |tx| {
            let mut removed = Vec::new();
            for id in ids {
                removed.extend(remove(tx, id, grace, now)?);
            }
            Ok::<_, Error>(removed)
        })?;
        for (id, _) in removed.iter().filter(|(_, place)| *place == Place::Object) {
            self.remove_object(id)?;
        }
        Ok(removed.len())
    }

    /// Removes an object unless it is staged or referred to again.
    fn remove_object(&self, id: &BodyId) -> Result<bool, Error> {
        self.store.bodies().files.remove_unless(id, || {
            let meta = Meta::of(&self.store.read()?, id)?;
            Ok(meta.is_some_and(|meta| meta.place == Place::Object))
        })
    }

    /// Removes old files that no row speaks of, among about the next `limit`, all of one outer folder.
    fn sweep(&mut self, limit: usize, now: Millis) -> Result<usize, Error> {
        let (found, next) = self.store.bodies().files.list(self.folder, limit)?;
        self.folder = next;
        let reader = self.store.read()?;
        let mut swept = 0;
        for file in found.into_iter().filter(|f| is_over(f.modified, self.graces.orphan, now)) {
            let gone = match &file.id {
                // Nearly all of them are spoken of; the others are looked at again before they go.
                Some(id) => Meta::of(&reader, id)?.is_none() && self.remove_object(id)?,
                None => std::fs::remove_file(&file.path).is_ok(),
            };
            swept += usize::from(gone);
        }
        Ok(swept)
    }
}

/// True when `grace` has passed since `at`. A clock that went back prolongs it.
fn is_over(at: Millis, grace: Millis, now: Millis) -> bool {
    at.saturating_add(grace) <= now
}

fn mark(tx: &mut Tx<'_>, id: &BodyId, now: Millis) -> Result<bool, Error> {
    let Some(meta) = Meta::of(tx, id)?.filter(|meta| meta.dying_since.is_none()) else { return Ok(false) };
    if is_referred_to(tx, id)? {
        return Ok(false);
    }
    tx.put(Meta::row(id), Meta { dying_since: Some(now), ..meta }.encode());
    Ok(true)
}

fn remove(tx: &mut Tx<'_>, id: BodyId, grace: Millis, now: Millis) -> Result<Option<(BodyId, Place)>, Error> {
    let Some(meta) = Meta::of(tx, &id)? else { return Ok(None) };
    let due = meta.dying_since.is_some_and(|since| is_over(since, grace, now));
    if !due || is_referred_to(tx, &id)? {
        return Ok(None);
    }
    tx.delete(Meta::row(&id));
    if meta.place == Place::Row {
        tx.delete_in(Space::Bodies, id.0.to_vec());
    }
    Ok(Some((id, meta.place)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::clock::Clock;
    use crate::store::{INLINE_MAX, Referrer};

    const ITEM: Referrer = Referrer::Item { folder: 7, uid: 1 };
    const COPY: Referrer = Referrer::Item { folder: 8, uid: 1 };

    struct Case {
        clock: Clock,
        store: Store,
        collector: Collector,
    }

    fn case() -> Case {
        let clock = Clock::set(1_000_000);
        let store = Store::in_memory_at(&clock).unwrap();
        let collector = Collector::new(store.clone(), Graces { dying: 1000, orphan: 5000 });
        Case { clock, store, collector }
    }

    impl Case {
        fn attach(&self, body: &[u8], referrer: Referrer) -> BodyId {
            let staged =
                self.store.stage_body(&self.store.body_key(1), &Bytes::copy_from_slice(body)).unwrap();
            let id = staged.id();
            self.store.write(move |tx| tx.attach_body(&staged, referrer)).unwrap();
            id
        }

        fn release(&self, id: BodyId, referrer: Referrer) {
            self.store.write(move |tx| tx.release_body(id, referrer)).unwrap();
        }

        fn step(&mut self) -> Collected {
            self.collector.step(100).unwrap()
        }
    }

    fn bodies() -> [Vec<u8>; 2] {
        [b"a small one".to_vec(), vec![b'x'; INLINE_MAX + 1]]
    }

    #[test]
    fn a_body_dies_and_goes() {
        for body in bodies() {
            let mut case = case();
            let id = case.attach(&body, ITEM);
            case.store.write(move |tx| tx.refer_to_body(id, COPY)).unwrap();
            case.release(id, ITEM);
            assert_eq!(case.step(), Collected { looked_at: 1, wrapped: true, ..Collected::default() });
            case.release(id, COPY);
            assert_eq!(case.step().marked, 1);
            assert_eq!(case.store.body(&id).unwrap(), body);
            assert_eq!(case.step().removed, 0);
            case.clock.advance(1000);
            assert_eq!(case.step().removed, 1);
            assert!(matches!(case.store.body(&id), Err(Error::Damaged(_))));
            assert_eq!(case.step(), Collected { wrapped: true, ..Collected::default() });
        }
    }

    #[test]
    fn a_new_reference_revives() {
        for body in bodies() {
            let mut case = case();
            let id = case.attach(&body, ITEM);
            case.release(id, ITEM);
            assert_eq!(case.step().marked, 1);
            case.attach(&body, COPY);
            case.clock.advance(10_000);
            assert_eq!(case.step().removed, 0);
            assert_eq!(case.store.body(&id).unwrap(), body);
            // It dies anew, with a grace of its own.
            case.release(id, COPY);
            assert_eq!((case.step().marked, case.step().removed), (1, 0));
        }
    }

    #[test]
    fn a_staged_object_outlives_the_removal_of_its_row() {
        let mut case = case();
        let body = Bytes::from(vec![7; INLINE_MAX + 1]);
        let id = case.attach(&body, ITEM);
        case.release(id, ITEM);
        case.step();
        case.clock.advance(1000);
        let staged = case.store.stage_body(&case.store.body_key(1), &body).unwrap();
        assert_eq!(case.step().removed, 1);
        case.store.write(move |tx| tx.attach_body(&staged, COPY)).unwrap();
        assert_eq!(case.store.body(&id).unwrap(), body);
    }

    #[test]
    fn a_reference_is_found_whose_body_is_not_known() {
        let mut case = case();
        let kept = case.attach(b"kept", COPY);
        for body in bodies() {
            let id = case.attach(&body, ITEM);
            case.store
                .write::<(), Error>(|tx| {
                    tx.lose_body(ITEM);
                    Ok(())
                })
                .unwrap();
            assert!(crate::store::is_lost(&case.store.read().unwrap(), ITEM).unwrap());
            let step = case.step();
            assert_eq!((step.seeking, step.marked), (false, 1));
            case.clock.advance(1000);
            assert_eq!(case.step().removed, 1);
            assert!(matches!(case.store.body(&id), Err(Error::Damaged(_))));
            assert!(!crate::store::is_lost(&case.store.read().unwrap(), ITEM).unwrap());
        }
        assert!(case.store.body(&kept).is_ok());
    }

    #[test]
    fn the_scan_goes_round_in_bounded_steps() {
        let mut case = case();
        for n in 0..25_u8 {
            case.attach(&[n], ITEM);
        }
        let steps: Vec<_> = (0..3).map(|_| case.collector.step(10).unwrap()).collect();
        assert_eq!(steps.iter().map(|s| s.looked_at).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(steps.iter().map(|s| s.wrapped).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(case.collector.step(10).unwrap().looked_at, 10);
    }

    #[test]
    fn old_files_without_a_row_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let store = Store::open(folder.path(), &crate::store::StoreOptions::default(), &clock).unwrap();
        let body = |n: u8| Bytes::from(vec![n; INLINE_MAX + 1]);
        let key = store.body_key(1);
        let kept = store.stage_body(&key, &body(1)).unwrap();
        let id = kept.id();
        store.write(move |tx| tx.attach_body(&kept, ITEM)).unwrap();
        let orphan = store.stage_body(&key, &body(2)).unwrap();
        let path = |id: &BodyId| {
            let hex = id.to_string();
            folder.path().join("bodies").join(&hex[..2]).join(&hex[2..4]).join(hex)
        };
        let remains = path(&orphan.id()).with_extension("x#1");
        std::fs::write(&remains, b"half").unwrap();

        let mut collector = Collector::new(store.clone(), Graces { dying: 0, orphan: 60_000 });
        let round = |collector: &mut Collector| -> usize {
            (0..300).map(|_| collector.step(10).unwrap().orphans).sum()
        };
        let orphan_path = path(&orphan.id());
        assert_eq!(round(&mut collector), 0, "they are young");
        let old = std::time::UNIX_EPOCH;
        for path in [&path(&id), &orphan_path, &remains] {
            std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
        }
        assert_eq!(round(&mut collector), 1, "the other is staged, or referred to");
        assert!(!remains.exists());
        drop(orphan);
        assert_eq!(round(&mut collector), 1);
        assert!(!orphan_path.exists());
        assert_eq!(store.body(&id).unwrap(), body(1));
    }
}
