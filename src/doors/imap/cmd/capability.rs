//! CAPABILITY, ID and NAMESPACE: who each side is and what it can do. RFC 9051 §6.1.1, §6.3.10; RFC 2971.

use crate::doors::imap::conn::Session;
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Stop};

/// What can be done before a login.
const BEFORE: &str = "IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID ENABLE";
/// What can be done after it.
const AFTER: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE IDLE NAMESPACE UNSELECT CHILDREN LIST-EXTENDED \
                     LIST-STATUS SPECIAL-USE STATUS=SIZE ESEARCH SEARCHRES BINARY OBJECTID PREVIEW UTF8=ACCEPT \
                     UIDPLUS MOVE MULTIAPPEND CONDSTORE QRESYNC";
/// What can be done after it: mailboxes as a whole, their rights, and what is found in them.
const ALSO: &str = "CREATE-SPECIAL-USE LIST-MYRIGHTS ACL RIGHTS=texk0 QUOTA QUOTA=RES-STORAGE SORT SORT=DISPLAY ESORT \
                    THREAD=ORDEREDSUBJECT THREAD=REFERENCES WITHIN";

/// What the server can do for this client now.
pub(in crate::doors::imap) fn list(session: &Session) -> String {
    if session.state.user().is_some() {
        let compress = if session.wire.is_compressed() { "" } else { " COMPRESS=DEFLATE" };
        return format!("{AFTER} {ALSO}{compress}");
    }
    let start_tls = if session.may_start_tls() { " STARTTLS" } else { "" };
    let login = if session.may_log_in() { " AUTH=PLAIN" } else { " LOGINDISABLED" };
    format!("{BEFORE}{start_tls}{login}")
}

pub(in crate::doors::imap) async fn capability(session: &mut Session) -> Result<Answer, Stop> {
    let mut out = Out::default();
    out.format(format_args!("* CAPABILITY {}\r\n", list(session)));
    session.wire.send(out).await?;
    Ok(Answer::ok("that is what it can do"))
}

pub(in crate::doors::imap) async fn id(
    session: &mut Session,
    fields: Vec<(String, Option<String>)>,
) -> Result<Answer, Stop> {
    // Quoted by Debug: it may be anything.
    tracing::debug!(?fields, "the client says who it is");
    let mut out = Out::default();
    out.text("* ID (\"name\" \"Folkmoot\" \"version\" ");
    out.string(env!("CARGO_PKG_VERSION"));
    out.text(")\r\n");
    session.wire.send(out).await?;
    Ok(Answer::ok("pleased to meet you"))
}
