//! Text with delimiters.

use serde_json::{Value, json};

use super::read;

fn first_row(body: &str) -> Value {
    read(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}), body)
}

fn given(headers: Value, body: &str) -> Value {
    read(json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": headers}), body)
}

#[test]
fn first_row_or_definition_names_the_fields() {
    assert_eq!(first_row("a,b\n1,2\n3,4\n"), json!([{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]));
    assert_eq!(given(json!(["a", "b"]), "1,2"), json!([{"a": "1", "b": "2"}]));
    assert_eq!(first_row("a,b\n"), json!([]));
    assert_eq!(first_row("a,\n1,2\n"), json!([{"a": "1", "": "2"}]));
}

#[test]
fn short_rows_are_padded_and_long_rows_cut() {
    let expected =
        json!([{"a": "1", "b": ""}, {"a": "1", "b": "2"}, {"a": "", "b": ""}, {"a": "  ", "b": ""}]);
    assert_eq!(first_row("a,b\n1\n1,2,3\n,,,\n  \n"), expected);
}

#[test]
fn quoted_fields_hold_delimiters_line_ends_and_doubled_quotes() {
    assert_eq!(first_row("a,b\n\"1,\n2\",\"\"\"x\"\"\"\n"), json!([{"a": "1,\n2", "b": "\"x\""}]));
}

/// The file of the page "How Step Functions parses input CSV files".
#[test]
fn example_of_the_developer_guide_is_read() {
    let body = "abc,123,\"This string contains commas, a double quotation marks (\"\"), and a newline (\n)\",{\"\"MyKey\"\":\"\"MyValue\"\"},\"[1,2,3]\"";
    let expected = json!([{
        "MyString": "abc", "MyNumber": "123",
        "MyLongString": "This string contains commas, a double quotation marks (\"), and a newline (\n)",
        "MyObject": "{\"MyKey\":\"MyValue\"}", "MyArray": "[1,2,3]"
    }]);
    assert_eq!(given(json!(["MyString", "MyNumber", "MyLongString", "MyObject", "MyArray"]), body), expected);
}

#[test]
fn backslash_escapes_and_is_dropped() {
    assert_eq!(
        first_row("path,size\nC:\\\\Program\\ Files\\\\x,1\\,2\n"),
        json!([{"path": "C:\\Program Files\\x", "size": "1,2"}])
    );
}

#[test]
fn every_delimiter_is_supported() {
    for (name, delimiter) in
        [("COMMA", ","), ("PIPE", "|"), ("SEMICOLON", ";"), ("SPACE", " "), ("TAB", "\t")]
    {
        let config = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": name});
        assert_eq!(
            read(config, &format!("a{delimiter}b\n1{delimiter}2")),
            json!([{"a": "1", "b": "2"}]),
            "{name}"
        );
    }
}

#[test]
fn duplicate_headers_fail_the_reader() {
    let failed = json!(["States.ItemReaderFailed", "CSV headers cannot contain duplicates."]);
    assert_eq!(given(json!(["a", "a"]), "1,2"), failed);
    assert_eq!(first_row("a,b,a\n1,2,3\n"), failed);
}

#[test]
fn headers_over_10_kib_fail_the_reader() {
    assert_eq!(first_row(&format!("{}\n1\n", "h".repeat(11 * 1024)))[0], "States.ItemReaderFailed");
}
