//! A host without tasks. Its only object has lines that are generated while they are read.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use engine::{Host, ObjectError, TaskCall, TaskError};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde_json::Value;
use time::OffsetDateTime;

/// The number of lines of the object.
pub(crate) struct Lines(pub(crate) u64);

/// Lines per chunk.
const CHUNK: u64 = 512;

pub(crate) fn line(n: u64) -> String {
    format!("{{\"id\":{n},\"name\":\"line {n}\",\"place\":\"somewhere\",\"amount\":12.5}}\n")
}

#[async_trait]
impl Host for Lines {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        Ok(call.function_result(call.payload().clone(), "request"))
    }

    async fn read_object(
        &self,
        _: &str,
        _: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        let lines = self.0;
        let chunks = (0..lines.div_ceil(CHUNK)).map(move |chunk| {
            let text: String = (chunk * CHUNK..lines.min((chunk + 1) * CHUNK)).map(line).collect();
            Ok(Bytes::from(text))
        });
        Ok(stream::iter(chunks).boxed())
    }

    async fn write_object(&self, _: &str, _: &str, _: Bytes) -> Result<(), ObjectError> {
        Ok(())
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    /// Time does not pass, so the time limit of an execution is never reached.
    async fn sleep_until(&self, _: OffsetDateTime) {
        std::future::pending().await
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".into()
    }
}
