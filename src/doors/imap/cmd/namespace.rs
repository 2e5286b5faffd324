//! NAMESPACE: where an account's own mailboxes are, and where others'. RFC 2342; RFC 9051 §6.3.10.

use crate::doors::imap::conn::Session;
use crate::doors::imap::out::Out;
use crate::doors::imap::pattern::SEPARATOR;
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::tree::OTHERS;

pub(in crate::doors::imap) async fn namespace(session: &mut Session) -> Result<Answer, Stop> {
    let mut out = Out::default();
    let separator = SEPARATOR;
    out.format(format_args!(
        "* NAMESPACE ((\"\" \"{separator}\")) ((\"{OTHERS}{separator}\" \"{separator}\")) NIL\r\n"
    ));
    session.wire.send(out).await?;
    Ok(Answer::ok("NAMESPACE done"))
}
