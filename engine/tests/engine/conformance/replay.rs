//! A host whose tasks return what they returned on AWS.

use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use engine::{Host, ObjectError, Resource, TaskCall, TaskError, TaskTokens};
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::names::Names;
use crate::fake::Fake;

pub(super) struct Replay {
    fake: Arc<Fake>,
    names: Names,
    /// Recorded tasks that have not been called yet.
    tasks: Mutex<Vec<Value>>,
    lambdas: Vec<Value>,
    pub(super) tokens: TaskTokens,
}

impl Replay {
    pub(super) fn of(case: &Value) -> Self {
        let fake = Fake::echo();
        // The clock begins at the day of the recording.
        fake.advance(3 * 365 * 24 * 60 * 60);
        for object in case["s3_objects"].as_array().into_iter().flatten() {
            if let (Some(bucket), Some(key), Some(body)) =
                (object["bucket"].as_str(), object["key"].as_str(), object["body"].as_str())
            {
                fake.put(bucket, key, body.to_owned());
            }
        }
        let mut tasks = case["task_replay"].as_array().cloned().unwrap_or_default();
        for task in &mut tasks {
            let submitted = submission(case, &task["id"]);
            task["submitted"] = submitted;
        }
        Self {
            fake,
            names: Names::of(case),
            tasks: Mutex::new(tasks),
            lambdas: case["lambdas"].as_array().cloned().unwrap_or_default(),
            tokens: TaskTokens::default(),
        }
    }

    /// The recorded task with this request, or else the first with the same resource.
    fn recorded(&self, call: &TaskCall) -> Option<Value> {
        let mut tasks = self.tasks.lock().unwrap();
        let parameters =
            self.names.normalised(&json!({"parameters": call.parameters.to_string()}))["parameters"].clone();
        let same = |task: &Value| {
            let request = self.names.normalised(&task["request"]);
            request["parameters"] == parameters || request["input"] == parameters
        };
        let at = tasks.iter().position(same).or((!tasks.is_empty()).then_some(0))?;
        Some(tasks.remove(at))
    }

    /// The behaviour of a function that was not recorded.
    fn behave(&self, call: &TaskCall) -> Result<Value, TaskError> {
        let name = call.function().to_owned();
        let lambda = self.lambdas.iter().find(|lambda| {
            lambda["arn"].as_str() == Some(&name) || name.contains(lambda["name"].as_str().unwrap_or("?"))
        });
        let behaviour = &lambda.or(self.lambdas.first()).unwrap_or(&Value::Null)["behaviour"];
        let payload = match behaviour["kind"].as_str() {
            Some("return") => behaviour["value"].clone(),
            Some("echo") | None => call.payload().clone(),
            other => return Err(error("Replay", &format!("the behaviour {other:?} is not replayed"))),
        };
        Ok(call.function_result(payload, "request"))
    }
}

/// The response before the outcome: that of the service, or the worker's name.
fn submission(case: &Value, scheduled: &Value) -> Value {
    let events = case["expected_history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let after = events.iter().filter(|event| event["id"].as_u64() > scheduled.as_u64());
    let mut until_next = after.take_while(|event| event["type"] != "TaskScheduled");
    let said = until_next.find_map(|event| match event["type"].as_str() {
        Some("TaskSubmitted") => Some(value(&event["taskSubmittedEventDetails"]["output"])),
        Some("ActivityStarted") => Some(event["activityStartedEventDetails"]["workerName"].clone()),
        _ => None,
    });
    said.unwrap_or_default()
}

fn value(text: &Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| text.clone())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

fn error(name: &str, cause: &str) -> TaskError {
    TaskError::Error { error: name.into(), cause: cause.into() }
}

#[async_trait]
impl Host for Replay {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        tokio::task::yield_now().await;
        let Some(task) = self.recorded(&call) else { return self.behave(&call) };
        let outcome = &task["outcome"];
        let Some(kind) = outcome["type"].as_str() else { return self.behave(&call) };
        if kind.ends_with("TimedOut") {
            if !call.resource.waits_for_token() {
                std::future::pending::<()>().await;
            }
        } else if let Some(token) = call.token.as_ref().filter(|_| call.resource.waits_for_token()) {
            let failed = kind.ends_with("Failed");
            let (name, cause) = (text(&outcome["error"]), text(&outcome["cause"]));
            if failed && task["submitted"].is_null() && !matches!(call.resource, Resource::Activity(_)) {
                return Err(error(&name, &cause));
            } else if failed {
                self.tokens.fail(token, &name, &cause).await.unwrap();
            } else {
                self.tokens.succeed(token, value(&outcome["output"])).await.unwrap();
            }
        }
        match &call.resource {
            resource if resource.waits_for_token() => return Ok(task["submitted"].clone()),
            _ => {}
        }
        if !task["submitted"].is_null() {
            call.submitted(task["submitted"].clone());
        }
        if kind.ends_with("Failed") {
            Err(error(&text(&outcome["error"]), &text(&outcome["cause"])))
        } else {
            Ok(value(&outcome["output"]))
        }
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        self.fake.read_object(bucket, key).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.fake.write_object(bucket, key, body).await
    }

    fn now(&self) -> OffsetDateTime {
        self.fake.now()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        self.fake.sleep_until(moment).await;
    }

    fn random(&self) -> f64 {
        self.fake.random()
    }

    fn uuid(&self) -> String {
        self.fake.uuid()
    }
}
