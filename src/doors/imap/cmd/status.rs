//! STATUS. RFC 9051 §6.3.11.

use std::ops::ControlFlow;

use super::select;
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::fetch::flags;
use crate::doors::imap::grammar::StatusItem;
use crate::doors::imap::name::Form;
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::tree;
use crate::mailbox::{Error, Flags, Folder, OwnerId, Uid, View};

pub(in crate::doors::imap) async fn status(
    session: &mut Session,
    name: String,
    items: Vec<StatusItem>,
) -> Result<Answer, Stop> {
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    // RFC 7162 §3.1: asking for it means understanding it.
    session.enabled.condstore |= items.contains(&StatusItem::HighestModSeq);
    let (mailbox, form) = (session.services.mailbox.clone(), session.enabled.form());
    let out = conn::blocking(move || -> Result<Out, Error> {
        let view = mailbox.view(user.acting)?;
        let folder = tree::find(&view, user.owner, &name)?;
        let mut out = Out::default();
        write(&view, user.owner, &folder, &name, &items, form, &mut out)?;
        Ok(out)
    });
    let out = out.await??;
    session.wire.send(out).await?;
    Ok(Answer::ok("STATUS done"))
}

/// Writes one STATUS answer.
pub(super) fn write(
    view: &View,
    owner: OwnerId,
    folder: &Folder,
    name: &str,
    items: &[StatusItem],
    form: Form,
    out: &mut Out,
) -> Result<(), Error> {
    // The folder counts what is unseen for its owner; others have seen states of their own.
    let counts_unseen = folder.owner != owner && items.contains(&StatusItem::Unseen);
    let counts = [StatusItem::Deleted, StatusItem::DeletedStorage].iter().any(|item| items.contains(item));
    let counted = if counts_unseen || counts { count(view, folder)? } else { Counted::default() };
    out.text("* STATUS ");
    out.mailbox(name, form);
    let mut between = " (";
    for item in items {
        out.text(between);
        between = " ";
        match item {
            StatusItem::Messages => out.format(format_args!("MESSAGES {}", folder.items)),
            StatusItem::UidNext => out.format(format_args!("UIDNEXT {}", folder.uid_next)),
            StatusItem::UidValidity => out.format(format_args!("UIDVALIDITY {}", folder.uid_validity)),
            StatusItem::Unseen if counts_unseen => out.format(format_args!("UNSEEN {}", counted.unseen)),
            StatusItem::Unseen => out.format(format_args!("UNSEEN {}", folder.unseen)),
            StatusItem::Deleted => out.format(format_args!("DELETED {}", counted.deleted)),
            StatusItem::Size => out.format(format_args!("SIZE {}", folder.bytes)),
            StatusItem::Recent => out.text("RECENT 0"),
            StatusItem::HighestModSeq => {
                out.format(format_args!("HIGHESTMODSEQ {}", folder.highest.0.max(1)));
            }
            StatusItem::DeletedStorage => {
                out.format(format_args!("DELETED-STORAGE {}", counted.deleted_bytes));
            }
            StatusItem::MailboxId => out.format(format_args!("MAILBOXID ({})", select::id(folder))),
        }
    }
    out.text(")\r\n");
    Ok(())
}

#[derive(Default)]
struct Counted {
    unseen: u64,
    deleted: u64,
    deleted_bytes: u64,
}

fn count(view: &View, folder: &Folder) -> Result<Counted, Error> {
    let mut counted = Counted::default();
    view.items(folder, Uid(0), &mut |item| {
        counted.unseen += u64::from(!flags::is_seen(&item));
        if item.flags.has(Flags::DELETED) {
            counted.deleted += 1;
            counted.deleted_bytes = counted.deleted_bytes.saturating_add(item.size);
        }
        ControlFlow::Continue(())
    })?;
    Ok(counted)
}
