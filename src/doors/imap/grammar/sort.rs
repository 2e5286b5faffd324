//! What SORT and THREAD ask for. RFC 5256 §5; RFC 5267 §3; RFC 5957 §4.

use super::Refusal;
use super::input::{Input, Parsed};
use super::search::{Key, Returns, charset};

/// Most criteria of one SORT.
const CRITERIA_MAX: usize = 16;

/// SORT or UID SORT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Sort {
    /// Whether the answer has UIDs.
    pub(in crate::doors::imap) by_uid: bool,
    /// `RETURN (...)`, if it was there. RFC 5267 §3.1.
    pub(in crate::doors::imap) returns: Option<Returns>,
    /// At least one.
    pub(in crate::doors::imap) criteria: Vec<Criterion>,
    pub(in crate::doors::imap) key: Key,
}

/// One `sort-criterion`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Criterion {
    pub(in crate::doors::imap) key: SortKey,
    pub(in crate::doors::imap) reverse: bool,
}

/// `sort-key`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum SortKey {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
    /// RFC 5957 §3.
    DisplayFrom,
    /// RFC 5957 §3.
    DisplayTo,
}

/// THREAD or UID THREAD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Thread {
    /// Whether the answer has UIDs.
    pub(in crate::doors::imap) by_uid: bool,
    pub(in crate::doors::imap) algorithm: Algorithm,
    pub(in crate::doors::imap) key: Key,
}

/// `thread-alg`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Algorithm {
    OrderedSubject,
    References,
}

impl Sort {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, by_uid: bool) -> Parsed<Self> {
        input.space()?;
        let mut returns = None;
        if input.eat_word("RETURN") {
            input.space()?;
            returns = Some(Returns::parse(input)?);
            input.space()?;
        }
        let criteria = input.list(CRITERIA_MAX, false, Criterion::parse)?;
        let key = within(input)?;
        Ok(Self { by_uid, returns, criteria, key })
    }
}

impl Criterion {
    /// `["REVERSE" SP] sort-key`
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        let reverse = input.eat_word("REVERSE");
        if reverse {
            input.space()?;
        }
        let key = match input.keyword("expected a sort key")?.as_str() {
            "ARRIVAL" => SortKey::Arrival,
            "CC" => SortKey::Cc,
            "DATE" => SortKey::Date,
            "FROM" => SortKey::From,
            "SIZE" => SortKey::Size,
            "SUBJECT" => SortKey::Subject,
            "TO" => SortKey::To,
            "DISPLAYFROM" => SortKey::DisplayFrom,
            "DISPLAYTO" => SortKey::DisplayTo,
            _ => return Err(Refusal::Syntax("unknown sort key")),
        };
        Ok(Self { key, reverse })
    }
}

impl Thread {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, by_uid: bool) -> Parsed<Self> {
        input.space()?;
        let algorithm = match input.keyword("expected a threading algorithm")?.as_str() {
            "ORDEREDSUBJECT" => Algorithm::OrderedSubject,
            "REFERENCES" => Algorithm::References,
            _ => return Err(Refusal::Syntax("unknown threading algorithm")),
        };
        let key = within(input)?;
        Ok(Self { by_uid, algorithm, key })
    }
}

/// `search-criteria`: here the charset is never left out.
fn within(input: &mut Input<'_>) -> Parsed<Key> {
    input.space()?;
    let charset = charset(&input.astring()?)?;
    input.space()?;
    Key::parse_all(input, Some(charset))
}
