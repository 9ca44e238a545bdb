//! Progress as one JSON object a line.

use serde::Serialize;

use super::show::Rates;
use super::{Batches, LaneNow, Now, Phase};

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    phase: Phase,
    split_lines: u64,
    split_bytes: u64,
    merged_lines: u64,
    lanes: Vec<Lane<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batches: Option<Batches>,
}

#[derive(Serialize)]
struct Lane<'a> {
    #[serde(flatten)]
    now: &'a LaneNow,
    requests_per_second: f64,
    left_seconds: Option<u64>,
}

/// `{"event": "progress", …}`
pub(super) fn progress(now: &Now, rates: &Rates) -> String {
    let lanes = now.lanes.iter().map(|lane| Lane {
        now: lane,
        requests_per_second: (rates.requests(&lane.name) * 10.0).round() / 10.0,
        left_seconds: rates.left(lane).map(|left| left.as_secs()),
    });
    let event = Event {
        event: "progress",
        phase: now.phase,
        split_lines: now.split_lines,
        split_bytes: now.split_bytes,
        merged_lines: now.merged_lines,
        lanes: lanes.collect(),
        batches: now.batches,
    };
    serde_json::to_string(&event).expect("progress is always JSON")
}
