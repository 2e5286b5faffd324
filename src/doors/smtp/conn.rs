//! One connection: reads, writes and waits for the session. Replies are collected while commands are
//! at hand and sent together before more is waited for, which is all that PIPELINING takes (RFC 2920 §3.2).

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::codec::{Chunk, Collector, Fault, Line, Lines, Text};
use super::reply;
use super::session::{Session, Step};
use super::{Mode, ROOM_UNIT, Smtp};
use crate::directory::Service;
use crate::net::{Peer, Stream};

/// Octets read at once between messages, and within them.
const READ_COMMANDS: usize = 4 << 10;
const READ_MESSAGE: usize = 32 << 10;
/// How long a message may take whatever its rate, and at the longest.
const DATA_GRACE: Duration = Duration::from_secs(300);
const DATA_TOTAL: Duration = Duration::from_secs(2 * 3600);
/// Octets a second that make a message's time longer.
const DATA_RATE: u64 = 4 << 10;
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves one client until it leaves, misbehaves, or the server ends.
pub async fn serve(smtp: Arc<Smtp>, mode: Mode, stream: Stream, peer: Peer) {
    let mut session = Session::new(smtp.clone(), mode, peer.address.ip(), stream.is_encrypted());
    let mut conn = Conn {
        smtp,
        stream,
        input: BytesMut::new(),
        out: Vec::new(),
        lines: Lines::default(),
        room: None,
        peer,
    };
    let end = conn.run(&mut session).await.err();
    match end {
        Some(End::Timeout) => reply::write(&mut conn.out, reply::TIMEOUT),
        Some(End::Stopping) => reply::write(&mut conn.out, reply::STOPPING),
        Some(End::Lost) | None => {}
    }
    tracing::debug!(connection = %peer.connection, ?end, "disconnected");
    if !matches!(end, Some(End::Lost)) && conn.flush().await.is_ok() {
        // The client may be gone already; nothing is owed to it any more.
        let _ = timeout(GOODBYE, conn.stream.shutdown()).await;
    }
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
    stream: Stream,
    peer: Peer,
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
                let address = self.peer.address.ip();
                let (user, password) = (&credentials.user, &credentials.password);
                let login = self.smtp.directory.authenticate(user, password, address, Service::Smtp).await;
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
        let deadline = Instant::now() + self.smtp.limits.idle;
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
        let clock = DataClock::start(self.smtp.limits.idle);
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
        let clock = DataClock::start(self.smtp.limits.idle);
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
        let patience = self.smtp.limits.idle / 10;
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
            () = self.smtp.shutdown.begun() => Err(End::Stopping),
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(self.smtp.limits.idle, async {
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
        // What stands in its place is never read: either the handshake succeeds, or the connection ends.
        let placeholder = Stream::clear(tokio::io::empty(), GOODBYE);
        let clear = std::mem::replace(&mut self.stream, placeholder);
        match clear.starttls(&tls, self.smtp.limits.handshake).await {
            Ok(encrypted) => {
                self.stream = encrypted;
                Ok(true)
            }
            Err(error) => {
                tracing::debug!(connection = %self.peer.connection, %error, "no TLS");
                Err(End::Lost)
            }
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
}

impl DataClock {
    fn start(idle: Duration) -> Self {
        Self { begun: Instant::now(), idle }
    }

    fn deadline(&self, received: u64) -> Instant {
        let total = self.begun + self.allowed(received);
        total.min(Instant::now() + self.idle)
    }

    /// How long `received` octets may take.
    fn allowed(&self, received: u64) -> Duration {
        DATA_GRACE.saturating_add(Duration::from_secs(received / DATA_RATE)).min(DATA_TOTAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_of_text_ends_in_time() {
        let clock = DataClock::start(Duration::from_secs(180));
        assert_eq!(clock.allowed(0).as_secs(), 300);
        assert_eq!(clock.allowed(100 * 4096).as_secs(), 400);
        assert_eq!(clock.allowed(u64::MAX).as_secs(), 7_200);
        assert!(clock.deadline(u64::MAX) <= Instant::now() + Duration::from_secs(180));
    }
}
