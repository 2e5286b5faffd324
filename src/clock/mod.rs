//! The one source of time and chance. Everything else is told the time, so tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Tells the time of day. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `now` until it is moved.
    pub fn set(now: Millis) -> Self {
        Self(Source::Set(Arc::new(AtomicI64::new(now))))
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        match &self.0 {
            Source::System => system_now(),
            Source::Set(at) => at.load(Ordering::Acquire),
        }
    }

    /// The time now in whole seconds since 1970.
    pub fn now_secs(&self) -> i64 {
        self.now().div_euclid(1000)
    }

    /// Moves a clock made with [`Clock::set`]; the machine's clock is left alone.
    pub fn advance(&self, by: Millis) {
        if let Source::Set(at) = &self.0 {
            at.fetch_add(by, Ordering::AcqRel);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn system_now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A monotonic instant, for measuring and for limits that a changed clock must not move.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// The system has no entropy; nothing secret can be made.
#[derive(Debug, Clone, Copy)]
pub struct NoEntropy;

impl std::fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system's random source failed")
    }
}

impl std::error::Error for NoEntropy {}

/// `N` bytes nobody can guess.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}
