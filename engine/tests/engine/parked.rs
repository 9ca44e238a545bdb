//! Executions that only wait, and need no process meanwhile.

use std::sync::Arc;
use std::time::Duration;

use engine::{Host, Outcome, Start, Stop};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::fake::{Awaiting, Fake, block_on, start};
use crate::machines::{FUNCTION, one};

const HOUR: i64 = 3_600;

struct Setup {
    fake: Arc<Fake>,
    database: Database,
    definition: String,
}

impl Setup {
    fn new(definition: impl Into<String>) -> Self {
        Setup { fake: Fake::echo(), database: Database::default(), definition: definition.into() }
    }

    /// Runs the execution, which is parked for waits of a minute and more.
    fn run_with(&self, host: Arc<dyn Host>) -> Result<Outcome, Stop> {
        let machine = engine::compile(&self.definition).unwrap_or_else(|problems| panic!("{problems}"));
        let start = Start { park_after: Some(Duration::from_secs(60)), ..start(json!({})) };
        let journal = self.database.journal(1);
        block_on(engine::run(Arc::new(machine), start, host, journal, CancellationToken::new()))
    }

    fn run(&self) -> Result<Outcome, Stop> {
        self.run_with(self.fake.clone())
    }

    fn now(&self) -> OffsetDateTime {
        self.fake.now()
    }

    /// Runs the execution until it is parked. Returns how many seconds from now it is to be continued.
    fn parked(&self) -> i64 {
        match self.run() {
            Err(Stop::Parked { until }) => (until - self.now()).whole_seconds(),
            other => panic!("{other:?}"),
        }
    }

    fn kinds(&self) -> Vec<String> {
        self.database.events(1).into_iter().map(|event| event.kind).collect()
    }
}

fn wait(name: &str, seconds: i64) -> Value {
    json!({"StartAt": name, "States": {name: {"Type": "Wait", "Seconds": seconds, "End": true}}})
}

#[test]
fn long_wait_is_parked_and_goes_on_when_it_is_over() {
    let setup = Setup::new(wait("W", HOUR).to_string());
    assert_eq!(setup.parked(), HOUR);
    assert!(setup.fake.sleeps.lock().unwrap().is_empty());
    // A process that is too early parks it again.
    setup.fake.advance(HOUR / 2);
    assert_eq!(setup.parked(), HOUR / 2);
    setup.fake.advance(HOUR / 2);
    assert_eq!(setup.run().unwrap(), Outcome::Succeeded(json!({})));
    let once = ["ExecutionStarted", "WaitStateEntered", "WaitStateExited", "ExecutionSucceeded"];
    assert_eq!(setup.kinds(), once);
}

#[test]
fn short_wait_is_not_parked() {
    let setup = Setup::new(wait("W", 59).to_string());
    assert_eq!(setup.run().unwrap(), Outcome::Succeeded(json!({})));
}

#[test]
fn branches_are_parked_until_the_first_goes_on() {
    let branches = [wait("X", HOUR), wait("Y", 2 * HOUR), wait("Z", 5)];
    let setup = Setup::new(one(json!({"Type": "Parallel", "Branches": branches, "End": true})));
    // The short wait is waited for first.
    assert_eq!(setup.parked(), HOUR - 5);
    setup.fake.advance(HOUR);
    assert_eq!(setup.parked(), HOUR - 5);
    setup.fake.advance(HOUR);
    assert_eq!(setup.run().unwrap(), Outcome::Succeeded(json!([{}, {}, {}])));
    let count = |kind: &str| setup.kinds().iter().filter(|found| *found == kind).count();
    assert_eq!(["ParallelStateStarted", "WaitStateEntered", "WaitStateExited"].map(count), [1, 3, 3]);
}

#[test]
fn task_under_way_is_not_parked() {
    let task = json!({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": FUNCTION, "End": true}}});
    let branches = [wait("X", HOUR), task];
    let setup = Setup::new(one(json!({"Type": "Parallel", "Branches": branches, "End": true})));
    let fake = setup.fake.clone();
    let host = Awaiting::new(&setup.fake, move |call| {
        let fake = fake.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert!(!call.cancel.is_cancelled());
            fake.advance(600);
            Ok(json!(1))
        }
    });
    let parked = setup.run_with(host);
    assert!(matches!(parked, Err(Stop::Parked { .. })), "{parked:?}");
    // It was parked when the task had ended.
    assert!(setup.kinds().contains(&"TaskStateExited".to_owned()));
    setup.fake.advance(HOUR);
    // Its result is known: this host would not have it.
    assert_eq!(setup.run().unwrap(), Outcome::Succeeded(json!([{}, 1])));
}

#[test]
fn retry_after_a_long_delay_is_parked() {
    let task = json!({"Type": "Task", "Resource": FUNCTION, "End": true,
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600}]});
    let mut setup = Setup::new(one(task));
    setup.fake = Fake::new(|_| Err(engine::TaskError::Error { error: "E".into(), cause: String::new() }));
    assert_eq!(setup.parked(), 600);
    assert_eq!(setup.fake.calls.lock().unwrap().len(), 1);
}

#[test]
fn task_that_waits_for_its_token_is_parked_until_its_time_limit() {
    const ACTIVITY: &str = "arn:aws:states:eu-west-1:000000000000:activity:a";
    let task = |fields: Value| {
        let mut task = json!({"Type": "Task", "Resource": ACTIVITY, "End": true});
        task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        one(task)
    };
    let setup = Setup::new(task(json!({"TimeoutSeconds": 2 * HOUR})));
    assert_eq!(setup.parked(), 2 * HOUR);
    let (_, attempt) = setup.fake.attempts.lock().unwrap()[0].clone();
    block_on(setup.database.journal(1).send_outcome(&attempt, Ok(json!("approved")))).unwrap();
    assert_eq!(setup.run().unwrap(), Outcome::Succeeded(json!("approved")));
    assert_eq!(setup.fake.calls.lock().unwrap().len(), 1, "it was handed over once");

    let setup = Setup::new(task(json!({"TimeoutSeconds": 2 * HOUR})));
    setup.parked();
    setup.fake.advance(2 * HOUR);
    let timed_out = setup.run().unwrap();
    assert!(matches!(timed_out, Outcome::Failed { error, .. } if error == "States.Timeout"));

    // Without a time limit of its own, it has that of the execution.
    let setup = Setup::new(task(json!({})));
    assert_eq!(setup.parked(), 365 * 24 * HOUR);

    let beating = Setup::new(task(json!({"HeartbeatSeconds": HOUR})));
    let timed_out = beating.run().unwrap();
    assert!(matches!(timed_out, Outcome::Failed { error, .. } if error == "States.Timeout"));
}

#[test]
fn execution_is_parked_until_its_own_time_limit() {
    let mut definition = wait("W", 2 * HOUR);
    definition["TimeoutSeconds"] = json!(HOUR);
    let setup = Setup::new(definition.to_string());
    assert_eq!(setup.parked(), HOUR);
    setup.fake.advance(HOUR);
    assert_eq!(setup.run().unwrap(), Outcome::TimedOut);
}

#[test]
fn children_of_a_map_run_are_not_parked() {
    let processor = json!({
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": HOUR, "End": true}}
    });
    let map = json!({"Type": "Map", "Items": [1, 2], "QueryLanguage": "JSONata", "ItemProcessor": processor, "End": true});
    assert_eq!(Setup::new(one(map)).run().unwrap(), Outcome::Succeeded(json!([1, 2])));
}
