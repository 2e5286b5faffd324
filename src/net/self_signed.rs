//! The certificate of a server that was given none: made once, kept in the data folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};

use super::TlsError;

const DAY: u64 = 86_400;
/// Phones refuse certificates that are valid for more than 825 days.
const VALID: u64 = 820 * DAY;
/// Made anew this long before it ends.
const RENEW: u64 = 30 * DAY;

/// Where the self-signed certificate is, and whether it is new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SelfSigned {
    /// PEM file of the certificate.
    pub cert: PathBuf,
    /// PEM file of the key, readable by its owner only.
    pub key: PathBuf,
    /// Made by this call: clients that trusted an older one must be told.
    pub made: bool,
}

/// What the certificate was made for, kept beside it.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    names: Vec<String>,
    /// Seconds since 1970.
    ends: u64,
}

impl SelfSigned {
    /// The certificate in `folder` for `names` (host names and IP addresses, the first is its subject),
    /// made if there is none, if it is for other names or if it ends within a month. `now` is in seconds
    /// since 1970.
    pub fn in_folder(folder: &Path, names: &[String], now: u64) -> Result<Self, TlsError> {
        let (cert, key, about) = (folder.join("cert.pem"), folder.join("key.pem"), folder.join("made.json"));
        let fresh = |made: &Made| made.names == names && made.ends > now.saturating_add(RENEW);
        if cert.exists() && key.exists() && read(&about).is_some_and(|made| fresh(&made)) {
            return Ok(Self { cert, key, made: false });
        }
        let (cert_pem, key_pem) = make(names, now).map_err(|e| TlsError::NotMade(e.to_string()))?;
        let about_json = serde_json::to_vec(&Made { names: names.to_vec(), ends: now.saturating_add(VALID) })
            .map_err(|e| TlsError::NotMade(e.to_string()))?;
        let kept = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| put(&key, 0o600, key_pem.as_bytes()))
            .and_then(|()| put(&cert, 0o644, cert_pem.as_bytes()))
            .and_then(|()| put(&about, 0o644, &about_json));
        kept.map_err(|why| TlsError::Unreadable { file: folder.into(), why: why.to_string() })?;
        Ok(Self { cert, key, made: true })
    }
}

fn read(about: &Path) -> Option<Made> {
    serde_json::from_slice(&std::fs::read(about).ok()?).ok()
}

fn make(names: &[String], now: u64) -> Result<(String, String), rcgen::Error> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    // A day of grace for clocks that are behind.
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(DAY));
    params.not_after = epoch + Duration::from_secs(now.saturating_add(VALID));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Writes a file whole or not at all, never readable by more than `mode` says.
fn put(file: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let part = file.with_extension("new");
    match std::fs::remove_file(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut to: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
    to.write_all(bytes)?;
    to.sync_all()?;
    std::fs::rename(part, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::net::{fingerprint, read_pem};

    const NOW: u64 = 1_800_000_000;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn it_is_made_once_and_its_key_is_private() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("tls");
        let names = names(&["mail.example.test", "127.0.0.1", "::1", "localhost"]);
        let first = SelfSigned::in_folder(&folder, &names, NOW).unwrap();
        assert!(first.made);
        assert_eq!(first.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let print = fingerprint(&read_pem(&first.cert, &first.key).unwrap());
        assert_eq!(print.len(), 32 * 3 - 1);

        let second = SelfSigned::in_folder(&folder, &names, NOW + 100 * DAY).unwrap();
        assert!(!second.made);
        assert_eq!(fingerprint(&read_pem(&second.cert, &second.key).unwrap()), print);
    }

    #[test]
    fn other_names_or_a_near_end_make_a_new_one() {
        let data = tempfile::tempdir().unwrap();
        let old = names(&["a.test"]);
        SelfSigned::in_folder(data.path(), &old, NOW).unwrap();
        assert!(SelfSigned::in_folder(data.path(), &names(&["b.test"]), NOW).unwrap().made);
        assert!(!SelfSigned::in_folder(data.path(), &names(&["b.test"]), NOW).unwrap().made);
        assert!(SelfSigned::in_folder(data.path(), &names(&["b.test"]), NOW + VALID - DAY).unwrap().made);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let a = SelfSigned::in_folder(a.path(), &names(&["a.test"]), NOW).unwrap();
        let b = SelfSigned::in_folder(b.path(), &names(&["b.test"]), NOW).unwrap();
        let e = read_pem(&a.cert, &b.key).unwrap_err().to_string();
        assert!(e.contains("do not go together"), "{e}");
    }
}
