//! Folders: what they hold, where they stand, and what counts change with every delivery.

use serde::{Deserialize, Serialize};

use super::ids::{FolderId, Modseq, OwnerId};
use crate::clock::Millis;
use crate::policy::Grant;

/// What a folder holds; fixed when it is made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Mail,
    Calendar,
    Contacts,
    Tasks,
    Notes,
    Journal,
    Files,
}

/// What a folder is for. Each role but `None` is held by at most one folder of an owner.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// A folder that somebody made.
    None,
    /// New mail. RFC 8621 §10.5.1 names the mail roles.
    Inbox,
    /// Messages not yet sent.
    Drafts,
    /// Copies of what was sent.
    Sent,
    /// Deleted items.
    Trash,
    /// Unwanted mail.
    Junk,
    /// The default calendar.
    Calendar,
    /// The default address book.
    Contacts,
    /// The default task list.
    Tasks,
    /// The default notes.
    Notes,
}

/// The folders every account is made with.
pub const STANDARD: [(&str, Kind, Role); 9] = [
    ("Inbox", Kind::Mail, Role::Inbox),
    ("Drafts", Kind::Mail, Role::Drafts),
    ("Sent", Kind::Mail, Role::Sent),
    ("Trash", Kind::Mail, Role::Trash),
    ("Junk", Kind::Mail, Role::Junk),
    ("Calendar", Kind::Calendar, Role::Calendar),
    ("Contacts", Kind::Contacts, Role::Contacts),
    ("Tasks", Kind::Tasks, Role::Tasks),
    ("Notes", Kind::Notes, Role::Notes),
];

/// A folder as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Folder {
    /// Its id; not part of the stored row, whose key it is.
    #[serde(skip, default = "top")]
    pub id: FolderId,
    /// Whose tree it stands in.
    pub owner: OwnerId,
    /// The folder above, or [`FolderId::TOP`].
    pub parent: FolderId,
    /// Its name, as typed.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What it is for.
    pub role: Role,
    /// Seconds since 1970 when it was made, kept growing: RFC 9051 §2.3.1.1.
    pub uid_validity: u32,
    /// The UID the next item gets.
    pub uid_next: u32,
    /// The modseq of the folder's latest change.
    pub highest: Modseq,
    /// Tombstones up to here are gone: an older state must start again.
    pub purged: Modseq,
    /// Items in it.
    pub items: u64,
    /// Items without the seen flag.
    pub unseen: u64,
    /// Octets of all its items.
    pub bytes: u64,
    /// What it says about others than the owner.
    pub grants: Vec<Grant>,
    /// Properties that doors keep, by name (colour, order, description).
    pub properties: Vec<(String, Vec<u8>)>,
    /// When it was deleted: from then on it is there for nobody, until it is purged or recovered.
    pub deleted: Option<Millis>,
}

impl Folder {
    /// The property `name`.
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

fn top() -> FolderId {
    FolderId::TOP
}

/// An owner's counters.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The latest modseq given out.
    pub modseq: Modseq,
    /// The latest change of the folder tree.
    pub tree: Modseq,
    /// Octets of all items.
    pub bytes: u64,
    /// Items.
    pub items: u64,
    /// Octets of expunged items that can still be recovered; not counted against the quota.
    pub expunged_bytes: u64,
    /// Most octets allowed, if limited.
    pub quota: Option<u64>,
    /// The latest UIDVALIDITY given to a folder.
    pub uid_validity: u32,
}

impl Owner {
    /// Whether what can be recovered takes more room than the quota allows for all else: it goes early, then.
    pub(super) fn keeps_too_much(&self) -> bool {
        self.quota.is_some_and(|quota| self.expunged_bytes > quota)
    }
}

/// A row of the folder-tree log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TreeChange {
    /// The folder.
    pub folder: FolderId,
    /// True when it is gone.
    pub deleted: bool,
}

/// Longest folder name in octets.
pub const NAME_MAX: usize = 255;
/// Deepest folder.
pub(super) const DEPTH_MAX: usize = 32;
/// Most folders of one owner. MS-ASCMD §2.2.2, Status 151, names a default of 1,000.
pub const FOLDERS_MAX: usize = 1_000;

/// Most octets of a folder's properties together, names included.
pub(super) const FOLDER_PROPERTY_OCTETS_MAX: usize = 64 << 10;
/// Most properties of a folder.
pub(super) const FOLDER_PROPERTIES_MAX: usize = 200;

/// Most principals of whom one folder says something.
pub(super) const GRANTS_MAX: usize = 1_000;

/// The form in which names are compared: case does not count.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Why `name` cannot be a folder's name, if it cannot.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.trim() != name {
        return Err("a folder name must not be empty or begin or end with a space");
    }
    if name.len() > NAME_MAX {
        return Err("the folder name is too long");
    }
    if name.chars().any(|c| c.is_control() || c == '/') {
        return Err("a folder name must not hold '/' or control characters");
    }
    if name == "." || name == ".." {
        return Err("a folder cannot be called that");
    }
    Ok(())
}
