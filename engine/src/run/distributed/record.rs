//! The form of a child in the results.

use serde::Serialize;
use serde_json::Value;

use super::child::ChildSpec;
use crate::dataset::{OutputType, Transformation};
use crate::failure::Failure;
use crate::journal::ChildStatus;
use crate::run::context::iso;
use time::OffsetDateTime;

/// The record of a child in a result file. The keys are in alphabetical order; input and output are texts of
/// JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExecutionRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    execution_arn: &'a str,
    input: &'a str,
    input_details: Included,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_details: Option<Included>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    state_machine_arn: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Included {
    included: bool,
}

/// A child that has ended.
pub(super) struct FinishedChild<'a> {
    pub(super) name: &'a str,
    /// Empty if the results do not contain it.
    pub(super) input: &'a str,
    pub(super) status: ChildStatus,
    pub(super) outcome: &'a Result<Value, Failure>,
    pub(super) redrives: u32,
    pub(super) started: OffsetDateTime,
    pub(super) stopped: OffsetDateTime,
}

/// The text of an ended child in the results: a record, or its output. The values of a flattened output are
/// separated as in a file; there may be none.
pub(super) fn finished(spec: &ChildSpec, child: &FinishedChild<'_>) -> String {
    let output = match (child.outcome, spec.transformation) {
        (Ok(output), Transformation::Compact) => return text(output),
        (Ok(Value::Array(items)), Transformation::Flatten) => {
            let separator = if spec.output_type == OutputType::JsonLines { "\n" } else { "," };
            return items.iter().map(text).collect::<Vec<_>>().join(separator);
        }
        (Ok(output), Transformation::Flatten) => return text(output),
        (outcome, _) => outcome.as_ref().ok().map(text),
    };
    let failure = child.outcome.as_ref().err();
    let arn = spec.child_arn(child.name);
    let record = ExecutionRecord {
        cause: failure.map(|failure| failure.cause.as_str()),
        error: failure.map(|failure| failure.error.as_str()),
        output: output.as_deref(),
        output_details: output.as_ref().map(|_| Included { included: true }),
        redrive_count: Some(child.redrives),
        redrive_status: Some(if output.is_some() { "NOT_REDRIVABLE" } else { "REDRIVABLE_BY_MAP_RUN" }),
        redrive_status_reason: output.as_ref().map(|_| "Execution is SUCCEEDED and cannot be redriven"),
        start_date: Some(iso(child.started)),
        status: match child.status {
            ChildStatus::Succeeded => "SUCCEEDED",
            ChildStatus::Failed => "FAILED",
            ChildStatus::TimedOut => "TIMED_OUT",
        },
        stop_date: Some(iso(child.stopped)),
        ..ExecutionRecord::of(spec, &arn, child.name, child.input)
    };
    text(&record)
}

/// The record of a child that was aborted at this time.
pub(super) fn aborted(spec: &ChildSpec, name: &str, input: &str, at: OffsetDateTime) -> String {
    let arn = spec.child_arn(name);
    text(&ExecutionRecord {
        redrive_count: Some(0),
        redrive_status: Some("REDRIVABLE_BY_MAP_RUN"),
        start_date: Some(iso(at)),
        status: "ABORTED",
        stop_date: Some(iso(at)),
        ..ExecutionRecord::of(spec, &arn, name, input)
    })
}

/// The record of a child that was never started.
pub(super) fn pending(spec: &ChildSpec, name: &str, input: &str) -> String {
    text(&ExecutionRecord::of(spec, &spec.child_arn(name), name, input))
}

impl<'a> ExecutionRecord<'a> {
    fn of(spec: &'a ChildSpec, execution_arn: &'a str, name: &'a str, input: &'a str) -> Self {
        Self {
            cause: None,
            error: None,
            execution_arn,
            input,
            input_details: Included { included: true },
            name,
            output: None,
            output_details: None,
            redrive_count: None,
            redrive_status: None,
            redrive_status_reason: None,
            start_date: None,
            state_machine_arn: &spec.state_machine_arn,
            status: "PENDING",
            stop_date: None,
        }
    }
}

/// The value as JSON.
pub(super) fn text(value: &impl Serialize) -> String {
    // Serialising does not fail: all keys are strings, and the text is written to memory.
    serde_json::to_string(value).unwrap_or_default()
}
