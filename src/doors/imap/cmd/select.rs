//! SELECT, EXAMINE and UNSELECT. RFC 9051 §6.3.2, §6.3.3, §6.4.2; RFC 7162 §3.2.5.

use super::fetch;
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::fetch::flags;
use crate::doors::imap::grammar::{Attribute, Fetch, Qresync, Select, Set};
use crate::doors::imap::out::Out;
use crate::doors::imap::pattern::SEPARATOR;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::{Enabled, Opened, Selected, User};
use crate::doors::imap::tree;
use crate::mailbox::{Error, Flags, Folder, FolderId, Mailbox, Modseq, Place, Seen};
use crate::policy::Rights;

pub(in crate::doors::imap) async fn select(session: &mut Session, asked: Select) -> Result<Answer, Stop> {
    let Select { name, read_only, condstore, qresync } = asked;
    if qresync.is_some() && !session.enabled.qresync {
        // RFC 7162 §3.2.5.
        return Ok(Answer::bad("enable QRESYNC first"));
    }
    // Whatever comes of it, what was selected is not any more.
    let was_selected = session.state.unselect().is_some();
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    session.enabled.condstore |= condstore;
    let mut out = Out::default();
    if was_selected {
        out.text("* OK [CLOSED] the mailbox selected before is closed\r\n");
    }
    let (mailbox, path) = (session.services.mailbox.clone(), name.clone());
    let (seen, selected, opened) =
        match conn::blocking(move || open(&mailbox, &user, &path, read_only)).await? {
            Ok(all) => all,
            Err(e) => {
                session.wire.send(out).await?;
                return Ok(e.into());
            }
        };
    describe(&seen, &selected, &opened, session.enabled, &mut out);
    if session.enabled.rev2 {
        // RFC 9051 §6.3.2: the name as the server has it.
        out.format(format_args!("* LIST () \"{SEPARATOR}\" "));
        out.mailbox(&name, session.enabled.form());
        out.text("\r\n");
    }
    let code = if selected.read_only { Code::ReadOnly } else { Code::ReadWrite };
    session.state.select(Box::new(selected));
    session.wire.send(out).await?;
    if let Some(known) = qresync.filter(|known| known.uid_validity == seen.folder.uid_validity) {
        resync(session, known, seen.folder.highest).await?;
    }
    Ok(Answer::ok_with(code, "selected"))
}

/// Tells what happened since the client was here last: what UID FETCH with VANISHED would, of the messages
/// it knows. RFC 7162 §3.2.5.1.
async fn resync(session: &mut Session, known: Qresync, highest: Modseq) -> Result<(), Stop> {
    let set = known.known.unwrap_or_else(Set::all);
    let attributes = vec![Attribute::Uid, Attribute::Flags, Attribute::ModSeq];
    // What has not happened yet cannot have been told: such a client knows nothing.
    let changed_since = Some(if known.modseq > highest.0 { 0 } else { known.modseq });
    let news = Fetch { by_uid: true, set, attributes, changed_since, vanished: true };
    match fetch::fetch(session, news).await {
        Ok(_) => Ok(()),
        Err(stop) => Err(stop),
    }
}

fn open(
    mailbox: &Mailbox,
    user: &User,
    path: &str,
    read_only: bool,
) -> Result<(Seen, Selected, Opened), Error> {
    let id = tree::find(&mailbox.view(user.acting.clone())?, user.owner, path)?.id;
    let watch = mailbox.notifier().watch([Place::Folder(id)]);
    let view = mailbox.view(user.acting.clone())?;
    let folder = view.readable(id)?;
    let seen = view.folder(id)?;
    let read_only = read_only || !may_change(seen.rights);
    let lights = mailbox.lights(&view, &folder)?;
    let (selected, opened) = Selected::open(&folder, &lights, read_only, watch);
    Ok((seen, selected, opened))
}

/// Whether somebody with these rights can change anything. RFC 4314 §4, SELECT.
fn may_change(rights: Rights) -> bool {
    let some = [Rights::INSERT, Rights::EXPUNGE, Rights::SEEN, Rights::WRITE, Rights::DELETE_ITEM];
    some.into_iter().any(|right| rights.has(right))
}

/// The untagged answers to SELECT.
fn describe(seen: &Seen, selected: &Selected, opened: &Opened, enabled: Enabled, out: &mut Out) {
    let folder = &seen.folder;
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
    permanent_flags(seen, selected, opened, out);
    out.format(format_args!("* OK [UIDVALIDITY {}] these UIDs are valid\r\n", folder.uid_validity));
    out.format(format_args!("* OK [UIDNEXT {}] the next UID\r\n", folder.uid_next));
    // RFC 7162 §3.1.2.1: a modseq is never zero.
    out.format(format_args!("* OK [HIGHESTMODSEQ {}] the latest change\r\n", folder.highest.0.max(1)));
    out.format(format_args!("* OK [MAILBOXID ({})] the mailbox itself\r\n", id(folder)));
}

/// The flags that can be changed for good, by the rights of RFC 4314 §4.
fn permanent_flags(seen: &Seen, selected: &Selected, opened: &Opened, out: &mut Out) {
    let rights = if selected.read_only { Rights::NONE } else { seen.rights };
    let writes = rights.has(Rights::WRITE);
    let may = |flag| match flag {
        Flags::SEEN => rights.has(Rights::SEEN),
        Flags::DELETED => rights.has(Rights::DELETE_ITEM),
        _ => writes,
    };
    let system = flags::NAMES.iter().filter(|(flag, _)| may(*flag)).map(|(_, name)| *name);
    let keywords = opened.keywords.iter().map(String::as_str).filter(|_| writes);
    let all: Vec<&str> = system.chain(keywords).chain(writes.then_some("\\*")).collect();
    let text = if all.is_empty() { "no flag can be changed" } else { "these flags can be changed" };
    out.format(format_args!("* OK [PERMANENTFLAGS ({})] {text}\r\n", all.join(" ")));
}

/// RFC 8474 §4: the mailbox's identity, whatever it is called.
pub(in crate::doors::imap) fn id(folder: &Folder) -> String {
    id_of(folder.id)
}

pub(in crate::doors::imap) fn id_of(folder: FolderId) -> String {
    format!("F{:x}", folder.0)
}

/// UNSELECT, which only forgets. RFC 9051 §6.4.2.
pub(in crate::doors::imap) fn unselect(session: &mut Session) -> Answer {
    session.state.unselect();
    Answer::ok("closed")
}
