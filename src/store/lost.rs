//! Releasing bodies whose referrer could not be read when it was removed.
//!
//! References are rows by body, so nobody finds those of one referrer but by looking through all. That is
//! done some rows at a time, and only while there is one to look for.

use std::collections::BTreeSet;

use super::body::Referrer;
use super::keys::Table;
use super::sweep::{Cursor, sweep};
use super::{Error, Store};

/// Most referrers that are looked for at once.
const WANTED_MAX: usize = 1_000;
/// References that one step looks at.
const LOOK: usize = 4_096;

/// A pass over all references for those that were lost.
#[derive(Default)]
pub(super) struct Seeker {
    wanted: BTreeSet<Vec<u8>>,
    at: Option<Cursor>,
}

impl Seeker {
    /// Looks at the next references, if any is missed. True while there is more to look at. Blocks.
    pub(super) fn step(&mut self, store: &Store) -> Result<bool, Error> {
        let reader = store.read()?;
        if self.wanted.is_empty() {
            let noted = sweep(&reader, Table::LostReference, None, WANTED_MAX, |key, _| Some(key.to_vec()))?;
            self.wanted.extend(noted.found);
            self.at = None;
        }
        if self.wanted.is_empty() {
            return Ok(false);
        }
        let swept = sweep(&reader, Table::BodyReference, self.at.as_ref(), LOOK, |key, _| {
            Referrer::of_row(key).filter(|(_, referrer)| self.wanted.contains(&referrer.lost_row()))
        })?;
        drop(reader);
        self.at = swept.next;
        let whole = self.at.is_none();
        let looked_for = if whole { std::mem::take(&mut self.wanted) } else { BTreeSet::new() };
        if whole || !swept.found.is_empty() {
            store.shrink(move |tx| {
                for (body, referrer) in swept.found {
                    tx.release_body(body, referrer)?;
                }
                looked_for.into_iter().for_each(|noted| tx.delete(noted));
                Ok::<_, Error>(())
            })?;
        }
        Ok(!whole)
    }
}
