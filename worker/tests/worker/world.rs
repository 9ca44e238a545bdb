//! One batch of one run in a store, and a worker for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use job::file::secrets::{Secret, SecretRef};
use job::file::{Compression, Format, OutputFormat};
use job::run::{Batch, InputFacts, LaneKind, Plan, PlannedLane};
use job::run::{Lane, Pace, RunRef, WorkRequest, WorkResponse};
use job::wire::LineResult;
use job::{Job, Objects, SegmentKey, StepError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use worker::{Context, Rng, SecretSource, Settings, Silent};

use crate::store::{self, BUCKET, Faults};

pub const SECRET: &str = "pl4nted/s3cr3t value";

/// A result, without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub n: u64,
    pub values: Vec<serde_json::Value>,
    pub error: Option<String>,
    pub detail: String,
    pub tries: u32,
    pub status: u16,
}

impl Line {
    pub fn error(&self) -> &str {
        self.error.as_deref().unwrap_or("ok")
    }
}

pub struct World {
    pub root: TempDir,
    pub objects: Objects,
    pub context: Context,
    pub request: WorkRequest,
    pub faults: Faults,
}

/// How a batch is set up. `job` is the job file; `items` the lines' own JSON without number and offset.
pub struct Setup {
    job: String,
    columns: Vec<String>,
    items: Vec<String>,
    pub kind: LaneKind,
    pub settings: Settings,
}

impl Setup {
    /// A text file: the column `line`. All lines go to the default limit, by host `h`.
    pub fn lines(job: &str, lines: &[&str]) -> Self {
        let item = |line: &&str| format!(r#""key":"h","v":[{}]"#, serde_json::to_string(line).unwrap());
        Self::items(job, lines.iter().map(item).collect())
    }

    pub fn items(job: &str, items: Vec<String>) -> Self {
        Self {
            job: format!("{job}\n"),
            columns: vec!["line".to_owned()],
            items,
            kind: LaneKind::Hashed,
            settings: Settings { flush_every: Duration::from_millis(50), ..Settings::default() },
        }
    }

    pub fn numbered(job: &str, lines: usize) -> Self {
        let lines: Vec<_> = (1..=lines).map(|n| n.to_string()).collect();
        Self::lines(job, &lines.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub async fn build(self) -> World {
        let Self { job, columns, items, kind, settings } = self;
        let parsed = Job::parse(&job, "job.toml").unwrap();
        let root = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let client = store::client(root.path(), faults.clone());
        let objects = Objects::new(client.clone(), BUCKET);
        let run = RunRef {
            format: job::run::FORMAT,
            bucket: BUCKET.into(),
            job: "j".into(),
            file: "in.txt".into(),
            id: "r".into(),
            generation: 0,
        };
        let keys = run.keys();
        let mut text = String::new();
        for (n, item) in items.iter().enumerate() {
            writeln!(text, "{{\"n\":{},\"at\":0,{item}}}", n + 1).unwrap();
        }
        let batch =
            Batch { first: job::LineId::nth(1), lines: items.len() as u64, from: 0, to: text.len() as u64 };
        let plan = Plan {
            format: job::run::FORMAT,
            continues: None,
            input: InputFacts {
                file: "in.txt".into(),
                format: Format::Text,
                compression: Compression::None,
                encoding: "UTF-8".to_owned(),
                delimiter: b',',
                quote: Some(b'"'),
                escape: None,
                preamble: String::new(),
                header: false,
                columns,
                lines: batch.lines,
                limited: false,
                selection: None,
                blank: 0,
                bytes: batch.to,
                notes: Vec::new(),
            },
            output: OutputFormat::Csv,
            extracted: parsed.output.columns.names().map(str::to_owned).collect(),
            lanes: vec![PlannedLane {
                name: "lane".into(),
                kind,
                workers: 1,
                lines: batch.lines,
                bytes: batch.to,
                batches: vec![batch],
                seconds: 0.0,
            }],
        };
        objects.put(&keys.job_file(), job).await.unwrap();
        objects.put(&keys.plan(), serde_json::to_vec(&plan).unwrap()).await.unwrap();
        objects.put(&keys.items("lane"), text).await.unwrap();
        let mut context = Context::new(
            client,
            Arc::new(Vault::default()),
            Arc::new(Silent),
            settings,
            CancellationToken::new(),
        );
        context.rng = Arc::new(Small::default());
        let lane = Lane {
            name: "lane".into(),
            manifest: keys.manifest(0, "lane"),
            workers: 1,
            tolerated_failure_percentage: 100.0,
            settle_seconds: 1,
            call_seconds: 920,
            limit: None,
        };
        World {
            root,
            objects,
            context,
            request: WorkRequest { run, lane, batch, pace: Pace::default(), wait: None },
            faults,
        }
    }
}

impl World {
    pub async fn work(&self) -> Result<WorkResponse, StepError> {
        worker::work(&self.context, self.request.clone()).await
    }

    /// Works to the end; returns the counts and the lines' results.
    pub async fn done(&self) -> Vec<Line> {
        match self.work().await.unwrap() {
            WorkResponse::Done { lines, ok, failed, .. } => assert_eq!(ok + failed, lines),
            paused @ WorkResponse::Paused { .. } => panic!("{paused:?}"),
        }
        self.results().await
    }

    pub async fn paused(&self) -> (u64, WorkRequest) {
        match self.work().await.unwrap() {
            WorkResponse::Paused { wait_seconds, request } => (wait_seconds, request),
            done @ WorkResponse::Done { .. } => panic!("{done:?}"),
        }
    }

    pub fn prefix(&self) -> String {
        self.request.run.keys().batch_results("lane", job::LineId::nth(1))
    }

    pub async fn segments(&self) -> Vec<(SegmentKey, Vec<u8>)> {
        let mut segments = Vec::new();
        for entry in self.objects.list(&self.prefix()).await.unwrap() {
            let Some(segment) = SegmentKey::parse(&entry.key) else { continue };
            segments.push((segment, self.objects.get(&entry.key).await.unwrap().to_vec()));
        }
        segments
    }

    /// All results, one per line, in order; fails when a line has two, or a segment is not sorted.
    pub async fn results(&self) -> Vec<Line> {
        let mut lines = BTreeMap::new();
        for (segment, body) in self.segments().await {
            let SegmentKey::Results { ok, failed, .. } = segment else { continue };
            let mut last = 0;
            let (mut good, mut bad) = (0, 0);
            for result in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let result = LineResult::parse(result).unwrap();
                let n = result.n.number();
                assert!(n > last, "sorted");
                last = n;
                *if result.ok() { &mut good } else { &mut bad } += 1;
                let values =
                    result.v.iter().flatten().map(|value| job::json::value(value.get()).unwrap()).collect();
                let line = Line {
                    n,
                    values,
                    error: result.error.as_deref().map(str::to_owned),
                    detail: result.detail.as_deref().unwrap_or_default().to_owned(),
                    tries: result.tries,
                    status: result.status,
                };
                assert!(lines.insert(n, line).is_none(), "line {n} has two results");
            }
            assert_eq!((good, bad), (ok, failed), "the key carries the counts");
        }
        lines.into_values().collect()
    }

    /// Everything in the store, as text.
    pub fn everything(&self) -> String {
        let mut all = String::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    all += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
                }
            }
        }
        all
    }
}

/// The codes of all lines, in order.
pub fn codes(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(Line::error).collect()
}

/// The secret ROTATED is replaced after it has been read once.
#[derive(Default)]
struct Vault(AtomicUsize);

#[async_trait]
impl SecretSource for Vault {
    async fn resolve(
        &self,
        _job: &str,
        name: &str,
        _reference: &SecretRef,
    ) -> Result<Secret, worker::Unresolved> {
        if name == "MISSING" {
            Err("the secret MISSING is not set".to_owned().into())
        } else if name == "ROTATED" {
            let reads = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Secret::new(if reads == 0 { "outdated-secret" } else { SECRET }))
        } else {
            Ok(Secret::new(SECRET))
        }
    }
}

/// Random numbers so small that every backoff takes a few nanoseconds, and no two of them equal.
#[derive(Default)]
struct Small(AtomicU64);

impl Rng for Small {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
