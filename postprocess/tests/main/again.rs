//! Repeated calls, interruptions, the clean-up, and damaged objects.

use std::sync::atomic::Ordering;

use job::ErrorName;
use job::Invocation;
use job::file::Format;
use job::run::{LeaseHolder, PostprocessResponse};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::{Fixture, STARTED, World, bad, ok};

pub(crate) fn good() -> Fixture {
    Fixture::new(
        Format::Csv,
        &["a"],
        &[(json!({ "v": ["1"] }), ok(json!([1]))), (json!({ "v": ["2"] }), ok(json!([2])))],
    )
}

pub(crate) fn half() -> Fixture {
    Fixture::new(
        Format::Csv,
        &["a"],
        &[(json!({ "v": ["1"] }), ok(json!([1]))), (json!({ "v": ["2"] }), bad("timeout", "slow"))],
    )
}

pub(crate) async fn run_folder(world: &World, fixture: &Fixture) -> Vec<String> {
    let prefix = fixture.run.keys().prefix().to_owned();
    let entries = world.objects.list(&prefix).await.unwrap();
    entries.into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect()
}

async fn hold_lease(world: &World, run: &str) {
    let lease = LeaseHolder {
        job: "places".to_owned(),
        format: job::run::FORMAT,
        run: run.to_owned(),
        execution: "execution".to_owned(),
        generation: 0,
        not_before: 0,
        drain_seconds: 0,
    };
    world.objects.put("turns/places.json", serde_json::to_vec(&lease).unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_lease_of_an_earlier_version_is_released() {
    let (world, mut fixture) = (World::new(), good());
    let lease = LeaseHolder {
        job: String::new(),
        format: job::run::FORMAT,
        run: fixture.run.id.clone(),
        execution: "execution".to_owned(),
        generation: 0,
        not_before: 0,
        drain_seconds: 0,
    };
    world.objects.put("runs/places/turn.json", serde_json::to_vec(&lease).unwrap()).await.unwrap();
    world.merge(&mut fixture).await;
    assert_eq!(world.text("runs/places/turn.json").await, None);
}

#[tokio::test]
async fn a_successful_run_is_cleaned_up_and_a_repeated_call_returns_the_same() {
    let (world, mut fixture) = (World::new(), good());
    hold_lease(&world, &fixture.run.id).await;
    let first = world.merge(&mut fixture).await;
    assert_eq!(run_folder(&world, &fixture).await, ["claim.json", "finished.json", "job.toml", "plan.json"]);
    assert_eq!(world.text("turns/places.json").await, None);
    assert_eq!(world.merged.load(Ordering::Relaxed), 2);

    let response = world.call(&fixture).await.unwrap();
    assert_eq!(world.left(&fixture, response).await, first);
}

#[tokio::test]
async fn a_call_after_a_crash_during_the_clean_up_completes_it() {
    let (world, mut fixture) = (World::new(), good());
    let first = world.merge(&mut fixture).await;
    // The items are removed; the results and the lease are still there.
    world.write(&mut fixture).await;
    world.objects.delete(&fixture.run.keys().items("lane")).await.unwrap();
    hold_lease(&world, &fixture.run.id).await;
    let response = world.call(&fixture).await.unwrap();
    assert_eq!(world.left(&fixture, response).await, first);
    assert_eq!(run_folder(&world, &fixture).await, ["claim.json", "finished.json", "job.toml", "plan.json"]);
    assert_eq!(world.text("turns/places.json").await, None);
}

#[tokio::test]
async fn a_call_after_a_crash_before_the_report_merges_again() {
    let (world, mut fixture) = (World::new(), half());
    let first = world.merge(&mut fixture).await;
    world.objects.delete(&first.report.outputs.report).await.unwrap();
    world.objects.put("jobs/places/output/names.csv", "cut off").await.unwrap();
    let response = world.call(&fixture).await.unwrap();
    assert_eq!(world.left(&fixture, response).await, first);
}

/// A merge that was paused after its first line: the world, the run, and the response.
async fn paused() -> (World, Fixture, PostprocessResponse) {
    let (mut world, mut fixture) = (World::new(), half());
    world.context.settings.piece = 1;
    world.write(&mut fixture).await;
    world.context.pause.cancel();
    let response = world.call(&fixture).await.unwrap();
    world.context.pause = CancellationToken::new();
    assert!(matches!(&response, PostprocessResponse::Paused { checkpoint: Some(_), .. }), "{response:?}");
    (world, fixture, response)
}

#[tokio::test]
async fn a_paused_call_may_be_repeated() {
    let first = World::new().merge(&mut half()).await;
    let (mut world, fixture, before) = paused().await;
    let previous = || serde_json::to_value(&before).unwrap();
    world.context.pause.cancel();
    world.call_again(&fixture, previous()).await.unwrap();
    world.context.pause = CancellationToken::new();
    // The response was lost and the call is repeated, the second time even after the merge is complete.
    for _ in 0..2 {
        let response = world.call_again(&fixture, previous()).await.unwrap();
        assert_eq!(world.left(&fixture, response).await, first);
    }
}

#[tokio::test]
async fn a_merge_without_its_checkpoint_begins_again() {
    let first = World::new().merge(&mut half()).await;
    let (world, fixture, response) = paused().await;
    world.objects.delete_prefix(&format!("{}checkpoint/", fixture.run.keys().prefix())).await.unwrap();
    let response = world.call_again(&fixture, serde_json::to_value(&response).unwrap()).await.unwrap();
    assert_eq!(world.left(&fixture, response).await, first);
}

#[tokio::test]
async fn a_run_with_failures_keeps_its_folder_and_merges_new_results() {
    let (world, mut fixture) = (World::new(), half());
    let first = world.merge(&mut fixture).await;
    assert_eq!(first.failed.as_deref(), Some("a\n2\n"));
    assert_eq!(run_folder(&world, &fixture).await.len(), 7);
    let response = world.call(&fixture).await.unwrap();
    assert_eq!(world.left(&fixture, response).await, first);

    // A redrive succeeds: its result counts, the old file of failed lines is removed, and both requests are
    // counted.
    let mut fixture = half();
    fixture.run.generation = 1;
    fixture.segment("lane", 1, &Invocation::new(1, STARTED, 1), 0, &[(2, ok(json!([22])).unwrap())]);
    let second = world.merge(&mut fixture).await;
    assert_eq!(second.output.as_deref(), Some("a,x,error,error_detail\n1,1,,\n2,22,,\n"));
    assert_eq!((second.failed, second.report.outputs.failed, second.report.generation), (None, None, 1));
    assert_eq!(
        (second.report.requests, second.report.throttled, second.report.requests_per_second),
        (4, 2, 100.0)
    );
    assert_eq!(
        run_folder(&world, &fixture).await,
        ["claim-0001.json", "claim.json", "finished.json", "job.toml", "plan.json"]
    );
}

#[tokio::test]
async fn the_report_of_another_run_is_ignored() {
    let (world, mut fixture) = (World::new(), good());
    world.merge(&mut fixture).await;
    let mut other = half();
    other.run.id = "another".to_owned();
    let left = world.merge(&mut other).await;
    assert_eq!((left.report.run.as_str(), left.report.failed), ("another", 1));
}

#[tokio::test]
async fn the_lease_of_another_run_is_not_released() {
    let (world, mut fixture) = (World::new(), good());
    hold_lease(&world, "another").await;
    world.merge(&mut fixture).await;
    assert!(world.text("turns/places.json").await.is_some());
}

#[tokio::test]
async fn the_lease_is_released_even_if_lines_failed() {
    let (world, mut fixture) = (World::new(), half());
    hold_lease(&world, &fixture.run.id).await;
    world.merge(&mut fixture).await;
    assert_eq!(world.text("turns/places.json").await, None);
}

#[tokio::test]
async fn a_stopped_merge_leaves_no_output() {
    let (world, mut fixture) = (World::new(), good());
    world.write(&mut fixture).await;
    world.context.stop.cancel();
    let error = world.call(&fixture).await.unwrap_err();
    assert_eq!(error.name, ErrorName::Interrupted);
    assert_eq!(world.objects.list("jobs/").await.unwrap(), []);
}

#[tokio::test]
async fn a_damaged_run_folder_is_an_error_without_output() {
    let keys = good().run.keys();
    let segment = format!("{}{}", keys.prefix(), good().objects[0].0);
    let damages: [(&str, String, &str, &str); 8] = [
        ("no items", keys.items("lane"), "", "cannot read"),
        (
            "fewer items than planned",
            keys.items("lane"),
            "{\"n\":1,\"at\":0,\"v\":[\"1\"]}\n",
            "lines, the plan says 2",
        ),
        (
            "a line twice",
            keys.items("lane"),
            "{\"n\":1,\"at\":0,\"v\":[\"1\"]}\n{\"n\":1,\"at\":0,\"v\":[\"1\"]}\n",
            "overlap",
        ),
        ("an item that is not JSON", keys.items("lane"), "{\"n\":1,\"v\":[\"1\"\n\n", "an item is damaged"),
        ("an empty line of items", keys.items("lane"), "\n\n", "an item is damaged"),
        (
            "a result that is not JSON",
            segment.clone(),
            "{\"n\":1,\"v\":[1]\n",
            "the result of line 1 is damaged",
        ),
        ("a result without a number", segment, "{\"v\":[1]}\n", "the result at byte 0 is damaged"),
        ("a plan that is not JSON", keys.plan(), "{", "is not a plan"),
    ];
    for (what, key, body, message) in damages {
        let (world, mut fixture) = (World::new(), good());
        world.write(&mut fixture).await;
        if body.is_empty() {
            world.objects.delete(&key).await.unwrap();
        } else {
            world.objects.put(&key, body).await.unwrap();
        }
        if key == keys.items("lane") {
            fixture.plan.lanes[0].bytes = body.len().max(1) as u64;
            world.objects.put(&keys.plan(), serde_json::to_vec(&fixture.plan).unwrap()).await.unwrap();
        }
        let error = world.call(&fixture).await.unwrap_err();
        assert_eq!(error.name, ErrorName::RunDamaged, "{what}: {error}");
        assert!(error.message.contains(message), "{what}: {error}");
        assert_eq!(world.objects.list("jobs/").await.unwrap(), [], "{what}");
    }
}
