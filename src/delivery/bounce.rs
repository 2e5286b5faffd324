//! Reports to senders: what failed or is late, for people and for programs. RFC 3464, RFC 6522, RFC 6533.

use std::borrow::Cow;
use std::fmt::Write;

use super::address::Address;
use super::entry::Failure;
use super::envelope::{Addressee, Envelope, Ret, encode_xtext};
use super::trace::date;
use crate::clock::{self, Millis};

/// Most recipients of one report. With the bounds below it stays within what a transaction can take.
pub(super) const RECIPIENTS_MAX: usize = 15;
/// Largest message that is returned whole, when that was asked for.
const FULL_MAX: usize = 16 << 10;
/// Largest header that is returned.
const HEADER_MAX: usize = 16 << 10;
/// Longest line of a field that holds another server's words, in characters.
const WORDS_MAX: usize = 200;

/// What a report says.
pub(super) struct Report<'r> {
    /// The envelope of the message it is about.
    pub(super) envelope: &'r Envelope,
    /// When that arrived here.
    pub(super) arrived: Millis,
    /// The message is late and will be tried until then; `None` when it has failed.
    pub(super) retry_until: Option<Millis>,
    /// Whom it is about, and what happened.
    pub(super) recipients: Vec<(&'r Addressee, &'r Failure)>,
    /// The message.
    pub(super) original: &'r [u8],
}

/// Writes the report as a message to `to`.
pub(super) fn build(report: &Report<'_>, to: &Address, host: &str, id: &str, now: Millis) -> Vec<u8> {
    let boundary = match clock::random::<12>() {
        Ok(random) => random.iter().fold(String::from("report-"), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
        Err(_) => format!("report-{id}"),
    };
    // RFC 6533 §3: what has UTF-8 in its addresses is reported in its own types.
    let global = report.recipients.iter().any(|(to, _)| !to.address.is_ascii());
    let mut out = head(report, to, host, id, now, &boundary);
    part(&mut out, &boundary, "text/plain; charset=utf-8", &words(report, host));
    let status = if global { "message/global-delivery-status" } else { "message/delivery-status" };
    part(&mut out, &boundary, status, &fields(report, host, now, global));
    let (kind, returned) = returned(report);
    let kind = match (kind, global) {
        (Ret::Full, false) => "message/rfc822",
        (Ret::Full, true) => "message/global",
        (Ret::Headers, false) => "text/rfc822-headers",
        (Ret::Headers, true) => "message/global-headers",
    };
    part_bytes(&mut out, &boundary, kind, &returned);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

fn head(report: &Report<'_>, to: &Address, host: &str, id: &str, now: Millis, boundary: &str) -> Vec<u8> {
    let subject = match report.retry_until {
        None => "Undelivered mail returned to sender",
        Some(_) => "Delayed mail: delivery is still being tried",
    };
    let mut head = format!(
        "Date: {}\r\nFrom: Mail delivery <MAILER-DAEMON@{host}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\
         Message-ID: <{id}.report@{host}>\r\n",
        date(now)
    );
    if let Some(original) = message_id(report.original) {
        // Writing to a string cannot fail.
        let _ = write!(head, "In-Reply-To: {original}\r\nReferences: {original}\r\n");
    }
    head.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    let _ = write!(
        head,
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n\
         This is a report in MIME format.\r\n"
    );
    head.into_bytes()
}

/// The part for people.
fn words(report: &Report<'_>, host: &str) -> String {
    let mut text = match report.retry_until {
        None => format!(
            "This is the mail server {host}.\r\n\r\n\
             Your message could not be delivered to the following recipients. It will\r\n\
             not be tried again. The message or its header is attached.\r\n"
        ),
        Some(until) => format!(
            "This is the mail server {host}.\r\n\r\n\
             Your message could not yet be delivered to the following recipients. You\r\n\
             need not send it again: it will be tried until\r\n{}.\r\n",
            date(until)
        ),
    };
    for (to, failure) in &report.recipients {
        // Writing to a string cannot fail.
        let _ = write!(text, "\r\n<{}>:\r\n    {}\r\n", to.address, one_line(&failure.to_string()));
    }
    text
}

/// The part for programs. RFC 3464 §2.
fn fields(report: &Report<'_>, host: &str, now: Millis, global: bool) -> String {
    let mut text = String::new();
    if let Some(id) = &report.envelope.envid {
        let _ = write!(text, "Original-Envelope-Id: {}\r\n", encode_xtext(id));
    }
    let _ = write!(text, "Reporting-MTA: dns; {host}\r\nArrival-Date: {}\r\n", date(report.arrived));
    for (to, failure) in &report.recipients {
        text.push_str("\r\n");
        if let Some(original) = &to.orcpt {
            let _ =
                write!(text, "Original-Recipient: {}; {}\r\n", original.kind, one_line(&original.address));
        }
        let kind = if global && !to.address.is_ascii() { "utf-8" } else { "rfc822" };
        let action = if report.retry_until.is_some() { "delayed" } else { "failed" };
        let _ = write!(
            text,
            "Final-Recipient: {kind}; {}\r\nAction: {action}\r\nStatus: {}\r\n",
            to.address, failure.status
        );
        let words = one_line(&failure.text);
        match &failure.host {
            Some(remote) => {
                let _ = write!(text, "Remote-MTA: dns; {remote}\r\nDiagnostic-Code: smtp; {words}\r\n");
            }
            None => {
                let _ = write!(text, "Diagnostic-Code: x-folkmoot; {words}\r\n");
            }
        }
        let _ = write!(text, "Last-Attempt-Date: {}\r\n", date(now));
        if let Some(until) = report.retry_until {
            let _ = write!(text, "Will-Retry-Until: {}\r\n", date(until));
        }
    }
    text
}

/// What is returned of the message. RFC 3461 §4.3.
fn returned<'r>(report: &Report<'r>) -> (Ret, Cow<'r, [u8]>) {
    let whole = report.original;
    if report.envelope.ret == Some(Ret::Full) && report.retry_until.is_none() && whole.len() <= FULL_MAX {
        return (Ret::Full, Cow::Borrowed(whole));
    }
    let mut header = header(whole);
    if header.len() > HEADER_MAX {
        let cut = header.get(..HEADER_MAX).unwrap_or_default();
        let end = cut.iter().rposition(|&b| b == b'\n').map_or(0, |at| at.saturating_add(1));
        header = cut.get(..end).unwrap_or_default();
    }
    (Ret::Headers, Cow::Borrowed(header))
}

/// The header of a message, with its last line end and without the empty line.
fn header(message: &[u8]) -> &[u8] {
    let mut end = 0_usize;
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        end = end.saturating_add(line.len());
    }
    message.get(..end).unwrap_or_default()
}

/// The message's Message-ID when it is plain enough to be quoted.
fn message_id(message: &[u8]) -> Option<&str> {
    const NAME: &str = "message-id:";
    let line = header(message)
        .split(|&b| b == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))?;
    let id = line.get(NAME.len()..)?.trim();
    let plain = id.starts_with('<')
        && id.ends_with('>')
        && id.len() <= 250
        && id.bytes().all(|b| b.is_ascii_graphic());
    plain.then_some(id)
}

fn part(out: &mut Vec<u8>, boundary: &str, kind: &str, text: &str) {
    part_bytes(out, boundary, kind, text.as_bytes());
}

fn part_bytes(out: &mut Vec<u8>, boundary: &str, kind: &str, content: &[u8]) {
    let encoding = if content.is_ascii() { "7bit" } else { "8bit" };
    let head =
        format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(content);
    if !content.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
}

/// Another server's words as one line that can stand in a field.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::entry::StatusCode;
    use super::super::envelope::OriginalRecipient;
    use super::*;

    fn built(envelope: &Envelope, until: Option<Millis>, to: &Addressee, original: &[u8]) -> String {
        let failure = Failure {
            permanent: true,
            status: StatusCode(5, 1, 1),
            text: "550 5.1.1 no\r\nsuch user".into(),
            host: Some("mx.other.test".into()),
        };
        let recipients = vec![(to, &failure)];
        let report = Report { envelope, arrived: 0, retry_until: until, recipients, original };
        let sender = "anna@example.test".parse().unwrap();
        let bytes = build(&report, &sender, "mail.example.test", "1-2", 60_000);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_failure() {
        let envelope = Envelope { envid: Some("a b".into()), ..Envelope::default() };
        let mut to = Addressee::new("bob@other.test".parse().unwrap());
        to.orcpt = OriginalRecipient::parse("rfc822;robert@other.test");
        let original = b"Subject: x\r\nMessage-ID: <m@example.test>\r\n\r\nsecret\r\n";
        let text = built(&envelope, None, &to, original);
        for expected in [
            "From: Mail delivery <MAILER-DAEMON@mail.example.test>\r\nTo: <anna@example.test>\r\n",
            "In-Reply-To: <m@example.test>\r\n",
            "Content-Type: multipart/report; report-type=delivery-status;\r\n",
            "Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             Original-Envelope-Id: a+20b\r\nReporting-MTA: dns; mail.example.test\r\n\
             Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\n\
             Original-Recipient: rfc822; robert@other.test\r\nFinal-Recipient: rfc822; bob@other.test\r\n\
             Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.other.test\r\n\
             Diagnostic-Code: smtp; 550 5.1.1 no  such user\r\nLast-Attempt-Date: ",
            "Content-Type: text/rfc822-headers\r\n",
        ] {
            assert!(text.contains(expected), "{expected}\n---\n{text}");
        }
        assert!(!text.contains("secret"));
    }

    #[test]
    fn a_delay() {
        let to = Addressee::new("bob@other.test".parse().unwrap());
        let text = built(&Envelope::default(), Some(0), &to, b"Subject: x\r\n\r\n");
        assert!(text.contains("Action: delayed\r\n"));
        assert!(text.contains("Will-Retry-Until: Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
    }

    #[test]
    fn the_whole_message_when_asked_for() {
        let envelope = Envelope { ret: Some(Ret::Full), ..Envelope::default() };
        let to = Addressee::new("b\u{f6}b@other.test".parse().unwrap());
        let text = built(&envelope, None, &to, "Subject: \u{fc}\r\n\r\nbody".as_bytes());
        assert!(text.contains("Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n"));
        assert!(text.contains("Final-Recipient: utf-8; b\u{f6}b@other.test\r\n"));
        assert!(text.contains("\r\n\r\nbody\r\n--report-"));
    }

    #[test]
    fn the_largest_report_fits_into_a_transaction() {
        let long = |c: &str, n: usize| c.repeat(n);
        let address = format!("{}@{}", long("\u{e9}", 32), long("\u{e9}.", 80) + "x");
        let mut to = Addressee::new(address.parse().unwrap());
        to.orcpt = Some(OriginalRecipient { kind: "rfc822".into(), address: long("\u{e9}", 250) });
        let failure = Failure {
            permanent: true,
            status: StatusCode(5, 999, 999),
            text: long("\u{1F600}", 1_000),
            host: Some(long("h", 255)),
        };
        let envelope = Envelope { ret: Some(Ret::Full), ..Envelope::default() };
        let recipients = vec![(&to, &failure); RECIPIENTS_MAX];
        let report = Report {
            envelope: &envelope,
            arrived: 0,
            retry_until: None,
            recipients,
            original: &[b'x'; FULL_MAX],
        };
        let built = build(&report, &to.address, &long("h", 255), "1", 0);
        assert!(built.len() <= crate::store::INLINE_MAX, "{}", built.len());
    }

    #[test]
    fn a_message_without_header_or_with_a_wild_one() {
        let to = Addressee::new("bob@other.test".parse().unwrap());
        built(&Envelope::default(), None, &to, b"");
        let wild = b"Message-ID: <a b>\r\nMessage-ID:\r\n".repeat(9_000);
        let text = built(&Envelope::default(), None, &to, &wild);
        assert!(text.len() < 20 << 10);
        assert!(!text.contains("In-Reply-To"));
    }
}
