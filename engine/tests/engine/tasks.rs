//! Tasks with every kind of resource, with tokens and time limits.

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use engine::{
    Host, Journal, ObjectError, Outcome, Pattern, Resource, TaskCall, TaskError, TaskTokens, TokenError,
};
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, block_on, run, start};
use crate::machines::{FUNCTION, ended, one};

const TOKEN: &str = "arn:aws:states:::sqs:sendMessage.waitForTaskToken";

fn task(resource: &str, more: Value) -> String {
    let mut state = json!({"Type": "Task", "Resource": resource, "End": true});
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    one(state)
}

#[test]
fn any_resource_reaches_the_host_with_its_parameters() {
    let host = Fake::new(|_| Ok(json!({"Item": {}})));
    let fields = json!({
        "Parameters": {"TableName": "t", "Key.$": "$.key"}, "Credentials": {"RoleArn.$": "$.role"},
        "TimeoutSeconds": 9, "HeartbeatSecondsPath": "$.beat"
    });
    let definition = task("arn:aws:states:::aws-sdk:dynamodb:getItem", fields);
    let outcome = run(&definition, json!({"key": 1, "role": "r", "beat": 3}), &host).unwrap();
    assert_eq!(outcome, Outcome::Succeeded(json!({"Item": {}})));
    let calls = host.calls.lock().unwrap();
    let call = &calls[0];
    assert!(call.resource.is("aws-sdk:dynamodb", "getItem"));
    assert_eq!(call.parameters, json!({"TableName": "t", "Key": 1}));
    assert_eq!(call.credentials, Some(json!({"RoleArn": "r"})));
    assert_eq!(
        (call.timeout.unwrap().as_secs(), call.heartbeat.unwrap().as_secs(), &call.token),
        (9, 3, &None)
    );
    let resources: Vec<_> =
        engine::compile(&definition).unwrap().tasks().into_iter().map(|(_, resource)| resource).collect();
    assert_eq!(resources, std::slice::from_ref(&call.resource));
}

/// A host that follows a script with a task's token. Its clock is the runtime's, which is paused, so that
/// others can act at a given time.
struct ByToken<F> {
    fake: Arc<Fake>,
    tokens: TaskTokens,
    script: F,
    began: OnceLock<Instant>,
}

#[async_trait]
impl<F: Fn(TaskTokens, TaskCall) -> Option<Value> + Send + Sync + 'static> Host for ByToken<F> {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        match (self.script)(self.tokens.clone(), call) {
            Some(answer) => Ok(answer),
            None => std::future::pending().await,
        }
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, ObjectError> {
        self.fake.read_object(bucket, key).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.fake.write_object(bucket, key, body).await
    }

    fn now(&self) -> OffsetDateTime {
        self.fake.now() + self.began.get_or_init(Instant::now).elapsed()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        tokio::time::sleep((moment - self.now()).try_into().unwrap_or_default()).await;
    }

    fn random(&self) -> f64 {
        self.fake.random()
    }

    fn uuid(&self) -> String {
        self.fake.uuid()
    }
}

/// The outcome and the seconds that it took.
fn by_token(
    definition: &str,
    script: impl Fn(TaskTokens, TaskCall) -> Option<Value> + Send + Sync + 'static,
) -> (Value, u64) {
    let tokens = TaskTokens::default();
    let mut start = start(json!({}));
    start.tokens = tokens.clone();
    let host = Arc::new(ByToken { fake: Fake::echo(), tokens, script, began: OnceLock::new() });
    let machine = Arc::new(engine::compile(definition).unwrap_or_else(|problems| panic!("{problems}")));
    block_on(async {
        let begun = Instant::now();
        let outcome =
            engine::run(machine, start, host, Journal::in_memory().unwrap(), CancellationToken::new()).await;
        (ended(outcome.unwrap()), begun.elapsed().as_secs())
    })
}

/// Does something after this many seconds of the host's time.
fn later(seconds: u64, body: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        body.await;
    });
}

/// Sends an output at once.
fn succeed(tokens: &TaskTokens, call: &TaskCall, output: Value) {
    let (tokens, token) = (tokens.clone(), call.token.clone().unwrap());
    later(0, async move { tokens.succeed(&token, output).await.unwrap() });
}

#[test]
fn outcome_by_token_ends_the_task() {
    let parameters =
        json!({"Parameters": {"Token.$": "$$.Task.Token"}, "Catch": [{"ErrorEquals": ["E"], "Next": "B"}]});
    let definition = task(TOKEN, parameters);
    let succeeded = by_token(&definition, |tokens, call| {
        assert_eq!(call.parameters["Token"].as_str(), call.token.as_deref());
        let token = call.token.unwrap();
        later(5, async move {
            assert!(tokens.succeed("another", json!(0)).await.is_err());
            tokens.succeed(&token, json!({"done": true})).await.unwrap();
            assert!(tokens.succeed(&token, json!(2)).await.is_err());
        });
        Some(json!({"MessageId": "m"}))
    });
    assert_eq!(succeeded.0, json!({"done": true}));
    let failed = by_token(&definition, |tokens, call| {
        later(0, async move { tokens.fail(&call.token.unwrap(), "E", "why").await.unwrap() });
        Some(json!({}))
    });
    assert_eq!(failed.0, json!({"Error": "E", "Cause": "why"}));
}

#[test]
fn task_that_waits_for_its_token_is_handed_over_once() {
    let definition = task(TOKEN, json!({"Parameters": {"Token.$": "$$.Task.Token"}, "TimeoutSeconds": 100}));
    let machine = Arc::new(engine::compile(&definition).unwrap());
    let (tokens, journal) = (TaskTokens::default(), Journal::in_memory().unwrap());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    let script = move |_: TaskTokens, call: TaskCall| {
        seen.lock().unwrap().push(call.token.unwrap());
        Some(json!({}))
    };
    let host =
        Arc::new(ByToken { fake: Fake::echo(), tokens: tokens.clone(), script, began: OnceLock::new() });
    let run = || {
        let mut start = start(json!({}));
        start.tokens = tokens.clone();
        engine::run(machine.clone(), start, host.clone(), journal.clone(), CancellationToken::new())
    };
    block_on(async {
        // Dropping the execution after 60 seconds has the effect of a crash.
        assert!(tokio::time::timeout(std::time::Duration::from_secs(60), run()).await.is_err());
        let token = calls.lock().unwrap()[0].clone();
        assert!(matches!(tokens.succeed(&token, json!(1)).await, Err(TokenError::TimedOut)));
        assert!(matches!(tokens.succeed("NoSuchTaskToken", json!(1)).await, Err(TokenError::Invalid)));
        let again = tokens.clone();
        later(30, async move { again.succeed(&token, json!("done")).await.unwrap() });
        assert_eq!(run().await.unwrap(), Outcome::Succeeded(json!("done")));
    });
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[test]
fn token_belongs_to_one_task() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": TOKEN, "Next": "B"},
        "B": {"Type": "Task", "Resource": FUNCTION, "Next": "C"},
        "C": {"Type": "Pass", "Parameters": {"v.$": "$$.Task.Token"}, "End": true}
    }});
    let (outcome, _) = by_token(&definition.to_string(), |tokens, call| {
        match (&call.token, call.resource.waits_for_token()) {
            (Some(_), true) => succeed(&tokens, &call, json!(1)),
            (None, false) => {}
            other => panic!("{other:?}"),
        }
        Some(json!({}))
    });
    assert_eq!(outcome[0], "States.Runtime");
}

#[test]
fn activity_waits_for_its_worker() {
    let definition = task("arn:aws:states:x:1:activity:a", json!({"TimeoutSeconds": 60}));
    let (outcome, _) = by_token(&definition, |tokens, call| {
        assert_eq!(call.resource, Resource::Activity("arn:aws:states:x:1:activity:a".into()));
        succeed(&tokens, &call, json!(1));
        Some(json!("worker"))
    });
    assert_eq!(outcome, json!(1));
}

#[test]
fn job_can_end_by_its_token() {
    let definition = task("arn:aws:states:::states:startExecution.sync", json!({}));
    let (outcome, _) = by_token(&definition, |tokens, call| {
        assert!(matches!(call.resource, Resource::Service { pattern: Pattern::Sync, .. }));
        succeed(&tokens, &call, json!("early"));
        None
    });
    assert_eq!(outcome, json!("early"));
}

#[test]
fn task_over_its_time_limit_is_aborted() {
    for resource in [FUNCTION, "arn:aws:states:::lambda:invoke", "arn:aws:states:::glue:startJobRun.sync"] {
        let definition = task(resource, json!({"TimeoutSeconds": 7}));
        assert_eq!(by_token(&definition, |_, _| None), (json!(["States.Timeout", ""]), 7), "{resource}");
    }
    let definition = task(TOKEN, json!({"TimeoutSeconds": 7}));
    assert_eq!(by_token(&definition, |_, _| Some(json!({}))), (json!(["States.Timeout", ""]), 7));
}

#[test]
fn heartbeat_postpones_the_timeout() {
    let caught = |name: &str| {
        let catch = json!([{"ErrorEquals": [name], "ResultPath": null, "Next": "B"}]);
        task(TOKEN, json!({"HeartbeatSeconds": 10, "TimeoutSeconds": 100, "Catch": catch}))
    };
    let beats = |tokens: TaskTokens, call: TaskCall| {
        let token = call.token.unwrap();
        for seconds in [8, 16] {
            let (tokens, token) = (tokens.clone(), token.clone());
            later(seconds, async move { tokens.heartbeat(&token).unwrap() });
        }
        Some(json!({}))
    };
    assert_eq!(by_token(&caught("States.HeartbeatTimeout"), beats), (json!({}), 26));
    assert_eq!(by_token(&caught("States.Timeout"), beats), (json!({}), 26));
    assert_eq!(by_token(&caught("States.TaskFailed"), beats).0, json!(["States.Timeout", ""]));
}
