//! An LMTP client that says for each message whether the server took it.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A session.
pub(crate) struct Lmtp {
    stream: BufReader<TcpStream>,
}

impl Lmtp {
    pub(crate) async fn connect(server: SocketAddr) -> std::io::Result<Self> {
        let mut session = Self { stream: BufReader::new(TcpStream::connect(server).await?) };
        session.reply().await?;
        session.say("LHLO client.test\r\n").await?;
        session.reply().await?;
        Ok(session)
    }

    /// Hands over a message; gives the code of the answer after its data, or an earlier refusal's.
    pub(crate) async fn deliver(&mut self, to: &str, message: &str) -> std::io::Result<u16> {
        for command in ["MAIL FROM:<sender@client.test>\r\n".to_owned(), format!("RCPT TO:<{to}>\r\n")] {
            self.say(&command).await?;
            let code = self.reply().await?;
            if code != 250 {
                self.say("RSET\r\n").await?;
                self.reply().await?;
                return Ok(code);
            }
        }
        self.say("DATA\r\n").await?;
        let code = self.reply().await?;
        if code != 354 {
            return Ok(code);
        }
        self.say(&format!("{message}\r\n.\r\n")).await?;
        self.reply().await
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await
    }

    /// Reads a reply to its last line.
    async fn reply(&mut self) -> std::io::Result<u16> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default());
            }
        }
    }
}

/// A message with a subject of its own.
pub(crate) fn message(subject: &str, text: &str) -> String {
    format!(
        "From: Sender <sender@client.test>\r\nTo: someone@example.test\r\nSubject: {subject}\r\n\
         Message-ID: <{subject}@client.test>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\n{text}\r\n"
    )
}
