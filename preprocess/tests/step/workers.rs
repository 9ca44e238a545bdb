//! Results as workers write them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use job::run::{Finished, RunRef};
use job::wire::{Intents, seal};
use job::{Batch, Invocation, Item, Job, LineId, LineResult, Row, RunKeys, SegmentKey};
use serde_json::value::RawValue;

use crate::world::World;

/// The outcome of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not sent.
    Nothing,
    Success,
    Failed(&'static str),
    /// It was named in an intent, and the worker died.
    Intent,
}

impl World {
    /// Writes what workers write for a run: for each line its outcome. The values say the line and its text.
    pub(crate) async fn work(&self, run: &RunRef, outcome: impl Fn(u64) -> Outcome) {
        self.work_as(run, outcome, true).await;
    }

    /// As [`Self::work`]; `identified` is false for a worker of a version without identities.
    pub(crate) async fn work_as(&self, run: &RunRef, outcome: impl Fn(u64) -> Outcome, identified: bool) {
        let plan = self.plan(run).await;
        let text =
            String::from_utf8(self.objects.get(&run.keys().job_file()).await.unwrap().to_vec()).unwrap();
        let job = Job::parse(&text, "job.toml").unwrap();
        let columns: Arc<[String]> = plan.input.columns.clone().into();
        let at = self.clock.fetch_add(1000, Ordering::Relaxed);
        for lane in &plan.lanes {
            for batch in &lane.batches {
                let items = self.items(&run.keys(), &lane.name, *batch).await;
                let folder = run.keys().batch_results(&lane.name, batch.first);
                let (mut body, mut ok, mut failed) = (Vec::new(), 0, 0);
                let mut intents = Intents::default();
                for (n, v) in items {
                    let row = Arc::new(Row::parse(&columns, &v).unwrap());
                    let id = job.identity(&row).filter(|_| identified);
                    let values: Vec<String> = serde_json::from_str(v.get()).unwrap();
                    let value = serde_json::value::to_raw_value(&said(n.number(), &values[0])).unwrap();
                    let (t, ms, tries, status) = (at, 12, 1, 200);
                    let result = LineResult {
                        n,
                        t,
                        ms,
                        tries,
                        status,
                        id,
                        v: None,
                        error: None,
                        detail: None,
                        earlier: Vec::new(),
                    };
                    match outcome(n.number()) {
                        Outcome::Nothing => continue,
                        Outcome::Intent => {
                            intents.sending.push(n);
                            continue;
                        }
                        Outcome::Success => {
                            ok += 1;
                            body.extend(LineResult { v: Some(vec![&value]), ..result }.to_line());
                        }
                        Outcome::Failed(code) => {
                            failed += 1;
                            let detail = Some(format!("line {n}").into());
                            body.extend(LineResult { error: Some(code.into()), detail, ..result }.to_line());
                        }
                    }
                }
                let invocation = Invocation::new(run.generation, at, 7);
                let intended = SegmentKey::Intents { invocation: invocation.clone(), k: 0 };
                if !intents.sending.is_empty() {
                    let body = serde_json::to_vec(&intents).unwrap();
                    self.objects.put(&format!("{folder}{}", intended.name()), body).await.unwrap();
                }
                if !body.is_empty() {
                    seal::seal(&mut body);
                    let name =
                        SegmentKey::Results { invocation, k: 0, ok, failed, throttled: 0, sent: ok + failed }
                            .name();
                    self.objects.put(&format!("{folder}{name}"), body).await.unwrap();
                }
            }
        }
    }

    /// Marks a run as finished, as post-process does.
    pub(crate) async fn finish(&self, run: &RunRef) {
        let finished = serde_json::to_vec(&Finished { format: job::run::FORMAT, at: 1 }).unwrap();
        self.objects.put(&run.keys().finished(), finished).await.unwrap();
        for folder in ["items/", "manifest/", "checkpoint/"] {
            self.objects.delete_prefix(&format!("{}{folder}", run.keys().prefix())).await.unwrap();
        }
    }

    /// The items of a batch: the lines, and their fields.
    async fn items(&self, keys: &RunKeys, lane: &str, batch: Batch) -> Vec<(LineId, Box<RawValue>)> {
        let bytes = self.objects.get_range(&keys.items(lane), batch.from, batch.to).await.unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let items = lines.map(|line| Item::parse(line).unwrap());
        items.filter_map(|item| item.v.map(|v| (item.n, v.to_owned()))).collect()
    }
}

/// The value of a line's success.
pub(crate) fn said(n: u64, text: &str) -> String {
    format!("{text} as line {n}")
}
