//! CloudWatch's embedded metric format: log lines that contain metrics.
//! Source: CloudWatch User Guide, "Specification: Embedded metric format".

use std::io::Write;

use serde_json::{Value, json};

use crate::now;

/// The namespace of every metric.
const NAMESPACE: &str = "throughline";
/// The maximum number of values of one metric in one line.
const MAX_VALUES: usize = 100;

/// What a call for a lane of a job has counted since its last line. The run is a field of the log line and not a dimension,
/// because each value of a dimension is a metric that is paid for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// Lines that have got their outcome.
    pub lines: u64,
    /// Lines that have failed; they are also counted in `lines`.
    pub failed: u64,
    /// Responses that asked to slow down.
    pub throttled: u64,
    /// Durations of attempts in milliseconds, see [`Metrics::latency`].
    latencies: Vec<u32>,
    /// One attempt in `stride` is kept.
    stride: u64,
    attempts: u64,
}

impl Metrics {
    /// Adds the duration of an attempt. Of very many attempts, an even sample is kept.
    pub fn latency(&mut self, millis: u32) {
        self.stride = self.stride.max(1);
        if self.attempts.is_multiple_of(self.stride) {
            if self.latencies.len() == MAX_VALUES {
                let mut index = 0;
                self.latencies.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.attempts.is_multiple_of(self.stride) {
                self.latencies.push(millis);
            }
        }
        self.attempts += 1;
    }

    /// Writes the metrics to the log, from which CloudWatch extracts them.
    pub fn emit(&self, job: &str, lane: &str, run: &str) {
        let line = self.line(job, lane, run, now());
        // A call does not fail because its metrics cannot be written.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    fn line(&self, job: &str, lane: &str, run: &str, now: u64) -> Value {
        let mut metrics = vec![
            json!({ "Name": "Lines", "Unit": "Count" }),
            json!({ "Name": "Failed", "Unit": "Count" }),
            json!({ "Name": "Throttled", "Unit": "Count" }),
        ];
        let mut line = json!({
            "Job": job,
            "Lane": lane,
            "Run": run,
            "Lines": self.lines,
            "Failed": self.failed,
            "Throttled": self.throttled,
        });
        if !self.latencies.is_empty() {
            metrics.push(json!({ "Name": "Latency", "Unit": "Milliseconds" }));
            line["Latency"] = json!(self.latencies);
        }
        line["_aws"] = json!({
            "Timestamp": now,
            "CloudWatchMetrics": [
                { "Namespace": NAMESPACE, "Dimensions": [["Job", "Lane"]], "Metrics": metrics },
                of_all("Lines"),
            ],
        });
        line
    }
}

/// Writes to the log that a run is waiting for its turn, for the metric `Waiting` of all jobs together.
pub fn emit_waiting(job: &str, run: &str) {
    let line = waiting(job, run, now());
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn waiting(job: &str, run: &str, now: u64) -> Value {
    json!({
        "Job": job,
        "Run": run,
        "Waiting": 1,
        "_aws": { "Timestamp": now, "CloudWatchMetrics": [of_all("Waiting")] },
    })
}

/// A metric of all jobs and lanes together, which alarms look at.
fn of_all(name: &str) -> Value {
    json!({ "Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": [{ "Name": name, "Unit": "Count" }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_metrics_and_dimensions() {
        let mut metrics = Metrics { lines: 3, failed: 1, throttled: 2, ..Metrics::default() };
        metrics.latency(40);
        let line = metrics.line("places", "api.example.com", "r1", 1000);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["Job", "Lane"]]));
        for metric in directive["Metrics"].as_array().expect("a list") {
            assert!(line[metric["Name"].as_str().expect("a name")] != Value::Null, "{metric}");
        }
        assert_eq!((&line["Lines"], &line["Latency"], &line["Run"]), (&json!(3), &json!([40]), &json!("r1")));
    }

    #[test]
    fn lines_and_waiting_runs_are_also_counted_without_dimensions() {
        let lines = &Metrics::default().line("places", "n0", "r1", 1000)["_aws"]["CloudWatchMetrics"][1];
        let waiting = waiting("places", "r1", 1000);
        assert_eq!(waiting["Waiting"], 1);
        for (directive, name) in [(lines, "Lines"), (&waiting["_aws"]["CloudWatchMetrics"][0], "Waiting")] {
            assert_eq!(directive["Dimensions"], json!([[]]));
            assert_eq!(directive["Metrics"][0]["Name"], name);
        }
    }

    #[test]
    fn a_line_without_attempts_has_no_latency() {
        let line = Metrics::default().line("places", "other-0", "r1", 1000);
        assert_eq!(line.get("Latency"), None);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn many_attempts_are_sampled_evenly() {
        let mut metrics = Metrics::default();
        (0..100_000).for_each(|millis| metrics.latency(millis));
        assert!(
            (MAX_VALUES / 2..=MAX_VALUES).contains(&metrics.latencies.len()),
            "{}",
            metrics.latencies.len()
        );
        let steps: Vec<u32> = metrics.latencies.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
    }
}
