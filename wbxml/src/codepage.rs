//! [`Tag`]: one element of one code page, and what the specification says about it.

use std::fmt;
use std::str::FromStr;

use crate::table::{ENTRIES, NAMESPACES};

/// An ActiveSync protocol version, as far as the specification ties elements to it
/// (MS-ASHTTP, header MS-ASProtocolVersion). Versions before 12.1 are not told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// 12.1 and before.
    V12_1,
    /// 14.0.
    V14_0,
    /// 14.1.
    V14_1,
    /// 16.0.
    V16_0,
    /// 16.1.
    V16_1,
}

/// An element of a code page that the specification defines; no other value exists.
///
/// Two octets, compared and copied like a number. The constants are in one module for each
/// namespace, for instance [`crate::airsync::SYNC`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u16);

impl Tag {
    /// The element with this token on this page. `None` if the specification has none: an unknown
    /// page, a token outside 0x05-0x3F, or a gap.
    #[inline]
    pub const fn from_parts(page: u8, token: u8) -> Option<Self> {
        if is_defined(page, token) { Some(Self::at(page, token)) } else { None }
    }

    /// Finds `Namespace:Name`, as written by [`fmt::Display`]. A search through the whole table,
    /// meant for tests and tools.
    pub fn lookup(qualified: &str) -> Option<Self> {
        let (namespace, name) = qualified.split_once(':')?;
        Self::all().find(|tag| tag.namespace() == namespace && tag.name() == name)
    }

    /// Every element of every page, in the order of pages and tokens.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.iter().map(|entry| Self::at(entry.page, entry.token))
    }

    /// The element's name without its namespace, e.g. `SyncKey`.
    pub fn name(self) -> &'static str {
        INDEX.get(usize::from(self.0)).map_or("", |info| info.name)
    }

    /// The namespace, which is the code page's name, e.g. `AirSync`.
    pub fn namespace(self) -> &'static str {
        NAMESPACES.get(usize::from(self.page())).copied().unwrap_or("")
    }

    /// The first protocol version with this element, "All" counting as 12.1.
    pub fn first_version(self) -> Version {
        INDEX.get(usize::from(self.0)).map_or(Version::V12_1, |info| info.first)
    }

    /// The last protocol version for which MS-ASWBXML §2.1.2.1 lists this element.
    pub fn last_version(self) -> Version {
        INDEX.get(usize::from(self.0)).map_or(Version::V16_1, |info| info.last)
    }

    /// Whether MS-ASWBXML §2.1.2.1 lists this element for a version.
    pub fn is_in(self, version: Version) -> bool {
        (self.first_version()..=self.last_version()).contains(&version)
    }

    /// The code page, 0-25.
    #[inline]
    pub const fn page(self) -> u8 {
        (self.0 >> TOKEN_BITS) as u8
    }

    /// The token within the page, 0x05-0x3F, without the content and attribute bits.
    #[inline]
    pub const fn token(self) -> u8 {
        (self.0 & TOKEN_MASK) as u8
    }

    /// The tag of a place which the caller knows to be in the table.
    pub(crate) const fn at(page: u8, token: u8) -> Self {
        Self(((page as u16) << TOKEN_BITS) | token as u16)
    }
}

/// `Namespace:Name`.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace(), self.name())
    }
}

/// As [`fmt::Display`]: a name says more than two numbers.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `Namespace:Name` names no element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchTag;

impl fmt::Display for NoSuchTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no ActiveSync element of that name")
    }
}

impl std::error::Error for NoSuchTag {}

impl FromStr for Tag {
    type Err = NoSuchTag;

    fn from_str(qualified: &str) -> Result<Self, NoSuchTag> {
        Self::lookup(qualified).ok_or(NoSuchTag)
    }
}

/// The number of code pages, 0-25.
pub(crate) const PAGES: usize = NAMESPACES.len();

/// The name of a page, also of the empty page 3.
pub(crate) fn page_name(page: u8) -> Option<&'static str> {
    NAMESPACES.get(usize::from(page)).copied()
}

/// One row of the table.
pub(crate) struct Entry {
    pub(crate) page: u8,
    pub(crate) token: u8,
    pub(crate) name: &'static str,
    pub(crate) first: Version,
    pub(crate) last: Version,
}

/// WBXML 1.3 §5.8.2: six bits of a tag octet are the token.
const TOKEN_BITS: u32 = 6;
const TOKEN_MASK: u16 = (1 << TOKEN_BITS) - 1;
const SLOTS: usize = PAGES << TOKEN_BITS;

#[derive(Clone, Copy)]
struct Info {
    name: &'static str,
    first: Version,
    last: Version,
}

/// Name and versions by [`Tag`]'s number, so that a look-up is one load.
static INDEX: [Info; SLOTS] = {
    let mut index = [Info { name: "", first: Version::V12_1, last: Version::V16_1 }; SLOTS];
    let mut i = 0;
    while i < ENTRIES.len() {
        let entry = &ENTRIES[i];
        let slot = Tag::at(entry.page, entry.token).0 as usize;
        index[slot] = Info { name: entry.name, first: entry.first, last: entry.last };
        i += 1;
    }
    index
};

/// For each page the set of its tokens: what the decoder asks for every element fits in four cache
/// lines.
static DEFINED: [u64; PAGES] = {
    let mut defined = [0_u64; PAGES];
    let mut i = 0;
    while i < ENTRIES.len() {
        let bit = 1_u64 << ENTRIES[i].token;
        let page = ENTRIES[i].page as usize;
        assert!(defined[page] & bit == 0, "two elements share a token");
        defined[page] |= bit;
        i += 1;
    }
    defined
};

#[inline]
const fn is_defined(page: u8, token: u8) -> bool {
    (page as usize) < PAGES && token as u16 <= TOKEN_MASK && DEFINED[page as usize] >> token & 1 == 1
}

/// Makes, from the one table, a module of constants for each namespace, the list of entries and the
/// list of namespaces. Pages stand in order and without a gap.
macro_rules! code_pages {
    // An element that no version dropped is in the newest one.
    (@last) => { $crate::Version::V16_1 };
    (@last $last:ident) => { $crate::Version::$last };

    ($($page:literal $module:ident $namespace:literal $section:literal {
        $($tag:ident $token:literal $name:literal $first:ident $(..= $last:ident)?;)*
    })*) => {
        $(
            #[doc = concat!("Code page ", $page, ", `", $namespace, "` (MS-ASWBXML §", $section, ").")]
            pub mod $module {
                $(
                    #[doc = concat!("`", $namespace, ":", $name, "` (page ", $page, ", token ", stringify!($token), ").")]
                    pub const $tag: $crate::Tag = $crate::Tag::at($page, $token);
                )*
            }
        )*

        pub(crate) const NAMESPACES: [&str; [$($page),*].len()] = [$($namespace),*];

        pub(crate) const ENTRIES: &[$crate::codepage::Entry] = &[$($(
            $crate::codepage::Entry {
                page: $page,
                token: $token,
                name: $name,
                first: $crate::Version::$first,
                last: code_pages!(@last $($last)?),
            },
        )*)*];
    };
}

pub(crate) use code_pages;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The number of elements in MS-ASWBXML 22.2, each at a place of its own.
    #[test]
    fn table_is_whole() {
        assert_eq!(ENTRIES.len(), 586);
        assert_eq!(PAGES, 26);
        let places: HashSet<_> = ENTRIES.iter().map(|e| (e.page, e.token)).collect();
        assert_eq!(places.len(), 586);
        let names: HashSet<_> = Tag::all().map(|tag| tag.to_string()).collect();
        assert_eq!(names.len(), 586, "a namespace has a name twice");
        for entry in ENTRIES {
            assert!((0x05..=0x3F).contains(&entry.token), "{}", entry.name);
            assert!(usize::from(entry.page) < PAGES, "{}", entry.name);
            assert!(entry.first <= entry.last, "{}", entry.name);
        }
        assert!(ENTRIES.is_sorted_by_key(|e| (e.page, e.token)));
    }

    #[test]
    fn every_place_is_an_element_or_a_gap() {
        let mut found = 0;
        for page in 0..=u8::MAX {
            for token in 0..=u8::MAX {
                let entry = ENTRIES.iter().find(|e| e.page == page && e.token == token);
                let tag = Tag::from_parts(page, token);
                assert_eq!(tag.is_some(), entry.is_some(), "page {page}, token {token:#04x}");
                if let (Some(tag), Some(entry)) = (tag, entry) {
                    found += 1;
                    assert_eq!((tag.page(), tag.token(), tag.name()), (page, token, entry.name));
                    assert_eq!(tag.to_string().parse(), Ok(tag));
                }
            }
        }
        assert_eq!(found, 586);
    }

    #[test]
    fn constants_say_what_the_specification_says() {
        use crate::{airsync, airsyncbase, email, find, folderhierarchy, moveitems};
        let parts = |tag: Tag| (tag.page(), tag.token(), tag.to_string());
        assert_eq!(parts(airsync::SYNC), (0, 0x05, "AirSync:Sync".into()));
        assert_eq!(parts(airsyncbase::BODY_PREFERENCE), (17, 0x05, "AirSyncBase:BodyPreference".into()));
        assert_eq!(parts(folderhierarchy::FOLDER_SYNC), (7, 0x16, "FolderHierarchy:FolderSync".into()));
        assert_eq!(parts(moveitems::MOVE_ITEMS), (5, 0x05, "Move:MoveItems".into()));
        assert_eq!(parts(find::PICTURE), (25, 0x22, "Find:Picture".into()));
        assert_eq!(find::FIND.first_version(), Version::V16_1);
        assert!(airsync::SYNC.is_in(Version::V12_1) && airsync::SYNC.is_in(Version::V16_1));
        assert!(email::LOCATION.is_in(Version::V14_1) && !email::LOCATION.is_in(Version::V16_0));
        assert!(!airsyncbase::LOCATION.is_in(Version::V14_1));
    }

    #[test]
    fn unknown_names_are_refused() {
        for name in ["", ":", "AirSync", "AirSync:", "AirSync:synckey", "AirNotify:Notify", "Sync:AirSync"] {
            assert_eq!(Tag::lookup(name), None, "{name}");
            assert_eq!(name.parse::<Tag>(), Err(NoSuchTag));
        }
    }
}
