//! Histories: the events, and the event that each one follows.

use std::sync::Arc;

use engine::{Event, History, Journal, TaskError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, block_on, start};
use crate::machines::{FUNCTION, one};

fn history(definition: &str, input: Value, host: &Arc<Fake>) -> Vec<Event> {
    let machine = Arc::new(engine::compile(definition).unwrap_or_else(|problems| panic!("{problems}")));
    let history = History::default();
    let mut start = start(input);
    start.history = Some(history.clone());
    block_on(engine::run(
        machine,
        start,
        host.clone(),
        Journal::in_memory().unwrap(),
        CancellationToken::new(),
    ))
    .unwrap();
    history.events()
}

fn outline(events: &[Event]) -> Vec<(u64, u64, &str)> {
    events.iter().map(|event| (event.id, event.previous, event.kind.as_str())).collect()
}

#[test]
fn history_of_a_state_that_is_entered_and_exited() {
    let definition = one(json!({"Type": "Pass", "Result": 2, "Assign": {"v": [1]}, "End": true}));
    let events = history(&definition, json!({"n": 1}), &Fake::echo());
    let kinds = [
        (1, 0, "ExecutionStarted"),
        (2, 0, "PassStateEntered"),
        (3, 2, "PassStateExited"),
        (4, 3, "ExecutionSucceeded"),
    ];
    assert_eq!(outline(&events), kinds);
    let exited = json!({
        "timestamp": 1_700_000_000.0, "type": "PassStateExited", "id": 3, "previousEventId": 2,
        "stateExitedEventDetails": {
            "name": "A", "output": "2", "outputDetails": {"truncated": false},
            "assignedVariables": {"v": "[1]"}, "assignedVariablesDetails": {"truncated": false}
        }
    });
    assert_eq!(events[2].to_json(), exited);
}

#[test]
fn history_of_a_retried_and_caught_task() {
    let host = Fake::new(|_| Err(TaskError::Error { error: "E".into(), cause: "why".into() }));
    let definition = one(json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"}, "TimeoutSeconds": 9,
        "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}], "Catch": [{"ErrorEquals": ["E"], "Next": "B"}], "End": true
    }));
    let events = history(&definition, json!({}), &host);
    let expected = [
        (1, 0, "ExecutionStarted"),
        (2, 0, "TaskStateEntered"),
        (3, 2, "TaskScheduled"),
        (4, 3, "TaskStarted"),
        (5, 4, "TaskFailed"),
        (6, 5, "TaskScheduled"),
        (7, 6, "TaskStarted"),
        (8, 7, "TaskFailed"),
        (9, 8, "TaskStateExited"),
        (10, 9, "PassStateEntered"),
        (11, 10, "PassStateExited"),
        (12, 11, "ExecutionSucceeded"),
    ];
    assert_eq!(outline(&events), expected);
    let scheduled = json!({
        "parameters": "{\"FunctionName\":\"f\"}", "region": "eu-west-1", "resource": "invoke", "resourceType": "lambda", "timeoutInSeconds": 9
    });
    assert_eq!(events[2].details, Some(("taskScheduledEventDetails", scheduled)));
    let failed = json!({"error": "E", "cause": "why", "resource": "invoke", "resourceType": "lambda"});
    assert_eq!(events[4].details, Some(("taskFailedEventDetails", failed)));
}

#[test]
fn history_of_consecutive_iterations() {
    let definition = one(json!({
        "Type": "Map", "MaxConcurrency": 1, "End": true,
        "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}
    }));
    let expected = [
        (1, 0, "ExecutionStarted"),
        (2, 0, "MapStateEntered"),
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "PassStateEntered"),
        (6, 5, "PassStateExited"),
        (7, 6, "MapIterationSucceeded"),
        (8, 6, "MapIterationStarted"),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded"),
        (12, 11, "MapStateSucceeded"),
        (13, 11, "MapStateExited"),
        (14, 13, "ExecutionSucceeded"),
    ];
    assert_eq!(outline(&history(&definition, json!([1, 2]), &Fake::echo())), expected);
}

#[test]
fn history_of_a_failed_expression() {
    let definition =
        one(json!({"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"x": "{% $none %}"}, "End": true}));
    let events = history(&definition, json!({}), &Fake::echo());
    let kinds = [
        (1, 0, "ExecutionStarted"),
        (2, 0, "PassStateEntered"),
        (3, 0, "EvaluationFailed"),
        (4, 3, "ExecutionFailed"),
    ];
    assert_eq!(outline(&events), kinds);
    let (_, details) = events[2].details.clone().unwrap();
    assert_eq!((&details["location"], &details["state"]), (&json!("Output/x"), &json!("A")));
}

#[test]
fn history_of_branches_of_which_one_fails() {
    let branch = |name: &str, state: Value| json!({"StartAt": name, "States": {name: state}});
    let failing = json!({"Type": "Fail", "Error": "E"});
    let slow = json!({"Type": "Task", "Resource": FUNCTION, "End": true});
    let definition =
        one(json!({"Type": "Parallel", "Branches": [branch("I", slow), branch("J", failing)], "End": true}));
    let events = history(&definition, json!({}), &Fake::echo());
    let kinds: Vec<&str> = events.iter().skip(2).map(|event| event.kind.as_str()).collect();
    let expected = [
        "ParallelStateStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "FailStateEntered",
        "TaskStateAborted",
        "ParallelStateFailed",
        "ExecutionFailed",
    ];
    assert_eq!(kinds, expected);
    let last = &events[events.len() - 2..];
    assert_eq!((last[0].previous, last[1].previous), (7, last[0].id));
}

#[test]
fn history_ends_when_an_execution_with_running_branches_times_out() {
    let waits = |name: &str| {
        let task = json!({"Type": "Task", "Resource": "arn:aws:states:eu-west-1:000000000000:activity:a", "End": true});
        json!({"StartAt": name, "States": {name: task}})
    };
    let parallel = json!({"Type": "Parallel", "Branches": [waits("B"), waits("C")], "End": true});
    let mut definition: Value = serde_json::from_str(&one(parallel)).unwrap();
    definition["TimeoutSeconds"] = json!(5);
    let events = history(&definition.to_string(), json!({}), &Fake::echo());
    assert_eq!(events.last().map(|event| event.kind.as_str()), Some("ExecutionTimedOut"));
}
