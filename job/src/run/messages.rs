//! The requests and responses of the three steps. Their field names are those of `definition.asl.json`.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::lease::Wait;
use super::{Batch, Event, LineId, RunRef};
use crate::error::{ErrorName, StepError};

/// A step's request from a function's payload.
///
/// # Errors
/// `Event.Invalid` when the payload is not such a request.
pub fn request<T: DeserializeOwned>(payload: Value) -> Result<T, StepError> {
    serde_json::from_value(payload).map_err(|error| {
        StepError::new(ErrorName::EventInvalid, format!("the step's input is not valid: {error}"))
    })
}

/// The request of `Preprocess`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreprocessRequest {
    /// The execution's input.
    pub event: Event,
    /// The execution's id (an ARN on AWS).
    pub execution: String,
    /// The event in the first call, afterwards the step's last response.
    #[serde(default)]
    pub previous: Value,
}

/// The response of `Preprocess`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PreprocessResponse {
    /// The input is split: continue with the lanes.
    Ready {
        /// The run.
        run: RunRef,
        /// The lanes, each for one Map Run.
        lanes: Vec<Lane>,
    },
    /// Another run of this job holds the lease, or comes first: ask again.
    #[serde(rename = "turn")]
    Leased {
        /// The run that waits.
        run: RunRef,
        /// What it waits for, and how long until it asks again.
        #[serde(flatten)]
        wait: Wait,
    },
    /// The call's own time was nearly over: call again.
    Paused {
        /// The run.
        run: RunRef,
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// Key of the checkpoint that the next call continues from.
        checkpoint: String,
    },
    /// The key is not the key of an input, so there is nothing to do.
    Ignored {
        /// Why, in words.
        reason: String,
    },
    /// Another execution owns this run, so there is nothing to do.
    Elsewhere {
        /// The owner.
        execution: String,
    },
}

/// One lane, as the state machine needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The name in the plan.
    pub name: String,
    /// Key of the manifest: a JSON array of [`Batch`].
    pub manifest: String,
    /// Child executions at a time.
    pub workers: u32,
    /// Per cent of batches that may fail: the square root of the job's tolerance, see
    /// [`crate::Job::batch_tolerance`].
    pub tolerated_failure_percentage: f64,
    /// Seconds after which a worker whose execution was aborted has ended.
    pub settle_seconds: u64,
    /// Seconds after which the state machine no longer waits for a call of the worker.
    #[serde(default)]
    pub call_seconds: u64,
    /// On AWS, the limit whose lease the lane must hold while it sends. On one machine the lane has a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// The request of `Work`: a batch, and after a pause the pace that the worker returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkRequest {
    /// The run.
    pub run: RunRef,
    /// The lane.
    pub lane: Lane,
    /// The lines.
    pub batch: Batch,
    /// The pace at which the worker paused.
    #[serde(default)]
    pub pace: Pace,
    /// The wait for the limit's lease that the worker paused for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// The request that ends a lane: its workers have ended, so its limit is free for the lanes of other jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndLaneRequest {
    /// The run.
    pub run: RunRef,
    /// The lane.
    pub ended: Lane,
}

/// The request of `Stop workers`: a lane has failed, and workers that the state machine no longer waits for may
/// still send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StopRequest {
    /// The run.
    pub run: RunRef,
    /// The lane.
    pub lane: Lane,
    /// The error that the state machine has caught.
    pub stopped: CaughtError,
}

/// An error as `Catch` describes it (Step Functions Developer Guide, "Error output").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CaughtError {
    /// Its name.
    pub error: String,
    /// Why, where it is known.
    #[serde(default)]
    pub cause: String,
}

/// The response to a [`StopRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopResponse {
    /// Key of the stop marker.
    pub marker: String,
}

/// What the function `worker` is called for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum WorkerRequest {
    /// To send the lines of a batch.
    Work(WorkRequest),
    /// To tell the workers of a lane to stop.
    Stop(StopRequest),
    /// To end a lane.
    EndLane(EndLaneRequest),
}

impl<'de> Deserialize<'de> for WorkerRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = Value::deserialize(deserializer)?;
        let request = if payload.get("stopped").is_some() {
            serde_json::from_value(payload).map(Self::Stop)
        } else if payload.get("ended").is_some() {
            serde_json::from_value(payload).map(Self::EndLane)
        } else {
            serde_json::from_value(payload).map(Self::Work)
        };
        request.map_err(Error::custom)
    }
}

/// The response of `Work`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one value per batch")]
pub enum WorkResponse {
    /// The batch is not finished: wait, then call again with this request.
    Paused {
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// The request, with the pace to continue at.
        #[serde(flatten)]
        request: WorkRequest,
    },
    /// Every line of the batch has a result.
    Done {
        /// The first line.
        first: LineId,
        /// Lines of the batch.
        lines: u64,
        /// Of these, succeeded.
        ok: u64,
        /// Of these, failed.
        failed: u64,
    },
}

/// What a worker passes to its successor, so that a pause does not cause a burst of requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// By limit key: the provider's name in a named lane, the host in a hashed one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, KeyPace>,
    /// The lines that wait to be sent again, each with the attempts already made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<(LineId, u32)>,
    /// How often the batch has paused, see [`super::pause_after`].
    #[serde(default)]
    pub pauses: u32,
}

/// The pace of one limit key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyPace {
    /// Share of the allowed rate in use, above 0 and at most 1.
    pub factor: f64,
    /// Milliseconds since 1970 before which nothing may be sent.
    pub not_before: u64,
    /// Milliseconds since 1970 when the provider was first found to be down; 0 when it is up.
    #[serde(default)]
    pub down_since: u64,
}

/// The request of `Postprocess`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostprocessRequest {
    /// The run.
    pub run: RunRef,
    /// The execution's id.
    pub execution: String,
    /// The state's input: after a pause the step's last response.
    #[serde(default)]
    pub previous: Value,
}

/// The response of `Postprocess`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PostprocessResponse {
    /// The output is complete and the job's tolerance was kept.
    Succeeded {
        /// The run.
        run: RunRef,
        /// Lines of the input.
        lines: u64,
        /// Of these, succeeded.
        ok: u64,
        /// Of these, failed.
        failed: u64,
    },
    /// The output is complete, but too many lines failed, or lines were not processed.
    Failed {
        /// The run.
        run: RunRef,
        /// Stable name.
        error: String,
        /// In words, with the most frequent reason.
        cause: String,
        /// Lines of the input.
        lines: u64,
        /// Of these, succeeded.
        ok: u64,
        /// Of these, failed or not processed.
        failed: u64,
    },
    /// The call's own time was nearly over: call again.
    Paused {
        /// Whole seconds, at least 1.
        wait_seconds: u64,
        /// The run.
        run: RunRef,
        /// Key of the checkpoint that the next call continues from, if it needs one.
        checkpoint: Option<String>,
    },
}

/// The checkpoint of a step's last call, from the state machine's `previous`.
pub fn checkpoint(previous: &Value) -> Option<&str> {
    previous.get("checkpoint")?.as_str()
}
