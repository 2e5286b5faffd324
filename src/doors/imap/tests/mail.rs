//! What FETCH and SEARCH say about messages.

use std::fs;
use std::path::Path;

use super::*;
use crate::mailbox::Uid;
use crate::store::{BodyId, Space};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new("fixtures/mail").join(name)).unwrap()
}

/// Every sample message as FETCH tells it. `UPDATE_FIXTURES=1` rewrites what is expected; the difference
/// is then read by eye.
#[tokio::test]
async fn fixtures_of_fetch() {
    let house = House::new().await;
    let mut client = house.at_inbox().await;
    let mut names: Vec<_> =
        fs::read_dir("fixtures/mail").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    names.sort();
    assert!(names.len() >= 10);
    for path in names {
        let placed = house.deliver_to(house.inbox().id, b"", &fs::read(&path).unwrap(), Flags::NONE).await;
        let uid = placed.uid.0;
        client.say("NOOP").await;
        let answer = client
            .say(&format!("UID FETCH {uid} (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE PREVIEW INTERNALDATE)"))
            .await;
        let got = answer.replace(&format!("* {uid} FETCH (UID {uid} "), "* 1 FETCH (UID 1 ");
        let got = got.split_inclusive("\r\n").filter(|line| !line.starts_with('a')).collect::<String>();
        let file = Path::new("fixtures/imap").join(path.with_extension("txt").file_name().unwrap());
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&file, &got).unwrap();
        }
        assert_eq!(got, fs::read_to_string(&file).unwrap(), "{}", file.display());
    }
}

#[tokio::test]
async fn sections_of_nested_messages() {
    let house = House::new().await;
    house.deliver(&fixture("nested-message.eml")).await;
    let mut client = house.at_inbox().await;
    let mut section = async |name: &str| {
        let answer = client.say(&format!("FETCH 1 BODY.PEEK[{name}]")).await;
        let (_, after) = answer.split_once("* 1 FETCH (BODY[").unwrap();
        let (_, after) = after.split_once("] ").unwrap();
        let (text, _) = after.rsplit_once(")\r\na").unwrap();
        match text.split_once("}\r\n") {
            Some((length, text)) => {
                assert_eq!(length, format!("{{{}", text.len()), "{name}");
                text.to_owned()
            }
            None => text.to_owned(),
        }
    };
    let inner_header = "From: inner@example.net\r\nTo: jane@example.org\r\n\
        Subject: =?utf-8?Q?The_inner_m=C3=A9ssage?=\r\nDate: Mon, 30 Jun 2003 12:00:00 -0700\r\n\
        Message-ID: <inner@example.net>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=inner\r\n\r\n";
    let inner_text = "--inner\r\nContent-Type: text/plain\r\n\r\nInner text.\r\n--inner\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: innermost\r\n\r\nInnermost text,\r\ntwo lines.\r\n--inner--";
    assert_eq!(section("1").await, "See below.");
    assert_eq!(section("1.MIME").await, "\r\n");
    assert_eq!(
        section("2.MIME").await,
        "Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    );
    assert_eq!(section("2.HEADER").await, inner_header);
    assert_eq!(section("2.TEXT").await, inner_text);
    assert_eq!(section("2").await, format!("{inner_header}{inner_text}"));
    assert_eq!(section("2.1").await, "Inner text.");
    assert_eq!(section("2.2").await, "Subject: innermost\r\n\r\nInnermost text,\r\ntwo lines.");
    assert_eq!(section("2.2.HEADER").await, "Subject: innermost\r\n\r\n");
    assert_eq!(section("2.2.1").await, "Innermost text,\r\ntwo lines.");
    assert_eq!(
        section("2.HEADER.FIELDS (date TO)").await,
        "To: jane@example.org\r\nDate: Mon, 30 Jun 2003 12:00:00 -0700\r\n\r\n"
    );
    assert_eq!(section("3.1.1").await, "One.");
    assert_eq!(section("9").await, "NIL");
    assert_eq!(section("1.HEADER").await, "NIL");
    let whole = String::from_utf8(fixture("nested-message.eml")).unwrap();
    let (header, text) = whole.split_once("\r\n\r\n").unwrap();
    assert_eq!(section("HEADER").await, format!("Return-Path: <x@example.org>\r\n{header}\r\n\r\n"));
    assert_eq!(section("TEXT").await, text);
    assert_eq!(section("").await, format!("Return-Path: <x@example.org>\r\n{whole}"));
    assert_eq!(
        section("HEADER.FIELDS (subject return-path)").await,
        "Return-Path: <x@example.org>\r\nSubject: Fwd: inner\r\n\r\n"
    );
}

#[tokio::test]
async fn names_and_partial_sections() {
    let house = House::new().await;
    house
        .deliver_to(house.inbox().id, b"", b"Subject: a\r\nTo: b\r\n\r\n0123456789\0\r\n", Flags::NONE)
        .await;
    let mut client = house.at_inbox().await;
    for (asked, answered) in [
        ("BODY[TEXT]<2.3>", "BODY[TEXT]<2> {3}\r\n234"),
        ("BODY.PEEK[TEXT]<8.100>", "BODY[TEXT]<8> {5}\r\n89\u{fffd}\r\n"),
        ("BODY[]<1000.1>", "BODY[]<1000> {0}\r\n"),
        ("BODY[HEADER.FIELDS.NOT (to)]<0.7>", "BODY[HEADER.FIELDS.NOT (to)]<0> {7}\r\nSubject"),
        ("RFC822.HEADER", "RFC822.HEADER {21}\r\nSubject: a\r\nTo: b\r\n\r\n"),
        ("RFC822.TEXT", "RFC822.TEXT {13}\r\n0123456789\u{fffd}\r\n"),
        ("BINARY[1]<9.2>", "BINARY[1]<9> ~{2}\r\n9\0"),
        ("BINARY.SIZE[1]", "BINARY.SIZE[1] 13"),
        ("BINARY[4]", "BINARY[4] NIL"),
        ("FAST", "FLAGS () INTERNALDATE \"15-Jan-2027 08:00:00 +0000\" RFC822.SIZE 34"),
    ] {
        let answer = client.say(&format!("FETCH 1 {asked}")).await;
        let tag = format!("a{}", client.next);
        assert_eq!(answer, format!("* 1 FETCH ({answered})\r\n{tag} OK FETCH done\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn binary_is_decoded() {
    let house = House::new().await;
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n--b\r\n\
        Content-Transfer-Encoding: x-rot13\r\n\r\nuryyb\r\n--b--\r\n";
    house.deliver(message).await;
    let mut client = house.at_inbox().await;
    assert_eq!(
        client.say("FETCH 1 (BINARY.PEEK[1]<6.5> BINARY.SIZE[1])").await,
        "* 1 FETCH (BINARY[1]<6> {5}\r\nworld BINARY.SIZE[1] 11)\r\na3 OK FETCH done\r\n"
    );
    assert!(client.say("FETCH 1 BINARY[2]").await.contains("a4 NO [UNKNOWN-CTE] "));
}

/// Large bodies are objects of their own, and come through in pieces.
#[tokio::test]
async fn many_large_messages_stream() {
    let house = House::new().await;
    let body = "0123456789abcdef\r\n".repeat(100_000);
    let message = format!("Subject: large\r\n\r\n{body}");
    for _ in 0..3 {
        house.deliver(message.as_bytes()).await;
    }
    let mut client = house.at_inbox().await;
    let answer = client.say("FETCH 1:* BODY.PEEK[TEXT]").await;
    assert_eq!(
        answer.len(),
        3 * (body.len() + "* 1 FETCH (BODY[TEXT] {1800000}\r\n)\r\n".len()) + "a3 OK FETCH done\r\n".len()
    );
    assert_eq!(answer.matches(&body).count(), 3);
    assert_eq!(
        client.say("FETCH 3 BODY[]<1800000.100>").await,
        "* 3 FETCH (BODY[]<1800000> {48}\r\n6789abcdef\r\n0123456789abcdef\r\n0123456789abcdef\r\n)\r\n\
         a4 OK FETCH done\r\n"
    );
}

/// A client that goes away in the middle of an answer leaves nothing behind.
#[tokio::test]
async fn a_client_may_leave_in_the_middle() {
    let house = House::new().await;
    let message = format!("Subject: large\r\n\r\n{}", "x".repeat(1 << 20));
    for _ in 0..5 {
        house.deliver(message.as_bytes()).await;
    }
    let mut client = house.at_inbox().await;
    client.send(b"b FETCH 1:* BODY[]\r\n").await;
    client.line().await;
    let Client { io, task, .. } = client;
    drop(io);
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_made_anew() {
    let house = House::new().await;
    let folder = house.inbox().id;
    let store = &house.services.store;
    let body = Bytes::from_static(b"Subject: lost\r\n\r\nfound\r\n");
    let new = NewItem {
        body: store.stage_body(&store.body_key(1), &body).unwrap(),
        prefix: Bytes::from_static(b"X: 1\r\n"),
        record: Bytes::from_static(b"\xffnonsense"),
        internal_date: NOW,
        filter_date: None,
        flags: Flags::NONE,
        keywords: vec!["work".into(), "not an atom".into()],
        thread: ThreadKeys::default(),
        dav_name: None,
        ical_uid: None,
        properties: Vec::new(),
    };
    house
        .act(move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, new)
        })
        .await;
    let mut client = house.alice().await;
    assert!(client.say("EXAMINE INBOX").await.contains(" $NotJunk work)\r\n"));
    assert_eq!(
        client.say("FETCH 1 (FLAGS ENVELOPE BODY[1] BODY[HEADER])").await,
        "* 1 FETCH (FLAGS (work) ENVELOPE (NIL \"lost\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY[1] {7}\r\nfound\r\n \
         BODY[HEADER] {23}\r\nX: 1\r\nSubject: lost\r\n\r\n)\r\na3 OK FETCH done\r\n"
    );
    assert_eq!(client.say("SEARCH KEYWORD WORK SUBJECT lost").await, "* SEARCH 1\r\na4 OK SEARCH done\r\n");
}

/// A damaged body is missing from that message's answer alone.
#[tokio::test]
async fn damage_stays_with_its_message() {
    let house = House::new().await;
    for n in 1..=3 {
        house.deliver(format!("Subject: {n}\r\n\r\nbody {n}\r\n").as_bytes()).await;
    }
    let folder = house.inbox();
    let body = BodyId(house.view().item(&folder, Uid(2)).unwrap().unwrap().body);
    let damage = house.services.store.write_async(move |tx| {
        tx.delete_in(Space::Bodies, body.0.to_vec());
        Ok::<_, Error>(())
    });
    damage.await.unwrap();
    let mut client = house.at_inbox().await;
    assert_eq!(
        client.say("FETCH 1:3 (BODY.PEEK[TEXT] UID)").await,
        "* 1 FETCH (BODY[TEXT] {8}\r\nbody 1\r\n UID 1)\r\n* 2 FETCH (UID 2)\r\n\
         * 3 FETCH (BODY[TEXT] {8}\r\nbody 3\r\n UID 3)\r\n\
         a3 NO [SERVERBUG] parts of some messages cannot be read any more\r\n"
    );
    assert_eq!(client.say("FETCH 2 BODY[]").await.lines().next(), Some("* 2 FETCH (UID 2)"));
    assert_eq!(client.say("SEARCH BODY body").await, "* SEARCH 1 3\r\na5 OK SEARCH done\r\n");
    assert_eq!(client.say("SEARCH SUBJECT 2").await, "* SEARCH 2\r\na6 OK SEARCH done\r\n");
}

#[tokio::test]
async fn searches() {
    let house = House::new().await;
    let inbox = house.inbox().id;
    for (name, flags) in [
        ("iso-8859-1.eml", Flags::SEEN),
        ("mixed-related.eml", Flags::NONE),
        ("koi8-r.eml", Flags::FLAGGED.and(Flags::SEEN)),
        ("nested-message.eml", Flags::FORWARDED),
    ] {
        house.deliver_to(inbox, b"Return-Path: <x@example.org>\r\n", &fixture(name), flags).await;
    }
    let mut client = house.at_inbox().await;
    for (asked, found) in [
        ("ALL", "1 2 3 4"),
        ("NEW", ""),
        ("UNSEEN", "2 4"),
        ("SEEN UNFLAGGED", "1"),
        ("KEYWORD $forwarded", "4"),
        ("UNKEYWORD $Forwarded", "1 2 3"),
        ("NOT 2:3", "1 4"),
        ("OR UID 1 UID 3:9", "1 3 4"),
        ("*", "4"),
        ("SINCE 15-Jan-2027", "1 2 3 4"),
        ("ON 15-Jan-2027 BEFORE 15-Jan-2027", ""),
        ("BEFORE 16-Jan-2027", "1 2 3 4"),
        ("SENTSINCE 2-Jul-2003", ""),
        ("SENTON 1-Jul-2003 4", "4"),
        ("SUBJECT \"REPORT WITH\"", "2"),
        ("FROM jane", "1 2 3 4"),
        ("CC \"carol\"", "2"),
        ("CC team", "2"),
        ("TO joe@", "1 2 3 4"),
        ("HEADER Message-ID mixed@", "2"),
        ("HEADER Thread-Topic \"\"", "2"),
        ("HEADER Return-Path x@example", "1 2 3 4"),
        ("HEADER X-None \"\"", ""),
        ("BODY \"please FIND the report\"", "2"),
        ("BODY \"innermost TEXT\"", "4"),
        ("BODY jane@example.org", ""),
        ("TEXT mixed@example.org", "2"),
        ("LARGER 100 SMALLER 1000000", "1 2 3 4"),
        ("LARGER 1000000", ""),
        ("EMAILID x", ""),
        ("OR (SEEN FLAGGED) (UNSEEN TEXT logo)", "2 3"),
    ] {
        let answer = client.say(&format!("SEARCH {asked}")).await;
        let tag = format!("a{}", client.next);
        let found = if found.is_empty() { String::new() } else { format!(" {found}") };
        assert_eq!(answer, format!("* SEARCH{found}\r\n{tag} OK SEARCH done\r\n"), "{asked}");
    }
    assert!(client.say("SEARCH CHARSET x-none TEXT a").await.contains("NO [BADCHARSET (US-ASCII UTF-8)] "));
    let answer = client.say("UID SEARCH RETURN (SAVE COUNT) UNSEEN").await;
    assert!(answer.contains(" UID COUNT 2\r\n"), "{answer}");
    assert!(client.say("FETCH $ UID").await.starts_with("* 2 FETCH (UID 2)\r\n* 4 FETCH (UID 4)\r\n"));
    assert!(client.say("SEARCH $ BODY innermost").await.starts_with("* SEARCH 4\r\n"));
    assert!(client.say("SEARCH RETURN (ALL) 2:4").await.contains(" ALL 2:4\r\n"));
}

/// Text in any charset is found by the text that was meant.
#[tokio::test]
async fn text_is_found_in_any_charset() {
    let house = House::new().await;
    house.deliver(&fixture("koi8-r.eml")).await;
    house.deliver(&fixture("iso-8859-1.eml")).await;
    let mut client = house.at_inbox().await;
    let record = |name: &str| {
        let raw = fixture(name);
        let message = message::parse(&raw);
        let record = MailRecord::from_message(&message);
        (record.subject(), record.preview.to_string())
    };
    for (seq, name) in [(1, "koi8-r.eml"), (2, "iso-8859-1.eml")] {
        let (subject, preview) = record(name);
        let word = |text: &str| {
            let word = text.split(' ').find(|word| !word.is_ascii()).unwrap();
            // The case of each letter is turned, where it stays one letter.
            let first: String = word.chars().take(3).collect();
            first.to_uppercase()
        };
        for (place, word) in [("SUBJECT", word(&subject)), ("BODY", word(&preview)), ("TEXT", word(&subject))]
        {
            let asked = format!("SEARCH CHARSET UTF-8 {place} {{{}}}\r\n{word}", word.len());
            let answer = client.say(&asked).await;
            assert!(answer.contains(&format!("* SEARCH {seq}\r\n")), "{asked}: {answer}");
        }
    }
}
