//! How a command ends.

use std::process::ExitCode;

use job::{ErrorName, JobError, StepError, StorageError};

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every line succeeded.
    Succeeded,
    /// The command itself, or the job, was wrong.
    Wrong,
    /// Finished; some lines failed, within what the job tolerates.
    SomeFailed,
    /// Stopped, failed, over tolerance, or a line was not processed.
    Failed,
    /// Interrupted; the same command continues.
    Interrupted,
    /// Nobody reads any more what the command prints: the code of a process that SIGPIPE ended.
    Unread,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Wrong => 1,
            Self::SomeFailed => 2,
            Self::Failed => 3,
            Self::Interrupted => 130,
            Self::Unread => 141,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it was asked: what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Wrong {
    /// In words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Something about a file or folder.
    pub fn at(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

impl From<JobError> for Wrong {
    fn from(error: JobError) -> Self {
        Self(error.to_string())
    }
}

impl From<StorageError> for Wrong {
    fn from(error: StorageError) -> Self {
        Self(error.to_string())
    }
}

impl From<StepError> for Wrong {
    fn from(error: StepError) -> Self {
        Self(error.message)
    }
}

/// Whether an execution's error says that the job, the input or the command was wrong, and not that lines failed.
pub fn is_wrong(error: &str) -> bool {
    let wrong = [
        ErrorName::EventInvalid,
        ErrorName::JobNotFound,
        ErrorName::JobInvalid,
        ErrorName::InputNotFound,
        ErrorName::InputUnreadable,
        ErrorName::InputChanged,
        ErrorName::RunDamaged,
    ];
    wrong.iter().any(|name| name.as_str() == error)
}
