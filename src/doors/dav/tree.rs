//! Making, copying and moving folders and items.

use std::ops::ControlFlow;

use caldav::dav::Privilege;

use super::cmd::proppatch::Change;
use super::node::{self, Collection, FILES, Home, Parent};
use super::reply::{Failure, needs};
use super::session::Session;
use crate::mailbox::{self, Error, FolderId, Granted, Kind, MailTx, NewFolder, OwnerId, Uid, View};
use crate::objects::{self, DISPLAY_NAME, SEGMENT};
use crate::policy::Rights;

/// How many names are tried for a folder whose own is taken.
const NAMES_TRIED: u32 = 50;

/// Most items and folders that one COPY takes.
const COPY_MAX: usize = 5_000;

/// The folder that the user's files are in, made if it is not there.
pub(super) fn make_files_root(session: &Session) -> Result<Collection, Failure> {
    let owner = session.owner();
    let made = session.write(move |tx| {
        let new = NewFolder { parent: FolderId::TOP, name: FILES, kind: Kind::Files };
        match tx.create_folder(owner, &new) {
            // Another request was first; of a folder with mail the next look tells.
            Ok(_) | Err(Error::Exists) => Ok(()),
            Err(e) => Err(e.into()),
        }
    });
    made.map_err(|e| super::reply::of_objects(e, false))?;
    node::files_root(session, &session.view()?)?.ok_or(Failure::FORBIDDEN)
}

/// Where a folder is made: whose tree, below what.
fn place(session: &Session, parent: &Parent) -> Result<(OwnerId, FolderId), Failure> {
    Ok(match parent {
        Parent::Home(Home::Files) => {
            let root = make_files_root(session)?;
            (root.folder().owner, root.id())
        }
        Parent::Home(_) => (session.owner(), FolderId::TOP),
        Parent::Collection(at) if !at.may(Rights::CREATE) => return Err(needs(&at.href, Privilege::Bind)),
        Parent::Collection(at) => (at.folder().owner, at.id()),
    })
}

/// Makes a folder, called `name` or, where that is taken and is no part of its URL, something like it.
pub(super) fn make(
    session: &Session,
    parent: &Parent,
    kind: Kind,
    name: String,
    changes: Vec<Change>,
) -> Result<(), Failure> {
    let (owner, parent) = place(session, parent)?;
    let made = session.write(move |tx| {
        make_in(tx, owner, parent, kind, &name, changes)?;
        Ok(())
    });
    made.map_err(|e| super::reply::of_objects(e, kind == Kind::Contacts))
}

fn make_in(
    tx: &mut MailTx<'_, '_>,
    owner: OwnerId,
    parent: FolderId,
    kind: Kind,
    name: &str,
    mut changes: Vec<Change>,
) -> Result<FolderId, Error> {
    let wanted = name.trim();
    let fallback = changes.iter().find(|(key, _)| key == SEGMENT).and_then(|(_, segment)| segment.clone());
    let fallback = fallback.and_then(|segment| String::from_utf8(segment).ok());
    let base = match (mailbox::check_name(wanted), fallback) {
        (Err(_), Some(segment)) if mailbox::check_name(&segment).is_ok() => segment,
        (Err(_), Some(_)) => "Calendar".to_owned(),
        _ => wanted.to_owned(),
    };
    let mut numbered = (2..NAMES_TRIED).map(|n| format!("{base} {n}"));
    let mut name = base.clone();
    loop {
        // What it is called only when that could not be its name.
        if name == wanted {
            changes.retain(|(key, _)| key != DISPLAY_NAME);
        }
        match objects::create(tx, owner, &NewFolder { parent, name: &name, kind }, &changes) {
            Err(Error::Exists) if kind != Kind::Files => {
                name = numbered.next().ok_or(Error::Exists)?;
            }
            made => return made,
        }
    }
}

/// A folder with all that is copied with it.
struct Copied {
    id: FolderId,
    kind: Kind,
    properties: Vec<Change>,
    items: Vec<(Uid, String)>,
    below: Vec<(String, Self)>,
}

/// Looks at what is to be copied.
fn look(
    session: &Session,
    view: &View,
    at: &Collection,
    deep: bool,
    left: &mut usize,
) -> Result<Copied, Failure> {
    at.check_read()?;
    let mut items = Vec::new();
    let mut below = Vec::new();
    if deep {
        view.items(at.folder(), Uid(0), &mut |item| {
            items.push((item.uid, node::name_of(&item)));
            ControlFlow::Continue(())
        })?;
        let inner = node::below(session, view, at)?;
        let taken = items.len().saturating_add(inner.len());
        *left = left.checked_sub(taken).ok_or(Failure::FORBIDDEN)?;
        for inner in inner {
            // As deep as folders may be nested.
            below.push((inner.folder().name.clone(), look(session, view, &inner, true, left)?));
        }
    }
    let kept = at.folder().properties.iter().filter(|(name, _)| name != SEGMENT);
    let properties = kept.map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    Ok(Copied { id: at.id(), kind: at.folder().kind, properties, items, below })
}

/// What is in the way of a copy or a move.
pub(super) enum Occupant {
    Nothing,
    Item(FolderId, Uid),
    Folder(FolderId),
}

fn clear(tx: &mut MailTx<'_, '_>, occupant: &Occupant) -> Result<(), Error> {
    match occupant {
        Occupant::Nothing => Ok(()),
        Occupant::Item(folder, uid) => {
            let at = tx.granted(*folder)?;
            tx.expunge(&at, *uid).map(drop)
        }
        Occupant::Folder(folder) => {
            let at = tx.granted(*folder)?;
            tx.delete_folder(&at)
        }
    }
}

/// Copies a folder below another one, or into a home.
pub(super) fn copy_folder(
    session: &Session,
    view: &View,
    from: &Collection,
    to: (&Parent, String),
    deep: bool,
    occupant: Occupant,
) -> Result<(), Failure> {
    let copied = look(session, view, from, deep, &mut { COPY_MAX })?;
    let (parent, name) = to;
    let in_home = matches!(parent, Parent::Home(home) if *home != Home::Files);
    let (owner, parent) = place(session, parent)?;
    let title = from.folder().name.clone();
    let copy = session.write(move |tx| {
        clear(tx, &occupant)?;
        let mut copied = copied;
        let mut title = title;
        if in_home {
            copied.properties.push((SEGMENT.to_owned(), Some(name.into_bytes())));
        } else {
            title = name;
        }
        copy_in(tx, owner, parent, &title, copied)?;
        Ok(())
    });
    copy.map_err(|e| super::reply::of_objects(e, from.is_card()))
}

fn copy_in(
    tx: &mut MailTx<'_, '_>,
    owner: OwnerId,
    parent: FolderId,
    name: &str,
    copied: Copied,
) -> Result<(), Error> {
    let made = make_in(tx, owner, parent, copied.kind, name, copied.properties)?;
    let (from, to) = (tx.granted(copied.id)?, tx.granted(made)?);
    for (uid, name) in copied.items {
        match tx.copy_named(&from, uid, &to, &name) {
            // It is gone since, or cannot be read.
            Err(Error::Missing) => {}
            Err(e) if e.is_damage() => {}
            copied => drop(copied?),
        }
    }
    for (name, inner) in copied.below {
        copy_in(tx, owner, made, &name, inner)?;
    }
    Ok(())
}

/// Moves a folder below another one, or gives it another URL in its home.
pub(super) fn move_folder(
    session: &Session,
    from: &Collection,
    to: (&Parent, String),
    occupant: Occupant,
) -> Result<(), Failure> {
    let (parent, name) = to;
    let id = from.id();
    let in_home = from.home != Home::Files;
    let (_, parent) = place(session, parent)?;
    let moved = session.write(move |tx| {
        clear(tx, &occupant)?;
        let folder = tx.granted(id)?;
        if in_home {
            tx.set_folder_properties(&folder, &[(SEGMENT.to_owned(), Some(name.into_bytes()))])?;
        } else {
            tx.rename_folder(&folder, parent, &name)?;
        }
        Ok(())
    });
    moved.map_err(|e| super::reply::of_objects(e, from.is_card()))
}

/// Copies or moves an item under a name.
pub(super) fn item(
    session: &Session,
    from: (FolderId, Uid),
    to: FolderId,
    name: String,
    is_move: bool,
    occupant: Occupant,
) -> Result<(), objects::Error> {
    session.write(move |tx| {
        clear(tx, &occupant)?;
        let (source, target): (Granted<'_>, Granted<'_>) = (tx.granted(from.0)?, tx.granted(to)?);
        if is_move {
            tx.move_named(&source, from.1, &target, &name)?;
        } else {
            tx.copy_named(&source, from.1, &target, &name)?;
        }
        Ok(())
    })
}
