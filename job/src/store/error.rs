//! What goes wrong in the store, and what that means for a step.

use crate::error::{ErrorName, StepError};

/// An error and its causes in one sentence for a person. The errors of AWS's clients say little themselves:
/// each cause is named once, and a cause that only says that something went wrong is left out.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source())
        .map(|error| (error.to_string(), error.source().is_none()));
    causes.fold(String::new(), |words, (more, last)| match words.as_str() {
        _ if !last && says_nothing(&more) => words,
        "" => more,
        said if said.contains(&more) => words,
        said => format!("{said}: {more}"),
    })
}

fn says_nothing(text: &str) -> bool {
    matches!(
        text,
        "dispatch failure" | "service error" | "unhandled error" | "io error" | "other" | "response error"
    ) || text.starts_with("client error (")
}

/// A request to the store failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {action} s3://{bucket}/{key}: {message}")]
pub struct StorageError {
    /// `read`, `write`, `list` or `delete`.
    pub action: &'static str,
    /// The bucket.
    pub bucket: String,
    /// The key or prefix.
    pub key: String,
    /// The store's message.
    pub message: String,
    /// What the error means for the caller.
    pub kind: StorageErrorKind,
}

/// What a [`StorageError`] means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// There is no such object.
    NotFound,
    /// There is no such bucket, or not in this Region.
    NoBucket,
    /// A condition of the request did not hold.
    Precondition,
    /// Another client wrote the same object at the same time.
    Conflict,
    /// Access was refused.
    Denied,
    /// The store has no room left. Only a store on this machine says so (HTTP 507).
    Full,
    /// Anything else; worth another attempt.
    Unavailable,
}

impl From<StorageError> for StepError {
    fn from(error: StorageError) -> Self {
        let name = match error.kind {
            StorageErrorKind::NotFound | StorageErrorKind::NoBucket | StorageErrorKind::Precondition => {
                ErrorName::RunDamaged
            }
            StorageErrorKind::Denied => ErrorName::StorageDenied,
            StorageErrorKind::Full => ErrorName::StorageFull,
            StorageErrorKind::Conflict | StorageErrorKind::Unavailable => ErrorName::StorageUnavailable,
        };
        Self::new(name, error.to_string())
    }
}
