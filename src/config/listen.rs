//! `[listen]`.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// `[listen]`: the addresses of the listeners, as `address:port`. Port 0 takes a free port; the bound
/// addresses are in `DATA/run/listeners.json`.
///
/// Without the section all seven listen on loopback. With it, only those that it names do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Mail from other servers (MX). Default: `127.0.0.1:2525`.
    pub smtp: Option<SocketAddr>,
    /// Mail from users' programs, after authentication. Default: `127.0.0.1:2587`.
    pub submission: Option<SocketAddr>,
    /// Mail from a mail server in front; no authentication. Default: `127.0.0.1:2424`.
    pub lmtp: Option<SocketAddr>,
    /// IMAP with STARTTLS. Default: `127.0.0.1:2143`.
    pub imap: Option<SocketAddr>,
    /// IMAP over TLS. Default: `127.0.0.1:2993`.
    pub imaps: Option<SocketAddr>,
    /// ActiveSync over plain HTTP, for a TLS proxy in front or for tests. Default: `127.0.0.1:8080`.
    pub http: Option<SocketAddr>,
    /// ActiveSync over TLS. Default: `127.0.0.1:8443`.
    pub https: Option<SocketAddr>,
}

impl Listen {
    /// No listener at all; a starting point for tests.
    pub fn none() -> Self {
        Self { smtp: None, submission: None, lmtp: None, imap: None, imaps: None, http: None, https: None }
    }

    /// Every listener on a free loopback port.
    pub fn ephemeral() -> Self {
        let free = Some(loopback(0));
        Self { smtp: free, submission: free, lmtp: free, imap: free, imaps: free, http: free, https: free }
    }

    /// The keys of the section, each with its address where it has one.
    pub fn named(&self) -> [(&'static str, Option<SocketAddr>); 7] {
        [
            ("smtp", self.smtp),
            ("submission", self.submission),
            ("lmtp", self.lmtp),
            ("imap", self.imap),
            ("imaps", self.imaps),
            ("http", self.http),
            ("https", self.https),
        ]
    }

    /// True when nothing would listen.
    pub fn is_empty(&self) -> bool {
        *self == Self::none()
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            smtp: Some(loopback(2525)),
            submission: Some(loopback(2587)),
            lmtp: Some(loopback(2424)),
            imap: Some(loopback(2143)),
            imaps: Some(loopback(2993)),
            http: Some(loopback(8080)),
            https: Some(loopback(8443)),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
