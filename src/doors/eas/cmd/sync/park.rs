//! A Sync that waits until there is something to tell. MS-ASCMD §2.2.3.198, §2.2.3.88.2.

use std::collections::BTreeSet;
use std::time::Duration;

use super::apply::{Applied, Ready};
use crate::doors::eas::news::{self, News};
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::doors::eas::state::{self, Advance};
use crate::mailbox::{Place, Watch};

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Woken {
    /// There is nothing to tell: the time is up, a newer request of the device waits, the device is shut
    /// out, or the server ends.
    InVain,
    /// The folder tree has something to tell.
    ByTree,
    /// A collection has something to tell.
    ByItems,
}

/// Watches the folders of a request that may wait; taken before they are read.
pub(super) fn watch(session: &Session, applied: &[Applied]) -> Watch {
    let folders = applied.iter().filter_map(|applied| match applied {
        Applied::Ready(ready) => Some(Place::Folder(ready.folder)),
        Applied::Failed(_) | Applied::Begun(_) => None,
    });
    session.eas.mailbox.notifier().watch(folders.chain([Place::Tree(session.owner())]))
}

/// Waits until one of the collections, all of which are up to date, or the tree has something to tell.
pub(super) async fn until_changed(
    session: &Session,
    mut applied: Vec<Applied>,
    watch: Watch,
    wait: Duration,
) -> Result<(Vec<Applied>, Woken), Failure> {
    let place = session.eas.parked.enter(session.device);
    let end = tokio::time::sleep(wait);
    tokio::pin!(end);
    let _waits = session.waits();
    let mut changed = BTreeSet::from([Place::Tree(session.owner())]);
    loop {
        let (passed, woken);
        (applied, (woken, passed)) = off_thread(session, applied, changed).await?;
        state::store(session, passed).await?;
        if let Some(woken) = woken {
            return Ok((applied, woken));
        }
        changed = tokio::select! {
            changed = watch.changed() => changed,
            () = &mut end => return Ok((applied, Woken::InVain)),
            () = place.ended() => return Ok((applied, Woken::InVain)),
            () = session.eas.shutdown.begun() => return Ok((applied, Woken::InVain)),
        };
    }
}

type Look = (Option<Woken>, Vec<Advance>);

async fn off_thread(
    session: &Session,
    mut applied: Vec<Applied>,
    changed: BTreeSet<Place>,
) -> Result<(Vec<Applied>, Look), Failure> {
    let asker = session.clone();
    let look = move || {
        let look = look(&asker, &mut applied, &changed)?;
        Ok((applied, look))
    };
    session.eas.blocking(look).await
}

/// Looks at what changed. What is not for the device is to be written down as passed.
fn look(session: &Session, applied: &mut [Applied], changed: &BTreeSet<Place>) -> Result<Look, Failure> {
    if session.is_shut_out()? {
        return Ok((Some(Woken::InVain), Vec::new()));
    }
    let view = session.eas.mailbox.view(session.acting())?;
    if changed.contains(&Place::Tree(session.owner())) && news::of_tree(session, &view)? {
        return Ok((Some(Woken::ByTree), Vec::new()));
    }
    let mut passed = Vec::new();
    for ready in applied.iter_mut().filter_map(waiting) {
        if !changed.contains(&Place::Folder(ready.folder)) {
            continue;
        }
        match news::of_folder(session, &view, ready.folder, &ready.row, ready.wishes.filter)? {
            // The tree may be heard of a moment after its folder.
            News::Missing if news::of_tree(session, &view)? => return Ok((Some(Woken::ByTree), passed)),
            News::Something | News::Missing => return Ok((Some(Woken::ByItems), passed)),
            News::Nothing(state) => passed.extend(ready.rest(session, state)),
        }
    }
    Ok((None, passed))
}

/// A collection whose changes the client waits for.
fn waiting(applied: &mut Applied) -> Option<&mut Ready> {
    match applied {
        Applied::Ready(ready) if ready.wants_changes => Some(ready),
        _ => None,
    }
}
