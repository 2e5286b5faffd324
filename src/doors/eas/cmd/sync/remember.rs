//! A device's last Sync request, for those that leave something out. MS-ASCMD §2.2.1.21.1, §2.2.3.131.
//!
//! A short request stands for the last whole one, keys and all. Where something was told under those keys
//! since, the answer may have arrived or got lost, and to guess either way would tell items twice or never. It
//! has arrived if the client goes on asking on the connection on which it was sent; then its keys are those of
//! the answer. In doubt the client is asked for the whole request (Status 13), which says it. That is also why
//! requests are remembered in memory alone: to write each one down would cost more than to ask once after a
//! restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use wbxml::airsync;

use super::answer::Told;
use super::request::{Asked, Collection, Sticky};
use crate::doors::eas::class::Supported;
use crate::doors::eas::ids::folder_id;
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::doors::eas::state;
use crate::mailbox::Origin;
use crate::net::ConnectionId;
use crate::store::Read;

/// Collections in the requests of one generation, each about 150 octets; there are two.
const COLLECTIONS_MAX: usize = 100_000;

/// The last requests of all devices, as far as there is room: those of the longest silent are forgotten.
#[derive(Default)]
pub(in crate::doors::eas) struct Requests {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    present: HashMap<Origin, Arc<Remembered>>,
    /// Collections in the requests of `present`.
    weight: usize,
    past: HashMap<Origin, Arc<Remembered>>,
}

#[derive(Clone)]
struct Remembered {
    collections: Vec<Kept>,
    wait: Option<Duration>,
    window: usize,
    answered: Option<Answered>,
}

/// What was told in answer to it.
#[derive(Clone)]
struct Answered {
    /// Where it was sent.
    connection: ConnectionId,
    /// The new keys, by collection.
    keys: BTreeMap<String, String>,
}

impl Remembered {
    /// The key that a client has for a collection for sure, since it asks on the connection on which it was
    /// told it.
    fn received(&self, connection: Option<ConnectionId>, id: &str) -> Option<&str> {
        let answered = self.answered.as_ref().filter(|answered| Some(answered.connection) == connection)?;
        answered.keys.get(id).map(String::as_str)
    }
}

#[derive(Clone)]
struct Kept {
    id: String,
    /// `None` where the request had commands, or was wrong: it is not to be repeated.
    key: Option<String>,
    sticky: Sticky,
}

impl Requests {
    fn last(&self, device: Origin) -> Option<Arc<Remembered>> {
        let generations = self.generations.lock();
        generations.present.get(&device).or_else(|| generations.past.get(&device)).cloned()
    }

    fn answered(&self, device: Origin, answered: Answered) {
        let mut generations = self.generations.lock();
        if let Some(last) = generations.present.get_mut(&device) {
            Arc::make_mut(last).answered = Some(answered);
        }
    }

    fn keep(&self, device: Origin, request: Remembered) {
        let mut generations = self.generations.lock();
        if generations.weight > COLLECTIONS_MAX {
            generations.past = std::mem::take(&mut generations.present);
            generations.weight = 0;
        }
        // Also one that says nothing takes its place.
        generations.weight += request.collections.len() + 1;
        if let Some(before) = generations.present.insert(device, Arc::new(request)) {
            generations.weight -= before.collections.len() + 1;
        }
    }
}

/// Remembers a request.
pub(super) fn keep(session: &Session, asked: &Asked) {
    let kept = |collection: &Collection| Kept {
        id: collection.id.clone(),
        key: (collection.commands.is_empty() && !collection.is_wrong).then(|| collection.key.clone()),
        sticky: collection.sticky.clone(),
    };
    let collections = asked.collections.iter().map(kept).collect();
    let remembered = Remembered { collections, wait: asked.wait, window: asked.window, answered: None };
    session.eas.sync_requests.keep(session.device, remembered);
}

/// Remembers with a request what is told in answer to it.
pub(super) fn answered(session: &Session, told: &Told) {
    let Some(connection) = session.connection else { return };
    let key = |element: &wbxml::Element<'_>| {
        let id = element.text_of(airsync::COLLECTION_ID)?;
        let key =
            element.text_of(airsync::SYNC_KEY).filter(|_| element.text_of(airsync::STATUS) == Some("1"))?;
        Some((id.to_owned(), key.to_owned()))
    };
    let keys: BTreeMap<_, _> = told.collections.iter().filter_map(key).collect();
    if !keys.is_empty() {
        session.eas.sync_requests.answered(session.device, Answered { connection, keys });
    }
}

/// The last request without the collections that are `named` anew. `None` when there was none, or when the
/// keys in it no longer say what the client has.
pub(super) fn last(session: &Session, named: &BTreeSet<&str>) -> Result<Option<Asked>, Failure> {
    let Some(last) = session.eas.sync_requests.last(session.device) else { return Ok(None) };
    let reader = session.eas.mailbox.store().read()?;
    let mut collections = Vec::with_capacity(last.collections.len());
    for Kept { id, key, sticky } in &last.collections {
        if named.contains(id.as_str()) {
            continue;
        }
        let received = last.received(session.connection, id);
        let key = match (received, key) {
            (Some(key), _) if is_good(&reader, session, id, key, false)? => key,
            (None, Some(key)) if is_good(&reader, session, id, key, true)? => key,
            _ => return Ok(None),
        };
        collections.push(Collection {
            id: id.clone(),
            key: key.to_owned(),
            sticky: sticky.clone(),
            wishes: None,
            supported: Supported::All,
            commands: Vec::new(),
            is_wrong: false,
        });
    }
    Ok(Some(Asked { collections, wait: last.wait, window: last.window }))
}

/// Whether a key holds; and, where `untold` is asked for, whether nothing was told under it yet.
fn is_good(reader: &dyn Read, session: &Session, id: &str, key: &str, untold: bool) -> Result<bool, Failure> {
    let Some(folder) = folder_id(id) else { return Ok(false) };
    let row = state::collection(reader, session, folder)?;
    let (Some(mut row), Ok(key)) = (row, key.parse()) else { return Ok(false) };
    Ok(row.accept(key) && !(untold && row.is_repeated()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(collections: usize) -> Remembered {
        let sticky = Sticky { window: 1, get_changes: None, deletes_as_moves: true };
        let kept = |n: usize| Kept { id: n.to_string(), key: None, sticky: sticky.clone() };
        Remembered {
            collections: (0..collections).map(kept).collect(),
            wait: None,
            window: 1,
            answered: None,
        }
    }

    #[test]
    fn the_longest_silent_are_forgotten() {
        let requests = Requests::default();
        let devices = u64::try_from(COLLECTIONS_MAX / 100).unwrap();
        for device in 0..4 * devices {
            requests.keep(Origin(device), request(100));
            requests.keep(Origin(0), request(0));
        }
        assert_eq!(requests.last(Origin(0)).unwrap().collections.len(), 0);
        assert!(requests.last(Origin(1)).is_none());
        assert!(requests.last(Origin(4 * devices - 1)).is_some());
        let generations = requests.generations.lock();
        assert!(generations.present.len() + generations.past.len() < COLLECTIONS_MAX / 33);
    }
}
