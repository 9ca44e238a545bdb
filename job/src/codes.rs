//! Stable names: the error names that `Retry` and `Catch` match on, and the codes of failed lines.

use std::fmt;

/// An error of a whole step, by the name that becomes Lambda's `errorType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorName {
    /// The event is not an S3 `Object Created` event of an input object.
    EventInvalid,
    /// There is no job file beside the input.
    JobNotFound,
    /// The job file, or its fit to the input, is wrong.
    JobInvalid,
    /// The input object does not exist.
    InputNotFound,
    /// The input object cannot be read, decompressed or decoded as a whole.
    InputUnreadable,
    /// The input object changed while it was read.
    InputChanged,
    /// A file of the run folder is missing or broken.
    RunDamaged,
    /// More lines of a batch failed than the job tolerates.
    TooManyFailures,
    /// The lane was stopped: a stop marker stands in the run folder.
    LaneStopped,
    /// The store did not answer, or failed, after the client's own retries.
    StorageUnavailable,
    /// The store has no room left.
    StorageFull,
    /// The store refused access.
    StorageDenied,
    /// The process is shutting down; the run can be continued.
    Interrupted,
    /// The run ended, and lines failed beyond what the job tolerates.
    RunFailed,
}

impl ErrorName {
    /// Every name, for the test that compares them with the definition.
    pub const ALL: [Self; 14] = [
        Self::EventInvalid,
        Self::JobNotFound,
        Self::JobInvalid,
        Self::InputNotFound,
        Self::InputUnreadable,
        Self::InputChanged,
        Self::RunDamaged,
        Self::TooManyFailures,
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
            Self::RunDamaged => "Run.Damaged",
            Self::TooManyFailures => "Batch.TooManyFailures",
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

/// A step as a whole failed. A line never causes one.
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

    /// Logs it, in the span that says which run and lane.
    pub fn log(&self) {
        tracing::error!(error = self.name.as_str(), "{}", self.message);
    }
}

/// What can be wrong with a connection, in one word: the detail of a line with [`Code::Connect`] begins with it and a colon, and
/// the report counts by it.
pub const CONNECT_CAUSES: [&str; 7] =
    ["dns", "refused", "unreachable", "timeout", "reset", "closed", "unprocessed"];

/// Why a line failed: the `error` column of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The line is not UTF-8.
    Decode,
    /// The line is not a record of the input's format.
    Parse,
    /// A template could not be rendered for this line.
    Render,
    /// The rendered URL is not an absolute http or https URL.
    Url,
    /// The URL leads to an address that the job does not allow.
    AddressDenied,
    /// A rendered header is not a legal header value.
    Header,
    /// A secret may not be sent to this host.
    SecretDenied,
    /// No connection, or one that broke before the response.
    Connect,
    /// A response came that is no HTTP.
    BadResponse,
    /// The TLS handshake failed.
    Tls,
    /// No complete answer within the job's timeout.
    Timeout,
    /// The answer's body ended early.
    BodyCut,
    /// The answer, or the line itself, is larger than the cap.
    TooLarge,
    /// The answer's status is not 2xx.
    Http(u16),
    /// A redirect led to another origin while the request carried a secret.
    RedirectWithSecret,
    /// More than five redirects.
    RedirectLoop,
    /// A 2xx answer whose body is not what the columns need.
    Extract,
    /// The provider asked for a longer wait than the job's `max_wait`.
    RateLimited,
    /// The request may have been sent before a crash; it is not repeated.
    OutcomeUnknown,
    /// The run was stopped before this line was sent.
    Stopped,
    /// No result was found for this line.
    NotProcessed,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Decode => "decode",
            Self::Parse => "parse",
            Self::Render => "render",
            Self::Url => "url",
            Self::AddressDenied => "address_denied",
            Self::Header => "header",
            Self::SecretDenied => "secret_denied",
            Self::Connect => "connect",
            Self::BadResponse => "bad_response",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::BodyCut => "body_cut",
            Self::TooLarge => "too_large",
            Self::Http(status) => return write!(f, "http_{status}"),
            Self::RedirectWithSecret => "redirect_with_secret",
            Self::RedirectLoop => "redirect_loop",
            Self::Extract => "extract",
            Self::RateLimited => "rate_limited",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Stopped => "stopped",
            Self::NotProcessed => "not_processed",
        };
        f.write_str(text)
    }
}
