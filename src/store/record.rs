//! How records are written: a version byte, then the value in postcard's encoding.
//!
//! A released version stays readable: whoever changes a record's type keeps the old one for
//! [`decode_v`] and looks at [`version`] first.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::clock::Millis;

/// Longest record that is read, in bytes. Whoever writes one bounds its parts well below this; a transaction
/// that puts a longer one is not kept.
pub const MAX_BYTES: usize = 4 << 20;

/// The record of `value` in the format `version`.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    // Postcard fails on a full buffer, which a `Vec` is not, on sequences whose length is not known
    // beforehand, and when a `Serialize` of our own fails: records are derived and have neither.
    postcard::to_extend(value, vec![version]).expect("records are derived types of known length")
}

/// The format version of a record.
pub fn version(bytes: &[u8]) -> Result<u8, Error> {
    bytes.first().copied().ok_or_else(|| Error::Damaged("an empty record".into()))
}

/// Reads a record whose format does not depend on its version, and the version.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(u8, T), Error> {
    let version = version(bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(Error::Damaged(format!("a record of {} bytes", bytes.len())));
    }
    let body = bytes.get(1..).unwrap_or_default();
    let (value, rest) = postcard::take_from_bytes(body)
        .map_err(|e| Error::Damaged(format!("{}: {e}", std::any::type_name::<T>())))?;
    if !rest.is_empty() {
        return Err(Error::Damaged(format!("{}: {} bytes too many", std::any::type_name::<T>(), rest.len())));
    }
    Ok((version, value))
}

/// The time that a record begins with, where its type does. For whoever removes old rows of others.
pub fn leading_time(bytes: &[u8]) -> Option<Millis> {
    let (time, _) = postcard::take_from_bytes::<Millis>(bytes.get(1..)?).ok()?;
    Some(time)
}

/// Reads a record that must be of the format `version`.
pub fn decode_v<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, Error> {
    match self::version(bytes)? {
        found if found == version => decode(bytes).map(|(_, value)| value),
        found => {
            Err(Error::Damaged(format!("{}: format {found}, expected {version}", std::any::type_name::<T>())))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Sample {
        name: String,
        size: Option<u64>,
    }

    fn sample() -> Sample {
        Sample { name: "Inbox".into(), size: Some(300) }
    }

    #[test]
    fn bytes_are_stable() {
        assert_eq!(encode(7, &sample()), b"\x07\x05Inbox\x01\xAC\x02");
    }

    #[test]
    fn there_and_back() {
        let bytes = encode(7, &sample());
        assert_eq!(decode::<Sample>(&bytes).unwrap(), (7, sample()));
        assert_eq!(decode_v::<Sample>(7, &bytes).unwrap(), sample());
        assert_eq!(version(&bytes).unwrap(), 7);
    }

    #[test]
    fn the_time_that_a_record_begins_with_is_read_alone() {
        assert_eq!(leading_time(&encode(7, &(-5_i64, "more", [1_u8; 9]))), Some(-5));
        assert_eq!(leading_time(&encode(1, &i64::MAX)), Some(i64::MAX));
        for bad in [b"".as_slice(), b"\x01", b"\x01\xFF\xFF"] {
            assert_eq!(leading_time(bad), None);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = encode(7, &sample());
        for cut in 0..bytes.len() {
            assert!(matches!(decode::<Sample>(&bytes[..cut]), Err(Error::Damaged(_))), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(decode::<Sample>(&longer), Err(Error::Damaged(_))));
        assert!(matches!(decode_v::<Sample>(8, &bytes), Err(Error::Damaged(_))));
        assert!(matches!(decode::<Sample>(&vec![1; MAX_BYTES + 1]), Err(Error::Damaged(_))));
    }
}
