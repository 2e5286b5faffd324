//! One token a million times over, in every field: what looks ahead from each of them would take hours,
//! and so would never get through these tests. None of them looks at a clock.

use super::super::*;

/// So many bytes of one token.
const RUN: usize = 1_000_000;

/// What some parser may look ahead from.
const TOKENS: [&str; 26] = [
    " ",
    ";",
    "(",
    ")",
    "\"",
    "\\",
    "=?",
    "?=",
    ",",
    "<",
    ">",
    "[",
    "]",
    "@",
    ":",
    "=",
    "'",
    "%",
    "/",
    "\r\n ",
    "=?utf-8?q?",
    "=?utf-8?q?x?= ",
    "a ",
    "(a)",
    "[a]",
    "<a",
];

/// Reads a run of each token behind each of `prefixes`.
fn runs(prefixes: &[&str], read: impl Fn(&[u8])) {
    for token in TOKENS {
        for prefix in prefixes {
            read(format!("{prefix}{}", token.repeat(RUN / token.len())).as_bytes());
        }
    }
}

#[test]
fn runs_in_keywords_and_parameters() {
    runs(&["", "a", "a; c=", "a; name*0=\""], |value| {
        let (keyword, params) = param::parse(value);
        assert!(keyword.len() <= value.len());
        assert!(params.value("c").is_none_or(|found| found.len() <= value.len()));
        assert!(params.value("name").is_none_or(|found| found.len() <= value.len()));
    });
}

#[test]
fn runs_in_address_lists() {
    runs(&["", "a", "<a"], |value| assert!(parse_addresses(value).0.len() <= limits::ADDRESSES + 1));
}

#[test]
fn runs_in_message_ids_and_dates() {
    runs(&["", "<a"], |value| {
        assert!(thread::message_ids(value).len() <= limits::REFERENCES);
        let _ = (thread::message_id(value), date::parse(value));
    });
}

#[test]
fn runs_in_text() {
    runs(&["", "Re: ", "=?utf-8?q?"], |value| {
        let text = header::decode_text(&header::raw_text(value));
        assert!(text.len() <= value.len() * 3);
        assert!(thread::base_subject(&text).0.len() <= limits::BASE_SUBJECT);
    });
}

/// Shorter ones, through all that is made of a message.
#[test]
fn runs_in_every_field_of_a_message() {
    const NAMES: [&str; 22] = [
        "Subject",
        "From",
        "Sender",
        "To",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Received",
        "Importance",
        "X-Priority",
        "Sensitivity",
        "Thread-Topic",
        "Thread-Index",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
        "Content-ID",
        "Content-Language",
        "Content-Location",
        "Content-Description",
    ];
    for token in TOKENS {
        let run = token.repeat(RUN / 20 / token.len());
        // Each in a header of its own: a header is looked at up to a bound only.
        let field =
            |name: &&str| format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{name}: a{run}\r\n\r\nx\r\n");
        let parts: String = NAMES.iter().map(field).collect();
        let raw = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n");
        super::check(raw.as_bytes());
    }
}
