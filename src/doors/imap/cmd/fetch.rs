//! FETCH: batch by batch, the next one read while the last one is sent. RFC 9051 §6.4.5.

use crate::doors::imap::conn::{Session, with_selected};
use crate::doors::imap::fetch::{Faults, Plan};
use crate::doors::imap::grammar::{Attribute, Fetch};
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::room::{Room, Taken};
use crate::doors::imap::wire::Wire;
use crate::services::Services;

pub(in crate::doors::imap) async fn fetch(session: &mut Session, fetch: Fetch) -> Result<Answer, Stop> {
    // RFC 7162 §3.1: asking for modseqs means understanding them.
    session.enabled.condstore |= fetch.attributes.contains(&Attribute::ModSeq);
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    let mut plan = Plan::new(fetch, selected);
    let mut ready = (Out::default(), None);
    while !plan.is_done() {
        let Session { wire, state, services, room, .. } = &mut *session;
        // At most two batches are in memory: the one that is sent and the one that is read meanwhile. No
        // snapshot is kept while the client makes us wait, and none while we wait for room.
        let next = async {
            let taken = match plan.wants() {
                Some(bytes) => Some(make_room(room, services, bytes).await?),
                None => None,
            };
            let batch = with_selected(state, services, move |selected, mailbox, user| {
                let mut out = Out::default();
                let result = plan.batch(mailbox, &user.acting, selected, &mut out);
                (plan, out, result)
            });
            let (plan, out, result) = batch.await?;
            result?;
            Ok::<_, Stop>((plan, (out, taken)))
        };
        let (sent, next) = tokio::join!(send(wire, ready), next);
        sent?;
        (plan, ready) = next?;
    }
    send(&mut session.wire, ready).await?;
    Ok(answer(plan.faults()))
}

/// Room for a batch with a large message.
async fn make_room(room: &Room, services: &Services, bytes: u64) -> Result<Taken, Stop> {
    let taken = tokio::select! {
        taken = room.take(bytes) => taken,
        () = services.shutdown.begun() => return Err(Stop::Bye("the server is going down")),
    };
    taken.ok_or_else(|| {
        tracing::warn!(bytes, "no room to send a message in; it is refused for now");
        Stop::Answer(Answer::no(Code::Unavailable, "too much is being sent to others; try again later"))
    })
}

/// Sends a batch and gives its room back. Who has room that others wait for must not dawdle.
async fn send(wire: &mut Wire, (out, taken): (Out, Option<Taken>)) -> Result<(), Stop> {
    match taken {
        // What was begun cannot be ended in order.
        Some(taken) => {
            tokio::time::timeout(taken.within(), wire.send(out)).await.map_err(|_| Stop::Gone)??
        }
        None => wire.send(out).await?,
    }
    Ok(())
}

fn answer(faults: Faults) -> Answer {
    match faults {
        Faults { damaged: true, .. } => {
            Answer::no(Code::ServerBug, "parts of some messages cannot be read any more")
        }
        Faults { too_much: true, .. } => Answer::no(Code::Limit, "that is too much of one message at once"),
        Faults { unknown_encoding: true, .. } => {
            Answer::no(Code::UnknownCte, "a part is encoded in a way nobody knows")
        }
        // RFC 5530 §3; the client is told which at the next command that may say so.
        Faults { expunged: true, .. } => {
            Answer::no(Code::ExpungeIssued, "some of the messages are not there any more")
        }
        _ => Answer::ok("FETCH done"),
    }
}
