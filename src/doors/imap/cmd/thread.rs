//! Answers to come.

use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::Thread;
use crate::doors::imap::reply::{Answer, Code, Stop};

pub(in crate::doors::imap) async fn thread(_session: &mut Session, _asked: Thread) -> Result<Answer, Stop> {
    Ok(Answer::no(Code::Cannot, "not yet"))
}
