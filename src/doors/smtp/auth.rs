//! The AUTH exchange: PLAIN (RFC 4616) and LOGIN over RFC 4954.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reply::{self, Reply};
use crate::directory::{PlainError, PlainLogin};

/// An exchange waiting for the client's next response.
#[derive(PartialEq, Eq)]
pub(super) enum Exchange {
    /// PLAIN without initial response.
    Plain,
    /// LOGIN before the user name.
    LoginUser,
    /// LOGIN before the password.
    LoginPassword {
        /// The name that was given, as it came.
        user: Vec<u8>,
    },
}

/// What follows a step of the exchange.
pub(super) enum Next {
    /// Ask, and go on with this.
    Ask(Reply, Exchange),
    /// These are to be checked.
    Check(PlainLogin),
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
        Exchange::Plain => check(PlainLogin::parse(&decoded)),
        Exchange::LoginUser => Next::Ask(reply::ASK_PASSWORD, Exchange::LoginPassword { user: decoded }),
        Exchange::LoginPassword { user } => check(PlainLogin::new(&user, &decoded)),
    }
}

fn check(login: Result<PlainLogin, PlainError>) -> Next {
    match login {
        Ok(login) => Next::Check(login),
        Err(PlainError::Syntax) => Next::Fail(reply::BAD_BASE64),
        Err(PlainError::Refused) => Next::Fail(reply::BAD_CREDENTIALS),
    }
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
        let Next::Ask(_, exchange) = go_on(Exchange::LoginUser, b"") else { panic!() };
        assert_eq!(outcome(go_on(exchange, b"c2VjcmV0")), "fail 535", "a name without letters");
        assert_eq!(outcome(go_on(Exchange::LoginUser, b"%%%")), "fail 501");
    }
}
