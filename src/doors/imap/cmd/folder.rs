//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE. RFC 9051 §6.3.4 to §6.3.8; RFC 6154 §3.

use std::ops::ControlFlow;

use super::list::{ARCHIVE, USE};
use super::select;
use crate::directory::{AccountId, subscribe, subscription, subscriptions};
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::grammar::{FolderCommand, SpecialUse};
use crate::doors::imap::pattern::SEPARATOR;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::User;
use crate::doors::imap::tree::{self, INBOX, Site};
use crate::mailbox::{
    Error, Folder, FolderId, Kind, MailTx, Mailbox, NewFolder, Origin, OwnerId, Role, Seen, Uid,
};

/// Messages of an Inbox that is renamed, moved in one transaction.
const MOVED_AT_ONCE: usize = 200;

pub(in crate::doors::imap) async fn folder(
    session: &mut Session,
    command: FolderCommand,
) -> Result<Answer, Stop> {
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    let mailbox = session.services.mailbox.clone();
    match command {
        FolderCommand::Create { name, uses } => create(&mailbox, &user, &name, &uses).await,
        FolderCommand::Delete(name) => delete(session, &mailbox, &user, name).await,
        FolderCommand::Rename { from, to } => rename(&mailbox, &user, from, to).await,
        FolderCommand::Subscribe(name, subscribed) => choose(&mailbox, &user, name, subscribed).await,
    }
}

/// A way to a mailbox that is not there yet.
struct Way {
    owner: OwnerId,
    parent: FolderId,
    names: Vec<String>,
}

impl Way {
    /// Makes the folders on it and returns the last one.
    fn make(&self, tx: &mut MailTx<'_, '_>, names: &[String]) -> Result<FolderId, Error> {
        names.iter().try_fold(self.parent, |parent, name| {
            tx.create_folder(self.owner, &NewFolder { parent, name, kind: Kind::Mail })
        })
    }
}

/// Where a mailbox of that name would be; `Exists` if it is there.
async fn way(mailbox: &Mailbox, user: &User, name: &str) -> Result<Result<Way, Error>, Stop> {
    let (mailbox, user, name) = (mailbox.clone(), user.clone(), name.to_owned());
    conn::blocking(move || {
        let view = mailbox.view(user.acting)?;
        let Site { owner, parent, names } = tree::site(&view, user.owner, &name)?;
        match names.is_empty() {
            true => Err(Error::Exists),
            false => Ok(Way { owner, parent, names: names.into_iter().map(str::to_owned).collect() }),
        }
    })
    .await
}

async fn create(mailbox: &Mailbox, user: &User, name: &str, uses: &[SpecialUse]) -> Result<Answer, Stop> {
    // RFC 9051 §6.3.4: a separator at the end says that there will be mailboxes below it, which all may have.
    let name = name.strip_suffix(SEPARATOR).unwrap_or(name).to_owned();
    let is_archive = !uses.is_empty();
    if uses.iter().any(|it| *it != SpecialUse::Archive) {
        let text = "no further mailbox can have that use";
        return Ok(Answer::no(Code::UseAttr, text));
    }
    let way = way(mailbox, user, &name).await??;
    if is_archive && way.owner != user.owner {
        return Ok(Answer::no(Code::UseAttr, "only mailboxes of your own have a use"));
    }
    let account = AccountId(user.owner.0);
    let made = mailbox.write(user.acting.clone(), Origin::OTHER, move |tx| {
        let id = way.make(tx, &way.names)?;
        if is_archive {
            let made = tx.granted(id)?;
            tx.set_folder_properties(&made, &[(USE.to_owned(), Some(ARCHIVE.as_bytes().to_vec()))])?;
        }
        // That one of the same name was not to be shown says nothing about this one.
        if subscription(tx.store(), account, &name).map_err(tree::of_directory)? == Some(false) {
            subscribe(tx.store(), account, &name, None).map_err(tree::of_directory)?;
        }
        Ok::<_, Error>(id)
    });
    let id = select::id_of(made.await?);
    Ok(Answer::ok_with(Code::MailboxId(id), "created"))
}

/// The folder that a name means, seen by `user`.
async fn look_up(mailbox: &Mailbox, user: &User, name: &str) -> Result<Result<Seen, Error>, Stop> {
    let (mailbox, user, name) = (mailbox.clone(), user.clone(), name.to_owned());
    conn::blocking(move || tree::look_up(&mailbox.view(user.acting)?, user.owner, &name)).await
}

async fn delete(session: &mut Session, mailbox: &Mailbox, user: &User, name: String) -> Result<Answer, Stop> {
    let Seen { folder, .. } = look_up(mailbox, user, &name).await??;
    let id = folder.id;
    let deleted = mailbox.shrink(user.acting.clone(), Origin::OTHER, move |tx| {
        let folder = tx.granted(id)?;
        if tx.has_folders_below(&folder)? {
            return Ok(false);
        }
        tx.delete_folder(&folder).map(|()| true)
    });
    match deleted.await {
        Ok(true) => {}
        Ok(false) => {
            return Ok(Answer::no(Code::HasChildren, "delete the folders below it first"));
        }
        Err(e) => return Err(Stop::from(e)),
    }
    if session.state.selected().is_some_and(|selected| selected.folder == id) {
        session.state.unselect();
        session.wire.write(b"* OK [CLOSED] the selected mailbox is gone\r\n").await?;
    }
    Ok(Answer::ok("deleted"))
}

async fn rename(mailbox: &Mailbox, user: &User, from: String, to: String) -> Result<Answer, Stop> {
    let Seen { folder, .. } = look_up(mailbox, user, &from).await??;
    if folder.owner == user.owner && folder.role == Role::Inbox {
        return rename_inbox(mailbox, user, folder, to).await;
    }
    let (above, name) = split(&to);
    let way = if split(&from).0.to_lowercase() == above.to_lowercase() {
        // It stays where it is, also where that cannot be seen, and may get another spelling of its name.
        Way { owner: folder.owner, parent: folder.parent, names: vec![name.to_owned()] }
    } else {
        way(mailbox, user, &to).await??
    };
    if way.owner != folder.owner {
        return Ok(Answer::no(Code::Cannot, "a mailbox stays with its owner"));
    }
    let is_own = folder.owner == user.owner;
    let account = AccountId(user.owner.0);
    let renamed = mailbox.write(user.acting.clone(), Origin::OTHER, move |tx| {
        let folder = tx.granted(folder.id)?;
        let Some((last, above)) = way.names.split_last() else { return Err(Error::Exists) };
        let parent = way.make(tx, above)?;
        tx.rename_folder(&folder, parent, last)?;
        if is_own {
            move_choices(tx, account, &from, &to)?;
        }
        Ok(())
    });
    renamed.await?;
    Ok(Answer::ok("renamed"))
}

/// What a name stands below, and its last level.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once(SEPARATOR).unwrap_or(("", name))
}

/// What was chosen about a mailbox and those below it holds for their new names.
fn move_choices(tx: &mut MailTx<'_, '_>, account: AccountId, from: &str, to: &str) -> Result<(), Error> {
    let choices = subscriptions(tx.store(), account).map_err(tree::of_directory)?;
    let folded = from.to_lowercase();
    for choice in choices {
        let name = choice.name.to_lowercase();
        let Some(below) = name.strip_prefix(&folded) else { continue };
        if !below.is_empty() && !below.starts_with(SEPARATOR) {
            continue;
        }
        // Levels are counted, since letters change their length with their case.
        let levels = below.matches(SEPARATOR).count();
        let kept: Vec<&str> = choice.name.rsplitn(levels + 1, SEPARATOR).take(levels).collect();
        let new = std::iter::once(to).chain(kept.into_iter().rev()).collect::<Vec<_>>().join("/");
        subscribe(tx.store(), account, &choice.name, None).map_err(tree::of_directory)?;
        subscribe(tx.store(), account, &new, Some(choice.subscribed)).map_err(tree::of_directory)?;
    }
    Ok(())
}

/// The Inbox stays, and its messages go. RFC 9051 §6.3.6.
async fn rename_inbox(mailbox: &Mailbox, user: &User, inbox: Folder, to: String) -> Result<Answer, Stop> {
    if to.to_lowercase().starts_with(&format!("{}{SEPARATOR}", INBOX.to_lowercase())) {
        return Ok(Answer::no(Code::Cannot, "not below itself"));
    }
    let way = way(mailbox, user, &to).await??;
    if way.owner != user.owner {
        return Ok(Answer::no(Code::Cannot, "a mailbox stays with its owner"));
    }
    let acting = user.acting.clone();
    let made = mailbox.write(acting.clone(), Origin::OTHER, move |tx| way.make(tx, &way.names));
    let target = made.await?;
    let (reading, id) = (mailbox.clone(), inbox.id);
    let seen_by = acting.clone();
    let uids = conn::blocking(move || -> Result<Vec<Uid>, Error> {
        let view = reading.view(seen_by)?;
        let mut uids = Vec::new();
        view.items(&view.readable(id)?, Uid(0), &mut |item| {
            uids.push(item.uid);
            ControlFlow::Continue(())
        })?;
        Ok(uids)
    });
    // A large Inbox must not hold up deliveries, so it goes bit by bit. Cut short, what is left is in the Inbox.
    for some in uids.await??.chunks(MOVED_AT_ONCE) {
        let some = some.to_vec();
        let moved = mailbox.write(acting.clone(), Origin::OTHER, move |tx| {
            let (from, to) = (tx.granted(id)?, tx.granted(target)?);
            for uid in some {
                match tx.move_to(&from, uid, &to) {
                    // Another client was quicker.
                    Ok(_) | Err(Error::Missing) => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        });
        moved.await?;
    }
    Ok(Answer::ok("renamed; the Inbox is there anew"))
}

/// SUBSCRIBE and UNSUBSCRIBE. What is one's own is shown unless one chose otherwise, what is others' is not.
async fn choose(mailbox: &Mailbox, user: &User, name: String, subscribed: bool) -> Result<Answer, Stop> {
    let name = name.strip_suffix(SEPARATOR).unwrap_or(&name).to_owned();
    let seen = look_up(mailbox, user, &name).await?;
    let is_own = seen.is_ok_and(|seen| seen.folder.owner == user.owner);
    let choice = if subscribed || is_own { Some(subscribed) } else { None };
    let account = AccountId(user.owner.0);
    let chosen = mailbox.write(user.acting.clone(), Origin::OTHER, move |tx| {
        subscribe(tx.store(), account, &name, choice).map_err(tree::of_directory)
    });
    match chosen.await {
        Ok(()) => Ok(Answer::ok(if subscribed { "subscribed" } else { "unsubscribed" })),
        Err(Error::Invalid("there are too many of them")) => {
            Ok(Answer::no(Code::Limit, "there are too many subscriptions"))
        }
        Err(e) => Err(e.into()),
    }
}
