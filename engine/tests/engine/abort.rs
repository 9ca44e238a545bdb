//! Executions that are aborted from outside.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Abort, Ended, Outcome, Phase, Start, Stop};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::fake::{Awaiting, Fake, block_on, start};
use crate::machines::{FUNCTION, one};

const MINUTE: &str = r#"{"StartAt": "State_1", "States": {"State_1": {"Type": "Wait", "Seconds": 60, "Next": "B"}, "B": {"Type": "Pass", "End": true}}}"#;

fn started(input: Value) -> (Start, Abort) {
    let abort = Abort::default();
    (Start { abort: Some(abort.clone()), ..start(input) }, abort)
}

fn aborted() -> Outcome {
    Outcome::Aborted { error: "E".into(), cause: "why".into() }
}

/// The types of the events of an execution, and what each follows.
fn outline(database: &Database) -> Vec<(String, u64)> {
    database.events(1).into_iter().map(|event| (event.kind, event.previous)).collect()
}

/// As AWS's recorded history of a stopped execution has it.
fn waiting_and_aborted() -> Vec<(String, u64)> {
    [("ExecutionStarted", 0), ("WaitStateEntered", 0), ("ExecutionAborted", 0)]
        .map(|(kind, previous)| (kind.to_owned(), previous))
        .to_vec()
}

#[test]
fn aborted_execution_has_a_durable_end() {
    let machine = Arc::new(engine::compile(MINUTE).unwrap());
    let (database, host) = (Database::default(), Fake::echo());
    let (start, abort) = started(json!({}));
    let run =
        engine::run(machine.clone(), start, host.clone(), database.journal(1), CancellationToken::new());
    // A server runs many executions on several threads.
    fn is_send(_: &impl Send) {}
    is_send(&run);
    is_send(&abort.abort("", ""));
    let (outcome, end) = block_on(async {
        tokio::join!(run, async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            abort.abort("E", "why").await.unwrap()
        })
    });
    assert_eq!((outcome.unwrap(), &end.outcome), (aborted(), &aborted()));
    assert_eq!(database.ended(1), Some(end.clone()));
    assert_eq!(outline(&database), waiting_and_aborted());
    let last = database.events(1).pop().unwrap();
    assert_eq!(last.details, Some(("executionAbortedEventDetails", json!({"error": "E", "cause": "why"}))));
    // It stays aborted, for a process that would continue it and for another abort.
    let (start, abort) = started(json!({}));
    let again = engine::run(machine, start, host.clone(), database.journal(1), CancellationToken::new());
    assert_eq!(block_on(again).unwrap(), aborted());
    assert_eq!(block_on(abort.abort("", "")), Some(end.clone()));
    let later = engine::Host::now(&*host);
    assert_eq!(block_on(database.journal(1).abort("", "", later)).unwrap(), Some(end));
    assert!(host.sleeps.lock().unwrap().is_empty());
}

#[test]
fn abort_that_is_not_durable_is_not_acknowledged() {
    let machine = Arc::new(engine::compile(MINUTE).unwrap());
    let (database, host) = (Database::default(), Fake::echo());
    let (start, abort) = started(json!({}));
    let run =
        engine::run(machine.clone(), start, host.clone(), database.journal(1), CancellationToken::new());
    block_on(async {
        tokio::select! {
            _ = run => panic!("it has no end"),
            _ = async { tokio::time::sleep(Duration::from_secs(9)).await; database.write_only(Some(0)); abort.abort("E", "why").await } => panic!("it was acknowledged"),
            () = database.hung() => {}
        }
    });
    database.crash();
    database.write_only(None);
    let run = engine::run(
        machine,
        crate::fake::start(json!({})),
        host,
        database.journal(1),
        CancellationToken::new(),
    );
    assert_eq!(block_on(run).unwrap(), Outcome::Succeeded(json!({})));
}

#[test]
fn abort_cancels_the_tasks_and_the_map_runs_and_waits_for_them() {
    let child = |name: &str| json!({"StartAt": name, "States": {name: {"Type": "Task", "Resource": FUNCTION, "End": true}}});
    let mut processor = child("T");
    processor["ProcessorConfig"] = json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    let map = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map", "ItemProcessor": processor, "ItemsPath": "$", "End": true
    }}});
    let definition = one(json!({"Type": "Parallel", "Branches": [child("U"), map], "End": true}));
    let machine = Arc::new(engine::compile(&definition).unwrap());
    let saved = Arc::new(Mutex::new(0));
    let (database, fake, progress) = (Database::default(), Fake::echo(), saved.clone());
    // The tasks end five seconds after they were cancelled.
    let host = Awaiting::new(&fake, move |call| {
        let progress = progress.clone();
        async move {
            call.cancel.cancelled().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            *progress.lock().unwrap() += 1;
            Ok(json!("too late"))
        }
    });
    let (start, abort) = started(json!([1, 2]));
    let run = engine::run(machine, start, host, database.journal(1), CancellationToken::new());
    block_on(async {
        let mut run = std::pin::pin!(run);
        tokio::select! {
            biased;
            _ = &mut run => panic!("its tasks do not end"),
            end = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                abort.abort("E", "why").await
            } => assert_eq!(end.unwrap().outcome, aborted()),
        }
        // The tasks still save their progress, after the end was acknowledged.
        assert_eq!(*saved.lock().unwrap(), 0);
        assert_eq!(run.await.unwrap(), aborted());
    });
    assert_eq!(*saved.lock().unwrap(), 3);
    let map_run = fake.map_runs.lock().unwrap()[0].clone();
    assert_eq!((map_run.phase(), map_run.executions().aborted), (Phase::Aborted, 2));
    assert_eq!(database.events(1).last().unwrap().kind, "ExecutionAborted");
}

#[test]
fn abort_of_an_execution_that_ends_by_itself_returns_its_own_end() {
    let machine = Arc::new(engine::compile(&one(json!({"Type": "Succeed"}))).unwrap());
    let (database, host) = (Database::default(), Fake::echo());
    let (start, abort) = started(json!(7));
    let run = engine::run(machine, start, host, database.journal(1), CancellationToken::new());
    let Ended { outcome, .. } = block_on(async {
        run.await.unwrap();
        abort.abort("E", "why").await.unwrap()
    });
    assert_eq!(outcome, Outcome::Succeeded(json!(7)));
}

#[test]
fn interrupted_execution_is_aborted_in_its_journal() {
    let machine = Arc::new(engine::compile(MINUTE).unwrap());
    let (database, host) = (Database::default(), Fake::echo());
    let at = engine::Host::now(&*host);
    assert_eq!(block_on(database.journal(1).abort("E", "why", at)).unwrap(), None);
    let (start, abort) = started(json!({}));
    let cancel = CancellationToken::new();
    let run = engine::run(machine.clone(), start, host.clone(), database.journal(1), cancel.clone());
    block_on(async {
        tokio::join!(async { assert!(matches!(run.await, Err(Stop::Interrupted))) }, async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            cancel.cancel();
        });
        // No process runs it any more.
        assert_eq!(abort.abort("E", "why").now_or_never(), Some(None));
    });
    let end = block_on(database.journal(1).abort("E", "why", at)).unwrap().unwrap();
    assert_eq!(end, Ended { outcome: aborted(), at });
    assert_eq!(database.ended(1), Some(end));
    assert_eq!(outline(&database), waiting_and_aborted());
}
