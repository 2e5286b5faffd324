//! The SMTP client: one connection to one server, and every recipient's answer from it. RFC 5321 §4.1,
//! §4.5.3.2; RFC 3207, 4954, 1870, 2920, 3461, 6152, 6531.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{Extensions, Reply, parse_line, size, too_many};
use super::entry::{Failure, StatusCode};
use super::envelope::{Addressee, Envelope};
use super::route::{Encryption, Target};
use super::seven_bit;
use super::stuff::Stuffer;
use super::tls::Connectors;
use crate::store::INLINE_MAX;

/// Longest line of a reply in octets; RFC 5321 §4.5.3.1.5 says 512, not everybody listens.
const LINE_MAX: usize = 4 << 10;
/// Most lines of a reply.
const LINES_MAX: usize = 100;
/// RCPT commands sent before their replies are read.
const PIPELINED_MAX: usize = 100;

/// How long each reply may take. RFC 5321 §4.5.3.2.
#[derive(Clone, Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) command: Duration,
    pub(super) data: Duration,
    pub(super) block: Duration,
    pub(super) end: Duration,
    /// For a whole message, however often its parts come just in time.
    pub(super) message: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            command: Duration::from_secs(300),
            data: Duration::from_secs(120),
            block: Duration::from_secs(180),
            end: Duration::from_secs(600),
            message: Duration::from_secs(3600),
        }
    }
}

/// What is to be sent.
#[derive(Clone)]
pub(super) struct Outgoing<'m> {
    /// The sender, SMTPUTF8, RET and ENVID.
    pub(super) envelope: &'m Envelope,
    /// The recipients, with NOTIFY and ORCPT.
    pub(super) recipients: Vec<&'m Addressee>,
    /// What stands in front of the message.
    pub(super) prefix: &'m [u8],
    /// The message.
    pub(super) body: Bytes,
    /// It holds octets above 127.
    pub(super) eight_bit: bool,
}

/// What became of each recipient, in their order.
pub(super) type Outcomes = Vec<Result<(), Failure>>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that is ready for a message.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    input: BytesMut,
    host: String,
    extensions: Extensions,
    timeouts: Timeouts,
    /// Something went wrong in a way that makes the next message unsafe.
    spent: bool,
    /// The text of the present message was begun.
    text_begun: bool,
}

impl Connection {
    /// Connects to one of the target's addresses and greets.
    pub(super) async fn open(
        target: &Target,
        own_name: &str,
        connectors: &Connectors,
        timeouts: &Timeouts,
    ) -> Result<Self, Failure> {
        let mut last = Failure::temporary(4, 4, format!("{} has no address", target.host));
        for address in &target.addresses {
            match Self::open_at(*address, target, own_name, connectors, timeouts).await {
                Ok(connection) => return Ok(connection),
                // What a server says counts; only silence makes the next address worth a try.
                Err(failure) if failure.host.is_some() || failure.permanent => return Err(failure),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn open_at(
        address: SocketAddr,
        target: &Target,
        own_name: &str,
        connectors: &Connectors,
        timeouts: &Timeouts,
    ) -> Result<Self, Failure> {
        let connection = Self::connect(address, target, connectors, timeouts).await?;
        let mut connection = connection.greet(own_name, target).await?;
        let wants = matches!(target.encryption, Encryption::Opportunistic | Encryption::Required);
        if wants && connection.extensions.start_tls {
            connection = match connection.start_tls(target, connectors).await {
                Ok(connection) => connection.hello(own_name, target).await?,
                // RFC 7435 §3: better in the clear than not at all.
                Err(failure) if target.encryption == Encryption::Opportunistic => {
                    tracing::debug!(%failure, host = target.host, "no TLS; going on without");
                    Self::connect(address, target, connectors, timeouts)
                        .await?
                        .greet(own_name, target)
                        .await?
                }
                Err(failure) => return Err(failure),
            };
        } else if target.encryption == Encryption::Required {
            return Err(Failure::temporary(7, 10, format!("{} offers no TLS", target.host)));
        }
        if let Some((user, password)) = &target.login {
            connection.authenticate(user, password).await?;
        }
        Ok(connection)
    }

    async fn connect(
        address: SocketAddr,
        target: &Target,
        connectors: &Connectors,
        timeouts: &Timeouts,
    ) -> Result<Self, Failure> {
        let stream = match timeout(timeouts.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(Failure::temporary(4, 1, format!("cannot connect to {address}: {error}")));
            }
            Err(_) => return Err(Failure::temporary(4, 1, format!("cannot connect to {address}: timeout"))),
        };
        // Delaying small packets only costs time here, and failing to say so is no harm.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = if target.encryption == Encryption::Implicit {
            encrypt(Box::new(stream), target, connectors, timeouts).await?
        } else {
            Box::new(stream)
        };
        Ok(Self {
            stream,
            input: BytesMut::new(),
            host: target.host.clone(),
            extensions: Extensions::default(),
            timeouts: timeouts.clone(),
            spent: false,
            text_begun: false,
        })
    }

    async fn greet(mut self, own_name: &str, target: &Target) -> Result<Self, Failure> {
        let greeting = self.reply(self.timeouts.command).await?;
        if greeting.code != 220 {
            return Err(self.refused(&greeting));
        }
        self.hello(own_name, target).await
    }

    /// EHLO, or HELO where that is not known. RFC 5321 §3.2.
    async fn hello(mut self, own_name: &str, target: &Target) -> Result<Self, Failure> {
        let mut reply = self.ask(&format!("EHLO {own_name}"), self.timeouts.command).await?;
        if reply.code >= 500 {
            reply = self.ask(&format!("HELO {own_name}"), self.timeouts.command).await?;
            reply.lines.truncate(1);
        }
        if reply.code != 250 {
            return Err(self.refused(&reply));
        }
        self.extensions = Extensions::of(&reply);
        // A name without a dot, such as localhost, may be anybody's.
        let ours = own_name.contains('.') && self.extensions.name.eq_ignore_ascii_case(own_name);
        if target.by_domain && ours {
            return Err(Failure::permanent(4, 6, format!("{} turns out to be this server", self.host)));
        }
        Ok(self)
    }

    async fn start_tls(mut self, target: &Target, connectors: &Connectors) -> Result<Self, Failure> {
        let reply = self.ask("STARTTLS", self.timeouts.command).await?;
        if reply.code != 220 {
            return Err(self.refused(&reply));
        }
        // What the server says in the clear behind its consent must not count as encrypted.
        if !self.input.is_empty() {
            return Err(Failure::temporary(7, 5, format!("{} spoke before TLS", self.host)));
        }
        self.stream = encrypt(self.stream, target, connectors, &self.timeouts).await?;
        Ok(self)
    }

    /// AUTH PLAIN, or LOGIN where only that is offered. RFC 4954.
    async fn authenticate(&mut self, user: &str, password: &str) -> Result<(), Failure> {
        let command = self.timeouts.command;
        let offers = |name: &str| self.extensions.auth.iter().any(|m| m.eq_ignore_ascii_case(name));
        let reply = if offers("PLAIN") || !offers("LOGIN") {
            let response = STANDARD.encode(format!("\0{user}\0{password}"));
            self.ask(&format!("AUTH PLAIN {response}"), command).await?
        } else {
            let mut reply = self.ask("AUTH LOGIN", command).await?;
            for answer in [user, password] {
                if reply.code == 334 {
                    reply = self.ask(&STANDARD.encode(answer), command).await?;
                }
            }
            reply
        };
        if reply.code == 235 {
            return Ok(());
        }
        // The administrator can put this right, so it is never for good.
        Err(Failure { permanent: false, status: StatusCode(4, 7, 8), ..self.refused(&reply) })
    }

    /// Sends one message. An error means that the connection failed; what was said of single recipients
    /// before is forgotten, and asked again.
    pub(super) async fn send(&mut self, message: &Outgoing<'_>) -> Result<Outcomes, Failure> {
        if let Some(failure) = self.unfit(message) {
            return Ok(message.recipients.iter().map(|_| Err(failure.clone())).collect());
        }
        (self.spent, self.text_begun) = (true, false);
        let patience = self.timeouts.message;
        let all = async {
            if !message.eight_bit || self.extensions.eight_bit {
                return self.transaction(message).await;
            }
            let body = seven_bits(message.body.clone()).await;
            self.transaction(&Outgoing { body, eight_bit: false, ..message.clone() }).await
        };
        match timeout(patience, all).await {
            Ok(outcomes) => outcomes,
            Err(_) => {
                // Not tried over another connection at once, which would take as long.
                self.text_begun = true;
                Err(lost(&self.host, "it takes too long"))
            }
        }
    }

    /// Why the server cannot get this message at all.
    fn unfit(&self, message: &Outgoing<'_>) -> Option<Failure> {
        let host = &self.host;
        if message.envelope.smtputf8 && !self.extensions.smtputf8 {
            return Some(Failure::permanent(6, 7, format!("{host} does not know SMTPUTF8")));
        }
        let size = size(message);
        let max = self.extensions.size.filter(|max| *max != 0 && *max < size)?;
        Some(Failure::permanent(3, 4, format!("{host} takes {max} octets at most, the message has {size}")))
    }

    async fn transaction(&mut self, message: &Outgoing<'_>) -> Result<Outcomes, Failure> {
        let mail = self.extensions.mail(message);
        let command = self.timeouts.command;
        let mut outcomes: Vec<Option<Result<(), Failure>>> = vec![None; message.recipients.len()];
        let window = if self.extensions.pipelining { PIPELINED_MAX } else { 1 };
        self.write(format!("{mail}\r\n").as_bytes(), command).await?;
        let mut mail_unanswered = true;
        if window == 1 {
            mail_unanswered = false;
            let reply = self.reply(command).await?;
            if let Some(failure) = self.not_ok(&reply) {
                return Ok(self.end_early(failure, message.recipients.len()).await);
            }
        }
        let mut settled = outcomes.iter_mut();
        for group in message.recipients.chunks(window) {
            let lines: String = group.iter().map(|to| self.extensions.rcpt(to)).collect();
            self.write(lines.as_bytes(), command).await?;
            let mut refused_mail = None;
            if std::mem::take(&mut mail_unanswered) {
                let reply = self.reply(command).await?;
                refused_mail = self.not_ok(&reply);
            }
            for slot in settled.by_ref().take(group.len()) {
                let reply = self.reply(command).await?;
                *slot = self.not_ok(&reply).map(|failure| Err(too_many(failure, reply.code)));
            }
            if let Some(failure) = refused_mail {
                return Ok(self.end_early(failure, message.recipients.len()).await);
            }
        }
        if outcomes.iter().all(Option::is_some) {
            self.reset().await;
        } else {
            let end = self.data(message).await?;
            for slot in outcomes.iter_mut().filter(|slot| slot.is_none()) {
                *slot = Some(end.clone());
            }
        }
        Ok(outcomes.into_iter().map(|slot| slot.unwrap_or(Ok(()))).collect())
    }

    /// DATA to the answer that counts. RFC 5321 §4.1.1.4.
    async fn data(&mut self, message: &Outgoing<'_>) -> Result<Result<(), Failure>, Failure> {
        let reply = self.ask("DATA", self.timeouts.data).await?;
        if reply.code != 354 {
            let failure = self.refused(&reply);
            self.reset().await;
            return Ok(Err(failure));
        }
        self.text_begun = true;
        let mut stuffer = Stuffer::default();
        for part in [message.prefix, &message.body] {
            for piece in part.chunks(32 << 10) {
                let text = stuffer.text(piece);
                self.write(&text, self.timeouts.block).await?;
            }
        }
        self.write(stuffer.end(), self.timeouts.block).await?;
        let reply = self.reply(self.timeouts.end).await?;
        self.spent = false;
        Ok(self.not_ok(&reply).map_or(Ok(()), Err))
    }

    /// All recipients share the failure of MAIL.
    async fn end_early(&mut self, failure: Failure, recipients: usize) -> Outcomes {
        self.reset().await;
        vec![Err(failure); recipients]
    }

    /// Makes the connection ready for another message, if it can be.
    async fn reset(&mut self) {
        let reply = self.ask("RSET", self.timeouts.command).await;
        self.spent = !reply.is_ok_and(|reply| reply.code == 250);
    }

    /// After an error: whether the server may have the message all the same.
    pub(super) fn may_have_it(&self) -> bool {
        self.text_begun
    }

    /// Whether the server was told who wants to hear of what, and reports it by itself. RFC 3461 §5.2.
    pub(super) fn sees_to_reports(&self) -> bool {
        self.extensions.dsn
    }

    /// False when the connection must not be used for another message.
    pub(super) fn reusable(&self) -> bool {
        !self.spent
    }

    /// Takes leave without waiting for long.
    pub(super) async fn close(mut self) {
        let bye = async {
            self.write(b"QUIT\r\n", Duration::from_secs(5)).await?;
            self.reply(Duration::from_secs(5)).await
        };
        // Everything is settled already, so nothing depends on it.
        let _ = bye.await;
    }

    async fn ask(&mut self, command: &str, patience: Duration) -> Result<Reply, Failure> {
        self.write(format!("{command}\r\n").as_bytes(), patience).await?;
        self.reply(patience).await
    }

    async fn write(&mut self, bytes: &[u8], patience: Duration) -> Result<(), Failure> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(patience, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&self.host, &error.to_string())),
            Err(_) => Err(lost(&self.host, "timeout")),
        }
    }

    async fn reply(&mut self, patience: Duration) -> Result<Reply, Failure> {
        match timeout(patience, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(lost(&self.host, "timeout")),
        }
    }

    async fn read_reply(&mut self) -> Result<Reply, Failure> {
        let mut reply = Reply { code: 0, lines: Vec::new() };
        loop {
            let line = self.read_line().await?;
            let (code, last, text) =
                parse_line(&line).ok_or_else(|| lost(&self.host, "not an SMTP reply"))?;
            if reply.lines.len() >= LINES_MAX || reply.code != 0 && reply.code != code {
                return Err(lost(&self.host, "not an SMTP reply"));
            }
            reply.code = code;
            reply.lines.push(text.to_owned());
            if last {
                return Ok(reply);
            }
        }
    }

    /// A line without its end. Here a lone LF is taken for one: nothing can be smuggled to ourselves.
    async fn read_line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.input.iter().position(|&b| b == b'\n') {
                let line = self.input.split_to(end.saturating_add(1));
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.input.len() > LINE_MAX {
                return Err(lost(&self.host, "a line without end"));
            }
            self.input.reserve(1 << 10);
            match self.stream.read_buf(&mut self.input).await {
                Ok(1..) => {}
                Ok(0) => return Err(lost(&self.host, "the connection was closed")),
                Err(error) => return Err(lost(&self.host, &error.to_string())),
            }
        }
    }

    fn not_ok(&self, reply: &Reply) -> Option<Failure> {
        (!(200..300).contains(&reply.code)).then(|| self.refused(reply))
    }

    fn refused(&self, reply: &Reply) -> Failure {
        reply.failure(&self.host)
    }
}

async fn encrypt(
    stream: Box<dyn Stream>,
    target: &Target,
    connectors: &Connectors,
    timeouts: &Timeouts,
) -> Result<Box<dyn Stream>, Failure> {
    let host = &target.host;
    let plain_name = host.trim_start_matches('[').trim_end_matches(']').trim_start_matches("IPv6:");
    let name = ServerName::try_from(plain_name.to_owned())
        .map_err(|_| Failure::temporary(7, 5, format!("{host} is no name that TLS knows")))?;
    let connector = connectors
        .for_encryption(target.encryption)
        .map_err(|error| Failure::temporary(7, 5, format!("TLS cannot be used: {error}")))?;
    match timeout(timeouts.connect, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(Failure::temporary(7, 5, format!("TLS with {host} failed: {error}"))),
        Err(_) => Err(Failure::temporary(7, 5, format!("TLS with {host} failed: timeout"))),
    }
}

/// The message for a server without 8BITMIME; a large one is parsed where that holds up nobody.
async fn seven_bits(body: Bytes) -> Bytes {
    let convert = |body: Bytes| match seven_bit::convert(&body) {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(converted) => converted.into(),
    };
    if body.len() <= INLINE_MAX {
        return convert(body);
    }
    let as_it_is = body.clone();
    spawn_blocking(move || convert(body)).await.unwrap_or(as_it_is)
}

fn lost(host: &str, why: &str) -> Failure {
    Failure::temporary(4, 2, format!("the connection to {host} failed: {why}"))
}
