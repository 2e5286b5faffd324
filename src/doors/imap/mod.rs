//! IMAP4rev1 and IMAP4rev2, for now only for reading. RFC 3501, RFC 9051.
//!
//! `wire` frames commands with their literals, `grammar` makes them typed, `conn` runs them one by one
//! through `cmd`, and `reply` says how each ended. `state` holds the session's own sequence numbers,
//! which change only when the client is told; `fetch` and `search` read messages in bounded batches.
//! Everything that touches the store runs on the blocking pool and gives its snapshot back before
//! anything is sent.

mod cmd;
mod conn;
mod fetch;
mod grammar;
mod name;
mod out;
mod pattern;
mod reply;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod tree;
mod uid_map;
mod wire;

pub use conn::serve;
