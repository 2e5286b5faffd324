//! EXPUNGE, UID EXPUNGE, and CLOSE, which expunges without a word. RFC 9051 §6.4.2, §6.4.3; RFC 4315 §2.1.

use super::select;
use super::store::{BATCH, read_only};
use super::transfer::with_modseq;
use crate::doors::imap::conn::{Session, tell, with_selected};
use crate::doors::imap::grammar::Set;
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::state::Updates;
use crate::mailbox::{Error, Flags, FolderId, MailTx, Origin, Uid};

pub(in crate::doors::imap) async fn expunge(session: &mut Session, set: Option<Set>) -> Result<Answer, Stop> {
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    if selected.read_only {
        return Ok(read_only());
    }
    let within = match set {
        Some(set) => selected.resolve(&set, true),
        None => vec![(1, u32::MAX)],
    };
    remove(session, within).await?;
    tell(session, Updates::All).await?;
    Ok(with_modseq(session, "EXPUNGE done"))
}

pub(in crate::doors::imap) async fn close(session: &mut Session) -> Result<Answer, Stop> {
    if session.state.selected().is_some_and(|selected| !selected.read_only) {
        match remove(session, vec![(1, u32::MAX)]).await {
            // RFC 4314 §4: who may not expunge closes all the same, and so does everybody else.
            Ok(()) | Err(Stop::Answer(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(select::unselect(session))
}

/// Expunges the messages among `within` that are marked so and that the client knows.
async fn remove(session: &mut Session, within: Vec<(u32, u32)>) -> Result<(), Stop> {
    let marked = with_selected(&mut session.state, &session.services, move |selected, mailbox, user| {
        let view = mailbox.view(user.acting.clone())?;
        let folder = view.readable(selected.folder)?;
        let lights = mailbox.lights(&view, &folder)?;
        let all = within.iter().flat_map(|(low, high)| lights.range(Uid(*low), Uid(*high)));
        let marked = all.filter(|light| light.flags.has(Flags::DELETED)).map(|light| light.uid.0);
        let marked: Vec<u32> = marked.filter(|uid| selected.uids.seq(*uid).is_some()).collect();
        Ok::<_, Error>((folder.id, marked))
    });
    let (folder, marked) = marked.await??;
    let Some(user) = session.state.user() else { return Err(Stop::Bye("nobody is logged in")) };
    let acting = user.acting.clone();
    for batch in marked.chunks(BATCH) {
        let batch = batch.to_vec();
        let removed = session
            .services
            .mailbox
            .shrink(acting.clone(), Origin::OTHER, move |tx| remove_all(tx, folder, &batch));
        removed.await?;
    }
    Ok(())
}

fn remove_all(tx: &mut MailTx<'_, '_>, folder: FolderId, uids: &[u32]) -> Result<(), Error> {
    let at = tx.granted(folder)?;
    for uid in uids {
        // Somebody else may have taken the mark away meanwhile, or the message.
        match tx.item(&at, Uid(*uid)) {
            Ok(item) if item.flags.has(Flags::DELETED) => {
                tx.expunge(&at, Uid(*uid))?;
            }
            Ok(_) | Err(Error::Missing) => {}
            Err(e) if e.is_damage() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
