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
mod room;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

pub use conn::serve;

use crate::config::Config;
use crate::delivery::Delivery;
use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::net::{Listener, Shutdown, Tls};
use crate::services::Services;
use room::Room;

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

impl Mode {
    /// What `listener` is for, if it is one of this door's.
    pub fn of(listener: Listener) -> Option<Self> {
        match listener {
            Listener::Smtp => Some(Self::Mx),
            Listener::Submission => Some(Self::Submission),
            Listener::Lmtp => Some(Self::Lmtp),
            _ => None,
        }
    }
}

/// What all connections share.
pub struct Smtp {
    limits: Limits,
    delivery: Delivery,
    directory: Directory,
    metrics: Metrics,
    shutdown: Shutdown,
    tls: Option<TlsAcceptor>,
    /// Room for messages being received.
    room: Arc<Room>,
}

impl Smtp {
    /// The door of a server; without `tls` STARTTLS is not offered.
    pub fn new(services: &Services, tls: Option<&Tls>) -> Self {
        let acceptor = tls.map(|tls| tls.acceptor(Listener::Smtp));
        Self::with(services, acceptor, Limits::of(&services.config))
    }

    fn with(services: &Services, tls: Option<TlsAcceptor>, limits: Limits) -> Self {
        Self {
            room: Room::new(limits.receiving, limits.message),
            limits,
            delivery: services.delivery.clone(),
            directory: services.directory.clone(),
            metrics: services.metrics.clone(),
            shutdown: services.shutdown.clone(),
            tls,
        }
    }
}

/// What a client may ask of the server.
#[derive(Clone, Debug)]
struct Limits {
    /// Largest message in octets. RFC 1870.
    message: usize,
    /// Most octets of messages being received at once, over all connections.
    receiving: usize,
    /// Most recipients of a message.
    recipients: usize,
    /// Errors until a message is accepted, and refused recipients of a message.
    errors: usize,
    /// Commands that lead to nothing (NOOP, RSET, VRFY, ...) until a message is accepted.
    idle_commands: usize,
    /// Wrong passwords on one connection.
    auth_failures: usize,
    /// AUTH is offered without TLS to clients on the same machine.
    auth_on_loopback: bool,
    /// For a whole command line, for more of a message, and for a client to take replies.
    idle: Duration,
    /// For agreeing on keys.
    handshake: Duration,
}

impl Limits {
    fn of(config: &Config) -> Self {
        let size = |octets: u64| usize::try_from(octets).unwrap_or(usize::MAX);
        Self {
            message: size(config.smtp.max_message),
            receiving: size(config.smtp.max_receiving),
            recipients: usize::try_from(config.smtp.max_recipients).unwrap_or(usize::MAX),
            errors: 50,
            idle_commands: 200,
            auth_failures: 3,
            auth_on_loopback: config.auth.clear_text_on_loopback,
            idle: config.limits.smtp_idle,
            handshake: config.limits.tls_handshake,
        }
    }
}
