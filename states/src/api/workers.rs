//! The actions of workers, which take the tasks of activities and send the outcomes of tasks:
//! GetActivityTask, SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat.

use std::time::Duration;

use async_trait::async_trait;
use engine::TaskTokens;
use serde_json::{Value, json};

use super::{Actions, ApiError, unknown};
use crate::services::Activities;

/// How long GetActivityTask waits for a task.
const POLL: Duration = Duration::from_secs(60);

/// The tasks that workers may take, and the tokens by which they send outcomes.
#[derive(Clone)]
pub struct Workers {
    activities: Activities,
    tokens: TaskTokens,
}

impl Workers {
    /// The actions over these tasks and tokens.
    pub fn new(activities: Activities, tokens: TaskTokens) -> Self {
        Self { activities, tokens }
    }
}

#[async_trait]
impl Actions for Workers {
    async fn call(&self, action: &str, input: &Value) -> Result<Value, ApiError> {
        let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        let token = text("taskToken");
        let sent = match action {
            "GetActivityTask" => {
                let task = self.activities.take(text("activityArn"), text("workerName"));
                // The API responds with an empty object when there is no task.
                return Ok(tokio::time::timeout(POLL, task).await.unwrap_or_else(|_| json!({})));
            }
            "SendTaskSuccess" => {
                let output = engine::json::from_str(text("output"))
                    .map_err(|error| ("InvalidOutput", error.to_string()))?;
                self.tokens.succeed(token, output).await
            }
            "SendTaskFailure" => self.tokens.fail(token, text("error"), text("cause")).await,
            "SendTaskHeartbeat" => self.tokens.heartbeat(token),
            other => return Err(unknown(other)),
        };
        sent.map(|()| json!({})).map_err(|error| (error.name(), error.to_string()))
    }
}
