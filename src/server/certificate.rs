//! Which certificate a server shows: the configured one, or its own self-signed one.

use std::path::PathBuf;

use rustls::sign::CertifiedKey;

use crate::config::Config;
use crate::net::{SelfSigned, TlsError, fingerprint, read_pem};

/// The certificate of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// PEM file of the certificate.
    pub cert: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
    /// SHA-256, in hex with colons.
    pub fingerprint: String,
    /// Clients must be told to trust it.
    pub self_signed: bool,
}

impl Certificate {
    /// The certificate that `config` asks for, read and checked; a self-signed one is made when needed.
    /// `now` is in seconds since 1970.
    pub fn of(config: &Config, now: i64) -> Result<Self, TlsError> {
        let (cert, key, self_signed) = match (&config.tls.cert, &config.tls.key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone(), false),
            _ => {
                let now = u64::try_from(now).unwrap_or(0);
                let own = SelfSigned::in_folder(&config.data.join("tls"), &names(config), now)?;
                (own.cert, own.key, true)
            }
        };
        let fingerprint = fingerprint(&read_pem(&cert, &key)?);
        Ok(Self { cert, key, fingerprint, self_signed })
    }

    /// The certificate with its key, as TLS takes it.
    pub(super) fn key(&self) -> Result<CertifiedKey, TlsError> {
        read_pem(&self.cert, &self.key)
    }
}

/// What a self-signed certificate is for, each name once.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec![config.smtp.hostname.clone()];
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    for name in config.tls.names.iter().cloned().chain(local) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
