//! Whether what was found is what was recorded.

use serde_json::{Value, json};

use super::names::Names;

pub(super) fn results(names: &Names, expected: &Value, found: &Value) -> Option<String> {
    for name in ["status", "output", "error", "cause"] {
        let parsed = |value: &Value| value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone());
        let expected = names.normalised(&json!({"output": parsed(&expected[name])}));
        let found = match name {
            "output" => found[name].clone(),
            _ => parsed(&found[name]),
        };
        let found = names.normalised(&json!({"output": found}));
        if expected != found && !(blank(&expected["output"]) && blank(&found["output"])) {
            return Some(format!("{name}\n  expected {}\n  found    {}", expected["output"], found["output"]));
        }
    }
    None
}

fn blank(value: &Value) -> bool {
    value.is_null() || *value == ""
}

pub(super) fn histories(names: &Names, case: &Value, found: &[Value]) -> Option<String> {
    let recorded = case["expected_history"].as_array().unwrap();
    // Where branches ran side by side, their events have no order among them.
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
        // The end of a Parallel was lost in the recording.
        let lost = ["ParallelStateSucceeded", "ParallelStateFailed"];
        found.retain(|event| !lost.contains(&event["type"].as_str().unwrap()));
        expected.retain(|event| !lost.contains(&event["type"].as_str().unwrap()));
    }
    let differs = expected.iter().zip(&found).find(|(expected, found)| expected != found);
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

fn starts_together(events: &[Value]) -> bool {
    let mut starts = events.iter().filter(|event| event["type"] == "MapIterationStarted").map(|event| &event["previousEventId"]);
    let mut seen = Vec::new();
    starts.any(|previous| {
        let twice = seen.contains(&previous);
        seen.push(previous);
        twice
    })
}
