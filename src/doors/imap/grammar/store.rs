//! STORE and the flags it names; COPY, MOVE and EXPUNGE. RFC 9051 §6.4.3, §6.4.6, §6.4.7, §6.4.8;
//! RFC 7162 §3.1.3.

use super::Refusal;
use super::input::{Input, Parsed};
use super::set::Set;
use crate::doors::imap::fetch::flags;
use crate::mailbox::Flags;

/// Most flags of one list.
const FLAGS_MAX: usize = 256;
/// Longest keyword in octets.
const KEYWORD_MAX: usize = 255;

/// STORE or UID STORE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Store {
    pub(in crate::doors::imap) by_uid: bool,
    pub(in crate::doors::imap) set: Set,
    /// Only messages not changed after this. RFC 7162 §3.1.3.
    pub(in crate::doors::imap) unchanged_since: Option<u64>,
    pub(in crate::doors::imap) how: How,
    /// Whether the client does not want to be told the outcome.
    pub(in crate::doors::imap) silent: bool,
    pub(in crate::doors::imap) flags: Named,
}

/// What becomes of the flags that are named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum How {
    /// They are all there are.
    Replace,
    Add,
    Remove,
}

/// Flags as a client names them: those with a bit, and keywords as they were written, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::doors::imap) struct Named {
    pub(in crate::doors::imap) flags: Flags,
    pub(in crate::doors::imap) keywords: Vec<String>,
}

/// COPY, MOVE and the same by UID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Transfer {
    pub(in crate::doors::imap) by_uid: bool,
    pub(in crate::doors::imap) set: Set,
    pub(in crate::doors::imap) to: String,
}

impl Store {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, by_uid: bool) -> Parsed<Self> {
        input.space()?;
        let set = Set::parse(input)?;
        input.space()?;
        let mut unchanged_since = None;
        if input.eat(b'(') {
            if !input.eat_word("UNCHANGEDSINCE") {
                return Err(Refusal::Syntax("unknown STORE modifier"));
            }
            input.space()?;
            unchanged_since = Some(input.number("expected a modseq")?);
            input.expect(b')', "expected the end of the STORE modifiers")?;
            input.space()?;
        }
        let how = match input.peek() {
            Some(b'+') => How::Add,
            Some(b'-') => How::Remove,
            _ => How::Replace,
        };
        if how != How::Replace {
            // One of the two it was.
            let _ = input.eat(b'+') || input.eat(b'-');
        }
        let silent = if input.eat_word("FLAGS.SILENT") {
            true
        } else if input.eat_word("FLAGS") {
            false
        } else {
            return Err(Refusal::Syntax("expected FLAGS"));
        };
        input.space()?;
        Ok(Self { by_uid, set, unchanged_since, how, silent, flags: Named::parse(input)? })
    }
}

impl Named {
    /// `flag-list / (flag *(SP flag))`
    fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        if input.peek() == Some(b'(') {
            return Self::parse_list(input);
        }
        let mut named = Self::default();
        for _ in 0..FLAGS_MAX {
            named.take(input)?;
            if !input.eat(b' ') {
                return Ok(named);
            }
        }
        Err(Refusal::TooMany)
    }

    /// `flag-list = "(" [flag *(SP flag)] ")"`
    pub(super) fn parse_list(input: &mut Input<'_>) -> Parsed<Self> {
        let mut named = Self::default();
        input.list(FLAGS_MAX, true, |input| named.take(input))?;
        Ok(named)
    }

    /// Reads one flag. A client can neither set nor make up what begins with a backslash. RFC 9051 §2.3.2.
    fn take(&mut self, input: &mut Input<'_>) -> Parsed<()> {
        let is_system = input.eat(b'\\');
        let word = input.atom("expected a flag")?;
        let known = flags::NAMES.iter().find(|(_, name)| match name.strip_prefix('\\') {
            Some(system) => is_system && word.eq_ignore_ascii_case(system.as_bytes()),
            None => !is_system && word.eq_ignore_ascii_case(name.as_bytes()),
        });
        if let Some((flag, _)) = known {
            self.flags = self.flags.and(*flag);
            return Ok(());
        }
        if is_system {
            return Err(Refusal::Syntax("no client can set that flag"));
        }
        if word.len() > KEYWORD_MAX {
            return Err(Refusal::Syntax("the keyword is too long"));
        }
        let word = String::from_utf8_lossy(word).into_owned();
        if !self.keywords.iter().any(|known| known.eq_ignore_ascii_case(&word)) {
            self.keywords.push(word);
        }
        Ok(())
    }
}

impl Transfer {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, by_uid: bool) -> Parsed<Self> {
        input.space()?;
        let set = Set::parse(input)?;
        input.space()?;
        Ok(Self { by_uid, set, to: input.mailbox()? })
    }
}

/// UID EXPUNGE, after its name. RFC 4315 §2.1.
pub(super) fn expunge(input: &mut Input<'_>) -> Parsed<Set> {
    input.space()?;
    Set::parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::imap::name::Form;

    fn store(text: &str) -> Option<Store> {
        let mut input = Input::new(text.as_bytes(), Form::Utf8);
        let store = Store::parse(&mut input, false).ok()?;
        input.is_empty().then_some(store)
    }

    #[test]
    fn what_store_says() {
        let all = store(" 1:3,7 (UNCHANGEDSINCE 12) -FLAGS.SILENT (\\seen $JUNK foo Foo \\Deleted)").unwrap();
        assert_eq!((all.how, all.silent, all.unchanged_since), (How::Remove, true, Some(12)));
        assert_eq!(all.flags.flags, Flags::SEEN.and(Flags::JUNK).and(Flags::DELETED));
        assert_eq!(all.flags.keywords, ["foo"]);
        let bare = store(" $ +flags \\Flagged x").unwrap();
        assert_eq!((bare.how, bare.silent, bare.set), (How::Add, false, Set::Saved));
        assert_eq!(bare.flags, Named { flags: Flags::FLAGGED, keywords: vec!["x".into()] });
        assert_eq!(store(" 1 FLAGS ()").unwrap().flags, Named::default());
        for bad in [
            " 1 FLAGS",
            " 1 FLAGS (",
            " 1 *FLAGS ()",
            " 1 +FLAGS (\\Recent)",
            " 1 +FLAGS (\\*)",
            " 1 +FLAGS (a]b)",
            " 1 +-FLAGS ()",
            " 1 +FLAGS (\\Foo)",
            " 1 (UNCHANGEDSINCE) FLAGS ()",
            " 0 FLAGS ()",
            " 1 FLAGS () ",
        ] {
            assert_eq!(store(bad), None, "{bad:?}");
        }
        let long = format!(" 1 FLAGS ({})", "k".repeat(KEYWORD_MAX + 1));
        assert_eq!(store(&long), None);
        let many = format!(" 1 FLAGS {}a", "a ".repeat(FLAGS_MAX));
        assert_eq!(store(&many), None);
    }
}
