//! Mailbox names: the paths of an account's mail folders. Calendars and address books have none.

use std::collections::{HashMap, HashSet};

use super::pattern::SEPARATOR;
use crate::mailbox::{Error, Folder, FolderId, Kind, OwnerId, Role, View};
use crate::policy::Rights;

/// A mailbox that LIST may show.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    /// Its whole name.
    pub(super) path: String,
    pub(super) folder: Folder,
    /// Whether it can be selected: not so a folder of another kind that has mail folders below it, or one
    /// that may only be looked up.
    pub(super) selectable: bool,
    pub(super) has_children: bool,
}

/// Every mailbox of `owner`, each after the one it stands in.
pub(super) fn all(view: &View, owner: OwnerId) -> Result<Vec<Mailbox>, Error> {
    let folders = view.folders(owner)?;
    let parents: HashMap<FolderId, FolderId> =
        folders.iter().map(|seen| (seen.folder.id, seen.folder.parent)).collect();
    // What has mail below it, at any depth; marking stops where it was marked before.
    let mut above_mail = HashSet::new();
    for seen in folders.iter().filter(|seen| seen.folder.kind == Kind::Mail) {
        let mut parent = seen.folder.parent;
        while parent != FolderId::TOP && above_mail.insert(parent) {
            parent = parents.get(&parent).copied().unwrap_or(FolderId::TOP);
        }
    }
    let mut paths: HashMap<FolderId, String> = HashMap::new();
    let mut all = Vec::with_capacity(folders.len());
    for seen in folders {
        let folder = seen.folder;
        let name = name(&folder);
        let path = match paths.get(&folder.parent) {
            Some(above) => format!("{above}{SEPARATOR}{name}"),
            None => name.to_owned(),
        };
        paths.insert(folder.id, path.clone());
        let has_children = above_mail.contains(&folder.id);
        let is_mail = folder.kind == Kind::Mail;
        if is_mail || has_children {
            let selectable = is_mail && seen.rights.has(Rights::READ);
            all.push(Mailbox { path, folder, selectable, has_children });
        }
    }
    Ok(all)
}

/// The mail folder that a name means.
pub(super) fn find(view: &View, owner: OwnerId, path: &str) -> Result<Folder, Error> {
    let mut names = path.split(SEPARATOR);
    let first = names.next().unwrap_or_default();
    let mut at = if first.eq_ignore_ascii_case(INBOX) {
        view.by_role(owner, Role::Inbox)?
    } else {
        view.by_name(owner, FolderId::TOP, first)?.folder
    };
    for name in names {
        at = view.by_name(owner, at.id, name)?.folder;
    }
    // Also the right to read it: who may only look it up cannot select it.
    match at.kind {
        Kind::Mail => view.readable(at.id),
        _ => Err(Error::Missing),
    }
}

/// The one name that every account has. RFC 9051 §5.1.
const INBOX: &str = "INBOX";

fn name(folder: &Folder) -> &str {
    if folder.role == Role::Inbox { INBOX } else { &folder.name }
}
