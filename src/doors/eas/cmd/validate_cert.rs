//! ValidateCert: whether certificates are good for signing mail. MS-ASCMD §2.2.1.22.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use wbxml::{Element, validatecert as tags};

use super::super::reply::{Failure, Reply};
use super::super::session::Session;
use crate::net::BadCertificate;

/// Most certificates to be judged, and most issuers that come along, in one request.
const CERTIFICATES_MAX: usize = 100;

/// Statuses. MS-ASCMD §2.2.3.177.18.
const OK: u16 = 1;
const PROTOCOL: u16 = 2;
const FAILED: u16 = 17;

/// Handles ValidateCert. Nothing is fetched: whoever asks for revocation to be checked is told that nobody can.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let answer = |status: u16| Element::new(tags::VALIDATE_CERT).with_number(tags::STATUS, status);
    let Some((asked, issuers, revocation)) = request.and_then(read) else {
        return Ok(Reply::Document(answer(PROTOCOL)));
    };
    let eas = session.eas.clone();
    let judged = session.eas.blocking(move || {
        let Some(authorities) = eas.mail_authorities() else { return Ok(None) };
        let now = eas.mailbox.clock().now();
        let judge = |certificate: Option<Vec<u8>>| match certificate {
            Some(der) => authorities.check(&der, &issuers, now, revocation).map_or_else(status, |()| OK),
            None => status(BadCertificate::Malformed),
        };
        Ok(Some(asked.into_iter().map(judge).collect::<Vec<_>>()))
    });
    let Some(judged) = judged.await? else { return Ok(Reply::Document(answer(FAILED))) };
    let told = judged.into_iter().map(|s| Element::new(tags::CERTIFICATE).with_number(tags::STATUS, s));
    Ok(Reply::Document(answer(OK).with_all(told)))
}

/// The certificates asked for, those of issuers, and whether revocation is to be checked. What is not base64 is
/// `None` where it is asked for, and no help where it is an issuer's.
type Asked = (Vec<Option<Vec<u8>>>, Vec<CertificateDer<'static>>, bool);

fn read(request: &Element<'_>) -> Option<Asked> {
    let all = |tag| {
        let of = request.child(tag).into_iter().flat_map(|list| list.children_of(tags::CERTIFICATE));
        of.take(CERTIFICATES_MAX.saturating_add(1)).map(der).collect::<Vec<_>>()
    };
    let (asked, issuers) = (all(tags::CERTIFICATES), all(tags::CERTIFICATE_CHAIN));
    let revocation = match request.child(tags::CHECK_CRL).map(|e| e.text().unwrap_or("1")) {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return None,
    };
    let fits = (1..=CERTIFICATES_MAX).contains(&asked.len()) && issuers.len() <= CERTIFICATES_MAX;
    let issuers = issuers.into_iter().flatten().map(CertificateDer::from).collect();
    fits.then_some((asked, issuers, revocation))
}

fn der(certificate: &Element<'_>) -> Option<Vec<u8>> {
    let text: String = certificate.text()?.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// MS-ASCMD §2.2.3.177.18.
fn status(why: BadCertificate) -> u16 {
    match why {
        BadCertificate::Signature => 3,
        BadCertificate::Untrusted => 4,
        BadCertificate::Malformed => 5,
        BadCertificate::NotForMail => 6,
        BadCertificate::Time => 7,
        BadCertificate::Forbidden => 9,
        BadCertificate::Role => 11,
        BadCertificate::RevocationUnknown => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::eas::sample::{Sample, document};

    async fn ask(sample: &Sample, request: Element<'static>) -> Vec<u16> {
        let session = sample.session(wbxml::Version::V16_1);
        let answer = document(run(&session, Some(&request)).await.unwrap());
        let number = |e: &Element<'_>| e.parse_of::<u16>(tags::STATUS).unwrap().unwrap();
        std::iter::once(number(&answer)).chain(answer.children_of(tags::CERTIFICATE).map(number)).collect()
    }

    fn asking(certificates: &[String]) -> Element<'static> {
        let list = certificates.iter().map(|text| Element::leaf(tags::CERTIFICATE, text.clone()));
        Element::new(tags::VALIDATE_CERT).with(Element::new(tags::CERTIFICATES).with_all(list))
    }

    #[tokio::test]
    async fn each_certificate_has_a_status_of_its_own() {
        let sample = Sample::new().await;
        let own = rcgen::generate_simple_self_signed(vec![]).unwrap();
        let own = STANDARD.encode(own.cert.der());
        let all = [own.clone(), STANDARD.encode(b"0\x03\x02\x01\x01"), "%".into(), String::new()];
        assert_eq!(ask(&sample, asking(&all)).await, [1, 4, 5, 5, 5]);
        let checked = asking(&[own]).with_number(tags::CHECK_CRL, 1);
        assert_eq!(ask(&sample, checked).await, [1, 4]);
    }

    #[tokio::test]
    async fn requests_out_of_range() {
        let sample = Sample::new().await;
        assert_eq!(ask(&sample, Element::new(tags::VALIDATE_CERT)).await, [2]);
        let many = vec!["AA==".to_owned(); CERTIFICATES_MAX + 1];
        assert_eq!(ask(&sample, asking(&many)).await, [2]);
        let wrong = asking(&many[..1]).with_number(tags::CHECK_CRL, 2);
        assert_eq!(ask(&sample, wrong).await, [2]);
    }
}
