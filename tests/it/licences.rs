//! What we build on: licences that we may ship, and no second cryptography beside ring.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// Licences that any of our dependencies may have.
const LICENCES: [&str; 12] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Zlib",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
];

/// Licences that only these crates may have.
const EXCEPTIONS: [(&str, &str); 3] =
    [("BSL-1.0", "xxhash-rust"), ("CDLA-Permissive-2.0", "webpki-roots"), ("Unicode-3.0", "*")];

/// Crates that must not come in, whatever asks for them.
const BANNED: [&str; 7] =
    ["aws-lc-sys", "aws-lc-rs", "openssl-sys", "openssl", "native-tls", "rsa", "rustls-openssl"];

/// Crates of which there must be one version: two would be two sets of trust and keys.
const ONE_VERSION: [&str; 4] = ["rustls", "ring", "tokio", "hyper"];

#[test]
fn every_dependency_has_a_licence_we_may_ship() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform"])
        .arg(host())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        if !allowed(name, licence) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_second_cryptography() {
    let lock: toml::Table = toml::from_str(&fs::read_to_string("Cargo.lock").unwrap()).unwrap();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        versions.entry(name).or_default().insert(version);
    }
    for name in BANNED {
        assert!(!versions.contains_key(name), "{name} came in; see: cargo tree -i {name}");
    }
    for name in ONE_VERSION {
        assert_eq!(versions[name].len(), 1, "{name}: {:?}", versions[name]);
    }
}

/// An SPDX expression of `OR`, `AND` and parentheses, as crates have them: any way to satisfy it will do.
fn allowed(name: &str, licence: &str) -> bool {
    let flat = licence.replace('/', " OR ");
    let (holds, rest) = either(name, flat.trim());
    holds && rest.is_empty()
}

fn either<'l>(name: &str, text: &'l str) -> (bool, &'l str) {
    let (mut holds, mut rest) = both(name, text);
    while let Some(more) = rest.strip_prefix("OR ") {
        let (other, left) = both(name, more.trim_start());
        holds |= other;
        rest = left;
    }
    (holds, rest)
}

fn both<'l>(name: &str, text: &'l str) -> (bool, &'l str) {
    let (mut holds, mut rest) = one(name, text);
    while let Some(more) = rest.strip_prefix("AND ") {
        let (other, left) = one(name, more.trim_start());
        holds &= other;
        rest = left;
    }
    (holds, rest)
}

fn one<'l>(name: &str, text: &'l str) -> (bool, &'l str) {
    if let Some(inner) = text.strip_prefix('(') {
        let (holds, rest) = either(name, inner.trim_start());
        return (holds, rest.strip_prefix(')').unwrap_or(rest).trim_start());
    }
    let end = [" OR ", " AND ", ")"].iter().filter_map(|stop| text.find(stop)).min().unwrap_or(text.len());
    let (id, rest) = text.split_at(end);
    let id = id.trim();
    let excepted = EXCEPTIONS.iter().any(|(licence, only)| *licence == id && (*only == "*" || *only == name));
    (excepted || LICENCES.contains(&id), rest.trim_start())
}

#[test]
fn expressions_are_read_as_spdx_has_them() {
    assert!(allowed("any", "MIT OR GPL-2.0"));
    assert!(allowed("any", "MIT/Apache-2.0"));
    assert!(allowed("any", "(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(allowed("any", "Apache-2.0 WITH LLVM-exception OR GPL-3.0"));
    assert!(!allowed("any", "GPL-2.0"));
    assert!(!allowed("any", "MIT AND GPL-2.0"));
    assert!(!allowed("any", "none"));
    assert!(!allowed("any", "BSL-1.0"));
    assert!(allowed("xxhash-rust", "BSL-1.0"));
}

/// The platform this was built for: others need crates that nobody downloads for a test.
fn host() -> String {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(version.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}
