//! Looking through a whole table, some rows at a time.

use std::ops::{Bound, ControlFlow};

use super::engine::{KeyRange, Order};
use super::keys::{Key, Table};
use super::{Error, Read};

/// Where a look goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor(Vec<u8>);

/// What a look at some of the rows found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swept<T> {
    /// What was found.
    pub found: Vec<T>,
    /// Where to go on; absent at the end.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// Goes on with the row of this key, or the first after it.
    pub fn at(key: Key) -> Self {
        Self(key.done())
    }

    /// The rows of a table from the cursor on, or all.
    pub fn rest(table: Table, from: Option<&Self>) -> KeyRange {
        let (start, end) = Key::of(table).range();
        (from.map_or(start, |Self(key)| Bound::Included(key.clone())), end)
    }
}

/// Looks at the next `most` rows of a table, from the cursor on, and keeps what `pick` makes of them.
pub fn sweep<T>(
    from: &dyn Read,
    table: Table,
    at: Option<&Cursor>,
    most: usize,
    mut pick: impl FnMut(&[u8], &[u8]) -> Option<T>,
) -> Result<Swept<T>, Error> {
    let mut swept = Swept { found: Vec::new(), next: None };
    let mut left = most;
    from.scan(&Cursor::rest(table, at), Order::Forward, &mut |key, value| {
        if left == 0 {
            swept.next = Some(Cursor(key.to_vec()));
            return ControlFlow::Break(());
        }
        left -= 1;
        swept.found.extend(pick(key, value));
        ControlFlow::Continue(())
    })?;
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn every_row_is_looked_at_once_whatever_the_size_of_a_look() {
        let store = Store::in_memory().unwrap();
        store
            .write::<_, Error>(|tx| {
                (0..10_u64).for_each(|n| tx.put(Key::of(Table::Thread).u64(n).done(), vec![1]));
                tx.put(Key::of(Table::RemovedOwner).u64(1).done(), vec![1]);
                Ok(())
            })
            .unwrap();
        let reader = store.read().unwrap();
        for most in [1, 3, 5, 10, 11] {
            let (mut seen, mut at, mut looks) = (Vec::new(), None, 0);
            loop {
                let look = sweep(&reader, Table::Thread, at.as_ref(), most, |key, _| Some(key.to_vec()));
                let swept = look.unwrap();
                assert!(swept.found.len() <= most);
                seen.extend(swept.found);
                looks += 1;
                at = swept.next;
                if at.is_none() {
                    break;
                }
            }
            assert_eq!((seen.len(), looks), (10, 10_usize.div_ceil(most)));
            assert!(seen.is_sorted_by(|a, b| a < b));
        }
    }
}
