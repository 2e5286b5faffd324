//! Changes laid over a snapshot: what a transaction and those before it in its group have written, and
//! scans that merge it with what is in the engine.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::Error;
use super::engine::{Change, KeyRange, Order, Snapshot, Space, Visit};

/// New values by key; `None` removes the key.
pub(super) type Map = BTreeMap<Vec<u8>, Option<Bytes>>;

/// Changes that are not in the engine yet.
#[derive(Default)]
pub(super) struct Overlay {
    rows: Map,
    bodies: Map,
}

impl Overlay {
    /// The changes of one space.
    pub(super) fn map(&self, space: Space) -> &Map {
        match space {
            Space::Rows => &self.rows,
            Space::Bodies => &self.bodies,
        }
    }

    fn map_mut(&mut self, space: Space) -> &mut Map {
        match space {
            Space::Rows => &mut self.rows,
            Space::Bodies => &mut self.bodies,
        }
    }

    /// Sets or removes a key.
    pub(super) fn set(&mut self, space: Space, key: Vec<u8>, value: Option<Bytes>) {
        self.map_mut(space).insert(key, value);
    }

    /// What was written to `key`, if anything.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Option<&Option<Bytes>> {
        self.map(space).get(key)
    }

    /// True when nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.bodies.is_empty()
    }

    /// Lays `later` over this.
    pub(super) fn absorb(&mut self, mut later: Self) {
        for (mine, theirs) in [(&mut self.rows, &mut later.rows), (&mut self.bodies, &mut later.bodies)] {
            if mine.is_empty() {
                std::mem::swap(mine, theirs);
            } else {
                mine.extend(std::mem::take(theirs));
            }
        }
    }

    /// The changes as the engine takes them.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.rows.len().saturating_add(self.bodies.len()));
        for (space, map) in [(Space::Rows, self.rows), (Space::Bodies, self.bodies)] {
            changes.extend(map.into_iter().map(|(key, value)| Change { space, key, value }));
        }
        changes
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

/// A range with borrowed bounds.
pub(super) fn borrowed(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice))
}

/// Visits the rows of `base` with two layers of changes over it, in one order; `upper` hides `lower`,
/// and both hide the base. `range` must not be empty.
pub(super) fn scan(
    base: &dyn Snapshot,
    (upper, lower): (&Map, &Map),
    space: Space,
    range: &KeyRange,
    order: Order,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut laid = Laid::new(upper, lower, range, order);
    if laid.peek().is_none() {
        return base.scan(space, range, order, visit);
    }
    let mut stopped = false;
    base.scan(space, range, order, &mut |key, value| {
        while let Some((over, row)) = laid.next_due(key) {
            if let Some(row) = row
                && visit(over, row).is_break()
            {
                stopped = true;
                return ControlFlow::Break(());
            }
            if over == key {
                return ControlFlow::Continue(());
            }
        }
        let flow = visit(key, value);
        stopped = flow.is_break();
        flow
    })?;
    while !stopped && let Some((over, row)) = laid.next() {
        stopped = row.as_ref().is_some_and(|row| visit(over, row).is_break());
    }
    Ok(())
}

/// The changes of two layers in one order; where both changed a key, the upper one's.
struct Laid<'a> {
    upper: Peekable<Directed<'a>>,
    lower: Peekable<Directed<'a>>,
    order: Order,
}

type Row<'a> = (&'a Vec<u8>, &'a Option<Bytes>);

impl<'a> Laid<'a> {
    fn new(upper: &'a Map, lower: &'a Map, range: &KeyRange, order: Order) -> Self {
        let rows = |map: &'a Map| Directed { rows: map.range::<[u8], _>(borrowed(range)), order }.peekable();
        Self { upper: rows(upper), lower: rows(lower), order }
    }

    fn peek(&mut self) -> Option<&'a Vec<u8>> {
        let (upper, lower) = (self.upper.peek().map(|r| r.0), self.lower.peek().map(|r| r.0));
        match (upper, lower) {
            (Some(u), Some(l)) if comes_first(l, u, self.order) => Some(l),
            (Some(u), _) => Some(u),
            (None, lower) => lower,
        }
    }

    fn next(&mut self) -> Option<Row<'a>> {
        let first = self.peek()?;
        let lower = self.lower.next_if(|r| r.0 == first);
        self.upper.next_if(|r| r.0 == first).or(lower)
    }

    /// The next change at or before `bar` in this order.
    fn next_due(&mut self, bar: &[u8]) -> Option<Row<'a>> {
        let first = self.peek()?;
        if comes_first(bar, first, self.order) { None } else { self.next() }
    }
}

fn comes_first(a: &[u8], b: &[u8], order: Order) -> bool {
    match order {
        Order::Forward => a < b,
        Order::Backward => a > b,
    }
}

struct Directed<'a> {
    rows: Range<'a, Vec<u8>, Option<Bytes>>,
    order: Order,
}

impl<'a> Iterator for Directed<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.order {
            Order::Forward => self.rows.next(),
            Order::Backward => self.rows.next_back(),
        }
    }
}
