//! One transaction: reads over the committer's current view, and the changes laid over it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::Error;
use super::engine::{Change, KeyRange, Order, Snapshot, Space, Visit};

/// What can be asked of the store's state: of a snapshot, or of a transaction under way.
pub trait Read {
    /// The value of `key` in the rows.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get_in(Space::Rows, key)
    }
    /// Visits the rows of `range` in `order` until `visit` breaks.
    fn scan(&self, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.scan_in(Space::Rows, range, order, visit)
    }
    /// The value of `key` in `space`.
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error>;
    /// Visits the rows of `range` of `space` in `order` until `visit` breaks.
    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error>;
}

impl Read for dyn Snapshot {
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Snapshot::get(self, space, key)
    }
    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        Snapshot::scan(self, space, range, order, visit)
    }
}

/// A snapshot of the store that a request reads from.
pub struct Reader(pub(super) Box<dyn Snapshot>);

impl Read for Reader {
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.get(space, key)
    }
    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        self.0.scan(space, range, order, visit)
    }
}

/// Changes not yet in the engine, by place.
pub(super) type Overlay = BTreeMap<(Space, Vec<u8>), Option<Bytes>>;

/// Something to do once the transaction is durable and before its caller is answered.
pub type AfterCommit = Box<dyn FnOnce() + Send>;

/// A transaction: the committer runs it over its current view. What it reads includes what the
/// transactions before it in the same group wrote. Nothing of it is kept when its closure fails.
pub struct Tx<'g> {
    base: &'g dyn Snapshot,
    group: &'g Overlay,
    own: Overlay,
    bytes: usize,
    after: Vec<AfterCommit>,
}

impl<'g> Tx<'g> {
    pub(super) fn new(base: &'g dyn Snapshot, group: &'g Overlay) -> Self {
        Self { base, group, own: Overlay::new(), bytes: 0, after: Vec::new() }
    }

    /// Sets a row.
    pub fn put(&mut self, key: Vec<u8>, value: impl Into<Bytes>) {
        self.put_in(Space::Rows, key, value);
    }

    /// Removes a row; an absent one is no error.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.delete_in(Space::Rows, key);
    }

    /// Sets a row of `space`.
    pub fn put_in(&mut self, space: Space, key: Vec<u8>, value: impl Into<Bytes>) {
        let value = value.into();
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.own.insert((space, key), Some(value));
    }

    /// Removes a row of `space`; an absent one is no error.
    pub fn delete_in(&mut self, space: Space, key: Vec<u8>) {
        self.own.insert((space, key), None);
    }

    /// Runs `f` when this transaction is durable, before its caller is answered.
    pub fn after_commit(&mut self, f: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(f));
    }

    pub(super) fn into_parts(self) -> (Overlay, usize, Vec<AfterCommit>) {
        (self.own, self.bytes, self.after)
    }
}

impl Read for Tx<'_> {
    fn get_in(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let place = (space, key.to_vec());
        match self.own.get(&place).or_else(|| self.group.get(&place)) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(space, key),
        }
    }

    fn scan_in(
        &self,
        space: Space,
        range: &KeyRange,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        if is_empty(range) {
            return Ok(());
        }
        let laid = self.laid_over(space, range);
        if laid.is_empty() {
            return self.base.scan(space, range, order, visit);
        }
        merge(self.base, space, range, order, laid, visit)
    }
}

impl Tx<'_> {
    /// The overlaid rows of a range: the transaction's own before the group's.
    fn laid_over(&self, space: Space, range: &KeyRange) -> BTreeMap<Vec<u8>, Option<Bytes>> {
        let places = (place(space, &range.0, false), place(space, &range.1, true));
        let rows = |overlay: &Overlay| {
            overlay.range(places.clone()).map(|((_, k), v)| (k.clone(), v.clone())).collect::<Vec<_>>()
        };
        let mut laid: BTreeMap<_, _> = rows(self.group).into_iter().collect();
        laid.extend(rows(&self.own));
        laid
    }
}

/// A bound of keys as a bound of places; an open end stays within its space.
fn place(space: Space, bound: &Bound<Vec<u8>>, end: bool) -> Bound<(Space, Vec<u8>)> {
    match bound {
        Bound::Included(key) => Bound::Included((space, key.clone())),
        Bound::Excluded(key) => Bound::Excluded((space, key.clone())),
        Bound::Unbounded if end && space == Space::Rows => Bound::Excluded((Space::Bodies, Vec::new())),
        Bound::Unbounded if end => Bound::Unbounded,
        Bound::Unbounded => Bound::Included((space, Vec::new())),
    }
}

/// True when no key lies in `range`; `BTreeMap::range` panics on some of these.
pub(super) fn is_empty(range: &KeyRange) -> bool {
    match (&range.0, &range.1) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a), Bound::Excluded(b))
        | (Bound::Excluded(a), Bound::Included(b))
        | (Bound::Excluded(a), Bound::Excluded(b)) => a >= b,
    }
}

/// Visits the base's rows and the overlaid ones in one order; an overlaid row hides the base's.
fn merge(
    base: &dyn Snapshot,
    space: Space,
    range: &KeyRange,
    order: Order,
    mut laid: BTreeMap<Vec<u8>, Option<Bytes>>,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut next = move |bar: Option<&[u8]>| -> Option<(Vec<u8>, Option<Bytes>)> {
        let entry = match order {
            Order::Forward => laid.first_entry()?,
            Order::Backward => laid.last_entry()?,
        };
        let due = bar.is_none_or(|bar| match order {
            Order::Forward => entry.key().as_slice() <= bar,
            Order::Backward => entry.key().as_slice() >= bar,
        });
        due.then(|| entry.remove_entry())
    };
    let mut stopped = false;
    base.scan(space, range, order, &mut |key, value| {
        while let Some((over, row)) = next(Some(key)) {
            let hides = over == key;
            if let Some(row) = row
                && visit(&over, &row).is_break()
            {
                stopped = true;
                return ControlFlow::Break(());
            }
            if hides {
                return ControlFlow::Continue(());
            }
        }
        let flow = visit(key, value);
        stopped = flow.is_break();
        flow
    })?;
    while !stopped && let Some((over, row)) = next(None) {
        stopped = row.is_some_and(|row| visit(&over, &row).is_break());
    }
    Ok(())
}

/// The changes of an overlay, as the engine takes them.
pub(super) fn changes(overlay: Overlay) -> Vec<Change> {
    overlay.into_iter().map(|((space, key), value)| Change { space, key, value }).collect()
}
