//! When a message is tried again, and when no more.

use super::entry::Entry;
use super::settings::Settings;
use crate::clock::Millis;

/// What follows a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Next {
    /// Milliseconds until the next attempt; `None` gives the message up.
    pub(super) after: Option<Millis>,
    /// The sender is to be told of the delay.
    pub(super) warn: bool,
}

/// What follows when `attempts` have failed so far.
pub(super) fn after(attempts: u32, settings: &Settings) -> Next {
    if attempts >= settings.attempts_max {
        return Next { after: None, warn: false };
    }
    let doublings = attempts.saturating_sub(1).min(32);
    let seconds = settings.retry_first.saturating_mul(1 << doublings).min(settings.retry_max).max(1);
    let after = Millis::try_from(seconds.saturating_mul(1000)).unwrap_or(Millis::MAX);
    Next { after: Some(after), warn: settings.warn_after != 0 && attempts >= settings.warn_after }
}

/// When `entry` is given up, if all further attempts fail.
pub(super) fn end(entry: &Entry, settings: &Settings) -> Millis {
    let mut at = entry.due;
    let mut attempts = entry.attempts;
    while let Some(wait) = after(attempts, settings).after {
        at = at.saturating_add(wait);
        attempts = attempts.saturating_add(1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_doubled_up_to_eight_hours() {
        let settings = Settings::default();
        let minutes: Vec<_> =
            (1..=20).map(|n| after(n, &settings).after.map(|after| after / 60_000)).collect();
        assert_eq!(minutes[..9], [5, 10, 20, 40, 80, 160, 320, 480, 480].map(Some));
        assert_eq!(minutes[18..], [Some(480), None]);
        assert!(!after(3, &settings).warn);
        assert!(after(4, &settings).warn);
    }
}
