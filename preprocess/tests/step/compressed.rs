//! Compressed inputs, which cannot be read from the middle.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::config::retry::RetryConfig;
use job::keys;
use job::run::{Event, PreprocessResponse, RunRef};
use preprocess::HeldSplits;
use s3::BUCKET;
use serde_json::Value;
use testing::{Action, Faults, Operation};

use crate::world::{FILE, JOB, World, job, line};

const LINES: u32 = 40;

async fn upload(world: &World) -> Event {
    let text: String = (1..=LINES).map(|n| line(n) + "\n").collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let (key, body) = (keys::input(JOB, FILE), gzip.finish().unwrap());
    world.objects.put(&keys::job_file(JOB), job("GET", "")).await.unwrap();
    let size = body.len() as u64;
    let stored = world.objects.put(&key, body).await.unwrap();
    Event::object_created(BUCKET, &key, size, Some(stored.etag), "1")
}

/// Splits in calls that have next to no time. Returns the run, the calls, and how often the input was read.
async fn split(world: &World, event: &Event) -> (RunRef, usize, usize) {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let faults = Faults::new(move |call| {
        if call.operation == Operation::Get && call.key == keys::input(JOB, FILE) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Action::Proceed
    });
    let client = faults.client(&world.config(), RetryConfig::disabled());
    let (mut previous, mut calls) = (Value::Null, 0);
    loop {
        let context = world.context(client.clone());
        context.pause.cancel();
        calls += 1;
        match world.call_in(&context, event, previous).await.unwrap() {
            PreprocessResponse::Ready { run, .. } => return (run, calls, reads.load(Ordering::SeqCst)),
            paused => previous = serde_json::to_value(&paused).unwrap(),
        }
    }
}

#[tokio::test]
async fn one_machine_reads_a_compressed_input_once_however_many_calls_its_split_takes() {
    let world = World::new();
    let event = upload(&world).await;
    let (run, calls, reads) = split(&world, &event).await;
    assert!(calls > 1, "{calls} calls");
    assert_eq!(reads, 1, "in {calls} calls");

    let whole = World::new();
    let event = upload(&whole).await;
    let in_one = whole.begin(&event).await;
    let (plan, expected) = (world.plan(&run).await, whole.plan(&in_one).await);
    assert_eq!(plan.input, expected.input);
    for lane in &plan.lanes {
        let items = world.objects.get(&run.keys().items(&lane.name)).await.unwrap();
        assert_eq!(
            items,
            whole.objects.get(&in_one.keys().items(&lane.name)).await.unwrap(),
            "{}",
            lane.name
        );
    }
}

#[tokio::test]
async fn another_process_continues_a_split_from_its_checkpoint() {
    let mut world = World::new();
    let event = upload(&world).await;
    let context = world.context(world.client.clone());
    context.pause.cancel();
    let paused = world.call_in(&context, &event, Value::Null).await.unwrap();
    let previous = serde_json::to_value(&paused).unwrap();
    assert_eq!(previous["status"], "paused");
    world.held = HeldSplits::default();
    let context = world.context(world.client.clone());
    let PreprocessResponse::Ready { run, .. } = world.call_in(&context, &event, previous).await.unwrap()
    else {
        panic!("it has time enough")
    };
    assert_eq!(world.plan(&run).await.input.lines, u64::from(LINES));
}
