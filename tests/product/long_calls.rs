//! A step has the same time for a call on one machine as on AWS, and continues in another call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use job::run::{CALL_TIME, working_time};
use serde_json::Value;
use states::Clock;
use testing::{Api, JobFile, Scene, column, wait_until};
use throughline::local::{ExecutionEnd, StateDir, Target, execute, job_name, read_job};
use throughline::progress::Progress;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// Lines of four thousand bytes: the output is written in several pieces, and a call ends after one of them.
const LINES: usize = 300;

/// A clock that is at the end of a call's time as soon as the call begins. It moves forward with the waits
/// between calls and with the time in which a call works. The time limit of a state, which is longer, ends
/// before with its call, so it never moves the clock.
#[derive(Debug)]
struct Simulated {
    elapsed: Mutex<time::Duration>,
    api: Arc<Api>,
    /// The number of requests that had been sent when each call began.
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl Clock for Simulated {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + *self.elapsed.lock().unwrap()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        let (wait, work) = (time::Duration::seconds(1), working_time(CALL_TIME));
        if left > wait && left != work {
            std::future::pending().await
        }
        if left == work {
            self.calls.lock().unwrap().push(self.api.count());
        }
        *self.elapsed.lock().unwrap() += left.max(time::Duration::ZERO);
        tokio::task::yield_now().await;
    }
}

impl Simulated {
    fn start(api: &Arc<Api>) -> Arc<Self> {
        Arc::new(Self { elapsed: Mutex::default(), api: api.clone(), calls: Mutex::default() })
    }
}

/// Runs the scene's job in this process, and returns its output.
async fn run(scene: &Scene, clock: &Arc<Simulated>) -> String {
    let path = scene.path("job.toml");
    let name = job_name(&path).unwrap();
    let state = StateDir::open(&scene.path("state"), &name, "run", |_| ()).await.unwrap();
    let s3 = state.s3().clone();
    let state = state.with(s3, clock.clone());
    let (text, job) = read_job(&path).unwrap();
    let target = Target::install(&state, &name, text, job, &scene.path("in.csv")).await.unwrap();
    let ended =
        execute(&state, &target, None, &Arc::new(Progress::default()), CancellationToken::new()).await;
    assert!(matches!(ended, Ok(ExecutionEnd::Finished)), "{ended:?}");
    let output = state.objects().get(&job::keys::output(&target.run.job, "in.csv")).await.unwrap();
    String::from_utf8(output.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lane_that_waits_for_a_limit_for_longer_than_a_call_continues_in_another() {
    let api = Arc::new(Api::start());
    let lines = |name: &str| (0..60).fold("id\n".to_owned(), |text, n| text + &format!("{name}-{n}\n"));
    let job = || {
        JobFile::get(api.url("/ok/{{ id }}"))
            .limit(api.host(), "rate = \"unlimited\"\nin_flight = 5")
            .column("twice", "$.twice")
    };
    let scene = Scene::new(job(), "in.csv", lines("own"));
    scene.write("other.toml", job().to_string());
    scene.write("other.csv", lines("other"));
    api.respond_only(10);
    let other = scene.start(&["run", "other.toml", "other.csv", "--state", "state"]);
    wait_until("the other job has the limit", || api.count() > 10);
    let clock = Simulated::start(&api);
    let waited = async {
        // The split takes some calls too.
        while *clock.elapsed.lock().unwrap() < 12 * CALL_TIME {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(api.requests().iter().all(|request| request.path().starts_with("/ok/other-")));
        api.respond_all();
    };
    let (output, ()) = tokio::join!(run(&scene, &clock), waited);
    other.wait().expect(0);
    let expected: Vec<String> = (0..60).map(|n| format!("own-{n}own-{n}")).collect();
    assert_eq!(column(&output, "twice"), expected);
    assert_eq!(api.count(), 2 * 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_and_merge_that_take_longer_than_a_call_continue_in_another() {
    let api = Arc::new(Api::start());
    let wide = "x".repeat(4_000);
    let line = |n| format!("{},{wide}\n", api.url(&format!("/ok/{n}")));
    let input = (1..=LINES).fold("url,wide\n".to_owned(), |text, n| text + &line(n));
    let scene = Scene::new(
        JobFile::get("{{ url }}").column("twice", "$.twice").unlimited("default"),
        "in.csv",
        input,
    );
    let clock = Simulated::start(&api);
    let output = run(&scene, &clock).await;
    let expected: Vec<String> = (1..=LINES).map(|n| format!("{n}{n}")).collect();
    assert_eq!(column(&output, "twice"), expected);
    assert_eq!(api.count(), LINES);
    let calls = clock.calls.lock().unwrap();
    for (step, requests) in [("split", 0), ("merge", LINES)] {
        let calls = calls.iter().filter(|sent| **sent == requests).count();
        assert!(calls > 1, "the {step} took {calls} call");
    }
}

#[test]
fn state_machine_waits_longer_for_a_response_than_a_call_may_take() {
    let definition: Value = serde_json::from_str(include_str!("../../definition.asl.json")).unwrap();
    let worker = &definition["States"]["Lanes"]["ItemProcessor"]["States"]["Process lines"]["ItemProcessor"]
        ["States"]["Work"];
    for task in [&definition["States"]["Preprocess"], worker, &definition["States"]["Postprocess"]] {
        let retried = task["Retry"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|retry| retry["ErrorEquals"].as_array().unwrap());
        assert!(retried.clone().any(|error| error == "States.Timeout"), "{task}");
    }
    for step in ["Preprocess", "Postprocess"] {
        let seconds = definition["States"][step]["TimeoutSeconds"].as_u64().unwrap();
        assert!(seconds > CALL_TIME.as_secs() && seconds < 1000, "{step}: {seconds}");
    }
    assert_eq!(worker["TimeoutSecondsPath"], "$.lane.call_seconds");
}
