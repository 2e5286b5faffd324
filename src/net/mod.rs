//! Sockets: listeners, connection limits, TLS, HTTP/1.1 and how it all ends.
//!
//! Every connection, clear or encrypted, reaches its door as a [`Stream`] and a [`Peer`]. A door that
//! parks a connection waits for [`Shutdown::begun`] too, and answers in its own words when it comes.

pub mod basic;
mod body;
mod forwarded;
mod gate;
mod http;
mod listener;
mod mail_certificate;
mod self_signed;
mod shutdown;
mod stream;
mod tls;
mod validity;

pub use body::{BodyError, read_body};
pub use forwarded::client;
pub use gate::{Gate, counted_as};
pub use http::Http;
pub use listener::{Acceptor, Bound, ConnectionId, Listener, Peer};
pub use mail_certificate::{BadCertificate, MailAuthorities};
pub use self_signed::SelfSigned;
pub use shutdown::Shutdown;
pub use stream::{Io, Stream, TlsSession};
pub use tls::{Tls, TlsError, fingerprint, provider, read_pem, system_roots};
pub use validity::validity;
