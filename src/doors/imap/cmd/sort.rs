//! SORT. RFC 5256; RFC 5267 §3 for `RETURN`.

use super::search::{mentions_modseq, numbers, ranges, run, saved};
use crate::doors::imap::conn::{Session, blocking};
use crate::doors::imap::grammar::{Returns, Sort};
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::search::Hunt;

pub(in crate::doors::imap) async fn sort(
    session: &mut Session,
    tag: &str,
    sort: Sort,
) -> Result<Answer, Stop> {
    let Sort { by_uid, returns, criteria, key } = sort;
    let tells_modseq = mentions_modseq(&key);
    session.enabled.condstore |= tells_modseq;
    let now = session.services.clock.now();
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    let hunt = Hunt::new(key, selected, now).sorting(criteria);
    if returns.is_some_and(|returns| returns.save) {
        selected.saved.clear();
    }
    let hunt = match run(session, hunt).await? {
        Ok(hunt) => hunt,
        Err(answer) => return Ok(answer),
    };
    let found = blocking(move || hunt.into_found()).await?;
    let Some(selected) = session.state.selected() else { return Err(Stop::Gone) };
    if let Some(returns) = returns.filter(|returns| returns.save) {
        let mut kept = saved(&found.uids, returns);
        kept.sort_unstable();
        selected.saved = ranges(&kept);
    }
    let numbers = numbers(selected, &found, by_uid);
    let modseq = (tells_modseq && !found.uids.is_empty()).then_some(found.highest);
    let mut out = Out::default();
    match returns {
        Some(returns) => extended(tag, by_uid, returns, &numbers, modseq, &mut out),
        None => {
            out.text("* SORT");
            numbers.iter().for_each(|number| out.format(format_args!(" {number}")));
            if let Some(modseq) = modseq {
                out.format(format_args!(" (MODSEQ {modseq})"));
            }
            out.text("\r\n");
        }
    }
    session.wire.send(out).await?;
    Ok(Answer::ok("SORT done"))
}

/// `* ESEARCH (TAG "a") UID MIN 5 MAX 2 ALL 5,3,4,2 COUNT 4`: the first and the last are those of the order.
fn extended(tag: &str, by_uid: bool, returns: Returns, numbers: &[u32], modseq: Option<u64>, out: &mut Out) {
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
        for number in numbers {
            out.text(between);
            between = ",";
            out.number(u64::from(*number));
        }
    }
    if let Some(modseq) = modseq {
        out.format(format_args!(" MODSEQ {modseq}"));
    }
    out.text("\r\n");
}
