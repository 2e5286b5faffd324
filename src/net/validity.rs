//! From when and until when a certificate is valid. RFC 5280 §4.1.2.5.
//!
//! rustls shows no dates of a certificate, only whether a client would refuse it; so the few fields up to
//! them are read here.

use rustls::sign::CertifiedKey;

pub(super) const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xA0;

/// When the server's own certificate begins and ends to be valid, in seconds since 1970. `None` when its dates
/// cannot be read.
pub fn validity(certificate: &CertifiedKey) -> Option<(i64, i64)> {
    read(certificate.cert.first()?)
}

fn read(certificate: &[u8]) -> Option<(i64, i64)> {
    let mut whole = Der(certificate);
    let mut outer = Der(whole.take(SEQUENCE)?);
    let mut signed = Der(outer.take(SEQUENCE)?);
    // Version 1 leaves the version out.
    let mut without = Der(signed.0);
    if without.take(VERSION).is_some() {
        signed = without;
    }
    signed.take(INTEGER)?;
    signed.take(SEQUENCE)?; // signature
    signed.take(SEQUENCE)?; // issuer
    let mut dates = Der(signed.take(SEQUENCE)?);
    Some((dates.time()?, dates.time()?))
}

/// What is left of a DER encoding. X.690 §8.1.
pub(super) struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    pub(super) fn of(encoding: &'d [u8]) -> Self {
        Self(encoding)
    }

    /// The next element's tag and content.
    pub(super) fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
            if bytes.len() > 4 {
                return None;
            }
            length =
                bytes.iter().try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))?;
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// RFC 5280 §4.1.2.5.1, §4.1.2.5.2.
    fn time(&mut self) -> Option<i64> {
        let (tag, content) = self.next()?;
        let text = std::str::from_utf8(content).ok()?;
        let full = match tag {
            UTC_TIME => format!("{}{text}", if text.get(..1)? < "5" { "20" } else { "19" }),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", full).ok()?;
        Some(jiff::tz::Offset::UTC.to_timestamp(at).ok()?.as_second())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(from: i32, to: i32) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["mail.example.org".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn dates_of_both_forms() {
        assert_eq!(read(&made(1999, 2026)), Some((915_148_800, 1_798_675_200)));
        assert_eq!(read(&made(2026, 2060)), Some((1_767_225_600, 2_871_676_800)));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(at in 0..400_usize, byte in any::<u8>(), cut in 0..400_usize) {
            let mut bytes = made(2026, 2060);
            if let Some(there) = bytes.get_mut(at) {
                *there = byte;
            }
            bytes.truncate(cut);
            let _ = read(&bytes);
        }
    }
}
