//! The counts of a run's lanes, from the names of its result segments.

use std::time::Duration;

use job::run::RunRef;
use job::store::Listing;
use job::{Objects, Plan, PlannedLane, SegmentKey, StepError};
use tokio::time::Instant;

/// Batches whose lines all have results are not listed again for this long. A worker that was taken for dead
/// may still add to them.
const COUNT_ANEW: Duration = Duration::from_secs(3600);

/// Counts the lanes of one run again and again, and lists only what may be new.
#[derive(Debug, Default)]
pub struct LaneCounts {
    lanes: Vec<Settled>,
    /// When everything was listed.
    since: Option<Instant>,
}

/// The batches from the first one of a lane on whose lines all have results.
#[derive(Debug, Clone, Copy, Default)]
struct Settled {
    batches: usize,
    counts: Counts,
}

/// What the segments of some batches count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) throttled: u64,
}

impl LaneCounts {
    /// Counts the lanes of a plan, in its order. Failures of earlier generations do not count.
    pub(super) async fn count(
        &mut self,
        objects: &Objects,
        run: &RunRef,
        plan: &Plan,
    ) -> Result<Vec<Counts>, StepError> {
        if self.since.is_none_or(|since| since.elapsed() > COUNT_ANEW) {
            self.lanes = vec![Settled::default(); plan.lanes.len()];
            self.since = Some(Instant::now());
        }
        let mut counts = Vec::with_capacity(plan.lanes.len());
        for (lane, settled) in plan.lanes.iter().zip(&mut self.lanes) {
            counts.push(settled.count(objects, run, lane).await?);
        }
        Ok(counts)
    }
}

impl Settled {
    async fn count(
        &mut self,
        objects: &Objects,
        run: &RunRef,
        lane: &PlannedLane,
    ) -> Result<Counts, StepError> {
        let keys = run.keys();
        let mut counts = self.counts;
        let Some(first) = lane.batches.get(self.batches) else { return Ok(counts) };
        let after = keys.batch_results(&lane.name, first.first);
        let mut listing = Listing::after(objects, keys.lane_results(&lane.name), after);
        let mut all_settled = true;
        for batch in &lane.batches[self.batches..] {
            let folder = listing.folder(&keys.batch_results(&lane.name, batch.first)).await?;
            let batch_counts = Counts::of(folder.iter().map(|entry| entry.key.as_str()), run);
            counts = counts + batch_counts;
            all_settled &= batch_counts.ok + batch_counts.failed >= batch.lines;
            if all_settled {
                *self = Self { batches: self.batches + 1, counts };
            }
        }
        Ok(counts)
    }
}

impl Counts {
    fn of<'a>(keys: impl Iterator<Item = &'a str>, run: &RunRef) -> Self {
        let mut counts = Self::default();
        for key in keys {
            if let Some(SegmentKey::Results { invocation, ok, failed, throttled, .. }) =
                SegmentKey::parse(key)
            {
                counts.ok += ok;
                if invocation.generation() == run.generation {
                    counts.failed += failed;
                    counts.throttled += throttled;
                }
            }
        }
        counts
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            ok: self.ok + other.ok,
            failed: self.failed + other.failed,
            throttled: self.throttled + other.throttled,
        }
    }
}
