//! The three steps with the permissions of their roles, and what Step Functions does between their calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use job::run::{
    Batch, CaughtError, EndLaneRequest, Event, Lane, Pace, PostprocessRequest, PostprocessResponse,
    PreprocessRequest, PreprocessResponse, Redrive, RunRef, StopRequest, WorkRequest, WorkResponse,
};
use job::{Environment, Objects, StepError, keys};
use serde_json::Value;
use testing::{Grants, JobFile};
use tokio_util::sync::CancellationToken;

use super::table;
use crate::functions::NoSecrets;

pub(super) const JOB: &str = "places";
pub(super) const FILE: &str = "all.txt";

/// Executions whose name says that they have ended.
struct ByName;

#[async_trait::async_trait]
impl preprocess::Executions for ByName {
    async fn ended(&self, execution: &str) -> Result<bool, StepError> {
        Ok(execution.starts_with("aborted"))
    }
}

pub(super) struct Cloud {
    /// Without permissions, as a user and Step Functions see the bucket.
    pub(super) objects: Objects,
    pub(super) grants: BTreeMap<String, Grants>,
    preprocess: preprocess::Context,
    worker: worker::Context,
    postprocess: postprocess::Context,
    /// Whether calls of pre-process and post-process have next to no time.
    pub(super) hurried: AtomicBool,
    now: Arc<AtomicU64>,
    uploads: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Cloud {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = s3::config(folder.path()).unwrap().build();
        let grants: BTreeMap<String, Grants> =
            table::steps().into_iter().map(|(step, access)| (step, Grants::new(access))).collect();
        let client = |step: &str| grants[step].client(&config);
        let (stop, pause) = (CancellationToken::new(), CancellationToken::new());
        let now = Arc::new(AtomicU64::new(1_763_700_000_000));
        let clock: Arc<dyn Fn() -> u64 + Send + Sync> = {
            let now = now.clone();
            Arc::new(move || now.fetch_add(1, Ordering::SeqCst))
        };
        let settings = worker::Settings { flush_every: Duration::from_millis(50), ..Default::default() };
        Self {
            objects: Objects::new(s3::client(folder.path()).unwrap(), s3::BUCKET),
            preprocess: preprocess::Context {
                s3: client("preprocess"),
                executions: Arc::new(ByName),
                progress: Arc::new(|_, _| {}),
                now: clock.clone(),
                lease_wait: Duration::from_secs(1),
                environment: Environment::Aws,
                interactive: false,
                check: None,
                held: preprocess::HeldSplits::default(),
                stop: stop.clone(),
                pause: pause.clone(),
            },
            worker: worker::Context::new(
                client("worker"),
                Arc::new(NoSecrets),
                Arc::new(worker::Silent),
                settings,
                stop.clone(),
            )
            .with_shared_limits(worker::SharedLimits {
                executions: Arc::new(ByName),
                now: clock.clone(),
                lease_wait: Duration::from_secs(1),
            }),
            postprocess: postprocess::Context {
                s3: client("postprocess"),
                // Small enough that a merge needs several calls.
                settings: postprocess::Settings { piece: 64, ..postprocess::Settings::FUNCTION },
                stop,
                pause,
                progress: None,
                now: clock,
            },
            grants,
            hurried: AtomicBool::new(false),
            now,
            uploads: AtomicU64::new(0),
            _folder: folder,
        }
    }

    /// Uploads a job and a file, and returns the event.
    pub(super) async fn upload(&self, job: &JobFile, input: String) -> Event {
        self.objects.put(&keys::job_file(JOB), job.to_string()).await.unwrap();
        self.put_input(&keys::input(JOB, FILE), input).await
    }

    pub(super) async fn put_input(&self, key: &str, input: String) -> Event {
        let (size, version) = (input.len() as u64, self.uploads.fetch_add(1, Ordering::SeqCst));
        let stored = self.objects.put(key, input).await.unwrap();
        Event::object_created(s3::BUCKET, key, size, Some(stored.etag), &format!("v{version}"))
    }

    pub(super) async fn preprocess(
        &self,
        event: &Event,
        execution: &str,
        previous: Value,
    ) -> Result<PreprocessResponse, StepError> {
        let context = preprocess::Context { pause: self.pause(), ..self.preprocess.clone() };
        let request = PreprocessRequest { event: event.clone(), execution: execution.to_owned(), previous };
        // In a debug build the futures of the steps are too large for a thread's stack.
        Box::pin(preprocess::preprocess(&context, request)).await
    }

    /// Pre-processes as often as it takes.
    pub(super) async fn begin(&self, event: &Event, execution: &str) -> (RunRef, Vec<Lane>) {
        let mut previous = Value::Null;
        loop {
            match self.preprocess(event, execution, previous).await.unwrap() {
                PreprocessResponse::Ready { run, lanes } => return (run, lanes),
                leased @ PreprocessResponse::Leased { .. } => {
                    previous = serde_json::to_value(&leased).unwrap();
                    self.wait(previous["wait_seconds"].as_u64().unwrap());
                }
                paused => previous = serde_json::to_value(&paused).unwrap(),
            }
        }
    }

    /// A whole run: as in Step Functions, where a lane fails if a batch of it fails.
    pub(super) async fn run(&self, event: &Event, execution: &str) -> (RunRef, PostprocessResponse) {
        let (run, lanes) = self.begin(event, execution).await;
        let ended = self.finish(&run, lanes, execution).await;
        (run, ended)
    }

    /// Everything after pre-processing.
    pub(super) async fn finish(
        &self,
        run: &RunRef,
        lanes: Vec<Lane>,
        execution: &str,
    ) -> PostprocessResponse {
        for lane in lanes {
            if let Err(error) = self.work(run, &lane).await {
                let stopped = CaughtError { error: error.name.to_string(), cause: error.message };
                let request = StopRequest { run: run.clone(), lane: lane.clone(), stopped };
                worker::stop(&self.worker, request).await.unwrap();
            }
            let request = EndLaneRequest { run: run.clone(), ended: lane };
            worker::end_lane(&self.worker, request).await.unwrap();
        }
        self.end(run, execution).await
    }

    async fn work(&self, run: &RunRef, lane: &Lane) -> Result<(), StepError> {
        let manifest = self.objects.get(&lane.manifest).await.unwrap();
        for batch in serde_json::from_slice::<Vec<Batch>>(&manifest).unwrap() {
            let pace = Pace::default();
            let mut request = WorkRequest { run: run.clone(), lane: lane.clone(), batch, pace, wait: None };
            while let WorkResponse::Paused { request: next, wait_seconds } =
                Box::pin(worker::work(&self.worker, request)).await?
            {
                if next.wait.is_some() {
                    // The lane of the other job ends meanwhile.
                    let limit = lane.limit.as_deref().unwrap();
                    self.objects.delete(&keys::limit_lease(limit)).await.unwrap();
                    self.wait(wait_seconds);
                }
                request = next;
            }
        }
        Ok(())
    }

    pub(super) async fn end(&self, run: &RunRef, execution: &str) -> PostprocessResponse {
        let mut previous = Value::Null;
        loop {
            let context = postprocess::Context { pause: self.pause(), ..self.postprocess.clone() };
            let request = PostprocessRequest { run: run.clone(), execution: execution.to_owned(), previous };
            match Box::pin(postprocess::postprocess(&context, request)).await.unwrap() {
                paused @ PostprocessResponse::Paused { .. } => {
                    previous = serde_json::to_value(&paused).unwrap();
                }
                ended => return ended,
            }
        }
    }

    pub(super) fn redrive(event: &Event, run: &RunRef) -> Event {
        let redrive = Redrive {
            run: run.id.clone(),
            generation: run.generation + 1,
            include_unknown: false,
            only: Vec::new(),
        };
        Event { redrive: Some(redrive), ..event.clone() }
    }

    fn wait(&self, seconds: u64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn pause(&self) -> CancellationToken {
        let pause = CancellationToken::new();
        if self.hurried.load(Ordering::SeqCst) {
            pause.cancel();
        }
        pause
    }
}
