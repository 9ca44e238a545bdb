//! Definitions of Distributed Maps that are refused, and the positions of their errors.

use serde_json::{Value, json};

use super::{machine, merged, reader, with_child};

fn refused(definition: &str, expected: &str) {
    match engine::compile(definition) {
        Ok(_) => panic!("not refused: {definition}"),
        Err(problems) => assert!(
            problems.list().len() == 1 && problems.to_string().contains(expected),
            "{problems}\n{expected}"
        ),
    }
}

#[test]
fn faulty_readers_are_refused() {
    let list = |config: Value| {
        let parameters = json!({"Bucket": "b"});
        json!({"ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "ReaderConfig": config, "Parameters": parameters}})
    };
    for (fields, expected) in [
        (reader(json!({})), "/ItemReader/ReaderConfig: the field InputType is missing"),
        (reader(json!({"InputType": "XML"})), "InputType: must be CSV, JSON, JSONL, PARQUET or MANIFEST"),
        (reader(json!({"InputType": "CSV"})), "the field CSVHeaderLocation is missing"),
        (reader(json!({"InputType": "CSV", "CSVHeaderLocation": "LAST_ROW"})), "must be FIRST_ROW or GIVEN"),
        (reader(json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN"})), "GIVEN needs CSVHeaders"),
        (
            reader(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": ","})),
            "must be COMMA, PIPE",
        ),
        (
            reader(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "ItemsPointer": "/a"})),
            "there is no field ItemsPointer here",
        ),
        (reader(json!({"InputType": "JSON", "ItemsPointer": "a"})), "a JSON pointer begins with /"),
        (
            reader(json!({"InputType": "JSON", "MaxItems": 100_000_001})),
            "must be a number from 0 to 100000000",
        ),
        (
            reader(json!({"InputType": "JSON", "ManifestType": "ATHENA_DATA"})),
            "the data of an Athena manifest is CSV, JSONL or PARQUET",
        ),
        (
            reader(
                json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "ManifestType": "S3_INVENTORY"}),
            ),
            "has no InputType",
        ),
        (
            reader(json!({"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"})),
            "only a reader of s3:listObjectsV2",
        ),
        (list(json!({"Transformation": "LOAD_AND_FLATTEN"})), "LOAD_AND_FLATTEN needs an InputType"),
        (list(json!({"InputType": "JSON"})), "only with the Transformation LOAD_AND_FLATTEN"),
        (
            json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}}}),
            "needs a ReaderConfig",
        ),
    ] {
        // Fields that belong to a faulty field may be reported as well.
        let definition = machine(fields);
        match engine::compile(&definition) {
            Ok(_) => panic!("not refused: {definition}"),
            Err(problems) => assert!(problems.to_string().contains(expected), "{problems}\n{expected}"),
        }
    }
}

#[test]
fn faulty_batchers_and_writers_are_refused() {
    for (fields, expected) in [
        (
            json!({"ItemBatcher": {}}),
            "/ItemBatcher: an ItemBatcher needs MaxItemsPerBatch or MaxInputBytesPerBatch",
        ),
        (json!({"ItemBatcher": {"MaxItemsPerBatch": 0}}), "MaxItemsPerBatch must be at least 1"),
        (json!({"ItemBatcher": {"MaxInputBytesPerBatch": 262_145}}), "must be a number from 0 to 262144"),
        (
            json!({"ItemBatcher": {"MaxItemsPerBatch": 1, "MaxItemsPerBatchPath": "$"}}),
            "cannot both be given",
        ),
        (
            json!({"ResultWriter": {}}),
            "/ResultWriter: a ResultWriter needs a Resource with Parameters, a WriterConfig, or both",
        ),
        (
            json!({"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject"}}),
            "the field Parameters is missing",
        ),
        (json!({"ResultWriter": {"Parameters": {"Bucket": "b"}}}), "the field Resource is missing"),
        (
            json!({"ResultWriter": {"WriterConfig": {"Transformation": "SMALL"}}}),
            "must be NONE, COMPACT or FLATTEN",
        ),
        (json!({"ResultWriter": {"WriterConfig": {"OutputType": "CSV"}}}), "must be JSON or JSONL"),
    ] {
        refused(&machine(fields), expected);
    }
}

#[test]
fn only_items_path_may_refer_to_the_context_object() {
    let path = "$$.Execution.Input.n";
    for fields in [
        json!({"MaxConcurrencyPath": path}),
        json!({"ToleratedFailureCountPath": path}),
        json!({"ItemBatcher": {"MaxItemsPerBatchPath": path}}),
        reader(json!({"InputType": "JSON", "MaxItemsPath": path})),
    ] {
        refused(&machine(fields), "Path: cannot refer to the context object");
    }
    assert!(engine::compile(&machine(json!({"ItemsPath": path}))).is_ok());
}

#[test]
fn express_children_cannot_wait_or_start_map_runs() {
    let express = |state: Value| with_child(json!({}), state).replace("STANDARD", "EXPRESS");
    let task = |resource: &str| json!({"Type": "Task", "Resource": resource, "Parameters": {"StateMachineArn": "x"}, "End": true});
    for resource in [
        "arn:aws:states:::states:startExecution.sync",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:::states:startExecution.waitForTaskToken",
        "arn:aws:states:eu-west-1:000000000000:activity:a",
    ] {
        refused(
            &express(task(resource)),
            "/States/C/Resource: an Express child cannot wait for a job, a task token or an activity",
        );
        let branch = json!({"StartAt": "P", "States": {"P": task(resource)}});
        refused(
            &express(json!({"Type": "Parallel", "Branches": [branch], "End": true})),
            "/States/P/Resource: an Express child cannot wait",
        );
    }
    let map = json!({"Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "X", "States": {"X": {"Type": "Succeed"}}
    }});
    refused(
        &express(map.clone()).replacen("STANDARD", "EXPRESS", 1),
        "an Express child cannot have a Distributed Map",
    );
    let inline = json!({"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Y", "States": {"Y": map}}});
    refused(&express(inline), "/States/Y: an Express child cannot have a Distributed Map");
}

#[test]
fn faulty_labels_are_refused() {
    for label in ["", "a b", "a/b?", &"x".repeat(41)] {
        refused(&machine(merged(json!({}), json!({"Label": label}))), "a label has 1 to 40 characters");
    }
}
