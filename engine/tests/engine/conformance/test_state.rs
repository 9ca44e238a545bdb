//! Single states, compared with AWS's TestState.

use std::sync::Arc;

use engine::{InspectionLevel, TaskCall, TaskError, TestError, TestRequest, test_state};
use serde_json::{Value, json};

use super::names::Names;
use crate::fake::{Fake, block_on};

pub(super) fn check(case: &Value) -> Option<String> {
    let found = run(case);
    let expected = &case["expected"];
    let expected = match &expected["api_error"] {
        Value::Null => expected.clone(),
        error => json!({"refused": message(error)}),
    };
    let names = Names::of(case);
    let (expected, found) = (normal(&names, &expected), normal(&names, &found));
    (expected != found).then(|| format!("\n  expected {expected}\n  found    {found}"))
}

/// Errors were recorded both in AWS's form and in the form of its client.
fn message(error: &Value) -> String {
    let raised = error["exception_value"].as_str().unwrap_or_default();
    let raised = raised.split_once(" operation: ").map_or(raised, |(_, message)| message);
    error["Error"]["Message"].as_str().unwrap_or(raised).to_owned()
}

fn run(case: &Value) -> Value {
    let definition =
        case["definition_text"].as_str().map_or_else(|| case["definition"].to_string(), str::to_owned);
    let params = &case["test_state_params"];
    let mut request = params.clone();
    let fields = request.as_object_mut().unwrap();
    fields.remove("stateName");
    fields.remove("inspectionLevel");
    let mut request: TestRequest = serde_json::from_value(request).unwrap();
    // The recordings omit the role, and the default input.
    let without_role = case["expected"].to_string().contains("\"RoleArn\":null");
    request.role_arn = (!without_role).then(|| "arn:aws:iam::111111111111:role/made up".into());
    request.input = (!case["input"].is_null()).then(|| case["input"].to_string());
    let level = match params["inspectionLevel"].as_str() {
        Some("DEBUG") => InspectionLevel::Debug,
        Some("TRACE") => InspectionLevel::Trace,
        _ => InspectionLevel::Info,
    };
    let host = host(case["lambdas"][0]["behaviour"].clone());
    match block_on(test_state(&definition, params["stateName"].as_str(), &request, host)) {
        Ok(result) => result.to_json(level),
        Err(TestError::Refused(refused)) => json!({"refused": refused.message}),
        Err(TestError::Stopped(stop)) => json!({"stopped": stop.to_string()}),
    }
}

fn host(behaviour: Value) -> Arc<Fake> {
    Fake::new(move |call: &TaskCall| match (behaviour["kind"].as_str(), call.payload()) {
        (Some("return_json_text"), _) => {
            Ok(serde_json::from_str(behaviour["text"].as_str().unwrap()).unwrap())
        }
        // A function without a payload receives an empty object.
        (Some("echo"), Value::Null) => Ok(json!({})),
        (Some("echo"), payload) => Ok(payload.clone()),
        other => {
            Err(TaskError::Error { error: "Replay".into(), cause: format!("{other:?} is not replayed") })
        }
    })
}

/// Removes what is particular to a recording: generated names, and values that depend on a connection.
fn normal(names: &Names, value: &Value) -> Value {
    let mut text = value.to_string().replace("local:000000000000", "<region>:111111111111");
    while let Some((before, (_, after))) =
        text.split_once("<resource:").and_then(|(before, rest)| Some((before, rest.split_once('>')?)))
    {
        text = format!("{before}made up{after}");
    }
    for i in 0..4 {
        text = text.replace(&format!("00000000-0000-4000-8000-{i:012}"), "made up");
    }
    unconnected(names.normalised(&serde_json::from_str(&text).unwrap()))
}

fn unconnected(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(name, _)| name != "SdkHttpMetadata" && name != "SdkResponseMetadata");
            Value::Object(kept.map(|(name, value)| (name, unconnected(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(unconnected).collect(),
        other => other,
    }
}
