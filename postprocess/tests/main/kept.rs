//! The report of a run that has kept responses of the run before it.

use job::Invocation;
use job::run::Continues;
use serde_json::{Value, json};

use crate::world::{Fixture, STARTED, World, ok};
use job::file::Format;

fn item(text: &str) -> Value {
    json!({ "v": [text] })
}

/// A result as it was written an hour before, by a request that took long.
fn kept(values: Value) -> Value {
    json!({ "t": STARTED - 3_600_000, "ms": 9000, "tries": 3, "status": 200, "v": values })
}

/// Four lines: one that this run sends, two that are kept, and one whose outcome has stayed unknown.
fn run(started: u64) -> Fixture {
    let lines = [(item("1"), ok(json!([1]))), (item("2"), None), (item("3"), None), (item("4"), None)];
    let mut fixture = Fixture::new(Format::Csv, &["a"], &lines);
    let unknown = json!({ "t": STARTED - 3_600_000, "tries": 1, "error": "outcome_unknown" });
    let results = [(2, kept(json!([2]))), (3, kept(json!([3]))), (4, unknown)];
    fixture.segment("lane", 1, &Invocation::kept(), 0, &results);
    fixture.plan.continues = Some(Continues { run: "before".to_owned(), started, kept: 2, unknown: 1 });
    fixture
}

#[tokio::test]
async fn kept_responses_are_in_the_output_and_not_in_the_figures() {
    let left = World::new().merge(&mut run(STARTED - 7_200_000)).await;
    assert_eq!(
        left.output.as_deref(),
        Some("a,x,error,error_detail\n1,1,,\n2,2,,\n3,3,,\n4,,outcome_unknown,\n")
    );
    let report = left.report;
    assert_eq!((report.ok, report.failed, report.kept), (3, 1, 2));
    assert_eq!(report.kept_from.as_deref(), Some("2025-11-21T02:40:00Z"));
    let latency = report.latency_ms.unwrap();
    assert_eq!(latency.max, 10);
    assert_eq!(report.requests_per_second, 100.0, "one request in 10 ms");
    assert!(
        report
            .message
            .starts_with("1 of 4 lines failed, 2 responses kept from the run of 2025-11-21T02:40:00Z;"),
        "{}",
        report.message
    );
}

#[tokio::test]
async fn a_run_that_keeps_nothing_does_not_speak_of_it() {
    for (started, kept) in [(STARTED, 0), (0, 2)] {
        let mut fixture = run(started);
        fixture.plan.continues.as_mut().unwrap().kept = kept;
        let report = World::new().merge(&mut fixture).await.report;
        assert_eq!((report.kept, report.kept_from), (kept, None));
        assert_eq!(report.message.contains("kept from an earlier run"), kept > 0, "{}", report.message);
    }
    let mut fixture = Fixture::new(Format::Csv, &["a"], &[(item("1"), ok(json!([1])))]);
    let report = World::new().merge(&mut fixture).await.report;
    assert_eq!(report.message, "all 1 line succeeded");
}
