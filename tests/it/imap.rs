//! IMAP over sockets, with curl and Python's imaplib as the clients.

use std::process::Output;
use std::time::Duration;

use folkmoot::net::Listener;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::TestServer;

const ANNA: &str = "anna@example.test";
const PASSWORD: &str = "correct horse battery";

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.account(ANNA, PASSWORD).await;
    server
}

/// Delivers by LMTP, each message in a connection of its own.
async fn deliver(server: &TestServer, messages: &[&[u8]]) {
    for message in messages {
        let stream = TcpStream::connect(server.address(Listener::Lmtp)).await.unwrap();
        let mut stream = BufReader::new(stream);
        let stuffed = String::from_utf8_lossy(message).replace("\r\n.", "\r\n..");
        let commands = [
            "LHLO client.test\r\n".to_owned(),
            "MAIL FROM:<bob@example.org>\r\n".to_owned(),
            format!("RCPT TO:<{ANNA}>\r\n"),
            "DATA\r\n".to_owned(),
            format!("{stuffed}.\r\n"),
        ];
        answer(&mut stream).await;
        for command in commands {
            stream.write_all(command.as_bytes()).await.unwrap();
            let answer = answer(&mut stream).await;
            assert!(answer.starts_with(['2', '3']), "{command}: {answer}");
        }
    }
}

/// The last line of an answer.
async fn answer(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    }
}

async fn run(program: &'static str, arguments: Vec<String>) -> Output {
    let run = move || std::process::Command::new(program).args(&arguments).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    output.unwrap_or_else(|e| panic!("{program} is installed by ./test: {e}"))
}

async fn curl(arguments: &[&str]) -> String {
    let mut all = vec!["--silent", "--show-error", "--insecure", "--max-time", "20"];
    let login = format!("{ANNA}:{PASSWORD}");
    all.extend(["--user", &login]);
    all.extend(arguments);
    let output = run("curl", all.into_iter().map(str::to_owned).collect()).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

const FIRST: &[u8] =
    b"From: bob@example.org\r\nTo: anna@example.test\r\nSubject: first\r\n\r\nOne.\r\n.two\r\n";
const SECOND: &[u8] = b"From: bob@example.org\r\nTo: anna@example.test\r\nSubject: second\r\n\r\nTwo.\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_mail_in_clear_with_starttls_and_with_tls() {
    let server = server().await;
    deliver(&server, &[FIRST, SECOND]).await;
    let imap = server.address(Listener::Imap);
    let imaps = server.address(Listener::Imaps);
    for (url, more) in [
        (format!("imap://{imap}"), &[][..]),
        (format!("imap://{imap}"), &["--ssl-reqd"][..]),
        (format!("imaps://{imaps}"), &[][..]),
    ] {
        let say = async |path: &str, more_still: &[&str]| {
            let url = format!("{url}{path}");
            curl(&[&[url.as_str()], more, more_still].concat()).await
        };
        let all = say("/", &[]).await;
        assert!(all.contains("* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n"), "{all}");
        let message = say("/INBOX;UID=1", &[]).await;
        assert!(message.starts_with("Return-Path: <bob@example.org>\r\n"), "{message}");
        assert!(message.ends_with(&String::from_utf8_lossy(FIRST).into_owned()), "{message}");
        assert_eq!(say("/INBOX;UID=2;SECTION=TEXT", &[]).await, "Two.\r\n");
        assert_eq!(say("/INBOX?SUBJECT%20SECOND", &[]).await, "* SEARCH 2\r\n");
        let stored = say("/INBOX", &["--request", "STORE 1 +Flags (\\Flagged)"]).await;
        assert!(stored.contains("\\Flagged"), "{stored}");
        let found = say("/INBOX", &["--request", "EXAMINE INBOX"]).await;
        assert!(found.contains("* 2 EXISTS\r\n"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_appends_moves_and_expunges() {
    let server = server().await;
    let url = format!("imap://{}", server.address(Listener::Imap));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    std::fs::write(&file, FIRST).unwrap();
    let file = file.to_str().unwrap();
    for _ in 0..2 {
        curl(&[&format!("{url}/INBOX"), "--upload-file", file]).await;
    }
    let say = async |request: &str| curl(&[&format!("{url}/INBOX"), "--request", request]).await;
    assert_eq!(curl(&[&format!("{url}/INBOX;UID=2")]).await.as_bytes(), FIRST);
    assert!(say("UID MOVE 1 Trash").await.contains("* 1 EXPUNGE\r\n"));
    say("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert!(say("EXPUNGE").await.contains("* 1 EXPUNGE\r\n"));
    assert!(say("STATUS INBOX (MESSAGES)").await.contains("(MESSAGES 0)"));
    assert!(say("STATUS Trash (MESSAGES)").await.contains("(MESSAGES 1)"));
}

const IMAPLIB: &str = r#"
import imaplib, ssl, sys
host, port, tls_port, user, password = sys.argv[1:]
context = ssl._create_unverified_context()

following = 3
def change(box):
    global following
    following += 1
    new = b"Subject: new\r\n\r\nNew.\r\n"
    kind, data = box.append("INBOX", r"(\Seen)", imaplib.Time2Internaldate(1e9), new)
    assert kind == "OK" and b"[APPENDUID " in data[0], data
    assert box.append("Nowhere", None, None, new)[0] == "NO"
    kind, data = box.select("INBOX")
    last = int(data[0])
    assert box.store(str(last), "+FLAGS", r"(\Flagged Work)")[0] == "OK"
    kind, data = box.fetch(str(last), "(FLAGS INTERNALDATE)")
    assert b"\\Seen" in data[0] and b"Work" in data[0] and b" 9-Sep-2001 01:46:40" in data[0], data
    kind, data = box.copy(str(last), "Trash")
    assert kind == "OK" and b"[COPYUID " in data[0], data
    assert box.store(str(last), "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
    assert box.expunge() == ("OK", [str(last).encode()])
    assert box.select("Trash")[0] == "OK"
    kind, data = box.fetch("*", "(BODY.PEEK[])")
    assert data[0][1] == new, data
    box.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
    assert box.close()[0] == "OK"

def walk(box):
    kind, data = box.login(user, password) if not box.debugged else box.authenticate(
        "PLAIN", lambda _: b"\0" + user.encode() + b"\0" + password.encode())
    assert kind == "OK", data
    kind, data = box.list()
    assert kind == "OK" and any(b'"INBOX"' in line for line in data), data
    assert box.status("INBOX", "(MESSAGES UIDNEXT)") == ("OK", [b'"INBOX" (MESSAGES 2 UIDNEXT %d)' % following])
    assert box.select("INBOX", readonly=True) == ("OK", [b"2"])
    assert box.search(None, "UNSEEN", "SUBJECT", "second") == ("OK", [b"2"])
    kind, data = box.fetch("1:*", "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert kind == "OK" and data[0][1] == b"Subject: first\r\n\r\n", data
    kind, data = box.uid("FETCH", "2", "(BODY.PEEK[])")
    assert data[0][1].endswith(b"\r\n\r\nTwo.\r\n"), data
    assert len(data[0][1]) == int(box.fetch("2", "(RFC822.SIZE)")[1][0].split()[2].rstrip(b")"))
    kind, data = box.store("1", "+FLAGS", r"(\Seen)")
    assert kind == "NO", data
    assert box.close()[0] == "OK"
    change(box)
    assert box.logout()[0] == "BYE"

clear = imaplib.IMAP4(host, int(port)); clear.debugged = False; walk(clear)
started = imaplib.IMAP4(host, int(port)); started.starttls(context); started.debugged = True; walk(started)
whole = imaplib.IMAP4_SSL(host, int(tls_port), ssl_context=context); whole.debugged = False; walk(whole)
try:
    imaplib.IMAP4(host, int(port)).login(user, "wrong")
    sys.exit("a wrong password was taken")
except imaplib.IMAP4.error as e:
    assert "AUTHENTICATIONFAILED" in str(e), e
"#;

#[tokio::test(flavor = "multi_thread")]
async fn imaplib_reads_and_changes_mail() {
    let server = server().await;
    deliver(&server, &[FIRST, SECOND]).await;
    let (imap, imaps) = (server.address(Listener::Imap), server.address(Listener::Imaps));
    let arguments = [
        "-c".to_owned(),
        IMAPLIB.to_owned(),
        imap.ip().to_string(),
        imap.port().to_string(),
        imaps.port().to_string(),
        ANNA.to_owned(),
        PASSWORD.to_owned(),
    ];
    let output = run("python3", arguments.into()).await;
    let (said, erred) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{erred}");
}

/// A line client, for what the others cannot be made to do.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn idling(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.address(Listener::Imap)).await.unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        client.line().await;
        client.say(&format!("a LOGIN {ANNA} \"{PASSWORD}\"\r\n"), "a OK").await;
        client.say("b SELECT INBOX\r\n", "b OK").await;
        client.say("c IDLE\r\n", "+ ").await;
        client
    }

    async fn say(&mut self, command: &str, until: &str) {
        self.stream.write_all(command.as_bytes()).await.unwrap();
        while !self.line().await.starts_with(until) {}
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_line(&mut line));
        assert!(read.await.unwrap().unwrap() > 0, "the connection ended");
        line
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_hears_of_a_delivery_and_of_the_end() {
    let server = server().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::idling(&server).await);
    }
    deliver(&server, &[FIRST]).await;
    let delivered = folkmoot::clock::instant();
    for client in &mut clients {
        assert_eq!(client.line().await, "* 1 EXISTS\r\n");
    }
    // Generous: the machine may be busy with other tests.
    assert!(delivered.elapsed() < Duration::from_secs(2));
    assert!(server.running.shutdown().await, "a parked client had to be cut");
    for mut client in clients {
        assert_eq!(client.line().await, "* BYE the server is going down\r\n");
        assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
    }
}
