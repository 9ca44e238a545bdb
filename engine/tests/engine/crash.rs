//! Executions that crash and are continued.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use engine::{Fault, Journal, JournalError, Outcome, Stop, TaskCall};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::definition::{definition, event, host, script};
use crate::fake::{Fake, block_on, run_on, start};

/// Runs until the host hangs, and drops the execution there. None means a crash.
pub(crate) fn run_until_hung(
    path: &Path,
    definition: &str,
    input: Value,
    host: &Arc<Fake>,
) -> Option<Outcome> {
    let machine = Arc::new(engine::compile(definition).unwrap());
    let journal = Journal::open(path).unwrap();
    let run = engine::run(machine, start(input), host.clone(), journal, CancellationToken::new());
    block_on(async {
        // If several tasks hung in the run before, the responses of all but one were lost.
        host.hung.notified().now_or_never();
        tokio::select! {
            outcome = run => Some(outcome.unwrap()),
            () = host.hung.notified() => None,
        }
    })
}

/// Refuses a call whose response was delivered before. A call that fails may be repeated.
fn once(call: &TaskCall, answered: &Mutex<HashSet<String>>) {
    let name = json!([call.function(), call.execution, call.payload()]).to_string();
    assert!(answered.lock().unwrap().insert(name), "called again: {} {}", call.function(), call.payload());
}

#[test]
fn execution_crashed_at_every_event_calls_no_task_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut crashes = 0;
    // Crashes again and again after so many events, and one more each time: an interrupted wait begins again,
    // so that some events bring the run no further.
    for every in [1, 2, 3, 5, 8, 13, 21, 34] {
        let path = folder.path().join(format!("{every}.journal"));
        let answered = Arc::new(Mutex::new(HashSet::new()));
        let seen = answered.clone();
        let host = host(move |call| {
            let answer = script(call);
            if answer.is_ok() {
                once(call, &seen);
            }
            answer
        });
        let mut after = every;
        let outcome = loop {
            after += 1;
            host.hangs_at.store(host.events() + after, Ordering::SeqCst);
            match run_until_hung(&path, &definition(), event(), &host) {
                Some(outcome) => break outcome,
                None => crashes += 1,
            }
            assert!(after < 1_000, "no end");
        };
        assert_eq!(outcome, Outcome::Succeeded(json!({"status": "succeeded", "lines": 12})), "every {every}");
        let manifests = host.objects.lock().unwrap();
        assert_eq!(
            manifests.keys().filter(|key| key.ends_with("/manifest.json")).count(),
            3,
            "every {every}"
        );
        // A finished execution returns its outcome again, and leaves nothing else in the journal.
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.entries(), 1);
    }
    assert!(crashes > 20, "{crashes}");
}

#[test]
fn wait_ends_at_the_same_time_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let definition = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": true}}}"#;
    let host = Fake::echo();
    let begun = engine::Host::now(&*host);
    host.hangs_at.store(1, Ordering::SeqCst);
    assert_eq!(run_until_hung(&path, definition, json!({}), &host), None);
    host.hangs_at.store(u64::MAX, Ordering::SeqCst);
    host.advance(60);
    assert!(run_until_hung(&path, definition, json!({}), &host).is_some());
    assert_eq!(*host.sleeps.lock().unwrap(), [begun + time::Duration::seconds(100)]);
}

#[test]
fn random_draws_are_replayed_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let definition = r#"{"StartAt": "P", "States": {
        "P": {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "Next": "T"},
        "T": {"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "Parameters": {"id.$": "$.id", "more.$": "States.UUID()"}, "End": true}}}"#;
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = ids.clone();
    let host = Fake::new(move |call| {
        seen.lock().unwrap().push(call.payload().clone());
        Ok(json!(1))
    });
    host.hangs_at.store(1, Ordering::SeqCst);
    assert_eq!(run_until_hung(&path, definition, json!({}), &host), None);
    host.hangs_at.store(u64::MAX, Ordering::SeqCst);
    assert!(run_until_hung(&path, definition, json!({}), &host).is_some());
    let uuid = |n: u32| format!("00000000-0000-4000-8000-{n:012}");
    assert_eq!(*ids.lock().unwrap(), [json!({"id": uuid(0), "more": uuid(1)})]);
}

#[test]
fn branches_crashed_at_every_event_continue_where_each_was() {
    let task = |n: u64, next: serde_json::Value| {
        let arguments = json!({"n": n, "id": "{% $uuid() %}", "run": "{% $run %}"});
        let mut state =
            json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "Arguments": arguments});
        state.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
        state
    };
    let branch = |n: u64| {
        let [first, wait, last] = ["T", "W", "U"].map(|name| format!("{name}{n}"));
        json!({"StartAt": first, "States": {
            &first: task(n, json!({"Assign": {"first": "{% $states.result.id %}"}, "Next": wait})),
            &wait: {"Type": "Wait", "Seconds": n, "Next": last},
            &last: task(n + 10, json!({"Output": ["{% $first %}", "{% $states.result.id %}"], "End": true}))
        }})
    };
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"run": "{% $uuid() %}"}, "Next": "P"},
        "P": {"Type": "Parallel", "Branches": [branch(1), branch(2), branch(3)], "Output": {"run": "{% $run %}", "ids": "{% $states.result %}"}, "End": true}
    }});
    let folder = tempfile::tempdir().unwrap();
    let mut crashes = 0;
    for every in [1, 2, 3, 5] {
        let path = folder.path().join(format!("{every}.journal"));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let host = Fake::new(move |call| {
            seen.lock().unwrap().push(call.payload().clone());
            Ok(call.payload().clone())
        });
        let mut after = every;
        let outcome = loop {
            after += 1;
            host.hangs_at.store(host.events() + after, Ordering::SeqCst);
            match run_until_hung(&path, &definition.to_string(), json!({}), &host) {
                Some(Outcome::Succeeded(output)) => break output,
                Some(other) => panic!("{other:?}"),
                None => crashes += 1,
            }
            assert!(after < 1_000, "no end");
        };
        // A repeated call has the same input, and the outcome contains its output.
        let calls = calls.lock().unwrap();
        let ids = |n: u64| {
            calls.iter().filter(|call| call["n"] == n).map(|call| call["id"].clone()).collect::<Vec<_>>()
        };
        for n in 1..=3_u64 {
            let (first, second) = (ids(n), ids(n + 10));
            assert!(
                first.iter().all(|id| *id == first[0]) && second.iter().all(|id| *id == second[0]),
                "{first:?} {second:?}"
            );
            assert_eq!(outcome["ids"][n as usize - 1], json!([first[0], second[0]]));
        }
        assert!(calls.iter().all(|call| call["run"] == outcome["run"]));
    }
    // The number depends on when the thread that writes the journal is scheduled.
    assert!(crashes > 4, "{crashes}");
}

#[test]
fn loop_does_not_grow_the_journal() {
    let definition = r#"{"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": 2000, "Next": "W"}], "Default": "D"},
        "W": {"Type": "Wait", "Seconds": 1, "Next": "T"},
        "D": {"Type": "Succeed"}}}"#;
    let journal = Journal::in_memory().unwrap();
    let (most, watched) = (Arc::new(Mutex::new(0)), journal.clone());
    let seen = most.clone();
    let host = Fake::new(move |call| {
        let mut most = seen.lock().unwrap();
        *most = watched.entries().max(*most);
        Ok(json!({"n": call.payload()["n"].as_u64().unwrap() + 1}))
    });
    let outcome = run_on(definition, json!({"n": 0}), &host, &journal).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!({"n": 2000})));
    assert_eq!(*most.lock().unwrap(), 2);
}

#[test]
fn cancelled_execution_awaits_its_tasks_and_can_be_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let cancel = CancellationToken::new();
    let (at, token) = (Arc::new(Mutex::new(0)), cancel.clone());
    let answered = Arc::new(Mutex::new(HashSet::new()));
    let seen = answered.clone();
    let host = host(move |call| {
        let mut calls = at.lock().unwrap();
        *calls += 1;
        if *calls == 9 {
            token.cancel();
        }
        let answer = script(call);
        if answer.is_ok() {
            once(call, &seen);
        }
        answer
    });
    let machine = Arc::new(engine::compile(&definition()).unwrap());
    let run = |cancel| {
        let journal = Journal::open(&path).unwrap();
        block_on(engine::run(machine.clone(), start(event()), host.clone(), journal, cancel))
    };
    assert!(matches!(run(cancel), Err(Stop::Interrupted)));
    assert_eq!(
        run(CancellationToken::new()).unwrap(),
        Outcome::Succeeded(json!({"status": "succeeded", "lines": 12}))
    );
    // The third run only reads the outcome.
    assert_eq!(
        run(CancellationToken::new()).unwrap(),
        Outcome::Succeeded(json!({"status": "succeeded", "lines": 12}))
    );
}

#[test]
fn journal_of_another_execution_is_refused() {
    let pass = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    let succeed = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
    let journal = Journal::in_memory().unwrap();
    let host = Fake::echo();
    run_on(pass, json!(1), &host, &journal).unwrap();
    for (definition, input, what) in [(succeed, json!(1), "definition"), (pass, json!(2), "input")] {
        let refused = run_on(definition, input, &host, &journal);
        assert!(
            matches!(refused, Err(Stop::Fault(Fault::Journal(JournalError::Foreign(found)))) if found == what)
        );
    }
}
