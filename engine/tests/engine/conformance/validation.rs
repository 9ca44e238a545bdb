//! Definitions, compared with AWS's validation and refusal.

use engine::{ExecutionType, Severity, Validation, validate};
use serde_json::Value;

/// The compared part of a case and its difference: the response of `ValidateStateMachineDefinition`, or the
/// refusal of the definition. If the recorded call failed for another reason than its definition, only
/// `accepted` is checked.
pub(super) fn check(case: &Value) -> (&'static str, Option<String>) {
    let validation = validated(case);
    let recorded = &case["validation_errors"];
    if recorded["result"].is_string() {
        return ("validation", differs(recorded.clone(), validation.to_json(Severity::Error, 0)));
    }
    let message = recorded["Error"]["Message"].as_str().or(recorded["exception_value"].as_str()).unwrap();
    match message.find("Invalid State Machine Definition: ") {
        Some(at) => ("validation", differs(message[at..].into(), refusal(&validation))),
        None => ("accepted", accepted(case)),
    }
}

/// A definition that AWS accepts is not refused.
pub(super) fn accepted(case: &Value) -> Option<String> {
    differs(Value::Null, refusal(&validated(case)))
}

fn validated(case: &Value) -> Validation {
    let definition =
        case["definition_text"].as_str().map_or_else(|| case["definition"].to_string(), str::to_owned);
    let definition = definition
        .replace("\"activity_arn\"", "\"arn:aws:states:us-east-1:111111111111:activity:activity_arn\"");
    let kind = if case["type"] == "EXPRESS" { ExecutionType::Express } else { ExecutionType::Standard };
    validate(&definition, kind)
}

fn refusal(validation: &Validation) -> Value {
    validation.refusal().map(|refusal| refusal.message.replace("arn:aws:", "arn:<partition>:")).into()
}

fn differs(expected: Value, found: Value) -> Option<String> {
    (expected != found).then(|| format!("\n  expected {expected}\n  found    {found}"))
}
