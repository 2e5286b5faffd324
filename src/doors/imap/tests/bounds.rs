//! What one command may cost, and what is shown of messages whose records were cut.

use super::*;
use crate::doors::imap::fetch::Plan;
use crate::doors::imap::grammar::{self, Command};
use crate::doors::imap::name::Form;
use crate::doors::imap::out::Out;
use crate::doors::imap::search::{Hunt, Progress};
use crate::doors::imap::state::Selected;
use crate::mailbox::Place;
use crate::message::decode;
use crate::message::record::Flags as RecordFlags;

/// How many messages each batch of a FETCH answers.
fn batches(house: &House, command: &str) -> Vec<usize> {
    let inbox = house.inbox();
    let watch = house.services.mailbox.notifier().watch([Place::Folder(inbox.id)]);
    let lights = house.services.mailbox.lights(&house.view(), &inbox).unwrap();
    let (selected, _) = Selected::open(&inbox, &lights, false, watch);
    let request = grammar::parse(format!("a {command}").as_bytes(), Form::ModifiedUtf7).unwrap();
    let Command::Fetch(fetch) = request.command else { panic!("{command}") };
    let mut plan = Plan::new(fetch, &selected);
    let mut batches = Vec::new();
    while !plan.is_done() {
        let mut out = Out::default();
        plan.batch(&house.services.mailbox, &house.me(), &selected, &mut out).unwrap();
        batches.push(out.into_string().matches("* ").count());
    }
    batches
}

/// How a search that may read so much ends.
fn search(house: &House, command: &str, most: u64) -> Progress {
    let inbox = house.inbox();
    let watch = house.services.mailbox.notifier().watch([Place::Folder(inbox.id)]);
    let lights = house.services.mailbox.lights(&house.view(), &inbox).unwrap();
    let (selected, _) = Selected::open(&inbox, &lights, false, watch);
    let request = grammar::parse(format!("a {command}").as_bytes(), Form::ModifiedUtf7).unwrap();
    let Command::Search(search) = request.command else { panic!("{command}") };
    let mut hunt = Hunt::bounded(search.key, &selected, NOW, most);
    loop {
        match hunt.batch(&house.services.mailbox, &house.me(), &selected).unwrap() {
            Progress::More => {}
            end => return end,
        }
    }
}

/// A message of one base64 part of so many bytes decoded.
fn encoded(bytes: usize) -> Vec<u8> {
    let body = decode::encode_base64(&vec![b'x'; bytes]);
    [b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n".as_slice(), &body].concat()
}

/// A batch holds a snapshot and a thread, so it ends by what it reads, however little comes of it.
#[tokio::test]
async fn a_batch_ends_by_what_it_reads() {
    let house = House::new().await;
    for _ in 0..6 {
        house.deliver(&encoded(2 << 20)).await;
    }
    assert_eq!(batches(&house, "UID FETCH 1:* UID"), [6]);
    assert_eq!(batches(&house, "UID FETCH 1:* BODY.PEEK[]<5.1>"), [6]);
    // The body is read once and decoded once, 2.8 MB each, for however many of its pieces.
    assert_eq!(batches(&house, "UID FETCH 1:* (BINARY.SIZE[1] BINARY.PEEK[1]<5.1>)"), [1; 6]);
    let pieces: String = (0..60).map(|n| format!(" BODY.PEEK[]<{n}.1> BINARY.PEEK[1]<{n}.1>")).collect();
    assert_eq!(batches(&house, &format!("UID FETCH 1:* (UID{pieces})")), [1; 6]);
    let mut client = house.at_inbox().await;
    let answer = client.say(&format!("UID FETCH 2 (BINARY.SIZE[1]{pieces})")).await;
    assert!(answer.starts_with("* 2 FETCH (UID 2 BINARY.SIZE[1] 2097152 "), "{answer}");
    assert!(answer.contains(" BINARY[1]<59> {1}\r\nx"), "{answer}");
    assert!(answer.ends_with(" OK FETCH done\r\n"), "{answer}");
}

/// The same work again and again for one message comes to an end, and the client is told.
#[tokio::test]
async fn one_message_is_not_worked_through_for_ever() {
    let house = House::new().await;
    let header = "X-Field: of a long header\r\n".repeat(20_000);
    house.deliver(format!("Subject: a\r\n{header}\r\nbody\r\n").as_bytes()).await;
    let fields = |count: usize| {
        let one = |n| format!("BODY.PEEK[HEADER.FIELDS (X-{n})]");
        (0..count).map(one).collect::<Vec<_>>().join(" ")
    };
    let mut client = house.at_inbox().await;
    assert!(client.say(&format!("FETCH 1 ({})", fields(3))).await.ends_with(" OK FETCH done\r\n"));
    let answer = client.say(&format!("FETCH 1 ({})", fields(40))).await;
    assert!(answer.contains(" NO [LIMIT] "), "{answer}");
    assert!(answer.matches("HEADER.FIELDS").count() < 10, "{answer}");
}

/// Recipients and parts that a record has no room for are shown all the same: a client answers whom it is
/// shown.
#[tokio::test]
async fn envelopes_and_structures_are_whole() {
    let house = House::new().await;
    let to: Vec<String> =
        (0..1_500).map(|n| format!("\"Number {n}\" <number{n}@far-away.example.org>")).collect();
    let part = "--b\r\nContent-Type: application/octet-stream; name=\"a-name-of-some-length.bin\"\r\n\
                Content-Description: what is in it, and why\r\n\r\nx\r\n";
    let raw = format!(
        "From: a@x.test\r\nTo: {}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        to.join(",\r\n "),
        part.repeat(600)
    );
    let encoded = MailRecord::from_message(&message::parse(raw.as_bytes())).encode();
    let stored = MailRecord::decode(&encoded).unwrap();
    assert!(stored.flags.contains(RecordFlags::TRUNCATED) && stored.envelope.to.len() < 1_500);
    house.deliver(raw.as_bytes()).await;
    let mut client = house.at_inbox().await;
    let answer = client.say("FETCH 1 ENVELOPE").await;
    assert_eq!(answer.matches("\"far-away.example.org\"").count(), 1_500);
    assert!(answer.contains("(\"Number 1499\" NIL \"number1499\" "));
    for item in ["BODY", "BODYSTRUCTURE"] {
        assert_eq!(client.say(&format!("FETCH 1 {item}")).await.matches("\"octet-stream\"").count(), 600);
    }
    assert!(client.say("SEARCH TO number1499@").await.starts_with("* SEARCH 1\r\n"));
    assert!(client.say("FETCH 1 BODY[600]").await.starts_with("* 1 FETCH (BODY[600] {1}\r\nx"));
}

/// Many keys look through one message: it is parsed, decoded and folded once, and the search ends in the
/// middle of it when that is too much.
#[tokio::test]
async fn many_keys_of_a_search_share_one_message() {
    let house = House::new().await;
    house.deliver(format!("Subject: Größe\r\n\r\n{}Ende\r\n", "Some TEXT, ".repeat(90_000)).as_bytes()).await;
    house.deliver(b"Subject: small\r\n\r\nsome text\r\n").await;
    let keys = |count: usize| (0..count).map(|n| format!(" NOT BODY none{n}")).collect::<String>();
    let mut client = house.at_inbox().await;
    let answer = client.say(&format!("SEARCH{} TEXT ende FROM \"\"", keys(100))).await;
    assert!(answer.starts_with("* SEARCH\r\n"), "{answer}");
    let answer = client.say(&format!("SEARCH{} TEXT ENDE", keys(100))).await;
    assert!(answer.starts_with("* SEARCH 1\r\n"), "{answer}");
    let hunt = |most| search(&house, &format!("UID SEARCH{}", keys(490)), most);
    // One message read, and looked through 490 times; or less than half as often.
    assert_eq!(hunt(100 << 20), Progress::Done);
    assert_eq!(hunt(30 << 20), Progress::TooMuch);
    assert!(client.say("SEARCH SUBJECT small").await.starts_with("* SEARCH 2\r\n"));
}

/// Those of many recipients, and those whose record was cut.
#[tokio::test]
async fn many_keys_of_a_search_share_one_record() {
    let house = House::new().await;
    let to: Vec<String> = (0..700).map(|n| format!("number{n}@far-away.example.org")).collect();
    for _ in 0..20 {
        house.deliver(format!("To: {}\r\n\r\nbody\r\n", to.join(", ")).as_bytes()).await;
    }
    let keys: String = (0..490).map(|n| format!(" NOT TO none{n}")).collect();
    let mut client = house.at_inbox().await;
    assert!(client.say(&format!("SEARCH{keys} TO number699")).await.starts_with("* SEARCH 1 2 3 "));
}

/// Clients that take their time do not fill the memory: others wait until there is room again.
#[tokio::test]
async fn large_answers_share_a_bounded_room() {
    let mut house = House::new().await;
    house.imap = Arc::new(Imap::with(&house.services, &house.imap.tls, 5 << 20));
    let room = house.imap.room.clone();
    let message = format!("Subject: large\r\n\r\n{}", "0123456789abcde\n".repeat(3 << 16));
    for _ in 0..3 {
        house.deliver(message.as_bytes()).await;
    }
    house.deliver(b"Subject: small\r\n\r\nbody\r\n").await;
    let whole = |answer: &str| answer.matches("0123456789abcde\n").count();
    let (mut slow, mut other) = (house.at_inbox().await, house.at_inbox().await);
    slow.send(b"s FETCH 1:4 BODY.PEEK[]\r\n").await;
    assert!(slow.line().await.starts_with("* 1 FETCH "));
    assert!(room.free() < 3 << 20);
    // Small answers and the headers of large messages need no room.
    let answer = other.say("FETCH 1:4 (BODY.PEEK[HEADER] BODY.PEEK[TEXT]<1.5> BINARY.SIZE[1])").await;
    assert!(answer.ends_with(" OK FETCH done\r\n") && answer.contains("* 3 FETCH "), "{answer}");
    other.send(b"o FETCH 3 BODY.PEEK[]\r\n").await;
    let waits = tokio::time::timeout(Duration::from_millis(200), other.line());
    assert!(waits.await.is_err());
    let (slowly, answer) = tokio::join!(slow.until("s "), other.until("o "));
    assert_eq!((whole(&slowly), whole(&answer)), (3 * (3 << 16), 3 << 16));
    assert!(slowly.ends_with("s OK FETCH done\r\n") && answer.ends_with("o OK FETCH done\r\n"));
    assert_eq!(room.free(), 5 << 20);
    // Several copies are more than there is; and a client that goes gives its room back.
    let answer = other.say("FETCH 2 (BODY.PEEK[] BODY.PEEK[TEXT])").await;
    assert_eq!(whole(&answer), 2 * (3 << 16));
    other.send(b"o FETCH 1:* BODY.PEEK[]\r\n").await;
    assert!(other.line().await.starts_with("* 1 FETCH "));
    let Client { io, task, .. } = other;
    drop(io);
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    assert_eq!(room.free(), 5 << 20);
}

/// A record cut between an enclosed multipart and its parts does not give the one for the other.
#[tokio::test]
async fn parts_behind_the_end_of_a_record_are_found() {
    let house = House::new().await;
    let long = "z".repeat(300);
    let leaf = |text: &str| {
        format!(
            "Content-Type: text/x-{long}; a=\"{long}\"; b=\"{long}\"\r\nContent-ID: <{long}>\r\n\
             Content-Description: {long}\r\n\r\n{text}\r\n"
        )
    };
    // The last part that the record keeps is number 20: the multipart within part 18.
    let before: String = (1..18).map(|n| format!("--o\r\n{}", leaf(&format!("before {n}")))).collect();
    let within: String = (1..300).map(|n| format!("--i\r\n{}", leaf(&format!("within {n}")))).collect();
    let raw = format!(
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n{before}--o\r\nContent-Type: message/rfc822\r\n\r\n\
         Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n{within}--i--\r\n--o--\r\n"
    );
    let encoded = MailRecord::from_message(&message::parse(raw.as_bytes())).encode();
    let stored = MailRecord::decode(&encoded).unwrap();
    assert_eq!(stored.parts.len(), 20);
    assert_eq!(stored.parts.last().map(|part| part.content_type()).as_deref(), Some("multipart/mixed"));
    house.deliver(raw.as_bytes()).await;
    let mut client = house.at_inbox().await;
    for (part, text) in [("1", "before 1"), ("18.1", "within 1"), ("18.299", "within 299")] {
        for asked in ["BODY", "BINARY"] {
            let answer = client.say(&format!("FETCH 1 {asked}[{part}]")).await;
            assert!(answer.contains(&format!("[{part}] {{{}}}\r\n{text})\r\n", text.len())), "{answer}");
        }
    }
    assert!(client.say("FETCH 1 BODY[18.HEADER.FIELDS (Subject)]").await.contains("\r\nSubject: inner\r\n"));
    assert!(client.say("FETCH 1 BODY[18.300]").await.contains("BODY[18.300] NIL)"));
    assert!(client.say("SEARCH TEXT \"within 299\"").await.starts_with("* SEARCH 1\r\n"));
}
