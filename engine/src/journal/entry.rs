//! What entries hold.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::error::Failure;

/// Whose journal it is, and how it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) definition: String,
    pub(crate) input: String,
    pub(crate) execution: String,
    /// In microseconds since 1970, as all times here.
    pub(crate) started: i64,
    pub(crate) outcome: Option<Ending>,
}

/// How an execution ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ending {
    Succeeded(Value),
    Failed(Failure),
    TimedOut,
}

/// A run of states: the execution, an iteration or a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Frame {
    At(Checkpoint),
    /// An iteration of an inline Map, or a branch, that has finished.
    Done(Finished),
}

/// How an iteration or branch ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) output: Value,
    /// Its last history event, and how many the execution had then.
    pub(crate) previous: u64,
    pub(crate) events: u64,
}

/// Where a frame stands. Between two checkpoints nothing happens that could not happen again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) started: i64,
    /// What the frame began with, where it could not be found out again.
    pub(crate) origin: Option<Value>,
    /// Counts checkpoints at which the frame moved on; entries below carry it in their keys.
    pub(crate) step: u64,
    /// History events of the execution so far.
    pub(crate) events: u64,
    /// The frame's latest event, which its next one follows.
    pub(crate) previous: u64,
    pub(crate) state: usize,
    pub(crate) input: Value,
    pub(crate) entered: i64,
    /// The history event by which the state was entered, and the one before.
    pub(crate) entered_event: u64,
    pub(crate) entered_previous: u64,
    /// What `Assign` has set in this frame.
    pub(crate) variables: Map<String, Value>,
    /// When the task was handed over whose outcome comes by token.
    pub(crate) submitted: Option<i64>,
    /// Retries of this visit, by retrier.
    pub(crate) tries: Vec<u32>,
    /// A Wait's end, or when the next attempt begins.
    pub(crate) wake: Option<i64>,
    /// What the state's expressions drew by chance.
    pub(crate) draws: Vec<Value>,
}

/// The run of a Distributed Map.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MapRun {
    pub(crate) id: String,
    /// The number of items, where it had to be known.
    pub(crate) total: Option<u64>,
    /// The index of the first item that was never started, once too many children have failed.
    pub(crate) exceeded_at: Option<u64>,
}

/// How a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    Succeeded = b'S',
    Failed = b'F',
}

impl Status {
    pub(super) fn from_byte(byte: u8) -> Option<Status> {
        [Status::Succeeded, Status::Failed].into_iter().find(|status| *status as u8 == byte)
    }
}

/// A finished child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChildRecord {
    pub(crate) input: Value,
    pub(crate) outcome: Result<Value, Failure>,
    pub(crate) started: i64,
    pub(crate) stopped: i64,
}

pub(crate) fn micros(moment: OffsetDateTime) -> i64 {
    // Fits for 290,000 years.
    (moment.unix_timestamp_nanos() / 1_000) as i64
}

pub(crate) fn moment(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
