//! The cases of a suite, and how they are judged.

use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::exit::CliError;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Suite {
    #[serde(default, rename = "Comment")]
    _comment: Option<String>,
    pub(super) cases: Vec<Case>,
}

/// A test of a state, or of the whole machine.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default, rename = "Comment")]
    _comment: Option<String>,
    /// None for the whole machine.
    #[serde(default)]
    pub(super) state: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) input: Option<Value>,
    #[serde(default)]
    pub(super) context: Option<Value>,
    #[serde(default)]
    pub(super) variables: Option<Value>,
    #[serde(default)]
    pub(super) retries: Option<u32>,
    /// For each state: its responses by the numbers of calls.
    #[serde(default, deserialize_with = "mocks")]
    pub(super) mocks: Map<String, Value>,
    /// A test case of the file with mocks.
    #[serde(default)]
    pub(super) mock_case: Option<String>,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// What a case expects. Without an error, it expects success.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Expect {
    #[serde(default, deserialize_with = "present")]
    output: Option<Value>,
    /// Fields that the output has, and perhaps others.
    #[serde(default)]
    output_includes: Option<Value>,
    #[serde(default)]
    error: Option<String>,
    /// A part of the cause.
    #[serde(default)]
    cause: Option<String>,
    /// The state that follows the tested one.
    #[serde(default)]
    next: Option<String>,
    /// The outermost states that the execution enters, in their order.
    #[serde(default)]
    path: Option<Vec<String>>,
}

/// What a case led to.
pub(super) struct Actual {
    pub(super) succeeded: bool,
    pub(super) output: Option<Value>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) next: Option<String>,
    pub(super) path: Option<Vec<String>>,
}

impl Suite {
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let suite: Self = serde_json::from_value(states::read_document(path)?)
            .map_err(|error| CliError::at(path, format!("is not a suite: {error}")))?;
        let mut names: Vec<&str> = suite.cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(CliError::at(path, format!("two cases have the name {:?}", two[0]))),
            None if names.is_empty() => Err(CliError::at(path, "the suite has no cases")),
            None => Ok(suite),
        }
    }
}

impl Expect {
    /// What differs from the expectations; nothing if the case passed.
    pub(super) fn failures(&self, actual: &Actual) -> Vec<String> {
        let mut failures = Vec::new();
        let shown = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), Value::to_string);
        let error = actual.error.as_deref().unwrap_or("none");
        match &self.error {
            Some(expected) if actual.error.as_ref() != Some(expected) => {
                failures.push(format!("the error is {error}, expected {expected}"));
            }
            None if !actual.succeeded => {
                let cause = actual.cause.as_deref().unwrap_or_default();
                failures.push(format!("it failed with {error}: {cause}"));
            }
            _ => {}
        }
        if let Some(expected) = &self.cause
            && !actual.cause.as_ref().is_some_and(|cause| cause.contains(expected))
        {
            let cause = actual.cause.as_deref().unwrap_or("none");
            failures.push(format!("the cause is {cause:?}, expected a part {expected:?}"));
        }
        let output = actual.output.as_ref();
        if let Some(expected) = &self.output
            && !output.is_some_and(|output| same(output, expected))
        {
            failures.push(format!("the output is {}, expected {expected}", shown(output)));
        }
        if let Some(expected) = &self.output_includes
            && !output.is_some_and(|output| includes(output, expected))
        {
            failures.push(format!("the output is {}, expected to include {expected}", shown(output)));
        }
        if let Some(expected) = &self.next
            && actual.next.as_ref() != Some(expected)
        {
            let next = actual.next.as_deref().unwrap_or("none");
            failures.push(format!("the next state is {next}, expected {expected}"));
        }
        if let Some(expected) = &self.path
            && actual.path.as_ref() != Some(expected)
        {
            let path = actual
                .path
                .as_ref()
                .map_or_else(|| "not known for one state".to_owned(), |path| path.join(", "));
            failures.push(format!("the path is {path}, expected {}", expected.join(", ")));
        }
        failures
    }
}

/// Whether two values are the same. 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let equal =
                |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(equal)
        }
        _ => one == other,
    }
}

/// Whether a value has all fields of another.
fn includes(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(fields), Value::Object(parts)) => {
            parts.iter().all(|(name, part)| fields.get(name).is_some_and(|value| includes(value, part)))
        }
        _ => same(value, part),
    }
}

/// A field that may be null.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The mocks of states: one response for every call, a list of responses, or responses by the numbers of calls.
fn mocks<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    let states = Map::<String, Value>::deserialize(from)?;
    let numbered = |responses: Value| match responses {
        Value::Array(list) => {
            list.into_iter().enumerate().map(|(number, response)| (number.to_string(), response)).collect()
        }
        one if one.get("Return").is_some() || one.get("Throw").is_some() => {
            Value::Object(Map::from_iter([(format!("0-{}", u64::MAX), one)]))
        }
        numbered => numbered,
    };
    Ok(states.into_iter().map(|(state, responses)| (state, numbered(responses))).collect())
}
