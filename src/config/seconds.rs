//! Durations as whole seconds in TOML.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(span.as_secs())
}

/// At most a year: more is a slip, and timers past their wheel's end fire early.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    const YEAR: u64 = 366 * 86_400;
    let seconds = u64::deserialize(from)?;
    if seconds > YEAR {
        return Err(serde::de::Error::custom(format!("at most {YEAR} seconds (a year) are possible here")));
    }
    Ok(Duration::from_secs(seconds))
}
