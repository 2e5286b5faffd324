//! LOGIN and AUTHENTICATE PLAIN. RFC 9051 §6.2.2, §6.2.3; RFC 4616; RFC 4959.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::capability;
use crate::directory::Service;
use crate::doors::imap::conn::Session;
use crate::doors::imap::grammar::{Credentials, Mechanism};
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::{State, User};

/// Longest response to a challenge, in base64.
const RESPONSE_MAX: usize = 8 << 10;
/// Refused logins after which the connection is closed.
const FAILURES_MAX: u32 = 5;

pub(in crate::doors::imap) async fn login(
    session: &mut Session,
    credentials: Credentials,
) -> Result<Answer, Stop> {
    match refusal(session) {
        Some(answer) => Ok(answer),
        None => check(session, credentials).await,
    }
}

pub(in crate::doors::imap) async fn authenticate(
    session: &mut Session,
    mechanism: Mechanism,
    initial: Option<Vec<u8>>,
) -> Result<Answer, Stop> {
    match mechanism {
        Mechanism::Plain => {}
        Mechanism::Unknown => return Ok(Answer::no(Code::Cannot, "unknown SASL mechanism")),
    }
    if let Some(answer) = refusal(session) {
        return Ok(answer);
    }
    let response = match initial {
        Some(response) => response,
        None => {
            session.wire.write(b"+ \r\n").await?;
            match session.wire.line(RESPONSE_MAX).await? {
                Some(line) => line,
                None => return Err(Stop::Bye("the response is too long")),
            }
        }
    };
    if response == b"*" {
        return Ok(Answer::bad("AUTHENTICATE cancelled"));
    }
    let Ok(message) = STANDARD.decode(&response) else {
        return Ok(Answer::bad("the response is not base64"));
    };
    match plain(&message) {
        Some(credentials) => check(session, credentials).await,
        None => Ok(Answer::bad("the response is not a PLAIN message for the user that logs in")),
    }
}

/// RFC 4616 §2: `[authzid] NUL authcid NUL passwd`. Nobody may act for others here.
fn plain(message: &[u8]) -> Option<Credentials> {
    let mut parts = message.splitn(3, |b| *b == 0);
    let (acts_for, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if (!acts_for.is_empty() && acts_for != user) || password.contains(&0) {
        return None;
    }
    Some(Credentials { user: user.to_vec(), password: password.to_vec() })
}

/// Why nobody can log in here and now.
fn refusal(session: &Session) -> Option<Answer> {
    (!session.may_log_in())
        .then(|| Answer::no(Code::PrivacyRequired, "logging in needs TLS: use STARTTLS or the TLS port"))
}

async fn check(session: &mut Session, credentials: Credentials) -> Result<Answer, Stop> {
    let user = String::from_utf8_lossy(&credentials.user);
    let peer = session.peer.address.ip();
    let directory = &session.services.directory;
    match directory.authenticate(&user, &credentials.password, peer, Service::Imap).await {
        Ok(login) => {
            tracing::info!(account = login.account.id.0, "logged in");
            session.state = State::Authenticated(User::new(login, session.services.clock.now()));
            Ok(Answer::ok_with(Code::Capability(capability::list(session)), "logged in"))
        }
        Err(e) => {
            session.services.metrics.auth_failure(Service::Imap.name());
            session.refused_logins = session.refused_logins.saturating_add(1);
            if session.refused_logins >= FAILURES_MAX {
                return Err(Stop::Bye("too many refused logins"));
            }
            Ok(e.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_messages() {
        let credentials = |user: &str, password: &str| {
            Some(Credentials { user: user.as_bytes().to_vec(), password: password.as_bytes().to_vec() })
        };
        assert_eq!(plain(b"\0alice\0secret"), credentials("alice", "secret"));
        assert_eq!(plain(b"alice\0alice\0"), credentials("alice", ""));
        for bad in [&b"bob\0alice\0x"[..], b"alice\0x", b"", b"\0a\0b\0c"] {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
    }
}
