//! When a message is tried again, and when no more.

use super::entry::Entry;
use crate::clock::Millis;
use crate::config;

/// What follows a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Next {
    /// Milliseconds until the next attempt; `None` gives the message up.
    pub(super) after: Option<Millis>,
    /// The sender is to be told of the delay.
    pub(super) warn: bool,
}

/// What follows when `attempts` have failed so far.
pub(super) fn after(attempts: u32, config: &config::Smtp) -> Next {
    if attempts >= config.max_attempts {
        return Next { after: None, warn: false };
    }
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = config.retry.get(place).or(config.retry.last()).copied().unwrap_or(300);
    let after = Millis::from(wait.max(1)).saturating_mul(1000);
    Next { after: Some(after), warn: config.warn_after != 0 && attempts >= config.warn_after }
}

/// When `entry` is given up, if all further attempts fail.
pub(super) fn end(entry: &Entry, config: &config::Smtp) -> Millis {
    let mut at = entry.due;
    let mut attempts = entry.attempts;
    while let Some(wait) = after(attempts, config).after {
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
        let config = config::Smtp::default();
        let minutes: Vec<_> = (1..=20).map(|n| after(n, &config).after.map(|after| after / 60_000)).collect();
        assert_eq!(minutes[..9], [5, 10, 20, 40, 80, 160, 320, 480, 480].map(Some));
        assert_eq!(minutes[18..], [Some(480), None]);
        assert!(!after(3, &config).warn);
        assert!(after(4, &config).warn);
    }
}
