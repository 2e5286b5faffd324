//! `[smtp]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seconds;

/// `[smtp]`: mail in by SMTP, submission and LMTP, and mail out by the queue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// The server's own name: in greetings, Received fields and Message-IDs, and in the self-signed
    /// certificate. Default: `localhost`.
    pub hostname: String,
    /// Largest message, in bytes; announced as SIZE (RFC 1870). Default: 50 MiB.
    pub max_message: u64,
    /// Most recipients of one message in one transaction; RFC 5321 §4.5.3.1.8 wants at least 100.
    /// Default: 1,000.
    pub max_recipients: u32,
    /// Received fields above which a message is taken to go in circles. RFC 5321 §6.3. Default: 30.
    pub max_hops: u32,
    /// Allow AUTH without TLS from loopback addresses. Default: true.
    pub auth_without_tls_on_loopback: bool,
    /// Waits before each next attempt to deliver a message, in seconds; the last one repeats.
    /// Default: 1, 5, 15 and 30 minutes, then 1, 2 and 4 hours.
    pub retry: Vec<u32>,
    /// Age at which an undelivered message bounces, in seconds. RFC 5321 §4.5.4.1 wants 4 to 5 days.
    /// Default: 432,000 (5 days).
    #[serde(with = "seconds")]
    pub expire: Duration,
    /// Age at which the sender is told of a delay once, in seconds; 0 tells never. Default: 14,400.
    #[serde(with = "seconds")]
    pub warn: Duration,
    /// Deliveries to other servers at the same time. Default: 20.
    pub outbound_connections: u32,
    /// Port of other servers' SMTP; anything but 25 is for tests. Default: 25.
    pub outbound_port: u16,
    /// Where all outbound mail goes instead of the recipients' MX. Default: none.
    pub smarthost: Option<Smarthost>,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            max_message: 50 << 20,
            max_recipients: 1000,
            max_hops: 30,
            auth_without_tls_on_loopback: true,
            retry: vec![60, 300, 900, 1800, 3600, 7200, 14_400],
            expire: Duration::from_secs(432_000),
            warn: Duration::from_secs(14_400),
            outbound_connections: 20,
            outbound_port: 25,
            smarthost: None,
        }
    }
}

/// `[smtp.smarthost]`: the relay that takes all outbound mail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smarthost {
    /// `host:port`; an IPv6 address stands in brackets.
    pub address: String,
    /// How the connection is protected. Default: `starttls`.
    #[serde(default)]
    pub tls: SmarthostTls,
    /// User name for AUTH. Default: none, no authentication.
    pub user: Option<String>,
    /// File whose first line is the password. Needed when `user` is given.
    pub password_file: Option<PathBuf>,
}

/// How the connection to the smarthost is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmarthostTls {
    /// Clear text; for a relay on the same host.
    None,
    /// STARTTLS, required, with a certificate that verifies. RFC 3207.
    #[default]
    StartTls,
    /// TLS from the first byte, with a certificate that verifies. RFC 8314 §3.3.
    Tls,
}
