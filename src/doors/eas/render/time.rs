//! Times as ActiveSync writes them.

use jiff::Timestamp;

use crate::clock::Millis;

/// `2026-11-24T12:00:00.000Z`. MS-ASDTYPE §2.3.
pub(in crate::doors::eas) fn dashed(time: Millis) -> String {
    let time = Timestamp::from_millisecond(time).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_always_stand_there() {
        assert_eq!(dashed(1_795_521_600_000), "2026-11-24T12:00:00.000Z");
        assert_eq!(dashed(1_795_521_600_042), "2026-11-24T12:00:00.042Z");
        assert_eq!(dashed(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(dashed(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
