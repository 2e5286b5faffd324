//! Ids as phones see them: a folder's is its number, an item's the folder's and its own.

use crate::mailbox::{FolderId, Uid};
use crate::message::parse_path;

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

/// A LongId.
pub(super) fn long_id(folder: FolderId, uid: Uid) -> String {
    server_id(folder, uid)
}

/// Reads a LongId, which is the item's ServerId: it finds the item without its folder being named.
pub(super) fn of_long_id(text: &str) -> Option<(FolderId, Uid)> {
    item_id(text)
}

/// What a FileReference names: a part of a message. It says nothing that would not be checked again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FileReference {
    /// The folder.
    pub(super) folder: FolderId,
    /// The item.
    pub(super) uid: Uid,
    /// The part's number in the message.
    pub(super) path: Vec<u32>,
}

/// A FileReference: the item's ServerId and the part's number, as in `5:7:1.2`.
pub(super) fn file_reference(folder: FolderId, uid: Uid, path: &str) -> String {
    format!("{}:{path}", server_id(folder, uid))
}

impl FileReference {
    /// Reads a FileReference.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (item, path) = text.rsplit_once(':')?;
        let (folder, uid) = item_id(item)?;
        let path = parse_path(path).filter(|path| !path.is_empty())?;
        Some(Self { folder, uid, path })
    }
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

    #[test]
    fn file_references_read_back() {
        let text = file_reference(FolderId(5), Uid(7), "1.2");
        let named = FileReference { folder: FolderId(5), uid: Uid(7), path: vec![1, 2] };
        assert_eq!(FileReference::parse(&text), Some(named));
        for bad in ["", "5:7", "5:7:", "5:7:0", "5:7:1.x", "no-such-reference", "5:7:1:2", "5:07:1", "5:7:1."]
        {
            assert_eq!(FileReference::parse(bad), None, "{bad}");
        }
    }
}
