//! What an execution asks of the outside: tasks, objects, time and chance.

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

/// The world outside an execution.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Does the work of a Task state and gives back its result, in the shape that the service has
    /// on AWS ([`TaskCall::function_result`] makes that of `lambda:invoke`). A task whose outcome
    /// comes by token ([`Resource::waits_for_token`]) is only handed over here; what is given back
    /// then is the service's answer, or the name of the worker that took an activity.
    ///
    /// The future is dropped when the execution gives the task up (it timed out, or a Map Run is
    /// over its tolerance); on cancellation it is not dropped, so that the task may save what it
    /// has: see [`TaskCall::cancel`].
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError>;

    /// The contents of an object, for an ItemReader.
    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError>;

    /// One version of an object; a host without versions need not have it.
    async fn read_version(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        Err(ObjectError(format!("this host keeps no versions: {version} of {key} in {bucket}")))
    }

    /// A part of an object, and the length of the whole. Without an implementation of the host's
    /// own, the object is read from its beginning.
    async fn read_part(&self, bucket: &str, key: &str, part: Part) -> Result<(Bytes, u64), ObjectError> {
        part.of(self.read_object(bucket, key).await?).await.map_err(|error| ObjectError(error.to_string()))
    }

    /// Objects whose keys begin with `prefix` and come after `after`, in the order of their keys;
    /// as many as a page has. No object is left when the page is empty.
    async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let from = after.unwrap_or(prefix);
        Err(ObjectError(format!("this host lists no objects: from {from} in {bucket}")))
    }

    /// Writes an object whole, for a ResultWriter; an object of that name is replaced.
    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError>;

    /// A Map Run begins, or goes on; what is given may be kept and looked at while it runs.
    fn map_run(&self, _: &Arc<MapRunStatus>) {}

    /// The time.
    fn now(&self) -> OffsetDateTime;

    /// Returns when the time has come, by [`Host::now`]; the future may be dropped before.
    async fn sleep_until(&self, moment: OffsetDateTime);

    /// A number from 0 up to, not including, 1.
    fn random(&self) -> f64;

    /// A new UUID in its usual spelling.
    fn uuid(&self) -> String;
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name in the bucket.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// As S3 gives it, with its quotation marks.
    pub etag: String,
    /// When it was written.
    pub last_modified: OffsetDateTime,
    /// Such as `STANDARD`.
    pub storage_class: String,
}

/// Which bytes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// From one position up to, not including, another.
    Range(Range<u64>),
    /// So many at the end, or all where the object is shorter.
    Last(u64),
}

impl Part {
    async fn of(self, mut chunks: BoxStream<'static, io::Result<Bytes>>) -> io::Result<(Bytes, u64)> {
        let (mut kept, mut length) = (Vec::new(), 0_u64);
        while let Some(chunk) = chunks.try_next().await? {
            let end = length + chunk.len() as u64;
            match &self {
                Part::Range(range) => {
                    // Within the chunk, whose length fits.
                    let within = |position: u64| (position.clamp(length, end) - length) as usize;
                    kept.extend_from_slice(&chunk[within(range.start)..within(range.end.max(range.start))]);
                }
                Part::Last(most) => {
                    kept.extend_from_slice(&chunk);
                    let beyond = kept.len().saturating_sub(usize::try_from(*most).unwrap_or(usize::MAX));
                    // Moves what is kept only now and then.
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

/// Why an object cannot be read or written; the text becomes the cause of a
/// `States.ItemReaderFailed` or `States.ResultWriterFailed`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ObjectError(pub String);
