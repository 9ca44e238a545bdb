//! ItemBatcher.

use serde_json::{Value, json};

use super::{machine, output};
use crate::fake::Fake;

fn batches(batcher: Value, input: Value) -> Value {
    let fields = json!({"ItemsPath": "$.items", "ItemBatcher": batcher});
    output(&machine(fields), input, &Fake::echo())
}

#[test]
fn batches_have_the_given_number_of_items() {
    let found = batches(json!({"MaxItemsPerBatch": 2}), json!({"items": [1, 2, 3, 4, 5]}));
    assert_eq!(found, json!([{"Items": [1, 2]}, {"Items": [3, 4]}, {"Items": [5]}]));
    assert_eq!(batches(json!({"MaxItemsPerBatch": 2}), json!({"items": []})), json!([]));
}

#[test]
fn batch_keeps_its_byte_limit() {
    // {"Items":["aa","bb"]} has 21 bytes.
    let input = json!({"items": ["aa", "bb", "cc", "dddddddddd"], "n": 21});
    let expected = json!([{"Items": ["aa", "bb"]}, {"Items": ["cc"]}, {"Items": ["dddddddddd"]}]);
    let mut longer = input.clone();
    longer["n"] = 24.into();
    assert_eq!(batches(json!({"MaxInputBytesPerBatch": 24}), input.clone()), expected);
    assert_eq!(batches(json!({"MaxInputBytesPerBatchPath": "$.n"}), longer), expected);
    let failed = batches(json!({"MaxInputBytesPerBatchPath": "$.n"}), input);
    assert_eq!(failed[0], "States.DataLimitExceeded");
}

#[test]
fn both_batch_limits_apply_together() {
    let found = batches(
        json!({"MaxItemsPerBatch": 3, "MaxInputBytesPerBatch": 17}),
        json!({"items": [1, 2, 3, 4, "abc", 5]}),
    );
    assert_eq!(found, json!([{"Items": [1, 2, 3]}, {"Items": [4]}, {"Items": ["abc"]}, {"Items": [5]}]));
}

#[test]
fn batch_never_exceeds_256_kib() {
    let item = "x".repeat(100 * 1024);
    let host = Fake::echo();
    let definition = super::with_child(
        json!({"ItemsPath": "$.lengths", "ItemSelector": {"s.$": "$.long"}, "ItemBatcher": {"MaxItemsPerBatch": 10}}),
        json!({"Type": "Pass", "Parameters": {"n.$": "States.ArrayLength($.Items)"}, "End": true}),
    );
    let found = output(&definition, json!({"lengths": [1, 2, 3, 4, 5], "long": item}), &host);
    assert_eq!(found, json!([{"n": 2}, {"n": 2}, {"n": 1}]));
}

#[test]
fn batch_input_is_in_every_batch_and_counts() {
    let batcher = json!({"MaxItemsPerBatchPath": "$.n", "BatchInput": {"fact.$": "$.fact", "plain": 1}});
    let found = batches(batcher, json!({"items": [1, 2, 3], "n": 2, "fact": "f"}));
    let input = json!({"fact": "f", "plain": 1});
    assert_eq!(found, json!([{"BatchInput": input, "Items": [1, 2]}, {"BatchInput": input, "Items": [3]}]));
    let batcher = json!({"MaxInputBytesPerBatch": 40, "BatchInput": {"long": "0123456789"}});
    let found = batches(batcher, json!({"items": [1]}));
    assert_eq!(found[0], "States.DataLimitExceeded");
}

#[test]
fn item_selector_runs_before_batching() {
    let fields = json!({"ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"}, "ItemBatcher": {"MaxItemsPerBatch": 2}});
    let found = output(&machine(fields), json!(["a", "b", "c"]), &Fake::echo());
    assert_eq!(
        found,
        json!([{"Items": [{"i": 0, "v": "a"}, {"i": 1, "v": "b"}]}, {"Items": [{"i": 2, "v": "c"}]}])
    );
}

#[test]
fn batch_has_at_least_one_item() {
    for (name, n) in [("MaxItemsPerBatch", 0), ("MaxItemsPerBatch", -1), ("MaxInputBytesPerBatch", 0)] {
        let failed = batches(json!({format!("{name}Path"): "$.n"}), json!({"items": [1], "n": n}));
        assert_eq!(failed[0], "States.Runtime");
        assert!(failed[1].as_str().unwrap().ends_with(&format!("field {name} must be positive")), "{failed}");
    }
}
