//! Times as ActiveSync writes them.

use jiff::Timestamp;

use crate::clock::Millis;

/// `2026-11-24T12:00:00.000Z`. MS-ASDTYPE §2.3.
pub(in crate::doors::eas) fn dashed(time: Millis) -> String {
    let time = Timestamp::from_millisecond(time).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// Reads a time as clients write it: dashed or compact, with or without a fraction, always in UTC.
/// MS-ASDTYPE §2.3, §2.7.2.
pub(in crate::doors::eas) fn parse(text: &str) -> Option<Millis> {
    let text = text.trim_ascii();
    // `2026-11-24T12:00:00.000Z` is the longest; anything else with a zone is not of the protocol.
    if text.len() > 30 || !text.ends_with(['Z', 'z']) {
        return None;
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
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

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse("2026-11-24T12:00:00.000Z"), Some(1_795_521_600_000));
        assert_eq!(parse("2026-11-24T12:00:00Z"), Some(1_795_521_600_000));
        assert_eq!(parse("20261124T120000Z"), Some(1_795_521_600_000));
        for bad in ["", "x", "2026-13-24T12:00:00Z", "2026-11-24", "2026-11-24T12:00:00+01:00", "12:00:00Z"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
