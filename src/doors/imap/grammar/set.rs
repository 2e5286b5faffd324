//! Sets of sequence numbers or UIDs. RFC 9051 §9, `sequence-set`.

use super::Refusal;
use super::input::{Input, Parsed};

/// A set as the client wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Set {
    /// `$`: what the last SEARCH saved. RFC 9051 §6.4.4.1.
    Saved,
    /// Ranges in any order, overlapping or not; either end of each may be the larger.
    Ranges(Vec<(Number, Number)>),
}

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Number {
    /// A number above zero.
    Is(u32),
    /// `*`: the largest in use.
    Last,
}

impl Set {
    pub(super) fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        if input.eat(b'$') {
            return Ok(Self::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let from = Number::parse(input)?;
            let to = if input.eat(b':') { Number::parse(input)? } else { from };
            ranges.push((from, to));
            if !input.eat(b',') {
                return Ok(Self::Ranges(ranges));
            }
        }
    }

    /// Every number there is.
    pub(in crate::doors::imap) fn all() -> Self {
        Self::Ranges(vec![(Number::Is(1), Number::Is(u32::MAX))])
    }

    /// Whether it stands for the same numbers everywhere.
    pub(super) fn is_definite(&self) -> bool {
        let definite = |n: &Number| matches!(n, Number::Is(_));
        matches!(self, Self::Ranges(ranges) if ranges.iter().all(|(a, b)| definite(a) && definite(b)))
    }

    /// The ranges in order, without overlaps, `*` being `last`; empty for `$`, which only the session
    /// knows. With `last` zero, as in an empty mailbox, `*` is no number at all.
    pub(in crate::doors::imap) fn resolve(&self, last: u32) -> Vec<(u32, u32)> {
        let Self::Ranges(ranges) = self else { return Vec::new() };
        let number = |n: &Number| match n {
            Number::Is(n) => *n,
            Number::Last => last,
        };
        let ends = ranges.iter().map(|(from, to)| (number(from), number(to)));
        let mut sorted: Vec<(u32, u32)> = ends.map(|(a, b)| (a.min(b).max(1), a.max(b))).collect();
        sorted.retain(|(low, high)| low <= high);
        sorted.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (low, high) in sorted {
            match merged.last_mut() {
                Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
                _ => merged.push((low, high)),
            }
        }
        merged
    }
}

impl Number {
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        if input.eat(b'*') {
            return Ok(Self::Last);
        }
        match input.nz_number("expected a message number") {
            Ok(number) => Ok(Self::Is(number)),
            Err(_) => Err(Refusal::Syntax("expected a message number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::doors::imap::name::Form;

    fn resolve(text: &str, last: u32) -> Option<Vec<(u32, u32)>> {
        let mut input = Input::new(text.as_bytes(), Form::Utf8);
        let set = Set::parse(&mut input).ok()?;
        input.is_empty().then(|| set.resolve(last))
    }

    #[test]
    fn ranges_are_ordered_and_merged() {
        assert_eq!(resolve("2,4:7,9,12:*", 15), Some(vec![(2, 2), (4, 7), (9, 9), (12, 15)]));
        assert_eq!(resolve("*:4,5:7", 10), Some(vec![(4, 10)]));
        // RFC 9051 §9: 559:* always includes the last message.
        assert_eq!(resolve("559:*", 9), Some(vec![(9, 559)]));
        assert_eq!(resolve("*", 0), Some(vec![]));
        assert_eq!(resolve("4294967295:1", 3), Some(vec![(1, u32::MAX)]));
    }

    #[test]
    fn what_is_no_set() {
        for bad in ["", "0", "1,", "1:", ":1", "4294967296", "-1", "1;2", "1:2:3", "$1"] {
            assert_eq!(resolve(bad, 9), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_resolved_set_has_the_same_members(
            ranges in prop::collection::vec((1_u32..60, 1_u32..60), 1..8),
            last in 1_u32..60,
        ) {
            let set = Set::Ranges(ranges.iter().map(|(a, b)| (Number::Is(*a), Number::Is(*b))).collect());
            let resolved = set.resolve(last);
            prop_assert!(resolved.windows(2).all(|w| w[0].1 + 1 < w[1].0));
            for n in 1..70 {
                let wanted = ranges.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&n));
                let found = resolved.iter().any(|(a, b)| (*a..=*b).contains(&n));
                prop_assert_eq!(wanted, found);
            }
        }
    }
}
