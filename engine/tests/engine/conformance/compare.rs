//! Compares results and histories with the recorded ones.

use serde_json::{Value, json};

use super::names::{Names, same_text};

pub(super) fn results(names: &Names, expected: &Value, found: &Value) -> Option<String> {
    for name in ["status", "output", "error", "cause"] {
        let parsed = |value: &Value| {
            value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
        };
        let expected = names.normalised(&json!({"output": parsed(&expected[name])}));
        let found = match name {
            "output" => found[name].clone(),
            _ => parsed(&found[name]),
        };
        let found = names.normalised(&json!({"output": found}));
        let equal = same(&expected, &found) || (blank(&expected["output"]) && blank(&found["output"]));
        if !equal {
            return Some(format!(
                "{name}\n  expected {}\n  found    {}",
                expected["output"], found["output"]
            ));
        }
    }
    None
}

pub(super) fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(expected), Value::String(found)) => same_text(expected, found),
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| same(expected, found))
        }
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|found| same(value, found)))
        }
        _ => expected == found,
    }
}

fn blank(value: &Value) -> bool {
    value.is_null() || *value == ""
}

pub(super) fn histories(names: &Names, case: &Value, found: &[Value]) -> Option<String> {
    let recorded = &as_today(case);
    // The events of concurrent branches have no order.
    let side_by_side = case["history_normalised"] == true || starts_together(recorded);
    let normal = |event: &Value| {
        let mut event = event.as_object().unwrap().clone();
        event.remove("timestamp");
        if side_by_side {
            event.remove("id");
            event.remove("previousEventId");
        }
        names.normalised(&event.into())
    };
    let mut expected: Vec<Value> = recorded.iter().map(normal).collect();
    let mut found: Vec<Value> = found.iter().map(normal).collect();
    if side_by_side {
        let key = |event: &Value| event.to_string();
        expected.sort_by_key(key);
        found.sort_by_key(key);
    }
    if case["history_normalised"] == true {
        // The recording lost the end of a Parallel.
        let lost = ["ParallelStateSucceeded", "ParallelStateFailed"];
        found.retain(|event| !lost.contains(&event["type"].as_str().unwrap()));
        expected.retain(|event| !lost.contains(&event["type"].as_str().unwrap()));
    }
    let differs = expected.iter().zip(&found).find(|(expected, found)| !same(expected, found));
    match differs {
        Some((expected, found)) => Some(format!("\n  expected {expected}\n  found    {found}")),
        None if expected.len() != found.len() => {
            let last = |events: &[Value]| events.last().map(|event| event["type"].clone());
            Some(format!(
                "{} events expected, {} found, of which the last: {:?}, {:?}",
                expected.len(),
                found.len(),
                last(&expected),
                last(&found)
            ))
        }
        None => None,
    }
}

/// Until November 2024 the exit of a Distributed Map followed the end of its run. Since then it follows the
/// start of the run.
fn as_today(case: &Value) -> Vec<Value> {
    let mut events = case["expected_history"].as_array().unwrap().clone();
    for i in 2..events.len() {
        let types = [&events[i - 2]["type"], &events[i]["type"]];
        if types == ["MapRunSucceeded", "MapStateExited"]
            && events[i]["previousEventId"] == events[i - 2]["id"]
        {
            events[i]["previousEventId"] = events[i - 3]["id"].clone();
        }
    }
    events
}

fn starts_together(events: &[Value]) -> bool {
    let mut starts = events
        .iter()
        .filter(|event| event["type"] == "MapIterationStarted")
        .map(|event| &event["previousEventId"]);
    let mut seen = Vec::new();
    starts.any(|previous| {
        let twice = seen.contains(&previous);
        seen.push(previous);
        twice
    })
}
