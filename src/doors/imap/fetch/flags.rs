//! FLAGS: system flags and keywords. RFC 9051 §2.3.2.

use crate::doors::imap::out::Out;
use crate::mailbox::{Flags, Item};

/// Every flag that has a bit, in the order in which they are told.
pub(in crate::doors::imap) const NAMES: [(Flags, &str); 9] = [
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::SEEN, "\\Seen"),
    (Flags::DRAFT, "\\Draft"),
    (Flags::FORWARDED, "$Forwarded"),
    (Flags::MDN_SENT, "$MDNSent"),
    (Flags::JUNK, "$Junk"),
    (Flags::NOT_JUNK, "$NotJunk"),
];

/// `"(" [flag-fetch *(SP flag-fetch)] ")"`
pub(in crate::doors::imap) fn write(flags: Flags, keywords: &[String], out: &mut Out) {
    let bits = NAMES.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name);
    let keywords = keywords.iter().map(String::as_str).filter(|k| is_keyword(k));
    let mut between = b'(';
    for name in bits.chain(keywords) {
        out.byte(between);
        out.text(name);
        between = b' ';
    }
    if between == b'(' {
        out.byte(between);
    }
    out.byte(b')');
}

pub(in crate::doors::imap) fn is_seen(item: &Item) -> bool {
    item.flags.has(Flags::SEEN)
}

/// Whether `flag-keyword` can say it; other doors may keep words that IMAP has no way to show.
pub(in crate::doors::imap) fn is_keyword(word: &str) -> bool {
    let is_atom_char = |b: u8| {
        matches!(b, b'!'..=b'~') && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
    };
    !word.is_empty() && word.bytes().all(is_atom_char)
}

/// Whether a message has a keyword, which may be one of those with a bit. Case does not count.
pub(in crate::doors::imap) fn has_keyword(item: &Item, word: &str) -> bool {
    match NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)) {
        Some((flag, _)) => item.flags.has(*flag),
        None => item.keywords.iter().any(|k| k.eq_ignore_ascii_case(word)),
    }
}
