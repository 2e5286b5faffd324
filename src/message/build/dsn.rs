//! Delivery status notifications. RFC 3464; RFC 6533 where addresses are not ASCII.

use super::tree::{Node, one_line};
use super::{text_field, trace};
use crate::message::charset;
use crate::message::date::{self, Date};
use crate::message::header::line_at;

/// What became of a recipient. RFC 3464 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Still tried.
    Delayed,
    /// Delivered, and the sender asked to be told.
    Delivered,
    /// Passed on to a server that will not tell.
    Relayed,
    /// Passed on to several.
    Expanded,
}

/// One recipient reported on.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    /// The address delivery was tried to.
    pub address: &'a str,
    /// ORCPT decoded, without its type, if the sender gave one. RFC 3461 §4.2.
    pub original: Option<&'a str>,
    /// What became of it.
    pub action: Action,
    /// Enhanced status code, such as `5.1.1`. RFC 3463.
    pub status: &'a str,
    /// The server that answered.
    pub remote: Option<&'a str>,
    /// Its answer, or what went wrong here.
    pub diagnostic: Option<&'a str>,
    /// Whether the diagnostic is an SMTP reply.
    pub is_smtp: bool,
    /// When it was last tried.
    pub last_attempt: Option<Date>,
    /// When trying will end.
    pub retry_until: Option<Date>,
}

/// A report to the sender of a message.
#[derive(Clone, Debug)]
pub struct Dsn<'a> {
    /// This server's name.
    pub reporting: &'a str,
    /// Whom the report is from, such as `MAILER-DAEMON@host`.
    pub from: &'a str,
    /// The envelope sender it goes to.
    pub to: &'a str,
    /// ENVID decoded, if the sender gave one. RFC 3461 §4.4.
    pub envelope_id: Option<&'a str>,
    /// When the message arrived here.
    pub arrival: Option<Date>,
    /// When the report is made.
    pub date: Date,
    /// The report's own message id, without angle brackets.
    pub message_id: &'a str,
    /// Whom it tells of.
    pub recipients: &'a [Recipient<'a>],
    /// The message it is about.
    pub original: &'a [u8],
    /// Whether the whole message is sent back instead of its header (RET=FULL).
    pub full: bool,
    /// 128 random bits.
    pub unique: u128,
}

/// Most recipients told of in the text for people.
const LISTED: usize = 100;
/// Longest header sent back, in bytes.
const HEADER: usize = 64 << 10;

impl Dsn<'_> {
    /// The whole report. Its envelope sender must be empty.
    pub fn build(&self) -> Vec<u8> {
        let international = self.recipients.iter().any(|recipient| {
            !recipient.address.is_ascii() || recipient.original.is_some_and(|address| !address.is_ascii())
        });
        let mut out = self.header();
        let report_type = if international { "global-delivery-status" } else { "delivery-status" };
        let status_type = format!("Content-Type: message/{report_type}\r\n");
        let status = self.status(international);
        let encoding = if status.is_ascii() { "" } else { "Content-Transfer-Encoding: 8bit\r\n" };
        let report = Node::Multipart {
            subtype: "report",
            params: vec![("report-type", report_type.to_owned())],
            children: vec![
                Node::text("plain", &self.text()),
                Node::raw(&format!("{status_type}{encoding}"), status.as_bytes()),
                self.returned(international),
            ],
        };
        report.write(self.unique, &mut out);
        out
    }

    fn header(&self) -> Vec<u8> {
        let mut out = format!(
            "From: Mail Delivery System <{}>\r\nTo: <{}>\r\nDate: {}\r\nMessage-ID: <{}>\r\n",
            trace::clean_address(self.from),
            trace::clean_address(self.to),
            date::format(self.date),
            trace::clean_address(self.message_id),
        )
        .into_bytes();
        out.extend(text_field("Subject", self.subject()));
        out.extend_from_slice(b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
        out
    }

    fn has(&self, action: Action) -> bool {
        self.recipients.iter().any(|recipient| recipient.action == action)
    }

    fn subject(&self) -> &'static str {
        if self.has(Action::Failed) {
            "Undelivered Mail Returned to Sender"
        } else if self.has(Action::Delayed) {
            "Delivery of your message is delayed"
        } else {
            "Successful Mail Delivery Report"
        }
    }

    /// For people.
    fn text(&self) -> String {
        let mut out = format!("This is the mail system at {}.\n", one_line(self.reporting));
        for (action, words) in [
            (Action::Failed, "Your message could not be delivered to:"),
            (Action::Delayed, "Your message has not been delivered yet; delivery is still being tried to:"),
            (Action::Delivered, "Your message was delivered to:"),
            (Action::Relayed, "Your message was passed on to a system that sends no confirmation, for:"),
            (Action::Expanded, "Your message was passed on to several recipients for:"),
        ] {
            let told: Vec<_> =
                self.recipients.iter().filter(|recipient| recipient.action == action).collect();
            if told.is_empty() {
                continue;
            }
            out.push_str(&format!("\n{words}\n\n"));
            for recipient in told.iter().take(LISTED) {
                out.push_str(&format!("  <{}>\n", one_line(recipient.original.unwrap_or(recipient.address))));
                if let Some(diagnostic) = recipient.diagnostic {
                    let by = recipient.remote.map(|remote| format!("{} said: ", one_line(remote)));
                    out.push_str(&format!("    {}{}\n", by.unwrap_or_default(), short(diagnostic)));
                }
                if let Some(until) = recipient.retry_until {
                    out.push_str(&format!("    It will be tried until {}.\n", date::format(until)));
                }
            }
            if told.len() > LISTED {
                out.push_str(&format!("  and {} more\n", told.len() - LISTED));
            }
        }
        out
    }

    /// For programs. RFC 3464 §2.2, §2.3.
    fn status(&self, international: bool) -> String {
        let mut out = format!("Reporting-MTA: dns; {}\r\n", one_line(self.reporting));
        if let Some(id) = self.envelope_id {
            out.push_str(&format!("Original-Envelope-Id: {}\r\n", short(id)));
        }
        if let Some(arrival) = self.arrival {
            out.push_str(&format!("Arrival-Date: {}\r\n", date::format(arrival)));
        }
        for recipient in self.recipients {
            out.push_str("\r\n");
            recipient.fields(international, &mut out);
        }
        out
    }

    /// The message, or its header.
    fn returned(&self, international: bool) -> Node {
        let bytes = if self.full { self.original } else { header_of(self.original) };
        let global = international || !header_of(self.original).is_ascii();
        let content_type = match (self.full, global) {
            (true, true) => "message/global",
            (true, false) => "message/rfc822",
            (false, true) => "message/global-headers",
            (false, false) => "text/rfc822-headers",
        };
        let encoding = if bytes.is_ascii() { "" } else { "Content-Transfer-Encoding: 8bit\r\n" };
        Node::raw(&format!("Content-Type: {content_type}\r\n{encoding}"), bytes)
    }
}

impl Recipient<'_> {
    fn fields(&self, international: bool, out: &mut String) {
        let address = |address: &str| {
            // RFC 6533 §3: the utf-8 type holds any address.
            let kind = if international && !address.is_ascii() { "utf-8" } else { "rfc822" };
            format!("{kind}; {}", trace::clean_address(address))
        };
        if let Some(original) = self.original {
            out.push_str(&format!("Original-Recipient: {}\r\n", address(original)));
        }
        out.push_str(&format!("Final-Recipient: {}\r\n", address(self.address)));
        let action = match self.action {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        };
        out.push_str(&format!("Action: {action}\r\nStatus: {}\r\n", one_line(self.status)));
        if let Some(remote) = self.remote {
            out.push_str(&format!("Remote-MTA: dns; {}\r\n", one_line(remote)));
        }
        if let Some(diagnostic) = self.diagnostic {
            let kind = if self.is_smtp { "smtp" } else { "X-Folkmoot" };
            // The status part of an ASCII report must be ASCII.
            let text = short(diagnostic);
            let text = if international { text } else { text.replace(|ch: char| !ch.is_ascii(), "?") };
            out.push_str(&format!("Diagnostic-Code: {kind}; {text}\r\n"));
        }
        if let Some(date) = self.last_attempt {
            out.push_str(&format!("Last-Attempt-Date: {}\r\n", date::format(date)));
        }
        if let Some(date) = self.retry_until.filter(|_| self.action == Action::Delayed) {
            out.push_str(&format!("Will-Retry-Until: {}\r\n", date::format(date)));
        }
    }
}

/// One line that fits the line limit of RFC 5322 §2.1.1.
fn short(text: &str) -> String {
    charset::truncate_bytes(&one_line(text), 900).to_owned()
}

/// The message's own header, whole lines up to [`HEADER`], without the closing empty line.
fn header_of(raw: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(line) = line_at(raw, at) {
        if line.content_end == at || line.next > HEADER {
            break;
        }
        at = line.next;
    }
    raw.get(..at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Flags, MailRecord, Tree as _, parse};

    const DATE: Date = Date { unix: 1_057_049_557, offset_minutes: 120 };

    fn recipient<'a>(address: &'a str, action: Action) -> Recipient<'a> {
        Recipient {
            address,
            original: None,
            action,
            status: "5.1.1",
            remote: Some("mx.example.com"),
            diagnostic: Some("550 5.1.1 no\r\nsuch user"),
            is_smtp: true,
            last_attempt: Some(DATE),
            retry_until: Some(DATE),
        }
    }

    fn dsn<'a>(recipients: &'a [Recipient<'a>], full: bool) -> Dsn<'a> {
        Dsn {
            reporting: "mail.example.org",
            from: "MAILER-DAEMON@mail.example.org",
            to: "jane@example.org",
            envelope_id: Some("QQ42"),
            arrival: Some(DATE),
            date: DATE,
            message_id: "dsn@mail.example.org",
            recipients,
            original: b"From: jane@example.org\r\nSubject: Hi\r\n\r\nThe body\r\n",
            full,
            unique: 7,
        }
    }

    #[test]
    fn a_failure_in_ascii() {
        let recipients =
            [recipient("joe@example.com", Action::Failed), recipient("ann@example.com", Action::Delayed)];
        let raw = dsn(&recipients, false).build();
        assert!(raw.is_ascii());
        let message = parse(&raw);
        let record = MailRecord::from_message(&message);
        assert!(record.flags.contains(Flags::DSN) && !record.flags.contains(Flags::ATTACHMENTS));
        assert_eq!(record.subject(), "Undelivered Mail Returned to Sender");
        let types: Vec<_> =
            record.parts.iter().map(crate::message::record::PartRecord::content_type).collect();
        assert_eq!(
            types,
            ["multipart/report", "text/plain", "message/delivery-status", "text/rfc822-headers"]
        );
        let part = |path: &str| message.body_bytes(message.part_at(path).unwrap()).to_vec();
        assert_eq!(
            String::from_utf8(part("2")).unwrap().lines().take(14).collect::<Vec<_>>(),
            [
                "Reporting-MTA: dns; mail.example.org",
                "Original-Envelope-Id: QQ42",
                "Arrival-Date: Tue, 1 Jul 2003 10:52:37 +0200",
                "",
                "Final-Recipient: rfc822; joe@example.com",
                "Action: failed",
                "Status: 5.1.1",
                "Remote-MTA: dns; mx.example.com",
                "Diagnostic-Code: smtp; 550 5.1.1 no  such user",
                "Last-Attempt-Date: Tue, 1 Jul 2003 10:52:37 +0200",
                "",
                "Final-Recipient: rfc822; ann@example.com",
                "Action: delayed",
                "Status: 5.1.1",
            ]
        );
        assert_eq!(part("3"), b"From: jane@example.org\r\nSubject: Hi\r\n");
        assert!(message.is_enclosed(0));
    }

    #[test]
    fn the_whole_message_comes_back() {
        let recipients = [recipient("joe@example.com", Action::Failed)];
        let raw = dsn(&recipients, true).build();
        let message = parse(&raw);
        let enclosed = message.part_at("3").unwrap();
        assert!(enclosed.is("message", "rfc822"));
        assert_eq!(message.body_bytes(enclosed), dsn(&recipients, true).original);
    }

    #[test]
    fn international_addresses() {
        let mut only = recipient("jörg@müller.example", Action::Failed);
        only.original = Some("j@example.com");
        let recipients = [only];
        let raw = dsn(&recipients, false).build();
        let message = parse(&raw);
        assert!(message.part_at("2").unwrap().is("message", "global-delivery-status"));
        assert!(message.part_at("3").unwrap().is("message", "global-headers"));
        let status = String::from_utf8(message.body_bytes(message.part_at("2").unwrap()).to_vec()).unwrap();
        assert!(status.contains("Final-Recipient: utf-8; jörg@müller.example\r\n"));
        assert!(status.contains("Original-Recipient: rfc822; j@example.com\r\n"));
    }

    #[test]
    fn nothing_breaks_out() {
        let recipients = [recipient("a@x>\r\nBcc: <evil@x", Action::Failed)];
        let mut dsn = dsn(&recipients, false);
        dsn.to = "b@x>\r\nBcc: evil@x";
        let raw = dsn.build();
        let message = parse(&raw);
        let root = message.parts().first().unwrap();
        assert!(message.field(root, "Bcc").is_none());
        assert_eq!(message.parts().len(), 4);
    }
}
