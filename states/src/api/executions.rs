//! Questions about executions.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Actions, ApiError, unknown};

/// Says of every execution that it has ended, for the functions of a run on this machine: the process that serves them holds
/// the lock of the state folder, so no other execution runs.
#[derive(Debug, Clone, Copy)]
pub struct EndedExecutions;

#[async_trait]
impl Actions for EndedExecutions {
    async fn call(&self, action: &str, _input: &Value) -> Result<Value, ApiError> {
        match action {
            "DescribeExecution" => Ok(json!({ "status": "ABORTED" })),
            other => Err(unknown(other)),
        }
    }
}
