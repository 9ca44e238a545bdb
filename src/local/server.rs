//! The runs of jobs in a server: the steps of every run are done in its process, one run of a job at a time.

mod ceilings;
mod check;
mod detail;
mod lanes;
mod live;
mod secrets;
mod watch;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use engine::{Host as _, TaskCall, TaskError};
use futures_util::stream::{self, StreamExt as _};
use job::run::{CALL_TIME, Event, Redrive, RunRef, StopMarker, WorkResponse, WorkerRequest, working_time};
use job::store::StorageErrorKind;
use job::{ErrorName, Job, Objects, StepError, StorageError, keys};
use serde_json::{Value, json};
use serve::{Content, JobsError, LaneChange, LiveRun, RunDetail, RunOutputs};
use states::{DiskFull, Host, Service as _};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::execute::{DEFINITION, FLUSH_EVERY, NoOtherExecutions};
use super::lane_locks::{LaneLocks, Together};
use super::lock::{Holder, Lock};
use super::steps::{Steps, bind, failed, pause_of_call, request, to_json};
use super::{StateDir, now};
use crate::exit::CliError;
use crate::progress::Progress;
use check::JobRules;
use detail::Detail;
use lanes::Lanes;
use live::Live;
use watch::Watcher;

pub use check::is_refused_by_a_server;
pub use secrets::JobSecrets;

/// A worker waits in its call for as long as the call may take.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 60 * 60);

/// The jobs of a server.
pub struct ServerJobs {
    state: Arc<StateDir>,
    definition: String,
    /// The worker of all runs: they share its memory and its file descriptors.
    worker: worker::Context,
    /// The locks of the limits with a ceiling, which lanes of several runs hold together.
    together: Together,
    preprocess: preprocess::Context,
    postprocess: postprocess::Context,
    /// The runs that are under way, by the ARN of their execution.
    runs: Mutex<HashMap<String, Slot>>,
    disk_full: DiskFull,
}

type Slot = Arc<OnceCell<Arc<ServedRun>>>;

/// A run that is under way. It holds the lock of its job.
struct ServedRun {
    steps: Steps,
    detail: Arc<Detail>,
    lanes: Lanes,
    live: Arc<Live>,
    _sampling: AbortOnDropHandle<()>,
    _lock: Lock,
}

impl ServedRun {
    /// Calls a step, and counts the batch that it works on.
    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let work = match request::<WorkerRequest>(call.payload()) {
            Ok(WorkerRequest::Work(work)) => work,
            _ => return self.steps.call(host, call).await,
        };
        self.detail.batch_begins(&work);
        let result = self.steps.call(host, call).await?;
        let response = result.get("Payload").unwrap_or(&result);
        if let Ok(WorkResponse::Done { failed, .. }) = serde_json::from_value(response.clone()) {
            self.detail.batch_ended(&work, failed);
        }
        Ok(result)
    }

    fn now(&self) -> LiveRun {
        let changed = self.lanes.all().clone();
        self.live.run(&changed)
    }
}

impl ServerJobs {
    /// The jobs of a state folder, with the server's settings.
    ///
    /// # Errors
    /// When a ceiling of the settings is wrong.
    pub fn new(state: Arc<StateDir>, server: &serve::Settings) -> Result<Self, CliError> {
        let providers = ceilings::read(&server.limits).map_err(CliError::new)?;
        super::secrets::no_core_dumps();
        let s3 = state.s3().clone();
        let secrets = JobSecrets::of(state.folder());
        let settings = worker::Settings {
            flush_every: FLUSH_EVERY,
            intents: worker::Intents::Alone,
            // Calls wait themselves, so that they see when a lane is changed.
            pause_after: LONGEST_WAIT,
            // A run that goes on is never dropped for another one.
            runs: server.runs + 1,
            ..worker::Settings::default()
        };
        let (silent, never) = (Arc::new(worker::Silent), CancellationToken::new());
        let mut worker = worker::Context::new(s3.clone(), Arc::new(secrets.clone()), silent, settings, never);
        worker.providers = Some(Arc::new(providers));
        Ok(Self {
            definition: bind(DEFINITION),
            worker,
            together: Together::default(),
            preprocess: preprocess::Context {
                s3: s3.clone(),
                executions: Arc::new(NoOtherExecutions),
                progress: Arc::new(|_, _| ()),
                now: Arc::new(now),
                lease_wait: std::time::Duration::from_secs(1),
                environment: job::Environment::Local,
                interactive: false,
                check: Some(Arc::new(JobRules::new(secrets, &server.allow))),
                held: preprocess::HeldSplits::default(),
                stop: CancellationToken::new(),
                pause: CancellationToken::new(),
            },
            postprocess: postprocess::Context {
                s3,
                settings: postprocess::Settings::default(),
                stop: CancellationToken::new(),
                pause: CancellationToken::new(),
                progress: None,
                now: Arc::new(now),
            },
            runs: Mutex::default(),
            disk_full: DiskFull::default(),
            state,
        })
    }

    /// Checks the settings that are for jobs.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(server: &serve::Settings) -> Result<(), String> {
        ceilings::read(&server.limits).map(drop)
    }

    /// Waits until a step finds the disk full. Returns the store's message.
    pub async fn disk_full(&self) -> String {
        self.disk_full.reported().await
    }

    /// Watches folders until the future is dropped.
    pub async fn watch(&self, watches: &[serve::Watch]) {
        let watching = watches.iter().cloned().map(|watch| Watcher::new(self.state.clone(), watch).run());
        futures_util::future::join_all(watching).await;
        std::future::pending().await
    }

    /// The keys of the inputs in the folder.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn inputs(&self) -> Result<Vec<String>, StepError> {
        let found = self.objects().list("jobs/").await?;
        Ok(found.into_iter().map(|entry| entry.key).filter(|key| keys::parse_input(key).is_some()).collect())
    }

    /// What the console shows of a run that is under way besides its lanes.
    ///
    /// # Errors
    /// When its plan cannot be read.
    pub async fn detail(&self, execution: &str) -> Result<Option<RunDetail>, StepError> {
        let Some(served) = self.under_way(execution) else { return Ok(None) };
        let Steps { objects, run, progress, .. } = &served.steps;
        served.detail.shown(objects, run, progress).await.map(Some)
    }

    /// The objects of the store.
    pub fn objects(&self) -> Objects {
        self.state.objects()
    }

    /// The run that a call is for, and the text of its job. None: there is no such job, or the event is not that of
    /// an input, and the step says so.
    async fn run_of(&self, payload: &Value) -> Result<Option<(RunRef, String)>, StepError> {
        let known = [&payload["run"], &payload["previous"]["run"]].into_iter().find(|run| run.is_object());
        let event = event_of(payload);
        let run = match (known, &event) {
            (Some(run), _) => serde_json::from_value::<RunRef>(run.clone()).ok(),
            (None, Some(event)) if event.redrive.is_some() => event.run(&[]).ok(),
            _ => None,
        };
        let (run, key) = match (run, event) {
            (Some(run), _) => (Some(run.clone()), run.keys().job_file()),
            (None, Some(event)) => match keys::parse_input(&event.detail.object.key) {
                Some((job, _)) => (None, keys::job_file(job)),
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let text = match self.objects().get(&key).await {
            Ok(text) => text,
            Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let run = match (run, event_of(payload)) {
            (Some(run), _) => run,
            (None, Some(event)) => {
                let run = event.run(&text)?;
                // All calls read this copy, whatever happens to the job's file.
                if run.bucket == s3::BUCKET {
                    self.objects().put(&run.keys().job_file(), text.clone()).await?;
                }
                run
            }
            (None, None) => return Ok(None),
        };
        if run.bucket != s3::BUCKET {
            let message = format!(
                "the runs of this server are in the bucket {}, and not in {}",
                s3::BUCKET,
                run.bucket
            );
            return Err(StepError::new(ErrorName::EventInvalid, message));
        }
        Ok(Some((run, String::from_utf8_lossy(&text).into_owned())))
    }

    /// Waits for the lock of the job. If the process before this one has split the input, the job is checked here.
    async fn open(
        &self,
        run: RunRef,
        job_text: String,
        call: &TaskCall,
    ) -> Result<Arc<ServedRun>, StepError> {
        if call.payload().get("event").is_none()
            && let Some(rules) = &self.preprocess.check
        {
            let job = job::run::parse_job(job_text.as_bytes(), &run.keys().job_file())?;
            rules.check(&run.job, &job).await?;
        }
        let holder = Holder { job: Some(run.job.clone()), ..self.state.holder.clone() };
        let lock = Lock::acquire(&self.state.folder, "job", &run.job, &holder, |_| ()).await;
        let lock = lock.map_err(|error| StepError::new(ErrorName::StorageUnavailable, error.to_string()))?;
        let lanes = Lanes::open(self.objects(), run.keys().changed_lanes(run.generation)).await?;
        let progress = Arc::new(Progress::default());
        let live = Live::new(progress.clone());
        let (splitting, merging) = (progress.clone(), progress.clone());
        let mut worker = self.worker.clone();
        let detail = Detail::new(live.clone());
        worker.observer = detail.clone();
        worker.lanes = Some(lanes.control.clone());
        let steps = Steps {
            job_text,
            objects: self.objects(),
            preprocess: preprocess::Context {
                progress: Arc::new(move |lines, bytes| splitting.split(lines, bytes)),
                ..self.preprocess.clone()
            },
            worker: Arc::new(worker),
            lanes: LaneLocks::new(self.state.folder.clone(), holder)
                .together(self.together.clone(), self.worker.providers.clone()),
            working: TaskTracker::new(),
            postprocess: postprocess::Context {
                progress: Some(Arc::new(move |lines| merging.merged(lines))),
                ..self.postprocess.clone()
            },
            functions: None,
            disk_full: self.disk_full.clone(),
            counting: Mutex::default(),
            progress,
            run,
        };
        steps.resume(&steps.run.clone()).await?;
        let sampling = live.sample();
        Ok(Arc::new(ServedRun { steps, detail, lanes, live, _sampling: sampling, _lock: lock }))
    }

    fn under_way(&self, execution: &str) -> Option<Arc<ServedRun>> {
        self.runs().get(execution)?.get().cloned()
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl serve::Jobs for ServerJobs {
    fn definition(&self) -> &str {
        &self.definition
    }

    fn queue(&self, key: &str, size: u64) -> Option<String> {
        let (job, _) = keys::parse_input(key).or_else(|| keys::parse_misplaced_input(key))?;
        keys::starts_run(key, size).then(|| job.to_owned())
    }

    async fn call(&self, host: &Host, call: &TaskCall, execution: &str) -> Result<Value, TaskError> {
        let mut call = call.clone();
        let Some((run, text)) = self.run_of(call.payload()).await.map_err(failed)? else {
            let (pause, _timer) = pause_of_call(host);
            let context = preprocess::Context { pause, stop: call.cancel.clone(), ..self.preprocess.clone() };
            let response = to_json(preprocess::preprocess(&context, request(call.payload())?).await)?;
            return Ok(call.function_result(response, &uuid::Uuid::new_v4().to_string()));
        };
        if let Some(Value::Object(previous)) = call.parameters.pointer_mut("/Payload/previous") {
            previous.entry("run").or_insert_with(|| json!(run));
        }
        let slot = self.runs().entry(execution.to_owned()).or_default().clone();
        let served = tokio::select! {
            biased;
            served = slot.get_or_try_init(|| self.open(run.clone(), text, &call)) => {
                served.map_err(failed)?.clone()
            }
            () = call.cancel.cancelled() => return Err(TaskError::Interrupted),
            () = host.sleep_until(host.now() + working_time(CALL_TIME)) => {
                return wait_longer(&call, &run);
            }
        };
        served.call(host, &call).await
    }

    fn ended(&self, execution: &str) {
        let Some(slot) = self.runs().remove(execution) else { return };
        let Some(served) = slot.get().cloned() else { return };
        tokio::spawn(async move {
            // Workers that nobody waits for any more still write their results.
            served.steps.working.close();
            served.steps.working.wait().await;
        });
    }

    async fn upload(&self, key: &str, mut content: Content) -> Result<String, JobsError> {
        let mut upload = self.objects().upload(key);
        while let Some(chunk) = content.next().await {
            match chunk {
                Ok(chunk) => upload.write(&chunk).await.map_err(unavailable)?,
                Err(error) => {
                    upload.abort().await.map_err(unavailable)?;
                    return Err(JobsError::Wrong(format!("the body is not whole: {error}")));
                }
            }
        }
        Ok(upload.finish().await.map_err(unavailable)?.etag)
    }

    async fn check(&self, job: &str, text: &str) -> Result<(), JobsError> {
        let parsed =
            Job::parse(text, &keys::job_file(job)).map_err(|error| JobsError::Wrong(error.to_string()))?;
        let Some(rules) = &self.preprocess.check else { return Ok(()) };
        rules.check(job, &parsed).await.map_err(|error| JobsError::Wrong(error.message))
    }

    async fn set(&self, job: &str, text: String) -> Result<(), JobsError> {
        self.objects().put(&keys::job_file(job), text).await.map(drop).map_err(unavailable)
    }

    async fn stop(&self, execution: &str) -> Result<bool, JobsError> {
        let Some(served) = self.under_way(execution) else { return Ok(false) };
        let run = &served.steps.run;
        let key = run.keys().stop_run(run.generation);
        StopMarker::place(&self.objects(), &key, "somebody stopped it on the server")
            .await
            .map_err(unavailable)?;
        Ok(true)
    }

    fn live(&self, execution: &str) -> Option<LiveRun> {
        self.under_way(execution).map(|served| served.now())
    }

    fn live_runs(&self) -> Vec<(String, LiveRun)> {
        let served: Vec<_> = self.runs().values().filter_map(|slot| slot.get().cloned()).collect();
        served.iter().map(|served| (served.steps.run.job.clone(), served.now())).collect()
    }

    async fn change_lane(
        &self,
        execution: &str,
        lane: &str,
        change: LaneChange,
    ) -> Result<Option<()>, JobsError> {
        let Some(served) = self.under_way(execution) else { return Ok(None) };
        let Some(lane) = served.live.lane(lane) else { return Ok(None) };
        served.lanes.change(&lane, change).await.map(Some)
    }

    async fn outputs(&self, execution: &str, job: &str, file: &str) -> Result<Option<RunOutputs>, JobsError> {
        let objects = self.objects();
        let found = objects.find(&keys::report(job, file)).await.map_err(unavailable)?;
        let Some(report) = found.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) else {
            return Ok(None);
        };
        let (Some(run), generation) = (report["run"].as_str(), report["generation"].as_u64().unwrap_or(0))
        else {
            // A run that could not start.
            let own = report["execution"] == execution;
            return Ok(own.then_some(RunOutputs { report, output: None, failed: None, redrive: None }));
        };
        let generation = u32::try_from(generation).unwrap_or(u32::MAX);
        let claim = job::RunKeys::new(job, run).claim(generation);
        let claim = objects.find(&claim).await.map_err(unavailable)?;
        let claim = claim.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if claim.is_none_or(|claim| claim["execution"] != execution) {
            return Ok(None);
        }
        let key = |kind: &str| report["outputs"][kind].as_str().map(str::to_owned);
        let (run, only) = (run.to_owned(), Vec::new());
        let next = Redrive { run, generation: generation + 1, include_unknown: false, only };
        let name = format!("redrive-{}-{}", next.run, next.generation);
        let event = Event::object_created(s3::BUCKET, &keys::input(job, file), 0, None, "");
        let redrive = Some((name, json!(Event { redrive: Some(next), ..event })))
            .filter(|_| report["verdict"] != "succeeded");
        Ok(Some(RunOutputs { output: key("output"), failed: key("failed"), redrive, report }))
    }

    async fn read(&self, key: &str) -> Result<Content, JobsError> {
        let object = self.objects().read(key, None, None).await.map_err(unavailable)?;
        let chunks = stream::try_unfold(object, async |mut object| {
            Ok::<_, io::Error>(object.next().await.map_err(io::Error::other)?.map(|chunk| (chunk, object)))
        });
        Ok(chunks.boxed())
    }
}

fn unavailable(error: StorageError) -> JobsError {
    JobsError::Unavailable(error.to_string())
}

/// The response of a call whose time is over before another process releases the job's lock.
fn wait_longer(call: &TaskCall, run: &RunRef) -> Result<Value, TaskError> {
    let payload = call.payload();
    let response = if payload.get("event").is_some() {
        json!({ "status": "turn", "run": run, "wait_seconds": 1, "holder": "another process" })
    } else if let Ok(WorkerRequest::Work(work)) = request::<WorkerRequest>(payload) {
        to_json(Ok(job::run::WorkResponse::Paused { wait_seconds: 1, request: work }))?
    } else {
        let message = format!("another process runs the job {}", run.job);
        return Err(failed(StepError::new(ErrorName::StorageUnavailable, message)));
    };
    Ok(call.function_result(response, &uuid::Uuid::new_v4().to_string()))
}

fn event_of(payload: &Value) -> Option<Event> {
    serde_json::from_value(payload["event"].clone()).ok()
}
