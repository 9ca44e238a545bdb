//! Listings, S3 inventories and Athena manifests.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{machine, merged, output, reader};
use crate::fake::Fake;

fn listing(prefix: &str, config: Value) -> Value {
    let mut reader = json!({"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": "b", "Prefix": prefix}});
    if !config.is_null() {
        reader["ReaderConfig"] = config;
    }
    json!({"ItemReader": reader})
}

fn bucket() -> Arc<Fake> {
    let host = Fake::echo();
    host.put("b", "x/", "");
    host.put("b", "x/1.csv", "a\n1\n2\n");
    host.put("b", "x/2.csv", "a\n3\n");
    host.put("b", "x/3.csv", "");
    host.put("b", "x/4.csv", "a\n4\n");
    host.put("b", "y", "no");
    host
}

#[test]
fn each_listed_object_is_an_item() {
    let items = output(&machine(listing("x/", Value::Null)), json!({}), &bucket());
    let keys: Vec<_> = items.as_array().unwrap().iter().map(|item| item["Key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["x/", "x/1.csv", "x/2.csv", "x/3.csv", "x/4.csv"]);
    let first = json!({"Etag": "\"6\"", "Key": "x/1.csv", "LastModified": 1668699881, "Size": 6, "StorageClass": "STANDARD"});
    assert_eq!(items[1], first);
}

#[test]
fn max_items_counts_listed_objects() {
    let items = output(&machine(listing("", json!({"MaxItems": 3}))), json!({}), &bucket());
    assert_eq!(items.as_array().unwrap().len(), 3);
}

#[test]
fn source_of_a_listed_object_is_its_bucket() {
    let fields =
        merged(listing("y", Value::Null), json!({"ItemSelector": {"source.$": "$$.Map.Item.Source"}}));
    assert_eq!(output(&machine(fields), json!({}), &bucket()), json!([{"source": "S3://b"}]));
}

#[test]
fn load_and_flatten_reads_the_listed_objects() {
    let config =
        json!({"Transformation": "LOAD_AND_FLATTEN", "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"});
    let items = output(&machine(listing("x/", config.clone())), json!({}), &bucket());
    assert_eq!(items, json!([{"a": "1"}, {"a": "2"}, {"a": "3"}, {"a": "4"}]));
    let selector =
        json!({"ItemSelector": {"at.$": "States.Format('{} {}', $$.Map.Item.Source, $$.Map.Item.Index)"}});
    let items = output(&machine(merged(listing("x/2", config), selector)), json!({}), &bucket());
    assert_eq!(items, json!([{"at": "S3://b/x/2.csv 0"}]));
}

#[test]
fn load_and_flatten_joins_json_arrays() {
    let host = Fake::echo();
    host.put("b", "x/1", r#"{"items": [1, 2]}"#);
    host.put("b", "x/2", r#"{"items": [3]}"#);
    let config = json!({"Transformation": "LOAD_AND_FLATTEN", "InputType": "JSON", "ItemsPointer": "/items", "MaxItems": 3});
    assert_eq!(output(&machine(listing("x/", config)), json!({}), &host), json!([1, 2, 3]));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn inventory(format: &str) -> Arc<Fake> {
    let host = Fake::echo();
    let manifest = json!({
        "sourceBucket": "source", "destinationBucket": "arn:aws:s3:::stock", "version": "2016-11-30", "fileFormat": format,
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "data/1.csv.gz", "size": 1, "MD5checksum": ""}, {"key": "data/2.csv.gz", "size": 1, "MD5checksum": ""}]
    });
    host.put("b", "file", manifest.to_string());
    host.put("stock", "data/1.csv.gz", gzip("\"source\",\"a b\",\"1\"\n\"source\",\"c\",\"2\"\n"));
    host.put("stock", "data/2.csv.gz", gzip("\"source\",\"d\",\"3\"\n"));
    host
}

#[test]
fn rows_of_an_s3_inventory_are_items() {
    let row = |key: &str, size: &str| json!({"Bucket": "source", "Key": key, "Size": size});
    for config in [json!({"InputType": "MANIFEST"}), json!({"ManifestType": "S3_INVENTORY"})] {
        let items = output(&machine(reader(config)), json!({}), &inventory("CSV"));
        assert_eq!(items, json!([row("a b", "1"), row("c", "2"), row("d", "3")]));
    }
    let failed = output(&machine(reader(json!({"InputType": "MANIFEST"}))), json!({}), &inventory("ORC"));
    assert_eq!(
        failed,
        json!(["States.ItemReaderFailed", "an S3 inventory must be in CSV, and this one is in ORC"])
    );
}

#[test]
fn athena_manifest_names_the_files_of_items() {
    let host = Fake::echo();
    host.put("b", "file", "s3://data/x/1.gz\ns3://data/x/2\n");
    host.put("data", "x/1.gz", gzip("{\"n\": 1}\n{\"n\": 2}\n"));
    host.put("data", "x/2", "{\"n\": 3}\n");
    let config = json!({"ManifestType": "ATHENA_DATA", "InputType": "JSONL"});
    assert_eq!(
        output(&machine(reader(config.clone())), json!({}), &host),
        json!([{"n": 1}, {"n": 2}, {"n": 3}])
    );
    host.put("b", "file", "data/x/1\n");
    let failed = output(&machine(reader(config)), json!({}), &host);
    assert_eq!(failed[1], "the manifest holds \"data/x/1\", which is not of the form s3://bucket/key");
}
