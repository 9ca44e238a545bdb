//! What happens in a run now, and in its last minutes: a sample of each lane every second.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serve::{LaneSecond, LiveLane, LiveRun};
use tokio_util::task::AbortOnDropHandle;
use worker::Observer;

use super::super::now;
use super::lanes::Changed;
use crate::progress::{LaneSnapshot, Phase, Progress};
use crate::text;

/// The seconds that are kept.
const KEPT: usize = 600;
/// The seconds over which rates and latencies are measured.
const WINDOW: usize = 10;
/// Milliseconds up to here have a bucket each; above, each doubling has four.
const EXACT: u32 = 16;
const BUCKETS: usize = 16 + 4 * 18;

/// The observer of a run's worker. It counts for [`Progress`], and measures how fast each lane goes.
pub(super) struct Live {
    progress: Arc<Progress>,
    lanes: Mutex<HashMap<String, Meter>>,
}

/// What is measured of a lane.
struct Meter {
    /// The requests a second that each call may send, by the first line of its batch.
    allowed: HashMap<u64, f64>,
    /// The latencies of the last seconds and of the one that goes on, as counts by bucket.
    latencies: VecDeque<[u32; BUCKETS]>,
    seconds: VecDeque<LaneSecond>,
    /// The counts at the last sample.
    sent: u64,
    throttled: u64,
}

impl Live {
    pub(super) fn new(progress: Arc<Progress>) -> Arc<Self> {
        Arc::new(Self { progress, lanes: Mutex::default() })
    }

    /// Samples every second until the handle is dropped.
    pub(super) fn sample(self: &Arc<Self>) -> AbortOnDropHandle<()> {
        let live = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                for lane in live.progress.snapshot().lanes {
                    live.lanes().entry(lane.lane.clone()).or_insert_with(|| Meter::of(&lane)).sample(&lane);
                }
            }
        }))
    }

    /// The name of a lane that is called so, or whose limit is.
    pub(super) fn lane(&self, name: &str) -> Option<String> {
        let lanes = self.progress.snapshot().lanes;
        let named = lanes
            .iter()
            .find(|lane| lane.lane == name)
            .or_else(|| lanes.iter().find(|lane| lane.name == name));
        named.map(|lane| lane.lane.clone())
    }

    /// The run at this moment.
    pub(super) fn run(&self, changed: &HashMap<String, Changed>) -> LiveRun {
        let snapshot = self.progress.snapshot();
        let meters = self.lanes();
        let lanes = snapshot.lanes.iter().map(|lane| {
            let changed = changed.get(&lane.lane).cloned().unwrap_or_default();
            lane_now(lane, meters.get(&lane.lane), changed)
        });
        LiveRun {
            phase: match snapshot.phase {
                Phase::Starting | Phase::Queued => "starting",
                Phase::Splitting => "splitting",
                Phase::Sending => "sending",
                Phase::Merging => "merging",
            },
            split_lines: snapshot.split_lines,
            merged_lines: snapshot.merged_lines,
            lanes: lanes.collect(),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<String, Meter>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, lane: &str, measure: impl FnOnce(&mut Meter)) {
        let mut lanes = self.lanes();
        match lanes.get_mut(lane) {
            Some(meter) => measure(meter),
            None => measure(lanes.entry(lane.to_owned()).or_insert_with(Meter::new)),
        }
    }
}

fn lane_now(lane: &LaneSnapshot, meter: Option<&Meter>, changed: Changed) -> LiveLane {
    let held = lane.held_seconds.map(|seconds| text::moment(now() + seconds * 1000));
    LiveLane {
        name: lane.lane.clone(),
        limit: lane.name.clone(),
        lines: lane.lines,
        done: lane.done,
        failed: lane.failed,
        requests: lane.sent,
        throttled: lane.throttled,
        latency_p50: meter.and_then(|meter| meter.latency(0.5)),
        latency_p99: meter.and_then(|meter| meter.latency(0.99)),
        allowed: meter.map_or(Some(0.0), Meter::allowed),
        achieved: meter.map_or(0.0, Meter::achieved),
        held_until: held,
        waits_for: lane.waits_for.as_ref().map(|other| other.job.clone()),
        paused: changed.paused,
        rate: changed.rate,
        seconds: meter.map(|meter| meter.seconds.iter().copied().collect()).unwrap_or_default(),
    }
}

impl Meter {
    fn new() -> Self {
        Self {
            allowed: HashMap::new(),
            latencies: VecDeque::from([[0; BUCKETS]]),
            seconds: VecDeque::new(),
            sent: 0,
            throttled: 0,
        }
    }

    /// A meter that does not count what an earlier process has sent.
    fn of(lane: &LaneSnapshot) -> Self {
        Self { sent: lane.sent, throttled: lane.throttled, ..Self::new() }
    }

    fn sample(&mut self, lane: &LaneSnapshot) {
        let since = |now: u64, before: u64| u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "a rate that is drawn")]
        let second = LaneSecond {
            at: now() / 1000,
            requests: since(lane.sent, self.sent),
            throttled: since(lane.throttled, self.throttled),
            latency_p50: self.latency(0.5).unwrap_or(0),
            allowed: self.allowed().unwrap_or(0.0) as f32,
        };
        (self.sent, self.throttled) = (lane.sent, lane.throttled);
        self.seconds.push_back(second);
        self.latencies.push_back([0; BUCKETS]);
        if self.seconds.len() > KEPT {
            self.seconds.pop_front();
        }
        if self.latencies.len() > WINDOW {
            self.latencies.pop_front();
        }
    }

    fn record(&mut self, millis: u32) {
        if let Some(latencies) = self.latencies.back_mut() {
            latencies[bucket(millis)] += 1;
        }
    }

    /// The milliseconds in which this share of the responses came.
    fn latency(&self, share: f64) -> Option<u32> {
        let mut counts = [0_u64; BUCKETS];
        for second in &self.latencies {
            counts.iter_mut().zip(second).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        let all: u64 = counts.iter().sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of responses"
        )]
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.filter(|_| all > 0).map(millis_of)
    }

    /// The sum of what its calls may send; `None` without a limit.
    fn allowed(&self) -> Option<f64> {
        // The sum of nothing is -0.0.
        let sum = self.allowed.values().sum::<f64>() + 0.0;
        sum.is_finite().then_some(sum)
    }

    fn achieved(&self) -> f64 {
        let last = self.seconds.iter().rev().take(WINDOW);
        let (count, sum) =
            last.fold((0_u32, 0.0), |(n, sum), second| (n + 1, sum + f64::from(second.requests)));
        sum / f64::from(count.max(1))
    }
}

fn bucket(millis: u32) -> usize {
    if millis < EXACT {
        return millis as usize;
    }
    let log = millis.ilog2();
    let quarter = (millis >> (log - 2)) & 3;
    ((EXACT + (log - 4) * 4 + quarter) as usize).min(BUCKETS - 1)
}

/// The smallest number of milliseconds in a bucket.
fn millis_of(bucket: usize) -> u32 {
    let bucket = u32::try_from(bucket).unwrap_or(u32::MAX);
    match bucket.checked_sub(EXACT) {
        None => bucket,
        Some(above) => (4 + above % 4) << (above / 4 + 2),
    }
}

impl Observer for Live {
    fn found(&self, lane: &str, ok: u64, failed: u64) {
        self.progress.found(lane, ok, failed);
    }

    fn sent(&self, lane: &str) {
        self.progress.sent(lane);
    }

    fn throttled(&self, lane: &str) {
        self.progress.throttled(lane);
    }

    fn attempted(&self, lane: &str, millis: u32) {
        self.with(lane, |meter| meter.record(millis));
    }

    fn finished(&self, lane: &str, ok: bool) {
        self.progress.finished(lane, ok);
    }

    fn held(&self, lane: &str, key: &str, wait: Duration) {
        self.progress.held(lane, key, wait);
    }

    fn paced(&self, lane: &str, batch: u64, rate: Option<f64>) {
        self.with(lane, |meter| match rate {
            Some(rate) => _ = meter.allowed.insert(batch, rate),
            None => _ = meter.allowed.remove(&batch),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_off_by_less_than_a_quarter() {
        for millis in (0..200).chain([999, 1000, 4096, 65_000, 900_000]) {
            let (shown, exact) = (millis_of(bucket(millis)), millis);
            assert!(shown <= exact && f64::from(exact) < f64::from(shown) * 1.25 + 1.0, "{exact}: {shown}");
        }
        let mut meter = Meter::new();
        assert_eq!(meter.latency(0.5), None);
        (1..=99).for_each(|_| meter.record(10));
        meter.record(1000);
        assert_eq!((meter.latency(0.5), meter.latency(0.99)), (Some(10), Some(10)));
        meter.record(1000);
        assert_eq!(meter.latency(0.99), Some(millis_of(bucket(1000))));
    }
}
