//! What `throughline watch` lists while it follows a run on AWS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use futures_util::{StreamExt, stream};
use job::run::{Batch, FORMAT, Plan, RunRef};
use job::{Invocation, LineId, Objects, SegmentKey};
use serde_json::json;
use testing::{Action, Faults, Operation};
use throughline::progress::{LaneCounts, Progress};

/// Batches of a lane, lines of a batch, and segments that a worker wrote of each: half a page of a listing.
const BATCHES: u64 = 6;
const LINES: u64 = 500;

fn run() -> RunRef {
    RunRef {
        format: FORMAT,
        bucket: s3::BUCKET.into(),
        job: "places".into(),
        file: "in.csv".into(),
        id: "r".into(),
        generation: 0,
    }
}

fn plan(lanes: &[&str]) -> Plan {
    let batch = |n: u64| Batch { first: LineId::nth(n * LINES + 1), lines: LINES, from: 0, to: 1 };
    let lane = |name: &&str| {
        json!({ "name": name, "kind": { "named": { "provider": name } }, "workers": 1, "bytes": 1, "seconds": 1.0,
            "lines": BATCHES * LINES, "batches": (0..BATCHES).map(batch).collect::<Vec<_>>() })
    };
    let plan = json!({
        "input": { "file": "in.csv", "format": "csv", "compression": "none", "delimiter": 44, "header": true,
            "columns": ["q"], "lines": BATCHES * LINES, "blank": 0, "bytes": 1 },
        "output": "csv", "extracted": [], "lanes": lanes.iter().map(lane).collect::<Vec<_>>(),
    });
    serde_json::from_value(plan).unwrap()
}

/// Writes the first segments of a batch, each with one line.
async fn work(objects: &Objects, lane: &str, batch: u64, segments: u64) {
    let folder = run().keys().batch_results(lane, LineId::nth(batch * LINES + 1));
    let key = |k: u64| {
        let segment = SegmentKey::Results {
            invocation: Invocation::new(0, 1, 0),
            k: u32::try_from(k).unwrap(),
            ok: u64::from(!k.is_multiple_of(10)),
            failed: u64::from(k.is_multiple_of(10)),
            throttled: 0,
            sent: 1,
        };
        folder.clone() + &segment.name()
    };
    let put = |k| async move { objects.put(&key(k), "").await.unwrap() };
    stream::iter(0..segments).map(put).buffer_unordered(8).collect::<Vec<_>>().await;
}

#[tokio::test]
async fn watch_lists_again_only_what_may_be_new() {
    let folder = tempfile::tempdir().unwrap();
    let listings = Arc::new(AtomicUsize::new(0));
    let counted = listings.clone();
    let faults = Faults::new(move |call| {
        counted.fetch_add(usize::from(call.operation == Operation::List), Ordering::SeqCst);
        Action::Proceed
    });
    let store = s3::config(folder.path()).unwrap().build();
    let objects = Objects::new(faults.client(&store, RetryConfig::disabled()), s3::BUCKET);
    let (plan, progress) = (plan(&["a", "b"]), Progress::remote());
    let mut counts = LaneCounts::default();
    let mut poll = async |done: [u64; 2]| {
        let before = listings.load(Ordering::SeqCst);
        progress.count_lanes(&objects, &run(), &plan, &mut counts).await.unwrap();
        let shown = progress.snapshot().lanes;
        assert_eq!([shown[0].done, shown[1].done], done);
        assert_eq!(shown[0].failed, done[0] / 10);
        listings.load(Ordering::SeqCst) - before
    };
    for batch in 0..5 {
        work(&objects, "a", batch, LINES).await;
    }
    assert_eq!(poll([2500, 0]).await, 3 + 1, "all pages of both lanes");
    assert_eq!(poll([2500, 0]).await, 2, "one page of each");
    work(&objects, "a", 5, 10).await;
    work(&objects, "b", 1, 10).await;
    assert_eq!(poll([2510, 10]).await, 2);
    work(&objects, "a", 5, LINES).await;
    assert_eq!(poll([3000, 10]).await, 2);
    assert_eq!(poll([3000, 10]).await, 1, "a lane whose lines all have results is not listed");
    work(&objects, "b", 0, LINES).await;
    assert_eq!(poll([3000, 510]).await, 1, "of two batches at a time, the first is finished last");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3601)).await;
    tokio::time::resume();
    assert_eq!(poll([3000, 510]).await, 3 + 1, "everything, once an hour");
}
