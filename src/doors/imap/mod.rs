//! IMAP4rev1 and IMAP4rev2. RFC 3501, RFC 9051.
//!
//! `wire` frames commands with their literals, `grammar` makes them typed, `conn` runs them one by one
//! through `cmd`, and `reply` says how each ended. `state` holds the session's own sequence numbers,
//! which change only when the client is told; `fetch` and `search` read messages in bounded batches.
//! What reads the store runs on the blocking pool and gives its snapshot back before anything is sent;
//! what changes it is cut into transactions of bounded size. Large messages, on their way out or in, take
//! of the `room` that all connections share.

mod cmd;
mod conn;
mod deflate;
mod fetch;
mod grammar;
mod name;
mod out;
mod pattern;
mod reply;
mod room;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod tree;
mod uid_map;
mod wire;

use std::sync::Arc;

use crate::net::Tls;
use crate::services::Services;
use deflate::Compressors;
use room::{ROOM, Room};

pub use conn::serve;

/// Whether bytes are a whole command, its literals in place and without its line end: what the grammar makes of
/// them, for who has no connection. `utf8` says that mailbox names are in UTF-8.
pub fn is_command(bytes: &[u8], utf8: bool) -> bool {
    let form = if utf8 { name::Form::Utf8 } else { name::Form::ModifiedUtf7 };
    grammar::parse(bytes, form).is_ok()
}

/// What all connections share.
#[derive(Debug)]
pub struct Imap {
    services: Arc<Services>,
    tls: Tls,
    /// For messages on their way to clients.
    room: Room,
    compressors: Compressors,
}

impl Imap {
    /// The door of a server.
    pub fn new(services: &Arc<Services>, tls: &Tls) -> Self {
        Self::with(services, tls, ROOM)
    }

    fn with(services: &Arc<Services>, tls: &Tls, room: usize) -> Self {
        Self {
            services: services.clone(),
            tls: tls.clone(),
            room: Room::new(room),
            compressors: Compressors::default(),
        }
    }
}
