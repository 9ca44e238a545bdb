//! Journals in a database of the host, which many executions share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use engine::{Event, History, Outcome, Start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::definition::{definition, event, host, script};
use crate::fake::{Fake, block_on, start};
use crate::machines::{FUNCTION, one};

/// Runs the executions until all have ended, or nothing is written any more. None means a crash.
fn life(database: &Database, executions: &[u64], definition: &str, host: &Arc<Fake>) -> Option<Vec<Outcome>> {
    let machine = Arc::new(engine::compile(definition).unwrap());
    let run = |number: u64| {
        let mut start: Start = start(event());
        start.id = format!("{}-{number}", start.id);
        engine::run(machine.clone(), start, host.clone(), database.journal(number), CancellationToken::new())
    };
    let ended = block_on(async {
        let all = futures_util::future::join_all(executions.iter().copied().map(run));
        tokio::select! {
            biased;
            ended = all => Some(ended.into_iter().map(Result::unwrap).collect()),
            () = database.hung() => None,
        }
    });
    database.crash();
    ended
}

/// The events have numbers without gaps, and each follows an earlier one.
fn is_history(events: &[Event], last: &str) {
    for (place, event) in events.iter().enumerate() {
        assert!(event.id == place as u64 + 1 && event.previous < event.id, "{event:?}");
        assert!(place == 0 || event.timestamp >= events[place - 1].timestamp, "{event:?}");
        assert_eq!(event.kind == "ExecutionStarted", place == 0, "{event:?}");
        assert_eq!(event.kind == last, place + 1 == events.len(), "{event:?}");
    }
}

#[test]
fn executions_in_one_database_crashed_at_every_batch_reach_their_ends() {
    let uncut = {
        let (database, host) = (Database::default(), host(script));
        life(&database, &[1], &definition(), &host).unwrap();
        database.events(1)
    };
    let database = Database::default();
    let answered = Arc::new(Mutex::new(HashSet::new()));
    let seen = answered.clone();
    let host = host(move |call| {
        let answer = script(call);
        if answer.is_ok() {
            let name = json!([call.function(), call.execution, call.payload()]).to_string();
            seen.lock().unwrap().insert(name);
        }
        answer
    });
    let mut crashes = 0;
    let outcomes = loop {
        // Every process writes one batch more.
        database.write_only(Some(1));
        match life(&database, &[1, 2, 3], &definition(), &host) {
            Some(outcomes) => break outcomes,
            None => crashes += 1,
        }
        assert!(crashes < 2_000, "no end");
    };
    let expected = Outcome::Succeeded(json!({"status": "succeeded", "lines": 12}));
    assert_eq!(outcomes, vec![expected.clone(); 3]);
    assert!(crashes > 60, "{crashes}");
    // The three executions did the same work, each its own.
    assert_eq!(answered.lock().unwrap().len() % 3, 0);
    for execution in [1, 2, 3] {
        let events = database.events(execution);
        is_history(&events, "ExecutionSucceeded");
        let ended = database.ended(execution).unwrap();
        assert_eq!((ended.outcome, ended.at), (expected.clone(), events.last().unwrap().timestamp));
        // The containers of states began once, although processes crashed at each of their batches.
        for kind in ["MapStateStarted", "MapRunStarted", "ParallelStateStarted"] {
            let count = |events: &[Event]| events.iter().filter(|event| event.kind == kind).count();
            assert_eq!(count(&events), count(&uncut), "{kind}");
        }
    }
    // Nothing but the outcomes is left, although some sweeps were lost.
    assert_eq!([1, 2, 3].map(|execution| database.entries(execution)), [1; 3]);
}

#[test]
fn history_in_the_store_is_that_in_memory() {
    let (database, host, history) = (Database::default(), host(script), History::default());
    let mut start = start(event());
    start.history = Some(history.clone());
    let machine = Arc::new(engine::compile(&definition()).unwrap());
    block_on(engine::run(machine, start, host, database.journal(1), CancellationToken::new())).unwrap();
    let mut events = history.events();
    events.sort_by_key(|event| event.id);
    assert!(events.len() > 30, "{}", events.len());
    assert_eq!(database.events(1), events);
}

#[test]
fn events_of_an_iteration_come_once_although_its_execution_is_continued() {
    let task = json!({"Type": "Task", "Resource": FUNCTION, "Next": "W"});
    let wait = json!({"Type": "Wait", "Seconds": 1, "End": true});
    let definition = one(json!({
        "Type": "Map", "MaxConcurrency": 1, "End": true,
        "ItemProcessor": {"StartAt": "T", "States": {"T": task, "W": wait}}
    }));
    let (database, host) = (Database::default(), Fake::echo());
    let mut crashes = 0;
    loop {
        database.write_only(Some(1));
        let run = run_in(&database, &definition, json!([1, 2]), &host);
        if run.is_some() {
            break;
        }
        crashes += 1;
        assert!(crashes < 100, "no end");
    }
    assert!(crashes > 6, "{crashes}");
    let events = database.events(1);
    is_history(&events, "ExecutionSucceeded");
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let iteration = [
        "MapIterationStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "WaitStateEntered",
        "WaitStateExited",
        "MapIterationSucceeded",
    ];
    let expected = [
        &["ExecutionStarted", "MapStateEntered", "MapStateStarted"],
        iteration.as_slice(),
        &iteration,
        &["MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"],
    ];
    assert_eq!(kinds, expected.concat());
}

/// Runs execution 1 until it has ended, or nothing is written any more.
fn run_in(database: &Database, definition: &str, input: Value, host: &Arc<Fake>) -> Option<Outcome> {
    let machine = Arc::new(engine::compile(definition).unwrap());
    let run = engine::run(machine, start(input), host.clone(), database.journal(1), CancellationToken::new());
    let ended = block_on(async {
        tokio::select! {
            biased;
            ended = run => Some(ended.unwrap()),
            () = database.hung() => None,
        }
    });
    database.crash();
    ended
}

#[test]
fn events_of_a_long_loop_are_written_in_between() {
    let text = "x".repeat(2_000);
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "P", "States": {
        "P": {"Type": "Pass", "Output": {"n": "{% $states.input.n + 1 %}", "text": text}, "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n < 2000 %}", "Next": "P"}], "Default": "D"},
        "D": {"Type": "Succeed"}
    }});
    let database = Database::default();
    run_in(&database, &definition.to_string(), json!({"n": 0}), &Fake::echo()).unwrap();
    assert_eq!(database.events(1).len(), 2 + 2 + 2_000 * 4);
    // An event has about 2,000 bytes, and half a mebibyte waits at most.
    assert!(database.most_events() < 300, "{}", database.most_events());
}

#[test]
fn events_of_a_task_under_way_wait_for_its_result() {
    let database = Database::default();
    let journal = database.journal(1);
    let (watched, seen) = (journal.clone(), Arc::new(Mutex::new(Vec::new())));
    let pending = seen.clone();
    let host = Fake::new(move |_| {
        *pending.lock().unwrap() = watched.pending_events();
        Ok(json!(1))
    });
    let machine = engine::compile(&one(json!({"Type": "Task", "Resource": FUNCTION, "End": true}))).unwrap();
    block_on(engine::run(Arc::new(machine), start(json!({})), host, journal, CancellationToken::new()))
        .unwrap();
    let seen: Vec<_> = seen.lock().unwrap().iter().map(|event| (event.id, event.kind.clone())).collect();
    let expected = [(2, "TaskStateEntered"), (3, "LambdaFunctionScheduled"), (4, "LambdaFunctionStarted")];
    assert_eq!(seen, expected.map(|(id, kind)| (id, kind.to_owned())));
}

#[test]
fn execution_that_the_host_has_begun_keeps_its_start() {
    let definition = one(json!({"Type": "Succeed"}));
    let machine = Arc::new(engine::compile(&definition).unwrap());
    let (database, host) = (Database::default(), Fake::echo());
    let begun = engine::Host::now(&*host) - time::Duration::hours(1);
    database.write(1, engine::beginning(&machine, &start(json!(1)), begun).unwrap());
    run_in(&database, &definition, json!(1), &host).unwrap();
    let events = database.events(1);
    is_history(&events, "ExecutionSucceeded");
    assert_eq!(events[0].timestamp, begun);
    assert_eq!(events[0].details.as_ref().unwrap().1["input"], "1");
    // The batch with the start was the host's; the only one of the engine is that with the end.
    assert_eq!(database.batches(), 2);
}
