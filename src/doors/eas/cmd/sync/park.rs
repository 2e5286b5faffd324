//! A Sync that waits until there is something to tell. MS-ASCMD §2.2.3.198, §2.2.3.88.2.

use std::time::Duration;

use super::apply::{Applied, Ready};
use super::request::Asked;
use crate::doors::eas::render::cut_off;
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::mailbox::sync::would_tell;
use crate::mailbox::{Error, Place, Watch};

/// Watches the folders of a request that may wait; taken before they are read.
pub(super) fn watch(session: &Session, asked: &Asked, applied: &[Applied]) -> Option<Watch> {
    asked.wait?;
    let folders = ready(applied).map(|ready| Place::Folder(ready.folder));
    let places = folders.chain([Place::Tree(session.owner())]);
    Some(session.eas.mailbox.notifier().watch(places))
}

fn ready(applied: &[Applied]) -> impl Iterator<Item = &Ready> {
    applied.iter().filter_map(|applied| match applied {
        Applied::Ready(ready) => Some(&**ready),
        Applied::Failed(_) | Applied::Begun(_) => None,
    })
}

/// Waits until one of the collections has something to tell. False when the time is up, a newer request
/// of the device waits, or the server ends.
pub(super) async fn until_changed(
    session: &Session,
    applied: &[Applied],
    watch: Watch,
    wait: Duration,
) -> Result<bool, Failure> {
    let place = session.eas.parked.enter(session.device);
    let end = tokio::time::sleep(wait);
    tokio::pin!(end);
    let _waits = session.waits();
    loop {
        tokio::select! {
            _ = watch.changed() => {}
            () = &mut end => return Ok(false),
            () = place.ended() => return Ok(false),
            () = session.eas.shutdown.begun() => return Ok(false),
        }
        if session.is_shut_out()? {
            return Ok(false);
        }
        for ready in ready(applied) {
            if has_news(session, ready)? {
                return Ok(true);
            }
        }
    }
}

fn has_news(session: &Session, ready: &Ready) -> Result<bool, Failure> {
    let view = session.eas.mailbox.view(session.acting())?;
    let folder = match view.readable(ready.folder) {
        Ok(folder) => folder,
        // The client is told that its folders changed.
        Err(Error::Missing | Error::Denied) => return Ok(true),
        Err(e) => return Err(e.into()),
    };
    let wanted = cut_off(&folder, ready.wishes.filter, session.eas.mailbox.clock().now());
    match would_tell(&view.synced(&folder), session.device, wanted, &ready.row.state) {
        Ok(quiet) => Ok(quiet.is_none()),
        Err(Error::Stale) => Ok(true),
        Err(e) => Err(e.into()),
    }
}
