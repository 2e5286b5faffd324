//! mbsync mirrors a mailbox both ways: what either side adds, flags and deletes is on the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use folkmoot::net::Listener;

use crate::imap_client::Imap;
use crate::lmtp::{Lmtp, message};
use crate::support::TestServer;

const USER: &str = "anna@example.test";
const PASSWORD: &str = "correct horse battery";

struct Mirror {
    folder: tempfile::TempDir,
}

impl Mirror {
    fn new(server: &TestServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = server.address(Listener::Imap);
        let settings = format!(
            "IMAPAccount folkmoot\nHost {}\nPort {}\nUser {USER}\nPass \"{PASSWORD}\"\nSSLType None\n\
             AuthMechs LOGIN\n\nIMAPStore far\nAccount folkmoot\n\nMaildirStore near\nPath {dir}/\n\
             Inbox {dir}/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX Trash\n\
             Create Near\nExpunge Both\nSyncState *\nCopyArrivalDate yes\n",
            at.ip(),
            at.port(),
            dir = folder.path().display()
        );
        fs::write(folder.path().join("mbsyncrc"), settings).unwrap();
        Self { folder }
    }

    async fn sync(&self) {
        let settings = self.folder.path().join("mbsyncrc");
        let run = move || std::process::Command::new("mbsync").arg("-c").arg(settings).arg("-a").output();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let output = output.unwrap_or_else(|e| panic!("mbsync is installed by ./test: {e}"));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
    }

    /// What is in a folder here: by subject, the file and its flags.
    fn files(&self, folder: &str) -> BTreeMap<String, (PathBuf, String)> {
        let folder = self.folder.path().join(folder);
        let all = ["new", "cur"].into_iter().flat_map(|part| fs::read_dir(folder.join(part)).unwrap());
        all.map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let flags = name.rsplit_once(":2,").map_or("", |(_, flags)| flags).to_owned();
            (subject, (path, flags))
        })
        .collect()
    }

    /// Gives a message other flags, as a local mail program does.
    fn flag(&self, subject: &str, flags: &str) {
        let (path, _) = self.files("INBOX").remove(subject).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = name.split(":2,").next().unwrap();
        let cur = self.folder.path().join("INBOX/cur");
        fs::rename(&path, cur.join(format!("{stem}:2,{flags}"))).unwrap();
    }

    fn add(&self, subject: &str) {
        let text = format!("From: anna@example.test\nSubject: {subject}\n\nWritten here.\n");
        fs::write(self.folder.path().join("INBOX/new").join(format!("1.{subject}.here")), text).unwrap();
    }

    fn flags(&self) -> BTreeMap<String, String> {
        self.files("INBOX").into_iter().map(|(subject, (_, flags))| (subject, flags)).collect()
    }
}

fn flags(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(subject, flags)| ((*subject).to_owned(), (*flags).to_owned())).collect()
}

/// Subject and flags of what the server has.
async fn held(imap: &mut Imap) -> Vec<String> {
    imap.ask("EXAMINE INBOX").await;
    let told = imap.ask("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    let text = told.replace("\r\n", " ");
    let messages = text.split("* ").filter(|part| part.contains(" FETCH ("));
    let mut held: Vec<String> = messages
        .map(|part| {
            let flags = part.split_once("FLAGS (").unwrap().1.split(')').next().unwrap();
            let subject = part.split_once("Subject: ").unwrap().1.split_whitespace().next().unwrap();
            format!("{subject} {flags}").trim_end().to_owned()
        })
        .collect();
    held.sort();
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_mirrored_both_ways() {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    let mut lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
    for subject in ["one", "two", "three"] {
        assert_eq!(lmtp.deliver(USER, &message(subject, "Text.\r\n")).await.unwrap(), 250);
    }
    let mirror = Mirror::new(&server);
    mirror.sync().await;
    assert_eq!(mirror.flags(), flags(&[("one", ""), ("three", ""), ("two", "")]));
    assert!(is_empty(&mirror, "Trash"));

    // Changes here.
    mirror.flag("one", "FS");
    mirror.flag("two", "ST");
    mirror.add("four");
    mirror.sync().await;
    let mut imap = Imap::login(server.address(Listener::Imap), USER, PASSWORD).await;
    assert_eq!(held(&mut imap).await, ["four", "one \\Flagged \\Seen", "three"]);

    // Changes there, and here at once.
    imap.ask("SELECT INBOX").await;
    imap.ask("STORE 1 -FLAGS (\\Flagged)").await;
    let three = imap.ask("UID SEARCH SUBJECT three").await;
    let uid: u32 = three.split_whitespace().nth(2).unwrap().parse().unwrap();
    imap.ask(&format!("UID MOVE {uid} Trash")).await;
    let text = "Subject: five\r\n\r\nWritten there.\r\n";
    imap.ask(&format!("APPEND INBOX (\\Answered) {{{}+}}\r\n{text}", text.len())).await;
    mirror.flag("four", "R");
    mirror.sync().await;
    assert_eq!(mirror.flags(), flags(&[("five", "R"), ("four", "R"), ("one", "S")]));
    assert!(mirror.files("Trash").contains_key("three"));
    assert_eq!(held(&mut imap).await, ["five \\Answered", "four \\Answered", "one \\Seen"]);

    // Nothing is left to do.
    mirror.sync().await;
    assert_eq!(held(&mut imap).await, ["five \\Answered", "four \\Answered", "one \\Seen"]);
}

fn is_empty(mirror: &Mirror, folder: &str) -> bool {
    let path: &Path = mirror.folder.path();
    !path.join(folder).exists() || mirror.files(folder).is_empty()
}
