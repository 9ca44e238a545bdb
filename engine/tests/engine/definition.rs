//! The product's own state machine, from start to end.

use std::sync::Arc;

use engine::{Outcome, TaskCall, TaskError};
use serde_json::{Value, json};

use crate::fake::{Fake, run};

pub(crate) fn definition() -> String {
    let mut text = include_str!("../../../definition.asl.json").to_owned();
    for name in ["Preprocess", "Worker", "Postprocess"] {
        text = text.replace(&format!("${{{name}FunctionArn}}"), &name.to_lowercase());
    }
    text
}

pub(crate) fn event() -> Value {
    json!({"detail": {"bucket": {"name": "b"}, "object": {"key": "jobs/j/input/f.csv"}}})
}

fn lane(name: &str, workers: u64, tolerated: f64) -> Value {
    json!({
        "name": name, "manifest": format!("manifest/{name}.json"), "workers": workers,
        "tolerated_failure_percentage": tolerated, "settle_seconds": 70, "call_seconds": 920
    })
}

/// A worker whose batches need three calls; those of the lane `bad` fail as `batch.fails` says.
pub(crate) fn script(call: &TaskCall) -> Result<Value, TaskError> {
    let payload = call.payload();
    match call.function() {
        "preprocess" => {
            assert_eq!(payload["event"], event());
            // The first call receives the event; each later call receives the response before it.
            match payload["previous"]["status"].as_str() {
                None => Ok(json!({"status": "turn", "wait_seconds": 5})),
                Some("turn") => Ok(json!({"status": "paused", "wait_seconds": 1, "checkpoint": 3})),
                _ => Ok(json!({
                    "status": "ready", "run": {"bucket": "b", "id": "r"},
                    "lanes": [lane("good", 3, 0.0), lane("bad", 2, 30.0), lane("limp", 2, 50.0)]
                })),
            }
        }
        "worker" if payload.get("stopped").is_some() => Ok(json!({"marker": "m"})),
        "worker" => {
            assert_eq!(payload["run"]["id"], "r");
            if payload["ended"].is_object() {
                return Ok(Value::Null);
            }
            let calls = payload["calls"].as_u64().unwrap_or(0) + 1;
            if payload["batch"]["fails"] == true {
                let cause = json!({"errorMessage": "too many", "errorType": "Batch.Failed"}).to_string();
                return Err(TaskError::Error { error: "Batch.Failed".into(), cause });
            }
            let mut next = payload.clone();
            next["calls"] = calls.into();
            next["status"] = if calls < 3 { "paused" } else { "finished" }.into();
            next["wait_seconds"] = 2.into();
            Ok(next)
        }
        "postprocess" => match payload["previous"]["checkpoint"].as_u64() {
            None => {
                Ok(json!({"status": "paused", "wait_seconds": 1, "checkpoint": 1, "run": payload["run"]}))
            }
            Some(_) => Ok(json!({"status": "succeeded", "lines": 12})),
        },
        other => panic!("no function {other}"),
    }
}

pub(crate) fn host(
    script: impl Fn(&TaskCall) -> Result<Value, TaskError> + Send + Sync + 'static,
) -> Arc<Fake> {
    let host = Fake::new(script);
    let batches = |fails: &[usize]| -> Value {
        (0..6).map(|i| json!({"first": i * 100, "fails": fails.contains(&i)})).collect()
    };
    host.put("b", "manifest/good.json", batches(&[]).to_string());
    host.put("b", "manifest/bad.json", batches(&[1, 3]).to_string());
    host.put("b", "manifest/limp.json", batches(&[0, 2, 4]).to_string());
    host
}

#[test]
fn definition_compiles_and_names_its_functions() {
    let machine = engine::compile(&definition()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(machine.functions(), ["preprocess", "worker", "postprocess"]);
}

#[test]
fn run_with_paused_steps_and_stopped_lanes_ends() {
    let host = host(script);
    let outcome = run(&definition(), event(), &host).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!({"status": "succeeded", "lines": 12})));
    let calls = host.calls.lock().unwrap();
    let count = |function: &str| calls.iter().filter(|call| call.function() == function).count();
    assert_eq!((count("preprocess"), count("postprocess")), (3, 2));
    let worked = |lane: &str, n: usize| {
        let of_lane = |call: &&TaskCall| {
            call.payload()["lane"]["name"] == lane && call.payload()["batch"]["first"] == n * 100
        };
        calls.iter().filter(of_lane).count()
    };
    // A good batch needs three calls, and a failing one needs one.
    assert_eq!((0..6).map(|n| worked("good", n)).sum::<usize>(), 18);
    assert_eq!((0..6).map(|n| worked("limp", n)).sum::<usize>(), 12);
    assert!((0..6).map(|n| worked("bad", n)).sum::<usize>() < 14);
    // Each lane is ended once, however it ended.
    let mut ended: Vec<_> =
        calls.iter().filter_map(|call| call.payload()["ended"]["name"].as_str()).collect();
    ended.sort_unstable();
    assert_eq!(ended, ["bad", "good", "limp"]);
    // The results are where the context object says.
    let objects = host.objects.lock().unwrap();
    assert_eq!(
        objects
            .keys()
            .filter(|key| key.starts_with("b/runs/map/one/") && key.ends_with("/manifest.json"))
            .count(),
        3
    );
}

#[test]
fn run_owned_by_another_execution_ends_at_once() {
    let host = Fake::new(|_| Ok(json!({"status": "elsewhere"})));
    let outcome = run(&definition(), event(), &host).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!({"status": "elsewhere"})));
}

#[test]
fn failed_preprocess_fails_the_execution() {
    let host =
        Fake::new(|_| Err(TaskError::Error { error: "Job.Invalid".into(), cause: "no column x".into() }));
    let outcome = run(&definition(), event(), &host).unwrap();
    let cause = "jobs/j/input/f.csv: no column x".into();
    assert_eq!(outcome, Outcome::Failed { error: "Job.Invalid".into(), cause });
}

#[test]
fn cause_of_an_execution_is_the_message_of_the_function_that_failed() {
    let cause = |step| match step {
        "preprocess" => r#"{"errorType":"Job.Invalid","errorMessage":"no column \"x\""}"#,
        _ => r#"{"errorMessage":"no column \"x\"","errorType":"Job.Invalid","stackTrace":[]}"#,
    };
    for failing in ["preprocess", "postprocess"] {
        let host = host(move |call| {
            if call.function() == failing {
                return Err(TaskError::Error { error: "Job.Invalid".into(), cause: cause(failing).into() });
            }
            script(call)
        });
        let outcome = run(&definition(), event(), &host).unwrap();
        assert_eq!(
            outcome,
            Outcome::Failed { error: "Job.Invalid".into(), cause: "no column \"x\"".into() },
            "{failing}"
        );
    }
}

#[test]
fn workers_of_a_lane_that_failed_are_told_to_stop_before_the_lane_settles() {
    let host = host(script);
    run(&definition(), event(), &host).unwrap();
    let calls = host.calls.lock().unwrap();
    let stops: Vec<&TaskCall> = calls.iter().filter(|call| call.payload().get("stopped").is_some()).collect();
    let [stop] = stops[..] else { panic!("{stops:?}") };
    assert_eq!(stop.function(), "worker");
    assert_eq!(stop.payload()["lane"]["name"], "bad");
    assert_eq!(stop.payload()["run"]["id"], "r");
    assert_eq!(stop.payload()["stopped"]["Error"], "States.ExceedToleratedFailureThreshold");
    let merge = calls.iter().position(|call| call.function() == "postprocess").unwrap();
    let at = calls.iter().position(|call| call.payload().get("stopped").is_some()).unwrap();
    assert!(at < merge);
    // All other waits together are shorter.
    let settled = host.sleeps.lock().unwrap().iter().any(|end| end.unix_timestamp() >= 1_700_000_000 + 70);
    assert!(settled);
}

#[test]
fn lane_whose_workers_cannot_be_told_to_stop_settles_all_the_same() {
    let host = host(|call| match call.payload().get("stopped") {
        Some(_) => Err(TaskError::Error { error: "Storage.Denied".into(), cause: "no".into() }),
        None => script(call),
    });
    let outcome = run(&definition(), event(), &host).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!({"status": "succeeded", "lines": 12})));
}

#[test]
fn failed_verdict_fails_the_execution_with_its_cause() {
    let host = host(|call| match call.function() {
        "postprocess" => Ok(json!({"status": "failed", "error": "Run.TooManyFailures", "cause": "12 of 20"})),
        _ => script(call),
    });
    let outcome = run(&definition(), event(), &host).unwrap();
    assert_eq!(outcome, Outcome::Failed { error: "Run.TooManyFailures".into(), cause: "12 of 20".into() });
}
