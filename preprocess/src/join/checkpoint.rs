//! The state that one call of the join leaves to the next.

use job::run::{FORMAT, read_file};
use job::{Objects, Plan, RunKeys, StepError};
use serde::{Deserialize, Serialize};

use super::pair::PairingAt;
use super::segments::Written;
use super::sort::SortedRun;

impl Progress {
    /// The beginning, after a split with this plan.
    pub(super) fn new(plan: Plan) -> Self {
        Self { format: FORMAT, plan, stage: Stage::Old { at: At::default(), old: Vec::new() } }
    }
}

/// The last part of the key.
const STATE: &str = "state.json";
/// The step's name in keys.
const STEP: &str = "join";

/// How far a join has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Progress {
    /// See [`FORMAT`].
    pub(super) format: u32,
    /// The plan of the split, which is not written yet.
    pub(super) plan: Plan,
    pub(super) stage: Stage,
}

/// The stages of a join, each with what the ones before have left.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Reads the run before.
    Old { at: At, old: Vec<SortedRun> },
    /// Reads the new run.
    New { at: At, old: Vec<SortedRun>, new: Vec<SortedRun> },
    /// Pairs the lines of both.
    Pair { at: PairingAt, old: Vec<SortedRun>, new: Vec<SortedRun>, pairs: Vec<SortedRun> },
    /// Writes what is kept.
    Write { at: Written, pairs: Vec<SortedRun> },
}

/// The next batch of a run: the index of its lane, and its index in the lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct At {
    pub(super) lane: usize,
    pub(super) batch: usize,
}

/// Whether the checkpoint at this key is one of a join.
pub(crate) fn is_of_join(keys: &RunKeys, key: &str) -> bool {
    key.starts_with(&keys.checkpoint_of(STEP))
}

/// What the keys of one call's objects begin with. `call` tells the calls apart.
pub(super) fn prefix(keys: &RunKeys, call: &str) -> String {
    keys.checkpoint(STEP, call, "")
}

/// Writes a checkpoint, and returns its key.
///
/// # Errors
/// Errors of the store.
pub(super) async fn write(objects: &Objects, prefix: &str, progress: &Progress) -> Result<String, StepError> {
    let key = format!("{prefix}{STATE}");
    objects.put(&key, serde_json::to_vec(progress).expect("a checkpoint is plain JSON")).await?;
    Ok(key)
}

/// Reads a checkpoint.
///
/// # Errors
/// `Run.UnknownFormat`, `Run.Damaged`, and errors of the store.
pub(super) async fn read(objects: &Objects, key: &str) -> Result<Progress, StepError> {
    read_file(&objects.get(key).await?, key, "a checkpoint")
}

/// Removes what all calls of a join have left.
///
/// # Errors
/// Errors of the store.
pub(super) async fn remove(objects: &Objects, keys: &RunKeys) -> Result<(), StepError> {
    objects.delete_prefix(&keys.checkpoint_of(STEP)).await?;
    Ok(())
}
