//! The status of a Map Run, which can be read while the run lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value;
use tokio::sync::watch;

use crate::error::Halt;
use crate::journal::{
    Change, ChildStatus, EntryKind, Journal, JournalError, Key, MapRunLimits, Signal, Tally, WeakJournal,
};
use crate::quotas::MAX_CHILDREN;

/// A Map Run as `DescribeMapRun` shows it. Each count is exact at the moment it is read, but counts are not
/// read at the same moment.
#[derive(Debug)]
pub struct MapRunStatus {
    /// The Map Run's ARN.
    pub arn: String,
    /// The ARN of the execution that the Map state belongs to.
    pub execution: String,
    /// How often the run was redriven.
    pub redrives: u32,
    limits: watch::Sender<MapRunLimits>,
    phase: watch::Sender<Phase>,
    /// The host may keep the status for longer than the execution runs.
    journal: WeakJournal,
    /// The key of the run's entries in the journal.
    visit: Key,
    /// Held while a change of the limits is made durable.
    updating: tokio::sync::Mutex<()>,
    items: Counters,
    executions: Counters,
}

/// The phase of a Map Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Under way.
    Running,
    /// It ended with a result.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It was stopped; its execution may be continued later.
    Aborted,
}

/// A change of the limits of a Map Run. What is None stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MapRunUpdate {
    /// Children that may run at once; 0 means as many as AWS allows.
    pub max_concurrency: Option<u64>,
    /// The number of items that may fail.
    pub tolerated_failure_count: Option<u64>,
    /// The percentage of items that may fail, from 0 to 100.
    pub tolerated_failure_percentage: Option<f64>,
}

/// Why the limits of a Map Run were not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpdateError {
    /// The run has ended.
    #[error("the Map Run has ended")]
    Ended,
    /// The change cannot be made durable.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Numbers of items or children, by their status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Known, but not begun.
    pub pending: u64,
    /// Under way.
    pub running: u64,
    /// Ended with an output.
    pub succeeded: u64,
    /// It ended with an error.
    pub failed: u64,
    /// Ended by their time limit.
    pub timed_out: u64,
    /// Aborted because the run ended.
    pub aborted: u64,
    /// All that are known. This is the total once all items have been read.
    pub total: u64,
    /// Those whose results have been written.
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
        redrives: u32,
        limits: MapRunLimits,
        journal: &Journal,
        visit: Key,
    ) -> Arc<Self> {
        Arc::new(Self {
            arn,
            execution,
            redrives,
            limits: watch::Sender::new(limits),
            phase: watch::Sender::new(Phase::Running),
            journal: journal.downgrade(),
            visit,
            updating: tokio::sync::Mutex::default(),
            items: Counters::default(),
            executions: Counters::default(),
        })
    }

    /// The limits that hold now.
    pub fn limits(&self) -> MapRunLimits {
        *self.limits.borrow()
    }

    /// Changes limits of the run, for `UpdateMapRun`. Returns when the change is durable and holds: children that
    /// run beyond a lower concurrency are awaited, and a tolerance that is exceeded now fails the run.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] if the run has ended, or the change cannot be made durable.
    pub async fn update(&self, update: MapRunUpdate) -> Result<(), UpdateError> {
        let _updating = self.updating.lock().await;
        let journal = self.journal.upgrade().ok_or(UpdateError::Ended)?;
        if self.phase() != Phase::Running {
            return Err(UpdateError::Ended);
        }
        let mut limits = self.limits();
        match update.max_concurrency {
            None => {}
            Some(0) => limits.max_concurrency = MAX_CHILDREN,
            Some(limit) => limits.max_concurrency = limit.min(MAX_CHILDREN),
        }
        limits.tolerated_failure_count = update.tolerated_failure_count.or(limits.tolerated_failure_count);
        limits.tolerated_failure_percentage =
            update.tolerated_failure_percentage.or(limits.tolerated_failure_percentage);
        let signal = Change::put(EntryKind::Signal, &self.visit, &Signal::Limits(limits))?;
        journal.commit(vec![signal]).await?;
        self.limits.send_replace(limits);
        Ok(())
    }

    /// Receives the changes of the limits.
    pub(crate) fn changes(&self) -> watch::Receiver<MapRunLimits> {
        self.limits.subscribe()
    }

    /// The phase of the run.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the run has ended.
    pub async fn wait(&self) {
        let mut phase = self.phase.subscribe();
        // The sender is in `self`, so it is not closed.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    }

    /// The items of the run. The items of a batch have the status of the batch.
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

    pub(crate) fn counted(&self, items: u64) {
        self.items.total.store(items, Relaxed);
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

/// Sets the final phase of a Map Run. If it is dropped before, the run was aborted.
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
        self.0.phase.send_replace(phase);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Aborted;
            }
            running
        });
    }
}
