//! TLS of this server: one certificate for all listeners, replaced without a restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::Listener;

/// The one provider of cryptography. Given to every configuration by hand, so that no global state
/// decides which one it is.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The server's TLS. Cheap to clone; all clones show the same certificate.
#[derive(Clone)]
pub struct Tls {
    current: Arc<Current>,
    plain: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

impl Tls {
    /// Serves `certificate`, TLS 1.2 and 1.3.
    pub fn new(certificate: CertifiedKey) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(Arc::new(certificate))));
        let plain = server_config(&current)?;
        let mut http = server_config(&current)?;
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { current, plain: Arc::new(plain), http: Arc::new(http) })
    }

    /// Shows `certificate` to all new connections. Those that are open go on with the old one.
    pub fn replace(&self, certificate: CertifiedKey) {
        *self.current.0.write() = Arc::new(certificate);
    }

    /// What shakes hands on `listener`, by STARTTLS or from the first byte.
    pub fn acceptor(&self, listener: Listener) -> TlsAcceptor {
        match listener {
            Listener::Http | Listener::Https => self.http.clone().into(),
            _ => self.plain.clone().into(),
        }
    }

    /// SHA-256 of the certificate shown now; see [`fingerprint`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.current.0.read())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

struct Current(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

fn server_config(current: &Arc<Current>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    // Phones come back often: tickets spare them the handshake and us the memory of a session cache.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::Rustls)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Reads a certificate chain and its key from PEM files, and checks that they belong together.
pub fn read_pem(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| TlsError::Unreadable { file: cert.into(), why: why.to_string() })?;
    if chain.is_empty() {
        return Err(TlsError::Unreadable { file: cert.into(), why: "there is no certificate in it".into() });
    }
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|why| TlsError::Unreadable { file: key.into(), why: why.to_string() })?;
    CertifiedKey::from_der(chain, key_der, &provider()).map_err(|why| TlsError::Mismatch {
        cert: cert.into(),
        key: key.into(),
        why,
    })
}

/// The authorities that the system trusts, or those built in where it trusts none.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (good, _bad) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if good == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// SHA-256 of a certificate, as browsers and `openssl x509 -fingerprint -sha256` show it.
pub fn fingerprint(certificate: &CertifiedKey) -> String {
    let Some(end_entity) = certificate.cert.first() else { return String::new() };
    let digest = ring::digest::digest(&ring::digest::SHA256, end_entity);
    digest.as_ref().iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}

/// A certificate that cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is missing, unreadable or no PEM.
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Key and certificate do not belong together, or are of a kind we cannot use.
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        why: rustls::Error,
    },
    /// A self-signed certificate could not be made.
    NotMade(String),
    /// TLS could not be set up.
    Rustls(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, why } => write!(f, "{}: {why}", file.display()),
            Self::Mismatch { cert, key, why } => {
                write!(f, "{} and {} do not go together: {why}", cert.display(), key.display())
            }
            Self::NotMade(why) => write!(f, "a self-signed certificate could not be made: {why}"),
            Self::Rustls(why) => write!(f, "TLS could not be set up: {why}"),
        }
    }
}

impl std::error::Error for TlsError {}
