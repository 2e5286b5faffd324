//! Fields a server adds on the way, and fields it takes out.

use std::borrow::Cow;

use crate::message::date::{self, Date};
use crate::message::header::line_at;
use crate::message::mime::Message;

/// A message id without angle brackets.
pub fn message_id(unique: u128, domain: &str) -> String {
    format!("{unique:032x}@{}", clean(domain))
}

/// The Date and Message-ID fields a submitted message lacks. RFC 6409 §8. `id` is without angle
/// brackets. To be put before the message's own header.
pub fn missing_fields(message: &Message<'_>, date: Date, id: &str) -> String {
    let Some(root) = message.parts().first() else { return String::new() };
    let mut out = String::new();
    if message.field(root, "Date").is_none() {
        out.push_str(&format!("Date: {}\r\n", date::format(date)));
    }
    if message.field(root, "Message-ID").is_none_or(|id| id.trim_ascii().is_empty()) {
        out.push_str(&format!("Message-ID: <{}>\r\n", clean_address(id)));
    }
    out
}

/// The message without its Bcc fields. RFC 5322 §3.6.3.
pub fn without_bcc(raw: &[u8]) -> Cow<'_, [u8]> {
    without_fields(raw, |name| name.eq_ignore_ascii_case(b"Bcc") || name.eq_ignore_ascii_case(b"Resent-Bcc"))
}

/// The message without the header fields of its own whose names `unwanted` picks. Everything
/// else stays byte for byte, however long the header is.
pub fn without_fields(raw: &[u8], unwanted: impl Fn(&[u8]) -> bool) -> Cow<'_, [u8]> {
    let mut kept: Option<Vec<u8>> = None;
    let (mut at, mut dropping) = (0, false);
    while let Some(line) = line_at(raw, at) {
        let content = raw.get(at..line.content_end).unwrap_or_default();
        if content.is_empty() {
            break;
        }
        if !content.starts_with(b" ") && !content.starts_with(b"\t") {
            let colon = content.iter().position(|byte| *byte == b':');
            let name = colon.and_then(|colon| content.get(..colon)).map(<[u8]>::trim_ascii_end);
            dropping = name.is_some_and(&unwanted);
        }
        if dropping {
            kept.get_or_insert_with(|| raw.get(..at).unwrap_or_default().to_vec());
        } else if let Some(kept) = &mut kept {
            kept.extend_from_slice(raw.get(at..line.next).unwrap_or_default());
        }
        at = line.next;
    }
    match kept {
        Some(mut kept) => {
            kept.extend_from_slice(raw.get(at..).unwrap_or_default());
            Cow::Owned(kept)
        }
        None => Cow::Borrowed(raw),
    }
}

/// A word without blanks or anything that could end it early.
fn clean(text: &str) -> String {
    let kept = |ch: &char| !ch.is_control() && !ch.is_whitespace() && !"()<>;\"\\".contains(*ch);
    text.chars().filter(kept).take(255).collect()
}

/// An address may hold quotes and blanks, but nothing that ends the line or the brackets.
pub(super) fn clean_address(address: &str) -> String {
    address.chars().filter(|ch| !ch.is_control() && !"<>".contains(*ch)).take(998).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse;

    const DATE: Date = Date { unix: 1_057_049_557, offset_minutes: 120 };

    #[test]
    fn missing_fields_are_added() {
        let id = message_id(1, "example.org");
        let added = missing_fields(&parse(b"From: a@x\r\n\r\n"), DATE, &id);
        assert_eq!(
            added,
            "Date: Tue, 1 Jul 2003 10:52:37 +0200\r\nMessage-ID: <00000000000000000000000000000001@example.org>\r\n"
        );
        assert_eq!(missing_fields(&parse(b"Date: x\r\nmessage-id: <a@b>\r\n\r\n"), DATE, &id), "");
    }

    #[test]
    fn blind_copies_leave_no_trace() {
        let raw =
            b"To: a@x\r\nBCC : secret@x,\r\n other@x\r\nSubject: s\r\nResent-Bcc: y@x\r\n\r\nBcc: stays\r\n";
        assert_eq!(&*without_bcc(raw), b"To: a@x\r\nSubject: s\r\n\r\nBcc: stays\r\n");
        let raw = b"To: a@x\n\nBcc: stays";
        assert!(matches!(without_bcc(raw), Cow::Borrowed(_)));
        let many = [b"X-A: b\r\n".repeat(5_000), b"Bcc: secret@x\r\n\r\n".to_vec()].concat();
        assert!(!without_bcc(&many).windows(6).any(|window| window == b"secret"));
        assert_eq!(&*without_bcc(b"Bcc: a@x"), b"");
    }

    proptest::proptest! {
        #[test]
        fn nothing_else_is_lost(lines in proptest::collection::vec("(To: x|Bcc: y| fold|bcc:z|junk|)(\r\n|\n)", 0..12)) {
            let raw = lines.concat();
            let out = without_bcc(raw.as_bytes()).into_owned();
            let message = parse(&out);
            let root = message.parts().first().unwrap();
            proptest::prop_assert!(message.field(root, "Bcc").is_none());
            let again = without_bcc(&out).into_owned();
            proptest::prop_assert_eq!(&again, &out);
        }
    }
}
