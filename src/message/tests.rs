//! Sample messages against their golden description, hostile messages, and properties.

mod runs;

use std::fmt::Write as _;

use super::record::{Address, Envelope, MailRecord, RecordError};
use super::section::Kind;
use super::*;

/// Every sample is understood as the text beside it says.
/// `UPDATE_FIXTURES=1` rewrites the text; the difference is then reviewed by eye.
#[test]
fn fixtures_of_mail() {
    let mut seen = 0;
    for entry in std::fs::read_dir("fixtures/mail").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        seen += 1;
        let raw = std::fs::read(&path).unwrap();
        let got = describe(&raw);
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&golden, &got).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(got, want, "{}", path.display());
    }
    assert!(seen >= 17);
}

/// The inputs that fuzzing begins with.
#[test]
fn seeds_of_the_fuzzer() {
    let mut seen = 0;
    for entry in std::fs::read_dir("fuzz/seeds/mime_parse").unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen >= 17);
}

fn describe(raw: &[u8]) -> String {
    let message = parse(raw);
    let encoded = MailRecord::from_message(&message).encode();
    let record = MailRecord::decode(&encoded).unwrap();
    let mut out = String::new();
    let _ = writeln!(out, "size {} flags {:#b}", record.size, record.flags.0);
    let _ = writeln!(out, "importance {:?} sensitivity {:?}", record.importance, record.sensitivity);
    let _ = writeln!(out, "sent {:?}", record.sent.map(|date| (date.unix, date.offset_minutes)));
    let _ = writeln!(out, "subject {:?} to {:?}", record.subject(), record.display_to());
    describe_envelope(&record.envelope, &mut out);
    let _ = writeln!(out, "references {:?} auto {:?}", record.references, record.auto_submitted);
    let _ = writeln!(out, "thread {:?} {:?}", record.thread_topic, record.thread_index());
    let _ = writeln!(out, "keys {:?}", thread::keys(&record));
    let _ = writeln!(out, "calendar {:?}", record.calendar);
    for (index, part) in record.parts.iter().enumerate() {
        let _ = writeln!(
            out,
            "part {:?} {} {} header {:?} body {:?} lines {}",
            record.path(index),
            part.content_type(),
            part.encoding,
            part.header(),
            part.body(),
            part.lines
        );
        let params = |params: &[record::Param<'_>]| {
            params.iter().map(|param| format!(" {}={:?}", param.name, &*param.value)).collect::<String>()
        };
        let _ = writeln!(out, "  params{}", params(&part.params));
        if let Some(disposition) = &part.disposition {
            let _ = writeln!(out, "  disposition {}{}", disposition.kind, params(&disposition.params));
        }
        let rest = (&part.id, &part.description, &part.md5, &part.language, &part.location);
        if rest != (&None, &None, &None, &Vec::new(), &None) {
            let _ = writeln!(out, "  {rest:?}");
        }
        part.envelope.iter().for_each(|envelope| describe_envelope(envelope, &mut out));
    }
    for file in &record.attachments {
        let _ = writeln!(
            out,
            "attachment {} {:?} {} inline {} message {}",
            record.path(file.part.into()),
            &*file.name,
            file.decoded_size,
            file.is_inline,
            file.is_message
        );
    }
    let _ = writeln!(out, "preview {:?}", &*record.preview);
    let _ = writeln!(out, "native {:?}", record.native_body);
    let _ = writeln!(out, "--- text\n{}\n--- html\n{}", body::text(&message), body::html(&message));
    out
}

fn describe_envelope(envelope: &Envelope<'_>, out: &mut String) {
    let _ = writeln!(out, "  date {:?} subject {:?}", envelope.date, envelope.subject);
    let list = |list: &[Address<'_>]| format!("{list:?}");
    for (name, addresses) in [
        ("from", &envelope.from),
        ("sender", &envelope.sender),
        ("reply-to", &envelope.reply_to),
        ("to", &envelope.to),
        ("cc", &envelope.cc),
        ("bcc", &envelope.bcc),
    ] {
        if !addresses.is_empty() {
            let _ = writeln!(out, "  {name} {}", list(addresses));
        }
    }
    let _ = writeln!(out, "  in-reply-to {:?} id {:?}", envelope.in_reply_to, envelope.message_id);
}

/// Whatever a message says, its parts nest, its record is bounded and reads back.
fn check(raw: &[u8]) -> MailRecord<'_> {
    let message = parse(raw);
    assert!(!message.parts().is_empty() && message.parts().len() <= limits::PARTS);
    for (index, part) in message.parts().iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= raw.len());
        let feeds = raw.get(part.body.clone()).unwrap().iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(part.lines, feeds);
        if index > 0 {
            let parent = message.parts().get(part.parent).unwrap();
            assert!(part.parent < index);
            assert!(parent.body.start <= part.header.start && part.body.end <= parent.body.end);
            assert_ne!(parent.kind, Kind::Leaf);
        }
        assert!(part.kind != Kind::Multipart || message.children(index).next().is_some());
        assert!(message.fields(part).count() <= limits::FIELDS);
    }
    let record = MailRecord::from_message(&message);
    let encoded = record.encode();
    assert!(encoded.len() <= limits::RECORD, "{}", encoded.len());
    let decoded = MailRecord::decode(&encoded).unwrap();
    if decoded.flags.contains(Flags::TRUNCATED) {
        assert_eq!((decoded.size, &decoded.preview), (record.size, &record.preview));
    } else {
        assert_eq!(decoded, record);
    }
    for index in 0..message.len() {
        assert_eq!(message.path(index), record.path(index));
        let path = parse_path(&message.path(index)).unwrap();
        let found = message.find(&path).unwrap();
        // An enclosed multipart shares its number with the part enclosing it.
        assert!(found == index || message.kind(index) == Kind::Multipart, "{path:?}");
    }
    assert!(record.preview.chars().count() <= limits::PREVIEW);
    let _ = (record.subject(), record.display_to(), record.thread_index(), thread::keys(&record));
    record
}

#[test]
fn sections_are_where_imap_looks_for_them() {
    let raw = std::fs::read("fixtures/mail/nested-message.eml").unwrap();
    let record = check(&raw);
    let bytes = |section| {
        let range = record.section(section)?;
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        Some(std::str::from_utf8(raw.get(range).unwrap()).unwrap())
    };
    assert_eq!(bytes(Section::Full).map(str::len), Some(raw.len()));
    assert!(bytes(Section::Header(&[])).unwrap().ends_with("boundary=outer\r\n\r\n"));
    assert!(bytes(Section::Text(&[])).unwrap().starts_with("--outer\r\n"));
    assert_eq!(bytes(Section::Part(&[1])), Some("See below."));
    assert_eq!(bytes(Section::Mime(&[1])), Some("\r\n"));
    assert!(bytes(Section::Mime(&[2])).unwrap().starts_with("Content-Type: message/rfc822"));
    assert!(bytes(Section::Part(&[2])).unwrap().starts_with("From: inner@"));
    assert!(bytes(Section::Header(&[2])).unwrap().starts_with("From: inner@"));
    assert!(bytes(Section::Text(&[2])).unwrap().starts_with("--inner"));
    assert_eq!(bytes(Section::Part(&[2, 1])), Some("Inner text."));
    assert_eq!(bytes(Section::Header(&[2, 2])), Some("Subject: innermost\r\n\r\n"));
    assert_eq!(bytes(Section::Part(&[2, 2, 1])), Some("Innermost text,\r\ntwo lines."));
    assert_eq!(bytes(Section::Mime(&[2, 2, 1])), Some("Subject: innermost\r\n\r\n"));
    assert_eq!(bytes(Section::Part(&[3, 1, 1])), Some("One."));
    for missing in [&[][..], &[0], &[4], &[1, 1], &[2, 3], &[2, 2, 2], &[2, 2, 1, 1]] {
        assert_eq!(bytes(Section::Part(missing)), None, "{missing:?}");
    }
    assert_eq!(bytes(Section::Header(&[1])), None);
    assert_eq!(parse_path("1.2"), Some(vec![1, 2]));
    assert!([".", "1.", "0", "a", "1..2", "-1", "99999999999"].iter().all(|path| parse_path(path).is_none()));
}

#[test]
fn a_prefix_shifts_the_record() {
    let raw = std::fs::read("fixtures/mail/mixed-related.eml").unwrap();
    let prefix = b"Return-Path: <a@b>\r\nDelivered-To: c@d\r\n";
    let whole = [prefix.as_slice(), &raw].concat();
    let shifted = check(&raw).shift(prefix.len().try_into().unwrap());
    assert_eq!(shifted, check(&whole));
}

#[test]
fn attachments_are_read_by_path_and_range() {
    let raw = std::fs::read("fixtures/mail/mixed-related.eml").unwrap();
    let message = parse(&raw);
    let mut out = Vec::new();
    assert_eq!(message.copy_part("2", 0..8, &mut out).unwrap().unwrap(), 8);
    assert_eq!(out, b"%PDF-1.4");
    out.clear();
    message.copy_part("1.2", 1..4, &mut out).unwrap().unwrap();
    assert_eq!(out, b"PNG");
    assert!(message.copy_part("7", 0..1, &mut out).is_none());
}

#[test]
fn a_typical_record_is_small() {
    let raw = std::fs::read("fixtures/mail/mixed-related.eml").unwrap();
    assert!(check(&raw).encode().len() < 1_536);
}

#[test]
fn ten_thousand_parts() {
    let raw = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        "--b\r\n\r\nx\r\n".repeat(10_000)
    );
    let record = check(raw.as_bytes());
    assert_eq!(record.parts.len(), limits::PARTS);
    assert!(record.flags.contains(Flags::TRUNCATED));
}

#[test]
fn depth_of_a_thousand() {
    let mut raw = String::new();
    for level in 0..1_000 {
        let _ = write!(raw, "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n");
    }
    raw.push_str("\r\ninnermost\r\n");
    assert_eq!(check(raw.as_bytes()).parts.len(), limits::DEPTH + 1);
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000) + "\r\ninnermost\r\n";
    let message = parse(nested.as_bytes());
    assert_eq!(check(nested.as_bytes()).parts.len(), limits::DEPTH + 1);
    assert_eq!(body::text(&message), "");
    // Every level with the same boundary: the innermost takes its lines.
    let same = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(1_000);
    check(same.as_bytes());
}

#[test]
fn boundaries_that_are_none() {
    let open = "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nonly";
    assert_eq!(check(open.as_bytes()).parts.len(), 2);
    let long = "b".repeat(1 << 20);
    let huge =
        format!("Content-Type: multipart/mixed; boundary={long}\r\n\r\n--{long}\r\n\r\nx\r\n--{long}--\r\n");
    let record = check(huge.as_bytes());
    assert_eq!(
        (record.parts.len(), record.parts.first().unwrap().content_type()),
        (1, "text/plain".to_owned())
    );
    for raw in [
        "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nx--b\r\n\r\ny\r\n--bb\r\n--b--c\r\n",
    ] {
        assert_eq!(check(raw.as_bytes()).parts.len(), 1, "{raw}");
    }
    // Only whole lines are boundaries; blanks may follow.
    let raw = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\nx--b\r\n --b\r\n--b--  \r\nend";
    let record = check(raw.as_bytes());
    assert_eq!(record.parts.last().unwrap().body_len, 10);
}

#[test]
fn an_outer_boundary_ends_everything_within() {
    let raw = "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\
        --i\r\nContent-Type: message/rfc822\r\n\r\nSubject: cut\r\n--o\r\n\r\nsecond\r\n--o--\r\n";
    let record = check(raw.as_bytes());
    let types: Vec<String> = record.parts.iter().map(record::PartRecord::content_type).collect();
    assert_eq!(types, ["multipart/mixed", "multipart/mixed", "message/rfc822", "text/plain", "text/plain"]);
    assert_eq!(record.path(4), "2");
    assert_eq!(record.parts.get(2).and_then(|part| part.envelope.as_ref()?.subject.as_deref()), Some("cut"));
}

#[test]
fn headers_without_end() {
    let many = "X-A: b\r\n".repeat(100_000) + "\r\nbody";
    let record = check(many.as_bytes());
    assert!(record.flags.contains(Flags::TRUNCATED));
    assert_eq!(&*record.preview, "body");
    let huge = format!("Subject: {}\r\nTo: a@x\r\n\r\nbody", "x".repeat(50 << 20));
    let message = parse(huge.as_bytes());
    let root = message.parts().first().unwrap();
    assert_eq!(message.fields(root).map(|field| field.1.len()).max(), Some(limits::HEADER_BYTES - 8));
    let record = check(huge.as_bytes());
    assert_eq!((&*record.preview, record.envelope.to.len()), ("body", 0));
    let folded = format!("Subject: a{}\r\n\r\nbody", "\r\n x".repeat(1_000_000));
    check(folded.as_bytes());
}

#[test]
fn a_million_recipients() {
    let raw = format!("To: {}\r\n\r\nbody", "someone <a@example.org>,".repeat(1_000_000));
    let record = check(raw.as_bytes());
    assert!(record.envelope.to.len() <= limits::ADDRESSES);
    assert!(record.flags.contains(Flags::TRUNCATED));
    let decoded = record.encode();
    assert!(MailRecord::decode(&decoded).unwrap().envelope.to.len() >= 200);
}

#[test]
fn encoded_words_of_any_length() {
    let raw = format!("Subject: =?utf-8?B?{}?=\r\n\r\n", "QUJD".repeat(1 << 17));
    assert_eq!(check(raw.as_bytes()).subject().len(), 3 << 17);
    for word in ["=?a?q?", "=?a?q?x ", "=?utf-8?q?a?=", "=?=?", "=?utf-8*en?b?"] {
        let raw = format!("Subject: {0}\r\nTo: {0}\r\n\r\n", word.repeat(100_000));
        check(raw.as_bytes());
    }
}

#[test]
fn bytes_that_do_not_belong() {
    for raw in [
        &b"Subject: a\0b\r\nTo: \0<\0>\r\n\r\n\0\xff\xfe"[..],
        b"Subject: a\rb\rc\r\n\r\nx\ry",
        b"\r\n",
        b"\n\n\n",
        b"",
        b":",
        b"From someone Tue Jul  1\nSubject: mbox\n\nbody",
        b"no header at all",
        b"Subject: \xc3\xa9\xc3\r\n\r\n\xe2\x82",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n--b--",
    ] {
        check(raw);
    }
    assert_eq!(&*check(b"From x Tue\nSubject: mbox\n\nbody").envelope.subject.clone().unwrap(), "mbox");
    assert_eq!(check(b"Subject: \xc3\xa9\xc3\r\n\r\n").subject(), "é\u{fffd}");
    assert_eq!(check(b"Subject: caf\xe9\r\n\r\n").subject(), "café");
}

#[test]
fn many_parts_with_much_to_say_still_fit() {
    let part = format!(
        "--b\r\nContent-Type: application/x-{0}; name=\"{0}\"\r\nContent-ID: <{0}>\r\nContent-Description: {0}\r\n\
         Content-Disposition: attachment; filename=\"{0}\"\r\nContent-Language: {0},{0}\r\n\r\nx\r\n",
        "z".repeat(3_000)
    );
    let raw = format!(
        "From: {0}\r\nTo: {0}\r\nCc: {0}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{1}--b--\r\n",
        "\u{10ffff}\u{10ffff} <ä@ö>, ".repeat(2_000),
        part.repeat(990)
    );
    let record = check(raw.as_bytes());
    let encoded = record.encode();
    let decoded = MailRecord::decode(&encoded).unwrap();
    assert!(decoded.flags.contains(Flags::TRUNCATED) && decoded.parts.len() >= 20);
    assert!(decoded.envelope.to.len() >= 10);
}

#[test]
fn records_that_are_none() {
    assert_eq!(MailRecord::decode(&[]), Err(RecordError::Damaged));
    assert_eq!(MailRecord::decode(&[99]), Err(RecordError::Version(99)));
    let encoded = check(b"Subject: a\r\n\r\nb").encode();
    for end in 1..encoded.len() {
        let _ = MailRecord::decode(encoded.get(..end).unwrap());
    }
    assert_eq!(MailRecord::decode(encoded.get(..10).unwrap()), Err(RecordError::Damaged));
}

/// Text that looks like mail often enough to reach the deeper code.
fn mailish() -> impl proptest::strategy::Strategy<Value = String> {
    let line = proptest::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: multipart/alternative; boundary=\"b\"",
        "Content-Type: multipart/related; boundary=a",
        "Content-Type: multipart/digest; boundary=c",
        "Content-Type: message/rfc822",
        "Content-Type: text/html; charset=koi8-r",
        "Content-Type: text/plain; format=flowed; name*0*=utf-8''%e2; name*1=x",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Disposition: attachment; filename=\"x\"",
        "Content-ID: <x@y>",
        "Subject: =?utf-8?q?=C3?= =?utf-8?q?=A9?=",
        "To: g: a@x, \"b\" <b@x>;, (c) c@x",
        "Date: Tue, 1 Jul 2003 10:52:37 +0200",
        "--a",
        "--a--",
        "--b",
        "--b--",
        "--c",
        "",
        "",
        "<p>some <b>text</p> =C3=A9 aGVsbG8",
        " folded",
    ]);
    let ending = proptest::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r", ""]);
    use proptest::strategy::Strategy as _;
    proptest::collection::vec((line, ending), 0..40)
        .prop_map(|lines| lines.into_iter().map(|(line, ending)| format!("{line}{ending}")).collect())
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_message(raw: Vec<u8>) {
        check(&raw);
        let message = parse(&raw);
        let _ = (body::text(&message), body::html(&message));
    }

    #[test]
    fn anything_like_mail_is_a_message(raw in mailish()) {
        check(raw.as_bytes());
        let message = parse(raw.as_bytes());
        let bodies = select::bodies(&message);
        let leaves = message.parts().iter().filter(|part| part.kind != Kind::Multipart).count();
        proptest::prop_assert!(bodies.attachments.len() <= leaves);
        let _ = (body::text(&message), body::html(&message));
    }

    #[test]
    fn damaged_records_are_refused_or_consistent(raw in mailish(), at: usize, to: u8) {
        let mut encoded = check(raw.as_bytes()).encode();
        let length = encoded.len();
        if let Some(byte) = encoded.get_mut(at % length) {
            *byte = to;
        }
        if let Ok(record) = MailRecord::decode(&encoded) {
            for index in 0..record.parts.len() {
                let _ = record.find(&parse_path(&record.path(index)).unwrap());
            }
            let _ = (record.encode(), record.display_to(), thread::keys(&record));
        }
    }
}
