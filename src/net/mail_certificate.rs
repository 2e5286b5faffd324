//! Whether certificates are good for signing mail, judged by what is at hand: nothing is ever fetched.
//! RFC 8550 §4, RFC 5280 §6.

use std::path::Path;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use super::tls::{TlsError, system_roots};
use super::validity::{Der, SEQUENCE};

/// id-kp-emailProtection, 1.3.6.1.5.5.7.3.4, as DER has it. RFC 5280 §4.2.1.12.
const EMAIL_PROTECTION: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
/// id-ce-keyUsage, 2.5.29.15, as DER has it. RFC 5280 §4.2.1.3.
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
/// digitalSignature and nonRepudiation, the first two bits of KeyUsage.
const SIGNS: u8 = 0b1100_0000;

const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const EXTENSIONS: u8 = 0xA3;

/// Who may issue certificates for mail.
pub struct MailAuthorities(RootCertStore);

/// Why a certificate is not good for signing mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadCertificate {
    /// It is no certificate, or one of its issuers is none.
    Malformed,
    /// A signature in the chain is wrong.
    Signature,
    /// No authority that is trusted stands at the end of the chain.
    Untrusted,
    /// It, or one of its issuers, is not valid yet or not any more.
    Time,
    /// It is not meant for signing mail.
    NotForMail,
    /// It is an authority's own, or one that is no authority has issued another.
    Role,
    /// It breaks what one of its issuers allows.
    Forbidden,
    /// It is good so far, but nobody can say whether it was revoked.
    RevocationUnknown,
}

impl MailAuthorities {
    /// The system's authorities, and those of a PEM file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn new(more: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = system_roots();
        if let Some(file) = more {
            let unreadable = |why: String| TlsError::Unreadable { file: file.into(), why };
            let all = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|why| unreadable(why.to_string()))?;
            let (good, bad) = roots.add_parsable_certificates(all);
            if good == 0 || bad > 0 {
                return Err(unreadable("it must hold certificates of authorities and nothing else".into()));
            }
        }
        Ok(Self(roots))
    }

    /// Judges one certificate, with the issuers that came along with it. `now` is in milliseconds since 1970;
    /// with `revocation` one that may have been revoked is not good, which is any, since nothing is fetched.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn check(
        &self,
        certificate: &[u8],
        issuers: &[CertificateDer<'_>],
        now: i64,
        revocation: bool,
    ) -> Result<(), BadCertificate> {
        let der = CertificateDer::from(certificate);
        let end_entity = EndEntityCert::try_from(&der).map_err(|why| bad(&why))?;
        let seconds = u64::try_from(now / 1_000).map_err(|_| BadCertificate::Time)?;
        let usage = KeyUsage::required_if_present(EMAIL_PROTECTION);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let roots = &self.0.roots;
        let verified =
            end_entity.verify_for_usage(ALL_VERIFICATION_ALGS, roots, issuers, time, usage, None, None);
        verified.map_err(|why| bad(&why))?;
        if key_usage(certificate).is_some_and(|usage| usage & SIGNS == 0) {
            return Err(BadCertificate::NotForMail);
        }
        if revocation { Err(BadCertificate::RevocationUnknown) } else { Ok(()) }
    }
}

fn bad(why: &webpki::Error) -> BadCertificate {
    use webpki::Error as E;
    match why {
        E::CertExpired { .. } | E::CertNotValidYet { .. } | E::InvalidCertValidity => BadCertificate::Time,
        E::InvalidSignatureForPublicKey | E::SignatureAlgorithmMismatch => BadCertificate::Signature,
        E::UnknownIssuer => BadCertificate::Untrusted,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => BadCertificate::NotForMail,
        E::CaUsedAsEndEntity | E::EndEntityUsedAsCa => BadCertificate::Role,
        E::PathLenConstraintViolated | E::NameConstraintViolation | E::CertDistrusted => {
            BadCertificate::Forbidden
        }
        _ => BadCertificate::Malformed,
    }
}

/// The first eight bits of a certificate's KeyUsage, if it has that extension and it can be read.
fn key_usage(certificate: &[u8]) -> Option<u8> {
    let mut whole = Der::of(certificate);
    let mut outer = Der::of(whole.take(SEQUENCE)?);
    let mut signed = Der::of(outer.take(SEQUENCE)?);
    let extensions = std::iter::from_fn(|| signed.next()).find(|(tag, _)| *tag == EXTENSIONS)?.1;
    let mut list = Der::of(Der::of(extensions).take(SEQUENCE)?);
    while let Some(extension) = list.take(SEQUENCE) {
        let mut extension = Der::of(extension);
        if extension.take(OBJECT_IDENTIFIER)? != KEY_USAGE {
            continue;
        }
        // Whether it is critical may stand before the value.
        let value = std::iter::from_fn(|| extension.next()).find(|(tag, _)| *tag == OCTET_STRING)?.1;
        return Der::of(value).take(BIT_STRING)?.get(1).copied();
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        KeyUsagePurpose,
    };

    use super::*;

    /// 2027-01-15.
    const NOW: i64 = 1_800_000_000_000;

    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2028, 1, 1);
        params
    }

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = params();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Mail authority");
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn trusting(root: &[u8]) -> MailAuthorities {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(root.to_vec())).unwrap();
        MailAuthorities(roots)
    }

    fn signed(params: &CertificateParams, by: &Issuer<'_, KeyPair>) -> Vec<u8> {
        params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().to_vec()
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let root = authority();
        let trusts = trusting(root.der());
        let check = |certificate: &[u8]| trusts.check(certificate, &[], NOW, false);
        let good = signed(&params(), &root);
        assert_eq!(check(&good), Ok(()));
        assert_eq!(trusts.check(&good, &[], NOW, true), Err(BadCertificate::RevocationUnknown));
        assert_eq!(check(b"0\x03\x02\x01\x01"), Err(BadCertificate::Malformed));
        assert_eq!(check(b""), Err(BadCertificate::Malformed));

        let mut past = params();
        past.not_after = rcgen::date_time_ymd(2026, 6, 1);
        assert_eq!(check(&signed(&past, &root)), Err(BadCertificate::Time));
        assert_eq!(trusts.check(&good, &[], -5_000, false), Err(BadCertificate::Time));

        let other = authority();
        assert_eq!(check(&signed(&params(), &other)), Err(BadCertificate::Signature), "of the same name");
        let mut nobody = params();
        nobody.distinguished_name.push(rcgen::DnType::CommonName, "Nobody");
        let nobody = CertifiedIssuer::self_signed(nobody, KeyPair::generate().unwrap()).unwrap();
        assert_eq!(check(&signed(&params(), &nobody)), Err(BadCertificate::Untrusted));
        assert_eq!(check(root.der()), Err(BadCertificate::Role));

        let mut web = params();
        web.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        assert_eq!(check(&signed(&web, &root)), Err(BadCertificate::NotForMail));
        let mut mail = params();
        mail.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        mail.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        assert_eq!(check(&signed(&mail, &root)), Ok(()));
        mail.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        assert_eq!(check(&signed(&mail, &root)), Err(BadCertificate::NotForMail));
    }

    #[test]
    fn issuers_in_between_come_with_the_certificate() {
        let root = authority();
        let trusts = trusting(root.der());
        let mut between = params();
        between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        between.distinguished_name.push(rcgen::DnType::CommonName, "Between");
        let between = CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), &root).unwrap();
        let certificate = signed(&params(), &between);
        let issuers = [between.der().clone()];
        assert_eq!(trusts.check(&certificate, &issuers, NOW, false), Ok(()));
        assert_eq!(trusts.check(&certificate, &[], NOW, false), Err(BadCertificate::Untrusted));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(at in 0..600_usize, byte in any::<u8>(), cut in 0..600_usize) {
            let root = authority();
            let mut bytes = signed(&params(), &root);
            if let Some(there) = bytes.get_mut(at) {
                *there = byte;
            }
            bytes.truncate(cut);
            let _ = trusting(root.der()).check(&bytes, &[], NOW, false);
            let _ = key_usage(&bytes);
        }
    }
}
