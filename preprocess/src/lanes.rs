//! The lanes as the state machine needs them, each with the manifest of its batches.

use std::time::Duration;

use job::run::{CALL_TIME, FORMAT, Lane, RunRef, first_format, lease, read_file};
use job::{Batch, Environment, ErrorName, Job, LaneKind, Objects, Plan, PlannedLane, RunKeys, StepError};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::redrive::Unfinished;

/// Bytes of all lanes in the response. A message of the state machine has at most 256 KiB (Step Functions
/// Developer Guide, "Quotas").
const MAX_BYTES: usize = 240_000;
/// The step's name in the keys of its checkpoints.
const STEP: &str = "lanes";

/// How one call ended.
pub(crate) enum Described {
    /// Every manifest is written.
    All(Vec<Lane>),
    /// The call's time is nearly over; the next call needs the checkpoint at this key.
    Paused(String),
}

/// The state that one call leaves to the next.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    /// See [`FORMAT`].
    #[serde(default = "first_format")]
    format: u32,
    /// The lanes whose manifests are written.
    lanes: Vec<Lane>,
    /// The index of the next lane, and how far it has come.
    next: usize,
    unfinished: Unfinished,
}

/// Describes the lanes of a run that has a plan.
pub(crate) struct Lanes<'a> {
    pub(crate) context: &'a Context,
    pub(crate) objects: &'a Objects,
    pub(crate) run: &'a RunRef,
    pub(crate) job: &'a Job,
    pub(crate) plan: &'a Plan,
}

impl Lanes<'_> {
    /// Writes the manifests, from the checkpoint at a key if it is one of this step's. A redrive, and a run that
    /// continues another one, have only unfinished batches.
    ///
    /// # Errors
    /// `Job.Invalid` if the lanes do not fit into a message, `Run.Damaged` or `Run.UnknownFormat` for a
    /// checkpoint that cannot be read, and errors of the store.
    pub(crate) async fn describe(&self, checkpoint: Option<&str>) -> Result<Described, StepError> {
        let ours = checkpoint.filter(|key| is_of_lanes(&self.run.keys(), key));
        let mut progress = match ours {
            Some(key) => read_file(&self.objects.get(key).await?, key, "a checkpoint")?,
            None => {
                Progress { format: FORMAT, lanes: Vec::new(), next: 0, unfinished: Unfinished::default() }
            }
        };
        while let Some(lane) = self.plan.lanes.get(progress.next) {
            if !self.find_batches(lane, &mut progress.unfinished).await? {
                return self.pause(progress).await.map(Described::Paused);
            }
            let Unfinished { batches, .. } = std::mem::take(&mut progress.unfinished);
            progress.next += 1;
            if !batches.is_empty() {
                progress.lanes.push(self.lane(lane, &batches).await?);
            }
        }
        check_size(&progress.lanes)?;
        Ok(Described::All(progress.lanes))
    }

    /// Whether all batches of a lane's manifest are found.
    async fn find_batches(&self, lane: &PlannedLane, found: &mut Unfinished) -> Result<bool, StepError> {
        if self.run.generation == 0 && self.plan.continues.is_none() {
            found.batches.clone_from(&lane.batches);
            return Ok(true);
        }
        found.find(self.objects, self.run, lane, &self.context.pause).await
    }

    async fn lane(&self, lane: &PlannedLane, batches: &[Batch]) -> Result<Lane, StepError> {
        let Self { context, objects, run, job, .. } = self;
        let on_aws = context.environment == Environment::Aws;
        let manifest = run.keys().manifest(run.generation, &lane.name);
        objects.put(&manifest, serde_json::to_vec(batches).expect("batches are always JSON")).await?;
        Ok(Lane {
            name: lane.name.clone(),
            manifest,
            workers: lane.workers,
            tolerated_failure_percentage: job.batch_tolerance() * 100.0,
            settle_seconds: if on_aws { lease::drain(job).as_secs() } else { 1 },
            call_seconds: call_timeout(context.environment, job).as_secs(),
            limit: match &lane.kind {
                LaneKind::Named { provider } if on_aws => Some(provider.clone()),
                _ => None,
            },
        })
    }

    /// Writes a checkpoint, and returns its key.
    async fn pause(&self, progress: Progress) -> Result<String, StepError> {
        let Progress { next, unfinished, .. } = &progress;
        let at = format!(
            "{:04}-{next:04}-{:06}-{:013}",
            self.run.generation,
            unfinished.seen,
            (self.context.now)()
        );
        let key = self.run.keys().checkpoint(STEP, &at, "state.json");
        tracing::info!(lane = next, batch = unfinished.seen, "another call describes the other lanes");
        self.objects.put(&key, serde_json::to_vec(&progress).expect("a checkpoint is plain JSON")).await?;
        Ok(key)
    }
}

fn is_of_lanes(keys: &RunKeys, key: &str) -> bool {
    key.starts_with(&keys.checkpoint_of(STEP))
}

fn check_size(lanes: &[Lane]) -> Result<(), StepError> {
    let bytes = serde_json::to_vec(lanes).expect("lanes are always JSON").len();
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let message = format!(
        "the input has lines for {} lanes, which have {bytes} bytes in a message of the state machine, and {MAX_BYTES} fit: name fewer limits, and let [limits.default] apply to the others",
        lanes.len()
    );
    Err(StepError::new(ErrorName::JobInvalid, message))
}

/// How long the state machine waits for a call of the worker. Lambda ends a call at its time; on one machine a
/// request that is under way then may take as long as its timeout.
fn call_timeout(environment: Environment, job: &Job) -> Duration {
    let call = CALL_TIME + Duration::from_secs(20);
    if environment == Environment::Aws { call } else { call + job.request.timeout }
}
