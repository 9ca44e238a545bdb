//! Executions that ended without success and are run again from where they were.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Abort, ExecutionType, Journal, Outcome, Phase, RedriveError, Start, TaskError};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::fake::{Fake, block_on, run_on, start};
use crate::machines::{FUNCTION, one};

/// A host whose calls are counted by their payload. A payload that contains `bad` fails until it is mended.
struct Setup {
    host: Arc<Fake>,
    mended: Arc<AtomicBool>,
    calls: Arc<Mutex<BTreeMap<String, u32>>>,
    database: Database,
    definition: String,
    input: Value,
}

impl Setup {
    fn new(definition: impl Into<String>, input: Value) -> Self {
        let (mended, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::new())));
        let (is_mended, counts) = (mended.clone(), calls.clone());
        let host = Fake::new(move |call| {
            let text = call.payload().to_string();
            *counts.lock().unwrap().entry(text.clone()).or_default() += 1;
            match text.contains("bad") && !is_mended.load(Ordering::SeqCst) {
                true => Err(TaskError::Error { error: "Bad".into(), cause: "why".into() }),
                false => Ok(call.payload().clone()),
            }
        });
        let database = Database::default();
        Setup { host, mended, calls, database, definition: definition.into(), input }
    }

    fn start(&self) -> Start {
        start(self.input.clone())
    }

    async fn run_from(&self, start: Start) -> Outcome {
        let machine = Arc::new(
            engine::compile(&self.definition)
                .unwrap_or_else(|problems| panic!("{problems}\n{}", self.definition)),
        );
        let journal = self.database.journal(1);
        engine::run(machine, start, self.host.clone(), journal, CancellationToken::new()).await.unwrap()
    }

    fn run(&self) -> Outcome {
        block_on(self.run_from(self.start()))
    }

    fn fails(&self, name: &str) {
        let outcome = self.run();
        assert!(matches!(&outcome, Outcome::Failed { error, .. } if error == name), "{outcome:?}");
    }

    fn try_redrive(&self) -> Result<u32, RedriveError> {
        self.host.advance(100);
        let at = engine::Host::now(&*self.host);
        block_on(self.database.journal(1).redrive(at))
    }

    /// Mends what was bad, and runs the execution again.
    fn redrive(&self) -> Outcome {
        self.mended.store(true, Ordering::SeqCst);
        self.calls.lock().unwrap().clear();
        self.try_redrive().unwrap();
        self.run()
    }

    /// The payloads that were called, and how often.
    fn calls(&self) -> Vec<(String, u32)> {
        self.calls.lock().unwrap().iter().map(|(payload, count)| (payload.clone(), *count)).collect()
    }

    /// The types of the events from the last redrive on.
    fn events(&self) -> Vec<String> {
        let events = self.database.events(1);
        let from = events.iter().rposition(|event| event.kind == "ExecutionRedriven").unwrap_or_default();
        events[from..].iter().map(|event| event.kind.clone()).collect()
    }
}

fn call(payload: Value, next: Value) -> Value {
    let mut task = json!({"Type": "Task", "Resource": FUNCTION, "Parameters": payload, "ResultPath": null});
    task.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
    task
}

fn called(payloads: &[&str]) -> Vec<(String, u32)> {
    payloads.iter().map(|payload| ((*payload).to_owned(), 1)).collect()
}

#[test]
fn failed_state_is_run_again_and_no_state_before_it() {
    let definition = json!({"StartAt": "A", "States": {
        "A": call(json!("first"), json!({"Next": "P"})),
        "P": {"Type": "Pass", "Next": "B"},
        "B": call(
            json!({"bad.$": "$$.Execution.RedriveCount"}),
            json!({"Next": "C", "Retry": [{"ErrorEquals": ["Bad"], "MaxAttempts": 2}]}),
        ),
        "C": {"Type": "Pass", "Parameters": {"count.$": "$$.Execution.RedriveCount", "time.$": "$$.Execution.RedriveTime"}, "End": true}
    }});
    let setup = Setup::new(definition.to_string(), json!({}));
    setup.fails("Bad");
    assert_eq!(setup.calls(), [("\"first\"".to_owned(), 1), ("{\"bad\":0}".to_owned(), 3)]);
    // It fails again, with all its retries.
    setup.calls.lock().unwrap().clear();
    assert_eq!(setup.try_redrive().unwrap(), 1);
    setup.fails("Bad");
    assert_eq!(setup.calls(), [("{\"bad\":1}".to_owned(), 3)]);
    let time = engine::Host::now(&*setup.host) + time::Duration::seconds(100);
    let Outcome::Succeeded(output) = setup.redrive() else { panic!("it is mended") };
    assert_eq!(setup.calls(), called(&["{\"bad\":2}"]));
    assert_eq!(output["count"], 2);
    let shown = OffsetDateTime::parse(output["time"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(shown, time);
    let events = [
        "ExecutionRedriven",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(setup.events(), events);
    let redriven = &setup.database.events(1)[setup.database.events(1).len() - events.len()];
    assert_eq!(
        (redriven.previous, redriven.details.clone()),
        (0, Some(("executionRedrivenEventDetails", json!({"redriveCount": 2}))))
    );
    assert_eq!(setup.database.entries(1), 1);
}

#[test]
fn branches_and_iterations_that_succeeded_keep_their_results() {
    let branch =
        |name: &str| json!({"StartAt": name, "States": {name: call(json!(name), json!({"End": true}))}});
    let waiting = json!({"StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": 1, "Next": "X"},
        "X": call(json!("good, but aborted"), json!({"End": true}))
    }});
    let parallel =
        json!({"Type": "Parallel", "Branches": [branch("good"), branch("bad"), waiting], "Next": "M"});
    let map = json!({"Type": "Map", "ItemsPath": "$", "MaxConcurrency": 1, "End": true,
        "ItemSelector": {"value.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Task", "Resource": FUNCTION, "End": true}}}
    });
    let mut definition = json!({"StartAt": "A", "States": {"A": parallel, "M": map}});
    definition["States"]["A"]["ResultPath"] = Value::Null;
    let setup = Setup::new(definition.to_string(), json!(["one", "bad", "three"]));
    setup.fails("Bad");
    assert_eq!(setup.calls(), called(&["\"bad\"", "\"good\""]));
    let outcome = setup.redrive();
    assert_eq!(outcome, Outcome::Succeeded(json!([{"value": "one"}, {"value": "bad"}, {"value": "three"}])));
    let expected = [
        "\"bad\"",
        "\"good, but aborted\"",
        "{\"value\":\"bad\"}",
        "{\"value\":\"one\"}",
        "{\"value\":\"three\"}",
    ];
    assert_eq!(setup.calls(), called(&expected));
    let started = setup.events().iter().filter(|kind| *kind == "ParallelStateStarted").count();
    assert_eq!(started, 0, "it had started");

    let only = json!({"StartAt": "M", "States": {"M": definition["States"]["M"]}}).to_string();
    let setup = Setup::new(only, json!(["one", "bad", "three"]));
    setup.fails("Bad");
    assert_eq!(setup.calls(), called(&["{\"value\":\"bad\"}", "{\"value\":\"one\"}"]));
    setup.redrive();
    assert_eq!(setup.calls(), called(&["{\"value\":\"bad\"}", "{\"value\":\"three\"}"]));
}

/// A Map Run whose children call a function twice: with their item, and with the item's second name.
fn map_run(kind: &str, fields: Value) -> String {
    let mut map = json!({"Type": "Map", "ItemsPath": "$", "MaxConcurrency": 1, "Label": "L", "End": true,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
            "StartAt": "F", "States": {
                "F": {"Type": "Task", "Resource": FUNCTION, "Parameters": {"name.$": "$.name"}, "ResultPath": null, "Next": "G"},
                "G": {"Type": "Task", "Resource": FUNCTION, "Parameters": {"second.$": "$.second"}, "End": true}
            }
        }
    });
    map.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"StartAt": "M", "States": {"M": map}}).to_string()
}

fn items() -> Value {
    let item = |name: &str, second: &str| json!({"name": name, "second": second});
    json!([item("a", "a2"), item("b", "bad b2"), item("c", "c2"), item("d", "bad d2"), item("e", "e2")])
}

fn outputs() -> Value {
    json!(["a2", "bad b2", "c2", "bad d2", "e2"].map(|second| json!({"second": second})))
}

#[test]
fn map_run_is_redriven_for_the_children_that_did_not_succeed() {
    let writer = json!({"ResultWriter": {
        "Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix": "p"},
        "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"}
    }});
    for (kind, mut fields) in [("STANDARD", json!({})), ("EXPRESS", json!({})), ("STANDARD", writer)] {
        let writes = fields.get("ResultWriter").is_some();
        fields["ToleratedFailureCount"] = json!(1);
        let setup = Setup::new(map_run(kind, fields), items());
        setup.fails("States.ExceedToleratedFailureThreshold");
        let first = ["a", "b", "c", "d"].map(|name| format!("{{\"name\":\"{name}\"}}"));
        assert!(first.iter().all(|name| setup.calls.lock().unwrap()[name] == 1));
        let outcome = setup.redrive();
        // A Standard child continues at its failed state.
        let mut expected = vec!["{\"name\":\"e\"}"];
        if kind == "EXPRESS" {
            expected.extend(["{\"name\":\"b\"}", "{\"name\":\"d\"}"]);
        }
        expected.extend(["{\"second\":\"bad b2\"}", "{\"second\":\"bad d2\"}", "{\"second\":\"e2\"}"]);
        expected.sort_unstable();
        assert_eq!(setup.calls(), called(&expected), "{kind}");
        let events = setup.events();
        assert_eq!(events[..2], ["ExecutionRedriven", "MapRunRedriven"], "{kind}");
        let runs = setup.host.map_runs.lock().unwrap().clone();
        assert_eq!((runs.len(), &runs[0].arn), (2, &runs[1].arn));
        assert_eq!((runs[0].phase(), runs[1].phase()), (Phase::Failed, Phase::Succeeded));
        assert_eq!((runs[0].redrives, runs[1].redrives), (0, 1));
        let counts = runs[1].executions();
        assert_eq!((counts.succeeded, counts.failed, counts.total), (5, 0, 5), "{kind}");
        match outcome {
            Outcome::Succeeded(output) if writes => {
                let key = output["ResultWriterDetails"]["Key"].as_str().unwrap();
                let manifest = setup.host.json(&format!("out/{key}"));
                let files = &manifest["ResultFiles"];
                assert_eq!((&files["FAILED"], &files["PENDING"]), (&json!([]), &json!([])));
                let mut written = Vec::new();
                for file in files["SUCCEEDED"].as_array().unwrap() {
                    let file = setup.host.json(&format!("out/{}", file["Key"].as_str().unwrap()));
                    written.extend(file.as_array().unwrap().clone());
                }
                written.sort_by_key(Value::to_string);
                let mut expected = outputs().as_array().unwrap().clone();
                expected.sort_by_key(Value::to_string);
                assert_eq!(written, expected);
            }
            outcome => assert_eq!(outcome, Outcome::Succeeded(outputs()), "{kind}"),
        }
        assert_eq!(setup.database.entries(1), 1);
    }
}

#[test]
fn redrive_crashed_at_every_batch_repeats_no_result() {
    let setup = Setup::new(map_run("STANDARD", json!({"ToleratedFailureCount": 1})), items());
    setup.fails("States.ExceedToleratedFailureThreshold");
    setup.try_redrive().unwrap();
    setup.mended.store(true, Ordering::SeqCst);
    setup.calls.lock().unwrap().clear();
    let mut crashes = 0;
    let outcome = loop {
        setup.database.write_only(Some(1));
        let ended = block_on(async {
            tokio::select! {
                biased;
                outcome = setup.run_from(setup.start()) => Some(outcome),
                () = setup.database.hung() => None,
            }
        });
        setup.database.crash();
        if let Some(outcome) = ended {
            break outcome;
        }
        crashes += 1;
        assert!(crashes < 100, "no end");
    };
    assert_eq!(outcome, Outcome::Succeeded(outputs()));
    assert!(crashes > 4, "{crashes}");
    let calls = setup.calls.lock().unwrap();
    let others = ["a", "b", "c", "d"].map(|name| format!("{{\"name\":\"{name}\"}}"));
    assert!(others.iter().all(|name| !calls.contains_key(name)), "{calls:?}");
    let redriven = setup.events().iter().filter(|kind| *kind == "MapRunRedriven").count();
    assert_eq!(redriven, 1);
}

#[test]
fn aborted_and_timed_out_executions_begin_their_time_limit_anew() {
    let mut definition: Value =
        serde_json::from_str(&one(json!({"Type": "Wait", "Seconds": 8, "End": true}))).unwrap();
    definition["TimeoutSeconds"] = json!(10);
    let setup = Setup::new(definition.to_string(), json!({}));
    block_on(async {
        let abort = Abort::default();
        let start = Start { abort: Some(abort.clone()), ..setup.start() };
        let outcome = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            abort.abort("", "").await.unwrap()
        };
        tokio::join!(setup.run_from(start), outcome)
    });
    assert!(matches!(setup.redrive(), Outcome::Succeeded(_)));

    let task =
        json!({"Type": "Task", "Resource": "arn:aws:states:eu-west-1:000000000000:activity:a", "End": true});
    let mut definition: Value = serde_json::from_str(&one(task)).unwrap();
    definition["TimeoutSeconds"] = json!(10);
    let setup = Setup::new(definition.to_string(), json!({}));
    assert_eq!(setup.run(), Outcome::TimedOut);
    setup.try_redrive().unwrap();
    let (outcome, ()) = block_on(async {
        let start = setup.start();
        let tokens = start.tokens.clone();
        tokio::join!(setup.run_from(start), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let [before, token] = [0, 1].map(|n| setup.host.calls.lock().unwrap()[n].token.clone().unwrap());
            // The new attempt has a token of its own.
            assert_ne!(before, token);
            assert!(tokens.succeed(&before, json!(1)).await.is_err());
            tokens.succeed(&token, json!(2)).await.unwrap();
        })
    });
    assert_eq!(outcome, Outcome::Succeeded(json!(2)));
}

#[test]
fn executions_that_cannot_be_redriven_say_why() {
    let setup = Setup::new(one(json!({"Type": "Fail", "Error": "E"})), json!({}));
    assert!(matches!(setup.try_redrive(), Err(RedriveError::Unknown)));
    let start = Start { execution_type: ExecutionType::Express, ..setup.start() };
    assert!(matches!(block_on(setup.run_from(start)), Outcome::Failed { .. }));
    assert!(matches!(setup.try_redrive(), Err(RedriveError::NothingKept)));
    assert_eq!(setup.database.entries(1), 1, "an Express execution keeps nothing");

    let setup = Setup::new(one(json!({"Type": "Fail", "Error": "E"})), json!({}));
    setup.fails("E");
    setup.try_redrive().unwrap();
    let running = setup.try_redrive().unwrap_err();
    assert_eq!(running.to_string(), "Execution is RUNNING and cannot be redriven");
    // A Fail state fails again.
    setup.fails("E");
    assert_eq!(setup.events(), ["ExecutionRedriven", "ExecutionFailed"]);

    // A journal in memory is cleared, as one in a file is.
    let journal = Journal::in_memory().unwrap();
    run_on(&setup.definition, json!({}), &setup.host, &journal).unwrap();
    let at = engine::Host::now(&*setup.host);
    assert!(matches!(block_on(journal.redrive(at)), Err(RedriveError::NothingKept)));
    assert_eq!(journal.entries(), 1);

    let setup = Setup::new(one(json!({"Type": "Succeed"})), json!({}));
    setup.run();
    let succeeded = setup.try_redrive().unwrap_err();
    assert_eq!(succeeded.to_string(), "Execution is SUCCEEDED and cannot be redriven");
}
