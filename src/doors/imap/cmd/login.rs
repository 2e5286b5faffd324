//! LOGIN and AUTHENTICATE PLAIN. RFC 9051 §6.2.2, §6.2.3; RFC 4616; RFC 4959.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::capability;
use crate::directory::{AuthError, PlainError, PlainLogin, Service};
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
        None => check(session, PlainLogin::new(&credentials.user, &credentials.password)).await,
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
    check(session, PlainLogin::parse(&message)).await
}

/// Why nobody can log in here and now.
fn refusal(session: &Session) -> Option<Answer> {
    (!session.may_log_in())
        .then(|| Answer::no(Code::PrivacyRequired, "logging in needs TLS: use STARTTLS or the TLS port"))
}

async fn check(session: &mut Session, given: Result<PlainLogin, PlainError>) -> Result<Answer, Stop> {
    let authenticated = match given {
        Ok(PlainLogin { user, password }) => {
            let peer = session.peer.address.ip();
            session.services.directory.authenticate(&user, &password, peer, Service::Imap).await
        }
        Err(PlainError::Refused) => Err(AuthError::Refused),
        Err(PlainError::Syntax) => return Ok(Answer::bad("the response is not a PLAIN message")),
    };
    match authenticated {
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
