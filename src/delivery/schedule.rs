//! When a message is tried again, and when no more.

use std::time::Duration;

use super::entry::Entry;
use crate::clock::Millis;
use crate::config;

/// What follows a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Next {
    /// When it is tried again; `None` gives the message up.
    pub(super) at: Option<Millis>,
    /// The sender is to be told of the delay.
    pub(super) warn: bool,
}

/// What follows the failure, at `now`, of `entry`'s latest attempt, which it counts already. Only its age
/// ends it: attempts may come in quick succession, when a destination works off and on or by hand.
pub(super) fn after(entry: &Entry, now: Millis, config: &config::Smtp) -> Next {
    let end = end(entry, config);
    if now >= end {
        return Next { at: None, warn: false };
    }
    let place = usize::try_from(entry.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = config.retry.get(place).or(config.retry.last()).copied().unwrap_or(300);
    let at = now.saturating_add(Millis::from(wait.max(1)).saturating_mul(1000)).min(end);
    let late = now >= entry.created.saturating_add(millis(config.warn_after));
    Next { at: Some(at), warn: late && !config.warn_after.is_zero() }
}

/// When `entry` is given up.
pub(super) fn end(entry: &Entry, config: &config::Smtp) -> Millis {
    entry.created.saturating_add(millis(config.give_up_after))
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::entry::Destination;
    use super::super::envelope::Envelope;
    use super::*;

    fn entry(attempts: u32) -> Entry {
        let entry = Entry::new(Envelope::default(), Vec::new(), Destination::Smarthost, 1_000);
        Entry { attempts, ..entry }
    }

    #[test]
    fn intervals_are_doubled_up_to_eight_hours() {
        let config = config::Smtp::default();
        let minutes = |n| after(&entry(n), 1_000, &config).at.map(|at| (at - 1_000) / 60_000);
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 7, 8, 9].map(minutes),
            [5, 10, 20, 40, 80, 160, 320, 480, 480].map(Some)
        );
        assert_eq!(minutes(u32::MAX), Some(480), "no number of attempts ends it");
    }

    #[test]
    fn age_alone_warns_and_ends() {
        let config = config::Smtp::default();
        let (hour, day) = (3_600_000, 86_400_000);
        assert!(!after(&entry(50), 1_000 + 4 * hour - 1, &config).warn);
        assert!(after(&entry(1), 1_000 + 4 * hour, &config).warn);
        let end = 1_000 + 5 * day;
        assert_eq!(after(&entry(20), end - hour, &config).at, Some(end), "a last time at the end");
        assert_eq!(after(&entry(1), end, &config).at, None);
        let never = config::Smtp { warn_after: Duration::ZERO, ..config };
        assert!(!after(&entry(1), end - 1, &never).warn);
    }
}
