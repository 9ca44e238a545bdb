//! Calls that die at any request to the store, are repeated, or go on side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::config::retry::RetryConfig;
use job::run::{Again, Event};
use serde_json::Value;
use testing::{Action, Faults};

use crate::workers::Outcome;
use crate::world::{World, differences, job, line};

/// A run before with every kind of line, and the event of the run that continues it.
async fn prepared() -> (World, Event) {
    prepared_in(World::new()).await
}

async fn prepared_in(world: World) -> (World, Event) {
    let lines: Vec<String> = (1..=23).map(line).collect();
    let before = world.begin(&world.upload(&job("POST", "idempotent = true"), &lines).await).await;
    let outcome = |n| match n % 4 {
        0 => Outcome::Nothing,
        1 => Outcome::Failed("http_500"),
        2 => Outcome::Failed("outcome_unknown"),
        _ => Outcome::Success,
    };
    world.work(&before, outcome).await;
    let mut after = lines;
    after.reverse();
    after.push(line(50));
    let mut event = world.upload(&job("POST", "idempotent = true # edited"), &after).await;
    event.again = Some(Again::Continue);
    world.release_lease().await;
    (world, event)
}

/// What a call without deaths leaves, and its writes.
async fn undisturbed() -> (BTreeMap<String, String>, u64) {
    let (world, event) = prepared().await;
    let writes = Arc::new(AtomicU64::new(0));
    let counted = writes.clone();
    let faults = Faults::new(move |call| {
        counted.fetch_add(u64::from(call.operation.writes()), Ordering::Relaxed);
        Action::Proceed
    });
    let context = world.context(faults.client(&world.config(), RetryConfig::disabled()));
    world.call_in(&context, &event, Value::Null).await.unwrap();
    (world.everything().await, writes.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_call_that_dies_at_any_write_and_is_repeated_leaves_the_same() {
    let (expected, writes) = undisturbed().await;
    assert!(writes > 15, "{writes}");
    for nth in 1..=writes {
        for action in [Action::DieBefore, Action::DieAfter] {
            let (world, event) = prepared().await;
            let faults = {
                let mut seen = 0;
                Faults::new(move |call| {
                    seen += u64::from(call.operation.writes());
                    if call.operation.writes() && seen == nth { action } else { Action::Proceed }
                })
            };
            let context = world.context(faults.client(&world.config(), RetryConfig::disabled()));
            tokio::select! {
                ended = world.call_in(&context, &event, Value::Null) => panic!("it was to die: {ended:?}"),
                () = faults.died() => {}
            }
            world.begin(&event).await;
            let left = differences(&world.everything().await, &expected);
            assert_eq!(left, BTreeMap::new(), "{action:?} at write {nth} of {writes}");
        }
    }
}

#[tokio::test]
async fn two_calls_at_once_leave_what_one_leaves() {
    let (world, event) = prepared_in(World::on_aws()).await;
    world.begin(&event).await;
    let expected = world.everything().await;
    for round in 0..10 {
        let (world, event) = prepared_in(World::on_aws()).await;
        let contexts = [(); 2].map(|()| world.context(world.client.clone()));
        let [one, other] = contexts.each_ref().map(|context| world.call_in(context, &event, Value::Null));
        let (one, other) = tokio::join!(one, other);
        assert_eq!(one.unwrap(), other.unwrap(), "round {round}");
        let left = differences(&world.everything().await, &expected);
        assert_eq!(left, BTreeMap::new(), "round {round}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_starts_the_join_over() {
    let (expected, _) = undisturbed().await;
    let (world, event) = prepared().await;
    let mut previous = Value::Null;
    while !previous["checkpoint"].as_str().is_some_and(|key| key.contains("/checkpoint/join/")) {
        let context = world.context(world.client.clone());
        context.pause.cancel();
        previous = serde_json::to_value(world.call_in(&context, &event, previous).await.unwrap()).unwrap();
    }
    let run = event.run(&world.objects.get("jobs/places/job.toml").await.unwrap()).unwrap();
    world.objects.delete_prefix(&format!("{}checkpoint/", run.keys().prefix())).await.unwrap();
    world.call_in(&world.context(world.client.clone()), &event, previous).await.unwrap();
    assert_eq!(differences(&world.everything().await, &expected), BTreeMap::new());
}
