//! Why a server did not start, each with what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::net::{Listener, TlsError};
use crate::services::OpenError;

/// A server that did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The data folder.
    Open(OpenError),
    /// The certificate.
    Tls(TlsError),
    /// A listener.
    Listen {
        /// Which one.
        listener: Listener,
        /// Where it should listen.
        address: SocketAddr,
        /// The system's word.
        why: io::Error,
    },
    /// The files of a running server, in `DATA/run`.
    Control(io::Error),
    /// The runtime ended first.
    Interrupted,
}

impl From<TlsError> for StartError {
    fn from(e: TlsError) -> Self {
        Self::Tls(e)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => e.fmt(f),
            Self::Tls(e) => write!(
                f,
                "{e}\nSet [tls] cert and key to PEM files that the server may read; without them a \
                 self-signed certificate is made in DATA/tls"
            ),
            Self::Listen { listener, address, why } => {
                write!(f, "{} cannot listen on {address}: {why}", listener.name())?;
                match why.kind() {
                    io::ErrorKind::AddrInUse => write!(
                        f,
                        "\nAnother process has this port (see: ss -ltnp 'sport = :{}'). Stop it, or set \
                         another {} in [listen]",
                        address.port(),
                        listener.name()
                    ),
                    io::ErrorKind::PermissionDenied => write!(
                        f,
                        "\nPorts below 1024 need the capability CAP_NET_BIND_SERVICE, or a setting such as \
                         sysctl net.ipv4.ip_unprivileged_port_start=25"
                    ),
                    io::ErrorKind::AddrNotAvailable => {
                        write!(f, "\nThis machine has no such address (see: ip address)")
                    }
                    _ => Ok(()),
                }
            }
            Self::Control(e) => write!(
                f,
                "DATA/run cannot be used: {e}\nIt must be writable and its path short enough for a socket \
                 (about 90 bytes); choose another folder with --data"
            ),
            Self::Interrupted => f.write_str("the start was interrupted"),
        }
    }
}

impl std::error::Error for StartError {}
