//! LIST and LSUB. RFC 9051 §6.3.9; RFC 3501 §6.3.9.

use super::status;
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::grammar::{List, StatusItem};
use crate::doors::imap::name::Form;
use crate::doors::imap::out::Out;
use crate::doors::imap::pattern::{Pattern, SEPARATOR, WILD_MAX};
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::User;
use crate::doors::imap::tree;
use crate::mailbox::{Error, Mailbox, Role};

pub(in crate::doors::imap) async fn list(session: &mut Session, list: List) -> Result<Answer, Stop> {
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    let patterns: Vec<Pattern> = list.patterns.iter().map(|p| Pattern::new(&list.reference, p)).collect();
    if patterns.iter().map(Pattern::cost).sum::<usize>() > WILD_MAX {
        return Ok(Answer::no(Code::Limit, "the patterns are too long"));
    }
    session.enabled.condstore |= list.status.contains(&StatusItem::HighestModSeq);
    let (mailbox, form) = (session.services.mailbox.clone(), session.enabled.form());
    let out = conn::blocking(move || answer(&mailbox, &user, &list, &patterns, form)).await??;
    session.wire.send(out).await?;
    Ok(Answer::ok("that is all"))
}

fn answer(
    mailbox: &Mailbox,
    user: &User,
    list: &List,
    patterns: &[Pattern],
    form: Form,
) -> Result<Out, Error> {
    let mut out = Out::default();
    // RFC 9051 §6.3.9: an empty pattern asks for the separator and the root of the reference.
    if let [pattern] = list.patterns.as_slice()
        && pattern.is_empty()
        && !list.is_lsub
    {
        out.format(format_args!("* LIST (\\Noselect) \"{SEPARATOR}\" \"\"\r\n"));
        return Ok(out);
    }
    let view = mailbox.view(user.acting.clone())?;
    for found in tree::all(&view, user.owner)? {
        let is_wanted = patterns.iter().any(|pattern| pattern.matches(&found.path))
            && (!list.only_special || attribute(found.folder.role).is_some())
            && (!list.only_subscribed || found.selectable);
        if !is_wanted {
            continue;
        }
        line(&found, list, form, &mut out);
        if !list.status.is_empty() && found.selectable {
            status::write(&view, user.owner, &found.folder, &found.path, &list.status, form, &mut out)?;
        }
    }
    Ok(out)
}

fn line(found: &tree::Mailbox, list: &List, form: Form, out: &mut Out) {
    out.text(if list.is_lsub { "* LSUB (" } else { "* LIST (" });
    out.text(if found.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    if !found.selectable {
        out.text(" \\Noselect");
    }
    // Every mailbox is subscribed as long as nobody can choose.
    if list.tell_subscribed && found.selectable {
        out.text(" \\Subscribed");
    }
    if let Some(attribute) = attribute(found.folder.role).filter(|_| found.selectable) {
        out.byte(b' ');
        out.text(attribute);
    }
    out.format(format_args!(") \"{SEPARATOR}\" "));
    out.mailbox(&found.path, form);
    out.text("\r\n");
}

/// RFC 6154 §2. INBOX has no attribute there.
fn attribute(role: Role) -> Option<&'static str> {
    match role {
        Role::Drafts => Some("\\Drafts"),
        Role::Sent => Some("\\Sent"),
        Role::Trash => Some("\\Trash"),
        Role::Junk => Some("\\Junk"),
        Role::None | Role::Inbox | Role::Calendar | Role::Contacts | Role::Tasks | Role::Notes => None,
    }
}
