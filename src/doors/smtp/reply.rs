//! What the server says: every reply, and the one place where errors become SMTP's words.
//! RFC 5321 §4.2; enhanced status codes by RFC 2034 and RFC 3463.

use std::fmt::Write;

use super::codec::Fault;
use super::command::CommandError;
use crate::delivery::{self, AddressError, Refusal};
use crate::directory::AuthError;
use crate::store;

/// A reply of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    /// The reply code.
    pub(super) code: u16,
    /// The enhanced status code, where one belongs.
    status: &'static str,
    text: &'static str,
}

const fn reply(code: u16, status: &'static str, text: &'static str) -> Reply {
    Reply { code, status, text }
}

pub(super) const BYE: Reply = reply(221, "2.0.0", "Bye");
pub(super) const READY_FOR_TLS: Reply = reply(220, "2.0.0", "Ready to start TLS");
pub(super) const AUTHENTICATED: Reply = reply(235, "2.7.0", "Authenticated");
pub(super) const OK: Reply = reply(250, "2.0.0", "OK");
pub(super) const SENDER_OK: Reply = reply(250, "2.1.0", "Sender OK");
pub(super) const RECIPIENT_OK: Reply = reply(250, "2.1.5", "Recipient OK");
pub(super) const CHUNK_OK: Reply = reply(250, "2.0.0", "Chunk received");
pub(super) const DELIVERED: Reply = reply(250, "2.0.0", "Message delivered");
pub(super) const CANNOT_VERIFY: Reply = reply(252, "2.1.5", "Cannot verify; send the message to find out");
pub(super) const HELP: Reply = reply(214, "2.0.0", "See RFC 5321");
pub(super) const GO_AHEAD: Reply = reply(354, "", "End with a dot on a line by itself");
pub(super) const ASK_USER: Reply = reply(334, "", "VXNlcm5hbWU6");
pub(super) const ASK_PASSWORD: Reply = reply(334, "", "UGFzc3dvcmQ6");
pub(super) const ASK_EMPTY: Reply = reply(334, "", "");

pub(super) const STOPPING: Reply = reply(421, "4.3.2", "The server is stopping; try again later");
pub(super) const TIMEOUT: Reply = reply(421, "4.4.2", "Timeout");
pub(super) const TOO_MANY_ERRORS: Reply = reply(421, "4.7.0", "Too many errors");
pub(super) const TOO_MANY_COMMANDS: Reply = reply(421, "4.7.0", "Too many commands without a message");
pub(super) const TEMPORARY: Reply = reply(451, "4.3.0", "Temporary failure; try again later");
pub(super) const TOO_MANY_RECIPIENTS: Reply = reply(452, "4.5.3", "Too many recipients");
pub(super) const TLS_UNAVAILABLE: Reply = reply(454, "4.7.0", "TLS is not available");

pub(super) const UNKNOWN_COMMAND: Reply = reply(500, "5.5.1", "Unknown command");
pub(super) const LINE_TOO_LONG: Reply = reply(500, "5.5.2", "Line too long");
pub(super) const BARE_LINE_END: Reply =
    reply(500, "5.5.2", "A line must end with CRLF and hold no other CR or LF");
pub(super) const BAD_BASE64: Reply = reply(501, "5.5.2", "Cannot decode the response");
pub(super) const AUTH_CANCELLED: Reply = reply(501, "5.7.0", "Authentication cancelled");
pub(super) const NO_EXPN: Reply = reply(502, "5.5.1", "EXPN is not offered");
pub(super) const NO_AUTH_HERE: Reply = reply(502, "5.5.1", "AUTH is not offered here");
pub(super) const NO_TLS_HERE: Reply = reply(502, "5.5.1", "STARTTLS is not offered here");
pub(super) const WRONG_HELLO: Reply = reply(500, "5.5.1", "Use the greeting of this protocol");
pub(super) const HELLO_FIRST: Reply = reply(503, "5.5.1", "Greet first");
pub(super) const MAIL_FIRST: Reply = reply(503, "5.5.1", "MAIL first");
pub(super) const NO_RECIPIENTS: Reply = reply(503, "5.5.1", "No valid recipients");
pub(super) const NESTED_MAIL: Reply = reply(503, "5.5.1", "A transaction is already under way");
pub(super) const CHUNKS_UNDER_WAY: Reply = reply(503, "5.5.1", "BDAT has begun; go on with BDAT or RSET");
pub(super) const ALREADY_AUTHENTICATED: Reply = reply(503, "5.5.1", "Already authenticated");
pub(super) const ALREADY_TLS: Reply = reply(503, "5.5.1", "TLS is already active");
pub(super) const UNKNOWN_MECHANISM: Reply = reply(504, "5.5.4", "Unknown mechanism; use PLAIN or LOGIN");
pub(super) const AUTH_FIRST: Reply = reply(530, "5.7.0", "Authentication required");
pub(super) const BAD_CREDENTIALS: Reply = reply(535, "5.7.8", "Wrong user name or password");
pub(super) const TLS_FIRST: Reply = reply(538, "5.7.11", "Encryption required for authentication");
pub(super) const NO_SUCH_USER: Reply = reply(550, "5.1.1", "No such user");
pub(super) const RELAY_DENIED: Reply = reply(550, "5.7.1", "Relaying denied");
pub(super) const TOO_BIG: Reply = reply(552, "5.3.4", "Message too big");
pub(super) const SENDER_NOT_YOURS: Reply = reply(553, "5.7.1", "The sender address is not yours");
pub(super) const PIPELINED_STARTTLS: Reply =
    reply(554, "5.5.1", "Nothing may follow STARTTLS before TLS is active");
const BARE_IN_MESSAGE: Reply = reply(554, "5.6.0", "The message has a CR or LF that is no CRLF");
const BUSY: Reply = reply(451, "4.3.2", "Too many messages at once; try again later");

/// Appends a reply to what is to be sent.
pub(super) fn write(out: &mut Vec<u8>, reply: Reply) {
    let Reply { code, status, text } = reply;
    let separator = if status.is_empty() { "" } else { " " };
    out.extend_from_slice(format!("{code} {status}{separator}{text}\r\n").as_bytes());
}

/// Appends a reply of several lines without enhanced codes, as EHLO's. RFC 5321 §4.2.1.
pub(super) fn write_lines(out: &mut Vec<u8>, code: u16, lines: &[String]) {
    let mut text = String::new();
    for (left, line) in lines.iter().enumerate().map(|(n, line)| (lines.len().saturating_sub(n), line)) {
        let separator = if left > 1 { '-' } else { ' ' };
        // Writing to a string cannot fail.
        let _ = write!(text, "{code}{separator}{line}\r\n");
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends the reply to an accepted message, with the name it has in our logs.
pub(super) fn write_accepted(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(format!("250 2.0.0 Accepted as {id}\r\n").as_bytes());
}

/// A line that is no command.
pub(super) fn command_error(error: CommandError) -> Reply {
    match error {
        CommandError::Unknown => UNKNOWN_COMMAND,
        CommandError::Bytes => reply(500, "5.5.2", "The line holds bytes that no command has"),
        CommandError::Arguments => reply(501, "5.5.4", "Malformed arguments"),
        CommandError::Sender(error) => address_error(error, true),
        CommandError::Recipient(error) => address_error(error, false),
        CommandError::NeedsUtf8 => reply(553, "5.6.7", "Such an address needs SMTPUTF8"),
        CommandError::UnknownParameter => reply(555, "5.5.4", "Unknown parameter"),
        CommandError::Parameter => reply(501, "5.5.4", "Malformed or repeated parameter"),
        CommandError::NotImplemented => reply(504, "5.5.4", "Parameter not implemented"),
    }
}

fn address_error(error: AddressError, sender: bool) -> Reply {
    let status = if sender { "5.1.7" } else { "5.1.3" };
    match error {
        AddressError::Syntax => reply(501, status, "Malformed address"),
        AddressError::EmptyLocal => reply(501, status, "The local part is empty"),
        AddressError::LocalTooLong => reply(501, status, "The local part is too long"),
        AddressError::DomainTooLong => reply(501, status, "The domain or path is too long"),
    }
}

/// A message that was read and cannot be taken.
pub(super) fn fault(fault: Fault) -> Reply {
    match fault {
        Fault::TooBig => TOO_BIG,
        Fault::Bare => BARE_IN_MESSAGE,
        Fault::Busy => BUSY,
    }
}

/// A recipient that did not get the message.
pub(super) fn refusal(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::NoSuchUser => NO_SUCH_USER,
        Refusal::OverQuota => reply(452, "4.2.2", "The mailbox is full"),
        Refusal::Forbidden => reply(550, "5.7.1", "The mailbox takes no mail"),
        Refusal::Unavailable => reply(451, "4.2.0", "The mailbox cannot be used just now"),
    }
}

/// A login that failed. RFC 4954 §6, RFC 5248.
pub(super) fn auth_error(error: &AuthError) -> Reply {
    match error {
        AuthError::Refused => BAD_CREDENTIALS,
        AuthError::Denied => reply(525, "5.7.13", "The account may not send mail"),
        AuthError::TooMany { .. } => reply(454, "4.7.0", "Too many failures; try again later"),
        AuthError::Busy => reply(454, "4.7.0", "Too many logins at once; try again later"),
        _ => reply(454, "4.7.0", "Temporary failure; try again later"),
    }
}

/// A message that was not accepted. `None` when nobody can know whether it is stored: then no answer is
/// given and the connection ends, which makes every client try again (RFC 5321 §4.1.1.10) and tells
/// none of them that it had failed.
pub(super) fn delivery_error(error: &delivery::Error) -> Option<Reply> {
    match error {
        delivery::Error::Loop => Some(reply(554, "5.4.6", "The message is going in circles")),
        delivery::Error::FromNotYours => Some(reply(550, "5.7.1", "The From address is not yours")),
        delivery::Error::BadFrom => Some(reply(550, "5.6.0", "One From field with an address is needed")),
        delivery::Error::Store(error) => store_error(error),
    }
}

/// The store's errors; `None` as above.
pub(super) fn store_error(error: &store::Error) -> Option<Reply> {
    match error {
        store::Error::Full => Some(reply(452, "4.3.1", "Out of storage; try again later")),
        store::Error::Unknown(_) => None,
        _ => Some(TEMPORARY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut out = Vec::new();
        write(&mut out, OK);
        write(&mut out, ASK_EMPTY);
        write_lines(&mut out, 250, &["a".into(), "b".into()]);
        assert_eq!(String::from_utf8_lossy(&out), "250 2.0.0 OK\r\n334 \r\n250-a\r\n250 b\r\n");
    }

    #[test]
    fn an_unknown_outcome_has_no_answer() {
        assert_eq!(delivery_error(&delivery::Error::Store(store::Error::Unknown("EIO".into()))), None);
        assert_eq!(store_error(&store::Error::Full).map(|r| r.code), Some(452));
        assert_eq!(store_error(&store::Error::Stopped).map(|r| r.code), Some(451));
    }
}
