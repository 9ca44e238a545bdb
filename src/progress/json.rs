//! Progress as one JSON object per line.

use serde::Serialize;
use serde_json::Value;

use super::show::Rates;
use super::{Batches, LaneSnapshot, Phase, Queue, Snapshot, TakenOver};

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    phase: Phase,
    split_lines: u64,
    split_bytes: u64,
    merged_lines: u64,
    /// Lines that were done before this process started.
    done_before: u64,
    /// The sum of all lanes.
    total: Lane<'a>,
    lanes: Vec<Lane<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a Queue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batches: Option<Batches>,
}

#[derive(Serialize)]
struct Lane<'a> {
    #[serde(flatten)]
    now: &'a LaneSnapshot,
    requests_per_second: f64,
    left_seconds: Option<u64>,
}

impl<'a> Lane<'a> {
    fn new(now: &'a LaneSnapshot, rates: &Rates) -> Self {
        Self {
            now,
            requests_per_second: (rates.requests(&now.name) * 10.0).round() / 10.0,
            left_seconds: rates.time_left(now).map(|left| left.as_secs()),
        }
    }
}

/// `{"event": "continues", …}`
pub(super) fn taken_over(taken_over: &TakenOver) -> Value {
    let mut event = serde_json::json!(taken_over);
    event["event"] = "continues".into();
    event
}

/// The counts of all lanes together: `{"event": "progress", …}`
pub(super) fn total(now: &Snapshot, rates: &Rates) -> Value {
    let total = now.total();
    let LaneSnapshot { lines, done, failed, throttled, sent, .. } = &total;
    let rate = Lane::new(&total, rates).requests_per_second;
    serde_json::json!({
        "event": "progress", "phase": now.phase, "lines": lines, "done": done, "failed": failed,
        "throttled": throttled, "requests": sent, "requests_per_second": rate,
    })
}

/// `{"event": "progress", …}`
pub(super) fn progress(now: &Snapshot, rates: &Rates) -> String {
    let shown = |lane| Lane::new(lane, rates);
    let total = now.total();
    let event = Event {
        event: "progress",
        phase: now.phase,
        split_lines: now.split_lines,
        split_bytes: now.split_bytes,
        merged_lines: now.merged_lines,
        done_before: now.done_before,
        total: shown(&total),
        lanes: now.lanes.iter().map(shown).collect(),
        queue: now.queue.as_ref().filter(|_| now.phase == Phase::Queued),
        batches: now.batches,
    };
    serde_json::to_string(&event).expect("progress is always JSON")
}
