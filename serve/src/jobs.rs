//! The jobs of a server. Another package has their steps, and this one runs them as executions of one machine.

use async_trait::async_trait;
use engine::{TaskCall, TaskError};
use serde_json::Value;
use states::Host;

/// The machine whose executions are the runs of jobs. No caller of the API can change it.
pub const MACHINE: &str = "throughline";

/// The steps of jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// The definition of the machine.
    fn definition(&self) -> &str;

    /// The queue of the object with this key, if its upload starts a run: runs of one queue go one after the other.
    fn queue(&self, key: &str, size: u64) -> Option<String>;

    /// Calls a function of the definition; `execution` is the ARN of the run's execution.
    ///
    /// # Errors
    /// The error that the state gets.
    async fn call(&self, host: &Host, call: &TaskCall, execution: &str) -> Result<Value, TaskError>;

    /// The execution has ended, or will be continued by another process.
    fn ended(&self, execution: &str);
}
