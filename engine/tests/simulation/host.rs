//! A host whose tasks do what the seed says, on a clock that jumps, and that can hang or have its
//! execution cancelled at an event.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::{Host, MapRunStatus, ObjectError, TaskCall, TaskError};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;
use crate::generator::{CAUSE, ENDLESS, ERROR};

/// What happens at an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cut {
    Crash,
    Cancel,
}

/// One process's time.
struct Life {
    begun: OffsetDateTime,
    clock: Instant,
    cut: Option<(u64, Cut)>,
    cancel: CancellationToken,
    hung: CancellationToken,
}

pub(crate) struct Simulated {
    seed: u64,
    pub(crate) objects: Mutex<BTreeMap<String, Bytes>>,
    life: Mutex<Option<Life>>,
    events: AtomicU64,
    uuids: AtomicU64,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) map_runs: Mutex<Vec<Arc<MapRunStatus>>>,
}

/// The calls of tasks, each known by state, id and attempt.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) made: u64,
    pub(crate) repeated: u64,
    begun: BTreeSet<String>,
    under_way: BTreeSet<String>,
    /// They gave a result, which nobody may ask for again.
    succeeded: BTreeSet<String>,
    /// Cut off, or failed so that it may not be recorded yet what came of it.
    repeatable: BTreeSet<String>,
    pub(crate) wrong: Vec<String>,
}

impl Simulated {
    pub(crate) fn new(seed: u64, objects: &BTreeMap<String, String>) -> Arc<Simulated> {
        let objects = objects.iter().map(|(place, body)| (place.clone(), Bytes::from(body.clone()))).collect();
        Arc::new(Simulated {
            seed,
            objects: Mutex::new(objects),
            life: Mutex::default(),
            events: AtomicU64::new(0),
            uuids: AtomicU64::new(0),
            calls: Mutex::default(),
            map_runs: Mutex::default(),
        })
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(SeqCst)
    }

    /// A process begins, later than the one before it. What is given back is cancelled when the host hangs.
    pub(crate) fn begin(&self, cut: Option<(u64, Cut)>, cancel: CancellationToken) -> CancellationToken {
        let hung = CancellationToken::new();
        let first = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let mut life = self.life.lock().unwrap();
        let begun = life.as_ref().map_or(first, |life| life.begun + Duration::from_secs(7));
        *life = Some(Life { begun, clock: Instant::now(), cut, cancel, hung: hung.clone() });
        hung
    }

    /// The process has come to its end: the clock stays where it is.
    pub(crate) fn end(&self) {
        let now = self.now();
        self.life.lock().unwrap().as_mut().unwrap().begun = now;
        let mut calls = self.calls.lock().unwrap();
        let cut_off = std::mem::take(&mut calls.under_way);
        calls.repeatable.extend(cut_off);
    }

    async fn event(&self) {
        let event = self.events.fetch_add(1, SeqCst) + 1;
        let cut = self.life.lock().unwrap().as_ref().and_then(|life| Some((life.cut?, life.cancel.clone(), life.hung.clone())));
        match cut {
            Some(((at, Cut::Crash), _, hung)) if event >= at => {
                hung.cancel();
                std::future::pending::<()>().await;
            }
            Some(((at, Cut::Cancel), cancel, _)) if event >= at => cancel.cancel(),
            _ => {}
        }
    }

    async fn work(&self, call: &TaskCall, name: &str) -> Result<Value, TaskError> {
        let mut dice = Dice::new((self.seed, name, call.payload().to_string()));
        let duration = Duration::from_millis(dice.below(3_000) + 1);
        let fate = dice.below(100);
        if call.state.starts_with(ENDLESS) || (call.timeout.is_some() && fate >= 90) {
            // A cancellation ends it, too.
            call.cancel.cancelled().await;
            return Err(TaskError::Interrupted);
        }
        let gives_up = dice.percent(50);
        tokio::select! {
            biased;
            () = tokio::time::sleep(duration) => {}
            () = call.cancel.cancelled(), if gives_up => return Err(TaskError::Interrupted),
        }
        self.event().await;
        match fate {
            0..18 => Err(TaskError::Error { error: ERROR.into(), cause: CAUSE.into() }),
            _ => Ok(json!({"id": call.payload()["id"], "n": dice.below(100)})),
        }
    }
}

#[async_trait]
impl Host for Simulated {
    async fn task(&self, call: TaskCall) -> Result<Value, TaskError> {
        let id = call.payload()["id"].as_str().unwrap_or_default();
        let name = format!("{} {id} {}", call.state, call.attempt);
        self.calls.lock().unwrap().begin(&name);
        let _given_up = GivenUp { host: self, name: &name };
        self.event().await;
        let result = self.work(&call, &name).await;
        self.calls.lock().unwrap().end(&name, &result);
        result.map(|payload| call.function_result(payload, "request"))
    }

    async fn read_object(&self, bucket: &str, key: &str) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        self.event().await;
        let body = self.objects.lock().unwrap().get(&format!("{bucket}/{key}")).cloned();
        let body = body.ok_or_else(|| ObjectError(format!("no object {key}")))?;
        let chunks: Vec<_> = body.chunks(11).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(stream::iter(chunks).boxed())
    }

    async fn write_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.event().await;
        self.objects.lock().unwrap().insert(format!("{bucket}/{key}"), body);
        // Written, and nobody knows it.
        self.event().await;
        Ok(())
    }

    fn map_run(&self, run: &Arc<MapRunStatus>) {
        self.map_runs.lock().unwrap().push(run.clone());
    }

    fn now(&self) -> OffsetDateTime {
        let life = self.life.lock().unwrap();
        let life = life.as_ref().unwrap();
        life.begun + life.clock.elapsed()
    }

    /// The runtime's clock jumps when everybody waits.
    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        self.event().await;
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.uuids.fetch_add(1, SeqCst))
    }
}

impl Calls {
    fn begin(&mut self, name: &str) {
        self.made += 1;
        if self.succeeded.contains(name) {
            self.wrong.push(format!("a task that had given its result was called again: {name}"));
        }
        if !self.begun.insert(name.to_owned()) {
            self.repeated += 1;
            if !self.repeatable.contains(name) {
                self.wrong.push(format!("a task that was not under way was called again: {name}"));
            }
        }
        self.under_way.insert(name.to_owned());
    }

    fn end(&mut self, name: &str, result: &Result<Value, TaskError>) {
        self.under_way.remove(name);
        match result {
            Ok(_) => self.succeeded.insert(name.to_owned()),
            Err(_) => self.repeatable.insert(name.to_owned()),
        };
    }
}

/// A call whose future is dropped was given up; in a crash, the snapshot was made before.
struct GivenUp<'a> {
    host: &'a Simulated,
    name: &'a str,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let mut calls = self.host.calls.lock().unwrap();
        // A branch beside it failed, which may not be recorded yet.
        if calls.under_way.remove(self.name) {
            calls.repeatable.insert(self.name.to_owned());
        }
    }
}
