//! LIST patterns: `*` is any text, `%` any text without the hierarchy separator. RFC 9051 §6.3.9.

/// What stands between the levels of a mailbox name.
pub(super) const SEPARATOR: char = '/';

/// Most characters of the patterns of one LIST that have wildcards, together.
pub(super) const WILD_MAX: usize = 2_048;

/// A pattern, ready to be matched.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    chars: Vec<char>,
    /// Characters that stand for themselves.
    plain: usize,
}

impl Pattern {
    /// A pattern below a reference, which is simply put in front of it.
    pub(super) fn new(reference: &str, pattern: &str) -> Self {
        let mut chars: Vec<char> = Vec::new();
        for ch in reference.chars().chain(pattern.chars()) {
            match (chars.last(), ch) {
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => {
                    chars.pop();
                    chars.push('*');
                }
                _ => chars.push(ch),
            }
        }
        let plain = chars.iter().filter(|ch| !matches!(ch, '*' | '%')).count();
        Self { chars, plain }
    }

    /// How many characters it has, if it has wildcards: what matching it costs for each of a name's.
    pub(super) fn cost(&self) -> usize {
        if self.plain == self.chars.len() { 0 } else { self.chars.len() }
    }

    /// Whether a name matches. Takes time in proportion to both lengths, whatever the wildcards.
    pub(super) fn matches(&self, name: &str) -> bool {
        let any_case = any_case(name);
        let same = |n: usize, ch: char, literal: char| {
            literal == ch || (n < any_case && literal.eq_ignore_ascii_case(&ch))
        };
        if self.plain == self.chars.len() {
            return name.chars().count() == self.plain
                && name.chars().zip(&self.chars).enumerate().all(|(n, (ch, literal))| same(n, ch, *literal));
        }
        // Where in the pattern one can be after the name so far.
        let mut at = vec![false; self.chars.len() + 1];
        self.reach(&mut at, 0);
        for (n, ch) in name.chars().enumerate() {
            let mut next = vec![false; self.chars.len() + 1];
            for (i, pattern) in self.chars.iter().enumerate() {
                if !at.get(i).copied().unwrap_or_default() {
                    continue;
                }
                match pattern {
                    '*' => self.reach(&mut next, i),
                    '%' if ch != SEPARATOR => self.reach(&mut next, i),
                    '%' => {}
                    literal if same(n, ch, *literal) => self.reach(&mut next, i + 1),
                    _ => {}
                }
            }
            at = next;
        }
        at.last().copied().unwrap_or_default()
    }

    /// Marks a place, and those after wildcards that may match nothing.
    fn reach(&self, at: &mut [bool], mut i: usize) {
        loop {
            match at.get_mut(i) {
                Some(reached) if !*reached => *reached = true,
                _ => return,
            }
            match self.chars.get(i) {
                Some('*' | '%') => i += 1,
                _ => return,
            }
        }
    }
}

/// How many of a name's first characters match in any case: those of INBOX. RFC 9051 §5.1.
fn any_case(name: &str) -> usize {
    const INBOX: &str = "INBOX";
    match name.strip_prefix(INBOX) {
        Some(rest) if rest.is_empty() || rest.starts_with(SEPARATOR) => INBOX.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new("", pattern).matches(name)
    }

    #[test]
    fn wildcards() {
        assert!(matches("*", "a/b/c"));
        assert!(matches("%", "abc"));
        assert!(!matches("%", "a/b"));
        assert!(matches("a/%", "a/b"));
        assert!(!matches("a/%", "a/b/c"));
        assert!(matches("%/%", "a/b"));
        assert!(matches("*/c", "a/b/c"));
        assert!(matches("a%*c", "a/b/c"));
        assert!(!matches("a", "ab"));
        assert!(!matches("", "a"));
        assert!(matches("inBox", "INBOX"));
        assert!(matches("inbox/%", "INBOX/a"));
        assert!(matches("inb%", "INBOX"));
        assert!(matches("inboxes", "inboxes"));
        assert!(!matches("inboxes", "INBOXES"));
        assert!(!matches("sent", "Sent"));
        assert!(Pattern::new("a/", "%").matches("a/b"));
    }

    #[test]
    fn many_wildcards_cost_little() {
        let pattern = Pattern::new("", &"%a*".repeat(300));
        assert!(!pattern.matches(&"a".repeat(255)));
    }

    /// The plain definition.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((wild @ ('*' | '%'), rest)) => (0..=name.len())
                .take_while(|n| *wild == '*' || !name[..*n].contains(&SEPARATOR))
                .any(|n| naive(rest, &name[n..])),
            Some((ch, rest)) => name.first() == Some(ch) && naive(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matches_as_defined(pattern in "[ab/%*]{0,7}", name in "[ab/]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), naive(&chars(&pattern), &chars(&name)));
        }
    }
}
