//! The three steps as a service. Their tasks are done by the steps' handlers in this process, or by functions
//! in other processes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Host as _, Resource, TaskCall, TaskError};
use job::run::{
    CALL_TIME, Event, PreprocessResponse, RunRef, WorkRequest, WorkResponse, WorkerRequest, messages,
    working_time,
};
use job::{ErrorName, Objects, StepError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use states::services::Functions;
use states::{DiskFull, Host, Service, Support};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::lane_locks::LaneLocks;
use super::lock::Lock;
use super::message_of;
use crate::progress::{LaneCounts, Progress};

/// The steps of one run.
pub(super) struct Steps {
    /// The run. Calls for any other run are refused.
    pub(super) run: RunRef,
    pub(super) job_text: String,
    pub(super) objects: Objects,
    pub(super) preprocess: preprocess::Context,
    pub(super) worker: Arc<worker::Context>,
    pub(super) lanes: LaneLocks,
    /// Calls of the worker that have not ended, including those that the execution no longer waits for.
    pub(super) working: TaskTracker,
    pub(super) postprocess: postprocess::Context,
    /// The functions in other processes, if the steps do not run in this one.
    pub(super) functions: Option<Functions>,
    pub(super) disk_full: DiskFull,
    /// Counts the results that workers in other processes write.
    pub(super) counting: Mutex<Option<AbortOnDropHandle<()>>>,
    pub(super) progress: Arc<Progress>,
}

/// The placeholders of the definition and the functions that replace them.
const FUNCTIONS: [(&str, &str); 3] = [
    ("PreprocessFunctionArn", "preprocess"),
    ("WorkerFunctionArn", "worker"),
    ("PostprocessFunctionArn", "postprocess"),
];

/// The time between two counts of the results that functions in other processes write.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// A lock that nobody else has is acquired within this time.
const AT_ONCE: Duration = Duration::from_secs(1);

const FUNCTION_ARN: &str = "arn:aws:lambda:local:000000000000:function:";

/// Replaces the placeholders of the definition by the functions of this machine.
pub fn bind(definition: &str) -> String {
    FUNCTIONS.iter().fold(definition.to_owned(), |text, (placeholder, function)| {
        text.replace(&format!("${{{placeholder}}}"), &format!("{FUNCTION_ARN}{function}"))
    })
}

/// Whether a lane may send.
enum LaneLock {
    /// It may, with the lock of its limit if it has one.
    Ours(Option<Arc<Lock>>),
    /// Another call is to ask again.
    Waits,
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

    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let result = match self.function(host, call).await {
            Err(TaskError::Error { error, cause }) if error == ErrorName::StorageFull.as_str() => {
                tokio::select! {
                    result = self.disk_full.report(message_of(&cause)) => result,
                    () = call.cancel.cancelled() => return Err(TaskError::Interrupted),
                }
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
    /// Counts what an earlier process has done, so that it is shown from the start.
    pub(super) async fn resume(&self, run: &RunRef) -> Result<(), StepError> {
        if self.progress.resume(&self.objects, run).await? && self.functions.is_some() {
            self.start_counting(run);
        }
        Ok(())
    }

    async fn function(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let (arn, payload) = (call.function(), call.payload());
        let name = arn.strip_prefix(FUNCTION_ARN).unwrap_or_default();
        self.check_run(payload)?;
        let worker = if name == "worker" { Some(request::<WorkerRequest>(payload)?) } else { None };
        // A call may outlive its lane, and holds the lane's lock itself.
        let lock = match &worker {
            Some(WorkerRequest::Work(work)) => match self.lane_lock(host, &work.lane.name, call).await? {
                LaneLock::Ours(lock) => lock,
                LaneLock::Waits => {
                    return to_json(Ok(WorkResponse::Paused { wait_seconds: 1, request: work.clone() }));
                }
            },
            _ => None,
        };
        match (name, &self.functions) {
            ("worker", Some(functions)) => {
                let payload = without_limit(payload);
                match worker {
                    Some(WorkerRequest::Work(_)) => self.invoke(functions, name, &payload).await,
                    _ => functions.invoke(name, &payload).await,
                }
            }
            ("preprocess" | "postprocess", Some(functions)) => self.invoke(functions, name, payload).await,
            ("preprocess", None) => {
                self.progress.splitting();
                let (pause, _timer) = pause_of_call(host);
                let stop = call.cancel.clone();
                let context = preprocess::Context { pause, stop, ..self.preprocess.clone() };
                let response = preprocess::preprocess(&context, request(payload)?).await;
                if let Ok(PreprocessResponse::Ready { run, .. }) = &response {
                    self.progress
                        .start_lanes(&self.objects, run, &mut LaneCounts::default())
                        .await
                        .map_err(failed)?;
                }
                to_json(response)
            }
            ("worker", None) => match worker {
                Some(WorkerRequest::Work(work)) => to_json(self.work(work, &call.cancel, lock).await),
                Some(WorkerRequest::Stop(stop)) => to_json(worker::stop(&self.worker, stop).await),
                Some(WorkerRequest::EndLane(end)) => to_json(worker::end_lane(&self.worker, end).await),
                None => Ok(Value::Null),
            },
            ("postprocess", None) => {
                // A worker that the execution no longer waits for still writes its results.
                self.working.close();
                self.working.wait().await;
                self.progress.merging();
                let (pause, _timer) = pause_of_call(host);
                let stop = call.cancel.clone();
                let context = postprocess::Context { pause, stop, ..self.postprocess.clone() };
                to_json(postprocess::postprocess(&context, request(payload)?).await)
            }
            _ => Err(TaskError::Error {
                error: "Lambda.ResourceNotFoundException".to_owned(),
                cause: format!("there is no function {arn} on this machine"),
            }),
        }
    }

    /// The lock of a lane's limit. A call that has waited for it ends, so that the next one has its whole time for
    /// sending.
    async fn lane_lock(&self, host: &Host, lane: &str, call: &TaskCall) -> Result<LaneLock, TaskError> {
        let lock = self.lanes.acquire(&self.objects, &self.run, lane, call.map_run.as_ref(), &self.progress);
        tokio::pin!(lock);
        if let Ok(lock) = tokio::time::timeout(AT_ONCE, &mut lock).await {
            return Ok(LaneLock::Ours(lock?));
        }
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(TaskError::Interrupted),
            lock = lock => lock.map(|_| LaneLock::Waits),
            () = host.sleep_until(host.now() + working_time(CALL_TIME)) => Ok(LaneLock::Waits),
        }
    }

    /// Checks that a call is for this run. A journal that somebody has changed could name another run, with a
    /// job that sends the secrets to somebody else.
    fn check_run(&self, payload: &Value) -> Result<(), TaskError> {
        let named = [&payload["run"], &payload["previous"]["run"]].into_iter().filter(|run| run.is_object());
        let named = named.map(|run| serde_json::from_value::<RunRef>(run.clone()).ok());
        let named: Vec<Option<RunRef>> = named.collect();
        named.iter().flatten().try_for_each(RunRef::check_format).map_err(failed)?;
        let events = [&payload["event"]].into_iter().filter(|event| event.is_object());
        let started = events.map(|event| {
            serde_json::from_value::<Event>(event.clone()).ok()?.run(self.job_text.as_bytes()).ok()
        });
        let is_this = |run: RunRef| RunRef { format: self.run.format, ..run } == self.run;
        if named.into_iter().chain(started).all(|run| run.is_some_and(is_this)) {
            return Ok(());
        }
        let message = format!(
            "the journal belongs to another run than {}, so somebody has changed it: start over with --fresh",
            self.run.id
        );
        Err(failed(StepError::new(ErrorName::RunDamaged, message)))
    }

    /// Calls the worker. As on AWS, the call outlives an execution that no longer waits for it; here it is
    /// also cancelled, and so ends soon.
    async fn work(
        &self,
        request: WorkRequest,
        cancel: &CancellationToken,
        lock: Option<Arc<Lock>>,
    ) -> Result<WorkResponse, StepError> {
        let stop = cancel.child_token();
        let _cancel_on_drop = stop.clone().drop_guard();
        let context = self.worker.with_deadline(CALL_TIME);
        let call = self.working.spawn(async move {
            let _lock = lock;
            worker::work_until(&context, request, stop).await
        });
        call.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Calls a function in another process. Its progress is counted by the results that it writes.
    async fn invoke(&self, functions: &Functions, name: &str, payload: &Value) -> Result<Value, TaskError> {
        match name {
            "preprocess" => self.progress.splitting(),
            "worker" => self.progress.worker_called(),
            "postprocess" => {
                self.set_counting(None);
                self.progress.merging();
            }
            _ => {}
        }
        let response = functions.invoke(name, payload).await?;
        if name == "preprocess"
            && let Ok(PreprocessResponse::Ready { run, .. }) = serde_json::from_value(response.clone())
        {
            self.start_counting(&run);
        }
        Ok(response)
    }

    /// Starts to count the results that workers in other processes write.
    fn start_counting(&self, run: &RunRef) {
        let (objects, run, progress) = (self.objects.clone(), run.clone(), self.progress.clone());
        self.set_counting(Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut counts = LaneCounts::default();
            // An error ends the counting, and only the display suffers.
            while progress.start_lanes(&objects, &run, &mut counts).await.is_ok() {
                tokio::time::sleep(COUNT_EVERY).await;
            }
        }))));
    }

    fn set_counting(&self, counting: Option<AbortOnDropHandle<()>>) {
        *self.counting.lock().unwrap_or_else(PoisonError::into_inner) = counting;
    }
}

/// A call of the function `worker` without the limit whose lease it would take on AWS: this process holds the
/// limit's lock.
fn without_limit(payload: &Value) -> Value {
    let mut payload = payload.clone();
    for lane in ["lane", "ended"] {
        if let Some(lane) = payload.get_mut(lane).and_then(Value::as_object_mut) {
            lane.remove("limit");
        }
    }
    payload
}

/// A token that is cancelled when a call must save its work, as on AWS. The timer ends with its handle.
pub(super) fn pause_of_call(host: &Host) -> (CancellationToken, AbortOnDropHandle<()>) {
    let (pause, host) = (CancellationToken::new(), host.clone());
    let (cancelled, end) = (pause.clone(), host.now() + working_time(CALL_TIME));
    let timer = tokio::spawn(async move {
        host.sleep_until(end).await;
        cancelled.cancel();
    });
    (pause, AbortOnDropHandle::new(timer))
}

pub(super) fn request<T: DeserializeOwned>(payload: &Value) -> Result<T, TaskError> {
    messages::request(payload.clone()).map_err(failed)
}

pub(super) fn to_json<T: Serialize>(response: Result<T, StepError>) -> Result<Value, TaskError> {
    let response = response.map_err(failed)?;
    Ok(serde_json::to_value(response).expect("a response is always JSON"))
}

/// The error that Lambda makes of a handler's error. `Retry` and `Catch` match on its `errorType`.
pub(super) fn failed(error: StepError) -> TaskError {
    match error.name {
        ErrorName::Interrupted => TaskError::Interrupted,
        name => TaskError::Error {
            error: name.to_string(),
            cause: json!({ "errorType": name.as_str(), "errorMessage": error.message }).to_string(),
        },
    }
}
