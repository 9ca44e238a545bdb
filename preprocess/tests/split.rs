//! Splitting: any bytes in, every record out exactly once, in its lane, in order.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::job_file::{Compression, Format};
use job::{Item, Job, LaneKind, Plan, StepError};
use preprocess::{Sink, split};
use proptest::prelude::*;

#[derive(Default)]
struct Collected(BTreeMap<String, Vec<u8>>);

impl Sink for Collected {
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
        self.0.entry(lane.to_owned()).or_default().extend(items);
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Line {
    n: u64,
    at: u64,
    lane: String,
    key: Option<String>,
    v: Option<serde_json::Value>,
    error: Option<String>,
    raw: Option<Vec<u8>>,
}

/// A reader that hands out its bytes in uneven pieces.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let count = self.1.min(out.len()).min(self.0.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn try_run(job: &str, file: &str, input: impl Read) -> Result<(Plan, Vec<Line>), StepError> {
    let job = Arc::new(Job::parse(job, "job.toml").unwrap());
    let mut sink = Collected::default();
    let plan = split(input, &job, file, &mut sink)?;
    let mut lines = Vec::new();
    for lane in &plan.lanes {
        let items = sink.0.remove(&lane.name).unwrap();
        assert_eq!(items.len() as u64, lane.bytes);
        assert_batches_fit(lane, &items);
        for item in items.split(|byte| *byte == b'\n').filter(|item| !item.is_empty()) {
            let item = Item::parse(item).unwrap();
            lines.push(Line {
                n: item.n.number(),
                at: item.at,
                lane: lane.name.clone(),
                key: item.key.map(Into::into),
                v: item.v.map(|v| serde_json::from_str(v.get()).unwrap()),
                error: item.error.map(Into::into),
                raw: item.raw.map(|raw| STANDARD.decode(raw.as_bytes()).unwrap()),
            });
        }
    }
    assert!(sink.0.is_empty(), "items of a lane that the plan does not have");
    lines.sort_by_key(|line| line.n);
    assert_eq!(
        lines.iter().map(|line| line.n).collect::<Vec<_>>(),
        (1..=plan.input.lines).collect::<Vec<_>>()
    );
    Ok((plan, lines))
}

fn assert_batches_fit(lane: &job::PlannedLane, items: &[u8]) {
    let mut at = 0;
    let mut lines = 0;
    for batch in &lane.batches {
        assert_eq!(batch.from, at);
        let body = &items[usize::try_from(batch.from).unwrap()..usize::try_from(batch.to).unwrap()];
        assert!(body.ends_with(b"\n"));
        assert_eq!(body.iter().filter(|byte| **byte == b'\n').count() as u64, batch.lines);
        assert_eq!(Item::parse(body.split(|byte| *byte == b'\n').next().unwrap()).unwrap().n, batch.first);
        at = batch.to;
        lines += batch.lines;
    }
    assert_eq!((at, lines), (lane.bytes, lane.lines));
}

fn run(job: &str, file: &str, input: &[u8]) -> (Plan, Vec<Line>) {
    let whole = try_run(job, file, input).unwrap();
    let dribbled = try_run(job, file, Dribble(input, 0)).unwrap();
    assert_eq!(whole, dribbled, "the size of reads must not matter");
    whole
}

fn values(lines: &[Line]) -> Vec<Vec<String>> {
    lines.iter().map(|line| serde_json::from_value(line.v.clone().unwrap()).unwrap()).collect()
}

const FIXED: &str = "[request]\nurl = \"http://api.test/?q=1\"\n";

#[test]
fn csv_with_everything() {
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
fn rows_that_do_not_fit_are_failed_lines() {
    let input = b"a,b\n1\n1,2,3\n\xff,2\n\xc3,\xa9\n5,6\n";
    let (_, lines) = run(FIXED, "x.csv", input);
    let errors: Vec<_> = lines.iter().map(|line| line.error.as_deref()).collect();
    assert_eq!(errors, [Some("parse"), Some("parse"), Some("decode"), Some("decode"), None]);
    assert_eq!(lines[1].raw.as_deref(), Some(&b"1,2,3"[..]));
    assert_eq!(lines[2].raw.as_deref(), Some(&b"\xff,2"[..]));
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let (_, lines) = run(FIXED, "x.csv", b"a,b\n1,2\n3,\"4\n5,6\n7,8\n");
    let got: Vec<_> = lines.iter().map(|line| (line.error.as_deref(), line.raw.as_deref())).collect();
    assert_eq!(got, [(None, None), (Some("parse"), Some(&b"3,\"4"[..])), (None, None), (None, None)]);
    let (_, lines) = run(FIXED, "x.csv", b"a,b\n1,x\"y");
    assert_eq!(values(&lines), [["1", "x\"y"]]);
}

#[test]
fn blank_lines_are_passed_over_and_counted_unless_they_are_kept() {
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
fn empty_files() {
    for (file, input, columns) in [
        ("x.csv", &b""[..], vec![]),
        ("x.csv", b"a,b\n", vec!["a", "b"]),
        ("x.txt", b"", vec![]),
        ("x.jsonl", b"\n", vec![]),
        ("x.csv", b"\xef\xbb\xbf", vec![]),
    ] {
        let (plan, lines) = run("[request]\nurl = \"http://h/{{ b }}\"\n", file, input);
        assert_eq!((plan.input.lines, plan.lanes.len(), lines.len()), (0, 0, 0));
        assert_eq!(plan.input.columns, columns);
    }
}

#[test]
fn formats_and_compressions_are_read_off() {
    let gz = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bz = |bytes: &[u8]| {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for (file, compress, compression) in [
        ("x.csv.gz", &gz as &dyn Fn(&[u8]) -> Vec<u8>, Compression::Gzip),
        ("x.csv.bz2", &bz, Compression::Bzip2),
        ("x.csv.zst", &zst, Compression::Zstd),
        ("x.csv", &zst, Compression::Zstd),
    ] {
        let two_members = [compress(b"a,b\n1,\"2\n"), compress(b"3\"\n4,5\n")].concat();
        let (plan, lines) = run(FIXED, file, &two_members);
        assert_eq!((plan.input.compression, plan.input.format), (compression, Format::Csv));
        assert_eq!(values(&lines), [["1", "2\n3"], ["4", "5"]]);
    }
    for (file, input, format) in [
        ("x.tsv", "a\tb\n1\t2\n", Format::Tsv),
        ("x.ndjson", "{}", Format::Jsonl),
        ("data", "\n{\"a\":1}\n", Format::Jsonl),
        ("data", "a,b\n", Format::Text),
    ] {
        assert_eq!(run(FIXED, file, input.as_bytes()).0.input.format, format, "{file}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let cut = &{
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&[b'x'; 200_000]).unwrap();
        encoder.finish().unwrap()
    }[..150_000];
    for (file, input, part) in [
        ("x.csv", &b"\xff\xfe\0\0a\0\0\0"[..], "UTF-32"),
        ("x.csv", b"PK\x03\x04", "ZIP"),
        ("x.csv.gz", cut, "complete?"),
        ("x.csv", b"a,\xff\n1,2\n", "header"),
    ] {
        let error = try_run(FIXED, file, input).unwrap_err();
        assert!(error.message.contains(part) && error.message.contains(file), "{error}");
        assert_eq!(error.name.as_str(), "Input.Unreadable");
    }
    let error = try_run("[request]\nurl = \"http://h/{{ c }}\"\n", "x.csv", &b"a,b\n1,2\n"[..]).unwrap_err();
    assert!(error.message.contains("job.toml:2:20") && error.message.contains("it has: a, b"), "{error}");
}

#[test]
fn lines_go_to_their_providers_lane() {
    let job = "[request]\nurl = \"{{ url }}\"\n[limits.\"a.test\"]\nrate = \"1/s\"\n[limits.\"*.b.test\"]\nrate = \"1/s\"\n";
    let input = b"http://a.test/1\nhttps://x.b.test/\nhttp://c.test:81/\nnonsense\nftp://a.test/\nhttp://A.TEST:80/2\n";
    let job = job.replace("{{ url }}", "{{ line }}");
    let (plan, lines) = run(&job, "x.txt", input);
    let got: Vec<_> = lines
        .iter()
        .map(|line| (line.lane.split('-').next().unwrap(), line.key.as_deref(), line.error.as_deref()))
        .collect();
    assert_eq!(got[0], ("a.test", None, None));
    assert_eq!(got[1], ("_.b.test", None, None));
    assert_eq!(got[2], ("other", Some("c.test:81"), None));
    assert_eq!((got[3].2, got[4].2), (Some("url"), Some("url")));
    assert_eq!(got[5], ("a.test", None, None));
    assert!(plan.lanes.iter().any(|lane| lane.kind == LaneKind::Named { provider: "*.b.test".to_owned() }));
}

#[test]
fn lanes_by_a_column_and_by_a_template() {
    for by in ["{{ p }}", "{{ p | upper | lower }}"] {
        let job = format!(
            "[request]\nurl = \"http://{{{{ p }}}}.test/\"\n[limits]\nby = \"{by}\"\n[limits.one]\nrate = \"5/s\"\n"
        );
        let (_, lines) = run(&job, "x.csv", b"p\none\ntwo\none\n");
        let got: Vec<_> = lines.iter().map(|line| (line.lane.as_str(), line.key.as_deref())).collect();
        assert_eq!((got[0], got[2]), (("one", None), ("one", None)));
        assert_eq!(got[1].1, Some("two"));
    }
}

#[test]
fn a_line_beyond_the_limit_is_one_failed_line() {
    let mut input = b"short\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 9 << 20));
    input.extend(b"\nafter\n");
    for file in ["x.txt", "x.jsonl"] {
        let (_, lines) = try_run(FIXED, file, &input[..]).unwrap();
        assert_eq!(lines.len(), 3, "{file}");
        assert_eq!(lines[1].error.as_deref(), Some("too_large"));
    }
    let (_, lines) = try_run(FIXED, "x.csv", &[b"h\n", &input[..]].concat()[..]).unwrap();
    assert_eq!(
        lines.iter().map(|line| line.error.as_deref()).collect::<Vec<_>>(),
        [None, Some("too_large"), None]
    );
}

fn job(input: &str) -> String {
    format!("[input]\n{input}\n{FIXED}")
}

fn errors(lines: &[Line]) -> Vec<Option<&str>> {
    lines.iter().map(|line| line.error.as_deref()).collect()
}

fn refusal(job: &str, file: &str, input: &[u8]) -> String {
    try_run(job, file, input).unwrap_err().message
}

#[test]
fn quotes_are_characters_in_tsv_unless_the_job_names_them() {
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
fn text_behind_a_closing_quote_costs_the_first_line_only() {
    let (_, lines) = run(FIXED, "x.csv", b"id,name\n1,\"Ann\n2,Bob\n3,\"Cy\n4,Di\n");
    assert_eq!(errors(&lines), [Some("parse"), None, Some("parse"), None]);
    assert_eq!(
        (lines[0].raw.as_deref(), lines[2].raw.as_deref()),
        (Some(&b"1,\"Ann"[..]), Some(&b"3,\"Cy"[..]))
    );
    assert_eq!((&lines[1].v, lines[1].at), (&Some(serde_json::json!(["2", "Bob"])), 15));
    // Line ends of every kind are where reading goes on.
    let (_, lines) = run(FIXED, "x.csv", b"id,name\r1,\"a\"b\r2,c\r\n3,\"d\"e\r\n4,f\r");
    assert_eq!(errors(&lines), [Some("parse"), None, Some("parse"), None]);
    let (_, lines) = run(FIXED, "x.csv", b"id,name\n1,\"a\" \n\"2\"\t,b");
    assert_eq!(values(&lines), [["1", "a"], ["2", "b"]], "blanks are no text");
}

#[test]
fn a_quote_that_swallows_the_file_costs_one_line() {
    let rows: String = (0..600_000).map(|n| format!("{n},some name\n")).collect();
    let input = format!("id,name\n1,\"Ann\n{rows}");
    assert!(input.len() > 9 << 20);
    let (_, lines) = try_run(FIXED, "x.csv", input.as_bytes()).unwrap();
    assert_eq!(lines.len(), 600_001);
    assert_eq!(errors(&lines[..3]), [Some("parse"), None, None]);
    assert!(lines[1..].iter().all(|line| line.error.is_none()));
}

#[test]
fn escapes_are_undone_where_the_job_names_the_character() {
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
fn encodings_are_known_by_their_marks_or_named_by_the_job() {
    let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let text = "id,größe\r\n1,\"1,5 €\"\r\n2,x\r\n";
    for (encoded, encoding) in [
        (text.as_bytes().to_vec(), "UTF-8"),
        (format!("\u{feff}{text}").into_bytes(), "UTF-8"),
        (le(&format!("\u{feff}{text}")), "UTF-16LE"),
        (be(&format!("\u{feff}{text}")), "UTF-16BE"),
        (le(text), "UTF-16LE"),
        (be(text), "UTF-16BE"),
    ] {
        let (plan, lines) = run(FIXED, "x.csv", &encoded);
        assert_eq!(plan.input.encoding, encoding);
        assert_eq!(plan.input.columns, ["id", "größe"]);
        assert_eq!(values(&lines), [["1", "1,5 €"], ["2", "x"]]);
    }
    let (_, lines) = run(FIXED, "x", &le("https://a.example/ü\nhttps://b.example/\n"));
    assert_eq!(values(&lines), [["https://a.example/ü"], ["https://b.example/"]]);

    let latin = b"id,gr\xf6\xdfe\n1,\"1,5 \x80\"\n2,x\n";
    let (_, lines) = run(&job("encoding = \"cp1252\""), "x.csv", latin);
    assert_eq!(values(&lines), [["1", "1,5 €"], ["2", "x"]]);
    let message = refusal(FIXED, "x.csv", latin);
    assert!(
        message.starts_with("x.csv:1: the header is not UTF-8 (byte 0xf6 in column 2): set input.encoding"),
        "{message}"
    );
    let (_, lines) = run(&job("encoding = \"shift_jis\""), "x.txt", b"\x82\xa0\n\xff\nb\n");
    assert_eq!(errors(&lines), [None, Some("decode"), None]);
}

#[test]
fn what_stands_before_the_header_is_passed_over() {
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
fn a_delimiter_is_found_where_header_and_lines_agree() {
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
fn columns_without_a_name_are_called_after_their_place() {
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
fn a_separator_too_many_says_so() {
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
fn json_that_cannot_be_told_apart_is_refused_with_its_place() {
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

#[test]
fn lines_may_end_with_cr() {
    for (file, input) in [("x.txt", &b"one\rtwo\r\rthree"[..]), ("x.csv", b"h\rone\rtwo\r\rthree\r")] {
        let (plan, lines) = run(FIXED, file, input);
        assert_eq!(values(&lines), [["one"], ["two"], ["three"]], "{file}");
        assert_eq!(plan.input.blank, 1);
    }
    assert_eq!(values(&run(FIXED, "x.txt", b"a\rb\nc\n").1), [["a\rb"], ["c"]]);
}

#[test]
fn what_stands_behind_compressed_data_is_padding_or_garbage() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"one\ntwo\n").unwrap();
    let gz = encoder.finish().unwrap();
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(b"one\ntwo\n").unwrap();
    let bz = encoder.finish().unwrap();
    let zst = zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap();
    let skippable = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
    for (data, behind, lines, notes) in [
        (&gz, &[0; 700][..], 2, 0),
        (&gz, b"trailing garbage", 2, 1),
        (&gz, b"\0\0\0garbage", 2, 1),
        (&gz, &gz, 4, 0),
        (&bz, &[0; 700], 2, 0),
        (&bz, b"garbage", 2, 1),
        (&bz, &bz, 4, 0),
        (&zst, &[0; 700], 2, 0),
        (&zst, b"garbage", 2, 1),
        (&zst, skippable, 2, 0),
        (&skippable.to_vec(), &zst, 2, 0),
    ] {
        let (plan, got) = run(FIXED, "x.txt", &[data.as_slice(), behind].concat());
        assert_eq!((got.len(), plan.input.notes.len()), (lines, notes), "{:?}", plan.input.notes);
    }
    let error = try_run(FIXED, "x.txt.gz", &[&gz[..], &gz[..10]].concat()[..]).unwrap_err();
    assert!(error.message.contains("complete?"), "a member that is cut is no garbage: {error}");
}

#[test]
fn a_line_cannot_fill_the_memory() {
    let wide = format!("{}\n", vec!["a"; 200_000].join(","));
    assert!(refusal(FIXED, "x.csv", wide.as_bytes()).contains("at most 100000"));
    let keys: String = (0..40).map(|n| format!("{{\"{n}{}\":1}}\n", "k".repeat(100_000))).collect();
    let (plan, lines) = run(FIXED, "x.jsonl", keys.as_bytes());
    assert_eq!((lines.len(), plan.input.columns.len()), (40, 10), "keys of a mebibyte become columns");
}

fn csv_field() -> impl Strategy<Value = String> {
    prop::string::string_regex("[a-c\",;\n\r\té ]{0,6}").unwrap()
}

proptest! {
    #[test]
    fn csv_is_read_as_it_was_written(rows in prop::collection::vec(prop::collection::vec(csv_field(), 3), 0..40), crlf: bool) {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["x", "y", "z"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let (_, lines) = run(FIXED, "x.csv", &writer.into_inner().unwrap());
        prop_assert_eq!(values(&lines), rows);
    }

    #[test]
    fn every_line_of_any_bytes_comes_out_once(bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\"{}:1\xff\xc3\xa9 ,".to_vec()), 0..300)) {
        let (_, lines) = run(&format!("[input]\nblank = \"keep\"\n{FIXED}"), "x.txt", &bytes);
        // In a file without LF a line ends with CR.
        let cr = !bytes.contains(&b'\n');
        let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n' || (cr && *byte == b'\r')).collect();
        if expected.last().is_some_and(|last| last.is_empty()) {
            expected.pop();
        }
        prop_assert_eq!(lines.len(), expected.len());
        let last = expected.len();
        for (index, (line, expected)) in lines.iter().zip(expected).enumerate() {
            let ended = index + 1 < last || bytes.ends_with(b"\n");
            let expected = if ended { expected.strip_suffix(b"\r").unwrap_or(expected) } else { expected };
            let got = match &line.raw {
                Some(raw) => raw.clone(),
                None => line.v.as_ref().unwrap()[0].as_str().unwrap().as_bytes().to_vec(),
            };
            prop_assert_eq!(&got[..], expected);
        }
    }

    #[test]
    fn any_bytes_are_split_without_loss(
        bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\"{}:1\xff ,'".to_vec()), 0..300),
        format in prop::sample::select(vec!["csv", "jsonl", "tsv"]),
        quote in prop::sample::select(vec!["", "quote = '\"'\n", "quote = \"'\"\n", "quote = \"none\"\n"]),
        keep: bool,
    ) {
        let blank = if keep { "keep" } else { "skip" };
        let job = format!("[input]\nformat = \"{format}\"\nheader = false\nblank = \"{blank}\"\n{quote}{FIXED}");
        let (plan, lines) = run(&job, "x", &bytes);
        // Every letter of the input stands in exactly one record.
        let letters = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_lowercase() || **byte == b'1').count();
        let out: usize = lines.iter().map(|line| match &line.raw {
            Some(raw) => letters(raw),
            None => {
                let text = line.v.as_ref().unwrap().to_string();
                let text = ["\\n", "\\r", "\\t"].iter().fold(text, |text, escape| text.replace(escape, ""));
                letters(text.as_bytes())
            }
        }).sum();
        prop_assert_eq!(out, letters(&bytes));
        prop_assert_eq!(plan.input.bytes, bytes.len() as u64);
    }

    #[test]
    fn delimited_fields_are_read_as_they_were_escaped(rows in prop::collection::vec(prop::collection::vec(csv_field(), 2), 0..40), quote: bool) {
        let job = format!("[input]\ndelimiter = \";\"\nescape = 'e'\nquote = \"{}\"\nblank = \"keep\"\n{FIXED}", if quote { "'" } else { "none" });
        let special = |c: char| matches!(c, ';' | '\n' | '\r' | 'e' | '\'');
        let cell = |field: &String| field.chars().map(|c| if special(c) { format!("e{}", if c == '\r' { 'r' } else { c }) } else { c.to_string() }).collect::<String>();
        let cell = |field: &String| if quote { format!("'{}'", cell(field)) } else { cell(field) };
        let text: String = rows.iter().map(|row| format!("{}\n", row.iter().map(cell).collect::<Vec<_>>().join(";"))).collect();
        let (_, lines) = run(&job, "x.csv", format!("x;y\n{text}").as_bytes());
        prop_assert_eq!(values(&lines), rows);
    }

    #[test]
    fn a_json_array_is_read_as_it_was_written(rows in prop::collection::vec(("[a-c\"\\\\{}\\[\\], \n]{0,8}", any::<i32>()), 0..30), layout in 0..4) {
        let rows: Vec<_> = rows.iter().map(|(text, number)| serde_json::json!({"t": text, "n": [{"x": number}]})).collect();
        let text = match layout {
            0 => serde_json::to_string(&rows).unwrap(),
            1 => serde_json::to_string_pretty(&rows).unwrap(),
            2 => rows.iter().map(|row| format!("{row:#}\n")).collect(),
            _ => rows.iter().map(ToString::to_string).collect(),
        };
        let job = format!("[input]\nformat = \"json\"\n{FIXED}");
        let (_, lines) = run(&job, "x", text.as_bytes());
        prop_assert_eq!(lines.into_iter().map(|line| line.v.unwrap()).collect::<Vec<_>>(), rows);
    }

    #[test]
    fn text_of_any_encoding_is_split_as_utf_8_is(
        parts in prop::collection::vec(prop::sample::select(vec!["a", "é", ",", "\"", "\n", "\r\n", "1", "€,b\n"]), 0..60),
        format in prop::sample::select(vec!["csv", "txt"]),
        label in prop::sample::select(vec!["windows-1252", "utf-16le", "utf-16be", "gb18030"]),
    ) {
        let text = format!("x,y\n{}", parts.concat());
        let encoded = match label {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            label => encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(&text).0.into_owned(),
        };
        let file = format!("x.{format}");
        let (_, expected) = run(FIXED, &file, text.as_bytes());
        let (_, lines) = run(&format!("[input]\nencoding = \"{label}\"\n{FIXED}"), &file, &encoded);
        prop_assert_eq!(lines, expected);
    }

    #[test]
    fn lanes_share_the_lines(hosts in prop::collection::vec(0u8..30, 0..500)) {
        let job = "[request]\nurl = \"http://h{{ line }}.test/\"\n[limits.\"h1.test\"]\nrate = \"1/s\"\nin_flight = 300\n[limits.default]\nrate = \"1/s\"\n";
        let input: String = hosts.iter().map(|host| format!("{host}\n")).collect();
        let (plan, lines) = run(job, "x.txt", input.as_bytes());
        let mut lanes: BTreeMap<&str, &str> = BTreeMap::new();
        for line in &lines {
            let host = line.v.as_ref().unwrap()[0].as_str().unwrap();
            prop_assert_eq!(*lanes.entry(host).or_insert(&line.lane), line.lane.as_str(), "a host has one lane");
            prop_assert_eq!(line.lane == "h1.test", host == "1");
        }
        prop_assert_eq!(plan.lanes.iter().map(|lane| lane.lines).sum::<u64>(), lines.len() as u64);
    }
}
