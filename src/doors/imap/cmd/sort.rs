//! SORT. RFC 5256; RFC 5267 §3 for `RETURN`.

use super::search::{extended, mentions_modseq, numbers, plain, ranges, run, saved};
use crate::doors::imap::conn::{Session, blocking};
use crate::doors::imap::grammar::Sort;
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
        // In the order of the answer: nothing is drawn together.
        Some(returns) => {
            let all: Vec<_> = numbers.iter().map(|number| (*number, *number)).collect();
            extended((tag, by_uid, returns), &numbers, &all, modseq, &mut out);
        }
        None => plain("SORT", &numbers, modseq, &mut out),
    }
    session.wire.send(out).await?;
    Ok(Answer::ok("SORT done"))
}
