//! The Distributed Map.

mod batcher;
mod crash;
mod express;
mod jsonata;
mod nested;
mod reader_csv;
mod reader_json;
mod reader_objects;
#[cfg(feature = "parquet")]
mod reader_parquet;
mod refused;
mod status;
mod tolerance;
mod update;
mod writer;

use std::sync::Arc;

use engine::Outcome;
use serde_json::{Value, json};

use crate::fake::{Fake, run};

/// A machine with one Distributed Map with these fields. Its children return their input.
fn machine(fields: Value) -> String {
    with_child(fields, json!({"Type": "Pass", "End": true}))
}

/// The same with this state as the child.
fn with_child(fields: Value, state: Value) -> String {
    let processor = json!({
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "C", "States": {"C": state}
    });
    let mut map = json!({"Type": "Map", "ItemProcessor": processor, "End": true});
    map.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"StartAt": "M", "States": {"M": map}}).to_string()
}

/// The output, or error and cause.
fn output(definition: &str, input: Value, host: &Arc<Fake>) -> Value {
    match run(definition, input, host).unwrap() {
        Outcome::Succeeded(output) => output,
        Outcome::Failed { error, cause } => json!([error, cause]),
        other => panic!("{other:?}"),
    }
}

/// A reader of the object `file` in the bucket `b`.
fn reader(config: Value) -> Value {
    let parameters = json!({"Bucket": "b", "Key": "file"});
    json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Parameters": parameters}})
}

/// The outcome of a map over that object.
fn read(config: Value, body: &str) -> Value {
    let host = Fake::echo();
    host.put("b", "file", body.to_owned());
    output(&machine(reader(config)), json!({}), &host)
}

fn merged(mut fields: Value, more: Value) -> Value {
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}

fn writer(config: Value) -> Value {
    let parameters = json!({"Bucket": "out", "Prefix": "p"});
    let mut writer = json!({"Resource": "arn:aws:states:::s3:putObject", "Parameters": parameters});
    if !config.is_null() {
        writer["WriterConfig"] = config;
    }
    json!({"ResultWriter": writer})
}
