//! An S3 in a temporary folder, and run folders in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use job::file::{Compression, Format, OutputFormat};
use job::run::InputFacts;
use job::run::{Claim, PostprocessRequest, PostprocessResponse, RunRef};
use job::{Batch, Invocation, LaneKind, LineId, Objects, Plan, PlannedLane, SegmentKey, StepError};
use postprocess::{Context, Report, Settings, failed_key, output_key, postprocess, report_key};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use s3::BUCKET;

/// When runs are claimed, and when they are merged.
pub(crate) const STARTED: u64 = 1_763_700_000_000;
pub(crate) const FINISHED: u64 = STARTED + 60_000;

pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) context: Context,
    pub(crate) merged: Arc<AtomicU64>,
    _folder: TempDir,
}

/// A run before it is written to the store.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) run: RunRef,
    pub(crate) plan: Plan,
    pub(crate) job: String,
    /// For each lane of the plan: the numbers of its items, and the items without their numbers.
    pub(crate) items: Vec<Vec<(u64, Value)>>,
    /// Keys and contents below the run's folder.
    pub(crate) objects: Vec<(String, String)>,
}

/// What a call has written, and its response.
#[derive(Debug, PartialEq)]
pub(crate) struct Left {
    pub(crate) output: Option<String>,
    pub(crate) failed: Option<String>,
    pub(crate) report: Report,
    pub(crate) response: PostprocessResponse,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = s3::client(folder.path()).unwrap();
        let merged = Arc::new(AtomicU64::new(0));
        let seen = merged.clone();
        let context = Context {
            s3: s3.clone(),
            settings: Settings::default(),
            stop: CancellationToken::new(),
            pause: CancellationToken::new(),
            progress: Some(Arc::new(move |lines| seen.store(lines, Ordering::Relaxed))),
            now: Arc::new(|| FINISHED),
        };
        Self { objects: Objects::new(s3, BUCKET), context, merged, _folder: folder }
    }

    pub(crate) async fn text(&self, key: &str) -> Option<String> {
        self.objects.find(key).await.unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub(crate) async fn write(&self, fixture: &mut Fixture) {
        let keys = fixture.run.keys();
        for (lane, items) in fixture.plan.lanes.iter_mut().zip(&fixture.items) {
            let (body, ends) = items_file(items);
            lane.lines = items.len() as u64;
            lane.bytes = body.len() as u64;
            let mut before = 0;
            for batch in &mut lane.batches {
                let after = before + usize::try_from(batch.lines).unwrap();
                (batch.first, batch.from, batch.to) =
                    (LineId::nth(items[before].0), ends[before], ends[after]);
                before = after;
            }
            self.objects.put(&keys.items(&lane.name), body).await.unwrap();
            self.objects
                .put(&keys.manifest(0, &lane.name), serde_json::to_vec(&lane.batches).unwrap())
                .await
                .unwrap();
        }
        fixture.plan.input.lines = fixture.items.iter().map(|items| items.len() as u64).sum();
        self.objects.put(&keys.plan(), serde_json::to_vec(&fixture.plan).unwrap()).await.unwrap();
        self.objects.put(&keys.job_file(), fixture.job.clone()).await.unwrap();
        let claim = Claim {
            format: job::run::FORMAT,
            execution: "execution".to_owned(),
            started: STARTED,
            include_unknown: false,
            only: Vec::new(),
        };
        self.objects
            .put(&keys.claim(fixture.run.generation), serde_json::to_vec(&claim).unwrap())
            .await
            .unwrap();
        for (key, body) in &fixture.objects {
            self.objects.put(&format!("{}{key}", keys.prefix()), body.clone()).await.unwrap();
        }
    }

    pub(crate) async fn call(&self, fixture: &Fixture) -> Result<PostprocessResponse, StepError> {
        self.call_again(fixture, json!({})).await
    }

    /// Merges in calls of which the first few have next to no time: the last response, and how many calls it took.
    pub(crate) async fn calls(&mut self, fixture: &Fixture, short: usize) -> (PostprocessResponse, usize) {
        let (mut previous, mut calls) = (json!({}), 0);
        loop {
            self.context.pause = CancellationToken::new();
            if calls < short {
                self.context.pause.cancel();
            }
            calls += 1;
            let response = self.call_again(fixture, previous).await.unwrap();
            if !matches!(response, PostprocessResponse::Paused { .. }) {
                return (response, calls);
            }
            previous = serde_json::to_value(&response).unwrap();
        }
    }

    pub(crate) async fn call_again(
        &self,
        fixture: &Fixture,
        previous: Value,
    ) -> Result<PostprocessResponse, StepError> {
        let request =
            PostprocessRequest { run: fixture.run.clone(), execution: "execution".to_owned(), previous };
        // Lambda and the engine both need a future that can move between threads.
        fn movable<F: Future + Send>(future: F) -> F {
            future
        }
        movable(postprocess(&self.context, request)).await
    }

    /// Writes the run, merges it and reads what that left.
    pub(crate) async fn merge(&self, fixture: &mut Fixture) -> Left {
        self.write(fixture).await;
        let response = self.call(fixture).await.unwrap();
        self.left(fixture, response).await
    }

    pub(crate) async fn left(&self, fixture: &Fixture, response: PostprocessResponse) -> Left {
        let Fixture { run, plan, .. } = fixture;
        let report = self.objects.get(&report_key(run)).await.unwrap();
        Left {
            output: self.text(&output_key(run, plan)).await,
            failed: self
                .objects
                .find(&failed_key(run, plan))
                .await
                .unwrap()
                .map(|bytes| utf8_or_latin1(&bytes)),
            report: serde_json::from_slice(&report).unwrap(),
            response,
        }
    }
}

impl Fixture {
    /// A run with one lane of one batch; `lines` are the items and, where there is one, their results, both
    /// without their numbers.
    pub(crate) fn new(format: Format, columns: &[&str], lines: &[(Value, Option<Value>)]) -> Self {
        let items = (1..).zip(lines).map(|(n, (item, _))| (n, item.clone())).collect::<Vec<_>>();
        let results: Vec<_> =
            (1..).zip(lines).filter_map(|(n, (_, result))| Some((n, result.clone()?))).collect();
        let batch = Batch { first: LineId::nth(1), lines: items.len() as u64, from: 0, to: 0 };
        let lane = PlannedLane {
            name: "lane".to_owned(),
            kind: LaneKind::Named { provider: "api.example.com".to_owned() },
            workers: 1,
            lines: 0,
            bytes: 0,
            batches: if items.is_empty() { Vec::new() } else { vec![batch] },
            seconds: 0.0,
        };
        let (ending, delimiter) = match format {
            Format::Text => ("txt", b','),
            Format::Csv => ("csv", b','),
            Format::Tsv => ("tsv", b'\t'),
            Format::Jsonl => ("jsonl", b','),
            Format::Json => ("json", b','),
        };
        let file = format!("names.{ending}");
        let input = InputFacts {
            file: file.clone(),
            format,
            compression: Compression::None,
            encoding: "UTF-8".to_owned(),
            delimiter,
            quote: (format != Format::Tsv).then_some(b'"'),
            escape: None,
            preamble: String::new(),
            header: matches!(format, Format::Csv | Format::Tsv),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            lines: 0,
            limited: false,
            selection: None,
            blank: 0,
            bytes: 0,
            notes: Vec::new(),
        };
        let output = if format.is_json() { OutputFormat::Jsonl } else { OutputFormat::Csv };
        let mut fixture = Self {
            run: RunRef {
                format: job::run::FORMAT,
                bucket: BUCKET.to_owned(),
                job: "places".to_owned(),
                file,
                id: "0123456789abcdef0123".to_owned(),
                generation: 0,
            },
            plan: Plan {
                format: job::run::FORMAT,
                continues: None,
                input,
                output,
                extracted: vec!["x".to_owned()],
                lanes: vec![lane],
            },
            job: "[request]\nurl = \"https://api.example.com/\"\n".to_owned(),
            items: vec![items],
            objects: Vec::new(),
        };
        fixture.segment("lane", 1, &Invocation::new(0, STARTED, 1), 0, &results);
        fixture
    }

    pub(crate) fn output(mut self, format: OutputFormat) -> Self {
        self.plan.output = format;
        self
    }

    /// Adds lines to the job's `[output]`.
    pub(crate) fn styled(mut self, lines: &str) -> Self {
        self.job += &format!("[output]\n{lines}\n");
        self
    }

    pub(crate) fn tolerated(mut self, share: &str) -> Self {
        self.job += &format!("[failure]\ntolerated = {share:?}\n");
        self
    }

    /// Adds a result segment.
    pub(crate) fn segment(
        &mut self,
        lane: &str,
        first: u64,
        invocation: &Invocation,
        k: u32,
        results: &[(u64, Value)],
    ) {
        if results.is_empty() {
            return;
        }
        let failed = results.iter().filter(|(_, result)| result.get("error").is_some()).count() as u64;
        let ok = results.len() as u64 - failed;
        let sent = results.iter().filter_map(|(_, result)| result.get("tries")?.as_u64()).sum();
        let name =
            SegmentKey::Results { invocation: invocation.clone(), k, ok, failed, throttled: 1, sent }.name();
        let mut body =
            results.iter().map(|(n, result)| numbered(*n, result)).collect::<String>().into_bytes();
        job::wire::seal::seal(&mut body);
        let body = String::from_utf8(body).unwrap();
        self.objects.push((format!("results/{lane}/{first:012}/{name}"), body));
    }

    /// Adds an object of intents.
    pub(crate) fn intents(
        &mut self,
        lane: &str,
        first: u64,
        invocation: &Invocation,
        k: u32,
        sending: &[u64],
        unsent: &[u64],
    ) {
        let name = SegmentKey::Intents { invocation: invocation.clone(), k }.name();
        let body = json!({ "sending": sending, "unsent": unsent }).to_string();
        self.objects.push((format!("results/{lane}/{first:012}/{name}"), body));
    }
}

fn utf8_or_latin1(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// The result of a line that succeeded, without its number.
pub(crate) fn ok(values: Value) -> Option<Value> {
    Some(json!({ "t": STARTED + 1000, "ms": 10, "tries": 1, "status": 200, "v": values }))
}

/// The result of a line that failed, without its number.
pub(crate) fn bad(code: &str, detail: &str) -> Option<Value> {
    Some(json!({ "t": STARTED + 1000, "ms": 10, "tries": 2, "error": code, "detail": detail }))
}

/// The items in their file, and the offset of each, and of the end.
fn items_file(items: &[(u64, Value)]) -> (String, Vec<u64>) {
    let (mut body, mut ends) = (String::new(), vec![0]);
    for (n, item) in items {
        body += &numbered(*n, item);
        ends.push(body.len() as u64);
    }
    (body, ends)
}

fn numbered(n: u64, object: &Value) -> String {
    let mut numbered = serde_json::Map::from_iter([("n".to_owned(), n.into()), ("at".to_owned(), 0.into())]);
    numbered.extend(object.as_object().unwrap().clone());
    format!("{}\n", Value::Object(numbered))
}
