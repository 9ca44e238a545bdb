//! Batches that are too large for memory, long lines, and many objects.

use job::file::Format;
use job::{Invocation, SegmentKey};
use postprocess::Settings;
use serde_json::json;

use crate::world::{Fixture, STARTED, World, bad, ok};

#[tokio::test]
async fn a_batch_merged_by_its_index_equals_one_merged_in_memory() {
    let lines: Vec<_> = (0..300)
        .map(|n| {
            let result = match n % 7 {
                0 => None,
                1 => bad("http_500", &"long ".repeat(n)),
                _ => ok(json!(["x".repeat(n * 3)])),
            };
            (json!({ "v": [n.to_string(), "y".repeat(n % 50)] }), result)
        })
        .collect();
    let mut fixture = Fixture::new(Format::Csv, &["a", "b"], &lines);
    // Another call's segments: later successes for failures, later failures for successes, and new lines.
    for k in 0_u64..5 {
        let results: Vec<_> = (k * 40..k * 40 + 60)
            .map(|n| (n + 1, if n % 2 == 0 { ok(json!([k])) } else { bad("timeout", "") }.unwrap()))
            .collect();
        fixture.segment("lane", 1, &Invocation::new(0, STARTED + 1 + k, 7), 0, &results);
    }
    fixture.intents("lane", 1, &Invocation::new(0, STARTED + 9, 7), 0, &[295, 299, 300], &[]);

    let in_memory = World::new().merge(&mut fixture.clone()).await;
    assert_eq!(in_memory.output.as_deref().map(|output| output.lines().count()), Some(301));
    for piece in [1, 100, 4096] {
        let mut world = World::new();
        world.context.settings = Settings { whole_batch: 0, memory: 0, piece, ..Settings::default() };
        assert_eq!(world.merge(&mut fixture.clone()).await, in_memory, "{piece}");
    }
}

#[tokio::test]
async fn an_output_may_have_many_parts() {
    let text = "0123456789abcdef".repeat(4096);
    let lines: Vec<_> = (0..300).map(|n| (json!({ "v": [n.to_string()] }), ok(json!([text])))).collect();
    let left = World::new().merge(&mut Fixture::new(Format::Csv, &["a"], &lines)).await;
    let expected: String = (0..300).map(|n| format!("{n},{text},,\n")).collect();
    assert!(left.output.unwrap() == format!("a,x,error,error_detail\n{expected}"));
}

#[tokio::test]
async fn an_output_of_many_parts_may_take_many_calls() {
    let text = "0123456789abcdef".repeat(4096);
    let lines: Vec<_> = (0..300)
        .map(|n| {
            (
                json!({ "v": [n.to_string()] }),
                if n % 2 == 0 { ok(json!([text])) } else { bad("http_500", &text) },
            )
        })
        .collect();
    let mut fixture = Fixture::new(Format::Csv, &["a"], &lines);
    let at_once = World::new().merge(&mut fixture.clone()).await;
    let mut world = World::new();
    world.context.settings.piece = 1 << 20;
    world.write(&mut fixture).await;
    let (response, calls) = world.calls(&fixture, 3).await;
    assert_eq!(calls, 4);
    let left = world.left(&fixture, response).await;
    assert_eq!(left.report, at_once.report);
    assert!(left.output == at_once.output && left.failed == at_once.failed);
}

#[tokio::test]
async fn a_batch_may_have_more_objects_than_a_page_of_a_listing() {
    let mut fixture = Fixture::new(
        Format::Csv,
        &["a"],
        &(0..1100).map(|n| (json!({ "v": [n.to_string()] }), None)).collect::<Vec<_>>(),
    );
    let batch = fixture.plan.lanes[0].batches[0];
    fixture.plan.lanes[0].batches = vec![job::Batch { lines: 2, ..batch }; 550];
    for n in 1..=1100_u64 {
        let name = SegmentKey::Results {
            invocation: Invocation::new(0, STARTED, 1),
            k: 0,
            ok: 1,
            failed: 0,
            throttled: 0,
            sent: 0,
        }
        .name();
        let name = format!("{n}{name}");
        let body = format!("{{\"n\":{n},\"t\":1,\"ms\":1,\"tries\":1,\"status\":200,\"v\":[{n}]}}\n");
        fixture.objects.push((format!("results/lane/{:012}/{name}", (n - 1) / 2 * 2 + 1), body));
    }
    // Objects that belong to no batch, or that no worker writes.
    fixture.objects.push(("results/lane/000000000002/junk.jsonl".to_owned(), "?".to_owned()));
    fixture.objects.push(("results/lane/000000000003/junk.txt".to_owned(), "?".to_owned()));
    let left = World::new().merge(&mut fixture).await;
    assert_eq!((left.report.ok, left.report.lines), (1100, 1100));
}
