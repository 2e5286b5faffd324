//! The tagged answers, and the one place where errors become IMAP's words. RFC 9051 §7.1.

use std::borrow::Cow;
use std::fmt;

use super::grammar::Refusal;
use crate::directory::AuthError;
use crate::mailbox;

/// How a command ended, as the client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    status: Status,
    code: Option<Code>,
    text: Cow<'static, str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Ok,
    No,
    Bad,
}

/// Response codes that we use. RFC 9051 §7.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Code {
    AlreadyExists,
    AuthenticationFailed,
    AuthorizationFailed,
    BadCharset,
    Cannot,
    /// What the server can do now.
    Capability(String),
    CompressionActive,
    ExpungeIssued,
    HasChildren,
    Limit,
    /// The mailbox itself, whatever it is called. RFC 8474 §4.1.
    MailboxId(String),
    NoPerm,
    Nonexistent,
    PrivacyRequired,
    ReadOnly,
    ServerBug,
    TooBig,
    Unavailable,
    UnknownCte,
    /// RFC 6154 §3.
    UseAttr,
}

impl Answer {
    pub(super) fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Ok, code: None, text: text.into() }
    }

    pub(super) fn ok_with(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Ok, code: Some(code), text: text.into() }
    }

    pub(super) fn no(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::No, code: Some(code), text: text.into() }
    }

    pub(super) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Bad, code: None, text: text.into() }
    }

    pub(super) fn is_bad(&self) -> bool {
        self.status == Status::Bad
    }
}

/// `resp-cond-state`, without tag and line end.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status {
            Status::Ok => "OK ",
            Status::No => "NO ",
            Status::Bad => "BAD ",
        })?;
        if let Some(code) = &self.code {
            write!(f, "[{code}] ")?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
            Self::Cannot => "CANNOT",
            Self::Capability(all) => return write!(f, "CAPABILITY {all}"),
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::MailboxId(id) => return write!(f, "MAILBOXID ({id})"),
            Self::Limit => "LIMIT",
            Self::NoPerm => "NOPERM",
            Self::Nonexistent => "NONEXISTENT",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::UseAttr => "USEATTR",
        })
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Syntax(what) => Self::bad(what),
            Refusal::Unknown => Self::bad("unknown command"),
            Refusal::TooMany => Self::bad("the command nests or lists too much"),
            Refusal::Name(why) => Self::no(Code::Cannot, why),
            Refusal::Charset => Self::no(Code::BadCharset, "unknown charset"),
        }
    }
}

impl From<mailbox::Error> for Answer {
    fn from(e: mailbox::Error) -> Self {
        match e {
            mailbox::Error::Missing => Self::no(Code::Nonexistent, "no such mailbox"),
            mailbox::Error::Denied => Self::no(Code::NoPerm, "you may not do that"),
            mailbox::Error::Invalid(why) => Self::no(Code::Cannot, why),
            mailbox::Error::Exists => Self::no(Code::AlreadyExists, "the name is taken"),
            mailbox::Error::Store(e) => {
                tracing::error!(error = %e, "the store failed an IMAP command");
                Self::no(Code::Unavailable, "the mail store cannot be read now; try again later")
            }
            // Nothing that only reads ends like this.
            other => {
                tracing::error!(error = %other, "an IMAP command failed");
                Self::no(Code::ServerBug, "internal error")
            }
        }
    }
}

impl From<AuthError> for Answer {
    fn from(e: AuthError) -> Self {
        match e {
            AuthError::Refused => Self::no(Code::AuthenticationFailed, "wrong user name or password"),
            AuthError::Denied => Self::no(Code::AuthorizationFailed, "this account may not use IMAP"),
            AuthError::TooMany { retry_after } => {
                let text = format!("too many failed logins; try again in {} seconds", retry_after.as_secs());
                Self::no(Code::Unavailable, text)
            }
            AuthError::Busy => Self::no(Code::Unavailable, "too many logins at once; try again"),
            // The directory has logged it.
            _ => Self::no(Code::Unavailable, "logins cannot be checked now; try again later"),
        }
    }
}

/// Why a command ended before it had an answer of its own.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client is told, and the session goes on.
    Answer(Answer),
    /// The connection broke, or must.
    Gone,
    /// The session cannot go on: the client is told why and the connection closed.
    Bye(&'static str),
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<mailbox::Error> for Stop {
    fn from(e: mailbox::Error) -> Self {
        Self::Answer(e.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}
