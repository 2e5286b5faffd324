//! Exit codes, as in BSD's sysexits.h where it has one.

use std::fmt::Display;
use std::process::ExitCode;

/// Done.
pub(super) const OK: u8 = 0;
/// Refused, or not found.
pub(super) const FAILED: u8 = 1;
/// The command line is wrong. As clap has it.
pub(super) const USAGE: u8 = 2;
/// The store failed while the server ran, or another process has the data: starting again may help.
/// EX_TEMPFAIL.
pub(super) const TEMPORARY: u8 = 75;
/// The configuration is wrong: starting again does not help. EX_CONFIG.
pub(super) const CONFIG: u8 = 78;

/// A command that failed: its exit code and its words for people.
#[derive(Debug)]
pub(super) struct Failed {
    code: u8,
    why: String,
}

impl Failed {
    pub(super) fn new(code: u8, why: impl Display) -> Self {
        Self { code, why: why.to_string() }
    }

    pub(super) fn config(why: &impl Display) -> Self {
        Self::new(CONFIG, why)
    }

    /// Tells why on standard error.
    pub(super) fn report(self) -> ExitCode {
        if !self.why.is_empty() {
            eprintln!("folkmoot: {}", self.why);
        }
        ExitCode::from(self.code)
    }
}
