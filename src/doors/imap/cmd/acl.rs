//! Answers to come.

use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::Acl;
use crate::doors::imap::reply::{Answer, Code, Stop};

pub(in crate::doors::imap) async fn acl(_session: &mut Session, _asked: Acl) -> Result<Answer, Stop> {
    Ok(Answer::no(Code::Cannot, "not yet"))
}
