//! The history of a batch's execution, which has at most 25,000 events, in simulated time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Host as _, Journal, Outcome, Resource, Start, TaskCall, TaskError};
use job::Objects;
use job::run::{CALL_TIME, MOST_PAUSES, pause_after, working_time};
use serde_json::{Value, json};
use states::{Clock, Host, Service, Support};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const LINES: u64 = 50_000;
/// The provider has a limit that the job does not name.
const LINES_A_MINUTE: u64 = 10;

/// The runtime's clock, which moves when nothing is left to do.
#[derive(Debug)]
struct Simulated(Instant);

#[async_trait]
impl Clock for Simulated {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + self.0.elapsed()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        if left < time::Duration::days(300) {
            tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        } else {
            // The longest time of an execution.
            std::future::pending().await
        }
    }
}

/// The three steps. The worker sends, waits and pauses as `worker/src/drive.rs` does.
struct Steps {
    /// The waits that a call does itself, by the pauses before.
    pause_after: fn(u32) -> Duration,
    /// The errors of lanes that have failed.
    stopped: Mutex<Vec<Value>>,
    pauses: Mutex<u32>,
}

#[async_trait]
impl Service for Steps {
    fn support(&self, _state: &str, _resource: &Resource) -> Support {
        Support::Yes
    }

    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let payload = call.payload();
        let response = if call.function().ends_with("preprocess") {
            let lane = json!({
                "name": "lane", "manifest": "manifest.json", "workers": 1,
                "tolerated_failure_percentage": 0.0, "settle_seconds": 100, "call_seconds": 920
            });
            json!({ "status": "ready", "run": { "bucket": s3::BUCKET }, "lanes": [lane] })
        } else if call.function().ends_with("postprocess") {
            json!({ "status": "succeeded" })
        } else if let Some(error) = payload.get("stopped") {
            self.stopped.lock().unwrap().push(error.clone());
            json!({})
        } else if payload.get("ended").is_some() {
            Value::Null
        } else {
            self.work(host, payload).await
        };
        Ok(call.function_result(response, "request"))
    }
}

impl Steps {
    async fn work(&self, host: &Host, payload: &Value) -> Value {
        let mut next = payload.clone();
        let pauses = u32::try_from(payload["pauses"].as_u64().unwrap_or(0)).unwrap();
        let mut done = payload["done"].as_u64().unwrap_or(0);
        let begun = host.now();
        let wait_seconds = loop {
            done += LINES_A_MINUTE;
            if done >= LINES {
                return json!({ "status": "done" });
            }
            let wait = Duration::from_secs(60);
            let after_call = host.now() + wait - begun >= working_time(CALL_TIME);
            if wait > (self.pause_after)(pauses) || after_call {
                break wait.as_secs();
            }
            host.sleep_until(host.now() + wait).await;
        };
        *self.pauses.lock().unwrap() = pauses + 1;
        next["pauses"] = (pauses + 1).into();
        next["done"] = done.into();
        next["status"] = "paused".into();
        next["wait_seconds"] = wait_seconds.into();
        next
    }
}

/// Runs the definition, and returns the errors of lanes that have failed, and the batch's pauses.
async fn run(pause_after: fn(u32) -> Duration) -> (Vec<Value>, u32) {
    let folder = tempfile::tempdir().unwrap();
    let client = s3::client(folder.path()).unwrap();
    Objects::new(client.clone(), s3::BUCKET).put("manifest.json", "[{}]").await.unwrap();
    let steps = Arc::new(Steps { pause_after, stopped: Mutex::default(), pauses: Mutex::default() });
    let begun = Instant::now();
    let host = Host::new(client, vec![steps.clone()]).with_clock(Arc::new(Simulated(begun)));
    let definition = throughline::local::bind(include_str!("../../definition.asl.json"));
    let machine = Arc::new(engine::compile(&definition).unwrap_or_else(|problems| panic!("{problems}")));
    let event =
        json!({ "detail": { "bucket": { "name": s3::BUCKET }, "object": { "key": "jobs/j/input/f" } } });
    let start = Start::new("arn:aws:states:eu-west-1:000000000000:execution:machine:one", event);
    let journal = Journal::in_memory().unwrap();
    let ended = engine::run(machine, start, Arc::new(host), journal, CancellationToken::new()).await.unwrap();
    assert_eq!(ended, Outcome::Succeeded(json!({ "status": "succeeded" })));
    let (stopped, pauses) = (steps.stopped.lock().unwrap().clone(), *steps.pauses.lock().unwrap());
    let minutes = begun.elapsed().as_secs() / 60;
    assert!(!stopped.is_empty() || minutes >= LINES / LINES_A_MINUTE - 1, "{minutes} minutes");
    (stopped, pauses)
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_a_slow_provider_ends_before_its_history_is_full() {
    let least = worker::Settings::default().pause_after;
    assert_eq!(least, Duration::from_secs(20), "what `patient` begins with");
    let (stopped, pauses) = run(|pauses| pause_after(Duration::from_secs(20), pauses)).await;
    assert_eq!(stopped, Vec::<Value>::new());
    assert!((100..MOST_PAUSES / 2).contains(&pauses), "{pauses} pauses");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_always_pauses_as_early_would_fill_its_history() {
    let (stopped, pauses) = run(|_| Duration::from_secs(20)).await;
    assert_eq!(stopped[0]["Error"], "States.ExceedToleratedFailureThreshold", "{stopped:?}");
    assert!((25_000_u32 / 9).abs_diff(pauses) < 10, "a pause has nine events: {pauses} pauses");
}
