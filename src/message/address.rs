//! Address lists: RFC 5322 §3.4 with its obsolete forms and what the wild adds.
//!
//! One pass over the bytes, no recursion, at most [`limits::ADDRESSES`] addresses.

use super::record::{Address, Text};
use super::{charset, header, limits};

/// Reads an address list as it stood in its field. Never fails; `true` beside the list says that
/// some addresses were left out.
pub fn parse(value: &[u8]) -> (Vec<Address<'static>>, bool) {
    let mut parser = Parser { input: value, ..Parser::default() };
    parser.run();
    (parser.list, parser.truncated)
}

/// `local@domain`, the local part quoted where RFC 5321 §4.1.2 demands it.
pub fn join(local: &str, domain: &str) -> String {
    let atom = |ch: char| ch.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(ch) || !ch.is_ascii();
    let dot_atom = !local.is_empty()
        && local.chars().all(atom)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let mut out = String::with_capacity(local.len() + domain.len() + 3);
    if dot_atom || (domain.is_empty() && !local.contains(['"', '\\'])) {
        out.push_str(local);
    } else {
        out.push('"');
        for ch in local.chars() {
            if matches!(ch, '"' | '\\') {
                out.push('\\');
            }
            out.push(ch);
        }
        out.push('"');
    }
    if !domain.is_empty() {
        out.push('@');
        out.push_str(domain);
    }
    out
}

/// Keeps the first `most` elements, closing a group that is cut.
pub(super) fn cut(list: &mut Vec<Address<'_>>, most: usize) {
    if list.len() <= most {
        return;
    }
    list.truncate(most);
    let group = |address: &&Address<'_>| !matches!(address, Address::Mailbox { .. });
    if matches!(list.iter().rev().find(group), Some(Address::GroupStart(_))) {
        list.push(Address::GroupEnd);
    }
}

/// Text collected from atoms, quoted strings and encoded words.
#[derive(Default)]
struct Phrase {
    bytes: Vec<u8>,
    /// White space was passed since the last byte.
    gap: bool,
    /// Where an unquoted `@` was last seen.
    at: Option<usize>,
}

impl Phrase {
    fn push(&mut self, byte: u8) {
        if std::mem::take(&mut self.gap) && !self.bytes.is_empty() {
            self.bytes.push(b' ');
        }
        self.bytes.push(byte);
    }

    /// Starts a quoted string, so that it counts even when it is empty.
    fn touch(&mut self) {
        if std::mem::take(&mut self.gap) && !self.bytes.is_empty() {
            self.bytes.push(b' ');
        }
    }

    fn take(&mut self) -> String {
        let taken = std::mem::take(self);
        charset::guess(&taken.bytes).replace('\0', "").trim().to_owned()
    }
}

#[derive(Default)]
struct Parser<'a> {
    input: &'a [u8],
    at: usize,
    phrase: Phrase,
    /// What stood in angle brackets.
    angle: Option<Address<'static>>,
    comment: Phrase,
    in_group: bool,
    list: Vec<Address<'static>>,
    truncated: bool,
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.next() {
            match byte {
                b',' => self.finish(),
                b';' => {
                    self.finish();
                    if std::mem::take(&mut self.in_group) {
                        self.list.push(Address::GroupEnd);
                    }
                }
                b':' if self.angle.is_none() && !self.in_group && self.phrase.at.is_none() => self.group(),
                b'<' => self.angle(),
                b'"' => self.quoted(),
                b'(' => self.comment(),
                b' ' | b'\t' | b'\r' | b'\n' => self.phrase.gap = true,
                b'=' if self.word_starts() && self.encoded_word() => {}
                b'[' => self.literal(),
                b'\\' => {
                    let escaped = self.next().unwrap_or(byte);
                    self.phrase.push(escaped);
                }
                _ => {
                    if byte == b'@' {
                        // "a @ b" is one address.
                        self.phrase.gap = false;
                        self.phrase.at = Some(self.phrase.bytes.len());
                    } else if self.phrase.at == self.phrase.bytes.len().checked_sub(1) {
                        self.phrase.gap = false;
                    }
                    self.phrase.push(byte);
                }
            }
            if self.list.len() >= limits::ADDRESSES {
                self.truncated = !self.input.get(self.at..).unwrap_or_default().trim_ascii().is_empty();
                break;
            }
        }
        if !self.truncated {
            self.finish();
        }
        if self.in_group {
            self.list.push(Address::GroupEnd);
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.input.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn word_starts(&self) -> bool {
        self.phrase.gap || self.phrase.bytes.is_empty() || self.phrase.bytes.ends_with(b"?=")
    }

    /// Takes an encoded word whole, since it may hold unquoted specials.
    fn encoded_word(&mut self) -> bool {
        let start = self.at - 1;
        let rest = self.input.get(start..).unwrap_or_default();
        let Some(length) = header::encoded_word_len(rest) else { return false };
        if !self.phrase.gap && self.phrase.bytes.ends_with(b"?=") {
            self.phrase.gap = true;
        }
        for byte in rest.iter().take(length) {
            self.phrase.push(*byte);
        }
        self.at = start + length;
        true
    }

    fn quoted(&mut self) {
        self.phrase.touch();
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return,
                b'\\' => {
                    let escaped = self.next().unwrap_or(byte);
                    self.phrase.bytes.push(escaped);
                }
                b'\r' | b'\n' => {}
                _ => self.phrase.bytes.push(byte),
            }
        }
    }

    /// Nested comments, counted instead of recursed into.
    fn comment(&mut self) {
        let mut depth = 1_usize;
        self.comment.gap = true;
        while let Some(byte) = self.next() {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 1 => return,
                b')' => depth -= 1,
                b'\\' => {
                    let escaped = self.next().unwrap_or(byte);
                    self.comment.push(escaped);
                    continue;
                }
                b' ' | b'\t' | b'\r' | b'\n' => {
                    self.comment.gap = true;
                    continue;
                }
                _ => {}
            }
            self.comment.push(byte);
        }
    }

    /// A domain literal, which may hold colons.
    fn literal(&mut self) {
        self.phrase.push(b'[');
        while let Some(byte) = self.next() {
            match byte {
                b'\r' | b'\n' | b' ' | b'\t' => {}
                b',' | b';' | b'<' | b'>' => {
                    self.at -= 1;
                    return;
                }
                _ => self.phrase.push(byte),
            }
            if byte == b']' {
                return;
            }
        }
    }

    /// `<local@domain>`, with an obsolete route skipped.
    fn angle(&mut self) {
        let outer = std::mem::take(&mut self.phrase);
        let mut quoted_local = None;
        while let Some(byte) = self.next() {
            match byte {
                b'>' => break,
                b'"' => {
                    self.quoted();
                    quoted_local = Some(self.phrase.bytes.len());
                }
                b'(' => self.comment(),
                b' ' | b'\t' | b'\r' | b'\n' => {}
                // "<@relay1,@relay2:user@host>"
                b':' if self.phrase.bytes.first() == Some(&b'@') => self.phrase = Phrase::default(),
                b'[' => self.literal(),
                b'\\' => {
                    let escaped = self.next().unwrap_or(byte);
                    self.phrase.bytes.push(escaped);
                }
                b'@' => {
                    self.phrase.at = Some(self.phrase.bytes.len());
                    self.phrase.bytes.push(byte);
                }
                _ => self.phrase.bytes.push(byte),
            }
        }
        let inner = std::mem::replace(&mut self.phrase, outer);
        self.phrase.gap = true;
        // "<>" names nobody, but `<"">` and `<""@x>` are there.
        let is_there = !inner.bytes.is_empty() || quoted_local.is_some();
        if self.angle.is_none() && is_there {
            let (local, domain) = split_at(&inner);
            self.angle = Some(Address::Mailbox { name: None, local, domain });
        }
    }

    fn group(&mut self) {
        let name = self.phrase.take();
        if !name.is_empty() {
            self.list.push(Address::GroupStart(name.into()));
            self.in_group = true;
        }
        self.comment = Phrase::default();
    }

    /// Ends one address.
    fn finish(&mut self) {
        let comment = self.comment.take();
        if let Some(Address::Mailbox { local, domain, .. }) = self.angle.take() {
            let phrase = self.phrase.take();
            let name = [phrase, comment].into_iter().find(|name| !name.is_empty()).map(Text::from);
            self.list.push(Address::Mailbox { name, local, domain });
            return;
        }
        if self.phrase.at.is_some() {
            let phrase = std::mem::take(&mut self.phrase);
            let (local, domain) = split_at(&phrase);
            let name = (!comment.is_empty()).then(|| Text::from(comment));
            self.list.push(Address::Mailbox { name, local, domain });
            return;
        }
        let phrase = self.phrase.take();
        if phrase.is_empty() {
            return;
        }
        let (name, local) = if phrase.contains(char::is_whitespace) || phrase.contains("=?") {
            (Some(Text::from(phrase)), Text::default())
        } else {
            ((!comment.is_empty()).then(|| Text::from(comment)), Text::from(phrase))
        };
        self.list.push(Address::Mailbox { name, local, domain: Text::default() });
    }
}

/// Splits at the last unquoted `@`. Text before a blank in the local part is no part of it
/// ("Joe joe@example.org" without brackets).
fn split_at(phrase: &Phrase) -> (Text<'static>, Text<'static>) {
    let text = |bytes: &[u8]| Text::from(charset::guess(bytes).replace('\0', "").trim().to_owned());
    match phrase.at {
        Some(at) => {
            let local = phrase.bytes.get(..at).unwrap_or_default();
            let domain = phrase.bytes.get(at + 1..).unwrap_or_default();
            (text(local), text(domain))
        }
        None => (text(&phrase.bytes), Text::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|local|domain` of each mailbox, `name:` and `;` for groups.
    fn list(value: &str) -> Vec<String> {
        let show = |address: &Address<'_>| match address {
            Address::Mailbox { name, local, domain } => {
                format!("{}|{local}|{domain}", name.as_ref().map_or("-", |name| name))
            }
            Address::GroupStart(name) => format!("{name}:"),
            Address::GroupEnd => ";".to_owned(),
        };
        parse(value.as_bytes()).0.iter().map(show).collect()
    }

    #[test]
    fn ordinary_lists() {
        assert_eq!(list("joe@example.org"), ["-|joe|example.org"]);
        assert_eq!(list("Joe <joe@example.org>, ann@x.y"), ["Joe|joe|example.org", "-|ann|x.y"]);
        assert_eq!(list("\"Doe, Joe\" <joe@example.org>"), ["Doe, Joe|joe|example.org"]);
        assert_eq!(list("\"Joe \\\"J\\\" Doe\" <j@x>"), ["Joe \"J\" Doe|j|x"]);
        assert_eq!(list("joe@example.org (Joe Doe)"), ["Joe Doe|joe|example.org"]);
        assert_eq!(list("Joe Q. Public <j@x>,\r\n\tAnn <a@x>"), ["Joe Q. Public|j|x", "Ann|a|x"]);
        assert_eq!(list("=?utf-8?Q?Doe,_J?= <j@x>"), ["=?utf-8?Q?Doe,_J?=|j|x"]);
        assert_eq!(list("=?utf-8?Q?a?=\r\n =?utf-8?Q?b?= <j@x>"), ["=?utf-8?Q?a?= =?utf-8?Q?b?=|j|x"]);
        assert_eq!(list("\"joe doe\"@example.org"), ["-|joe doe|example.org"]);
        assert_eq!(list("joe@[IPv6:::1]"), ["-|joe|[IPv6:::1]"]);
        assert_eq!(list("Jörg <j@x>"), ["Jörg|j|x"]);
    }

    #[test]
    fn groups() {
        assert_eq!(list("undisclosed-recipients:;"), ["undisclosed-recipients:", ";"]);
        assert_eq!(list("A Group:a@x, B <b@x>;, c@x"), ["A Group:", "-|a|x", "B|b|x", ";", "-|c|x"]);
        assert_eq!(list("open: a@x"), ["open:", "-|a|x", ";"]);
    }

    #[test]
    fn odd_ones() {
        assert_eq!(list("<\"\"@x>"), ["-||x"]);
        assert_eq!(list("<>"), Vec::<String>::new());
        assert_eq!(list(""), Vec::<String>::new());
        assert_eq!(list(" , ,, "), Vec::<String>::new());
        assert_eq!(list("<@a,@b:joe@x>"), ["-|joe|x"]);
        assert_eq!(list("joe"), ["-|joe|"]);
        assert_eq!(list("Joe Doe"), ["Joe Doe||"]);
        assert_eq!(list("joe @ example.org"), ["-|joe|example.org"]);
        assert_eq!(list("<joe@x"), ["-|joe|x"]);
        assert_eq!(list("\"unclosed <joe@x>"), ["unclosed <joe@x>||"]);
        assert_eq!(list("a(b(c)d)@x"), ["b(c)d|a|x"]);
        assert_eq!(list("Joe (at work) <j@x>"), ["Joe|j|x"]);
        assert_eq!(list("<a@b@c>"), ["-|a@b|c"]);
        assert_eq!(list("<a@x><b@y>"), ["-|a|x"]);
    }

    #[test]
    fn addresses_are_quoted_again() {
        assert_eq!(join("joe", "x"), "joe@x");
        assert_eq!(join("", "x"), "\"\"@x");
        assert_eq!(join("joe doe", "x"), "\"joe doe\"@x");
        assert_eq!(join("a\"b", "x"), "\"a\\\"b\"@x");
        assert_eq!(join("a..b", "x"), "\"a..b\"@x");
        assert_eq!(join("jörg", "x"), "jörg@x");
        assert_eq!(join("joe", ""), "joe");
    }

    #[test]
    fn counts_and_nesting_are_bounded() {
        let many = "a@x,".repeat(1_000_000);
        let (addresses, truncated) = parse(many.as_bytes());
        assert_eq!((addresses.len(), truncated), (limits::ADDRESSES, true));
        let nested = format!("{}{}a@x", "(".repeat(500_000), ")".repeat(500_000));
        assert_eq!(parse(nested.as_bytes()).0.len(), 1);
        let (addresses, _) = parse(&vec![b'('; 1_000_000]);
        assert!(addresses.is_empty());
        let mut group = parse(format!("g:{}", "a@x,".repeat(20_000)).as_bytes()).0;
        assert_eq!(group.last(), Some(&Address::GroupEnd));
        cut(&mut group, 10);
        assert_eq!((group.len(), group.last()), (11, Some(&Address::GroupEnd)));
    }

    /// mail-parser reads the same lists the same way where both follow the standard.
    #[test]
    fn agrees_with_another_parser() {
        for value in [
            "Joe <joe@example.org>, ann@x.y",
            "\"Doe, Joe\" <joe@example.org>",
            "A Group: a@x.y, B <b@x.y>;",
            "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            "\"Joe Q. Public\" <john.q.public@example.com>, Mary Smith <mary@x.test>, jdoe@example.org",
        ] {
            let raw = format!("To: {value}\r\n\r\n");
            let theirs = mail_parser::MessageParser::new().parse(raw.as_bytes()).unwrap();
            let theirs: Vec<String> = theirs
                .to()
                .unwrap()
                .iter()
                .filter_map(|address| address.address())
                .map(str::to_owned)
                .collect();
            let ours: Vec<String> = parse(value.as_bytes()).0.iter().filter_map(Address::address).collect();
            assert_eq!(ours, theirs, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let (list, _) = parse(&bytes);
            proptest::prop_assert!(list.len() <= bytes.len() + 1);
        }

        #[test]
        fn what_is_joined_is_read_back(local in "[a-z \"\\\\@.,<>()]{1,12}", domain in "[a-z]{1,8}\\.[a-z]{2}") {
            let local = local.trim();
            let text = format!("<{}>", join(local, &domain));
            let read = parse(text.as_bytes()).0;
            let want = Address::Mailbox { name: None, local: local.into(), domain: domain.as_str().into() };
            proptest::prop_assert_eq!(read, vec![want]);
        }
    }
}
