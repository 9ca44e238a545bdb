//! AWS's limits.

use engine::{ExecutionType, Journal, Outcome};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, block_on, start};

fn run_as(execution_type: ExecutionType, definition: &serde_json::Value) -> Outcome {
    let machine = Arc::new(engine::compile(&definition.to_string()).unwrap());
    let mut start = start(json!({"n": 0}));
    start.execution_type = execution_type;
    let host = Fake::echo();
    host.years.store(true, Ordering::SeqCst);
    block_on(engine::run(machine, start, host, Journal::in_memory().unwrap(), CancellationToken::new()))
        .unwrap()
}

/// A machine that loops through two states this many times, with four events each time.
fn rounds(count: u32) -> serde_json::Value {
    json!({"StartAt": "P", "States": {
        "P": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": count, "Next": "P"}], "Default": "S"},
        "S": {"Type": "Succeed"}
    }})
}

#[test]
fn standard_execution_has_at_most_25_000_events() {
    assert_eq!(run_as(ExecutionType::Standard, &rounds(6_200)), Outcome::Succeeded(json!({"n": 6_200})));
    let cause = String::from("The execution reached the maximum number of history events (25000).");
    let failed = Outcome::Failed { error: "States.Runtime".into(), cause };
    assert_eq!(run_as(ExecutionType::Standard, &rounds(6_300)), failed);
    assert_eq!(run_as(ExecutionType::Express, &rounds(6_300)), Outcome::Succeeded(json!({"n": 6_300})));
}

#[test]
fn event_limit_can_be_lifted_and_counts_per_child() {
    let mut map = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map", "ItemsPath": "$.l", "End": true, "ItemProcessor": rounds(10)
    }}});
    map["States"]["M"]["ItemProcessor"]["ProcessorConfig"] =
        json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    let ended = |definition: &serde_json::Value, input: serde_json::Value, max_events: Option<u64>| {
        let machine = Arc::new(engine::compile(&definition.to_string()).unwrap());
        let mut start = start(input);
        start.max_events = max_events;
        block_on(engine::run(
            machine,
            start,
            Fake::echo(),
            Journal::in_memory().unwrap(),
            CancellationToken::new(),
        ))
        .unwrap()
    };
    assert_eq!(ended(&rounds(6_300), json!({"n": 0}), None), Outcome::Succeeded(json!({"n": 6_300})));
    let items = json!({"l": [{"n": 0}, {"n": 0}]});
    assert_eq!(ended(&map, items.clone(), Some(60)), Outcome::Succeeded(json!([{"n": 10}, {"n": 10}])));
    assert!(matches!(ended(&map, items, Some(30)), Outcome::Failed { .. }));
}

#[test]
fn execution_has_a_time_limit() {
    const DAY: u32 = 24 * 60 * 60;
    let wait = |seconds: u32, limit: Option<u32>| {
        let mut definition =
            json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": seconds, "End": true}}});
        if let Some(limit) = limit {
            definition["TimeoutSeconds"] = limit.into();
        }
        definition
    };
    let done = Outcome::Succeeded(json!({"n": 0}));
    assert_eq!(run_as(ExecutionType::Standard, &wait(364 * DAY, None)), done);
    assert_eq!(run_as(ExecutionType::Standard, &wait(366 * DAY, Some(400 * DAY))), Outcome::TimedOut);
    assert_eq!(run_as(ExecutionType::Standard, &wait(4, Some(5))), done);
    assert_eq!(run_as(ExecutionType::Standard, &wait(6, Some(5))), Outcome::TimedOut);
    assert_eq!(run_as(ExecutionType::Express, &wait(299, None)), done);
    assert_eq!(run_as(ExecutionType::Express, &wait(301, Some(400))), Outcome::TimedOut);
}
