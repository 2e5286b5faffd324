//! vCards: what their properties mean. RFC 6350; RFC 2426.
//!
//! A [`Card`] reads, a [`CardMut`] edits in place: lines that an edit does not touch keep their bytes, and a
//! line that it does touch keeps its place, its group and its parameters. Both know what Apple, Outlook and
//! Evolution write beside the standards.

mod check;
mod convert;
mod date;
mod edit;
mod entry;
mod read;
mod related;

pub use check::{BadCard, check};
pub use convert::convert;
pub use date::CardDate;
pub use edit::CardMut;
pub use entry::{Address, Entry, Organization, PersonName, PhoneKind, Photo, Place};
pub use read::Card;
pub use related::Relation;

use std::fmt;

/// A version of vCard that is kept here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CardVersion {
    /// 3.0. RFC 2426.
    V3,
    /// 4.0. RFC 6350.
    V4,
}

impl CardVersion {
    /// The value of VERSION.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V3 => "3.0",
            Self::V4 => "4.0",
        }
    }

    /// The version with this value.
    pub fn of(text: &str) -> Option<Self> {
        match text.trim() {
            "3.0" => Some(Self::V3),
            "4.0" => Some(Self::V4),
            _ => None,
        }
    }
}

impl fmt::Display for CardVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
