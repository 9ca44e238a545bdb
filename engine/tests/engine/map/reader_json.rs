//! JSON and JSON lines.

use std::io::Write;

use serde_json::json;

use super::{machine, merged, output, read, reader};
use crate::fake::Fake;

#[test]
fn elements_of_an_array_are_items() {
    assert_eq!(read(json!({"InputType": "JSON"}), r#" [1, {"a": "]"}, [2]] "#), json!([1, {"a": "]"}, [2]]));
    assert_eq!(read(json!({"InputType": "JSON"}), "[]"), json!([]));
}

#[test]
fn members_of_an_object_are_items() {
    assert_eq!(
        read(json!({"InputType": "JSON"}), r#"{"a": {"x": 1}}"#),
        json!([{"Key": "a", "Value": {"x": 1}}])
    );
    let host = Fake::echo();
    host.put("b", "file", r#"{"a": {"x": 1}}"#);
    let selector = json!({"key.$": "$$.Map.Item.Key", "value.$": "$$.Map.Item.Value"});
    let fields = merged(reader(json!({"InputType": "JSON"})), json!({"ItemSelector": selector}));
    assert_eq!(output(&machine(fields), json!({}), &host), json!([{"key": "a", "value": {"x": 1}}]));
}

#[test]
fn value_without_items_fails_the_map() {
    for body in ["\"x\"", "1", ""] {
        let failed = json!(["States.ItemReaderFailed", "Attempting to map over non-iterable node."]);
        assert_eq!(read(json!({"InputType": "JSON"}), body), failed, "{body}");
    }
}

#[test]
fn items_pointer_selects_an_array_or_an_object() {
    let body = r#"{"x": {"y~": [0, [1, 2]]}, "z": {"k": 1, "l": {"m": 2}}}"#;
    let at = |pointer: &str| read(json!({"InputType": "JSON", "ItemsPointer": pointer}), body);
    assert_eq!(at("/x/y~0"), json!([0, [1, 2]]));
    assert_eq!(at("/x/y~0/1"), json!([1, 2]));
    assert_eq!(at("/z"), json!([{"Key": "k", "Value": 1}, {"Key": "l", "Value": {"m": 2}}]));
    assert_eq!(at("/z/k")[1], "Attempting to map over non-iterable node.");
    assert_eq!(at("/nowhere")[0], "States.ItemReaderFailed");
}

#[test]
fn item_selector_refers_to_index_key_value_and_source() {
    let host = Fake::echo();
    host.put("b", "file", r#"{"o": {"k": "v"}}"#);
    let fields = merged(
        reader(json!({"InputType": "JSON", "ItemsPointer": "/o"})),
        json!({"ItemSelector": {"item.$": "$$.Map.Item", "state.$": "$.s"}}),
    );
    let item = json!({"Index": 0, "Key": "k", "Value": "v", "Source": "S3://b/file"});
    assert_eq!(output(&machine(fields), json!({"s": 1}), &host), json!([{"item": item, "state": 1}]));
    let fields = json!({"ItemsPath": "$.list", "ItemSelector": {"source.$": "$$.Map.Item.Source"}});
    assert_eq!(output(&machine(fields), json!({"list": [1]}), &host), json!([{"source": "STATE_DATA"}]));
}

#[test]
fn members_of_an_input_object_are_items() {
    let pairs = json!([{"Key": "k", "Value": 1}, {"Key": "l", "Value": [2]}]);
    assert_eq!(
        output(&machine(json!({"ItemsPath": "$.o"})), json!({"o": {"k": 1, "l": [2]}}), &Fake::echo()),
        pairs
    );
}

#[test]
fn each_line_that_is_not_blank_is_an_item() {
    let body = "\u{feff}{\"a\": 1}\n\n  [2]  \r\n\"three\"";
    assert_eq!(read(json!({"InputType": "JSONL"}), body), json!([{"a": 1}, [2], "three"]));
    assert_eq!(read(json!({"InputType": "JSONL"}), "1\nno\n")[0], "States.ItemReaderFailed");
}

#[test]
fn max_items_limits_reading_and_zero_means_no_limit() {
    let lines = "1\n2\n3\n";
    assert_eq!(read(json!({"InputType": "JSONL", "MaxItems": 2}), lines), json!([1, 2]));
    assert_eq!(read(json!({"InputType": "JSONL", "MaxItems": 0}), lines), json!([1, 2, 3]));
    let host = Fake::echo();
    host.put("b", "file", lines);
    let definition = machine(reader(json!({"InputType": "JSONL", "MaxItemsPath": "$.n"})));
    for (n, expected) in [
        (json!(1), json!([1])),
        (json!("2"), json!([1, 2])),
        (json!(-1), json!(["States.ItemReaderFailed", "field MaxItems must be positive"])),
    ] {
        assert_eq!(output(&definition, json!({"n": n}), &host), expected);
    }
    let wrong = output(&definition, json!({"n": 1.5}), &host);
    assert!(
        wrong[1]
            .as_str()
            .unwrap()
            .ends_with("The MaxItemsPath field refers to value \"1.5\" which is not a valid integer: $.n")
    );
}

#[test]
fn compressed_files_are_decompressed_by_their_names() {
    let text = "{\"line\": 1}\n{\"line\": 2}\n".repeat(1000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    // A gzip file can have two members.
    let gzip = gzip.finish().unwrap().repeat(2);
    let zstd = zstd::encode_all(text.repeat(2).as_bytes(), 0).unwrap();
    for (key, body) in [("x.jsonl.gz", gzip), ("x.jsonl.zst", zstd.clone()), ("x.jsonl.zstd", zstd)] {
        let host = Fake::echo();
        host.put("b", key, body);
        let mut fields = reader(json!({"InputType": "JSONL"}));
        fields["ItemReader"]["Parameters"]["Key"] = key.into();
        let items = output(&machine(fields), json!({}), &host);
        assert_eq!(items.as_array().unwrap().len(), 4000, "{key}");
    }
}

#[test]
fn item_over_8_mib_fails_the_reader() {
    let body = format!("[\"{}\"]", "x".repeat(9 * 1024 * 1024));
    let failed = read(json!({"InputType": "JSON"}), &body);
    assert_eq!(failed, json!(["States.ItemReaderFailed", "item 0 of the file is longer than 8 MiB"]));
}

#[test]
fn item_selector_can_shrink_items_over_256_kib() {
    let body = format!("[{{\"k\": 1, \"long\": \"{}\"}}]", "x".repeat(300 * 1024));
    let host = Fake::echo();
    host.put("b", "file", body);
    let fields = reader(json!({"InputType": "JSON"}));
    assert_eq!(output(&machine(fields.clone()), json!({}), &host)[0], "States.DataLimitExceeded");
    let fields = merged(fields, json!({"ItemSelector": {"k.$": "$$.Map.Item.Value.k"}}));
    assert_eq!(output(&machine(fields), json!({}), &host), json!([{"k": 1}]));
}

#[test]
fn version_of_an_object_is_read() {
    let host = Fake::echo();
    host.put("b", "file", "[1]");
    host.put("b", "file?versionId=v2", "[2]");
    let mut fields = reader(json!({"InputType": "JSON"}));
    fields["ItemReader"]["Parameters"]["VersionId"] = "v2".into();
    assert_eq!(output(&machine(fields), json!({}), &host), json!([2]));
}

#[test]
fn missing_object_fails_the_reader() {
    let failed = output(&machine(reader(json!({"InputType": "JSON"}))), json!({}), &Fake::echo());
    assert_eq!(failed, json!(["States.ItemReaderFailed", "no object file"]));
}
