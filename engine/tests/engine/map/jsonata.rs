//! The fields of a Distributed Map in JSONata.

use engine::MapRunLimits;
use serde_json::{Value, json};

use super::output;
use crate::fake::Fake;

fn machine(fields: Value) -> String {
    let text = super::machine(fields);
    text.replacen("{\"StartAt\":\"M\"", "{\"QueryLanguage\":\"JSONata\",\"StartAt\":\"M\"", 1)
}

fn host() -> std::sync::Arc<Fake> {
    let host = Fake::echo();
    host.put("b", "file", "[1, 2, 3, 4, 5]");
    host
}

fn reader(config: Value) -> Value {
    let arguments = json!({"Bucket": "{% $states.input.bucket %}", "Key": "file"});
    json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Arguments": arguments}})
}

#[test]
fn reader_fields_take_expressions() {
    let definition = machine(reader(json!({"InputType": "JSON", "MaxItems": "{% $states.input.n %}"})));
    assert_eq!(output(&definition, json!({"bucket": "b", "n": 2}), &host()), json!([1, 2]));
}

#[test]
fn selector_and_batcher_take_expressions() {
    let mut fields = reader(json!({"InputType": "JSON"}));
    fields["ItemSelector"] =
        json!({"v": "{% $states.context.Map.Item.Value * 10 + $states.context.Map.Item.Index %}"});
    fields["ItemBatcher"] = json!({
        "MaxItemsPerBatch": "{% $states.input.n %}", "MaxInputBytesPerBatch": "{% $states.input.n * 100 %}",
        "BatchInput": {"fact": "{% $states.input.bucket %}"}
    });
    let found = output(&machine(fields), json!({"bucket": "b", "n": 3}), &host());
    let batch = |items: Value| json!({"BatchInput": {"fact": "b"}, "Items": items});
    assert_eq!(
        found,
        json!([batch(json!([{"v": 10}, {"v": 21}, {"v": 32}])), batch(json!([{"v": 43}, {"v": 54}]))])
    );
}

#[test]
fn map_fields_take_expressions() {
    let fields = json!({
        "Items": "{% $states.input.list %}", "MaxConcurrency": "{% 1 + 1 %}",
        "ToleratedFailureCount": "{% $states.input.n %}", "ToleratedFailurePercentage": "{% 50.5 %}",
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "{% 'out' %}", "Prefix": "{% $states.input.n & '' %}"},
            "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"}
        }
    });
    let host = host();
    let found = output(&machine(fields), json!({"list": [1, 2], "n": 7}), &host);
    let key = found["ResultWriterDetails"]["Key"].as_str().unwrap();
    assert!(key.starts_with("7/"), "{found}");
    assert_eq!(host.json(&format!("out/{}", key.replace("manifest", "SUCCEEDED_0"))), json!([1, 2]));
    let status = host.map_runs.lock().unwrap()[0].clone();
    assert_eq!(
        status.limits(),
        MapRunLimits {
            max_concurrency: 2,
            tolerated_failure_count: Some(7),
            tolerated_failure_percentage: Some(50.5)
        }
    );
}
