//! Fetches ahead of the merge, within a budget of memory.

use std::future::Future;
use std::sync::Arc;

use job::{ErrorName, Objects, Plan, PlannedLane, RunKeys, StepError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::context::Settings;

/// Bytes of the largest range. Larger ones would not be faster (S3 User Guide, "Performance design patterns":
/// 8 to 16 MB).
const LARGEST_PIECE: u64 = 16 << 20;
/// Bytes of one permit of the pool.
const PERMIT: u64 = 1 << 10;

/// One lane of a run, as its feeds read it.
#[derive(Clone)]
pub(crate) struct LaneInput {
    pub(crate) objects: Objects,
    pub(crate) keys: RunKeys,
    pub(crate) plan: Arc<Plan>,
    /// Index of the lane in the plan.
    pub(crate) lane: usize,
    /// Index of the first batch to read.
    pub(crate) from: usize,
    pub(crate) generation: u32,
    pub(crate) budget: Budget,
}

impl LaneInput {
    pub(crate) fn lane(&self) -> &PlannedLane {
        &self.plan.lanes[self.lane]
    }
}

/// Values that a task makes ahead of their use: while one is used, the next is made or waits. The task ends
/// when the feed is dropped.
pub(crate) struct Feed<T> {
    receiver: mpsc::Receiver<T>,
    task: Option<JoinHandle<Result<(), StepError>>>,
}

impl<T: Send + 'static> Feed<T> {
    pub(super) fn spawn<F>(make: impl FnOnce(mpsc::Sender<T>) -> F) -> Self
    where
        F: Future<Output = Result<(), StepError>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        Self { receiver, task: Some(tokio::spawn(make(sender))) }
    }

    /// The next value; `None` if the task has ended without an error, and only then.
    ///
    /// # Errors
    /// The error of the task.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, StepError> {
        if let Some(value) = self.receiver.recv().await {
            return Ok(Some(value));
        }
        let Some(task) = self.task.take() else { return Ok(None) };
        match task.await {
            Ok(ended) => ended.map(|()| None),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StepError::new(ErrorName::Interrupted, "the process is shutting down")),
        }
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How much may be fetched ahead: all lanes together use about [`Settings::memory`].
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// Bytes of items of one request; each lane has [`Budget::ahead`] and two more in memory.
    pub(super) items: u64,
    /// Ranges of items, and batches of results, of one lane that are fetched at a time.
    pub(super) ahead: usize,
    /// Bytes of results in one chunk of a batch that is not in memory as a whole; each lane has up to three.
    pub(super) window: u64,
    /// Concurrent requests of one lane.
    pub(super) fetches: usize,
    whole_batch: u64,
    /// The memory that all lanes share for batches that are in memory as a whole.
    pool: Arc<Semaphore>,
}

impl Budget {
    pub(crate) fn new(settings: &Settings, lanes: usize) -> Self {
        let lanes = lanes.max(1);
        let pool = settings.memory / 3 * 2;
        let pieces = (5 + settings.ahead as u64) * lanes as u64;
        let piece =
            ((settings.memory - pool) / pieces).clamp(settings.piece, settings.piece.max(LARGEST_PIECE));
        Self {
            items: piece,
            ahead: settings.ahead,
            window: piece,
            fetches: (32 / lanes).clamp(2, 16),
            whole_batch: settings.whole_batch,
            pool: Arc::new(Semaphore::new(
                usize::try_from(pool / PERMIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS),
            )),
        }
    }

    /// Room in memory for a batch; `None` if the batch must be merged by its index. Nobody waits for room,
    /// since the lane that holds it may be waiting for this one.
    pub(super) fn room_for(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT)).ok()?;
        if bytes > self.whole_batch { None } else { self.pool.clone().try_acquire_many_owned(permits).ok() }
    }
}
