//! What a client that keeps a copy of a folder has, and what it must be told: the state of an
//! ActiveSync collection, of constant size, as pure code over a view of one folder.
//!
//! Nobody remembers which items a client has. It follows from four values (see [`State`]): the client
//! was told every birth and change up to `cursor`, of the items whose position, filter date then UID,
//! is at or above `reached`. A first synchronisation is nothing but `reached` moving down from the top
//! to the cut-off wanted, newest items first; a filter that changes moves it further down or back up.

mod keys;
mod walk;

pub use keys::{Candidate, Collection, Given, SyncKey};
pub use walk::{Facts, Round, Step, Told, View, would_tell};

use serde::{Deserialize, Serialize};

use super::ids::{Modseq, Uid};
use crate::clock::Millis;

/// Where an item stands for filters: newer filter dates are higher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The item's filter date.
    pub date: Millis,
    /// Its UID.
    pub uid: u32,
}

impl Position {
    /// Above every item.
    pub const TOP: Self = Self { date: Millis::MAX, uid: u32::MAX };

    /// The lowest position of a cut-off date: items of that date are included.
    pub fn cut_off(date: Millis) -> Self {
        Self { date, uid: 0 }
    }

    /// The position just above this one.
    fn above(self) -> Self {
        match self.uid.checked_add(1) {
            Some(uid) => Self { date: self.date, uid },
            None => Self { date: self.date.saturating_add(1), uid: 0 },
        }
    }
}

/// Most items that a client has although they stand below `reached`: its own additions made while its
/// first pages were still under way. One more is taken from it and comes back with its page.
pub const HELD_MAX: usize = 64;

/// What a client has of a folder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// The folder's head when the client began: what it added itself after this, it has.
    pub base: Modseq,
    /// Births and changes up to here were told.
    pub cursor: Modseq,
    /// Items at or above this position were told.
    pub reached: Position,
    /// Items below `reached` that the client has nevertheless.
    pub held: Vec<Uid>,
}

impl State {
    /// A client that has nothing yet, beginning when the folder's head is `head`.
    pub fn new(head: Modseq) -> Self {
        Self { base: head, cursor: head, reached: Position::TOP, held: Vec::new() }
    }
}
