//! How a run ends, and what the report says.

use job::Environment;
use job::file::Format;
use job::run::PostprocessResponse;
use job::{Invocation, LaneKind, PlannedLane};
use postprocess::{Latency, Verdict};
use serde_json::{Value, json};

use crate::world::{FINISHED, Fixture, Left, STARTED, World, bad, ok};

fn lines(endings: Vec<Option<Value>>) -> Vec<(Value, Option<Value>)> {
    endings.into_iter().enumerate().map(|(n, ending)| (json!({ "v": [n.to_string()] }), ending)).collect()
}

fn csv(endings: Vec<Option<Value>>) -> Fixture {
    Fixture::new(Format::Csv, &["a"], &lines(endings))
}

fn some_failed(failed: usize, of: usize) -> Fixture {
    csv((0..of).map(|n| if n < failed { bad("http_503", "busy") } else { ok(json!([n])) }).collect())
}

async fn merge(mut fixture: Fixture) -> Left {
    World::new().merge(&mut fixture).await
}

#[tokio::test]
async fn a_run_without_failures_succeeds() {
    let mut fixture = some_failed(0, 3);
    fixture.plan.input.blank = 2;
    let Left { report, response, failed, .. } = merge(fixture.clone()).await;
    assert_eq!(response, PostprocessResponse::Succeeded { run: fixture.run, lines: 3, ok: 3, failed: 0 });
    assert_eq!(
        (report.verdict, report.home, report.message.as_str()),
        (Verdict::Succeeded, Environment::Local, "all 3 lines succeeded")
    );
    assert_eq!((report.lines, report.ok, report.failed, report.not_processed, report.blank), (3, 3, 0, 0, 2));
    assert_eq!((report.requests, report.throttled), (3, 1));
    assert_eq!(report.started.as_deref(), Some("2025-11-21T04:40:00Z"));
    assert_eq!(report.finished, "2025-11-21T04:41:00Z");
    assert_eq!(report.duration_seconds, Some((FINISHED - STARTED) as f64 / 1000.0));
    assert_eq!(report.latency_ms, Some(Latency { p50: 10, p90: 10, p99: 10, max: 10 }));
    // Three requests in the ten milliseconds that the last attempts took.
    assert_eq!(report.requests_per_second, 300.0);
    assert_eq!(report.lanes[0].provider.as_deref(), Some("api.example.com"));
    assert_eq!((report.outputs.failed, failed), (None, None));
}

#[tokio::test]
async fn one_line_beyond_the_tolerance_fails_the_run() {
    for (share, within) in [("29%", 29), ("0%", 0), ("100%", 100), ("7%", 7), ("0.5%", 0)] {
        let left = merge(some_failed(within, 100).tolerated(share)).await;
        let verdict = if within == 0 { Verdict::Succeeded } else { Verdict::SomeFailed };
        assert_eq!(left.report.verdict, verdict, "{share}");
        if within < 100 {
            let left = merge(some_failed(within + 1, 100).tolerated(share)).await;
            assert_eq!(left.report.verdict, Verdict::Failed, "{share}");
        }
    }
}

#[tokio::test]
async fn the_cause_names_the_most_frequent_error() {
    let mut endings = vec![bad("http_401", "the response was 401 Unauthorized"); 1200];
    endings.extend(vec![bad("timeout", "no response"); 3]);
    endings.push(ok(json!([1])));
    let left = merge(csv(endings).tolerated("5%")).await;
    let cause = "1,203 of 1,204 lines failed, more than the tolerated 5%; most often http_401 (1,200), for example line 1: \
                 the response was 401 Unauthorized";
    let PostprocessResponse::Failed { error, cause: told, lines, ok, failed, .. } = left.response else {
        panic!("it failed")
    };
    assert_eq!((error.as_str(), told.as_str()), ("Run.Failed", cause));
    assert_eq!((lines, ok, failed), (1204, 1, 1203));
    let errors: Vec<_> = left
        .report
        .errors
        .iter()
        .map(|error| (error.code.as_str(), error.count, error.lines.clone()))
        .collect();
    assert_eq!(errors, [("http_401", 1200, vec![1, 2, 3, 4, 5]), ("timeout", 3, vec![1201, 1202, 1203])]);
    assert_eq!(left.report.requests, 2 * 1203 + 1);
}

#[tokio::test]
async fn the_message_says_that_failures_are_within_the_tolerance() {
    let left = merge(some_failed(1, 100).tolerated("5%")).await;
    assert_eq!(
        left.report.message,
        "1 of 100 lines failed, within the tolerated 5%; most often http_503 (1), for example line 1: busy"
    );
    let left = merge(some_failed(1, 1)).await;
    assert_eq!(left.report.message, "1 of 1 line failed; most often http_503 (1), for example line 1: busy");
}

#[tokio::test]
async fn a_line_that_was_not_processed_fails_the_run() {
    let left = merge(csv(vec![ok(json!([1])), None, bad("connect", "refused")])).await;
    assert_eq!(left.report.verdict, Verdict::Failed);
    assert_eq!((left.report.ok, left.report.failed, left.report.not_processed), (1, 1, 1));
    assert_eq!(
        left.report.message,
        "1 of 3 lines failed, 1 not processed; most often connect (1), for example line 3: refused"
    );
    let PostprocessResponse::Failed { failed, .. } = left.response else { panic!("it failed") };
    assert_eq!(failed, 2);
}

#[tokio::test]
async fn a_stopped_line_fails_the_run_with_the_reason_of_its_marker() {
    let mut fixture = csv(vec![ok(json!([1])), bad("http_401", "no"), None]);
    fixture.objects.push((
        "stop/0000/lane.json".to_owned(),
        json!({ "reason": "nine in ten responses were 401" }).to_string(),
    ));
    fixture
        .objects
        .push(("stop/0001.json".to_owned(), json!({ "reason": "another generation" }).to_string()));
    let left = merge(fixture.clone()).await;
    assert_eq!(left.report.verdict, Verdict::Failed);
    assert!(
        left.report.message.ends_with("; the run was stopped: nine in ten responses were 401"),
        "{}",
        left.report.message
    );
    assert_eq!(left.report.lanes[0].stopped.as_deref(), Some("nine in ten responses were 401"));
    assert_eq!((left.report.ok, left.report.failed, left.report.not_processed), (1, 1, 1));
    let last = left.output.as_deref().unwrap().lines().last().unwrap();
    assert!(last.ends_with(",stopped,nine in ten responses were 401"), "{last}");

    // One of two lanes, and a marker that cannot be read.
    let second =
        PlannedLane { name: "other-0".to_owned(), kind: LaneKind::Hashed, ..fixture.plan.lanes[0].clone() };
    fixture.plan.lanes.push(second);
    fixture.plan.lanes[1].batches.clear();
    fixture.items.push(Vec::new());
    fixture.objects.retain(|(key, _)| !key.starts_with("stop/"));
    fixture.objects.push(("stop/0000/lane.json".to_owned(), "?".to_owned()));
    let left = merge(fixture).await;
    assert!(
        left.report.message.ends_with("; lane was stopped: no reason was given"),
        "{}",
        left.report.message
    );
    assert_eq!(
        (left.report.lanes[1].provider.as_deref(), left.report.lanes[1].stopped.as_deref()),
        (None, None)
    );
}

#[tokio::test]
async fn an_unknown_outcome_counts_as_failed_and_not_as_unprocessed() {
    let mut fixture = csv(vec![ok(json!([1])), None, None, None]);
    let (first, second) = (Invocation::new(0, STARTED, 1), Invocation::new(0, STARTED + 5, 2));
    // Line 1 has a result. Line 2 was never marked unsent, line 3 only by another call, line 4 by the same
    // call.
    fixture.intents("lane", 1, &first, 1, &[1, 2, 3, 4], &[]);
    fixture.intents("lane", 1, &first, 2, &[], &[4]);
    fixture.intents("lane", 1, &second, 1, &[], &[3]);
    let left = merge(fixture).await;
    let codes: Vec<_> = left
        .output
        .as_deref()
        .unwrap()
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(2).unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["", "outcome_unknown", "outcome_unknown", "not_processed"]);
    assert_eq!((left.report.failed, left.report.not_processed), (2, 1));
}

#[tokio::test]
async fn the_report_has_its_promised_fields() {
    let world = World::new();
    let mut fixture = some_failed(1, 2);
    world.merge(&mut fixture).await;
    let text = world.text("jobs/places/report/names.csv.json").await.unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "verdict message run versions job file generation home started finished duration_seconds lines ok failed not_processed skipped kept kept_from limited blank encoding \
                    requests throttled requests_per_second latency_ms latency_by_class errors warnings lanes outputs";
    assert_eq!(keys.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!((&report["verdict"], &report["home"]), (&json!("some_failed"), &json!("local")));
    let lane: Vec<_> = report["lanes"][0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "name provider lines ok failed not_processed skipped requests throttled requests_per_second latency_ms stopped limited_by advice";
    assert_eq!(lane.join(" "), expected);
    assert_eq!(report["outputs"]["failed"], "jobs/places/failed/names.csv");
}
