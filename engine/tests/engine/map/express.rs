//! Children as Express executions.

use serde_json::{Value, json};

use super::{merged, output, writer};
use crate::fake::Fake;

fn express(fields: Value, states: Value) -> String {
    let processor = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "A", "States": states});
    let map = merged(json!({"Type": "Map", "Label": "L", "ItemProcessor": processor, "End": true}), fields);
    json!({"StartAt": "M", "States": {"M": map}}).to_string()
}

fn wait(seconds: u32) -> Value {
    json!({"A": {"Type": "Wait", "Seconds": seconds, "Next": "B"},
           "B": {"Type": "Pass", "Parameters": {"id.$": "$$.Execution.Id"}, "End": true}})
}

#[test]
fn express_child_has_an_express_arn() {
    let found = output(&express(json!({}), wait(299)), json!([1]), &Fake::echo());
    let id = found[0]["id"].as_str().unwrap();
    assert!(id.starts_with("arn:aws:states:eu-west-1:000000000000:express:machine/L:"), "{id}");
    assert_eq!(id.split(':').count(), 9);
}

#[test]
fn express_child_times_out_after_five_minutes() {
    let host = Fake::echo();
    let definition = express(merged(writer(Value::Null), json!({"ToleratedFailureCount": 1})), wait(301));
    output(&definition, json!([1]), &host);
    let key = host.objects.lock().unwrap().keys().find(|key| key.ends_with("FAILED_0.json")).cloned();
    let record = &host.json(&key.unwrap())[0];
    assert_eq!((&record["Status"], &record["Error"]), (&json!("TIMED_OUT"), &json!("States.Timeout")));
    assert_eq!(record["StopDate"], "2023-11-14T22:18:20.000Z");
    let counts = host.map_runs.lock().unwrap()[0].executions();
    assert_eq!((counts.timed_out, counts.failed), (1, 0));
}
