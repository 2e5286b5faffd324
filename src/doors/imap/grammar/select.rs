//! SELECT and EXAMINE with their parameters. RFC 9051 §6.3.2; RFC 7162 §3.1.8, §3.2.5.

use super::Refusal;
use super::input::{Input, Parsed};
use super::set::Set;

/// Most parameters.
const PARAMETERS_MAX: usize = 8;

/// SELECT or EXAMINE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Select {
    pub(in crate::doors::imap) name: String,
    /// EXAMINE, which changes nothing.
    pub(in crate::doors::imap) read_only: bool,
    pub(in crate::doors::imap) condstore: bool,
    pub(in crate::doors::imap) qresync: Option<Qresync>,
}

/// What a client knows of a mailbox already. RFC 7162 §3.2.5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Qresync {
    pub(in crate::doors::imap) uid_validity: u32,
    pub(in crate::doors::imap) modseq: u64,
    /// The messages that it knows; all below UIDNEXT without.
    pub(in crate::doors::imap) known: Option<Set>,
    /// Some of its sequence numbers with the UIDs they stood for.
    pub(in crate::doors::imap) pairs: Option<(Set, Set)>,
}

impl Select {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, read_only: bool) -> Parsed<Self> {
        input.space()?;
        let mut select = Self { name: input.mailbox()?, read_only, condstore: false, qresync: None };
        if input.eat(b' ') {
            input.list(PARAMETERS_MAX, false, |input| select.parameter(input))?;
        }
        Ok(select)
    }

    fn parameter(&mut self, input: &mut Input<'_>) -> Parsed<()> {
        match input.keyword("expected a parameter")?.as_str() {
            "CONDSTORE" => self.condstore = true,
            "QRESYNC" => self.qresync = Some(Qresync::parse(input)?),
            _ => return Err(Refusal::Syntax("unknown SELECT parameter")),
        }
        Ok(())
    }
}

impl Qresync {
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        input.space()?;
        input.expect(b'(', "expected the parameters of QRESYNC")?;
        let uid_validity = input.nz_number("expected a UIDVALIDITY")?;
        input.space()?;
        let modseq = input.number("expected a modseq")?;
        let mut qresync = Self { uid_validity, modseq, known: None, pairs: None };
        if input.eat(b' ') {
            if input.peek() != Some(b'(') {
                qresync.known = Some(known(input)?);
                if input.eat(b' ') {
                    qresync.pairs = Some(pairs(input)?);
                }
            } else {
                qresync.pairs = Some(pairs(input)?);
            }
        }
        input.expect(b')', "expected the end of the parameters of QRESYNC")?;
        Ok(qresync)
    }
}

/// `"(" known-sequence-set SP known-uid-set ")"`
fn pairs(input: &mut Input<'_>) -> Parsed<(Set, Set)> {
    input.expect(b'(', "expected sequence numbers and UIDs")?;
    let seqs = known(input)?;
    input.space()?;
    let uids = known(input)?;
    input.expect(b')', "expected the end of sequence numbers and UIDs")?;
    Ok((seqs, uids))
}

/// A set without `$` and `*`, which say nothing of what the client knows.
fn known(input: &mut Input<'_>) -> Parsed<Set> {
    let set = Set::parse(input)?;
    if set.is_definite() { Ok(set) } else { Err(Refusal::Syntax("expected numbers, not * or $")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::imap::name::Form;

    fn select(text: &str) -> Option<Select> {
        let mut input = Input::new(text.as_bytes(), Form::Utf8);
        let select = Select::parse(&mut input, false).ok()?;
        input.is_empty().then_some(select)
    }

    #[test]
    fn what_a_client_knows() {
        let all = select(" INBOX (QRESYNC (67890007 20050715194045000 41,43:211 (1,3:4 41,43:44)))").unwrap();
        let qresync = all.qresync.unwrap();
        assert_eq!((qresync.uid_validity, qresync.modseq), (67_890_007, 20_050_715_194_045_000));
        assert!(qresync.known.is_some() && qresync.pairs.is_some());
        let short = select(" x (CONDSTORE QRESYNC (1 0))").unwrap();
        assert!(short.condstore && short.qresync.is_some());
        assert!(select(" x (QRESYNC (1 2 (1 1)))").unwrap().qresync.unwrap().known.is_none());
        for bad in [
            " x (QRESYNC)",
            " x (QRESYNC (0 1))",
            " x (QRESYNC (1))",
            " x (QRESYNC (1 2 *))",
            " x (QRESYNC (1 2 1:*))",
            " x (QRESYNC (1 2 $))",
            " x (QRESYNC (1 2 1 (1)))",
            " x ()",
            " x (FOO)",
        ] {
            assert_eq!(select(bad), None, "{bad}");
        }
    }
}
