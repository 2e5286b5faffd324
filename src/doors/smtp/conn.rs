//! One connection: reads, writes and waits for the session. Replies are collected while commands are
//! at hand and sent together before more is waited for, which is all that PIPELINING takes (RFC 2920 §3.2).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::codec::{Chunk, Collector, Fault, Line, Lines, Text};
use super::reply;
use super::session::{Session, Step};
use super::{Mode, ROOM_UNIT, Settings, Smtp};

/// A byte stream, encrypted or not.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Whom a connection is with.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub address: SocketAddr,
    /// The connection's number in the logs.
    pub id: u64,
}

/// Octets read at once between messages, and within them.
const READ_COMMANDS: usize = 4 << 10;
const READ_MESSAGE: usize = 32 << 10;
/// How long a client may take to agree on keys.
const TLS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a message may take whatever its rate, and at the longest.
const DATA_GRACE: Duration = Duration::from_secs(300);
const DATA_TOTAL: Duration = Duration::from_secs(2 * 3600);

/// Serves one client until it leaves, misbehaves, or `stop` is cancelled.
pub async fn serve(smtp: Arc<Smtp>, mode: Mode, stream: Box<dyn Wire>, peer: Peer, stop: CancellationToken) {
    let mut conn = Conn {
        smtp: smtp.clone(),
        stream,
        stop,
        input: BytesMut::new(),
        out: Vec::new(),
        lines: Lines::default(),
        room: None,
    };
    let mut session = Session::new(smtp, mode, peer.address.ip());
    tracing::debug!(connection = peer.id, client = %peer.address, "connected");
    let end = conn.run(&mut session).await.err();
    match end {
        Some(End::Timeout) => reply::write(&mut conn.out, reply::TIMEOUT),
        Some(End::Stopping) => reply::write(&mut conn.out, reply::STOPPING),
        Some(End::Lost) | None => {}
    }
    if !matches!(end, Some(End::Lost)) && conn.flush().await.is_ok() {
        // The client may be gone already; nothing is owed to it any more.
        let _ = timeout(Duration::from_secs(5), conn.stream.shutdown()).await;
    }
    tracing::debug!(connection = peer.id, "disconnected");
}

/// Why a connection ends before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The client hung up or the network failed.
    Lost,
    /// The client was too slow.
    Timeout,
    /// The server is stopping.
    Stopping,
}

struct Conn {
    smtp: Arc<Smtp>,
    stream: Box<dyn Wire>,
    stop: CancellationToken,
    /// What was read and not yet used.
    input: BytesMut,
    /// What is to be said.
    out: Vec<u8>,
    lines: Lines,
    /// What the present message holds of the room for all.
    room: Option<OwnedSemaphorePermit>,
}

impl Conn {
    async fn run(&mut self, session: &mut Session) -> Result<(), End> {
        session.greet(&mut self.out);
        loop {
            if !session.is_receiving() {
                self.room = None;
            }
            let line = self.line(session.line_max()).await?;
            let mut step = session.line(line, &mut self.out);
            loop {
                step = match step {
                    Step::Line => break,
                    Step::Close => return Ok(()),
                    step => match self.perform(step, session).await? {
                        Some(next) => next,
                        None => return Ok(()),
                    },
                };
            }
        }
    }

    /// Does what a step asks for and gives the next; `None` ends the connection.
    async fn perform(&mut self, step: Step, session: &mut Session) -> Result<Option<Step>, End> {
        Ok(Some(match step {
            Step::Line | Step::Close => step,
            Step::Text(mut text) => {
                self.text(&mut text).await?;
                session.text_read(text, &mut self.out)
            }
            Step::Chunk { size, last, mut into } => {
                self.chunk(size, &mut into).await?;
                session.chunk_read(into, last, &mut self.out)
            }
            Step::Skip(size, refused) => {
                self.chunk(size, &mut Collector::new(0, 0)).await?;
                reply::write(&mut self.out, refused);
                Step::Line
            }
            Step::Check(credentials) => {
                let login = self.smtp.delivery.authenticate(credentials).await;
                session.checked(login, &mut self.out)
            }
            Step::Deliver(incoming) => {
                let recipients = incoming.recipients.len();
                let outcome = self.smtp.delivery.accept(*incoming).await;
                self.room = None;
                session.accepted(recipients, outcome, &mut self.out)
            }
            Step::StartTls => {
                if !self.start_tls().await? {
                    return Ok(None);
                }
                session.secured();
                Step::Line
            }
        }))
    }

    /// The next line; all of it must come within the time for one.
    async fn line(&mut self, limit: usize) -> Result<Line, End> {
        let deadline = Instant::now() + self.smtp.settings.command_timeout();
        loop {
            if let Some(line) = self.lines.next(&mut self.input, limit) {
                return Ok(line);
            }
            self.read(READ_COMMANDS, deadline).await?;
        }
    }

    /// Reads the text of a message into `text`.
    async fn text(&mut self, text: &mut Collector) -> Result<(), End> {
        let mut reader = Text::default();
        let clock = DataClock::start(&self.smtp.settings);
        loop {
            self.make_room(text, self.input.len()).await;
            if reader.read(&mut self.input, text) {
                return Ok(());
            }
            self.read(READ_MESSAGE, clock.deadline(text.total())).await?;
        }
    }

    /// Reads a chunk of `size` octets into `into`.
    async fn chunk(&mut self, size: u64, into: &mut Collector) -> Result<(), End> {
        let mut chunk = Chunk::new(size);
        let clock = DataClock::start(&self.smtp.settings);
        let before = into.total();
        loop {
            self.make_room(into, self.input.len()).await;
            if chunk.read(&mut self.input, into) {
                return Ok(());
            }
            self.read(READ_MESSAGE, clock.deadline(into.total().saturating_sub(before))).await?;
        }
    }

    /// Reserves room for `more` octets of a message; without any the message is given up.
    async fn make_room(&mut self, message: &mut Collector, more: usize) {
        if message.fault().is_some() {
            self.room = None;
            return;
        }
        let held = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let units = message.held().saturating_add(more).div_ceil(ROOM_UNIT);
        let missing = units.saturating_sub(held);
        if missing == 0 {
            return;
        }
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        // Those who wait hold room themselves, so waiting must end well before their clients give up.
        let patience = Duration::from_secs((self.smtp.settings.data_timeout / 10).max(1));
        match wait_for_room(self.smtp.room.clone(), missing, patience).await {
            Some(more) => match &mut self.room {
                Some(room) => room.merge(more),
                None => self.room = Some(more),
            },
            None => {
                tracing::warn!("no room for another message; it is refused for now");
                message.fail(Fault::Busy);
                self.room = None;
            }
        }
    }

    /// Says what there is to say, then waits for more input until `deadline`.
    async fn read(&mut self, most: usize, deadline: Instant) -> Result<(), End> {
        self.flush().await?;
        self.input.reserve(most);
        let read = timeout_at(deadline, self.stream.read_buf(&mut self.input));
        tokio::select! {
            read = read => match read {
                Ok(Ok(1..)) => Ok(()),
                Ok(Ok(0) | Err(_)) => Err(End::Lost),
                Err(_) => Err(End::Timeout),
            },
            () = self.stop.cancelled() => Err(End::Stopping),
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(self.smtp.settings.command_timeout(), async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => {
                self.out.clear();
                Ok(())
            }
            // There is no point in saying more to a client that does not listen.
            _ => Err(End::Lost),
        }
    }

    /// Begins TLS. What came in the clear behind the command could be taken for encrypted later, so the
    /// connection is ended instead (RFC 3207 §4.2 and the attack of CVE-2021-33515). False ends it.
    async fn start_tls(&mut self) -> Result<bool, End> {
        if !self.input.is_empty() {
            reply::write(&mut self.out, reply::PIPELINED_STARTTLS);
            return Ok(false);
        }
        let Some(tls) = self.smtp.tls.clone() else {
            reply::write(&mut self.out, reply::TLS_UNAVAILABLE);
            return Ok(false);
        };
        reply::write(&mut self.out, reply::READY_FOR_TLS);
        self.flush().await?;
        let clear: Box<dyn Wire> = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        match timeout(TLS_TIMEOUT, tls.accept(clear)).await {
            Ok(Ok(encrypted)) => {
                self.stream = Box::new(encrypted);
                Ok(true)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS failed");
                Err(End::Lost)
            }
            Err(_) => Err(End::Lost),
        }
    }
}

async fn wait_for_room(room: Arc<Semaphore>, units: u32, patience: Duration) -> Option<OwnedSemaphorePermit> {
    if let Ok(room) = room.clone().try_acquire_many_owned(units) {
        return Some(room);
    }
    timeout(patience, room.acquire_many_owned(units)).await.ok()?.ok()
}

/// When a message must have come: soon after its last part, and altogether at a rate that is no trickle.
struct DataClock {
    begun: Instant,
    idle: Duration,
    rate: u64,
}

impl DataClock {
    fn start(settings: &Settings) -> Self {
        Self {
            begun: Instant::now(),
            idle: Duration::from_secs(settings.data_timeout),
            rate: settings.data_rate_min.max(1),
        }
    }

    fn deadline(&self, received: u64) -> Instant {
        let total = self.begun + self.allowed(received);
        total.min(Instant::now() + self.idle)
    }

    /// How long `received` octets may take.
    fn allowed(&self, received: u64) -> Duration {
        DATA_GRACE.saturating_add(Duration::from_secs(received / self.rate)).min(DATA_TOTAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_of_text_ends_in_time() {
        let clock = DataClock::start(&Settings::default());
        assert_eq!(clock.allowed(0).as_secs(), 300);
        assert_eq!(clock.allowed(100 * 4096).as_secs(), 400);
        assert_eq!(clock.allowed(u64::MAX).as_secs(), 7_200);
        assert!(clock.deadline(u64::MAX) <= Instant::now() + Duration::from_secs(180));
    }
}
