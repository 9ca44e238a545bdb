//! What the server measures, as OpenMetrics (OpenMetrics 1.0) at `/metrics`. Counters begin with the process.

mod lanes;

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::jobs::LiveRun;

/// The bounds of the histograms of times, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The counters of a server. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    starts: Family<OfMachine, Counter>,
    ends: Family<OfStatus, Counter>,
    requests: Family<OfOperation, Counter>,
    request_seconds: Family<OfName, Histogram>,
    commits: Histogram,
    changes: Counter,
    bytes: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMachine {
    machine: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    machine: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOperation {
    operation: String,
    error: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfName {
    operation: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            starts: Family::default(),
            ends: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            commits: Histogram::new(SECONDS),
            changes: Counter::default(),
            bytes: Counter::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn started(&self, machine: &str) {
        self.starts.get_or_create(&OfMachine { machine: machine.into() }).inc();
    }

    pub(crate) fn ended(&self, machine: &str, status: &'static str) {
        self.ends.get_or_create(&OfStatus { machine: machine.into(), status }).inc();
    }

    /// A request to the API. `error` is empty if it succeeded.
    pub(crate) fn requested(&self, operation: &str, error: &str, took: Duration) {
        let operation = operation.to_owned();
        self.requests.get_or_create(&OfOperation { operation: operation.clone(), error: error.into() }).inc();
        self.request_seconds.get_or_create(&OfName { operation }).observe(took.as_secs_f64());
    }

    /// A group of changes that became durable together.
    pub(crate) fn committed(&self, changes: usize, bytes: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.changes.inc_by(changes as u64);
        self.bytes.inc_by(bytes as u64);
    }

    /// The text of `/metrics`. `open` are the machines with their executions that have not ended, of which `parked` only
    /// wait; `runs` are the runs that are under way with their jobs.
    pub(crate) fn text(
        &self,
        open: Vec<(String, usize)>,
        parked: usize,
        runs: &[(String, LiveRun)],
    ) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("throughline");
        let running = Family::<OfMachine, Gauge>::default();
        for (machine, number) in open {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            running.get_or_create(&OfMachine { machine }).set(number);
        }
        registry.register("executions_open", "Executions that have not ended", running);
        let waiting: Gauge = Gauge::default();
        waiting.set(i64::try_from(parked).unwrap_or(i64::MAX));
        registry.register("executions_parked", "Executions that only wait, and are not in memory", waiting);
        registry.register("starts", "Executions that were started", self.starts.clone());
        registry.register("ends", "Executions that have ended, by status", self.ends.clone());
        registry.register("api_requests", "Requests to the API, by operation", self.requests.clone());
        registry.register_with_unit(
            "api_request",
            "The time of requests to the API",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register_with_unit(
            "store_commit",
            "The time until a group of changes is on disk",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register("store_changes", "Changes that were written to the store", self.changes.clone());
        registry.register_with_unit(
            "store_written",
            "Keys and values that were written to the store",
            Unit::Bytes,
            self.bytes.clone(),
        );
        lanes::register(&mut registry, runs);
        let mut process = Registry::with_prefix("process");
        let gauge = |value: u64| {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            gauge
        };
        let used = Process::read();
        process.register_with_unit(
            "resident_memory",
            "Memory in use",
            Unit::Bytes,
            gauge(used.memory.unwrap_or_default()),
        );
        process.register("open_fds", "Open files", gauge(used.files.unwrap_or_default()));
        let mut written = String::new();
        text::encode_registry(&mut written, &registry)?;
        text::encode_registry(&mut written, &process)?;
        text::encode_eof(&mut written)?;
        Ok(written)
    }
}

/// What the process uses, as far as the system says.
pub(crate) struct Process {
    /// In bytes.
    pub(crate) memory: Option<u64>,
    /// The number of open files.
    pub(crate) files: Option<u64>,
}

impl Process {
    /// Reads it from `/proc`, which Linux has.
    pub(crate) fn read() -> Self {
        let kibibytes = || {
            let status = std::fs::read_to_string("/proc/self/status").ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        };
        let files = std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        Self { memory: kibibytes().map(|kibibytes| kibibytes * 1024), files }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jobs::LiveLane;

    fn run() -> LiveRun {
        let lane = LiveLane {
            name: "a".into(),
            limit: "a.example".into(),
            throttled: 2,
            achieved: 4.5,
            ..LiveLane::default()
        };
        LiveRun { phase: "sending", split_lines: 1, merged_lines: 0, lanes: vec![lane] }
    }

    #[test]
    fn the_text_has_every_family_and_one_end() {
        let metrics = Metrics::default();
        metrics.started("m\"1");
        metrics.ended("m", "FAILED");
        metrics.requested("StartExecution", "", Duration::from_millis(3));
        metrics.committed(4, 100, Duration::from_millis(2));
        let text = metrics.text(vec![("m".into(), 7)], 3, &[("places".into(), run())]).unwrap();
        for line in [
            "throughline_executions_open{machine=\"m\"} 7",
            "throughline_starts_total{machine=\"m\\\"1\"} 1",
            "throughline_ends_total{machine=\"m\",status=\"FAILED\"} 1",
            "throughline_api_requests_total{operation=\"StartExecution\",error=\"\"} 1",
            "throughline_api_request_seconds_count{operation=\"StartExecution\"} 1",
            "throughline_store_commit_seconds_bucket{le=\"0.0025\"} 1",
            "throughline_store_written_bytes_total 100",
            "throughline_lane{job=\"places\",lane=\"a\",kind=\"throttled\"} 2",
            "throughline_lane_rate{job=\"places\",lane=\"a\",kind=\"achieved\"} 4.5",
            "throughline_lane_held{job=\"places\",lane=\"a\",limit=\"a.example\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    }
}
