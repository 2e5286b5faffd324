//! `[delivery]`: how mail leaves and what its limits are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Every field has a default.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Received lines from which a message counts as going in circles. RFC 5321 §6.3.
    pub hops_max: usize,
    /// Who gets mail to `postmaster` without a domain; `postmaster` at the host's name when empty.
    pub postmaster: String,
    /// Takes all mail for others, in place of their MX hosts.
    pub smarthost: Option<Smarthost>,
    /// Where the mail of a domain goes in place of its MX hosts: `host:port` by domain.
    pub routes: BTreeMap<String, String>,
    /// Seconds until the first retry; each further interval is doubled.
    pub retry_first: u64,
    /// The longest interval between retries in seconds.
    pub retry_max: u64,
    /// Attempts after which a message is returned.
    pub attempts_max: u32,
    /// Failed attempts after which the sender is told of the delay; 0 is never.
    pub warn_after: u32,
    /// Connections to other servers at once.
    pub connections_max: usize,
    /// Connections to one destination at once.
    pub connections_per_destination: usize,
    /// Messages sent over one connection.
    pub messages_per_connection: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hops_max: 30,
            postmaster: String::new(),
            smarthost: None,
            routes: BTreeMap::new(),
            retry_first: 300,
            retry_max: 8 * 3600,
            attempts_max: 20,
            warn_after: 4,
            connections_max: 50,
            connections_per_destination: 4,
            messages_per_connection: 100,
        }
    }
}

/// `[delivery.smarthost]`: a server that relays for us.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smarthost {
    /// Its name or address.
    pub host: String,
    /// Its port.
    #[serde(default = "submission_port")]
    pub port: u16,
    /// How it is spoken to.
    #[serde(default)]
    pub tls: Encryption,
    /// The user to authenticate as; nobody when empty.
    #[serde(default)]
    pub user: String,
    /// The user's password.
    #[serde(default, skip_serializing)]
    pub password: String,
}

impl std::fmt::Debug for Smarthost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smarthost")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

fn submission_port() -> u16 {
    587
}

/// How a connection is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Never.
    Off,
    /// STARTTLS when it is offered, without looking at the certificate. RFC 7435.
    Opportunistic,
    /// STARTTLS with a valid certificate, or not at all.
    #[default]
    Required,
    /// TLS from the first octet, with a valid certificate. RFC 8314 §3.3.
    Implicit,
}
