//! The settings of `folkmoot`, as TOML: plain data with defaults, and the checks that need no I/O.
//!
//! An unknown key, a wrong type or a value out of range is refused with file and line. `defaults.toml`
//! beside this file names every setting with its default; a test holds the two together.

mod defaults;
mod eas;
mod error;
mod listen;
mod load;
mod network;
mod seconds;
mod smtp;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use defaults::DEFAULTS;
pub use eas::{Eas, Policy};
pub use error::Error;
pub use listen::Listen;
pub use network::Network;
pub use smtp::{Smarthost, SmarthostTls, Smtp};

/// All settings. Every one has a default, so an empty file is a whole configuration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data folder; everything the server keeps is in it. A relative path is relative to the
    /// folder the server is started in. Default: `data`.
    pub data: PathBuf,
    /// Where the server listens.
    pub listen: Listen,
    /// Certificate and key.
    pub tls: Tls,
    /// The embedded store.
    pub store: Store,
    /// Mail in and out.
    pub smtp: Smtp,
    /// Exchange ActiveSync.
    pub eas: Eas,
    /// Passwords and their guessers.
    pub auth: Auth,
    /// Bounds on connections and waiting.
    pub limits: Limits,
    /// What is logged and how.
    pub log: Log,
    /// Figures for Prometheus.
    pub metrics: Metrics,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: Listen::default(),
            tls: Tls::default(),
            store: Store::default(),
            smtp: Smtp::default(),
            eas: Eas::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            log: Log::default(),
            metrics: Metrics::default(),
        }
    }
}

/// `[tls]`: the certificate that all TLS listeners and STARTTLS use. SIGHUP reads it again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate and its intermediates, the server's own first. Absent: a
    /// self-signed certificate is made in `DATA/tls`.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key (PKCS #8, PKCS #1 or SEC 1). Needed when `cert` is given.
    pub key: Option<PathBuf>,
    /// More names and addresses for the self-signed certificate, beside `smtp.hostname`, `localhost`,
    /// `127.0.0.1` and `::1`. Default: none.
    pub names: Vec<String>,
}

/// `[store]`: the embedded store in `DATA/store`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Which engine keeps the data. It cannot be changed for a data folder that is in use.
    /// Default: `fjall`.
    pub engine: Engine,
    /// Memory for recently read blocks, in bytes. Default: 128 MiB.
    pub cache: u64,
    /// Memory for rows not yet in sorted files, in bytes. Default: 64 MiB.
    pub write_buffer: u64,
    /// Memory for the listings of folders in use, in bytes: 32 an item. Default: 64 MiB.
    pub hot_folders: u64,
    /// Free disk space below which new mail and changes are refused with "try later", in bytes;
    /// reading and deleting go on. Default: 256 MiB.
    pub free_space_min: u64,
    /// How long expunged items and deleted folders are kept, in days. Default: 14.
    pub keep_expunged: u32,
    /// How long a folder remembers what left it, in days. A client that stays away for longer gets the
    /// folder anew. Default: 90.
    pub keep_tombstones: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            engine: Engine::Fjall,
            cache: 128 << 20,
            write_buffer: 64 << 20,
            hot_folders: 64 << 20,
            free_space_min: 256 << 20,
            keep_expunged: 14,
            keep_tombstones: 90,
        }
    }
}

/// An embedded engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// LSM tree; the default.
    Fjall,
    /// Needs the cargo feature `sled`; see the caution in `docs/operations.md`.
    Sled,
}

/// `[auth]`: how passwords are kept and how guessing is slowed down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Failed logins that one address (IPv4) or /64 network (IPv6) may make at once before it has to
    /// wait. Default: 20.
    pub failures_per_address: u32,
    /// Failed logins that one account may see at once before strangers have to wait. Default: 10.
    pub failures_per_account: u32,
    /// How long it takes until all of these are forgiven, one after another, in seconds.
    /// Default: 600.
    #[serde(with = "seconds")]
    pub window: Duration,
    /// Memory of one argon2id hash, in KiB. Default: 19,456 (OWASP's first choice).
    pub argon2_memory: u32,
    /// Passes of one argon2id hash. Default: 2.
    pub argon2_passes: u32,
    /// Iterations of the SCRAM-SHA-256 verifier that is stored with it (RFC 7677 §4); 0 stores none.
    /// Default: 600,000 (OWASP's for PBKDF2).
    pub scram_iterations: u32,
    /// Hashes computed at the same time, each with `argon2_memory`, up to 32; others wait. 0 is as many as
    /// there are processors. Default: 0.
    pub concurrent_hashes: u32,
    /// How long a verified password is remembered (as a keyed digest, in memory only), in seconds;
    /// 0 remembers none. Default: 900.
    #[serde(with = "seconds")]
    pub remember: Duration,
    /// Take passwords in clear from loopback addresses, by SMTP and IMAP; from elsewhere they want TLS.
    /// Default: true.
    pub clear_text_on_loopback: bool,
    /// Proxies of our own: for what comes over HTTP from these addresses and networks, the client's address is
    /// the last one in X-Forwarded-For that is not among them. Default: loopback.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            failures_per_address: 20,
            failures_per_account: 10,
            window: Duration::from_secs(600),
            argon2_memory: 19_456,
            argon2_passes: 2,
            scram_iterations: 600_000,
            concurrent_hashes: 0,
            remember: Duration::from_secs(900),
            clear_text_on_loopback: true,
            trusted_proxies: Network::LOOPBACK.to_vec(),
        }
    }
}

/// `[limits]`: bounds on what peers can hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections of one listener; more are closed at once. Default: 20,000.
    pub connections: u32,
    /// Open connections of one address (IPv4) or /64 network (IPv6), all listeners together.
    /// Loopback is exempt: proxies live there. Default: 256.
    pub connections_per_address: u32,
    /// Longest TLS handshake, in seconds. Default: 15.
    #[serde(with = "seconds")]
    pub tls_handshake: Duration,
    /// Longest wait for a whole HTTP request header, and so for the next request of a connection, in
    /// seconds. Default: 60.
    #[serde(with = "seconds")]
    pub http_header: Duration,
    /// Longest time a request body may lag behind 60 KiB a minute, in seconds. Default: 60.
    #[serde(with = "seconds")]
    pub http_body: Duration,
    /// Longest time a peer may take no byte of what it is sent, in seconds. Default: 120.
    #[serde(with = "seconds")]
    pub write_stall: Duration,
    /// Longest silence of an SMTP or LMTP client, in seconds. RFC 5321 §4.5.3.2.7 wants at least
    /// 300. Default: 300.
    #[serde(with = "seconds")]
    pub smtp_idle: Duration,
    /// Longest silence of an IMAP client before it has logged in, in seconds. Default: 60.
    #[serde(with = "seconds")]
    pub imap_login: Duration,
    /// Longest silence of an IMAP client that has logged in, in seconds. RFC 3501 §5.4 wants at
    /// least 1,800. Default: 1,860.
    #[serde(with = "seconds")]
    pub imap_idle: Duration,
    /// How long a stopping server waits for requests under way, in seconds. Default: 15.
    #[serde(with = "seconds")]
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 256,
            tls_handshake: Duration::from_secs(15),
            http_header: Duration::from_secs(60),
            http_body: Duration::from_secs(60),
            write_stall: Duration::from_secs(120),
            smtp_idle: Duration::from_secs(300),
            imap_login: Duration::from_secs(60),
            imap_idle: Duration::from_secs(1860),
            shutdown: Duration::from_secs(15),
        }
    }
}

/// `[log]`: what is written to standard error.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives of tracing's EnvFilter such as
    /// `info,folkmoot::doors::eas=debug`. Default: `info`.
    pub level: String,
    /// One JSON object a line instead of text. Default: false.
    pub json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), json: false }
    }
}

/// `[metrics]`: what the HTTP listener shows of the server's state.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Serve `/metrics` (OpenMetrics text) on the `http` listener, to anyone who reaches it; `/healthz`
    /// is always there. The `https` listener serves neither. Default: false.
    pub enabled: bool,
}
