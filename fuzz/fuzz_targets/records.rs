//! Any bytes are split: every record is an item once, in order, and each batch covers its bytes.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arbitrary::Arbitrary;
use job::{Item, Job};
use libfuzzer_sys::fuzz_target;
use preprocess::{Sink, split};

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    format: u8,
    header: bool,
    quote: u8,
    escape: bool,
    keep: bool,
    skip: u8,
    encoding: u8,
    bytes: &'a [u8],
}

#[derive(Default)]
struct Items(BTreeMap<String, Vec<u8>>);

impl Sink for Items {
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
        self.0.entry(lane.to_owned()).or_default().extend(items);
        Ok(())
    }
}

fuzz_target!(|case: Case| {
    let format = ["csv", "tsv", "jsonl", "text", "json"][usize::from(case.format % 5)];
    let quote = ["", "quote = '\"'", "quote = \"'\"", "quote = 'none'"][usize::from(case.quote % 4)];
    let escape = if case.escape { "escape = '\\'" } else { "" };
    let blank = if case.keep { "keep" } else { "skip" };
    let encoding = ["", "encoding = 'utf-16le'", "encoding = 'windows-1252'", "encoding = 'shift_jis'"][usize::from(case.encoding % 4)];
    let job = format!(
        "[input]\nformat = \"{format}\"\nheader = {}\nblank = \"{blank}\"\nskip = {}\n{quote}\n{escape}\n{encoding}\n[request]\nurl = \"https://example.com/\"\n",
        case.header,
        case.skip % 3,
    );
    let Ok(job) = Job::parse(&job, "job.toml") else { return };
    let mut items = Items::default();
    let Ok(plan) = split(case.bytes, &Arc::new(job), "input", &mut items) else { return };
    let mut numbers = Vec::new();
    for lane in &plan.lanes {
        let bytes = &items.0[&lane.name];
        assert_eq!(bytes.len() as u64, lane.bytes);
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            numbers.push(Item::parse(line).expect("an item").n.number());
        }
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=plan.input.lines), "{numbers:?}");
});
