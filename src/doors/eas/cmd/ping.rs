//! Ping: waits until a watched folder has something to tell the device. MS-ASCMD §2.2.1.13.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wbxml::{Element, ping};

use super::super::ids::folder_id;
use super::super::news::{self, News};
use super::super::render::Kept;
use super::super::reply::{Failure, Reply};
use super::super::session::Session;
use super::super::state::{self, Advance, Expected, collection_row, device_row};
use crate::mailbox::{FolderId, Place};
use crate::store::keys::Table;

/// What a Ping comes to. MS-ASCMD §2.2.3.177.11.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::eas) enum Outcome {
    /// 1: the time is up.
    Expired,
    /// 2: these have something to tell.
    Changed(Vec<FolderId>),
    /// 3: an empty Ping, and none before it.
    Incomplete,
    /// 4: not what the protocol says.
    Syntax,
    /// 5: the heartbeat is out of bounds; the nearest one allowed, in seconds.
    Heartbeat(u64),
    /// 6: too many folders; how many are allowed.
    TooMany(u32),
    /// 7: the folders changed, synchronise them first.
    FoldersChanged,
}

/// What a device asked last, for a Ping that leaves it out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::doors::eas) struct Asked {
    folders: Vec<u64>,
    heartbeat_secs: u64,
}

/// What a request asks, or what it comes to at once.
pub(in crate::doors::eas) type Request = Result<Asked, Outcome>;

/// Handles Ping.
pub(in crate::doors::eas) async fn run(session: &Session, request: Request) -> Result<Reply, Failure> {
    let outcome = match request {
        Ok(asked) => {
            remember(session, &asked).await?;
            wait(session, asked).await?
        }
        Err(outcome) => outcome,
    };
    Ok(Reply::Document(outcome.told()))
}

impl Outcome {
    fn told(&self) -> Element<'static> {
        let status: u8 = match self {
            Self::Expired => 1,
            Self::Changed(_) => 2,
            Self::Incomplete => 3,
            Self::Syntax => 4,
            Self::Heartbeat(_) => 5,
            Self::TooMany(_) => 6,
            Self::FoldersChanged => 7,
        };
        let answer = Element::new(ping::PING).with_number(ping::STATUS, status);
        match self {
            Self::Changed(folders) => {
                let ids = folders.iter().map(|id| Element::leaf(ping::FOLDER, id.0.to_string()));
                answer.with(Element::new(ping::FOLDERS).with_all(ids))
            }
            Self::Heartbeat(secs) => answer.with_number(ping::HEARTBEAT_INTERVAL, *secs),
            Self::TooMany(most) => answer.with_number(ping::MAX_FOLDERS, *most),
            Self::Expired | Self::Incomplete | Self::Syntax | Self::FoldersChanged => answer,
        }
    }
}

fn remembered(session: &Session) -> Vec<u8> {
    device_row(Table::RememberedPing, session.login.account.id.0, &session.query.device_id)
}

/// Reads a request; what it leaves out is as in the device's last one. Nothing of its document is needed any
/// more while it waits.
pub(in crate::doors::eas) fn read(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Request, Failure> {
    let reader = session.eas.mailbox.store().read()?;
    let last: Option<Asked> = state::read(&reader, &remembered(session))?;
    let Some(request) = request else { return Ok(last.ok_or(Outcome::Incomplete)) };
    Ok(parse(session, request, last))
}

fn parse(session: &Session, request: &Element<'_>, last: Option<Asked>) -> Result<Asked, Outcome> {
    let eas = &session.eas.config.eas;
    if request.tag() != ping::PING {
        return Err(Outcome::Syntax);
    }
    let heartbeat = request.parse_of::<u64>(ping::HEARTBEAT_INTERVAL).map_err(|_| Outcome::Syntax)?;
    let most = usize::try_from(eas.ping_folders_max).unwrap_or(usize::MAX);
    let folders = match request.child(ping::FOLDERS) {
        None => None,
        Some(folders) if folders.children().len() > most => {
            return Err(Outcome::TooMany(eas.ping_folders_max));
        }
        Some(folders) => Some(watched(folders)?),
    };
    let secs = heartbeat.or(last.as_ref().map(|l| l.heartbeat_secs)).ok_or(Outcome::Incomplete)?;
    let folders = folders.or(last.map(|l| l.folders)).ok_or(Outcome::Incomplete)?;
    let allowed = eas.heartbeat_min.as_secs()..=eas.heartbeat_max.as_secs();
    if !allowed.contains(&secs) {
        return Err(Outcome::Heartbeat(secs.clamp(*allowed.start(), *allowed.end())));
    }
    Ok(Asked { folders, heartbeat_secs: secs })
}

fn watched(folders: &Element<'_>) -> Result<Vec<u64>, Outcome> {
    let mut ids = BTreeSet::new();
    for folder in folders.children() {
        let id = folder.text_of(ping::ID).filter(|_| folder.tag() == ping::FOLDER).ok_or(Outcome::Syntax)?;
        // Android watches ids that were never folders (its Outbox); they stay silent. Zero is none.
        ids.insert(folder_id(id).map_or(0, |id| id.0));
    }
    if ids.is_empty() {
        return Err(Outcome::Incomplete);
    }
    Ok(ids.into_iter().collect())
}

async fn remember(session: &Session, asked: &Asked) -> Result<(), Failure> {
    let store = session.eas.mailbox.store();
    let key = remembered(session);
    if state::read::<Asked>(&store.read()?, &key)?.as_ref() == Some(asked) {
        return Ok(());
    }
    let row = state::row(asked);
    let put = store.shrink_async(move |tx| {
        tx.put(key, row);
        Ok::<_, crate::store::Error>(())
    });
    Ok(put.await?)
}

async fn wait(session: &Session, asked: Asked) -> Result<Outcome, Failure> {
    let mut folders: Vec<FolderId> = asked.folders.into_iter().map(FolderId).collect();
    folders.retain(|id| id.0 != 0);
    let tree = Place::Tree(session.owner());
    let places = folders.iter().map(|id| Place::Folder(*id));
    let watch = session.eas.mailbox.notifier().watch(places.chain([tree]));
    let place = session.eas.parked.enter(session.device);
    if let Some(outcome) = news(session, folders.clone(), true).await? {
        return Ok(outcome);
    }
    let end = tokio::time::sleep(Duration::from_secs(asked.heartbeat_secs));
    tokio::pin!(end);
    let _waits = session.waits();
    loop {
        let changed = tokio::select! {
            changed = watch.changed() => changed,
            () = &mut end => return Ok(Outcome::Expired),
            // The older request's client has moved on; whatever it is told, it asks again.
            () = place.ended() => return Ok(Outcome::Expired),
            () = session.eas.shutdown.begun() => return Ok(Outcome::Expired),
        };
        let changed_folders = folders.iter().filter(|id| changed.contains(&Place::Folder(**id))).copied();
        if let Some(outcome) = news(session, changed_folders.collect(), changed.contains(&tree)).await? {
            return Ok(outcome);
        }
    }
}

/// Those of the folders that have something to tell, or that the tree itself has; the end for who may not be
/// here any more. What is not for the device
/// is written down as passed, so that it is looked at once.
async fn news(session: &Session, folders: Vec<FolderId>, tree: bool) -> Result<Option<Outcome>, Failure> {
    let asker = session.clone();
    let (outcome, passed) = session.eas.blocking(move || look(&asker, &folders, tree)).await?;
    state::store(session, passed).await?;
    Ok(outcome)
}

fn look(
    session: &Session,
    folders: &[FolderId],
    tree: bool,
) -> Result<(Option<Outcome>, Vec<Advance>), Failure> {
    if session.is_shut_out()? {
        return Ok((Some(Outcome::Expired), Vec::new()));
    }
    let view = session.eas.mailbox.view(session.acting())?;
    if tree && news::of_tree(session, &view)? {
        return Ok((Some(Outcome::FoldersChanged), Vec::new()));
    }
    let (mut changed, mut passed) = (Vec::new(), Vec::new());
    for id in folders {
        // A folder that it has not begun to synchronise has nothing for it.
        let Some(stored) = state::collection(view.reader(), session, *id)? else { continue };
        let (mut row, latest) = (stored.clone(), stored.latest());
        // It has received its last answer, since it waits: the latest key is always one that was given.
        if !row.accept(latest) {
            continue;
        }
        let wishes = Kept::read(&row.options).wishes;
        match news::of_folder(session, &view, *id, &row, wishes.filter)? {
            News::Something => changed.push(*id),
            News::Nothing(state) if state.cursor != row.state.cursor => {
                let mut rested = stored.clone();
                rested.rest(latest, state);
                passed.push(Advance {
                    key: collection_row(session, *id),
                    expected: Expected::Hopefully(state::row(&stored)),
                    row: state::row(&rested),
                });
            }
            // A folder that is gone: the device was told so, or the tree would have had news.
            News::Nothing(_) | News::Missing => {}
        }
    }
    Ok(((!changed.is_empty()).then_some(Outcome::Changed(changed)), passed))
}
