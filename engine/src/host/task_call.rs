//! Calls of tasks.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::map_run::MapRunStatus;
use crate::resource::Resource;

/// One call of a task.
#[derive(Debug, Clone)]
pub struct TaskCall {
    /// The resource that is called.
    pub resource: Resource,
    /// The state's `Parameters` or `Arguments`, evaluated; the state's input if it has neither.
    pub parameters: Value,
    /// The state's `Credentials`, evaluated: `{"RoleArn": …}`.
    pub credentials: Option<Value>,
    /// The token by which the outcome is sent, see [`crate::TaskTokens`]. A job (`.sync`) has one too, and
    /// may end by it.
    pub token: Option<String>,
    /// `TimeoutSeconds`; the engine itself enforces it.
    pub timeout: Option<Duration>,
    /// `HeartbeatSeconds`; the engine itself enforces it.
    pub heartbeat: Option<Duration>,
    /// The name of the calling state.
    pub state: String,
    /// The number of earlier calls that `Retry` made in this visit of the state.
    pub attempt: u32,
    /// The ARN of the calling execution; a child of a Distributed Map has its own.
    pub execution: String,
    /// The Map Run that the calling execution is a child of.
    pub map_run: Option<Arc<MapRunStatus>>,
    /// Cancelled when the execution is to stop. The task should then end soon, with its result or with
    /// [`crate::TaskError::Interrupted`].
    pub cancel: CancellationToken,
    pub(crate) submission: Arc<OnceLock<Value>>,
}

impl TaskCall {
    /// The name or ARN of the called function; empty if the resource is not a function.
    pub fn function(&self) -> &str {
        match &self.resource {
            Resource::Function(arn) => arn,
            resource if resource.is("lambda", "invoke") => {
                self.parameters["FunctionName"].as_str().unwrap_or_default()
            }
            _ => "",
        }
    }

    /// The name of the called function: the last part of an ARN that is not its version, or the plain name.
    pub fn function_name(&self) -> &str {
        let name = self.function();
        match name.split_once(":function:") {
            Some((_, name)) => name.split(':').next().unwrap_or_default(),
            None => name,
        }
    }

    /// The payload that the function receives.
    pub fn payload(&self) -> &Value {
        static NOTHING: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        match &self.resource {
            resource if resource.is("lambda", "invoke") => self.parameters.get("Payload").unwrap_or(&NOTHING),
            _ => &self.parameters,
        }
    }

    /// The result of a function that returned `payload`: for `lambda:invoke` the response of Lambda's API
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

    /// Records the service's response to a job that is waited for (`.sync`), for the history.
    pub fn submitted(&self, response: Value) {
        // Only the first response is recorded.
        let _ = self.submission.set(response);
    }
}
