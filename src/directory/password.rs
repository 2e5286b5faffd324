//! Passwords: how they are read, hashed and checked.
//!
//! A password is stored as an argon2id hash (RFC 9106) in the PHC string format, and as the verifier of
//! SCRAM-SHA-256 for clients that prove it without sending it.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize};

use super::Error;
use super::scram::ScramVerifier;
use crate::clock::random;

/// Longest password in bytes as it is sent.
pub const PASSWORD_MAX: usize = 512;

/// Memory of a hash in KiB. The most is for stored hashes, too: imported ones may differ from ours.
pub const PASSWORD_MEMORY: RangeInclusive<u32> = 8..=256 << 10;
/// Passes of a hash, also of a stored one.
pub const PASSWORD_PASSES: RangeInclusive<u32> = 1..=32;
/// Iterations of SCRAM's key derivation, RFC 7677 §4. The most is what a login at such a cost should take.
pub const SCRAM_ITERATIONS: RangeInclusive<u32> = 4096..=10_000_000;

/// What one hash costs. Raising it takes effect for each account at its next login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordCost {
    /// Memory of argon2id in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes of the memory.
    pub lanes: u32,
    /// Iterations of SCRAM's key derivation, at least 4,096 (RFC 7677 §4); 0 stores no SCRAM verifier.
    /// Whoever steals the store would attack this rather than argon2id, so it should not be low; the default
    /// is what OWASP asks of PBKDF2-HMAC-SHA256.
    pub scram_iterations: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19 << 10, passes: 2, lanes: 1, scram_iterations: 600_000 }
    }
}

/// A password in the one form that is hashed, whatever the client made of it. Never shown.
///
/// It is prepared much as by SASLprep (RFC 4013): other spaces become a space, characters that are
/// commonly mapped to nothing go, the rest takes the form NFKC; controls are refused. Unlike SASLprep we
/// do not check directions or unassigned code points: they would refuse passwords, not protect them.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Reads a password that somebody chose.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is empty, longer than [`PASSWORD_MAX`] or contains control characters.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > PASSWORD_MAX {
            return Err(Error::Invalid("a password has at most 512 bytes"));
        }
        prepare(text)
    }

    /// Reads a password from the wire: UTF-8, or else what some clients send in Basic authentication,
    /// ISO-8859-1 (RFC 7617), read as its superset Windows-1252. `None` is nobody's password.
    ///
    /// Bytes that are UTF-8 are never read as ISO-8859-1: that would be two passwords for one attempt.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > PASSWORD_MAX {
            return None;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => prepare(text).ok(),
            Err(_) => prepare(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0).ok(),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What is stored of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedPassword {
    /// The argon2id hash as a PHC string.
    pub(super) phc: String,
    /// For SCRAM-SHA-256.
    pub(super) scram: Option<ScramVerifier>,
}

impl PreparedPassword {
    /// Takes over a hash from elsewhere: argon2id in the PHC format. There will be no SCRAM verifier
    /// before the first login.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else, and for a hash that is too costly to check.
    pub fn from_phc(phc: &str) -> Result<Self, Error> {
        match parse_phc(phc) {
            Some(_) => Ok(Self { phc: phc.into(), scram: None }),
            None => Err(Error::Invalid("not an argon2id hash of acceptable cost")),
        }
    }
}

impl fmt::Debug for PreparedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedPassword(..)")
    }
}

/// Makes and checks hashes. Its functions block for tens of milliseconds: never on an async thread, never
/// in a transaction.
#[derive(Debug)]
pub struct Hasher {
    argon2: Argon2<'static>,
    cost: PasswordCost,
    runs: AtomicU64,
}

impl Hasher {
    /// # Errors
    /// [`Error::Invalid`] for a cost outside of what argon2 (RFC 9106 §3.1) or SCRAM allow.
    pub fn new(cost: PasswordCost) -> Result<Self, Error> {
        if cost.scram_iterations != 0 && !SCRAM_ITERATIONS.contains(&cost.scram_iterations) {
            return Err(Error::Invalid("SCRAM needs 4,096 to 10,000,000 iterations"));
        }
        if !PASSWORD_MEMORY.contains(&cost.memory_kib) || !PASSWORD_PASSES.contains(&cost.passes) {
            return Err(Error::Invalid("a password hash takes 8 to 262,144 KiB and 1 to 32 passes"));
        }
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(|_| Error::Invalid("argon2 does not allow these costs"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self { argon2, cost, runs: AtomicU64::new(0) })
    }

    /// What a hash costs.
    pub fn cost(&self) -> PasswordCost {
        self.cost
    }

    /// How often argon2 has run: what logins cost, and that unknown users cost the same.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Hashes a password for storing.
    pub fn prepare(&self, password: &Password) -> Result<PreparedPassword, Error> {
        let salt: [u8; 16] = random()?;
        self.count();
        let hash = self
            .argon2
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|_| Error::Invalid("the password cannot be hashed"))?;
        let scram = match self.cost.scram_iterations {
            0 => None,
            iterations => Some(ScramVerifier::derive(password, iterations, random()?)),
        };
        Ok(PreparedPassword { phc: hash.to_string(), scram })
    }

    /// True when `stored` is a hash of `password`.
    pub(super) fn verify(&self, stored: &str, password: &Password) -> bool {
        self.count();
        // The parameters are those of the stored hash.
        parse_phc(stored).is_some_and(|hash| self.argon2.verify_password(password.as_bytes(), &hash).is_ok())
    }

    /// Takes as long as [`Hasher::verify`], for users that do not exist.
    pub(super) fn spend(&self, password: &Password) {
        self.count();
        let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
        // The result is nobody's; only the time matters.
        let _ = self.argon2.hash_password_into(password.as_bytes(), &[0; 16], &mut out);
        std::hint::black_box(out);
    }

    /// True when a hash made now would cost the same.
    pub(super) fn is_current(&self, stored: &PreparedPassword) -> bool {
        let argon2 = parse_phc(&stored.phc).and_then(|h| Params::try_from(&h).ok()).is_some_and(|p| {
            (p.m_cost(), p.t_cost(), p.p_cost()) == (self.cost.memory_kib, self.cost.passes, self.cost.lanes)
        });
        argon2 && stored.scram.as_ref().map_or(0, |s| s.iterations) == self.cost.scram_iterations
    }

    fn count(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stored hash, if it is argon2id and can be checked at a bounded cost.
fn parse_phc(phc: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(phc).ok()?;
    if hash.algorithm != argon2::ARGON2ID_IDENT || hash.salt.is_none() || hash.hash.is_none() {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    (params.m_cost() <= *PASSWORD_MEMORY.end() && params.t_cost() <= *PASSWORD_PASSES.end()).then_some(hash)
}

fn prepare(text: &str) -> Result<Password, Error> {
    const CONTROL: Error = Error::Invalid("a password has no control characters");
    if text.is_empty() {
        return Err(Error::Invalid("an empty password"));
    }
    if text.is_ascii() {
        return if text.bytes().any(|b| b.is_ascii_control()) {
            Err(CONTROL)
        } else {
            Ok(Password(text.into()))
        };
    }
    let mapped: String = text
        .chars()
        .filter(|c| !is_mapped_to_nothing(*c))
        .map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c })
        .collect();
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(&mapped).into_owned();
    if text.is_empty() {
        return Err(Error::Invalid("an empty password"));
    }
    if text.chars().any(char::is_control) { Err(CONTROL) } else { Ok(Password(text)) }
}

/// RFC 3454 table B.1.
fn is_mapped_to_nothing(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{1806}' | '\u{180B}'..='\u{180D}' | '\u{200B}'..='\u{200D}' | '\u{2060}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least argon2 and SCRAM allow.
    pub(crate) fn cheap() -> PasswordCost {
        PasswordCost { memory_kib: 8, passes: 1, lanes: 1, scram_iterations: 4096 }
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[test]
    fn right_and_wrong() {
        let hasher = Hasher::new(cheap()).unwrap();
        let stored = hasher.prepare(&password("correct horse")).unwrap();
        assert!(stored.phc.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", stored.phc);
        assert!(hasher.verify(&stored.phc, &password("correct horse")));
        assert!(!hasher.verify(&stored.phc, &password("correct horsf")));
        assert!(!hasher.verify("nonsense", &password("correct horse")));
        assert_eq!(hasher.runs(), 4);
        assert!(!format!("{stored:?} {:?}", password("correct horse")).contains("horse"));
    }

    #[test]
    fn defaults_are_as_documented() {
        let hasher = Hasher::new(PasswordCost::default()).unwrap();
        let stored = hasher.prepare(&password("x")).unwrap();
        assert!(stored.phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.phc);
        assert!(hasher.is_current(&stored));
    }

    #[test]
    fn other_costs_are_not_current() {
        let hasher = Hasher::new(cheap()).unwrap();
        let stored = hasher.prepare(&password("x")).unwrap();
        for cost in [
            PasswordCost { memory_kib: 16, ..cheap() },
            PasswordCost { passes: 2, ..cheap() },
            PasswordCost { scram_iterations: 5000, ..cheap() },
            PasswordCost { scram_iterations: 0, ..cheap() },
        ] {
            let other = Hasher::new(cost).unwrap();
            assert!(!other.is_current(&stored), "{cost:?}");
            assert!(other.verify(&stored.phc, &password("x")), "old hashes stay good");
        }
        assert!(Hasher::new(PasswordCost { scram_iterations: 100, ..cheap() }).is_err());
        assert!(Hasher::new(PasswordCost { memory_kib: 1, ..cheap() }).is_err());
        assert!(Hasher::new(PasswordCost { memory_kib: u32::MAX, ..cheap() }).is_err());
    }

    #[test]
    fn foreign_hashes() {
        let hasher = Hasher::new(cheap()).unwrap();
        let ours = hasher.prepare(&password("x")).unwrap();
        assert!(PreparedPassword::from_phc(&ours.phc).is_ok());
        for bad in [
            "",
            "$1$abc$def",
            "$argon2i$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$qg",
            "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
            "$argon2id$v=19$m=4294967295,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
            "$argon2id$v=19$m=8,t=1000000,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
        ] {
            assert!(PreparedPassword::from_phc(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_password_in_several_encodings() {
        let one = password("Grüße €");
        for bytes in [
            "Grüße €".as_bytes(),
            "Gru\u{308}ße €".as_bytes(),
            "Gr\u{ad}üße\u{a0}€".as_bytes(),
            b"Gr\xFC\xDFe \x80",
        ] {
            assert_eq!(Password::from_wire(bytes).unwrap().0, one.0, "{bytes:x?}");
        }
        assert_eq!(password("①").0, "1");
    }

    #[test]
    fn refused() {
        for bytes in [
            b"".as_slice(),
            b"a\0b",
            b"\0",
            b"a\nb",
            b"\x7F",
            b"\xFC\0",
            "\u{ad}".as_bytes(),
            "ä\u{85}".as_bytes(),
        ] {
            assert!(Password::from_wire(bytes).is_none(), "{bytes:x?}");
        }
        assert!(Password::from_wire(&[b'a'; PASSWORD_MAX]).is_some());
        assert!(Password::from_wire(&[b'a'; PASSWORD_MAX + 1]).is_none());
        assert!(Password::parse(&"a".repeat(PASSWORD_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn preparing_is_done_once(text in any::<String>()) {
            if let Ok(once) = Password::parse(&text) {
                // A prepared password is one: also this must be taken.
                prop_assert_eq!(prepare(&once.0).unwrap().0, once.0);
            }
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(password) = Password::from_wire(&bytes) {
                prop_assert!(!password.0.is_empty() && !password.0.contains(char::is_control));
                prop_assert!(bytes.len() <= PASSWORD_MAX);
            }
        }
    }
}
