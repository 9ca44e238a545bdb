//! The report of a run. The command line prints it, and a run that has it is finished.

mod build;
mod limited;
mod message;

use std::collections::BTreeMap;

use job::ErrorName;
use job::run::{PostprocessResponse, RunRef};
use serde::{Deserialize, Serialize};

use job::Environment;

pub(crate) use build::build;

/// `jobs/<job>/report/<file>.json`. The names of its fields are stable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How the run ended.
    pub verdict: Verdict,
    /// In a sentence or two: how many lines failed, the most frequent reason, and why lanes were stopped.
    pub message: String,
    /// The run's id.
    pub run: String,
    /// The versions of each step that have worked on this generation, such as `0.1.0`; on AWS with the
    /// published version of the function, such as `0.1.0+7`.
    #[serde(default)]
    pub versions: BTreeMap<String, Vec<String>>,
    /// The job's name.
    pub job: String,
    /// The input's file name.
    pub file: String,
    /// 0, or the number of the redrive.
    pub generation: u32,
    /// Where the run was executed.
    pub home: Environment,
    /// When this generation was claimed: RFC 3339, in UTC.
    pub started: Option<String>,
    /// When the output was complete: RFC 3339, in UTC.
    pub finished: String,
    /// The time from `started` to `finished`.
    pub duration_seconds: Option<f64>,
    /// Lines of the input: `ok`, `failed`, `not_processed` and `skipped` together.
    pub lines: u64,
    /// Lines that succeeded.
    pub ok: u64,
    /// Lines that failed.
    pub failed: u64,
    /// Lines without a result.
    pub not_processed: u64,
    /// Lines that make no request, because `where` of the job does not hold for them.
    #[serde(default)]
    pub skipped: u64,
    /// Lines of `ok` whose response was kept from the run before, and that this run has not sent.
    #[serde(default)]
    pub kept: u64,
    /// When the run began whose responses were kept: RFC 3339, in UTC; null where none was.
    #[serde(default)]
    pub kept_from: Option<String>,
    /// Whether the run has only a part of the file's lines (`run --limit`, `--lines`, `--sample`).
    #[serde(default)]
    pub limited: bool,
    /// Blank lines of the input that were skipped; they are not among `lines`.
    pub blank: u64,
    /// The input's encoding, by its name in the WHATWG Encoding Standard.
    #[serde(default)]
    pub encoding: String,
    /// Requests that were sent, in all generations. Retries and redirects count; a request that was refused
    /// before it was sent, or that had no connection, does not.
    pub requests: u64,
    /// Responses that asked to slow down, in all generations.
    pub throttled: u64,
    /// Requests of this generation, divided by the time from the first to the last.
    pub requests_per_second: f64,
    /// How long requests took; null without any.
    pub latency_ms: Option<Latency>,
    /// The same by the class of the last attempt: `ok`, `429`, `4xx`, `5xx`, `other`.
    #[serde(default)]
    pub latency_by_class: BTreeMap<String, Latency>,
    /// Why lines failed, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// What the user should check: limits that apply to no line.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The lanes, as planned.
    pub lanes: Vec<LaneReport>,
    /// The keys of the outputs.
    pub outputs: Outputs,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every line succeeded.
    Succeeded,
    /// Every line was processed, and lines failed, but no more than the job tolerates.
    SomeFailed,
    /// More lines failed than the job tolerates, or lines were stopped or not processed.
    Failed,
}

/// Milliseconds that the last attempts of lines took, within 1/32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the attempts took no longer.
    pub p50: u32,
    /// 90 of 100 attempts took no longer.
    pub p90: u32,
    /// 99 of 100 attempts took no longer.
    pub p99: u32,
    /// The longest attempt, exactly.
    pub max: u32,
}

/// The lines that failed with one code, or for `connect` with one cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// The code, as in the output's column `error`.
    pub code: String,
    /// The cause of `connect`: `dns`, `refused`, `unreachable`, `timeout`, `reset`, `closed` or
    /// `unprocessed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The number of these lines.
    pub count: u64,
    /// The numbers of the first five.
    pub lines: Vec<u64>,
    /// What was wrong with the first line.
    pub detail: String,
}

/// What kept a lane from going faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// The job's rate, as it should be.
    Rate,
    /// The number of concurrent requests, `in_flight`.
    InFlight,
    /// The provider, which asked to slow down.
    Provider,
}

/// One lane of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Its name.
    pub name: String,
    /// The provider of its lines; null for a lane of other hosts.
    pub provider: Option<String>,
    /// The number of its lines.
    pub lines: u64,
    /// Lines that succeeded.
    pub ok: u64,
    /// Lines that failed.
    pub failed: u64,
    /// Lines without a result.
    pub not_processed: u64,
    /// Lines that make no request.
    #[serde(default)]
    pub skipped: u64,
    /// Requests that were sent, in all generations.
    pub requests: u64,
    /// Responses that asked to slow down, in all generations.
    pub throttled: u64,
    /// Requests of this generation, divided by the time from the first to the last.
    pub requests_per_second: f64,
    /// How long requests took; null without any.
    pub latency_ms: Option<Latency>,
    /// Why the lane was stopped, if it was.
    pub stopped: Option<String>,
    /// What kept the lane from going faster; null if nothing did for long, or if it is unknown.
    #[serde(default)]
    pub limited_by: Option<LimitedBy>,
    /// What to do about that, in words.
    #[serde(default)]
    pub advice: Option<String>,
}

/// The keys of the outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Key of the output.
    pub output: String,
    /// Key of the file of failed lines; null without any.
    pub failed: Option<String>,
    /// Key of this report.
    pub report: String,
}

impl Report {
    /// How the run ended, in words.
    pub fn ending(&self) -> &'static str {
        match self.verdict {
            Verdict::Failed => "failed",
            Verdict::Succeeded | Verdict::SomeFailed if self.complete() => "every line succeeded",
            Verdict::Succeeded | Verdict::SomeFailed if self.ok == 0 => "finished, every line failed",
            Verdict::Succeeded | Verdict::SomeFailed => "finished, some lines failed",
        }
    }

    /// Whether every line succeeded.
    pub fn complete(&self) -> bool {
        self.ok + self.skipped == self.lines
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("a report is always JSON");
        json.push(b'\n');
        json
    }

    /// The response to the state machine.
    pub(crate) fn response(self, run: RunRef) -> PostprocessResponse {
        let Self { lines, ok, .. } = self;
        let failed = self.failed + self.not_processed;
        match self.verdict {
            Verdict::Succeeded | Verdict::SomeFailed => {
                PostprocessResponse::Succeeded { run, lines, ok, failed }
            }
            Verdict::Failed => PostprocessResponse::Failed {
                run,
                error: ErrorName::RunFailed.to_string(),
                cause: self.message,
                lines,
                ok,
                failed,
            },
        }
    }
}
