//! What a client says and hears.

use super::*;
use crate::mailbox::{Kind, NewFolder};

const SIMPLE: &[u8] = b"From: Bob <bob@example.org>\r\nTo: alice@example.test\r\nSubject: Hello\r\n\
    Date: Fri, 15 Jan 2027 09:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\r\nThe body.\r\n";

#[tokio::test]
async fn the_states() {
    let house = House::new().await;
    let mut client = house.client().await;
    assert_eq!(
        client.greeting,
        "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID ENABLE STARTTLS AUTH=PLAIN] Folkmoot is ready\r\n"
    );
    assert_eq!(client.say("NOOP").await, "a1 OK done\r\n");
    assert_eq!(client.say("SELECT INBOX").await, "a2 BAD log in first\r\n");
    assert_eq!(client.say("FROB").await, "a3 BAD unknown command\r\n");
    assert!(client.say("LOGIN alice wrong").await.starts_with("a4 NO [AUTHENTICATIONFAILED] "));
    assert!(client.say("LOGIN alice {6}\r\nsecret").await.contains("a5 OK [CAPABILITY IMAP4rev1 "));
    assert_eq!(client.say("LOGIN alice secret").await, "a6 BAD you are logged in already\r\n");
    assert_eq!(client.say("FETCH 1 FLAGS").await, "a7 BAD no mailbox is selected\r\n");
    assert_eq!(client.say("SELECT nonsense").await, "a8 NO [NONEXISTENT] no such mailbox\r\n");
    assert_eq!(client.say("SELECT Calendar").await, "a9 NO [NONEXISTENT] no such mailbox\r\n");
    assert_eq!(client.say("STORE 1 +FLAGS (\\Seen)").await, "a10 BAD no mailbox is selected\r\n");
    assert!(client.say("APPEND INBOX {100000000}").await.starts_with("a11 NO [TOOBIG] "));
    assert_eq!(
        client.say("SELECT \"a&b\"").await,
        "a12 NO [CANNOT] the mailbox name is not modified UTF-7\r\n"
    );
    assert_eq!(client.say("LOGOUT").await, "* BYE until next time\r\na13 OK LOGOUT done\r\n");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn authenticate_plain() {
    let house = House::new().await;
    // NUL alice NUL secret
    let secret = "AGFsaWNlAHNlY3JldA==";
    let mut client = house.client().await;
    assert!(client.say(&format!("AUTHENTICATE PLAIN {secret}")).await.starts_with("a1 OK "));
    let mut client = house.client().await;
    assert!(client.say("AUTHENTICATE GSSAPI").await.starts_with("a1 NO "));
    client.send(b"b AUTHENTICATE PLAIN\r\n").await;
    assert_eq!(client.line().await, "+ \r\n");
    client.send(b"*\r\n").await;
    assert_eq!(client.line().await, "b BAD AUTHENTICATE cancelled\r\n");
    client.send(format!("c AUTHENTICATE PLAIN\r\n{secret}\r\n").as_bytes()).await;
    assert_eq!(client.line().await, "+ \r\n");
    assert!(client.line().await.starts_with("c OK "));
}

/// What nobody can be called, and nobody has as a password, is refused as a wrong one is.
#[tokio::test]
async fn impossible_names_and_passwords_are_refused() {
    use base64::Engine as _;
    let house = House::new().await;
    let mut client = house.client().await;
    let plain = |message: &[u8]| base64::engine::general_purpose::STANDARD.encode(message);
    for message in [&b"\0alice\0"[..], b"\0\0secret", b"\0alice\xff\0secret", b"bob\0alice\0secret"] {
        let answer = client.say(&format!("AUTHENTICATE PLAIN {}", plain(message))).await;
        assert!(answer.contains(" NO [AUTHENTICATIONFAILED] "), "{answer}");
    }
    let mut client = house.client().await;
    for login in ["alice \"\"", "\"\" secret", "\"al\u{1}ice\" secret"] {
        let answer = client.say(&format!("LOGIN {login}")).await;
        assert!(answer.contains(" NO [AUTHENTICATIONFAILED] "), "{answer}");
    }
    for message in [&b"alice"[..], b"\0alice\0secret\0"] {
        let answer = client.say(&format!("AUTHENTICATE PLAIN {}", plain(message))).await;
        assert!(answer.contains(" BAD "), "{answer}");
    }
    assert!(client.say("LOGIN alice secret").await.contains(" OK "));
}

#[tokio::test]
async fn no_password_in_clear_unless_a_setting_says_so() {
    let house = House::with(|config| config.auth.clear_text_on_loopback = false).await;
    let mut client = house.client().await;
    assert!(client.greeting.contains(" STARTTLS LOGINDISABLED]"), "{}", client.greeting);
    assert!(client.say("LOGIN alice secret").await.starts_with("a1 NO [PRIVACYREQUIRED] "));
    assert!(client.say("AUTHENTICATE PLAIN =").await.starts_with("a2 NO [PRIVACYREQUIRED] "));
}

#[tokio::test]
async fn nothing_may_follow_starttls() {
    let house = House::new().await;
    let mut client = house.client().await;
    client.send(b"a STARTTLS\r\nb LOGIN alice secret\r\n").await;
    let rest = client.rest().await;
    assert!(rest.starts_with("* BYE ") && !rest.contains("OK"), "{rest}");
}

#[tokio::test]
async fn floods_before_login() {
    let house = House::new().await;
    let mut client = house.client().await;
    let _ = client.io.write_all(&vec![b'('; 60_000]).await;
    assert_eq!(client.rest().await, "* BYE that is more than may be sent unasked\r\n");
    let mut client = house.client().await;
    assert!(client.say("LOGIN {4294967296}").await.starts_with("a1 NO [TOOBIG] "));
    client.send(b"x LOGIN {5000+}\r\n").await;
    assert!(client.rest().await.starts_with("* BYE "));
    let mut client = house.client().await;
    client.send(&b"((\r\n".repeat(30)).await;
    let rest = client.rest().await;
    assert!(rest.ends_with("* BYE too many bad commands\r\n"), "{rest}");
    let mut client = house.client().await;
    client.send(&b"a NOOP\r\n".repeat(60)).await;
    assert!(client.rest().await.ends_with("* BYE too many commands without a login\r\n"));
}

#[tokio::test]
async fn guesses_end_the_connection() {
    let house = House::new().await;
    let mut client = house.client().await;
    for i in 0..5 {
        client.send(format!("a LOGIN alice guess{i}\r\n").as_bytes()).await;
    }
    let rest = client.rest().await;
    assert_eq!(rest.matches("a NO [AUTHENTICATIONFAILED]").count(), 4, "{rest}");
    assert!(rest.ends_with("* BYE too many refused logins\r\n"), "{rest}");
}

#[tokio::test]
async fn silence_and_the_end_of_the_server() {
    let house = House::with(|config| config.limits.imap_login = Duration::from_millis(100)).await;
    assert_eq!(house.client().await.rest().await, "* BYE nothing was heard for too long\r\n");
    let mut client = house.at_inbox().await;
    client.send(b"b IDLE\r\n").await;
    assert_eq!(client.line().await, "+ idling\r\n");
    let other = house.alice().await;
    house.services.shutdown.begin();
    assert_eq!(client.rest().await, "* BYE the server is going down\r\n");
    assert_eq!(other.rest().await, "* BYE the server is going down\r\n");
}

#[tokio::test]
async fn select_tells_all() {
    let house = House::new().await;
    let inbox = house.inbox();
    house.deliver_to(inbox.id, b"", SIMPLE, Flags::SEEN).await;
    house.deliver(SIMPLE).await;
    let folder = house.inbox();
    let told = |recent: &str, unseen: &str, permanent: &str, list: &str| {
        format!(
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded $MDNSent $Junk $NotJunk)\r\n\
             * 2 EXISTS\r\n{recent}{unseen}* OK [PERMANENTFLAGS ({permanent}\r\n\
             * OK [UIDVALIDITY {}] these UIDs are valid\r\n* OK [UIDNEXT 3] the next UID\r\n\
             * OK [HIGHESTMODSEQ {}] the latest change\r\n* OK [MAILBOXID (F{:x})] the mailbox itself\r\n{list}",
            folder.uid_validity, folder.highest.0, folder.id.0
        )
    };
    let mut client = house.alice().await;
    let all = "\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded $MDNSent $Junk $NotJunk \\*)] \
               these flags can be changed";
    let none = ")] no flag can be changed";
    let unseen = "* OK [UNSEEN 2] the first unseen message\r\n";
    let plain = told("* 0 RECENT\r\n", unseen, all, "");
    assert_eq!(client.say("SELECT inbox").await, format!("{plain}a2 OK [READ-WRITE] selected\r\n"));
    let plain = told("* 0 RECENT\r\n", unseen, none, "");
    let again = client.say("EXAMINE INBOX").await;
    assert_eq!(
        again,
        format!(
            "* OK [CLOSED] the mailbox selected before is closed\r\n{plain}a3 OK [READ-ONLY] selected\r\n"
        )
    );
    assert_eq!(client.say("ENABLE IMAP4rev2").await, "a4 BAD ENABLE comes before a mailbox is selected\r\n");
    assert_eq!(client.say("CLOSE").await, "a5 OK closed\r\n");
    assert_eq!(client.say("ENABLE IMAP4rev2 X").await, "* ENABLED IMAP4rev2\r\na6 OK enabled\r\n");
    let new = told("", "", all, "* LIST () \"/\" \"INBOX\"\r\n");
    assert_eq!(client.say("SELECT INBOX").await, format!("{new}a7 OK [READ-WRITE] selected\r\n"));
    assert!(client.say("SELECT nothing").await.ends_with("a8 NO [NONEXISTENT] no such mailbox\r\n"));
    assert_eq!(client.say("FETCH 1 UID").await, "a9 BAD no mailbox is selected\r\n");
}

#[tokio::test]
async fn list_lsub_status() {
    let house = House::new().await;
    let owner = house.alice;
    house
        .act(move |tx| {
            let new = |parent, name| NewFolder { parent, name, kind: Kind::Mail };
            let top = tx.create_folder(owner, &new(FolderId::TOP, "Entwürfe & mehr"))?;
            tx.create_folder(owner, &new(top, "2027"))
        })
        .await;
    house.deliver(SIMPLE).await;
    let mut client = house.alice().await;
    let all = client.say("LIST \"\" *").await;
    for line in [
        "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n",
        "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"\r\n",
        "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\n",
        "* LIST (\\HasChildren) \"/\" \"Entw&APw-rfe &- mehr\"\r\n",
        "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe &- mehr/2027\"\r\n",
    ] {
        assert!(all.contains(line), "{line} in {all}");
    }
    assert_eq!(all.lines().count(), 8, "{all}");
    assert!(!all.contains("Calendar"));
    assert!(!client.say("LIST \"\" %").await.contains("2027"));
    assert_eq!(
        client.say("LIST \"Entw&APw-rfe &- mehr/\" %").await,
        "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe &- mehr/2027\"\r\na4 OK that is all\r\n"
    );
    assert_eq!(client.say("LIST \"\" \"\"").await, "* LIST (\\Noselect) \"/\" \"\"\r\na5 OK that is all\r\n");
    let special = client.say("LIST (SPECIAL-USE) \"\" * RETURN (SUBSCRIBED)").await;
    assert_eq!(special.lines().count(), 5, "{special}");
    assert!(special.contains("* LIST (\\HasNoChildren \\Subscribed \\Junk) \"/\" \"Junk\"\r\n"));
    assert_eq!(
        client.say("LSUB \"\" inbox").await,
        "* LSUB (\\HasNoChildren) \"/\" \"INBOX\"\r\na7 OK that is all\r\n"
    );
    let folder = house.inbox();
    let status = format!(
        "* STATUS \"INBOX\" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY {} UNSEEN 1 DELETED 0 SIZE {} RECENT 0)\r\n",
        folder.uid_validity, folder.bytes
    );
    assert_eq!(
        client.say("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE RECENT)").await,
        format!("{status}a8 OK STATUS done\r\n")
    );
    assert_eq!(
        client.say("LIST \"\" (INBOX) RETURN (STATUS (MESSAGES))").await,
        "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* STATUS \"INBOX\" (MESSAGES 1)\r\na9 OK that is all\r\n"
    );
    assert!(client.say("ENABLE UTF8=ACCEPT").await.starts_with("* ENABLED UTF8=ACCEPT\r\n"));
    assert!(client.say("LIST \"\" Entw*").await.contains("\"Entwürfe & mehr/2027\"\r\n"));
    assert!(client.say("EXAMINE \"Entwürfe & mehr/2027\"").await.contains("OK [READ-ONLY]"));
    assert_eq!(
        client.say("NAMESPACE").await,
        "* NAMESPACE ((\"\" \"/\")) ((\"Other users/\" \"/\")) NIL\r\na13 OK NAMESPACE done\r\n"
    );
}

/// Others' folders are not there, whatever they are called; nor is another user's mail ever shown.
#[tokio::test]
async fn nobody_sees_another_account() {
    let house = House::new().await;
    account(&house.services, "bob@example.test").await;
    house.deliver(SIMPLE).await;
    let owner = house.alice;
    house
        .act(move |tx| {
            tx.create_folder(owner, &NewFolder { parent: FolderId::TOP, name: "Private", kind: Kind::Mail })
        })
        .await;
    let mut client = house.client().await;
    assert!(client.say("LOGIN bob secret").await.starts_with("a1 OK"));
    assert!(!client.say("LIST \"\" *").await.contains("Private"));
    assert_eq!(client.say("SELECT Private").await, "a3 NO [NONEXISTENT] no such mailbox\r\n");
    assert_eq!(client.say("STATUS Private (MESSAGES)").await, "a4 NO [NONEXISTENT] no such mailbox\r\n");
    assert!(client.say("SELECT INBOX").await.contains("* 0 EXISTS\r\n"));
    assert_eq!(client.say("FETCH 1:* BODY[]").await, "a6 OK FETCH done\r\n");
}

#[tokio::test]
async fn floods_after_login() {
    let house = House::new().await;
    house.deliver(SIMPLE).await;
    let mut client = house.at_inbox().await;
    let ors = format!("SEARCH {}ALL ALL", "OR TEXT x ".repeat(5_000));
    assert!(client.say(&ors).await.starts_with("a3 BAD "));
    let nots = format!("SEARCH {}ALL", "NOT ".repeat(1_000));
    assert!(client.say(&nots).await.starts_with("a4 BAD "));
    let long = format!("LIST \"\" \"{}\"", "%a*".repeat(2_000));
    assert!(client.say(&long).await.starts_with("a5 NO [LIMIT] "));
    let name = format!("STATUS \"{}\" (MESSAGES)", "a".repeat(60_000));
    assert!(client.say(&name).await.starts_with("a6 NO [CANNOT] "));
    for name in ["../INBOX", "INBOX/../INBOX", "", "/", "//", "INBOX/"] {
        let answer = client.say(&format!("STATUS \"{name}\" (MESSAGES)")).await;
        assert!(answer.contains(" NO [NONEXISTENT] "), "{name}: {answer}");
    }
    let sets = vec!["1:4294967295"; 5_000].join(",");
    assert!(client.say(&format!("FETCH {sets} UID")).await.starts_with("* 1 FETCH (UID 1)\r\na13 OK "));
    // The same megabyte a hundred times is not what a mail client wants.
    house.deliver(&[SIMPLE, &vec![b'x'; 1 << 20]].concat()).await;
    assert!(client.say("NOOP").await.starts_with("* 2 EXISTS\r\n"));
    let bodies = vec!["BODY.PEEK[]"; 100].join(" ");
    let answer = client.say(&format!("UID FETCH 2 ({bodies})")).await;
    assert!(answer.contains(" NO [LIMIT] ") && answer.len() < 8 << 20, "{} bytes", answer.len());
    client.send(&vec![b'x'; 70_000]).await;
    assert!(client.rest().await.ends_with("* BYE that is more than may be sent unasked\r\n"));
}

#[tokio::test]
async fn a_changed_password_ends_the_session() {
    let house = House::new().await;
    let mut client = house.at_inbox().await;
    let id = crate::directory::AccountId(house.alice.0);
    house.services.directory.set_password(id, "another secret").await.unwrap();
    client.send(b"b IDLE\r\n").await;
    assert_eq!(client.line().await, "+ idling\r\n");
    house.services.clock.advance(6_000);
    house.deliver(SIMPLE).await;
    assert_eq!(client.rest().await, "* BYE your login is not valid any more\r\n");
}

/// What a parked connection keeps in memory, beside its small input buffer and its map of UIDs.
#[tokio::test]
async fn a_parked_connection_is_small() {
    let house = House::new().await;
    let address: SocketAddr = "127.0.0.1:40000".parse().unwrap();
    let peer = Peer::new(Listener::Imap, address, address);
    let stream = Stream::clear(tokio::io::empty(), Duration::from_secs(5));
    let future = crate::doors::imap::serve(house.imap, stream, peer);
    let size = std::mem::size_of_val(&future);
    assert!(size <= 4 << 10, "{size} bytes");
}
