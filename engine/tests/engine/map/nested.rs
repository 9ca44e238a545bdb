//! Distributed Maps inside other states.

use serde_json::{Value, json};

use super::{output, with_child};
use crate::fake::Fake;

fn distributed(label: &str, child: Value) -> Value {
    let definition =
        with_child(json!({"Label": label}), child).replace("\"C\"", &format!("\"C of {label}\""));
    let definition: Value = serde_json::from_str(&definition).unwrap();
    definition["States"]["M"].clone()
}

fn who() -> Value {
    json!({"Type": "Pass", "Parameters": {"id.$": "$$.Execution.Id", "machine.$": "$$.StateMachine.Name", "input.$": "$"}, "End": true})
}

#[test]
fn distributed_map_runs_in_a_distributed_map() {
    let definition = with_child(json!({"Label": "Outer"}), distributed("Inner", who()));
    let found = output(&definition, json!([[1, 2], [3]]), &Fake::echo());
    let inputs = |n: usize| -> Vec<Value> {
        found[n].as_array().unwrap().iter().map(|child| child["input"].clone()).collect()
    };
    assert_eq!((inputs(0), inputs(1)), (vec![json!(1), json!(2)], vec![json!(3)]));
    // A child of a child belongs to the same machine.
    assert_eq!(found[0][0]["machine"], "machine/Inner");
    assert!(found[0][0]["id"].as_str().unwrap().contains(":execution:machine/Inner:"));
}

#[test]
fn distributed_map_runs_in_an_inline_map() {
    let map = json!({"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "D", "States": {"D": distributed("L", who())}}});
    let definition = json!({"StartAt": "M", "States": {"M": map}}).to_string();
    let host = Fake::echo();
    let found = output(&definition, json!([[1], [2, 3]]), &host);
    assert_eq!((&found[0][0]["input"], &found[1][1]["input"]), (&json!(1), &json!(3)));
    assert_eq!(host.map_runs.lock().unwrap().len(), 2);
}

#[test]
fn distributed_map_runs_in_a_parallel() {
    let branch = |label: &str| json!({"StartAt": label, "States": {label: distributed(label, who())}});
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true}}});
    let found = output(&definition.to_string(), json!([1]), &Fake::echo());
    assert_eq!(
        (&found[0][0]["machine"], &found[1][0]["machine"]),
        (&json!("machine/A"), &json!("machine/B"))
    );
}

#[test]
fn retry_is_a_new_run_over_all_items() {
    let fail_once = std::sync::Mutex::new(true);
    let host = Fake::new(move |call| {
        if call.payload() == 2 && std::mem::take(&mut *fail_once.lock().unwrap()) {
            Err(engine::TaskError::Error { error: "Bad".into(), cause: String::new() })
        } else {
            Ok(call.payload().clone())
        }
    });
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let retry =
        json!({"MaxConcurrency": 1, "Retry": [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"]}]});
    assert_eq!(output(&with_child(retry, task), json!([1, 2, 3]), &host), json!([1, 2, 3]));
    let payloads: Vec<u64> =
        host.calls.lock().unwrap().iter().map(|call| call.payload().as_u64().unwrap()).collect();
    assert_eq!(payloads, [1, 2, 1, 2, 3]);
    let runs = host.map_runs.lock().unwrap();
    assert_ne!(runs[0].arn, runs[1].arn);
}
