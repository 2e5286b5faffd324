//! Ghosting: which properties a client leaves out without meaning anything by it.

use serde::{Deserialize, Serialize};
use wbxml::{Element, Tag, airsyncbase, contacts};

/// Most properties of a Supported element; the classes have fewer.
const PROPERTIES_MAX: usize = 256;

/// The Supported element of a client's first Sync of a folder: the properties that it manages. What it
/// does not name stays where it is left out of a Change. MS-ASCMD §2.2.3.179.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::doors::eas) enum Supported {
    /// Nothing was said: whatever is left out is taken away.
    #[default]
    All,
    /// Only these are taken away when they are left out; code page and token of each.
    Only(Vec<(u8, u8)>),
    /// Whatever is left out stays: calendars from 16.0 on.
    Ghosts,
}

impl Supported {
    /// Reads the element; `None` stands for one that is not there. What goes beyond the bound is left
    /// out, and stays.
    pub(in crate::doors::eas) fn read(element: Option<&Element<'_>>) -> Self {
        let Some(element) = element else { return Self::All };
        let named = element.children().iter().take(PROPERTIES_MAX);
        let mut named: Vec<_> = named.map(|child| code(child.tag())).collect();
        named.sort_unstable();
        named.dedup();
        Self::Only(named)
    }

    /// A client that manages these.
    pub(super) fn only(tags: impl IntoIterator<Item = Tag>) -> Self {
        let mut named: Vec<_> = tags.into_iter().map(code).collect();
        named.sort_unstable();
        named.dedup();
        Self::Only(named)
    }

    /// Whether a property that a Change leaves out stays. Bodies and pictures always do.
    /// MS-ASCMD §2.2.3.24.
    pub(super) fn keeps(&self, tag: Tag) -> bool {
        if matches!(tag, airsyncbase::BODY | contacts::PICTURE) {
            return true;
        }
        match self {
            Self::All => false,
            Self::Only(named) => named.binary_search(&code(tag)).is_err(),
            Self::Ghosts => true,
        }
    }
}

fn code(tag: Tag) -> (u8, u8) {
    (tag.page(), tag.token())
}

#[cfg(test)]
mod tests {
    use wbxml::airsync;

    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let named =
            Element::new(airsync::SUPPORTED).with_empty(contacts::JOB_TITLE).with_empty(contacts::DEPARTMENT);
        for (supported, job, web) in [
            (Supported::read(None), false, false),
            (Supported::read(Some(&named)), false, true),
            (Supported::read(Some(&Element::new(airsync::SUPPORTED))), true, true),
            (Supported::Ghosts, true, true),
        ] {
            assert_eq!(supported.keeps(contacts::JOB_TITLE), job, "{supported:?}");
            assert_eq!(supported.keeps(contacts::WEB_PAGE), web, "{supported:?}");
            assert!(supported.keeps(contacts::PICTURE) && supported.keeps(airsyncbase::BODY));
        }
    }
}
