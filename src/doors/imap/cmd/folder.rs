//! Answers to come.

use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::FolderCommand;
use crate::doors::imap::reply::{Answer, Code, Stop};

pub(in crate::doors::imap) async fn folder(
    _session: &mut Session,
    _asked: FolderCommand,
) -> Result<Answer, Stop> {
    Ok(Answer::no(Code::Cannot, "not yet"))
}
