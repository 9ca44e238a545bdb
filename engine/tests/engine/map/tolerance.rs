//! ToleratedFailureCount and ToleratedFailurePercentage.

use engine::TaskError;
use serde_json::{Value, json};

use super::{merged, output, with_child};
use crate::fake::Fake;

/// Maps over this many items, one child after the other. The first `failing` items fail.
fn run(fields: Value, items: usize, failing: usize) -> Value {
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let host = Fake::new(move |call| {
        let item = call.payload().get("Items").map_or(call.payload(), |items| &items[0]);
        if item.as_u64().unwrap() < failing as u64 {
            Err(TaskError::Error { error: "Bad".into(), cause: "very".into() })
        } else {
            Ok(call.payload().clone())
        }
    });
    let fields = merged(json!({"MaxConcurrency": 1, "ItemsPath": "$.items"}), fields);
    let input = json!({"items": (0..items).collect::<Vec<_>>(), "n": 2, "p": 50.0});
    output(&with_child(fields, task), input, &host)
}

fn exceeded() -> Value {
    json!([
        "States.ExceedToleratedFailureThreshold",
        "The specified tolerated failure threshold was exceeded"
    ])
}

#[test]
fn no_failure_is_tolerated_by_default() {
    assert_eq!(run(json!({}), 2, 1), exceeded());
    assert_eq!(run(json!({"ToleratedFailureCount": 0}), 2, 1), exceeded());
}

#[test]
fn tolerated_count_is_the_most_failures() {
    for fields in [json!({"ToleratedFailureCount": 2}), json!({"ToleratedFailureCountPath": "$.n"})] {
        assert_eq!(run(fields.clone(), 5, 2), json!([2, 3, 4]));
        assert_eq!(run(fields, 5, 3), exceeded());
    }
}

#[test]
fn tolerated_percentage_is_of_all_items() {
    for fields in
        [json!({"ToleratedFailurePercentage": 50}), json!({"ToleratedFailurePercentagePath": "$.p"})]
    {
        assert_eq!(run(fields.clone(), 4, 2), json!([2, 3]));
        assert_eq!(run(fields, 4, 3), exceeded());
    }
    assert_eq!(run(json!({"ToleratedFailurePercentage": 33.4}), 3, 1), json!([1, 2]));
    assert_eq!(run(json!({"ToleratedFailurePercentage": 33.3}), 3, 1), exceeded());
    assert_eq!(run(json!({"ToleratedFailurePercentage": 100}), 3, 3), json!([]));
}

#[test]
fn either_of_two_thresholds_fails_the_run() {
    assert_eq!(run(json!({"ToleratedFailureCount": 1, "ToleratedFailurePercentage": 90}), 9, 2), exceeded());
    assert_eq!(run(json!({"ToleratedFailureCount": 9, "ToleratedFailurePercentage": 10}), 9, 2), exceeded());
    assert_eq!(
        run(json!({"ToleratedFailureCount": 2, "ToleratedFailurePercentage": 90}), 4, 2),
        json!([2, 3])
    );
}

#[test]
fn all_items_of_a_failed_batch_count_as_failed() {
    let batches = |fields| run(merged(fields, json!({"ItemBatcher": {"MaxItemsPerBatch": 3}})), 6, 1);
    assert_eq!(batches(json!({"ToleratedFailureCount": 3})), json!([{"Items": [3, 4, 5]}]));
    assert_eq!(batches(json!({"ToleratedFailureCount": 2})), exceeded());
    assert_eq!(batches(json!({"ToleratedFailurePercentage": 50})), json!([{"Items": [3, 4, 5]}]));
    assert_eq!(batches(json!({"ToleratedFailurePercentage": 49})), exceeded());
}

#[test]
fn values_that_are_not_thresholds_fail_the_state() {
    let prefix = "An error occurred while executing the state 'M' (entered at the event id #2). ";
    for (name, value, cause) in [
        ("Count", json!(-1), "ToleratedFailureCount cannot be negative."),
        (
            "Count",
            json!({}),
            "The ToleratedFailureCountPath field refers to value \"{}\" which is not a valid integer: $.v",
        ),
        ("Percentage", json!(100.1), "ToleratedFailurePercentage must be between 0 and 100."),
        (
            "Percentage",
            json!("NoNumber"),
            "The ToleratedFailurePercentagePath field refers to value \"NoNumber\" which is not a valid float: $.v",
        ),
    ] {
        let fields = json!({"ItemsPath": "$.items", format!("ToleratedFailure{name}Path"): "$.v"});
        let failed = output(&super::machine(fields), json!({"items": [0], "v": value}), &Fake::echo());
        assert_eq!(failed, json!(["States.Runtime", format!("{prefix}{cause}")]));
    }
}
