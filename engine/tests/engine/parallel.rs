//! The Parallel state.

use engine::{Outcome, TaskError};
use serde_json::{Value, json};

use crate::fake::{Fake, run};
use crate::machines::{FUNCTION, ended, one, outcome};

fn branch(name: &str, state: Value) -> Value {
    json!({"StartAt": name, "States": {name: state}})
}

fn task(name: &str) -> Value {
    json!({"Type": "Task", "Resource": FUNCTION, "Parameters": {"name": name}, "End": true})
}

#[test]
fn outputs_are_in_the_order_of_the_branches() {
    let waits = json!({"Type": "Wait", "Seconds": 5, "End": true});
    let passes = json!({"Type": "Pass", "Result": 2, "End": true});
    let state = json!({
        "Type": "Parallel", "Branches": [branch("I", waits), branch("J", passes)],
        "Parameters": {"n.$": "$.n"}, "ResultSelector": {"first.$": "$[0].n", "second.$": "$[1]"}, "ResultPath": "$.r", "End": true
    });
    assert_eq!(outcome(&one(state), json!({"n": 1})), json!({"n": 1, "r": {"first": 1, "second": 2}}));
}

#[test]
fn failed_branch_aborts_the_others_and_can_be_caught() {
    let host = Fake::new(|call| {
        if call.payload()["name"] == "bad" {
            Err(TaskError::Error { error: "E".into(), cause: "why".into() })
        } else {
            Ok(json!(1))
        }
    });
    let late = json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "Next": "T"}, "T": task("late")}});
    let state = |catch: Value| {
        let branches = [branch("I", task("bad")), late.clone()];
        one(json!({"Type": "Parallel", "Branches": branches, "Catch": catch, "End": true}))
    };
    let failed = run(&state(json!([])), json!({}), &host).unwrap();
    assert_eq!(failed, Outcome::Failed { error: "E".into(), cause: "why".into() });
    let caught = run(
        &state(json!([{"ErrorEquals": ["E"], "ResultPath": "$.e", "Next": "B"}])),
        json!({"n": 1}),
        &host,
    )
    .unwrap();
    assert_eq!(ended(caught), json!({"n": 1, "e": {"Error": "E", "Cause": "why"}}));
    assert!(host.calls.lock().unwrap().iter().all(|call| call.payload()["name"] == "bad"));
}

#[test]
fn retry_runs_all_branches_again() {
    let left = std::sync::atomic::AtomicUsize::new(1);
    let host = Fake::new(move |call| {
        let fails =
            call.payload()["name"] == "once" && left.swap(0, std::sync::atomic::Ordering::SeqCst) == 1;
        if fails {
            Err(TaskError::Error { error: "E".into(), cause: String::new() })
        } else {
            Ok(call.payload()["name"].clone())
        }
    });
    let retry = json!([{"ErrorEquals": ["E"], "IntervalSeconds": 3}]);
    let state = json!({"Type": "Parallel", "Branches": [branch("I", task("once")), branch("J", task("other"))], "Retry": retry, "End": true});
    assert_eq!(ended(run(&one(state), json!({}), &host).unwrap()), json!(["once", "other"]));
}

#[test]
fn branches_run_in_branches() {
    let inner =
        json!({"Type": "Parallel", "Branches": [branch("J", json!({"Type": "Succeed"}))], "End": true});
    let state = json!({"Type": "Parallel", "Branches": [branch("I", inner)], "End": true});
    assert_eq!(outcome(&one(state), json!(7)), json!([[7]]));
}
