//! Splits an input, and checks what holds for every split.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::{Item, Job, Plan, StepError};
use preprocess::{Sink, split};

/// The items of each lane.
#[derive(Default)]
pub(crate) struct Collected(pub(crate) BTreeMap<String, Vec<u8>>);

impl Sink for Collected {
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
        self.0.entry(lane.to_owned()).or_default().extend(items);
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) n: u64,
    pub(crate) at: u64,
    pub(crate) lane: String,
    pub(crate) key: Option<String>,
    pub(crate) v: Option<serde_json::Value>,
    pub(crate) error: Option<String>,
    pub(crate) raw: Option<Vec<u8>>,
}

/// A reader that returns its bytes in uneven pieces.
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

pub(crate) fn try_run(job: &str, file: &str, input: impl Read) -> Result<(Plan, Vec<Line>), StepError> {
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

pub(crate) fn run(job: &str, file: &str, input: &[u8]) -> (Plan, Vec<Line>) {
    let whole = try_run(job, file, input).unwrap();
    let dribbled = try_run(job, file, Dribble(input, 0)).unwrap();
    assert_eq!(whole, dribbled, "the size of reads must not matter");
    whole
}

pub(crate) fn values(lines: &[Line]) -> Vec<Vec<String>> {
    lines.iter().map(|line| serde_json::from_value(line.v.clone().unwrap()).unwrap()).collect()
}

/// A job whose requests all go to one host.
pub(crate) const FIXED: &str = "[request]\nurl = \"http://api.test/?q=1\"\n";

pub(crate) fn job(input: &str) -> String {
    format!("[input]\n{input}\n{FIXED}")
}

pub(crate) fn errors(lines: &[Line]) -> Vec<Option<&str>> {
    lines.iter().map(|line| line.error.as_deref()).collect()
}

pub(crate) fn refusal(job: &str, file: &str, input: &[u8]) -> String {
    try_run(job, file, input).unwrap_err().message
}
