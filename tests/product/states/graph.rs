//! `states graph`.

use serde_json::json;
use testing::Scene;

use super::scene;

#[test]
fn states_graph_draws_a_definition() {
    let scene = Scene::new("", "none", "");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/definition.asl.json");
    scene.run(&["states", "graph", root, "-o", "picture.svg"]).expect(0);
    let svg = scene.read("picture.svg");
    for name in ["Preprocess", "Lanes", "Process lines", "Merge on"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        assert!(svg.contains(&format!("data-state=\"{name}\"")), "{name}");
    }
    for text in [">Distributed Map: ", ">Lambda: WorkerFunction<", "any error", "prefers-color-scheme:dark"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    // Each of the 24 states once.
    assert_eq!(svg.matches("data-state=").count(), 24);
    let printed = scene.run(&["states", "graph", root]).expect(0).stdout;
    assert_eq!(printed, svg);
}

#[test]
fn picture_says_what_states_do_and_why_edges_are_taken() {
    let scene = scene(&json!({ "StartAt": "Ask", "States": {
        "Ask": {
            "Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": { "TableName": "orders", "Key": {} },
            "Retry": [{ "ErrorEquals": ["DynamoDb.Throttled"], "MaxAttempts": 2 }],
            "Catch": [{ "ErrorEquals": ["States.Timeout"], "Next": "Sorry" }],
            "Next": "Large?"
        },
        "Large?": { "Type": "Choice", "Choices": [{ "Variable": "$.total", "NumericGreaterThan": 100, "Next": "Pause" }], "Default": "Good" },
        "Pause": { "Type": "Wait", "Seconds": 3600, "Next": "Good" },
        "Good": { "Type": "Succeed" },
        "Sorry": { "Type": "Fail", "Error": "Too<late" }
    }}));
    let svg = scene.run(&["states", "graph", "machine.json"]).expect(0).stdout;
    for text in [
        ">DynamoDB: get item (orders)<",
        ">Retry twice: DynamoDb.",
        "on timeout</text>",
        "total &gt; 100</text>",
        "otherwise</text>",
        ">Wait 1 hour<",
        ">Succeed<",
        ">Fail: Too&lt;late<",
    ] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
}
