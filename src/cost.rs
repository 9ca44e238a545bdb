//! The cost of a run on AWS, item by item of the bill.

use job::{LaneKind, Plan, PlannedLane};

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
    pub(super) const S3_GB_MONTH: f64 = 0.023;
    pub(super) const DATA_OUT_GB: f64 = 0.09;
    pub(super) const NAT_HOUR: f64 = 0.045;
    pub(super) const NAT_GB: f64 = 0.045;
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
/// Bytes in one part of an upload, in one range of the input, and in one range of a lane's items.
const PART: f64 = 5.0 * 1024.0 * 1024.0;
const INPUT_RANGE: f64 = 8.0 * 1024.0 * 1024.0;
const ITEMS_RANGE: f64 = 16.0 * 1024.0 * 1024.0;
/// Bytes of a result without its columns.
const RESULT_BYTES: f64 = 200.0;
/// Bytes of a response that is assumed to pass through a NAT gateway.
pub const RESPONSE_BYTES: f64 = 2000.0;
/// Days that results stay for the next run of the file, and that removed objects stay as old versions
/// (`cdk/lib/storage.ts`).
const RESULTS_DAYS: f64 = 180.0;
const REMOVED_DAYS: f64 = 1.0;
const DAYS_A_MONTH: f64 = 730.0 / 24.0;
/// Bytes that a request has besides its headers and body: the headers that every request has, a TLS record, and
/// three packets, of which two acknowledge the response.
const REQUEST_OVERHEAD: f64 = 120.0 + 29.0 + 3.0 * 52.0;
/// Bytes that a new connection sends: a ClientHello of 1,466, the end of the handshake, and five packets.
const HANDSHAKE_BYTES: f64 = 1466.0 + 80.0 + 5.0 * 52.0;
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
/// Bytes that one call logs: start, end, report, and one line of the step.
const LOG_BYTES: f64 = 1500.0;
/// Bytes of the metrics in the log, which a worker writes with each flush.
const METRICS_BYTES: f64 = 1000.0;

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
    /// Gigabytes of the run's folder multiplied by the months that they stay.
    pub gb_months: f64,
    /// Gigabytes that the requests send.
    pub data_out_gb: f64,
    /// Hours of a NAT gateway.
    pub nat_hours: f64,
    /// Gigabytes that pass through it.
    pub nat_gb: f64,
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

/// What the bill depends on besides the plan.
pub struct Terms<'a> {
    /// The job's requests may be sent twice and so need no intents.
    pub repeatable: bool,
    /// Bytes of a request: its first line, the job's headers and its body. A mean of those that were rendered.
    pub request_bytes: f64,
    /// The lines of unnamed hosts have different hosts, so that each needs a connection.
    pub many_hosts: bool,
    /// The functions have a network with a NAT gateway, which is there for this run alone.
    pub nat: bool,
    /// The requests under way in a lane.
    pub in_flight: &'a dyn Fn(&LaneKind) -> u32,
}

impl Usage {
    /// The usage of a plan if every lane runs at its limit and nothing is sent twice.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn of(plan: &Plan, terms: &Terms<'_>) -> Self {
        let step_seconds = plan.input.bytes as f64 / STEP_SPEED + 1.0;
        let items: f64 = plan.lanes.iter().map(|lane| lane.bytes as f64).sum();
        let results = plan.input.lines as f64 * RESULT_BYTES;
        let mut usage = Self {
            transitions: RUN_STATES,
            calls: 2.0,
            gb_seconds: 2.0 * step_seconds * STEP_GB,
            // Items, output, claim, lease, job, plan, report, and the listings between.
            writes: (items + plan.input.bytes as f64 + results) / PART + 20.0,
            reads: 20.0 + plan.input.bytes as f64 / INPUT_RANGE,
            ..Self::default()
        };
        let mut longest: f64 = 0.0;
        for lane in &plan.lanes {
            longest = longest.max(usage.add_lane(lane, terms));
        }
        let days = longest / 86_400.0;
        usage.gb_months =
            (items * (days + REMOVED_DAYS) + results * (days + RESULTS_DAYS)) / 1e9 / DAYS_A_MONTH;
        usage.log_gb += usage.calls * LOG_BYTES / 1e9;
        if terms.nat {
            usage.nat_hours = ((longest + 2.0 * step_seconds) / 3600.0).ceil();
            usage.nat_gb = usage.data_out_gb + plan.input.lines as f64 * RESPONSE_BYTES / 1e9;
        }
        usage
    }

    /// Adds what a lane uses. Returns the seconds that it takes.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn add_lane(&mut self, lane: &PlannedLane, terms: &Terms<'_>) -> f64 {
        let (batches, lines) = (lane.batches.len() as f64, lane.lines as f64);
        let in_flight = f64::from((terms.in_flight)(&lane.kind).max(1));
        let seconds = lane.seconds.max(lines * RESPONSE_SECONDS / in_flight);
        // Step Functions does the longer waits, and each costs the states of a pause.
        let pauses =
            if seconds / lines.max(1.0) * f64::from(lane.workers) > PAUSE_SECONDS { lines } else { 0.0 };
        let worker_seconds =
            if pauses > 0.0 { lines * (RESPONSE_SECONDS + 1.0) } else { seconds * f64::from(lane.workers) };
        // Each batch ends with one more flush.
        let flushes = worker_seconds / FLUSH_SECONDS + batches + pauses;
        self.transitions += LANE_STATES + batches * BATCH_STATES + pauses * PAUSE_STATES;
        // One more call ends the lane.
        self.calls += batches + pauses + 1.0;
        self.gb_seconds += worker_seconds * WORKER_GB;
        let intents = if terms.repeatable { 0.0 } else { lines.min(worker_seconds * INTENTS_A_SECOND) };
        // A flush is an object. Each batch lists earlier results, and its manifest and result are objects. After
        // each intent the worker lists the intents of other workers.
        self.writes += flushes + 2.0 * batches + 2.0 + 2.0 * intents;
        // Each flush looks for two stop markers, and the merge reads it. The merge reads the intents too. Each batch
        // reads the lease of its limit.
        self.reads += 3.0 * flushes + intents + 3.0 * batches + (lane.bytes as f64 / ITEMS_RANGE).ceil();
        self.log_gb += flushes * METRICS_BYTES / 1e9;
        self.metric_hours += LANE_METRICS * (seconds / 3600.0).ceil().max(1.0);
        let handshake = if terms.many_hosts && lane.kind == LaneKind::Hashed { HANDSHAKE_BYTES } else { 0.0 };
        self.data_out_gb += lines * (terms.request_bytes + REQUEST_OVERHEAD + handshake) / 1e9;
        seconds
    }

    /// The items of the bill.
    pub fn charges(&self) -> Vec<Charge> {
        let charge = |what, amount, price| Charge { what, amount, dollars: amount * price };
        let mut charges = vec![
            charge("Step Functions, state transitions", self.transitions, price::STATE_TRANSITION),
            charge("Lambda, requests", self.calls, price::LAMBDA_CALL),
            charge("Lambda, GB-seconds on arm64", self.gb_seconds, price::LAMBDA_GB_SECOND),
            charge("S3, PUT and LIST", self.writes, price::S3_PUT_OR_LIST),
            charge("S3, GET", self.reads, price::S3_GET),
            charge("CloudWatch, GB of logs", self.log_gb, price::LOG_GB),
            charge("CloudWatch, hours of metrics", self.metric_hours, price::METRIC_HOUR),
            charge("S3, GB-months of items and results", self.gb_months, price::S3_GB_MONTH),
            charge("data out to the internet, GB", self.data_out_gb, price::DATA_OUT_GB),
        ];
        if self.nat_hours > 0.0 {
            charges.push(charge("NAT gateway, hours", self.nat_hours, price::NAT_HOUR));
            charges.push(charge("NAT gateway, GB both ways", self.nat_gb, price::NAT_GB));
        }
        charges
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
        let usage = usage_of(&plan, true, false);
        let intents = usage_of(&plan, false, false).writes - usage.writes;
        assert_eq!(intents, 2.0 * 60.0 * INTENTS_A_SECOND, "an intent and a listing each");
        assert_eq!(usage.transitions, 12.0);
        assert_eq!(usage.calls, 4.0);
        assert!((usage.gb_seconds - (60.0 * 0.5 + 2.0 * STEP_GB)).abs() < 0.01, "{}", usage.gb_seconds);
        assert!((usage.data_out_gb - 6000.0 * (400.0 + REQUEST_OVERHEAD) / 1e9).abs() < 1e-9);
        assert_eq!(usage.nat_hours, 0.0);
        assert!(total(&usage) < 0.01);
        let nat = usage_of(&plan, true, true);
        assert_eq!(nat.nat_hours, 1.0);
        assert!((nat.nat_gb - usage.data_out_gb - 6000.0 * RESPONSE_BYTES / 1e9).abs() < 1e-9);
        assert!((total(&nat) - total(&usage) - 0.045 * (1.0 + nat.nat_gb)).abs() < 1e-9);
    }

    /// A million lines of 100 bytes at 200/s through one worker, with requests of 400 bytes: the figures of
    /// README.md and docs/aws.md.
    #[test]
    fn a_million_lines_cost_what_the_readme_says() {
        let batches: Vec<_> = (0..84)
            .map(|n| serde_json::json!({ "first": n * 12_000 + 1, "lines": 12_000, "from": 0, "to": 1 }))
            .collect();
        let plan = serde_json::json!({
            "input": { "file": "a.csv", "format": "csv", "compression": "none", "delimiter": 44, "header": true,
                "columns": ["q"], "lines": 1_000_000, "blank": 0, "bytes": 100_000_000 },
            "output": "csv",
            "extracted": ["response"],
            "lanes": [{ "name": "a", "kind": { "named": { "provider": "a" } }, "workers": 1, "lines": 1_000_000,
                "bytes": 140_000_000, "batches": batches, "seconds": 5000.0 }]
        });
        let plan: Plan = serde_json::from_value(plan).unwrap();
        let usage = usage_of(&plan, true, false);
        let cents = |what: &str| {
            let charges = usage.charges();
            let of = charges.iter().filter(|charge| charge.what.starts_with(what));
            (of.map(|charge| charge.dollars).sum::<f64>() * 1000.0).round() / 10.0
        };
        let found = ["Lambda", "Step Functions", "CloudWatch", "S3", "data out"].map(cents);
        assert_eq!(found, [3.3, 0.7, 0.4, 3.2, 6.3]);
        assert!((total(&usage) - 0.14).abs() < 0.005, "{}", total(&usage));
    }

    fn usage_of(plan: &Plan, repeatable: bool, nat: bool) -> Usage {
        let in_flight = |_: &LaneKind| 100;
        let terms = Terms { repeatable, request_bytes: 400.0, many_hosts: false, nat, in_flight: &in_flight };
        Usage::of(plan, &terms)
    }
}
