//! The jobs of a server. Another package has their steps, and this one runs them as executions of one machine.

mod pages;

use std::io;

use async_trait::async_trait;
use axum::body::Bytes;
use engine::{TaskCall, TaskError};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use states::Host;

pub use pages::{
    BatchStrip, Cell, Exchanged, FailedLines, JobPages, PlannedLane, Preview, RunDetail, Sample, SecretName,
    Tried,
};

/// The machine whose executions are the runs of jobs. No caller of the API can change it.
pub const MACHINE: &str = "throughline";

/// The content of an object.
pub type Content = BoxStream<'static, io::Result<Bytes>>;

/// The steps of jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// The definition of the machine.
    fn definition(&self) -> &str;

    /// The queue of the object with this key, if its upload starts a run: runs of one queue go one after the other.
    fn queue(&self, key: &str, size: u64) -> Option<String>;

    /// Calls a function of the definition; `execution` is the ARN of the run's execution.
    ///
    /// # Errors
    /// The error that the state gets.
    async fn call(&self, host: &Host, call: &TaskCall, execution: &str) -> Result<Value, TaskError>;

    /// The execution has ended, or will be continued by another process.
    fn ended(&self, execution: &str);

    /// Writes an input, which starts a run. Returns the ETag of the object.
    ///
    /// # Errors
    /// When it cannot be read or written.
    async fn upload(&self, key: &str, content: Content) -> Result<String, JobsError>;

    /// Checks a job file: it can be read, and this server may run it.
    ///
    /// # Errors
    /// What is wrong, and where.
    async fn check(&self, job: &str, text: &str) -> Result<(), JobsError>;

    /// Writes a job file that was checked.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn set(&self, job: &str, text: String) -> Result<(), JobsError>;

    /// Ends a run early; what it has received becomes its output. Returns whether it is under way.
    ///
    /// # Errors
    /// When that cannot be written.
    async fn stop(&self, execution: &str) -> Result<bool, JobsError>;

    /// What happens in a run that is under way.
    fn live(&self, execution: &str) -> Option<LiveRun>;

    /// The runs that are under way, with the names of their jobs.
    fn live_runs(&self) -> Vec<(String, LiveRun)>;

    /// Changes a lane of a run that is under way, durably. `None`: the run or the lane is not under way.
    ///
    /// # Errors
    /// When the change is wrong, or cannot be written.
    async fn change_lane(
        &self,
        execution: &str,
        lane: &str,
        change: LaneChange,
    ) -> Result<Option<()>, JobsError>;

    /// The outputs of a run, unless there are none yet or those of a later run of the file have replaced them.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn outputs(&self, execution: &str, job: &str, file: &str) -> Result<Option<RunOutputs>, JobsError>;

    /// Reads an object.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read(&self, key: &str) -> Result<Content, JobsError>;
}

/// The outputs of a run.
#[derive(Debug, Clone)]
pub struct RunOutputs {
    /// The report.
    pub report: Value,
    /// The key of the output. A run that could not start has none.
    pub output: Option<String>,
    /// The key of the failed lines, if there are any.
    pub failed: Option<String>,
    /// The event that sends the failed lines again, and the name of its execution.
    pub redrive: Option<(String, Value)>,
}

/// A run that is under way.
#[derive(Debug, Clone, Serialize)]
pub struct LiveRun {
    /// `starting`, `splitting`, `sending` or `merging`.
    pub phase: &'static str,
    /// Lines that are split so far.
    pub split_lines: u64,
    /// Lines that are merged so far.
    pub merged_lines: u64,
    /// The lanes, when they are known.
    pub lanes: Vec<LiveLane>,
}

/// A lane of a run that is under way.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LiveLane {
    /// Its name, which is unique in the run.
    pub name: String,
    /// The name of its limit; for a share of the hosts without one, its own name.
    pub limit: String,
    /// Its lines.
    pub lines: u64,
    /// Lines that have an outcome.
    pub done: u64,
    /// Lines that have failed; they are also counted in `done`.
    pub failed: u64,
    /// Requests that this process has sent.
    pub requests: u64,
    /// Responses that asked to slow down.
    pub throttled: u64,
    /// Milliseconds in which half of the responses of the last ten seconds came.
    pub latency_p50: Option<u32>,
    /// Milliseconds in which 99% of them came.
    pub latency_p99: Option<u32>,
    /// Requests a second that its workers may send now. `None`: as many as are in flight allow.
    pub allowed: Option<f64>,
    /// Requests a second that were sent in the last ten seconds.
    pub achieved: f64,
    /// Until when the provider gets no requests, if it asked for that or is down: RFC 3339.
    pub held_until: Option<String>,
    /// The job whose lane must end first, because it uses the same limit.
    pub waits_for: Option<String>,
    /// Whether it was paused by a request.
    pub paused: bool,
    /// The rate that was set by a request.
    pub rate: Option<String>,
    /// The last minutes, oldest first.
    pub seconds: Vec<LaneSecond>,
}

/// What a lane did in a second.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LaneSecond {
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// Requests that were sent.
    pub requests: u32,
    /// Responses that asked to slow down.
    pub throttled: u32,
    /// Milliseconds in which half of the responses of the ten seconds before its end came; 0 without one.
    pub latency_p50: u32,
    /// Requests a second that were allowed at its end; 0 without a limit.
    pub allowed: f32,
}

/// A change of a lane. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneChange {
    /// Another rate, or `null` for that of the job.
    #[serde(default, deserialize_with = "given")]
    pub rate: Option<Option<String>>,
    /// Whether it sends nothing.
    pub paused: Option<bool>,
}

/// Tells a member that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Why something cannot be done with a job.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobsError {
    /// What the caller sent is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The store does not respond, or is full.
    #[error("{0}")]
    Unavailable(String),
}
