//! Which messages belong together: ids named in References, or else the base subject.

use super::record::MailRecord;
use super::{charset, header, limits};

/// By what a message joins a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Message ids without angle brackets: the message's own last, its parents before it,
    /// the nearest last. At most [`limits::REFERENCES`] and its own.
    pub ids: Vec<String>,
    /// RFC 5256 §2.1's base subject, upper-cased for comparison; may be empty.
    pub base_subject: String,
    /// Whether the subject was that of a reply or forward: only then may it join others.
    pub is_reply: bool,
}

/// The keys of a message. Parents come from References and, where that lacks it, In-Reply-To.
pub fn keys(record: &MailRecord<'_>) -> Keys {
    let mut ids: Vec<String> = record.references.iter().map(|id| id.to_string()).collect();
    let in_reply_to = record.envelope.in_reply_to.as_ref();
    // In-Reply-To may name several, or be prose; RFC 5256 takes the first.
    if let Some(parent) = in_reply_to.and_then(|text| message_ids(text.as_bytes()).into_iter().next())
        && !ids.contains(&parent)
    {
        ids.push(parent);
    }
    if let Some(own) = record.envelope.message_id.as_ref().and_then(|text| message_id(text.as_bytes())) {
        ids.retain(|id| *id != own);
        ids.push(own);
    }
    let excess = ids.len().saturating_sub(limits::REFERENCES + 1);
    ids.drain(..excess);
    let (base, is_reply) = base_subject(&record.subject());
    Keys { ids, base_subject: base.to_uppercase(), is_reply }
}

/// The first message id in a field's value, without angle brackets.
pub fn message_id(value: &[u8]) -> Option<String> {
    message_ids(value).into_iter().next().or_else(|| {
        // Some write it without brackets.
        let text = header::raw_text(value);
        let bare =
            text.contains('@') && !text.contains(char::is_whitespace) && text.len() <= limits::MESSAGE_ID;
        bare.then(|| text.trim_matches(['<', '>']).to_owned())
    })
}

/// The message ids in a field's value without angle brackets, the last
/// [`limits::REFERENCES`] of them.
pub fn message_ids(value: &[u8]) -> Vec<String> {
    let mut ids = std::collections::VecDeque::new();
    let mut rest = value;
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        rest = rest.get(start + 1..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'>' | b'<')) else { break };
        let (id, after) = rest.split_at(end);
        rest = after;
        let id: Vec<u8> =
            id.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != 0).collect();
        if after.first() != Some(&b'>') || id.is_empty() || id.len() > limits::MESSAGE_ID {
            continue;
        }
        if ids.len() == limits::REFERENCES {
            ids.pop_front();
        }
        ids.push_back(String::from_utf8_lossy(&id).into_owned());
    }
    ids.into()
}

/// RFC 5256 §2.1: the subject without `Re:`, `Fwd:`, `[list]` and `(fwd)`, and whether anything
/// that marks a reply or forward was taken away. The subject must be decoded already; of one longer
/// than [`limits::BASE_SUBJECT`] only the beginning counts.
pub fn base_subject(subject: &str) -> (String, bool) {
    let collapsed = collapsed(subject);
    let mut text = collapsed.as_str();
    let mut is_reply = false;
    loop {
        // Steps 2 to 6 of the section; each turn takes something away.
        let before = text;
        while let Some(rest) = strip_suffix_ignoring_case(text, "(fwd)") {
            text = rest.trim_end();
            is_reply = true;
        }
        loop {
            let behind_blobs = strip_blobs(text);
            let Some(rest) = strip_leader(behind_blobs.end) else {
                text = behind_blobs.subject;
                break;
            };
            text = rest;
            is_reply = true;
        }
        let inner = strip_prefix_ignoring_case(text, "[fwd:").and_then(|rest| rest.strip_suffix(']'));
        if let Some(inner) = inner {
            text = inner.trim();
            is_reply = true;
        }
        if text == before {
            return (text.to_owned(), is_reply);
        }
    }
}

/// Each run of white space made one blank, and cut.
fn collapsed(subject: &str) -> String {
    let mut out = String::new();
    for word in subject.split_whitespace() {
        if out.len() >= limits::BASE_SUBJECT {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(charset::truncate_bytes(word, limits::BASE_SUBJECT));
    }
    charset::truncate_bytes(&out, limits::BASE_SUBJECT).trim_end().to_owned()
}

/// Text behind the blobs it begins with.
struct BehindBlobs<'t> {
    /// Behind all of them: where a leader may stand.
    end: &'t str,
    /// Behind those that may go if none does: a blob that is all there is stays.
    subject: &'t str,
}

fn strip_blobs(text: &str) -> BehindBlobs<'_> {
    let mut behind = BehindBlobs { end: text, subject: text };
    while let Some(after) = strip_blob(behind.end) {
        behind.end = after;
        if !after.is_empty() {
            behind.subject = after;
        }
    }
    behind
}

/// `subj-refwd`: `re`/`fw`/`fwd` and what other languages write, a blob, and a colon.
fn strip_leader(text: &str) -> Option<&str> {
    let word_end = text.find(|ch: char| !ch.is_alphabetic()).unwrap_or(text.len());
    let (word, after) = text.split_at(word_end);
    if !LEADERS.iter().any(|leader| leader.eq_ignore_ascii_case(word)) {
        return None;
    }
    let mut after = after.trim_start();
    if let Some(without) = strip_blob(after) {
        after = without;
    }
    // "Re: ", and the full-width colon of East Asian clients.
    after.strip_prefix(':').or_else(|| after.strip_prefix('：')).map(str::trim_start)
}

/// RFC 5256's `re`, `fw`, `fwd` and the same in the languages of common clients.
const LEADERS: [&str; 15] =
    ["re", "fw", "fwd", "aw", "wg", "sv", "vs", "vb", "tr", "rv", "antw", "odp", "ynt", "回复", "转发"];

/// `"[" *BLOBCHAR "]" *WSP`
fn strip_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    inner.get(end..)?.strip_prefix(']').map(str::trim_start)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..))?
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    text.get(at..)?.eq_ignore_ascii_case(suffix).then(|| text.get(..at))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_subjects() {
        for (subject, base, reply) in [
            ("Hello", "Hello", false),
            ("Re: Hello", "Hello", true),
            ("RE:  re: Fwd: Hello   World", "Hello World", true),
            ("[list] Hello", "Hello", false),
            ("[list] Re: [other] Hello (fwd)", "Hello", true),
            ("Re[2]: Hello", "Hello", true),
            ("[Fwd: Re: Hello]", "Hello", true),
            ("[only]", "[only]", false),
            ("AW: WG: Hallo", "Hallo", true),
            ("Regarding: Hello", "Regarding: Hello", false),
            ("回复：你好", "你好", true),
            ("", "", false),
            ("Re:", "", true),
            ("(fwd)", "", true),
            ("[a] [b] Hello", "Hello", false),
            ("[a] [b] re [c]: [d] Hello", "Hello", true),
            ("[a] [b]", "[b]", false),
            ("Re: [a] [b]", "[b]", true),
        ] {
            assert_eq!(base_subject(subject), (base.to_owned(), reply), "{subject}");
        }
    }

    #[test]
    fn long_subjects_count_by_their_beginning() {
        let (base, reply) = base_subject(&format!("Re: {}", "é ".repeat(1_000_000)));
        assert!(reply && base.starts_with("é é") && base.len() > limits::BASE_SUBJECT - 8);
        let blobs = |count| base_subject(&format!("{}x", "[a]".repeat(count))).0;
        assert_eq!(blobs(300), "x");
        assert_eq!(blobs(500_000), "[");
        for run in ["[]", "[", "]", "[fwd:", "(fwd)", "re:", "re[", "re[]", "[x]re:", "x"] {
            let (base, _) = base_subject(&run.repeat(500_000));
            assert!(base.len() <= limits::BASE_SUBJECT, "{run}");
        }
    }

    #[test]
    fn ids_are_found_and_bounded() {
        assert_eq!(message_ids(b"<a@x> (comment) <b@x>\r\n <c\r\n @x>"), ["a@x", "b@x", "c@x"]);
        assert_eq!(message_ids(b"<a@x <b@x> <>"), ["b@x"]);
        assert_eq!(message_id(b" a@x "), Some("a@x".to_owned()));
        assert_eq!(message_id(b"your mail of a@x"), None);
        let many: String = (0..10_000).map(|n| format!("<{n}@x> ")).collect();
        let ids = message_ids(many.as_bytes());
        assert_eq!((ids.len(), ids.last().map(String::as_str)), (limits::REFERENCES, Some("9999@x")));
    }

    #[test]
    fn keys_put_the_nearest_last() {
        let raw = b"Message-ID: <c@x>\r\nReferences: <a@x>\r\nIn-Reply-To: <b@x>\r\nSubject: Re: Hi\r\n\r\n";
        let keys = keys(&MailRecord::from_message(&crate::message::parse(raw)));
        assert_eq!(keys.ids, ["a@x", "b@x", "c@x"]);
        assert_eq!((keys.base_subject.as_str(), keys.is_reply), ("HI", true));
    }

    proptest::proptest! {
        #[test]
        fn a_base_subject_is_its_own_base(subject: String) {
            let (base, _) = base_subject(&subject);
            proptest::prop_assert_eq!(base_subject(&base).0, base);
        }
    }
}
