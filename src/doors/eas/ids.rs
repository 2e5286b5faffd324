//! Ids as phones see them: a folder's is its number, an item's the folder's and its own.

use crate::mailbox::{FolderId, Uid};

/// A CollectionId or folder ServerId.
pub(super) fn folder_id(text: &str) -> Option<FolderId> {
    number(text).filter(|id| *id != 0).map(FolderId)
}

/// As [`folder_id`], for a ParentId: 0 is the top. MS-ASCMD §2.2.3.129.
pub(super) fn parent_id(text: &str) -> Option<FolderId> {
    number(text).map(FolderId)
}

/// An item's ServerId.
pub(super) fn server_id(folder: FolderId, uid: Uid) -> String {
    format!("{}:{}", folder.0, uid.0)
}

/// Reads an item's ServerId.
pub(super) fn item_id(text: &str) -> Option<(FolderId, Uid)> {
    let (folder, uid) = text.split_once(':')?;
    Some((folder_id(folder)?, Uid(number(uid)?)))
}

/// A number in its one form: no sign, no leading zeros.
fn number<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|n| n.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_a_parent_and_no_folder() {
        assert_eq!(parent_id("0"), Some(FolderId::TOP));
        assert_eq!(folder_id("0"), None);
        assert_eq!(parent_id("00"), None);
    }

    #[test]
    fn one_form_only() {
        assert_eq!(item_id(&server_id(FolderId(5), Uid(7))), Some((FolderId(5), Uid(7))));
        for bad in ["", "5", "5:", ":7", "05:7", "5:+7", "5:07", "0:7", "5:7:9", "5:4294967296", "-5:7"] {
            assert_eq!(item_id(bad), None, "{bad}");
        }
    }
}
