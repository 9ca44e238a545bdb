//! The status of a Map Run as the host sees it.

use std::sync::{Arc, Mutex, OnceLock};

use engine::{Counts, MapRunStatus, Phase, TaskError};
use futures_util::FutureExt;
use serde_json::json;

use super::{output, with_child, writer};
use crate::fake::Fake;

#[test]
fn status_counts_during_and_after_a_run() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let run: Arc<OnceLock<Arc<Fake>>> = Arc::default();
    let (looks, from) = (seen.clone(), run.clone());
    let host = Fake::new(move |call| {
        let status: Arc<MapRunStatus> = from.get().unwrap().map_runs.lock().unwrap()[0].clone();
        assert_eq!(status.phase(), Phase::Running);
        assert!(call.map_run.as_ref().is_some_and(|of| Arc::ptr_eq(of, &status)));
        assert_eq!(status.wait().now_or_never(), None);
        looks.lock().unwrap().push((status.items(), status.executions()));
        if call.payload()["Items"][0] == 0 {
            Err(TaskError::Error { error: "Bad".into(), cause: String::new() })
        } else {
            Ok(json!(1))
        }
    });
    assert!(run.set(host.clone()).is_ok());
    let fields = super::merged(
        writer(json!(null)),
        json!({"MaxConcurrency": 1, "ToleratedFailurePercentage": 50, "ItemBatcher": {"MaxItemsPerBatch": 2}, "Label": "L"}),
    );
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    output(&with_child(fields, task), json!([0, 1, 2, 3, 4]), &host);
    let items = |pending, running, succeeded, failed| Counts {
        pending,
        running,
        succeeded,
        failed,
        total: 5,
        ..Counts::default()
    };
    let seen: Vec<Counts> = seen.lock().unwrap().iter().map(|(items, _)| *items).collect();
    assert_eq!(seen, [items(3, 2, 0, 0), items(1, 2, 0, 2), items(0, 1, 2, 2)]);
    let status = host.map_runs.lock().unwrap()[0].clone();
    assert_eq!((status.phase(), status.wait().now_or_never()), (Phase::Succeeded, Some(())));
    assert!(status.arn.contains(":mapRun:machine/L:"), "{}", status.arn);
    let limits = status.limits();
    assert_eq!((limits.max_concurrency, limits.tolerated_failure_percentage), (1, Some(50.0)));
    assert_eq!(status.items(), Counts { results_written: 5, ..items(0, 0, 3, 2) });
    let executions = Counts { succeeded: 2, failed: 1, total: 3, results_written: 3, ..Counts::default() };
    assert_eq!(status.executions(), executions);
}

#[test]
fn results_of_a_run_without_a_bucket_count_as_written() {
    let host = Fake::echo();
    output(&super::machine(json!({})), json!([1, 2]), &host);
    assert_eq!(host.map_runs.lock().unwrap()[0].items().results_written, 2);
}

#[test]
fn run_over_its_tolerance_fails_and_aborts_its_children() {
    let host = Fake::new(|call| {
        if *call.payload() == 0 {
            Err(TaskError::Error { error: "Bad".into(), cause: String::new() })
        } else {
            Err(TaskError::Interrupted)
        }
    });
    let definition = with_child(
        json!({"ItemsPath": "$", "MaxConcurrency": 2}),
        json!({"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 0, "Next": "F"}], "Default": "W"}),
    )
    .replace("\"States\":{\"C\"", "\"States\":{\"F\":{\"Type\":\"Fail\"},\"W\":{\"Type\":\"Wait\",\"Seconds\":9,\"End\":true},\"C\"");
    output(&definition, json!([1, 0, 2]), &host);
    let status = host.map_runs.lock().unwrap()[0].clone();
    assert_eq!(status.phase(), Phase::Failed);
    let counts = status.executions();
    assert_eq!((counts.failed, counts.aborted, counts.running), (1, 1, 0));
}
