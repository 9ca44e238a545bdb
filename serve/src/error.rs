//! Why the server cannot start or go on.

use std::path::Path;

/// The message says what is wrong, where, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(crate) fn at(path: &Path, error: impl std::fmt::Display) -> Self {
        // The messages of TOML end with a line feed.
        Self(format!("{}: {}", path.display(), error.to_string().trim_end()))
    }
}
