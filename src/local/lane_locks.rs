//! The locks of lanes. The budget of a limit belongs to one run, so two runs of different jobs whose lanes have
//! the same limit take turns: a lane waits until the other run's lane has ended, for as many calls as that takes. The
//! lanes of one server hold the lock of a limit with a ceiling together, because they divide the ceiling while they go.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use engine::{MapRunStatus, TaskError};
use job::run::{RunRef, parse_plan};
use job::{ErrorName, LaneKind, Objects, StepError};
use tokio::sync::{OnceCell, watch};
use tokio_util::task::AbortOnDropHandle;
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
type Held = Arc<tokio::sync::Mutex<Weak<Lock>>>;

/// The locks that all runs of a server hold together, by limit.
pub(super) type Together = Arc<Mutex<HashMap<String, Held>>>;

struct NamedLane {
    limit: String,
    lock: Held,
    turn: Mutex<Option<Turn>>,
}

/// A lane in the queue of its limit, and then with the limit's lock, until its Map Run has ended. It keeps its
/// place between the calls that wait for it.
#[derive(Clone)]
struct Turn {
    lock: watch::Receiver<Option<Acquired>>,
    _task: Arc<AbortOnDropHandle<()>>,
}

type Acquired = Result<Weak<Lock>, TaskError>;

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
    /// When the plan or the lock cannot be used, or the Map Run has ended.
    pub(super) async fn acquire(
        &self,
        objects: &Objects,
        run: &RunRef,
        lane: &str,
        map_run: Option<&Arc<MapRunStatus>>,
        progress: &Arc<Progress>,
    ) -> Result<Option<Arc<Lock>>, TaskError> {
        let lanes = self.lanes.get_or_try_init(|| self.named_lanes(objects, run)).await.map_err(failed)?;
        let Some(named) = lanes.get(lane) else { return Ok(None) };
        let mut turn = {
            let mut turn = named.turn.lock().unwrap_or_else(PoisonError::into_inner);
            match &*turn {
                Some(turn) if turn.is_open() => turn.clone(),
                _ => turn.insert(self.queue(lane, named, map_run.cloned(), progress.clone())).clone(),
            }
        };
        let acquired = turn.lock.wait_for(Option::is_some).await;
        match acquired.ok().and_then(|acquired| acquired.clone()) {
            Some(lock) => lock?.upgrade().map(Some).ok_or(TaskError::Interrupted),
            None => Err(TaskError::Interrupted),
        }
    }

    /// Takes a place in the queue of a limit.
    fn queue(
        &self,
        lane: &str,
        named: &NamedLane,
        map_run: Option<Arc<MapRunStatus>>,
        progress: Arc<Progress>,
    ) -> Turn {
        let (sender, lock) = watch::channel(None);
        let (folder, ours) = (self.folder.clone(), self.ours.clone());
        let (lane, limit, held) = (lane.to_owned(), named.limit.clone(), named.lock.clone());
        let task = tokio::spawn(async move {
            let ended = async {
                match map_run {
                    Some(map_run) => map_run.wait().await,
                    None => std::future::pending().await,
                }
            };
            let waits = |holder: Holder| {
                let other = OtherJob { job: holder.job.unwrap_or(holder.command), limit: limit.clone() };
                progress.lane_waits_for(&lane, Some(other));
            };
            let turn = async {
                let acquired = hold(&held, Lock::acquire(&folder, "limit", &limit, &ours, waits)).await;
                progress.lane_waits_for(&lane, None);
                match acquired {
                    Ok(lock) => {
                        sender.send_replace(Some(Ok(Arc::downgrade(&lock))));
                        std::future::pending::<()>().await;
                        drop(lock);
                    }
                    Err(error) => _ = sender.send_replace(Some(Err(failed(unusable(&error))))),
                }
            };
            tokio::select! {
                () = turn => {}
                () = ended => {}
            }
        });
        Turn { lock, _task: Arc::new(AbortOnDropHandle::new(task)) }
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
                Some((lane.name, NamedLane { limit: provider, lock, turn: Mutex::default() }))
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

impl Turn {
    /// Whether it has not ended.
    fn is_open(&self) -> bool {
        self.lock.has_changed().is_ok()
    }
}

/// The lock that somebody holds already, or else the one that `acquire` gives.
async fn hold(held: &Held, acquire: impl Future<Output = io::Result<Lock>>) -> io::Result<Arc<Lock>> {
    let mut held = held.lock().await;
    if let Some(lock) = held.upgrade() {
        return Ok(lock);
    }
    let lock = Arc::new(acquire.await?);
    *held = Arc::downgrade(&lock);
    Ok(lock)
}

fn unusable(error: &io::Error) -> StepError {
    let name = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorName::StorageFull,
        _ => ErrorName::StorageUnavailable,
    };
    StepError::new(name, error.to_string())
}
