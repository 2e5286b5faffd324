//! ENABLE. RFC 9051 §6.3.1; RFC 5161.

use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::Extension;
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::state::State;

pub(in crate::doors::imap) async fn enable(
    session: &mut Session,
    extensions: Vec<Extension>,
) -> Result<Answer, Stop> {
    // RFC 5161 §3.1: before a mailbox is selected, since what is enabled changes how it is told of.
    if matches!(session.state, State::Selected(..)) {
        return Ok(Answer::bad("ENABLE comes before a mailbox is selected"));
    }
    let mut out = Out::default();
    out.text("* ENABLED");
    for extension in extensions {
        let enabled = &mut session.enabled;
        let (is_on, name) = match extension {
            Extension::Imap4Rev2 => (&mut enabled.rev2, " IMAP4rev2"),
            Extension::Utf8Accept => (&mut enabled.utf8, " UTF8=ACCEPT"),
            Extension::Condstore => (&mut enabled.condstore, " CONDSTORE"),
            Extension::Qresync => (&mut enabled.qresync, " QRESYNC"),
        };
        if !std::mem::replace(is_on, true) {
            out.text(name);
        }
    }
    // RFC 7162 §3.2.3: QRESYNC brings CONDSTORE with it.
    session.enabled.condstore |= session.enabled.qresync;
    out.text("\r\n");
    session.wire.send(out).await?;
    Ok(Answer::ok("enabled"))
}
