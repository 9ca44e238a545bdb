//! The engine's host on one machine: tasks are the steps' handlers in this process, objects are in the embedded S3.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::{ObjectError, TaskCall, TaskError};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use job::messages::{self, Event, PreprocessResponse, RunRef, WorkRequest, WorkResponse};
use job::objects::StorageErrorKind;
use job::{Download, ErrorName, Objects, StepError, StorageError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{Clock, Functions, message_of};
use crate::progress::Progress;

/// Binds the definition's functions to the handlers of this process.
pub(super) struct Host {
    /// The only run that is worked on.
    pub(super) run: RunRef,
    pub(super) job_text: String,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) preprocess: preprocess::Context,
    pub(super) worker: Arc<worker::Context>,
    /// Calls of the worker under way, those included that the execution no longer waits for.
    pub(super) working: TaskTracker,
    pub(super) postprocess: postprocess::Context,
    /// Where the functions are, if not in this process.
    pub(super) functions: Option<Functions>,
    /// What the store said when it had no room left.
    pub(super) full: watch::Sender<Option<String>>,
    pub(super) clock: Arc<dyn Clock>,
    /// Counts what workers elsewhere write.
    pub(super) counting: Mutex<Option<AbortOnDropHandle<()>>>,
    pub(super) progress: Arc<Progress>,
}

/// The placeholders of the definition, and the functions they stand for.
const FUNCTIONS: [(&str, &str); 3] = [
    ("PreprocessFunctionArn", "preprocess"),
    ("WorkerFunctionArn", "worker"),
    ("PostprocessFunctionArn", "postprocess"),
];

/// How often the progress of functions elsewhere is counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Waits between the attempts to read or write an object for the engine, after the client's own retries.
const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16), Duration::from_secs(60)];

const FUNCTION_ARN: &str = "arn:aws:lambda:local:000000000000:function:";

/// Puts this machine's functions into the definition.
pub fn bind(definition: &str) -> String {
    FUNCTIONS.iter().fold(definition.to_owned(), |text, (placeholder, function)| {
        text.replace(&format!("${{{placeholder}}}"), &format!("{FUNCTION_ARN}{function}"))
    })
}

/// The contents of an object, as the engine reads them.
pub fn chunks(object: Download) -> BoxStream<'static, io::Result<Bytes>> {
    let chunks = futures_util::stream::try_unfold(object, async |mut object| {
        Ok(object.next().await?.map(|chunk| (chunk, object)))
    });
    chunks.map_err(|error: StorageError| io::Error::other(error)).boxed()
}

#[async_trait]
impl engine::Host for Host {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let result = match self.function(&call).await {
            Err(TaskError::Error { error, cause }) if error == ErrorName::StorageFull.as_str() => {
                self.no_room(message_of(&cause)).await
            }
            result => result?,
        };
        Ok(call.function_result(result, &self.uuid()))
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        let objects = self.objects(bucket);
        Ok(chunks(self.insist(|| objects.read(key, None, None)).await?))
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        let objects = self.objects(bucket);
        self.insist(|| objects.put(key, body.clone())).await.map(drop)
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        self.clock.sleep_until(moment).await;
    }

    fn random(&self) -> f64 {
        rand::random()
    }

    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

impl Host {
    /// What the engine reads and writes is tried again, where that can help: a lane whose batches cannot be read ends.
    async fn insist<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ObjectError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let mut waits = WAITS.into_iter();
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match waits.next() {
                Some(wait) if error.kind == StorageErrorKind::Unavailable => {
                    tracing::warn!(%error, "trying again");
                    self.clock.sleep_until(self.clock.now() + wait).await;
                }
                _ if error.kind == StorageErrorKind::Full => return self.no_room(error.to_string()).await,
                _ => return Err(ObjectError(error.to_string())),
            }
        }
    }

    /// Every step would find the disk full, and what is answered meanwhile would be lost: the whole execution is given up as
    /// it stands.
    async fn no_room<T>(&self, message: String) -> T {
        self.full.send_replace(Some(message));
        std::future::pending().await
    }

    /// What was done before is shown from the first moment on.
    pub(super) async fn resume(&self, run: &RunRef) -> Result<(), StepError> {
        if self.progress.resume(&self.objects(&run.bucket), run).await? && self.functions.is_some() {
            self.count_on(run);
        }
        Ok(())
    }

    async fn function(&self, call: &TaskCall) -> Result<Value, TaskError> {
        let (arn, payload) = (call.function(), call.payload());
        let name = arn.strip_prefix(FUNCTION_ARN).unwrap_or_default();
        self.check_run(payload)?;
        match (name, &self.functions) {
            ("preprocess" | "worker" | "postprocess", Some(functions)) => {
                self.elsewhere(functions, name, payload).await
            }
            ("preprocess", None) => {
                self.progress.splitting();
                let response = preprocess::preprocess(&self.preprocess, request(payload)?).await;
                if let Ok(PreprocessResponse::Ready { run, .. }) = &response {
                    self.progress.start_lanes(&self.objects(&run.bucket), run).await.map_err(failed)?;
                }
                answer(response)
            }
            ("worker", None) => answer(self.work(request(payload)?, &call.cancel).await),
            ("postprocess", None) => {
                // A worker that was given up still writes what it has.
                self.working.close();
                self.working.wait().await;
                self.progress.merging();
                answer(postprocess::postprocess(&self.postprocess, request(payload)?).await)
            }
            _ => Err(TaskError::Error {
                error: "Lambda.ResourceNotFoundException".to_owned(),
                cause: format!("there is no function {arn} on this machine"),
            }),
        }
    }

    /// A journal that somebody has changed could lead the steps to another run, with a job that sends secrets elsewhere.
    fn check_run(&self, payload: &Value) -> Result<(), TaskError> {
        let named = [&payload["run"], &payload["previous"]["run"]].into_iter().filter(|run| run.is_object());
        let named = named.map(|run| serde_json::from_value::<RunRef>(run.clone()).ok());
        let events = [&payload["event"]].into_iter().filter(|event| event.is_object());
        let begun = events.map(|event| {
            serde_json::from_value::<Event>(event.clone()).ok()?.run(self.job_text.as_bytes()).ok()
        });
        match named.chain(begun).all(|run| run.as_ref() == Some(&self.run)) {
            true => Ok(()),
            false => {
                let message = format!(
                    "the journal leads to another run than {}: somebody has changed it. Start over with --fresh",
                    self.run.id
                );
                Err(failed(StepError::new(ErrorName::RunDamaged, message)))
            }
        }
    }

    /// As on AWS, a call outlives an execution that gives it up; but here it is told, and ends soon.
    async fn work(
        &self,
        request: WorkRequest,
        cancel: &CancellationToken,
    ) -> Result<WorkResponse, StepError> {
        let stop = cancel.child_token();
        let _given_up = stop.clone().drop_guard();
        let context = self.worker.clone();
        let call = self.working.spawn(async move { worker::work_until(&context, request, stop).await });
        call.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Calls a function in another process; its progress is what it writes.
    async fn elsewhere(
        &self,
        functions: &Functions,
        name: &str,
        payload: &Value,
    ) -> Result<Value, TaskError> {
        match name {
            "preprocess" => self.progress.splitting(),
            "worker" => self.progress.calls_worker(),
            "postprocess" => {
                self.count(None);
                self.progress.merging();
            }
            _ => {}
        }
        let answer = functions.invoke(name, payload).await?;
        if name == "preprocess"
            && let Ok(PreprocessResponse::Ready { run, .. }) = serde_json::from_value(answer.clone())
        {
            self.count_on(&run);
        }
        Ok(answer)
    }

    /// Counts what workers elsewhere write.
    fn count_on(&self, run: &RunRef) {
        let (objects, run, progress) = (self.objects(&run.bucket), run.clone(), self.progress.clone());
        self.count(Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // What cannot be counted is not shown.
            while progress.start_lanes(&objects, &run).await.is_ok() {
                tokio::time::sleep(COUNT_EVERY).await;
            }
        }))));
    }

    fn count(&self, counting: Option<AbortOnDropHandle<()>>) {
        *self.counting.lock().unwrap_or_else(PoisonError::into_inner) = counting;
    }

    fn objects(&self, bucket: &str) -> Objects {
        Objects::new(self.s3.clone(), bucket)
    }
}

fn request<T: DeserializeOwned>(payload: &Value) -> Result<T, TaskError> {
    messages::request(payload.clone()).map_err(failed)
}

fn answer<T: Serialize>(response: Result<T, StepError>) -> Result<Value, TaskError> {
    let response = response.map_err(failed)?;
    Ok(serde_json::to_value(response).expect("a response is always JSON"))
}

/// What Lambda makes of a handler's error: `errorType` is what `Retry` and `Catch` match on.
fn failed(error: StepError) -> TaskError {
    match error.name {
        ErrorName::Interrupted => TaskError::Interrupted,
        name => TaskError::Error {
            error: name.to_string(),
            cause: json!({ "errorType": name.as_str(), "errorMessage": error.message }).to_string(),
        },
    }
}
