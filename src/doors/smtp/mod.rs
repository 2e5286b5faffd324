//! The SMTP door: mail from other servers (MX), from users (submission) and from a local server (LMTP),
//! all by one engine. RFC 5321, 6409 and 2033.
//!
//! `codec` cuts bytes into lines and messages, `command` makes lines into commands, `session` decides
//! what each command does and is told no bytes, `conn` is the only one that reads, writes and waits,
//! `reply` holds every word that is said. A message is handed to [`Delivery::accept`] once, and answered
//! when that is durable.

mod auth;
mod codec;
mod command;
mod conn;
mod reply;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

pub use conn::{Peer, Wire, serve};

use crate::delivery::Delivery;

/// What a listener is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Takes mail for local recipients from anybody; never relays.
    Mx,
    /// Takes mail from authenticated users for anybody. RFC 6409.
    Submission,
    /// Takes mail for local recipients and answers for each of them. RFC 2033.
    Lmtp,
}

/// `[smtp]`: what the three listeners have in common.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Largest message in octets. RFC 1870.
    pub message_max: usize,
    /// Most octets of messages being received at once, over all connections.
    pub receiving_max: usize,
    /// Most recipients of a message; at least 100 by RFC 5321 §4.5.3.1.8.
    pub recipients_max: usize,
    /// Errors a client may make until it has a message accepted.
    pub errors_max: usize,
    /// Commands that lead to nothing (NOOP, RSET, VRFY, ...) until it has a message accepted.
    pub idle_commands_max: usize,
    /// Wrong passwords on one connection.
    pub auth_failures_max: usize,
    /// Whether AUTH is offered without TLS to clients on the same machine.
    pub auth_on_loopback: bool,
    /// Seconds to wait for a whole command line, or for the client to take replies. RFC 5321 §4.5.3.2.7.
    pub command_timeout: u64,
    /// Seconds to wait for more of a message. RFC 5321 §4.5.3.2.5.
    pub data_timeout: u64,
    /// Octets a second below which a message is given up, after the first five minutes.
    pub data_rate_min: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            message_max: 50 << 20,
            receiving_max: 512 << 20,
            recipients_max: 1_000,
            errors_max: 50,
            idle_commands_max: 200,
            auth_failures_max: 3,
            auth_on_loopback: false,
            command_timeout: 300,
            data_timeout: 180,
            data_rate_min: 4 << 10,
        }
    }
}

impl Settings {
    fn command_timeout(&self) -> Duration {
        Duration::from_secs(self.command_timeout)
    }
}

/// What all connections share.
pub struct Smtp {
    settings: Settings,
    delivery: Delivery,
    tls: Option<TlsAcceptor>,
    /// Room for messages being received, in units of [`ROOM_UNIT`] octets.
    room: Arc<Semaphore>,
}

/// Octets of one permit of [`Smtp::room`].
const ROOM_UNIT: usize = 16 << 10;

impl Smtp {
    /// The door to `delivery`; without `tls` STARTTLS is not offered.
    pub fn new(settings: Settings, delivery: Delivery, tls: Option<TlsAcceptor>) -> Self {
        let units = (settings.receiving_max / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { settings, delivery, tls, room: Arc::new(Semaphore::new(units)) }
    }
}
