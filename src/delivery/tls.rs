//! TLS towards other servers: with a valid certificate where it is asked for, else with any (RFC 7435).

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::route::Encryption;
use crate::net::{provider, system_roots};

/// The two ways of looking at a server's certificate, made when they are first needed.
#[derive(Default)]
pub(super) struct Connectors {
    valid: OnceLock<Result<TlsConnector, rustls::Error>>,
    any: OnceLock<Result<TlsConnector, rustls::Error>>,
}

impl Connectors {
    /// Instead of the system's roots.
    #[cfg(test)]
    pub(super) fn with_roots(roots: RootCertStore) -> Self {
        let valid = OnceLock::from(verifying(roots));
        Self { valid, any: OnceLock::new() }
    }

    pub(super) fn for_encryption(&self, encryption: Encryption) -> Result<TlsConnector, rustls::Error> {
        match encryption {
            Encryption::Required | Encryption::Implicit => {
                self.valid.get_or_init(|| verifying(system_roots())).clone()
            }
            Encryption::Off | Encryption::Opportunistic => self.any.get_or_init(taking_any).clone(),
        }
    }
}

fn verifying(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn taking_any() -> Result<TlsConnector, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let any = Arc::new(AnyCertificate(provider()));
    let config = builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes every certificate: mail between servers keeps eavesdroppers out, and would otherwise go in the
/// clear. The handshake's signatures are checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
