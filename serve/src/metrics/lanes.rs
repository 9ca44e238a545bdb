//! The lanes of the runs that are under way.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::jobs::LiveRun;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLane {
    job: String,
    lane: String,
    limit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    job: String,
    lane: String,
    kind: &'static str,
}

/// Registers what each lane does now. Counts begin with the process.
pub(super) fn register(registry: &mut Registry, runs: &[(String, LiveRun)]) {
    let counts = Family::<OfKind, Gauge>::default();
    let rates = Family::<OfKind, Gauge<f64, AtomicU64>>::default();
    let latencies = Family::<OfKind, Gauge>::default();
    let held = Family::<OfLane, Gauge>::default();
    for (job, lane) in runs.iter().flat_map(|(job, run)| run.lanes.iter().map(move |lane| (job, lane))) {
        let kind = |kind| OfKind { job: job.clone(), lane: lane.name.clone(), kind };
        for (name, count) in [
            ("lines", lane.lines),
            ("done", lane.done),
            ("failed", lane.failed),
            ("requests", lane.requests),
            ("throttled", lane.throttled),
        ] {
            counts.get_or_create(&kind(name)).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        rates.get_or_create(&kind("achieved")).set(lane.achieved);
        rates.get_or_create(&kind("allowed")).set(lane.allowed.unwrap_or(f64::INFINITY));
        for (name, millis) in [("p50", lane.latency_p50), ("p99", lane.latency_p99)] {
            if let Some(millis) = millis {
                latencies.get_or_create(&kind(name)).set(i64::from(millis));
            }
        }
        let of = OfLane { job: job.clone(), lane: lane.name.clone(), limit: lane.limit.clone() };
        held.get_or_create(&of).set(i64::from(lane.held_until.is_some()));
    }
    registry.register("lane", "Lines and requests of a lane that is under way", counts);
    registry.register("lane_rate", "Requests a second, allowed and achieved", rates);
    registry.register("lane_latency_milliseconds", "The latency of the last ten seconds", latencies);
    registry.register("lane_held", "Whether the provider gets no requests now", held);
}
