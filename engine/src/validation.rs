//! Validation with the response of `ValidateStateMachineDefinition`, and the error with which
//! `CreateStateMachine` and `UpdateStateMachine` refuse a definition (AWS Step Functions API Reference).

use serde_json::{Value, json};

use crate::compile::examine;
use crate::diagnostic::{Diagnostic, Severity};
use crate::execution::ExecutionType;

/// The result of the validation of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether AWS would create a state machine from the definition.
    pub result: Verdict,
    /// All errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Whether a definition is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The definition is accepted; there may be warnings.
    Ok,
    /// The definition is refused.
    Fail,
}

/// An error of a Step Functions API call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The error code, such as `InvalidDefinition` or `ValidationException`.
    pub code: &'static str,
    /// The message.
    pub message: String,
}

/// The most diagnostics in one response.
const MOST: usize = 100;

/// Validates the definition of a state machine of this type. Finds all errors and warnings.
pub fn validate(definition: &str, execution_type: ExecutionType) -> Validation {
    Validation::of(examine(definition, execution_type))
}

impl Validation {
    pub(crate) fn of(diagnostics: Vec<Diagnostic>) -> Self {
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        Self { result: if failed { Verdict::Fail } else { Verdict::Ok }, diagnostics }
    }

    /// The response of `ValidateStateMachineDefinition`, with the diagnostics of at least the severity
    /// `least`. At most `most` are returned, and never more than 100; 0 means 100.
    pub fn to_json(&self, least: Severity, most: usize) -> Value {
        let most = if most == 0 { MOST } else { most.min(MOST) };
        let wanted: Vec<_> =
            self.diagnostics.iter().filter(|diagnostic| diagnostic.severity >= least).collect();
        json!({
            "result": match self.result { Verdict::Ok => "OK", Verdict::Fail => "FAIL" },
            "diagnostics": wanted.iter().take(most).map(|diagnostic| diagnostic.to_json()).collect::<Value>(),
            "truncated": wanted.len() > most,
        })
    }

    /// The error with which `CreateStateMachine` and `UpdateStateMachine` refuse the definition, if they do.
    pub fn refusal(&self) -> Option<ApiError> {
        (self.result == Verdict::Fail).then(|| self.refused())
    }

    pub(crate) fn refused(&self) -> ApiError {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let texts: Vec<String> = errors
            .map(|Diagnostic { code, message, location, .. }| {
                format!("{code}: {message} at {}", location.as_deref().unwrap_or("null"))
            })
            .collect();
        ApiError {
            code: "InvalidDefinition",
            message: format!("Invalid State Machine Definition: '{}'", texts.join(", ")),
        }
    }
}
