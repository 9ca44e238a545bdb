//! Why a line fails, and what a failed attempt means for the next one.

use job::Code;

use crate::response::RetryAfter;

/// Why a line fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code.
    pub code: Code,
    /// In words, on one line.
    pub detail: String,
    /// Status of the response, 0 without one.
    pub status: u16,
    /// The values of the columns as a JSON array, if the job wants them of failed lines.
    pub values: Option<Box<[u8]>>,
}

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// The same request would fail the same way.
    Final,
    /// This process had no descriptor for a connection. The server has no part in it.
    Local,
    /// No connection: the server saw nothing of the request.
    Unreached,
    /// The server did not process the request, because it says so or because that is clear: a stream above
    /// the last of a GOAWAY frame, a refused stream, a connection that ended before the request was written.
    Unprocessed,
    /// The server is unhealthy and may have acted on the request: a reset, a timeout, a status of `[retry]
    /// statuses`.
    Doubtful,
    /// The job's `retry_if` holds for the response, so the request is sent again whatever its method.
    Asked,
    /// The server asks to slow down: 429, or another status with a header that says when to come back.
    Throttled,
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct FailedAttempt {
    pub(crate) failure: Failure,
    pub(crate) nature: Nature,
    /// Whether a request went out: it was not refused by this process, and there was a connection.
    pub(crate) on_wire: bool,
    pub(crate) retry_after: Option<RetryAfter>,
}

impl Failure {
    /// A failure without a response.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), status: 0, values: None }
    }
}

impl FailedAttempt {
    /// A request went out, and the same request would fail the same way.
    pub(crate) fn sent(code: Code, detail: impl Into<String>) -> Self {
        Self::from(Failure::new(code, detail))
    }

    /// The attempt failed before a request went out.
    pub(crate) fn unsent(code: Code, detail: impl Into<String>) -> Self {
        Self { on_wire: false, ..Self::sent(code, detail) }
    }

    pub(crate) fn with(self, nature: Nature) -> Self {
        Self { nature, ..self }
    }

    /// Whether the server gave a response that this request will always get: it says how long a response
    /// takes.
    pub(crate) fn has_final_response(&self) -> bool {
        self.failure.status > 0 && self.nature == Nature::Final
    }
}

impl From<Failure> for FailedAttempt {
    fn from(failure: Failure) -> Self {
        Self { failure, nature: Nature::Final, on_wire: true, retry_after: None }
    }
}
