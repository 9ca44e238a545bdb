//! Recorded cases of AWS's own answers, where they are at hand: those whose machines this version
//! compiles are run and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Journal, Outcome, Start, TaskError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, block_on};

/// Parts of the names of cases that come out otherwise, each with the reason.
const KNOWN: &[(&str, &str)] = &[
    (
        "catch_state_all_data_limit_exceeded",
        "recorded: States.ALL catches a task's oversized result; documented, and done here: it does not",
    ),
    ("TestExpressAsync::test_catch", "its tasks were not recorded"),
    ("TestExpressSync::test_catch", "its tasks were not recorded"),
    ("test_format_2#7", "AWS prints objects in a format as {k=v}"),
    ("test_string_to_json#3", "-0 is a negative zero here"),
    ("test_math_random", "the recorded number was replaced by a word"),
    ("test_max_concurrency_path_negative", "recorded while it was running"),
    ("test_stop_execution", "needs StopExecution"),
];

#[test]
fn recorded_cases() {
    let path =
        std::env::var("ASL_CASES").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/cases.jsonl").into());
    let Ok(cases) = std::fs::read_to_string(&path) else {
        eprintln!("no recorded cases at {path}");
        return;
    };
    let (mut equal, mut refused, mut misses) = (0, 0, Vec::new());
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if case["kind"] != "execution"
            || case["trust"] != "aws"
            || case["output_nondeterministic"] == true
            || case["clock_captured"] == true
        {
            continue;
        }
        match check(&case) {
            None => refused += 1,
            Some(Ok(())) => equal += 1,
            Some(Err(miss)) => misses.push(format!("{}: {miss}", case["id"].as_str().unwrap_or_default())),
        }
    }
    eprintln!("{equal} equal, {} not, {refused} not supported or not replayable", misses.len());
    let unknown = |miss: &&String| !KNOWN.iter().any(|(name, _)| miss.contains(name));
    let unknown: Vec<&String> = misses.iter().filter(unknown).collect();
    assert!(equal > 0 && unknown.is_empty(), "{unknown:#?}");
}

fn check(case: &Value) -> Option<Result<(), String>> {
    let definition = case["definition_text"].as_str().map_or_else(|| case["definition"].to_string(), str::to_owned);
    let machine = engine::compile(&definition).ok()?;
    // What tasks answered is replayed; without a record of it, there is nothing to compare.
    let mut replay: BTreeMap<usize, Result<Value, TaskError>> = BTreeMap::new();
    for (i, task) in case["task_replay"].as_array().into_iter().flatten().enumerate() {
        replay.insert(i, answer(&task["outcome"])?);
    }
    if replay.is_empty() && !machine.functions().is_empty() {
        return None;
    }
    let left = std::sync::Mutex::new(replay.into_values());
    let host = Fake::new(move |_| {
        let cause = String::from("no more answers");
        left.lock().unwrap().next().unwrap_or(Err(TaskError::Error { error: "Replay".into(), cause }))
    });
    for object in case["s3_objects"].as_array().into_iter().flatten() {
        if let (Some(bucket), Some(key), Some(body)) = (object["bucket"].as_str(), object["key"].as_str(), object["body"].as_str()) {
            host.put(bucket, key, body.to_owned());
        }
    }
    let input = if case["input_given"] == false { json!({}) } else { case["input"].clone() };
    let id = "arn:<partition>:states:<region>:111111111111:execution:<ArnPart_0idx>:<ExecArnPart_0idx>";
    let mut start = Start::new(id, input);
    start.role_arn = "snf_role_arn".into();
    let run = engine::run(Arc::new(machine), start, host, Journal::in_memory().unwrap(), CancellationToken::new());
    let found = match block_on(run).unwrap() {
        Outcome::Succeeded(output) => json!({"status": "SUCCEEDED", "output": output, "error": null, "cause": null}),
        Outcome::Failed { error, cause } => json!({"status": "FAILED", "output": null, "error": error, "cause": cause}),
    };
    let mut expected = case["expected"].clone();
    for name in ["output", "cause"] {
        if let Some(text) = expected[name].as_str() {
            expected[name] = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        }
    }
    let mut compared = found;
    if let Some(parsed) = compared["cause"].as_str().and_then(|text| serde_json::from_str(text).ok()) {
        compared["cause"] = parsed;
    }
    for name in ["status", "output", "error", "cause"] {
        if compared[name] != expected[name] && !(blank(&compared[name]) && blank(&expected[name])) {
            return Some(Err(format!("{name}: {} expected, {} found", expected[name], compared[name])));
        }
    }
    Some(Ok(()))
}

fn blank(value: &Value) -> bool {
    value.is_null() || *value == ""
}

/// The payload or error that a recorded task ended with.
fn answer(outcome: &Value) -> Option<Result<Value, TaskError>> {
    if let Some(error) = outcome["error"].as_str() {
        let cause = outcome["cause"].as_str().map_or_else(|| outcome["cause"].to_string(), str::to_owned);
        return Some(Err(TaskError::Error { error: error.into(), cause }));
    }
    let output = outcome.get("output")?;
    let output: Value = match output.as_str() {
        Some(text) => serde_json::from_str(text).ok()?,
        None => output.clone(),
    };
    Some(Ok(output.get("Payload").cloned().unwrap_or(output)))
}
