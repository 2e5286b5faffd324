//! STORE, in transactions of bounded size. RFC 9051 §6.4.6; RFC 7162 §3.1.3; RFC 4314 §4.

use crate::doors::imap::conn::{Session, with_selected};
use crate::doors::imap::fetch::flags;
use crate::doors::imap::grammar::{How, Named, Store};
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::{Selected, ranges, tell_flags};
use crate::mailbox::{Edit, Error, Flags, FolderId, Granted, Item, Knew, MailTx, Modseq, Origin, Uid};
use crate::policy::Rights;

/// Messages changed in one transaction.
pub(in crate::doors::imap) const BATCH: usize = 500;

pub(in crate::doors::imap) async fn store(session: &mut Session, asked: Store) -> Result<Answer, Stop> {
    // RFC 7162 §3.1: asking for it means understanding it.
    session.enabled.condstore |= asked.unchanged_since.is_some();
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    if selected.read_only {
        return Ok(read_only());
    }
    let uids = selected.members(&asked.set, asked.by_uid);
    let change =
        Change { how: asked.how, named: asked.flags, unchanged_since: asked.unchanged_since.map(Modseq) };
    let (mut missing, mut modified) = (false, Vec::new());
    for batch in uids.chunks(BATCH) {
        let outcomes = perform(session, batch, &change).await?;
        for (uid, outcome) in &outcomes {
            match outcome {
                Outcome::Missing => missing = true,
                Outcome::Modified => modified.push(*uid),
                Outcome::Logged { .. } | Outcome::Same => {}
            }
        }
        answer_each(session, outcomes, asked.silent).await?;
    }
    let Some(selected) = session.state.selected() else { return Err(Stop::Gone) };
    if !modified.is_empty() {
        let numbers = match asked.by_uid {
            true => modified,
            false => modified.iter().filter_map(|uid| selected.uids.seq(*uid)).collect(),
        };
        return Ok(Answer::ok_with(Code::Modified(ranges(&numbers)), "some messages changed meanwhile"));
    }
    if missing && !asked.by_uid {
        return Ok(Answer::no(Code::ExpungeIssued, "some of the messages are not there any more"));
    }
    Ok(Answer::ok("STORE done"))
}

pub(in crate::doors::imap) fn read_only() -> Answer {
    Answer::no(Code::Cannot, "the mailbox is open for reading only")
}

/// What becomes of the flags of every message named.
#[derive(Clone, Debug)]
pub(in crate::doors::imap) struct Change {
    pub(in crate::doors::imap) how: How,
    pub(in crate::doors::imap) named: Named,
    pub(in crate::doors::imap) unchanged_since: Option<Modseq>,
}

impl Change {
    /// What reading a message does to it. RFC 9051 §6.4.5.
    pub(in crate::doors::imap) fn seen() -> Self {
        Self {
            how: How::Add,
            named: Named { flags: Flags::SEEN, keywords: Vec::new() },
            unchanged_since: None,
        }
    }
}

/// What became of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Outcome {
    /// It changed, and the folder's log says so.
    Logged {
        /// When it had changed before.
        before: Modseq,
        now: Modseq,
    },
    /// It was like that before, or all that changed is the account's own.
    Same,
    /// It had changed after what the client knows.
    Modified,
    /// It is not there any more.
    Missing,
}

/// Changes the flags of some messages in one transaction.
pub(in crate::doors::imap) async fn perform(
    session: &mut Session,
    uids: &[u32],
    change: &Change,
) -> Result<Vec<(u32, Outcome)>, Stop> {
    let Some(user) = session.state.user() else { return Err(Stop::Bye("nobody is logged in")) };
    let acting = user.acting.clone();
    let Some(selected) = session.state.selected() else { return Err(Stop::Gone) };
    let (folder, uids, change) = (selected.folder, uids.to_vec(), change.clone());
    let written = session
        .services
        .mailbox
        .write(acting, Origin::OTHER, move |tx| change_all(tx, folder, &uids, &change));
    written.await.map_err(|e| match e {
        Error::Invalid(why) => Stop::Answer(Answer::no(Code::Limit, why)),
        other => other.into(),
    })
}

fn change_all(
    tx: &mut MailTx<'_, '_>,
    folder: FolderId,
    uids: &[u32],
    change: &Change,
) -> Result<Vec<(u32, Outcome)>, Error> {
    let at = tx.granted(folder)?;
    let may = Allowed::of(&at, &change.named, change.how)?;
    let each = |uid: &u32| Ok((*uid, change_one(tx, &at, Uid(*uid), change, may)?));
    uids.iter().map(each).collect()
}

fn change_one<'g>(
    tx: &mut MailTx<'_, 'g>,
    at: &Granted<'g>,
    uid: Uid,
    change: &Change,
    may: Allowed,
) -> Result<Outcome, Error> {
    let item = match tx.item(at, uid) {
        Ok(item) => item,
        // One that cannot be read is none that could be changed.
        Err(e) if matches!(e, Error::Missing) || e.is_damage() => return Ok(Outcome::Missing),
        Err(e) => return Err(e),
    };
    if change.unchanged_since.is_some_and(|since| item.modseq > since) {
        return Ok(Outcome::Modified);
    }
    let placed = tx.edit(at, uid, &edit(&item, change, may), Knew(None))?;
    Ok(if placed.modseq > item.modseq {
        Outcome::Logged { before: item.modseq, now: placed.modseq }
    } else {
        Outcome::Same
    })
}

/// What of a change the acting account may do.
#[derive(Clone, Copy)]
struct Allowed {
    flags: Flags,
    keywords: bool,
}

impl Allowed {
    /// What is not allowed is left out, but for somebody who may do nothing of it. RFC 4314 §4.
    fn of(at: &Granted<'_>, named: &Named, how: How) -> Result<Self, Error> {
        let rights = at.rights();
        let seen = if rights.has(Rights::SEEN) { Flags::SEEN } else { Flags::NONE };
        let deleted = if rights.has(Rights::DELETE_ITEM) { Flags::DELETED } else { Flags::NONE };
        let keywords = rights.has(Rights::WRITE);
        let others = if keywords { ALL.without(Flags::SEEN.and(Flags::DELETED)) } else { Flags::NONE };
        let flags = seen.and(deleted).and(others);
        let wants_flags = how == How::Replace || named.flags != Flags::NONE;
        let some_flags = match how {
            How::Replace => flags != Flags::NONE,
            How::Add | How::Remove => named.flags.without(flags) != named.flags,
        };
        let wants = wants_flags || !named.keywords.is_empty();
        let may = wants_flags && some_flags || !named.keywords.is_empty() && keywords;
        if wants && !may { Err(Error::Denied) } else { Ok(Self { flags, keywords }) }
    }
}

/// Every flag that has a bit.
const ALL: Flags = {
    let mut all = Flags::NONE;
    let mut rest: &[(Flags, &str)] = &flags::NAMES;
    while let [(flag, _), more @ ..] = rest {
        all = all.and(*flag);
        rest = more;
    }
    all
};

/// A change as one of this item. Case does not count in keywords, and an item keeps how one was first
/// spelled; those that IMAP cannot show stay in any case.
fn edit(item: &Item, change: &Change, may: Allowed) -> Edit {
    let Named { flags: named, keywords } = &change.named;
    let named = Flags(named.0 & may.flags.0);
    let has = |word: &String| item.keywords.iter().any(|k| k.eq_ignore_ascii_case(word));
    let is_named = |word: &String| keywords.iter().any(|k| k.eq_ignore_ascii_case(word));
    let new = || keywords.iter().filter(|k| may.keywords && !has(k)).cloned().collect();
    let old = |goes: &dyn Fn(&String) -> bool| {
        item.keywords.iter().filter(|k| may.keywords && goes(k)).cloned().collect()
    };
    match change.how {
        How::Add => Edit { set: named, add_keywords: new(), ..Edit::default() },
        How::Remove => Edit { clear: named, remove_keywords: old(&is_named), ..Edit::default() },
        How::Replace => Edit {
            set: named,
            clear: may.flags.without(named),
            add_keywords: new(),
            remove_keywords: old(&|k| flags::is_keyword(k) && !is_named(k)),
            ..Edit::default()
        },
    }
}

/// Answers what the change log will not tell: messages that were as wanted before, and with `silent` the
/// modseqs of the others, of which nothing else is told then.
async fn answer_each(session: &mut Session, outcomes: Vec<(u32, Outcome)>, silent: bool) -> Result<(), Stop> {
    let condstore = session.enabled.condstore;
    let mut same = Vec::new();
    let mut out = Out::default();
    let Some(selected) = session.state.selected() else { return Err(Stop::Gone) };
    for (uid, outcome) in outcomes {
        match outcome {
            // What somebody else changed before is news for the client, and told with the rest.
            Outcome::Logged { before, now } if silent && selected.has_heard_of(before) => {
                selected.knows(now);
                if condstore {
                    tell_modseq(selected, uid, now, &mut out);
                }
            }
            Outcome::Same if !silent || condstore => same.push(uid),
            _ => {}
        }
    }
    if !same.is_empty() {
        let told = with_selected(&mut session.state, &session.services, move |selected, mailbox, user| {
            let view = mailbox.view(user.acting.clone())?;
            let folder = view.readable(selected.folder)?;
            for uid in same {
                let (Some(seq), Some(item)) = (selected.uids.seq(uid), view.item(&folder, Uid(uid))?) else {
                    continue;
                };
                if silent {
                    tell_modseq(selected, uid, item.modseq, &mut out);
                } else {
                    tell_flags(seq, &item, condstore, &mut out);
                }
            }
            Ok::<_, Error>(out)
        });
        out = told.await??;
    }
    Ok(session.wire.send(out).await?)
}

fn tell_modseq(selected: &Selected, uid: u32, modseq: Modseq, out: &mut Out) {
    if let Some(seq) = selected.uids.seq(uid) {
        out.format(format_args!("* {seq} FETCH (UID {uid} MODSEQ ({}))\r\n", modseq.0));
    }
}
