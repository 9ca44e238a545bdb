//! A host with scripted tasks, objects in memory, and a clock that moves when somebody sleeps.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use engine::{
    Host, Journal, MapRunStatus, ObjectError, ObjectInfo, Outcome, Start, Stop, TaskCall, TaskError,
};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) type Script = Box<dyn Fn(&TaskCall) -> Result<Value, TaskError> + Send + Sync>;

pub(crate) struct Fake {
    script: Script,
    pub(crate) objects: Mutex<BTreeMap<String, Bytes>>,
    pub(crate) calls: Mutex<Vec<TaskCall>>,
    pub(crate) sleeps: Mutex<Vec<OffsetDateTime>>,
    now: Mutex<OffsetDateTime>,
    uuids: AtomicU64,
    /// The number of events (calls and sleeps) so far, and the event at which the host hangs.
    events: AtomicU64,
    pub(crate) hangs_at: AtomicU64,
    pub(crate) hung: Notify,
    pub(crate) running: AtomicU64,
    pub(crate) most_running: AtomicU64,
    /// Whether the time limit of an execution, a year, can pass. A journal in a file answers from another
    /// thread, and the paused clock would jump to the end of the year meanwhile.
    pub(crate) years: AtomicBool,
    /// The execution and the key of each attempt that has a token.
    pub(crate) attempts: Mutex<Vec<(String, Vec<u8>)>>,
    pub(crate) map_runs: Mutex<Vec<Arc<MapRunStatus>>>,
    /// Buckets that cannot be written to.
    pub(crate) closed: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn new(
        script: impl Fn(&TaskCall) -> Result<Value, TaskError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            objects: Mutex::default(),
            calls: Mutex::default(),
            sleeps: Mutex::default(),
            now: Mutex::new(OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap()),
            uuids: AtomicU64::new(0),
            events: AtomicU64::new(0),
            hangs_at: AtomicU64::new(u64::MAX),
            hung: Notify::new(),
            running: AtomicU64::new(0),
            most_running: AtomicU64::new(0),
            years: AtomicBool::new(false),
            attempts: Mutex::default(),
            map_runs: Mutex::default(),
            closed: Mutex::default(),
        })
    }

    /// A host whose only function returns its payload.
    pub(crate) fn echo() -> Arc<Self> {
        Fake::new(|call| Ok(call.payload().clone()))
    }

    pub(crate) fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.objects.lock().unwrap().insert(format!("{bucket}/{key}"), body.into());
    }

    pub(crate) fn json(&self, place: &str) -> Value {
        serde_json::from_slice(&self.objects.lock().unwrap()[place]).unwrap()
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.now.lock().unwrap() += time::Duration::seconds(seconds);
    }

    async fn event(&self) {
        if self.events.fetch_add(1, Ordering::SeqCst) + 1 >= self.hangs_at.load(Ordering::SeqCst) {
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Host for Fake {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        self.event().await;
        tokio::task::yield_now().await;
        self.calls.lock().unwrap().push(call.clone());
        self.running.fetch_sub(1, Ordering::SeqCst);
        (self.script)(&call).map(|payload| call.function_result(payload, "request"))
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        let body = self.objects.lock().unwrap().get(&format!("{bucket}/{key}")).cloned();
        let body = body.ok_or_else(|| ObjectError(format!("no object {key}")))?;
        let chunks: Vec<_> = body.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(stream::iter(chunks).boxed())
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        if self.closed.lock().unwrap().iter().any(|closed| closed == bucket) {
            return Err(ObjectError(format!("no access to {bucket}")));
        }
        self.event().await;
        self.put(bucket, key, body);
        Ok(())
    }

    async fn read_version(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        self.read_object(bucket, &format!("{key}?versionId={version}")).await
    }

    /// A page has two objects.
    async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let objects = self.objects.lock().unwrap();
        let listed = objects.iter().filter_map(|(place, body)| {
            let key = place.strip_prefix(bucket)?.strip_prefix('/')?;
            let wanted = key.starts_with(prefix) && after.is_none_or(|after| key > after);
            wanted.then(|| ObjectInfo {
                key: key.into(),
                size: body.len() as u64,
                etag: format!("\"{:x}\"", body.len()),
                last_modified: OffsetDateTime::from_unix_timestamp(1_668_699_881).unwrap(),
                storage_class: "STANDARD".into(),
            })
        });
        Ok(listed.take(2).collect())
    }

    fn map_run(&self, run: &Arc<MapRunStatus>) {
        self.map_runs.lock().unwrap().push(run.clone());
    }

    fn now(&self) -> OffsetDateTime {
        *self.now.lock().unwrap()
    }

    /// The runtime's clock does not move while any task can run, so that earlier events happen first.
    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        if left > time::Duration::days(300) && !self.years.load(Ordering::SeqCst) {
            std::future::pending().await
        }
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        self.event().await;
        self.sleeps.lock().unwrap().push(moment);
        let mut now = self.now.lock().unwrap();
        *now = moment.max(*now);
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.uuids.fetch_add(1, Ordering::SeqCst))
    }

    fn token(&self, execution: &str, attempt: &[u8]) -> String {
        self.attempts.lock().unwrap().push((execution.to_owned(), attempt.to_vec()));
        self.uuid()
    }
}

type AsyncScript = Box<dyn Fn(TaskCall) -> BoxFuture<'static, Result<Value, TaskError>> + Send + Sync>;

/// A [`Fake`] whose tasks await something.
pub(crate) struct Awaiting {
    fake: Arc<Fake>,
    task: AsyncScript,
}

impl Awaiting {
    pub(crate) fn new<F: Future<Output = Result<Value, TaskError>> + Send + 'static>(
        fake: &Arc<Fake>,
        task: impl Fn(TaskCall) -> F + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { fake: fake.clone(), task: Box::new(move |call| task(call).boxed()) })
    }
}

#[async_trait]
impl Host for Awaiting {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        (self.task)(call).await
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        self.fake.read_object(bucket, key).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.fake.write_object(bucket, key, body).await
    }

    fn map_run(&self, run: &Arc<MapRunStatus>) {
        self.fake.map_run(run);
    }

    fn now(&self) -> OffsetDateTime {
        self.fake.now()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        self.fake.sleep_until(moment).await;
    }

    fn random(&self) -> f64 {
        self.fake.random()
    }

    fn uuid(&self) -> String {
        self.fake.uuid()
    }
}

pub(crate) fn start(input: Value) -> Start {
    Start::new("arn:aws:states:eu-west-1:000000000000:execution:machine:one", input)
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs a definition from start to end.
pub(crate) fn run(definition: &str, input: Value, host: &Arc<Fake>) -> Result<Outcome, Stop> {
    run_on(definition, input, host, &Journal::in_memory().unwrap())
}

pub(crate) fn run_on(
    definition: &str,
    input: Value,
    host: &Arc<Fake>,
    journal: &Journal,
) -> Result<Outcome, Stop> {
    let machine = engine::compile(definition).unwrap_or_else(|problems| panic!("{problems}\n{definition}"));
    block_on(engine::run(
        Arc::new(machine),
        start(input),
        host.clone(),
        journal.clone(),
        CancellationToken::new(),
    ))
}
