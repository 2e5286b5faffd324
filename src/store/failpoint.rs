//! Named fail points between the steps of a commit. Without the feature `failpoints` they are no code
//! at all.
//!
//! A test arms a point in its own process with [`arm`], a child process through the environment:
//! `FOLKMOOT_FAILPOINTS=before-commit=abort;after-run=sleep:50`.

#[cfg(feature = "failpoints")]
pub(super) use armed::reach;
#[cfg(feature = "failpoints")]
pub use armed::{Action, arm, disarm};

/// `fail_point!(name)` may panic, abort or sleep; `fail_point!(name, fails)` may also make the
/// surrounding function return an error.
macro_rules! fail_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        let _ = $crate::store::failpoint::reach($name);
    };
    ($name:literal, fails) => {
        #[cfg(feature = "failpoints")]
        if let Some(fault) = $crate::store::failpoint::reach($name) {
            return Err(fault);
        }
    };
}
pub(super) use fail_point;

#[cfg(feature = "failpoints")]
mod armed {
    use std::collections::HashMap;
    use std::sync::LazyLock;
    use std::time::Duration;

    use parking_lot::Mutex;

    use crate::store::Error;

    /// What an armed point does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Action {
        /// Fails with unknown outcome.
        Error,
        /// Is refused cleanly for want of space.
        Full,
        /// Panics.
        Panic,
        /// Ends the process at once, as SIGKILL or a power cut would.
        Abort,
        /// Waits.
        Sleep(Duration),
    }

    static POINTS: LazyLock<Mutex<HashMap<String, Action>>> = LazyLock::new(|| {
        let armed = std::env::var("FOLKMOOT_FAILPOINTS").unwrap_or_default();
        Mutex::new(armed.split(';').filter_map(parse).collect())
    });

    fn parse(point: &str) -> Option<(String, Action)> {
        let (name, action) = point.split_once('=')?;
        let action = match action.split_once(':') {
            None if action == "error" => Action::Error,
            None if action == "full" => Action::Full,
            None if action == "panic" => Action::Panic,
            None if action == "abort" => Action::Abort,
            Some(("sleep", ms)) => Action::Sleep(Duration::from_millis(ms.parse().ok()?)),
            _ => return None,
        };
        Some((name.into(), action))
    }

    /// Arms a point for the whole process.
    pub fn arm(name: &str, action: Action) {
        POINTS.lock().insert(name.into(), action);
    }

    /// Disarms a point.
    pub fn disarm(name: &str) {
        POINTS.lock().remove(name);
    }

    /// Does what `name` is armed with.
    pub(in crate::store) fn reach(name: &str) -> Option<Error> {
        let action = *POINTS.lock().get(name)?;
        match action {
            Action::Error => Some(Error::Unknown(format!("fail point {name}"))),
            Action::Full => Some(Error::Full),
            #[expect(clippy::panic, reason = "that is what this point was armed for")]
            Action::Panic => panic!("fail point {name}"),
            Action::Abort => std::process::abort(),
            Action::Sleep(time) => {
                std::thread::sleep(time);
                None
            }
        }
    }
}
