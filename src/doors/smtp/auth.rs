//! The AUTH exchange: PLAIN (RFC 4616) and LOGIN over RFC 4954.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reply::{self, Reply};

/// An exchange waiting for the client's next response.
#[derive(PartialEq, Eq)]
pub(super) enum Exchange {
    /// PLAIN without initial response.
    Plain,
    /// LOGIN before the user name.
    LoginUser,
    /// LOGIN before the password.
    LoginPassword {
        /// The name that was given.
        user: String,
    },
}

/// A name and a password as a client gave them.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Vec<u8>,
}

/// What follows a step of the exchange.
pub(super) enum Next {
    /// Ask, and go on with this.
    Ask(Reply, Exchange),
    /// These are to be checked.
    Check(Credentials),
    /// It has failed.
    Fail(Reply),
}

/// Begins an exchange with the client's AUTH command; `=` is an empty initial response. RFC 4954 §4.
pub(super) fn begin(mechanism: &str, initial: Option<&str>) -> Next {
    let initial = initial.map(|text| if text == "=" { "" } else { text });
    let (ask, exchange) = match mechanism {
        "PLAIN" => (reply::ASK_EMPTY, Exchange::Plain),
        "LOGIN" => (reply::ASK_USER, Exchange::LoginUser),
        _ => return Next::Fail(reply::UNKNOWN_MECHANISM),
    };
    match initial {
        Some(initial) => go_on(exchange, initial.as_bytes()),
        None => Next::Ask(ask, exchange),
    }
}

/// Goes on with the client's response.
pub(super) fn go_on(exchange: Exchange, response: &[u8]) -> Next {
    if response == b"*" {
        return Next::Fail(reply::AUTH_CANCELLED);
    }
    let Ok(decoded) = STANDARD.decode(response) else { return Next::Fail(reply::BAD_BASE64) };
    match exchange {
        Exchange::Plain => plain(&decoded),
        Exchange::LoginUser => match user_name(&decoded) {
            Some(user) => Next::Ask(reply::ASK_PASSWORD, Exchange::LoginPassword { user }),
            None => Next::Fail(reply::BAD_CREDENTIALS),
        },
        Exchange::LoginPassword { user } => check(user, &decoded),
    }
}

/// `[authzid] NUL authcid NUL passwd`. Nobody may act for another here, so an authzid must be the authcid.
fn plain(message: &[u8]) -> Next {
    let mut parts = message.split(|&b| b == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Next::Fail(reply::BAD_BASE64);
    };
    match user_name(authcid) {
        Some(user) if authzid.is_empty() || authzid == authcid => check(user, password),
        _ => Next::Fail(reply::BAD_CREDENTIALS),
    }
}

fn user_name(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?;
    (!name.is_empty() && !name.chars().any(char::is_control)).then(|| name.to_owned())
}

fn check(user: String, password: &[u8]) -> Next {
    if password.is_empty() || password.contains(&0) {
        return Next::Fail(reply::BAD_CREDENTIALS);
    }
    Next::Check(Credentials { user, password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(next: Next) -> String {
        match next {
            Next::Ask(reply, _) => format!("ask {}", reply.code),
            Next::Check(c) => format!("{}:{}", c.user, String::from_utf8_lossy(&c.password)),
            Next::Fail(reply) => format!("fail {}", reply.code),
        }
    }

    fn begun(mechanism: &str, initial: &[u8]) -> String {
        outcome(begin(mechanism, Some(&STANDARD.encode(initial))))
    }

    #[test]
    fn plain_in_all_forms() {
        assert_eq!(begun("PLAIN", b"\0anna\0secret"), "anna:secret");
        assert_eq!(begun("PLAIN", b"anna\0anna\0secret"), "anna:secret");
        assert_eq!(begun("PLAIN", b"berta\0anna\0secret"), "fail 535");
        assert_eq!(begun("PLAIN", b"\0anna\0"), "fail 535");
        assert_eq!(begun("PLAIN", b"\0\0secret"), "fail 535");
        assert_eq!(begun("PLAIN", b"anna"), "fail 501");
        assert_eq!(begun("PLAIN", b"\0a\0b\0c"), "fail 501");
        assert_eq!(begun("PLAIN", b"\0anna\0\xff"), "anna:\u{fffd}");
        assert_eq!(begun("PLAIN", b"\0\xff\0secret"), "fail 535");
        assert_eq!(outcome(begin("PLAIN", Some("="))), "fail 501");
        assert_eq!(outcome(begin("PLAIN", Some("AGFubmE"))), "fail 501");
        assert_eq!(outcome(begin("PLAIN", None)), "ask 334");
        assert_eq!(outcome(begin("CRAM-MD5", None)), "fail 504");
    }

    #[test]
    fn login_asks_twice() {
        let Next::Ask(_, exchange) = begin("LOGIN", None) else { panic!() };
        let Next::Ask(_, exchange) = go_on(exchange, b"YW5uYQ==") else { panic!() };
        assert_eq!(outcome(go_on(exchange, b"c2VjcmV0")), "anna:secret");
        assert_eq!(begun("LOGIN", b"anna"), "ask 334");
        assert_eq!(outcome(go_on(Exchange::LoginUser, b"*")), "fail 501");
        assert_eq!(outcome(go_on(Exchange::LoginUser, b"")), "fail 535");
        assert_eq!(outcome(go_on(Exchange::LoginUser, b"%%%")), "fail 501");
    }
}
