//! A host whose tasks follow the seed, with a clock that jumps. It can hang or cancel the execution at an
//! event.

mod calls;
mod post;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::{Host, MapRunStatus, ObjectError, ObjectInfo, TaskCall, TaskError, TaskTokens};
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::generator::{CAUSE, ENDLESS, ERROR, Loop, MapPlan, Workflow};
use crate::rng::Rng;
use calls::{Calls, GivenUp};
pub(crate) use post::Fate;
use post::Post;
use store::StoreLog;
pub(crate) use store::place;

/// What happens at an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cut {
    Crash,
    Cancel,
}

/// The lifetime of one process.
struct Life {
    begun: OffsetDateTime,
    clock: Instant,
    cut: Option<(u64, Cut)>,
    cancel: CancellationToken,
    hung: CancellationToken,
    tokens: TaskTokens,
    /// The number of events before this process.
    number: u64,
}

pub(crate) struct Simulated {
    me: Weak<Simulated>,
    seed: u64,
    maps: BTreeMap<String, MapPlan>,
    loops: BTreeMap<String, Loop>,
    foul_weather: bool,
    pub(crate) objects: Mutex<BTreeMap<String, Bytes>>,
    life: Mutex<Option<Life>>,
    events: AtomicU64,
    uuids: AtomicU64,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) store: Mutex<StoreLog>,
    pub(crate) post: Mutex<Post>,
    pub(crate) map_runs: Mutex<Vec<Arc<MapRunStatus>>>,
}

impl Simulated {
    pub(crate) fn new(seed: u64, workflow: &Workflow) -> Arc<Self> {
        let objects =
            workflow.objects.iter().map(|(place, body)| (place.clone(), Bytes::from(body.clone()))).collect();
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            seed,
            maps: workflow.maps.clone(),
            loops: workflow.loops.clone(),
            foul_weather: workflow.foul_weather,
            objects: Mutex::new(objects),
            life: Mutex::default(),
            events: AtomicU64::new(0),
            uuids: AtomicU64::new(0),
            calls: Mutex::default(),
            store: Mutex::default(),
            post: Mutex::default(),
            map_runs: Mutex::default(),
        })
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(SeqCst)
    }

    /// Begins a process, later than the one before. The returned token is cancelled when the host hangs.
    pub(crate) fn begin(&self, cut: Option<(u64, Cut)>, cancel: CancellationToken) -> CancellationToken {
        let hung = CancellationToken::new();
        let first = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let mut life = self.life.lock().unwrap();
        let begun = life.as_ref().map_or(first, |life| life.begun + Duration::from_secs(7));
        let number = life.as_ref().map_or(0, |life| life.number + 1);
        let tokens = TaskTokens::default();
        *life = Some(Life { begun, clock: Instant::now(), cut, cancel, hung: hung.clone(), tokens, number });
        drop(life);
        self.carry_all();
        hung
    }

    /// Ends the process; the clock keeps its time.
    pub(crate) fn end(&self) {
        let now = self.now();
        self.life.lock().unwrap().as_mut().unwrap().begun = now;
        let mut calls = self.calls.lock().unwrap();
        let cut_off = std::mem::take(&mut calls.under_way);
        calls.repeatable.extend(cut_off);
    }

    /// The time at which the last process ended.
    pub(crate) fn stopped(&self) -> OffsetDateTime {
        self.life.lock().unwrap().as_ref().unwrap().begun
    }

    /// Lets the time pass while no process runs.
    pub(crate) fn sleep_to(&self, moment: OffsetDateTime) {
        let mut life = self.life.lock().unwrap();
        let life = life.as_mut().unwrap();
        life.begun = life.begun.max(moment);
    }

    /// Forgets the calls and the tokens before a redrive.
    pub(crate) fn redrive(&self) {
        self.calls.lock().unwrap().forget();
        self.post.lock().unwrap().forget();
    }

    /// Violations found so far.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let (calls, post) = (self.calls.lock().unwrap(), self.post.lock().unwrap());
        calls.wrong.iter().chain(&post.wrong).cloned().collect()
    }

    fn lives(&self) -> u64 {
        self.life.lock().unwrap().as_ref().unwrap().number
    }

    async fn event(&self) {
        self.event_in(|_| {}).await;
    }

    /// An event that receives the crash before it happens.
    async fn event_in(&self, crashes: impl FnOnce(&Simulated)) {
        let event = self.events.fetch_add(1, SeqCst) + 1;
        let cut = self
            .life
            .lock()
            .unwrap()
            .as_ref()
            .and_then(|life| Some((life.cut?, life.cancel.clone(), life.hung.clone())));
        match cut {
            Some(((at, Cut::Crash), _, hung)) if event >= at => {
                if !hung.is_cancelled() {
                    crashes(self);
                }
                hung.cancel();
                std::future::pending::<()>().await;
            }
            Some(((at, Cut::Cancel), cancel, _)) if event >= at => cancel.cancel(),
            _ => {}
        }
    }

    async fn work(&self, call: &TaskCall, name: &str) -> Result<Value, TaskError> {
        let mut rng = Rng::new((self.seed, name, call.payload().to_string()));
        let duration = Duration::from_millis(rng.below(3_000) + 1);
        let fate = rng.below(100);
        if call.state.starts_with(ENDLESS) || (call.timeout.is_some() && fate >= 90) {
            // A cancellation also ends it.
            call.cancel.cancelled().await;
            return Err(TaskError::Interrupted);
        }
        let gives_up = rng.percent(50);
        tokio::select! {
            biased;
            () = tokio::time::sleep(duration) => {}
            () = call.cancel.cancelled(), if gives_up => return Err(TaskError::Interrupted),
        }
        self.event().await;
        match fate {
            0..18 => Err(TaskError::Error { error: ERROR.into(), cause: CAUSE.into() }),
            _ => Ok(json!({"id": call.payload()["id"], "n": rng.below(100)})),
        }
    }
}

#[async_trait]
impl Host for Simulated {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let id = call.payload()["id"].as_str().unwrap_or_default();
        let name = format!("{} {id} {}", call.state, call.attempt);
        self.calls.lock().unwrap().begin(&name);
        self.calls.lock().unwrap().turn(id, &self.loops);
        let _given_up = GivenUp { host: self, name: &name };
        self.event().await;
        let result = match &call.token {
            Some(token) => self.with_token(&call, &name, token).await,
            None => self.work(&call, &name).await,
        };
        self.calls.lock().unwrap().end(&name, &result);
        result.map(|payload| call.function_result(payload, "request"))
    }

    async fn read_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        self.read(bucket, key).await
    }

    async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.list(bucket, prefix, after).await
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.write(bucket, key, body).await
    }

    fn map_run(&self, run: &Arc<MapRunStatus>) {
        self.map_runs.lock().unwrap().push(run.clone());
    }

    fn now(&self) -> OffsetDateTime {
        let life = self.life.lock().unwrap();
        let life = life.as_ref().unwrap();
        life.begun + life.clock.elapsed()
    }

    /// The runtime's clock jumps when all tasks are waiting.
    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        // This is the time limit of an execution. A run that hangs must be detected, and not be timed out.
        if left > time::Duration::days(300) {
            std::future::pending().await
        }
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        self.event().await;
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.uuids.fetch_add(1, SeqCst))
    }

    fn token(&self, _: &str, attempt: &[u8]) -> String {
        let token = self.uuid();
        self.post.lock().unwrap().give(&token, attempt);
        token
    }
}
