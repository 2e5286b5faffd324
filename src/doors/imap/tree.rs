//! Mailbox names: the paths of an account's mail folders, and behind a prefix those that others share with it.
//! Calendars and address books have none. RFC 2342.

use std::collections::{HashMap, HashSet};

use super::pattern::SEPARATOR;
use crate::directory::{self, AccountId, Address};
use crate::mailbox::{Error, Folder, FolderId, Kind, OwnerId, Role, Seen, View};
use crate::policy::Rights;

/// What the names of others' mailboxes begin with; an address and the path follow.
pub(super) const OTHERS: &str = "Other users";

/// A mailbox that LIST may show.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    /// Its whole name.
    pub(super) path: String,
    /// `None` for what is only a part of names: the prefix of others' mailboxes and their addresses.
    pub(super) seen: Option<Seen>,
    /// Whether it can be selected: not so a folder of another kind that has mail folders below it, or one
    /// that may only be looked up.
    pub(super) selectable: bool,
    pub(super) has_children: bool,
}

/// Where a mailbox that is to be made would stand.
#[derive(Debug)]
pub(super) struct Site<'n> {
    pub(super) owner: OwnerId,
    /// The last folder on the way that there is.
    pub(super) parent: FolderId,
    /// The names from there on; none if all are there.
    pub(super) names: Vec<&'n str>,
}

/// Every mailbox that the account `owner` sees, each after the one it stands in.
pub(super) fn all(view: &View, owner: OwnerId) -> Result<Vec<Mailbox>, Error> {
    let mut all = of(view, owner, "")?;
    let mut others = Vec::new();
    for sharing in view.sharing_owners()? {
        let Some(address) = address(view, sharing)? else { continue };
        let prefix = format!("{OTHERS}{SEPARATOR}{}", encoded(&address));
        let shared = of(view, sharing, &format!("{prefix}{SEPARATOR}"))?;
        if !shared.is_empty() {
            others.push(between(prefix));
            others.extend(shared);
        }
    }
    if !others.is_empty() {
        all.push(between(OTHERS.to_owned()));
        all.append(&mut others);
    }
    Ok(all)
}

/// The mail folder that a name means, to be read.
pub(super) fn find(view: &View, owner: OwnerId, path: &str) -> Result<Folder, Error> {
    let seen = look_up(view, owner, path)?;
    // Who may only look it up cannot select it.
    if seen.rights.has(Rights::READ) { Ok(seen.folder) } else { Err(Error::Denied) }
}

/// The mail folder that a name means, with what may be done there.
pub(super) fn look_up(view: &View, owner: OwnerId, path: &str) -> Result<Seen, Error> {
    let (of_whom, rest) = match of_others(path) {
        None => (owner, path),
        Some((address, rest)) => (sharing_owner(view, &address)?.ok_or(Error::Missing)?, rest),
    };
    let site = walk(view, of_whom, rest)?;
    let seen = match site.names.as_slice() {
        [] if site.parent != FolderId::TOP => view.folder(site.parent)?,
        // What stands below a folder that may not be seen, or has a name that was taken, is only in the list.
        _ => {
            let folded = rest.to_lowercase();
            let listed = of(view, of_whom, "")?;
            let found = listed.into_iter().find(|mailbox| mailbox.path.to_lowercase() == folded);
            found.and_then(|mailbox| mailbox.seen).ok_or(Error::Missing)?
        }
    };
    if seen.folder.kind == Kind::Mail { Ok(seen) } else { Err(Error::Missing) }
}

/// Where a mailbox of that name would stand. `Denied` for one among the mailboxes of somebody who shares none.
pub(super) fn site<'n>(view: &View, owner: OwnerId, path: &'n str) -> Result<Site<'n>, Error> {
    match of_others(path) {
        None if path.eq_ignore_ascii_case(OTHERS) => Err(Error::Denied),
        None => walk(view, owner, path),
        Some((_, "")) => Err(Error::Denied),
        // Also where nobody has that address: who has one is not told.
        Some((address, rest)) => {
            let sharing = sharing_owner(view, &address)?.ok_or(Error::Denied)?;
            match of(view, sharing, "")?.is_empty() {
                true => Err(Error::Denied),
                false => walk(view, sharing, rest),
            }
        }
    }
}

/// Follows a path in an owner's tree as far as it goes.
fn walk<'n>(view: &View, owner: OwnerId, path: &'n str) -> Result<Site<'n>, Error> {
    let mut site = Site { owner, parent: FolderId::TOP, names: Vec::new() };
    for name in path.split(SEPARATOR) {
        if !site.names.is_empty() {
            site.names.push(name);
            continue;
        }
        let found = match site.parent {
            FolderId::TOP if name.eq_ignore_ascii_case(INBOX) => view.by_role(owner, Role::Inbox),
            parent => view.by_name(owner, parent, name).map(|seen| seen.folder),
        };
        match found {
            Ok(folder) => site.parent = folder.id,
            Err(Error::Missing) => site.names.push(name),
            Err(e) => return Err(e),
        }
    }
    Ok(site)
}

/// The mailboxes of one owner, their paths behind a prefix. Below a folder that may not be seen paths begin anew,
/// and a name that is taken gets the folder's id.
fn of(view: &View, owner: OwnerId, prefix: &str) -> Result<Vec<Mailbox>, Error> {
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
    let mut taken = HashSet::from([OTHERS.to_lowercase()]);
    let mut all = Vec::with_capacity(folders.len());
    for seen in folders {
        let folder = &seen.folder;
        let name = name(folder);
        let mut path = match paths.get(&folder.parent) {
            Some(above) => format!("{above}{SEPARATOR}{name}"),
            None => name.to_owned(),
        };
        if !taken.insert(path.to_lowercase()) {
            path = format!("{path} ({:x})", folder.id.0);
            taken.insert(path.to_lowercase());
        }
        let has_children = above_mail.contains(&folder.id);
        let is_mail = folder.kind == Kind::Mail;
        paths.insert(folder.id, path.clone());
        if is_mail || has_children {
            let selectable = is_mail && seen.rights.has(Rights::READ);
            all.push(Mailbox { path: format!("{prefix}{path}"), seen: Some(seen), selectable, has_children });
        }
    }
    Ok(all)
}

fn between(path: String) -> Mailbox {
    Mailbox { path, seen: None, selectable: false, has_children: true }
}

/// The address and the rest of a name among those of others' mailboxes.
fn of_others(path: &str) -> Option<(String, &str)> {
    let (first, rest) = path.split_once(SEPARATOR)?;
    if !first.eq_ignore_ascii_case(OTHERS) {
        return None;
    }
    let (address, rest) = rest.split_once(SEPARATOR).unwrap_or((rest, ""));
    Some((address.replace("%2F", "/").replace("%25", "%"), rest))
}

/// An address as one level of a name.
fn encoded(address: &str) -> String {
    address.replace('%', "%25").replace(SEPARATOR, "%2F")
}

fn sharing_owner(view: &View, address: &str) -> Result<Option<OwnerId>, Error> {
    let Ok(address) = Address::parse(address) else { return Ok(None) };
    let account = directory::account_by_address(view.reader(), &address).map_err(of_directory)?;
    let Some(owner) = account.map(|account| OwnerId(account.id.0)) else { return Ok(None) };
    Ok(Some(owner).filter(|owner| view.sharing_owners().is_ok_and(|owners| owners.contains(owner))))
}

fn address(view: &View, owner: OwnerId) -> Result<Option<String>, Error> {
    let account = directory::account(view.reader(), AccountId(owner.0)).map_err(of_directory)?;
    Ok(account.map(|account| account.address.to_string()))
}

/// Of reading an account nothing but the store can fail.
pub(super) fn of_directory(e: directory::Error) -> Error {
    match e {
        directory::Error::Store(e) => Error::Store(e),
        directory::Error::Missing => Error::Missing,
        directory::Error::TooMany(_) => Error::Invalid("there are too many of them"),
        directory::Error::Invalid(why) => Error::Invalid(why),
        other => {
            tracing::error!(error = %other, "the directory failed an IMAP command");
            Error::Invalid("the directory cannot do that")
        }
    }
}

/// The one name that every account has. RFC 9051 §5.1.
pub(super) const INBOX: &str = "INBOX";

fn name(folder: &Folder) -> &str {
    if folder.role == Role::Inbox { INBOX } else { &folder.name }
}
