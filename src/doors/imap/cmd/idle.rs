//! IDLE: parked until the mailbox changes or the client has something to say. RFC 9051 §6.3.13.

use std::time::Duration;

use tokio::time::Instant;

use crate::doors::imap::conn::{Session, check_login, tell};
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::state::{State, Updates};

/// Longest line that is looked at for DONE.
const LINE_MAX: usize = 64;
/// Least time between two looks at the mailbox: what a burst of deliveries changes is told together.
const PAUSE: Duration = Duration::from_millis(5);

/// A parked session holds its numbers, its wait and a small buffer, and nothing of the store.
pub(in crate::doors::imap) async fn idle(session: &mut Session) -> Result<Answer, Stop> {
    session.wire.write(b"+ idling\r\n").await?;
    let _parked = session.services.metrics.parked(session.peer.listener.name());
    let deadline = Instant::now() + session.services.config.limits.imap_idle;
    loop {
        check_login(session).await?;
        tell(session, Updates::All).await?;
        let not_before = Instant::now() + PAUSE;
        let Session { wire, state, services, .. } = &mut *session;
        let line = tokio::select! {
            line = wire.line(LINE_MAX) => line?,
            () = changed(state, not_before) => continue,
            () = services.shutdown.begun() => return Err(Stop::Bye("the server is going down")),
            () = tokio::time::sleep_until(deadline) => return Err(Stop::Bye("nothing was heard for too long")),
        };
        return match line {
            Some(line) if line.eq_ignore_ascii_case(b"DONE") => Ok(Answer::ok("IDLE done")),
            Some(_) => Ok(Answer::bad("expected DONE")),
            None => Err(Stop::Bye("expected DONE")),
        };
    }
}

/// Ready when the selected mailbox changed, and not before a time; never, without one.
async fn changed(state: &mut State, not_before: Instant) {
    match state.selected() {
        Some(selected) => {
            selected.changed().await;
            tokio::time::sleep_until(not_before).await;
        }
        None => std::future::pending().await,
    }
}
