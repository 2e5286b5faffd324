//! The commands about rights. RFC 4314 §3.

use super::Refusal;
use super::input::{Input, Parsed};

/// A command about the rights on a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Acl {
    /// With the rights as letters, unread: which of them there are is no question of grammar.
    Set {
        name: String,
        who: Identifier,
        change: Change,
        rights: String,
    },
    Delete {
        name: String,
        who: Identifier,
    },
    Get(String),
    List {
        name: String,
        who: Identifier,
    },
    Mine(String),
}

/// How SETACL changes what is there. RFC 4314 §3.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Change {
    Replace,
    Add,
    Remove,
}

/// Of whom a right is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Identifier {
    pub(in crate::doors::imap) name: String,
    /// Whether the rights are denied: the identifier begins with `-`. RFC 4314 §2.
    pub(in crate::doors::imap) is_negative: bool,
}

impl Acl {
    /// After the command's name; `None` if it is none of these.
    pub(super) fn parse(word: &str, input: &mut Input<'_>) -> Parsed<Option<Self>> {
        let name = |input: &mut Input<'_>| {
            input.space()?;
            input.mailbox()
        };
        Ok(Some(match word {
            "SETACL" => {
                let (name, who) = (name(input)?, Identifier::parse(input)?);
                let mut rights = text(input)?;
                let change = match rights.as_bytes().first() {
                    Some(b'+') => Change::Add,
                    Some(b'-') => Change::Remove,
                    _ => Change::Replace,
                };
                if change != Change::Replace {
                    // It is one byte.
                    rights.remove(0);
                }
                Self::Set { name, who, change, rights }
            }
            "DELETEACL" => Self::Delete { name: name(input)?, who: Identifier::parse(input)? },
            "GETACL" => Self::Get(name(input)?),
            "LISTRIGHTS" => Self::List { name: name(input)?, who: Identifier::parse(input)? },
            "MYRIGHTS" => Self::Mine(name(input)?),
            _ => return Ok(None),
        }))
    }
}

impl Identifier {
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        let whole = text(input)?;
        Ok(match whole.strip_prefix('-') {
            Some(name) => Self { name: name.to_owned(), is_negative: true },
            None => Self { name: whole, is_negative: false },
        })
    }
}

/// A space and an `astring` of UTF-8.
fn text(input: &mut Input<'_>) -> Parsed<String> {
    input.space()?;
    String::from_utf8(input.astring()?.into_owned()).map_err(|_| Refusal::Syntax("expected UTF-8"))
}
