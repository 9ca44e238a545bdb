//! Why the file of a journal cannot be written.

use std::sync::OnceLock;

use super::{JournalError, broken};

/// The first failure to write. Behind it the store says only that there was one.
#[derive(Default)]
pub(super) struct Failed(OnceLock<JournalError>);

impl Failed {
    /// Keeps it, and gives the first.
    pub(super) fn is(&self, error: JournalError) -> JournalError {
        self.0.get_or_init(|| error).clone()
    }

    pub(super) fn check(&self) -> Result<(), JournalError> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// What went wrong in reading: the failure before it, if there was one.
    pub(super) fn or(&self, error: impl Into<redb::Error>) -> JournalError {
        self.0.get().cloned().unwrap_or_else(|| unusable(error))
    }
}

pub(super) fn unusable(error: impl Into<redb::Error>) -> JournalError {
    match error.into() {
        redb::Error::Io(error) => error.into(),
        error => broken(error),
    }
}
