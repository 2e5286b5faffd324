//! The tagged answers, and the one place where errors become IMAP's words. RFC 9051 §7.1.

use std::borrow::Cow;
use std::fmt;

use super::grammar::Refusal;
use crate::directory::AuthError;
use crate::mailbox;
use crate::store;

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
    /// UIDVALIDITY and the UIDs that messages got. RFC 4315 §3.
    AppendUid(u32, Vec<(u32, u32)>),
    AuthenticationFailed,
    AuthorizationFailed,
    BadCharset,
    Cannot,
    /// What the server can do now.
    Capability(String),
    CompressionActive,
    HasChildren,
    /// The mailbox itself, whatever it is called. RFC 8474 §4.1.
    MailboxId(String),
    /// UIDVALIDITY, and the UIDs that messages had and have. RFC 4315 §3.
    CopyUid(u32, Vec<(u32, u32)>, Vec<(u32, u32)>),
    ExpungeIssued,
    /// Changes up to here were told. RFC 7162 §3.2.7.
    HighestModSeq(u64),
    Limit,
    /// Messages that changed meanwhile. RFC 7162 §3.1.3.
    Modified(Vec<(u32, u32)>),
    NoPerm,
    Nonexistent,
    OverQuota,
    PrivacyRequired,
    ReadOnly,
    ReadWrite,
    ServerBug,
    TooBig,
    TryCreate,
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
            Self::AppendUid(validity, uids) => return write!(f, "APPENDUID {validity} {}", Numbers(uids)),
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
            Self::Cannot => "CANNOT",
            Self::Capability(all) => return write!(f, "CAPABILITY {all}"),
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::HasChildren => "HASCHILDREN",
            Self::MailboxId(id) => return write!(f, "MAILBOXID ({id})"),
            Self::CopyUid(validity, from, to) => {
                return write!(f, "COPYUID {validity} {} {}", Numbers(from), Numbers(to));
            }
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HighestModSeq(modseq) => return write!(f, "HIGHESTMODSEQ {modseq}"),
            Self::Limit => "LIMIT",
            Self::Modified(numbers) => return write!(f, "MODIFIED {}", Numbers(numbers)),
            Self::NoPerm => "NOPERM",
            Self::Nonexistent => "NONEXISTENT",
            Self::OverQuota => "OVERQUOTA",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::UseAttr => "USEATTR",
        })
    }
}

/// `sequence-set`, of ordered ranges.
pub(super) struct Numbers<'n>(pub(super) &'n [(u32, u32)]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (low, high)) in self.0.iter().enumerate() {
            let between = if i == 0 { "" } else { "," };
            match low == high {
                true => write!(f, "{between}{low}")?,
                false => write!(f, "{between}{low}:{high}")?,
            }
        }
        Ok(())
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
            mailbox::Error::Exists => Self::no(Code::AlreadyExists, "the name is taken"),
            mailbox::Error::OverQuota => Self::no(Code::OverQuota, "the quota would be exceeded"),
            mailbox::Error::Invalid(why) => Self::no(Code::Cannot, why),
            mailbox::Error::Store(store::Error::Full) => {
                Self::no(Code::Unavailable, "the mail store is full; try again later")
            }
            mailbox::Error::Store(e) => {
                tracing::error!(error = %e, "the store failed an IMAP command");
                Self::no(Code::Unavailable, "the mail store fails now; try again later")
            }
            // No command of ours ends like this.
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
        match e {
            // Neither yes nor no would be true: the client looks for itself when it is back.
            mailbox::Error::Store(store::Error::Unknown(_)) => {
                Self::Bye("the disk failed; whether the change was made is unknown")
            }
            other => Self::Answer(other.into()),
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}
