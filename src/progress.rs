//! The progress of a run. The steps count it, and [`show`] displays it.

mod bars;
mod json;
mod lane_counts;
mod plain;
mod rows;
mod show;
mod snapshot;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use job::run::{Continues, RunRef, parse_plan};
use job::{LaneKind, Objects, Plan, StepError};

use tokio::sync::Notify;

use crate::text;

pub use lane_counts::LaneCounts;
pub use show::{Style, show};
pub use snapshot::{Batches, LaneSnapshot, OtherJob, Phase, Queue, Snapshot, TakenOver};

/// The counts of the steps.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<Phase>,
    remote: bool,
    stopping: AtomicBool,
    lanes: RwLock<Vec<Arc<Lane>>>,
    by_name: RwLock<HashMap<String, Arc<Lane>>>,
    split_lines: AtomicU64,
    split_bytes: AtomicU64,
    merged_lines: AtomicU64,
    batches: Mutex<Option<Batches>>,
    queue: Mutex<Option<Queue>>,
    unclaimed: Mutex<Option<u64>>,
    sent: AtomicBool,
    done_before: AtomicU64,
    taken_over: OnceLock<TakenOver>,
    /// Notified when `taken_over` is known.
    news: Notify,
}

#[derive(Debug)]
struct Lane {
    /// The name in the plan.
    lane: String,
    name: String,
    lines: u64,
    ok: AtomicU64,
    failed: AtomicU64,
    throttled: AtomicU64,
    sent: AtomicU64,
    held: Mutex<Option<Instant>>,
    waits_for: Mutex<Option<OtherJob>>,
}

impl Progress {
    /// The progress of a run on AWS. This process cannot stop it, and does not know the steps' own counts.
    pub fn remote() -> Self {
        Self { remote: true, ..Self::default() }
    }

    /// Sets the run that this one waits for.
    pub fn queued(&self, queue: Queue) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
        self.enter(Phase::Queued);
    }

    /// No execution has claimed the run, and one must do so within this time.
    pub fn unclaimed(&self, left: Duration) {
        *self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner) = Some(left.as_secs());
    }

    /// The pre-process step starts. If the lanes are known, the input was split before.
    pub fn splitting(&self) {
        if self.lanes.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.enter(Phase::Splitting);
        }
    }

    /// The post-process step starts.
    pub fn merging(&self) {
        self.enter(Phase::Merging);
    }

    /// Sets how much is split.
    pub fn split(&self, lines: u64, bytes: u64) {
        self.split_lines.store(lines, Ordering::Relaxed);
        self.split_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Sets how much is merged.
    pub fn merged(&self, lines: u64) {
        self.merged_lines.store(lines, Ordering::Relaxed);
    }

    /// Counts what earlier processes have done, if the run was cut off. Returns whether the run has lanes.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub async fn resume(&self, objects: &Objects, run: &RunRef) -> Result<bool, StepError> {
        let Some(plan) = objects.find(&run.keys().plan()).await? else { return Ok(false) };
        // The steps report what is wrong with a plan.
        let Ok(plan) = serde_json::from_slice::<Plan>(&plan) else { return Ok(false) };
        self.count_lanes(objects, run, &plan, &mut LaneCounts::default()).await?;
        self.done_before.store(self.snapshot().total().done, Ordering::Relaxed);
        Ok(true)
    }

    /// Sets the lanes: their sizes from the plan, and their counts from the names of the result segments.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub async fn start_lanes(
        &self,
        objects: &Objects,
        run: &RunRef,
        counts: &mut LaneCounts,
    ) -> Result<(), StepError> {
        let key = run.keys().plan();
        let plan = parse_plan(&objects.get(&key).await?, &key)?;
        self.count_lanes(objects, run, &plan, counts).await
    }

    /// [`Progress::start_lanes`] with a plan that is already read.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub async fn count_lanes(
        &self,
        objects: &Objects,
        run: &RunRef,
        plan: &Plan,
        counts: &mut LaneCounts,
    ) -> Result<(), StepError> {
        let counts = counts.count(objects, run, plan).await?;
        let lanes: Vec<Arc<Lane>> = plan
            .lanes
            .iter()
            .zip(counts)
            .map(|(planned, counts)| {
                let shown = match &planned.kind {
                    LaneKind::Named { provider } => provider.clone(),
                    LaneKind::Hashed => planned.name.clone(),
                };
                let mut waits_for = None;
                self.with(&planned.name, |lane| waits_for = lane.snapshot().waits_for);
                Arc::new(Lane {
                    ok: counts.ok.into(),
                    failed: counts.failed.into(),
                    throttled: counts.throttled.into(),
                    // Of the requests of other processes, only the responses are known.
                    sent: (counts.ok + counts.failed + counts.throttled).into(),
                    waits_for: waits_for.into(),
                    ..Lane::new(planned.name.clone(), shown, planned.lines)
                })
            })
            .collect();
        let all_done = lanes.iter().all(|lane| lane.snapshot().done >= lane.lines);
        let by_name =
            plan.lanes.iter().map(|planned| planned.name.clone()).zip(lanes.iter().cloned()).collect();
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = by_name;
        *self.lanes.write().unwrap_or_else(PoisonError::into_inner) = lanes;
        self.enter(if self.remote && all_done { Phase::Merging } else { Phase::Sending });
        if let Some(continues) = &plan.continues {
            self.take_over(continues);
        }
        Ok(())
    }

    /// The run continues another one. Only the first call counts.
    fn take_over(&self, continues: &Continues) {
        let Continues { run, started, kept, unknown } = continues.clone();
        let total = self.snapshot().total();
        let to_send = total.lines - total.done;
        let taken_over = TakenOver { run, started: text::moment(started), kept, unknown, to_send };
        if self.taken_over.set(taken_over).is_ok() {
            self.done_before.store(total.done, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    /// Sets the counts of the Map Runs.
    pub fn batches(&self, batches: Batches) {
        *self.batches.lock().unwrap_or_else(PoisonError::into_inner) = Some(batches);
    }

    /// A lane waits for the lane of another job, or no longer.
    pub fn lane_waits_for(&self, lane: &str, other: Option<OtherJob>) {
        self.with(lane, |lane| *lane.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = other);
    }

    /// Whether this process has sent requests, or has called a worker in another process.
    pub fn has_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// A worker in another process was called.
    pub fn worker_called(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// The run was asked to stop.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The run at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            phase: *self.phase.lock().unwrap_or_else(PoisonError::into_inner),
            remote: self.remote,
            stopping: self.stopping.load(Ordering::Relaxed),
            split_lines: self.split_lines.load(Ordering::Relaxed),
            split_bytes: self.split_bytes.load(Ordering::Relaxed),
            merged_lines: self.merged_lines.load(Ordering::Relaxed),
            lanes: lanes.iter().map(|lane| lane.snapshot()).collect(),
            batches: *self.batches.lock().unwrap_or_else(PoisonError::into_inner),
            queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            done_before: self.done_before.load(Ordering::Relaxed),
            unclaimed: *self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner),
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

    fn held(&self, lane: &str, _key: &str, wait: Duration) {
        self.with(lane, |lane| {
            *lane.held.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(wait);
        });
    }
}

impl Lane {
    fn new(lane: String, name: String, lines: u64) -> Self {
        let zero = AtomicU64::default;
        let name = job::text::visible(&name).into_owned();
        Self {
            lane,
            name,
            lines,
            ok: zero(),
            failed: zero(),
            throttled: zero(),
            sent: zero(),
            held: Mutex::default(),
            waits_for: Mutex::default(),
        }
    }

    fn snapshot(&self) -> LaneSnapshot {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held
            .map(|until| until.saturating_duration_since(Instant::now()).as_secs())
            .filter(|seconds| *seconds > 0);
        LaneSnapshot {
            lane: self.lane.clone(),
            name: self.name.clone(),
            lines: self.lines,
            done: (get(&self.ok) + get(&self.failed)).min(self.lines),
            failed: get(&self.failed),
            throttled: get(&self.throttled),
            sent: get(&self.sent),
            held_seconds: held,
            waits_for: self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
