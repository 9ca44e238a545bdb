//! The jobs of a server. Another package has their steps, and this one runs them as executions of one machine.

use std::io;

use async_trait::async_trait;
use axum::body::Bytes;
use engine::{TaskCall, TaskError};
use futures_util::stream::BoxStream;
use serde_json::Value;
use states::Host;

/// The machine whose executions are the runs of jobs. No caller of the API can change it.
pub const MACHINE: &str = "throughline";

/// The content of an object.
pub type Content = BoxStream<'static, io::Result<Bytes>>;

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

    /// Writes an input, which starts a run. Returns the ETag of the object.
    ///
    /// # Errors
    /// When it cannot be read or written.
    async fn upload(&self, key: &str, content: Content) -> Result<String, JobsError>;

    /// Checks a job file: it can be read, and this server may run it.
    ///
    /// # Errors
    /// What is wrong, and where.
    async fn check(&self, job: &str, text: &str) -> Result<(), JobsError>;

    /// Writes a job file that was checked.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn set(&self, job: &str, text: String) -> Result<(), JobsError>;

    /// Ends a run early; what it has received becomes its output. Returns whether it is under way.
    ///
    /// # Errors
    /// When that cannot be written.
    async fn stop(&self, execution: &str) -> Result<bool, JobsError>;

    /// The outputs of a run, unless there are none yet or those of a later run of the file have replaced them.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn outputs(&self, execution: &str, job: &str, file: &str) -> Result<Option<RunOutputs>, JobsError>;

    /// Reads an object.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read(&self, key: &str) -> Result<Content, JobsError>;
}

/// The outputs of a run.
#[derive(Debug, Clone)]
pub struct RunOutputs {
    /// The report.
    pub report: Value,
    /// The key of the output. A run that could not start has none.
    pub output: Option<String>,
    /// The key of the failed lines, if there are any.
    pub failed: Option<String>,
    /// The event that sends the failed lines again, and the name of its execution.
    pub redrive: Option<(String, Value)>,
}

/// Why something cannot be done with a job.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobsError {
    /// What the caller sent is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The store does not respond, or is full.
    #[error("{0}")]
    Unavailable(String),
}
