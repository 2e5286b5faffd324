//! Stored records: one version byte, then the value. Every released version stays readable.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

/// A record of `version`.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    // Into a vector, and of types that have a length for everything: nothing here can fail.
    postcard::to_extend(value, vec![version]).unwrap_or_default()
}

/// A record's version and value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(u8, T), Error> {
    let (version, rest) = bytes.split_first().ok_or_else(|| Error::Damaged("an empty record".into()))?;
    let value = postcard::from_bytes(rest).map_err(|e| Error::Damaged(format!("a record: {e}")))?;
    Ok((*version, value))
}
