//! The server is killed at random moments while mail programs append, move and expunge: what was acknowledged
//! is so, what was not is wholly done or not at all, and nothing is ever there twice.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::crash::{Site, dice};
use crate::imap_client::Imap;

const ROUNDS: usize = 12;
const PROGRAMS: u64 = 6;
const USER: &str = "bob@crash.test";
const PASSWORD: &str = "correct horse battery";

/// What must be true of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Inbox,
    Trash,
    Gone,
    /// It was being moved.
    InboxOrTrash,
    /// It was being expunged.
    InboxOrGone,
    /// It was being appended, together with others that have the same number.
    WithItsGroup(u64),
}

/// A mail program, which knows what it did across all its connections.
struct Program {
    number: u64,
    next: u64,
    fates: BTreeMap<String, Fate>,
    /// Messages in the Inbox, by UID.
    here: Vec<(u32, String)>,
}

/// One connection; it fails when the server is gone.
struct Session {
    stream: BufReader<TcpStream>,
    said: u32,
}

impl Session {
    async fn open(server: SocketAddr) -> io::Result<Self> {
        let mut session = Self { stream: BufReader::new(TcpStream::connect(server).await?), said: 0 };
        session.stream.read_line(&mut String::new()).await?;
        session.ask(&format!("LOGIN {USER} \"{PASSWORD}\"")).await?;
        session.ask("SELECT INBOX").await?;
        Ok(session)
    }

    /// Sends a command and returns its tagged answer, which must be OK, and what came before.
    async fn ask(&mut self, command: &str) -> io::Result<String> {
        self.said += 1;
        let tag = format!("t{} ", self.said);
        self.stream.write_all(format!("{tag}{command}\r\n").as_bytes()).await?;
        let mut told = String::new();
        loop {
            let mut line = String::new();
            // Half a line is as good as none: nothing was acknowledged.
            if self.stream.read_line(&mut line).await? == 0 || !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            told.push_str(&line);
            if let Some(result) = line.strip_prefix(&tag) {
                assert!(result.starts_with("OK"), "{command}: {told}");
                return Ok(told);
            }
        }
    }
}

impl Program {
    async fn work(mut self, server: SocketAddr) -> Self {
        if let Ok(mut session) = Session::open(server).await {
            while self.step(&mut session).await.is_ok() {}
        }
        self
    }

    async fn step(&mut self, session: &mut Session) -> io::Result<()> {
        let known = self.here.len() as u64;
        match dice(4) {
            0 | 1 => self.append(session, 1 + dice(3) * 2).await,
            _ if known == 0 => self.append(session, 1).await,
            choice => {
                let (uid, subject) = self.here.swap_remove(usize::try_from(dice(known)).unwrap());
                if choice == 2 {
                    self.fates.insert(subject.clone(), Fate::InboxOrTrash);
                    session.ask(&format!("UID MOVE {uid} Trash")).await?;
                    self.fates.insert(subject, Fate::Trash);
                } else {
                    session.ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await?;
                    self.fates.insert(subject.clone(), Fate::InboxOrGone);
                    session.ask(&format!("UID EXPUNGE {uid}")).await?;
                    self.fates.insert(subject, Fate::Gone);
                }
                Ok(())
            }
        }
    }

    async fn append(&mut self, session: &mut Session, count: u64) -> io::Result<()> {
        let group = self.next;
        let mut command = "APPEND INBOX".to_owned();
        let mut subjects = Vec::new();
        for _ in 0..count {
            let subject = format!("p{}-{}", self.number, self.next);
            self.next += 1;
            // Now and then one that is kept as a file.
            let text = "It was a dark and stormy night.\r\n".repeat(if dice(10) == 0 { 2_500 } else { 20 });
            let date = "Fri, 15 Jan 2027 09:00:00 +0000";
            let message = format!("Date: {date}\r\nSubject: {subject}\r\n\r\n{text}");
            command.push_str(&format!(" (\\Seen) {{{}+}}\r\n{message}", message.len()));
            self.fates.insert(subject.clone(), Fate::WithItsGroup(group));
            subjects.push(subject);
        }
        let told = session.ask(&command).await?;
        let code = told.split_once("[APPENDUID ").unwrap().1.split_once(']').unwrap().0;
        let first: u32 = code.split([' ', ':']).nth(1).unwrap().parse().unwrap();
        for (uid, subject) in (first..).zip(subjects) {
            self.fates.insert(subject.clone(), Fate::Inbox);
            self.here.push((uid, subject));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_mail_programs_change_mail() {
    let site = Site::new();
    let new = |number| Program { number, next: 0, fates: BTreeMap::new(), here: Vec::new() };
    let mut programs: Vec<Program> = (0..PROGRAMS).map(new).collect();
    for round in 0..ROUNDS {
        let mut server = site.serve().await;
        if round == 0 {
            site.ok(&["domain", "add", "crash.test"], "");
            site.ok(&["account", "add", USER, "--password-stdin"], &format!("{PASSWORD}\n"));
        }
        let at = server.imap;
        let working: Vec<_> = programs.drain(..).map(|program| tokio::spawn(program.work(at))).collect();
        tokio::time::sleep(Duration::from_millis(100 + dice(400))).await;
        server.kill();
        for program in working {
            programs.push(program.await.unwrap());
        }
    }
    site.ok(&["verify"], "");
    let server = site.serve().await;
    let mut imap = Imap::login(server.imap, USER, PASSWORD).await;
    let (inbox, trash) = (subjects(&mut imap, "INBOX").await, subjects(&mut imap, "Trash").await);
    let mut kinds = BTreeMap::<&str, u32>::new();
    for program in &programs {
        program.check(&inbox, &trash, &mut kinds);
    }
    for kind in ["inbox", "trash", "gone"] {
        assert!(kinds.get(kind).is_some_and(|n| *n > 10), "too little was done: {kinds:?}");
    }
}

/// How often each subject is in a folder.
async fn subjects(imap: &mut Imap, folder: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (subject, _) in imap.look(folder).await.into_values() {
        *count.entry(subject).or_default() += 1;
    }
    count
}

impl Program {
    fn check(
        &self,
        inbox: &BTreeMap<String, usize>,
        trash: &BTreeMap<String, usize>,
        kinds: &mut BTreeMap<&str, u32>,
    ) {
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (subject, fate) in &self.fates {
            let place = |folder: &BTreeMap<String, usize>| folder.get(subject).copied().unwrap_or(0);
            let found = (place(inbox), place(trash));
            let (kind, right) = match fate {
                Fate::Inbox => ("inbox", found == (1, 0)),
                Fate::Trash => ("trash", found == (0, 1)),
                Fate::Gone => ("gone", found == (0, 0)),
                Fate::InboxOrTrash => ("unknown", found == (1, 0) || found == (0, 1)),
                Fate::InboxOrGone => ("unknown", found == (1, 0) || found == (0, 0)),
                Fate::WithItsGroup(group) => {
                    groups.entry(*group).or_default().push(found.0);
                    ("unknown", found == (1, 0) || found == (0, 0))
                }
            };
            assert!(right, "{subject} should be {fate:?} and is {found:?}");
            *kinds.entry(kind).or_default() += 1;
        }
        for (group, found) in groups {
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "half of group {group}: {found:?}");
        }
    }
}
