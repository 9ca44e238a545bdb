//! The report of a run: what the command line prints, and what marks the run as finished.

mod build;
mod limited;
mod message;

use std::collections::BTreeMap;

use job::ErrorName;
use job::messages::{PostprocessResponse, RunRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Home;

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
    /// The job's name.
    pub job: String,
    /// The input's file name.
    pub file: String,
    /// 0, or the number of the redrive.
    pub generation: u32,
    /// Where it ran.
    pub home: Home,
    /// When this generation was claimed, RFC 3339 in UTC.
    pub started: Option<String>,
    /// When the output was complete, RFC 3339 in UTC.
    pub finished: String,
    /// From `started` to `finished`.
    pub duration_seconds: Option<f64>,
    /// Lines of the input: `ok`, `failed` and `not_processed` together.
    pub lines: u64,
    /// Lines that succeeded.
    pub ok: u64,
    /// Lines that failed.
    pub failed: u64,
    /// Lines without a result.
    pub not_processed: u64,
    /// Blank lines of the input that were skipped; they are not among `lines`.
    pub blank: u64,
    /// The input's encoding, by its name in the WHATWG Encoding Standard.
    #[serde(default)]
    pub encoding: String,
    /// Requests that went out, in all generations: retries and redirects too, what was refused here or had no connection not.
    pub requests: u64,
    /// Answers that asked to slow down, in all generations.
    pub throttled: u64,
    /// Requests of this generation, by the time from the first to the last.
    pub requests_per_second: f64,
    /// How long requests took; null without any.
    pub latency_ms: Option<Latency>,
    /// The same by what the last attempts came to: `ok`, `429`, `4xx`, `5xx`, `other`.
    #[serde(default)]
    pub latency_by_class: BTreeMap<String, Latency>,
    /// Why lines failed, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// What the user should look at: limits that no line meets.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The lanes, as planned.
    pub lanes: Vec<LaneReport>,
    /// Where the results lie.
    pub outputs: Outputs,
    /// What the run cost on AWS; not estimated yet.
    pub cost: Option<Value>,
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
    /// Half of them took no longer.
    pub p50: u32,
    /// Nine in ten took no longer.
    pub p90: u32,
    /// 99 in a hundred took no longer.
    pub p99: u32,
    /// The longest, exactly.
    pub max: u32,
}

/// The lines that failed with one code, and of `connect` for one cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// The code, as in the output's column `error`.
    pub code: String,
    /// Of `connect`: `dns`, `refused`, `unreachable`, `timeout`, `reset`, `closed` or `unprocessed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How many lines.
    pub count: u64,
    /// The numbers of the first five.
    pub lines: Vec<u64>,
    /// What was wrong with the first.
    pub detail: String,
}

/// What kept a lane from going faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// The job's rate: all is well.
    Rate,
    /// Requests under way at once.
    InFlight,
    /// The provider, which asked to slow down.
    Provider,
}

/// One lane of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Its name.
    pub name: String,
    /// The provider whose lines it held; null where it was a share of all other hosts.
    pub provider: Option<String>,
    /// Its lines.
    pub lines: u64,
    /// Lines that succeeded.
    pub ok: u64,
    /// Lines that failed.
    pub failed: u64,
    /// Lines without a result.
    pub not_processed: u64,
    /// Requests sent, in all generations.
    pub requests: u64,
    /// Answers that asked to slow down, in all generations.
    pub throttled: u64,
    /// Requests of this generation, by the time from the first to the last.
    pub requests_per_second: f64,
    /// How long requests took; null without any.
    pub latency_ms: Option<Latency>,
    /// Why it was stopped, if it was.
    pub stopped: Option<String>,
    /// What kept it from going faster; null when nothing did for long, or nobody can tell.
    #[serde(default)]
    pub limited_by: Option<LimitedBy>,
    /// What to do about that, in words.
    #[serde(default)]
    pub advice: Option<String>,
}

/// Where the results lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Key of the output.
    pub output: String,
    /// Key of the failed lines; null without any.
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
        self.ok == self.lines
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("a report is always JSON");
        json.push(b'\n');
        json
    }

    /// What the state machine is told.
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
