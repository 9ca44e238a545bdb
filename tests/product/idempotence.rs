//! Repeated events and concurrent processes do the work of a run once.

use std::sync::Arc;
use std::time::Duration;

use job::Environment;
use job::run::{Event, PreprocessRequest, PreprocessResponse};
use job::{Objects, StepError};
use preprocess::{Context, preprocess};
use serde_json::json;
use testing::{Api, JobFile, Scene, column, wait_until};
use tokio_util::sync::CancellationToken;

/// Executions of which none has ended.
struct AllRunning;

#[async_trait::async_trait]
impl preprocess::Executions for AllRunning {
    async fn ended(&self, _execution: &str) -> Result<bool, StepError> {
        Ok(false)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_that_is_delivered_eight_times_starts_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    let objects = Objects::new(client.clone(), s3::BUCKET);
    objects.put("jobs/places/job.toml", "[request]\nurl = \"{{ line }}\"\n").await.unwrap();
    let stored = objects.put("jobs/places/input/in.txt", "https://a.example.com/\n").await.unwrap();
    let event = Event::object_created(s3::BUCKET, "jobs/places/input/in.txt", 23, Some(stored.etag), "1");
    let context = Context {
        s3: client,
        executions: Arc::new(AllRunning),
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
    let call = |n: usize| {
        let request = PreprocessRequest {
            event: event.clone(),
            execution: format!("execution-{n}"),
            previous: json!({}),
        };
        let context = context.clone();
        tokio::spawn(async move { preprocess(&context, request).await.unwrap() })
    };
    let calls: Vec<_> = (0..8).map(call).collect();
    let (mut owner, mut elsewhere) = (None, Vec::new());
    for (n, called) in calls.into_iter().enumerate() {
        match called.await.unwrap() {
            PreprocessResponse::Ready { lanes, .. } => {
                assert_eq!(owner.replace((n, lanes)).map(|(n, _)| n), None, "two own the run")
            }
            PreprocessResponse::Elsewhere { execution } => elsewhere.push(execution),
            other => panic!("{other:?}"),
        }
    }
    let (owner, lanes) = owner.unwrap();
    assert_eq!(elsewhere, vec![format!("execution-{owner}"); 7], "the others are told who does");

    // Step Functions calls the owner's step again: it finds what it did.
    match call(owner).await.unwrap() {
        PreprocessResponse::Ready { lanes: again, .. } => assert_eq!(json!(again), json!(lanes)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_of_one_job_run_one_after_another() {
    let api = Api::start();
    let job = JobFile::post(api.url("/ok/{{ id }}")).unlimited(api.host());
    let input: String =
        std::iter::once("id\n".to_owned()).chain((0..100).map(|n| format!("{n}\n"))).collect();
    let scene = Scene::new(job, "in.csv", input);
    let args = |command| [command, "job.toml", "in.csv", "-o", "out.csv"];
    api.respond_only(0);
    let running: Vec<_> = (0..6).map(|_| scene.start(&args("run"))).collect();
    wait_until("a request", || api.count() > 0);
    let redrive = scene.start(&args("redrive"));
    api.respond_all();
    for running in running.into_iter().chain([redrive]) {
        running.wait().expect(0);
    }
    assert_eq!(api.count(), 100);
    assert_eq!(column(&scene.read("out.csv"), "id"), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}
