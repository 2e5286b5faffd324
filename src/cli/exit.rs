//! Exit codes, as in BSD's sysexits.h where it has one.

use std::fmt::Display;
use std::io::ErrorKind;
use std::process::ExitCode;

use folkmoot::server::StartError;
use folkmoot::services::OpenError;
use folkmoot::{directory, store};

/// Done.
pub(super) const OK: u8 = 0;
/// Refused, or not found.
pub(super) const FAILED: u8 = 1;
/// The command line is wrong. As clap has it.
pub(super) const USAGE: u8 = 2;
/// The disk failed, or another process has the data: starting again may help. EX_TEMPFAIL.
pub(super) const TEMPORARY: u8 = 75;
/// The settings, the data folder or what they name cannot be used: starting again does not help. EX_CONFIG.
pub(super) const CONFIG: u8 = 78;

/// The code for a data folder that cannot be opened.
pub(super) fn of_open(e: &OpenError) -> u8 {
    match e {
        OpenError::Store(e) | OpenError::Directory(directory::Error::Store(e)) => match e {
            store::Error::Unusable(_) | store::Error::Damaged(_) => CONFIG,
            _ => TEMPORARY,
        },
        OpenError::Directory(directory::Error::Invalid(_)) => CONFIG,
        OpenError::Directory(_) => TEMPORARY,
    }
}

/// The code for a server that did not start.
pub(super) fn of_start(e: &StartError) -> u8 {
    match e {
        StartError::Open(e) => of_open(e),
        StartError::Tls(_) | StartError::Listen { .. } => CONFIG,
        // The path is too long for a socket, or may not be written to.
        StartError::Control(why) => match why.kind() {
            ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::ReadOnlyFilesystem => CONFIG,
            _ => TEMPORARY,
        },
        _ => TEMPORARY,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor starts a server again only where that may help.
    #[test]
    fn only_what_may_pass_is_temporary() {
        let store = |e| StartError::Open(OpenError::Store(e));
        let control = |kind: ErrorKind| StartError::Control(kind.into());
        for (e, code) in [
            (store(store::Error::Held("held".into())), TEMPORARY),
            (store(store::Error::Io("EIO".into())), TEMPORARY),
            (store(store::Error::Full), TEMPORARY),
            (store(store::Error::Unusable("another engine".into())), CONFIG),
            (store(store::Error::Damaged("the schema version".into())), CONFIG),
            (StartError::Open(OpenError::Directory(directory::Error::Invalid("costs"))), CONFIG),
            (StartError::Open(OpenError::Directory(store::Error::Io("EIO".into()).into())), TEMPORARY),
            (control(ErrorKind::InvalidInput), CONFIG),
            (control(ErrorKind::PermissionDenied), CONFIG),
            (control(ErrorKind::StorageFull), TEMPORARY),
            (StartError::Interrupted, TEMPORARY),
        ] {
            assert_eq!(of_start(&e), code, "{e}");
        }
    }
}
