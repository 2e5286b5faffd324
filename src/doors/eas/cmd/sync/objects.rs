//! Items of a Sync that are not mail: what a command comes to is worked out from a snapshot before the
//! transaction, which then only puts it down, and if the item is another one by then it is worked out again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use caldav::Object;
use wbxml::{Element, airsync, airsyncbase};

use super::apply::{Before, CONVERSION, Done, NO_SPACE, NOT_FOUND, OK, told};
use super::drafts::named;
use super::plans::{CONFLICT, Claim};
use super::request::{Command, Kind};
use crate::doors::eas::class::{self, Asker, Change, Out, Refused};
use crate::doors::eas::outbox::{blocking, unique};
use crate::doors::eas::render::{BodyPreference, Kept, Wishes};
use crate::doors::eas::reply::Failure;
use crate::doors::eas::scheduled::Follows;
use crate::doors::eas::session::Session;
use crate::mailbox::sync::Given;
use crate::mailbox::{Error, Folder, FolderId, Granted, Item, Kind as Holds, Knew, MailTx, Uid, View};
use crate::objects::{self, Expected, Limits, NewObject, Prepared, Target};
use crate::store::{self, BodyId};

/// What commands come to.
#[derive(Default)]
pub(in crate::doors::eas::cmd::sync) struct Plans {
    /// By the commands' place in the request.
    made: BTreeMap<usize, Result<Plan, u16>>,
    /// Items of which a command failed in this run: a later one may build on it.
    failed: RefCell<BTreeSet<Uid>>,
}

/// What one command comes to.
struct Plan {
    outcome: Outcome,
    /// The item that it is made of.
    of: Option<Made>,
    follows: Follows,
}

enum Outcome {
    /// The item gets this content, or is new with it. `agrees` when the client has it just so.
    Put { object: Box<NewObject>, agrees: bool },
    /// The item goes.
    Remove,
}

/// An item as a plan was made of it.
#[derive(Clone)]
struct Made {
    uid: Uid,
    body: [u8; 32],
    octets: Bytes,
}

/// Works out the commands that were not applied before.
pub(super) async fn plan(
    session: &Session,
    folder: &Folder,
    commands: &[Command],
    before: &[Given],
    kept: &Kept,
) -> Result<Plans, Failure> {
    let mut plans = Plans::default();
    let mut planner = Planner { session, folder, kept, left: BTreeMap::new(), gone: BTreeSet::new() };
    let (mut before, mut once) = (Before::new(before), BTreeSet::new());
    for (index, command) in commands.iter().enumerate() {
        let known = before.take(command.digest).is_some();
        let again = command.runs_once() && !once.insert(command.digest);
        if known || again || command.kind == Kind::Fetch {
            continue;
        }
        if let Some(planned) = planner.command(command).await? {
            plans.made.insert(index, planned);
        }
    }
    Ok(plans)
}

struct Planner<'s> {
    session: &'s Session,
    folder: &'s Folder,
    kept: &'s Kept,
    /// Items as the commands before have left them.
    left: BTreeMap<Uid, Made>,
    gone: BTreeSet<Uid>,
}

impl Planner<'_> {
    async fn command(&mut self, command: &Command) -> Result<Option<Result<Plan, u16>>, Failure> {
        let instance = command.element.text_of(airsyncbase::INSTANCE_ID);
        if command.kind == Kind::Delete && instance.is_none() {
            return self.removal(command).await;
        }
        let data = command.element.child(airsync::APPLICATION_DATA);
        if data.is_none() && command.kind != Kind::Delete {
            return Ok(Some(Err(CONVERSION)));
        }
        let of = match self.made_of(command)? {
            Ok(of) => of,
            Err(status) => return Ok(Some(Err(status))),
        };
        self.put(command, of).await.map(Some)
    }

    /// A whole item that is deleted: for all but events that needs no plan.
    async fn removal(&mut self, command: &Command) -> Result<Option<Result<Plan, u16>>, Failure> {
        let Some(uid) = named(command, self.folder.id) else { return Ok(None) };
        if !self.gone.insert(uid) || self.folder.kind != Holds::Calendar {
            return Ok(None);
        }
        // What cannot be read any more can be removed still, and nobody is told.
        let Ok(Ok(of)) = self.stored(uid) else { return Ok(None) };
        let follows = Follows::of_removal(self.session, self.folder, &of.octets).await?;
        Ok(Some(follows.map(|follows| Plan { outcome: Outcome::Remove, of: Some(of), follows })))
    }

    /// The item that a command changes; `None` for one that it adds.
    fn made_of(&self, command: &Command) -> Result<Result<Option<Made>, u16>, Failure> {
        let uid = match command.kind {
            // An event that is here under its UID already is not made twice.
            Kind::Add => match self.by_ical_uid(command)? {
                Some(uid) => uid,
                None => return Ok(Ok(None)),
            },
            _ => match named(command, self.folder.id) {
                Some(uid) => uid,
                None => return Ok(Err(NOT_FOUND)),
            },
        };
        Ok(self.stored(uid)?.map(Some))
    }

    fn by_ical_uid(&self, command: &Command) -> Result<Option<Uid>, Failure> {
        let data = command.element.child(airsync::APPLICATION_DATA);
        let Some(uid) = data.and_then(|data| class::own_uid(self.folder.kind, data)) else { return Ok(None) };
        let view = self.view()?;
        Ok(objects::by_uid(&view, self.folder, &uid)?.map(|item| item.uid))
    }

    fn stored(&self, uid: Uid) -> Result<Result<Made, u16>, Failure> {
        if self.gone.contains(&uid) {
            return Ok(Err(NOT_FOUND));
        }
        if let Some(left) = self.left.get(&uid) {
            return Ok(Ok(left.clone()));
        }
        let view = self.view()?;
        let Some(Item { body, .. }) = view.item(self.folder, uid)? else { return Ok(Err(NOT_FOUND)) };
        match view.reader().body(&BodyId(body)) {
            Ok(octets) => Ok(Ok(Made { uid, body, octets })),
            Err(store::Error::Damaged(why)) => {
                tracing::error!(
                    folder = self.folder.id.0,
                    uid = uid.0,
                    why,
                    "an item cannot be read any more"
                );
                Ok(Err(CONVERSION))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn view(&self) -> Result<View, Failure> {
        Ok(self.session.eas.mailbox.view(self.session.acting())?)
    }

    async fn put(&mut self, command: &Command, of: Option<Made>) -> Result<Result<Plan, u16>, Failure> {
        let unique = unique()?;
        let (session, folder, kept) = (self.session.clone(), self.folder.clone(), self.kept.clone());
        let (element, old) = (command.element.clone(), of.as_ref().map(|of| of.octets.clone()));
        let size = old.as_ref().map_or(0, Bytes::len).saturating_add(octets(&element));
        let merged = blocking(&self.session.eas, size, move || {
            Ok(merge(&session, &folder, &kept, &element, old.as_deref(), unique))
        });
        let new = match merged.await? {
            Ok(new) => new,
            Err(Refused(status)) => return Ok(Err(status)),
        };
        let (new, follows) = match self.folder.kind {
            Holds::Calendar => {
                let old = of.as_ref().map(|of| &of.octets[..]);
                match Follows::of_change(self.session, self.folder, old, new).await? {
                    Ok(followed) => followed,
                    Err(status) => return Ok(Err(status)),
                }
            }
            _ => (new, Follows::default()),
        };
        let (session, folder, kept) = (self.session.clone(), self.folder.clone(), self.kept.clone());
        let (element, old) = (command.element.clone(), of.as_ref().map(|of| (of.uid, of.octets.clone())));
        let new = Bytes::from(new);
        let octets = new.clone();
        let staged = blocking(&self.session.eas, size.max(new.len()), move || {
            let Ok(prepared) = Prepared::of(folder.kind, new.clone(), &Limits::default()) else {
                return Ok(Err(CONVERSION));
            };
            if prepared.check_folder(&folder).is_err() {
                return Ok(Err(CONVERSION));
            }
            let agrees = agrees(&session, &folder, &kept, &element, old.as_ref(), &new);
            let object = prepared.stage(session.eas.mailbox.store(), session.login.domain.id.0)?;
            Ok(Ok((object, agrees)))
        });
        let (object, agrees) = match staged.await? {
            Ok(staged) => staged,
            Err(status) => return Ok(Err(status)),
        };
        if let Some(of) = &of {
            self.left.insert(of.uid, Made { uid: of.uid, body: object.body_id(), octets });
        }
        Ok(Ok(Plan { outcome: Outcome::Put { object: Box::new(object), agrees }, of, follows }))
    }
}

/// The object as it is after a command.
fn merge(
    session: &Session,
    folder: &Folder,
    kept: &Kept,
    command: &Element<'_>,
    old: Option<&[u8]>,
    unique: u128,
) -> Result<Vec<u8>, Refused> {
    let old = old.map(Object::parse).transpose()?;
    let supported = class::supported(folder.kind, session.version, &kept.supported);
    let change = Change {
        data: command.child(airsync::APPLICATION_DATA),
        instance: command.text_of(airsyncbase::INSTANCE_ID),
        supported: &supported,
        version: session.version,
        unique,
    };
    class::apply(folder.kind, old.as_ref(), &change, Asker::of(session))
}

/// Whether the client has the item just as it came out.
fn agrees(
    session: &Session,
    folder: &Folder,
    kept: &Kept,
    command: &Element<'_>,
    old: Option<&(Uid, Bytes)>,
    new: &[u8],
) -> bool {
    let (Some(sent), None) =
        (command.child(airsync::APPLICATION_DATA), command.child(airsyncbase::INSTANCE_ID))
    else {
        return false;
    };
    let body_type = sent.at(&[airsyncbase::BODY, airsyncbase::TYPE]).and_then(|t| t.parse().ok());
    let whole =
        BodyPreference { kind: body_type.unwrap_or(1), truncation: None, all_or_none: false, preview: None };
    let wishes = Wishes { bodies: vec![whole], ..Wishes::default() };
    let uid = old.map_or(Uid(0), |(uid, _)| *uid);
    let shown = |octets: &[u8]| {
        let object = Object::parse(octets).ok()?;
        let mut out = Out::new(airsync::APPLICATION_DATA, session.version, &wishes, None);
        class::show(folder.kind, &object, Asker::of(session), (folder.id, uid), &mut out)
            .then(|| out.into_element())
    };
    let Some(told) = shown(new) else { return false };
    let before = old.and_then(|(_, octets)| shown(octets));
    let supported = class::supported(folder.kind, session.version, &kept.supported);
    class::agrees(before.as_ref(), sent, &told, &supported)
}

fn octets(element: &Element<'_>) -> usize {
    element.descendants().filter_map(Element::bytes).map(<[u8]>::len).fold(0, usize::saturating_add)
}

impl Plans {
    /// Holds the plans against what the client knew of the items, before anything is done. `Stale` when an
    /// item is not the one that a change was worked out from.
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
            let Some(planned) = self.made.get_mut(&index) else { continue };
            let Ok(Plan { of: Some(of), .. }) = planned else { continue };
            let failed = match found.get(&of.uid) {
                Some(failed) => *failed,
                None => match tx.item(&at, of.uid) {
                    Err(Error::Missing) => Some(NOT_FOUND),
                    Err(e) => return Err(e),
                    // A deletion goes before a change. MS-ASCMD §2.2.3.34.
                    Ok(item) if command.kind == Kind::Change && claim.conflicts(&item) => Some(CONFLICT),
                    Ok(item) if item.body != of.body => return Err(Error::Stale),
                    Ok(_) => None,
                },
            };
            found.insert(of.uid, failed);
            if let Some(status) = failed {
                *planned = Err(status);
            }
        }
        Ok(())
    }

    /// Puts down what a command comes to. `None` for one that has no plan.
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
            Err(status) => Err(*status),
            Ok(plan) => self.put_down(plan, tx, at, knew)?,
        };
        if let (Ok(plan), Ok(_)) = (planned, outcome) {
            plan.follows.post(tx.store())?;
        }
        if let (Err(status), Some(uid)) = (outcome, uid) {
            self.failed.borrow_mut().insert(uid);
            // The client goes back to what the item is.
            if command.kind == Kind::Change && matches!(status, CONVERSION | NO_SPACE) {
                match tx.tell_again(at, uid) {
                    Ok(_) | Err(Error::Missing) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(Some(outcome))
    }

    fn put_down<'g>(
        &self,
        plan: &Plan,
        tx: &mut MailTx<'_, 'g>,
        at: &Granted<'g>,
        knew: Knew,
    ) -> Result<Result<Done, u16>, Error> {
        if let Some(of) = &plan.of {
            match tx.item(at, of.uid) {
                Err(Error::Missing) => return Ok(Err(NOT_FOUND)),
                Err(e) => return Err(e),
                // It builds on a change that came to nothing.
                Ok(item) if item.body != of.body => {
                    let after_a_failure = self.failed.borrow().contains(&of.uid);
                    return if after_a_failure { Ok(Err(CONVERSION)) } else { Err(Error::Stale) };
                }
                Ok(_) => {}
            }
        }
        let (object, agrees) = match (&plan.outcome, &plan.of) {
            (Outcome::Remove, Some(of)) => {
                let gone = objects::remove(tx, at, of.uid, Expected::Any);
                return settled(gone.map(|gone| Some((gone.uid, gone.modseq))));
            }
            (Outcome::Remove, None) => return Ok(Err(NOT_FOUND)),
            (Outcome::Put { object, agrees }, _) => (object, *agrees),
        };
        let target = plan.of.as_ref().map_or(Target::New { name: None }, |of| Target::Of(of.uid));
        let placed = match objects::put(tx, at, &target, Expected::Any, object, knew) {
            Ok(placed) => placed,
            Err(e) => return settled(Err(e)),
        };
        if agrees {
            return Ok(Ok(Some((placed.uid, placed.modseq))));
        }
        // What came out is not what the client has.
        let again = tx.tell_again(at, placed.uid)?;
        Ok(Ok(Some((again.uid, again.modseq))))
    }

    /// Whether an item is added or changed.
    pub(super) fn any(&self) -> bool {
        !self.made.is_empty()
    }
}

/// An item that fails alone fails with a status; what came in between lets all be worked out again.
fn settled(result: Result<Done, objects::Error>) -> Result<Result<Done, u16>, Error> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(objects::Error::Changed | objects::Error::UidTaken(_)) => Err(Error::Stale),
        Err(objects::Error::UidDiffers) => Ok(Err(CONVERSION)),
        Err(objects::Error::Mailbox(e)) => told(Err(e)),
    }
}

/// What the client is told of what each command added, as the items are now.
pub(super) fn answers(
    session: &Session,
    folder: &Folder,
    commands: &[Command],
    given: &[Given],
) -> Result<Vec<Option<Element<'static>>>, Failure> {
    let mut view = None;
    let mut answers = Vec::with_capacity(commands.len());
    for (command, outcome) in commands.iter().zip(given) {
        let data = command.element.child(airsync::APPLICATION_DATA);
        let data = data.filter(|data| outcome.status == OK && data.has(airsyncbase::ATTACHMENTS));
        let (Some(data), Some((uid, _))) = (data, outcome.done) else {
            answers.push(None);
            continue;
        };
        let view = match &mut view {
            Some(view) => view,
            none => none.insert(session.eas.mailbox.view(session.acting())?),
        };
        let object = objects::read(view, folder, uid).ok();
        let object = object.and_then(|object| Object::parse(&object.bytes).ok());
        answers.push(object.and_then(|object| {
            class::answer(folder.kind, &object, data, Asker::of(session), (folder.id, uid))
        }));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests;
