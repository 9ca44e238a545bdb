//! What an execution asks of the outside: tasks, objects, time and chance.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// The world outside an execution.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Does the work of a Task state and gives back its payload. The future is dropped when the
    /// execution gives the task up (a Map Run over its tolerance); on cancellation it is not
    /// dropped, so that the task may save what it has: see [`TaskCall::cancel`].
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError>;

    /// The contents of an object, for an ItemReader.
    async fn read_object(&self, bucket: &str, key: &str) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError>;

    /// Writes an object whole, for a ResultWriter; an object of that name is replaced.
    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError>;

    /// The time.
    fn now(&self) -> OffsetDateTime;

    /// Returns when the time has come; the future may be dropped before.
    async fn sleep_until(&self, moment: OffsetDateTime);

    /// A number from 0 up to, not including, 1.
    fn random(&self) -> f64;

    /// A new UUID in its usual spelling.
    fn uuid(&self) -> String;
}

/// One call of a task.
#[derive(Debug, Clone)]
pub struct TaskCall {
    /// The state's `Resource`: `arn:aws:states:::lambda:invoke` or a function's ARN.
    pub resource: String,
    /// Name or ARN of the function.
    pub function: String,
    /// What the function gets.
    pub payload: Value,
    /// The state that calls.
    pub state: String,
    /// The execution that calls; a child of a Distributed Map has its own.
    pub execution: String,
    /// Cancelled when the execution shall stop: the task should then soon end, with its result or
    /// with [`TaskError::Interrupted`].
    pub cancel: CancellationToken,
}

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskError {
    /// The function failed; `Retry` and `Catch` match on `error`.
    Error {
        /// The function's `errorType`, or a name such as `Lambda.TooManyRequestsException`.
        error: String,
        /// For an error of the function, a JSON text with `errorMessage` and `errorType`.
        cause: String,
    },
    /// The task was given up and shall be called again when the execution is continued.
    Interrupted,
}

/// Why an object can't be read or written; the text becomes the cause of a
/// `States.ItemReaderFailed` or `States.ResultWriterFailed`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ObjectError(pub String);

/// A host for machines without tasks and objects, on a clock that stands still at 1970.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

#[async_trait]
impl Host for NoHost {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let cause = format!("there is no function {}", call.function);
        Err(TaskError::Error { error: "Lambda.ResourceNotFoundException".into(), cause })
    }

    async fn read_object(&self, bucket: &str, key: &str) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        Err(ObjectError(format!("there is no object {key} in {bucket}")))
    }

    async fn write_object(&self, bucket: &str, _: &str, _: Bytes) -> Result<(), ObjectError> {
        Err(ObjectError(format!("there is no bucket {bucket}")))
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }

    async fn sleep_until(&self, _: OffsetDateTime) {}

    fn random(&self) -> f64 {
        0.0
    }

    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".into()
    }
}
