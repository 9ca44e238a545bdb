//! Outcomes that are sent by token, and crashes around them.

use std::sync::Arc;
use std::time::Duration;

use engine::{Outcome, Start, Stop, TaskError, TaskTokens, TokenError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::fake::{Awaiting, Fake, block_on, start};
use crate::machines::one;

const ACTIVITY: &str = "arn:aws:states:eu-west-1:000000000000:activity:a";

/// A task that waits for a token, and a Wait after it.
fn approval() -> String {
    json!({"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": ACTIVITY, "TimeoutSeconds": 100, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 1, "End": true}
    }})
    .to_string()
}

struct Setup {
    database: Database,
    host: Arc<Fake>,
}

impl Setup {
    fn new() -> Self {
        Setup { database: Database::default(), host: Fake::echo() }
    }

    fn run(&self, tokens: TaskTokens) -> impl Future<Output = Result<Outcome, Stop>> + use<> {
        let machine = Arc::new(engine::compile(&approval()).unwrap());
        let start = Start { tokens, ..start(json!("asked")) };
        engine::run(machine, start, self.host.clone(), self.database.journal(1), CancellationToken::new())
    }

    fn token(&self) -> String {
        self.host.calls.lock().unwrap()[0].token.clone().unwrap()
    }

    /// Runs until the task has been handed over, and crashes.
    fn hand_over(&self) {
        block_on(async {
            tokio::select! {
                _ = self.run(TaskTokens::default()) => panic!("nobody approves"),
                () = tokio::time::sleep(Duration::from_secs(9)) => {}
            }
        });
        self.database.crash();
    }
}

#[test]
fn outcome_that_was_taken_survives_a_crash() {
    for failure in [false, true] {
        let setup = Setup::new();
        let tokens = TaskTokens::default();
        block_on(async {
            tokio::select! {
                _ = setup.run(tokens.clone()) => panic!("it crashes first"),
                () = async {
                    tokio::time::sleep(Duration::from_secs(9)).await;
                    // Only the outcome is written, and not what the state does with it.
                    setup.database.write_only(Some(1));
                    let token = setup.token();
                    let sent = match failure {
                        false => tokens.succeed(&token, json!("approved")).await,
                        true => tokens.fail(&token, "No", "too dear").await,
                    };
                    sent.unwrap();
                    assert!(matches!(tokens.succeed(&token, json!(2)).await, Err(TokenError::TimedOut)));
                } => {}
            }
        });
        setup.database.crash();
        setup.database.write_only(None);
        // Long after the task would have timed out.
        setup.host.advance(1_000);
        let expected = match failure {
            false => Outcome::Succeeded(json!("approved")),
            true => Outcome::Failed { error: "No".into(), cause: "too dear".into() },
        };
        assert_eq!(block_on(setup.run(TaskTokens::default())).unwrap(), expected);
        assert_eq!(setup.host.calls.lock().unwrap().len(), 1, "it was not handed over again");
        // An execution that failed keeps its frame and the outcome for a redrive.
        assert_eq!(setup.database.entries(1), if failure { 3 } else { 1 });
        let kinds: Vec<String> = setup.database.events(1).into_iter().map(|event| event.kind).collect();
        let ends =
            kinds.iter().filter(|kind| ["ActivitySucceeded", "ActivityFailed"].contains(&kind.as_str()));
        assert_eq!(ends.count(), 1, "{kinds:?}");
    }
}

#[test]
fn outcome_that_is_not_durable_is_not_taken() {
    let setup = Setup::new();
    let tokens = TaskTokens::default();
    block_on(async {
        tokio::select! {
            _ = setup.run(tokens.clone()) => panic!("it crashes first"),
            _ = async {
                tokio::time::sleep(Duration::from_secs(9)).await;
                setup.database.write_only(Some(0));
                tokens.succeed(&setup.token(), json!("lost")).await
            } => panic!("it was taken"),
            () = setup.database.hung() => {}
        }
    });
    setup.database.crash();
    setup.database.write_only(None);
    let tokens = TaskTokens::default();
    let (outcome, ()) = block_on(async {
        tokio::join!(setup.run(tokens.clone()), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokens.succeed(&setup.token(), json!("sent again")).await.unwrap();
        })
    });
    assert_eq!(outcome.unwrap(), Outcome::Succeeded(json!("sent again")));
}

#[test]
fn outcome_reaches_the_task_although_its_sender_hangs_up() {
    let setup = Setup::new();
    let tokens = TaskTokens::default();
    let (outcome, ()) = block_on(async {
        tokio::join!(setup.run(tokens.clone()), async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            let token = setup.token();
            tokio::select! {
                biased;
                _ = tokens.succeed(&token, json!("approved")) => panic!("it is not durable yet"),
                () = std::future::ready(()) => {}
            }
        })
    });
    assert_eq!(outcome.unwrap(), Outcome::Succeeded(json!("approved")));
}

#[test]
fn outcome_is_sent_to_an_execution_that_no_process_runs() {
    let setup = Setup::new();
    setup.hand_over();
    let (execution, attempt) = setup.host.attempts.lock().unwrap()[0].clone();
    assert_eq!(execution, start(json!("asked")).id);
    let send = |attempt: &[u8], outcome: Result<Value, (String, String)>| {
        block_on(setup.database.journal(1).send_outcome(attempt, outcome))
    };
    for wrong in [&b""[..], b"abc"] {
        assert!(matches!(send(wrong, Ok(json!(1))), Err(TokenError::Invalid)), "{wrong:?}");
    }
    // The attempt before, which there was not, and the one after.
    for other in [7_u64, 1] {
        let none = send(&other.to_be_bytes(), Ok(json!(1)));
        assert!(matches!(none, Err(TokenError::TimedOut)), "{other}");
    }
    send(&attempt, Ok(json!("approved"))).unwrap();
    assert!(matches!(send(&attempt, Ok(json!(2))), Err(TokenError::TimedOut)));
    assert_eq!(block_on(setup.run(TaskTokens::default())).unwrap(), Outcome::Succeeded(json!("approved")));
    assert!(matches!(send(&attempt, Ok(json!(3))), Err(TokenError::TimedOut)));
    assert_eq!(setup.host.attempts.lock().unwrap().len(), 1, "the token is drawn once");
}

#[test]
fn outcome_counts_against_a_failure_of_the_service_after_it() {
    let tokens = TaskTokens::default();
    let sender = tokens.clone();
    // The service calls back before it fails.
    let host = Awaiting::new(&Fake::echo(), move |call| {
        let sender = sender.clone();
        async move {
            sender.succeed(&call.token.unwrap(), json!("approved")).await.unwrap();
            Err(TaskError::Error { error: "E".into(), cause: "its connection broke".into() })
        }
    });
    let resource = "arn:aws:states:::lambda:invoke.waitForTaskToken";
    let parameters = json!({"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}});
    let task = json!({"Type": "Task", "Resource": resource, "Parameters": parameters, "End": true});
    let machine = Arc::new(engine::compile(&one(task)).unwrap());
    let start = Start { tokens, ..start(json!({})) };
    let journal = engine::Journal::in_memory().unwrap();
    let outcome = block_on(engine::run(machine, start, host, journal, CancellationToken::new())).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!("approved")));
}
