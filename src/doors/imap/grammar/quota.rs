//! The commands about quotas. RFC 9208 §4.1.

use super::Refusal;
use super::input::{Input, Parsed};

/// Most resources of one SETQUOTA.
const RESOURCES_MAX: usize = 16;

/// A command about quotas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Quota {
    /// By the name of a quota root.
    Get(String),
    /// By a mailbox's name.
    GetRoot(String),
    /// By the name of a quota root; the limits are read and passed over, since no client sets any.
    Set(String),
}

impl Quota {
    /// After the command's name; `None` if it is none of these.
    pub(super) fn parse(word: &str, input: &mut Input<'_>) -> Parsed<Option<Self>> {
        Ok(Some(match word {
            "GETQUOTA" => Self::Get(root(input)?),
            "GETQUOTAROOT" => {
                input.space()?;
                Self::GetRoot(input.mailbox()?)
            }
            "SETQUOTA" => {
                let root = root(input)?;
                input.space()?;
                input.list(RESOURCES_MAX, true, |input| {
                    input.atom("expected a resource")?;
                    input.space()?;
                    input.number("expected a limit")
                })?;
                Self::Set(root)
            }
            _ => return Ok(None),
        }))
    }
}

fn root(input: &mut Input<'_>) -> Parsed<String> {
    input.space()?;
    let root = input.astring()?.into_owned();
    String::from_utf8(root).map_err(|_| Refusal::Syntax("expected UTF-8"))
}
