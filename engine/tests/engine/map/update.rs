//! Limits of a Map Run that are changed while it runs.

use std::sync::Arc;
use std::time::Duration;

use engine::{MapRunLimits, MapRunStatus, MapRunUpdate, Outcome, Stop, UpdateError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{merged, reader, with_child};
use crate::database::Database;
use crate::fake::{Fake, block_on, start};

/// A Map Run whose children wait for ten seconds; those of odd numbers then fail.
fn machine(fields: Value) -> String {
    with_child(merged(json!({"ItemsPath": "$"}), fields), json!({"Type": "Wait", "Seconds": 10, "Next": "O"})).replace(
        "\"States\":{\"C\"",
        "\"States\":{\"F\":{\"Type\":\"Fail\"},\"S\":{\"Type\":\"Succeed\"},\"O\":{\"Type\":\"Choice\",\"Default\":\"S\",\"Choices\":[{\"Or\":[{\"Variable\":\"$\",\"NumericEquals\":1},{\"Variable\":\"$\",\"NumericEquals\":3}],\"Next\":\"F\"}]},\"C\"",
    )
}

fn run(
    definition: &str,
    input: Value,
    host: &Arc<Fake>,
    database: &Database,
) -> impl Future<Output = Result<Outcome, Stop>> + use<> {
    let machine = Arc::new(engine::compile(definition).unwrap_or_else(|problems| panic!("{problems}")));
    engine::run(machine, start(input), host.clone(), database.journal(1), CancellationToken::new())
}

fn status(host: &Fake) -> Arc<MapRunStatus> {
    host.map_runs.lock().unwrap().last().unwrap().clone()
}

/// Runs a Map Run over the items 0 to 4, and makes the change in its fifth second. Returns the outcome, and how
/// many seconds the run took.
fn updated(definition: &str, input: Value, host: &Arc<Fake>, update: MapRunUpdate) -> (Outcome, u64) {
    let database = Database::default();
    block_on(async {
        let begun = tokio::time::Instant::now();
        let change = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            status(host).update(update).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(run(definition, input, host, &database), change);
        (outcome.unwrap(), begun.elapsed().as_secs())
    })
}

const NONE: MapRunUpdate =
    MapRunUpdate { max_concurrency: None, tolerated_failure_count: None, tolerated_failure_percentage: None };

#[test]
fn higher_concurrency_holds_at_once() {
    let definition = machine(json!({"MaxConcurrency": 1, "ToleratedFailureCount": 5}));
    let items = json!([0, 2, 4, 6]);
    for (concurrency, seconds) in [(None, 40), (Some(2), 25), (Some(0), 15), (Some(4), 15)] {
        let update = MapRunUpdate { max_concurrency: concurrency, ..NONE };
        let (outcome, took) = updated(&definition, items.clone(), &Fake::echo(), update);
        assert_eq!((outcome, took), (Outcome::Succeeded(items.clone()), seconds), "{concurrency:?}");
    }
}

#[test]
fn lower_concurrency_waits_for_the_children_under_way() {
    let definition = machine(json!({"MaxConcurrency": 2}));
    let update = MapRunUpdate { max_concurrency: Some(1), ..NONE };
    let (_, took) = updated(&definition, json!([0, 2, 4, 6]), &Fake::echo(), update);
    assert_eq!(took, 30);
}

#[test]
fn tolerance_that_is_exceeded_now_fails_the_run() {
    let definition = machine(json!({"MaxConcurrency": 1, "ToleratedFailureCount": 5}));
    let fails = |update| {
        let (outcome, took) = updated(&definition, json!([1, 0, 2, 3]), &Fake::echo(), update);
        (
            matches!(outcome, Outcome::Failed { error, .. } if error == "States.ExceedToleratedFailureThreshold"),
            took,
        )
    };
    assert_eq!(fails(NONE), (false, 40));
    assert_eq!(fails(MapRunUpdate { tolerated_failure_count: Some(0), ..NONE }), (true, 10));
    // Half of the items: they are counted when the tolerance first depends on their number.
    assert_eq!(fails(MapRunUpdate { tolerated_failure_percentage: Some(50.0), ..NONE }), (false, 40));
    assert_eq!(fails(MapRunUpdate { tolerated_failure_percentage: Some(30.0), ..NONE }), (true, 40));
}

#[test]
fn tolerance_that_is_exceeded_already_fails_the_run_when_it_is_changed() {
    let definition = machine(json!({"ToleratedFailureCount": 5, "MaxConcurrency": 1}));
    let host = Fake::echo();
    let database = Database::default();
    let took = block_on(async {
        let begun = tokio::time::Instant::now();
        let change = async {
            tokio::time::sleep(Duration::from_secs(15)).await;
            status(&host).update(MapRunUpdate { tolerated_failure_count: Some(0), ..NONE }).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(run(&definition, json!([1, 0, 2]), &host, &database), change);
        assert!(matches!(outcome.unwrap(), Outcome::Failed { .. }));
        begun.elapsed().as_secs()
    });
    assert_eq!((took, status(&host).executions().aborted), (15, 1));
}

#[test]
fn change_is_durable_when_it_is_acknowledged() {
    let items = "0\n2\n4\n6\n";
    let fields = merged(reader(json!({"InputType": "JSONL"})), json!({"MaxConcurrency": 1}));
    let definition = with_child(fields, json!({"Type": "Wait", "Seconds": 10, "End": true}));
    let (database, host) = (Database::default(), Fake::echo());
    host.put("b", "file", items);
    let update = MapRunUpdate { max_concurrency: Some(2), tolerated_failure_count: Some(3), ..NONE };
    block_on(async {
        tokio::select! {
            _ = run(&definition, json!({}), &host, &database) => panic!("it crashes first"),
            () = async {
                tokio::time::sleep(Duration::from_secs(5)).await;
                database.write_only(Some(1));
                status(&host).update(update).await.unwrap();
            } => {}
        }
    });
    database.crash();
    database.write_only(None);
    let limits = MapRunLimits {
        max_concurrency: 2,
        tolerated_failure_count: Some(3),
        tolerated_failure_percentage: None,
    };
    block_on(async {
        let change = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(status(&host).limits(), limits);
        };
        let (outcome, ()) = tokio::join!(run(&definition, json!({}), &host, &database), change);
        assert_eq!(outcome.unwrap(), Outcome::Succeeded(json!([0, 2, 4, 6])));
    });
    // The limits are gone with the run.
    assert_eq!(database.entries(1), 1);
    let ended = block_on(status(&host).update(update));
    assert!(matches!(ended, Err(UpdateError::Ended)));
}
