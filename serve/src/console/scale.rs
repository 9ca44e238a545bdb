//! How fast pages are on a server with a million executions, and of a run with 10⁸ lines: a bench, which prints what it has
//! measured. Both are made up in the store.
//!
//! `cargo test --release -p serve -- --ignored --nocapture pages_of`
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::page::Wanted;
use super::{Who, views};
use crate::catalog::Moment;
use crate::executions::{End, Execution, Status};
use crate::jobs::{
    BatchStrip, Cell, Content, FailedLines, JobPages, Jobs, JobsError, LaneChange, LaneSecond, LiveLane,
    LiveRun, MACHINE, Preview, RunDetail, RunOutputs, Sample, SecretName, Tried,
};
use crate::store::Batch;
use crate::{Server, Settings};

const EXECUTIONS: u64 = 1_000_000;
/// The lanes, and the lines of each.
const LANES: u64 = 44;
const LINES: u64 = 100_000_000 / LANES;
/// How often each page is made.
const TIMES: usize = 200;
const WAITS: &str = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 36000, "End": true}}}"#;

/// Jobs with one run, which is large.
struct Large;

fn nothing<T>() -> Result<T, JobsError> {
    Err(JobsError::Unavailable("these jobs have no steps".into()))
}

#[async_trait]
impl Jobs for Large {
    fn definition(&self) -> &str {
        WAITS
    }

    fn queue(&self, _: &str, _: u64) -> Option<String> {
        None
    }

    async fn call(
        &self,
        _: &states::Host,
        _: &engine::TaskCall,
        _: &str,
    ) -> Result<Value, engine::TaskError> {
        Err(engine::TaskError::Interrupted)
    }

    fn ended(&self, _: &str) {}

    async fn upload(&self, _: &str, _: Content) -> Result<String, JobsError> {
        nothing()
    }

    async fn check(&self, _: &str, _: &str) -> Result<(), JobsError> {
        nothing()
    }

    async fn set(&self, _: &str, _: String) -> Result<(), JobsError> {
        nothing()
    }

    async fn stop(&self, _: &str) -> Result<bool, JobsError> {
        nothing()
    }

    fn live(&self, _: &str) -> Option<LiveRun> {
        let second = LaneSecond { at: 0, requests: 900, throttled: 3, latency_p50: 80, allowed: 1000.0 };
        let lane = |n: u64| LiveLane {
            name: format!("lane-{n}"),
            limit: format!("api-{n}.example.com"),
            lines: LINES,
            done: LINES / 3,
            failed: LINES / 100,
            requests: LINES / 2,
            throttled: LINES / 50,
            latency_p50: Some(80),
            latency_p99: Some(400),
            allowed: Some(1000.0),
            achieved: 900.0,
            held_until: None,
            waits_for: None,
            paused: false,
            rate: None,
            seconds: vec![second; 600],
        };
        let lanes = (0..LANES).map(lane).collect();
        Some(LiveRun { phase: "sending", split_lines: LINES * LANES, merged_lines: 0, lanes })
    }

    fn live_runs(&self) -> Vec<(String, LiveRun)> {
        Vec::new()
    }

    async fn change_lane(&self, _: &str, _: &str, _: LaneChange) -> Result<Option<()>, JobsError> {
        nothing()
    }

    async fn outputs(&self, _: &str, _: &str, _: &str) -> Result<Option<RunOutputs>, JobsError> {
        nothing()
    }

    async fn read(&self, _: &str) -> Result<Content, JobsError> {
        nothing()
    }
}

#[async_trait]
impl JobPages for Large {
    async fn names(&self) -> Result<Vec<String>, JobsError> {
        Ok((0..100).map(|n| format!("job-{n}")).collect())
    }

    async fn text(&self, _: &str) -> Result<Option<String>, JobsError> {
        Ok(Some("[request]\n".into()))
    }

    fn keys(&self) -> &[(String, String)] {
        &[]
    }

    async fn preview(&self, _: &str, _: &str, _: Sample) -> Result<Preview, JobsError> {
        nothing()
    }

    async fn try_line(&self, _: &str, _: &str, _: Sample) -> Result<Tried, JobsError> {
        nothing()
    }

    fn secrets(&self, _: &str, _: &str) -> Result<Vec<SecretName>, JobsError> {
        Ok(Vec::new())
    }

    fn set_secret(&self, _: &str, _: &str, _: &str) -> Result<(), JobsError> {
        nothing()
    }

    async fn detail(&self, _: &str) -> Result<Option<RunDetail>, JobsError> {
        let failed = |n: u64| FailedLines {
            code: format!("http_{n}"),
            count: LINES,
            samples: vec![(n, "x".repeat(500)); 5],
        };
        Ok(Some(RunDetail {
            left: Some(Duration::from_secs(86_400)),
            failures: (400..440).map(failed).collect(),
            batches: BatchStrip { total: 100_000, done: 33_000, working: 44, cells: vec![Cell::Done; 240] },
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a bench"]
async fn pages_of_a_million_executions_and_a_large_run() {
    let folder = tempfile::tempdir().unwrap();
    let objects = s3::Service::open(&folder.path().join("objects")).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let settings = Settings { api: any, console: any, ..Settings::default() };
    let server = Server::open(folder.path(), objects, &settings, Arc::new(Large), Arc::new(Large));
    let server = server.await.unwrap();
    let console = server.console().clone();
    let who = Who { key: console.sessions.keys().admin().clone(), session: None };
    let call = async |operation: &str, members: Value| {
        let Value::Object(members) = members else { unreachable!() };
        console.api.call(operation, members).await.unwrap()
    };
    let role = "arn:aws:iam::000000000000:role/r";
    call("CreateStateMachine", json!({"name": "m", "definition": WAITS, "roleArn": role})).await;
    let run = json!({"stateMachineArn": console.api.place.machine(MACHINE), "name": "r", "input": "{}"});
    call("StartExecution", run).await;
    let machine = console.api.catalog().machine("m").unwrap();
    let made = Instant::now();
    for from in (0..EXECUTIONS).step_by(10_000) {
        let mut batch = Batch::default();
        for n in from..from + 10_000 {
            let status = if n % 100 == 0 { Status::Failed } else { Status::Succeeded };
            let at = Moment(1_700_000_000_000_000 + i64::try_from(n).unwrap() * 1_000_000);
            let execution = Execution {
                number: 1_000_000_000 + n,
                express: None,
                name: format!("x-{n:07}"),
                machine: "m".into(),
                machine_number: machine.number,
                revision: machine.revision.clone(),
                version: None,
                alias: None,
                input: "{}".into(),
                trace: None,
                started: at,
                end: Some(End {
                    stopped: at,
                    status,
                    output: Some("{}".into()),
                    error: (status == Status::Failed).then(|| "Broken".into()),
                    cause: None,
                }),
                redrives: Vec::new(),
            };
            execution.put_closed(&mut batch);
        }
        console.api.executions.store().commit(batch).await.unwrap();
    }
    println!("made {EXECUTIONS} executions in {:.0} s", made.elapsed().as_secs_f64());
    for path in [
        "/",
        "/runs",
        "/runs/r",
        "/jobs",
        "/machines",
        "/machines/m",
        "/machines/m?status=FAILED",
        "/machines/m?status=&time=1700500000000000&number=0",
        "/executions",
        "/executions?machine=m&status=FAILED&error=Broken",
        "/executions?name=x-0999",
        "/executions?name=none",
        "/executions/m/x-0500000",
        "/audit",
        "/system",
    ] {
        let mut took: Vec<Duration> = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            let begun = Instant::now();
            let page = views::view(&console, &who, &Wanted::of(&path.parse().unwrap())).await;
            let page = page.unwrap_or_else(|error| panic!("{path}: {error:?}"));
            bytes = page.parts.iter().map(|part| part.html.len()).sum();
            took.push(begun.elapsed());
        }
        took.sort();
        let at = |percent: usize| took[took.len() * percent / 100 - 1].as_secs_f64() * 1000.0;
        println!("{path:52} p50 {:6.1} ms  p99 {:6.1} ms  {bytes:7} bytes", at(50), at(99));
    }
}
