//! Answers to come.

use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::Quota;
use crate::doors::imap::reply::{Answer, Code, Stop};

pub(in crate::doors::imap) async fn quota(_session: &mut Session, _asked: Quota) -> Result<Answer, Stop> {
    Ok(Answer::no(Code::Cannot, "not yet"))
}
