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
                n: item.n,
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
    assert_eq!(lines.iter().map(|line| line.n).collect::<Vec<_>>(), (1..=plan.input.lines).collect::<Vec<_>>());
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
        assert!(input[usize::try_from(line.at).unwrap()..].starts_with(first), "the offset points at the record");
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
fn text_keeps_blank_lines() {
    let (plan, lines) = run(FIXED, "x.txt", b"one\r\n\n three \n\tlast");
    assert_eq!(values(&lines), [["one"], [""], [" three "], ["\tlast"]]);
    assert_eq!((plan.input.columns, plan.input.blank), (vec!["line".to_owned()], 0));
}

#[test]
fn jsonl_keeps_objects_as_they_are() {
    let (plan, lines) =
        run(FIXED, "x.jsonl", b"{\"b\":1.0,\"a\":\"x\"}\n\n  \n{\"a\":9007199254740993, \"c\":[]}\n[1]\n{\"a\":\n{\"a\":\"\xff\"}");
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
        ("x.csv", &b"\xff\xfea\0"[..], "UTF-16"),
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
    let got: Vec<_> = lines.iter().map(|line| (line.lane.split('-').next().unwrap(), line.key.as_deref(), line.error.as_deref())).collect();
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
        let job = format!("[request]\nurl = \"http://{{{{ p }}}}.test/\"\n[limits]\nby = \"{by}\"\n[limits.one]\nrate = \"5/s\"\n");
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
    assert_eq!(lines.iter().map(|line| line.error.as_deref()).collect::<Vec<_>>(), [None, Some("too_large"), None]);
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
        let (_, lines) = run(FIXED, "x.txt", &bytes);
        let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
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
    fn any_bytes_are_split_without_loss(bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\"{}:1\xff ,".to_vec()), 0..300), format in prop::sample::select(vec!["csv", "jsonl", "tsv"])) {
        let job = format!("[input]\nformat = \"{format}\"\nheader = false\n{FIXED}");
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
