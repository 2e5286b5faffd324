//! The grammar: the bytes of one command in, one typed command out. RFC 9051 §9.
//!
//! Nothing below the grammar compares words. A command comes here whole, with its literals in place;
//! the session bounds its length, this module its depth and counts.

mod acl;
mod append;
mod fetch;
mod folder;
mod input;
mod list;
mod quota;
mod search;
mod select;
mod set;
mod sort;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;

pub(super) use acl::{Acl, Change, Identifier};
pub(super) use append::{After, Append, Appended, awaits_message};
pub(super) use fetch::{Asked, Attribute, Fetch, Of, Partial, Section};
pub(super) use folder::{FolderCommand, SpecialUse};
pub(super) use list::{List, StatusItem};
pub(super) use quota::Quota;
pub(super) use search::{Day, Key, MONTHS, Place, Returns, Search};
pub(super) use select::{Qresync, Select};
pub(super) use set::Set;
pub(super) use sort::{Algorithm, Criterion, Sort, SortKey, Thread};
pub(super) use store::{How, Named, Store, Transfer};

use input::{Input, Parsed};

use super::name::Form;

/// Most parameters of one ID. RFC 2971 §3.3.
const ID_MAX: usize = 30;
/// Most words of one ENABLE.
const ENABLE_MAX: usize = 32;

/// One command with the tag that its answer carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request {
    pub(super) tag: String,
    pub(super) command: Command,
}

/// What a client wants. RFC 9051 §6.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Capability,
    Noop,
    Logout,
    Id(Vec<(String, Option<String>)>),
    StartTls,
    Login(Credentials),
    /// With the initial response still in base64, if it came. RFC 4959.
    Authenticate(Mechanism, Option<Vec<u8>>),
    Enable(Vec<Extension>),
    Namespace,
    List(List),
    Status {
        name: String,
        items: Vec<StatusItem>,
    },
    Select(Select),
    Close,
    Unselect,
    /// Revision 1 only. RFC 3501 §6.4.1.
    Check,
    Idle,
    Fetch(Fetch),
    Search(Search),
    /// RFC 5256.
    Sort(Sort),
    /// RFC 5256.
    Thread(Thread),
    /// CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE.
    Folder(FolderCommand),
    /// RFC 4314.
    Acl(Acl),
    /// RFC 9208.
    Quota(Quota),
    /// `COMPRESS DEFLATE`. RFC 4978.
    Compress,
    Store(Store),
    Copy(Transfer),
    Move(Transfer),
    /// EXPUNGE, or UID EXPUNGE with its set.
    Expunge(Option<Set>),
}

/// A user name and password as they came.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A SASL mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// One we do not have.
    Unknown,
}

/// What ENABLE can turn on. RFC 5161.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extension {
    /// RFC 9051.
    Imap4Rev2,
    /// RFC 6855.
    Utf8Accept,
    /// RFC 7162 §3.1.
    Condstore,
    /// RFC 7162 §3.2.
    Qresync,
}

/// Why a command is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// It breaks the grammar; what was expected.
    Syntax(&'static str),
    /// Nobody knows it.
    Unknown,
    /// It nests too deeply or lists too much.
    TooMany,
    /// What it names can be no mailbox; says why.
    Name(&'static str),
    /// It searches in a charset that nobody knows.
    Charset,
}

/// A refused command, with its tag if it had one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refused {
    pub(super) tag: Option<String>,
    pub(super) why: Refusal,
}

/// Reads one command, without its line end.
pub(super) fn parse(bytes: &[u8], form: Form) -> Result<Request, Refused> {
    let mut input = Input::new(bytes, form);
    let Some(tag) = input.tag() else {
        return Err(Refused { tag: None, why: Refusal::Syntax("expected a tag") });
    };
    let tag = tag.to_owned();
    match command(&mut input) {
        Ok(command) => Ok(Request { tag, command }),
        Err(why) => Err(Refused { tag: Some(tag), why }),
    }
}

/// The tag of a command of which not all has come.
pub(super) fn tag(start: &[u8]) -> Option<String> {
    Input::new(start, Form::Utf8).tag().map(str::to_owned)
}

fn command(input: &mut Input<'_>) -> Parsed<Command> {
    input.space()?;
    let word = input.keyword("expected a command")?;
    let command = match simple(&word) {
        Some(command) => command,
        None => with_arguments(&word, input)?,
    };
    input.end()?;
    Ok(command)
}

/// The commands without arguments.
fn simple(word: &str) -> Option<Command> {
    Some(match word {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "CHECK" => Command::Check,
        "EXPUNGE" => Command::Expunge(None),
        "IDLE" => Command::Idle,
        _ => return None,
    })
}

fn with_arguments(word: &str, input: &mut Input<'_>) -> Parsed<Command> {
    Ok(match word {
        "ID" => id(input)?,
        "LOGIN" => {
            input.space()?;
            let user = input.astring()?.into_owned();
            input.space()?;
            Command::Login(Credentials { user, password: input.astring()?.into_owned() })
        }
        "AUTHENTICATE" => authenticate(input)?,
        "ENABLE" => enable(input)?,
        "LIST" => Command::List(List::parse(input)?),
        "LSUB" => Command::List(List::parse_lsub(input)?),
        "STATUS" => {
            input.space()?;
            let name = input.mailbox()?;
            input.space()?;
            Command::Status { name, items: StatusItem::parse_list(input)? }
        }
        "SELECT" | "EXAMINE" => Command::Select(Select::parse(input, word == "EXAMINE")?),
        "STORE" => Command::Store(Store::parse(input, false)?),
        "COPY" => Command::Copy(Transfer::parse(input, false)?),
        "MOVE" => Command::Move(Transfer::parse(input, false)?),
        // With its message it never comes here.
        "APPEND" => return Err(Refusal::Syntax("expected a message as a literal")),
        "FETCH" => Command::Fetch(Fetch::parse(input, false)?),
        "SEARCH" => Command::Search(Search::parse(input, false)?),
        "SORT" => Command::Sort(Sort::parse(input, false)?),
        "THREAD" => Command::Thread(Thread::parse(input, false)?),
        "COMPRESS" => {
            input.space()?;
            match input.eat_word("DEFLATE") {
                true => Command::Compress,
                false => return Err(Refusal::Syntax("only DEFLATE is known")),
            }
        }
        "UID" => by_uid(input)?,
        _ => match (FolderCommand::parse(word, input)?, Acl::parse(word, input)?, Quota::parse(word, input)?)
        {
            (Some(command), ..) => Command::Folder(command),
            (_, Some(command), _) => Command::Acl(command),
            (.., Some(command)) => Command::Quota(command),
            _ => return Err(Refusal::Unknown),
        },
    })
}

fn by_uid(input: &mut Input<'_>) -> Parsed<Command> {
    input.space()?;
    Ok(match input.keyword("expected a command")?.as_str() {
        "FETCH" => Command::Fetch(Fetch::parse(input, true)?),
        "SEARCH" => Command::Search(Search::parse(input, true)?),
        "SORT" => Command::Sort(Sort::parse(input, true)?),
        "THREAD" => Command::Thread(Thread::parse(input, true)?),
        "STORE" => Command::Store(Store::parse(input, true)?),
        "COPY" => Command::Copy(Transfer::parse(input, true)?),
        "MOVE" => Command::Move(Transfer::parse(input, true)?),
        "EXPUNGE" => Command::Expunge(Some(store::expunge(input)?)),
        _ => return Err(Refusal::Unknown),
    })
}

/// RFC 2971 §3.3: NIL or a list of pairs.
fn id(input: &mut Input<'_>) -> Parsed<Command> {
    input.space()?;
    if input.eat_word("NIL") {
        return Ok(Command::Id(Vec::new()));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = input.list(ID_MAX, true, |input| {
        let field = text(&input.string()?);
        input.space()?;
        Ok((field, input.nstring()?.map(|value| text(&value))))
    })?;
    Ok(Command::Id(pairs))
}

fn authenticate(input: &mut Input<'_>) -> Parsed<Command> {
    input.space()?;
    let mechanism = match input.keyword("expected a SASL mechanism")?.as_str() {
        "PLAIN" => Mechanism::Plain,
        _ => Mechanism::Unknown,
    };
    let mut initial = None;
    if input.eat(b' ') {
        // RFC 4959 §3: a lone "=" is an empty response. Base64 is made of atom characters.
        let response = input.atom("expected an initial response")?;
        initial = Some(if response == b"=" { Vec::new() } else { response.to_vec() });
    }
    Ok(Command::Authenticate(mechanism, initial))
}

/// RFC 5161 §3.1: what is not known is passed over.
fn enable(input: &mut Input<'_>) -> Parsed<Command> {
    let mut extensions = Vec::new();
    let mut left = ENABLE_MAX;
    loop {
        input.space()?;
        left = left.checked_sub(1).ok_or(Refusal::TooMany)?;
        match input.keyword("expected a capability")?.as_str() {
            "IMAP4REV2" => extensions.push(Extension::Imap4Rev2),
            "UTF8=ACCEPT" => extensions.push(Extension::Utf8Accept),
            "CONDSTORE" => extensions.push(Extension::Condstore),
            "QRESYNC" => extensions.push(Extension::Qresync),
            _ => {}
        }
        if input.is_empty() {
            return Ok(Command::Enable(extensions));
        }
    }
}
