//! Hosts for machines that need no object store.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Host, ObjectError, TaskCall, TaskError};

/// A host for machines without tasks and objects. It uses the system's clock, and its random numbers and
/// UUIDs are always the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

#[async_trait]
impl Host for NoHost {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        Err(TaskError::Error {
            error: "States.TaskFailed".into(),
            cause: format!("no handler for {}", call.resource),
        })
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        Err(ObjectError(format!("there is no object {key} in {bucket}")))
    }

    async fn write_object(&self, bucket: &str, _: &str, _: Bytes) -> Result<(), ObjectError> {
        Err(ObjectError(format!("there is no bucket {bucket}")))
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        tokio::time::sleep((moment - self.now()).try_into().unwrap_or_default()).await;
    }

    fn random(&self) -> f64 {
        0.0
    }

    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".into()
    }
}

/// [`NoHost`] with tasks that are done by a function.
#[derive(Debug, Clone, Copy)]
pub struct Tasks<F>(
    /// Computes a task's result.
    pub F,
);

#[async_trait]
impl<F: Fn(TaskCall) -> Result<Value, TaskError> + Send + Sync + 'static> Host for Tasks<F> {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        self.0(call)
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        NoHost.read_object(bucket, key).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        NoHost.write_object(bucket, key, body).await
    }

    fn now(&self) -> OffsetDateTime {
        NoHost.now()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        NoHost.sleep_until(moment).await;
    }

    fn random(&self) -> f64 {
        NoHost.random()
    }

    fn uuid(&self) -> String {
        NoHost.uuid()
    }
}
