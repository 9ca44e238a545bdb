//! The contents of the journal's entries.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::map_run::MapRunLimits;
use crate::failure::Failure;
use crate::json;

/// The format of journals. A journal of a higher one is refused. A journal without a number has the format 1. The
/// format 2 has signals and aborted executions.
pub(crate) const FORMAT: u32 = 2;

fn first_format() -> u32 {
    1
}

/// The format alone, which can be read of an owner of any format.
#[derive(Debug, Deserialize)]
pub(crate) struct Numbered {
    #[serde(default = "first_format")]
    pub(crate) format: u32,
}

/// The owner of the journal, and how its execution ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The format of the journal, see [`FORMAT`].
    #[serde(default = "first_format")]
    pub(crate) format: u32,
    pub(crate) definition: String,
    pub(crate) input: String,
    pub(crate) execution: String,
    /// In microseconds since 1970, like all times in the journal.
    pub(crate) started: i64,
    pub(crate) outcome: Option<Ending>,
    /// The time of the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) is_standard: bool,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) redrives: u32,
    /// The time of the last redrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redriven: Option<i64>,
}

/// How an execution ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ending {
    Succeeded(#[serde(deserialize_with = "json::value")] Value),
    Failed(Failure),
    TimedOut,
    Aborted(Failure),
}

/// What was sent from outside and acknowledged. It is kept until it has no use any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Signal {
    /// The outcome of an attempt of a task.
    Outcome(TaskOutcome),
    /// The limits of a Map Run, in place of those of its state.
    Limits(MapRunLimits),
}

/// The outcome of a task that was sent by token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum TaskOutcome {
    Succeeded(#[serde(deserialize_with = "json::value")] Value),
    Failed { error: String, cause: String },
}

/// The entry of a frame: the execution, a branch or iteration, or a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FrameEntry {
    At(Box<Checkpoint>),
    /// A branch, or an iteration of an inline Map, that has finished.
    Done(Done),
}

/// The result of a frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Done {
    #[serde(deserialize_with = "json::value")]
    pub(crate) output: Value,
    /// The frame's last history event.
    pub(crate) previous: u64,
    /// The event of its success, if it is an iteration. An entry of an earlier version has none.
    #[serde(default)]
    pub(crate) succeeded: Option<u64>,
    /// The number of history events of the execution so far.
    pub(crate) events: u64,
}

/// The position of a frame. Everything between two checkpoints can be repeated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) started: i64,
    /// The frame's input, if it is nondeterministic.
    #[serde(deserialize_with = "json::maybe")]
    pub(crate) origin: Option<Value>,
    /// Counts the visits and attempts of the frame. It is part of the keys of entries below the frame.
    pub(crate) step: u64,
    /// The number of history events of the execution so far.
    pub(crate) events: u64,
    /// The frame's latest history event, which the next one follows.
    pub(crate) previous: u64,
    pub(crate) state: usize,
    #[serde(deserialize_with = "json::value")]
    pub(crate) input: Value,
    /// The time at which the state was entered.
    pub(crate) entered: i64,
    /// The history event of the state's entry.
    pub(crate) entered_event: u64,
    /// The event before that.
    pub(crate) entered_previous: u64,
    /// The variables that this frame has set.
    #[serde(deserialize_with = "json::fields")]
    pub(crate) variables: Map<String, Value>,
    /// The time at which a task that waits for a token was scheduled, once it has been handed over.
    pub(crate) submitted: Option<i64>,
    /// The number of retries in this visit, by retrier.
    pub(crate) tries: Vec<u32>,
    /// The end of a Wait, or the time of the next attempt.
    pub(crate) wake: Option<i64>,
    /// The event of the start of the state's Map, Map Run or Parallel, once it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<u64>,
    /// The redrives of the execution up to this checkpoint.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) generation: u32,
    /// The redrives of this frame, which had begun before them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) redrives: u32,
    /// The random draws of the state's expressions.
    #[serde(deserialize_with = "json::items")]
    pub(crate) draws: Vec<Value>,
}

// What few executions have is left out of the entries of all others.

fn is_false(value: &bool) -> bool {
    !value
}

fn is_none(redrives: &u32) -> bool {
    *redrives == 0
}

pub(crate) fn micros(moment: OffsetDateTime) -> i64 {
    // The number fits for 290,000 years.
    (moment.unix_timestamp_nanos() / 1_000) as i64
}

pub(crate) fn moment(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
