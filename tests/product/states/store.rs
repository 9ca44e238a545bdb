//! The embedded S3, for tasks and Distributed Maps.

use std::sync::Arc;

use parquet::data_type::Int64Type;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::{run, scene};

#[test]
fn tasks_and_maps_share_the_store() {
    let sdk = |action: &str| format!("arn:aws:states:::aws-sdk:s3:{action}");
    let definition = json!({ "StartAt": "Make", "States": {
        "Make": { "Type": "Task", "Resource": sdk("createBucket"), "Parameters": { "Bucket": "data" }, "ResultPath": null, "Next": "Put" },
        "Put": { "Type": "Task", "Resource": sdk("putObject"), "Parameters": { "Bucket": "data", "Key": "in/rows.csv", "Body": "id,word\n1,one\n2,two\n" }, "ResultPath": null, "Next": "Copy" },
        "Copy": { "Type": "Task", "Resource": sdk("copyObject"), "Parameters": { "Bucket": "data", "Key": "in/again.csv", "CopySource": "data/in/rows.csv" }, "ResultPath": null, "Next": "List" },
        "List": { "Type": "Task", "Resource": sdk("listObjectsV2"), "Parameters": { "Bucket": "data", "Prefix": "in/" }, "ResultSelector": { "keys.$": "$.Contents[*].Key" }, "ResultPath": "$.listed", "Next": "Map" },
        "Map": {
            "Type": "Map",
            "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" }, "Parameters": { "Bucket": "data", "Key": "in/rows.csv" } },
            "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }, "StartAt": "Word", "States": { "Word": { "Type": "Pass", "OutputPath": "$.word", "End": true } } },
            "ResultPath": "$.words",
            "Next": "Get"
        },
        "Get": { "Type": "Task", "Resource": sdk("getObject"), "Parameters": { "Bucket": "data", "Key": "none" }, "Catch": [{ "ErrorEquals": ["S3.NoSuchKeyException"], "ResultPath": "$.missing", "Next": "Delete" }], "End": true },
        "Delete": { "Type": "Task", "Resource": sdk("deleteObject"), "Parameters": { "Bucket": "data", "Key": "in/again.csv" }, "ResultPath": null, "End": true }
    }});
    let scene = scene(&definition);
    let output = run(&scene, &["--store", "here"], 0)["output"].clone();
    assert_eq!(output["listed"]["keys"], json!(["in/again.csv", "in/rows.csv"]));
    assert_eq!(output["words"], json!(["one", "two"]));
    assert_eq!(output["missing"]["Error"], "S3.NoSuchKeyException");
    assert!(
        scene.exists("here/.s3/buckets/data/in/rows.csv")
            && !scene.exists("here/.s3/buckets/data/in/again.csv")
    );
}

#[test]
fn a_map_reads_the_rows_of_a_parquet_file() {
    let schema = Arc::new(parse_message_type("message m { required int64 n; }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
    for rows in [[1, 2], [3, 4]] {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&rows, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    let scene = scene(&json!({ "StartAt": "Each", "States": { "Each": {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": { "InputType": "PARQUET" },
            "Parameters": { "Bucket": "throughline", "Key": "rows.parquet" }
        },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
            "StartAt": "N", "States": { "N": { "Type": "Pass", "OutputPath": "$.n", "End": true } }
        },
        "End": true
    } } }));
    std::fs::create_dir(scene.path("here")).unwrap();
    scene.write("here/rows.parquet", writer.into_inner().unwrap());
    assert_eq!(run(&scene, &["--store", "here"], 0)["output"], json!([1, 2, 3, 4]));
}
