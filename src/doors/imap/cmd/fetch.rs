//! FETCH: batch by batch, the next one read while the last one is sent. RFC 9051 §6.4.5.

use super::store::{self, BATCH, Change};
use crate::doors::imap::conn::{Session, with_selected};
use crate::doors::imap::fetch::{Faults, Plan, vanished};
use crate::doors::imap::grammar::{Attribute, Fetch, Set};
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Numbers, Stop};
use crate::doors::imap::room::{Room, Taken};
use crate::doors::imap::wire::Wire;
use crate::mailbox::Modseq;
use crate::services::Services;

pub(in crate::doors::imap) async fn fetch(session: &mut Session, fetch: Fetch) -> Result<Answer, Stop> {
    // RFC 7162 §3.1: asking for modseqs means understanding them.
    session.enabled.condstore |= fetch.attributes.contains(&Attribute::ModSeq);
    if fetch.vanished && !session.enabled.qresync {
        return Ok(Answer::bad("enable QRESYNC first"));
    }
    if let Some(since) = fetch.changed_since.filter(|_| fetch.vanished) {
        tell_vanished(session, &fetch, Modseq(since)).await?;
    }
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
    see(session, &plan.take_unseen()).await?;
    Ok(answer(plan.faults()))
}

/// Marks messages as seen. The client hears of it with all other changes, before the command ends.
async fn see(session: &mut Session, uids: &[u32]) -> Result<(), Stop> {
    for batch in uids.chunks(BATCH) {
        match store::perform(session, batch, &Change::seen()).await {
            // Who may read need not be allowed to mark, and a full disk is no reason not to read.
            Ok(_) | Err(Stop::Answer(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

/// Says which messages of the set left since a client was here last.
async fn tell_vanished(session: &mut Session, fetch: &Fetch, since: Modseq) -> Result<(), Stop> {
    let Some(selected) = session.state.selected() else { return Ok(()) };
    // Unlike other sets, this one is of messages that are not there.
    let within = match &fetch.set {
        Set::Saved => selected.saved.clone(),
        set => set.resolve(u32::MAX),
    };
    let gone = with_selected(&mut session.state, &session.services, move |selected, mailbox, user| {
        let view = mailbox.view(user.acting.clone())?;
        let folder = view.readable(selected.folder)?;
        vanished(&view, &folder, &selected.uids, since, &within)
    });
    let gone = gone.await??;
    if gone.is_empty() {
        return Ok(());
    }
    let mut out = Out::default();
    out.format(format_args!("* VANISHED (EARLIER) {}\r\n", Numbers(&gone)));
    Ok(session.wire.send(out).await?)
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
