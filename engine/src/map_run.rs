//! How a Map Run stands, for those who want to look while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use serde_json::Value;

use crate::error::Halt;
use crate::journal::{ChildStatus, Tally};

/// A Map Run as `DescribeMapRun` shows it. Counts are those of this moment, each for itself.
#[derive(Debug)]
pub struct MapRunStatus {
    /// The Map Run's ARN.
    pub arn: String,
    /// The ARN of the execution whose state it is.
    pub execution: String,
    /// Children that may run at once.
    pub max_concurrency: u64,
    /// Items that may fail.
    pub tolerated_failure_count: Option<u64>,
    /// Items that may fail, from 0 to 100.
    pub tolerated_failure_percentage: Option<f64>,
    phase: AtomicU8,
    items: Counters,
    executions: Counters,
}

/// How far a Map Run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Under way.
    Running,
    /// Ended with a result.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Given up; its execution may go on later.
    Aborted,
}

/// Items or children by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not begun, as far as it is known what there is.
    pub pending: u64,
    /// Under way.
    pub running: u64,
    /// Ended with an output.
    pub succeeded: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended by their time limit.
    pub timed_out: u64,
    /// Given up.
    pub aborted: u64,
    /// All that is known of: the whole once everything was read.
    pub total: u64,
    /// Whose results were written.
    pub results_written: u64,
}

#[derive(Debug, Default)]
struct Counters {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    written: AtomicU64,
    total: AtomicU64,
}

impl MapRunStatus {
    pub(crate) fn new(
        arn: String,
        execution: String,
        max_concurrency: u64,
        tolerated_failure_count: Option<u64>,
        tolerated_failure_percentage: Option<f64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            arn,
            execution,
            max_concurrency,
            tolerated_failure_count,
            tolerated_failure_percentage,
            phase: AtomicU8::new(Phase::Running as u8),
            items: Counters::default(),
            executions: Counters::default(),
        })
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        let phases = [Phase::Running, Phase::Succeeded, Phase::Failed, Phase::Aborted];
        phases[usize::from(self.phase.load(Relaxed))]
    }

    /// The items of the run; those of a batch share its fate.
    pub fn items(&self) -> Counts {
        self.items.counts(self.phase())
    }

    /// The children of the run.
    pub fn executions(&self) -> Counts {
        self.executions.counts(self.phase())
    }

    pub(crate) fn resumed(&self, tally: &Tally, total: Option<u64>) {
        for (counters, found) in [(&self.items, tally.items), (&self.executions, tally.children)] {
            counters.succeeded.store(found.succeeded, Relaxed);
            counters.failed.store(found.failed, Relaxed);
            counters.timed_out.store(found.timed_out, Relaxed);
            counters.started.store(found.succeeded + found.failed + found.timed_out, Relaxed);
        }
        self.items.total.store(total.unwrap_or_default(), Relaxed);
    }

    pub(crate) fn started(&self, items: u64) {
        self.items.started.fetch_add(items, Relaxed);
        self.executions.started.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, status: ChildStatus, items: u64) {
        for (counters, count) in [(&self.items, items), (&self.executions, 1)] {
            let counter = match status {
                ChildStatus::Succeeded => &counters.succeeded,
                ChildStatus::Failed => &counters.failed,
                ChildStatus::TimedOut => &counters.timed_out,
            };
            counter.fetch_add(count, Relaxed);
        }
    }

    pub(crate) fn written(&self, children: u64, items: u64) {
        self.executions.written.fetch_add(children, Relaxed);
        self.items.written.fetch_add(items, Relaxed);
    }
}

impl Counters {
    fn counts(&self, phase: Phase) -> Counts {
        let [started, succeeded, failed, timed_out, total] =
            [&self.started, &self.succeeded, &self.failed, &self.timed_out, &self.total]
                .map(|counter| counter.load(Relaxed));
        let total = total.max(started);
        let unfinished = started.saturating_sub(succeeded + failed + timed_out);
        let (running, aborted) = if phase == Phase::Running { (unfinished, 0) } else { (0, unfinished) };
        let results_written = self.written.load(Relaxed);
        Counts {
            pending: total - started,
            running,
            succeeded,
            failed,
            timed_out,
            aborted,
            total,
            results_written,
        }
    }
}

/// Sees a Map Run to its end; one that is dropped before was given up.
pub(crate) struct Watch(Arc<MapRunStatus>);

impl Watch {
    pub(crate) fn new(status: Arc<MapRunStatus>) -> Self {
        Watch(status)
    }

    pub(crate) fn ended(self, result: &Result<Value, Halt>) {
        let phase = match result {
            Ok(_) => Phase::Succeeded,
            Err(Halt::Failed(_)) => Phase::Failed,
            Err(Halt::Stopped(_)) => Phase::Aborted,
        };
        self.0.phase.store(phase as u8, Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let running = Phase::Running as u8;
        // Fails where the run has ended.
        let _ = self.0.phase.compare_exchange(running, Phase::Aborted as u8, Relaxed, Relaxed);
    }
}
