//! The columns of an edited job, made from the results that the job before it has kept.
#![allow(clippy::unwrap_used, missing_docs)]

use job::Job;
use job::file::{Extracted, Extractor, OutputFormat, Response, Unmade};
use job::wire::ResultView;
use proptest::prelude::*;

const MOST: usize = 1 << 20;
const FORMATS: [OutputFormat; 3] = [OutputFormat::Csv, OutputFormat::Tsv, OutputFormat::Jsonl];
const EVERYTHING: &str =
    "b = 'body', s = 'status', ms = 'latency_ms', u = 'url', h = 'header.x', p = '$.a', q = '$..b'";

fn columns(columns: &str) -> Extractor {
    let text = format!("[request]\nurl = 'https://api.example.com/'\n[output]\ncolumns = {{ {columns} }}\n");
    Job::parse(&text, "job.toml").unwrap().output.columns
}

/// What a worker writes for a response with this body; an error where the body must be JSON and is not.
fn values(columns: &Extractor, body: &str, format: OutputFormat) -> Result<String, String> {
    let tape = columns.parse(body, format)?;
    let response = Response {
        status: 201,
        url: "https://api.example.com/there",
        millis: 40,
        body,
        json: tape.as_ref(),
        header: &|name| (name == "x").then(|| "y".to_owned()),
    };
    let mut out = b"[".to_vec();
    for (n, value) in columns.extract(&response, format, MOST).unwrap().iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        Extracted::write(value, &mut out);
    }
    out.push(b']');
    Ok(String::from_utf8(out).unwrap())
}

/// The values of `new`, made from what a job with the columns `old` has kept of a response.
fn converted(
    old: &str,
    new: &str,
    body: &str,
    from: OutputFormat,
    to: OutputFormat,
) -> Result<String, Unmade> {
    let old = columns(old);
    let kept = values(&old, body, from).unwrap();
    let result = ResultView { status: 201, ms: 40, v: Some(&kept), ..ResultView::default() };
    let conversion = columns(new).from_kept(&old, from, to).unwrap();
    conversion.convert(&result, MOST).map(|values| String::from_utf8(values).unwrap())
}

fn lost(old: &str, new: &str) -> Vec<String> {
    columns(new).from_kept(&columns(old), OutputFormat::Csv, OutputFormat::Csv).unwrap_err()
}

#[test]
fn columns_move_and_get_other_names() {
    let moved = converted(
        "a = '$.a', u = 'url'",
        "v = 'url', b = '$.a'",
        "{\"a\":1.50}",
        OutputFormat::Csv,
        OutputFormat::Jsonl,
    );
    assert_eq!(moved.unwrap(), r#"["https://api.example.com/there",1.50]"#);
}

#[test]
fn a_column_that_nothing_was_kept_for_is_lost() {
    assert_eq!(lost("a = '$.a'", "a = '$.a', b = '$.b', s = 'status'"), ["b"]);
    assert_eq!(lost("a = '$.a'", "all = 'body'"), ["all"]);
    assert_eq!(
        lost("b = 'body', h = 'header.x'", "u = 'url', h = 'header.x', i = 'header.y', p = '$.a'"),
        ["u", "i"]
    );
}

#[test]
fn a_kept_body_that_is_not_json_has_no_values_for_a_path() {
    for from in FORMATS {
        let made = converted("b = 'body'", "a = '$.a'", "<html>", from, OutputFormat::Csv);
        assert!(matches!(&made, Err(Unmade::NotJson(why)) if why.contains("line 1 column 1")), "{made:?}");
    }
}

#[test]
fn values_that_are_too_large_together_are_refused() {
    let (old, new) = (columns("b = 'body'"), columns("a = '$..*'"));
    let conversion = new.from_kept(&old, OutputFormat::Jsonl, OutputFormat::Csv).unwrap();
    let result = ResultView { v: Some("[[[[[[1]]]]]]"), ..ResultView::default() };
    assert_eq!(conversion.convert(&result, 8), Err(Unmade::TooMuch));
    let damaged = ResultView { v: Some("[]"), ..ResultView::default() };
    assert_eq!(conversion.convert(&damaged, MOST), Err(Unmade::Damaged));
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(" true ".to_owned()),
        Just("1.500".to_owned()),
        Just("\"text\"".to_owned()),
        Just("\"\\u00e9 \\\" \\\\\"".to_owned()),
        Just("\"{\\\"a\\\":1}\"".to_owned()),
        Just("\"null\"".to_owned()),
    ];
    leaf.prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{ \"a\":{a}, \"b\" : {b}}}")),
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

proptest! {
    #[test]
    fn values_from_a_kept_body_are_those_of_the_response(body in any_json(), from in 0..3_usize, to in 0..3_usize) {
        let new = "p = '$.a', s = 'status', ms = 'latency_ms', q = '$..b'";
        let (from, to) = (FORMATS[from], FORMATS[to]);
        for old in ["b = 'body', x = '$.x'", EVERYTHING] {
            prop_assert_eq!(converted(old, new, &body, from, to).unwrap(), values(&columns(new), &body, to).unwrap());
        }
    }

    #[test]
    fn a_kept_body_has_the_form_of_the_new_output(body in any_json(), from in 0..3_usize, to in 0..3_usize) {
        let (from, to) = (FORMATS[from], FORMATS[to]);
        let made = converted(EVERYTHING, "b = 'body'", &body, from, to).unwrap();
        let whole = values(&columns("b = 'body'"), &body, to).unwrap();
        // For JSONL a body is kept without its white space, and a null without a body.
        let without_space = |text: &str| text.replace(' ', "").replace("[\"null\"]", "[null]");
        prop_assert_eq!(without_space(&made), without_space(&whole));
    }

    #[test]
    fn texts_are_kept_as_they_are(body in "[^{\\[\"0-9tfnNI-][a-z \"\\\\]{0,10}", from in 0..3_usize, to in 0..3_usize) {
        let (from, to) = (FORMATS[from], FORMATS[to]);
        prop_assert_eq!(converted("b = 'body'", "b = 'body'", &body, from, to).unwrap(), values(&columns("b = 'body'"), &body, to).unwrap());
    }
}
