//! Another server, for tests: it says what its script says and keeps what it gets.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A message the sink took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) mail: String,
    pub(super) rcpt: Vec<String>,
    pub(super) text: String,
    /// Its connection, counted from 1, and whether that was encrypted.
    pub(super) connection: usize,
    pub(super) tls: bool,
}

/// How the sink behaves.
#[derive(Clone, Default)]
pub(super) struct Script {
    /// In place of the usual greeting.
    pub(super) greeting: Option<&'static str>,
    /// Lines of EHLO's reply behind the first; `None` does not know EHLO.
    pub(super) ehlo: Option<Vec<&'static str>>,
    /// What RCPT is answered, by a piece of the address.
    pub(super) rcpt: Vec<(&'static str, &'static str)>,
    /// What the ends of the next texts are answered; an empty one hangs up.
    pub(super) ends: Vec<&'static str>,
    /// The reply to MAIL.
    pub(super) mail: Option<&'static str>,
    /// With STARTTLS, as this.
    pub(super) tls: Option<TlsAcceptor>,
}

#[derive(Clone)]
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    taken: Arc<Mutex<Vec<Taken>>>,
    said: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

pub(super) const ALL: [&str; 5] =
    ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 1000000", "ENHANCEDSTATUSCODES"];

impl Sink {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            address: listener.local_addr().unwrap(),
            script: Arc::new(Mutex::new(script)),
            taken: Arc::default(),
            said: Arc::default(),
            connections: Arc::default(),
        };
        let serving = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = serving.clone();
                let number = {
                    let mut count = sink.connections.lock();
                    *count += 1;
                    *count
                };
                tokio::spawn(async move { sink.serve(stream, number).await });
            }
        });
        sink
    }

    pub(super) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().clone()
    }

    /// Every command it was given, over all connections.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().clone()
    }

    pub(super) fn set(&self, script: Script) {
        *self.script.lock() = script;
    }

    async fn serve(&self, stream: tokio::net::TcpStream, number: usize) -> Option<()> {
        let mut stream = BufStream::new(stream);
        let greeting = self.script.lock().greeting;
        say(&mut stream, greeting.unwrap_or("220 sink.test")).await?;
        if self.commands(&mut stream, number, false).await? {
            let acceptor = self.script.lock().tls.clone()?;
            let mut stream = BufStream::new(acceptor.accept(stream.into_inner()).await.ok()?);
            self.commands(&mut stream, number, true).await?;
        }
        Some(())
    }

    /// True when TLS is to begin.
    async fn commands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufStream<S>,
        connection: usize,
        tls: bool,
    ) -> Option<bool> {
        let (mut mail, mut rcpt) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
            let line = line.trim_end().to_owned();
            self.said.lock().push(line.clone());
            let script = self.script.lock().clone();
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => match &script.ehlo {
                    Some(lines) => {
                        let starttls = (script.tls.is_some() && !tls).then_some("STARTTLS");
                        let mut all = vec!["sink.test"];
                        all.extend(lines.iter().copied().chain(starttls));
                        let last = all.len() - 1;
                        for (n, text) in all.iter().enumerate() {
                            let dash = if n < last { '-' } else { ' ' };
                            say(stream, &format!("250{dash}{text}")).await?;
                        }
                    }
                    None => say(stream, "500 what?").await?,
                },
                "STARTTLS" => {
                    say(stream, "220 go on").await?;
                    return Some(true);
                }
                "AUTH" => say(stream, "235 2.7.0 welcome").await?,
                "MAIL" => {
                    (mail, rcpt) = (line, Vec::new());
                    say(stream, script.mail.unwrap_or("250 2.1.0 sender ok")).await?;
                }
                "RCPT" => {
                    let refusal = script.rcpt.iter().find(|(piece, _)| line.contains(piece));
                    match refusal {
                        Some((_, refusal)) => say(stream, refusal).await?,
                        None => {
                            rcpt.push(line);
                            say(stream, "250 2.1.5 recipient ok").await?;
                        }
                    }
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let text = read_text(stream).await?;
                    let end = {
                        let mut script = self.script.lock();
                        if script.ends.is_empty() { "250 2.0.0 taken" } else { script.ends.remove(0) }
                    };
                    if end.is_empty() {
                        return None;
                    }
                    if end.starts_with('2') {
                        let (mail, rcpt) = (std::mem::take(&mut mail), std::mem::take(&mut rcpt));
                        self.taken.lock().push(Taken { mail, rcpt, text, connection, tls });
                    }
                    say(stream, end).await?;
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Some(false);
                }
                _ => say(stream, "250 2.0.0 ok").await?,
            }
        }
    }
}

async fn read_text<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let before = text.len();
        stream.read_until(b'\n', &mut text).await.ok().filter(|n| *n > 0)?;
        if &text[before..] == b".\r\n" {
            text.truncate(before);
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>, line: &str) -> Option<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}
