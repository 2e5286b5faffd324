//! COMPRESS. RFC 4978.

use crate::doors::imap::conn::Session;
use crate::doors::imap::reply::{Answer, Code, Stop};

/// Why compression does not begin, if it does not.
pub(in crate::doors::imap) fn refusal(session: &Session) -> Result<Option<Answer>, Stop> {
    if session.wire.is_compressed() {
        let text = "DEFLATE is in use already";
        return Ok(Some(Answer::no(Code::CompressionActive, text)));
    }
    if session.wire.has_input() {
        // RFC 4978 §3: the client waits for the answer, since what follows it is compressed.
        return Err(Stop::Bye("nothing may follow COMPRESS before its answer"));
    }
    Ok(None)
}

/// The last answer in clear.
pub(in crate::doors::imap) fn begun() -> Answer {
    Answer::ok("DEFLATE begins")
}
