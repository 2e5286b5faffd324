//! SELECT, EXAMINE, CLOSE and UNSELECT. RFC 9051 §6.3.2, §6.3.3, §6.4.1, §6.4.2.

use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::fetch::flags;
use crate::doors::imap::out::Out;
use crate::doors::imap::pattern::SEPARATOR;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::{Enabled, Opened, Selected, User};
use crate::doors::imap::tree;
use crate::mailbox::{Error, Folder, FolderId, Mailbox, Place};

pub(in crate::doors::imap) async fn select(
    session: &mut Session,
    name: String,
    condstore: bool,
) -> Result<Answer, Stop> {
    // Whatever comes of it, what was selected is not any more.
    let was_selected = session.state.unselect().is_some();
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    session.enabled.condstore |= condstore;
    let mut out = Out::default();
    if was_selected {
        out.text("* OK [CLOSED] the mailbox selected before is closed\r\n");
    }
    let (mailbox, path) = (session.services.mailbox.clone(), name.clone());
    match conn::blocking(move || open(&mailbox, &user, &path)).await? {
        Ok((folder, selected, opened)) => {
            describe(&folder, &selected, &opened, session.enabled, &mut out);
            if session.enabled.rev2 {
                // RFC 9051 §6.3.2: the name as the server has it.
                out.format(format_args!("* LIST () \"{SEPARATOR}\" "));
                out.mailbox(&name, session.enabled.form());
                out.text("\r\n");
            }
            session.state.select(Box::new(selected));
            session.wire.send(out).await?;
            Ok(Answer::ok_with(Code::ReadOnly, "selected"))
        }
        Err(e) => {
            session.wire.send(out).await?;
            Ok(e.into())
        }
    }
}

fn open(mailbox: &Mailbox, user: &User, path: &str) -> Result<(Folder, Selected, Opened), Error> {
    let id = tree::find(&mailbox.view(user.acting.clone())?, user.owner, path)?.id;
    let watch = mailbox.notifier().watch([Place::Folder(id)]);
    let view = mailbox.view(user.acting.clone())?;
    let folder = view.readable(id)?;
    let (selected, opened) = Selected::open(&view, &folder, watch)?;
    Ok((folder, selected, opened))
}

/// The untagged answers to SELECT.
fn describe(folder: &Folder, selected: &Selected, opened: &Opened, enabled: Enabled, out: &mut Out) {
    out.text("* FLAGS (");
    let names = flags::NAMES.iter().map(|(_, name)| *name);
    for (i, name) in names.chain(opened.keywords.iter().map(String::as_str)).enumerate() {
        if i > 0 {
            out.byte(b' ');
        }
        out.text(name);
    }
    out.text(")\r\n");
    out.format(format_args!("* {} EXISTS\r\n", selected.uids.len()));
    if !enabled.rev2 {
        out.text("* 0 RECENT\r\n");
        if let Some(seq) = opened.first_unseen {
            out.format(format_args!("* OK [UNSEEN {seq}] the first unseen message\r\n"));
        }
    }
    out.text("* OK [PERMANENTFLAGS ()] no flag can be changed\r\n");
    out.format(format_args!("* OK [UIDVALIDITY {}] these UIDs are valid\r\n", folder.uid_validity));
    out.format(format_args!("* OK [UIDNEXT {}] the next UID\r\n", folder.uid_next));
    // RFC 7162 §3.1.2.1: a modseq is never zero.
    out.format(format_args!("* OK [HIGHESTMODSEQ {}] the latest change\r\n", folder.highest.0.max(1)));
    out.format(format_args!("* OK [MAILBOXID ({})] the mailbox itself\r\n", id(folder)));
}

/// RFC 8474 §4: the mailbox's identity, whatever it is called.
pub(in crate::doors::imap) fn id(folder: &Folder) -> String {
    id_of(folder.id)
}

pub(in crate::doors::imap) fn id_of(folder: FolderId) -> String {
    format!("F{:x}", folder.0)
}

/// CLOSE expunges nothing, since the mailbox is read-only, and so is the same as UNSELECT.
pub(in crate::doors::imap) fn close(session: &mut Session) -> Answer {
    session.state.unselect();
    Answer::ok("closed")
}
