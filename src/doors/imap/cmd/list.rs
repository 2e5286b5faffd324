//! LIST and LSUB. RFC 9051 §6.3.9; RFC 3501 §6.3.9; RFC 5258; RFC 5819; RFC 8440.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{acl, status};
use crate::directory::{AccountId, subscriptions};
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::grammar::{List, StatusItem};
use crate::doors::imap::name::Form;
use crate::doors::imap::out::Out;
use crate::doors::imap::pattern::{Pattern, SEPARATOR, WILD_MAX};
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::User;
use crate::doors::imap::tree;
use crate::mailbox::{Error, Folder, Mailbox, Role, View};

/// The property that holds a use without a role of its own.
pub(super) const USE: &str = "special-use";
/// What it holds.
pub(super) const ARCHIVE: &str = "\\Archive";

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

/// A name that may be told, with the mailbox that has it, if there is one.
struct Entry {
    path: String,
    mailbox: Option<tree::Mailbox>,
    is_own: bool,
    subscribed: bool,
    /// Whether a subscribed name stands below it.
    above_subscribed: bool,
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
    for entry in entries(&view, user, list)? {
        if !patterns.iter().any(|pattern| pattern.matches(&entry.path)) || !is_wanted(&entry, list) {
            continue;
        }
        line(&entry, list, form, &mut out);
        let Some(seen) = entry.mailbox.as_ref().and_then(|mailbox| mailbox.seen.as_ref()) else { continue };
        if list.tell_rights {
            acl::my_rights(&entry.path, seen.rights, form, &mut out);
        }
        let selectable = entry.mailbox.as_ref().is_some_and(|mailbox| mailbox.selectable);
        if !list.status.is_empty() && selectable {
            status::write(&view, user.owner, &seen.folder, &entry.path, &list.status, form, &mut out)?;
        }
    }
    Ok(out)
}

/// All names there are, and where subscriptions count those that are subscribed without being there, with the
/// names above them.
fn entries(view: &View, user: &User, list: &List) -> Result<Vec<Entry>, Error> {
    let choices = subscriptions(view.reader(), AccountId(user.owner.0)).map_err(tree::of_directory)?;
    let chosen: HashMap<String, bool> =
        choices.iter().map(|choice| (choice.name.to_lowercase(), choice.subscribed)).collect();
    let mut entries: Vec<Entry> = tree::all(view, user.owner)?
        .into_iter()
        .map(|mailbox| {
            // Who has not chosen is shown what is his own.
            let is_own = mailbox.seen.as_ref().is_some_and(|seen| seen.folder.owner == user.owner);
            let by_default = is_own && mailbox.selectable;
            let subscribed = chosen.get(&mailbox.path.to_lowercase()).copied().unwrap_or(by_default);
            let path = mailbox.path.clone();
            Entry { path, mailbox: Some(mailbox), is_own, subscribed, above_subscribed: false }
        })
        .collect();
    if list.only_subscribed {
        let there: HashSet<String> = entries.iter().map(|entry| entry.path.to_lowercase()).collect();
        let gone = choices.into_iter().filter(|choice| choice.subscribed);
        let gone = gone.map(|choice| choice.name).filter(|name| !there.contains(&name.to_lowercase()));
        add_gone(gone.collect(), &there, &mut entries);
    }
    let above: HashSet<String> = entries
        .iter()
        .filter(|entry| entry.subscribed)
        .flat_map(|entry| above(&entry.path).map(str::to_lowercase).collect::<Vec<_>>())
        .collect();
    for entry in &mut entries {
        entry.above_subscribed = above.contains(&entry.path.to_lowercase());
    }
    Ok(entries)
}

/// Adds names that are subscribed and not there, and those above them.
fn add_gone(gone: Vec<String>, there: &HashSet<String>, entries: &mut Vec<Entry>) {
    let mut between = BTreeSet::new();
    for name in &gone {
        between.extend(above(name).filter(|path| !there.contains(&path.to_lowercase())).map(str::to_owned));
    }
    between.retain(|path| !gone.contains(path));
    let entry =
        |path, subscribed| Entry { path, mailbox: None, is_own: false, subscribed, above_subscribed: false };
    entries.extend(between.into_iter().map(|path| entry(path, false)));
    entries.extend(gone.into_iter().map(|path| entry(path, true)));
}

/// The names above a name.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices(SEPARATOR).filter_map(|(at, _)| path.get(..at))
}

/// Whether the selection options leave it in.
fn is_wanted(entry: &Entry, list: &List) -> bool {
    let special = !list.only_special || attribute_of(entry).is_some();
    let subscribed = !list.only_subscribed || entry.subscribed;
    // RFC 3501 §6.3.9: `%` in LSUB finds what only stands above, too.
    let finds_above = list.recursive || (list.is_lsub && list.patterns.iter().any(|p| p.contains('%')));
    (special && subscribed) || (list.only_subscribed && entry.above_subscribed && finds_above)
}

fn line(entry: &Entry, list: &List, form: Form, out: &mut Out) {
    out.text(if list.is_lsub { "* LSUB (" } else { "* LIST (" });
    let has_children = entry.mailbox.as_ref().map_or(entry.above_subscribed, |mailbox| mailbox.has_children);
    out.text(if has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    let selectable = entry.mailbox.as_ref().is_some_and(|mailbox| mailbox.selectable);
    if entry.mailbox.is_none() && !list.is_lsub {
        out.text(" \\NonExistent");
    } else if !selectable || (list.is_lsub && !entry.subscribed) {
        out.text(" \\Noselect");
    }
    if list.tell_subscribed && entry.subscribed {
        out.text(" \\Subscribed");
    }
    if let Some(attribute) = attribute_of(entry).filter(|_| selectable) {
        out.byte(b' ');
        out.text(attribute);
    }
    out.format(format_args!(") \"{SEPARATOR}\" "));
    out.mailbox(&entry.path, form);
    if list.recursive && list.only_subscribed && entry.above_subscribed {
        // RFC 9051 §6.3.9.6.
        out.text(" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    }
    out.text("\r\n");
}

/// The use of a mailbox of one's own: a client has one place for what it sends, whoever shares theirs with it.
fn attribute_of(entry: &Entry) -> Option<&'static str> {
    entry.mailbox.as_ref()?.seen.as_ref().filter(|_| entry.is_own).and_then(|seen| attribute(&seen.folder))
}

/// RFC 6154 §2. INBOX has no attribute there.
pub(super) fn attribute(folder: &Folder) -> Option<&'static str> {
    match folder.role {
        Role::Drafts => Some("\\Drafts"),
        Role::Sent => Some("\\Sent"),
        Role::Trash => Some("\\Trash"),
        Role::Junk => Some("\\Junk"),
        Role::None if folder.property(USE) == Some(ARCHIVE.as_bytes()) => Some(ARCHIVE),
        Role::None | Role::Inbox | Role::Calendar | Role::Contacts | Role::Tasks | Role::Notes => None,
    }
}
