//! How executions end.

use serde_json::Value;

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It succeeded with this output.
    Succeeded(Value),
    /// It failed with this error.
    Failed {
        /// The error's name.
        error: String,
        /// The error's cause.
        cause: String,
    },
    /// It took longer than the machine's `TimeoutSeconds` or than its type allows.
    TimedOut,
    /// It was aborted from outside, see [`crate::Abort`].
    Aborted {
        /// The error that was given, or an empty text.
        error: String,
        /// The cause that was given, or an empty text.
        cause: String,
    },
}
