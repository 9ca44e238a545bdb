//! Validation as `ValidateStateMachineDefinition` answers it, and the error with which
//! `CreateStateMachine` and `UpdateStateMachine` refuse a definition (AWS Step Functions API
//! Reference).

use serde_json::{Value, json};

use crate::ExecutionType;
use crate::compile::examine;
use crate::problem::Problem;

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

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Hardly what was meant.
    Warning,
    /// The definition is refused.
    Error,
}

/// One diagnostic in AWS's words, and in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Such as `SCHEMA_VALIDATION_FAILED`; see AWS's list in
    /// [ValidateStateMachineDefinitionDiagnostic](https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html).
    pub code: &'static str,
    /// AWS's message as far as it is known, otherwise ours.
    pub message: String,
    /// Where, as AWS writes it (`/States/A/Choices[0]/Next`).
    pub location: Option<String>,
    /// The same with line and column, in our words, which often say more.
    pub problem: Problem,
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

/// Bytes of a definition at most.
const LONGEST: usize = 1_048_576;
/// Diagnostics in an answer at most.
const MOST: usize = 100;

/// Finds everything that is wrong with a definition of a state machine of that type.
pub fn validate(definition: &str, execution_type: ExecutionType) -> Validation {
    let diagnostics = examine(definition, execution_type);
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    Validation { result: if failed { Verdict::Fail } else { Verdict::Ok }, diagnostics }
}

impl Validation {
    /// The answer of `ValidateStateMachineDefinition`: diagnostics from a severity on, at most 100
    /// or as many as are asked for (0: 100).
    pub fn to_json(&self, least: Severity, most: usize) -> Value {
        let most = if most == 0 { MOST } else { most.min(MOST) };
        let wanted: Vec<_> = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity >= least).collect();
        json!({
            "result": match self.result { Verdict::Ok => "OK", Verdict::Fail => "FAIL" },
            "diagnostics": wanted.iter().take(most).map(|diagnostic| diagnostic.to_json()).collect::<Value>(),
            "truncated": wanted.len() > most,
        })
    }

    /// With which `CreateStateMachine` and `UpdateStateMachine` refuse the definition.
    pub fn refusal(&self) -> Option<ApiError> {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let texts: Vec<String> = errors
            .map(|Diagnostic { code, message, location, .. }| format!("{code}: {message} at {}", location.as_deref().unwrap_or("null")))
            .collect();
        let refused =
            || ApiError { code: "InvalidDefinition", message: format!("Invalid State Machine Definition: '{}'", texts.join(", ")) };
        (!texts.is_empty()).then(refused)
    }
}

impl Diagnostic {
    fn to_json(&self) -> Value {
        let severity = match self.severity {
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        let mut diagnostic = json!({"severity": severity, "code": self.code, "message": self.message});
        if let Some(location) = &self.location {
            diagnostic["location"] = location.as_str().into();
        }
        diagnostic
    }
}

/// The definition is longer than AWS takes: said before anything of it is read.
pub(crate) fn too_long(definition: &str) -> Option<String> {
    let length = definition.len();
    (length > LONGEST).then(|| format!("the definition is {length} bytes long; {LONGEST} is the most that AWS takes"))
}
