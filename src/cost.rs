//! The cost of a run on AWS, item by item of the bill.

use job::{LaneKind, Plan};

/// The day of the prices below.
pub const AS_OF: &str = "August 2026";
/// The Region of the prices below.
pub const REGION: &str = "us-east-1";

/// Dollars for one unit. Source: the price list of [`REGION`], as of [`AS_OF`]; no free tier, no volume
/// discount.
mod price {
    pub(super) const STATE_TRANSITION: f64 = 0.025 / 1e3;
    pub(super) const LAMBDA_CALL: f64 = 0.20 / 1e6;
    pub(super) const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
    pub(super) const S3_PUT_OR_LIST: f64 = 0.005 / 1e3;
    pub(super) const S3_GET: f64 = 0.0004 / 1e3;
    pub(super) const LOG_GB: f64 = 0.50;
    pub(super) const METRIC_HOUR: f64 = 0.30 / 730.0;
}

/// Memory of the functions in gigabytes, as in `cdk/lib/functions.ts`.
const WORKER_GB: f64 = 512.0 / 1024.0;
const STEP_GB: f64 = 1769.0 / 1024.0;
/// Seconds between two flushes of a worker's results.
const FLUSH_SECONDS: f64 = 10.0;
/// Intents that a worker writes a second at most, if requests must not be repeated: each intent names half a
/// second's lines ahead, and the next one is written for a tenth of a second meanwhile.
const INTENTS_A_SECOND: f64 = 2.5;
/// Bytes a second that the pre-process and the post-process step process with one vCPU.
const STEP_SPEED: f64 = 80e6;
/// Bytes in one part of an upload.
const PART: f64 = 5.0 * 1024.0 * 1024.0;
/// Seconds that a response is assumed to take in a lane without a rate limit.
pub const RESPONSE_SECONDS: f64 = 0.2;
/// States that an execution enters outside its lanes: Preprocess, Claimed?, Lanes, Postprocess, Succeeded?,
/// Succeeded.
const RUN_STATES: f64 = 6.0;
/// States of a lane: Process lines, End lane, Lane ended.
const LANE_STATES: f64 = 3.0;
/// States of a batch: Work, Finished?, Done.
const BATCH_STATES: f64 = 3.0;
/// States of a pause: Work, Finished?, Pause.
const PAUSE_STATES: f64 = 3.0;
/// A worker hands waits longer than this to the state machine, in seconds.
const PAUSE_SECONDS: f64 = 20.0;
/// Number of metrics for each lane.
const LANE_METRICS: f64 = 4.0;
/// Bytes that one call logs: start, end, report, one line of the step, and its metrics.
const LOG_BYTES: f64 = 2000.0;

/// What a run uses of AWS's services.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// States entered.
    pub transitions: f64,
    /// Calls of functions.
    pub calls: f64,
    /// Memory of functions multiplied by time.
    pub gb_seconds: f64,
    /// Objects written, parts and listings.
    pub writes: f64,
    /// Objects and ranges read.
    pub reads: f64,
    /// Gigabytes of logs.
    pub log_gb: f64,
    /// Metrics multiplied by the hours in which they are written.
    pub metric_hours: f64,
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The name of the charge.
    pub what: &'static str,
    /// The amount used.
    pub amount: f64,
    /// The price in dollars.
    pub dollars: f64,
}

impl Usage {
    /// The usage of a plan if every lane runs at its limit and nothing is sent twice. `repeatable` says
    /// whether the job's requests may be sent twice and so need no intents.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn of(plan: &Plan, repeatable: bool, in_flight: impl Fn(&LaneKind) -> u32) -> Self {
        let step_seconds = plan.input.bytes as f64 / STEP_SPEED + 1.0;
        let parts = plan.input.bytes as f64 / PART;
        let all_lines = (plan.input.lines as f64).max(1.0);
        let mut usage = Self {
            transitions: RUN_STATES,
            calls: 2.0,
            gb_seconds: 2.0 * step_seconds * STEP_GB,
            // Items, output, claim, lease, job, plan, report, and the listings between.
            writes: 2.0 * parts + 20.0,
            reads: 20.0,
            ..Self::default()
        };
        for lane in &plan.lanes {
            let batches = lane.batches.len() as f64;
            let unlimited = lane.lines as f64 * RESPONSE_SECONDS / f64::from(in_flight(&lane.kind).max(1));
            let seconds = lane.seconds.max(unlimited);
            let lines = lane.lines as f64;
            // Step Functions does the longer waits, and each costs the states of a pause.
            let pauses =
                if seconds / lines.max(1.0) * f64::from(lane.workers) > PAUSE_SECONDS { lines } else { 0.0 };
            let worker_seconds = if pauses > 0.0 {
                lines * (RESPONSE_SECONDS + 1.0)
            } else {
                seconds * f64::from(lane.workers)
            };
            // Each batch ends with one more flush.
            let flushes = worker_seconds / FLUSH_SECONDS + batches + pauses;
            usage.transitions += LANE_STATES + batches * BATCH_STATES + pauses * PAUSE_STATES;
            // One more call ends the lane.
            usage.calls += batches + pauses + 1.0;
            usage.gb_seconds += worker_seconds * WORKER_GB;
            let intents = if repeatable { 0.0 } else { lines.min(worker_seconds * INTENTS_A_SECOND) };
            // Each flush looks for a stop marker. Each batch lists earlier results and reads the lease of its
            // limit, and its manifest and result are objects. After each intent the worker lists the intents of other workers.
            usage.writes += 2.0 * flushes + 2.0 * batches + 2.0 + 2.0 * intents;
            usage.reads += flushes + 3.0 * batches + parts * lines / all_lines;
            usage.metric_hours += LANE_METRICS * (seconds / 3600.0).ceil().max(1.0);
        }
        usage.log_gb = usage.calls * LOG_BYTES / 1e9;
        usage
    }

    /// The items of the bill.
    pub fn charges(&self) -> Vec<Charge> {
        let charge = |what, amount, price| Charge { what, amount, dollars: amount * price };
        vec![
            charge("Step Functions, state transitions", self.transitions, price::STATE_TRANSITION),
            charge("Lambda, requests", self.calls, price::LAMBDA_CALL),
            charge("Lambda, GB-seconds on arm64", self.gb_seconds, price::LAMBDA_GB_SECOND),
            charge("S3, PUT and LIST", self.writes, price::S3_PUT_OR_LIST),
            charge("S3, GET", self.reads, price::S3_GET),
            charge("CloudWatch, GB of logs", self.log_gb, price::LOG_GB),
            charge("CloudWatch, hours of metrics", self.metric_hours, price::METRIC_HOUR),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn total(usage: &Usage) -> f64 {
        usage.charges().iter().map(|charge| charge.dollars).sum()
    }

    /// A million lines at 200 ms a request, with an execution and a function of 128 MB for each line.
    #[test]
    fn one_execution_per_line_costs_what_the_price_list_says() {
        let usage = Usage { transitions: 1e6, calls: 1e6, gb_seconds: 1e6 * 0.2 * 0.125, ..Usage::default() };
        assert!((total(&usage) - 25.53).abs() < 0.01, "{}", total(&usage));
    }

    /// The same lines in batches of a thousand with a hundred in flight, in functions of 256 MB for 2.1
    /// seconds each.
    #[test]
    fn batches_of_a_thousand_lines_cost_a_thousandth() {
        let usage = Usage { transitions: 1e3, calls: 1e3, gb_seconds: 1e3 * 2.1 * 0.25, ..Usage::default() };
        assert!((total(&usage) - 0.032).abs() < 0.001, "{}", total(&usage));
    }

    /// One batch that takes a minute at 100/s: a minute of the worker, and a flush every ten seconds.
    #[test]
    fn usage_of_a_plan_counts_workers_and_flushes() {
        let plan = serde_json::json!({
            "input": { "file": "a.csv", "format": "csv", "compression": "none", "delimiter": 44, "header": true,
                "columns": ["q"], "lines": 6000, "blank": 0, "bytes": 60_000 },
            "output": "csv",
            "extracted": ["response"],
            "lanes": [{ "name": "a", "kind": { "named": { "provider": "a" } }, "workers": 1, "lines": 6000, "bytes": 90_000,
                "batches": [{ "first": 1, "lines": 6000, "from": 0, "to": 90_000 }], "seconds": 60.0 }]
        });
        let plan: Plan = serde_json::from_value(plan).unwrap();
        let usage = Usage::of(&plan, true, |_| 100);
        let intents = Usage::of(&plan, false, |_| 100).writes - usage.writes;
        assert_eq!(intents, 2.0 * 60.0 * INTENTS_A_SECOND, "an intent and a listing each");
        assert_eq!(usage.transitions, 12.0);
        assert_eq!(usage.calls, 4.0);
        assert!((usage.gb_seconds - (60.0 * 0.5 + 2.0 * STEP_GB)).abs() < 0.01, "{}", usage.gb_seconds);
        assert!(total(&usage) < 0.01);
    }
}
