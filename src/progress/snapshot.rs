//! A run at one moment: what is shown of its progress.

use serde::Serialize;

/// A run at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The phase of the run.
    pub phase: Phase,
    /// Whether it runs on AWS, so that this process only watches it.
    pub remote: bool,
    /// Whether it was asked to stop, and waits only for the requests in flight.
    pub stopping: bool,
    /// Lines that are split so far.
    pub split_lines: u64,
    /// Decompressed bytes that are split so far.
    pub split_bytes: u64,
    /// Lines that are merged so far.
    pub merged_lines: u64,
    /// The lanes, when they are known.
    pub lanes: Vec<LaneSnapshot>,
    /// The batches of a run on AWS, when they are known.
    pub batches: Option<Batches>,
    /// The run that this one waits for.
    pub queue: Option<Queue>,
    /// Lines that were done before this process started.
    pub done_before: u64,
    /// Seconds in which an execution on AWS must claim the run.
    pub unclaimed: Option<u64>,
}

/// The batches of a run on AWS, as its Map Runs count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// All batches of the lanes that have started.
    pub total: u64,
    /// Batches whose child execution succeeded.
    pub done: u64,
    /// Batches whose child execution failed.
    pub failed: u64,
    /// Batches whose child execution is running or paused.
    pub running: u64,
}

/// The run whose turn it is, while another run of the same job waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// The id of that run, JOB/ID. Not known if it was aborted and the waiting run is next.
    pub holder: Option<String>,
    /// When it started, RFC 3339 in UTC.
    pub since: Option<String>,
    /// Whether it has ended, so that the waiting run takes its turn at the next poll.
    pub ended: bool,
    /// When its turn ends, if that is known: RFC 3339 in UTC.
    pub begins: Option<String>,
}

/// The phase of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The run has not started yet.
    #[default]
    Starting,
    /// The run waits for another run of the same job.
    Queued,
    /// The input is split into lanes.
    Splitting,
    /// Requests are made.
    Sending,
    /// The output is merged.
    Merging,
}

/// One lane at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct LaneSnapshot {
    /// The name that is unique in the run.
    #[serde(skip)]
    pub lane: String,
    /// The provider, or the lane's name where it is a share of all other hosts.
    pub name: String,
    /// Its lines.
    pub lines: u64,
    /// Lines that have an outcome.
    pub done: u64,
    /// Lines that have failed; they are also counted in `done`.
    pub failed: u64,
    /// Responses that asked to slow down.
    pub throttled: u64,
    /// Requests that this process has sent.
    #[serde(skip)]
    pub sent: u64,
    /// Seconds until the provider may get requests again, if it asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u64>,
    /// The job whose lane must end first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<OtherJob>,
}

/// A job in the same state folder or stack whose lane uses the same limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherJob {
    /// Its name.
    pub job: String,
    /// The limit.
    pub limit: String,
}

impl std::fmt::Display for OtherJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "waits for {}, which uses the limit {}", self.job, self.limit)
    }
}

/// What a run has taken over from the run before it of the same job and file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenOver {
    /// The id of the run before.
    pub run: String,
    /// When that run started, RFC 3339 in UTC.
    pub started: String,
    /// Lines that keep their response.
    pub kept: u64,
    /// Lines with an unknown outcome, which are not sent again.
    pub unknown: u64,
    /// Lines that are left to send.
    pub to_send: u64,
}

/// The name of the sum of all lanes.
pub(super) const ALL: &str = "all lanes";

impl Snapshot {
    /// The sum of all lanes.
    pub fn total(&self) -> LaneSnapshot {
        let sum = |count: fn(&LaneSnapshot) -> u64| self.lanes.iter().map(count).sum();
        LaneSnapshot {
            lane: String::new(),
            name: ALL.to_owned(),
            lines: sum(|lane| lane.lines),
            done: sum(|lane| lane.done),
            failed: sum(|lane| lane.failed),
            throttled: sum(|lane| lane.throttled),
            sent: sum(|lane| lane.sent),
            held_seconds: None,
            waits_for: None,
        }
    }
}
