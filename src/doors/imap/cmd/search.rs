//! SEARCH, and its answer in the old form and the new. RFC 9051 §6.4.4, §7.3.4; RFC 3501 §7.2.5.

use crate::doors::imap::conn::{Session, with_selected};
use crate::doors::imap::grammar::{Key, Returns, Search};
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::search::{Found, Hunt, Progress};
use crate::doors::imap::state::Selected;

pub(in crate::doors::imap) async fn search(
    session: &mut Session,
    tag: &str,
    search: Search,
) -> Result<Answer, Stop> {
    let Search { by_uid, returns, key } = search;
    let tells_modseq = mentions_modseq(&key);
    session.enabled.condstore |= tells_modseq;
    // RFC 9051 §6.4.4: the new form is the only one of revision 2.
    let returns = match returns {
        None if session.enabled.rev2 => Some(Returns { all: true, ..Returns::default() }),
        returns => returns,
    };
    let saves = returns.is_some_and(|returns| returns.save);
    let now = session.services.clock.now();
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    let hunt = Hunt::new(key, selected, now);
    if saves {
        // RFC 9051 §6.4.4.1: nothing is saved by a search that fails.
        selected.saved.clear();
    }
    let found = match run(session, hunt).await? {
        Ok(hunt) => hunt.into_found(),
        Err(answer) => return Ok(answer),
    };
    let Some(selected) = session.state.selected() else { return Err(Stop::Gone) };
    if let Some(returns) = returns.filter(|returns| returns.save) {
        selected.saved = ranges(&saved(&found.uids, returns));
    }
    let mut out = Out::default();
    let numbers = numbers(selected, &found, by_uid);
    let modseq = (tells_modseq && !found.uids.is_empty()).then_some(found.highest);
    match returns {
        Some(returns) => extended((tag, by_uid, returns), &numbers, &ranges(&numbers), modseq, &mut out),
        None => plain("SEARCH", &numbers, modseq, &mut out),
    }
    session.wire.send(out).await?;
    Ok(Answer::ok("SEARCH done"))
}

/// Runs a search to its end, batch by batch; not for one who is gone.
pub(super) async fn run(session: &mut Session, mut hunt: Hunt) -> Result<Result<Hunt, Answer>, Stop> {
    loop {
        let Session { wire, state, services, .. } = &mut *session;
        let batch = with_selected(state, services, move |selected, mailbox, user| {
            let progress = hunt.batch(mailbox, &user.acting, selected);
            (hunt, progress)
        });
        let (rest, progress) = tokio::select! {
            batch = batch => batch?,
            // The batch under way is the last one.
            ended = wire.hung_up() => return Err(ended.into()),
        };
        hunt = rest;
        match progress? {
            Progress::More => {}
            Progress::Done => return Ok(Ok(hunt)),
            Progress::TooMuch => {
                let text = "that reads too much; search fewer messages";
                return Ok(Err(Answer::no(Code::Limit, text)));
            }
        }
    }
}

pub(super) fn mentions_modseq(key: &Key) -> bool {
    match key {
        Key::ModSeq(_) => true,
        Key::Not(key) => mentions_modseq(key),
        Key::And(keys) | Key::Or(keys) => keys.iter().any(mentions_modseq),
        _ => false,
    }
}

/// What the client counts messages by.
pub(super) fn numbers(selected: &Selected, found: &Found, by_uid: bool) -> Vec<u32> {
    if by_uid {
        return found.uids.clone();
    }
    found.uids.iter().filter_map(|uid| selected.uids.seq(*uid)).collect()
}

/// RFC 9051 §6.4.4.1: what SAVE keeps depends on what is asked for beside it.
pub(super) fn saved(uids: &[u32], returns: Returns) -> Vec<u32> {
    if returns.all || returns.count || !(returns.min || returns.max) {
        return uids.to_vec();
    }
    let min = uids.first().filter(|_| returns.min);
    let max = uids.last().filter(|_| returns.max);
    min.into_iter().chain(max).copied().collect()
}

/// `* SEARCH 2 3 6`, or `* SORT 6 2 3`.
pub(super) fn plain(name: &str, numbers: &[u32], modseq: Option<u64>, out: &mut Out) {
    out.text("* ");
    out.text(name);
    for number in numbers {
        out.byte(b' ');
        out.number(u64::from(*number));
    }
    if let Some(modseq) = modseq {
        out.format(format_args!(" (MODSEQ {modseq})"));
    }
    out.text("\r\n");
}

/// `* ESEARCH (TAG "a") UID COUNT 3 ALL 2:3,6`; `all` are the numbers as they are to be told, and the first and
/// the last of them are MIN and MAX. RFC 9051 §7.3.4, RFC 5267 §3.
pub(super) fn extended(
    (tag, by_uid, returns): (&str, bool, Returns),
    numbers: &[u32],
    all: &[(u32, u32)],
    modseq: Option<u64>,
    out: &mut Out,
) {
    if returns == (Returns { save: true, ..Returns::default() }) {
        return;
    }
    out.text("* ESEARCH (TAG ");
    out.string(tag);
    out.byte(b')');
    if by_uid {
        out.text(" UID");
    }
    if let Some(min) = numbers.first().filter(|_| returns.min) {
        out.format(format_args!(" MIN {min}"));
    }
    if let Some(max) = numbers.last().filter(|_| returns.max) {
        out.format(format_args!(" MAX {max}"));
    }
    if returns.count {
        out.format(format_args!(" COUNT {}", numbers.len()));
    }
    if returns.all && !numbers.is_empty() {
        let mut between = " ALL ";
        for (low, high) in all {
            out.text(between);
            between = ",";
            out.number(u64::from(*low));
            if high != low {
                out.byte(b':');
                out.number(u64::from(*high));
            }
        }
    }
    if let Some(modseq) = modseq {
        out.format(format_args!(" MODSEQ {modseq}"));
    }
    out.text("\r\n");
}

/// Ordered numbers as ranges.
pub(super) fn ranges(numbers: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(*number) => *high = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let written = |f: &dyn Fn(&mut Out)| {
            let mut out = Out::default();
            f(&mut out);
            out.into_string()
        };
        assert_eq!(written(&|out| plain("SEARCH", &[2, 3, 6], None, out)), "* SEARCH 2 3 6\r\n");
        assert_eq!(written(&|out| plain("SEARCH", &[], None, out)), "* SEARCH\r\n");
        assert_eq!(written(&|out| plain("SEARCH", &[7], Some(9), out)), "* SEARCH 7 (MODSEQ 9)\r\n");
        let all = Returns { min: true, max: true, all: true, count: true, save: false };
        assert_eq!(
            written(&|out| extended(("a1", true, all), &[2, 3, 6], &ranges(&[2, 3, 6]), Some(9), out)),
            "* ESEARCH (TAG \"a1\") UID MIN 2 MAX 6 COUNT 3 ALL 2:3,6 MODSEQ 9\r\n"
        );
        assert_eq!(
            written(&|out| extended(("a", false, all), &[], &[], None, out)),
            "* ESEARCH (TAG \"a\") COUNT 0\r\n"
        );
        let save = Returns { save: true, ..Returns::default() };
        assert_eq!(written(&|out| extended(("a", false, save), &[1], &[(1, 1)], None, out)), "");
        assert_eq!(saved(&[1, 2, 3], Returns { max: true, save: true, ..Returns::default() }), [3]);
        assert_eq!(saved(&[1, 2, 3], save), [1, 2, 3]);
    }
}
