//! The locks of lanes. The budget of a limit belongs to one run, so two runs of different jobs whose lanes have
//! the same limit take turns: a lane waits until the other run's lane has ended. The lanes of one server hold the lock of
//! a limit with a ceiling together, because they divide the ceiling while they go.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, Weak};

use engine::{MapRunStatus, TaskError};
use job::run::{RunRef, parse_plan};
use job::{ErrorName, LaneKind, Objects, StepError};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;
use worker::Providers;

use super::lock::{Holder, Lock};
use super::steps::failed;
use crate::progress::{OtherJob, Progress};

/// The locks of one run's lanes.
pub(super) struct LaneLocks {
    folder: PathBuf,
    ours: Holder,
    /// The lanes of named limits.
    lanes: OnceCell<HashMap<String, NamedLane>>,
    together: Option<(Together, Arc<Providers>)>,
}

/// A lock while somebody holds it.
type Held = Arc<Mutex<Weak<Lock>>>;

/// The locks that all runs of a server hold together, by limit.
pub(super) type Together = Arc<std::sync::Mutex<HashMap<String, Held>>>;

struct NamedLane {
    limit: String,
    lock: Held,
}

impl LaneLocks {
    pub(super) fn new(folder: PathBuf, ours: Holder) -> Self {
        Self { folder, ours, lanes: OnceCell::new(), together: None }
    }

    /// The same locks in a server, whose runs divide the limits that have a ceiling.
    pub(super) fn together(self, together: Together, providers: Option<Arc<Providers>>) -> Self {
        Self { together: providers.map(|providers| (together, providers)), ..self }
    }

    /// Waits until no lane of another run uses the limit of this lane, and excludes those until the lane's Map
    /// Run has ended and the returned lock is dropped. Lanes of unnamed hosts have no lock.
    ///
    /// # Errors
    /// When the plan or the lock cannot be used, or `cancel` ends the wait.
    pub(super) async fn acquire(
        &self,
        objects: &Objects,
        run: &RunRef,
        lane: &str,
        map_run: Option<&Arc<MapRunStatus>>,
        cancel: &CancellationToken,
        progress: &Progress,
    ) -> Result<Option<Arc<Lock>>, TaskError> {
        let lanes = self.lanes.get_or_try_init(|| self.named_lanes(objects, run)).await.map_err(failed)?;
        let Some(NamedLane { limit, lock }) = lanes.get(lane) else { return Ok(None) };
        let mut held = tokio::select! {
            biased;
            held = lock.lock() => held,
            () = cancel.cancelled() => return Err(TaskError::Interrupted),
        };
        if let Some(held) = held.upgrade() {
            return Ok(Some(held));
        }
        let waits = |holder: Holder| {
            let other = OtherJob { job: holder.job.unwrap_or(holder.command), limit: limit.clone() };
            progress.lane_waits_for(lane, Some(other));
        };
        let acquired = tokio::select! {
            biased;
            acquired = Lock::acquire(&self.folder, "limit", limit, &self.ours, waits) => acquired,
            () = cancel.cancelled() => return Err(TaskError::Interrupted),
        };
        progress.lane_waits_for(lane, None);
        let acquired = Arc::new(acquired.map_err(|error| failed(unusable(&error)))?);
        *held = Arc::downgrade(&acquired);
        if let Some(map_run) = map_run.cloned() {
            let kept = acquired.clone();
            tokio::spawn(async move {
                map_run.wait().await;
                drop(kept);
            });
        }
        Ok(Some(acquired))
    }

    async fn named_lanes(
        &self,
        objects: &Objects,
        run: &RunRef,
    ) -> Result<HashMap<String, NamedLane>, StepError> {
        let key = run.keys().plan();
        let plan = parse_plan(&objects.get(&key).await?, &key)?;
        let named = plan.lanes.into_iter().filter_map(|lane| match lane.kind {
            LaneKind::Named { provider } => {
                let lock = self.lock_of(&provider);
                Some((lane.name, NamedLane { limit: provider, lock }))
            }
            LaneKind::Hashed => None,
        });
        Ok(named.collect())
    }

    fn lock_of(&self, limit: &str) -> Held {
        match &self.together {
            Some((together, providers)) if providers.ceiling(limit).is_some() => {
                let mut all = together.lock().unwrap_or_else(PoisonError::into_inner);
                all.entry(limit.to_owned()).or_default().clone()
            }
            _ => Held::default(),
        }
    }
}

fn unusable(error: &io::Error) -> StepError {
    let name = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorName::StorageFull,
        _ => ErrorName::StorageUnavailable,
    };
    StepError::new(name, error.to_string())
}
