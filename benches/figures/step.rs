//! A step's handler with a separate embedded S3.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use job::run::{
    Event, PostprocessRequest, PostprocessResponse, PreprocessRequest, PreprocessResponse, RunRef,
};
use job::{Environment, Objects, Plan, StepError, keys};
use serde_json::Value;
use tempfile::TempDir;
use throughline::local;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::distant::Distant;
use crate::process::Spent;
use crate::table::median;
use crate::{Bench, Measured};

const JOB: &str = "figures";
const EXECUTION: &str = "figures";

/// An embedded S3 with a job and an input, and a runtime like that of the command line.
pub(crate) struct Store {
    /// The client of the steps.
    client: aws_sdk_s3::Client,
    environment: Environment,
    /// The same store, always without a delay.
    pub(crate) objects: Objects,
    event: Event,
    runtime: Runtime,
    folder: TempDir,
}

impl Store {
    /// `job` is the text of the job file.
    pub(crate) fn new(bench: &Bench, job: &str, input: &Path) -> Measured<Self> {
        Self::distant(bench, job, input, Environment::Local, Duration::ZERO)
    }

    /// Each response of the store begins after `delay`.
    pub(crate) fn distant(
        bench: &Bench,
        job: &str,
        input: &Path,
        environment: Environment,
        delay: Duration,
    ) -> Measured<Self> {
        let folder = tempfile::tempdir_in(&bench.folder)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let client = s3::client(folder.path())?;
        let objects = Objects::new(client.clone(), s3::BUCKET);
        let event = Event::object_created(s3::BUCKET, "", 0, None, "");
        let client = if delay.is_zero() { client } else { delayed(&client, delay)? };
        let mut store = Self { client, environment, objects, event, runtime, folder };
        store.replace(job, input)?;
        Ok(store)
    }

    /// Another job and another input of the same name.
    pub(crate) fn replace(&mut self, job: &str, input: &Path) -> Measured<()> {
        let name = input.file_name().and_then(|name| name.to_str()).ok_or("the input has no name")?;
        let key = keys::input(JOB, name);
        s3::link_object(self.folder.path(), s3::BUCKET, &key, input)?;
        self.wait(self.objects.put(&keys::job_file(JOB), job.to_owned()))?;
        let facts = self.wait(self.objects.head(&key))?;
        let etag = facts.etag.trim_matches('"').to_owned();
        self.event = Event::object_created(s3::BUCKET, &key, facts.size, Some(etag.clone()), &etag);
        Ok(())
    }

    pub(crate) fn plan(&self, run: &RunRef) -> Measured<Plan> {
        Ok(serde_json::from_slice(&self.wait(self.objects.get(&run.keys().plan()))?)?)
    }

    pub(crate) fn output_bytes(&self, run: &RunRef) -> Measured<u64> {
        let key = postprocess::output_key(run, &self.plan(run)?);
        Ok(self.wait(self.objects.head(&key))?.size)
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn preprocess(&self) -> Measured<RunRef> {
        let context = preprocess::Context {
            s3: self.client.clone(),
            executions: Arc::new(NoOthers),
            progress: Arc::new(|_, _| {}),
            now: Arc::new(local::now),
            lease_wait: Duration::from_secs(1),
            environment: self.environment,
            interactive: false,
            check: None,
            held: preprocess::HeldSplits::default(),
            stop: CancellationToken::new(),
            pause: CancellationToken::new(),
        };
        let request = PreprocessRequest {
            event: self.event.clone(),
            execution: EXECUTION.to_owned(),
            previous: Value::Null,
        };
        match self.wait(preprocess::preprocess(&context, request))? {
            PreprocessResponse::Ready { run, .. } => Ok(run),
            other => Err(format!("not split: {other:?}").into()),
        }
    }

    /// Says how many lines succeeded.
    pub(crate) fn postprocess(&self, run: &RunRef) -> Measured<u64> {
        let context = postprocess::Context {
            s3: self.client.clone(),
            settings: match self.environment {
                Environment::Local => postprocess::Settings::default(),
                Environment::Aws => postprocess::Settings::FUNCTION,
            },
            stop: CancellationToken::new(),
            pause: CancellationToken::new(),
            progress: None,
            now: Arc::new(local::now),
        };
        let request =
            PostprocessRequest { run: run.clone(), execution: EXECUTION.to_owned(), previous: Value::Null };
        match self.wait(postprocess::postprocess(&context, request))? {
            PostprocessResponse::Succeeded { ok, .. } => Ok(ok),
            other => Err(format!("not merged: {other:?}").into()),
        }
    }
}

fn delayed(client: &aws_sdk_s3::Client, delay: Duration) -> Measured<aws_sdk_s3::Client> {
    let inner = client.config().http_client().ok_or("the client has no HTTP client")?;
    let config = client.config().to_builder().http_client(Distant { inner, delay });
    Ok(aws_sdk_s3::Client::from_conf(config.build()))
}

struct NoOthers;

#[async_trait]
impl preprocess::Executions for NoOthers {
    async fn ended(&self, _execution: &str) -> Result<bool, StepError> {
        Ok(true)
    }
}

/// Megabytes a second, of a core's time and of the clock's.
#[derive(Default)]
pub(crate) struct Speed {
    core: Vec<f64>,
    clock: Vec<f64>,
}

impl Speed {
    #[expect(clippy::cast_precision_loss, reason = "bytes of a file")]
    pub(crate) fn add(&mut self, bytes: u64, spent: Spent) {
        self.core.push(bytes as f64 / 1e6 / spent.cpu);
        self.clock.push(bytes as f64 / 1e6 / spent.wall);
    }

    pub(crate) fn medians(self) -> (f64, f64) {
        (median(self.core), median(self.clock))
    }
}
