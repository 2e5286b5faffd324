//! What a URL names.

use std::sync::Arc;

use caldav::dav::{Href, Target};

use super::reply::Failure;
use super::session::Session;
use crate::directory::{Account, AccountId};
use crate::mailbox::{self, Folder, FolderId, Item, Kind, Role, Seen, View};
use crate::objects::{self, SEGMENT};
use crate::policy::Rights;

/// The path below which all is.
pub(super) const ROOT: &str = "dav";

/// The name of the folder that an account's files are in. It is made with the first of them.
pub(super) const FILES: &str = "Files";

/// The last segments of the scheduling inbox and outbox in the home of calendars.
pub(super) const INBOX: &str = "inbox";
pub(super) const OUTBOX: &str = "outbox";

/// A kind of home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home {
    Calendars,
    Contacts,
    Files,
}

impl Home {
    pub(super) const ALL: [Self; 3] = [Self::Calendars, Self::Contacts, Self::Files];

    /// Its segment of the path.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::Calendars => "calendars",
            Self::Contacts => "contacts",
            Self::Files => "files",
        }
    }

    /// Whether folders of a kind are in it.
    pub(super) fn has(self, kind: Kind) -> bool {
        match self {
            Self::Calendars => {
                matches!(kind, Kind::Calendar | Kind::Tasks | Kind::Notes | Kind::Journal)
            }
            Self::Contacts => kind == Kind::Contacts,
            Self::Files => kind == Kind::Files,
        }
    }
}

/// A folder as a collection.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    pub(super) seen: Seen,
    pub(super) home: Home,
    pub(super) href: Href,
}

impl Collection {
    pub(super) fn folder(&self) -> &Folder {
        &self.seen.folder
    }

    pub(super) fn id(&self) -> FolderId {
        self.seen.folder.id
    }

    /// Whether it holds cards.
    pub(super) fn is_card(&self) -> bool {
        self.home == Home::Contacts
    }

    pub(super) fn may(&self, rights: Rights) -> bool {
        self.seen.rights.has(rights)
    }

    /// The path of an item in it.
    pub(super) fn member(&self, item: &Item) -> Href {
        self.href.member(&name_of(item), false)
    }

    /// Whether its items may be read.
    pub(super) fn check_read(&self) -> Result<(), Failure> {
        if self.may(Rights::READ) {
            Ok(())
        } else {
            Err(super::reply::needs(&self.href, caldav::dav::Privilege::Read))
        }
    }
}

/// Where something that is not there would be.
#[derive(Clone, Debug)]
pub(super) enum Parent {
    /// In a home.
    Home(Home),
    /// In a collection.
    Collection(Arc<Collection>),
}

/// What a URL names.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `/dav/`
    Root,
    /// `/dav/principals/`
    Principals,
    /// An account.
    Principal(Box<Account>),
    /// A home of the user's.
    Home(Home),
    /// Where scheduling messages arrive. They are applied as they do, so that nothing waits there. RFC 6638 §2.2.
    Inbox,
    /// Where clients ask when others are busy. RFC 6638 §2.1.
    Outbox,
    /// A folder.
    Collection(Arc<Collection>),
    /// An item of a folder.
    Item(Arc<Collection>, Box<Item>),
    /// Nothing, in something.
    Vacant(Parent, String),
    /// Nothing, in nothing.
    Nowhere,
}

/// The last segment of an item's URL.
pub(super) fn name_of(item: &Item) -> String {
    // Every object has one; an item that came otherwise is found by the identity of its content.
    item.dav_name.clone().unwrap_or_else(|| format!("{:016x}", item.content))
}

/// The path of an account as a principal.
pub(super) fn principal_href(account: &Account) -> Href {
    Href::new([ROOT, "principals", &account.address.to_string()], true)
}

/// The path of a home of the user's.
pub(super) fn home_href(session: &Session, home: Home) -> Href {
    Href::new([ROOT, home.segment(), &session.account().address.to_string()], true)
}

/// Looks up what a request names.
pub(super) fn resolve(session: &Session, view: &View, target: &Target) -> Result<Node, Failure> {
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] | [ROOT] => Ok(Node::Root),
        [ROOT, "principals"] => Ok(Node::Principals),
        [ROOT, "principals", address] => principal(session, address),
        [ROOT, home, address, rest @ ..] => {
            let Some(home) = Home::ALL.into_iter().find(|known| known.segment() == *home) else {
                return Ok(Node::Nowhere);
            };
            // What others show is in the user's own home.
            if !session.is_me(address) {
                return Ok(Node::Nowhere);
            }
            match home {
                Home::Files => file(session, view, rest),
                _ => in_home(session, view, home, rest),
            }
        }
        _ => Ok(Node::Nowhere),
    }
}

fn principal(session: &Session, address: &str) -> Result<Node, Failure> {
    if session.is_me(address) {
        return Ok(Node::Principal(Box::new(session.account().clone())));
    }
    let found = session.services().directory.resolve(address)?.filter(|found| found.detail.is_none());
    Ok(found.map_or(Node::Nowhere, |found| Node::Principal(Box::new(found.account))))
}

fn in_home(session: &Session, view: &View, home: Home, rest: &[&str]) -> Result<Node, Failure> {
    let (segment, name) = match rest {
        [] => return Ok(Node::Home(home)),
        [segment] => (*segment, None),
        [segment, name] => (*segment, Some(*name)),
        _ => return Ok(Node::Nowhere),
    };
    match (home, segment, name) {
        (Home::Calendars, INBOX, None) => return Ok(Node::Inbox),
        (Home::Calendars, OUTBOX, None) => return Ok(Node::Outbox),
        (Home::Calendars, INBOX | OUTBOX, Some(_)) => return Ok(Node::Nowhere),
        _ => {}
    }
    let all = collections(session, view, home)?;
    let href = home_href(session, home).member(segment, true);
    let Some(found) = all.into_iter().find(|found| found.href == href) else {
        return Ok(match name {
            None => Node::Vacant(Parent::Home(home), segment.to_owned()),
            Some(_) => Node::Nowhere,
        });
    };
    let found = Arc::new(found);
    match name {
        None => Ok(Node::Collection(found)),
        Some(name) => member(view, found, name),
    }
}

/// An item of a collection by its name.
fn member(view: &View, at: Arc<Collection>, name: &str) -> Result<Node, Failure> {
    Ok(match objects::by_name(view, at.folder(), name)? {
        Some(item) => Node::Item(at, Box::new(item)),
        None => Node::Vacant(Parent::Collection(at), name.to_owned()),
    })
}

fn file(session: &Session, view: &View, rest: &[&str]) -> Result<Node, Failure> {
    let href = home_href(session, Home::Files);
    let Some(mut at) = files_root(session, view)? else {
        return Ok(match rest {
            [] => Node::Home(Home::Files),
            [name] => Node::Vacant(Parent::Home(Home::Files), (*name).to_owned()),
            _ => Node::Nowhere,
        });
    };
    at.href = href;
    let mut at = Arc::new(at);
    for (n, name) in rest.iter().enumerate() {
        match view.by_name(session.owner(), at.id(), name) {
            Ok(seen) if seen.folder.kind == Kind::Files => {
                let href = at.href.member(name, true);
                at = Arc::new(Collection { seen, home: Home::Files, href });
            }
            Ok(_) => return Ok(Node::Nowhere),
            Err(mailbox::Error::Missing) if n + 1 == rest.len() => return member(view, at, name),
            Err(mailbox::Error::Missing) => return Ok(Node::Nowhere),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(Node::Collection(at))
}

/// The folder that the user's files are in, if there is one.
pub(super) fn files_root(session: &Session, view: &View) -> Result<Option<Collection>, Failure> {
    match view.by_name(session.owner(), FolderId::TOP, FILES) {
        Ok(seen) if seen.folder.kind == Kind::Files => {
            let href = home_href(session, Home::Files);
            Ok(Some(Collection { seen, home: Home::Files, href }))
        }
        Ok(_) | Err(mailbox::Error::Missing) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The collections of a home: the user's own, and what others show.
pub(super) fn collections(session: &Session, view: &View, home: Home) -> Result<Vec<Collection>, Failure> {
    if home == Home::Files {
        return Ok(files_root(session, view)?.into_iter().collect());
    }
    let mut all = view.folders(session.owner())?;
    let me = session.owner();
    let everybody = view.granted_to(0)?;
    for id in view.granted_to(me.0)?.into_iter().chain(everybody) {
        if all.iter().any(|seen| seen.folder.id == id) {
            continue;
        }
        match view.folder(id) {
            Ok(seen) => all.push(seen),
            Err(mailbox::Error::Missing) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let at = home_href(session, home);
    let of = |seen: Seen| {
        let own = seen.folder.owner == me;
        Collection { href: at.member(&segment_of(&seen.folder, own), true), home, seen }
    };
    Ok(all.into_iter().filter(|seen| home.has(seen.folder.kind)).map(of).collect())
}

/// The collections right below one of files.
pub(super) fn below(session: &Session, view: &View, at: &Collection) -> Result<Vec<Collection>, Failure> {
    if at.home != Home::Files {
        return Ok(Vec::new());
    }
    let all = view.folders(session.owner())?;
    let inner =
        all.into_iter().filter(|seen| seen.folder.parent == at.id() && seen.folder.kind == Kind::Files);
    Ok(inner
        .map(|seen| Collection { href: at.href.member(&seen.folder.name, true), home: Home::Files, seen })
        .collect())
}

/// The last segment of a folder's URL.
fn segment_of(folder: &Folder, own: bool) -> String {
    if !own {
        return format!("shared-{:x}", folder.id.0);
    }
    let role = match folder.role {
        Role::Calendar => "calendar",
        Role::Contacts => "contacts",
        Role::Tasks => "tasks",
        Role::Notes => "notes",
        _ => "",
    };
    let chosen = folder.property(SEGMENT).and_then(|segment| String::from_utf8(segment.to_vec()).ok());
    match chosen {
        Some(segment) => segment,
        None if !role.is_empty() => role.to_owned(),
        None => format!("folder-{:x}", folder.id.0),
    }
}

/// The account whose folders an owner's are.
pub(super) fn owner_of(session: &Session, folder: &Folder) -> Result<Option<Account>, Failure> {
    if folder.owner == session.owner() {
        return Ok(Some(session.account().clone()));
    }
    Ok(session.services().directory.account(AccountId(folder.owner.0))?)
}
