//! CSV and TSV: headers, quotes, escapes, delimiters and blank lines.

use std::sync::Arc;

use job::Job;
use preprocess::split;

use crate::case::{Collected, FIXED, errors, job, refusal, run, values};

#[test]
fn csv_is_read_with_quotes_blank_lines_and_all_line_ends() {
    let input = b"\xef\xbb\xbfid,name\r\n1,\"a,\"\"b\"\"\nc\"\r\n\r\n\n2,plain\r3,\"\"\n4,last";
    let (plan, lines) = run(FIXED, "x.csv", input);
    assert_eq!(plan.input.columns, ["id", "name"]);
    assert_eq!(values(&lines), [["1", "a,\"b\"\nc"], ["2", "plain"], ["3", ""], ["4", "last"]]);
    assert_eq!(plan.input.blank, 2);
    assert_eq!(plan.input.bytes, input.len() as u64);
    for line in &lines {
        let first = line.v.as_ref().unwrap()[0].as_str().unwrap().as_bytes();
        assert!(
            input[usize::try_from(line.at).unwrap()..].starts_with(first),
            "the offset points at the record"
        );
    }
}

#[test]
fn records_with_another_number_of_fields_or_bad_bytes_fail() {
    let input = b"a,b\n1\n1,2,3\n\xff,2\n\xc3,\xa9\n5,6\n";
    let (_, lines) = run(FIXED, "x.csv", input);
    let errors: Vec<_> = lines.iter().map(|line| line.error.as_deref()).collect();
    assert_eq!(errors, [Some("parse"), Some("parse"), Some("decode"), Some("decode"), None]);
    assert_eq!(lines[1].raw.as_deref(), Some(&b"1,2,3"[..]));
    assert_eq!(lines[2].raw.as_deref(), Some(&b"\xff,2"[..]));
}

#[test]
fn a_quote_that_is_never_closed_fails_one_line() {
    let (_, lines) = run(FIXED, "x.csv", b"a,b\n1,2\n3,\"4\n5,6\n7,8\n");
    let got: Vec<_> = lines.iter().map(|line| (line.error.as_deref(), line.raw.as_deref())).collect();
    assert_eq!(got, [(None, None), (Some("parse"), Some(&b"3,\"4"[..])), (None, None), (None, None)]);
    let (_, lines) = run(FIXED, "x.csv", b"a,b\n1,x\"y");
    assert_eq!(values(&lines), [["1", "x\"y"]]);
}

#[test]
fn blank_lines_are_skipped_and_counted_unless_they_are_kept() {
    let keep = format!("[input]\nblank = \"keep\"\n{FIXED}");
    let text = b"one\r\n\n three \n \t\n\tlast\n\n";
    let (plan, lines) = run(FIXED, "x.txt", text);
    assert_eq!(values(&lines), [["one"], [" three "], ["\tlast"]]);
    assert_eq!((plan.input.columns, plan.input.blank), (vec!["line".to_owned()], 3));
    let (plan, lines) = run(&keep, "x.txt", text);
    assert_eq!(values(&lines), [["one"], [""], [" three "], [" \t"], ["\tlast"], [""]]);
    assert_eq!(plan.input.blank, 0);

    let csv = b"a,b\n,\n1,2\n , \r\n\n\"\",\n3,4\n,\n";
    let (plan, lines) = run(FIXED, "x.csv", csv);
    assert_eq!(
        values(&lines),
        [["1", "2"], ["", ""], ["3", "4"]],
        "a quote says that an empty value is meant"
    );
    assert_eq!(plan.input.blank, 4);
    let (plan, lines) = run(&keep, "x.csv", csv);
    let errors: Vec<_> = lines.iter().map(|line| line.error.as_deref()).collect();
    assert_eq!(errors, [None, None, None, Some("parse"), None, None, None]);
    assert_eq!(plan.input.blank, 0);
    let (_, lines) = run(&keep, "x.csv", b"a\n\n1\n\n");
    assert_eq!(values(&lines), [[""], ["1"], [""]]);

    let (_, lines) = run(&keep, "x.jsonl", b"{}\n\n{}\n");
    assert_eq!(
        lines.iter().map(|line| line.error.as_deref()).collect::<Vec<_>>(),
        [None, Some("parse"), None]
    );
}

#[test]
fn quotes_are_ordinary_characters_in_tsv_unless_the_job_sets_them() {
    let input = b"id\tname\n1\ta p\n2\t\"b q\n3\tc r\n4\t\"d\" s\n5\te\" t\n6\t\"f\"\n";
    let (plan, lines) = run(FIXED, "x.tsv", input);
    let expected =
        [["1", "a p"], ["2", "\"b q"], ["3", "c r"], ["4", "\"d\" s"], ["5", "e\" t"], ["6", "\"f\""]];
    assert_eq!(values(&lines), expected);
    assert!(plan.input.notes[0].starts_with("1 lines have a field in quotes"), "{:?}", plan.input.notes);
    let (plan, lines) = run(&job("quote = '\"'"), "x.tsv", b"id\tname\n1\t\"a\tb\nc\"\n");
    assert_eq!(values(&lines), [["1", "a\tb\nc"]]);
    assert!(plan.input.notes.is_empty());
    let (_, lines) = run(&job("quote = \"'\""), "x.csv", b"a,b\n'it''s, so',\"x\"\n");
    assert_eq!(values(&lines), [["it's, so", "\"x\""]]);
    let (_, lines) = run(&job("quote = \"none\""), "x.csv", b"a,b\n5\" pipe,\"x\n");
    assert_eq!(values(&lines), [["5\" pipe", "\"x"]]);
}

#[test]
fn text_after_a_closing_quote_fails_the_first_line_only() {
    let (_, lines) = run(FIXED, "x.csv", b"id,name\n1,\"Ann\n2,Bob\n3,\"Cy\n4,Di\n");
    assert_eq!(errors(&lines), [Some("parse"), None, Some("parse"), None]);
    assert_eq!(
        (lines[0].raw.as_deref(), lines[2].raw.as_deref()),
        (Some(&b"1,\"Ann"[..]), Some(&b"3,\"Cy"[..]))
    );
    assert_eq!((&lines[1].v, lines[1].at), (&Some(serde_json::json!(["2", "Bob"])), 15));
    // Reading continues after a line end of any kind.
    let (_, lines) = run(FIXED, "x.csv", b"id,name\r1,\"a\"b\r2,c\r\n3,\"d\"e\r\n4,f\r");
    assert_eq!(errors(&lines), [Some("parse"), None, Some("parse"), None]);
    let (_, lines) = run(FIXED, "x.csv", b"id,name\n1,\"a\" \n\"2\"\t,b");
    assert_eq!(values(&lines), [["1", "a"], ["2", "b"]], "blanks are not text");
}

#[test]
fn escapes_are_decoded_if_the_job_sets_the_escape_character() {
    let input =
        b"id,name,note\n1,\"say \\\"hi\\\"\",\\N\n2,\"a\\\\\",\"x\\\ny\\tz\"\n3,\"\"\"q\"\"\",a\\,b\n";
    let (_, lines) = run(&job("escape = '\\'"), "x.csv", input);
    assert_eq!(values(&lines), [["1", "say \"hi\"", ""], ["2", "a\\", "x\ny\tz"], ["3", "\"q\"", "a,b"]]);
    let (_, lines) = run(FIXED, "x.csv", b"id,name\n1,\"say \\\"hi\\\"\"\n2,b\n");
    assert_eq!(errors(&lines), [Some("parse"), None]);
    let (_, lines) = run(&job("escape = '\\'"), "x.tsv", b"id\tname\n1\ta\\\tb\\\nc\n2\t\\N\n");
    assert_eq!(values(&lines), [["1", "a\tb\nc"], ["2", ""]]);
}

#[test]
fn lines_before_the_header_are_skipped() {
    let (plan, lines) = run(FIXED, "x.csv", b"\xef\xbb\xbfsep=;\r\nid;name\r\n1;a,b\r\n");
    assert_eq!(values(&lines), [["1", "a,b"]]);
    assert_eq!((plan.input.delimiter, plan.input.preamble.as_str()), (b';', "sep=;\n"));
    let (plan, lines) = run(&job("skip = 3"), "x.csv", b"A \"title\r\n\r\nof 2024\r\nid,name\r\n1,a\r\n");
    assert_eq!(values(&lines), [["1", "a"]]);
    assert_eq!(plan.input.preamble, "A \"title\n\nof 2024\n");
    let (_, lines) = run(&job("skip = 1"), "x.csv", b"sep=|\nid|name\n1|a\n");
    assert_eq!(values(&lines), [["1", "a"]]);
    let (_, lines) = run(&job("skip = 1"), "x.jsonl", b"# comment\n{\"a\":1}\n");
    assert_eq!(errors(&lines), [None]);
    let (plan, lines) = run(&job("skip = 9"), "x.txt", b"one\ntwo");
    assert_eq!((plan.input.lines, lines.len()), (0, 0));
    let message = refusal(&job("skip = 1"), "x.csv", b"title\na,a\n1,2\n");
    assert!(message.starts_with("x.csv:2: the columns 1 and 2 are both called \"a\""), "{message}");
}

#[test]
fn a_delimiter_is_detected_if_header_and_records_agree() {
    let (plan, lines) = run(FIXED, "x.csv", b"id;name\n1;a\n2;1,5\n");
    assert_eq!(values(&lines), [["1", "a"], ["2", "1,5"]]);
    assert_eq!(plan.input.notes, ["fields are separated by ';', as the header shows"]);
    let (plan, _) = run(&job("delimiter = \",\""), "x.csv", b"id;name\n1;a\n");
    assert_eq!(plan.input.columns, ["id;name"]);
    let (_, lines) = run(FIXED, "x.csv", b"id;name\n1;a;b\n2,3\n");
    assert_eq!(errors(&lines), [None, Some("parse")]);
    let message = refusal("[request]\nurl = \"http://h/{{ id }}\"\n", "x.csv", b"id;name\n1;a;b\n2,3\n");
    assert!(message.contains("set input.delimiter = \";\""), "{message}");
}

#[test]
fn columns_without_a_name_are_named_by_their_number() {
    let (plan, lines) = run(FIXED, "x.csv", b"id,name,, \n1,a,x,y\n");
    assert_eq!(plan.input.columns, ["id", "name", "c3", "c4"]);
    assert_eq!(values(&lines), [["1", "a", "x", "y"]]);
    assert_eq!(plan.input.notes, ["2 columns without a name, called c3, c4"]);
    assert_eq!(run(FIXED, "x.csv", b"c2,\n1,a\n").0.input.columns, ["c2", "c2_"]);
}

#[test]
fn the_columns_of_an_earlier_output_are_replaced() {
    let more = "[output]\ncolumns = { lat = \"$.lat\" }\n";
    let (plan, lines) = run(&format!("{FIXED}{more}"), "x.csv", b"id,lat,error,error_detail\n1,5,,\n");
    assert_eq!(values(&lines), [["1", "5", "", ""]]);
    assert_eq!(
        plan.input.notes,
        ["the input is an earlier output: its columns lat, error, error_detail are replaced in this one"]
    );
    assert!(refusal(&format!("{FIXED}{more}"), "x.csv", b"id,lat\n1,5\n").contains("job.toml:4:"));
    assert!(
        refusal(FIXED, "x.csv", b"id,error\n1,5\n").starts_with("x.csv:1: the input has a column \"error\"")
    );
}

#[test]
fn a_trailing_delimiter_is_explained() {
    for (input, what) in
        [(&b"a,b,\n1,2\n"[..], "at the end of the header"), (b"a,b\n1,2,\n", "at the end of the record")]
    {
        let job = Arc::new(Job::parse(FIXED, "job.toml").unwrap());
        let mut sink = Collected::default();
        split(input, &job, "x.csv", &mut sink).unwrap();
        let items = String::from_utf8(sink.0.into_values().next().unwrap()).unwrap();
        assert!(items.contains("\"error\":\"parse\"") && items.contains(what), "{items}");
    }
}
