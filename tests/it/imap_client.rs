//! An IMAP client that looks: a second witness of what the folders hold.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A session.
pub(crate) struct Imap {
    stream: BufReader<TcpStream>,
    said: u32,
}

impl Imap {
    /// Connects and logs in.
    pub(crate) async fn login(server: SocketAddr, user: &str, password: &str) -> Self {
        let mut session = Self { stream: BufReader::new(TcpStream::connect(server).await.unwrap()), said: 0 };
        let mut greeting = String::new();
        session.stream.read_line(&mut greeting).await.unwrap();
        assert!(greeting.starts_with("* OK"), "{greeting}");
        session.ask(&format!("LOGIN {user} \"{password}\"")).await;
        session
    }

    /// Sends a command that must succeed and returns the untagged answers as one text.
    pub(crate) async fn ask(&mut self, command: &str) -> String {
        let (told, result) = self.try_ask(command).await;
        assert!(result.starts_with("OK"), "{command}: {result}");
        told
    }

    /// As [`Imap::ask`], for a command that may fail; the tagged answer comes second.
    pub(crate) async fn try_ask(&mut self, command: &str) -> (String, String) {
        self.said += 1;
        let tag = format!("t{} ", self.said);
        self.stream.get_mut().write_all(format!("{tag}{command}\r\n").as_bytes()).await.unwrap();
        let mut told = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).await.unwrap(), 0, "the server went away");
            if let Some(result) = line.strip_prefix(&tag) {
                return (told, result.trim_end().to_owned());
            }
            told.push_str(&line);
            let length = line.trim_end().rsplit_once('{').and_then(|(_, rest)| rest.strip_suffix('}'));
            if let Some(length) = length.and_then(|n| n.parse().ok()) {
                let mut literal = vec![0; length];
                self.stream.read_exact(&mut literal).await.unwrap();
                told.push_str(&String::from_utf8_lossy(&literal));
            }
        }
    }

    /// What a folder holds: by UID, the subject and whether it is seen.
    pub(crate) async fn look(&mut self, folder: &str) -> BTreeMap<u32, (String, bool)> {
        self.ask(&format!("EXAMINE \"{folder}\"")).await;
        let told = self.ask("UID FETCH 1:* (FLAGS ENVELOPE)").await;
        let lines = told.lines().filter(|line| line.contains(" FETCH ("));
        lines
            .map(|line| {
                let after = |mark: &str| line.split_once(mark).unwrap().1;
                let uid = after("UID ").split([' ', ')']).next().unwrap().parse().unwrap();
                let subject = after("ENVELOPE (").split('"').nth(3).unwrap().to_owned();
                let flags = after("FLAGS (").split(')').next().unwrap();
                (uid, (subject, flags.contains("\\Seen")))
            })
            .collect()
    }
}
