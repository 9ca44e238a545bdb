//! Any Amazon States Language machine on this machine: the world that `throughline states` gives it.
//!
//! A task is answered by the first of these that knows it: the mocks ([`Mocks`]), then the services here, one file each.
//! What nobody can answer is said before the execution starts, see [`World::check`].

mod activities;
mod endpoints;
mod executions;
mod graph;
mod http;
mod mocks;
mod s3;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use engine::{Machine, ObjectError, ObjectInfo, Part, Resource, TaskCall, TaskError, TaskTokens};
use futures_util::stream::BoxStream;
use job::{Download, Objects, StorageError};
use serde_json::Value;
use time::OffsetDateTime;

pub use activities::Activities;
pub use endpoints::Endpoints;
pub use executions::Machines;
pub use graph::svg;
pub use http::{Http, Wire};
pub use mocks::Mocks;
pub use s3::at as s3_at;

use crate::exit::Wrong;
use crate::home::{Clock, Functions, WallClock, chunks};

/// What an execution finds outside itself. Clones share it.
#[derive(Clone)]
pub struct World {
    /// Where functions are called.
    pub functions: Option<Functions>,
    /// Answers instead of services.
    pub mocks: Option<Mocks>,
    /// The store of `aws-sdk:s3` and of Distributed Maps.
    pub s3: Client,
    /// What `http:invoke` may reach.
    pub http: Http,
    /// What the last `http:invoke` sent and got.
    pub wire: Wire,
    /// Other services, at URLs that the user named.
    pub endpoints: Endpoints,
    /// State machines that can be started.
    pub machines: Machines,
    /// Tasks that wait for a worker.
    pub activities: Activities,
    /// Tasks that wait for an outcome.
    pub tokens: TaskTokens,
}

impl World {
    /// What the machine's tasks need and nobody here has, one line each.
    pub fn check(&self, machine: &Machine) -> Vec<String> {
        let tasks = machine.tasks().into_iter();
        let unmocked = tasks.filter(|(state, _)| !self.mocks.as_ref().is_some_and(|mocks| mocks.has(state)));
        unmocked
            .filter_map(|(state, resource)| Some(format!("{state}: {resource}: {}", self.lacks(&resource)?)))
            .collect()
    }

    /// What is missing for this resource.
    fn lacks(&self, resource: &Resource) -> Option<String> {
        let Resource::Service { service, action, .. } = resource else {
            return match resource {
                Resource::Function(_) if self.functions.is_none() => Some(NO_FUNCTIONS.to_owned()),
                Resource::Activity(_) if !self.activities.served() => Some(NO_WORKERS.to_owned()),
                _ => None,
            };
        };
        let waits = resource.waits_for_token() && !self.activities.served();
        match (service.as_str(), action.as_str()) {
            ("lambda", "invoke") if self.functions.is_none() => Some(NO_FUNCTIONS.to_owned()),
            ("lambda", "invoke") | ("http", "invoke") | ("states", "startExecution") => {
                waits.then(|| NO_WORKERS.to_owned())
            }
            ("aws-sdk:s3", action) => s3::lacks(action),
            (service, _) => self.endpoints.lacks(service),
        }
    }
}

const NO_FUNCTIONS: &str =
    "there are no functions: name where they are with --functions URL, or mock the state (--mocks FILE)";
const NO_WORKERS: &str = "nobody can send the outcome: serve the API for workers and tokens with --port PORT, or mock the state (--mocks FILE)";

#[async_trait]
impl engine::Host for World {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let cancel = call.cancel.clone();
        tokio::select! {
            biased;
            answer = self.answer(call) => answer,
            // There is nothing to save.
            () = cancel.cancelled() => Err(TaskError::Interrupted),
        }
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        chunks_of(self.objects(bucket).read(key, None, None).await)
    }

    async fn read_version(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        chunks_of(self.objects(bucket).read_version(key, version).await)
    }

    async fn read_part(&self, bucket: &str, key: &str, part: Part) -> Result<(Bytes, u64), ObjectError> {
        s3::part(&self.objects(bucket), key, part).await.map_err(|error| ObjectError(error.to_string()))
    }

    async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        s3::page(&self.s3, bucket, prefix, after).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.objects(bucket).put(key, body).await.map(drop).map_err(|error| ObjectError(error.to_string()))
    }

    fn now(&self) -> OffsetDateTime {
        WallClock.now()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        WallClock.sleep_until(moment).await;
    }

    fn random(&self) -> f64 {
        rand::random()
    }

    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

impl World {
    async fn answer(&self, call: TaskCall) -> Result<Value, TaskError> {
        if let Some(answer) = self.mocks.as_ref().and_then(|mocks| mocks.answer(&call.state, call.attempt)) {
            return self.mocked(&call, answer);
        }
        match &call.resource {
            Resource::Activity(arn) => Ok(self.activities.offer(arn, &call).await),
            Resource::Function(_) => self.invoke(&call).await,
            Resource::Service { service, action, .. } => match (service.as_str(), action.as_str()) {
                ("lambda", "invoke") => self.invoke(&call).await,
                ("http", "invoke") => self.http.invoke(&call.parameters, &self.wire).await,
                ("states", "startExecution") => self.machines.start(self, &call).await,
                ("aws-sdk:s3", action) => s3::call(&self.s3, action, &call.parameters).await,
                (service, action) => self.endpoints.call(service, action, &call.parameters).await,
            },
        }
    }

    fn objects(&self, bucket: &str) -> Objects {
        Objects::new(self.s3.clone(), bucket)
    }

    async fn invoke(&self, call: &TaskCall) -> Result<Value, TaskError> {
        let Some(functions) = &self.functions else {
            return Err(error("Lambda.SdkClientException", NO_FUNCTIONS));
        };
        // The last part of an ARN that is not its version, or the plain name.
        let name = call.function();
        let name = name
            .split_once(":function:")
            .map_or(name, |(_, name)| name.split(':').next().unwrap_or_default());
        let payload = functions.invoke(name, call.payload()).await?;
        Ok(call.function_result(payload, &uuid::Uuid::new_v4().to_string()))
    }

    /// A mock stands for the service and for whoever sends the outcome of a token.
    fn mocked(&self, call: &TaskCall, answer: Result<Value, TaskError>) -> Result<Value, TaskError> {
        let Some(token) = &call.token else { return answer };
        let sent = match answer {
            Ok(output) => self.tokens.succeed(token, output),
            Err(TaskError::Error { error, cause }) => self.tokens.fail(token, &error, &cause),
            Err(interrupted) => return Err(interrupted),
        };
        sent.map(|()| Value::String("mock".into()))
            .map_err(|gone| error("States.TaskFailed", &gone.to_string()))
    }
}

fn chunks_of(
    object: Result<Download, StorageError>,
) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
    object.map(chunks).map_err(|error| ObjectError(error.to_string()))
}

fn error(name: &str, cause: &str) -> TaskError {
    TaskError::Error { error: name.to_owned(), cause: cause.to_owned() }
}

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shared by the services that are called over HTTP.
fn client() -> reqwest::Client {
    static CLIENT: std::sync::LazyLock<reqwest::Client> =
        std::sync::LazyLock::new(|| builder().build().expect("the settings are sound"));
    CLIENT.clone()
}

/// No service is asked elsewhere than where its URL says.
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(PATIENCE).no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// Of an answer, in bytes: the data of a state.
const LARGEST: usize = 256 * 1024;

/// An answer's body, which is given up as soon as it is larger than the data of a state.
async fn body(mut answer: reqwest::Response, service: &str) -> Result<Vec<u8>, TaskError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|cause| error("States.Http.Socket", &job::in_words(&cause)))?
    {
        if body.len() + chunk.len() > LARGEST {
            return Err(too_large(service));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(service: &str) -> TaskError {
    let cause = format!(
        "The state/task '{service}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    error("States.DataLimitExceeded", &cause)
}

/// A definition's text.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<String, Wrong> {
    std::fs::read_to_string(path).map_err(|error| Wrong::at(path, error))
}

/// The machine of the definition in a file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn compile(path: &Path, text: &str) -> Result<Arc<Machine>, Wrong> {
    let machine = engine::compile(text)
        .map_err(|problems| Wrong::at(path, format!("the definition is wrong:\n{problems}")))?;
    Ok(Arc::new(machine))
}

/// Runs a machine in a world of its own history.
///
/// # Errors
/// [`engine::Stop`]
pub async fn run(
    world: &Arc<World>,
    machine: Arc<Machine>,
    mut start: engine::Start,
    cancel: tokio_util::sync::CancellationToken,
) -> Result<engine::Outcome, engine::Stop> {
    start.tokens = world.tokens.clone();
    let journal = engine::Journal::in_memory().map_err(engine::Fault::from)?;
    engine::run(machine, start, world.clone(), journal, cancel).await
}
