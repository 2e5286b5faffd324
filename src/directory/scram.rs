//! The server's side of SCRAM-SHA-256: what is stored, and how a client's proof is checked.
//! RFC 5802 §3, RFC 7677. The messages themselves, and channel binding, are the door's.

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};

use super::password::Password;

/// What is stored for a password: whoever has it can check a proof, but not make one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScramVerifier {
    /// Iterations of the key derivation.
    pub(super) iterations: u32,
    pub(super) salt: [u8; 16],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl ScramVerifier {
    /// Derives the verifier of a password.
    pub(super) fn derive(password: &Password, iterations: u32, salt: [u8; 16]) -> Self {
        let mut salted = [0; 32];
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_str().as_bytes(), &mut salted);
        let client_key = mac(&salted, b"Client Key");
        Self { iterations, salt, stored_key: sha256(&client_key), server_key: mac(&salted, b"Server Key") }
    }

    /// A verifier that no proof fits, for a user that does not exist: the same at each attempt.
    pub(super) fn of_nobody(secret: &[u8; 32], name: &str, iterations: u32) -> Self {
        let seed = mac(secret, name.as_bytes());
        let (salt, _) = seed.split_first_chunk::<16>().map_or(([0; 16], &[][..]), |(s, rest)| (*s, rest));
        Self { iterations, salt, stored_key: mac(&seed, b"stored"), server_key: mac(&seed, b"server") }
    }

    /// The ServerSignature, when `proof` (the ClientProof) fits `auth_message`.
    pub(super) fn check(&self, auth_message: &[u8], proof: &[u8]) -> Option<[u8; 32]> {
        let signature = mac(&self.stored_key, auth_message);
        let proof: &[u8; 32] = proof.try_into().ok()?;
        let mut client_key = [0; 32];
        for ((key, proof), signature) in client_key.iter_mut().zip(proof).zip(signature) {
            *key = proof ^ signature;
        }
        // Comparing two MACs under one key takes the same time wherever they differ.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.server_key);
        let want = hmac::sign(&key, &self.stored_key);
        hmac::verify(&key, &sha256(&client_key), want.as_ref()).ok()?;
        Some(mac(&self.server_key, auth_message))
    }
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    // A tag of HMAC-SHA-256 is 32 bytes.
    tag.as_ref().try_into().unwrap_or_default()
}

fn sha256(data: &[u8]) -> [u8; 32] {
    // A SHA-256 digest is 32 bytes.
    digest::digest(&digest::SHA256, data).as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The example of RFC 7677 §3.
    #[test]
    fn example_of_the_standard() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let verifier = ScramVerifier::derive(&Password::parse("pencil").unwrap(), 4096, salt);
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let signature = verifier.check(message, &proof).unwrap();
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

        let mut wrong = proof.clone();
        wrong[31] ^= 1;
        assert!(verifier.check(message, &wrong).is_none());
        assert!(verifier.check(b"other", &proof).is_none());
        assert!(verifier.check(message, &proof[..31]).is_none());
        assert!(verifier.check(message, b"").is_none());
    }

    #[test]
    fn nobody_is_always_the_same_and_never_in() {
        let a = ScramVerifier::of_nobody(&[1; 32], "bob@example.org", 4096);
        assert!(a == ScramVerifier::of_nobody(&[1; 32], "bob@example.org", 4096));
        assert!(a.salt != ScramVerifier::of_nobody(&[1; 32], "eve@example.org", 4096).salt);
        assert!(a.check(b"message", &[0; 32]).is_none());
    }
}
