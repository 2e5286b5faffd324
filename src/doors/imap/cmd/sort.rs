//! Answers to come.

use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::Sort;
use crate::doors::imap::reply::{Answer, Code, Stop};

pub(in crate::doors::imap) async fn sort(
    _session: &mut Session,
    _tag: &str,
    _asked: Sort,
) -> Result<Answer, Stop> {
    Ok(Answer::no(Code::Cannot, "not yet"))
}
