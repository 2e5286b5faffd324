//! One connection: reads, writes and waits for the session. Replies are collected while commands are
//! at hand and sent together before more is waited for, which is all that PIPELINING takes (RFC 2920 §3.2).

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::codec::{Chunk, Collector, Fault, Line, Lines, Text};
use super::reply;
use super::room::{Held, NoRoom};
use super::session::{Session, Step};
use super::{Mode, Smtp};
use crate::directory::Service;
use crate::net::{Peer, Stream};

/// Octets read at once between messages, and within them.
const READ_COMMANDS: usize = 4 << 10;
const READ_MESSAGE: usize = 32 << 10;
/// How long a message may take whatever its rate, and at the longest.
const DATA_GRACE: Duration = Duration::from_secs(300);
const DATA_TOTAL: Duration = Duration::from_secs(2 * 3600);
/// After that so many octets must come in so much time, which is 4 KiB a second.
const DATA_STEP: u64 = 240 << 10;
const DATA_STEP_TIME: Duration = Duration::from_secs(60);
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
        clock: None,
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
    room: Option<Held>,
    /// The present message's time, over all its chunks.
    clock: Option<DataClock>,
}

impl Conn {
    async fn run(&mut self, session: &mut Session) -> Result<(), End> {
        session.greet(&mut self.out);
        loop {
            if !session.is_receiving() {
                (self.room, self.clock) = (None, None);
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
        let idle = Instant::now() + self.smtp.limits.idle;
        // Between its chunks a message holds room too.
        let deadline = self.clock.as_ref().map_or(idle, |clock| clock.end().min(idle));
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
        loop {
            self.make_room(text, self.input.len()).await;
            if reader.read(&mut self.input, text) {
                return Ok(());
            }
            self.read_message(text.total()).await?;
        }
    }

    /// Reads a chunk of `size` octets into `into`.
    async fn chunk(&mut self, size: u64, into: &mut Collector) -> Result<(), End> {
        let mut chunk = Chunk::new(size);
        loop {
            self.make_room(into, self.input.len()).await;
            if chunk.read(&mut self.input, into) {
                return Ok(());
            }
            self.read_message(into.total()).await?;
        }
    }

    /// Reads more of a message of which `received` octets have come.
    async fn read_message(&mut self, received: u64) -> Result<(), End> {
        let now = Instant::now();
        let clock = self.clock.get_or_insert_with(|| DataClock::start(now));
        clock.received(received, now);
        let deadline = clock.end().min(now + self.smtp.limits.idle);
        self.read(READ_MESSAGE, deadline).await
    }

    /// Reserves room for `more` octets of a message; without any the message is given up.
    async fn make_room(&mut self, message: &mut Collector, more: usize) {
        if message.fault().is_some() {
            self.room = None;
            return;
        }
        // Those who wait hold room themselves, so waiting must end well before their clients give up.
        let patience = self.smtp.limits.idle / 10;
        let room = self.room.get_or_insert_with(|| self.smtp.room.enter(self.peer.address.ip()));
        match room.grow(message.held().saturating_add(more), patience).await {
            Ok(()) => return,
            Err(NoRoom::Full) => tracing::warn!("no room for another message; it is refused for now"),
            Err(NoRoom::Share) => {
                tracing::info!("no more room for this address; its message is refused for now")
            }
        }
        message.fail(Fault::Busy);
        self.room = None;
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

/// When a message must have come: whatever its rate within the grace, and then at a rate that is no
/// trickle. What came before does not count: who was quick may not keep the room by being slow.
struct DataClock {
    begun: Instant,
    /// When the latest step of so many octets was complete, and with how many.
    stepped: Instant,
    at: u64,
}

impl DataClock {
    fn start(begun: Instant) -> Self {
        Self { begun, stepped: begun, at: 0 }
    }

    /// Notes that `total` octets have come.
    fn received(&mut self, total: u64, now: Instant) {
        if total.saturating_sub(self.at) >= DATA_STEP {
            (self.stepped, self.at) = (now, total);
        }
    }

    /// When the next step must be complete, or the message.
    fn end(&self) -> Instant {
        (self.stepped + DATA_STEP_TIME).max(self.begun + DATA_GRACE).min(self.begun + DATA_TOTAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_of_text_ends_in_time() {
        let begun = Instant::now();
        let since = |clock: &DataClock| (clock.end() - begun).as_secs();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut clock = DataClock::start(begun);
        assert_eq!(since(&clock), 300);
        clock.received(50 << 20, begun);
        assert_eq!(since(&clock), 300, "quick octets buy no time");
        clock.received((50 << 20) + DATA_STEP - 1, after(299));
        assert_eq!(since(&clock), 300);
        clock.received((50 << 20) + DATA_STEP, after(299));
        assert_eq!(since(&clock), 359);
        clock.received(u64::MAX, after(3 * 3600));
        assert_eq!(since(&clock), 7_200);
    }
}
