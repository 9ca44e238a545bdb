//! Uploads that start no run on AWS: the rule fits a few keys that are not the keys of inputs.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use job::run::{Event, PreprocessRequest, PreprocessResponse};
use job::{Environment, ErrorName, Objects, StepError};
use preprocess::{Context, preprocess};
use serde_json::{Value, json};
use testing::{JobFile, Scene};
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
            interactive: false,
            check: None,
            held: preprocess::HeldSplits::default(),
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
async fn report_of_a_run_that_could_not_start_has_the_time_and_tells_of_an_earlier_output() {
    let store = Store::new();
    let report = async || {
        let started = store.upload("jobs/places/input/all.csv", "q\n1\n").await;
        assert_eq!(started.unwrap_err().name, ErrorName::JobNotFound);
        let report = store.objects.get("jobs/places/report/all.csv.json").await.unwrap();
        serde_json::from_slice::<Value>(&report).unwrap()
    };
    let first = report().await;
    assert_eq!(first["time"], "2025-11-21T04:40:00Z");
    assert!(first["message"].as_str().unwrap().contains("then upload the input again"), "{first}");
    assert_eq!(first.get("output"), None);
    store.objects.put("jobs/places/output/all.csv", "of an earlier run\n").await.unwrap();
    assert_eq!(report().await["output"], "jobs/places/output/all.csv is the output of an earlier run");
}

#[tokio::test]
async fn redrive_of_a_key_that_is_not_an_input_fails() {
    let store = Store::new();
    let mut event = Event::object_created(s3::BUCKET, "jobs/places/output/all.csv", 1, None, "1");
    let (run, only) = ("0f3a".to_owned(), Vec::new());
    event.redrive = Some(job::run::Redrive { run, generation: 1, include_unknown: false, only });
    assert_eq!(store.start(event).await.unwrap_err().name, ErrorName::EventInvalid);
}

#[tokio::test]
async fn run_that_would_outlive_its_results_is_refused_with_the_time_it_takes() {
    let store = Store::new();
    let job = "[request]\nurl = \"https://a.example.com/{{ line }}\"\n[limits.default]\nrate = \"2/h\"\n";
    store.objects.put("jobs/places/job.toml", job).await.unwrap();
    let error = store.upload("jobs/places/input/in.txt", eight_thousand_lines()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::JobInvalid);
    assert!(error.message.contains("would take 167 days"), "{}", error.message);
    let report = store.objects.get("jobs/places/report/in.txt.json").await.unwrap();
    assert!(String::from_utf8(report.to_vec()).unwrap().contains("may take 150 days"));
    let keys = store.keys().await;
    assert!(!keys.iter().any(|key| key.ends_with("plan.json")), "{keys:?}");

    let local = Context { environment: Environment::Local, interactive: true, ..store.context.clone() };
    let store = Store { context: local, ..store };
    let started = store.upload("jobs/places/input/local.txt", eight_thousand_lines()).await;
    assert!(
        matches!(started.unwrap(), PreprocessResponse::Ready { .. }),
        "one machine keeps its results for ever"
    );
}

#[test]
fn check_and_submit_refuse_a_run_that_would_outlive_its_results() {
    let job = JobFile::get("https://a.example.com/{{ line }}").limit("default", "rate = \"2/h\"");
    let scene = Scene::new(job, "in.txt", eight_thousand_lines());
    let checked = scene.run(&["check", "job.toml", "in.txt"]).expect(0);
    assert!(checked.stdout.contains("on AWS this run is refused"), "{}", checked.stdout);
    assert!(checked.stdout.contains("would take 167 days"), "{}", checked.stdout);
    let submitted = scene.run(&["submit", "job.toml", "in.txt", "--bucket", "b"]).expect(1);
    assert!(submitted.stderr.contains("would take 167 days"), "{}", submitted.stderr);
}

fn eight_thousand_lines() -> &'static str {
    static LINES: OnceLock<String> = OnceLock::new();
    LINES.get_or_init(|| (0..8000).map(|n| format!("{n}\n")).collect())
}
