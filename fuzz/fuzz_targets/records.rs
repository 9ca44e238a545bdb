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
    let format = ["csv", "tsv", "jsonl", "text"][usize::from(case.format % 4)];
    let job = format!("[input]\nformat = \"{format}\"\nheader = {}\n[request]\nurl = \"https://example.com/\"\n", case.header);
    let Ok(job) = Job::parse(&job, "job.toml") else { return };
    let mut items = Items::default();
    let Ok(plan) = split(case.bytes, &Arc::new(job), "input", &mut items) else { return };
    let mut numbers = Vec::new();
    for lane in &plan.lanes {
        let bytes = &items.0[&lane.name];
        assert_eq!(bytes.len() as u64, lane.bytes);
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            numbers.push(Item::parse(line).expect("an item").n);
        }
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=plan.input.lines), "{numbers:?}");
});
