//! Errors of the user's machine, which `Retry` and `Catch` may match.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An error as the Amazon States Language defines it: `Retry` and `Catch` match its name, and a failed
/// execution ends with it. An empty text means that the name or cause is not set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) cause: String,
    #[serde(skip)]
    pub(crate) trace: Trace,
}

/// Facts about an error, in addition to its name and cause, that the history and `Catch` need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The field whose expression failed; empty if it is not a single field.
    pub(crate) location: Option<String>,
    /// The evaluation itself failed, and not the check of its result.
    pub(crate) evaluating: bool,
    /// Whether a `States.Timeout` was caused by a missing heartbeat.
    pub(crate) heartbeat: bool,
    /// The history event before the error.
    pub(crate) event: u64,
    /// The type of the state that ended with the error, if that state was running.
    pub(crate) state: &'static str,
}

impl Failure {
    pub(crate) fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into(), trace: Trace::default() }
    }

    /// A `States.Runtime` error, which no `Retry` and no `Catch` matches.
    pub(crate) fn runtime(cause: impl Into<String>) -> Self {
        Failure::new(RUNTIME, cause)
    }

    /// The error of an expression that could not be evaluated.
    pub(crate) fn query(field: &str, cause: impl Into<String>) -> Self {
        let mut failure = Failure::new(QUERY, cause);
        failure.trace.location = Some(field.to_owned());
        failure.trace.evaluating = true;
        failure
    }

    /// The error of an expression whose value the field does not accept.
    pub(crate) fn query_result(field: &str, cause: impl Into<String>) -> Self {
        let mut failure = Failure::query(field, cause);
        failure.trace.evaluating = false;
        failure
    }

    /// The error of a Map Run in which too many items have failed.
    pub(crate) fn threshold_exceeded() -> Self {
        Failure::new(
            "States.ExceedToleratedFailureThreshold",
            "The specified tolerated failure threshold was exceeded",
        )
    }

    pub(crate) fn timeout(heartbeat: bool) -> Self {
        let mut failure = Failure::new("States.Timeout", "");
        failure.trace.heartbeat = heartbeat;
        failure
    }

    /// The error output that a catcher receives.
    pub(crate) fn output(&self) -> Value {
        if self.error.is_empty() && self.cause.is_empty() {
            json!({"Error": null, "Cause": null})
        } else {
            json!({"Error": self.error, "Cause": self.cause})
        }
    }

    pub(crate) fn too_large(who: &str) -> Self {
        let cause = format!(
            "The state/task '{who}' returned a result with a size exceeding the maximum number of bytes service limit."
        );
        Failure::new(DATA_LIMIT_EXCEEDED, cause)
    }

    /// Whether an entry of `ErrorEquals` matches this error.
    pub(crate) fn matches_any(&self, patterns: &[String]) -> bool {
        patterns.iter().any(|pattern| self.matches(pattern))
    }

    /// Whether `pattern`, an entry of `ErrorEquals`, matches this error.
    fn matches(&self, pattern: &str) -> bool {
        match self.error.as_str() {
            RUNTIME => false,
            error if error == pattern => true,
            // This is what AWS does, although its documentation says that States.ALL does not match this
            // error.
            DATA_LIMIT_EXCEEDED => pattern == "States.ALL",
            error => match pattern {
                "States.ALL" => true,
                "States.TaskFailed" => error != "States.Timeout",
                "States.HeartbeatTimeout" => self.trace.heartbeat,
                _ => false,
            },
        }
    }
}

pub(crate) const RUNTIME: &str = "States.Runtime";
pub(crate) const QUERY: &str = "States.QueryEvaluationError";
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
