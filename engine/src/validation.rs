//! Validation as `ValidateStateMachineDefinition` answers it, and the error with which
//! `CreateStateMachine` and `UpdateStateMachine` refuse a definition (AWS Step Functions API
//! Reference).

use serde_json::{Value, json};

use crate::compile::examine;
use crate::diagnostic::{Diagnostic, Severity};
use crate::execution::ExecutionType;

/// What is to be said about a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether a state machine can be made of it.
    pub result: Verdict,
    /// All there is, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// The result of a validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There may be warnings.
    Ok,
    /// There is an error.
    Fail,
}

/// An error of a Step Functions API call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Such as `InvalidDefinition` or `ValidationException`.
    pub code: &'static str,
    /// What was wrong.
    pub message: String,
}

/// Diagnostics in an answer at most.
const MOST: usize = 100;

/// Finds everything that is wrong with a definition of a state machine of that type.
pub fn validate(definition: &str, execution_type: ExecutionType) -> Validation {
    Validation::of(examine(definition, execution_type))
}

impl Validation {
    pub(crate) fn of(diagnostics: Vec<Diagnostic>) -> Self {
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        Self { result: if failed { Verdict::Fail } else { Verdict::Ok }, diagnostics }
    }

    /// The answer of `ValidateStateMachineDefinition`: diagnostics from a severity on, at most 100
    /// or as many as are asked for (0: 100).
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

    /// With which `CreateStateMachine` and `UpdateStateMachine` refuse the definition.
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
