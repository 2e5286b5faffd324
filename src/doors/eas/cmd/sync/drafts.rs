//! Drafts of a Sync, from 16.0 on: what a command comes to is worked out before the transaction, which then
//! only puts it down. MS-ASEMAIL §2.2.2.69, MS-ASCMD §2.2.3.7.2.
//!
//! A draft with Send leaves as SendMail's messages do: delivery or the queue's entry, the copy in Sent and
//! the end of the draft are one transaction, that of the collection's commands.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wbxml::{Element, Version, airsync, email2};

use super::apply::{Before, CONVERSION, Done, NO_SPACE, NOT_FOUND, OK, edit_of, told};
use super::plans::{CONFLICT, Claim};
use super::request::{Command, Kind};
use crate::doors::eas::draft::{Changes, Writer, added_files};
use crate::doors::eas::ids::item_id;
use crate::doors::eas::outbox::{Outgoing, blocking, kept, unique};
use crate::doors::eas::reply::{Failure, Status};
use crate::doors::eas::session::{Eas, Session};
use crate::mailbox::sync::Given;
use crate::mailbox::{
    Edit, Error, Flags, Folder, FolderId, Granted, Item, Knew, MailTx, NewContent, NewItem, Role, Uid,
};
use crate::message::MailRecord;
use crate::store::{self, BodyId, Tx};

/// What commands come to.
#[derive(Default)]
pub(super) struct Plans {
    /// By the commands' place in the request. Those that are none of a draft's are not in it.
    made: BTreeMap<usize, Result<Plan, u16>>,
    /// Drafts of which a command failed in this run, with its status: a later one may build on it.
    failed: RefCell<BTreeMap<Uid, u16>>,
}

/// What one command comes to.
struct Plan {
    /// The draft as it will be.
    draft: NewItem,
    /// The body that the change was made from.
    made_from: Option<[u8; 32]>,
    edit: Edit,
    send: Option<Outgoing>,
}

/// Works out the commands that were not applied before. An Add of anything but a draft has no plan.
pub(super) async fn plan(
    session: &Session,
    folder: &Folder,
    commands: &[Command],
    before: &[Given],
) -> Result<Plans, Failure> {
    let mut plans = Plans::default();
    if folder.role != Role::Drafts || !session.at_least(Version::V16_0) {
        return Ok(plans);
    }
    // A draft that is changed twice is changed the second time as the first has left it; one that was sent or
    // deleted is gone.
    let (mut left, mut gone) = (BTreeMap::new(), BTreeSet::new());
    let (mut before, mut once) = (Before::new(before), BTreeSet::new());
    for (index, command) in commands.iter().enumerate() {
        let known = before.take(command.digest).is_some();
        let again = command.runs_once() && !once.insert(command.digest);
        if known || again || command.kind == Kind::Fetch {
            continue;
        }
        let uid = named(command, folder.id);
        if command.kind == Kind::Delete {
            gone.extend(uid);
            continue;
        }
        let planned = match uid {
            Some(uid) if gone.contains(&uid) => Some(Err(NOT_FOUND)),
            _ => plan_one(session, folder, command, &mut left).await?,
        };
        if let Some(Ok(Plan { send: Some(_), .. })) = planned {
            gone.extend(uid);
        }
        plans.made.extend(planned.map(|planned| (index, planned)));
    }
    Ok(plans)
}

/// The item that a command names.
pub(super) fn named(command: &Command, folder: FolderId) -> Option<Uid> {
    let named = command.element.text_of(airsync::SERVER_ID).and_then(item_id);
    named.filter(|(of, _)| *of == folder).map(|(_, uid)| uid)
}

async fn plan_one(
    session: &Session,
    folder: &Folder,
    command: &Command,
    left: &mut BTreeMap<Uid, Stored>,
) -> Result<Option<Result<Plan, u16>>, Failure> {
    let data = command.element.child(airsync::APPLICATION_DATA);
    let send = command.element.has(email2::SEND);
    let changes = match Changes::read(data) {
        Ok(changes) if command.kind == Kind::Change && changes.is_empty() && !send => return Ok(None),
        Ok(changes) => changes,
        Err(status) => return Ok(Some(Err(status))),
    };
    let Ok(edit) = data.map_or(Ok(Edit::default()), edit_of) else { return Ok(Some(Err(CONVERSION))) };
    let stored = match command.kind {
        Kind::Change => match stored(session, folder, command, left).await? {
            Ok(stored) => Some(stored),
            Err(status) => return Ok(Some(Err(status))),
        },
        _ => None,
    };
    let uid = stored.as_ref().map(|stored| stored.uid);
    match write(session, folder.id, changes, stored, send).await? {
        Err(status) => Ok(Some(Err(status))),
        Ok(Written { mut draft, raw, made_from, send }) => {
            if let Some(uid) = uid {
                left.insert(uid, Stored { uid, body: draft.body.id().0, message: raw });
            }
            if command.kind == Kind::Add {
                draft.flags = draft.flags.without(edit.clear).and(edit.set);
                let set = |(name, value): &(String, Option<Vec<u8>>)| Some((name.clone(), value.clone()?));
                draft.properties = edit.properties.iter().filter_map(set).collect();
                draft.properties.sort_unstable();
            }
            Ok(Some(Ok(Plan { draft, made_from, edit, send })))
        }
    }
}

/// A draft as it is.
#[derive(Clone)]
struct Stored {
    uid: Uid,
    body: [u8; 32],
    message: Bytes,
}

/// The draft that a command changes; `Err` is the item's status.
async fn stored(
    session: &Session,
    folder: &Folder,
    command: &Command,
    left: &BTreeMap<Uid, Stored>,
) -> Result<Result<Stored, u16>, Failure> {
    let Some(uid) = named(command, folder.id) else { return Ok(Err(NOT_FOUND)) };
    if let Some(left) = left.get(&uid) {
        return Ok(Ok(left.clone()));
    }
    let view = session.eas.mailbox.view(session.acting())?;
    let Some(Item { body, size, .. }) = view.item(folder, uid)? else { return Ok(Err(NOT_FOUND)) };
    let eas = session.eas.clone();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    // Without the trace of a message that was delivered once: it is not part of what is written.
    let read = blocking(&session.eas, size, move || Ok(eas.mailbox.store().read()?.body(&BodyId(body))));
    match read.await? {
        Ok(message) => Ok(Ok(Stored { uid, body, message })),
        Err(store::Error::Damaged(why)) => {
            tracing::error!(folder = folder.id.0, uid = uid.0, why, "a draft cannot be read any more");
            Ok(Err(CONVERSION))
        }
        Err(e) => Err(e.into()),
    }
}

struct Written {
    draft: NewItem,
    raw: Bytes,
    made_from: Option<[u8; 32]>,
    send: Option<Outgoing>,
}

async fn write(
    session: &Session,
    folder: FolderId,
    changes: Changes,
    stored: Option<Stored>,
    send: bool,
) -> Result<Result<Written, u16>, Failure> {
    let made_from = stored.as_ref().map(|stored| stored.body);
    let (eas, account, domain) =
        (session.eas.clone(), session.login.account.clone(), session.login.domain.id.0);
    let unique = unique()?;
    // What a client sends along may be large as well.
    let size = stored.as_ref().map_or(0, |stored| stored.message.len()).saturating_add(changes.size());
    let written = blocking(&session.eas, size, move || {
        let host = &eas.config.smtp.hostname;
        let writer = Writer { account: &account, host, now: eas.mailbox.clock().now_secs(), unique };
        let stored = stored.as_ref().map(|stored| (&stored.message[..], folder, stored.uid));
        let raw = match changes.write(&writer, stored) {
            Ok(raw) => raw,
            Err(status) => return Ok(Err(status)),
        };
        if u64::try_from(raw.len()).unwrap_or(u64::MAX) > eas.config.smtp.max_message {
            return Ok(Err(Status::AttachmentIsTooLarge.code()));
        }
        let raw = Bytes::from(raw);
        let draft = kept(&eas, domain, raw.clone(), Flags::DRAFT.and(Flags::SEEN))?;
        Ok(Ok((draft, raw)))
    });
    let (draft, raw) = match written.await? {
        Ok(written) => written,
        Err(status) => return Ok(Err(status)),
    };
    let send = match send.then(|| Outgoing::prepare(session, raw.clone())) {
        None => None,
        Some(outgoing) => match outgoing.await {
            Ok(outgoing) => Some(outgoing),
            Err(Failure::Common(status)) if is_the_clients(status) => return Ok(Err(draft_status(status))),
            Err(e) => return Err(e),
        },
    };
    Ok(Ok(Written { draft, raw, made_from, send }))
}

/// Whether trying again as it is would not help.
fn is_the_clients(status: Status) -> bool {
    !matches!(status, Status::ServerError | Status::ServerErrorRetryLater)
}

/// A draft's recipients have a status of their own. MS-ASCMD §2.2.2, Status 183.
fn draft_status(status: Status) -> u16 {
    match status {
        Status::MessageHasNoRecipient | Status::MessageRecipientUnresolved => {
            Status::InvalidRecipients.code()
        }
        other => other.code(),
    }
}

impl Plans {
    /// Holds the drafts against what the client knew of them, before anything is done: a change that would
    /// undo another's fails with a status of its own, and that draft is told to the client. `Stale` when a
    /// draft is not the one that the change was worked out from.
    pub(super) fn check(
        &mut self,
        tx: &mut MailTx<'_, '_>,
        folder: FolderId,
        commands: &[Command],
        claim: Claim,
    ) -> Result<(), Error> {
        if self.made.is_empty() {
            return Ok(());
        }
        let at = tx.granted(folder)?;
        let mut found: BTreeMap<Uid, Option<u16>> = BTreeMap::new();
        for (index, command) in commands.iter().enumerate() {
            let Some(uid) = named(command, folder) else { continue };
            let Some(planned) = self.made.get_mut(&index) else { continue };
            let Ok(plan) = planned else { continue };
            let failed = match found.get(&uid) {
                Some(failed) => *failed,
                None => match tx.item(&at, uid) {
                    Err(Error::Missing) => Some(NOT_FOUND),
                    Err(e) => return Err(e),
                    Ok(item) if claim.conflicts(&item) => Some(CONFLICT),
                    Ok(item) if Some(item.body) != plan.made_from => return Err(Error::Stale),
                    Ok(_) => None,
                },
            };
            found.insert(uid, failed);
            if let Some(status) = failed {
                *planned = Err(status);
            }
        }
        Ok(())
    }

    /// Hands the drafts that are sent to delivery; before folders are changed in the same transaction. One
    /// that nobody gets becomes a plan that failed.
    pub(super) fn place(&mut self, eas: &Eas, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        for planned in self.made.values_mut() {
            let Ok(Plan { send: Some(outgoing), .. }) = planned else { continue };
            if let Err(status) = outgoing.place(eas, tx)? {
                *planned = Err(draft_status(status));
            }
        }
        Ok(())
    }

    /// Puts down what a command comes to. `None` for one that is none of a draft's.
    pub(super) fn apply<'g>(
        &self,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        (index, command): (usize, &Command),
        uid: Option<Uid>,
        knew: Knew,
    ) -> Result<Option<Result<Done, u16>>, Error> {
        let Some(planned) = self.made.get(&index) else { return Ok(None) };
        let outcome = match planned {
            // A draft whose sending failed is there still.
            Err(NOT_FOUND) => Err(self.failed(uid).unwrap_or(NOT_FOUND)),
            Err(status) => Err(*status),
            Ok(plan) => self.put_down(plan, tx, at, (command.kind, uid), knew)?,
        };
        if let (Err(status), Some(uid)) = (&outcome, uid) {
            self.failed.borrow_mut().entry(uid).or_insert(*status);
        }
        Ok(Some(outcome))
    }

    fn failed(&self, uid: Option<Uid>) -> Option<u16> {
        self.failed.borrow().get(&uid?).copied()
    }

    fn put_down<'g>(
        &self,
        plan: &Plan,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        (kind, uid): (Kind, Option<Uid>),
        knew: Knew,
    ) -> Result<Result<Done, u16>, Error> {
        let done = match (kind, uid) {
            (Kind::Add, _) => plan.add(tx, at),
            (_, Some(uid)) => match tx.item(at, uid) {
                Err(e) => Err(e),
                Ok(item) if Some(item.body) == plan.made_from => plan.change(tx, at, uid, knew),
                // It builds on a change that came to nothing.
                Ok(_) => match self.failed(Some(uid)) {
                    Some(status) if plan.send.is_none() => return Ok(Err(status)),
                    Some(NO_SPACE) => Err(Error::OverQuota),
                    Some(_) => Err(Error::Invalid("an earlier change of the draft failed")),
                    None => Err(Error::Stale),
                },
            },
            (_, None) => Err(Error::Missing),
        };
        match done {
            // Once a message is on its way, its draft must end with it or nothing at all may happen.
            Err(Error::Missing) if plan.send.is_some() => Err(Error::Stale),
            Err(e) if plan.send.is_some() => Err(e),
            done => told(done),
        }
    }

    /// Puts the copies of what was sent into Sent, when the drafts have made room. As with SendMail, nothing is
    /// sent that leaves no trace: its writer is told that the mailbox is full.
    pub(super) fn keep_copies(&self, tx: &mut MailTx<'_, '_>) -> Result<(), Error> {
        for outgoing in self.made.values().flatten().filter_map(|plan| plan.send.as_ref()) {
            outgoing.keep_copy(tx)?;
        }
        Ok(())
    }

    /// Lets no draft be sent: each of them fails with a status of its own.
    pub(super) fn refuse_to_send(&mut self, status: u16) {
        for planned in self.made.values_mut().filter(|p| p.as_ref().is_ok_and(|plan| plan.send.is_some())) {
            *planned = Err(status);
        }
    }

    /// Whether any draft is added or changed.
    pub(super) fn any(&self) -> bool {
        !self.made.is_empty()
    }

    /// Whether a draft is sent.
    pub(super) fn send_any(&self) -> bool {
        self.made.values().flatten().any(|plan| plan.send.is_some())
    }
}

impl Plan {
    fn add<'g>(&self, tx: &mut MailTx<'_, 'g>, at: &Granted<'g>) -> Result<Done, Error> {
        let placed = tx.append(at, self.draft.clone())?;
        match &self.send {
            None => Ok(Some((placed.uid, placed.modseq))),
            Some(_) => sent(tx, at, placed.uid),
        }
    }

    fn change<'g>(
        &self,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        uid: Uid,
        knew: Knew,
    ) -> Result<Done, Error> {
        if self.send.is_some() {
            return sent(tx, at, uid);
        }
        let NewItem { body, prefix, record, .. } = self.draft.clone();
        let placed = tx.replace(
            at,
            uid,
            NewContent { body, prefix, record, filter_date: None, properties: Vec::new() },
            knew,
        )?;
        let edited = tx.edit(at, uid, &self.edit, knew)?;
        Ok(Some((uid, if edited.changed { edited.modseq } else { placed.modseq })))
    }
}

/// Ends a draft that was sent. The client is told so, as everybody else.
fn sent<'g>(tx: &mut MailTx<'_, 'g>, at: &Granted<'g>, uid: Uid) -> Result<Done, Error> {
    let gone = tx.expunge(at, uid)?;
    tx.disown(at, uid, gone.modseq)?;
    Ok(Some((uid, gone.modseq)))
}

/// What the client is told of the attachments that a command added.
pub(super) fn answer<'g>(
    tx: &MailTx<'_, 'g>,
    at: &Granted<'g>,
    command: &Command,
    outcome: &Given,
) -> Result<Option<Element<'static>>, Error> {
    let (Some(data), Some((uid, _))) = (command.element.child(airsync::APPLICATION_DATA), outcome.done)
    else {
        return Ok(None);
    };
    let asks = matches!(command.kind, Kind::Add | Kind::Change) && outcome.status == OK;
    if !asks || !data.has(wbxml::airsyncbase::ATTACHMENTS) {
        return Ok(None);
    }
    let Some(row) = tx.record(at, uid)? else { return Ok(None) };
    let record = MailRecord::decode(row.record()).ok();
    Ok(record.and_then(|record| added_files(data, &record, at.id(), uid)))
}

#[cfg(test)]
mod tests;
