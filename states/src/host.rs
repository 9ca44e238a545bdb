//! The engine's host: a store, a clock, and the services that do the tasks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::{
    Machine, MapRunStatus, ObjectError, ObjectInfo, Part, Resource, TaskCall, TaskError, TaskTokens,
};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use job::store::StorageErrorKind;
use job::{Download, Objects, StorageError};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, WallClock};
use crate::error::task_error;
use crate::services::{self, Service, Support};
use crate::store::Store;

/// The engine's view of this machine. Clones share it.
#[derive(Clone)]
pub struct Host {
    services: Arc<[Arc<dyn Service>]>,
    store: Store,
    clock: Arc<dyn Clock>,
    tokens: TaskTokens,
    /// Whether the API is served, so that workers can send the outcome of a token.
    tokens_served: bool,
    retry_waits: &'static [Duration],
    disk_full: Option<DiskFull>,
    map_runs: Option<MapRunListener>,
    waiting: Option<WaitListener>,
}

/// Is called when a Map Run begins or is continued.
pub type MapRunListener = Arc<dyn Fn(&Arc<MapRunStatus>) + Send + Sync>;

/// Is called before a task is handed over whose outcome comes by token. After a crash it may be called again with the same
/// token.
pub type WaitListener = Arc<dyn Fn(&TaskCall) + Send + Sync>;

impl Host {
    /// A host with the system's clock. A task goes to the first of the services that supports it.
    pub fn new(store: impl Into<Store>, services: Vec<Arc<dyn Service>>) -> Self {
        Self {
            services: services.into(),
            store: store.into(),
            clock: Arc::new(WallClock),
            tokens: TaskTokens::default(),
            tokens_served: false,
            retry_waits: &[],
            disk_full: None,
            map_runs: None,
            waiting: None,
        }
    }

    /// Uses another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Uses these tokens for tasks whose outcome is sent. `served` says whether workers can send it.
    #[must_use]
    pub fn with_tokens(self, tokens: TaskTokens, served: bool) -> Self {
        Self { tokens, tokens_served: served, ..self }
    }

    /// Tells a listener about the Map Runs of the executions.
    #[must_use]
    pub fn with_map_runs(self, listener: MapRunListener) -> Self {
        Self { map_runs: Some(listener), ..self }
    }

    /// Tells a listener about the tasks whose outcome comes by token.
    #[must_use]
    pub fn with_waiting(self, listener: WaitListener) -> Self {
        Self { waiting: Some(listener), ..self }
    }

    /// Retries reads and writes of objects after these waits while the store is unavailable, and reports a
    /// full disk to `disk_full`.
    #[must_use]
    pub fn with_store_retries(self, retry_waits: &'static [Duration], disk_full: DiskFull) -> Self {
        Self { retry_waits, disk_full: Some(disk_full), ..self }
    }

    /// The tasks of a machine that this host cannot do, one line each.
    pub fn missing(&self, machine: &Machine) -> Vec<String> {
        let tasks = machine.tasks().into_iter();
        tasks
            .filter_map(|(state, resource)| {
                Some(format!("{state}: {resource}: {}", self.why_not(&state, &resource)?))
            })
            .collect()
    }

    /// Why the task of a state cannot be done, if it cannot.
    fn why_not(&self, state: &str, resource: &Resource) -> Option<String> {
        let (service, support) = self.service(state, resource);
        match support {
            Support::No => Some(NO_SERVICE.to_owned()),
            Support::Missing(what) => Some(what),
            Support::Yes => {
                let waits = resource.waits_for_token() && !self.tokens_served;
                let waits = waits && !service.is_some_and(|service| service.sends_outcomes());
                waits.then(|| NO_WORKERS.to_owned())
            }
        }
    }

    fn service(&self, state: &str, resource: &Resource) -> (Option<&Arc<dyn Service>>, Support) {
        for service in self.services.iter() {
            match service.support(state, resource) {
                Support::No => {}
                support => return (Some(service), support),
            }
        }
        (None, Support::No)
    }

    /// The tokens of tasks that wait for an outcome.
    pub fn tokens(&self) -> &TaskTokens {
        &self.tokens
    }

    /// Whether a machine reads or writes objects of the store, as far as its definition says.
    pub fn uses_store(&self, machine: &Machine) -> bool {
        let by_task = |(state, resource): (String, Resource)| {
            self.service(&state, &resource).0.is_some_and(|service| service.uses_store())
        };
        machine.uses_objects() || machine.tasks().into_iter().any(by_task)
    }

    /// The objects of a bucket. Opens the store.
    async fn objects(&self, bucket: &str) -> Result<Objects, ObjectError> {
        Ok(Objects::new(self.store.client().await?, bucket))
    }

    /// Reads or writes an object, with retries while the store is unavailable.
    async fn retry_unavailable<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ObjectError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let mut waits = self.retry_waits.iter();
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match (waits.next(), &self.disk_full) {
                (Some(wait), _) if error.kind == StorageErrorKind::Unavailable => {
                    tracing::warn!(%error, "trying again");
                    self.clock.sleep_until(self.clock.now() + *wait).await;
                }
                (_, Some(disk_full)) if error.kind == StorageErrorKind::Full => {
                    return disk_full.report(error.to_string()).await;
                }
                _ => return Err(ObjectError(error.to_string())),
            }
        }
    }
}

const NO_SERVICE: &str = "the service is not on this machine: mock the state (--mocks FILE)";
const NO_WORKERS: &str = "the outcome cannot be sent: serve the API for workers and tokens with --port PORT, or mock the state (--mocks FILE)";

#[async_trait]
impl engine::Host for Host {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let (service, support) = self.service(&call.state, &call.resource);
        let service = match (service, support) {
            (Some(service), Support::Yes) => service,
            (_, Support::Missing(what)) => return Err(task_error("States.Runtime", &what)),
            _ => return Err(task_error("States.Runtime", NO_SERVICE)),
        };
        if let Some(listener) = self.waiting.as_ref().filter(|_| call.resource.waits_for_token()) {
            listener(&call);
        }
        if service.ends_on_cancel() {
            return service.call(self, &call).await;
        }
        tokio::select! {
            biased;
            result = service.call(self, &call) => result,
            () = call.cancel.cancelled() => Err(TaskError::Interrupted),
        }
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        let objects = self.objects(bucket).await?;
        Ok(chunks(self.retry_unavailable(|| objects.read(key, None, None)).await?))
    }

    async fn read_version(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        let objects = self.objects(bucket).await?;
        Ok(chunks(self.retry_unavailable(|| objects.read_version(key, version)).await?))
    }

    async fn read_part(&self, bucket: &str, key: &str, part: Part) -> Result<(Bytes, u64), ObjectError> {
        let objects = self.objects(bucket).await?;
        self.retry_unavailable(|| services::s3::part(&objects, key, part.clone())).await
    }

    async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        services::s3::page(&self.store.client().await?, bucket, prefix, after).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        let objects = self.objects(bucket).await?;
        self.retry_unavailable(|| objects.put(key, body.clone())).await.map(drop)
    }

    fn map_run(&self, status: &Arc<MapRunStatus>) {
        if let Some(listener) = &self.map_runs {
            listener(status);
        }
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

/// The content of an object as the stream that the engine reads.
fn chunks(object: Download) -> BoxStream<'static, io::Result<Bytes>> {
    let chunks =
        stream::try_unfold(object, async |mut object| Ok(object.next().await?.map(|chunk| (chunk, object))));
    chunks.map_err(|error: StorageError| io::Error::other(error)).boxed()
}

/// The signal that the disk is full. Every task would find it full, so the whole execution is stopped where
/// it is. Clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct DiskFull(Arc<watch::Sender<Option<String>>>);

impl DiskFull {
    /// Reports the store's message and never returns: the execution is ended by the code that waits for
    /// [`DiskFull::reported`].
    pub async fn report<T>(&self, message: String) -> T {
        self.0.send_replace(Some(message));
        std::future::pending().await
    }

    /// Waits until a full disk is reported. Returns the store's message.
    pub async fn reported(&self) -> String {
        let mut receiver = self.0.subscribe();
        let message = receiver.wait_for(Option::is_some).await.map(|message| message.clone());
        match message {
            Ok(Some(message)) => message,
            _ => std::future::pending().await,
        }
    }
}

/// Runs a machine, with its journal in memory.
///
/// # Errors
/// [`engine::Stop`]
pub async fn run(
    host: &Host,
    machine: Arc<Machine>,
    mut start: engine::Start,
    cancel: CancellationToken,
) -> Result<engine::Outcome, engine::Stop> {
    start.tokens = host.tokens.clone();
    let journal = engine::Journal::in_memory().map_err(engine::Fault::from)?;
    engine::run(machine, start, Arc::new(host.clone()), journal, cancel).await
}
