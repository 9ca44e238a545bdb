//! Errors in what the user gave, and errors of tasks.

use std::fmt::Display;
use std::path::Path;

use engine::TaskError;

/// An error in what the user gave. The message says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// An error about a file.
    pub(crate) fn at(path: &Path, error: impl Display) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

/// The error of a task, by its name.
pub fn task_error(name: &str, cause: &str) -> TaskError {
    TaskError::Error { error: name.to_owned(), cause: cause.to_owned() }
}
