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
}
