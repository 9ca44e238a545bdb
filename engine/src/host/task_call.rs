//! The call of a task.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::resource::Resource;

/// One call of a task.
#[derive(Debug, Clone)]
pub struct TaskCall {
    /// What is called.
    pub resource: Resource,
    /// The state's `Parameters` or `Arguments`, evaluated; without such a field, its input.
    pub parameters: Value,
    /// The state's `Credentials`, evaluated: `{"RoleArn": …}`.
    pub credentials: Option<Value>,
    /// By which the outcome is sent, see [`crate::TaskTokens`]. A job (`.sync`) has one, too, and may
    /// end by it.
    pub token: Option<String>,
    /// `TimeoutSeconds`, which the engine sees to itself.
    pub timeout: Option<Duration>,
    /// `HeartbeatSeconds`, likewise.
    pub heartbeat: Option<Duration>,
    /// The state that calls.
    pub state: String,
    /// How often `Retry` has had it called before.
    pub attempt: u32,
    /// The execution that calls; a child of a Distributed Map has its own.
    pub execution: String,
    /// Cancelled when the execution shall stop: the task should then soon end, with its result or
    /// with [`TaskError::Interrupted`].
    pub cancel: CancellationToken,
    pub(crate) submission: Arc<OnceLock<Value>>,
}

impl TaskCall {
    /// Name or ARN of the function, if it is one that is called.
    pub fn function(&self) -> &str {
        match &self.resource {
            Resource::Function(arn) => arn,
            resource if resource.is("lambda", "invoke") => {
                self.parameters["FunctionName"].as_str().unwrap_or_default()
            }
            _ => "",
        }
    }

    /// What the function gets.
    pub fn payload(&self) -> &Value {
        static NOTHING: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        match &self.resource {
            resource if resource.is("lambda", "invoke") => self.parameters.get("Payload").unwrap_or(&NOTHING),
            _ => &self.parameters,
        }
    }

    /// The result of a function that gave `payload`: for `lambda:invoke` the answer of Lambda's API
    /// around it ([Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html)).
    pub fn function_result(&self, payload: Value, request_id: &str) -> Value {
        if !self.resource.is("lambda", "invoke") {
            return payload;
        }
        let version = "$LATEST";
        json!({
            "ExecutedVersion": version,
            "Payload": payload,
            "SdkHttpMetadata": {
                "AllHttpHeaders": {
                    "X-Amz-Executed-Version": [version],
                    "x-amzn-RequestId": [request_id],
                    "Content-Type": ["application/json"],
                },
                "HttpHeaders": {
                    "Content-Type": "application/json",
                    "X-Amz-Executed-Version": version,
                    "x-amzn-RequestId": request_id,
                },
                "HttpStatusCode": 200,
            },
            "SdkResponseMetadata": {"RequestId": request_id},
            "StatusCode": 200,
        })
    }

    /// For the history of a job that is waited for (`.sync`): what the service said when it took it.
    pub fn submitted(&self, answer: Value) {
        // Said once; a second answer says nothing new.
        let _ = self.submission.set(answer);
    }
}
