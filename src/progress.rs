//! How far a run is: counted by the steps, shown by [`show`].

mod bars;
mod json;
mod plain;
mod rows;
mod show;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use job::run::RunRef;
use job::{LaneKind, Objects, Plan, SegmentKey, StepError};
use serde::Serialize;

pub use show::{Style, show};

/// What the steps have counted so far.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<Phase>,
    elsewhere: bool,
    stopping: AtomicBool,
    lanes: RwLock<Vec<Arc<Lane>>>,
    by_name: RwLock<HashMap<String, Arc<Lane>>>,
    split_lines: AtomicU64,
    split_bytes: AtomicU64,
    merged_lines: AtomicU64,
    batches: Mutex<Option<Batches>>,
    queue: Mutex<Option<Queue>>,
    sent: AtomicBool,
    done_before: AtomicU64,
}

/// Batches of a run on AWS, as its Map Runs count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// Of the lanes that have begun.
    pub total: u64,
    /// Child executions that ended well.
    pub done: u64,
    /// Those that did not.
    pub failed: u64,
    /// Those under way, paused ones too.
    pub running: u64,
}

/// Who has the turn that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// The run, JOB/ID; not known when it was aborted and this run has its turn next.
    pub holder: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub since: Option<String>,
    /// It has ended, and the turn is taken over at the next look.
    pub ended: bool,
    /// When its turn is over, where that is known: RFC 3339 in UTC.
    pub begins: Option<String>,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not yet begun.
    #[default]
    Starting,
    /// Another run of the job has its turn.
    Queued,
    /// The input is split into lanes.
    Splitting,
    /// Requests are made.
    Sending,
    /// The output is merged.
    Merging,
}

#[derive(Debug)]
struct Lane {
    name: String,
    lines: u64,
    ok: AtomicU64,
    failed: AtomicU64,
    throttled: AtomicU64,
    sent: AtomicU64,
    held: Mutex<Option<Instant>>,
}

/// One lane at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct LaneNow {
    /// The provider, or the lane's name where it is a share of all other hosts.
    pub name: String,
    /// Its lines.
    pub lines: u64,
    /// Lines with an outcome.
    pub done: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
    /// Requests sent by this process.
    #[serde(skip)]
    pub sent: u64,
    /// Seconds until the provider may be asked again, when it asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u64>,
}

/// A run at one moment.
#[derive(Debug, Clone, Default)]
pub struct Now {
    /// What it is doing.
    pub phase: Phase,
    /// It runs elsewhere and is only looked at.
    pub elsewhere: bool,
    /// It was asked to stop, and only waits for what is under way.
    pub stopping: bool,
    /// Lines split so far.
    pub split_lines: u64,
    /// Bytes split so far, decompressed.
    pub split_bytes: u64,
    /// Lines merged so far.
    pub merged_lines: u64,
    /// The lanes, once they are known.
    pub lanes: Vec<LaneNow>,
    /// The batches of a run on AWS, once they are known.
    pub batches: Option<Batches>,
    /// Who has the turn, while the run waits for it.
    pub queue: Option<Queue>,
    /// Lines that were done before this process began.
    pub done_before: u64,
}

/// What all lanes together are called.
const ALL: &str = "all lanes";

impl Now {
    /// All lanes together.
    pub fn total(&self) -> LaneNow {
        let sum = |count: fn(&LaneNow) -> u64| self.lanes.iter().map(count).sum();
        LaneNow {
            name: ALL.to_owned(),
            lines: sum(|lane| lane.lines),
            done: sum(|lane| lane.done),
            failed: sum(|lane| lane.failed),
            throttled: sum(|lane| lane.throttled),
            sent: sum(|lane| lane.sent),
            held_seconds: None,
        }
    }
}

impl Progress {
    /// Of a run in another place: nobody here can stop it, and the steps' own counts are not known.
    pub fn elsewhere() -> Self {
        Self { elsewhere: true, ..Self::default() }
    }

    /// The run waits for its turn.
    pub fn queued(&self, queue: Queue) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
        self.enter(Phase::Queued);
    }

    /// The pre-process step begins. Where the lanes are known, the input has been split before.
    pub fn splitting(&self) {
        if self.lanes.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.enter(Phase::Splitting);
        }
    }

    /// The post-process step begins.
    pub fn merging(&self) {
        self.enter(Phase::Merging);
    }

    /// The split is so far.
    pub fn split(&self, lines: u64, bytes: u64) {
        self.split_lines.store(lines, Ordering::Relaxed);
        self.split_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The merge is so far.
    pub fn merged(&self, lines: u64) {
        self.merged_lines.store(lines, Ordering::Relaxed);
    }

    /// A run that was cut off goes on: with what was done before, from the first moment on. Whether it has lanes.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub async fn resume(&self, objects: &Objects, run: &RunRef) -> Result<bool, StepError> {
        let Some(plan) = objects.find(&run.keys().plan()).await? else { return Ok(false) };
        // What is wrong with a plan is for the steps to say.
        let Ok(plan) = serde_json::from_slice::<Plan>(&plan) else { return Ok(false) };
        self.count_lanes(objects, run, &plan).await?;
        self.done_before.store(self.now().total().done, Ordering::Relaxed);
        Ok(true)
    }

    /// The lanes are planned: takes their sizes from the plan, and what earlier processes did from the names of the
    /// flush objects.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub async fn start_lanes(&self, objects: &Objects, run: &RunRef) -> Result<(), StepError> {
        let plan = objects.get(&run.keys().plan()).await?;
        let plan: Plan = serde_json::from_slice(&plan)
            .map_err(|error| StepError::new(job::ErrorName::RunDamaged, error.to_string()))?;
        self.count_lanes(objects, run, &plan).await
    }

    /// [`Progress::start_lanes`] with a plan at hand; called again, it counts anew.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub async fn count_lanes(&self, objects: &Objects, run: &RunRef, plan: &Plan) -> Result<(), StepError> {
        let mut lanes = Vec::new();
        for planned in &plan.lanes {
            let shown = match &planned.kind {
                LaneKind::Named { provider } => provider.clone(),
                LaneKind::Hashed => planned.name.clone(),
            };
            let lane = Lane::new(shown, planned.lines);
            for entry in objects.list(&run.keys().lane_results(&planned.name)).await? {
                if let Some(SegmentKey::Results { invocation, ok, failed, throttled, .. }) =
                    SegmentKey::parse(&entry.key)
                {
                    lane.ok.fetch_add(ok, Ordering::Relaxed);
                    if invocation.generation() == run.generation {
                        lane.failed.fetch_add(failed, Ordering::Relaxed);
                        lane.throttled.fetch_add(throttled, Ordering::Relaxed);
                    }
                }
            }
            // Of requests that were sent elsewhere only the answers are known.
            lane.sent.store(lane.answers(), Ordering::Relaxed);
            lanes.push(Arc::new(lane));
        }
        let all_done = lanes.iter().all(|lane| lane.now().done >= lane.lines);
        let by_name =
            plan.lanes.iter().map(|planned| planned.name.clone()).zip(lanes.iter().cloned()).collect();
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = by_name;
        *self.lanes.write().unwrap_or_else(PoisonError::into_inner) = lanes;
        self.enter(if self.elsewhere && all_done { Phase::Merging } else { Phase::Sending });
        Ok(())
    }

    /// The Map Runs have come so far.
    pub fn batches(&self, batches: Batches) {
        *self.batches.lock().unwrap_or_else(PoisonError::into_inner) = Some(batches);
    }

    /// Whether requests were sent since this process began; where workers are elsewhere, whether one was called.
    pub fn has_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// A worker elsewhere is called.
    pub fn calls_worker(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// The run was asked to stop.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The run at this moment.
    pub fn now(&self) -> Now {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        Now {
            phase: *self.phase.lock().unwrap_or_else(PoisonError::into_inner),
            elsewhere: self.elsewhere,
            stopping: self.stopping.load(Ordering::Relaxed),
            split_lines: self.split_lines.load(Ordering::Relaxed),
            split_bytes: self.split_bytes.load(Ordering::Relaxed),
            merged_lines: self.merged_lines.load(Ordering::Relaxed),
            lanes: lanes.iter().map(|lane| lane.now()).collect(),
            batches: *self.batches.lock().unwrap_or_else(PoisonError::into_inner),
            queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            done_before: self.done_before.load(Ordering::Relaxed),
        }
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn with(&self, lane: &str, count: impl FnOnce(&Lane)) {
        if let Some(lane) = self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(lane) {
            count(lane);
        }
    }
}

impl worker::Observer for Progress {
    fn sent(&self, lane: &str) {
        self.sent.store(true, Ordering::Relaxed);
        self.with(lane, |lane| _ = lane.sent.fetch_add(1, Ordering::Relaxed));
    }

    fn throttled(&self, lane: &str) {
        self.with(lane, |lane| _ = lane.throttled.fetch_add(1, Ordering::Relaxed));
    }

    fn finished(&self, lane: &str, ok: bool) {
        self.with(lane, |lane| {
            let count = if ok { &lane.ok } else { &lane.failed };
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn held(&self, lane: &str, _key: &str, wait: std::time::Duration) {
        self.with(lane, |lane| {
            *lane.held.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(wait);
        });
    }
}

impl Lane {
    fn new(name: String, lines: u64) -> Self {
        let zero = AtomicU64::default;
        let name = job::text::visible(&name).into_owned();
        Self {
            name,
            lines,
            ok: zero(),
            failed: zero(),
            throttled: zero(),
            sent: zero(),
            held: Mutex::default(),
        }
    }

    fn answers(&self) -> u64 {
        [&self.ok, &self.failed, &self.throttled].into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn now(&self) -> LaneNow {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held
            .map(|until| until.saturating_duration_since(Instant::now()).as_secs())
            .filter(|seconds| *seconds > 0);
        LaneNow {
            name: self.name.clone(),
            lines: self.lines,
            done: (get(&self.ok) + get(&self.failed)).min(self.lines),
            failed: get(&self.failed),
            throttled: get(&self.throttled),
            sent: get(&self.sent),
            held_seconds: held,
        }
    }
}
