//! A device's last Sync request, for those that leave something out. MS-ASCMD §2.2.1.21.1.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::super::reply::Failure;
use super::super::super::session::Session;
use super::super::super::state::{device_row, read, row};
use super::request::{Asked, Collection, Sticky};
use crate::store::keys::Table;

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    collections: Vec<(String, Sticky)>,
    wait_secs: Option<u64>,
    window: u16,
}

fn key(session: &Session) -> Vec<u8> {
    device_row(Table::RememberedSync, session.account.id.0, &session.query.device_id)
}

/// The last request, without its keys and commands.
pub(super) fn last(session: &Session) -> Result<Option<Asked>, Failure> {
    let reader = session.eas.mailbox.store().read()?;
    let Some(last) = read::<Remembered>(&reader, &key(session))? else { return Ok(None) };
    let collections = last
        .collections
        .into_iter()
        .map(|(id, sticky)| Collection { id, key: None, sticky, wishes: None, commands: Vec::new() })
        .collect();
    let wait = last.wait_secs.map(Duration::from_secs);
    Ok(Some(Asked { collections, wait, window: usize::from(last.window) }))
}

/// Remembers a request, if it is another one than the last.
pub(super) async fn keep(session: &Session, asked: &Asked) -> Result<(), Failure> {
    let remembered = Remembered {
        collections: asked.collections.iter().map(|c| (c.id.clone(), c.sticky.clone())).collect(),
        wait_secs: asked.wait.map(|wait| wait.as_secs()),
        window: u16::try_from(asked.window).unwrap_or(u16::MAX),
    };
    let store = session.eas.mailbox.store();
    let key = key(session);
    if read::<Remembered>(&store.read()?, &key)?.as_ref() == Some(&remembered) {
        return Ok(());
    }
    let put = store.shrink_async(move |tx| {
        tx.put(key, row(&remembered));
        Ok::<_, crate::store::Error>(())
    });
    Ok(put.await?)
}
