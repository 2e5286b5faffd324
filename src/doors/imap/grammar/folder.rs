//! The commands that make, remove, rename and subscribe to mailboxes. RFC 9051 §6.3.4 to §6.3.8; RFC 6154 §3.

use super::Refusal;
use super::input::{Input, Parsed};

/// Most uses of one CREATE.
const USES_MAX: usize = 8;
/// Most parameters of one CREATE.
const PARAMETERS_MAX: usize = 8;

/// A command about a mailbox as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum FolderCommand {
    Create {
        name: String,
        uses: Vec<SpecialUse>,
    },
    Delete(String),
    Rename {
        from: String,
        to: String,
    },
    /// SUBSCRIBE, or with `false` UNSUBSCRIBE.
    Subscribe(String, bool),
}

/// `use-attr`. RFC 6154 §6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum SpecialUse {
    Archive,
    Drafts,
    Junk,
    Sent,
    Trash,
    /// One that no mailbox here can have.
    Other,
}

impl FolderCommand {
    /// After the command's name; `None` if it is none of these.
    pub(super) fn parse(word: &str, input: &mut Input<'_>) -> Parsed<Option<Self>> {
        let name = |input: &mut Input<'_>| {
            input.space()?;
            input.mailbox()
        };
        Ok(Some(match word {
            "CREATE" => {
                let name = name(input)?;
                let uses = if input.eat(b' ') { parameters(input)? } else { Vec::new() };
                Self::Create { name, uses }
            }
            "DELETE" => Self::Delete(name(input)?),
            "RENAME" => Self::Rename { from: name(input)?, to: name(input)? },
            "SUBSCRIBE" => Self::Subscribe(name(input)?, true),
            "UNSUBSCRIBE" => Self::Subscribe(name(input)?, false),
            _ => return Ok(None),
        }))
    }
}

/// `create-param`: `"(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"`
fn parameters(input: &mut Input<'_>) -> Parsed<Vec<SpecialUse>> {
    let all = input.list(PARAMETERS_MAX, false, |input| {
        if !input.eat_word("USE") {
            return Err(Refusal::Syntax("unknown CREATE parameter"));
        }
        input.space()?;
        input.list(USES_MAX, true, special_use)
    })?;
    Ok(all.into_iter().flatten().collect())
}

fn special_use(input: &mut Input<'_>) -> Parsed<SpecialUse> {
    const WHAT: &str = "expected a special use such as \\Archive";
    input.expect(b'\\', WHAT)?;
    Ok(match input.keyword(WHAT)?.as_str() {
        "ARCHIVE" => SpecialUse::Archive,
        "DRAFTS" => SpecialUse::Drafts,
        "JUNK" => SpecialUse::Junk,
        "SENT" => SpecialUse::Sent,
        "TRASH" => SpecialUse::Trash,
        _ => SpecialUse::Other,
    })
}
