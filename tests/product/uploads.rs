//! Uploads that start no run on AWS: the rule fits a few keys that are not the keys of inputs.

use std::sync::Arc;
use std::time::Duration;

use job::run::{Event, PreprocessRequest, PreprocessResponse};
use job::{Environment, ErrorName, Objects, StepError};
use preprocess::{Context, preprocess};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct NoExecutions;

#[async_trait::async_trait]
impl preprocess::Executions for NoExecutions {
    async fn ended(&self, _execution: &str) -> Result<bool, StepError> {
        Ok(false)
    }
}

struct Store {
    objects: Objects,
    context: Context,
    _folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = s3::client(folder.path()).unwrap();
        let context = Context {
            s3: client.clone(),
            executions: Arc::new(NoExecutions),
            progress: Arc::new(|_, _| ()),
            now: Arc::new(|| 1_763_700_000_000),
            lease_wait: Duration::from_secs(1),
            environment: Environment::Aws,
            stop: CancellationToken::new(),
            pause: CancellationToken::new(),
        };
        Self { objects: Objects::new(client, s3::BUCKET), context, _folder: folder }
    }

    /// What the step does when this object has been uploaded.
    async fn upload(&self, key: &str, body: &'static str) -> Result<PreprocessResponse, StepError> {
        let stored = self.objects.put(key, body).await.unwrap();
        let event = Event::object_created(s3::BUCKET, key, body.len() as u64, Some(stored.etag), "1");
        self.start(event).await
    }

    async fn start(&self, event: Event) -> Result<PreprocessResponse, StepError> {
        let request = PreprocessRequest { event, execution: "execution-1".to_owned(), previous: json!({}) };
        preprocess(&self.context, request).await
    }

    async fn keys(&self) -> Vec<String> {
        self.objects.list("").await.unwrap().into_iter().map(|entry| entry.key).collect()
    }
}

#[tokio::test]
async fn objects_that_are_not_inputs_start_no_run_and_fail_nothing() {
    let store = Store::new();
    for key in [
        "jobs/places/output/all.jsonl",
        "jobs/places/failed/all.csv",
        "jobs/places/output/input/all.csv",
        "jobs/places/report/input/all.csv.json",
        "jobs/notes.txt",
        "runs/places/0f3a/items/a.jsonl",
        "elsewhere/all.csv",
    ] {
        let PreprocessResponse::Ignored { reason } = store.upload(key, "").await.unwrap() else {
            panic!("{key} starts a run")
        };
        assert!(reason.contains(key) && reason.contains("jobs/<job>/input/<file>"), "{reason}");
        assert_eq!(store.keys().await, [key], "the step writes nothing");
        store.objects.delete(key).await.unwrap();
    }
}

#[tokio::test]
async fn input_below_a_folder_too_many_gets_a_report() {
    let store = Store::new();
    let started = store.upload("jobs/team/places/input/2026/all.csv", "q\n1\n").await.unwrap();
    assert!(matches!(started, PreprocessResponse::Ignored { .. }), "{started:?}");
    let report = store.objects.get("jobs/team/places/report/2026/all.csv.json").await.unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["verdict"], "not_started");
    assert_eq!(report["error"], "Event.Invalid");
    assert!(report["message"].as_str().unwrap().contains("one folder between jobs/ and /input/"), "{report}");
}

#[tokio::test]
async fn redrive_of_a_key_that_is_not_an_input_fails() {
    let store = Store::new();
    let mut event = Event::object_created(s3::BUCKET, "jobs/places/output/all.csv", 1, None, "1");
    event.redrive = Some(job::run::Redrive { run: "0f3a".to_owned(), generation: 1, include_unknown: false });
    assert_eq!(store.start(event).await.unwrap_err().name, ErrorName::EventInvalid);
}
