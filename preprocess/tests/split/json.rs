//! JSONL and JSON: objects as they are, arrays, and syntax errors.

use job::file::Format;

use crate::case::{FIXED, errors, job, refusal, run, try_run};

#[test]
fn jsonl_keeps_objects_as_they_are() {
    let (plan, lines) = run(
        FIXED,
        "x.jsonl",
        b"{\"b\":1.0,\"a\":\"x\"}\n\n  \n{\"a\":9007199254740993, \"c\":[]}\n[1]\n{\"a\":\n{\"a\":\"\xff\"}",
    );
    assert_eq!(plan.input.columns, ["b", "a", "c"]);
    assert_eq!(plan.input.blank, 2);
    let errors: Vec<_> = lines.iter().map(|line| line.error.as_deref()).collect();
    assert_eq!(errors, [None, None, Some("parse"), Some("parse"), Some("decode")]);
}

#[test]
fn json_arrays_and_objects_over_many_lines_are_items() {
    let input =
        b" [ {\"n\": 12345678901234567890123, \"p\": 0.10}\n,\r\n{\"t\": \"a ] } \\\" b\",\n \"o\": [\n1 ]}, 7, {\"bad\": tru}, {}]\n";
    let job_text = job("format = \"json\"");
    let (plan, lines) = run(&job_text, "x", input);
    assert_eq!(errors(&lines), [None, None, Some("parse"), Some("parse"), None]);
    assert_eq!(plan.input.columns, ["n", "p", "t", "o", "bad"]);
    assert_eq!(lines[1].v, Some(serde_json::json!({"t": "a ] } \" b", "o": [1]})));
    for (file, input, format) in [
        ("x.json", &b"[{\"name\":\"Ann\"}]"[..], Format::Json),
        ("x.json", b"{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", Format::Json),
        ("x.json", b"{\"a\":1}\n{\"a\":2}\n", Format::Jsonl),
        ("x", b"[\n  {\"a\": 1}\n]", Format::Json),
        ("x.jsonl", b"[\n  {\"a\": 1}\n]", Format::Json),
        ("x", b"{\n  \"a\": 1\n}", Format::Json),
        ("x", b"[an old list]\n", Format::Text),
        ("x", b"{{ a }}\n", Format::Text),
        ("x.json", b"", Format::Jsonl),
    ] {
        assert_eq!(
            run(FIXED, file, input).0.input.format,
            format,
            "{file} {:?}",
            String::from_utf8_lossy(input)
        );
    }
    let mut long = b"[{\"a\":\"".to_vec();
    long.extend(std::iter::repeat_n(b'x', 9 << 20));
    long.extend(b"]\"}, {\"a\":\"b\"}]");
    let (_, lines) = try_run(&job_text, "x", &long[..]).unwrap();
    assert_eq!(errors(&lines), [Some("too_large"), None]);
}

#[test]
fn json_with_a_syntax_error_between_items_is_refused_with_its_position() {
    for (input, expected) in [
        (&b"[{\"a\":1}\n {\"a\":2}]"[..], "x.json:2: `,` or `]` is missing before this (byte 10)"),
        (b"[{\"a\":1},\n]", "x.json:2: a JSON value is missing before this (byte 10)"),
        (b"[\n{\"a\":1}\n", "x.json:3: the JSON array ends without its `]`. Is the file complete? (byte 10)"),
        (
            b"[\n{\"a\":",
            "x.json:2: the JSON value that begins here has no end. Is the file complete? (byte 2)",
        ),
        (b"[{\"a\":1}], {}", "x.json:1: a JSON value is missing before this (byte 9)"),
        (
            b"{\n\"data\": [\n{\"a\": 1}]}\n",
            "x.json: it is one JSON object around an array: take the array out, for example with jq '.data' x.json",
        ),
    ] {
        assert_eq!(refusal(FIXED, "x.json", input), expected);
    }
}
