//! Runs of one job on AWS are serialised by a lease; an aborted run's workers may still be sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use job::Environment;
use job::run::{Event, PreprocessRequest, PreprocessResponse, RunRef, StopMarker};
use job::{Objects, StepError};
use preprocess::{Context, preprocess};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Milliseconds since 1970.
static NOW: AtomicU64 = AtomicU64::new(1_763_700_000_000);

/// Executions whose name says that they have ended.
struct ByName;

#[async_trait::async_trait]
impl preprocess::Executions for ByName {
    async fn ended(&self, execution: &str) -> Result<bool, StepError> {
        Ok(execution.starts_with("aborted"))
    }
}

async fn call(
    objects: &Objects,
    context: &Context,
    file: &str,
    execution: &str,
) -> Result<PreprocessResponse, StepError> {
    let key = format!("jobs/places/input/{file}");
    let stored = objects.put(&key, "https://a.example.com/\n").await.unwrap();
    let event = Event::object_created(s3::BUCKET, &key, 23, Some(stored.etag), "1");
    preprocess(context, PreprocessRequest { event, execution: execution.to_owned(), previous: json!({}) })
        .await
}

fn run_of(response: PreprocessResponse) -> RunRef {
    match response {
        PreprocessResponse::Ready { run, lanes } => {
            assert!(lanes.iter().all(|lane| lane.settle_seconds == 100));
            run
        }
        other => panic!("not ready: {other:?}"),
    }
}

fn waiting(response: PreprocessResponse) -> (u64, String) {
    match response {
        PreprocessResponse::Leased { wait, .. } => (wait.wait_seconds, wait.holder),
        other => panic!("no lease: {other:?}"),
    }
}

#[tokio::test]
async fn lease_of_an_aborted_execution_is_kept_until_its_workers_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    let objects = Objects::new(client.clone(), s3::BUCKET);
    let job = "[request]\nurl = \"{{ line }}\"\ntimeout = \"10s\"\n";
    objects.put("jobs/places/job.toml", job).await.unwrap();
    let context = Context {
        s3: client,
        executions: Arc::new(ByName),
        progress: Arc::new(|_, _| {}),
        now: Arc::new(|| NOW.load(Ordering::SeqCst)),
        lease_wait: Duration::from_secs(2),
        environment: Environment::Aws,
        interactive: false,
        check: None,
        held: preprocess::HeldSplits::default(),
        stop: CancellationToken::new(),
        pause: CancellationToken::new(),
    };
    let aborted = run_of(call(&objects, &context, "one.txt", "aborted-1").await.unwrap());

    // The next run waits, and its wait does not begin again with every call.
    assert_eq!(
        waiting(call(&objects, &context, "two.txt", "running-2").await.unwrap()),
        (100, "aborted-1".to_owned())
    );
    let marker = objects.get(&aborted.keys().stop_run(0)).await.unwrap();
    assert!(serde_json::from_slice::<StopMarker>(&marker).unwrap().reason.contains("aborted"));
    NOW.fetch_add(60_500, Ordering::SeqCst);
    assert_eq!(waiting(call(&objects, &context, "two.txt", "running-2").await.unwrap()).0, 40);
    // Meanwhile a third run asks for the lease.
    assert_eq!(waiting(call(&objects, &context, "three.txt", "running-3").await.unwrap()).1, "running-2");
    NOW.fetch_add(39_500, Ordering::SeqCst);
    run_of(call(&objects, &context, "two.txt", "running-2").await.unwrap());

    // On one machine the workers have ended with their process, and the run may be continued.
    let local = Context { environment: Environment::Local, interactive: true, ..context };
    let one_machine = call(&objects, &local, "four.txt", "aborted-4").await.unwrap();
    assert_eq!(waiting(one_machine).1, "running-2");
    objects.delete("turns/places.json").await.unwrap();
    let PreprocessResponse::Ready { run, .. } =
        call(&objects, &local, "four.txt", "aborted-4").await.unwrap()
    else {
        panic!()
    };
    assert!(matches!(
        call(&objects, &local, "five.txt", "running-5").await.unwrap(),
        PreprocessResponse::Ready { .. }
    ));
    assert_eq!(objects.find(&run.keys().stop_run(0)).await.unwrap(), None);
}

#[tokio::test]
async fn workers_of_an_aborted_run_have_their_time_although_the_next_run_is_aborted_too() {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    let objects = Objects::new(client.clone(), s3::BUCKET);
    let job = "[request]\nurl = \"{{ line }}\"\ntimeout = \"10s\"\n";
    objects.put("jobs/places/job.toml", job).await.unwrap();
    let context = on_aws(client);
    run_of(call(&objects, &context, "one.txt", "aborted-1").await.unwrap());
    // It waits for those workers when it is aborted, and has none of its own.
    assert_eq!(waiting(call(&objects, &context, "two.txt", "aborted-2").await.unwrap()).0, 100);
    let later = Context { now: Arc::new(|| 40_000), ..context.clone() };
    let waits = waiting(call(&objects, &later, "three.txt", "running-3").await.unwrap());
    assert_eq!(waits, (60, "aborted-2".to_owned()));
    let later = Context { now: Arc::new(|| 100_000), ..context };
    run_of(call(&objects, &later, "three.txt", "running-3").await.unwrap());
}

#[tokio::test]
async fn lease_of_a_run_that_failed_early_is_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    let objects = Objects::new(client.clone(), s3::BUCKET);
    objects.put("jobs/places/job.toml", "[request]\nurl = \"https://a.example/{{ nope }}\"\n").await.unwrap();
    let context = on_aws(client);
    let error = call(&objects, &context, "one.txt", "aborted-1").await.unwrap_err();
    assert_eq!(error.name, job::ErrorName::JobInvalid);
    objects.get("turns/places.json").await.unwrap();
    objects.put("jobs/places/job.toml", "[request]\nurl = \"https://a.example/{{ line }}\"\n").await.unwrap();
    assert!(matches!(
        call(&objects, &context, "two.txt", "running-2").await.unwrap(),
        PreprocessResponse::Ready { .. }
    ));
}

#[tokio::test]
async fn lease_of_an_earlier_version_is_kept_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    let objects = Objects::new(client.clone(), s3::BUCKET);
    objects
        .put("jobs/places/job.toml", "[request]\nurl = \"{{ line }}\"\ntimeout = \"10s\"\n")
        .await
        .unwrap();
    let context = on_aws(client);
    let earlier =
        |execution: &str| json!({ "run": "0f3a", "execution": execution, "generation": 0, "not_before": 0 });
    objects.put("runs/places/turn.json", earlier("running-0").to_string()).await.unwrap();
    for file in ["one.txt", "two.txt"] {
        let waits = waiting(call(&objects, &context, file, &format!("running-{file}")).await.unwrap());
        assert_eq!(waits.1, "running-0");
    }
    assert_eq!(objects.find("turns/places.json").await.unwrap(), None);

    // An aborted execution's lease is taken over where it is, so the job has one lease.
    objects.put("runs/places/turn.json", earlier("aborted-0").to_string()).await.unwrap();
    run_of(call(&objects, &context, "one.txt", "running-one.txt").await.unwrap());
    let waits = waiting(call(&objects, &context, "two.txt", "running-two.txt").await.unwrap());
    assert_eq!(waits.1, "running-one.txt");

    // When it is released, the next one is at the new key.
    objects.delete("runs/places/turn.json").await.unwrap();
    run_of(call(&objects, &context, "two.txt", "running-two.txt").await.unwrap());
    assert!(objects.find("turns/places.json").await.unwrap().is_some());
    assert_eq!(objects.find("runs/places/turn.json").await.unwrap(), None);
}

#[tokio::test]
async fn job_beyond_the_limits_of_functions_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    let objects = Objects::new(client.clone(), s3::BUCKET);
    objects
        .put("jobs/places/job.toml", "[request]\nurl = \"{{ line }}\"\ntimeout = \"10m\"\n")
        .await
        .unwrap();
    let context = on_aws(client);
    let error = call(&objects, &context, "one.txt", "running-1").await.unwrap_err();
    assert_eq!(error.name, job::ErrorName::JobInvalid);
    let report = objects.get("jobs/places/report/one.txt.json").await.unwrap();
    let report = String::from_utf8(report.to_vec()).unwrap();
    assert!(report.contains("at most 7m") && report.contains("job.toml:3"), "{report}");
}

fn on_aws(s3: aws_sdk_s3::Client) -> Context {
    Context {
        s3,
        executions: Arc::new(ByName),
        progress: Arc::new(|_, _| {}),
        now: Arc::new(|| 0),
        lease_wait: Duration::from_secs(2),
        environment: Environment::Aws,
        interactive: false,
        check: None,
        held: preprocess::HeldSplits::default(),
        stop: CancellationToken::new(),
        pause: CancellationToken::new(),
    }
}
