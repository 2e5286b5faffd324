//! Why a configuration was refused.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used; its text names the file and, where there is one, the line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    Unreadable {
        /// The file asked for.
        file: PathBuf,
        /// The system's word.
        why: std::io::Error,
    },
    /// The file is no TOML, or has an unknown key, a wrong type or a value out of range.
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, with an excerpt of the file.
        why: String,
    },
}

impl Error {
    /// An error of the TOML reader, or of a check whose place was found.
    pub(super) fn toml(file: &Path, text: &str, mut e: toml::de::Error) -> Self {
        e.set_input(Some(text));
        let line = e.span().map_or(1, |span| line_of(text, span.start));
        Self::Invalid { file: file.to_path_buf(), line, why: e.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, why } => write!(f, "{}: cannot be read: {why}", file.display()),
            Self::Invalid { file, line, why } => write!(
                f,
                "{}:{line}: {}\nAll settings with their defaults: folkmoot config defaults",
                file.display(),
                why.trim_end()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { why, .. } => Some(why),
            Self::Invalid { .. } => None,
        }
    }
}

/// The line, from 1, in which the byte at `offset` stands.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&b| b == b'\n').count().saturating_add(1)
}
