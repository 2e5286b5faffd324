//! What each collection is told: outcomes of the client's commands, then the server's changes, as many
//! as fit. The state they lead to is durable before the answer is sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use wbxml::{Element, Version, airsync};

use super::apply::{Applied, BAD_KEY, CONVERSION, FOLDERS_CHANGED, NOT_FOUND, OK, Ready, new_nonce};
use super::request::{Asked, Collection};
use crate::doors::eas::class;
use crate::doors::eas::ids::{item_id, server_id};
use crate::doors::eas::render::{Renderer, cut_off};
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::doors::eas::state::{self, Advance, Expected, collection_row};
use crate::mailbox::sync::{Round, Step};
use crate::mailbox::{Error, Folder, Kind, Uid};

/// 16: something else happened at the same time; the client tries again.
pub(super) const RETRY: u8 = 16;
/// The answer is ended once it holds this many octets.
const ANSWER_MAX: usize = 4 << 20;

/// An answer under way.
pub(super) struct Told {
    /// The collections that have something to say.
    pub(super) collections: Vec<Element<'static>>,
}

impl Told {
    /// Whether there is nothing to say.
    pub(super) fn is_quiet(&self) -> bool {
        self.collections.is_empty()
    }
}

/// Works out the answer to a request whose commands are applied.
pub(super) async fn run(
    session: &Session,
    asked: &Arc<Asked>,
    mut applied: Vec<Applied>,
) -> Result<(Told, Vec<Applied>), Failure> {
    let (asker, request) = (session.clone(), asked.clone());
    let work = move || {
        let (told, advances) = answers(&asker, &request, &mut applied)?;
        Ok((told, advances, applied))
    };
    let (mut told, advances, applied) = session.eas.blocking(work).await?;
    if !state::store(session, advances).await? {
        let retry = asked.collections.iter().map(|c| failed(session, c, RETRY));
        told.collections = retry.collect();
    }
    Ok((told, applied))
}

fn answers(
    session: &Session,
    asked: &Asked,
    applied: &mut [Applied],
) -> Result<(Told, Vec<Advance>), Failure> {
    let mut told = Told { collections: Vec::new() };
    let mut advances = Vec::new();
    let mut left = Room { steps: asked.window, octets: ANSWER_MAX };
    for (collection, applied) in asked.collections.iter().zip(applied) {
        let (element, advance) = match applied {
            Applied::Failed(status) => (Some(failed(session, collection, *status)), None),
            Applied::Begun(ready) => (Some(begun(session, collection, ready)), None),
            Applied::Ready(ready) => answer(session, collection, ready, &mut left)?,
        };
        told.collections.extend(element);
        advances.extend(advance);
    }
    Ok((told, advances))
}

fn head(session: &Session, asked: &Collection, folder: Option<&Folder>, key: &str) -> Element<'static> {
    let mut head = Element::new(airsync::COLLECTION);
    // Class went out with 14.0. MS-ASCMD §2.2.3.27.
    if session.version < Version::V14_0 {
        head.push(Element::leaf(airsync::CLASS, class::name(folder.map_or(Kind::Mail, |f| f.kind))));
    }
    head.with_text(airsync::SYNC_KEY, key.to_owned()).with_text(airsync::COLLECTION_ID, asked.id.clone())
}

fn failed(session: &Session, asked: &Collection, status: u8) -> Element<'static> {
    let key = match status {
        BAD_KEY | FOLDERS_CHANGED => "0",
        _ => &asked.key,
    };
    head(session, asked, None, key).with_number(airsync::STATUS, status)
}

fn begun(session: &Session, asked: &Collection, ready: &Ready) -> Element<'static> {
    let folder = session.eas.mailbox.view(session.acting()).and_then(|view| view.readable(ready.folder)).ok();
    head(session, asked, folder.as_ref(), &ready.row.key.to_string()).with_number(airsync::STATUS, OK)
}

/// What an answer may still hold.
struct Room {
    steps: usize,
    octets: usize,
}

fn answer(
    session: &Session,
    asked: &Collection,
    ready: &mut Ready,
    left: &mut Room,
) -> Result<(Option<Element<'static>>, Option<Advance>), Failure> {
    let view = session.eas.mailbox.view(session.acting())?;
    let folder = match view.readable(ready.folder) {
        Ok(folder) => folder,
        Err(Error::Missing | Error::Denied) => {
            return Ok((Some(failed(session, asked, FOLDERS_CHANGED)), None));
        }
        Err(e) => return Err(e.into()),
    };
    let wishes = ready.wishes.clone();
    let renderer = Renderer::new(session, &view, &folder, &wishes);
    // What it asks for by name comes before what it does not know of.
    let mut responses = ready.responses.clone();
    responses.extend(ready.fetches.iter().map(|id| fetched(&renderer, ready, id, left)));
    let page = if ready.wants_changes {
        match changes(session, asked, ready, &renderer, left)? {
            Some(page) => page,
            None => return Ok((Some(failed(session, asked, BAD_KEY)), None)),
        }
    } else {
        Page { state: ready.row.state.clone(), commands: Vec::new(), more: false }
    };
    let commanded = !asked.commands.is_empty();
    if page.commands.is_empty() && responses.is_empty() && !commanded && !page.more {
        return Ok((None, ready.rest(session, page.state)));
    }
    let mut row = ready.row.clone();
    let key = row.answer(new_nonce()?, page.state);
    let mut element = head(session, asked, Some(&folder), &key.to_string()).with_number(airsync::STATUS, OK);
    if !responses.is_empty() {
        element.push(Element::new(airsync::RESPONSES).with_all(responses));
    }
    if page.more {
        element.push(Element::new(airsync::MORE_AVAILABLE));
    }
    if !page.commands.is_empty() {
        element.push(Element::new(airsync::COMMANDS).with_all(page.commands));
    }
    let advance = Advance {
        key: collection_row(session, folder.id),
        expected: Expected::Exactly(ready.stored.clone()),
        row: state::row(&row),
    };
    Ok((Some(element), Some(advance)))
}

/// The server's changes that fit into an answer.
struct Page {
    state: crate::mailbox::sync::State,
    commands: Vec<Element<'static>>,
    more: bool,
}

/// `None` when the state is too old to go on from.
fn changes(
    session: &Session,
    asked: &Collection,
    ready: &Ready,
    renderer: &Renderer<'_>,
    left: &mut Room,
) -> Result<Option<Page>, Failure> {
    let folder = renderer.folder();
    let now = session.eas.mailbox.clock().now();
    let wanted = cut_off(folder, ready.wishes.filter, now);
    // Once the answer is full, the collections that are left only learn that there is more.
    let window = if left.octets == 0 { 0 } else { usize::from(asked.sticky.window).min(left.steps) };
    let round = |window| {
        let round = Round { device: session.device, wanted, window };
        round.run(&renderer.view().synced(folder), &ready.row.state)
    };
    let told = match round(window) {
        Ok(told) => told,
        Err(Error::Stale) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut commands = Vec::with_capacity(told.steps.len());
    let mut taken = 0;
    let own = own_adds(ready);
    for step in &told.steps {
        let early = matches!(step, Step::Change { uid, .. } if ready.added.contains(uid));
        if early || (left.octets == 0 && taken > 0) {
            break;
        }
        // What came out of an Add otherwise than it was sent is told once the client knows what its item is
        // called.
        if matches!(step, Step::Change { uid, .. } if own.contains(uid)) {
            break;
        }
        if let Some((command, octets)) = command(renderer, *step)? {
            left.octets = left.octets.saturating_sub(octets);
            commands.push(command);
        }
        taken += 1;
    }
    left.steps = left.steps.saturating_sub(taken);
    // The same walk again, ended where the answer was full.
    let told = if taken < told.steps.len() { round(taken)? } else { told };
    Ok(Some(Page { state: told.state, commands, more: told.more }))
}

/// Items that the client added in this request.
fn own_adds(ready: &Ready) -> BTreeSet<Uid> {
    let adds = ready.responses.iter().filter(|response| response.tag() == airsync::ADD);
    let ids = adds.filter_map(|add| add.text_of(airsync::SERVER_ID)).filter_map(item_id);
    ids.map(|(_, uid)| uid).collect()
}

/// One change as the client is told it, and about how many octets it takes. An item that cannot be shown as
/// it is must not block its folder: the client is told what is known of it, so that it has the item when more
/// is to be said of it.
fn command(renderer: &Renderer<'_>, step: Step) -> Result<Option<(Element<'static>, usize)>, Failure> {
    let folder = renderer.folder();
    let (tag, uid, content) = match step {
        Step::Add(uid) => (airsync::ADD, uid, Some(true)),
        Step::Change { uid, content } => (airsync::CHANGE, uid, Some(content)),
        Step::Delete(uid) => (airsync::DELETE, uid, None),
        Step::SoftDelete(uid) => (airsync::SOFT_DELETE, uid, None),
    };
    let command = Element::new(tag).with_text(airsync::SERVER_ID, server_id(folder.id, uid));
    let Some(content) = content else { return Ok(Some((command, 32))) };
    let Some(item) = renderer.view().item(folder, uid)? else { return Ok(None) };
    let data = if content { renderer.whole(&item) } else { renderer.flags(&item) };
    let data = data.unwrap_or_else(|e| {
        tracing::error!(folder = folder.id.0, uid = uid.0, error = %e, "an item cannot be shown as it is");
        Some(renderer.damaged(&item))
    });
    // The class passes over what is none of it.
    let Some(data) = data else { return Ok(None) };
    let octets = octets(&data);
    Ok(Some((command.with(data), octets)))
}

/// About how many octets an element takes.
fn octets(element: &Element<'_>) -> usize {
    element.descendants().map(|e| e.bytes().map_or(2, <[u8]>::len) + 3).sum()
}

/// An item that was asked for. Once the answer is full the rest is to be asked for again.
fn fetched(renderer: &Renderer<'_>, ready: &Ready, id: &str, left: &mut Room) -> Element<'static> {
    let element = Element::new(airsync::FETCH).with_text(airsync::SERVER_ID, id.to_owned());
    if left.octets == 0 {
        return element.with_number(airsync::STATUS, RETRY);
    }
    let uid = item_id(id).filter(|(folder, _)| *folder == ready.folder).map(|(_, uid)| uid);
    let item = uid.and_then(|uid| renderer.view().item(renderer.folder(), uid).ok().flatten());
    match item.map(|item| renderer.whole(&item)) {
        Some(Ok(Some(data))) => {
            left.octets = left.octets.saturating_sub(octets(&data));
            element.with_number(airsync::STATUS, OK).with(data)
        }
        Some(Err(_)) => element.with_number(airsync::STATUS, CONVERSION),
        Some(Ok(None)) | None => element.with_number(airsync::STATUS, NOT_FOUND),
    }
}
