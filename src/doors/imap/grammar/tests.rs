use jiff::civil;
use proptest::prelude::*;

use super::set::Number;
use super::*;
use crate::mailbox::Flags;

fn read(text: &str) -> Command {
    match parse(format!("a1 {text}").as_bytes(), Form::ModifiedUtf7) {
        Ok(Request { tag, command }) => {
            assert_eq!(tag, "a1");
            command
        }
        Err(e) => panic!("{text}: {e:?}"),
    }
}

fn refused(text: &[u8]) -> Refusal {
    match parse(&[b"a1 ", text].concat(), Form::ModifiedUtf7) {
        Ok(request) => panic!("{}: {request:?}", String::from_utf8_lossy(text)),
        Err(Refused { why, .. }) => why,
    }
}

#[test]
fn the_simple_commands() {
    assert_eq!(read("capability"), Command::Capability);
    assert_eq!(read("Noop"), Command::Noop);
    assert_eq!(
        read(r#"LOGIN "al\"ice" {3}"#.to_owned().as_str().replace("{3}", "{3}\r\np w").as_str()),
        Command::Login(Credentials { user: b"al\"ice".to_vec(), password: b"p w".to_vec() })
    );
    assert_eq!(read("AUTHENTICATE PLAIN ="), Command::Authenticate(Mechanism::Plain, Some(Vec::new())));
    assert_eq!(
        read("AUTHENTICATE PLAIN AGEAYg=="),
        Command::Authenticate(Mechanism::Plain, Some(b"AGEAYg==".to_vec()))
    );
    assert_eq!(read("AUTHENTICATE SCRAM-SHA-256"), Command::Authenticate(Mechanism::Unknown, None));
    assert_eq!(
        read("ENABLE X-GOOD-IDEA condstore IMAP4rev2"),
        Command::Enable(vec![Extension::Condstore, Extension::Imap4Rev2])
    );
    assert_eq!(read("ID NIL"), Command::Id(vec![]));
    assert_eq!(
        read(r#"ID ("name" "x" "os" NIL)"#),
        Command::Id(vec![("name".into(), Some("x".into())), ("os".into(), None)])
    );
}

#[test]
fn mailboxes_are_decoded() {
    let select = |name: &str, read_only, condstore| {
        Command::Select(Select { name: name.into(), read_only, condstore, qresync: None })
    };
    assert_eq!(read("SELECT inbox"), select("INBOX", false, false));
    assert_eq!(read("EXAMINE {5}\r\nInbox (CONDSTORE)"), select("INBOX", true, true));
    assert_eq!(read("SELECT \"Entw&APw-rfe\""), select("Entwürfe", false, false));
    let utf8 = parse("a SELECT \"Entwürfe\"".as_bytes(), Form::Utf8).unwrap();
    assert_eq!(utf8.command, select("Entwürfe", false, false));
    for bad in [
        "SELECT \"Entw&APw\"".as_bytes(),
        "SELECT \"Entwürfe\"".as_bytes(),
        b"SELECT \"a\x01\"",
        &[b"SELECT ", vec![b'a'; 64 << 10].as_slice()].concat(),
    ] {
        assert!(matches!(refused(bad), Refusal::Name(_)));
    }
    assert!(matches!(refused(b"SELECT {1}\r\n\0"), Refusal::Syntax(_)));
}

#[test]
fn what_fetch_asks_for() {
    let Command::Fetch(fetch) = read("FETCH 1:* FULL") else { panic!() };
    assert_eq!(
        fetch.attributes,
        [Attribute::Flags, Attribute::InternalDate, Attribute::Size, Attribute::Envelope, Attribute::Body]
    );
    let Command::Fetch(fetch) = read(
        "UID FETCH 5 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (From \"To\")]<0.10> rfc822.text BINARY[3] \
         BINARY.SIZE[] PREVIEW (LAZY) BODY[4.MIME] BODY[]) (CHANGEDSINCE 7)",
    ) else {
        panic!()
    };
    assert!(fetch.by_uid);
    assert_eq!(fetch.changed_since, Some(7));
    let section = |part: &[u32], of, partial, peek, asked| {
        Attribute::Section(Section { part: part.to_vec(), of, partial, peek, asked })
    };
    assert_eq!(
        fetch.attributes,
        [
            Attribute::Uid,
            Attribute::Flags,
            section(
                &[1, 2],
                Of::Fields { names: vec![b"From".to_vec(), b"To".to_vec()], not: false },
                Some(Partial { from: 0, most: 10 }),
                true,
                Asked::Body
            ),
            section(&[], Of::Text, None, false, Asked::Rfc822Text),
            Attribute::Binary { part: vec![3], partial: None, peek: false },
            Attribute::BinarySize { part: vec![] },
            Attribute::Preview,
            section(&[4], Of::Mime, None, false, Asked::Body),
            section(&[], Of::All, None, false, Asked::Body),
            Attribute::ModSeq,
        ]
    );
    for bad in [
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[1.0]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[]<0>",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[TEXT",
        "FETCH 1 FLAGS ",
        "FETCH 1 NONSENSE",
        "FETCH 0 FLAGS",
        "FETCH 1 FLAGS (VANISHED)",
    ] {
        assert!(matches!(refused(bad.as_bytes()), Refusal::Syntax(_)), "{bad}");
    }
}

#[test]
fn what_search_looks_for() {
    let key = |text: &str| match read(text) {
        Command::Search(search) => search.key,
        other => panic!("{other:?}"),
    };
    let text = |place, text: &str| Key::Text(place, text.into());
    assert_eq!(key("SEARCH ALL"), Key::All);
    assert_eq!(
        key("SEARCH UNSEEN SINCE 1-Feb-1994 NOT FROM \"Smith\""),
        Key::And(vec![
            Key::Flag(Flags::SEEN, false),
            Key::Arrived(Day::Since, civil::date(1994, 2, 1)),
            Key::Not(Box::new(text(Place::From, "Smith"))),
        ])
    );
    assert_eq!(
        key("SEARCH OR SEEN OR (2:3 UID 5) HEADER X-Id \"\""),
        Key::Or(vec![
            Key::Flag(Flags::SEEN, true),
            Key::And(vec![
                Key::Numbers(Set::Ranges(vec![(Number::Is(2), Number::Is(3))])),
                Key::Uids(Set::Ranges(vec![(Number::Is(5), Number::Is(5))])),
            ]),
            text(Place::Header("X-Id".into()), ""),
        ])
    );
    assert_eq!(key("SEARCH CHARSET UTF-8 TEXT {6}\r\nмир"), text(Place::Text, "мир"));
    let latin = parse(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {1}\r\n\xfc", Form::ModifiedUtf7).unwrap();
    assert_eq!(
        latin.command,
        Command::Search(Search { by_uid: false, returns: None, key: text(Place::Subject, "ü") })
    );
    assert_eq!(key("SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338"), Key::ModSeq(620_162_338));
    let Command::Search(search) = read("UID SEARCH RETURN () 1") else { panic!() };
    assert_eq!(search.returns, Some(Returns { all: true, ..Returns::default() }));
    assert_eq!(refused(b"SEARCH CHARSET KLINGON TEXT x"), Refusal::Charset);
    for bad in
        ["SEARCH", "SEARCH SINCE 31-Feb-2020", "SEARCH SINCE 1-Foo-2020", "SEARCH OR SEEN", "SEARCH ()"]
    {
        assert!(matches!(refused(bad.as_bytes()), Refusal::Syntax(_)), "{bad}");
    }
}

#[test]
fn what_list_asks_for() {
    let Command::List(list) = read("LIST \"\" %") else { panic!() };
    assert_eq!(list, List { patterns: vec!["%".into()], ..List::default() });
    let Command::List(list) = read(
        "LIST (SUBSCRIBED RECURSIVEMATCH) \"a/\" (\"&Jjo-*\" b) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))",
    ) else {
        panic!()
    };
    assert_eq!(
        list,
        List {
            reference: "a/".into(),
            patterns: vec!["☺*".into(), "b".into()],
            only_subscribed: true,
            recursive: true,
            tell_subscribed: true,
            status: vec![StatusItem::Messages, StatusItem::Unseen],
            ..List::default()
        }
    );
    assert!(matches!(refused(b"LIST (RECURSIVEMATCH) \"\" *"), Refusal::Syntax(_)));
    assert!(matches!(refused(b"STATUS x ()"), Refusal::Syntax(_)));
}

#[test]
fn floods_are_refused() {
    let mut parentheses = b"SEARCH ".to_vec();
    parentheses.resize(1_000_000, b'(');
    assert_eq!(refused(&parentheses), Refusal::TooMany);
    let nots = format!("SEARCH {}ALL", "NOT ".repeat(10_000));
    assert_eq!(refused(nots.as_bytes()), Refusal::TooMany);
    let ors = format!("SEARCH {}ALL ALL", "OR ALL ".repeat(10_000));
    assert_eq!(refused(ors.as_bytes()), Refusal::TooMany);
    let some_ors = format!("SEARCH {}ALL ALL", "OR ALL ".repeat(500));
    assert!(matches!(read(&some_ors), Command::Search(_)));
    let parts = format!("FETCH 1 BODY[{}1]", "1.".repeat(10_000));
    assert_eq!(refused(parts.as_bytes()), Refusal::TooMany);
}

#[test]
fn a_command_is_known_by_its_first_line() {
    assert_eq!(tag(b"a LOGIN {4294967296}").as_deref(), Some("a"));
    assert_eq!(tag(b"+ x"), None);
}

#[test]
fn mailboxes_as_a_whole() {
    let folder = |text| match read(text) {
        Command::Folder(command) => command,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        folder("CREATE \"Entw&APw-rfe\" (USE (\\archive \\Flagged))"),
        FolderCommand::Create {
            name: "Entwürfe".into(), uses: vec![SpecialUse::Archive, SpecialUse::Other]
        }
    );
    assert_eq!(folder("CREATE x (USE ())"), FolderCommand::Create { name: "x".into(), uses: vec![] });
    assert_eq!(folder("DELETE inbox"), FolderCommand::Delete("INBOX".into()));
    assert_eq!(folder("RENAME a b/c"), FolderCommand::Rename { from: "a".into(), to: "b/c".into() });
    assert_eq!(folder("UNSUBSCRIBE a"), FolderCommand::Subscribe("a".into(), false));
    for bad in [
        "CREATE",
        "CREATE a b",
        "CREATE a ()",
        "CREATE a (USE \\All)",
        "CREATE a (USE (Archive))",
        "RENAME a",
    ] {
        assert!(matches!(refused(bad.as_bytes()), Refusal::Syntax(_)), "{bad}");
    }
}

#[test]
fn rights_and_quotas() {
    let who = |name: &str, is_negative| Identifier { name: name.into(), is_negative };
    assert_eq!(
        read("SETACL INBOX -Bob@x +lr"),
        Command::Acl(Acl::Set {
            name: "INBOX".into(),
            who: who("Bob@x", true),
            change: Change::Add,
            rights: "lr".into()
        })
    );
    let Command::Acl(Acl::Set { change, rights, .. }) = read("SETACL a b \"\"") else { panic!() };
    assert_eq!((change, rights.as_str()), (Change::Replace, ""));
    assert_eq!(
        read("LISTRIGHTS a anyone"),
        Command::Acl(Acl::List { name: "a".into(), who: who("anyone", false) })
    );
    assert_eq!(read("MYRIGHTS a"), Command::Acl(Acl::Mine("a".into())));
    assert_eq!(read("GETQUOTA \"\""), Command::Quota(Quota::Get(String::new())));
    assert_eq!(read("GETQUOTAROOT inbox"), Command::Quota(Quota::GetRoot("INBOX".into())));
    assert_eq!(read("SETQUOTA x (STORAGE 5)"), Command::Quota(Quota::Set("x".into())));
    for bad in
        ["SETACL a b", "GETACL", "LISTRIGHTS a", "SETQUOTA x (STORAGE)", "GETQUOTA", "SETACL a b \"\u{1}"]
    {
        assert!(matches!(refused(bad.as_bytes()), Refusal::Syntax(_)), "{bad}");
    }
}

#[test]
fn what_sort_and_thread_ask_for() {
    let Command::Sort(sort) = read("UID SORT RETURN () (REVERSE SUBJECT ARRIVAL) UTF-8 SEEN TEXT x") else {
        panic!()
    };
    assert!(sort.by_uid && sort.returns.is_some_and(|returns| returns.all));
    assert_eq!(
        sort.criteria,
        [
            Criterion { key: SortKey::Subject, reverse: true },
            Criterion { key: SortKey::Arrival, reverse: false }
        ]
    );
    assert!(matches!(sort.key, Key::And(keys) if keys.len() == 2));
    let Command::Thread(thread) = read("THREAD references us-ascii 1:3") else { panic!() };
    assert_eq!(thread.algorithm, Algorithm::References);
    assert_eq!(refused(b"SORT (DATE) KLINGON ALL"), Refusal::Charset);
    assert_eq!(refused(b"SORT (DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE DATE) UTF-8 ALL"), Refusal::TooMany);
    assert!(matches!(refused(b"COMPRESS GZIP"), Refusal::Syntax(_)));
}

proptest! {
    #[test]
    fn never_panics_on_bytes(bytes: Vec<u8>) {
        let _ = parse(&bytes, Form::ModifiedUtf7);
        let _ = tag(&bytes);
        let _ = awaits_message(&bytes);
        let _ = Append::parse(&bytes, Form::ModifiedUtf7);
        let _ = After::parse(&bytes, false, Form::Utf8);
    }

    #[test]
    fn never_panics_on_words(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", " ", " ", " ", "FETCH", "SEARCH", "LIST", "LOGIN", "UID", "1:*", "(", ")", "[", "]", "BODY",
                "BODY.PEEK[", "HEADER.FIELDS", "<0.1>", "OR", "NOT", "SINCE", "1-Feb-1994", "\"", "\\",
                "{1}\r\n", "{9}\r\n", "~{1}\r\n", "APPEND", "STORE", "+FLAGS", "\\Seen", "QRESYNC", "UTF8 (", "~{3}", "&Jjo-", "RETURN", "STATUS", "%", "*", "$", ",", "CHARSET", "SORT", "THREAD", "REFERENCES", "REVERSE", "DATE", "UTF-8", "SETACL", "+lr", "-", "CREATE", "(USE (", "RENAME", "SETQUOTA", "STORAGE", "COMPRESS DEFLATE", "\0",
            ]),
            0..24,
        ),
    ) {
        let words = words.concat();
        let _ = parse(words.as_bytes(), Form::ModifiedUtf7);
        let _ = Append::parse(words.as_bytes(), Form::ModifiedUtf7);
        let _ = After::parse(words.as_bytes(), true, Form::Utf8);
    }

    #[test]
    fn any_string_can_be_said_three_ways(text in "[^\\x00\\r\\n]{0,30}") {
        let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let literal = format!("{{{}}}\r\n{text}", text.len());
        let binary = format!("~{literal}");
        for form in [quoted, literal, binary] {
            let login = format!("a LOGIN {form} x");
            let request = parse(login.as_bytes(), Form::Utf8).unwrap();
            prop_assert_eq!(request.command, Command::Login(Credentials {
                user: text.clone().into_bytes(),
                password: b"x".to_vec(),
            }));
        }
    }
}
