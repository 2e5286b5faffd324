//! Items: the row that changes, and the rows of the change log.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::ids::{FolderId, Modseq, Origin, Uid};
use crate::clock::Millis;

/// System flags of RFC 9051 §2.3.2 and the keywords that every client knows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Flags(pub u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 2);
    /// `\Draft`
    pub const DRAFT: Self = Self(1 << 3);
    /// `\Deleted`
    pub const DELETED: Self = Self(1 << 4);
    /// `$Forwarded`
    pub const FORWARDED: Self = Self(1 << 5);
    /// `$MDNSent`
    pub const MDN_SENT: Self = Self(1 << 6);
    /// `$Junk`
    pub const JUNK: Self = Self(1 << 7);
    /// `$NotJunk`
    pub const NOT_JUNK: Self = Self(1 << 8);

    /// The flags in either set.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags of this set that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// This set with all of `other` set, or cleared.
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on { self.and(other) } else { self.without(other) }
    }

    /// True when all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// An item's row: all that may change, and what a listing needs at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its number; not part of the stored row, whose key it is.
    #[serde(skip, default = "no_uid")]
    pub uid: Uid,
    /// The identity of its content, kept by moves and copies. RFC 8474 §4.
    pub content: u64,
    /// When it came into this folder.
    pub born: Modseq,
    /// Which client brought it.
    pub born_by: Origin,
    /// Its latest change.
    pub modseq: Modseq,
    /// Its latest change of content.
    pub content_modseq: Modseq,
    /// Its latest change of flags, keywords or properties.
    pub flags_modseq: Modseq,
    /// The client that knows of the latest change, since it made it and knew what was before.
    pub silent_for: Origin,
    /// System flags.
    pub flags: Flags,
    /// Other keywords, sorted.
    pub keywords: Vec<String>,
    /// When it arrived. RFC 9051 §2.3.3.
    pub internal_date: Millis,
    /// Where it stands for time filters: arrival for mail, last end for events.
    pub filter_date: Millis,
    /// Former filter dates, each with the modseq at which it ended, oldest first.
    pub former_dates: Vec<(Modseq, Millis)>,
    /// Octets, trace prefix included.
    pub size: u64,
    /// The conversation it belongs to.
    pub thread: u64,
    /// The body's id in the store.
    pub body: [u8; 32],
    /// Its name for DAV clients.
    pub dav_name: Option<String>,
    /// Its iCalendar UID.
    pub ical_uid: Option<String>,
    /// Properties that doors keep with it, by name, sorted.
    pub properties: Vec<(String, Vec<u8>)>,
}

fn no_uid() -> Uid {
    Uid(0)
}

impl Item {
    /// The property `name`.
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// What stands in the index of filter dates beside the date.
    pub(super) fn span(&self) -> &[u8] {
        self.property(SPAN).unwrap_or_default()
    }

    /// Octets of its properties, names included.
    pub(super) fn property_octets(&self) -> usize {
        self.properties.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
    }

    /// Octets of its keywords.
    pub(super) fn keyword_octets(&self) -> usize {
        self.keywords.iter().map(String::len).sum()
    }

    /// Whether a new item keeps all bounds: what comes from outside must not make a row that nobody
    /// reads again.
    pub(super) fn check_bounds(&self) -> Result<(), Error> {
        check(self.keywords.len() <= KEYWORDS_MAX, "there are too many keywords")?;
        check(self.keyword_octets() <= KEYWORD_OCTETS_MAX, "the keywords are too long")?;
        check(self.property_octets() <= PROPERTY_OCTETS_MAX, "the properties are too long")?;
        let name = self.dav_name.as_ref().map_or(0, String::len);
        check(name <= DAV_NAME_MAX, "the DAV name is too long")?;
        let ical = self.ical_uid.as_ref().map_or(0, String::len);
        check(ical <= ICAL_UID_MAX, "the iCalendar UID is too long")
    }

    /// As [`Item::check_bounds`], for what may be edited. One that was over a bound before may be changed
    /// as long as it does not grow further.
    pub(super) fn check_growth(&self, was: &Self) -> Result<(), Error> {
        let fits = |is: usize, was: usize, most: usize| is <= most.max(was);
        check(fits(self.keywords.len(), was.keywords.len(), KEYWORDS_MAX), "there are too many keywords")?;
        let octets = (self.keyword_octets(), was.keyword_octets());
        check(fits(octets.0, octets.1, KEYWORD_OCTETS_MAX), "the keywords are too long")?;
        let octets = (self.property_octets(), was.property_octets());
        check(fits(octets.0, octets.1, PROPERTY_OCTETS_MAX), "the properties are too long")
    }
}

/// The property with what a search for a range of time needs to know of an item beside its filter date. The
/// index by filter date repeats it, so it comes with the content and cannot be edited.
pub const SPAN: &str = "span";

fn check(holds: bool, otherwise: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Invalid(otherwise)) }
}

/// Most keywords of an item.
pub(super) const KEYWORDS_MAX: usize = 128;
/// Most octets of an item's keywords together.
pub(super) const KEYWORD_OCTETS_MAX: usize = 16 << 10;
/// Most octets of an item's properties together, names included.
pub(super) const PROPERTY_OCTETS_MAX: usize = 16 << 10;
/// Longest DAV name in octets: with table and folder it is a key, which has 1,024 at most.
pub(super) const DAV_NAME_MAX: usize = 1_000;
/// Longest iCalendar UID in octets.
pub(super) const ICAL_UID_MAX: usize = 4 << 10;
/// Most octets of a trace prefix and a pre-parsed record together.
pub(super) const RECORD_MAX: usize = 1 << 20;

/// Most former filter dates an item keeps; a client older than the one that is forgotten starts again.
pub(super) const FORMER_DATES_MAX: usize = 32;

/// The date that was valid right after `seen`: the first former one that ended later, else the last.
pub(super) fn date_at(former: &[(Modseq, Millis)], last: Millis, seen: Modseq) -> Millis {
    former.iter().find(|(until, _)| *until > seen).map_or(last, |(_, date)| *date)
}

/// A row of a folder's change log. A live item has its birth row and a row for each change of its
/// filter date, which never move, and, once it was changed, one row at its latest change; an expunged
/// one has a tombstone and nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LogRow {
    /// The item came into the folder here.
    Birth {
        /// The item.
        uid: Uid,
    },
    /// The item's latest change.
    Change {
        /// The item.
        uid: Uid,
    },
    /// The item's filter date changed here, and the item once more later.
    Redated {
        /// The item.
        uid: Uid,
    },
    /// The item left the folder here.
    Tombstone {
        /// The item.
        uid: Uid,
        /// When it had come.
        born: Modseq,
        /// Which client had brought it.
        born_by: Origin,
        /// Its filter date at the end.
        filter_date: Millis,
        /// Its former filter dates.
        former_dates: Vec<(Modseq, Millis)>,
        /// The client that knows, since it removed the item itself.
        silent_for: Origin,
        /// Where it went, if it was moved.
        moved_to: Option<(FolderId, Uid)>,
        /// When, for purging.
        at: Millis,
    },
}

/// An expunged item that can be recovered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expunged {
    /// The item as it was.
    pub item: Item,
    /// Its record row as it was.
    pub record: Vec<u8>,
}

/// What a message's place in conversations is found by. Digests of eight octets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ThreadKeys {
    /// Its own Message-ID.
    pub message_id: Option<u64>,
    /// The Message-IDs it refers to, newest last.
    pub references: Vec<u64>,
    /// Its base subject.
    pub subject: Option<u64>,
    /// Whether the subject says that it is a reply or forward.
    pub is_reply: bool,
}
