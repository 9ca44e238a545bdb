//! ResultWriter.

use std::sync::Arc;

use engine::TaskError;
use serde_json::{Value, json};

use super::{machine, merged, output, with_child, writer};
use crate::fake::Fake;

const RUN: &str = "00000000-0000-4000-8000-000000000000";

fn task() -> Value {
    json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true})
}

/// Fails for `"bad"`.
fn host() -> Arc<Fake> {
    Fake::new(|call| {
        if *call.payload() == "bad" {
            Err(TaskError::Error { error: "Bad".into(), cause: "very".into() })
        } else {
            Ok(call.payload().clone())
        }
    })
}

fn manifest(host: &Fake) -> Value {
    host.json(&format!("out/p/{RUN}/manifest.json"))["ResultFiles"].clone()
}

fn text(host: &Fake, file: &str) -> String {
    String::from_utf8(host.objects.lock().unwrap()[&format!("out/p/{RUN}/{file}")].to_vec()).unwrap()
}

#[test]
fn output_of_the_state_names_the_manifest() {
    let host = Fake::echo();
    let found = output(&machine(merged(writer(Value::Null), json!({"Label": "L"}))), json!([1]), &host);
    let arn = format!("arn:aws:states:eu-west-1:000000000000:mapRun:machine/L:{RUN}");
    let key = format!("p/{RUN}/manifest.json");
    assert_eq!(found, json!({"MapRunArn": arn, "ResultWriterDetails": {"Bucket": "out", "Key": key}}));
    let manifest = host.json(&format!("out/{key}"));
    let size = text(&host, "SUCCEEDED_0.json").len();
    let files = json!({"FAILED": [], "PENDING": [], "SUCCEEDED": [{"Key": format!("p/{RUN}/SUCCEEDED_0.json"), "Size": size}]});
    assert_eq!(manifest, json!({"DestinationBucket": "out", "MapRunArn": arn, "ResultFiles": files}));
}

#[test]
fn succeeded_child_has_a_record() {
    let host = Fake::echo();
    output(&machine(merged(writer(Value::Null), json!({"Label": "L"}))), json!([{"a": 1}]), &host);
    let records: Value = serde_json::from_str(&text(&host, "SUCCEEDED_0.json")).unwrap();
    let name = records[0]["Name"].as_str().unwrap();
    let before = "arn:aws:states:eu-west-1:000000000000";
    let expected = json!([{
        "ExecutionArn": format!("{before}:execution:machine/L:{name}"),
        "Input": "{\"a\":1}",
        "InputDetails": {"Included": true},
        "Name": name,
        "Output": "{\"a\":1}",
        "OutputDetails": {"Included": true},
        "RedriveCount": 0,
        "RedriveStatus": "NOT_REDRIVABLE",
        "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
        "StartDate": "2023-11-14T22:13:20.000Z",
        "StateMachineArn": format!("{before}:stateMachine:machine/L"),
        "Status": "SUCCEEDED",
        "StopDate": "2023-11-14T22:13:20.000Z",
    }]);
    assert_eq!(text(&host, "SUCCEEDED_0.json"), expected.to_string());
}

#[test]
fn failed_aborted_and_pending_children_have_files_of_their_own() {
    let host = host();
    let fields = merged(writer(Value::Null), json!({"MaxConcurrency": 1, "ToleratedFailureCount": 1}));
    let found = output(&with_child(fields, task()), json!(["bad", "good", "bad", "late"]), &host);
    assert_eq!(found[0], "States.ExceedToleratedFailureThreshold");
    let records = |file: &str| serde_json::from_str::<Value>(&text(&host, file)).unwrap();
    let field = |records: Value, name: &str| -> Vec<Value> {
        records.as_array().unwrap().iter().map(|record| record[name].clone()).collect()
    };
    assert_eq!(field(records("SUCCEEDED_0.json"), "Output"), [json!("\"good\"")]);
    let failed = records("FAILED_0.json");
    assert_eq!(field(failed.clone(), "Error"), ["Bad", "Bad"]);
    assert_eq!(field(failed.clone(), "Cause"), ["very", "very"]);
    assert_eq!(field(failed.clone(), "Status"), ["FAILED", "FAILED"]);
    assert_eq!(field(failed, "RedriveStatus"), ["REDRIVABLE_BY_MAP_RUN", "REDRIVABLE_BY_MAP_RUN"]);
    let pending = records("PENDING_0.json");
    assert_eq!(field(pending.clone(), "Status"), ["PENDING"]);
    assert_eq!(field(pending.clone(), "Input"), ["\"late\""]);
    assert_eq!(pending[0].get("StartDate"), None);
    for kind in ["SUCCEEDED", "FAILED", "PENDING"] {
        assert_eq!(manifest(&host)[kind].as_array().unwrap().len(), 1, "{kind}");
    }
}

#[test]
fn transformations_and_output_types_are_applied() {
    for (transformation, output_type, expected) in [
        ("COMPACT", "JSON", "[[1,2],[3],4]"),
        ("COMPACT", "JSONL", "[1,2]\n[3]\n4\n"),
        ("FLATTEN", "JSON", "[1,2,3,4]"),
        ("FLATTEN", "JSONL", "1\n2\n3\n4\n"),
    ] {
        let host = host();
        let config = json!({"Transformation": transformation, "OutputType": output_type});
        let fields = merged(writer(config), json!({"ToleratedFailurePercentage": 100}));
        output(&with_child(fields, task()), json!([[1, 2], "bad", [3], 4]), &host);
        assert_eq!(text(&host, "SUCCEEDED_0.json"), expected, "{transformation} {output_type}");
        let failed = text(&host, "FAILED_0.json");
        assert!(failed.contains("\"Error\":\"Bad\""), "failed children always have records: {failed}");
    }
}

#[test]
fn results_without_a_bucket_are_the_output() {
    let run = |config: Value| {
        let fields = json!({"ToleratedFailureCount": 1, "ResultWriter": {"WriterConfig": config}});
        output(&with_child(fields, task()), json!([[1, 2], "bad", [[3]]]), &host())
    };
    assert_eq!(run(json!({"Transformation": "COMPACT"})), json!([[1, 2], [[3]]]));
    assert_eq!(run(json!({"Transformation": "FLATTEN", "OutputType": "JSON"})), json!([1, 2, [3]]));
    let records = run(json!({"Transformation": "NONE"}));
    assert_eq!(records[0]["Output"], "[1,2]");
    assert_eq!(records[1]["Error"], "Bad");
    assert_eq!(records.as_array().unwrap().len(), 3);
}

#[test]
fn bucket_without_write_access_fails_before_a_child_runs() {
    let host = host();
    host.closed.lock().unwrap().push("out".into());
    let found = output(&with_child(writer(Value::Null), task()), json!(["good"]), &host);
    assert_eq!(found, json!(["States.ResultWriterFailed", "no access to out"]));
    assert!(host.calls.lock().unwrap().is_empty());
}

#[test]
fn long_results_are_split_into_files() {
    let host = Fake::echo();
    let item = "x".repeat(200 * 1024);
    host.put("b", "file", json!(vec![item; 60]).to_string());
    let fields =
        merged(super::reader(json!({"InputType": "JSON"})), writer(json!({"Transformation": "COMPACT"})));
    output(&machine(fields), json!({}), &host);
    let files = manifest(&host)["SUCCEEDED"].clone();
    assert_eq!(files.as_array().unwrap().len(), 2);
    let count =
        |file: &Value| host.json(&format!("out/{}", file["Key"].as_str().unwrap())).as_array().unwrap().len();
    assert_eq!(count(&files[0]) + count(&files[1]), 60);
}

#[test]
fn outputs_of_more_than_256_kib_need_a_bucket() {
    let host = Fake::echo();
    host.put("b", "file", json!(vec!["x".repeat(100 * 1024); 90]).to_string());
    let found = output(&machine(super::reader(json!({"InputType": "JSON"}))), json!({}), &host);
    assert_eq!(found[0], "States.DataLimitExceeded");
    assert!(
        found[1].as_str().unwrap().contains("The state/task 'M' returned a result with a size exceeding")
    );
}

#[test]
fn prefix_is_optional() {
    let host = Fake::echo();
    let mut fields = writer(Value::Null);
    fields["ResultWriter"]["Parameters"].as_object_mut().unwrap().remove("Prefix");
    let found = output(&machine(fields), json!([1]), &host);
    assert_eq!(found["ResultWriterDetails"]["Key"], format!("{RUN}/manifest.json"));
}
