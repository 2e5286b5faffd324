//! Fields a server adds on the way, and fields it takes out.

use std::borrow::Cow;
use std::net::IpAddr;

use super::tree::one_line;
use crate::message::date::{self, Date};
use crate::message::header::line_at;
use crate::message::mime::Message;

/// What one hop writes down. RFC 5321 §4.4.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// What the client called itself.
    pub helo: &'a str,
    /// Where it connected from.
    pub peer: IpAddr,
    /// Its name by reverse lookup, if there is one.
    pub peer_name: Option<&'a str>,
    /// This server's name.
    pub by: &'a str,
    /// RFC 3848's keyword: `ESMTP`, `ESMTPSA`, `LMTP`, ...
    pub protocol: &'a str,
    /// The queue id.
    pub id: &'a str,
    /// The recipient, only where there is a single one: more would tell of blind copies.
    pub recipient: Option<&'a str>,
    /// TLS version and cipher, if any.
    pub tls: Option<&'a str>,
    /// When.
    pub date: Date,
}

impl Received<'_> {
    /// The whole field with its line end.
    pub fn field(&self) -> String {
        let peer_name = self.peer_name.map(|name| format!("{} ", clean(name))).unwrap_or_default();
        // RFC 5321 §4.1.3: IPv6 addresses are tagged.
        let peer = match self.peer {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("IPv6:{address}"),
        };
        let mut out = format!("Received: from {} ({peer_name}[{peer}])\r\n", clean(self.helo));
        if let Some(tls) = self.tls {
            out.push_str(&format!("\t(using {})\r\n", clean_phrase(tls)));
        }
        let (by, protocol, id) = (clean(self.by), clean(self.protocol), clean(self.id));
        out.push_str(&format!("\tby {by} with {protocol} id {id}"));
        if let Some(recipient) = self.recipient {
            out.push_str(&format!("\r\n\tfor <{}>", clean_address(recipient)));
        }
        out.push_str(&format!(";\r\n\t{}\r\n", date::format(self.date)));
        out
    }
}

/// `Return-Path: <sender>`; the empty address is the null sender. RFC 5321 §4.4.
pub fn return_path(sender: &str) -> String {
    format!("Return-Path: <{}>\r\n", clean_address(sender))
}

/// `Delivered-To: mailbox`, which also stops loops.
pub fn delivered_to(mailbox: &str) -> String {
    format!("Delivered-To: {}\r\n", clean_address(mailbox))
}

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

fn clean_phrase(text: &str) -> String {
    one_line(text).chars().filter(|ch| !"()\\".contains(*ch)).take(255).collect()
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
    fn received() {
        let mut hop = Received {
            helo: "client.test",
            peer: IpAddr::from([192, 0, 2, 1]),
            peer_name: Some("host.test"),
            by: "mail.example.org",
            protocol: "ESMTPS",
            id: "abc",
            recipient: Some("joe@example.org"),
            tls: Some("TLSv1.3 with cipher X"),
            date: DATE,
        };
        assert_eq!(
            hop.field(),
            "Received: from client.test (host.test [192.0.2.1])\r\n\t(using TLSv1.3 with cipher X)\r\n\t\
             by mail.example.org with ESMTPS id abc\r\n\tfor <joe@example.org>;\r\n\t\
             Tue, 1 Jul 2003 10:52:37 +0200\r\n"
        );
        hop.helo = "evil\r\nBcc: x (\"";
        hop.peer = "2001:db8::1".parse().unwrap();
        let field = hop.field();
        assert!(field.starts_with("Received: from evilBcc:x (host.test [IPv6:2001:db8::1])\r\n"), "{field}");
        assert_eq!(return_path(""), "Return-Path: <>\r\n");
        assert_eq!(return_path("a>\r\nb@x"), "Return-Path: <ab@x>\r\n");
        assert_eq!(delivered_to("joe@x"), "Delivered-To: joe@x\r\n");
    }

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
