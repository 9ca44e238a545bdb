//! What a run costs on AWS, line by line of the bill.

use job::{LaneKind, Plan};

/// The day of the prices below.
pub const AS_OF: &str = "August 2026";
/// The Region of the prices below.
pub const REGION: &str = "us-east-1";

/// Dollars for one unit. Source: the price list of [`REGION`], as of [`AS_OF`]; no free tier, no volume discount.
mod price {
    pub(super) const STATE_TRANSITION: f64 = 0.025 / 1e3;
    pub(super) const LAMBDA_CALL: f64 = 0.20 / 1e6;
    pub(super) const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
    pub(super) const S3_PUT_OR_LIST: f64 = 0.005 / 1e3;
    pub(super) const S3_GET: f64 = 0.0004 / 1e3;
    pub(super) const LOG_GB: f64 = 0.50;
    pub(super) const METRIC_HOUR: f64 = 0.30 / 730.0;
}

/// Gigabytes of the functions, as `cdk/lib/functions.ts` has them.
const WORKER_GB: f64 = 512.0 / 1024.0;
const STEP_GB: f64 = 1769.0 / 1024.0;
/// How often a worker writes what it has, seconds.
const FLUSH_SECONDS: f64 = 10.0;
/// How often a worker writes an intent, at most, where requests must not be repeated: half a second of the rate is named
/// ahead, and the next intent is under way for a tenth of a second.
const INTENTS_A_SECOND: f64 = 2.5;
/// Bytes a second that the pre- and the post-process step go through, with one vCPU.
const STEP_SPEED: f64 = 80e6;
/// Bytes of a part of an upload.
const PART: f64 = 5.0 * 1024.0 * 1024.0;
/// How long an answer takes where no limit says how long a lane lasts, seconds.
pub const ANSWER_SECONDS: f64 = 0.2;
/// States that an execution enters besides its lanes: Preprocess, Claimed?, Lanes, Postprocess, Succeeded?, Succeeded.
const RUN_STATES: f64 = 6.0;
/// Process lines, Lane ended.
const LANE_STATES: f64 = 2.0;
/// Work, Finished?, Done.
const BATCH_STATES: f64 = 3.0;
/// Work, Finished?, Pause.
const PAUSE_STATES: f64 = 3.0;
/// A worker hands longer waits to the state machine.
const PAUSE_SECONDS: f64 = 20.0;
/// Metrics of a lane.
const LANE_METRICS: f64 = 4.0;
/// Log of one call: start, end, report, a line of its own, and its metrics.
const LOG_BYTES: f64 = 2000.0;

/// What a run uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// States entered.
    pub transitions: f64,
    /// Calls of functions.
    pub calls: f64,
    /// Memory of functions by time.
    pub gb_seconds: f64,
    /// Objects written, parts and listings.
    pub writes: f64,
    /// Objects and ranges read.
    pub reads: f64,
    /// Gigabytes of logs.
    pub log_gb: f64,
    /// Metrics by the hours in which they are written.
    pub metric_hours: f64,
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// What for.
    pub what: &'static str,
    /// How much of it.
    pub amount: f64,
    /// Dollars.
    pub dollars: f64,
}

impl Usage {
    /// Of a plan, when nothing is slower than its limit and nothing is sent twice. `repeatable`: whether the job's requests
    /// may be sent twice, and so need no intents.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn of(plan: &Plan, repeatable: bool, in_flight: impl Fn(&LaneKind) -> u32) -> Self {
        let step_seconds = plan.input.bytes as f64 / STEP_SPEED + 1.0;
        let parts = plan.input.bytes as f64 / PART;
        let all_lines = (plan.input.lines as f64).max(1.0);
        let mut usage = Self {
            transitions: RUN_STATES,
            calls: 2.0,
            gb_seconds: 2.0 * step_seconds * STEP_GB,
            // Items, output, claim, turn, job, plan, report, and the listings between.
            writes: 2.0 * parts + 20.0,
            reads: 20.0,
            ..Self::default()
        };
        for lane in &plan.lanes {
            let batches = lane.batches.len() as f64;
            let unlimited = lane.lines as f64 * ANSWER_SECONDS / f64::from(in_flight(&lane.kind).max(1));
            let seconds = lane.seconds.max(unlimited);
            let lines = lane.lines as f64;
            // A wait that is longer is Step Functions', and costs the way there and back.
            let pauses =
                if seconds / lines.max(1.0) * f64::from(lane.workers) > PAUSE_SECONDS { lines } else { 0.0 };
            let worker_seconds =
                if pauses > 0.0 { lines * (ANSWER_SECONDS + 1.0) } else { seconds * f64::from(lane.workers) };
            // The last flush of a batch comes whenever it ends.
            let flushes = worker_seconds / FLUSH_SECONDS + batches + pauses;
            usage.transitions += LANE_STATES + batches * BATCH_STATES + pauses * PAUSE_STATES;
            usage.calls += batches + pauses;
            usage.gb_seconds += worker_seconds * WORKER_GB;
            let intents = if repeatable { 0.0 } else { lines.min(worker_seconds * INTENTS_A_SECOND) };
            // A flush looks for a stop marker; a batch looks for earlier results, and its manifest and result are objects.
            // Behind an intent the worker looks for another one's.
            usage.writes += 2.0 * flushes + 2.0 * batches + 2.0 + 2.0 * intents;
            usage.reads += flushes + 2.0 * batches + parts * lines / all_lines;
            usage.metric_hours += LANE_METRICS * (seconds / 3600.0).ceil().max(1.0);
        }
        usage.log_gb = usage.calls * LOG_BYTES / 1e9;
        usage
    }

    /// The bill.
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

    /// A million lines, 200 ms a request: an execution and a function of 128 MB for each line.
    #[test]
    fn one_child_a_line_costs_what_the_price_list_says() {
        let usage = Usage { transitions: 1e6, calls: 1e6, gb_seconds: 1e6 * 0.2 * 0.125, ..Usage::default() };
        assert!((total(&usage) - 25.53).abs() < 0.01, "{}", total(&usage));
    }

    /// The same in batches of a thousand, a hundred in flight, in functions of 256 MB for 2.1 seconds each.
    #[test]
    fn a_thousand_lines_a_batch_cost_a_thousandth() {
        let usage = Usage { transitions: 1e3, calls: 1e3, gb_seconds: 1e3 * 2.1 * 0.25, ..Usage::default() };
        assert!((total(&usage) - 0.032).abs() < 0.001, "{}", total(&usage));
    }

    /// A minute at 100/s in one batch: the worker's minute, and one flush in ten seconds.
    #[test]
    fn a_plan_is_counted_in_workers_and_flushes() {
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
        assert_eq!(usage.transitions, 11.0);
        assert_eq!(usage.calls, 3.0);
        assert!((usage.gb_seconds - (60.0 * 0.5 + 2.0 * STEP_GB)).abs() < 0.01, "{}", usage.gb_seconds);
        assert!(total(&usage) < 0.01);
    }
}
