//! The interface between an execution and the outside: tasks, objects, time and randomness.

mod task_call;
mod without_store;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde_json::Value;
use time::OffsetDateTime;

use crate::map_run::MapRunStatus;
pub use task_call::TaskCall;
pub use without_store::{NoHost, Tasks};

/// Everything that an execution needs from outside. The defaults of `read_version` and `list_objects` are
/// errors: a host that wraps another must forward all methods.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Does the work of a Task state and returns its result, in the form that the service has on AWS
    /// ([`TaskCall::function_result`] makes the form of `lambda:invoke`). A task whose outcome comes by token
    /// ([`crate::Resource::waits_for_token`]) is only handed over here: the returned value is the service's
    /// response, or the name of the worker that took an activity.
    ///
    /// The future is dropped when the execution abandons the task (the task timed out, or its Map Run
    /// exceeded its tolerance). On cancellation the future is not dropped, so that the task can save its
    /// progress: see [`TaskCall::cancel`].
    ///
    /// # Errors
    ///
    /// [`TaskError::Error`] is an error of the user's machine. [`TaskError::Interrupted`] stops the
    /// execution, which calls the task again when it is continued.
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError>;

    /// Reads an object, for an ItemReader.
    ///
    /// # Errors
    ///
    /// The text becomes the cause of a `States.ItemReaderFailed`.
    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError>;

    /// Reads one version of an object. A host without versions keeps the default, which is an error.
    ///
    /// # Errors
    ///
    /// As for [`Host::read_object`].
    async fn read_version(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        Err(ObjectError(format!("this host does not store versions: {version} of {key} in {bucket}")))
    }

    /// Reads a part of an object, and returns it with the length of the whole object in bytes. The default
    /// reads the object from its beginning.
    ///
    /// # Errors
    ///
    /// As for [`Host::read_object`].
    async fn read_part(&self, bucket: &str, key: &str, part: Part) -> Result<(Bytes, u64), ObjectError> {
        part.of(self.read_object(bucket, key).await?).await.map_err(|error| ObjectError(error.to_string()))
    }

    /// Lists a page of the objects whose keys begin with `prefix` and come after `after`, in the order of
    /// their keys. An empty page means that there are no more objects. The default is an error.
    ///
    /// # Errors
    ///
    /// As for [`Host::read_object`].
    async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let from = after.unwrap_or(prefix);
        Err(ObjectError(format!("this host cannot list objects: from {from} in {bucket}")))
    }

    /// Writes an object, for a ResultWriter. An existing object of that name is replaced.
    ///
    /// # Errors
    ///
    /// The text becomes the cause of a `States.ResultWriterFailed`.
    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError>;

    /// Called when a Map Run begins or is continued. The host may keep the status and read it while the run
    /// lasts.
    fn map_run(&self, _: &Arc<MapRunStatus>) {}

    /// The current time.
    fn now(&self) -> OffsetDateTime;

    /// Returns when [`Host::now`] has reached `moment`. The future may be dropped before.
    async fn sleep_until(&self, moment: OffsetDateTime);

    /// A random number from 0 (included) to 1 (excluded).
    fn random(&self) -> f64;

    /// A new UUID in its usual notation.
    fn uuid(&self) -> String;

    /// The token of an attempt of a task, by which its outcome is sent (see [`crate::TaskTokens`]). `execution` is
    /// the ARN of the execution that was started, also for a task of a child. `attempt` is the key of the attempt
    /// in its journal, of a few bytes up to a few hundred: [`crate::Journal::send_outcome`] takes it. A host may
    /// put both into its tokens and sign them. The token must be unique and is not longer than 1,024 characters.
    /// The default is a UUID.
    fn token(&self, _execution: &str, _attempt: &[u8]) -> String {
        self.uuid()
    }
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key in the bucket.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag as S3 returns it, with quotation marks.
    pub etag: String,
    /// The time at which it was written.
    pub last_modified: OffsetDateTime,
    /// Its storage class, such as `STANDARD`.
    pub storage_class: String,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The bytes in a range of positions.
    Range(Range<u64>),
    /// The last bytes of the object, at most this many.
    Last(u64),
}

impl Part {
    async fn of(self, mut chunks: BoxStream<'static, io::Result<Bytes>>) -> io::Result<(Bytes, u64)> {
        let (mut kept, mut length) = (Vec::new(), 0_u64);
        while let Some(chunk) = chunks.try_next().await? {
            let end = length + chunk.len() as u64;
            match &self {
                Part::Range(range) => {
                    // The result is within the chunk, so it fits into a usize.
                    let within = |position: u64| (position.clamp(length, end) - length) as usize;
                    kept.extend_from_slice(&chunk[within(range.start)..within(range.end.max(range.start))]);
                }
                Part::Last(most) => {
                    kept.extend_from_slice(&chunk);
                    let beyond = kept.len().saturating_sub(usize::try_from(*most).unwrap_or(usize::MAX));
                    // Draining only half-full buffers keeps the cost of moving bytes linear.
                    if beyond > kept.len() / 2 {
                        kept.drain(..beyond);
                    }
                }
            }
            length = end;
        }
        if let Part::Last(most) = self {
            let beyond = kept.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
            kept.drain(..beyond);
        }
        Ok((kept.into(), length))
    }
}

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskError {
    /// The task failed; `Retry` and `Catch` match on `error`.
    Error {
        /// The function's `errorType`, or a name such as `Lambda.TooManyRequestsException`.
        error: String,
        /// For an error of the function, a JSON text with `errorMessage` and `errorType`.
        cause: String,
    },
    /// The task was interrupted, and is to be called again when the execution is continued.
    Interrupted,
}

/// Why an object cannot be read or written; the text becomes the cause of a `States.ItemReaderFailed` or
/// `States.ResultWriterFailed`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ObjectError(pub String);
