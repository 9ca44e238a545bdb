//! An S3 in a temporary folder, and the step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use job::file::Identity;
use job::run::{Claim, Event, PreprocessRequest, PreprocessResponse, RunRef, Start, parse_plan};
use job::wire::{Origins, read_result, seal};
use job::{Environment, LineResult, Objects, Plan, SegmentKey, StepError, keys};
use preprocess::{Context, Executions, HeldSplits, preprocess};
use s3::BUCKET;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const JOB: &str = "places";
pub(crate) const FILE: &str = "names.txt";

/// A job that asks each line's URL, with this method. Batches have ten lines.
pub(crate) fn job(method: &str, more: &str) -> String {
    format!(
        "[request]\nmethod = \"{method}\"\nurl = \"{{{{ line }}}}\"\n{more}\n[output]\ncolumns = {{ x = \"$.x\" }}\n\
         [limits.\"a.example.com\"]\nrate = \"6/min\"\n[limits.default]\nrate = \"6/min\"\n"
    )
}

/// A line: hosts of two lanes.
pub(crate) fn line(value: u32) -> String {
    format!("https://{}.example.com/{value}", if value.is_multiple_of(2) { "a" } else { "b" })
}

/// A result of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// The values, or the code.
    pub(crate) result: Result<String, String>,
    pub(crate) identity: Option<Identity>,
}

pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) client: Client,
    pub(crate) environment: Environment,
    pub(crate) clock: Arc<AtomicU64>,
    /// The splits of this process.
    pub(crate) held: HeldSplits,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = s3::client(folder.path()).unwrap();
        let objects = Objects::new(client.clone(), BUCKET);
        let clock = Arc::new(AtomicU64::new(1_763_700_000_000));
        let held = HeldSplits::default();
        Self { objects, client, environment: Environment::Local, clock, held, folder }
    }

    pub(crate) fn on_aws() -> Self {
        let mut world = Self::new();
        world.environment = Environment::Aws;
        world
    }

    pub(crate) fn config(&self) -> aws_sdk_s3::Config {
        s3::config(self.folder.path()).unwrap().build()
    }

    /// Puts a job and a file where an upload puts them.
    pub(crate) async fn upload<L: AsRef<str>>(&self, job: &str, lines: &[L]) -> Event {
        let text: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
        let key = keys::input(JOB, FILE);
        self.objects.put(&keys::job_file(JOB), job.to_owned()).await.unwrap();
        let stored = self.objects.put(&key, text.clone()).await.unwrap();
        let version = blake3::hash(text.as_bytes()).to_string();
        Event::object_created(BUCKET, &key, text.len() as u64, Some(stored.etag), &version)
    }

    pub(crate) fn context(&self, client: Client) -> Context {
        let clock = self.clock.clone();
        Context {
            s3: client,
            executions: Arc::new(NoOthers),
            progress: Arc::new(|_, _| {}),
            now: Arc::new(move || clock.fetch_add(1, Ordering::Relaxed)),
            lease_wait: Duration::ZERO,
            environment: self.environment,
            interactive: self.environment == Environment::Local,
            check: None,
            held: self.held.clone(),
            stop: CancellationToken::new(),
            pause: CancellationToken::new(),
        }
    }

    pub(crate) async fn call(&self, event: &Event) -> Result<PreprocessResponse, StepError> {
        self.call_in(&self.context(self.client.clone()), event, Value::Null).await
    }

    pub(crate) async fn call_in(
        &self,
        context: &Context,
        event: &Event,
        previous: Value,
    ) -> Result<PreprocessResponse, StepError> {
        let generation = event.redrive.as_ref().map_or(0, |redrive| redrive.generation);
        let text = self.objects.get(&keys::job_file(JOB)).await.unwrap();
        let execution = format!("execution of {} {generation}", event.run(&text).unwrap().id);
        let request = PreprocessRequest { event: event.clone(), execution, previous };
        // Lambda and the engine both need a future that can move between threads.
        fn movable<F: Future + Send>(future: F) -> F {
            future
        }
        movable(preprocess(context, request)).await
    }

    /// Begins a run: it and the lines of its manifests.
    pub(crate) async fn begin(&self, event: &Event) -> RunRef {
        match self.call(event).await.unwrap() {
            PreprocessResponse::Ready { run, .. } => run,
            other => panic!("{other:?}"),
        }
    }

    /// Begins a run in calls that have next to no time: it, and how many calls it took.
    pub(crate) async fn begin_in_calls(&self, event: &Event) -> (RunRef, usize) {
        let (mut previous, mut calls) = (Value::Null, 0);
        loop {
            let context = self.context(self.client.clone());
            context.pause.cancel();
            calls += 1;
            match self.call_in(&context, event, previous).await.unwrap() {
                PreprocessResponse::Ready { run, .. } => return (run, calls),
                paused @ PreprocessResponse::Paused { .. } => {
                    previous = serde_json::to_value(&paused).unwrap()
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Ends the execution that holds the job's lease, as post-process does.
    pub(crate) async fn release_lease(&self) {
        self.objects.delete(&keys::lease(JOB)).await.unwrap();
    }

    pub(crate) async fn json(&self, key: &str) -> Option<Value> {
        let body = self.objects.find(key).await.unwrap()?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn plan(&self, run: &RunRef) -> Plan {
        parse_plan(&self.objects.get(&run.keys().plan()).await.unwrap(), "plan").unwrap()
    }

    /// The results in a run's folder, by line. A line has only one.
    pub(crate) async fn results(&self, run: &RunRef) -> BTreeMap<u64, Found> {
        let mut found = BTreeMap::new();
        for entry in self.objects.list(&run.keys().results()).await.unwrap() {
            let Some(SegmentKey::Results { ok, failed, sent, .. }) = SegmentKey::parse(&entry.key) else {
                continue;
            };
            let body = self.objects.get(&entry.key).await.unwrap();
            seal::check(&body).unwrap();
            let mut counts = (0, 0);
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                LineResult::parse(line).unwrap();
                let view = read_result(line).unwrap();
                let result = match &view.error {
                    None => Ok(view.v.unwrap().to_owned()),
                    Some(code) => Err(code.to_string()),
                };
                counts = if result.is_ok() { (counts.0 + 1, counts.1) } else { (counts.0, counts.1 + 1) };
                let result = Found { result, identity: view.id };
                assert_eq!(found.insert(view.n.number(), result), None, "line {} twice", view.n);
            }
            assert_eq!(counts, (ok, failed), "{}", entry.key);
            if run.generation == 0 && entry.key.contains("/00000000000000000") {
                assert_eq!(sent, 0);
            }
        }
        found
    }

    /// The origins in a run's folder: the run and the line of the key that a line is sent with.
    pub(crate) async fn origins(&self, run: &RunRef) -> BTreeMap<u64, (String, u64)> {
        let mut found = BTreeMap::new();
        for entry in self.objects.list(&run.keys().results()).await.unwrap() {
            if entry.key.ends_with("origins.json") {
                let origins: Origins =
                    serde_json::from_slice(&self.objects.get(&entry.key).await.unwrap()).unwrap();
                for origin in origins.lines {
                    found.insert(origin.n.number(), (origin.run, origin.line.number()));
                }
            }
        }
        found
    }

    /// Everything in the store, without what tells two calls of the step apart and what paused splits left.
    pub(crate) async fn everything(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for entry in self.objects.list("").await.unwrap() {
            if entry.key.contains("/checkpoint/split/") {
                continue;
            }
            let mut body = String::from_utf8_lossy(&self.objects.get(&entry.key).await.unwrap()).into_owned();
            if entry.key.contains("/claim") {
                let mut claim: Claim = serde_json::from_str(&body).unwrap();
                claim.started = 0;
                body = serde_json::to_string(&claim).unwrap();
            }
            if entry.key.ends_with("/start.json") && self.environment == Environment::Aws {
                let mut start: Start = serde_json::from_str(&body).unwrap();
                start.content = "the tag of an upload".to_owned();
                body = serde_json::to_string(&start).unwrap();
            }
            all.insert(entry.key, body);
        }
        all
    }
}

/// The keys whose objects differ, and the first bytes of both.
pub(crate) fn differences(
    one: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> BTreeMap<String, [Option<String>; 2]> {
    let keys = one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key));
    let shown =
        |all: &BTreeMap<String, String>, key: &str| all.get(key).map(|text| text.chars().take(200).collect());
    keys.map(|key| (key.clone(), [shown(one, key), shown(other, key)])).collect()
}

struct NoOthers;

#[async_trait]
impl Executions for NoOthers {
    async fn ended(&self, _execution: &str) -> Result<bool, StepError> {
        Ok(true)
    }
}
