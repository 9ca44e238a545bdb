//! Exit codes and the errors of the command line.

use std::process::ExitCode;

use job::{ErrorName, JobError, StepError, StorageError};
use postprocess::{Report, Verdict};
use serde_json::{Map, Value, json};

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
    /// Another process has the whole state folder for itself, or the run on AWS is still running; nothing was
    /// sent.
    Busy,
    /// Interrupted; the same command continues.
    Interrupted,
    /// The reader of the output has gone. A process that SIGPIPE ends has the same code.
    Unread,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Wrong => 1,
            Self::SomeFailed => 2,
            Self::Failed => 3,
            Self::Busy => 4,
            Self::Interrupted => 130,
            Self::Unread => 141,
        }
    }
}

impl From<&Report> for Exit {
    fn from(report: &Report) -> Self {
        match report.verdict {
            Verdict::Failed => Self::Failed,
            Verdict::Succeeded | Verdict::SomeFailed if report.complete() => Self::Succeeded,
            Verdict::Succeeded | Verdict::SomeFailed => Self::SomeFailed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed. The message says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    message: String,
    exit: Exit,
    requests_sent: bool,
    /// Further fields of the JSON object.
    details: Map<String, Value>,
}

impl CliError {
    /// An error with this message. The command exits with [`Exit::Wrong`].
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Wrong, requests_sent: false, details: Map::new() }
    }

    /// An error about a file or folder.
    pub fn at(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self::new(format!("{}: {error}", path.display()))
    }

    /// An error because another process or execution has what the command needs.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { exit: Exit::Busy, ..Self::new(message) }
    }

    /// Adds a field to the JSON object.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// If this command `sent` requests before the error, the command failed and was not merely wrong.
    #[must_use]
    pub fn after_requests(self, sent: bool) -> Self {
        if sent { Self { exit: Exit::Failed, requests_sent: true, ..self } } else { self }
    }

    /// The command's exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The error as one JSON object.
    pub fn to_json(&self) -> String {
        let mut event = json!({
            "event": "error", "exit_code": self.exit.code(), "requests_sent": self.requests_sent, "message": self.message,
        });
        if let Some(event) = event.as_object_mut() {
            event.extend(self.details.clone());
        }
        event.to_string()
    }
}

impl From<JobError> for CliError {
    fn from(error: JobError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<states::Error> for CliError {
    fn from(error: states::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<StepError> for CliError {
    fn from(error: StepError) -> Self {
        Self::new(error.message)
    }
}

/// Whether an execution's error is a mistake in the job, the input or the command, and not a failure of the
/// run.
pub fn is_user_error(error: &str) -> bool {
    let user_errors = [
        ErrorName::EventInvalid,
        ErrorName::JobNotFound,
        ErrorName::JobInvalid,
        ErrorName::InputNotFound,
        ErrorName::InputUnreadable,
        ErrorName::InputChanged,
        ErrorName::RunDoubtful,
        ErrorName::RunUnknownFormat,
    ];
    user_errors.iter().any(|name| name.as_str() == error)
}
