//! Properties that clients made up: kept as they were sent. RFC 4918 §4.4.

use caldav::dav::{Fragment, Name, Namespace, XmlLimits};

use crate::mailbox::{Folder, Item};

/// What the names of such properties begin with among a folder's or an item's.
const PREFIX: &str = "dav:";

/// Bounds of one.
const LIMITS: XmlLimits = XmlLimits { bytes: 64 << 10, depth: 32, elements: 5_000, namespaces: 32 };

/// By what a property is kept.
pub(super) fn key(name: &Name) -> String {
    format!("{PREFIX}{{{}}}{}", name.namespace().uri(), name.local())
}

fn name_of(key: &str) -> Option<Name> {
    let (uri, local) = key.strip_prefix(PREFIX)?.strip_prefix('{')?.rsplit_once('}')?;
    Name::read(Namespace::of(uri), local)
}

/// The names of all that a folder or item has.
pub(super) fn names(properties: &[(String, Vec<u8>)]) -> impl Iterator<Item = Name> {
    properties.iter().filter_map(|(key, _)| name_of(key))
}

/// One that a folder has.
pub(super) fn of_folder(folder: &Folder, name: &Name) -> Option<Fragment> {
    read(folder.property(&key(name))?)
}

/// One that an item has.
pub(super) fn of_item(item: &Item, name: &Name) -> Option<Fragment> {
    read(item.property(&key(name))?)
}

fn read(bytes: &[u8]) -> Option<Fragment> {
    Fragment::parse(std::str::from_utf8(bytes).ok()?, &LIMITS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (uri, local) in [("DAV:", "x"), ("", "y"), ("http://a}b/{", "z-ü")] {
            let name = Name::read(Namespace::of(uri), local).unwrap();
            assert_eq!(name_of(&key(&name)), Some(name));
        }
        assert_eq!(name_of("color"), None);
    }
}
