//! The lines put in front of a message on its way, and the count of those already there.
//! RFC 5321 §4.4, §6.3.

use std::fmt::Write;
use std::net::IpAddr;

use super::address::{Address, Domain};
use crate::clock::Millis;
use crate::message;

/// How a message came, for its Received line.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The client it came from; `None` when it was made here.
    pub via: Option<Via>,
    /// The transmission type. RFC 3848.
    pub with: String,
}

/// The client a message came from.
#[derive(Clone, Debug)]
pub struct Via {
    /// What it called itself.
    pub name: String,
    /// Where it really was.
    pub address: IpAddr,
}

/// A Received line; `to` is named when the copy is for nobody else. RFC 5321 §4.4.
pub(super) fn received(trace: &Trace, host: &str, id: &str, to: Option<&Address>, now: Millis) -> String {
    let mut line = String::from("Received: ");
    // Writing to a string cannot fail.
    let _ = match &trace.via {
        Some(Via { name, address }) => {
            write!(line, "from {} ({})\r\n\tby {host} (Folkmoot)", safe(name), Domain::Literal(*address))
        }
        None => write!(line, "by {host} (Folkmoot)"),
    };
    if !trace.with.is_empty() {
        let _ = write!(line, " with {}", trace.with);
    }
    let _ = write!(line, " id {id}");
    if let Some(to) = to {
        let _ = write!(line, "\r\n\tfor <{to}>");
    }
    let _ = write!(line, ";\r\n\t{}\r\n", date(now));
    line
}

/// What stands in front of a copy in a mailbox. RFC 5321 §4.4.
pub(super) fn delivered(sender: Option<&Address>, to: &Address, received: &str) -> Vec<u8> {
    let sender = sender.map(Address::to_string).unwrap_or_default();
    format!("Return-Path: <{sender}>\r\nDelivered-To: {to}\r\n{received}").into_bytes()
}

/// A time as RFC 5322 §3.3 writes it, in UTC.
pub(super) fn date(now: Millis) -> String {
    message::date::format(message::date::Date { unix: now.div_euclid(1000), offset_minutes: 0 })
}

/// A client's name as an atom: what could end a comment or a line is shown as `?`.
fn safe(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
    let name: String = name.chars().map(|c| if good(c) { c } else { '?' }).collect();
    if name.is_empty() { "unknown".into() } else { name }
}

/// How many servers the message went through, by its Received lines. RFC 5321 §6.3.
pub(super) fn hops(message: &[u8]) -> usize {
    header_lines(message).filter(|line| is_field(line, b"received:")).count()
}

/// True when the header has a field of this name, given in lower case with its colon.
pub(super) fn has_field(message: &[u8], name: &[u8]) -> bool {
    header_lines(message).any(|line| is_field(line, name))
}

/// The values of all fields of this name, given without its colon, folds included: over the whole header,
/// however long it is, and also of what others may take for a field, such as a line behind a lone CR.
pub(super) fn values<'m>(message: &'m [u8], name: &[u8]) -> Vec<&'m [u8]> {
    let mut values: Vec<&[u8]> = Vec::new();
    // Where the field begins that is being read, behind its colon, and where the next line begins.
    let (mut open, mut at) = (None, 0_usize);
    for line in message.split_inclusive(|&b| b == b'\n') {
        let next = at.saturating_add(line.len());
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if !folded {
            values.extend(open.take().and_then(|from| message.get(from..at)));
        }
        let mut piece_at = at;
        for piece in line.split(|&b| b == b'\r') {
            if let Some(value) = value_at(piece, name) {
                values.extend(
                    open.replace(piece_at.saturating_add(value)).and_then(|from| message.get(from..piece_at)),
                );
            }
            piece_at = piece_at.saturating_add(piece.len()).saturating_add(1);
        }
        at = next;
    }
    values.extend(open.and_then(|from| message.get(from..at)));
    values
}

/// Where the value begins in a line of the field `name`. Blanks before the colon are obsolete, and read.
fn value_at(line: &[u8], name: &[u8]) -> Option<usize> {
    let (front, rest) = line.split_at_checked(name.len())?;
    let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let is_it = front.eq_ignore_ascii_case(name) && rest.get(blanks) == Some(&b':');
    is_it.then(|| name.len().saturating_add(blanks).saturating_add(1))
}

fn header_lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|&b| b == b'\n').take_while(|line| !line.is_empty() && *line != b"\r")
}

fn is_field(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|front| front.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_received_line() {
        let via = Via { name: "(evil)\u{e9}".into(), address: "2001:db8::1".parse().unwrap() };
        let trace = Trace { via: Some(via), with: "ESMTPS".into() };
        let to: Address = "anna@example.test".parse().unwrap();
        assert_eq!(
            received(&trace, "mail.example.test", "1a2b", Some(&to), 1_795_514_400_000),
            "Received: from ?evil?? ([IPv6:2001:db8::1])\r\n\tby mail.example.test (Folkmoot) with ESMTPS id 1a2b\r\n\
             \tfor <anna@example.test>;\r\n\tTue, 24 Nov 2026 10:00:00 +0000\r\n"
        );
        let own = received(&Trace::default(), "m", "1", None, 0);
        assert_eq!(own, "Received: by m (Folkmoot) id 1;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n");
        let prefix = delivered(None, &to, &own);
        assert!(prefix.starts_with(b"Return-Path: <>\r\nDelivered-To: anna@example.test\r\nReceived: by m"));
    }

    #[test]
    fn every_field_of_a_name_is_found() {
        let of = |text: &'static str| {
            let found = values(text.as_bytes(), b"from").into_iter();
            found.map(|value| std::str::from_utf8(value).unwrap().trim()).collect::<Vec<_>>()
        };
        assert_eq!(of("X: y\r\nFROM \t: a@x,\r\n b@x\r\nTo: c\r\n\r\nFrom: d\r\n"), ["a@x,\r\n b@x"]);
        assert_eq!(of("From: a\nFromage: b\nFrom\nFrom:\n"), ["a", ""]);
        assert_eq!(of("From: a\r\nX: y\rFrom: b\r\n\r\n"), ["a", "b"]);
        assert_eq!(of(" From: no\r\n\r\nFrom: d\r\n"), [""; 0]);
        assert_eq!(of("From: a"), ["a"]);
        let long = "X: y\r\n".repeat(200_000) + "From: boss@x\r\n\r\n";
        assert_eq!(values(long.as_bytes(), b"from").len(), 1);
    }

    #[test]
    fn hops_are_counted_in_the_header_only() {
        assert_eq!(hops(b"Received: a\r\nX: y\r\nRECEIVED: b\r\n c\r\n\r\nReceived: d\r\n"), 2);
        assert_eq!(hops(b"\r\nReceived: d\r\n"), 0);
        assert_eq!(hops(b""), 0);
    }
}
