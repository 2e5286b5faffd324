//! The client's changes to one collection: applied once, however often the request is repeated.

use std::collections::{BTreeMap, BTreeSet};

use wbxml::{Element, airsync, airsyncbase, email};

use super::plans::{self, Claim, Plans};
use super::request::{Collection, Command, Kind};
use super::{drafts, objects};
use crate::clock;
use crate::doors::eas::ids::{folder_id, item_id, server_id};
use crate::doors::eas::render::{
    CATEGORIES_PROPERTY, FLAG_PROPERTY, Kept, TooMuch, Wishes, has_filter, kept_categories, kept_flag,
};
use crate::doors::eas::reply::{Failure, Status};
use crate::doors::eas::session::Session;
use crate::doors::eas::state::{self, Advance, Expected, collection_row};
use crate::mailbox::sync::{self, Given, State};
use crate::mailbox::{
    Edit, Error, Flags, Folder, FolderId, Granted, Kind as Holds, Knew, MailTx, Modseq, Origin, OwnerId,
    Role, Uid, View,
};
use crate::store::Tx;

/// What became of a collection's part of a request.
pub(super) enum Applied {
    /// Nothing: a status of the collection. MS-ASCMD §2.2.3.177.17.
    Failed(u8),
    /// The client began and gets this key.
    Begun(Box<Ready>),
    /// It is ready to be told the server's changes.
    Ready(Box<Ready>),
}

/// A collection whose commands are applied.
#[derive(Clone)]
pub(super) struct Ready {
    /// The folder.
    pub(super) folder: FolderId,
    /// The row as it is stored.
    pub(super) stored: Vec<u8>,
    /// The row with the client's key taken as given.
    pub(super) row: sync::Collection,
    /// Its options in force.
    pub(super) wishes: Wishes,
    /// These, and what the client manages of the items, as they are kept.
    kept: Kept,
    /// Outcomes that the client must be told.
    pub(super) responses: Vec<Element<'static>>,
    /// Items that the request itself added: what else is to be said of them comes with the next answer, when
    /// the client knows them by their ids.
    pub(super) added: BTreeSet<Uid>,
    /// Items that the client asked for.
    pub(super) fetches: Vec<String>,
    /// Whether the client wants the server's changes.
    pub(super) wants_changes: bool,
}

impl Ready {
    /// The device goes on with `state` under the same key: what came since is not for it. What is to be
    /// written down, unless the walk was no longer than it would be the next time.
    pub(super) fn rest(&mut self, session: &Session, state: State) -> Option<Advance> {
        if state.cursor == self.row.state.cursor {
            return None;
        }
        self.row.state = state;
        let row = state::row(&self.row);
        let before = std::mem::replace(&mut self.stored, row.clone());
        let key = collection_row(session, self.folder);
        Some(Advance { key, expected: Expected::Hopefully(before), row })
    }
}

/// Statuses of collections and items.
pub(super) const OK: u16 = 1;
pub(super) const BAD_KEY: u8 = 3;
const PROTOCOL: u8 = 4;
pub(super) const CONVERSION: u16 = 6;
pub(super) const NOT_FOUND: u16 = 8;
pub(super) const NO_SPACE: u16 = 9;
/// A FilterType that the class does not have. MS-ASCMD §2.2.3.68.2.
const BAD_FILTER: u8 = 4;
pub(super) const FOLDERS_CHANGED: u8 = 12;

/// Applies what a request asks of one collection.
pub(super) async fn run(
    session: &Session,
    asked: &Collection,
    trash: &mut Trash,
) -> Result<Applied, Failure> {
    if asked.is_wrong {
        return Ok(Applied::Failed(PROTOCOL));
    }
    let view = session.eas.mailbox.view(session.acting())?;
    let folder = folder_id(&asked.id);
    let folder = match folder.map(|id| view.readable(id)) {
        Some(Ok(folder)) => folder,
        None | Some(Err(Error::Missing | Error::Denied)) => return Ok(Applied::Failed(FOLDERS_CHANGED)),
        Some(Err(e)) => return Err(e.into()),
    };
    let now = session.eas.mailbox.clock().now();
    if asked.wishes.as_ref().is_some_and(|wishes| !has_filter(&folder, wishes.filter, now)) {
        return Ok(Applied::Failed(BAD_FILTER));
    }
    if asked.begins() {
        return begin(session, asked, folder).await;
    }
    let Some(stored) = state::collection(view.reader(), session, folder.id)? else {
        return Ok(Applied::Failed(BAD_KEY));
    };
    let mut kept = Kept::read(&stored.options);
    if let Some(wishes) = &asked.wishes {
        kept.wishes = wishes.clone();
    }
    let mut row = stored.clone();
    if !accept(&mut row, asked, &folder, session)? {
        return Ok(Applied::Failed(BAD_KEY));
    }
    let ready = Ready {
        folder: folder.id,
        stored: state::row(&stored),
        row,
        wishes: kept.wishes.clone(),
        kept,
        responses: Vec::new(),
        added: BTreeSet::new(),
        fetches: fetches(asked),
        wants_changes: asked.wants_changes(),
    };
    let changes = asked.commands.iter().any(|c| c.kind != Kind::Fetch);
    if !changes && ready.row.given.is_empty() && ready.row.options == ready.kept.row() {
        return Ok(Applied::Ready(Box::new(ready)));
    }
    // The folder of deleted items holds mail.
    let moves = asked.sticky.deletes_as_moves && folder.kind == Holds::Mail;
    let deletes = moves && asked.commands.iter().any(|c| c.kind == Kind::Delete);
    let trash = if deletes { trash.of(&view, folder.owner)? } else { None };
    drop(view);
    apply(session, asked, ready, &folder, trash.filter(|id| *id != folder.id)).await
}

/// Where owners' deleted items go, looked up once a request.
#[derive(Default)]
pub(super) struct Trash(BTreeMap<OwnerId, Option<FolderId>>);

impl Trash {
    fn of(&mut self, view: &View, owner: OwnerId) -> Result<Option<FolderId>, Error> {
        if let Some(known) = self.0.get(&owner) {
            return Ok(*known);
        }
        let trash = match view.by_role(owner, Role::Trash) {
            Ok(trash) => Some(trash.id),
            Err(Error::Missing) => None,
            Err(e) => return Err(e),
        };
        self.0.insert(owner, trash);
        Ok(trash)
    }
}

/// Key 0: a new state, or the one just begun if its answer may still be on the way.
async fn begin(session: &Session, asked: &Collection, folder: Folder) -> Result<Applied, Failure> {
    let key = collection_row(session, folder.id);
    let kept = Kept { wishes: asked.wishes.clone().unwrap_or_default(), supported: asked.supported.clone() };
    let now = session.eas.mailbox.clock().now();
    let epoch = session.eas.mailbox.store().epoch()?;
    let nonce = new_nonce()?;
    let (wanted, id) = (kept.row(), folder.id);
    let begun = session.eas.mailbox.shrink(session.acting(), session.device, move |tx| {
        let folder = tx.granted(id)?;
        let (head, uid_validity) = (tx.highest(&folder)?, tx.uid_validity(&folder)?);
        let known = state::read::<sync::Collection>(&*tx.store(), &key)?;
        let same_history = |row: &sync::Collection| row.epoch == epoch && row.uid_validity == uid_validity;
        let attached = known.filter(|row| row.attaches(now) && same_history(row) && row.options == wanted);
        let row = attached.unwrap_or_else(|| {
            let mut row = sync::Collection::begin(nonce, State::new(head), now, epoch, uid_validity);
            row.options = wanted;
            row
        });
        tx.store().put(key, state::row(&row));
        Ok::<_, Error>(row)
    });
    let row = match begun.await {
        Ok(row) => row,
        // It went since it was looked for.
        Err(Error::Missing) => return Ok(Applied::Failed(FOLDERS_CHANGED)),
        Err(e) => return Err(e.into()),
    };
    Ok(Applied::Begun(Box::new(Ready {
        folder: folder.id,
        stored: state::row(&row),
        row,
        wishes: kept.wishes.clone(),
        kept,
        responses: Vec::new(),
        added: BTreeSet::new(),
        fetches: Vec::new(),
        wants_changes: false,
    })))
}

pub(super) fn new_nonce() -> Result<u64, Failure> {
    Ok(u64::from_be_bytes(clock::random().map_err(|_| Status::ServerErrorRetryLater)?))
}

/// Takes the client at its word about its key.
fn accept(
    row: &mut sync::Collection,
    asked: &Collection,
    folder: &Folder,
    session: &Session,
) -> Result<bool, Failure> {
    let same_history =
        row.epoch == session.eas.mailbox.store().epoch()? && row.uid_validity == folder.uid_validity;
    let accepted = same_history && asked.key.parse().is_ok_and(|key| row.accept(key));
    Ok(accepted && (folder.purged..=folder.highest).contains(&row.state.cursor))
}

/// The items asked for, each once.
fn fetches(asked: &Collection) -> Vec<String> {
    let fetches = asked.commands.iter().filter(|c| c.kind == Kind::Fetch);
    let mut seen = BTreeSet::new();
    let ids = fetches.filter_map(|c| c.element.text_of(airsync::SERVER_ID));
    ids.filter(|id| seen.insert(*id)).map(str::to_owned).collect()
}

/// What the transaction of a collection's commands came to.
struct Outcome {
    row: sync::Collection,
    responses: Vec<Element<'static>>,
}

/// How often commands are worked out anew, since an item was changed meanwhile.
const ATTEMPTS: usize = 4;

async fn apply(
    session: &Session,
    asked: &Collection,
    ready: Ready,
    folder: &Folder,
    trash: Option<FolderId>,
) -> Result<Applied, Failure> {
    let commands: Vec<_> = asked.commands.iter().filter(|c| c.kind != Kind::Fetch).cloned().collect();
    let work = |plans| Work {
        folder: folder.id,
        trash,
        commands: commands.clone(),
        knew: ready.row.state.cursor,
        device: session.device,
        plans,
    };
    let plan = || plans::plan(session, folder, &commands, &ready.row.given, &ready.kept);
    let mut applied = Ok(Applied::Failed(super::answer::RETRY));
    for _ in 0..ATTEMPTS {
        let plans = plan().await?;
        let (sends, again) = (plans.send_any(), plans.can_be_made_again());
        applied = apply_with(session, work(plans), ready.clone()).await?;
        match applied {
            Ok(Applied::Failed(super::answer::RETRY)) if again => {}
            // What is sent does not fit in after it was taken for delivery, so that nothing may come of it all:
            // the other commands are applied without it.
            Err(Error::OverQuota | Error::Denied | Error::Invalid(_)) if sends => {
                let mut plans = plan().await?;
                plans.refuse_to_send(NO_SPACE);
                applied = apply_with(session, work(plans), ready.clone()).await?;
                break;
            }
            _ => break,
        }
    }
    let mut applied = applied.map_err(Failure::from)?;
    if let (Applied::Ready(ready), true) = (&mut applied, folder.kind != Holds::Mail) {
        let told = objects::answers(session, folder, &commands, &ready.row.given)?;
        let added = commands.iter().zip(&ready.row.given).filter(|(c, _)| c.kind == Kind::Add);
        ready.added = added.filter_map(|(_, given)| given.done).map(|(uid, _)| uid).collect();
        let commands = commands.iter().zip(&ready.row.given).zip(told);
        ready.responses = commands.filter_map(|((c, g), told)| response(folder.id, c, g, told)).collect();
    }
    Ok(applied)
}

async fn apply_with(
    session: &Session,
    mut work: Work,
    ready: Ready,
) -> Result<Result<Applied, Error>, Failure> {
    let key = collection_row(session, work.folder);
    let client_wins = ready.wishes.client_wins;
    let claim = Claim { device: work.device, knew: work.knew, client_wins };
    let (expected, mut row) = (ready.stored.clone(), ready.row.clone());
    row.options = ready.kept.row();
    let (eas, acting) = (session.eas.clone(), session.acting());
    let grows = work.plans.any() || work.commands.iter().any(|c| c.kind == Kind::Add);
    let work = move |tx: &mut Tx<'_>| {
        // Another request of the device came in between: it works from a state that is gone.
        let present = state::read::<sync::Collection>(&*tx, &key)?;
        if present.map(|row| state::row(&row)).as_ref() != Some(&expected) {
            return Err(Error::Stale);
        }
        let (folder, commands) = (work.folder, &work.commands);
        eas.mailbox.within(tx, acting.clone(), work.device, |mail| {
            work.plans.check(mail, folder, commands, claim)
        })?;
        work.plans.place(&eas, tx)?;
        let (given, responses) =
            eas.mailbox.within(tx, acting.clone(), work.device, |mail| work.run(mail, &row.given))?;
        // To the device, too, the copy in Sent is something new.
        let copies = eas.mailbox.within(tx, acting, Origin::OTHER, |mail| work.plans.keep_copies(mail));
        copies.map_err(gone_meanwhile)?;
        row.given = given;
        tx.put(key, state::row(&row));
        Ok(Outcome { row, responses })
    };
    let store = session.eas.mailbox.store();
    // Flags and deletions go on while the disk is full.
    let outcome = if grows { store.write_async(work).await } else { store.shrink_async(work).await };
    match outcome {
        Ok(Outcome { row, responses }) => {
            Ok(Ok(Applied::Ready(Box::new(Ready { stored: state::row(&row), row, responses, ..ready }))))
        }
        Err(Error::Stale) => Ok(Ok(Applied::Failed(super::answer::RETRY))),
        // The folder itself went since it was looked for.
        Err(Error::Missing) => Ok(Ok(Applied::Failed(FOLDERS_CHANGED))),
        Err(e) => Ok(Err(e)),
    }
}

/// Another folder that is needed went since it was looked for: the next try finds out.
fn gone_meanwhile(e: Error) -> Error {
    match e {
        Error::Missing => Error::Stale,
        e => e,
    }
}

/// The commands of one collection, within a transaction.
struct Work {
    folder: FolderId,
    /// Where deleted items go; `None` when they go for good.
    trash: Option<FolderId>,
    commands: Vec<Command>,
    knew: Modseq,
    device: Origin,
    /// What is worked out already.
    plans: Plans,
}

impl Work {
    fn run(
        &self,
        tx: &mut MailTx<'_, '_>,
        before: &[Given],
    ) -> Result<(Vec<Given>, Vec<Element<'static>>), Error> {
        let at = tx.granted(self.folder)?;
        let trash = self.trash.map(|id| tx.granted(id)).transpose().map_err(gone_meanwhile)?;
        let mut before = Before::new(before);
        let mut given: Vec<Given> = Vec::with_capacity(self.commands.len());
        let mut responses = Vec::new();
        for (index, command) in self.commands.iter().enumerate() {
            let outcome = match before.take(command.digest) {
                Some(outcome) => outcome.clone(),
                None => match given.iter().find(|g| command.runs_once() && g.digest == command.digest) {
                    Some(outcome) => outcome.clone(),
                    None => self.command(tx, &at, trash.as_ref(), index, command)?,
                },
            };
            let files = drafts::answer(tx, &at, command, &outcome)?;
            responses.extend(response(self.folder, command, &outcome, files));
            given.push(outcome);
        }
        // What the client no longer says it did, it does not know of.
        for (uid, modseq) in before.rest().filter_map(|g| g.done) {
            tx.disown(&at, uid, modseq)?;
        }
        Ok((given, responses))
    }

    fn command<'g>(
        &self,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        trash: Option<&Granted<'g>>,
        index: usize,
        command: &Command,
    ) -> Result<Given, Error> {
        debug_assert_ne!(self.device, Origin::OTHER, "a device has a number");
        let digest = command.digest;
        let uid = command.element.text_of(airsync::SERVER_ID).and_then(item_id);
        let uid = uid.filter(|(folder, _)| *folder == self.folder).map(|(_, uid)| uid);
        let planned = self.plans.apply(tx, at, (index, command), uid, Knew(Some(self.knew)))?;
        let outcome = match (command.kind, uid) {
            _ if let Some(outcome) = planned => outcome,
            (Kind::Add, _) => Err(CONVERSION),
            (_, None) => Err(NOT_FOUND),
            (Kind::Change, Some(uid)) => self.change(tx, at, uid, &command.element)?,
            (Kind::Delete | Kind::Fetch, Some(uid)) => told(delete(tx, at, trash, uid))?,
        };
        Ok(match outcome {
            Ok(done) => Given { digest, status: OK, done },
            Err(status) => Given { digest, status, done: None },
        })
    }

    fn change<'g>(
        &self,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        uid: Uid,
        element: &Element<'_>,
    ) -> Result<Result<Done, u16>, Error> {
        let Some(data) = element.child(airsync::APPLICATION_DATA) else { return Ok(Err(PROTOCOL.into())) };
        let Ok(edit) = edit_of(data) else { return Ok(Err(CONVERSION)) };
        let edited = tx.edit(at, uid, &edit, Knew(Some(self.knew)));
        told(edited.map(|placed| placed.changed.then_some((placed.uid, placed.modseq))))
    }
}

/// What the commands of the same request came to before, should it be repeated: each stands for one command
/// only, since the same command twice is two.
pub(super) struct Before<'b>(Vec<Option<&'b Given>>);

impl<'b> Before<'b> {
    pub(super) fn new(given: &'b [Given]) -> Self {
        Self(given.iter().map(Some).collect())
    }

    /// What the next command with this digest came to.
    pub(super) fn take(&mut self, digest: u64) -> Option<&'b Given> {
        let found = self.0.iter_mut().find(|g| g.is_some_and(|g| g.digest == digest));
        found.and_then(Option::take)
    }

    /// Those that were not asked for.
    fn rest(self) -> impl Iterator<Item = &'b Given> {
        self.0.into_iter().flatten()
    }
}

pub(super) type Done = Option<(Uid, Modseq)>;

/// An item that fails alone fails with a status; anything else fails the transaction.
pub(super) fn told(result: Result<Done, Error>) -> Result<Result<Done, u16>, Error> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(Error::Missing) => Ok(Err(NOT_FOUND)),
        Err(Error::OverQuota) => Ok(Err(NO_SPACE)),
        Err(Error::Denied | Error::Invalid(_) | Error::Exists) => Ok(Err(CONVERSION)),
        Err(e) => Err(e),
    }
}

fn delete<'g>(
    tx: &mut MailTx<'_, 'g>,
    at: &Granted<'g>,
    trash: Option<&Granted<'g>>,
    uid: Uid,
) -> Result<Done, Error> {
    let Some(trash) = trash else {
        return tx.expunge(at, uid).map(|gone| Some((uid, gone.modseq)));
    };
    tx.remove_to(at, uid, trash)?;
    let tombstone = tx.highest(at)?;
    Ok(Some((uid, tombstone)))
}

/// Read, Flag and Categories are what a client changes of a message that it did not write.
/// MS-ASEMAIL §3.1.5.1.
pub(super) fn edit_of(data: &Element<'_>) -> Result<Edit, TooMuch> {
    let mut edit = Edit::default();
    match data.flag_of(email::READ)? {
        Some(true) => edit.set = edit.set.and(Flags::SEEN),
        Some(false) => edit.clear = edit.clear.and(Flags::SEEN),
        None => {}
    }
    if let Some(flag) = data.child(email::FLAG) {
        let status: u8 = flag.parse_of(email::STATUS)?.unwrap_or_default();
        if status == 2 {
            edit.set = edit.set.and(Flags::FLAGGED);
        } else {
            edit.clear = edit.clear.and(Flags::FLAGGED);
        }
        let kept = (status != 0).then(|| kept_flag(flag)).transpose()?;
        edit.properties.push((FLAG_PROPERTY.to_owned(), kept));
    }
    if let Some(categories) = data.child(email::CATEGORIES) {
        edit.properties.push((CATEGORIES_PROPERTY.to_owned(), kept_categories(categories)?));
    }
    Ok(edit)
}

/// An Add is always answered, a Change or Delete only when it failed, or when there is something to say of
/// what it added. MS-ASCMD §2.2.3.154.
fn response(
    folder: FolderId,
    command: &Command,
    outcome: &Given,
    data: Option<Element<'static>>,
) -> Option<Element<'static>> {
    let text = |tag| command.element.text_of(tag).unwrap_or_default().to_owned();
    match command.kind {
        Kind::Add => {
            let mut add = Element::new(airsync::ADD).with_text(airsync::CLIENT_ID, text(airsync::CLIENT_ID));
            if let Some((uid, _)) = outcome.done {
                add.push(Element::leaf(airsync::SERVER_ID, server_id(folder, uid)));
            }
            Some(add.with_number(airsync::STATUS, outcome.status).with_all(data))
        }
        Kind::Change | Kind::Delete if outcome.status != OK || data.is_some() => {
            let tag = if command.kind == Kind::Change { airsync::CHANGE } else { airsync::DELETE };
            let mut failed = Element::new(tag).with_text(airsync::SERVER_ID, text(airsync::SERVER_ID));
            if let Some(instance) = command.element.text_of(airsyncbase::INSTANCE_ID) {
                failed.push(Element::leaf(airsyncbase::INSTANCE_ID, instance.to_owned()));
            }
            Some(failed.with_number(airsync::STATUS, outcome.status).with_all(data))
        }
        Kind::Change | Kind::Delete | Kind::Fetch => None,
    }
}

#[cfg(test)]
mod tests;
