//! A device's last Sync request, for those that leave something out. MS-ASCMD §2.2.1.21.1, §2.2.3.131.
//!
//! A short request stands for the last whole one, keys and all. It is taken for that only where nothing was
//! told under those keys since: the answer may have arrived or got lost, and to guess either way would tell
//! items twice or never. In doubt the client is asked for the whole request (Status 13), which says it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::{Asked, Collection, Sticky};
use crate::doors::eas::ids::folder_id;
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::doors::eas::state::{self, Advance, Expected, device_row};
use crate::store::Read;
use crate::store::keys::Table;
use crate::store::record::{decode_v, encode};

/// The version of the record. One that cannot be read is as good as none: the client sends it all again.
const FORMAT: u8 = 2;

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    collections: Vec<Kept>,
    wait_secs: Option<u64>,
    window: u16,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    id: String,
    /// `None` where the request had commands: it is not to be repeated.
    key: Option<String>,
    sticky: Sticky,
}

fn row_key(session: &Session) -> Vec<u8> {
    device_row(Table::RememberedSync, session.account.id.0, &session.query.device_id)
}

fn read(from: &dyn Read, key: &[u8]) -> Result<Option<Remembered>, Failure> {
    Ok(from.get(key)?.and_then(|bytes| decode_v(FORMAT, &bytes).ok()))
}

/// The last request without the collections that are `named` anew. `None` when there was none, or when the
/// keys in it no longer say what the client has.
pub(super) fn last(session: &Session, named: &BTreeSet<&str>) -> Result<Option<Asked>, Failure> {
    let reader = session.eas.mailbox.store().read()?;
    let Some(last) = read(&reader, &row_key(session))? else { return Ok(None) };
    let mut collections = Vec::with_capacity(last.collections.len());
    for Kept { id, key, sticky } in last.collections {
        if named.contains(id.as_str()) {
            continue;
        }
        match key {
            Some(key) if is_certain(&reader, session, &id, &key)? => {
                collections.push(Collection { id, key, sticky, wishes: None, commands: Vec::new() });
            }
            _ => return Ok(None),
        }
    }
    let wait = last.wait_secs.map(Duration::from_secs);
    Ok(Some(Asked { collections, wait, window: usize::from(last.window) }))
}

/// Whether the client must have what stands behind `key`, since it was told nothing under it.
fn is_certain(reader: &dyn Read, session: &Session, id: &str, key: &str) -> Result<bool, Failure> {
    let Some(folder) = folder_id(id) else { return Ok(false) };
    let row = state::collection(reader, session, folder)?;
    let (Some(mut row), Ok(key)) = (row, key.parse()) else { return Ok(false) };
    Ok(row.accept(key) && !row.is_repeated())
}

/// What remembers a request, if it is another one than the last.
pub(super) fn keep(session: &Session, asked: &Asked) -> Result<Option<Advance>, Failure> {
    let kept = |collection: &Collection| Kept {
        id: collection.id.clone(),
        key: collection.commands.is_empty().then(|| collection.key.clone()),
        sticky: collection.sticky.clone(),
    };
    let remembered = Remembered {
        collections: asked.collections.iter().map(kept).collect(),
        wait_secs: asked.wait.map(|wait| wait.as_secs()),
        window: u16::try_from(asked.window).unwrap_or(u16::MAX),
    };
    let key = row_key(session);
    let last = read(&session.eas.mailbox.store().read()?, &key)?;
    let row = (last.as_ref() != Some(&remembered)).then(|| encode(FORMAT, &remembered));
    Ok(row.map(|row| Advance { key, expected: Expected::Anything, row }))
}
