//! What we build on: licences that we may ship, and no second cryptography beside ring.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// What `deny.toml` allows and bans: cargo-deny and these tests judge by the same lists.
struct Rules {
    licences: BTreeSet<String>,
    /// Licences that only one crate may have.
    exceptions: BTreeSet<(String, String)>,
    banned: Vec<String>,
}

impl Rules {
    fn read() -> Self {
        let file: toml::Table = toml::from_str(&fs::read_to_string("deny.toml").unwrap()).unwrap();
        let texts = |list: &toml::Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let mut exceptions = BTreeSet::new();
        for exception in file["licenses"]["exceptions"].as_array().unwrap() {
            let name = exception["crate"].as_str().unwrap();
            exceptions.extend(texts(&exception["allow"]).into_iter().map(|id| (id, name.to_owned())));
        }
        let licences: BTreeSet<_> = texts(&file["licenses"]["allow"]).into_iter().collect();
        let banned = texts(&file["bans"]["deny"]);
        assert!(licences.contains("MIT") && banned.contains(&"openssl-sys".to_owned()), "it was not read");
        Self { licences, exceptions, banned }
    }
}

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
    let rules = Rules::read();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        if !rules.allowed(name, licence) {
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
    for name in Rules::read().banned {
        assert!(!versions.contains_key(name.as_str()), "{name} came in; see: cargo tree -i {name}");
    }
    for name in ONE_VERSION {
        assert_eq!(versions[name].len(), 1, "{name}: {:?}", versions[name]);
    }
}

impl Rules {
    /// An SPDX expression of `OR`, `AND` and parentheses, as crates have them: any way to satisfy it will do.
    fn allowed(&self, name: &str, licence: &str) -> bool {
        let flat = licence.replace('/', " OR ");
        let (holds, rest) = self.either(name, flat.trim());
        holds && rest.is_empty()
    }

    fn either<'l>(&self, name: &str, text: &'l str) -> (bool, &'l str) {
        let (mut holds, mut rest) = self.both(name, text);
        while let Some(more) = rest.strip_prefix("OR ") {
            let (other, left) = self.both(name, more.trim_start());
            holds |= other;
            rest = left;
        }
        (holds, rest)
    }

    fn both<'l>(&self, name: &str, text: &'l str) -> (bool, &'l str) {
        let (mut holds, mut rest) = self.one(name, text);
        while let Some(more) = rest.strip_prefix("AND ") {
            let (other, left) = self.one(name, more.trim_start());
            holds &= other;
            rest = left;
        }
        (holds, rest)
    }

    fn one<'l>(&self, name: &str, text: &'l str) -> (bool, &'l str) {
        if let Some(inner) = text.strip_prefix('(') {
            let (holds, rest) = self.either(name, inner.trim_start());
            return (holds, rest.strip_prefix(')').unwrap_or(rest).trim_start());
        }
        let stops = [" OR ", " AND ", ")"];
        let end = stops.iter().filter_map(|stop| text.find(stop)).min().unwrap_or(text.len());
        let (id, rest) = text.split_at(end);
        let id = id.trim();
        let excepted = self.exceptions.contains(&(id.to_owned(), name.to_owned()));
        (excepted || self.licences.contains(id), rest.trim_start())
    }
}

#[test]
fn expressions_are_read_as_spdx_has_them() {
    let rules = Rules::read();
    let allowed = |name, licence| rules.allowed(name, licence);
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
