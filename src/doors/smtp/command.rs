//! Command lines to typed commands. RFC 5321 §4.1.1 and the extensions that add parameters.

use crate::delivery::{
    Address, AddressError, Addressee, Domain, ENVID_MAX, Envelope, Notify, OriginalRecipient, Ret,
    decode_xtext,
};

/// Longest path in octets, its brackets included. RFC 5321 §4.5.3.1.3.
const PATH_MAX: usize = 256;

/// What a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command {
    /// RFC 5321 §4.1.1.1.
    Helo(String),
    /// RFC 5321 §4.1.1.1.
    Ehlo(String),
    /// RFC 2033 §4.1.
    Lhlo(String),
    /// RFC 5321 §4.1.1.2.
    Mail(Mail),
    /// RFC 5321 §4.1.1.3.
    Rcpt(Rcpt),
    /// RFC 5321 §4.1.1.4.
    Data,
    /// RFC 3030 §2.
    Bdat { size: u64, last: bool },
    /// RFC 5321 §4.1.1.5.
    Rset,
    /// RFC 5321 §4.1.1.6.
    Vrfy,
    /// RFC 5321 §4.1.1.7.
    Expn,
    /// RFC 5321 §4.1.1.8.
    Help,
    /// RFC 5321 §4.1.1.9.
    Noop,
    /// RFC 5321 §4.1.1.10.
    Quit,
    /// RFC 3207 §4.
    StartTls,
    /// RFC 4954 §4.
    Auth { mechanism: String, initial: Option<String> },
}

/// MAIL FROM with its parameters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Mail {
    /// Sender, SMTPUTF8, RET and ENVID.
    pub(super) envelope: Envelope,
    /// The size the client expects, in octets. RFC 1870 §6.
    pub(super) size: Option<u64>,
}

/// RCPT TO with its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Rcpt {
    /// A mailbox.
    To(Addressee),
    /// `<Postmaster>` without a domain. RFC 5321 §2.3.5, §4.5.1.
    Postmaster {
        /// When the sender wants to be told.
        notify: Option<Notify>,
        /// The address the sender had written.
        orcpt: Option<OriginalRecipient>,
    },
}

/// Why a line is no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CommandError {
    /// No such command.
    Unknown,
    /// The line holds control characters or is not UTF-8.
    Bytes,
    /// The command's arguments are malformed.
    Arguments,
    /// MAIL's path is malformed.
    Sender(AddressError),
    /// RCPT's path is malformed.
    Recipient(AddressError),
    /// An address has UTF-8 in it and MAIL did not say SMTPUTF8. RFC 6531 §3.4.
    NeedsUtf8,
    /// A parameter that no advertised extension has.
    UnknownParameter,
    /// A parameter is malformed or given twice.
    Parameter,
    /// A known parameter asks for something that is not done here, such as BODY=BINARYMIME.
    NotImplemented,
}

impl Command {
    /// Reads a command line without its CRLF.
    pub(super) fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let line = std::str::from_utf8(line).map_err(|_| CommandError::Bytes)?;
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(CommandError::Bytes);
        }
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => client_name(rest).map(Self::Helo),
            "EHLO" => client_name(rest).map(Self::Ehlo),
            "LHLO" => client_name(rest).map(Self::Lhlo),
            "MAIL" => mail(rest).map(Self::Mail),
            "RCPT" => rcpt(rest).map(Self::Rcpt),
            "DATA" => alone(rest, Self::Data),
            "BDAT" => bdat(rest),
            "RSET" => alone(rest, Self::Rset),
            "VRFY" => Ok(Self::Vrfy),
            "EXPN" => Ok(Self::Expn),
            "HELP" => Ok(Self::Help),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => alone(rest, Self::Quit),
            "STARTTLS" => alone(rest, Self::StartTls),
            "AUTH" => auth(rest),
            _ => Err(CommandError::Unknown),
        }
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.is_empty() { Ok(command) } else { Err(CommandError::Arguments) }
}

/// The client's name. Real clients send names that are no domain, so anything printable is taken, cut at
/// the first space; the trace line shows what is safe of it.
fn client_name(rest: &str) -> Result<String, CommandError> {
    let name = rest.split([' ', '\t']).next().unwrap_or_default();
    if name.is_empty() || name.len() > crate::delivery::DOMAIN_MAX {
        return Err(CommandError::Arguments);
    }
    Ok(name.to_owned())
}

fn mail(rest: &str) -> Result<Mail, CommandError> {
    let rest = strip_word(rest, "FROM:").ok_or(CommandError::Arguments)?;
    let (path, rest) = path(rest).map_err(CommandError::Sender)?;
    let mut mail = Mail::default();
    let mut seen = Vec::new();
    for (key, value) in parameters(rest)? {
        let key = once(key, &mut seen)?;
        match (key.as_str(), value) {
            ("SIZE", Some(size)) => mail.size = Some(number(size)?),
            ("BODY", Some(body)) => check_body(body)?,
            ("SMTPUTF8", None) => mail.envelope.smtputf8 = true,
            // RFC 4954 §5: understood, and not believed.
            ("AUTH", Some(identity)) => {
                decode_xtext(identity).ok_or(CommandError::Parameter)?;
            }
            ("RET", Some(ret)) if ret.eq_ignore_ascii_case("FULL") => mail.envelope.ret = Some(Ret::Full),
            ("RET", Some(ret)) if ret.eq_ignore_ascii_case("HDRS") => mail.envelope.ret = Some(Ret::Headers),
            ("ENVID", Some(id)) => mail.envelope.envid = Some(envid(id)?),
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH" | "RET" | "ENVID", _) => {
                return Err(CommandError::Parameter);
            }
            _ => return Err(CommandError::UnknownParameter),
        }
    }
    mail.envelope.sender = match path {
        Path::Null => None,
        Path::Address(address) => Some(address),
        Path::Bare(_) => return Err(CommandError::Sender(AddressError::Syntax)),
    };
    if !mail.envelope.smtputf8 && mail.envelope.sender.as_ref().is_some_and(|s| !s.is_ascii()) {
        return Err(CommandError::NeedsUtf8);
    }
    Ok(mail)
}

fn rcpt(rest: &str) -> Result<Rcpt, CommandError> {
    let rest = strip_word(rest, "TO:").ok_or(CommandError::Arguments)?;
    let (path, rest) = path(rest).map_err(CommandError::Recipient)?;
    let (mut notify, mut orcpt) = (None, None);
    let mut seen = Vec::new();
    for (key, value) in parameters(rest)? {
        let key = once(key, &mut seen)?;
        match (key.as_str(), value) {
            ("NOTIFY", Some(value)) => notify = Some(Notify::parse(value).ok_or(CommandError::Parameter)?),
            ("ORCPT", Some(value)) => {
                orcpt = Some(OriginalRecipient::parse(value).ok_or(CommandError::Parameter)?);
            }
            ("NOTIFY" | "ORCPT", None) => return Err(CommandError::Parameter),
            _ => return Err(CommandError::UnknownParameter),
        }
    }
    match path {
        Path::Address(address) => Ok(Rcpt::To(Addressee { address, notify, orcpt })),
        Path::Bare(local) if local.eq_ignore_ascii_case("postmaster") => {
            Ok(Rcpt::Postmaster { notify, orcpt })
        }
        Path::Null | Path::Bare(_) => Err(CommandError::Recipient(AddressError::Syntax)),
    }
}

enum Path<'l> {
    Null,
    Address(Address),
    /// A local part alone.
    Bare(&'l str),
}

/// A path in its brackets. A source route is read and dropped: RFC 5321 §4.1.1.3, Appendix C.
fn path(text: &str) -> Result<(Path<'_>, &str), AddressError> {
    let text = text.trim_start_matches(' ').strip_prefix('<').ok_or(AddressError::Syntax)?;
    if let Some(rest) = text.strip_prefix('>') {
        return Ok((Path::Null, rest));
    }
    let inner = source_route(text)?;
    if let Some((bare, rest)) = inner.split_once('>')
        && !bare.is_empty()
        && bare.bytes().all(|b| b.is_ascii_alphanumeric())
    {
        return Ok((Path::Bare(bare), rest));
    }
    let (address, rest) = Address::read(inner)?;
    // Neither bracket is among these.
    if text.len().saturating_sub(rest.len()) > PATH_MAX - 2 {
        return Err(AddressError::DomainTooLong);
    }
    let rest = rest.strip_prefix('>').ok_or(AddressError::Syntax)?;
    Ok((Path::Address(address), rest))
}

fn source_route(text: &str) -> Result<&str, AddressError> {
    let mut text = text;
    if !text.starts_with('@') {
        return Ok(text);
    }
    loop {
        let rest = text.strip_prefix('@').ok_or(AddressError::Syntax)?;
        let (_, rest) = Domain::read(rest)?;
        if let Some(rest) = rest.strip_prefix(':') {
            return Ok(rest);
        }
        text = rest.strip_prefix(',').ok_or(AddressError::Syntax)?;
    }
}

/// The parameters behind a path: `key` or `key=value`, each behind a space. RFC 5321 §4.1.2.
fn parameters(text: &str) -> Result<Vec<(&str, Option<&str>)>, CommandError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if !text.starts_with([' ', '\t']) {
        return Err(CommandError::Arguments);
    }
    text.split([' ', '\t']).filter(|word| !word.is_empty()).map(parameter).collect()
}

fn parameter(word: &str) -> Result<(&str, Option<&str>), CommandError> {
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    };
    let key_is_good = key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let value_is_good = value.is_none_or(|v| !v.is_empty() && !v.contains('='));
    if key_is_good && value_is_good { Ok((key, value)) } else { Err(CommandError::Parameter) }
}

fn once(key: &str, seen: &mut Vec<String>) -> Result<String, CommandError> {
    let key = key.to_ascii_uppercase();
    if seen.contains(&key) {
        return Err(CommandError::Parameter);
    }
    seen.push(key.clone());
    Ok(key)
}

/// BODY. RFC 6152 §3; BINARYMIME of RFC 3030 is not offered.
fn check_body(body: &str) -> Result<(), CommandError> {
    match body.to_ascii_uppercase().as_str() {
        "7BIT" | "8BITMIME" => Ok(()),
        "BINARYMIME" => Err(CommandError::NotImplemented),
        _ => Err(CommandError::Parameter),
    }
}

fn envid(value: &str) -> Result<String, CommandError> {
    decode_xtext(value).filter(|id| id.len() <= ENVID_MAX).ok_or(CommandError::Parameter)
}

fn bdat(rest: &str) -> Result<Command, CommandError> {
    let (size, last) = match rest.split_once(' ') {
        Some((size, last)) if last.trim_start().eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return Err(CommandError::Arguments),
        None => (rest, false),
    };
    let size = number(size).map_err(|_| CommandError::Arguments)?;
    Ok(Command::Bdat { size, last })
}

/// Up to twenty digits (RFC 1870 §3 allows as many); one beyond 64 bits is as good as the largest.
fn number(text: &str) -> Result<u64, CommandError> {
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommandError::Parameter);
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(CommandError::Arguments)?.to_ascii_uppercase();
    let initial = words.next().map(str::to_owned);
    if words.next().is_some() {
        return Err(CommandError::Arguments);
    }
    Ok(Command::Auth { mechanism, initial })
}

fn strip_word<'l>(text: &'l str, word: &str) -> Option<&'l str> {
    let (front, rest) = text.split_at_checked(word.len())?;
    front.eq_ignore_ascii_case(word).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sender(line: &str) -> Result<Option<String>, CommandError> {
        match Command::parse(line.as_bytes())? {
            Command::Mail(mail) => Ok(mail.envelope.sender.map(|s| s.to_string())),
            other => panic!("{other:?}"),
        }
    }

    fn recipient(line: &str) -> Result<String, CommandError> {
        match Command::parse(line.as_bytes())? {
            Command::Rcpt(Rcpt::To(to)) => Ok(to.address.to_string()),
            Command::Rcpt(Rcpt::Postmaster { .. }) => Ok("postmaster".into()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths() {
        assert_eq!(sender("MAIL FROM:<>"), Ok(None));
        assert_eq!(sender("mail from: <a@x> "), Ok(Some("a@x".into())));
        assert_eq!(sender("MAIL FROM:<@one,@two:a@x>"), Ok(Some("a@x".into())));
        assert_eq!(recipient("RCPT TO:<\"a>b\"@x>"), Ok("\"a>b\"@x".into()));
        assert_eq!(recipient("RCPT TO:<Postmaster>"), Ok("postmaster".into()));
        assert_eq!(recipient("RCPT TO:<\"\"@x>"), Err(CommandError::Recipient(AddressError::EmptyLocal)));
        for bad in [
            "RCPT TO:<>",
            "RCPT TO:<anna>",
            "RCPT TO:a@x",
            "RCPT TO:<a@x",
            "RCPT TO:<@one,a@x>",
            "RCPT TO:<@one:>",
        ] {
            assert_eq!(recipient(bad), Err(CommandError::Recipient(AddressError::Syntax)), "{bad}");
        }
        assert_eq!(recipient("RCPT <a@x>"), Err(CommandError::Arguments));
        assert_eq!(recipient("RCPT TO:<a@x>NOTIFY=NEVER"), Err(CommandError::Arguments));
        let long = format!("RCPT TO:<{}@{}>", "a".repeat(64), "b.".repeat(96) + "b");
        assert_eq!(recipient(&long), Err(CommandError::Recipient(AddressError::DomainTooLong)));
    }

    #[test]
    fn mail_parameters() {
        let line = "MAIL FROM:<a@x> SIZE=10 BODY=8bitmime SMTPUTF8 AUTH=<> RET=HDRS ENVID=q+2B1";
        let Ok(Command::Mail(mail)) = Command::parse(line.as_bytes()) else { panic!() };
        assert_eq!(mail.size, Some(10));
        assert!(mail.envelope.smtputf8);
        assert_eq!(mail.envelope.ret, Some(Ret::Headers));
        assert_eq!(mail.envelope.envid.as_deref(), Some("q+1"));
        for (line, error) in [
            ("MAIL FROM:<a@x> SIZE=1 SIZE=2", CommandError::Parameter),
            ("MAIL FROM:<a@x> SIZE=", CommandError::Parameter),
            ("MAIL FROM:<a@x> SIZE=-1", CommandError::Parameter),
            ("MAIL FROM:<a@x> BODY=BINARYMIME", CommandError::NotImplemented),
            ("MAIL FROM:<a@x> BODY=9BIT", CommandError::Parameter),
            ("MAIL FROM:<a@x> X-WHAT=1", CommandError::UnknownParameter),
            ("MAIL FROM:<j\u{f6}rg@x>", CommandError::NeedsUtf8),
        ] {
            assert_eq!(sender(line), Err(error), "{line}");
        }
    }

    #[test]
    fn other_commands() {
        let parse = |line: &str| Command::parse(line.as_bytes());
        assert_eq!(parse("BDAT 86 LAST"), Ok(Command::Bdat { size: 86, last: true }));
        assert_eq!(parse("bdat 0"), Ok(Command::Bdat { size: 0, last: false }));
        assert_eq!(parse("BDAT"), Err(CommandError::Arguments));
        assert_eq!(parse("BDAT 1 FIRST"), Err(CommandError::Arguments));
        assert_eq!(parse("BDAT 99999999999999999999"), Ok(Command::Bdat { size: u64::MAX, last: false }));
        assert_eq!(parse("DATA now"), Err(CommandError::Arguments));
        assert_eq!(parse("EHLO"), Err(CommandError::Arguments));
        assert_eq!(parse("EHLO [127.0.0.1] x"), Ok(Command::Ehlo("[127.0.0.1]".into())));
        assert_eq!(
            parse("auth plain ="),
            Ok(Command::Auth { mechanism: "PLAIN".into(), initial: Some("=".into()) })
        );
        assert_eq!(parse("GET / HTTP/1.1"), Err(CommandError::Unknown));
        assert_eq!(Command::parse(b"NOOP \xff"), Err(CommandError::Bytes));
        assert_eq!(Command::parse(b"NOOP \0"), Err(CommandError::Bytes));
    }

    proptest! {
        #[test]
        fn anything_is_survived(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn likely_things_are_survived(
            verb in "(MAIL FROM:|RCPT TO:|BDAT |AUTH |EHLO )",
            rest in "[<>@,:\"\\\\a-c. =+0-9\\[\\]SIZE;]{0,60}",
        ) {
            let _ = Command::parse((verb + &rest).as_bytes());
        }
    }
}
