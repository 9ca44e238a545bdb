//! The three steps as a service: the tasks of the definition are done by the steps' handlers in this process, or by functions
//! elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use job::run::{Event, PreprocessResponse, RunRef, WorkRequest, WorkResponse, messages};
use job::{ErrorName, Objects, StepError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use states::services::Functions;
use states::{Host, NoRoom, Service, Support};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::message_of;
use crate::progress::Progress;

/// The steps of one run.
pub(super) struct Steps {
    /// The only run that is worked on.
    pub(super) run: RunRef,
    pub(super) job_text: String,
    pub(super) objects: Objects,
    pub(super) preprocess: preprocess::Context,
    pub(super) worker: Arc<worker::Context>,
    /// Calls of the worker that have not ended, including those that the execution no longer waits for.
    pub(super) working: TaskTracker,
    pub(super) postprocess: postprocess::Context,
    /// Where the functions are, if not in this process.
    pub(super) functions: Option<Functions>,
    pub(super) no_room: NoRoom,
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

const FUNCTION_ARN: &str = "arn:aws:lambda:local:000000000000:function:";

/// Puts this machine's functions into the definition.
pub fn bind(definition: &str) -> String {
    FUNCTIONS.iter().fold(definition.to_owned(), |text, (placeholder, function)| {
        text.replace(&format!("${{{placeholder}}}"), &format!("{FUNCTION_ARN}{function}"))
    })
}

#[async_trait]
impl Service for Steps {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        if matches!(resource, Resource::Function(_)) || resource.is("lambda", "invoke") {
            Support::Yes
        } else {
            Support::No
        }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let result = match self.function(call).await {
            Err(TaskError::Error { error, cause }) if error == ErrorName::StorageFull.as_str() => {
                self.no_room.tell(message_of(&cause)).await
            }
            result => result?,
        };
        Ok(call.function_result(result, &uuid::Uuid::new_v4().to_string()))
    }

    /// The handlers save their work when they are cancelled.
    fn ends_on_cancel(&self) -> bool {
        true
    }
}

impl Steps {
    /// What was done before is shown from the first moment on.
    pub(super) async fn resume(&self, run: &RunRef) -> Result<(), StepError> {
        if self.progress.resume(&self.objects, run).await? && self.functions.is_some() {
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
                    self.progress.start_lanes(&self.objects, run).await.map_err(failed)?;
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
        if named.chain(begun).all(|run| run.as_ref() == Some(&self.run)) {
            return Ok(());
        }
        let message = format!(
            "the journal belongs to another run than {}: somebody has changed it. Start over with --fresh",
            self.run.id
        );
        Err(failed(StepError::new(ErrorName::RunDamaged, message)))
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
        let (objects, run, progress) = (self.objects.clone(), run.clone(), self.progress.clone());
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
