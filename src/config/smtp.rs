//! `[smtp]`.

use std::collections::BTreeMap;
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
    /// Received fields above which a message is taken to go in circles. RFC 5321 §6.3 wants at
    /// least 100. Default: 100.
    pub max_hops: u32,
    /// Octets of messages that may be on their way in at the same time, over all connections.
    /// Default: 512 MiB.
    pub max_receiving: u64,
    /// Waits before each next attempt to deliver a message, in seconds; the last one repeats.
    /// Default: 5, 10, 20, 40, 80, 160 and 320 minutes, then 8 hours.
    pub retry: Vec<u32>,
    /// How long a message is tried before it goes back to its sender, in seconds; RFC 5321 §4.5.4.1
    /// wants 4 to 5 days. Default: 5 days.
    #[serde(with = "seconds")]
    pub give_up_after: Duration,
    /// How long a message may wait before its sender is told of the delay, once, in seconds; 0 tells
    /// never. Default: 4 hours.
    #[serde(with = "seconds")]
    pub warn_after: Duration,
    /// Deliveries to other servers at the same time. Default: 200.
    pub outbound_connections: u32,
    /// Deliveries to one destination at the same time. Default: 4.
    pub outbound_per_destination: u32,
    /// Messages sent over one connection to another server. Default: 100.
    pub outbound_per_connection: u32,
    /// Port of other servers' SMTP; anything but 25 is for tests. Default: 25.
    pub outbound_port: u16,
    /// Where all outbound mail goes instead of the recipients' MX. Default: none.
    pub smarthost: Option<Smarthost>,
    /// Where the mail of single domains goes instead of their MX or the smarthost: `host:port` by
    /// domain. Default: none.
    pub routes: BTreeMap<String, String>,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            max_message: 50 << 20,
            max_recipients: 1000,
            max_hops: 100,
            max_receiving: 512 << 20,
            retry: vec![300, 600, 1200, 2400, 4800, 9600, 19_200, 28_800],
            give_up_after: Duration::from_secs(5 * 86_400),
            warn_after: Duration::from_secs(4 * 3600),
            outbound_connections: 200,
            outbound_per_destination: 4,
            outbound_per_connection: 100,
            outbound_port: 25,
            smarthost: None,
            routes: BTreeMap::new(),
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
    /// STARTTLS where it is offered, with any certificate. RFC 7435.
    Opportunistic,
    /// STARTTLS, required, with a certificate that verifies. RFC 3207.
    #[default]
    StartTls,
    /// TLS from the first byte, with a certificate that verifies. RFC 8314 §3.3.
    Tls,
}
