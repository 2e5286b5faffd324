//! What other servers say: their replies, and the extensions they offer. RFC 5321 §4.2, RFC 1870, 2034,
//! 3461, 6152, 6531.

use super::client::Outgoing;
use super::entry::{Failure, StatusCode};
use super::envelope::{Addressee, Envelope, Ret, encode_xtext};

/// Octets of a reply's text that are kept.
const TEXT_MAX: usize = 1_000;

/// A server's reply.
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// The reply as a failure: 5yz is for good, anything else may pass. RFC 5321 §4.2.1.
    pub(super) fn failure(&self, host: &str) -> Failure {
        let permanent = (500..600).contains(&self.code);
        let class = if permanent { 5 } else { 4 };
        let mut text = format!("{} {}", self.code, self.lines.join(" / "));
        if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(end);
        }
        let status = self.lines.first().and_then(|line| enhanced(line)).filter(|status| status.0 == class);
        Failure {
            permanent,
            status: status.unwrap_or(StatusCode(class, 0, 0)),
            text,
            host: Some(host.to_owned()),
        }
    }
}

/// What the server offers.
#[derive(Default, Debug)]
pub(super) struct Extensions {
    pub(super) name: String,
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) smtputf8: bool,
    pub(super) start_tls: bool,
    pub(super) dsn: bool,
    pub(super) size: Option<u64>,
    pub(super) auth: Vec<String>,
}

impl Extensions {
    /// MAIL with what the server understands of it.
    pub(super) fn mail(&self, message: &Outgoing<'_>) -> String {
        let Envelope { sender, smtputf8, ret, envid } = message.envelope;
        let sender = sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut mail = format!("MAIL FROM:<{sender}>");
        if self.size.is_some() {
            mail.push_str(&format!(" SIZE={}", size(message)));
        }
        if self.eight_bit && message.eight_bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if *smtputf8 {
            mail.push_str(" SMTPUTF8");
        }
        if self.dsn {
            let ret = ret.map(|ret| if ret == Ret::Full { " RET=FULL" } else { " RET=HDRS" });
            mail.push_str(ret.unwrap_or_default());
            let envid = envid.as_ref().map(|id| format!(" ENVID={}", encode_xtext(id)));
            mail.push_str(&envid.unwrap_or_default());
        }
        mail
    }

    /// RCPT likewise, with its line end.
    pub(super) fn rcpt(&self, to: &Addressee) -> String {
        let mut rcpt = format!("RCPT TO:<{}>", to.address);
        if self.dsn {
            let notify = to.notify.map(|notify| format!(" NOTIFY={}", notify.to_value()));
            let orcpt = to.orcpt.as_ref().map(|orcpt| format!(" ORCPT={}", orcpt.to_value()));
            rcpt.extend([notify, orcpt].into_iter().flatten());
        }
        rcpt + "\r\n"
    }

    pub(super) fn of(reply: &Reply) -> Self {
        let mut lines = reply.lines.iter();
        let name = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
        let mut found = Self { name, ..Self::default() };
        for line in lines {
            // Some servers of old write AUTH=PLAIN.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "STARTTLS" => found.start_tls = true,
                "DSN" => found.dsn = true,
                "SIZE" => found.size = Some(words.next().and_then(|max| max.parse().ok()).unwrap_or(0)),
                "AUTH" => found.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        found
    }
}

pub(super) fn size(message: &Outgoing<'_>) -> u64 {
    [message.prefix, &message.body]
        .iter()
        .map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add)
}

/// 552 for a recipient without a reason of its own is how servers of old said that there are too many of them.
/// RFC 5321 §4.5.3.1.10.
pub(super) fn too_many(failure: Failure, code: u16) -> Failure {
    if code != 552 || !matches!(failure.status, StatusCode(5, 0, 0) | StatusCode(5, 5, 3)) {
        return failure;
    }
    Failure { permanent: false, status: StatusCode(4, 5, 3), ..failure }
}

/// Code, whether it is the last line, and text. RFC 5321 §4.2.
pub(super) fn parse_line(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code: u16 = code.parse().ok().filter(|code| (200..600).contains(code))?;
    match rest.split_at_checked(1) {
        Some(("-", text)) => Some((code, false, text)),
        Some((" ", text)) => Some((code, true, text)),
        Some(_) => None,
        None => Some((code, true, "")),
    }
}

/// The enhanced status code in front of a reply's text. RFC 2034 §4.
fn enhanced(text: &str) -> Option<StatusCode> {
    let mut parts = text.split(' ').next()?.split('.');
    let class = parts.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    let (subject, detail) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(StatusCode(class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_lines() {
        assert_eq!(parse_line("250-a b"), Some((250, false, "a b")));
        assert_eq!(parse_line("250 "), Some((250, true, "")));
        assert_eq!(parse_line("354"), Some((354, true, "")));
        for bad in ["", "25", "2x0 a", "250+a", "199 a", "600 a", "\u{e9}50 a"] {
            assert_eq!(parse_line(bad), None, "{bad}");
        }
        assert_eq!(enhanced("5.1.10 no"), Some(StatusCode(5, 1, 10)));
        for bad in ["", "5.1 x", "3.1.1 x", "5.1.1.1 x", "hello"] {
            assert_eq!(enhanced(bad), None, "{bad}");
        }
    }

    #[test]
    fn failures_have_the_class_of_the_code() {
        let failure = |code, text: &str| Reply { code, lines: vec![text.into()] }.failure("mx");
        assert_eq!(failure(450, "4.2.1 busy").status.to_string(), "4.2.1");
        assert_eq!(failure(550, "4.2.1 what").status.to_string(), "5.0.0");
        assert!(failure(550, "no").permanent && !failure(450, "no").permanent);
        for (text, permanent) in [("too many", false), ("5.5.3 too many", false), ("5.2.2 full", true)] {
            assert_eq!(too_many(failure(552, text), 552).permanent, permanent);
        }
        assert!(too_many(failure(550, "no"), 550).permanent);
        assert!(failure(550, &"x".repeat(5000)).text.len() <= TEXT_MAX);
    }
}
