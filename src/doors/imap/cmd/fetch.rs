//! FETCH: batch by batch, the next one read while the last one is sent. RFC 9051 §6.4.5.

use crate::doors::imap::conn::{Session, with_selected};
use crate::doors::imap::fetch::{Faults, Plan};
use crate::doors::imap::grammar::{Attribute, Fetch};
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Stop};

pub(in crate::doors::imap) async fn fetch(session: &mut Session, fetch: Fetch) -> Result<Answer, Stop> {
    // RFC 7162 §3.1: asking for modseqs means understanding them.
    session.enabled.condstore |= fetch.attributes.contains(&Attribute::ModSeq);
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    let mut plan = Plan::new(fetch, selected);
    let mut ready = Out::default();
    loop {
        // At most two batches are in memory: the one that is sent and the one that is read meanwhile. No
        // snapshot is kept while the client makes us wait.
        let next = with_selected(&mut session.state, &session.services, move |selected, mailbox, user| {
            let mut out = Out::default();
            let result =
                if plan.is_done() { Ok(()) } else { plan.batch(mailbox, &user.acting, selected, &mut out) };
            (plan, out, result)
        });
        let (sent, next) = tokio::join!(session.wire.send(std::mem::take(&mut ready)), next);
        let (rest, out, result) = next?;
        sent?;
        result?;
        if rest.is_done() {
            session.wire.send(out).await?;
            return Ok(answer(rest.faults()));
        }
        (plan, ready) = (rest, out);
    }
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
