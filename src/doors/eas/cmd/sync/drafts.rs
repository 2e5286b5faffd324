//! Drafts of a Sync, from 16.0 on: what a command comes to is worked out before the transaction, which then
//! only puts it down. MS-ASEMAIL §2.2.2.69, MS-ASCMD §2.2.3.7.2.
//!
//! A draft with Send leaves as SendMail's messages do: delivery or the queue's entry, the copy in Sent and
//! the end of the draft are one transaction, that of the collection's commands.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wbxml::{Element, Version, airsync, email2};

use super::apply::{Before, CONVERSION, Done, NOT_FOUND, OK, edit_of, told};
use super::request::{Command, Kind};
use crate::doors::eas::draft::{Changes, Writer, added_files};
use crate::doors::eas::ids::item_id;
use crate::doors::eas::outbox::{Outgoing, blocking, kept, unique};
use crate::doors::eas::reply::{Failure, Status};
use crate::doors::eas::session::{Eas, Session};
use crate::mailbox::sync::Given;
use crate::mailbox::{
    Edit, Error, Flags, Folder, FolderId, Granted, Knew, MailTx, NewContent, NewItem, Role, Uid,
};
use crate::message::MailRecord;
use crate::store::{self, BodyId, Tx};

/// What commands come to, by their place in the request. Those that are none of a draft's are not in it.
#[derive(Default)]
pub(super) struct Plans(BTreeMap<usize, Result<Plan, u16>>);

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
    // A draft that is changed twice is changed the second time as the first has left it; one that was sent
    // is gone.
    let mut left = BTreeMap::new();
    let (mut before, mut once) = (Before::new(before), BTreeSet::new());
    for (index, command) in commands.iter().enumerate() {
        let known = before.take(command.digest).is_some();
        let again = command.runs_once() && !once.insert(command.digest);
        if known || again || !matches!(command.kind, Kind::Add | Kind::Change) {
            continue;
        }
        if let Some(plan) = plan_one(session, folder, command, &mut left).await? {
            plans.0.insert(index, plan);
        }
    }
    Ok(plans)
}

async fn plan_one(
    session: &Session,
    folder: &Folder,
    command: &Command,
    left: &mut BTreeMap<Uid, Option<Stored>>,
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
            Some(stored) => Some(stored),
            None => return Ok(Some(Err(NOT_FOUND))),
        },
        _ => None,
    };
    let uid = stored.as_ref().map(|stored| stored.uid);
    match write(session, folder.id, changes, stored, send).await? {
        Err(status) => Ok(Some(Err(status))),
        Ok(Written { mut draft, raw, made_from, send }) => {
            if let Some(uid) = uid {
                let written = Stored { uid, body: draft.body.id().0, message: raw };
                left.insert(uid, send.is_none().then_some(written));
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

async fn stored(
    session: &Session,
    folder: &Folder,
    command: &Command,
    left: &BTreeMap<Uid, Option<Stored>>,
) -> Result<Option<Stored>, Failure> {
    let named = command.element.text_of(airsync::SERVER_ID).and_then(item_id);
    let Some((_, uid)) = named.filter(|(of, _)| *of == folder.id) else { return Ok(None) };
    if let Some(left) = left.get(&uid) {
        return Ok(left.clone());
    }
    let view = session.eas.mailbox.view(session.acting())?;
    let Some(item) = view.item(folder, uid)? else { return Ok(None) };
    let (body, size) = (item.body, usize::try_from(item.size).unwrap_or(usize::MAX));
    // Without the trace of a message that was delivered once: it is not part of what is written.
    let read = blocking(&session.eas, size, move || Ok(view.reader().body(&BodyId(body))?));
    Ok(Some(Stored { uid, body, message: read.await? }))
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
    let (eas, account, domain) = (session.eas.clone(), session.account.clone(), session.domain.id.0);
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
    /// Hands the drafts that are sent to delivery; before folders are changed in the same transaction. One
    /// that nobody gets becomes a plan that failed.
    pub(super) fn place(&mut self, eas: &Eas, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        for planned in self.0.values_mut() {
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
        let plan = match self.0.get(&index) {
            None => return Ok(None),
            Some(Err(status)) => return Ok(Some(Err(*status))),
            Some(Ok(plan)) => plan,
        };
        let done = match (command.kind, uid) {
            (Kind::Add, _) => plan.add(tx, at),
            (_, Some(uid)) => plan.change(tx, at, uid, knew),
            (_, None) => Err(Error::Missing),
        };
        match done {
            Ok(done) => Ok(Some(Ok(done))),
            // Once a message is on its way, its draft must end with it or nothing at all may happen.
            Err(Error::Missing) if plan.send.is_some() => Err(Error::Stale),
            Err(e) if plan.send.is_some() => Err(e),
            Err(e) => told(Err(e)).map(Some),
        }
    }

    /// Puts the copies of what was sent into Sent, when the drafts have made room.
    pub(super) fn keep_copies(&self, tx: &mut MailTx<'_, '_>) -> Result<(), Error> {
        for outgoing in self.0.values().flatten().filter_map(|plan| plan.send.as_ref()) {
            match outgoing.keep_copy(tx) {
                Ok(()) => {}
                // The message is what matters; the draft can still be recovered.
                Err(Error::OverQuota) => tracing::warn!("no room for the copy of a sent draft"),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Lets no draft be sent: each of them fails with a status of its own.
    pub(super) fn refuse_to_send(&mut self, status: u16) {
        for planned in self.0.values_mut().filter(|p| p.as_ref().is_ok_and(|plan| plan.send.is_some())) {
            *planned = Err(status);
        }
    }

    /// Whether any draft is added or changed.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a draft is sent.
    pub(super) fn send_any(&self) -> bool {
        self.0.values().flatten().any(|plan| plan.send.is_some())
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
        // Somebody else wrote it meanwhile: the change is worked out anew.
        if Some(tx.item(at.id(), uid)?.body) != self.made_from {
            return Err(Error::Stale);
        }
        if self.send.is_some() {
            return sent(tx, at, uid);
        }
        let NewItem { body, prefix, record, .. } = self.draft.clone();
        let placed = tx.replace(at, uid, NewContent { body, prefix, record, filter_date: None }, knew)?;
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
pub(super) fn answer(
    tx: &MailTx<'_, '_>,
    folder: FolderId,
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
    let Some(row) = tx.record(folder, uid)? else { return Ok(None) };
    let record = MailRecord::decode(row.record()).ok();
    Ok(record.and_then(|record| added_files(data, &record, folder, uid)))
}

#[cfg(test)]
mod tests;
