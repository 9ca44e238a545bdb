//! Errors of a whole step, by the stable names that `Retry` and `Catch` in the definition match on.

use std::fmt;

/// The name of a step's error. It becomes Lambda's `errorType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorName {
    /// The event is not an S3 `Object Created` event of an input object.
    EventInvalid,
    /// The job of the input has no job file.
    JobNotFound,
    /// The job file is wrong, or does not fit the input.
    JobInvalid,
    /// The input object does not exist.
    InputNotFound,
    /// The input object cannot be read, decompressed or decoded as a whole.
    InputUnreadable,
    /// The input object changed while it was read.
    InputChanged,
    /// The job or the input was edited since the last run, and nobody has said whether its responses count.
    RunDoubtful,
    /// A later version wrote the run.
    RunUnknownFormat,
    /// A file of the run folder is missing or broken.
    RunDamaged,
    /// More lines of a batch failed than the job tolerates.
    TooManyFailures,
    /// A batch has paused so often that the history of its execution is nearly full.
    TooManyPauses,
    /// The lane was stopped: the run folder has a stop marker.
    LaneStopped,
    /// The store did not respond, or failed, after the client's own retries.
    StorageUnavailable,
    /// The store has no room left.
    StorageFull,
    /// The store refused access.
    StorageDenied,
    /// The process is shutting down; the run can be continued.
    Interrupted,
    /// The run ended, and more lines failed than the job tolerates.
    RunFailed,
}

impl ErrorName {
    /// Every name, so that a test can compare them with the definition.
    pub const ALL: [Self; 17] = [
        Self::EventInvalid,
        Self::JobNotFound,
        Self::JobInvalid,
        Self::InputNotFound,
        Self::InputUnreadable,
        Self::InputChanged,
        Self::RunDoubtful,
        Self::RunUnknownFormat,
        Self::RunDamaged,
        Self::TooManyFailures,
        Self::TooManyPauses,
        Self::LaneStopped,
        Self::StorageUnavailable,
        Self::StorageFull,
        Self::StorageDenied,
        Self::Interrupted,
        Self::RunFailed,
    ];

    /// The stable string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventInvalid => "Event.Invalid",
            Self::JobNotFound => "Job.NotFound",
            Self::JobInvalid => "Job.Invalid",
            Self::InputNotFound => "Input.NotFound",
            Self::InputUnreadable => "Input.Unreadable",
            Self::InputChanged => "Input.Changed",
            Self::RunDoubtful => "Run.Doubtful",
            Self::RunUnknownFormat => "Run.UnknownFormat",
            Self::RunDamaged => "Run.Damaged",
            Self::TooManyFailures => "Batch.TooManyFailures",
            Self::TooManyPauses => "Batch.TooManyPauses",
            Self::LaneStopped => "Lane.Stopped",
            Self::StorageUnavailable => "Storage.Unavailable",
            Self::StorageFull => "Storage.Full",
            Self::StorageDenied => "Storage.Denied",
            Self::Interrupted => "Run.Interrupted",
            Self::RunFailed => "Run.Failed",
        }
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The failure of a whole step. A single failed line never causes one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What `Retry` and `Catch` match on.
    pub name: ErrorName,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl StepError {
    /// An error by its stable name.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }

    /// The same error with the upload in its message, for the notification of a failed run.
    #[must_use]
    pub fn of_upload(self, key: &str) -> Self {
        Self { message: format!("{key}: {}", self.message), ..self }
    }

    /// Logs it, in the span that says which run and lane.
    pub fn log(&self) {
        tracing::error!(error = self.name.as_str(), "{}", self.message);
    }
}
